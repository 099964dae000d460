#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""p2p-ft with as many peers as it may have file descriptors, up to 200,000 (tests/bench/in-uml runs it where `ulimit -Hn` is
lower than that): what a new one costs as they become more, what each takes, how long a search for any of them takes
meanwhile, when FT restarts, and when all the others leave at once. Each answer is looked at.

    tests/bench/sessions.py BUILD [SESSIONS]"""

import contextlib
import multiprocessing
import os
import random
import re
import resource
import socket
import statistics
import time

from bench import NO_LIMITS, argument, cpu_seconds, harness, load, place

from harness import service_manager

WANTED = argument(1, 200_000)
HARD = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
MARGIN = 200  # descriptors that are no sessions, on both sides
STEPS = 10
IP_BIND_ADDRESS_NO_PORT = 24  # <linux/in.h>
PER_ADDRESS = 10_000  # connections: an address has some 28,000 ports, and the last ones take long to be found


def join(port, number):
    s = socket.socket()
    s.setsockopt(socket.IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1)
    s.bind((f"127.77.0.{1 + number // PER_ADDRESS}", 0))
    s.connect(("127.0.0.1", port))
    s.sendall(f"HELLO\n<file {number}, txt, {number + 1}, 23/11/26, 127.0.0.1, 7100>\n".encode())
    assert s.recv(3) == b"HI\n"
    return s


def hold(port, numbers, pipe):
    """A process that joins as each of these, and holds them until the pipe says otherwise."""
    resource.setrlimit(resource.RLIMIT_NOFILE, (HARD, HARD))
    sockets = [join(port, number) for number in numbers]
    pipe.send(len(sockets))
    pipe.recv()
    os._exit(0)  # all at once


class Searcher:
    """A peer that searches all the while, for any of those that have joined; says how long it took since it was asked
    last."""

    def __init__(self, port):
        self.joined = multiprocessing.Value("L", 0)
        self.waits = multiprocessing.SimpleQueue()
        self.asked = multiprocessing.Event()
        self.process = multiprocessing.Process(target=self._run, args=(port,), daemon=True)
        self.process.start()

    def _run(self, port):
        wire, waits = harness.Wire(port), []
        wire.deadline = harness.DEADLINE
        wire.send("HELLO\n<file 0, txt, 1, 23/11/26, 127.0.0.1, 7100>\n")
        wire.expect("HI\n")
        while True:
            number = random.randrange(self.joined.value + 1)
            begin = time.monotonic()
            wire.send(f"SEARCH: file {number}\n")
            wire.expect(f"FOUND: <txt, {number + 1}, 23/11/26, 127.0.0.1, 7100>\n")
            waits.append(time.monotonic() - begin)
            if self.asked.is_set() and len(waits) > 1:
                self.asked.clear()
                self.waits.put(waits)
                waits = []
            time.sleep(0.001)

    def centiles(self):
        self.asked.set()
        while self.waits.empty():
            assert self.process.is_alive(), "a wrong answer"
            time.sleep(0.01)
        waits = self.waits.get()
        centiles = statistics.quantiles(waits, n=100, method="inclusive")
        return f"{centiles[98] * 1e3:.2f} ms, at most {max(waits) * 1e3:.2f}"


def restart(ft):
    """Goes on with all of them; what FT says of how long that took."""
    ft.restart()
    kept, known = re.findall(r"(\d+) of (\d+) sessions go on", ft.log)[-1]
    assert kept == known, f"{kept} of {known} sessions"
    return re.findall(r"\((\d+) ms\)", ft.log)[-2:]


def main():
    resource.setrlimit(resource.RLIMIT_NOFILE, (HARD, HARD))
    sessions = min(WANTED, HARD - MARGIN)
    with place() as world, contextlib.ExitStack() as stack:
        ft = world.ft(kind=service_manager.ManagedFt, max_peers=sessions + 1, **NO_LIMITS)
        searcher = Searcher(ft.port)
        stack.callback(searcher.process.kill)
        harness.wait_for(lambda: ft.get("Peers") == 1, "the searcher")
        empty, resident = ft.get("Memory"), harness.memory(ft)
        print(f"{sessions} sessions{'' if sessions == WANTED else f' (a process may have {HARD} descriptors here)'}, "
              f"{load()}; while nothing else is done, 99 of 100 searches take {searcher.centiles()}")
        pipes, first = [], 0
        for step in range(STEPS):
            last = sessions * (step + 1) // STEPS
            ours, theirs = multiprocessing.Pipe()
            before, begin = cpu_seconds(ft.pid), time.monotonic()
            multiprocessing.Process(target=hold, args=(ft.port, range(first + 1, last + 1), theirs), daemon=True).start()
            ours.recv()
            harness.wait_for(lambda: ft.get("Peers") == last + 1, "all of them")  # noqa: B023
            took, used = ((after - was) / (last - first) * 1e6
                          for after, was in ((time.monotonic(), begin), (cpu_seconds(ft.pid), before)))
            print(f"{last:>8}: {took:6.1f} us each, of FT's CPU {used:5.1f}; searches {searcher.centiles()}", flush=True)
            pipes.append(ours)
            searcher.joined.value = last
            first = last
        full = ft.get("Memory")
        print(f"a session takes {(full['sessions'] - empty['sessions']) / sessions:.0f} bytes by what FT says, "
              f"with its record {(sum(full.values()) - sum(empty.values())) / sessions:.0f}, "
              f"{(harness.memory(ft) - resident) * 1024 / sessions:.0f} resident")
        begin = time.monotonic()
        ft.call("ListPeers")
        print(f"ListPeers {time.monotonic() - begin:.2f} s; searches {searcher.centiles()}")
        end_ms, start_ms = restart(ft)
        print(f"all go on after a restart: {end_ms} ms to hand over, {start_ms} to take over; searches {searcher.centiles()}")
        searcher.joined.value = 0
        searcher.centiles()  # one may still be under way
        begin = time.monotonic()
        for pipe in pipes:
            pipe.send(None)
        harness.wait_for(lambda: ft.get("Sessions") == ft.get("Records") == 1, "all to have left")
        print(f"all have left after {time.monotonic() - begin:.2f} s; searches {searcher.centiles()}; "
              f"resident {harness.memory(ft) / 1e3:.1f} MB, {resident / 1e3:.1f} before")


if __name__ == "__main__":
    main()
