# SPDX-License-Identifier: MIT
"""A FileTracker by another author."""

from harness.scripted import ScriptedServer
from harness.waiting import wait_for


class FakeFt(ScriptedServer):
    """A FileTracker by another author.

    answers: what SEARCH gets, {name: bytes} or a function; None means silence.
    framing: "line" answers HELLO\\n; "raw" answers only a bare HELLO, as the seed authors' program.
    once: closes after each SEARCH that it has answered.
    kept: how many records it keeps, which KEPT tells those who write roots; None: it never says
    KEPT.
    reachable: its answer to REACHABLE ("yes, 192.0.2.7, 5556"); None: no answer.

    .heard lists the messages that it received, one bytes object each. REACHABLE is not in it, but
    counted in .asked_reachable."""

    def __init__(self, answers=None, framing="line", once=False, hi=True, kept=1000, reachable=None):
        self.answers = answers if callable(answers) else (answers if answers is not None else {}).get
        self.framing, self.once, self.hi, self.kept, self.reachable = framing, once, hi, kept, reachable
        self.heard, self.asked_reachable = [], 0
        super().__init__(self._line if framing == "line" else self._raw)

    def wait_heard(self, message, count=1):
        message = message.encode() if isinstance(message, str) else message
        wait_for(lambda: self.heard.count(message) >= count, f"{message!r} among {self.heard}")

    def _answer(self, name):
        answer = self.answers(name)
        return answer.encode() if isinstance(answer, str) else answer

    def _line(self, wire, _):
        held, rooted = set(), False
        while not self.stopping.is_set():
            wire.deadline = 3600
            try:
                line = wire.recv_until(b"\n")
            except AssertionError:  # the peer has gone
                return
            if line == b"REACHABLE\n":
                self.asked_reachable += 1
                if self.reachable is not None:
                    wire.send(f"REACHABLE: {self.reachable}\n")
                continue
            self.heard.append(line)
            if line == b"HELLO\n":
                if not self.hi:
                    continue
                wire.send("HI\n")
            elif line.startswith(b"SEARCH: "):
                answer = self._answer(line[8:-1].decode(errors="surrogateescape"))
                if answer is not None:
                    wire.send(answer + b"\n")
                    if self.once:
                        return
            elif line == b"BYE\n":
                return
            elif self.kept is not None:
                key = line.strip(b"<>\n").removeprefix(b"REMOVE: ").split(b", ")
                rooted = rooted or len(key[-1]) == 64
                if line.startswith(b"REMOVE: "):
                    held.discard(tuple(key))
                elif len(held) < self.kept:
                    held.add(tuple(key[:3]))
                if rooted:
                    wire.send(f"KEPT: {len(held)}\n")

    def _raw(self, wire, _):
        while not self.stopping.is_set():
            wire.deadline = 3600
            message = wire.recv_some()  # one read is one message, as there
            if not message:
                return
            self.heard.append(message)
            if message == b"HELLO" and self.hi:
                wire.send("HI")
            elif message.startswith(b"SEARCH: "):
                answer = self._answer(message[8:].decode(errors="surrogateescape"))
                if answer is not None:
                    wire.send(answer)
                    if self.once:
                        return
            elif message == b"BYE":
                return
