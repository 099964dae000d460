#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""A restart of p2p-ft with a million records: how long its end and its start take, what the state takes in memory, and
how long a peer waits for the answer to a search that it sends at the worst moment. The part of systemd is played by
tests/integration/harness/service_manager.py.

    tests/bench/restart.py BUILD [RECORDS] [ROUNDS]"""

import os
import re
import time

from bench import NO_LIMITS, argument, load, place
from index import PER_PEER, join_ft, name

from harness import service_manager

RECORDS = argument(1, 1_000_000)
ROUNDS = argument(2, 5)


def restart(ft, wire):
    """(seconds to the end, to READY, until the search that was sent before is answered, bytes of the state)"""
    begin = time.monotonic()
    ft.process.signal(15)
    wire.send(f"SEARCH: {name(RECORDS - 1)}.dat\n")
    ft.ended()
    end = time.monotonic()
    size = os.fstat(ft.fd("p2p-ft-state")).st_size if "p2p-ft-state" in ft.names() else 0
    ft.start()
    ready = time.monotonic()
    assert wire.line().startswith(b"FOUND: <")
    return end - begin, ready - end, time.monotonic() - begin, size


def main():
    with place() as world:
        ft = world.ft(kind=service_manager.ManagedFt, max_files_per_peer=PER_PEER, **NO_LIMITS)
        peers = [join_ft(ft.port, range(first, min(first + PER_PEER, RECORDS)))[0]
                 for first in range(0, RECORDS, PER_PEER)]
        print(f"{RECORDS} records of {len(peers)} peers, {load()}")
        for _ in range(ROUNDS):
            end, ready, answer, size = restart(ft, peers[-1])
            end_ms, start_ms = (re.findall(rf"{words}.*\((\d+) ms\)", ft.log)[-1]
                                for words in ("are with systemd", "sessions go on"))
            print(f"end {end:.2f} s (to hand over {end_ms} ms), start {ready:.2f} s (to take over {start_ms} ms), "
                  f"a search waits {answer:.2f} s; the state takes {size / RECORDS:.0f} bytes a record")
        assert ft.get("Records") == RECORDS
        for peer in peers:
            peer.close()


if __name__ == "__main__":
    main()
