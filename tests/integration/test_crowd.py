# SPDX-License-Identifier: MIT
"""Many connections, and connections that do nothing: what they can do to the daemons."""

import contextlib
import os
import resource
import select
import socket
import threading
import time

import pytest

from harness import DEADLINE, Wire, memory, record, wait_for
from harness.daemons import Ft
from harness.environment import sanitized

CROWD = 10000
IP_BIND_ADDRESS_NO_PORT = 24  # <linux/in.h>
ACCEPT_SECONDS = 20  # what FT gives a connection to become a peer
REPORT = "<report, txt, 11, 05/03/20, 127.0.0.1, 7100>"
FOUND_REPORT = "FOUND: <txt, 11, 05/03/20, 127.0.0.1, 7100>\n"


@pytest.fixture(scope="module", autouse=True)
def descriptors():
    """This process holds the other end of each connection, and the daemons inherit the limit."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < CROWD + 500:
        pytest.skip(f"a process may open {hard} files here")
    wanted = min(max(soft, 20000), hard) if hard != resource.RLIM_INFINITY else max(soft, 20000)
    resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


class Crowd:
    """Many connections that say nothing. Each has its own address, because one address may not have
    enough ports."""

    def __init__(self, port, count, words=b""):
        self.sockets = []
        try:
            for i in range(count):
                s = socket.socket()
                self.sockets.append(s)
                s.settimeout(DEADLINE)
                # The port is chosen by connect(), and what is left of it (TIME_WAIT) is in nobody's
                # way.
                s.setsockopt(socket.IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1)
                s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                s.bind((f"127.1.0.{1 + i // 2000}", 0))
                s.connect(("127.0.0.1", port))
                if words:
                    with contextlib.suppress(OSError):  # it may have made room already
                        s.send(words)
        except BaseException:
            self.close()
            raise

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def wait_closed(self, count, deadline):
        """Waits until FT has closed `count` of them, without a word except HI."""
        poll = select.poll()
        for s in self.sockets:
            poll.register(s, select.POLLIN)
        by_fd = {s.fileno(): s for s in self.sockets}
        end = time.monotonic() + deadline
        closed = 0
        while closed < count:
            ready = poll.poll(max(end - time.monotonic(), 0) * 1000)
            assert ready, f"{closed} of {count} closed after {deadline} s"
            for fd, _ in ready:
                with contextlib.suppress(ConnectionResetError):
                    data = by_fd[fd].recv(100)
                    assert data in (b"", b"HI\n", b"HI")
                    if data:
                        continue
                poll.unregister(fd)
                closed += 1

    def close(self):
        for s in self.sockets:
            s.close()


def cpu_seconds(daemon):
    with open(f"/proc/{daemon.pid}/stat") as stat:
        fields = stat.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def idle(daemon, seconds=1.0):
    """Checks that the daemon does not spin: it uses almost no CPU in a second without events."""
    before = cpu_seconds(daemon)
    time.sleep(seconds)
    used = cpu_seconds(daemon) - before
    assert used < seconds / 4, f"{used} s of CPU in {seconds} s"


def session(ft, *records):
    """A LINE session that FT has accepted, without D-Bus."""
    wire = Wire(ft.port)
    wire.send("HELLO\n" + "".join(r + "\n" for r in records or [REPORT]) + "SEARCH: nothing of the kind\n")
    wire.expect("HI\nNOT FOUND\n")
    return wire


def works(wire, searched="report", answer=FOUND_REPORT):
    wire.send(f"SEARCH: {searched}\n")
    wire.expect(answer)


def refused(ft, reason, at_least):
    wait_for(lambda: ft.refused()[reason] >= at_least, f"Refused {reason} >= {at_least}")


# --------------------------------------------------------------------- connections that say nothing


def test_ten_thousand_say_nothing(world):
    ft = world.ft(max_handshakes=CROWD + 100, max_handshakes_per_address=2000, max_peers_per_address=2000)
    peer = session(ft)
    fds = ft.fds()
    began = time.monotonic()
    with Crowd(ft.port, CROWD) as crowd:
        works(peer)
        with session(ft, record("late", "txt", 1, 1)) as late:
            works(late)
            wait_for(lambda: ft.fds() >= fds + CROWD, "all to be accepted")
            works(late, "late", "FOUND: <txt, 1, 23/11/26, 127.0.0.1, 1>\n")
        assert ft.get("Peers") >= 1
        assert ft.refused()["full"] == 0
        if not sanitized():
            assert memory(ft) < 64 * 1024
        # Their time ends, each in its turn; not the time of the peer.
        crowd.wait_closed(CROWD, ACCEPT_SECONDS + DEADLINE)
        assert time.monotonic() - began > ACCEPT_SECONDS - 1
        refused(ft, "timeout", CROWD)
        wait_for(lambda: ft.fds() <= fds, "the descriptors to be free")
        works(peer)
        idle(ft)


def test_ten_thousand_where_a_hundred_have_room(world):
    ft = world.ft(max_peers=100)
    peers = [session(ft) for _ in range(20)]
    fds = ft.fds()
    with Crowd(ft.port, CROWD) as crowd:
        crowd.wait_closed(CROWD - 80, 3 * DEADLINE)  # the oldest made room
        assert ft.fds() <= fds + 80
        with session(ft, record("late", "txt", 1, 1)) as late:  # the 10,001st
            works(late, "late", "FOUND: <txt, 1, 23/11/26, 127.0.0.1, 1>\n")
            for peer in peers:
                works(peer, "late", "FOUND: <txt, 1, 23/11/26, 127.0.0.1, 1>\n")
        assert ft.refused()["full"] >= CROWD - 80
        assert ft.get("Peers") >= 20


def test_half_done_greetings_make_room(world):
    """HELLO without a record is not a peer."""
    ft = world.ft(max_peers=50)
    with Crowd(ft.port, 500, b"HELLO\n"), session(ft) as late:
        works(late)


def test_full_of_peers(world):
    ft = world.ft(max_peers=5)
    peers = [session(ft, record(f"f{i}", "txt", i, 1)) for i in range(5)]
    for _ in range(20):
        with Wire(ft.port) as wire:
            with contextlib.suppress(OSError):
                wire.send("HELLO\n")
            wire.expect_close()
    assert ft.refused()["full"] == 20
    for i, peer in enumerate(peers):
        works(peer, f"f{i}", f"FOUND: <txt, {i}, 23/11/26, 127.0.0.1, 1>\n")
    peers[2].send("BYE\n")
    assert peers[2].recv_all() == b""
    with session(ft) as new:
        works(new)
    assert ft.get("Peers") >= 4


def test_fewer_peers_allowed_by_a_reload(world):
    """Sessions stay; new ones must wait until there is room."""
    ft = world.ft(max_peers=20)
    peers = [session(ft) for _ in range(10)]
    ft.reload(max_peers=5)
    with Wire(ft.port) as wire:
        wire.expect_close()
    for peer in peers:
        peer.send("SEARCH: x\n")
        peer.expect("NOT FOUND\n")
    for peer in peers[:6]:
        peer.close()
    wait_for(lambda: ft.get("Peers") == 4, "four peers")
    with session(ft):
        pass


# --------------------------------------------------------------------------- those that do not read


def large_answer(ft):
    """Opens sessions whose records together make one answer of 64 long records."""
    return [session(ft, *(f"<a, {'t' * 32}, {9223372036854775000 - 5 * i - k}, 23/11/26, 127.0.0.1, 65535>"
                          for k in range(5))) for i in range(13)]


def ask_without_end(wire):
    with pytest.raises((BrokenPipeError, ConnectionResetError)):
        for _ in range(2000):  # answered by gigabytes
            wire.send("SEARCH: a\n" * 1000)


def test_slow_reader(world):
    ft = world.ft()
    witness = session(ft)
    sources = large_answer(ft)
    before = memory(ft)
    readers = []
    for _ in range(5):
        s = socket.socket()
        s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        s.connect(("127.0.0.1", ft.port))
        readers.append(Wire(s))
        readers[-1].send(f"HELLO\n{REPORT}\n")
    # Each asks as long as FT listens, and then until FT has had enough of it.
    threads = [threading.Thread(target=ask_without_end, args=(wire,)) for wire in readers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    refused(ft, "slow-reader", len(readers))
    works(witness)
    if not sanitized():
        assert memory(ft, "VmHWM") - before < 16 * 1024
        assert memory(ft) - before < 4 * 1024
    assert len(sources) == 13


def test_many_searches_in_one_segment(world):
    """An answer is a thousand times as long as its search: FT must not write all of them before it
    sends."""
    ft = world.ft(search_rate=0)
    sources = large_answer(ft)
    sources[0].send("SEARCH: a\n")
    answer = sources[0].recv_until()
    assert answer.count(b"<") == 64
    before = memory(ft, "VmHWM")
    # One that reads all the while gets all.
    with session(ft) as wire:
        count = 6000
        writer = threading.Thread(target=wire.send, args=("SEARCH: a\n" * count,))
        writer.start()
        got = 0
        while got < count * len(answer):
            data = wire.recv_some()
            assert data, f"closed after {got} of {count * len(answer)} bytes: {ft.refused()}"
            got += len(data)
        writer.join()
    if not sanitized():
        assert memory(ft, "VmHWM") - before < 4 * 1024


def test_memory_of_a_burst_is_given_back(world):
    """A long burst that ends in the middle of a line, and then silence."""
    ft = world.ft()
    wires = [session(ft, record("x", "txt", 1, 1)) for _ in range(300)]
    before = memory(ft)
    for wire in wires:
        wire.send("<")
    burst = ("REMOVE: n, t, 1\n" * 3500 + "SEARCH: x").encode()  # no answers
    for wire in wires:
        wire.send(burst)
    for wire in wires:
        wire.send("y\n<")
        wire.expect("NOT FOUND\n")
    if not sanitized():
        assert memory(ft) - before < 8 * 1024


# -------------------------------------------------------------------------------------------- noise


def test_endless_garbage(world):
    ft = world.ft()
    witness = session(ft)
    before = memory(ft)

    def shout(data):
        """Sends without end, from a session that was accepted and from one that was not."""
        for wire in session(ft, record("x", "txt", 1, 1)), Wire(ft.port):
            with wire, contextlib.suppress(OSError):
                for _ in range(8):
                    wire.send(data)

    lines = os.urandom(1 << 20).replace(b"\n", b"") + b"\n"
    kinds = [os.urandom(1 << 20), b"\n" * (1 << 20), b"\0" * (1 << 20), b"<>" * 1000 + b"\n", lines,
             (b"<a, txt, 1, 23/11/26, 127.0.0.1, 0>\n" * 20000), b"<;" * 2000 + b"\n", b";" * (1 << 20),
             b",\n" * (1 << 19), b"HELLO" * 100000]
    threads = [threading.Thread(target=shout, args=(kind,)) for kind in kinds]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        works(witness)
    for thread in threads:
        thread.join()
    works(witness)
    assert ft.refused()["bad-record"] > 20000
    if not sanitized():
        assert memory(ft, "VmHWM") - before < 16 * 1024
    wait_for(lambda: ft.get("Peers") == 1, "all but the witness to be gone")


def test_flood_of_hello(world):
    ft = world.ft()
    witness = session(ft)
    with Wire(ft.port) as wire:
        for _ in range(50):
            wire.send("HELLO\n" * 10000)
        wire.send(f"{REPORT}\nSEARCH: nothing\n")
        assert wire.recv_until() + wire.recv_until() == b"HI\nNOT FOUND\n"  # once is enough
    with Crowd(ft.port, 3000, b"HELLO\n"):
        works(witness)
    with Crowd(ft.port, 3000, b"HELLO"):
        works(witness)
    works(witness)


def test_join_and_leave(world):
    """A thousand short sessions leave nothing behind."""
    ft = world.ft()
    with session(ft):
        pass
    wait_for(lambda: ft.get("Records") == 0, "an empty index")
    fds = ft.fds()
    for i in range(1000):
        wire = session(ft, *(record(f"f{i}-{k}", "txt", k, 1) for k in range(5)))
        [wire.close, wire.reset, wire.half_close, lambda w=wire: w.send("BYE\n")][i % 4]()
    wait_for(lambda: ft.get("Records") == 0 and ft.get("Peers") == 0, "an empty index")
    assert ft.get("Files") == 0
    wait_for(lambda: ft.fds() <= fds, "the descriptors to be free")
    idle(ft)


def test_no_descriptor_is_lost(world):
    """1000 connections of each kind."""
    ft = world.ft()
    witness = session(ft)
    fds = ft.fds()
    kinds = [
        lambda w: None,
        lambda w: w.reset(),
        lambda w: w.half_close(),
        lambda w: w.send("HELLO\n"),
        lambda w: w.send("HEL"),
        lambda w: (w.send("HELLO\n"), w.reset()),
        lambda w: w.send("junk\n"),
        lambda w: (w.send("HELLO\n<broken"), w.half_close()),
        lambda w: (w.send("x" * 5000), w.half_close()),
        lambda w: (w.send(f"HELLO\n{REPORT}\nSEARCH: report\n"), w.reset()),
        lambda w: (w.send(f"HELLO\n{REPORT}\nBYE\n"), w.recv_all()),
    ]
    for kind in kinds:
        for _ in range(1000):
            with Wire(ft.port) as wire, contextlib.suppress(ConnectionError):
                kind(wire)
        wait_for(lambda: ft.fds() <= fds, f"{fds} descriptors, as before; now {ft.fds()}")
        works(witness)
    assert ft.get("Records") == 1


# ------------------------------------------------------------------------------- out of descriptors


def limit_descriptors(daemon, count):
    _, hard = resource.prlimit(daemon.pid, resource.RLIMIT_NOFILE)
    resource.prlimit(daemon.pid, resource.RLIMIT_NOFILE, (count, hard))


def test_ft_out_of_descriptors(world):
    ft = world.ft()
    witness = session(ft)
    limit_descriptors(ft, ft.fds() + 10)
    with Crowd(ft.port, 200) as crowd:
        crowd.wait_closed(190, DEADLINE)
        ft.wait_log("Cannot accept a connection: Too many open files")
        works(witness)
        assert ft.get("Peers") == 1
        idle(ft)
        with Wire(ft.port) as wire:
            wire.expect_close()
    # The crowd has gone: there is room again.
    wait_for(lambda: session_or_none(ft), "FT to take a new session")
    assert ft.log.count("Cannot accept") < 30
    works(witness)
    limit_descriptors(ft, 20000)


def session_or_none(ft):
    try:
        with session(ft):
            return True
    except (AssertionError, OSError):
        return False


class SmallFt(Ft):
    """An FT that may open a hundred files from its start."""

    def argv(self):
        return ["/usr/bin/prlimit", "--nofile=100", *super().argv()]


def test_ft_with_few_descriptors(world, bus):
    """FT lowers max-peers to what is possible, so that silent peers make room instead of EMFILE."""
    ft = world._keep(SmallFt(world.tmp, bus))
    assert "max-peers is 50" in ft.log
    witness = session(ft)
    with Crowd(ft.port, 300) as crowd:
        crowd.wait_closed(300 - 49, DEADLINE)
        works(witness)
        with session(ft) as late:
            works(late, "nothing", "NOT FOUND\n")
        idle(ft)
    assert "Cannot accept" not in ft.log


def test_peer_out_of_descriptors(world):
    peer = world.peer(None, [world.file("report.txt", b"hello body\n")])
    wait_for(lambda: peer.shares(), "the shares to be read")
    limit_descriptors(peer, peer.fds() + 10)
    with Crowd(peer.port, 200) as crowd:
        crowd.wait_closed(190, DEADLINE)
        peer.wait_log("Cannot accept a connection: Too many open files")
        assert peer.get("State") == "idle"
        idle(peer)

    def served():
        with Wire(peer.port) as wire, contextlib.suppress(OSError):
            wire.request("report", "txt", 11)
            return wire.recv_all() == b"FILE: hello body\n"

    wait_for(served, "the peer to serve again")
    limit_descriptors(peer, 20000)


def test_ten_thousand_say_nothing_to_a_peer(world):
    peer = world.peer(None, [world.file("report.txt", b"hello body\n")])
    wait_for(lambda: peer.shares(), "the shares to be read")
    with Crowd(peer.port, CROWD), Wire(peer.port) as wire:
        wire.request("report", "txt", 11)
        assert wire.recv_all() == b"FILE: hello body\n"
        assert peer.get("State") == "idle"
        idle(peer)
