# SPDX-License-Identifier: MIT
"""A TCP connection, seen as bytes."""

import select
import socket
import time

from harness.waiting import DEADLINE


class Wire:
    """A TCP connection, seen as bytes. Every wait has a deadline."""

    def __init__(self, target, host="127.0.0.1", deadline=DEADLINE):
        """`target`: a port, or a connected socket."""
        self.deadline = deadline
        self.buffer = b""  # received and not yet taken
        if isinstance(target, socket.socket):
            self.socket = target
        else:
            self.socket = socket.create_connection((host, int(target)), timeout=deadline)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.local = self.socket.getsockname()[:2]
        self.remote = self.socket.getpeername()[:2]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def send(self, data):
        """Sends with one write, so that a small message is one segment."""
        self.socket.settimeout(self.deadline)
        self.socket.sendall(data.encode() if isinstance(data, str) else data)

    def send_bytewise(self, data):
        for byte in data.encode() if isinstance(data, str) else data:
            self.send(bytes([byte]))

    def _receive(self, deadline):
        """Reads once into the buffer. False at the end of the stream; a reset counts as one."""
        left = deadline - time.monotonic()
        if left <= 0:
            raise AssertionError(f"nothing came in time; so far: {self.buffer[:2000]!r}")
        self.socket.settimeout(left)
        try:
            data = self.socket.recv(1 << 18)
        except socket.timeout:
            raise AssertionError(f"nothing came in time; so far: {self.buffer[:2000]!r}") from None
        except ConnectionResetError:
            return False
        self.buffer += data
        return bool(data)

    def _take(self, n):
        data, self.buffer = self.buffer[:n], self.buffer[n:]
        return data

    def recv_some(self):
        """Returns what one recv() gets; b"" at the end."""
        if not self.buffer:
            self._receive(time.monotonic() + self.deadline)
        return self._take(len(self.buffer))

    def recv_exactly(self, n):
        end = time.monotonic() + self.deadline
        while len(self.buffer) < n:
            if not self._receive(end):
                raise AssertionError(f"closed after {self.buffer[:2000]!r}, expected {n} bytes")
        return self._take(n)

    def recv_until(self, delimiter=b"\n"):
        """Returns the bytes up to and including the delimiter."""
        end = time.monotonic() + self.deadline
        while delimiter not in self.buffer:
            if not self._receive(end):
                raise AssertionError(f"closed after {self.buffer[:2000]!r}, expected {delimiter!r}")
        return self._take(self.buffer.index(delimiter) + len(delimiter))

    def recv_all(self):
        """Returns the bytes up to the end of the stream."""
        end = time.monotonic() + self.deadline
        while self._receive(end):
            pass
        return self._take(len(self.buffer))

    def expect(self, data):
        """Checks that these bytes come next."""
        data = data.encode() if isinstance(data, str) else data
        got = self.recv_exactly(len(data))
        assert got == data, f"got {got!r}, expected {data!r}"

    def expect_silence(self, seconds=0.5):
        """Checks that nothing comes for so long, and that the connection stays open."""
        assert not self.buffer, f"not silent: {self.buffer[:2000]!r}"
        ready, _, _ = select.select([self.socket], [], [], seconds)
        if ready:
            try:
                data = self.socket.recv(4096)
            except ConnectionResetError:
                data = b""
            raise AssertionError(f"not silent: {data!r}" if data else "closed, expected silence")

    def expect_close(self, within=DEADLINE):
        """Checks that the other side closes without sending anything."""
        end = time.monotonic() + within
        while not self.buffer and self._receive(end):
            pass
        assert not self.buffer, f"words before the close: {self.buffer[:2000]!r}"

    def request(self, name, mtype, size):
        """Sends a DOWNLOAD in our own syntax."""
        self.send(f"DOWNLOAD: {name}, {mtype}, {size}\n")

    def half_close(self):
        """Ends the stream of this side."""
        self.socket.shutdown(socket.SHUT_WR)

    def reset(self):
        """Closes with RST instead of FIN."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        self.close()

    def close(self):
        self.socket.close()
