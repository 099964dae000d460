#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Who has which file: a million files of 1,000 peers, told to p2p-ft as records, to redis-server with HSET, and to
opentracker (a BitTorrent tracker that many use) as announces over UDP, where each file is a torrent. The same client
(register-load.c) and a fresh server for each run, alternating; medians. CPU and memory are the server's.

    tests/bench/registrations.py BUILD [FILES] [PEERS] [ROUNDS]       (installs redis-server and opentracker)

p2p-ft is there twice: what it takes to find files by words (words = yes) is more than the others do. Nor is the rest the
same service: Redis knows nothing of peers that leave, and a tracker neither names nor sizes, but answers each announce. opentracker as Debian builds it must know all torrents beforehand; what that takes is not counted."""

import os
import pathlib
import socket
import struct
import subprocess

from bench import NO_LIMITS, alternate, argument, congestion_control, cpu_seconds, harness, install, load, place
from index import Redis, resident

FILES = argument(1, 1_000_000)
PEERS = argument(2, 1000)
ROUNDS = argument(3, 5)
EACH = FILES // PEERS
LOAD = pathlib.Path(os.environ["P2PSHARE_BUILD"]) / "tests/bench/register-load"


class OpenTracker:
    def __init__(self, tmp):
        self.port = harness.free_port()
        with open(tmp / "whitelist", "wb") as file:
            subprocess.run([LOAD, "hashes", str(FILES)], check=True, stdout=file)
        # It insists on being somebody else than root, and on a directory of its own.
        self.process = subprocess.Popen(
            ["opentracker", "-i", "127.0.0.1", "-p", str(self.port), "-P", str(self.port), "-d", str(tmp),
             "-u", "nobody", "-w", "/whitelist" if os.getuid() == 0 else str(tmp / "whitelist")],
            cwd=tmp, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        lines = (tmp / "whitelist").read_text().split()
        harness.wait_for(lambda: self.takes(bytes.fromhex(lines[-1])), "opentracker to know all torrents", 60)

    def takes(self, info_hash):
        """Whether it takes an announce of that one: that it has stopped."""
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
            udp.settimeout(0.2)
            udp.connect(("127.0.0.1", self.port))
            try:
                udp.send(struct.pack(">QII", 0x41727101980, 0, 1))
                connection = struct.unpack(">IIQ", udp.recv(16))[2]
                udp.send(struct.pack(">QII20s20sQQQIIIIH", connection, 1, 1, info_hash, b"", 0, 0, 0, 3, 0, 0, 0, 2000))
                return struct.unpack(">I", udp.recv(1000)[:4])[0] == 1
            except OSError:
                return False

    def stop(self):
        self.process.kill()
        self.process.wait()


def measure(protocol, port, pid):
    """(thousand files per second, µs of the server's CPU for one, bytes of its memory for one)"""
    os.sched_setaffinity(pid, {0})
    cpu, memory = cpu_seconds(pid), resident(pid)
    client = subprocess.Popen([LOAD, protocol, str(port), str(PEERS), str(EACH)], stdin=subprocess.PIPE,
                              stdout=subprocess.PIPE, preexec_fn=lambda: os.sched_setaffinity(0, {1}))
    seconds = float(client.stdout.readline())
    result = PEERS * EACH / seconds / 1000, (cpu_seconds(pid) - cpu) / FILES * 1e6, (resident(pid) - memory) / FILES
    client.stdin.close()
    client.wait()
    return result


def p2p_ft(world, words):
    ft = world.ft(max_files_per_peer=max(EACH, 5), max_peers=PEERS + 100, words=words, **NO_LIMITS)
    result = measure("line", ft.port, ft.pid)
    ft.stop()
    return result


def other(world, kind, protocol):
    server = kind(world.tmp)
    try:
        return measure(protocol, server.port, server.process.pid)
    finally:
        server.stop()


def main():
    install("redis-server", "opentracker")
    with place() as world:
        print(f"{PEERS * EACH} files of {PEERS} peers, medians of {ROUNDS}, {congestion_control()}, {load()}")
        rows = alternate(ROUNDS, [lambda: p2p_ft(world, "no"), lambda: p2p_ft(world, "yes"),
                                  lambda: other(world, Redis, "resp"), lambda: other(world, OpenTracker, "udp")])
        print(f"{'':16}{'k/s':>9}{'ours/':>8}{'CPU µs':>9}{'ours/':>8}{'bytes':>9}{'ours/':>8}")
        for name, row in zip(("p2p-ft", "p2p-ft, words", "redis-server", "opentracker"), rows):
            print(f"{name:16}" + "".join(f"{value:9.{digits}f}{ours / value:8.2f}"
                                         for value, ours, digits in zip(row, rows[0], (0, 2, 1))))


if __name__ == "__main__":
    main()
