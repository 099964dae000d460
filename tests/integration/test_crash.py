# SPDX-License-Identifier: MIT
"""kill -9 in the middle of a download. A file with the final name is right at any moment, the
download resumes, and at most one piece of each source is fetched again. tests/bench/crash.py does
this 200 times."""

import pytest

from harness.crashes import KINDS, Crashes

SEED = 3
RUNS = 3  # of each kind


@pytest.mark.parametrize("kind", KINDS)
def test_kill(world, kind):
    crashes = Crashes(world, SEED)
    for number in range(RUNS):
        print(crashes.run(number, kind))
