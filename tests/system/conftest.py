# SPDX-License-Identifier: MIT
"""Three hosts for all tests: one for the FileTracker, two with peers. They are booted once; each test finds them with
the packages installed, nothing running, nothing shared, and no transfers known."""

import concurrent.futures
import os
import pathlib
import signal
import subprocess
import sys
import tempfile

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "integration"))

from harness import SOURCE  # noqa: E402: needs the path
from host import Host  # noqa: E402
from lab import Impossible, Lab  # noqa: E402

def pytest_configure():
    """What a timeout sends ends the tests like Ctrl-C does: in order."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)


def each(function, things):
    """For all at once; the first that fails is the one that is told."""
    with concurrent.futures.ThreadPoolExecutor() as pool:
        return list(pool.map(function, things))


cannot = []  # why no hosts can be booted here


def skip(error):
    cannot.append(str(error).split("\n", maxsplit=1)[0])
    pytest.skip(cannot[0])


def pytest_terminal_summary(terminalreporter):
    if cannot:
        terminalreporter.write_line(f"Skipped, since no hosts can be booted here: {cannot[0]}")


@pytest.fixture(scope="session")
def lab():
    try:
        lab = Lab()
    except Impossible as error:
        skip(error)
    yield lab
    lab.close()


@pytest.fixture(scope="session")
def booted(lab):
    """The three hosts, as Debian leaves them."""
    hosts = []
    try:
        try:
            for number, name in enumerate(("ft", "alpha", "beta"), 1):
                hosts.append(Host(lab, name, number))
            each(Host.boot, hosts)
        except Impossible as error:
            skip(error)
        yield hosts
    finally:
        each(Host.close, hosts)


@pytest.fixture(scope="session")
def packages():
    """What is installed on the hosts: Debian packages, or, where there is no way to build these, one tree."""
    builder = SOURCE / "tests" / "system" / "build-packages"
    with tempfile.TemporaryDirectory(prefix="p2pshare-packages-") as directory:
        directory = pathlib.Path(directory)
        environment = os.environ | {"PATH": "/usr/bin:/bin:" + os.environ["PATH"], "DESTDIR": str(directory / "tree")}
        if builder.exists():
            del environment["DESTDIR"]
            subprocess.run([builder, directory], check=True, env=environment, stdout=subprocess.DEVNULL)
            yield [deb for deb in sorted(directory.glob("*.deb")) if "-dbgsym_" not in deb.name]
            return
        for argv in (["meson", "setup", "--prefix=/usr", directory / "build", SOURCE],
                     ["meson", "install", "-C", directory / "build"]):
            subprocess.run(argv, check=True, env=environment, stdout=subprocess.DEVNULL)
        yield [directory / "tree"]


@pytest.fixture(scope="session")
def installed(booted, packages):
    each(lambda host: host.install(packages), booted)
    return booted


@pytest.fixture
def hosts(installed):
    """FT's, and those of the two peers."""
    each(Host.clean, installed)
    yield installed
    each(lambda host: host.network(True), installed)


@pytest.fixture
def ft(hosts):
    """The FileTracker, running."""
    hosts[0].configure("[ft]\nmax-files-per-peer = 100\n")
    hosts[0].systemctl("start", "p2p-ft")
    return hosts[0]


@pytest.fixture
def alpha(ft, hosts):
    """A peer that is joined, and shares notes-alpha.txt."""
    return hosts[1].start_peer(ft)


@pytest.fixture
def beta(ft, hosts):
    return hosts[2].start_peer(ft)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    outcome = yield
    report = outcome.get_result()
    if report.failed and hasattr(item, "funcargs"):
        for host in item.funcargs.get("hosts") or []:
            log = host.run("journalctl", "--no-pager", "--lines=50", "--unit=p2p*", check=False).stdout
            report.sections.append((f"journal of {host}", log))
