# SPDX-License-Identifier: MIT
"""FT tries to connect to each peer where it is published, and the peer tells its owner the
result."""

import socket
import threading

import pytest

from harness import FakeFt, ScriptedServer, Wire, ctl, record, silent, wait_for

ROOT = "1a" * 32


@pytest.fixture
def listener():
    """A port at which a peer could be reached; connections are accepted by the kernel."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server


@pytest.fixture
def closed_port():
    """A port on which no program listens or will listen."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield taken.getsockname()[1]


def wait_reachable(ft, wire, state):
    wait_for(lambda: ft.reachable().get(wire.local[1]) == state, f"{state}: {ft.reachable()}")


def join(ft, port, name="report", root=ROOT):
    wire = Wire(ft.port)
    wire.send("HELLO\n" + record(name, "txt", 11, port, "05/03/20", root=root) + "\n")
    wire.expect("HI\nKEPT: 1\n" if root else "HI\n")
    return wire


def ask(wire, state, port):
    wire.send("REACHABLE\n")
    wire.expect(f"REACHABLE: {state}, 127.0.0.1, {port}\n")


def test_yes(ft, listener):
    port = listener.getsockname()[1]
    with join(ft, port) as wire:
        connection, remote = listener.accept()
        with connection:
            assert remote[0] == "127.0.0.1"
            assert connection.recv(1) == b""  # not a word
        wait_reachable(ft, wire, "yes")
        ask(wire, "yes", port)


def test_an_ft_that_says_it_all_the_time(world, bus):
    """An answer counts only if the peer has asked."""
    said = threading.Event()

    def script(wire, _):
        wire.deadline = 3600
        wire.expect("HELLO\n")
        wire.send("HI\n")
        wire.recv_until()
        wire.send("KEPT: 1\n")
        wire.expect("REACHABLE\n")
        wire.send("REACHABLE: no, 192.0.2.9, 5\n" * 3000 + "REACHABLE: yes, 192.0.2.9, 5\n" * 3000)
        wire.expect("SEARCH: a\n")
        wire.send("NOT FOUND\n")
        said.set()
        silent(wire)

    peer = world.peer(world.server(ScriptedServer(script)), bus=bus).joined()
    assert peer.search("a") == []
    assert said.is_set()
    assert peer.log.count("192.0.2.9") == 1, peer.log
    assert peer.get("Reachable") == "no"


def test_no(ft, closed_port):
    with join(ft, closed_port) as wire:
        ask(wire, "no", closed_port)
        wait_reachable(ft, wire, "no")


def test_asked_in_one_segment_with_everything(ft, closed_port):
    """The answer comes when it is known, and other answers do not wait for it."""
    with Wire(ft.port) as wire:
        wire.send("HELLO\n" + record("report", "txt", 11, closed_port, "05/03/20", root=ROOT) +
                  "\nREACHABLE\nSEARCH: nothing\n")
        wire.expect(f"HI\nKEPT: 1\nNOT FOUND\nREACHABLE: no, 127.0.0.1, {closed_port}\n")


def test_once_in_a_minute(ft, listener):
    """FT tries once a minute, however often the peer asks or registers."""
    port = listener.getsockname()[1]
    with join(ft, port) as wire:
        ask(wire, "yes", port)
        for n in range(4):
            wire.send(record(f"more{n}", "txt", 1, port, root=ROOT) + "\n")
            wire.expect(f"KEPT: {n + 2}\n")
            ask(wire, "yes", port)
        listener.accept()[0].close()
        listener.setblocking(False)
        with pytest.raises(BlockingIOError):
            listener.accept()


def test_literal_peers_are_left_alone(ft, listener):
    """FT neither tries nor tells peers that do not ask."""
    port = listener.getsockname()[1]
    with join(ft, port, root=None) as wire:
        wire.send("REACHABLE\nSEARCH: nothing\n")
        wire.expect("NOT FOUND\n")
        assert ft.reachable()[wire.local[1]] == "unknown"
        with join(ft, port, "other") as rooted:  # has been tried by now, the first one not
            wait_reachable(ft, rooted, "yes")
        listener.accept()[0].close()
        listener.setblocking(False)
        with pytest.raises(BlockingIOError):
            listener.accept()


def test_only_the_observed_address_is_tried(ft, listener):
    """FT never connects to an address that a stranger claims."""
    port = listener.getsockname()[1]
    with Wire(ft.port) as wire:
        wire.send(f"HELLO\n<report, txt, 11, 05/03/20, 192.0.2.7, {port}, {ROOT}>\n")
        wire.expect("HI\nKEPT: 1\n")
        ask(wire, "yes", port)
        connection, remote = listener.accept()
        connection.close()
        assert remote[0] == "127.0.0.1"


def test_switched_off(world, bus, listener):
    ft = world.ft(bus, probe="no")
    port = listener.getsockname()[1]
    with join(ft, port) as wire:
        ask(wire, "unknown", port)
        listener.setblocking(False)
        with pytest.raises(BlockingIOError):
            listener.accept()


def test_unreachable_records_come_last(ft, listener, closed_port):
    port = listener.getsockname()[1]
    with join(ft, closed_port) as away:
        wait_reachable(ft, away, "no")
        with join(ft, port) as there:
            wait_reachable(ft, there, "yes")
            there.send("SEARCH: report\n")
            there.expect(f"FOUND: <txt, 11, 05/03/20, 127.0.0.1, {port}, {ROOT}>, "
                         f"<txt, 11, 05/03/20, 127.0.0.1, {closed_port}, {ROOT}>\n")


def test_a_session_that_ends_while_it_is_tried(ft, closed_port):
    for _ in range(50):
        with Wire(ft.port) as wire:
            wire.send("HELLO\n" + record("report", "txt", 11, closed_port, root=ROOT) + "\nREACHABLE\nBYE\n")
    wait_for(lambda: ft.peers() == [], "all to be gone")


def test_a_peer_and_its_owner(world, ft, bus):
    """Our peer is open at first, and then behind a firewall: nothing listens at its published
    port."""
    peer = world.peer(ft, bus=bus).joined()
    wait_for(lambda: peer.get("Reachable") == "yes", f"the result\n{peer.log}")
    assert peer.get("Address") == peer.address
    said = ctl(bus, "status").stdout
    assert f"reachable at {peer.address}" in said and "not reachable" not in said
    table = ctl(bus, "ft").stdout
    assert "REACHABLE" in table and "yes" in table


def test_an_ft_that_does_not_know_the_question(world, bus):
    ft = world.server(FakeFt())
    peer = world.peer(ft, bus=bus).joined()
    wait_for(lambda: ft.asked_reachable == 1, "the question")
    assert peer.get("Reachable") == "unknown"


def test_the_owner_is_told(world, bus):
    """The peer is behind a router: FT publishes another address than the peer's own, and cannot
    connect there."""
    ft = world.server(FakeFt(reachable="no, 192.0.2.7, 4711"))
    peer = world.peer(ft, bus=bus).joined()
    wait_for(lambda: peer.get("Reachable") == "no", f"the answer\n{peer.log}")
    assert peer.get("Address") == "192.0.2.7:4711"
    said = ctl(bus, "status").stdout
    assert "not reachable at 192.0.2.7:4711" in said
    assert "TCP port 4711" in said and "p2pctl join" in said
    assert max(len(line) for line in said.splitlines()[1:]) <= 80
    assert peer.log.count("TCP port 4711") == 1
    ft.reachable = "yes, 192.0.2.7, 4711"
    assert ctl(bus, "join").returncode == 0
    wait_for(lambda: peer.get("Reachable") == "yes", f"the second answer\n{peer.log}")
    said = ctl(bus, "status").stdout
    assert "reachable at 192.0.2.7:4711" in said and "not reachable" not in said


@pytest.mark.parametrize("answer", ["", "no", "perhaps, 192.0.2.7, 1", "no, 192.0.2.7, 0", "no, x, 1"])
def test_an_ft_that_talks_nonsense(world, bus, answer):
    ft = world.server(FakeFt({"a.txt": "NOT FOUND"}, reachable=answer))
    peer = world.peer(ft, bus=bus).joined()
    assert peer.call("Search", "s", "a.txt") == []  # it has been read by now
    assert (peer.get("Reachable"), peer.get("Address")) == ("unknown", peer.address)
