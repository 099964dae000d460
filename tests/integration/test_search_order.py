# SPDX-License-Identifier: MIT
"""FOUND does not name its question: a peer takes each answer for the right one, whatever happens to
the session."""

import os
import socket
import struct
import threading

from harness import ScriptedServer, content, silent, wait_for
from harness.ports import connections
from harness.swarm import HttpSource, found_rooted

# A source that is not there: the download waits, and is searched for again.
NOBODY = f"FOUND: <bin, 5000000, 23/11/26, 127.0.0.1, 1, {'ab' * 32}>\n"


def join(wire):
    """The beginning of a session, as our own FT has it."""
    wire.deadline = 3600
    wire.expect("HELLO\n")
    wire.send("HI\n")
    wire.recv_until()


def keep(wire):
    join(wire)
    wire.send("KEPT: 1\n")


def first_session(answer, until):
    """A session with one search, which is answered so or (None) not; it ends when `until` returns."""
    def script(wire, _):
        keep(wire)
        wire.expect("REACHABLE\n")
        assert wire.recv_until().startswith(b"SEARCH: ")
        if answer:
            wire.send(answer)
        until()
    return script


def test_one_search_at_a_time(world):
    """A promise that waits is searched for when the session comes back, and not once more when its time has come."""
    searches = []
    waits, over = threading.Event(), threading.Event()

    def second(wire, _):
        keep(wire)
        if over.is_set():
            silent(wire)
            return
        searches.extend(wire.recv_all().split(b"\n"))  # no answer, and then the peer gives this session up
        over.set()

    ft = ScriptedServer([first_session(NOBODY, lambda: waits.wait(60)), second])
    peer = world.peer(world.server(ft)).joined()
    transfer = peer.download("f.bin")
    transfer.wait("waiting")
    waits.set()
    assert over.wait(60)
    assert searches.count(b"SEARCH: f.bin") == 1
    transfer.cancel()
    transfer.wait("cancelled")


def test_ft_resets_right_behind_kept(world):
    """With KEPT the search for what waits goes out, and finds that there is nobody any more."""
    waits = threading.Event()

    def reset(wire, _):
        join(wire)
        wire.send("KE")  # so that the rest of it is met by what the peer has kept of the line
        wait_for(lambda: (wire.remote[1], wire.local[1], 0, 0) in connections(wire.local[1]), "the peer to read")
        wire.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        wire.send("PT: 1\nX\n")

    def last(wire, _):
        keep(wire)
        silent(wire)

    ft = world.server(ScriptedServer([first_session(NOBODY, lambda: waits.wait(60)), reset, reset, reset, last]))
    peer = world.peer(ft).joined()
    transfer = peer.download("f.bin")
    transfer.wait("waiting")
    waits.set()
    ft.wait_connections(5)
    peer.joined()
    assert transfer.get("State") in ("waiting", "searching")


def test_an_answer_that_comes_too_late(world):
    """It is not taken for that of the next search: a session that owes an answer ends with the time of its search."""
    source = world.server(HttpSource(content(5000)))
    never = threading.Event()

    def late(wire, number):
        keep(wire)
        owed = found_rooted("a.bin", [source]) + "\n" if number == 1 else ""
        while words := wire.recv_some():
            if b"SEARCH: b.bin\n" in words:
                wire.send(owed + "NOT FOUND\n")

    # Most of the time that the search has; then the session ends.
    ft = ScriptedServer([first_session(None, lambda: never.wait(6)), late])
    peer = world.peer(world.server(ft)).joined()
    assert peer.download("a.bin").wait()["State"] == "failed"
    peer.joined()
    assert peer.download("b.bin").wait()["State"] == "failed"
    assert os.listdir(peer.downloads) == []
