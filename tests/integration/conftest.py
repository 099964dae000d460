# SPDX-License-Identifier: MIT
"""Fixtures: whatever a test starts ends with it, and its logs are shown if it fails."""

import pathlib
import shutil
import tempfile

import pytest

from harness import FakeFt, World, content, fake_source, found, silent


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    outcome = yield
    report = outcome.get_result()
    world = item.funcargs.get("world") if hasattr(item, "funcargs") else None
    if report.failed and world:
        for name, text in world.logs():
            report.sections.append((f"log of {name}", text[-20000:]))


@pytest.fixture
def world(tmp_path):
    world = World(tmp_path)
    yield world
    try:
        world.close()
    finally:
        shutil.rmtree(tmp_path, ignore_errors=True)  # the logs are in the report, the rest is large


@pytest.fixture
def public_world():
    """A world whose directory every user can enter, so that daemons can run as any user (uid=)."""
    tmp_path = pathlib.Path(tempfile.mkdtemp(prefix="p2pshare-world-", dir="/tmp"))
    tmp_path.chmod(0o755)
    world = World(tmp_path)
    yield world
    try:
        world.close()
    finally:
        shutil.rmtree(tmp_path, ignore_errors=True)


@pytest.fixture
def bus(world):
    """A bus for the FT and the peer of this machine."""
    return world.bus()


@pytest.fixture
def ft(world, bus):
    """A running FT."""
    return world.ft(bus)


@pytest.fixture
def peer(world, bus, ft):
    """A joined peer that shares one small file, on the same bus as `ft`."""
    return world.peer(ft, bus=bus).joined()


@pytest.fixture
def other(world, ft, peer):
    """A second peer, which shares report.txt."""
    peer = world.peer(ft, [world.file("report.txt", mtime=1583407800)]).joined()
    ft.wait_lookup("report.txt")
    return peer


@pytest.fixture
def fake(world, bus):
    """A peer that is joined to a fake FT. Put the answers into .answers."""
    answers = {}
    ft = world.server(FakeFt(answers))
    peer = world.peer(ft, bus=bus).joined()
    peer.answers = answers
    return peer


@pytest.fixture
def stuck(world, fake):
    """A peer for which half of slow.bin arrives, and then nothing."""
    data = content(100_000)
    source = world.server(fake_source(b"FILE: " + data[:50_000], after=silent))
    fake.answers["slow.bin"] = found(("bin", len(data), source.port))
    return fake


@pytest.fixture
def out(world):
    return world.directory("out")
