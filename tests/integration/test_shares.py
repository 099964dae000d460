# SPDX-License-Identifier: MIT
"""Shared files: roots, their cache, changes, and what is not a file."""

import contextlib
import json
import os
import pathlib
import re
import shutil
import socket
import subprocess
import threading
import time

import libtorrent as lt
import pytest

from harness import DEADLINE, NOBODY, content, program, wait_for
from harness.daemons import Peer
from harness.merkle import root_of

LEAF, PIECE = 1 << 14, 1 << 20
# Around leaves, powers of two of them, pieces, and powers of two of those.
SIZES = [0, 1, LEAF - 1, LEAF, LEAF + 1, 2 * LEAF + 1, 3 * LEAF, 5 * LEAF + 7, PIECE - 1, PIECE, PIECE + 1,
         PIECE + LEAF, 2 * PIECE, 2 * PIECE + 1, 3 * PIECE - LEAF, 5 * PIECE + 3 * LEAF + 11, 8 * PIECE, 9 * PIECE + 1]


def hashed(path):
    """The root that p2pctl finds."""
    out = subprocess.run([program("p2pctl"), "hash", "--json", path], check=True, capture_output=True).stdout
    return json.loads(out)["files"][0]["root"]


def to_hash(peer):
    """How many files each walk has found without a root, in the order of the walks."""
    return [int(n) for n in re.findall(r"Shares: \d+ files?, (\d+) to hash", peer.log)]


def walks(peer):
    return len(to_hash(peer))


def wait_root(ft, name, data):
    wait_for(lambda: ft.lookup_roots(name) == [root_of(data)], f"the root of {name}\n{ft.log}")


@pytest.fixture
def tree(world):
    return world.directory("tree")


@pytest.fixture
def owner(world, bus, ft, tree):
    """A peer that shares a directory with one file."""
    (tree / "first.txt").write_bytes(b"first")
    return world.peer(ft, [tree], bus=bus).joined()


def sessions(ft):
    return {peer[:2] for peer in ft.peers()}


# -------------------------------------------------------------------------------------------- roots


def test_roots_by_the_letter(world):
    for size in SIZES:
        data = content(size, size + 1)
        assert hashed(world.file(f"{size}.bin", data)) == root_of(data), size


@pytest.mark.parametrize("size", [size for size in SIZES if size > 0])
def test_roots_of_libtorrent(world, size):
    """An implementation by others. An empty file has no root in BEP 52."""
    path = world.file("x.bin", content(size, size + 1))
    files = lt.file_storage()
    files.add_file("x.bin", size)
    torrent = lt.create_torrent(files, 16384, lt.create_torrent.v2_only)
    lt.set_piece_hashes(torrent, str(path.parent))
    info = torrent.generate()[b"info"]
    assert info[b"file tree"][b"x.bin"][b""][b"pieces root"].hex() == hashed(path)


def test_roots_reach_ft(world, bus, ft):
    """One of a single piece, one of several, an empty one."""
    files = {f"{size}.bin": content(size, 3) for size in (0, 12345, 3 * PIECE + 5)}
    peer = world.peer(ft, [world.file(name, data) for name, data in files.items()], bus=bus).joined()
    for name, data in files.items():
        wait_root(ft, name, data)
    assert {state for _, state, _ in peer.shares().values()} == {"published"}


@pytest.mark.parametrize("what", ["pipe", "proc", "tty"])
def test_hash_of_a_stream(what):
    if what == "pipe":
        data = content(3 * PIECE + 1)
        out = subprocess.run([program("p2pctl"), "hash", "/dev/stdin"], input=data, capture_output=True, check=True)
    elif what == "proc":
        data = pathlib.Path("/proc/version").read_bytes()
        out = subprocess.run([program("p2pctl"), "hash", "/proc/version"], capture_output=True, check=True)
    else:
        data = b""
        out = subprocess.run([program("p2pctl"), "hash", "/dev/null"], capture_output=True, check=True)
    assert out.stdout.split()[0].decode() == root_of(data)


# -------------------------------------------------------------------------------------------- cache


def test_a_restart_hashes_nothing(world, bus, ft, tree):
    for i in range(50):
        (tree / f"{i}.bin").write_bytes(content(i * 1000, i + 1))
    (tree / "large.bin").write_bytes(content(2 * PIECE + 9))
    peer = world.peer(ft, [tree], bus=bus).joined()
    roots = {name: ft.lookup_roots(name) for name in ("0.bin", "1.bin")}
    peer.stop()
    peer.start().joined()
    peer.stop()
    # Another content of the same length, and the time of the old one; a new time of the same
    # content.
    old = (tree / "1.bin").stat()
    (tree / "1.bin").write_bytes(content(1000, 77))
    os.utime(tree / "1.bin", ns=(old.st_atime_ns, old.st_mtime_ns))
    (tree / "0.bin").touch()
    peer.start().joined()
    assert to_hash(peer) == [51, 0, 2]
    wait_root(ft, "1.bin", content(1000, 77))
    assert ft.lookup_roots("0.bin") == roots["0.bin"] != roots["1.bin"]


def test_another_share_of_the_same_file(world, bus, ft, tree):
    """The cache knows files, not paths."""
    (tree / "a.bin").write_bytes(content(5000))
    peer = world.peer(ft, [tree], bus=bus).joined()
    peer.reload(share=[tree / "a.bin"])
    wait_for(lambda: to_hash(peer) == [1, 0], "the second walk")
    wait_root(ft, "a.bin", content(5000))


@pytest.mark.parametrize("damage", ["text", "torn", "empty"])
def test_a_damaged_cache(world, bus, ft, tree, damage):
    for i in range(300):
        (tree / f"{i}.bin").write_bytes(content(i, i + 1))
    peer = world.peer(ft, [tree], bus=bus).joined()
    peer.stop()
    cache = peer.state_dir / "roots.db"
    whole = cache.read_bytes()
    assert len(whole) > 16384
    cache.write_bytes({"text": b"this is no database\n" * 1000, "torn": whole[:8192] + bytes(len(whole) - 8192),
                       "empty": b""}[damage])
    peer.start().joined()
    wait_root(ft, "1.bin", content(1, 2))
    assert ("damaged" in peer.log) == (damage != "empty")
    assert to_hash(peer)[1] > 0
    peer.stop()
    peer.start().joined()
    assert to_hash(peer)[2] == 0


def test_no_place_for_the_cache(world, bus, ft, tree):
    """It goes on without, and says so once."""
    (tree / "a.bin").write_bytes(content(2 * PIECE + 1))
    peer = world.peer(ft, [tree], bus=bus, env={"STATE_DIRECTORY": "/dev/null/state"}).joined()
    wait_root(ft, "a.bin", content(2 * PIECE + 1))
    (tree / "b.bin").write_bytes(b"b")
    wait_root(ft, "b.bin", b"b")
    assert peer.log.count("kept in memory only") == 1


# ------------------------------------------------------------------------------------------ changes


def test_changes_are_noticed(ft, owner, tree):
    """A new file, a new directory, other content, another name, none any more: FT learns of each by itself, in
    one session."""
    before = sessions(ft)
    (tree / "new.txt").write_bytes(b"new")
    wait_root(ft, "new.txt", b"new")
    (tree / "deep" / "er").mkdir(parents=True)
    (tree / "deep" / "er" / "below.txt").write_bytes(b"below")
    wait_root(ft, "below.txt", b"below")
    (tree / "new.txt").write_bytes(b"old")  # as long as before
    wait_root(ft, "new.txt", b"old")
    (tree / "deep" / "er" / "below.txt").rename(tree / "deep" / "moved.txt")
    wait_root(ft, "moved.txt", b"below")
    ft.wait_lookup("below.txt", 0)
    (tree / "new.txt").unlink()
    ft.wait_lookup("new.txt", 0)
    shutil.rmtree(tree / "deep")
    ft.wait_lookup("moved.txt", 0)
    wait_root(ft, "first.txt", b"first")
    assert sessions(ft) == before
    assert owner.get("WatchProblem") == ""


def test_a_single_file_that_comes_and_goes(world, bus, ft):
    """Named itself, in a directory that is not there yet."""
    path = world.tmp / "not" / "yet.txt"
    peer = world.peer(ft, [world.file("other.txt"), path], bus=bus).joined()
    assert peer.shares()[str(path)][1] == "vanished"
    path.parent.mkdir()
    path.write_bytes(b"here")
    wait_root(ft, "yet.txt", b"here")
    # Replaced, as an editor does it.
    (path.parent / "tmp").write_bytes(b"anew")
    (path.parent / "tmp").rename(path)
    wait_root(ft, "yet.txt", b"anew")
    walked = walks(peer)
    for i in range(20):
        (path.parent / f"neighbour{i}.txt").write_bytes(b"x")
    path.unlink()
    ft.wait_lookup("yet.txt", 0)
    assert walks(peer) <= walked + 2


def test_the_only_file_changes(world, bus, ft):
    """FT accepts nobody without a file: it is taken back and told anew in one go."""
    path = world.file("only.txt", b"before")
    world.peer(ft, [path], bus=bus).joined()
    before = sessions(ft)
    path.write_bytes(b"behind")
    wait_root(ft, "only.txt", b"behind")
    assert sessions(ft) == before


def test_writes_to_unshared_files_cause_no_walk(ft, owner, tree):
    """A download into a shared directory does not set off a walk for each of its writes."""
    walked = walks(owner)
    for i in range(100):
        (tree / "film.mkv.part").write_bytes(b"x" * i)
        (tree / ".hidden").write_bytes(b"x" * i)
    # Had these set off one, it would have come before the one of this file.
    (tree / "last.txt").write_bytes(b"last")
    wait_root(ft, "last.txt", b"last")
    assert walks(owner) == walked + 1


def test_a_growing_file(ft, owner, tree):
    """A recording is not hashed over and over; it is offered when it has come to rest."""
    path = tree / "recording.bin"
    block = content(4 * PIECE)
    stop = threading.Event()

    def record():
        with open(path, "ab", buffering=0) as file:
            for _ in range(8):  # more than what is always hashed at once
                file.write(block)
            while not stop.is_set():
                file.write(block[:1000])
                time.sleep(0.05)

    thread = threading.Thread(target=record)
    thread.start()
    try:
        owner.wait_share(path, "hashing")
        cpu, begin = owner.cpu_seconds(), walks(owner)
        wait_for(lambda: walks(owner) > begin, "another walk")
        assert owner.shares()[str(path)][1] == "hashing"
        assert ft.lookup("recording.bin") == []
        assert owner.cpu_seconds() - cpu < 1
    finally:
        stop.set()
        thread.join()
    wait_root(ft, "recording.bin", path.read_bytes())


def test_watches_run_out(world, bus, ft, tree):
    """It says so, in the log once, and on D-Bus; and says when there are enough again."""
    for i in range(20):
        (tree / f"d{i:02}").mkdir()
    (tree / "a.txt").write_bytes(b"a")
    if subprocess.run(["unshare", "--user", "--map-root-user", "true"]).returncode != 0:
        pytest.skip("no user namespaces here")

    class Limited(Peer):
        def argv(self):
            limit = "echo 10 >/proc/sys/user/max_inotify_watches && exec \"$@\""
            return ["unshare", "--user", "--map-root-user", "sh", "-c", limit, "sh", *super().argv()]

    peer = world._keep(Limited(world.tmp, bus, ft, [tree], name="limited", start=False)).start().joined()
    problem = peer.get("WatchProblem")
    assert "max_user_watches" in problem and "every 10 minutes" in problem
    assert problem in peer.ctl("shares").stdout
    assert json.loads(peer.ctl("--json", "shares").stdout)["watch_problem"] == problem
    assert peer.log.count("max_user_watches") == 1
    # What is watched still counts, and what is not is seen when asked for.
    (tree / "d19" / "unseen.txt").write_bytes(b"unseen")
    peer.call("Rescan")
    wait_root(ft, "unseen.txt", b"unseen")
    assert peer.log.count("max_user_watches") == 1
    for i in range(19):
        (tree / f"d{i:02}").rmdir()
    peer.call("Rescan")
    wait_for(lambda: peer.get("WatchProblem") == "", "enough watches")
    assert "watched again" in peer.log


# ----------------------------------------------------------------------------- what is being hashed


@pytest.fixture
def slow(world, bus, ft):
    """A peer that takes hours to hash its second file."""
    files = [world.file("0.txt", b"small"), world.file("1.bin", bytes(8 * PIECE)), world.file("2.bin", content(9 * PIECE))]
    peer = world.peer(ft, files, bus=bus, hash_rate="300K")
    wait_for(peer.shares, "the first walk")
    return peer, files


def test_hashing_shows(ft, slow):
    peer, files = slow

    def percent():
        return re.fullmatch(r"(\d+)%", peer.shares()[str(files[1])][2])

    wait_for(lambda: percent() and int(percent()[1]) > 0, "some progress")
    assert peer.shares()[str(files[2])][1:] == ("hashing", "waiting")
    assert "being hashed" in peer.ctl("shares").stdout
    # A walk does not throw away what has been done.
    before = int(percent()[1])
    peer.call("Rescan")
    peer.reload(max_uploads=3)
    peer.call("Rescan")
    assert int(percent()[1]) >= before
    # The rate is changed while it hashes.
    peer.reload(hash_rate=0)
    wait_root(ft, "2.bin", content(9 * PIECE))
    wait_root(ft, "1.bin", bytes(8 * PIECE))
    assert peer.log.count("Hashed what was new") == 1


def test_hashing_is_not_nothing(world, bus, ft):
    """Whoever has configured all rightly is not sent to the configuration before all has been looked at."""
    peer = world.peer(ft, [world.file("large.bin", content(9 * PIECE))], bus=bus, hash_rate="300K")
    assert peer.get("Reason") in ("looking at what is shared", "hashing what is shared")
    peer.wait_reason("hashing what is shared")
    result = peer.ctl("status")
    assert result.returncode == 4 and "been connecting to " in result.stdout and "edit:" not in result.stdout
    assert "1 being hashed" in result.stdout
    peer.reload(hash_rate=0)
    peer.joined()
    assert "nothing to publish" not in peer.log


def test_stop_and_withdrawal_do_not_wait_for_hashing(ft, slow):
    peer, files = slow
    wait_for(lambda: peer.shares()[str(files[1])][2].endswith("%"), "hashing to begin")
    peer.reload(share=[files[0]])
    wait_for(lambda: list(peer.shares()) == [str(files[0])], "the others to go")
    peer.joined()
    peer.reload(share=files)
    wait_for(lambda: str(files[1]) in peer.shares(), "the others to be back")
    begin = time.monotonic()
    peer.stop()
    # Without a limit: hours would have passed.
    assert time.monotonic() - begin < DEADLINE


def test_all_cores(world, bus, ft):
    data = content(20 * PIECE + 1)
    world.peer(ft, [world.file("a.bin", data, mtime=1_700_000_000)], bus=bus, hash_threads=0).joined()
    wait_root(ft, "a.bin", data)


@pytest.mark.parametrize("key, value", [("hash-threads", "65"), ("hash-threads", "-1"), ("hash-rate", "fast")])
def test_wrong_values(world, bus, key, value):
    peer = world.peer(None, bus=bus, start=False, **{key.replace("-", "_"): value})
    with pytest.raises(AssertionError):
        peer.start()
    assert f'{key} = "{value}": expected' in peer.log
    assert peer.process.wait() != 0
    peer.status = 1


# ---------------------------------------------------------------------------------- what is no file


def test_things_that_are_no_files(world, ft, owner, tree):
    """None of these is shared, none of them makes the peer wait, whatever comes in their place."""
    outside = world.file("outside.txt", b"outside", "elsewhere")
    os.mkfifo(tree / "fifo.txt")
    (tree / "link.txt").symlink_to(outside)
    (tree / "linked").symlink_to(outside.parent)
    (tree / "loop").symlink_to(tree)
    with contextlib.closing(socket.socket(socket.AF_UNIX)) as server:
        directory = os.open(tree, os.O_PATH)
        server.bind(f"/proc/self/fd/{directory}/socket.txt")
        os.close(directory)
    names = ["fifo.txt", "link.txt", "linked", "outside.txt", "loop", "socket.txt"]
    if os.geteuid() == 0:
        os.mknod(tree / "device.txt", 0o666 | 0o060000, os.makedev(7, 0))
        os.mknod(tree / "null.txt", 0o666 | 0o020000, os.makedev(1, 3))
        names += ["device.txt", "null.txt"]
    (tree / "last.txt").write_bytes(b"last")
    wait_root(ft, "last.txt", b"last")
    for name in names:
        ft.wait_lookup(name, 0)
    assert sorted(os.path.basename(path) for path in owner.shares()) == ["first.txt", "last.txt"]
    # A file becomes a FIFO, a link and a directory.
    for change in (lambda path: os.mkfifo(path), lambda path: path.symlink_to(outside), lambda path: path.mkdir()):
        with contextlib.suppress(OSError):
            (tree / "last.txt").unlink()
        change(tree / "last.txt")
        ft.wait_lookup("last.txt", 0)
    (tree / "last.txt").rmdir()
    (tree / "last.txt").write_bytes(b"again")
    wait_root(ft, "last.txt", b"again")


def test_links_on_the_way(world, ft, owner, tree):
    """Those of root and of the daemon's user are followed; one of somebody else's that takes the place of what is shared is
    not, for it may lead to what only the daemon may read."""
    secret = world.file("secret/diary.txt", b"secret").parent
    (tree / "first.txt").write_bytes(b"first")
    wait_root(ft, "first.txt", b"first")
    moved = tree.parent / "moved"
    tree.rename(moved)
    tree.symlink_to(moved)
    owner.call("Rescan")
    wait_root(ft, "first.txt", b"first")
    tree.unlink()
    tree.symlink_to(secret)
    if os.geteuid() == 0:
        os.lchown(tree, 65534, -1)
        owner.call("Rescan")
        ft.wait_lookup("first.txt", 0)
        ft.wait_lookup("diary.txt", 0)
        [(_, state, explanation)] = owner.shares().values()
        assert state == "unreadable" and "a link on the way" in explanation
        os.lchown(tree, 0, -1)
    owner.call("Rescan")
    wait_root(ft, "diary.txt", b"secret")  # root's word is as good as the configuration's


@pytest.mark.parametrize("kind", ["fifo", "device", "socket"])
def test_no_file_is_configured(world, bus, ft, kind):
    path = world.directory("odd") / "odd.txt"
    if kind == "device":
        path = pathlib.Path("/dev/null")
    elif kind == "fifo":
        os.mkfifo(path)
    else:
        with contextlib.closing(socket.socket(socket.AF_UNIX)) as server:
            directory = os.open(path.parent, os.O_PATH)
            server.bind(f"/proc/self/fd/{directory}/odd.txt")
            os.close(directory)
    peer = world.peer(ft, [path, world.file("real.txt")], bus=bus).joined()
    assert peer.shares()[str(path)][1:] == ("unreadable", "neither a file nor a directory")


def test_permission_comes_and_goes(world, ft):
    """Somebody makes a file readable: nobody needs to say so to the peer."""
    if os.geteuid() != 0:
        pytest.skip("only root can be somebody else")
    public = world.public_directory()
    (public / "secret.txt").write_bytes(b"secret")
    (public / "secret.txt").chmod(0o600)
    (public / "open.txt").write_bytes(b"open")
    for path in (world.tmp, *world.tmp.parents):  # to the configuration
        if path.stat().st_uid == os.geteuid() and path != path.parent:
            path.chmod(path.stat().st_mode | 0o001)
    peer = world.peer(ft, [public], bus=world.bus(owner=NOBODY), uid=NOBODY).joined()
    assert peer.shares()[str(public / "secret.txt")][1] == "unreadable"
    # It is known only when it was to be hashed, and said once: walks come often.
    peer.wait_log(r"to publish, 1 not possible \(p2pctl shares says why\)")
    for _ in range(2):
        peer.call("Rescan")
        peer.wait_share(public / "secret.txt", "unreadable")
    assert peer.log.count(f"Not shared: {public}/secret.txt: the user of p2p-peer may not read it") == 1
    (public / "secret.txt").chmod(0o644)
    wait_root(ft, "secret.txt", b"secret")
    (public / "secret.txt").chmod(0)
    ft.wait_lookup("secret.txt", 0)
    peer.wait_share(public / "secret.txt", "unreadable")


def test_an_unreadable_twin(world, ft):
    """Of two files that look alike to FT, the one that can be read is offered."""
    if os.geteuid() != 0:
        pytest.skip("only root can be somebody else")
    public = world.public_directory()
    for name in ("a", "b", "c"):
        (public / name).mkdir()
        (public / name / "same.txt").write_bytes(b"same")
    (public / "a" / "same.txt").chmod(0o600)
    for path in (world.tmp, *world.tmp.parents):
        if path.stat().st_uid == os.geteuid() and path != path.parent:
            path.chmod(path.stat().st_mode | 0o001)
    peer = world.peer(ft, [public], bus=world.bus(owner=NOBODY), uid=NOBODY).joined()
    states = {os.path.relpath(path, public): state for path, (_, state, _) in peer.shares().items()}
    assert states == {"a/same.txt": "unreadable", "b/same.txt": "published", "c/same.txt": "duplicate"}


def test_a_large_directory(world, bus, ft, tree):
    """Twenty thousand files: D-Bus answers meanwhile, and a restart knows them all."""
    count = 20_000
    for i in range(count):
        (tree / f"{i:05}.txt").write_bytes(b"%d" % i)
    peer = world.peer(ft, [tree], bus=bus, start=False)
    peer.start()
    longest = 0
    while f"Hashed what was new: {count} files" not in peer.log:
        begin = time.monotonic()
        peer.get("State")
        longest = max(longest, time.monotonic() - begin)
    assert longest < DEADLINE
    peer.joined()
    wait_root(ft, "00000.txt", b"0")
    peer.stop()
    peer.start()
    peer.wait_log(rf"Shares: {count} files, 0 to hash")
    (tree / "19999.txt").unlink()
    peer.wait_log(rf"Shares: {count - 1} files, 0 to hash")
