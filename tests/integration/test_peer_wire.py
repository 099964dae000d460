# SPDX-License-Identifier: MIT
"""The port of p2p-peer, seen through raw sockets: DOWNLOAD in src/proto/protocol.h, byte by byte."""

import concurrent.futures
import contextlib
import hashlib
import os
import selectors
import socket
import struct
import time

import pytest

from harness import DEADLINE, Wire, content, wait_for

BODY = b"hello body\n"
TCPI_DATA_SEGS_IN = 152  # offset in struct tcp_info: segments with data that have arrived


@pytest.fixture
def shares(world):
    """What `b` shares."""
    return world.directory("shared")


@pytest.fixture
def b(world, bus, shares):
    """A peer that serves and has no FT: B needs none."""
    world.file("report.txt", BODY, "shared")
    world.file("README", b"no type\n", "shared")
    world.file("empty.txt", b"", "shared")
    world.file("white.txt", b" \n\n white", "shared")
    world.file("a, b.tar.gz", b"commas\n", "shared")
    world.file("Ünï ☃.Txt", b"unicode\n", "shared")
    world.file("secret.txt", b"secret\n", "outside")
    return serving(world.peer(None, [shares], bus=bus))


def serving(peer, count=1):
    """Waits until the shares have been read in."""
    wait_for(lambda: len(peer.shares()) >= count, "the shares to be read")
    return peer


def download(peer, request, end="\n"):
    with Wire(peer.port) as wire:
        wire.send(request + end)
        return wire.recv_all()


def refuse(peer, request):
    """Checks that B closes without `FILE: ` and goes on."""
    with Wire(peer.port) as wire:
        with contextlib.suppress(OSError):  # the close may come before all is sent
            wire.send(request)
        wire.expect_close()


def uploads(peer):
    """{port of the client: (id, state)}"""
    return {int(t["Sources"][0].rpartition(":")[2]): (t["Id"], t["State"])
            for t in peer.transfers().values() if t["Direction"] == "upload"}


def small_window(port):
    """A connection whose receive buffer is small: what it does not read stays at B."""
    s = socket.socket()
    s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    s.settimeout(DEADLINE)
    s.connect(("127.0.0.1", port))
    return Wire(s)


# -------------------------------------------------------------------------------------- transcripts


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_line(b, end):
    assert download(b, "DOWNLOAD: report, txt, 11", end) == b"FILE: hello body\n"


def test_raw_after_silence(b):
    with Wire(b.port) as wire:
        wire.send("DOWNLOAD: report,.txt,11")  # the seed authors' own request
        since = time.monotonic()
        assert wire.recv_all() == b"FILE: hello body\n"
        assert time.monotonic() - since < 10  # the silence, and not the time for a request


def test_half_close_ends_a_request(b):
    with Wire(b.port) as wire:
        wire.send("DOWNLOAD: report,.txt,11")
        wire.half_close()
        assert wire.recv_all() == b"FILE: hello body\n"


@pytest.mark.parametrize("request_text,answer", [
    ("DOWNLOAD: report,txt,11", BODY),
    ("DOWNLOAD:report, txt, 11", BODY),
    ("DOWNLOAD: <report, txt, 11>", BODY),
    ("DOWNLOAD: report.txt, txt, 11", BODY),
    ("DOWNLOAD: report.txt, .txt, 11", BODY),
    ("DOWNLOAD: report, TXT, 11", BODY),
    ("DOWNLOAD: report, txt, 11 bytes", BODY),
    ("DOWNLOAD: README, file, 8", b"no type\n"),
    ("DOWNLOAD: README,,8", b"no type\n"),
    ("DOWNLOAD: empty, txt, 0", b""),
    ("DOWNLOAD: white, txt, 9", b" \n\n white"),
    ("DOWNLOAD: a, b.tar, gz, 7", b"commas\n"),
    ("DOWNLOAD: a, b.tar.gz, gz, 7", b"commas\n"),
    ("DOWNLOAD: Ünï ☃, txt, 8", b"unicode\n"),
    ("DOWNLOAD: %C3%9Cn%C3%AF ☃, txt, 8", b"unicode\n"),
])
def test_ways_to_write_a_request(b, request_text, answer):
    assert download(b, request_text) == b"FILE: " + answer


def test_header_and_file_in_one_segment(b):
    """The seed authors' client reads once."""
    for _ in range(20):
        with Wire(b.port) as wire:
            wire.request("report", "txt", 11)
            assert wire.recv_some() == b"FILE: hello body\n"
            assert wire.recv_all() == b""
            info = wire.socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 256)
            assert struct.unpack_from("I", info, TCPI_DATA_SEGS_IN)[0] == 1


def test_header_comes_with_the_first_bytes_of_a_large_file(world, bus):
    data = content(3 << 20)
    peer = serving(world.peer(None, [world.file("large.bin", data)], bus=bus))
    with Wire(peer.port) as wire:
        wire.request("large", "bin", len(data))
        assert len(wire.recv_some()) > len("FILE: ")
    with Wire(peer.port) as wire:
        wire.request("large", "bin", len(data))
        assert wire.recv_all() == b"FILE: " + data


def test_byte_by_byte(b):
    for end in "\n", "":
        with Wire(b.port) as wire:
            wire.send_bytewise("DOWNLOAD: report, txt, 11" + end)
            assert wire.recv_all() == b"FILE: hello body\n"


def test_words_behind_the_request_change_nothing(b):
    """A client that goes on talking gets its file, whole."""
    with Wire(b.port) as wire:
        wire.send("DOWNLOAD: report, txt, 11\nDOWNLOAD: report, txt, 11\nthank you\n")
        assert wire.recv_exactly(17) == b"FILE: hello body\n"


# ----------------------------------------------------------------------------------------- refusals

REFUSED = [
    "DOWNLOAD: report, txt, 12", "DOWNLOAD: report, txt, 10", "DOWNLOAD: report, txt, 0", "DOWNLOAD: report, txt, -11",
    "DOWNLOAD: report, txt, 11111111111111111111111111", "DOWNLOAD: report, txt, 18446744073709551627",
    "DOWNLOAD: report, txt", "DOWNLOAD: report", "DOWNLOAD:", "DOWNLOAD", "DOWNLOAD: , , ", "DOWNLOAD: ,txt,11",
    "DOWNLOAD: report, pdf, 11", "DOWNLOAD: nothing, txt, 11", "DOWNLOAD: Report, txt, 11", "DOWNLOAD: ., txt, 11",
    "DOWNLOAD: ../outside/secret, txt, 7", "DOWNLOAD: ..%2Foutside%2Fsecret, txt, 7", "DOWNLOAD: .., file, 4096",
    "DOWNLOAD: shared/report, txt, 11", "DOWNLOAD: ./report, txt, 11", "DOWNLOAD: /etc/passwd, file, 100",
    "DOWNLOAD: report\0, txt, 11", "DOWNLOAD: report%00, txt, 11", b"DOWNLOAD: report\xff, txt, 11",
    b"\xff\xfe\x00\x01 binary", "\0", " ", "", "HELLO", "SEARCH: report", "BYE", "download: report, txt, 11",
    "get /report.txt HTTP/1.1", "<report, txt, 11, 23/11/26, 127.0.0.1, 1>", "FILE: x",
    "DOWNLOAD: " + "n" * 300 + ", txt, 11", "x" * 4095, "DOWNLOAD: " + ", " * 2000 + "11",
]


def test_refused_without_a_word(b):
    for request in REFUSED:
        request = request.encode() if isinstance(request, str) else request
        refuse(b, request + b"\n")
        assert download(b, "DOWNLOAD: report, txt, 11") == b"FILE: hello body\n"


def test_refused_raw(b):
    for request in "DOWNLOAD: report,.txt,12", "DOWNLOAD: ../outside/secret,.txt,7", "HELLO", "\0\0":
        refuse(b, request)


def test_absolute_path_of_a_shared_file(b, shares):
    refuse(b, f"DOWNLOAD: {shares}/report, txt, 11\n")


def test_nothing_said_then_closed(b):
    """Half-close without a request."""
    with Wire(b.port) as wire:
        wire.half_close()
        wire.expect_close()


@pytest.mark.parametrize("byte", [b"x", b"\0", b"\xff", b"D"])
def test_endless_line(b, byte):
    refuse(b, b"DOWNLOAD: " + byte * (1 << 20))
    refuse(b, b"DOWNLOAD: " + byte * (1 << 20) + b"\n")
    assert download(b, "DOWNLOAD: report, txt, 11") == b"FILE: hello body\n"


def test_noncharacter_in_a_file_name(world, bus):
    """One file with such a name must not hide the others on D-Bus."""
    path = world.file("a\ufffeb.txt", BODY)
    other = world.file("report.txt", BODY)
    peer = world.peer(None, [path, other], bus=bus)
    wait_for(lambda: str(other) in peer.shares(), "the shares to be read")


def test_log_shows_no_control_characters(b):
    refuse(b, b"DOWNLOAD: \x1b[2J\x07\xff\r x, txt, 1\n")
    b.wait_log("Refused ")
    text = b.log_path.read_bytes()
    assert b"\x1b" not in text and b"\x07" not in text and b"\xff" not in text


# ------------------------------------------------------ what has changed since the shares were read


def test_swapped_for_something_else(world, bus, shares):
    names = ["fifo", "link", "out", "dir", "gone", "longer", "shorter", "socket"]
    for name in names:
        world.file(f"{name}.txt", BODY, "shared")
    world.file("inner.txt", BODY, "shared/sub")
    outside = world.file("target.txt", BODY, "outside")
    world.file("inner.txt", BODY, "outside")
    peer = serving(world.peer(None, [shares], bus=bus), len(names) + 1)
    for name in names:
        os.unlink(shares / f"{name}.txt")
    os.mkfifo(shares / "fifo.txt")
    os.symlink("inner-target.txt", shares / "link.txt")
    os.symlink(outside, shares / "out.txt")
    (shares / "dir.txt").mkdir()
    (shares / "longer.txt").write_bytes(BODY + b"!")
    (shares / "shorter.txt").write_bytes(BODY[:-1])
    with contextlib.closing(socket.socket(socket.AF_UNIX)) as s:
        directory = os.open(shares, os.O_PATH)
        s.bind(f"/proc/self/fd/{directory}/socket.txt")
        os.close(directory)
    os.rename(shares / "sub", shares / "old")
    os.symlink(outside.parent, shares / "sub")
    for name in [*names, "inner"]:
        refuse(peer, f"DOWNLOAD: {name}, txt, 11\n")
    # A file of that name again, whatever it holds: it is shared once it has been looked at.
    (shares / "gone.txt").write_bytes(BODY)
    wait_for(lambda: download(peer, "DOWNLOAD: gone, txt, 11") == b"FILE: " + BODY, "the new file")


def test_truncated_while_it_is_sent(world, bus):
    size = 64 << 20
    path = world.file("large.bin", b"")
    os.truncate(path, size)
    peer = serving(world.peer(None, [path], bus=bus))
    with small_window(peer.port) as wire:
        wire.request("large", "bin", size)
        wire.recv_exactly(6 + 4096)
        os.truncate(path, 8192)
        rest = len(wire.recv_all())
        assert 4096 + rest < size
    wait_for(lambda: [t["State"] for t in peer.transfers().values()] == ["failed"], "the upload to have failed")
    (transfer,) = peer.transfers().values()
    assert "changed" in transfer["ErrorMessage"]
    assert peer.running()


# ------------------------------------------------------------------------------------------ a crowd


def test_many_at_once(world, bus):
    """200 downloads, four at a time, in the order of their arrival; D-Bus answers meanwhile."""
    data = content(3 << 20, seed=7)
    digest = hashlib.sha256(b"FILE: " + data).hexdigest()
    peer = serving(world.peer(None, [world.file("large.bin", data)], bus=bus, max_uploads=4))
    wires = [small_window(peer.port) for _ in range(200)]
    for wire in wires:
        wire.request("large", "bin", len(data))
    wait_for(lambda: len(uploads(peer)) == len(wires), "all requests to be understood")

    by_port = {wire.local[1]: wire for wire in wires}
    order = [port for port, _ in sorted(uploads(peer).items(), key=lambda item: item[1][0])]
    assert active(peer) == set(order[:4])
    # Nobody else begins before one of the four has got all; then the fifth does.
    assert hashlib.sha256(by_port[order[1]].recv_all()).hexdigest() == digest
    wait_for(lambda: active(peer) == {order[0], *order[2:5]}, "the fifth to begin")
    # One that gives up while it waits, and one that gives up while it is served, keep nobody from
    # it.
    by_port.pop(order[20]).reset()
    by_port.pop(order[2]).reset()
    wait_for(lambda: active(peer) == {order[0], *order[3:6]}, "the sixth to begin")

    sums = {port: hashlib.sha256() for port in by_port if port != order[1]}
    with selectors.DefaultSelector() as selector:
        for port in sums:
            by_port[port].socket.setblocking(False)
            selector.register(by_port[port].socket, selectors.EVENT_READ, port)
        end = time.monotonic() + 4 * DEADLINE
        looks = 0
        while selector.get_map():
            assert time.monotonic() < end
            if looks % 2000 == 0:
                assert len(active(peer)) <= 4
            looks += 1
            for key, _ in selector.select(1):
                got = key.fileobj.recv(1 << 20)
                sums[key.data].update(got)
                if not got:
                    selector.unregister(key.fileobj)
    assert {s.hexdigest() for s in sums.values()} == {digest}
    for wire in wires:
        wire.close()
    assert peer.get("State") == "idle"


def active(peer):
    return {port for port, (_, state) in uploads(peer).items() if state == "active"}


def test_clients_that_never_read(world, bus):
    """They hold their slots until they leave. Then B serves the clients behind them, and D-Bus all
    the time."""
    data = content(8 << 20)
    peer = serving(world.peer(None, [world.file("large.bin", data), world.file("report.txt", BODY)], bus=bus,
                              max_uploads=3), 2)
    silent = [small_window(peer.port) for _ in range(3)]
    for wire in silent:
        wire.request("large", "bin", len(data))
    wait_for(lambda: len(active(peer)) == 3, "three uploads")
    with Wire(peer.port) as wire:
        wire.request("report", "txt", 11)
        wait_for(lambda: uploads(peer).get(wire.local[1], (0, ""))[1] == "waiting", "the fourth to wait")
        for _ in range(20):
            assert peer.get("State") == "idle"
        wire.expect_silence(0.2)
        silent[0].reset()
        assert wire.recv_all() == b"FILE: " + BODY
    for wire in silent[1:]:
        wire.close()
    wait_for(lambda: not active(peer), "the slots to be free")


@pytest.mark.skipif(not os.environ.get("P2PSHARE_SLOW_TESTS"), reason="takes a minute; P2PSHARE_SLOW_TESTS=1")
def test_a_stalled_client_is_dropped(world, bus):
    data = content(8 << 20)
    peer = serving(world.peer(None, [world.file("large.bin", data)], bus=bus, max_uploads=1))
    with small_window(peer.port) as stalled, Wire(peer.port, deadline=120) as wire:
        stalled.request("large", "bin", len(data))
        wait_for(lambda: len(active(peer)) == 1, "the upload")
        wire.request("large", "bin", len(data))
        assert wire.recv_all() == b"FILE: " + data


def test_a_client_that_talks_without_end(world, bus):
    """B ignores what comes behind the request: it must not keep the thread of all uploads busy."""
    peer = serving(world.peer(None, [world.file("report.txt", BODY)], bus=bus))

    def talk():
        """Sends a request, and then as much as B accepts."""
        with Wire(peer.port) as wire, contextlib.suppress(OSError):
            wire.request("report", "txt", 11)
            for _ in range(200):
                wire.send(b"x" * (1 << 20))

    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        talkers = [pool.submit(talk) for _ in range(2)]
        for _ in range(20):
            assert download(peer, "DOWNLOAD: report, txt, 11") == b"FILE: " + BODY
        for talker in talkers:
            talker.result(DEADLINE)


def cycle(peer, count, script):
    for _ in range(count):
        with Wire(peer.port) as wire:
            script(wire)


def test_no_descriptor_is_lost(b):
    """1000 connections of each kind."""
    kinds = [
        lambda w: None,
        lambda w: w.reset(),
        lambda w: w.half_close(),
        lambda w: w.send("DOWNLOAD: rep"),
        lambda w: w.send("junk\n"),
        lambda w: w.send("DOWNLOAD: nothing, txt, 1\n"),
        lambda w: (w.request("report", "txt", 11), w.recv_all()),
        lambda w: (w.request("report", "txt", 11), w.reset()),
        lambda w: (w.send("DOWNLOAD: report, txt, 11"), w.half_close(), w.recv_all()),
    ]
    assert download(b, "DOWNLOAD: report, txt, 11") == b"FILE: " + BODY
    wait_for(lambda: not active(b), "rest")
    before = b.fds()
    for kind in kinds:
        cycle(b, 1000, kind)
        wait_for(lambda: b.fds() <= before, f"{before} descriptors, as before; now {os.listdir(f'/proc/{b.pid}/fd')}")
    assert download(b, "DOWNLOAD: report, txt, 11") == b"FILE: " + BODY
