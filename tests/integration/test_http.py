# SPDX-License-Identifier: MIT
"""HTTP on the port of p2p-peer (src/proto/http.h): what other HTTP clients get, what bad requests
get, and who may download how fast."""

import contextlib
import email.utils
import hashlib
import os
import pathlib
import re
import resource
import socket
import subprocess
import time

import pytest

from harness import DEADLINE, Wire, clean_env, content, ctl, run, wait_for

BODY = b"hello body\n"
NO_ROOT = "0" * 64
MIB = 1 << 20


def root_of(path):
    return run("p2pctl", "hash", str(path)).stdout.split()[0]


class Served:
    """A file that a peer serves."""

    def __init__(self, peer, path):
        self.peer, self.path = peer, path
        self.root = root_of(path)
        self.target = f"/file/{self.root}/{path.name}"
        self.pieces = f"/pieces/{self.root}"
        self.url = f"http://{peer.host}:{peer.port}{self.target}"
        wait_for(lambda: head(peer, self.target).status == 200, f"{path} to be hashed")


class Answer:
    """An HTTP response, its body included."""

    def __init__(self, wire, body=True):
        lines = wire.recv_until(b"\r\n\r\n").decode().split("\r\n")
        self.status = int(re.fullmatch(r"HTTP/1\.1 (\d{3}) [A-Za-z ]+", lines[0]).group(1))
        fields = [line.split(": ", 1) for line in lines[1:] if line]
        self.fields = {name.lower(): value for name, value in fields}
        assert len(self.fields) == len(fields), lines
        self.body = wire.recv_exactly(int(self.fields.get("content-length", 0))) if body and self.status != 304 else b""

    def __getitem__(self, name):
        return self.fields.get(name)


def request(target, *fields, method="GET", version="1.1"):
    return "\r\n".join([f"{method} {target} HTTP/{version}", "Host: localhost", *fields, "", ""])


def ask(target, *fields, to, method="GET"):
    """Makes one request, on a new connection or on a Wire."""
    with contextlib.ExitStack() as stack:
        wire = to if isinstance(to, Wire) else stack.enter_context(Wire(to.port, to.host))
        wire.send(request(target, *fields, method=method))
        return Answer(wire, method != "HEAD")


def head(peer, target):
    return ask(target, to=peer, method="HEAD")


def small_window(peer, source="127.0.0.1"):
    """Opens a connection with a small receive buffer: what it does not read stays at the peer."""
    s = socket.socket()
    s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    s.settimeout(DEADLINE)
    s.bind((source, 0))
    s.connect(("127.0.0.1", peer.port))
    return Wire(s)


def client_at(peer, source):
    """Connects from another address of this machine."""
    return Wire(socket.create_connection(("127.0.0.1", peer.port), timeout=DEADLINE, source_address=(source, 0)))


def uploads(peer):
    """The state of each upload, and how many bytes were sent."""
    return [(t["State"], t["Transferred"]) for t in peer.transfers().values() if t["Direction"] == "upload"]


def serve(world, name, data, **options):
    """Starts a peer that shares this file."""
    path = world.file(name, data)
    return Served(world.peer(None, [path], bus=world.bus(), name=f"peer-{name}", **options), path)


@pytest.fixture
def small(world):
    return serve(world, "report.txt", BODY)


@pytest.fixture
def large(world):
    """Three pieces and a part of one, on a peer with one slot."""
    return serve(world, "large.bin", content(3 * MIB + 12345), max_uploads=1)


@pytest.fixture
def huge(world):
    """More than any socket buffer holds, on a peer with one slot."""
    return serve(world, "huge.bin", content(24 * MIB), max_uploads=1)


# -------------------------------------------------------------------------------- clients of others


def fetch(tmp_path, *argv):
    subprocess.run(argv, check=True, cwd=tmp_path, env=clean_env(), timeout=60, stdout=subprocess.DEVNULL)


def test_curl(large, tmp_path):
    fetch(tmp_path, "curl", "-sSf", "-O", large.url)
    assert (tmp_path / "large.bin").read_bytes() == large.path.read_bytes()
    text = subprocess.run(["curl", "-sSfI", large.url], check=True, text=True, stdout=subprocess.PIPE, timeout=60).stdout
    assert f"Content-Length: {3 * MIB + 12345}" in text


@pytest.mark.parametrize("argv", [["curl", "-sSf", "-C", "-", "-O"], ["wget", "-q", "-c"]])
def test_resume(large, tmp_path, argv):
    data = large.path.read_bytes()
    # Were it fetched from the beginning, this byte would be another one.
    (tmp_path / "large.bin").write_bytes(b"\xee" + data[1:1500000])
    fetch(tmp_path, *argv, large.url)
    assert (tmp_path / "large.bin").read_bytes() == b"\xee" + data[1:]


def test_curl_ranges(large, tmp_path):
    data = large.path.read_bytes()
    for text, part in ("0-0", data[:1]), ("1000-1999", data[1000:2000]), ("3000000-", data[3000000:]), ("-7", data[-7:]):
        fetch(tmp_path, "curl", "-sSf", "-r", text, "-o", "part", large.url)
        assert (tmp_path / "part").read_bytes() == part


def test_wget(small, tmp_path):
    fetch(tmp_path, "wget", "-q", small.url)
    assert (tmp_path / "report.txt").read_bytes() == BODY


def test_aria2_from_two_peers(world, tmp_path):
    data = content(4 * MIB)
    # Slow enough for aria2 to want both; it takes one address for one server.
    first = serve(world, "first.bin", data, upload_rate="2M")
    second = serve(world, "second.bin", data, upload_rate="2M", host="127.0.0.2")
    assert first.root == second.root
    fetch(tmp_path, "aria2c", "-q", "--no-conf", "--split=2", "--min-split-size=1M", "--file-allocation=none",
          "--uri-selector=inorder", "--out=got.bin", first.url, second.url)
    assert (tmp_path / "got.bin").read_bytes() == data
    assert uploads(first.peer) and uploads(second.peer)


# -------------------------------------------------------------------------------------- the answers


def test_get(small):
    answer = ask(small.target, to=small.peer)
    assert (answer.status, answer.body) == (200, BODY)
    assert answer["etag"] == f'"{small.root}"'
    assert answer["accept-ranges"] == "bytes"
    assert answer["content-type"] == "application/octet-stream"
    modified = email.utils.parsedate_to_datetime(answer["last-modified"]).timestamp()
    assert modified == int(small.path.stat().st_mtime)
    assert abs(email.utils.parsedate_to_datetime(answer["date"]).timestamp() - time.time()) < 60


def test_head_matches_get(small):
    with Wire(small.peer.port) as wire:
        by_head = ask(small.target, to=wire, method="HEAD")
        by_get = ask(small.target, to=wire)
    assert by_head.status == 200
    drop = {"date"}
    assert {k: v for k, v in by_head.fields.items() if k not in drop} == \
        {k: v for k, v in by_get.fields.items() if k not in drop}


@pytest.mark.parametrize("form", ["/file/{0}/report.txt", "/file/{0}", "/file/{0}/", "/file/{0}/another%20name?x=y",
                                  "http://somebody:1/file/{0}/report.txt", "/file/{1}/report.txt"])
def test_only_the_root_counts(small, form):
    answer = ask(form.format(small.root, small.root.upper()), to=small.peer)
    assert (answer.status, answer.body) == (200, BODY)


@pytest.mark.parametrize("value, status, part", [
    ("bytes=0-0", 206, slice(0, 1)),
    ("bytes=6-9", 206, slice(6, 10)),
    ("bytes=6-", 206, slice(6, 11)),
    ("bytes=-5", 206, slice(6, 11)),
    ("bytes=-50", 206, slice(0, 11)),
    ("bytes=0-10", 206, slice(0, 11)),
    ("bytes=5-99", 206, slice(5, 11)),
    ("bytes=11-", 416, None),
    ("bytes=99-100", 416, None),
    ("bytes=-0", 416, None),
    # Not understood, or not served: the whole file, and no 206.
    ("bytes=4-3", 200, slice(0, 11)),
    ("bytes=0-1,3-4", 200, slice(0, 11)),
    ("bytes=x", 200, slice(0, 11)),
    ("lines=0-1", 200, slice(0, 11)),
])
def test_range(small, value, status, part):
    answer = ask(small.target, f"Range: {value}", to=small.peer)
    assert answer.status == status
    if status == 206:
        assert answer["content-range"] == f"bytes {part.start}-{part.stop - 1}/11"
    if status == 416:
        assert answer["content-range"] == "bytes */11"
    else:
        assert answer.body == BODY[part]


def test_conditions(small):
    tag, other = f'"{small.root}"', f'"{NO_ROOT}"'
    with Wire(small.peer.port) as wire:
        def status(*fields):
            return ask(small.target, *fields, to=wire).status

        assert status(f"If-None-Match: {tag}") == 304
        assert status(f"If-None-Match: {other}, W/{tag}") == 304
        assert status("If-None-Match: *", "Range: bytes=0-1") == 304
        assert status(f"If-None-Match: {other}") == 200
        assert status(f"If-Range: {tag}", "Range: bytes=0-1") == 206
        assert status(f"If-Range: {other}", "Range: bytes=0-1") == 200
        assert status(f"If-Range: W/{tag}", "Range: bytes=0-1") == 200
        date = ask(small.target, to=wire)["last-modified"]
        assert status(f"If-Range: {date}", "Range: bytes=0-1") == 200
        assert status(f"If-Range: {other}", "Range: bytes=99-") == 200


def test_empty_file(world):
    empty = serve(world, "empty.txt", b"")
    assert ask(empty.target, to=empty.peer).body == b""
    assert ask(empty.target, "Range: bytes=0-", to=empty.peer).status == 416


def test_pieces(small, large):
    """The hashes lead to the root. The test computes it by BEP 52, without our own code."""
    answer = ask(large.pieces, to=large.peer)
    assert (answer.status, answer["etag"]) == (200, f'"{large.root}"')
    data, leaf, piece = large.path.read_bytes(), 16384, MIB

    def tree(hashes, pad):
        while len(hashes) & (len(hashes) - 1):
            hashes.append(pad)
        while len(hashes) > 1:
            hashes = [hashlib.sha256(a + b).digest() for a, b in zip(hashes[::2], hashes[1::2])]
        return hashes[0]

    hashes = []
    for begin in range(0, len(data), piece):
        leaves = [hashlib.sha256(data[at:min(at + leaf, begin + piece)]).digest()
                  for at in range(begin, min(begin + piece, len(data)), leaf)]
        hashes.append(tree(leaves + [bytes(32)] * (piece // leaf - len(leaves)), bytes(32)))
    assert answer.body == b"".join(hashes)
    assert tree(hashes, tree([bytes(32)] * (piece // leaf), b"")).hex() == large.root
    assert ask(large.pieces, "Range: bytes=32-63", to=large.peer).body == hashes[1]
    assert head(large.peer, large.pieces)["content-length"] == "128"
    # One piece: its hash is the root.
    assert ask(small.pieces, to=small.peer).body.hex() == small.root


@pytest.mark.parametrize("target", ["/", "/file", "/file/", f"/file/{NO_ROOT}/report.txt", f"/pieces/{NO_ROOT}",
                                    "/file/abc/report.txt", f"/file/{NO_ROOT}0", "/report.txt", "/../../etc/passwd",
                                    "/file/..%2f..%2fetc%2fpasswd", "/" + "a" * 4000])
def test_not_found(small, target):
    with Wire(small.peer.port) as wire:
        answer = ask(target, to=wire)
        assert answer.status == 404
        assert answer["content-type"].startswith("text/plain")
        assert answer.body.endswith(b".\n")
        assert ask(target, to=wire, method="HEAD").status == 404
        assert ask(small.target, to=wire).body == BODY  # the connection goes on


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "TRACE", "PATCH", "CONNECT"])
def test_other_methods(small, method):
    with Wire(small.peer.port) as wire:
        answer = ask(small.target, to=wire, method=method)
        assert (answer.status, answer["allow"]) == (405, "GET, HEAD")
        assert ask(small.target, to=wire).body == BODY


# -------------------------------------------------------------------------------------- connections


def test_keep_alive_and_pipelining(small, large):
    with Wire(large.peer.port) as wire:
        wire.send(request(large.target, "Range: bytes=0-9") + request(large.target, method="HEAD") +
                  request("/nothing") + request(large.target, "Range: bytes=-2000000") +
                  request(large.pieces) + request(large.target, "Range: bytes=10-19"))
        data = large.path.read_bytes()
        assert Answer(wire).body == data[:10]
        assert Answer(wire, body=False)["content-length"] == str(len(data))
        assert Answer(wire).status == 404
        assert Answer(wire).body == data[-2000000:]
        assert len(Answer(wire).body) == 128
        assert Answer(wire).body == data[10:20]
        wire.expect_silence(0.1)


def test_many_pipelined(small):
    with Wire(small.peer.port) as wire:
        wire.send(request(small.target) * 500)
        for _ in range(500):
            assert Answer(wire).body == BODY


def test_byte_by_byte(small):
    with Wire(small.peer.port) as wire:
        wire.send_bytewise(request(small.target))
        assert Answer(wire).body == BODY


def test_a_pause_inside_the_method(small):
    """The silence that ends a DOWNLOAD without a newline does not end an HTTP request."""
    for cut in 1, 3, 7:
        with Wire(small.peer.port) as wire:
            text = request(small.target)
            wire.send(text[:cut])
            wire.expect_silence(0.4)
            wire.send(text[cut:])
            assert Answer(wire).body == BODY


@pytest.mark.parametrize("version, field, stays", [
    ("1.1", "X: y", True), ("1.1", "Connection: close", False), ("1.0", "X: y", False),
    ("1.0", "Connection: keep-alive", True),
])
def test_who_closes(small, version, field, stays):
    with Wire(small.peer.port) as wire:
        wire.send(request(small.target, field, version=version))
        answer = Answer(wire)
        assert answer.body == BODY
        assert (answer["connection"] != "close") == stays
        if stays:
            assert ask(small.target, to=wire).body == BODY
        else:
            wire.expect_close()


def test_half_closed(small):
    """A client that ends its stream still gets what it has asked for."""
    with Wire(small.peer.port) as wire:
        wire.send(request(small.target) * 2)
        wire.half_close()
        assert Answer(wire).body == BODY
        assert Answer(wire).body == BODY
        wire.expect_close()


BAD = [
    b"GET / HTTP/1.1\n\n", b"GET / HTTP/1.1\r\n\r\n", b"GET / HTTP/2.0\r\nHost: a\r\n\r\n", b"GET /\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", b"GET / HTTP/1.1\r\nHost: a\r\nX: \0\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: a\r\n folded\r\n\r\n", b"GET / HTTP/1.1\r\nHost : a\r\n\r\n",
    b"GET / HTTP/1.1\rHost: a\r\n\r\n", b"GET a HTTP/1.1\r\nHost: a\r\n\r\n", b"GET /%zz HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello",
    b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\nContent-Length: 5\r\n\r\nhello",
    b"GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
]


@pytest.mark.parametrize("data", BAD)
def test_bad_requests(small, data):
    """The answer is 400, and nothing that follows is read as a request."""
    with Wire(small.peer.port) as wire:
        wire.send(data + request(small.target).encode())
        answer = Answer(wire)
        assert (answer.status, answer["connection"]) == (400, "close")
        assert answer.body.endswith(b".\n")
        wire.expect_close()
    assert ask(small.target, to=small.peer).body == BODY


def test_a_request_with_a_body(small):
    with Wire(small.peer.port) as wire:
        wire.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 200000\r\n\r\n" + b"x" * 200000)
        assert Answer(wire).status == 405
        wire.expect_close()


@pytest.mark.parametrize("data", [b"GET / HTTP/1.1\r\nX: " + b"x" * 9000, b"GET /" + b"x" * 9000,
                                  b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 65])
def test_a_head_that_is_too_long(small, data):
    with Wire(small.peer.port) as wire:
        wire.send(data)
        assert Answer(wire).status == 431
        wire.expect_close()


def test_a_head_that_does_not_end(small):
    with Wire(small.peer.port) as wire:
        wire.send("GET / HTTP/1.1\r\n")
        since = time.monotonic()
        assert Answer(wire).status == 408
        assert time.monotonic() - since > 5
        wire.expect_close()


def test_half_a_head_behind_an_answer(small):
    """The timeout of an unfinished head applies, not that of an idle connection."""
    with Wire(small.peer.port, deadline=45) as wire:  # idle ones end after 60 s
        wire.send(f"HEAD {small.target} HTTP/1.1\r\nHost: a\r\n\r\nG")
        wire.recv_until(b"\r\n\r\n")
        assert Answer(wire).status == 408
        wire.expect_close()


@pytest.mark.skipif(not os.environ.get("P2PSHARE_SLOW_TESTS"), reason="takes a minute; P2PSHARE_SLOW_TESTS=1")
def test_an_idle_connection_ends(small):
    with Wire(small.peer.port, deadline=90) as wire:
        assert ask(small.target, to=wire).body == BODY
        since = time.monotonic()
        wire.expect_close(90)
        assert time.monotonic() - since > 50


def test_download_beside_http(small):
    """DOWNLOAD and HTTP share one port at the same time."""
    with Wire(small.peer.port) as idle:
        assert ask(small.target, to=idle).body == BODY
        with Wire(small.peer.port) as wire:
            wire.request("report", "txt", 11)
            assert wire.recv_all() == b"FILE: " + BODY
        assert ask(small.target, to=idle).body == BODY


def test_no_descriptor_is_lost(small):
    target = small.target
    kinds = [
        lambda w: w.send("GET "),
        lambda w: (w.send("GET "), w.reset()),
        lambda w: w.send(request(target)),
        lambda w: (w.send(request(target)), w.reset()),
        lambda w: (w.send(request(target)), Answer(w)),
        lambda w: (w.send(request(target, "Connection: close")), w.recv_all()),
        lambda w: (w.send("GET / HTTP/9\r\n"), w.recv_all()),
        lambda w: (w.send(request("/nothing") * 3), w.half_close(), w.recv_all()),
    ]
    before = small.peer.fds()
    for kind in kinds:
        for _ in range(300):
            with Wire(small.peer.port) as wire:
                kind(wire)
        wait_for(lambda: small.peer.fds() <= before, f"{before} descriptors, as before")
    assert ask(small.target, to=small.peer).body == BODY


def test_slow_readers_cost_little(huge):
    """The peer does not hold in memory what they do not read."""
    def resident():
        text = pathlib.Path(f"/proc/{huge.peer.pid}/status").read_text()
        return int(re.search(r"VmRSS:\s+(\d+) kB", text).group(1)) << 10

    huge.peer.reload(max_uploads=100)
    before = resident()
    with contextlib.ExitStack() as stack:
        for _ in range(100):
            wire = stack.enter_context(small_window(huge.peer))
            wire.send(request(huge.target) * 20)
        wait_for(lambda: [state for state, _ in uploads(huge.peer)].count("active") == 100, "100 uploads")
        assert resident() - before < 20 * MIB
        assert ask(huge.target, "If-None-Match: *", to=huge.peer).status == 304


@pytest.fixture
def open_files():
    """Lets this process, and daemons started from now on, open thousands of files."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 8192
    if hard != resource.RLIM_INFINITY and hard < wanted:
        pytest.skip(f"a process may open {hard} files here")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, wanted), hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_one_address_does_not_take_all_connections(open_files, small):
    """An address with too many connections loses its own oldest ones, idle or not."""
    def asks(wire):
        assert ask(small.target, "If-None-Match: *", to=wire).status == 304

    with contextlib.ExitStack() as stack:
        other = stack.enter_context(client_at(small.peer, "127.0.0.3"))
        asks(other)
        wires = [stack.enter_context(client_at(small.peer, "127.0.0.2")) for _ in range(1024)]
        for wire in wires:
            asks(wire)
        wires[0].send("GET /file")
        asks(stack.enter_context(client_at(small.peer, "127.0.0.2")))
        wires[0].expect_close()
        asks(stack.enter_context(client_at(small.peer, "127.0.0.2")))
        wires[1].expect_close()
        for wire in (other, wires[2], wires[-1]):
            asks(wire)


# -------------------------------------------------------------------------------- files that change


def test_changed_while_it_is_sent(huge):
    """An answer never mixes two versions of a file."""
    with small_window(huge.peer) as wire:
        wire.send(request(huge.target))
        wire.recv_exactly(4096)
        with open(huge.path, "r+b") as file:
            file.seek(20 * MIB)
            file.write(b"another version")
        assert len(wire.recv_all()) < 24 * MIB - 4096
    wait_for(lambda: [state for state, _ in uploads(huge.peer)] == ["failed"], "the upload to have failed")
    (transfer,) = huge.peer.transfers().values()
    assert "changed" in transfer["ErrorMessage"]
    assert ask(huge.target, to=huge.peer).status == 404


def test_changed_between_two_ranges(large):
    with Wire(large.peer.port) as wire:
        assert ask(large.target, "Range: bytes=0-9", to=wire).status == 206
        with open(large.path, "r+b") as file:
            file.write(b"another version")
        assert ask(large.target, "Range: bytes=10-19", to=wire).status == 404


def test_vanished(small):
    with Wire(small.peer.port) as wire:
        assert ask(small.target, to=wire).status == 200
        small.path.unlink()
        assert ask(small.target, to=wire).status == 404
    assert ask(small.target, to=small.peer).status == 404


def test_a_link_in_its_place(small):
    """The link leads to the same file, which is not shared at its new place."""
    elsewhere = small.path.parent.parent / "elsewhere"
    small.path.rename(elsewhere)
    small.path.symlink_to(elsewhere)
    assert ask(small.target, to=small.peer).status == 404


def test_no_longer_shared(small):
    """A connection that has the file open gets no more of it."""
    with Wire(small.peer.port) as wire:
        assert ask(small.target, to=wire).status == 200
        small.peer.reload(share=[])
        wait_for(lambda: not small.peer.shares(), "the shares to be read")
        assert ask(small.target, to=wire).status == 404


# ---------------------------------------------------------------------------------- slots and queue


@contextlib.contextmanager
def slot_taken(served):
    """A client that does not read holds the only slot."""
    with small_window(served.peer) as holder:
        holder.send(request(served.target))
        wait_for(lambda: "active" in [state for state, _ in uploads(served.peer)], "the slot to be taken")
        yield holder


def place(answer):
    """The place in the queue; 0: the client is served."""
    if answer.status == 200:
        return 0
    assert answer.status == 503
    assert 1 <= int(answer["retry-after"]) <= 30
    return int(answer["queue-place"])


def test_queue_over_http(huge):
    with contextlib.ExitStack() as stack:
        b, c = (stack.enter_context(client_at(huge.peer, source)) for source in ("127.0.0.2", "127.0.0.3"))

        def of(wire):
            return place(ask(huge.target, to=wire))

        with slot_taken(huge):
            assert of(b) == 1
            assert of(c) == 2
            assert of(b) == 1
            # The place belongs to the address, not to the connection.
            again = stack.enter_context(client_at(huge.peer, "127.0.0.3"))
            assert of(again) == 2
            # What needs no slot is served all the time.
            assert ask(huge.target, to=c, method="HEAD").status == 200
            assert ask(huge.pieces, to=c).status == 200
            assert ask(huge.target, "Range: bytes=99999999-", to=c).status == 416
        wait_for(lambda: "active" not in [state for state, _ in uploads(huge.peer)], "the slot to be free")
        # It is kept for the first.
        assert of(c) == 2
        assert of(b) == 0
        assert of(c) == 0


def test_the_place_of_a_waiting_upload_is_shown(huge):
    def places():
        return sorted(t["QueuePlace"] for t in huge.peer.transfers().values() if t["State"] == "waiting")

    with contextlib.ExitStack() as stack:
        first, second = (stack.enter_context(Wire(huge.peer.port)) for _ in range(2))
        with slot_taken(huge):
            first.request("huge", "bin", 24 * MIB)
            wait_for(lambda: places() == [1], "the first to wait")
            second.request("huge", "bin", 24 * MIB)
            wait_for(lambda: places() == [1, 2], "the second to wait")
            path, = [path for path, t in huge.peer.transfers().items() if t["QueuePlace"] == 1]
            assert ctl(huge.peer.bus, "cancel", path.rpartition("/")[2]).returncode == 0
            wait_for(lambda: places() == [1], "the second to move up")
        second.recv_all()
    wait_for(lambda: places() == [] and all(t["QueuePlace"] == 0 for t in huge.peer.transfers().values()),
             "nobody to wait")


def test_downloads_wait_in_the_same_queue(huge):
    size = 24 * MIB
    with contextlib.ExitStack() as stack:
        b, c = (stack.enter_context(client_at(huge.peer, source)) for source in ("127.0.0.2", "127.0.0.3"))
        seed = stack.enter_context(Wire(huge.peer.port))
        with slot_taken(huge):
            assert place(ask(huge.target, to=b)) == 1
            seed.request("huge", "bin", size)
            wait_for(lambda: "waiting" in [state for state, _ in uploads(huge.peer)], "the DOWNLOAD to wait")
            assert place(ask(huge.target, to=c)) == 3
            seed.expect_silence(0.2)
        assert place(ask(huge.target, to=b)) == 0
        assert len(seed.recv_all()) == len("FILE: ") + size
        assert place(ask(huge.target, to=c)) == 0


def test_a_client_that_stays_away_loses_its_place(huge):
    """The slot that was kept for the client goes to the next one."""
    with client_at(huge.peer, "127.0.0.2") as b, Wire(huge.peer.port) as seed:
        with slot_taken(huge):
            assert place(ask(huge.target, to=b)) == 1
            seed.request("huge", "bin", 24 * MIB)
            wait_for(lambda: "waiting" in [state for state, _ in uploads(huge.peer)], "the DOWNLOAD to wait")
        assert seed.recv_exactly(6) == b"FILE: "  # after the time that it was told, and some seconds


def take_slots(stack, served, kinds):
    """Takes slots from this address, a connection for each, with GET or DOWNLOAD. The connections
    read nothing."""
    holders = []
    for kind in kinds:
        wire = stack.enter_context(small_window(served.peer))
        if kind == "GET":
            wire.send(request(served.target))
        else:
            wire.request("huge", "bin", 24 * MIB)
        holders.append(wire)
        wait_for(lambda: [state for state, _ in uploads(served.peer)].count("active") == len(holders), "a slot")
    return holders


def test_one_address_does_not_take_all_slots(world):
    """While others wait, an address with half of the slots gets no more, although it has waited
    longer."""
    huge = serve(world, "huge.bin", content(24 * MIB), max_uploads=2)
    with contextlib.ExitStack() as stack:
        holders = take_slots(stack, huge, ["GET", "GET"])
        again, other = client_at(huge.peer, "127.0.0.1"), client_at(huge.peer, "127.0.0.2")
        stack.enter_context(again)
        stack.enter_context(other)
        assert place(ask(huge.target, to=again)) == 1
        assert place(ask(huge.target, to=other)) == 2
        holders[0].reset()

        def other_is_served():
            assert place(ask(huge.target, to=again)) == 1
            return place(ask(huge.target, to=other)) == 0

        wait_for(other_is_served, "the slot to be the other one's")
        wait_for(lambda: place(ask(huge.target, to=again)) == 0, "nobody else to wait")


def test_one_address_does_not_keep_all_slots(world):
    """After others have waited for half a minute, the address loses its newest uploads and keeps
    half of the slots."""
    huge = serve(world, "huge.bin", content(24 * MIB), max_uploads=4)
    with contextlib.ExitStack() as stack:
        take_slots(stack, huge, ["GET", "DOWNLOAD", "GET", "DOWNLOAD"])
        others = [stack.enter_context(client_at(huge.peer, "127.0.0.2")) for _ in range(2)]
        for wire in others:
            wire.request("huge", "bin", 24 * MIB)
        for wire in others:
            assert wire.recv_exactly(6) == b"FILE: "

        def errors():
            return [t["ErrorMessage"] for t in huge.peer.transfers().values() if t["State"] == "failed"]

        wait_for(lambda: len(errors()) == 2, "two to end")
        assert all("more than half of max-uploads" in error for error in errors())
        assert [state for state, _ in uploads(huge.peer)].count("active") == 4


def test_more_slots_by_reload(huge):
    with slot_taken(huge), Wire(huge.peer.port) as seed:
        seed.request("huge", "bin", 24 * MIB)
        wait_for(lambda: "waiting" in [state for state, _ in uploads(huge.peer)], "the DOWNLOAD to wait")
        huge.peer.reload(max_uploads=2)
        assert seed.recv_exactly(6) == b"FILE: "


def waiting(peer):
    return [state for state, _ in uploads(peer)].count("waiting")


def test_a_waiting_client_that_gives_up_is_noticed(huge):
    with slot_taken(huge):
        for give_up in Wire.reset, Wire.close:
            wire = Wire(huge.peer.port)
            wire.request("huge", "bin", 24 * MIB)
            wait_for(lambda: waiting(huge.peer) == 1, "the DOWNLOAD to wait")
            wire.expect_silence(1.2)  # by now it cannot be the half-close that ends a request
            give_up(wire)
            wait_for(lambda: waiting(huge.peer) == 0, "the client to be gone")


def test_a_half_closed_request_waits(huge):
    with Wire(huge.peer.port) as wire:
        with slot_taken(huge):
            wire.send(f"DOWNLOAD: huge, bin, {24 * MIB}")
            wire.half_close()
            wait_for(lambda: waiting(huge.peer) == 1, "the DOWNLOAD to wait")
            wire.expect_silence(1.2)
        assert len(wire.recv_all()) == len("FILE: ") + 24 * MIB


def test_a_slot_is_held_for_an_answer_only(large):
    """An open connection without a request does not hold a slot."""
    with Wire(large.peer.port) as first, client_at(large.peer, "127.0.0.2") as other:
        for _ in range(3):
            assert ask(large.target, to=first).status == 200
            assert ask(large.target, to=other).status == 200


# ---------------------------------------------------------------------------------------- transfers


def test_ranges_that_follow_each_other_are_one_transfer(large):
    data = large.path.read_bytes()
    with Wire(large.peer.port) as wire:
        for begin in range(0, len(data), 100000):
            end = min(begin + 100000, len(data)) - 1
            assert ask(large.target, f"Range: bytes={begin}-{end}", to=wire).body == data[begin:end + 1]
        (transfer,) = large.peer.transfers().values()
        assert (transfer["State"], transfer["Direction"]) == ("active", "upload")
        assert (transfer["Size"], transfer["Transferred"]) == (len(data), len(data))
        assert (transfer["Name"], transfer["Type"]) == ("large", "bin")
        assert transfer["Sources"] == ["{}:{}".format(*wire.local)]
        # It ends some seconds after the last range, the connection does not.
        wait_for(lambda: uploads(large.peer) == [("done", len(data))], "the transfer to end")
        assert ask(large.target, "Range: bytes=0-9", to=wire).body == data[:10]


def test_requests_that_are_no_transfers(large):
    with Wire(large.peer.port) as wire:
        head_answer = ask(large.target, to=wire, method="HEAD")
        assert head_answer.status == 200
        for target in large.pieces, "/nothing", f"/file/{NO_ROOT}":
            ask(target, to=wire)
        ask(large.target, "If-None-Match: *", to=wire)
        assert large.peer.transfers() == {}


def test_cancelled(huge):
    with slot_taken(huge) as holder:
        (path,) = huge.peer.transfers()
        assert ctl(huge.peer.bus, "cancel", path.rpartition("/")[2]).returncode == 0
        assert len(holder.recv_all()) < 24 * MIB
        wait_for(lambda: [state for state, _ in uploads(huge.peer)] == ["cancelled"], "the upload to be cancelled")
    assert ask(huge.target, "Range: bytes=0-0", to=huge.peer).status == 206


# -------------------------------------------------------------------------------------------- rates


def seconds(function):
    since = time.monotonic()
    function()
    return time.monotonic() - since


BURST = 0.2  # seconds that the rate may be ahead: what piles up, and the clock's grain


def test_upload_rate(world):
    """Two uploads of either kind are together not faster than the rate."""
    data = content(MIB)
    served = serve(world, "large.bin", data, upload_rate="1M")
    with Wire(served.peer.port) as seed, Wire(served.peer.port) as http:
        def both():
            seed.request("large", "bin", len(data))
            http.send(request(served.target))
            assert Answer(http).body == data
            assert seed.recv_all() == b"FILE: " + data

        assert seconds(both) > 2 - BURST
        # Small answers count, too.
        assert seconds(lambda: [ask(served.target, "Range: bytes=0-4095", to=http) for _ in range(256)]) > 1 - BURST
        # No limit, at once, for what is under way as well.
        http.send(request(served.target))
        served.peer.reload(upload_rate="0")
        assert Answer(http).body == data


def test_a_low_rate(world):
    """The header of a FILE never leaves alone, however long the bytes behind it take."""
    served = serve(world, "large.bin", content(20000), upload_rate="10000")
    with Wire(served.peer.port) as wire:
        wire.request("large", "bin", 20000)
        assert len(wire.recv_some()) > len("FILE: ")

        def rest():
            wire.recv_all()

        assert seconds(rest) > 2 - 3 * BURST


def test_rate_exempt(world):
    data = content(MIB)
    # By the rate it would take an hour.
    served = serve(world, "large.bin", data, upload_rate="300", rate_exempt="127.0.0.2/31")
    with client_at(served.peer, "127.0.0.3") as wire:
        assert ask(served.target, to=wire).body == data
    with client_at(served.peer, "127.0.0.4") as wire:
        wire.send(request(served.target))
        served.peer.reload(rate_exempt="127.0.0.4")
        assert Answer(wire).body == data
