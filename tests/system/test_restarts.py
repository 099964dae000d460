# SPDX-License-Identifier: MIT
"""p2p-ft is restarted and killed while 200 peers search: a restart costs no session, a crash costs a moment, and no
connection is refused by either."""

import statistics
import time

import pytest
from harness import wait_for
from lab import HERE
from load import Callers, Load, greet

PEERS = 200
RESTARTS, KILLS = 100, 20
SEARCHABLE_WITHIN = 2  # seconds after a crash


@pytest.fixture
def load(lab, ft, alpha, beta):
    with Load(lab.network, HERE, ft.address, PEERS) as load:
        wait_for(load.joined, f"{PEERS} peers to join")
        assert ft.ft("Peers") == PEERS + 2  # and the two real ones
        yield load


def test_restarts(lab, ft, alpha, beta, load):
    since = alpha.peer("Since"), beta.peer("Since")
    with Callers(lab, lambda: greet(ft)) as newcomers:
        begin, answers, pids = time.monotonic(), load.answers, set()
        for _ in range(RESTARTS):
            before, joined = load.answers, newcomers.answers
            ft.systemctl("restart", "p2p-ft")
            pids.add(ft.main_pid("p2p-ft"))
            # There was somebody to notice it.
            wait_for(lambda: load.answers > before + PEERS // 10 and newcomers.answers > joined, "searches to be answered")
        print(f"{RESTARTS} restarts in {time.monotonic() - begin:.1f} s, {load.answers - answers} searches answered, "
              f"{newcomers.answers} newcomers")
    assert len(pids) == RESTARTS
    assert newcomers.wrong == []
    assert (load.refused, load.lost, load.wrong) == ([], 0, [])
    assert (alpha.peer("Since"), beta.peer("Since")) == since
    assert ft.ft("Peers") == PEERS + 2


def test_kills(lab, ft, alpha, beta, load):
    times = []
    for _ in range(KILLS):
        # A peer takes its time to come back to an FT that sends it away unanswered within a second, again and again.
        for host in alpha, beta:
            assert len(host.search("--exact", "load-0.txt")) == 1
        pid, begin = ft.main_pid("p2p-ft"), time.monotonic()
        ft.kill("p2p-ft")
        wait_for(lambda: load.all_found_since(begin), "all peers to be back")
        for host in alpha, beta:
            wait_for(lambda: ft.records(f"notes-{host}.txt"), f"what {host} shares to be found")
        times.append(time.monotonic() - begin)
        assert ft.main_pid("p2p-ft") != pid
    print("searchable again after", " ".join(f"{t:.2f}" for t in sorted(times)), "s")
    assert load.refused == [] and load.wrong == []
    assert ft.ft("Peers") == PEERS + 2
    assert statistics.median(times) < SEARCHABLE_WITHIN
