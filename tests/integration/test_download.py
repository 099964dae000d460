# SPDX-License-Identifier: MIT
"""Downloads are complete and identical, or fail by name. Over D-Bus and with p2pctl."""

import contextlib
import json
import os
import subprocess

import pytest

from harness import (ERROR, NOBODY, FakeFt, ScriptedServer, Wire, content, fake_source, found,
                     record, silent, wait_for)
from harness.records import record_root

NAMES = [
    "plain.txt",
    "a, b [1] <x> 100%.txt",
    "%41%2c;|.bin",
    "ünïcödé ☃.txt",
    " leading and trailing .txt",
    "no extension",
    "archive.tar.gz",
    ".hidden",
    ".hidden.txt",
    "trailing dot.",
    "..two dots",
    "PHOTO.JPG",
    "a,txt,11,05-03-20,127.0.0.1,99.txt",
    "-o.txt",
    "--json",
    "quote'\"back\\slash`$x.txt",
    "x" * 255,
    "y" * 251 + ".txt",
    "ümläut" * 18 + ".txt",
    "dot.x y",
    "size 10 bytes",
    "NOT FOUND",
    "name.averyveryveryverylongextensionthatisnotype",
]


@pytest.fixture
def pair(world, ft, bus):
    """Starts an owner of these files and a peer that wants them, both joined."""

    def start(*files, **options):
        owner = world.peer(ft, list(files), bus=bus, **options).joined()
        return owner, world.peer(ft).joined()

    return start


@pytest.fixture
def fake(world, bus):
    """A peer that is joined to a fake FT; answers.update() says what it finds."""
    answers = {}
    ft = world.server(FakeFt(answers))
    peer = world.peer(ft, bus=bus).joined()
    peer.answers = answers
    return peer


def nothing_left(peer):
    """Checks that neither a file nor a part of one is left."""
    assert os.listdir(peer.downloads) == []


def check_failed(transfer, error):
    end = transfer.wait()
    assert (end["State"], end["Error"]) == ("failed", ERROR + error), end
    assert end["ErrorMessage"]
    nothing_left(transfer.peer)
    return end


def check_done(transfer, name, data):
    end = transfer.wait()
    assert end["State"] == "done", (end, transfer.peer.log)
    assert end["Transferred"] == end["Size"] == len(data)
    assert os.listdir(transfer.peer.downloads) == [name]
    assert (transfer.peer.downloads / name).read_bytes() == data
    return end


# ------------------------------------------------------------------------------------ byte for byte


@pytest.mark.parametrize("size", [0, 1, 2, 511, 16384, 65536, 1_048_576, 5_000_001])
def test_byte_for_byte(world, pair, size):
    data = content(size)
    owner, peer = pair(world.file("data.bin", data))
    check_done(peer.download("data.bin"), "data.bin", data)
    out = world.directory("out")
    result = peer.ctl("download", "data.bin", cwd=out)
    assert result.returncode == 0, result.stderr
    assert os.listdir(out) == ["data.bin"]
    assert (out / "data.bin").read_bytes() == data


@pytest.mark.parametrize("start", [b"\n", b" ", b" \n", b"\n\n", b"\r\n", b"FILE: ", b" FILE:\n", b"\0", b"NO!"])
@pytest.mark.parametrize("rest", [b"", b"body\n", content(200_000)])
def test_files_that_begin_like_a_header(world, pair, start, rest):
    """White space behind FILE: may belong to the header or to the file: the size decides."""
    owner, peer = pair(world.file("odd.bin", start + rest))
    check_done(peer.download("odd.bin"), "odd.bin", start + rest)


@pytest.mark.parametrize("name", NAMES, ids=range(len(NAMES)))
def test_names(world, pair, ft, name):
    data = name.encode()[:20]
    # The folder is what is configured: a line of the file is not long enough for each of these.
    path = world.file(name, data)
    # Below a directory, what is hidden is left out; not where it is named itself.
    owner, peer = pair(path if name.startswith(".") else path.parent)
    assert owner.shares()[str(world.tmp / "files" / name)][1] == "published"
    ft.wait_lookup(name)
    assert len(peer.search(name)) == 1
    end = peer.download(name).wait()
    assert end["State"] == "done", (end, owner.log)
    saved, = os.listdir(peer.downloads)
    assert saved.lower() == name.lower()  # a record's type is lower case
    assert (peer.downloads / saved).read_bytes() == data
    out = world.directory("out")
    if len(os.fsencode(name)) > 250:  # p2pctl's NAME.part would be too long
        result = peer.ctl("download", "-o", out / "short", "--", name)
        saved = "short"
    else:
        result = peer.ctl("download", "--", name, cwd=out)
        saved = name
    assert result.returncode == 0, result.stderr
    assert os.listdir(out) == [saved]
    assert (out / saved).read_bytes() == data


@pytest.mark.parametrize("name", NAMES, ids=range(len(NAMES)))
def test_names_by_raw(world, ft, bus, name):
    """The same, in the seed authors' way."""
    data = name.encode()[:20]
    path = world.file(name, data)
    owner = world.peer(ft, [path if name.startswith(".") else path.parent], bus=bus,
                       dialect="raw").joined()
    # Not beside it: in RAW each change of what the owner shares is another session.
    peer = world.peer(ft, [world.file("other.txt", directory="elsewhere")], dialect="raw").joined()
    ft.wait_lookup(name)
    found_records = peer.search(name)
    assert len(found_records) == 1
    end = peer.download(name).wait()
    assert end["State"] == "done", (end, owner.log)
    saved, = os.listdir(peer.downloads)
    assert saved.lower() == name.lower()
    assert (peer.downloads / saved).read_bytes() == data


def test_many_at_once(world, ft, bus):
    files = [world.file(f"f{i}.bin", content(300_000 + i, i + 1)) for i in range(5)]
    owner = world.peer(ft, files, bus=bus, max_uploads=2).joined()
    peers = [world.peer(ft).joined() for _ in range(2)]
    for file in files:
        ft.wait_lookup(file.name)
    transfers = [(peer.download(file.name), file) for peer in peers for file in files]
    for transfer, file in transfers:
        assert transfer.wait()["State"] == "done"
        assert (transfer.peer.downloads / file.name).read_bytes() == file.read_bytes()
    assert owner.state == "joined"


def test_own_files_are_not_fetched(ft, peer):
    """The peer itself is the only source."""
    ft.wait_lookup("filler-of-peer.txt")
    assert len(peer.search("filler-of-peer.txt")) == 1
    end = check_failed(peer.download("filler-of-peer.txt"), "NotFound")
    assert "only this peer shares" in end["ErrorMessage"]
    # p2pctl asks for its root.
    [row] = peer.call("Search", "s", "filler-of-peer.txt")
    end = check_failed(peer.download("filler-of-peer.txt", root=record_root(row)), "NotFound")
    assert "only this peer shares" in end["ErrorMessage"]
    result = peer.ctl("download", "filler-of-peer.txt")
    assert (result.returncode, result.stderr) == (3, 'p2pctl: only this peer shares "filler-of-peer.txt".\n')


def test_no_peer_has_the_file(peer):
    end = check_failed(peer.download("nothing.txt"), "NotFound")
    assert "nothing.txt" in end["ErrorMessage"]


# ---------------------------------------------------------------------------------- several sources


def test_a_source_that_dies_in_the_middle(world, fake):
    """The first sends half and closes; the second has the file."""
    data = content(2_000_000)
    half = world.server(fake_source(b"FILE: " + data[:1_000_000]))
    good = world.server(fake_source(b"FILE: " + data))
    fake.answers["big.bin"] = found(("bin", len(data), half.port), ("bin", len(data), good.port))
    end = check_done(fake.download("big.bin"), "big.bin", data)
    assert half.requests[0] == b"DOWNLOAD: big, bin, 2000000\n"
    assert end["Sources"] == [good.address]
    assert "sent less than it had announced" in fake.log


def test_a_source_that_is_reset_in_the_middle(world, fake):
    data = content(2_000_000)
    half = world.server(fake_source(b"FILE: " + data[:500_000], after=lambda wire: wire.reset()))
    good = world.server(fake_source(b"FILE: " + data))
    fake.answers["big.bin"] = found(("bin", len(data), half.port), ("bin", len(data), good.port))
    check_done(fake.download("big.bin"), "big.bin", data)


def test_a_real_source_that_is_killed(world, ft, fake):
    data = content(40_000_000)
    path = world.file("big.bin", data)
    first = world.peer(ft, [path]).joined()
    second = world.peer(ft, [path]).joined()

    def through(wire, _):
        """Passes on a part of what the first one sends, then kills it."""
        upstream = Wire(first.port)
        upstream.send(wire.recv_until())
        wire.send(upstream.recv_exactly(1_000_000))
        first.kill()
        with contextlib.suppress(AssertionError):
            upstream.expect_close()

    proxy = world.server(ScriptedServer(through))
    fake.answers["big.bin"] = found(("bin", len(data), proxy.port), ("bin", len(data), first.port),
                                    ("bin", len(data), second.port))
    end = check_done(fake.download("big.bin"), "big.bin", data)
    assert end["Sources"] == [second.address]


@pytest.mark.parametrize("reply", [b"", b"NO!", b"NO!\n", b"FIL", b"file: x", b"\0\0\0", b"HTTP/1.1 404 Not Found\r\n\r\n"])
def test_the_first_source_refuses(world, fake, reply):
    data = content(10_000)
    refusing = world.server(fake_source(reply))
    good = world.server(fake_source(b"FILE: " + data))
    fake.answers["f.bin"] = found(("bin", len(data), refusing.port), ("bin", len(data), good.port))
    check_done(fake.download("f.bin"), "f.bin", data)
    assert refusing.connections >= 1


def test_the_first_source_is_not_there(world, fake):
    data = content(10_000)
    gone = ScriptedServer(silent)
    gone.stop()
    good = world.server(fake_source(b"FILE: " + data))
    fake.answers["f.bin"] = found(("bin", len(data), gone.port), ("bin", len(data), good.port))
    check_done(fake.download("f.bin"), "f.bin", data)


def test_no_source_delivers(world, fake):
    servers = [world.server(fake_source(reply)) for reply in (b"", b"NO!", b"FILE: abc")]
    fake.answers["f.bin"] = found(*(("bin", 1000, server.port) for server in servers))
    end = check_failed(fake.download("f.bin"), "NoSource")
    assert "3 sources" in end["ErrorMessage"]
    result = fake.ctl("download", "f.bin", cwd=world.directory("out"))
    assert result.returncode == 1, result
    assert "f.bin" in result.stderr
    assert os.listdir(world.tmp / "out") == []


def test_a_source_that_knows_only_its_own_way(world, fake):
    """A program by others, found through our FT, does not understand our syntax: the peer asks it
    in its own."""
    asked = []

    def authors(wire, _):
        asked.append(wire.recv_some())
        if asked[-1] == b"DOWNLOAD: report,.txt,11":
            wire.send(b"FILE: hello body\n")

    source = world.server(ScriptedServer(authors))
    fake.answers["report"] = found(("txt", 11, source.port))
    check_done(fake.download("report"), "report.txt", b"hello body\n")
    assert asked == [b"DOWNLOAD: report, txt, 11\n", b"DOWNLOAD: report,.txt,11"]


def test_the_same_file_of_another_size_is_another_file(world, fake):
    """The peer does not guess which one is meant. It asks the sources of one size for that size
    only."""
    short = world.server(fake_source(b""))
    long = world.server(fake_source(b"FILE: 12345678"))
    fake.answers["f.bin"] = found(("bin", 4, short.port), ("bin", 8, long.port))
    check_failed(fake.download("f.bin"), "Ambiguous")
    end = check_failed(fake.download("f.bin", size=4), "NoSource")
    assert end["Size"] == 4
    assert long.connections == 0
    check_done(fake.download("f.bin", size=8), "f.bin", b"12345678")


# --------------------------------------------------------------------------------------------- lies


@pytest.mark.parametrize("header", [b"FILE: ", b"FILE:", b"FILE: \n", b"FILE:\n"])
@pytest.mark.parametrize("size", [0, 1, 5, 100_000])
@pytest.mark.parametrize("keep_open", [False, True])
def test_header_variants(world, fake, header, size, keep_open):
    """The header is whichever of the four leaves exactly `size` bytes. The download ends by size,
    whether the source closes or not."""
    data = b"x" * size
    source = world.server(fake_source(header + data, after=silent if keep_open else None))
    fake.answers["f.bin"] = found(("bin", size, source.port))
    check_done(fake.download("f.bin"), "f.bin", data)


@pytest.mark.parametrize("step", [1, 7])
def test_a_header_in_pieces(world, fake, step):
    data = content(100)

    def dribble(wire, _):
        wire.recv_until()
        answer = b"FILE: " + data
        for i in range(0, len(answer), step):
            wire.send(answer[i:i + step])

    source = world.server(ScriptedServer(dribble))
    fake.answers["f.bin"] = found(("bin", len(data), source.port))
    check_done(fake.download("f.bin"), "f.bin", data)


@pytest.mark.parametrize("size", [100, 100_000])
@pytest.mark.parametrize("sent", ["nothing", "less", "two less", "more", "a lot more"])
def test_lying_sizes(world, fake, size, sent):
    """The source sends less or more than announced: the download fails by name and leaves no file.
    (One byte less looks like a program that writes no space behind FILE: and a file that begins
    with one.)"""
    data = content(size)
    body = {"nothing": b"", "less": data[:size // 2], "two less": data[:-2], "more": data + b"xyz",
            "a lot more": data + content(1_000_000)}[sent]
    liar = world.server(fake_source(b"FILE: " + body))
    fake.answers["f.bin"] = found(("bin", size, liar.port))
    transfer = fake.download("f.bin")
    seen = set()
    wait_for(lambda: seen.update(os.listdir(fake.downloads)) or
             transfer.get("State") in ("done", "failed"), "the end")
    assert seen <= {"f.bin.part"}
    end = check_failed(transfer, "NoSource")
    assert "announced" in end["ErrorMessage"] or "refused" in end["ErrorMessage"]


@pytest.mark.parametrize("size", [1 << 62, (1 << 63) - 1])
def test_impossible_sizes(world, fake, size):
    """The size is larger than any disk."""
    source = world.server(fake_source(b"FILE: x"))
    fake.answers["f.bin"] = found(("bin", size, source.port))
    check_failed(fake.download("f.bin"), "NoSpace")


def test_a_stale_size(world, ft, pair):
    """The file has changed and its share has not been scanned: B refuses, and serves it after the
    scan. The size in the request is another file's, so the download waits for a source of that
    one."""
    path = world.file("log.txt", b"first")
    owner, peer = pair(path)
    ft.wait_lookup("log.txt")
    path.write_bytes(b"second, and longer")
    transfer = peer.download("log.txt")
    peer.wait_log("waits for a source")
    transfer.cancel()
    transfer.wait("cancelled")
    owner.call("Rescan")
    wait_for(lambda: [r[2] for r in ft.lookup("log.txt")] == [18], "the new record")
    check_done(peer.download("log.txt"), "log.txt", b"second, and longer")


def test_a_file_that_vanishes(world, ft, pair):
    path = world.file("gone.txt")
    world.file("other.txt")
    owner, peer = pair(path.parent)
    ft.wait_lookup("gone.txt")
    path.unlink()
    transfer = peer.download("gone.txt")
    peer.wait_log("waits for a source")
    assert "Refused" in owner.log
    transfer.cancel()
    transfer.wait("cancelled")
    # A link out of the share in its place, to a file of the same size: asked for as another program
    # would.
    path.symlink_to(world.file("secret.txt", b"my secret.\n", "elsewhere"))
    with Wire(owner.port) as wire:
        wire.request("gone", "txt", 11)
        wire.expect_close()


def test_a_file_that_shrinks_under_the_transfer(world, pair):
    """B has promised more than is left: it closes, and A keeps no part of it."""
    data = content(60_000_000)
    path = world.file("big.bin", data)
    owner, peer = pair(path, world.file("other.txt"))
    with Wire(owner.port) as wire:
        wire.request("big", "bin", len(data))
        wire.expect(b"FILE: ")
        wire.recv_exactly(1000)
        os.truncate(path, 40_000_000)
        rest = wire.recv_all()
    assert 1000 + len(rest) <= 40_000_000
    upload, = wait_for(lambda: [t for t in owner.transfers().values() if t["State"] == "failed"], "the end")
    assert upload["Error"]
    assert owner.state == "joined"


# ------------------------------------------------------------------------------------ where it goes


def test_the_target_exists(world, pair):
    owner, peer = pair(world.file("report.txt"))
    (peer.downloads / "report.txt").write_bytes(b"mine")
    end = peer.download("report.txt").wait()
    assert (end["State"], end["Error"]) == ("failed", ERROR + "Exists"), end
    assert (peer.downloads / "report.txt").read_bytes() == b"mine"
    assert os.listdir(peer.downloads) == ["report.txt"]


def test_the_target_appears_meanwhile(world, fake):
    """A file of that name appears during the download: it is not overwritten."""

    def script(wire, _):
        wire.recv_until()
        wire.send(b"FILE: 12")
        wait_for(lambda: (fake.downloads / "f.bin.part").exists(), "the .part")
        (fake.downloads / "f.bin").write_bytes(b"mine")
        wire.send(b"34")

    source = world.server(ScriptedServer(script))
    fake.answers["f.bin"] = found(("bin", 4, source.port))
    end = fake.download("f.bin").wait()
    assert (end["State"], end["Error"]) == ("failed", ERROR + "Exists"), end
    assert (fake.downloads / "f.bin").read_bytes() == b"mine"
    assert os.listdir(fake.downloads) == ["f.bin"]


def test_the_same_download_twice(world, fake):
    """The second would write the same .part: it is refused, and the first one goes on."""
    data = content(1000)

    def script(wire, _):
        wire.recv_until()
        wire.send(b"FILE: " + data[:500])
        wait_for(lambda: len(ended) > 0, "the second to end")
        wire.send(data[500:])

    ended = []
    source = world.server(ScriptedServer(script))
    fake.answers["f.bin"] = found(("bin", len(data), source.port))
    first = fake.download("f.bin")
    first.wait("active")
    end = fake.download("f.bin").wait()
    ended.append(end)
    assert end["State"] == "failed" and end["ErrorMessage"]
    check_done(first, "f.bin", data)


def test_no_download_directory(world, pair):
    owner, peer = pair(world.file("report.txt"))
    os.rmdir(peer.downloads)
    end = peer.download("report.txt").wait()
    assert (end["State"], end["Error"]) == ("failed", ERROR + "Destination"), end
    assert str(peer.downloads) in end["ErrorMessage"]


def test_a_download_directory_that_cannot_be(world, ft, bus):
    """The daemon says so at its start, not only when a download fails."""
    peer = world.peer(ft, bus=bus, start=False)
    blocked = world.file("no-directory")
    peer.sections["peer"]["download_dir"] = f"{blocked}/downloads"
    peer.write_config()
    peer.start().joined()
    problem = f"{blocked}/downloads: Not a directory"
    assert f"Cannot write to download-dir {problem} (p2pshare.ini(5), DIRECTORIES)" in peer.log
    assert peer.get("DownloadProblem") == f"Cannot write to {problem}"
    shown = peer.ctl("status")
    assert shown.returncode == 0 and problem in shown.stdout and "p2pshare.ini(5)" in shown.stdout
    assert json.loads(peer.ctl("--json", "status").stdout)["peer"]["download_problem"] == f"Cannot write to {problem}"
    blocked.unlink()
    blocked.mkdir()
    peer.reload()  # the sandbox is as it was
    assert peer.get("DownloadProblem") == f"Cannot write to {problem}"
    peer.stop()
    peer.start().joined()
    assert peer.get("DownloadProblem") == "" and str(blocked) not in peer.ctl("status").stdout
    assert json.loads(peer.ctl("--json", "status").stdout)["peer"]["download_problem"] is None


@pytest.fixture
def small_disk(fake):
    """A file system of 4 MB where `fake` downloads to."""
    fake.stop()  # only what is mounted when it starts is its own
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", fake.downloads],
                             capture_output=True, check=False)
    if mounted.returncode != 0:
        pytest.skip("may not mount")
    fake.start().joined()
    yield fake.downloads
    subprocess.run(["umount", "--lazy", fake.downloads], check=True)


def test_a_full_disk(world, fake, small_disk):
    """The peer knows it before the first byte comes."""
    source = world.server(fake_source(b"FILE: x"))
    fake.answers["f.bin"] = found(("bin", 5_000_000, source.port))
    check_failed(fake.download("f.bin"), "NoSpace")
    assert source.connections == 0


def test_a_disk_that_fills_up(world, fake, small_disk):
    data = content(3_000_000)

    def script(wire, _):
        wire.recv_until()
        wire.send(b"FILE: " + data[:1000])
        wait_for(lambda: (fake.downloads / "f.bin.part").exists(), "the .part")
        (fake.downloads / "other").write_bytes(b"x" * 3_000_000)
        wire.send(data[1000:])
        silent(wire)

    source = world.server(ScriptedServer(script))
    fake.answers["f.bin"] = found(("bin", len(data), source.port))
    end = fake.download("f.bin").wait()
    assert (end["State"], end["Error"]) == ("failed", ERROR + "NoSpace"), end
    assert os.listdir(fake.downloads) == ["other"]


# --------------------------------------------------------------------------------------------- ends


def test_cancel_while_bytes_come(world, fake):
    data = content(100_000)
    source = world.server(fake_source(b"FILE: " + data[:50_000], after=silent))
    fake.answers["f.bin"] = found(("bin", len(data), source.port))
    before = fake.fds()
    transfer = fake.download("f.bin")
    transfer.wait("active")
    transfer.cancel()
    assert transfer.wait()["State"] == "cancelled"
    nothing_left(fake)
    wait_for(lambda: fake.fds() == before, "the descriptors to be closed", deadline=5)


def test_cancel_while_connecting(world, fake):
    source = world.server(ScriptedServer(silent))
    fake.answers["f.bin"] = found(("bin", 10, source.port))
    before = fake.fds()
    transfer = fake.download("f.bin")
    transfer.wait("waiting")
    transfer.cancel()
    assert transfer.wait()["State"] == "cancelled"
    nothing_left(fake)
    # At once, not when the transfer is forgotten.
    wait_for(lambda: fake.fds() == before, "the descriptors to be closed", deadline=5)


def test_cancel_while_searching(world, fake):
    fake.answers["f.bin"] = None
    transfer = fake.download("f.bin")
    transfer.wait("searching")
    transfer.cancel()
    assert transfer.wait()["State"] == "cancelled"
    nothing_left(fake)


def test_cancel_of_an_upload(world, ft, pair):
    data = content(40_000_000)
    owner, peer = pair(world.file("big.bin", data))
    with Wire(owner.port) as wire:
        wire.request("big", "bin", len(data))
        wire.expect(b"FILE: ")
        upload, = wait_for(owner.transfers, "the upload")
        owner.bus.call("org.p2pshare.Peer1", upload, "org.p2pshare.Transfer1", "Cancel")
        assert len(wire.recv_all()) < len(data)
    wait_for(lambda: [t["State"] for t in owner.transfers().values()] == ["cancelled"], "the end")


def test_leave_does_not_end_a_download(world, fake):
    data = content(1000)

    def script(wire, _):
        wire.recv_until()
        wire.send(b"FILE: " + data[:10])
        wait_for(lambda: fake.state == "left", "the leave")
        wire.send(data[10:])

    source = world.server(ScriptedServer(script))
    fake.answers["f.bin"] = found(("bin", len(data), source.port))
    transfer = fake.download("f.bin")
    transfer.wait("active")
    fake.call("Leave")
    check_done(transfer, "f.bin", data)


@pytest.mark.parametrize("end", ["kill", "stop"])
def test_the_peer_ends_in_the_middle(world, fake, end):
    """No partial file has the name, and the next start resumes the download."""
    data = content(1_000_000)

    def half(wire, _):
        wire.recv_until()
        wire.send(b"FILE: " + data[:500_000])
        silent(wire)

    def whole(wire, _):
        wire.recv_until()
        wire.send(b"FILE: " + data)

    source = world.server(ScriptedServer([half, whole]))
    fake.answers["f.bin"] = found(("bin", len(data), source.port))
    fake.download("f.bin").wait("active")
    wait_for(lambda: (fake.downloads / "f.bin.part").exists(), "the .part")
    getattr(fake, end)()
    assert os.listdir(fake.downloads) == ["f.bin.part"]
    fake.start().joined()
    wait_for(lambda: os.listdir(fake.downloads) == ["f.bin"], "the file")
    assert (fake.downloads / "f.bin").read_bytes() == data
    fake.stop()
    fake.start().joined()
    assert not fake.transfers()


def test_a_download_of_another_user_is_theirs(world, ft, peer):
    """p2pctl opens the target as the caller: an ordinary user may not start downloads, and the file
    belongs to the user who may, not to the daemon."""
    if os.geteuid() != 0:
        pytest.skip("not root")
    public = world.public_directory()
    uid = NOBODY
    owner = world.peer(ft, [world.file("report.txt")]).joined()
    result = peer.ctl("download", "report.txt", "-o", public / "report.txt", uid=uid)
    assert result.returncode == 1
    assert os.listdir(public) == []
    # The daemon may run as somebody who cannot write there at all.
    daemon = world.peer(ft, [public / "share.txt"], bus=world.bus(owner=uid), uid=uid, start=False)
    (public / "share.txt").write_bytes(b"shared")
    for path in (world.tmp, *world.tmp.parents):
        if path != path.parent:
            path.chmod(path.stat().st_mode | 0o011)
    daemon.start().joined()
    private = world.directory("private")
    private.chmod(0o700)
    result = daemon.ctl("download", "report.txt", cwd=private)
    assert result.returncode == 0, result.stderr
    assert (private / "report.txt").stat().st_uid == 0
    assert (private / "report.txt").read_bytes() == b"hello body\n"
    del owner


def test_lingering(world, pair):
    """A finished transfer stays for ten seconds. That costs nothing, and the daemon serves other
    callers meanwhile, even though the p2pctl that asked is gone."""
    owner, peer = pair(world.file("report.txt"))
    assert peer.ctl("download", "report.txt", cwd=world.directory("out")).returncode == 0
    assert [t["State"] for t in peer.transfers().values()] == ["done"]
    before = peer.cpu_seconds()
    peer.download("report.txt").wait("done")
    assert len(peer.transfers()) == 2
    wait_for(lambda: not peer.transfers() and not owner.transfers(), "them to go")
    assert peer.cpu_seconds() - before < 3


def test_a_record_of_our_ft(world, ft, peer):
    """The record decides where the peer fetches the file: its address and port."""
    data = content(1234)
    source = world.server(fake_source(b"FILE: " + data))
    with ft.join(record("f", "bin", len(data), source.port)):
        check_done(peer.download("f.bin"), "f.bin", data)
    assert source.requests == [b"DOWNLOAD: f, bin, 1234\n"]


def test_one_byte_short(world, fake):
    """An answer that ends one byte early is not a file behind a shorter header."""
    data = content(1000)
    source = world.server(fake_source(b"FILE: " + data[:-1]))
    fake.answers["f.bin"] = found(("bin", len(data), source.port))
    ended = fake.download("f.bin").wait("failed")
    assert ended["Error"] == ERROR + "NoSource" and "sent less" in ended["ErrorMessage"]
    assert os.listdir(fake.downloads) == []
