# SPDX-License-Identifier: MIT
"""p2pctl: running it to its end or on a terminal, and checking its results."""

import fcntl
import json
import os
import pty
import re
import select
import signal
import struct
import subprocess
import termios
import time

from harness.environment import clean_env, program
from harness.process import SANITIZER_REPORT, as_user
from harness.waiting import DEADLINE


def ctl_argv(*args):
    return [program("p2pctl"), *map(str, args)]


def ctl(bus, *args, uid=None, cwd=None, env=None, timeout=60, text=True):
    """Runs p2pctl on that bus to its end; None: on a bus that does not exist. Returns a
    CompletedProcess with stdout and stderr. A report of a sanitizer is a failure."""
    address = bus.env if bus else {"DBUS_SYSTEM_BUS_ADDRESS": "unix:path=/nonexistent/bus",
                                   "DBUS_SESSION_BUS_ADDRESS": "unix:path=/nonexistent/bus"}
    result = subprocess.run(as_user(uid) + ctl_argv(*args), stdin=subprocess.DEVNULL, capture_output=True,
                            env=clean_env(**address) | (env or {}), cwd=cwd, timeout=timeout)
    errors = result.stderr.decode(errors="backslashreplace")
    assert not SANITIZER_REPORT.search(errors), errors
    if text:
        result.stdout = result.stdout.decode()
        result.stderr = result.stderr.decode()
    return result


def check(result, status):
    assert result.returncode == status, result
    # Whatever failed is said, and by name.
    assert (status == 0) == (not result.stderr.startswith("p2pctl: ")), result
    return result


def document(result):
    data = json.loads(result.stdout)
    assert data["version"] == 1
    return data


def on_terminal(argv, env):
    """Runs a program on its own terminal. Returns the exit status and the output."""
    pid, fd = pty.fork()
    if pid == 0:
        try:
            os.execve(argv[0], argv, env)
        finally:
            os._exit(127)
    output = b""
    while True:
        try:
            data = os.read(fd, 65536)
        except OSError:  # the other side is closed
            break
        if not data:
            break
        output += data
    os.close(fd)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), output.decode()


class Terminal:
    """A program on its own terminal, which a test reads and types at while it runs."""

    def __init__(self, argv, env, cwd=None, rows=24, columns=80):
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            try:
                fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
                if cwd:
                    os.chdir(cwd)
                os.execve(argv[0], argv, env)
            finally:
                os._exit(127)
        self.output = ""
        self.status = None

    def _read(self, deadline):
        """Reads more of the output. False at its end."""
        ready, _, _ = select.select([self.fd], [], [], max(deadline - time.monotonic(), 0))
        assert ready, f"nothing came in time; so far: {self.output!r}"
        try:
            data = os.read(self.fd, 65536)
        except OSError:  # the other side is closed
            return False
        self.output += data.decode()
        return bool(data)

    @property
    def log(self):
        """The output without escape sequences. A line that was redrawn is in it several times."""
        return re.sub(r"\033\[[0-9;]*[A-Za-z]|\r", "", self.output)

    def expect(self, text):
        """Reads until the output has this text."""
        self.expect_match(re.escape(text))

    def expect_match(self, pattern):
        """Reads until the output matches the regular expression."""
        deadline = time.monotonic() + DEADLINE
        while not re.search(pattern, self.log, re.M):
            assert self._read(deadline), f"ended without {pattern!r}: {self.output!r}"

    def signal(self, number):
        os.kill(self.pid, number)

    def type(self, text):
        os.write(self.fd, text.encode())

    def wait(self):
        """Reads to the end and returns the exit status."""
        deadline = time.monotonic() + DEADLINE
        while self._read(deadline):
            pass
        self.status = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
        return self.status

    def stop(self):
        if self.status is None:
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
        os.close(self.fd)
