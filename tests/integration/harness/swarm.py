# SPDX-License-Identifier: MIT
"""A swarm's other side: the root of bytes by the letter of BEP 52, and a source over HTTP that may lie."""

import hashlib
import re

from harness import ScriptedServer

LEAF = 16384
PIECE_MIN = 1 << 20
PIECES_MAX = 65536


def sha256(data):
    return hashlib.sha256(data).digest()


def tree(hashes, width, padding):
    """The root over `hashes`, filled up with `padding` to `width` of them."""
    layer = list(hashes) + [padding] * (width - len(hashes))
    while len(layer) > 1:
        layer = [sha256(layer[i] + layer[i + 1]) for i in range(0, len(layer), 2)]
    return layer[0]


def power_of_two(n):
    return 1 << max(n - 1, 0).bit_length()


def piece_bytes(size):
    piece = PIECE_MIN
    while size > piece * PIECES_MAX:
        piece *= 2
    return piece


def piece_layer(data):
    """The hashes of the pieces of `data`; of one piece, its hash is the root."""
    leaves = [sha256(data[i:i + LEAF]) for i in range(0, len(data), LEAF)] or [sha256(b"")]
    piece = piece_bytes(len(data))
    if len(data) <= piece:
        return [tree(leaves, power_of_two(len(leaves)), bytes(32))]
    per_piece = piece // LEAF
    return [tree(leaves[i:i + per_piece], per_piece, bytes(32)) for i in range(0, len(leaves), per_piece)]


def root_of(data):
    """64 hex digits."""
    layer = piece_layer(data)
    empty = tree([], piece_bytes(len(data)) // LEAF, bytes(32))
    return tree(layer, power_of_two(len(layer)), empty).hex()


class HttpSource(ScriptedServer):
    """B over HTTP. `data`: the file. Keywords change what it does:

    corrupt     set of pieces of which one byte is wrong
    layer       what /pieces answers instead of the truth
    delay       seconds before each 64 KiB of a body
    head        function(path, first, last) -> bytes of a head to send instead, then the body
    busy        how many requests get 503 first, with Queue-Place = those left
    after       function(source, sent) called after each 64 KiB; false ends the connection
    tail        bytes behind each body
    close       says Connection: close, and does
    .requests holds (path, first, last) of all; first is None without a Range."""

    def __init__(self, data, **lies):
        self.data = data
        self.root = root_of(data)
        self.lies = lies
        self.busy = lies.get("busy", 0)
        self.requests = []
        self.sent = 0
        super().__init__(self._script)

    def pieces_asked(self):
        """How often each piece was asked for."""
        piece = piece_bytes(len(self.data))
        count = {}
        for path, first, last in self.requests:
            if path.startswith("/file/"):
                for i in range((first or 0) // piece, (len(self.data) - 1 if last is None else last) // piece + 1):
                    count[i] = count.get(i, 0) + 1
        return count

    def _script(self, wire, _):
        wire.deadline = 3600
        while not self.stopping.is_set():
            try:
                request = wire.recv_until(b"\r\n\r\n").decode()
            except AssertionError:  # the peer has gone
                return
            if not self._answer(wire, request):
                return

    def _answer(self, wire, request):
        method, path, _ = request.split("\r\n")[0].split(" ")
        assert method == "GET"
        byte_range = re.search(r"^Range: bytes=(\d+)-(\d+)\r$", request, re.M)
        first, last = map(int, byte_range.groups()) if byte_range else (None, None)
        self.requests.append((path, first, last))
        if self.busy > 0:
            self.busy -= 1
            wire.send(f"HTTP/1.1 503 Busy\r\nRetry-After: 1\r\nQueue-Place: {self.busy + 1}\r\n"
                      "Content-Length: 0\r\n\r\n")
            return True
        if path == f"/pieces/{self.root}":
            body = self.lies.get("layer", b"".join(piece_layer(self.data)))
            wire.send(f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body)
            return True
        if not path.startswith(f"/file/{self.root}/"):
            wire.send("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")
            return True
        return self._send_file(wire, path, first, last)

    def _send_file(self, wire, path, first, last):
        size = len(self.data)
        body = bytearray(self.data[first:last + 1] if first is not None else self.data)
        for piece in self.lies.get("corrupt", ()):
            at = piece * piece_bytes(size) - (first or 0)
            if 0 <= at < len(body):
                body[at] ^= 1
        if "head" in self.lies:
            wire.send(self.lies["head"](path, first, last))
        elif first is None:
            wire.send(f"HTTP/1.1 200 OK\r\nContent-Length: {size}\r\n\r\n")
        else:
            close = "Connection: close\r\n" if self.lies.get("close") else ""
            wire.send(f"HTTP/1.1 206 Partial Content\r\nContent-Length: {len(body)}\r\n{close}"
                      f"Content-Range: bytes {first}-{last}/{size}\r\n\r\n")
        for i in range(0, len(body), 65536):
            if self.lies.get("delay") and self.stopping.wait(self.lies["delay"]):
                return False
            wire.send(bytes(body[i:i + 65536]))
            self.sent += len(body[i:i + 65536])
            if "after" in self.lies and not self.lies["after"](self, self.sent):
                return False
        if self.lies.get("tail"):
            wire.send(self.lies["tail"])
        return not self.lies.get("close")


def found_rooted(name, sources, size=None, date="23/11/26"):
    """An answer to SEARCH with a record for each HttpSource."""
    mtype = name.rsplit(".", 1)[1]
    return "FOUND: " + ", ".join(
        f"<{mtype}, {len(source.data) if size is None else size}, {date}, 127.0.0.1, {source.port}, {source.root}>"
        for source in sources)
