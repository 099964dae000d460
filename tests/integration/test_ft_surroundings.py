# SPDX-License-Identifier: MIT
"""p2p-ft works without a right date and without a disk."""

import os
import struct
import subprocess
import time

import pytest

from harness import Wire, record, wait_for
from harness.environment import BUILD, sanitized

TEN_YEARS = 10 * 365 * 86400
REPORT = record("report", "txt", 11, 7100)
FOUND = "FOUND: <txt, 11, 23/11/26, 127.0.0.1, 7100>\n"
ACCEPT_SECONDS = 20  # what FT gives a connection to become a peer


def join(ft):
    wire = Wire(ft.port)
    wire.send(f"HELLO\n{REPORT}\nSEARCH: nothing\n")
    wire.expect("HI\nNOT FOUND\n")
    return wire


def works(wire):
    wire.send("SEARCH: report\n")
    wire.expect(FOUND)


# --------------------------------------------------------------------------------------------- date


def test_the_date_jumps(world, bus):
    if sanitized():
        pytest.skip("a sanitizer wants to be loaded first")
    path = world.file("clock", struct.pack("q", 0))
    ft = world.ft(bus, search_rate=100, env={"LD_PRELOAD": str(BUILD / "tests/integration/jump-clock.so"),
                                             "JUMP_CLOCK": str(path)})
    with join(ft) as peer, Wire(ft.port) as silent, open(path, "r+b", buffering=0) as clock:
        begin = time.monotonic()
        for jump in TEN_YEARS, -TEN_YEARS:
            with Wire(ft.port) as raw:
                raw.send("HELLO")
                raw.expect("HI")
                clock.seek(0)
                clock.write(struct.pack("q", jump))
                # Nobody's time is over, and those of a message in RAW and of searches that come too
                # fast pass as ever.
                works(peer)
                raw.send(record("raw", "txt", 1, 7101))
                wait_for(lambda: len(ft.peers()) == 2, "the RAW peer to be accepted")
                # Only what is shown as a date is another one.
                sinces = sorted(peer[4] / 1e6 - time.time() for peer in ft.peers())
                assert abs(sinces[0] - min(jump, 0)) < 60 and abs(sinces[1] - max(jump, 0)) < 60
                raw.send("SEARCH: raw")
                raw.expect("FOUND")
                before = ft.refused()["too-fast"]
                peer.send("SEARCH: nothing\n" * 250)
                assert peer.recv_exactly(250 * len("NOT FOUND\n")) == b"NOT FOUND\n" * 250
                assert ft.refused()["too-fast"] > before
            wait_for(lambda: len(ft.peers()) == 1, "the RAW peer to have left")
        # The time of a connection that says nothing ends when it should.
        if time.monotonic() - begin < ACCEPT_SECONDS - 1:
            assert ft.refused()["timeout"] == 0
        silent.expect_close(ACCEPT_SECONDS + 30)
        assert time.monotonic() - begin > ACCEPT_SECONDS - 1
        assert ft.refused()["timeout"] == 1
        works(peer)


# --------------------------------------------------------------------------------------------- disk


@pytest.fixture
def mounts():
    if os.geteuid() != 0 or subprocess.run(["/usr/bin/unshare", "-m", "true"], check=False).returncode != 0:
        pytest.skip("cannot mount")


def in_mounts(ft, script):
    """Starts FT in a mount namespace that a script has prepared."""
    argv = ft.argv()
    ft.argv = lambda: ["/usr/bin/unshare", "-m", "/bin/sh", "-e", "-c", script + ' exec "$@"', "sh", *argv]
    return ft.start()


def test_no_disk_to_write_to(world, bus, mounts):
    """Every file system is read-only, those in memory included."""
    ft = in_mounts(world.ft(bus, start=False), """
        awk '{ print $5 }' /proc/self/mountinfo | while read -r at; do
            mount -o remount,bind,ro "$at" 2>/dev/null || :
        done
        for at in /tmp /dev/shm /var/tmp /run; do
            if touch "$at/p2pshare-test" 2>/dev/null; then echo "$at takes files" >&2; exit 1; fi
        done
        """)
    with join(ft) as peer:
        works(peer)
        ft.reload(max_files_per_peer=3)
        for n in range(3):
            peer.send(record(f"more {n}", "txt", 1, 1) + "\n")
        wait_for(lambda: ft.refused()["over-limit"] == 1, "the new limit")
        works(peer)
    ft.stop()


def test_full_disk(world, bus, mounts):
    """The disk of the log is full: only the log ends."""
    ft = in_mounts(world.ft(bus, start=False, args=["--verbose"]), f"""
        mount -t tmpfs -o size=16k none /mnt
        dd if=/dev/zero of=/mnt/filler bs=4k count=3 2>/dev/null
        exec 2>>/mnt/log
        ln -s /proc/$$/root/mnt/log {world.tmp}/log
        """)
    with join(ft) as peer:
        def full():
            with Wire(ft.port) as wire:
                wire.send("HELLO\n" + record("x", "txt", 1, 1) + "\nSEARCH: report\n")
                wire.expect("HI\n" + FOUND)
            return (world.tmp / "log").stat().st_size == 4096  # the page that is left
        wait_for(full, "the disk to be full")
        for _ in range(20):
            full()
        works(peer)
    ft.stop()
