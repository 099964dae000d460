# SPDX-License-Identifier: MIT
"""Many literal peers in one thread, each of which joins with a file of its own, searches for those of the others again and
again, and joins again at once if it is put out (Load); and somebody who comes and goes all the time (Callers)."""

import contextlib
import heapq
import itertools
import selectors
import socket
import threading
import time

from harness import Wire

PAUSE = 0.1  # seconds between an answer and the next search of a peer
RETRY = 0.05


class Member:
    """One of them. `stage`: hello, own (looks for its own file, until it is found) or searching."""

    def __init__(self, number):
        self.number, self.name = number, f"load-{number}"
        self.socket = None
        self.stage, self.asked, self.buffer = "away", None, b""
        self.found_own = None  # when, time.monotonic(), since it has joined


class Load:
    """`count` peers of the FT at `address`, whose sockets are opened in `network` (Lab.network)."""

    def __init__(self, network, here, address, count):
        self.network, self.here, self.address = network, here, (address, 5555)
        self.members = [Member(number) for number in range(count)]
        self.selector = selectors.DefaultSelector()
        self.due = []  # a heap of (when, tie breaker, function, member)
        self.order = itertools.count()
        self.refused, self.lost, self.wrong, self.answers = [], 0, [], 0
        self.stopping = threading.Event()
        self.error = None
        self.thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.stopping.set()
        self.thread.join(30)
        for member in self.members:
            if member.socket:
                member.socket.close()
        self.selector.close()
        if self.error:
            raise self.error

    def all_found_since(self, begin):
        """When the last of them has found its own file, having joined after `begin`; None: not yet."""
        times = [member.found_own for member in self.members]
        return max(times) if all(when and when > begin for when in times) else None

    def joined(self):
        return all(member.found_own for member in self.members)

    # ------------------------------------------------------------------------------- in its thread

    def _run(self):
        try:
            with self.network():
                for member in self.members:
                    self._at(0, self._connect, member)
                while not self.stopping.is_set():
                    self._step()
        except BaseException as error:  # noqa: B902: for __exit__
            self.error = error

    def _at(self, delay, function, member):
        heapq.heappush(self.due, (time.monotonic() + delay, next(self.order), function, member))

    def _step(self):
        now = time.monotonic()
        while self.due and self.due[0][0] <= now:
            _, _, function, member = heapq.heappop(self.due)
            function(member)
        wait = min(max(self.due[0][0] - time.monotonic(), 0), 0.1) if self.due else 0.1
        for key, _ in self.selector.select(wait):
            self._receive(key.data)

    def _connect(self, member):
        # Blocking, since the other side is the kernel: it accepts without FT, or refuses.
        try:
            member.socket = socket.create_connection(self.address, timeout=10)
        except OSError as error:
            self.refused.append(error)
            self._at(RETRY, self._connect, member)
            return
        member.stage, member.buffer, member.found_own = "hello", b"", None
        self.selector.register(member.socket, selectors.EVENT_READ, member)
        self._send(member, "HELLO\n")

    def _send(self, member, text):
        # A peer that has been put out meanwhile is told so by its next read.
        if member.socket:
            with contextlib.suppress(OSError):
                member.socket.sendall(text.encode())

    def _receive(self, member):
        try:
            data = member.socket.recv(1 << 16)
        except OSError:
            data = b""
        if not data:
            self.selector.unregister(member.socket)
            member.socket.close()
            member.socket, member.stage = None, "away"
            self.lost += 1
            self._at(0, self._connect, member)
            return
        member.buffer += data
        while b"\n" in member.buffer:
            line, _, member.buffer = member.buffer.partition(b"\n")
            self._line(member, line.decode())

    def _line(self, member, line):
        if member.stage == "hello":
            assert line == "HI", line
            self._send(member, f"{self._record(member)}\n")
            member.stage = "own"
            self._search(member)
            return
        self.answers += 1
        expected = f"FOUND: {self._record(self.members[member.asked]).replace(f'load-{member.asked}, ', '')}"
        if member.stage == "own":
            # FT has read the record before the search.
            member.found_own = time.monotonic()
            member.stage = "searching"
        if line != expected and (line != "NOT FOUND" or not self.crashed(member.asked)):
            self.wrong.append((member.name, member.asked, line))
        self._at(PAUSE, self._search, member)

    def crashed(self, number):
        """Whether NOT FOUND is the truth about that one's file: it was put out, and is not back."""
        return self.lost > 0 and not self.members[number].found_own

    def _record(self, member):
        return f"<{member.name}, txt, {member.number + 1}, 23/11/26, {self.here}, {10000 + member.number}>"

    def _search(self, member):
        if member.stage == "own":
            member.asked = member.number
        elif member.stage == "searching":
            member.asked = (member.asked * 7 + member.number + 1) % len(self.members)
        else:
            return  # put out meanwhile
        self._send(member, f"SEARCH: load-{member.asked}\n")


class Callers:
    """Connects and asks, again and again; whatever goes wrong is in .wrong."""

    def __init__(self, lab, ask):
        self.lab, self.ask = lab, ask
        self.answers, self.wrong = 0, []
        self.stopping = threading.Event()
        self.thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.stopping.set()
        self.thread.join(60)

    def _run(self):
        with self.lab.network():
            while not self.stopping.wait(0.005):
                try:
                    self.ask()
                    self.answers += 1
                except (OSError, AssertionError) as error:
                    self.wrong.append(repr(error))


def greet(host):
    """Joins its p2p-ft, and leaves."""
    with Wire(5555, host.address) as wire:
        wire.send("HELLO\n")
        wire.expect("HI\n")
