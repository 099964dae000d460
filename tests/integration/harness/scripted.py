# SPDX-License-Identifier: MIT
"""TCP servers that do what the script of a test says: the other side of a daemon."""

import contextlib
import socket
import threading

from harness.ports import endpoint
from harness.waiting import DEADLINE, wait_for
from harness.wire import Wire


class ScriptedServer:
    """A TCP server that does what a script says: the fake FT or B of a test.

    It calls `script(wire, number)` in its own thread for each connection (0, 1, …), and closes the
    connection when that returns. An AssertionError in it makes stop() fail; a broken connection
    does not. A list of scripts has one for each connection; the last one serves all that follow."""

    def __init__(self, script, host="127.0.0.1"):
        self.script = script
        self.host = host
        self.connections = 0
        self.wires = []
        self.errors = []
        self.stopping = threading.Event()
        self.socket = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind((host, 0))
        self.socket.listen(64)
        self.port = self.socket.getsockname()[1]
        self.address = endpoint(host, self.port)
        self.thread = threading.Thread(target=self._accept, daemon=True)
        self.thread.start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    def _accept(self):
        while True:
            try:
                connection, _ = self.socket.accept()
            except OSError:  # closed by stop()
                return
            if self.stopping.is_set():
                connection.close()
                return
            try:
                wire = Wire(connection)
            except OSError:  # gone already
                connection.close()
                continue
            self.wires.append(wire)
            threading.Thread(target=self._serve, args=(wire, self.connections), daemon=True).start()
            self.connections += 1

    def _serve(self, wire, number):
        script = self.script
        if isinstance(script, (list, tuple)):
            script = script[min(number, len(script) - 1)]
        try:
            script(wire, number)
        except OSError:
            pass
        except BaseException as error:  # noqa: B902: seen by stop()
            if not self.stopping.is_set():
                self.errors.append(error)
        finally:
            wire.close()

    def wait_connections(self, count):
        wait_for(lambda: self.connections >= count, f"{count} connections")

    def stop(self):
        """Ends the server and raises the first error of its scripts."""
        if not self.stopping.is_set():
            self.stopping.set()
            with contextlib.suppress(OSError):
                self.socket.shutdown(socket.SHUT_RDWR)
            self.socket.close()
            for wire in self.wires:
                with contextlib.suppress(OSError):
                    wire.socket.shutdown(socket.SHUT_RDWR)
            self.thread.join(DEADLINE)
        if self.errors:
            raise self.errors[0]


def silent(wire, _=0):
    """A script that reads, and says nothing until the other side closes."""
    wire.deadline = 3600
    while wire.recv_some():
        pass


def fake_source(*replies, after=None):
    """A B that reads once, answers replies[n] to the nth connection (the last one to all that
    follow), and closes. after(wire) runs before the close.

    .requests lists what it was asked. After a refusal in our own syntax the peer asks again in the
    seed authors' syntax."""
    requests = []

    def script(wire, number):
        requests.append(wire.recv_some())
        wire.send(replies[min(number, len(replies) - 1)])
        if after:
            after(wire)

    server = ScriptedServer(script)
    server.requests = requests
    return server
