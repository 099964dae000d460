# SPDX-License-Identifier: MIT
"""What the tests of whole programs share."""

from harness.daemons import *  # noqa: F401,F403
