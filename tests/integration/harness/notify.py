# SPDX-License-Identifier: MIT
"""The socket on which a service tells systemd that it is ready."""

import contextlib
import os
import socket
import threading
import time

from harness.waiting import DEADLINE


class Notify:
    """The socket that systemd gives to a service of Type=notify. A thread reads it, because a
    daemon blocks when it is full."""

    def __init__(self, path):
        self.path = str(path)
        self.messages = []
        self.changed = threading.Condition()
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self.path)
        self.socket.bind(self.path)
        self.thread = threading.Thread(target=self._read, daemon=True)
        self.thread.start()

    def _read(self):
        while message := self.socket.recv(4096):
            with self.changed:
                self.messages.append(message.decode())
                self.changed.notify_all()

    def watch_end(self, process):
        """Wakes wait() when the process has ended."""

        def watch():
            process.popen.wait()
            with self.changed:
                self.changed.notify_all()

        threading.Thread(target=watch, daemon=True).start()

    def wait(self, word, process, since=0, deadline=DEADLINE):
        """Waits for a message with the line `word` after the first `since` ones, or for the end of
        the process. Returns the number of messages up to it."""
        end = time.monotonic() + deadline
        with self.changed:
            while True:
                for i, message in enumerate(self.messages[since:], since + 1):
                    if word in message.split("\n"):
                        return i
                if not process.running():
                    raise AssertionError(f"{process.name} ended before {word} with status "
                                         f"{process.wait()}:\n{process.log}")
                if not self.changed.wait(max(end - time.monotonic(), 0)):
                    raise AssertionError(f"no {word} from {process.name}:\n{process.log}")

    def close(self):
        """Ends the thread with an empty message."""
        if self.thread.is_alive():
            with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as end:
                end.sendto(b"", self.path)
            self.thread.join(DEADLINE)
        self.socket.close()
