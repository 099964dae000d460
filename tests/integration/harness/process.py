# SPDX-License-Identifier: MIT
"""Child processes: their output, their end, and which user they run as."""

import os
import pathlib
import re
import subprocess

import pytest

from harness.environment import clean_env, program
from harness.waiting import DEADLINE, wait_for

SANITIZER_REPORT = re.compile(r"ERROR: (Address|Leak|Thread|Memory)Sanitizer|runtime error:")


def as_user(uid):
    """The words before a command that run it as another user."""
    if uid is None:
        return []
    if os.geteuid() != 0:
        pytest.skip("only root can be somebody else")
    return ["/usr/bin/setpriv", f"--reuid={uid}", f"--regid={uid}", "--clear-groups"]


class Process:
    """A child process whose output goes to a file."""

    def __init__(self, argv, log_path, env, pass_fds=(), **popen):
        self.name = os.path.basename(argv[0])
        self.log_path = pathlib.Path(log_path)
        with open(self.log_path, "ab") as log:
            self.popen = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=env,
                                          pass_fds=pass_fds, **popen)

    @property
    def pid(self):
        return self.popen.pid

    @property
    def log(self):
        return self.log_path.read_text(errors="backslashreplace")

    def running(self):
        return self.popen.poll() is None

    def wait(self, deadline=DEADLINE):
        """Waits for its end and returns the exit status."""
        try:
            return self.popen.wait(deadline)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"{self.name} did not end within {deadline} s\n{self.log}") from None

    def signal(self, number):
        self.popen.send_signal(number)

    def kill(self):
        """Sends SIGKILL, as a power failure would end it."""
        if self.running():
            self.popen.kill()
        self.popen.wait()

    def wait_log(self, pattern, deadline=DEADLINE):
        """Waits for a line that matches the regular expression; returns the match."""
        return wait_for(lambda: re.search(pattern, self.log, re.M), f"{pattern!r} in the log of {self.name}",
                        deadline)

    def check_log(self):
        report = SANITIZER_REPORT.search(self.log)
        assert not report, f"{self.name}: {report[0]}\n{self.log}"


def run(name, *args, env=None, timeout=DEADLINE, **options):
    """Runs one of our programs to its end, for --help or a start that it refuses."""
    result = subprocess.run([program(name), *map(str, args)], stdin=subprocess.DEVNULL, capture_output=True,
                            text=True, env=env or clean_env(), timeout=timeout, **options)
    assert not SANITIZER_REPORT.search(result.stderr), result.stderr
    return result


def memory(daemon, key="VmRSS"):
    """A value of /proc/PID/status in KiB."""
    with open(f"/proc/{daemon.pid}/status") as status:
        return int(re.search(rf"^{key}:\s+(\d+) kB", status.read(), re.M)[1])
