# SPDX-License-Identifier: MIT
"""A reload is answered when it is done, with the reason if it fails; `p2pctl config check` finds
the same before."""

import os
import pathlib
import re
import shutil
import subprocess

import pytest

from harness import NOBODY, SOURCE, BusError, check, clean_env, ctl, ctl_argv, document, program

WRONG = {
    "p2p-ft": ("[ft]\n\nmax-peers = none\n", ':3: [ft] max-peers = "none": expected'),
    "p2p-peer": ("[peer]\nmax-uploads = none\n[share]\npath = x\n", ':4: [share] path = "x": expected'),
}


def exec_reload(unit):
    """What systemd runs for `systemctl reload`, without the program."""
    text = (SOURCE / "systemd" / unit).read_text()
    return re.search(r"^ExecReload=@bindir@/p2pctl (.*)$", text, re.M)[1].split()


def test_a_reload_is_done_when_it_returns(world, ft, bus):
    peer = world.peer(ft, [world.file("a.txt")], bus=bus).joined()
    peer.sections["share"]["path"] = [world.file("a.txt"), world.file("b.txt", b"b")]
    peer.write_config()
    check(ctl(bus, *exec_reload("p2p-peer.service.in")), 0)
    assert [pathlib.Path(path).name for path in peer.shares()] == ["a.txt", "b.txt"]
    ft.sections["ft"]["max_files_per_peer"] = 1
    ft.write_config()
    check(ctl(bus, *exec_reload("p2p-ft.service.in")), 0)
    assert "max-files-per-peer 1" in ft.log
    # A user's own peer is on the session bus.
    check(ctl(bus, *exec_reload("p2p-peer.user.service.in")), 0)


@pytest.mark.parametrize("name", WRONG)
def test_a_reload_says_what_is_wrong(ft, peer, bus, name):
    daemon = peer if name == "p2p-peer" else ft
    text, expected = WRONG[name]
    daemon.write_config(text)
    with pytest.raises(BusError, match=re.escape(expected)):
        daemon.call("Reload")
    assert daemon.error_name("Reload") == "org.p2pshare.Error.InvalidConfiguration"
    result = check(ctl(bus, "config", "reload", name), 1)
    assert f"p2pctl: {daemon.config}{expected}" in result.stderr
    assert "p2pctl: The old configuration stays in force\n" in result.stderr
    assert expected in daemon.log
    assert f"Reloading the configuration, as uid {os.getuid()} asked" in daemon.log
    # What the next one says is of the next one.
    daemon.write_config()
    check(ctl(bus, "config", "reload", name), 0)
    assert peer.state == "joined" and len(ft.peers()) == 1


def test_a_value_of_strange_bytes(peer, bus):
    """It is named in the reason, which D-Bus carries as UTF-8 only."""
    peer.config.write_bytes(b"[peer]\ndialect = \xff\x1b[31m\n")
    result = check(ctl(bus, "config", "reload"), 1)
    assert ":2: [peer] dialect = " in result.stderr and "\x1b" not in result.stderr


def test_a_file_with_everything_wrong(peer, bus):
    """The reason ends somewhere; the log has all of it."""
    peer.write_config("[share]\n" + "path = relative\n" * 1000)
    result = check(ctl(bus, "config", "reload"), 1)
    assert 10 < len(result.stderr.splitlines()) < 100
    assert peer.log.count('path = "relative": expected') == 1000


def test_reload_names_keys_until_the_restart(world, ft, peer, bus):
    """The names stay until the value is as before, or until the daemon has restarted."""
    listen = ft.sections["ft"]["listen"], peer.sections["peer"]["listen"]
    ft.sections["ft"] |= {"listen": "127.0.0.1:1", "words": "no"}
    peer.sections["peer"] |= {"listen": "127.0.0.1:2", "download_dir": world.tmp / "elsewhere"}
    for daemon, program, keys in ((ft, "p2p-ft", ["listen", "words"]), (peer, "p2p-peer", ["listen", "download-dir"])):
        assert daemon.get("RestartNeeded") == []
        daemon.write_config()
        lines = [f"To use the new {key}: systemctl restart {program}" for key in keys]
        assert check(ctl(bus, "config", "reload", program), 0).stderr.splitlines() == lines
        assert daemon.get("RestartNeeded") == keys
    ft.sections["ft"] |= {"listen": listen[0], "words": "yes"}
    ft.write_config()
    assert check(ctl(bus, "config", "reload", "p2p-ft"), 0).stderr == "" and ft.get("RestartNeeded") == []
    peer.sections["peer"]["listen"] = listen[1]
    peer.write_config()
    assert "listen" not in check(ctl(bus, "config", "reload"), 0).stderr
    peer.stop()
    peer.start().joined()
    assert peer.get("RestartNeeded") == [] and check(ctl(bus, "config", "reload"), 0).stderr == ""


@pytest.mark.parametrize("name", WRONG)
def test_which_users_may_reload(ft, peer, bus, name):
    result = check(ctl(bus, "config", "reload", name, uid=NOBODY), 1)
    assert "permission denied" in result.stderr


def test_reload_of_a_stopped_daemon(bus):
    result = check(ctl(bus, "config", "reload"), 4)
    assert "p2p-peer is not running on this host." in result.stderr
    result = check(ctl(bus, "config", "reload", "p2p-ftp"), 2)
    assert 'not "p2p-ftp"' in result.stderr


def config_check(path=None, *args, env=None, argv=None):
    argv = argv or ctl_argv(*args, "config", "check", *([path] if path else []))
    return subprocess.run(argv, capture_output=True, text=True, env=clean_env(**env or {}), check=False)


def test_check_says_it_beforehand(tmp_path):
    config = tmp_path / "p2pshare.ini"
    config.write_text((SOURCE / "conf" / "p2pshare.ini").read_text())
    result = check(config_check(config), 0)
    assert (result.stdout, result.stderr) == (
        f"{config} is valid.\n", "note: [peer] ft is not set, so p2p-peer stays idle\n")
    config.write_text("[peer]\nft = ft.example.org\n")
    assert check(config_check(config), 0).stderr == ""
    for text, expected in WRONG.values():
        config.write_text(text)
        result = check(config_check(config), 1)
        assert result.stdout == "" and f"p2pctl: {config}{expected}" in result.stderr
        assert result.stderr.count("\n") == len(set(result.stderr.splitlines()))  # both daemons have read it
    # What would be ignored is said, and no reason to fail.
    config.write_text("[peer]\nmax-uplaods = 3\n")
    result = config_check(config)
    assert (result.returncode, result.stdout) == (0, f"{config} is valid; 1 line is ignored.\n")
    assert f'{config}:2: [peer] has no key "max-uplaods"; ignored' in result.stderr
    config.write_text("max-uploads = 3\n")
    assert f'{config}:1: "max-uploads" is before the first [section]; ignored' in config_check(config).stderr
    config.write_text("[per]\nft = ft.example.org\nlisten = [::]:7\n[peer]\nft = ft.example.org\n")
    result = config_check(config)
    assert (result.returncode, result.stdout) == (0, f"{config} is valid; 2 lines are ignored.\n")
    assert f'{config}:3: there is no section [per]; its key "listen" is ignored' in result.stderr
    assert document(config_check(config, "--json"))["ignored"] == 2
    check(config_check(tmp_path / "none.ini"), 1)


def test_check_says_what_would_be_right(tmp_path):
    config = tmp_path / "p2pshare.ini"
    config.write_text("[peer]\nft = :\nrate-exempt = 2001:db8::1/64\n[ft]\nallow = 192.0.2.1/24\nmax-line = 512\n")
    assert check(config_check(config), 1).stderr.splitlines() == [f"p2pctl: {config}:{line}" for line in (
        '2: [peer] ft = ":": expected HOST:PORT of the FileTracker',
        '3: [peer] rate-exempt = "2001:db8::1/64": the bits behind /64 must be zero: 2001:db8::/64',
        '5: [ft] allow = "192.0.2.1/24": the bits behind /24 must be zero: 192.0.2.0/24',
        '6: [ft] max-line = "512": expected bytes, from 1K to 64K')]
    config.write_text("[peer]\nft = ft.example.org\n[ft]\nmax-line = 4k\n")
    assert check(config_check(config), 0).stderr == ""


def test_check_as_json(tmp_path):
    config = tmp_path / "p2pshare.ini"
    config.write_text("[ft]\nmax-peers = 0\n[peer]\nft = ft.example.org\n")
    result = config_check(config, "--json")
    data = document(result)
    assert (result.returncode, result.stderr) == (1, "")
    assert data["file"] == str(config) and data["valid"] is False
    assert data["messages"][0].startswith(f'{config}:2: [ft] max-peers = "0": expected')
    assert len(data["messages"]) == 1
    config.write_text("[peer]\nft = ft.example.org\n")
    assert document(check(config_check(config, "--json"), 0))["messages"] == []


def test_check_reads_the_users_own(tmp_path):
    (tmp_path / "p2pshare.ini").write_text("[peer]\ndialect = none\n")
    result = check(config_check(None, "--user", env={"XDG_CONFIG_HOME": str(tmp_path)}), 1)
    assert f"{tmp_path}/p2pshare.ini:2: [peer] dialect = " in result.stderr


def test_check_with_the_installed_daemons(tmp_path):
    """One daemon is enough; without any there is nothing to check with."""
    shutil.copy(program("p2pctl"), tmp_path)
    argv = [tmp_path / "p2pctl", "config", "check", tmp_path / "p2pshare.ini"]
    (tmp_path / "p2pshare.ini").write_text(WRONG["p2p-ft"][0])
    env = {"PATH": str(tmp_path)}
    result = check(config_check(argv=argv, env=env), 4)
    assert "neither p2p-peer nor p2p-ft is installed here" in result.stderr
    shutil.copy(program("p2p-peer"), tmp_path)
    check(config_check(argv=argv, env=env), 0)  # it is not the peer's to know what is wrong in [ft]
    shutil.copy(program("p2p-ft"), tmp_path)
    check(config_check(argv=argv, env=env), 1)


def test_check_is_of_this_host():
    result = subprocess.run(ctl_argv("-H", "host.example", "config", "check"), capture_output=True, text=True,
                            env=clean_env(), check=False)
    assert result.returncode == 2 and "does not take -H" in result.stderr
