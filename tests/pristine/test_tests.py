# SPDX-License-Identifier: MIT
"""The test command of README.md on a machine on which nobody has done anything yet: all of it but most single tests."""

import re

from machines import CACHE
from readme import Readme


def test_sample(root, release):
    """It installs all that it needs. No test may fail, or be left out for want of anything but a kernel's means."""
    command = Readme("See it work").take("tests/run")
    said = root.script(f"{command} --sample 2>&1 || true", "root")
    log = CACHE / f"{release.name}-sample.log"
    log.write_text(said, encoding="utf-8")
    wrong = re.findall(r"^(?:FAILED|ERROR|E  |SKIPPED.*(?:could not import|no systemd|not found)).*", said, re.M)
    counted = re.fullmatch(r"(\d+) passed, 0 failed, \d+ skipped", said.splitlines()[-1])
    assert counted and int(counted[1]) > 300 and not wrong, "\n".join([f"see {log}", *wrong, said.splitlines()[-1]])
