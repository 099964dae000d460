# SPDX-License-Identifier: MIT
"""--release NAME: the Debian that is tried. tests/fresh runs this once for each that is supported."""

import pathlib
import shutil
import signal
import sys

import pytest

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "system"), str(HERE.parent / "integration")]

from lab import Impossible, Lab  # noqa: E402: needs the path
from machines import Booted, Release, Root, clone  # noqa: E402


def pytest_configure():
    """What ends tests/fresh ends these in order, as Ctrl-C does."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)


def pytest_addoption(parser):
    parser.addoption("--release", default="bookworm")


@pytest.fixture(scope="session")
def lab():
    for tool in ("debootstrap", "systemd-nspawn", "apt-get"):
        if not shutil.which(tool):
            pytest.skip(f"no empty machine without {tool}")
    try:
        lab = Lab(size="16g")
    except Impossible as error:
        pytest.skip(f"no empty machine can be made here: {error}")
    yield lab
    lab.close()


@pytest.fixture(scope="session")
def release(lab, request):
    try:
        release = Release(lab, request.config.getoption("release"))
    except Impossible as error:
        pytest.skip(f"no empty machine can be made here: {error}")
    yield release
    release.close()


@pytest.fixture
def root(lab, release):
    """A machine without an init, with the tree in its user's home, and in root's."""
    root = Root(lab, "root", release)
    for user in ("root", "ann"):
        clone(root, user)
    yield root
    root.close()


@pytest.fixture
def host(lab, release):
    """A booted host, with the tree in its user's home."""
    host = Booted(lab, release)
    try:
        host.boot()
        clone(host)
        yield host
    finally:
        host.close()
