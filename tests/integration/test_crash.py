# SPDX-License-Identifier: MIT
"""kill -9 in the middle of a download: what has the final name is right at any moment, it goes on where it was, and
fetches at most a piece of each source again. tests/bench/crash.py does the same 200 times."""

import pytest

from harness.crashes import KINDS, Crashes

SEED = 3
RUNS = 3  # of each kind


@pytest.mark.parametrize("kind", KINDS)
def test_kill(world, kind):
    crashes = Crashes(world, SEED)
    for number in range(RUNS):
        print(crashes.run(number, kind))
