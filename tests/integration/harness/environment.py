# SPDX-License-Identifier: MIT
"""The source tree and the build under test, and the environment of child processes."""

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
    """Whether the build has a sanitizer, with which memory and time mean little."""
    with open(program("p2p-ft"), "rb") as binary:
        return re.search(rb"__(asan|tsan)_init", binary.read()) is not None


def clean_env(**more):
    """The environment of a child process: without the developer's buses, locale and terminal."""
    keep = ("PATH", "TMPDIR", "ASAN_OPTIONS", "UBSAN_OPTIONS", "LSAN_OPTIONS", "LLVM_PROFILE_FILE",
            "GCOV_PREFIX", "GCOV_PREFIX_STRIP", "ASAN_SYMBOLIZER_PATH")
    env = {name: os.environ[name] for name in keep if name in os.environ}
    # Nobody, not even root, makes a directory below these.
    env |= {"LC_ALL": "C.UTF-8", "HOME": "/dev/null", "STATE_DIRECTORY": "/dev/null/state", "TERM": "dumb",
            "P2PSHARE_ALLOW_ROOT": "1"}
    if "LLVM_PROFILE_FILE" in env or "GCOV_PREFIX" in env:
        env["P2PSHARE_NO_SANDBOX"] = "1"  # it writes its results at the end
    return env | more
