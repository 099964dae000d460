# SPDX-License-Identifier: MIT
"""What a peer tells FT about its files: roots, KEPT, as many as FT keeps, and changes; also to
FileTrackers that know no roots."""

import contextlib
import os

import pytest

from harness import FakeFt, ScriptedServer, found, record, wait_for
from harness.merkle import root_of


def many(world, n, directory="many"):
    """The directory with n different files, in the order in which they are offered."""
    files = [world.file(f"{i:04}.txt", f"file {i}\n".encode(), directory) for i in range(n)]
    return files[0].parent, files


def states(peer):
    """{file name: state}"""
    return {os.path.basename(path): state for path, (_, state, _) in peer.shares().items()}


def wait_published(peer, files):
    wait_for(lambda: [path for path, share in peer.shares().items() if share[1] == "published"] ==
             [str(path) for path in files], f"{len(files)} files of {peer.name} to be published")


def test_records_carry_roots(world, bus):
    """What a peer says to an FT that knows roots, byte for byte."""
    ft = world.server(FakeFt({"report": f"FOUND: <txt, 11, 05/03/20, 127.0.0.1, 7100, {'1' * 64}>, "
                                        "<txt, 11, 05/03/20, 127.0.0.1, 7200>"}))
    data = b"hello body\n"
    notes = world.file("notes.txt", data, mtime=1795435200)
    peer = world.peer(ft, [notes], bus=bus).joined()
    first = f"<notes, txt, 11, 23/11/26, 127.0.0.1, {peer.port}, {root_of(data)}>\n".encode()
    assert ft.heard == [b"HELLO\n", first]
    wait_published(peer, [notes])
    assert [r[5] for r in peer.search("report")] == [7100, 7200]
    assert peer.search_roots("report") == ["1" * 64, None]
    # Another file of the same name and size: its record is written again, and nothing is removed.
    other = data[::-1]
    notes.write_bytes(other)
    os.utime(notes, (1795435200, 1795435200))
    peer.call("Rescan")
    second = f"<notes, txt, 11, 23/11/26, 127.0.0.1, {peer.port}, {root_of(other)}>\n".encode()
    ft.wait_heard(second)
    assert not [line for line in ft.heard if line.startswith(b"REMOVE")]
    blob = world.file("blob.bin", b"")
    peer.reload(share=[blob])
    ft.wait_heard(b"REMOVE: notes, txt, 11\n")
    wait_published(peer, [blob])
    assert ft.heard[-1].endswith(f", {root_of(b'')}>\n".encode())
    assert ft.connections == 1


def test_which_peers_see_roots(world, ft, peer):
    """Our peers see roots; a peer that writes none does not."""
    data = b"what it is\n"
    owner = world.peer(ft, [world.file("report.txt", data)]).joined()
    ft.wait_lookup("report.txt")
    assert ft.lookup_roots("report") == [root_of(data)]
    assert peer.search_roots("report") == [root_of(data)]
    wire = ft.join(record("seed", "txt", 1, 7100))
    wire.send("SEARCH: report\n")
    date = ft.lookup("report")[0][3]
    wire.expect(f"FOUND: <txt, {len(data)}, {date[8:]}/{date[5:7]}/{date[2:4]}, 127.0.0.1, {owner.port}>\n")
    assert peer.search_roots("seed") == [None]
    wire.close()


def test_as_many_as_ft_keeps(world, bus):
    ft = world.ft(bus, max_files_per_peer=12)
    directory, files = many(world, 40)
    peer = world.peer(ft, [directory], bus=bus).joined()
    wait_published(peer, files[:12])
    peer.wait_share(files[12], "limit")
    assert "the FileTracker keeps 12 files of each peer" in peer.ctl("shares").stdout
    assert [len(ft.lookup(f"{i:04}.txt")) for i in range(40)] == [1] * 12 + [0] * 28
    before = ft.only_session()
    # What goes makes room for the next, what comes first takes the place of the last.
    for path in files[2:5]:
        path.unlink()
    first = world.file("0000-first.txt", b"first", "many")
    peer.call("Rescan")
    wait_published(peer, [first, *files[:2], *files[5:14]])
    assert ft.only_session() == before
    assert ft.get("Records") == 12
    # More is used when the administrator allows it, and there is a reason to look.
    ft.reload(max_files_per_peer=1000)
    files[30].unlink()
    peer.call("Rescan")
    wait_published(peer, [first, *files[:2], *files[5:30], *files[31:]])
    assert ft.only_session() == before


def test_many_files(world, bus):
    """The peer tells all files, and then their changes, in one session; and all of them again when
    FT comes back."""
    ft = world.ft(bus, max_files_per_peer=10000)
    directory, files = many(world, 1500)
    peer = world.peer(ft, [directory], bus=bus).joined()
    wait_for(lambda: ft.get("Records") == 1500, "FT to have all of them")
    wait_published(peer, files)
    before = ft.only_session()
    for path in files[100:400]:
        path.unlink()
    files[7].write_bytes(b"FILE 7\n")
    peer.call("Rescan")
    wait_published(peer, files[:100] + files[400:])
    wait_for(lambda: ft.lookup_roots("0007.txt") == [root_of(b"FILE 7\n")], "the new root")
    assert ft.get("Records") == 1200
    assert ft.only_session() == before
    assert ft.refused()["over-limit"] == 0
    ft.kill()
    ft.start()
    wait_for(lambda: ft.get("Records") == 1200, "FT to have all of them again")
    assert peer.state == "joined"


@pytest.mark.parametrize("cut", [1, 40, 1000])
def test_kept_in_pieces(world, bus, cut):
    """The network cuts FT's answers anywhere: the last KEPT counts."""
    heard = []

    def script(wire, _):
        wire.expect("HELLO\n")
        wire.send("HI\n")
        held = set()
        while line := wire.recv_until():
            if line == b"REACHABLE\n":
                continue
            heard.append(line)
            if line.startswith(b"REMOVE: "):
                held.discard(line[8:-1])
            else:
                held.add(b", ".join(line[1:].split(b", ")[:3]))
            answer = f"KEPT: {len(held)}\n"
            for i in range(0, len(answer), cut):
                wire.send(answer[i:i + cut])

    def quiet_end(wire, number):
        with contextlib.suppress(AssertionError):
            script(wire, number)

    ft = world.server(ScriptedServer(quiet_end))
    directory, files = many(world, 60)
    peer = world.peer(ft, [directory], bus=bus).joined()
    wait_published(peer, files)
    assert len(heard) == 60
    files[0].unlink()
    peer.call("Rescan")
    wait_published(peer, files[1:])
    wait_for(lambda: heard[60:] == [b"REMOVE: 0000, txt, 7\n"], "what has changed, and nothing else")


def test_an_ft_that_never_says_kept(world, bus):
    """The peer joins again with five records in the seed's syntax, and tells changes as before."""
    ft = world.server(FakeFt({"report": found(("txt", 11, 7100))}, kept=None))
    directory, files = many(world, 8)
    peer = world.peer(ft, [directory], bus=bus).joined()
    assert [line.count(b",") for line in ft.heard] == ([0] + [6] * 5) + ([0] + [5] * 5)
    assert ft.heard.count(b"HELLO\n") == 2
    assert "The FileTracker does not know records with roots: joining without" in peer.log
    assert list(states(peer).values()) == ["published"] * 5 + ["limit"] * 3
    assert [r[5] for r in peer.search("report")] == [7100]
    files[1].unlink()
    peer.call("Rescan")
    ft.wait_heard(b"REMOVE: 0001, txt, 7\n")
    wait_published(peer, [files[0], *files[2:6]])
    assert ft.connections == 2


def test_an_ft_that_closes_on_roots(world, bus):
    def script(wire, _):
        wire.deadline = 3600
        with contextlib.suppress(AssertionError):
            while line := wire.recv_until():
                if line == b"HELLO\n":
                    wire.send("HI\n")
                elif line.count(b",") > 5:
                    return
                elif line.startswith(b"SEARCH"):
                    wire.send(found(("txt", 11, 7100)) + "\n")

    ft = world.server(ScriptedServer(script))
    peer = world.peer(ft, bus=bus).joined()
    assert [r[5] for r in peer.search("report")] == [7100]
    assert ft.connections == 2
    assert set(states(peer).values()) == {"published"}


def test_an_ft_without_roots_that_closes_after_each_answer(world, bus):
    """The peer tries roots once, not in each session."""
    ft = world.server(FakeFt({"report": found(("txt", 11, 7100))}, once=True, kept=None))
    peer = world.peer(ft, bus=bus).joined()
    for _ in range(4):
        assert [r[5] for r in peer.search("report")] == [7100]
    ft.wait_connections(5)
    assert len([line for line in ft.heard if line.count(b",") == 6]) == 1


def test_kept_is_no_answer_to_a_search(world, bus):
    """A KEPT that comes out of turn, or without a number, is not taken for an answer."""
    ft = world.server(FakeFt(lambda name: "KEPT: 1\nKEPT: \nKEPT: -1\nKEPT: 99999999999999999999\n" +
                             found(("txt", 11, 7100))))
    peer = world.peer(ft, bus=bus).joined()
    assert [r[5] for r in peer.search("report")] == [7100]
    assert [r[5] for r in peer.search("report")] == [7100]
    assert ft.connections == 1


def test_no_roots_in_raw(world, bus):
    """An FT that knows only RAW gets the same as before, and its session ends only when the records
    do."""
    ft = world.server(FakeFt({"nothing": "NOT FOUND"}, framing="raw"))
    directory, files = many(world, 8)
    peer = world.peer(ft, [directory], bus=bus).joined()
    records = ft.heard[-1].split(b";")
    assert [r.count(b",") for r in records] == [5] * 5
    assert list(states(peer).values()) == ["published"] * 5 + ["limit"] * 3
    connections = ft.connections
    files[7].unlink()
    peer.call("Rescan")
    assert peer.search("nothing") == []
    assert ft.connections == connections
    files[0].unlink()
    peer.call("Rescan")
    ft.wait_connections(connections + 1)
    wait_published(peer.joined(), files[1:6])
