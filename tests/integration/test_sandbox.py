# SPDX-License-Identifier: MIT
"""What the daemons give up once they run; neither runs as root."""

import contextlib
import os
import pathlib
import re
import subprocess

import pytest

from harness import NOBODY, SOURCE, Wire, as_user, clean_env, content, program

LANDLOCK = subprocess.run(["python3", "-c", "import ctypes; raise SystemExit("
                           "ctypes.CDLL(None).syscall(444, None, 0, 1) < 0)"], check=False).returncode == 0


def statuses(daemon):
    """/proc/PID/status of all threads, as dicts."""
    found = []
    for task in pathlib.Path(f"/proc/{daemon.pid}/task").iterdir():
        with contextlib.suppress(OSError):  # it has ended
            found.append(dict(re.findall(r"^(\w+):\s+(.*)$", (task / "status").read_text(), re.M)))
    return found


def test_no_thread_has_privileges(world, ft, peer, bus):
    world.peer(ft, [world.file("a.txt")]).joined()
    ft.wait_lookup("a.txt")
    assert peer.download("a.txt").wait()["State"] == "done"
    assert {"uploads", "downloads", "verify"} <= {status["Name"] for status in statuses(peer)}
    for status in statuses(ft) + statuses(peer):
        assert (status["NoNewPrivs"], int(status["CapEff"], 16), int(status["CapPrm"], 16)) == ("1", 0, 0), status


@pytest.mark.skipif(not LANDLOCK, reason="no Landlock here")
def test_it_writes_nowhere_else(world, ft, peer):
    """The download directory has become another one, behind its back."""
    world.peer(ft, [world.file("a.txt"), world.file("b.txt", b"b")]).joined()
    ft.wait_lookup("b.txt")
    elsewhere = world.directory("elsewhere")
    assert peer.download("a.txt").wait()["State"] == "done"
    peer.downloads.rename(world.tmp / "before")
    peer.downloads.symlink_to(elsewhere)
    end = peer.download("b.txt").wait()
    assert end["State"] == "failed" and "permission denied" in end["ErrorMessage"], end
    assert list(elsewhere.iterdir()) == []


def test_a_new_share_needs_no_restart(world, ft, peer):
    """Reading is not what the sandbox narrows."""
    peer.reload(share=[world.file("new.bin", content(100_000))])
    ft.wait_lookup("new.bin")
    with Wire(peer.port) as wire:
        wire.request("new", "bin", 100_000)
        assert wire.recv_all() == b"FILE: " + content(100_000)


def test_no_sandbox_for_a_debugger(world, ft, bus):
    peer = world.peer(ft, bus=bus, env={"P2PSHARE_NO_SANDBOX": "1"}).joined()
    assert {status["NoNewPrivs"] for status in statuses(peer)} == {"0"}


@pytest.mark.parametrize("name", ["p2p-ft", "p2p-peer"])
def test_never_as_root(bus, tmp_path, name):
    if os.geteuid() != 0:
        pytest.skip("not root")
    config = tmp_path / "p2pshare.ini"
    config.write_text("")
    env = clean_env(**bus.env)
    del env["P2PSHARE_ALLOW_ROOT"]
    result = subprocess.run([program(name), "--config", config], capture_output=True, text=True, env=env, check=False)
    assert result.returncode == 1
    assert result.stderr.startswith(f"{name}: Never run this as root.") and len(result.stderr.splitlines()) == 1
    # Looking is harmless.
    assert subprocess.run([program(name), "--check-config", "--config", config], env=env, check=False).returncode == 0


def test_another_user_needs_no_leave(world, bus):
    """As the service runs: not as root, without any variable."""
    as_user(NOBODY)
    public = world.public_directory()
    peer = world.peer(None, [], bus=world.bus(owner=NOBODY), uid=NOBODY, env={"P2PSHARE_ALLOW_ROOT": ""}, start=False)
    peer.config = public / "p2pshare.ini"
    peer.write_config()
    peer.state_dir = public / "state"
    peer.state_dir.mkdir()
    os.chown(peer.state_dir, NOBODY, -1)
    peer.start()
    assert peer.state == "idle"


@pytest.mark.parametrize("unit", ["p2p-ft.service.in", "p2p-peer.service.in", "p2p-peer.user.service.in"])
def test_the_units_let_them(unit):
    """What the daemons call to confine themselves is in no group of systemd 252."""
    allowed = re.findall(r"^SystemCallFilter=(\w.*)$", (SOURCE / "systemd" / unit).read_text(), re.M)
    used = re.findall(r"SYS_(landlock_\w+)", (SOURCE / "src/daemon/sandbox.c").read_text())
    assert set(used) and set(used) <= set(" ".join(allowed).split())
