# SPDX-License-Identifier: MIT
"""Two runs of these tests side by side leave each other alone, also where they do not see each other's processes."""

import os
import pathlib
import signal
import subprocess
import sys

import pytest
from lab import NAME, cgroup_parents

OTHER = """
import os, sys
sys.path.insert(0, sys.argv[1])
from lab import Lab
lab = Lab()
print(*lab.cgroups, flush=True)
sys.stdin.read()
lab.close()
"""


def start(*before):
    """Another run's Lab, which lives until its standard input ends; and its cgroups."""
    here = str(pathlib.Path(__file__).resolve().parent)
    process = subprocess.Popen([*before, sys.executable, "-B", "-c", OTHER, here], stdin=subprocess.PIPE,
                               stdout=subprocess.PIPE, text=True)
    made = [pathlib.Path(path) for path in process.stdout.readline().split()]
    assert made, "there is no lab"
    return process, made


@pytest.mark.parametrize("before", [(), ("unshare", "--pid", "--fork", "--kill-child", "--mount-proc")],
                         ids=["beside", "in another process namespace"])
def test_beside_another_run(lab, before):
    process, made = start(*before)
    assert all(cgroup.exists() for cgroup in [*lab.cgroups, *made])
    process.communicate("")
    assert process.returncode == 0
    assert all(cgroup.exists() for cgroup in lab.cgroups) and not any(cgroup.exists() for cgroup in made)


def test_what_a_killed_run_leaves(lab):
    """The next run removes it."""
    process, made = start()
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    assert all(cgroup.exists() for cgroup in made)
    next_one, _ = start()
    next_one.communicate("")
    assert not any(cgroup.exists() for cgroup in made)
    left = [path for parent in cgroup_parents() for path in parent.glob(f"{NAME}.*")]
    assert set(lab.cgroups) <= set(left)
