# SPDX-License-Identifier: MIT
"""A source of a swarm: it serves a file over HTTP, and may lie."""

import re

from harness.merkle import PIECE_MIN, piece_bytes, piece_layer, root_of
from harness.scripted import ScriptedServer


class HttpSource(ScriptedServer):
    """B over HTTP. `data`: the file. Keywords change what it does:

    corrupt     set of pieces of which one byte is wrong
    layer       what /pieces answers instead of the truth
    delay       seconds before each 64 KiB of a body
    head        function(path, first, last) -> bytes of a head to send instead, then the body
    busy        how many requests get 503 first, with Queue-Place = those left
    place       each request gets 503 with this Queue-Place, until .place is 0
    after       function(source, sent) called after each 64 KiB; false ends the connection
    tail        bytes behind each body
    close       says Connection: close, and does
    .requests holds (path, first, last) of all; first is None without a Range."""

    def __init__(self, data, **lies):
        self.data = data
        self.root = root_of(data)
        self.lies = lies
        self.busy = lies.get("busy", 0)
        self.place = lies.get("place", 0)
        self.requests = []
        self.sent = 0
        super().__init__(self._script)

    def pieces_asked(self):
        """How often each piece was requested, as {piece: times}."""
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
        place = self.place or self.busy
        if place > 0:
            self.busy -= not self.place
            wire.send(f"HTTP/1.1 503 Busy\r\nRetry-After: 1\r\nQueue-Place: {place}\r\n"
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


def held_up(pieces):
    """Keywords of an HttpSource that stops after so many pieces, and stays connected."""
    return {"after": lambda source, sent: sent < pieces * PIECE_MIN or not source.stopping.wait(3600)}
