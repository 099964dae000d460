#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""p2p-ft beside redis-server: random searches by name among a million records, by 50 connections that each keep 1,
16 or 64 of them under way, against GET with an answer of the same number of bytes. Both in one run, alternating, with
the same client (ft-load.c); medians, and their ratio. CPU is the server's alone: it says more than answers per
second where others want the cores. And the memory of a record, with a name of 23 bytes
(words = no; words.py measures what words take).

    tests/bench/index.py BUILD [RECORDS] [ROUNDS] [SECONDS]       (installs redis-server)

Records come by the protocol, from peers with 10,000 each that stay joined. The servers have the first core for
themselves and the client the second, as far as the rest of the machine lets them."""

import os
import pathlib
import socket
import subprocess
import time

from bench import NO_LIMITS, alternate, argument, congestion_control, cpu_seconds, harness, install, load, place

RECORDS = argument(1, 1_000_000)
ROUNDS = argument(2, 5)
SECONDS = argument(3, 2)
PER_PEER = 10_000
CONNECTIONS = 50
DEPTHS = (1, 16, 64)
PIPELINE = 1000
FT_LOAD = pathlib.Path(os.environ["P2PSHARE_BUILD"]) / "tests/bench/ft-load"


def name(number):
    """23 bytes with the extension; ft-load.c knows them too."""
    return f"name-{number:014}"


def resident(pid):
    """Bytes of memory."""
    return int(pathlib.Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


class Wire:
    """A blocking connection."""

    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.file = self.socket.makefile("rb")

    def send(self, text):
        self.socket.sendall(text.encode())

    def line(self):
        return self.file.readline()

    def close(self):
        self.file.close()
        self.socket.close()


def join_ft(port, numbers):
    """A peer that has told FT these records, and knows that FT has gone through them."""
    wire = Wire(port)
    wire.send("HELLO\n")
    assert wire.line() == b"HI\n"
    wire.send("".join(f"<{name(i)}, dat, {100_000_000 + i}, 23/11/26, 127.0.0.1, 5556>\n" for i in numbers))
    wire.send(f"SEARCH: {name(numbers[-1])}.dat\n")
    return wire, wire.line()


class Redis:
    """Nothing on disk, and nothing but its defaults otherwise."""

    def __init__(self, tmp):
        self.port = harness.free_port()
        self.process = subprocess.Popen(
            ["redis-server", "--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no",
             "--dir", str(tmp)], stdout=subprocess.DEVNULL)
        harness.wait_for(self.answers, "redis-server")

    def answers(self):
        try:
            socket.create_connection(("127.0.0.1", self.port)).close()
        except OSError:
            return False
        return True

    def fill(self, value_bytes):
        wire = Wire(self.port)
        for begin in range(0, RECORDS, PIPELINE):
            numbers = range(begin, min(begin + PIPELINE, RECORDS))
            wire.send("".join(f"*3\r\n$3\r\nSET\r\n$23\r\n{name(i)}.dat\r\n${value_bytes}\r\n{i:0{value_bytes}}\r\n"
                              for i in numbers))
            for _ in numbers:
                assert wire.line() == b"+OK\r\n"
        wire.close()

    def stop(self):
        self.process.terminate()
        self.process.wait()


def fill_ft(ft):
    """(the peers, bytes of an answer). Prints what a record takes."""
    before, begin = resident(ft.pid), time.monotonic()
    peers = []
    for first in range(0, RECORDS, PER_PEER):
        wire, answer = join_ft(ft.port, range(first, min(first + PER_PEER, RECORDS)))
        assert answer.startswith(b"FOUND: <"), answer
        peers.append(wire)
    print(f"p2p-ft: {RECORDS} records of {len(peers)} peers in {time.monotonic() - begin:.1f} s, "
          f"{(resident(ft.pid) - before) / RECORDS:.1f} bytes each")
    return peers, len(answer)


def fill_redis(redis, answer_bytes):
    """A value such that "$NN\\r\\n" and it and "\\r\\n" are as long as an answer of FT."""
    before, begin = resident(redis.process.pid), time.monotonic()
    redis.fill(answer_bytes - len("$00\r\n\r\n"))
    print(f"redis-server: the same names as SET in {time.monotonic() - begin:.1f} s, "
          f"{(resident(redis.process.pid) - before) / RECORDS:.1f} bytes each")


def measure(protocol, port, pid, depth):
    """(answers per second, µs of the server's CPU for one)."""
    argv = [FT_LOAD, protocol, port, CONNECTIONS, depth, SECONDS, RECORDS]
    before = cpu_seconds(pid)
    run = subprocess.run([str(arg) for arg in argv], check=True, stdout=subprocess.PIPE,
                         preexec_fn=lambda: os.sched_setaffinity(0, {1}))
    rate = float(run.stdout)
    return rate, (cpu_seconds(pid) - before) / (rate * SECONDS) * 1e6


def compare(ft, redis):
    print(f"{CONNECTIONS} connections, medians of {ROUNDS} runs of {SECONDS} s, {congestion_control()} on both "
          f"sides, {load()}; p2p-ft, redis-server, ratio")
    print(f"{'depth':>5}{'k/s':>9}{'k/s':>9}{'ratio':>7}{'CPU µs':>9}{'CPU µs':>9}{'ratio':>7}")
    for depth in DEPTHS:
        ours, theirs = alternate(ROUNDS, [lambda: measure("line", ft.port, ft.pid, depth),
                                          lambda: measure("resp", redis.port, redis.process.pid, depth)])
        print(f"{depth:5}{ours[0] / 1000:9.0f}{theirs[0] / 1000:9.0f}{ours[0] / theirs[0]:7.2f}"
              f"{ours[1]:9.2f}{theirs[1]:9.2f}{ours[1] / theirs[1]:7.2f}", flush=True)


def main():
    install("redis-server")
    with place() as world:
        peers, redis = [], Redis(world.tmp)
        try:
            ft = world.ft(max_files_per_peer=PER_PEER, words="no", **NO_LIMITS)
            for pid in (ft.pid, redis.process.pid):
                os.sched_setaffinity(pid, {0})
            peers, answer_bytes = fill_ft(ft)
            fill_redis(redis, answer_bytes)
            compare(ft, redis)
        finally:
            for peer in peers:
                peer.close()
            redis.stop()


if __name__ == "__main__":
    main()
