#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""A thousand downloads at once by one peer, from four that share 250 files each, and how long a property of that
peer takes to read on D-Bus meanwhile.

    tests/bench/crowd.py BUILD [DOWNLOADS] [ROUNDS]

The four are stopped until all downloads have been asked for, so that they really are at once. Every file is
compared in the end. A read falls due every 5 ms, over one connection, and its time counts from there: one that has
to wait for another is late too. Wanted: 99 of 100 in less than 20 ms. The last line is the same with nothing to do:
what bus and reader cost."""

import hashlib
import multiprocessing
import os
import random
import resource
import signal
import statistics
import time

from bench import argument, harness, load, place

COUNT = argument(1, 1000)
ROUNDS = argument(2, 5)
OWNERS = 4
SIZES = (100 << 10, 2 << 20)
INTERVAL = 0.005


def connect(address):
    from gi.repository import Gio  # after the fork: it has threads

    flags = Gio.DBusConnectionFlags.AUTHENTICATION_CLIENT | Gio.DBusConnectionFlags.MESSAGE_BUS_CONNECTION
    return Gio.DBusConnection.new_for_address_sync(address, flags, None, None)


def read_on_time(address, stop, result):
    """Reads State until `stop` is set; sends the seconds that each took from when it was due."""
    from gi.repository import Gio, GLib

    bus = connect(address)
    arguments = GLib.Variant("(ss)", (harness.PEER, "State"))
    taken, due = [], time.monotonic()
    while not stop.is_set():
        time.sleep(max(due - time.monotonic(), 0))
        bus.call_sync(harness.PEER, harness.PEER_PATH, "org.freedesktop.DBus.Properties", "Get", arguments, None,
                      Gio.DBusCallFlags.NONE, 60000, None)
        taken.append(time.monotonic() - due)
        due += INTERVAL
    result.send(taken)


def ask_for_all(address, names, result):
    """Calls Download for each; sends the seconds that it took."""
    from gi.repository import Gio, GLib

    bus = connect(address)
    begun = time.monotonic()
    for name in names:
        bus.call_sync(harness.PEER, harness.PEER_PATH, harness.PEER, "Download", GLib.Variant("(sa{sv})", (name, {})),
                      None, Gio.DBusCallFlags.NONE, 60000, None)
    result.send(time.monotonic() - begun)


class Child:
    """A function in a process of its own, and what it sends."""

    def __init__(self, function, *args):
        context = multiprocessing.get_context("fork")
        self.pipe, theirs = context.Pipe(duplex=False)
        self.process = context.Process(target=function, args=(*args, theirs), daemon=True)
        self.process.start()

    def result(self):
        value = self.pipe.recv()
        self.process.join()
        return value


def make_files(directory, generator):
    """{name: digest}, spread over a directory for each owner."""
    digests = {}
    for i in range(COUNT):
        path = directory / f"owner{i % OWNERS}" / f"file{i:04}.bin"
        path.parent.mkdir(parents=True, exist_ok=True)
        data = generator.randbytes(generator.randint(*SIZES))
        path.write_bytes(data)
        digests[path.name] = hashlib.sha256(data).digest()
    return digests


def complete(directory, digests):
    """Whether all are there; a wrong file under its name is the end."""
    names = [name for name in os.listdir(directory) if not name.endswith(".part")]
    return len(names) == len(digests)


def one_round(asker, owners, digests):
    """(downloads that were open at once, seconds, seconds of the calls, [seconds of a read])"""
    for path in asker.downloads.iterdir():
        path.unlink()
    stop = multiprocessing.get_context("fork").Event()
    reads = Child(read_on_time, asker.bus.address, stop)
    for owner in owners:
        os.kill(owner.pid, signal.SIGSTOP)
    begun = time.monotonic()
    calls = Child(ask_for_all, asker.bus.address, list(digests)).result()
    pending = len(digests) - sum(not name.endswith(".part") for name in os.listdir(asker.downloads))
    for owner in owners:
        os.kill(owner.pid, signal.SIGCONT)
    harness.wait_for(lambda: complete(asker.downloads, digests), "all of them", 300)
    seconds = time.monotonic() - begun
    stop.set()
    taken = reads.result()
    wrong = [name for name, digest in digests.items()
             if hashlib.sha256((asker.downloads / name).read_bytes()).digest() != digest]
    assert not wrong, wrong
    return pending, seconds, calls, taken


def idle(asker, seconds=2):
    stop = multiprocessing.get_context("fork").Event()
    reads = Child(read_on_time, asker.bus.address, stop)
    time.sleep(seconds)
    stop.set()
    return reads.result()


def columns(taken):
    """The number of reads and their percentiles, in ms."""
    taken = sorted(taken)
    at = [taken[min(int(len(taken) * share), len(taken) - 1)] for share in (0.5, 0.99, 1)]
    return f"{len(taken):8}" + "".join(f"{value * 1000:9.2f}" for value in at), at[1] * 1000


def main():
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    with place() as world:
        digests = make_files(world.tmp / "share", random.Random(1))
        ft = world.ft(max_files_per_peer=COUNT)
        asker = world.peer(ft).joined()
        owners = [world.peer(ft, [world.tmp / "share" / f"owner{i}"], max_uploads=COUNT).joined()
                  for i in range(OWNERS)]
        harness.wait_for(lambda: ft.get("Records") == COUNT + 1, "FT to know all files")
        print(f"{COUNT} downloads from {OWNERS} peers, {load()}")
        print(f"{'':7}{'at once':>8}{'all, s':>8}{'calls, s':>9}{'reads':>8}{'p50, ms':>9}{'p99, ms':>9}{'max, ms':>9}")
        high = []
        for number in range(1, ROUNDS + 1):
            pending, seconds, calls, taken = one_round(asker, owners, digests)
            text, p99 = columns(taken)
            high.append(p99)
            print(f"round {number}{pending:8}{seconds:8.2f}{calls:9.2f}{text}", flush=True)
        print(f"{'median p99':40}{statistics.median(high):18.2f}")
        print(f"{'idle':32}{columns(idle(asker))[0]}")


if __name__ == "__main__":
    main()
