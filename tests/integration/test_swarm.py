# SPDX-License-Identifier: MIT
"""Downloads with a root: each piece is verified, from several sources, some of which lie, and with
resume."""

import os
import subprocess
import threading
import time

import pytest

from harness import ERROR, FakeFt, ScriptedServer, content, fake_source, found, silent, wait_for
from harness.merkle import PIECE_MIN, piece_layer, root_of
from harness.swarm import HttpSource, found_rooted, held_up


@pytest.fixture
def answers():
    return {}


@pytest.fixture
def peer(world, answers):
    return world.peer(world.server(FakeFt(answers))).joined()


def done(peer, transfer, name, data):
    end = transfer.wait()
    assert end["State"] == "done", end
    assert (peer.downloads / name).read_bytes() == data
    assert os.listdir(peer.downloads) == [name]
    assert end["Transferred"] == end["Size"] == len(data)
    assert end["Verified"] is True
    assert end["Root"] == root_of(data)
    return end


@pytest.mark.parametrize("size", [0, 1, 16384, 16385, PIECE_MIN - 1, PIECE_MIN, PIECE_MIN + 1,
                                  3 * PIECE_MIN + 12345, 16 * PIECE_MIN])
def test_sizes(world, peer, answers, size):
    data = content(size)
    source = world.server(HttpSource(data))
    answers["f.bin"] = found_rooted("f.bin", [source])
    done(peer, peer.download("f.bin"), "f.bin", data)
    # Each piece is asked for once, and the hashes only where there are several.
    assert all(n == 1 for n in source.pieces_asked().values())
    assert [path.split("/")[1] for path, *_ in source.requests[:1]] == (
        ["pieces"] if size > PIECE_MIN else ["file"] if size > 0 else [])


def test_several_sources_share_the_work(world, peer, answers):
    data = content(24 * PIECE_MIN + 5)
    sources = [world.server(HttpSource(data, delay=0.002)) for _ in range(4)]
    answers["f.bin"] = found_rooted("f.bin", sources)
    transfer = peer.download("f.bin")
    wait_for(lambda: len(transfer.get("Sources")) == 4 or transfer.get("State") == "done", "four sources")
    done(peer, transfer, "f.bin", data)
    assert all(source.pieces_asked() for source in sources)


def test_a_name_with_everything_in_it(world, peer, answers):
    data = content(1000)
    source = world.server(HttpSource(data))
    name = "a b%2F,<x> ü?#.bin"
    answers["a b%252F,<x> ü?#.bin"] = answers[name] = found_rooted("f.bin", [source])
    done(peer, peer.download(name), name, data)


# --------------------------------------------------------------------------------------------- lies


def check_dropped(peer, liar, why):
    peer.wait_log(rf"127\.0\.0\.1:{liar.port} {why}; not asked again")


def test_a_wrong_piece(world, peer, answers):
    """The source is dropped and named, another one delivers the piece, and the rest goes on."""
    data = content(9 * PIECE_MIN)
    liar = world.server(HttpSource(data, corrupt={0, 1, 2, 3, 4, 5, 6, 7, 8}))
    honest = world.server(HttpSource(data, delay=0.005))
    answers["f.bin"] = found_rooted("f.bin", [liar, honest])
    done(peer, peer.download("f.bin"), "f.bin", data)
    check_dropped(peer, liar, r"sent a wrong piece \(\d\)")
    assert len(honest.pieces_asked()) == 9


def test_only_a_liar(world, peer, answers):
    """The download waits for a better source."""
    data = content(2 * PIECE_MIN)
    liar = world.server(HttpSource(data, corrupt={1}))
    answers["f.bin"] = found_rooted("f.bin", [liar])
    transfer = peer.download("f.bin")
    transfer.wait("waiting")
    assert transfer.get("Error") == ERROR + "NoSource"
    assert "wrong piece" in transfer.get("ErrorMessage")
    assert os.listdir(peer.downloads) == ["f.bin.part"]
    transfer.cancel()
    transfer.wait("cancelled")
    assert os.listdir(peer.downloads) == []


def head(status=206, length=None, content_range=None, extra=""):
    def make(_, first, last):
        lines = [f"HTTP/1.1 {status} X"]
        if length is not False:
            lines.append(f"Content-Length: {last - first + 1 if length is None else length}")
        if content_range is not False:
            lines.append("Content-Range: " + (content_range or f"bytes {first}-{last}/{last + 1}"))
        return "\r\n".join(lines) + "\r\n" + extra + "\r\n"
    return make


@pytest.mark.parametrize("lie, why", [
    ({"head": head(length=1 << 40)}, "sent another length"),
    ({"head": head(length=5)}, "sent another length"),
    ({"head": head(content_range="bytes 0-5/99999999")}, "has a file of another size"),
    ({"head": head(content_range="bytes 1-2097151/2097152")}, "sent another range"),
    ({"head": head(content_range=False)}, "sent no Content-Range"),
    ({"head": head(content_range="bytes x")}, "sent no Content-Range"),
    ({"head": head(extra="Transfer-Encoding: chunked\r\n")}, "does not say how long"),
    ({"head": head(length=False)}, "does not say how long"),
    ({"head": head(status=302)}, "answered with status 302"),
    ({"head": head(status=404)}, "no longer has the file"),
    ({"head": lambda *_: "FILE: hello\n" * 10}, "does not speak HTTP"),
    ({"head": lambda *_: "HTTP/1.1 206 X\r\n" + "X: y\r\n" * 2000 + "\r\n"}, "does not speak HTTP"),
    ({"layer": bytes(64)}, "sent piece hashes that do not lead to the root"),
    ({"layer": b"x" * 63}, "has a file of another size"),
    ({"layer": b""}, "has a file of another size"),
    ({"tail": b"and more"}, "sent what nobody asked for|does not speak HTTP"),
])
def test_lies(world, peer, answers, lie, why):
    """Each lie costs only its own connection; another source delivers."""
    data = content(2 * PIECE_MIN)
    liar = world.server(HttpSource(data, **lie))
    answers["f.bin"] = found_rooted("f.bin", [liar])
    transfer = peer.download("f.bin")
    if "tail" in lie:
        done(peer, transfer, "f.bin", data)
        return
    check_dropped(peer, liar, f"({why}).*")
    honest = world.server(HttpSource(data))
    answers["f.bin"] = found_rooted("f.bin", [liar, honest])
    transfer.wait("waiting")
    transfer.call("Pause")
    transfer.call("Resume")
    done(peer, transfer, "f.bin", data)


def test_answers_200_to_a_range(world, peer, answers):
    data = content(8 * PIECE_MIN)
    whole = world.server(HttpSource(data, head=lambda *_: f"HTTP/1.1 200 OK\r\nContent-Length: {len(data)}\r\n\r\n"))
    answers["f.bin"] = found_rooted("f.bin", [whole])
    peer.download("f.bin")
    check_dropped(peer, whole, "ignores Range")


def test_another_size_than_the_others_say(world, peer, answers):
    """Of records with one root, the most common size counts."""
    data = content(PIECE_MIN + 1)
    good = [world.server(HttpSource(data)) for _ in range(2)]
    liar = world.server(HttpSource(data))
    answers["f.bin"] = (found_rooted("f.bin", [liar], size=12) + ", " +
                        found_rooted("f.bin", good)[len("FOUND: "):])
    done(peer, peer.download("f.bin"), "f.bin", data)
    assert not liar.requests


def test_a_source_that_closes_early(world, peer, answers):
    """The peer asks it again for the missing pieces."""
    data = content(6 * PIECE_MIN)
    source = world.server(HttpSource(data, after=lambda source, sent: sent != 5 * 65536))
    answers["f.bin"] = found_rooted("f.bin", [source])
    done(peer, peer.download("f.bin"), "f.bin", data)


def test_a_source_that_stalls_is_not_waited_for(world, peer, answers):
    """The peer asks another source for the last pieces."""
    data = content(8 * PIECE_MIN)
    stalled = world.server(HttpSource(data, after=lambda source, sent: not source.stopping.wait(3600)))
    good = world.server(HttpSource(data))
    answers["f.bin"] = found_rooted("f.bin", [stalled, good])
    done(peer, peer.download("f.bin"), "f.bin", data)
    assert stalled.sent < 3 * 65536


def test_a_source_that_keeps_the_hashes_back(world, peer, answers):
    """The peer asks another source for them."""
    data = content(8 * PIECE_MIN)
    mute = world.server(ScriptedServer(silent))
    good = world.server(HttpSource(data))
    answers["f.bin"] = f"FOUND: <bin, {len(data)}, 23/11/26, 127.0.0.1, {mute.port}, {good.root}>, " + \
        found_rooted("f.bin", [good])[len("FOUND: "):]
    done(peer, peer.download("f.bin"), "f.bin", data)
    assert mute.connections == 1, "it was the first to be asked, and waited for to the end"


def test_a_source_that_trickles(world, peer, answers):
    data = content(8 * PIECE_MIN)
    slow = world.server(HttpSource(data, delay=1))
    good = world.server(HttpSource(data, delay=0.001))
    answers["f.bin"] = found_rooted("f.bin", [slow, good])
    done(peer, peer.download("f.bin"), "f.bin", data)


def test_a_source_that_closes_each_connection(world, peer, answers):
    """Other servers may do so: that is no failure and costs no waiting."""
    data = content(20 * PIECE_MIN)
    source = world.server(HttpSource(data, close=True))
    answers["f.bin"] = found_rooted("f.bin", [source])
    done(peer, peer.download("f.bin"), "f.bin", data)
    assert all(n == 1 for n in source.pieces_asked().values())
    assert source.connections == len(source.requests) - 1  # the hashes and the first run share one


def test_a_source_that_closes_an_idle_connection(world, peer, answers):
    """The loop sees the end of an idle connection once and then stays idle."""
    data = content(2 * PIECE_MIN)
    closing = world.server(ScriptedServer(lambda wire, _: None))
    slow = world.server(HttpSource(data, delay=0.05))
    answers["f.bin"] = found_rooted("f.bin", [slow]) + \
        f", <bin, {len(data)}, 23/11/26, 127.0.0.1, {closing.port}, {slow.root}>"
    before = peer.cpu_seconds()
    done(peer, peer.download("f.bin"), "f.bin", data)
    assert peer.cpu_seconds() - before < 1  # of the 1.6 s at least that the slow one took


def test_sources_that_are_not_there(world, peer, answers):
    data = content(2 * PIECE_MIN)
    gone, good = world.server(HttpSource(data)), world.server(HttpSource(data))
    gone.stop()
    answers["f.bin"] = found_rooted("f.bin", [gone, good])
    done(peer, peer.download("f.bin"), "f.bin", data)


# ------------------------------------------------------------------------------------- what is what


def test_different_files_of_one_name(world, peer, answers):
    one, other = (world.server(HttpSource(content(1000, seed))) for seed in (1, 2))
    answers["f.bin"] = found_rooted("f.bin", [one, other])
    end = peer.download("f.bin").wait()
    assert (end["State"], end["Error"]) == ("failed", ERROR + "Ambiguous")
    assert end["ErrorMessage"] == 'there are 2 different files called "f.bin"'
    done(peer, peer.download("f.bin", root=other.root), "f.bin", other.data)
    assert not one.requests
    end = peer.download("f.bin", root="0" * 64).wait()
    assert (end["State"], end["Error"]) == ("failed", ERROR + "NotFound")


def test_a_record_without_a_root_is_no_source_of_one_with(world, peer, answers):
    data = content(1000)
    source = world.server(HttpSource(data))
    seed = world.server(fake_source(b"FILE: " + data))
    answers["f.bin"] = found(("bin", 1000, seed.port)) + ", " + found_rooted("f.bin", [source])[len("FOUND: "):]
    done(peer, peer.download("f.bin"), "f.bin", data)
    assert seed.connections == 0


def test_without_a_root_nothing_is_verified(world, peer, answers):
    seed = world.server(fake_source(b"FILE: hello", after=silent))
    answers["f.bin"] = found(("bin", 5, seed.port))
    end = peer.download("f.bin").wait()
    assert (end["State"], end["Verified"], end["Root"]) == ("done", False, "")


@pytest.mark.parametrize("root", ["", "abc", "0" * 63, "0" * 65, "g" * 64])
def test_a_root_that_is_not_hex(peer, root):
    assert peer.error_name("Download", "f.bin", "{'root': <'" + root + "'>}") == ERROR + "InvalidOption"


# -------------------------------------------------------------------------------------------- queue


def test_a_place_in_the_queue(world, peer, answers):
    data = content(1000)
    source = world.server(HttpSource(data, place=3))
    answers["f.bin"] = found_rooted("f.bin", [source])
    transfer = peer.download("f.bin")
    for place in (3, 2, 1):
        source.place = place
        wait_for(lambda place=place: transfer.get("QueuePlace") == place, f"place {place}")
        assert transfer.get("State") == "waiting"
    source.place = 0
    end = done(peer, transfer, "f.bin", data)
    assert end["QueuePlace"] == 0


# ------------------------------------------------------------------------------------------- resume


def check_rest(source, data, verified):
    """Checks that at most one piece per source was fetched again."""
    pieces = len(piece_layer(data))
    asked = source.pieces_asked()
    assert all(n == 1 for n in asked.values()), asked
    assert pieces - verified <= len(asked) <= pieces - verified + 1, (asked, verified)


@pytest.mark.parametrize("end", ["kill", "stop"])
def test_a_restart_goes_on(world, peer, answers, end):
    """The download resumes by itself where it was."""
    data = content(12 * PIECE_MIN + 7)
    source = world.server(HttpSource(data, **held_up(5)))
    answers["f.bin"] = found_rooted("f.bin", [source])
    transfer = peer.download("f.bin")
    wait_for(lambda: transfer.get("Transferred") >= 4 * PIECE_MIN, "four pieces")
    verified = transfer.get("Transferred") // PIECE_MIN
    getattr(peer, end)()
    rest = world.server(HttpSource(data))
    answers["f.bin"] = found_rooted("f.bin", [rest])
    peer.start().joined()
    wait_for(lambda: os.listdir(peer.downloads) == ["f.bin"], "the file")
    assert (peer.downloads / "f.bin").read_bytes() == data
    check_rest(rest, data, verified)
    peer.stop()
    peer.start().joined()
    assert not peer.transfers(), "what is done is not taken up again"


def test_pause_and_resume(world, peer, answers):
    data = content(12 * PIECE_MIN)
    source = world.server(HttpSource(data, **held_up(5)))
    answers["f.bin"] = found_rooted("f.bin", [source])
    transfer = peer.download("f.bin")
    wait_for(lambda: transfer.get("Transferred") >= 4 * PIECE_MIN, "four pieces")
    transfer.call("Pause")
    transfer.wait("paused")
    verified = transfer.get("Transferred") // PIECE_MIN
    assert (transfer.get("Sources"), transfer.get("Error")) == ([], "")
    # It stays so over a restart.
    peer.kill()
    peer.start().joined()
    [(path, transfer_now)] = peer.transfers().items()
    assert transfer_now["State"] == "paused"
    rest = world.server(HttpSource(data))
    answers["f.bin"] = found_rooted("f.bin", [rest])
    transfer.path = path
    transfer.call("Resume")
    done(peer, transfer, "f.bin", data)
    check_rest(rest, data, verified)


def test_a_part_of_another_file(world, peer, answers):
    """The bytes on disk count, not the name."""
    data = content(3 * PIECE_MIN)
    source = world.server(HttpSource(data))
    answers["f.bin"] = found_rooted("f.bin", [source])
    (peer.downloads / "f.bin.part").write_bytes(data[:PIECE_MIN] + b"x" * 5 * PIECE_MIN)
    done(peer, peer.download("f.bin"), "f.bin", data)
    assert set(source.pieces_asked()) == {1, 2}


def test_a_part_that_is_whole(world, peer, answers):
    data = content(3 * PIECE_MIN + 1)
    source = world.server(HttpSource(data))
    answers["f.bin"] = found_rooted("f.bin", [source])
    (peer.downloads / "f.bin.part").write_bytes(data)
    done(peer, peer.download("f.bin"), "f.bin", data)
    assert not source.pieces_asked()


def test_a_source_comes_back(world, peer, answers):
    """The download resumes when FT says that a peer has the file again."""
    data = content(3 * PIECE_MIN)
    source = world.server(HttpSource(data))
    answers["f.bin"] = found_rooted("f.bin", [source])
    source.stop()
    transfer = peer.download("f.bin")
    transfer.wait("waiting")
    again = world.server(HttpSource(data))
    answers["f.bin"] = found_rooted("f.bin", [again])
    peer.call("Leave")
    peer.call("Join")
    done(peer, transfer, "f.bin", data)


def test_done_while_it_looks_for_more(world):
    """After a minute the peer searches for more sources. The answer comes after the last piece."""
    data = content(3 * PIECE_MIN)
    asked, done_with = threading.Event(), threading.Event()
    source = world.server(HttpSource(data, after=lambda *_: asked.wait(2) or True))
    searches = []

    def answer(name):
        searches.append(name)
        if len(searches) == 2:
            asked.set()
            done_with.wait(120)
        return found_rooted("f.bin", [source])

    peer = world.peer(world.server(FakeFt(answer))).joined()
    transfer = peer.download("f.bin")
    assert asked.wait(120)
    done(peer, transfer, "f.bin", data)
    done_with.set()
    assert len(peer.search("f.bin")) == 1  # answered behind the other one, so that this has been seen
    assert searches == ["f.bin"] * 3
    assert transfer.get("State") == "done"


def test_a_root_without_a_size(world, peer, answers):
    """The two hashes below the root of a file have the same root. The peer does not believe a
    source that offers these 64 bytes as the file, and once the length is known nothing else
    counts."""
    data = content(5 * PIECE_MIN)
    source = world.server(HttpSource(data))
    source.stop()
    liars = [world.server(HttpSource(b"x" * 64)) for _ in range(2)]
    for liar in liars:
        liar.root = source.root
    answers["f.bin"] = found_rooted("f.bin", liars) + found_rooted("f.bin", [source]).replace("FOUND: ", ", ")
    transfer = peer.download("f.bin", root=source.root)
    transfer.wait("waiting")
    assert transfer.get("Size") == len(data)
    again = world.server(HttpSource(data))
    answers["f.bin"] = found_rooted("f.bin", liars, size=1 << 60)
    peer.call("Leave")
    peer.call("Join")
    transfer.wait("waiting")
    answers["f.bin"] = found_rooted("f.bin", liars, size=1 << 60) + found_rooted("f.bin", [again]).replace("FOUND: ", ", ")
    peer.call("Leave")
    peer.call("Join")
    done(peer, transfer, "f.bin", data)


def test_cancel_after_a_restart(world, peer, answers):
    """What was fetched before the restart is removed, too."""
    data = content(12 * PIECE_MIN)
    source = world.server(HttpSource(data, **held_up(5)))
    answers["f.bin"] = found_rooted("f.bin", [source])
    transfer = peer.download("f.bin")
    wait_for(lambda: transfer.get("Transferred") >= PIECE_MIN, "a piece")
    transfer.call("Pause")
    transfer.wait("paused")
    peer.stop()
    peer.start().joined()
    assert os.listdir(peer.downloads) == ["f.bin.part"]
    [transfer.path] = peer.transfers()
    transfer.cancel()
    transfer.wait("cancelled")
    assert os.listdir(peer.downloads) == []


def test_pausing_a_download_that_cannot_resume(world, peer, answers):
    seed = world.server(fake_source(b"FILE: hel", after=silent))
    answers["f.bin"] = found(("bin", 5, seed.port))
    transfer = peer.download("f.bin")
    transfer.wait("active")
    with pytest.raises(Exception, match="has no root"):
        transfer.call("Pause")
    transfer.cancel()


def test_the_disk_is_full(world, answers):
    """The transfer pauses, says why, and goes on when there is room."""
    if os.geteuid() != 0 or subprocess.run(["unshare", "--mount", "true"]).returncode != 0:
        pytest.skip("cannot mount")
    data = content(6 * PIECE_MIN)
    source = world.server(HttpSource(data))
    answers["f.bin"] = found_rooted("f.bin", [source])
    small = world.directory("small")
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", small], check=True)
    try:
        peer = world.peer(world.server(FakeFt(answers)), download_dir=small).joined()
        transfer = peer.download("f.bin")
        transfer.wait("paused")
        assert transfer.get("Error") == ERROR + "NoSpace"
        assert "No space left" in transfer.get("ErrorMessage")
        subprocess.run(["mount", "-o", "remount,size=16m", small], check=True)
        transfer.call("Resume")
        assert transfer.wait()["State"] == "done"
        assert (small / "f.bin").read_bytes() == data
        peer.stop()
    finally:
        subprocess.run(["umount", small], check=True)


def test_the_disk_gets_full(world, answers):
    """In the middle of a download: what had arrived counts."""
    if os.geteuid() != 0 or subprocess.run(["unshare", "--mount", "true"]).returncode != 0:
        pytest.skip("cannot mount")
    data = content(6 * PIECE_MIN)
    small = world.directory("small")
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", small], check=True)
    try:
        def fill(_, sent):
            if sent == 2 * PIECE_MIN:
                with open(small / "filler", "wb") as file:
                    try:
                        while True:
                            file.write(bytes(65536))
                            file.flush()
                    except OSError:
                        pass
            return True

        source = world.server(HttpSource(data, after=fill))
        answers["f.bin"] = found_rooted("f.bin", [source])
        peer = world.peer(world.server(FakeFt(answers)), download_dir=small).joined()
        transfer = peer.download("f.bin")
        transfer.wait("paused")
        assert transfer.get("Error") == ERROR + "NoSpace"
        verified = transfer.get("Transferred") // PIECE_MIN
        os.unlink(small / "filler")
        rest = world.server(HttpSource(data))
        answers["f.bin"] = found_rooted("f.bin", [rest])
        transfer.call("Resume")
        assert transfer.wait()["State"] == "done"
        assert (small / "f.bin").read_bytes() == data
        check_rest(rest, data, verified)
        peer.stop()
    finally:
        subprocess.run(["umount", small], check=True)


# ------------------------------------------------------------------------------------------- limits


def test_many_downloads_at_once(world, peer, answers):
    count = 200
    sources = [world.server(HttpSource(content(1000 + seed, seed))) for seed in range(count)]
    for i, source in enumerate(sources):
        answers[f"f{i}.bin"] = found_rooted("f.bin", [source])
    transfers = [peer.download(f"f{i}.bin") for i in range(count)]
    wait_for(lambda: len([n for n in os.listdir(peer.downloads) if n.endswith(".bin")]) == count, "all of them")
    assert len(transfers) == count
    for i, source in enumerate(sources):
        assert (peer.downloads / f"f{i}.bin").read_bytes() == source.data


def test_download_rate_of_a_seed(world, answers):
    data = content(2 * PIECE_MIN)
    source = world.server(fake_source(b"FILE: " + data))
    answers["f.bin"] = found(("bin", len(data), source.port))
    peer = world.peer(world.server(FakeFt(answers)), download_rate="1M").joined()
    begun = time.monotonic()
    assert peer.download("f.bin").wait()["State"] == "done"
    assert time.monotonic() - begun >= 1.8
    assert (peer.downloads / "f.bin").read_bytes() == data
    (peer.downloads / "f.bin").unlink()
    # An exempt address is not held back: with this rate it would take longer than the deadline.
    peer.reload(download_rate="1K", rate_exempt="127.0.0.0/8")
    assert peer.download("f.bin").wait()["State"] == "done"


def test_download_rate(world, answers):
    """All sources together are limited."""
    data = content(2 * PIECE_MIN)
    sources = [world.server(HttpSource(data)) for _ in range(3)]
    answers["f.bin"] = found_rooted("f.bin", sources)
    peer = world.peer(world.server(FakeFt(answers)), download_rate="1M").joined()
    begun = time.monotonic()
    done(peer, peer.download("f.bin"), "f.bin", data)
    assert time.monotonic() - begun >= 1.8
