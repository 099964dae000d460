#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""How long a well-behaved peer waits for the answer to a search while strangers mean p2p-ft harm, each kind by itself and
all at once (tests/integration/harness/hostile.py), with the limits as they are by default. And what names cost that are one for a
hash without a key.

    tests/bench/hostile.py BUILD [SECONDS] [ATTACKERS OF EACH KIND]"""

import contextlib
import os
import pathlib
import statistics
import time

from bench import argument, cpu_seconds, harness, load, place

from harness import hostile

SECONDS = argument(1, 5)
EACH = argument(2, 4)
PAUSE = 0.001  # between two searches of the peer
SEARCHES = 20  # for each name


def join(ft, *records):
    wire = harness.Wire(ft.port)
    wire.send("HELLO\n" + "".join(r + "\n" for r in records))
    wire.expect("HI\n")
    wire.send("SEARCH: nothing of the kind\n")
    wire.expect("NOT FOUND\n")
    return wire


def search_for(wire, seconds):
    """Seconds from each search to its answer."""
    waits, end = [], time.monotonic() + seconds
    while time.monotonic() < end:
        begin = time.monotonic()
        wire.send("SEARCH: witness\n")
        wire.expect("FOUND: <txt, 1, 23/11/26, 127.0.0.1, 7100>\n")
        waits.append(time.monotonic() - begin)
        time.sleep(PAUSE)
    return waits


def measure(world, kinds):
    ft = world.ft()
    with join(ft, harness.record("witness", "txt", 1, 7100)) as wire, contextlib.ExitStack() as stack:
        crowds = stack.enter_context(hostile.crowds(kinds, ft.port, EACH, pause=0))
        time.sleep(min(1, SECONDS / 5))  # until they are at it
        before = cpu_seconds(ft.pid)
        waits = search_for(wire, SECONDS)
        cpu = (cpu_seconds(ft.pid) - before) / SECONDS
        held = sum(ft.get("Memory").values())
        refused = sum(ft.refused().values())
        rounds = sum(crowd.rounds for crowd in crowds)
    centiles = statistics.quantiles(waits, n=100, method="inclusive")
    print(f"{kinds[0].__name__ if len(kinds) == 1 else 'all' if kinds else 'nobody':<20}{len(waits):>7}"
          f"{centiles[49] * 1e3:>9.2f}{centiles[98] * 1e3:>9.2f}{max(waits) * 1e3:>9.2f}{cpu:>7.2f}"
          f"{held / 1e6:>8.1f}{harness.memory(ft, 'VmHWM') / 1e3:>8.1f}{rounds:>9}{refused:>10}", flush=True)
    ft.stop()


def cpu_exactly(pid):
    """Seconds of the only thread that is at work, to the nanosecond."""
    return int(pathlib.Path(f"/proc/{pid}/schedstat").read_text().split()[0]) / 1e9


def cost_of_names(world, what, names):
    """CPU that FT takes for a record and for a search of these names."""
    ft = world.ft(max_files_per_peer=10_000, search_rate=0, words="no")
    with join(ft, harness.record("witness", "txt", 1, 7100)) as wire:
        text = "".join(harness.record(name, "txt", 1, 7100) + "\n" for name in names) + "SEARCH: nothing\n"
        before = cpu_exactly(ft.pid)
        wire.send(text)
        wire.expect("NOT FOUND\n")
        told = cpu_exactly(ft.pid)
        for _ in range(SEARCHES):
            for first in range(0, len(names), 100):
                wire.send("".join(f"SEARCH: {name}\n" for name in names[first:first + 100]))
                for _ in names[first:first + 100]:
                    wire.recv_until()
        searched = cpu_exactly(ft.pid)
    print(f"{what}: {len(names)} records, {(told - before) / len(names) * 1e6:.2f} us of CPU each; "
          f"a search {(searched - told) / SEARCHES / len(names) * 1e6:.2f} us")
    ft.stop()


def main():
    with place() as world:
        print(f"{EACH} attackers of each kind at nice 19, {SECONDS} s, {os.cpu_count()} processors, {load()}")
        print(f"{'':<20}{'search':>7}{'p50 ms':>9}{'p99 ms':>9}{'max ms':>9}{'CPU':>7}{'MB said':>8}{'MB RSS':>8}"
              f"{'rounds':>9}{'refused':>10}")
        kinds = list(hostile.KINDS.values())
        for attack in [[]] + [[kind] for kind in kinds] + [kinds]:
            measure(world, attack)
        colliding = hostile.colliding_names(9_000)
        cost_of_names(world, "names of the same length", [f"{i:0{len(colliding[0])}x}" for i in range(len(colliding))])
        cost_of_names(world, "names that collide without a key", colliding)


if __name__ == "__main__":
    main()
