# SPDX-License-Identifier: MIT
"""What p2pctl says about a daemon that does not run, and how long it waits."""

import os
import subprocess

import pytest

from harness import DEADLINE, NOBODY, check, clean_env, ctl, ctl_argv, wait_for
from harness.fake_systemd import FakeSystemd

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root may be systemd on a bus of the tests")

STOPPED = ("loaded", "inactive", "dead")
FAILED = ("loaded", "failed", "failed")
RESTARTING = ("loaded", "activating", "auto-restart")
MASKED = ("masked", "inactive", "dead")


def said(bus, *args, **options):
    return [line.strip() for line in check(ctl(bus, *args, **options), 4).stderr.splitlines()]


@pytest.mark.parametrize(("unit", "lines"), [
    (STOPPED, ["p2pctl: p2p-peer is not running on this host.", "Try: systemctl start p2p-peer"]),
    (FAILED, ["p2pctl: p2p-peer has failed on this host.", "See: systemctl status p2p-peer"]),
    (RESTARTING, ["p2pctl: p2p-peer has failed on this host, and systemd is starting it again.",
                  "See: systemctl status p2p-peer"]),
    (MASKED, ["p2pctl: p2p-peer is masked on this host, so nothing can start it.",
              "Try: systemctl unmask p2p-peer"]),
    (None, ["p2pctl: p2p-peer is not installed on this host."]),
])
def test_why_it_does_not_run(world, bus, unit, lines):
    world.server(FakeSystemd(bus, {"p2p-peer": unit} if unit else {}))
    for verb in (["status"], ["transfers"], ["search", "x"], ["download", "x"]):
        assert said(bus, *verb) == lines
    assert said(bus, "status", uid=NOBODY) == lines


def test_no_ft_here(world, bus):
    """p2pctl does not tell users to start a daemon that is not installed."""
    systemd = world.server(FakeSystemd(bus, {}))
    elsewhere = "It may run on the host that ft in section [peer] names: p2pctl -H HOST ft"
    assert said(bus, "ft") == ["p2pctl: p2p-ft is not installed on this host.", elsewhere]
    systemd.units["p2p-ft"] = STOPPED
    assert said(bus, "ft") == ["p2pctl: p2p-ft is not running on this host.", "Try: systemctl start p2p-ft", elsewhere]
    # Users have no unit of it, and systemd is not asked for one.
    assert said(bus, "--user", "ft")[1] == "Try: p2p-ft --user, or p2pctl without --user for the one of the system"


@pytest.mark.parametrize("end", [FAILED, RESTARTING])
def test_a_daemon_that_fails_while_p2pctl_waits(world, end):
    """The bus would answer only after 25 s, and without the reason."""
    services = world.public_directory()
    began = services / "began"
    (services / "org.p2pshare.Peer1.service").write_text(
        f"[D-BUS Service]\nName=org.p2pshare.Peer1\nExec=/bin/sh -c 'touch {began}; exec sleep 1000'\n")
    bus = world.bus(services=services)
    systemd = world.server(FakeSystemd(bus, {"p2p-peer": STOPPED}))
    with subprocess.Popen(ctl_argv("search", "x"), stderr=subprocess.PIPE, text=True, env=clean_env(**bus.env)) as search:
        wait_for(began.exists, "the bus to start it")
        systemd.units["p2p-peer"] = end
        _, stderr = search.communicate(timeout=DEADLINE)
    assert search.returncode == 4 and stderr.startswith("p2pctl: p2p-peer has failed on this host"), stderr
    assert "See: systemctl status p2p-peer" in stderr


def test_systemd_is_not_asked_about_a_running_daemon(world, ft, peer, bus):
    systemd = world.server(FakeSystemd(bus, {"p2p-peer": FAILED}))
    check(ctl(bus, "search", "filler"), 0)
    check(ctl(bus, "status"), 0)
    assert systemd.asked == []


def test_metrics_of_installed_daemons_only(world, bus):
    """A daemon that is not meant for this host causes no alert."""
    systemd = world.server(FakeSystemd(bus, {"p2p-ft": STOPPED}))

    def up():
        return [line for line in ctl(bus, "metrics").stdout.splitlines() if line.startswith("p2p_up")]

    assert up() == ['p2p_up{daemon="p2p-ft"} 0']
    world.ft(bus)
    assert up() == ['p2p_up{daemon="p2p-ft"} 1']
    systemd.units["p2p-peer"] = FAILED
    assert up() == ['p2p_up{daemon="p2p-peer"} 0', 'p2p_up{daemon="p2p-ft"} 1']
    systemd.units["p2p-peer"] = MASKED
    assert up() == ['p2p_up{daemon="p2p-ft"} 1']
    # One that runs without a unit is there all the same.
    systemd.units.clear()
    assert up() == ['p2p_up{daemon="p2p-ft"} 1']


def test_hints_for_root(world, ft, bus):
    """A FileTracker of the user's own would not have the sessions of this one."""
    result = check(ctl(bus, "ft", "kick", "127.0.0.1", uid=NOBODY), 1)
    assert "Try again with sudo." in result.stderr and "--user" not in result.stderr
    result = check(ctl(bus, "config", "reload", "p2p-ft", uid=NOBODY), 1)
    assert "Try again with sudo." in result.stderr and "--user" not in result.stderr
