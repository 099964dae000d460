# SPDX-License-Identifier: MIT
"""FT's limits for one address and for all of them together; lists of addresses, kick and Lookup for
administrators."""

import contextlib
import os
import socket
import time

import pytest

from harness import DEADLINE, NOBODY, Wire, ctl, record, run, wait_for

ROOT = "1a" * 32


def at(ft, source):
    """Connects from another address of this machine."""
    return Wire(socket.create_connection(("127.0.0.1", ft.port), timeout=DEADLINE, source_address=(source, 0)))


def join(wire, *records):
    wire.send("HELLO\n")
    wire.expect("HI\n")
    wire.send("".join(r + "\n" for r in records or [record("filler", "txt", 1, 1)]))
    return wire


def wait_peers(ft, count):
    wait_for(lambda: len(ft.peers()) == count, f"{count} peers: {ft.peers()}")


def wait_refused(ft, cause, count):
    wait_for(lambda: ft.refused()[cause] == count, f"{count} {cause}: {ft.refused()}")


@pytest.fixture
def wires():
    with contextlib.ExitStack() as stack:
        yield lambda wire: stack.enter_context(wire)


# ----------------------------------------------------------------------------------- allow and deny


@pytest.mark.parametrize("lists, refused", [
    ({"deny": "127.0.0.2"}, {"127.0.0.2"}),
    ({"deny": "127.0.0.2/31"}, {"127.0.0.2", "127.0.0.3"}),
    ({"allow": "127.0.0.4"}, {"127.0.0.2", "127.0.0.3"}),
    ({"allow": "127.0.0.0/8", "deny": "127.0.0.3"}, {"127.0.0.3"}),
    ({"deny": ["127.0.0.2", "127.0.0.4"]}, {"127.0.0.2", "127.0.0.4"}),
])
def test_lists(world, bus, wires, lists, refused):
    ft = world.ft(bus, **lists)
    for source in "127.0.0.2", "127.0.0.3", "127.0.0.4":
        wire = wires(at(ft, source))
        if source in refused:
            wire.expect_close()
        else:
            join(wire)
    wait_peers(ft, 3 - len(refused))
    assert ft.refused()["denied"] == len(refused)


@pytest.mark.parametrize("line", [
    "deny = localhost", "allow = 10.0.0.1/8", "deny = 10.0.0.0/33", "allow = 10.0.0.0-10.0.0.9",
    "max-peers-per-address = 0", "max-handshakes = 0", "max-handshakes-per-address = -1", "max-files-per-address = x",
    "max-records = 60000001", "max-line = 1023", "max-line = 65537", "max-queue = 63K", "max-queues = 1",
    "max-results = 65", "search-rate = 1000001", "max-queue = 2M", "limit-exempt = home",
])
def test_bad_values(tmp_path, line):
    path = tmp_path / "bad.ini"
    path.write_text(f"[ft]\n{line}\n")
    result = run("p2p-ft", "--config", path, "--check-config")
    assert result.returncode == 1
    assert "bad.ini:2: " in result.stderr and line.split()[0] in result.stderr


def test_denied_by_reload(world, bus, wires):
    ft = world.ft(bus)
    stays, goes = (join(wires(at(ft, source))) for source in ("127.0.0.2", "127.0.0.3"))
    silent = wires(at(ft, "127.0.0.3"))
    wait_peers(ft, 2)
    ft.reload(deny="127.0.0.3")
    goes.expect_close()
    silent.expect_close()
    wait_peers(ft, 1)
    wires(at(ft, "127.0.0.3")).expect_close()
    stays.send("SEARCH: filler\n")
    assert stays.recv_until().startswith(b"FOUND: ")
    ft.reload(deny=[])
    join(wires(at(ft, "127.0.0.3")))
    wait_peers(ft, 2)


# ---------------------------------------------------------------------------- how many there may be


def test_sessions_of_an_address(world, bus, wires):
    ft = world.ft(bus, max_peers_per_address=3)
    first = [join(wires(at(ft, "127.0.0.2"))) for _ in range(3)]
    wait_peers(ft, 3)
    wires(at(ft, "127.0.0.2")).expect_close()
    assert ft.refused()["address-full"] == 1
    join(wires(at(ft, "127.0.0.3")))  # others have their own
    wait_peers(ft, 4)
    first[1].close()
    wait_peers(ft, 3)
    join(wires(at(ft, "127.0.0.2")))
    wait_peers(ft, 4)


def test_exempt(world, bus, wires):
    """Exempt addresses have no limits per address."""
    ft = world.ft(bus, max_peers_per_address=2, max_handshakes_per_address=1, max_files_per_address=1,
                  limit_exempt="127.0.0.2", probe="no")
    for _ in range(2):
        wires(at(ft, "127.0.0.2"))
    for _ in range(3):
        join(wires(at(ft, "127.0.0.2")), *(record(f"a{i}", "txt", 1, 1, root=ROOT) for i in range(2))).expect("KEPT: 2\n")
    join(wires(at(ft, "127.0.0.3")), *(record(f"b{i}", "txt", 1, 1, root=ROOT) for i in range(2))).expect("KEPT: 1\n")
    wires(at(ft, "127.0.0.3"))
    wires(at(ft, "127.0.0.3")).expect_close()
    ft.reload(limit_exempt=[])
    wires(at(ft, "127.0.0.2")).expect_close()


def test_handshakes_of_an_address(world, bus, wires):
    """One address that only connects does not keep out the others."""
    ft = world.ft(bus, max_handshakes_per_address=3)
    silent = [wires(at(ft, "127.0.0.2")) for _ in range(3)]
    wires(at(ft, "127.0.0.2")).expect_close()
    assert ft.refused()["handshakes"] == 1
    join(wires(at(ft, "127.0.0.3")))
    wait_peers(ft, 1)
    join(silent[0])  # it has joined, and is a handshake no more
    wait_peers(ft, 2)
    join(wires(at(ft, "127.0.0.2")))
    wait_peers(ft, 3)


def test_handshakes_in_all(world, bus, wires):
    """The oldest handshake makes room for a new one."""
    ft = world.ft(bus, max_handshakes=3)
    silent = [wires(at(ft, f"127.0.0.{i}")) for i in range(2, 5)]
    join(wires(at(ft, "127.0.0.5")))
    silent[0].expect_close()
    wait_peers(ft, 1)
    join(silent[1])
    wait_peers(ft, 2)
    wait_refused(ft, "handshakes", 1)


def test_files_of_an_address(world, bus, wires):
    ft = world.ft(bus, max_files_per_address=3, probe="no")
    a = join(wires(at(ft, "127.0.0.2")), *(record(f"a{i}", "txt", 1, 1, root=ROOT) for i in range(2)))
    a.expect("KEPT: 2\n")
    b = join(wires(at(ft, "127.0.0.2")), *(record(f"b{i}", "txt", 1, 1, root=ROOT) for i in range(2)))
    b.expect("KEPT: 1\n")
    assert ft.refused()["address-over-limit"] == 1
    other = join(wires(at(ft, "127.0.0.3")), *(record(f"c{i}", "txt", 1, 1, root=ROOT) for i in range(3)))
    other.expect("KEPT: 3\n")
    # What it has may be told anew; what it takes back makes room, and so does one that leaves.
    b.send(record("b0", "txt", 1, 1, root=ROOT) + "\n")
    b.expect("KEPT: 1\n")
    a.send("REMOVE: a0, txt, 1\n")
    a.expect("KEPT: 1\n")
    b.send(record("b1", "txt", 1, 1, root=ROOT) + "\n")
    b.expect("KEPT: 2\n")
    a.close()
    wait_peers(ft, 2)
    b.send(record("b2", "txt", 1, 1, root=ROOT) + "\n")
    b.expect("KEPT: 3\n")


def test_records_in_all(world, bus, wires):
    ft = world.ft(bus, max_records=3)
    a = join(wires(at(ft, "127.0.0.2")), *(record(f"a{i}", "txt", 1, 1) for i in range(2)))
    join(wires(at(ft, "127.0.0.3")), *(record(f"b{i}", "txt", 1, 1) for i in range(2)))
    wait_refused(ft, "index-full", 1)
    assert ft.get("Records") == 3
    # Whoever has none is taken, and can search.
    c = join(wires(at(ft, "127.0.0.4")), *(record(f"c{i}", "txt", 1, 1) for i in range(2)))
    wait_refused(ft, "index-full", 2)
    c.send("SEARCH: c0\n")
    assert c.recv_until().startswith(b"FOUND: ")
    assert ft.get("Records") == 4
    # What is taken back makes room.
    a.send("REMOVE: a0, txt, 1\nREMOVE: a1, txt, 1\nSEARCH: nothing\n")
    a.expect("NOT FOUND\n")
    c.send(record("c1", "txt", 1, 1) + "\nSEARCH: c1\n")
    assert c.recv_until().startswith(b"FOUND: ")


def test_results(world, bus, wires):
    ft = world.ft(bus, max_results=2)
    wire = None
    for i in range(3):
        wire = join(wires(at(ft, "127.0.0.2")), record("same", "txt", 1, 1 + i))
    wait_peers(ft, 3)
    wire.send("SEARCH: same\n")
    assert wire.recv_until().count(b"<") == 2


def test_a_longer_line(world, bus, wires):
    ft = world.ft(bus, max_line=8192)
    wire = join(wires(at(ft, "127.0.0.2")))
    wire.send("SEARCH: " + "x" * 8000 + "\n")
    wire.expect("NOT FOUND\n")
    wire.send("SEARCH: " + "x" * 8192 + "\n")
    wire.expect_close()


def test_queue_of_one(world, bus, wires):
    """FT drops a peer that does not read; with a larger queue it does so later."""
    ft = world.ft(bus, max_queue="64K", search_rate=0, max_files_per_peer=100)
    names = [record("x" * 200, "txt", size, 1) for size in range(64)]
    s = socket.socket()
    s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    s.settimeout(DEADLINE)
    s.connect(("127.0.0.1", ft.port))
    wire = join(wires(Wire(s)), *names)
    wait_peers(ft, 1)
    with contextlib.suppress(OSError, AssertionError):
        for _ in range(5000):
            wire.send("SEARCH: " + "x" * 200 + "\n")
    wait_refused(ft, "slow-reader", 1)


def test_queues_of_all(world, bus, wires):
    """Each queue is within its limit, but all together are over theirs: FT drops the peer whose
    queue grows, and keeps those who read."""
    ft = world.ft(bus, max_queue="1M", max_queues="2M", search_rate=0, max_files_per_peer=100)
    reader = join(wires(at(ft, "127.0.0.9")), *(record("x" * 200, "txt", size, 1) for size in range(64)))
    for i in range(2, 7):
        s = socket.socket()
        s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        s.settimeout(DEADLINE)
        s.bind((f"127.0.0.{i}", 0))
        s.connect(("127.0.0.1", ft.port))
        wire = join(wires(Wire(s)))
        with contextlib.suppress(OSError, AssertionError):
            for _ in range(200):
                wire.send(("SEARCH: " + "x" * 200 + "\n") * 10)
                if ft.refused()["slow-reader"]:
                    break
    wait_for(lambda: ft.refused()["slow-reader"] > 0, "one to be put out")
    reader.send("SEARCH: filler\n")
    assert reader.recv_until().startswith(b"FOUND: ")


def test_searches_that_wait(world, bus, wires):
    """Searches that wait for search-rate count as memory, too."""
    ft = world.ft(bus, search_rate=1, max_queues="1M")
    other = join(wires(at(ft, "127.0.0.9")))
    for _ in range(40):
        wire = join(wires(at(ft, "127.0.0.2")))
        with contextlib.suppress(OSError, AssertionError):
            wire.send("SEARCH: nothing\n" * 20_000)
    wait_for(lambda: ft.refused()["slow-reader"] > 0, "one to be put out")
    other.send("SEARCH: filler\n")
    assert other.recv_until().startswith(b"FOUND: ")


# ----------------------------------------------------------------------------------------- searches


def test_search_rate(world, bus, wires):
    """A peer that searches too fast gets every answer, but later, and does not delay others."""
    ft = world.ft(bus, search_rate=50)
    wire, other = (join(wires(at(ft, source))) for source in ("127.0.0.2", "127.0.0.3"))
    since = time.monotonic()
    wire.send("SEARCH: filler\n" * 150)  # two seconds' are at once
    other.send("SEARCH: nothing\n")
    other.expect("NOT FOUND\n")
    answers = [wire.recv_until() for _ in range(150)]
    assert time.monotonic() - since >= 0.8
    assert all(answer.startswith(b"FOUND: ") for answer in answers)
    assert ft.refused()["too-fast"] > 0
    wire.send("BYE\n")
    assert wire.recv_all() == b""


def test_no_search_rate(world, bus, wires):
    ft = world.ft(bus, search_rate=0)
    wire = join(wires(at(ft, "127.0.0.2")))
    wire.send("SEARCH: nothing\n" * 5000)
    assert wire.recv_exactly(5000 * len("NOT FOUND\n")) == b"NOT FOUND\n" * 5000
    assert ft.refused()["too-fast"] == 0


# ----------------------------------------------------------------------------------- administrators


def test_kick(world, bus, wires):
    ft = world.ft(bus)
    a, b = (join(wires(at(ft, "127.0.0.2"))) for _ in range(2))
    other = join(wires(at(ft, "127.0.0.3")))
    wait_peers(ft, 3)
    result = ctl(bus, "ft", "kick", f"127.0.0.2:{a.local[1]}")
    assert (result.returncode, result.stdout.split(".")[0]) == (0, "1 session ended")
    a.expect_close()
    result = ctl(bus, "ft", "kick", "127.0.0.2")
    assert result.returncode == 0 and "1 session ended" in result.stdout
    b.expect_close()
    assert f"Kicked 127.0.0.2, as uid {os.getuid()} asked: 1 session ended" in ft.log
    result = ctl(bus, "ft", "kick", "127.0.0.2")
    assert result.returncode == 3 and "there is no session from 127.0.0.2" in result.stderr
    assert ctl(bus, "ft", "kick", "everybody").returncode == 2
    assert ctl(bus, "ft", "kick").returncode == 2
    assert ft.refused()["kicked"] == 2
    other.send("SEARCH: filler\n")
    assert other.recv_until().startswith(b"FOUND: ")


def test_kick_is_for_administrators(world, bus, wires):
    ft = world.ft(bus)
    wire = join(wires(at(ft, "127.0.0.2")))
    wait_peers(ft, 1)
    assert ctl(bus, "ft", "kick", "127.0.0.2", uid=NOBODY).returncode == 1
    wire.send("SEARCH: nothing\n")
    wire.expect("NOT FOUND\n")


def test_lookup_and_peers(world, bus, wires):
    ft = world.ft(bus, probe="no")
    join(wires(at(ft, "127.0.0.2")), record("report", "txt", 11, 7100, root=ROOT)).expect("KEPT: 1\n")  # its own claim of an address of this machine
    shown = ctl(bus, "ft", "lookup", "report.txt")
    assert shown.returncode == 0
    assert "127.0.0.1:7100" in shown.stdout and ROOT[:8] in shown.stdout
    assert ctl(bus, "ft", "lookup", "nothing").returncode == 3
    shown = ctl(bus, "ft", "peers")
    assert shown.returncode == 0 and "127.0.0.2:" in shown.stdout and "refused" not in shown.stdout
    assert ctl(bus, "ft", "nonsense").returncode == 2
