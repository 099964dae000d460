# SPDX-License-Identifier: MIT
"""What systemd and the bus do for the daemons: start them when they are needed, listen for them, watch them, and tell of
them."""

import re

import pytest
from harness import Wire, wait_for
from host import now, peer_config
from load import Callers, greet

DOWNLOADED = "MESSAGE_ID=f2258c306f944a1ca17a93c4425f6da8"


def test_ft_socket(lab, hosts):
    """The first connection starts it; it may be restarted and stopped, and nobody is refused."""
    ft = hosts[0]
    ft.configure("")
    ft.systemctl("enable", "--now", "p2p-ft.socket")
    assert not ft.active("p2p-ft")
    with Callers(lab, lambda: greet(ft)) as callers:
        for action in "restart", "restart", "stop", "kill", "restart":
            answers = callers.answers
            wait_for(lambda: callers.answers > answers + 3, "callers to be answered")
            assert ft.active("p2p-ft")
            if action == "kill":
                ft.kill("p2p-ft")
            else:
                ft.systemctl(action, "p2p-ft", check=action != "stop")
        answers = callers.answers
        wait_for(lambda: callers.answers > answers + 3, "callers to be answered")
    # Those whose connection was with a process that was killed or stopped have seen it closed, and nothing else.
    assert [error for error in callers.wrong if "refused" in error.lower()] == []
    assert len(callers.wrong) <= 2, callers.wrong


def test_peer_socket(lab, ft, hosts):
    alpha = hosts[1]
    note = b"notes\n"
    alpha.write("/srv/share/notes.txt", note)
    alpha.configure(peer_config(ft))
    alpha.systemctl("enable", "--now", "p2p-peer.socket")
    assert not alpha.active("p2p-peer")
    expected = {b"FILE: " + note}

    def download():
        with Wire(5556, alpha.address) as wire:
            wire.request("notes", "txt", len(note))
            assert wire.recv_all() in expected

    with lab.network(), Wire(5556, alpha.address) as wire:
        wire.request("notes", "txt", len(note))
        wire.recv_all()  # it may not have walked its shares yet
    alpha.wait_joined()
    expected.add(b"")  # the same after each restart, and where the process that had accepted it was stopped
    with Callers(lab, download) as callers:
        for _ in range(3):
            answers = callers.answers
            wait_for(lambda: callers.answers > answers + 3, "callers to be answered")
            alpha.systemctl("restart", "p2p-peer")
            alpha.wait_joined()
    assert callers.wrong == []


def test_a_call_starts_the_peer(ft, hosts):
    """Where it is enabled: to install it is not to want it. Who only looks does not start it."""
    alpha = hosts[1]
    alpha.write("/srv/share/notes.txt", "notes\n")
    alpha.configure(peer_config(ft))
    for verb in ("status",), ("search", "notes"):
        result = alpha.ctl(*verb, user="nobody")
        assert result.returncode == 4 and "Try: systemctl start p2p-peer" in result.stderr, result
        assert not alpha.active("p2p-peer")

    alpha.systemctl("enable", "p2p-peer")
    result = alpha.ctl("status", user="nobody")
    assert result.returncode == 4 and "Try: systemctl start p2p-peer" in result.stderr, result
    assert not alpha.active("p2p-peer")
    wait_for(lambda: alpha.ctl("search", "notes", user="nobody").returncode == 0, "the peer to be joined")
    assert alpha.active("p2p-peer") and alpha.show("p2p-peer", "NRestarts") == "0"


def test_one_that_fails(ft, hosts):
    """systemd does not tell the bus of a unit that has failed, and p2pctl does not wait until the bus gives up."""
    alpha = hosts[1]
    alpha.systemctl("enable", "p2p-peer")
    alpha.configure("[peer]\nmax-uploads = many\n")
    failed = ["p2pctl: p2p-peer has failed on this host.", "See: systemctl status p2p-peer"]

    def said(*verb):
        result = alpha.ctl(*verb, user="nobody")
        assert result.returncode == 4, result
        return [line.strip() for line in result.stderr.splitlines()]

    assert said("search", "notes") == failed  # while it is being started
    for verb in ("search", "notes"), ("download", "notes.txt"), ("status",), ():
        assert said(*verb) == failed
    assert alpha.show("p2p-peer", "NRestarts") == "0"
    # The log and the status stay what the failure has left.
    assert "wrong values" in alpha.systemctl("status", "--no-pager", "p2p-peer", check=False).stdout
    alpha.configure(peer_config(ft))
    alpha.write("/srv/share/notes.txt", "notes\n")
    alpha.systemctl("start", "p2p-peer")
    alpha.wait_joined()


@pytest.mark.parametrize("unit", ["p2p-ft", "p2p-peer"])
def test_watchdog(ft, alpha, beta, unit):
    """One that hangs is ended and started again."""
    host = ft if unit == "p2p-ft" else alpha
    assert host.show(unit, "WatchdogUSec") == "30s"
    host.write(f"/etc/systemd/system/{unit}.service.d/watchdog.conf", "[Service]\nWatchdogSec=1\n")
    host.systemctl("daemon-reload")
    host.systemctl("restart", unit)
    pid, begin = host.main_pid(unit), now()
    host.kill(unit, "STOP")
    host.wait_journal(unit, "_PID=1", since=begin, text="Watchdog timeout")
    wait_for(lambda: host.active(unit) and host.main_pid(unit) not in (0, pid), "systemd to start it again")
    wait_for(lambda: len(beta.search("--exact", "notes-alpha.txt")) == 1, "the records to be there again")


def test_metrics_timer(ft, hosts):
    """For node_exporter; nothing happens where there is none."""
    path = "/var/lib/prometheus/node-exporter/p2pshare.prom"
    ft.systemctl("start", "p2pshare-metrics.service")
    assert ft.run("test", "-e", path, check=False).returncode == 1
    ft.run("mkdir", "-p", "/var/lib/prometheus/node-exporter")
    ft.systemctl("enable", "--now", "p2pshare-metrics.timer")
    wait_for(lambda: ft.run("test", "-e", path, check=False).returncode == 0, "the timer")
    text = ft.read(path).decode()
    assert re.search(r"^p2p_ft_peers(?:\{.*\})? 0$", text, re.M), text
    up = dict(re.findall(r'^p2p_up\{.*"(p2p-\w+)"\} (\d)', text, re.M))
    assert up == {"p2p-ft": "1", "p2p-peer": "0"}, text  # this host has the packages of both
    assert ft.sh(f"stat -c %a {path}").strip() == "644"
    # systemd itself does not say each time that it has been started.
    begin = now()
    for _ in range(3):
        ft.systemctl("start", "p2pshare-metrics.service")
    assert ft.journal("p2pshare-metrics", "_PID=1", since=begin) == []
    # Nobody runs: it says so, and has not failed.
    ft.systemctl("stop", "p2p-ft")
    ft.systemctl("start", "p2pshare-metrics.service")
    assert re.search(r'^p2p_up\{.*"p2p-ft"\} 0', ft.read(path).decode(), re.M)


def test_status_and_journal(ft, alpha, beta):
    alpha.ctl("download", "notes-beta.txt", "-o", "/root/notes.txt", check=True)
    wait_for(lambda: "2 peers" in ft.systemctl("status", "p2p-ft").stdout, "the status of p2p-ft")
    assert re.search(r'Status: "2 peers, 2 records"', ft.systemctl("status", "--no-pager", "p2p-ft").stdout)
    status = alpha.systemctl("status", "--no-pager", "p2p-peer").stdout
    assert f'Status: "Joined to {ft.address}; 1 file published; 0 down, 0 up"' in status, status
    entry = alpha.wait_journal("p2p-peer", DOWNLOADED, "P2P_FILE=notes-beta.txt")
    assert entry["_UID"] == alpha.sh("id -u p2p-peer").strip() and entry["P2P_TRANSFER"] == "1"
    explained = alpha.run("journalctl", "--no-pager", "-x", "-u", "p2p-peer", DOWNLOADED).stdout
    assert "Subject: A file has been downloaded" in explained and "The transfer is done" in explained, explained
