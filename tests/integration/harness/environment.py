# SPDX-License-Identifier: MIT
"""What is under test, where it stands, and what a child process gets from us."""

import os
import pathlib
import re

SOURCE = pathlib.Path(os.environ.get("P2PSHARE_SOURCE") or pathlib.Path(__file__).parents[3]).resolve()
BUILD = pathlib.Path(os.environ.get("P2PSHARE_BUILD") or SOURCE / "build").resolve()
NOBODY = 65534


def program(name):
    """The binary under test."""
    return str(BUILD / "src" / name)


def sanitized():
    """Memory and time say little about a build that is watched."""
    with open(program("p2p-ft"), "rb") as binary:
        return re.search(rb"__(asan|tsan)_init", binary.read()) is not None


def clean_env(**more):
    """What a child gets: nothing of the developer's own buses, locale or terminal."""
    keep = ("PATH", "TMPDIR", "ASAN_OPTIONS", "UBSAN_OPTIONS", "LSAN_OPTIONS", "LLVM_PROFILE_FILE",
            "GCOV_PREFIX", "GCOV_PREFIX_STRIP", "ASAN_SYMBOLIZER_PATH")
    env = {name: os.environ[name] for name in keep if name in os.environ}
    # Nobody, not even root, makes a directory below these.
    env |= {"LC_ALL": "C.UTF-8", "HOME": "/dev/null", "STATE_DIRECTORY": "/dev/null/state", "TERM": "dumb",
            "P2PSHARE_ALLOW_ROOT": "1"}
    if "LLVM_PROFILE_FILE" in env or "GCOV_PREFIX" in env:
        env["P2PSHARE_NO_SANDBOX"] = "1"  # it writes its results at the end
    return env | more
