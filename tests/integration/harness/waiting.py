# SPDX-License-Identifier: MIT
"""Waiting for a condition, until a deadline that is far away.

Tests never sleep for a fixed time. The one exception is Wire.expect_silence(): silence can only be
seen by waiting."""

import os
import time

# Seconds; a test that is right never gets near it. Under user-mode Linux (bench/in-uml) all takes
# longer.
DEADLINE = int(os.environ.get("P2PSHARE_DEADLINE", "60"))
STEP = 0.02  # between two looks at something that cannot be waited for


def wait_for(condition, what="the condition", deadline=DEADLINE):
    """Calls condition() every STEP until it is true, and returns its value."""
    end = time.monotonic() + deadline
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"waited {deadline} s in vain for {what}; last seen: {value!r}")
        time.sleep(STEP)
