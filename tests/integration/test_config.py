# SPDX-License-Identifier: MIT
"""The configuration file, the command line, and refused starts, each with one clear message."""

import os
import re
import socket
import subprocess

import pytest

from harness import NOBODY, SOURCE, Port, as_user, clean_env, ini_text, program, run, wait_for
from harness.notify import Notify

PROGRAMS = ["p2p-ft", "p2p-peer", "p2pctl"]
DAEMONS = ["p2p-ft", "p2p-peer"]
EX_CONFIG = 78  # which systemd does not restart


def refused(bus, name, text, tmp_path, status=EX_CONFIG, shown="has wrong values; see: p2pctl config check"):
    """Starts a daemon with a configuration that it refuses, checks the status for `systemctl
    status`, and returns its message."""
    config = tmp_path / "bad.ini"
    config.write_bytes(text if isinstance(text, bytes) else text.encode())
    notify = Notify(tmp_path / "notify")
    result = run(name, "--config", config,
                 env=clean_env(STATE_DIRECTORY=str(tmp_path), NOTIFY_SOCKET=notify.path, **bus.env))
    wait_for(lambda: notify.messages, "what systemd is told")
    notify.close()
    assert len(notify.messages) == 1 and re.match("STATUS=[^\n]*" + re.escape(shown) + r"\Z", notify.messages[0])
    assert result.returncode == status, result
    assert result.stdout == ""
    return result.stderr


# ------------------------------------------------------------------------------------ command lines


@pytest.mark.parametrize("name", PROGRAMS)
def test_help(name):
    result = run(name, "--help")
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout.startswith(name)
    assert "--version" in result.stdout and "--help" in result.stdout
    assert max(map(len, result.stdout.splitlines())) <= 80
    assert run(name, "-h").stdout == result.stdout


@pytest.mark.parametrize("name", PROGRAMS)
def test_version(name):
    version = [line for line in (SOURCE / "meson.build").read_text().splitlines() if " version:" in line][0]
    result = run(name, "--version")
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout == f"{name} {version.split(chr(39))[1]}\n"


@pytest.mark.parametrize("name", PROGRAMS)
@pytest.mark.parametrize("args", [["--no-such-option"], ["-Z"], ["--config"], ["--version=3"], ["no-such-argument"]])
def test_wrong_usage(name, args):
    result = run(name, *args)
    assert (result.returncode, result.stdout) == (2, "")
    assert re.match(rf"(\S*/)?{name}: ", result.stderr)
    assert "Try: " in result.stderr
    assert len(result.stderr.splitlines()) == 2


# ---------------------------------------------------------------------------------- values and keys


@pytest.mark.parametrize("name, section, key, value", [
    ("p2p-ft", "ft", "listen", "5555"),
    ("p2p-ft", "ft", "listen", "localhost:5555"),
    ("p2p-ft", "ft", "listen", "127.0.0.1:0"),
    ("p2p-ft", "ft", "listen", "127.0.0.1:65536"),
    ("p2p-ft", "ft", "listen", "[::1:5555"),
    ("p2p-ft", "ft", "listen", ""),
    ("p2p-ft", "ft", "max-files-per-peer", "0"),
    ("p2p-ft", "ft", "max-files-per-peer", "100001"),
    ("p2p-ft", "ft", "max-files-per-peer", "five"),
    ("p2p-ft", "ft", "max-files-per-peer", "5 files"),
    ("p2p-ft", "ft", "max-files-per-peer", "-5"),
    ("p2p-ft", "ft", "max-files-per-peer", "+5"),
    ("p2p-ft", "ft", "max-files-per-peer", "0x10"),
    ("p2p-ft", "ft", "max-files-per-peer", "99999999999999999999999"),
    ("p2p-ft", "ft", "max-peers", "0"),
    ("p2p-ft", "ft", "max-peers", "1000001"),
    ("p2p-ft", "ft", "max-peers", ""),
    ("p2p-peer", "peer", "ft", ""),
    ("p2p-peer", "peer", "ft", "host:port"),
    ("p2p-peer", "peer", "ft", "host:0"),
    ("p2p-peer", "peer", "ft", ":5555"),
    ("p2p-peer", "peer", "ft", "[::1"),
    ("p2p-peer", "peer", "listen", "everywhere"),
    ("p2p-peer", "peer", "download-dir", "relative/path"),
    ("p2p-peer", "peer", "download-dir", "~/Downloads"),
    ("p2p-peer", "peer", "dialect", "LINE"),
    ("p2p-peer", "peer", "dialect", ""),
    ("p2p-peer", "peer", "max-uploads", "0"),
    ("p2p-peer", "peer", "max-uploads", "10001"),
    ("p2p-peer", "peer", "upload-rate", "10 M"),
    ("p2p-peer", "peer", "upload-rate", "unlimited"),
    ("p2p-peer", "peer", "download-rate", "-1"),
    ("p2p-peer", "peer", "rate-exempt", "192.168.0.1/16"),
    ("p2p-peer", "peer", "rate-exempt", "localhost"),
    ("p2p-peer", "share", "path", "relative.txt"),
    ("p2p-peer", "share", "path", ""),
])
def test_a_bad_value_stops_the_start(bus, tmp_path, name, section, key, value):
    said = refused(bus, name, f"# line 1\n[{section}]\n\n{key} = {value}\n", tmp_path)
    first = said.splitlines()[0]
    assert first.startswith(f'{name}: {tmp_path}/bad.ini:4: [{section}] {key} = "{value}": '), said
    assert "expected " in first or "must be zero" in first


@pytest.mark.parametrize("name", DAEMONS)
@pytest.mark.parametrize("text, line", [
    ("no equals sign\n", 1),
    ("[ft]\n[unfinished\n", 2),
    (b"[ft]\n\xff\xfe\x00\x01\n", 2),
])
def test_invalid_configurations(bus, tmp_path, name, text, line):
    assert f"bad.ini:{line}: " in refused(bus, name, text, tmp_path)


@pytest.mark.parametrize("name", DAEMONS)
@pytest.mark.parametrize("length", [200, 4096, 100_000])
def test_a_long_line_is_refused(bus, tmp_path, name, length):
    """A long line is never read as two lines."""
    section = "ft" if name == "p2p-ft" else "peer"
    said = refused(bus, name, f"[{section}]\n# {'x' * (length - 10)} max-uploads = 1\nunknown = 1\n", tmp_path)
    assert "bad.ini:2: the line is longer than" in said
    assert "bad.ini:3: " in said  # lines are still counted as an editor counts them


def test_all_that_is_wrong_is_said_at_once(bus, tmp_path):
    said = refused(bus, "p2p-peer", "[peer]\nft = :1\nmax-uploads = many\n[share]\npath = x\n", tmp_path)
    assert [line.split("bad.ini:")[1][0] for line in said.splitlines()[:3]] == ["2", "3", "5"]


def test_an_unknown_key_warns(world, ft, bus):
    peer = world.peer(ft, bus=bus, start=False)
    text = peer.config.read_text()
    peer.write_config("[peer]\nmax-uplaods = 3\n[colours]\nred = 1\n[FT]\nlisten = x\n" + text)
    peer.start().joined()
    assert f'{peer.config}:2: [peer] has no key "max-uplaods"; ignored' in peer.log
    assert f'{peer.config}:4: there is no section [colours]; its key "red" is ignored' in peer.log
    assert f"{peer.config}:6: " in peer.log


def test_the_other_daemons_sections_are_not_unknown(world, ft, peer):
    """Both daemons read one file. Each ignores the other's sections without a warning."""
    both = ft.config.read_text() + peer.config.read_text()
    ft.reload(both)
    peer.reload(both)
    assert "ignored" not in ft.log + peer.log
    assert peer.state == "joined"


def test_control_characters_of_a_value_are_escaped(bus, tmp_path):
    said = refused(bus, "p2p-peer", b"[peer]\ndialect = \x1b[31mred\x07\n", tmp_path)
    assert "\x1b" not in said and "\x07" not in said
    assert "bad.ini:2: " in said


@pytest.mark.parametrize("name", DAEMONS)
def test_a_missing_file_that_was_named(bus, tmp_path, name):
    result = run(name, "--config", tmp_path / "none.ini", env=clean_env(**bus.env))
    assert result.returncode == EX_CONFIG
    assert result.stderr == f"{name}: Cannot read {tmp_path}/none.ini: No such file or directory\n"
    result = run(name, "--config", tmp_path, env=clean_env(**bus.env))
    assert result.returncode == EX_CONFIG
    assert f"{tmp_path}" in result.stderr


def test_a_missing_file_at_the_default_place(world, bus):
    peer = world.peer(None, bus=bus, start=False, args=["--user"], env={"HOME": str(world.directory("home"))})
    peer.default_config = True
    peer.start()  # on another port where somebody has the default one
    assert peer.state == "idle"
    assert f"{world.tmp}/home/.config/p2pshare.ini does not exist; using the defaults" in peer.log


@pytest.fixture
def default_port():
    """Holds the default port, unless another program has it."""
    try:
        with socket.create_server(("::", 5556), family=socket.AF_INET6, dualstack_ipv6=True):
            yield 5556
    except OSError:
        yield 5556


def test_a_user_beside_the_system(world, ft, bus, default_port):
    """The system's p2p-peer has the default port: a user's own peer takes another one, unless a
    port is configured."""
    home = world.directory("home")
    (home / ".config").mkdir()
    peer = world.peer(ft, bus=bus, start=False, args=["--user"], env={"HOME": str(home)})
    peer.default_config = True
    listen = peer.sections["peer"].pop("listen")
    config = home / ".config" / "p2pshare.ini"
    config.write_text(ini_text(peer.sections))
    peer.start().joined()
    assert f"Port {default_port} is taken" in peer.log
    port = int(re.search(r"^p2p-peer: Listening on \[::\]:(\d+)$", peer.log, re.M)[1])
    assert peer.get("Address").endswith(f":{port}") and port != default_port
    assert str(port) in str(ft.wait_lookup("filler-of-peer.txt"))
    assert peer.get("RestartNeeded") == []
    for said in (f"[::]:{default_port}", listen):
        config.write_text(ini_text(peer.sections | {"peer": peer.sections["peer"] | {"listen": said}}))
        peer.call("Reload")
        assert peer.get("RestartNeeded") == ["listen"]
    peer.stop()
    config.write_text(ini_text(peer.sections | {"peer": peer.sections["peer"] | {"listen": f"[::]:{default_port}"}}))
    result = run("p2p-peer", "--user", env=clean_env(HOME=str(home), **bus.env))
    assert result.returncode == 1
    assert f"Cannot listen on [::]:{default_port}: Address already in use (another p2p-peer?" in result.stderr


@pytest.mark.parametrize("name", DAEMONS)
def test_a_port_for_root(world, bus, name):
    if os.geteuid() != 0:
        pytest.skip("only root can be somebody else")
    config = world.public_directory() / "p2pshare.ini"
    config.write_text(f"[{'ft' if name == 'p2p-ft' else 'peer'}]\nlisten = [::]:80\n")
    # Network namespaces begin with the kernel's default of what ordinary users may open.
    result = subprocess.run(["/usr/bin/unshare", "-n", *as_user(NOBODY), program(name), "--config", config],
                            capture_output=True, text=True, env=clean_env(**bus.env), check=False)
    assert result.returncode == 1
    assert f"Cannot listen on [::]:80: Permission denied (ports below 1024 need {name}.socket)" in result.stderr


def test_white_space_and_comments(world, ft, bus):
    """Indented lines count, a key may be given twice, and a list key many times."""
    paths = [world.file(f"{i}.txt", b"x" * i) for i in range(3)]
    spaced = world.file("two words  inside.txt", b"spaced")
    peer = world.peer(ft, bus=bus, start=False)
    peer.write_config(
        "; a comment\r\n"
        "  # another, indented\n"
        "\t[peer]\n"
        f"   ft={ft.address}\n"
        "max-uploads = 1\n"
        "\tmax-uploads = 2\n"  # the last one counts
        f"\tlisten   =    {peer.address}   \n"
        f"download-dir = {peer.downloads}\n"
        "[share]\n"
        f"path = {paths[0]}\n"
        f"    path = {paths[1]}\n"  # inih alone would take this for more of the value above
        f"\tpath = {paths[2]}\n"
        f"path = {spaced}\n"
        "[share]\n"
        "exclude = nothing\n")
    peer.start().joined()
    assert list(peer.shares()) == [*map(str, paths), str(spaced)]
    assert peer.get("DownloadDirectory") == str(peer.downloads)
    assert "ignored" not in peer.log


def test_semicolons_and_hashes_in_a_value(world, ft, bus):
    """A path may contain both; only a semicolon behind a space begins a comment."""
    paths = [world.file(name, name.encode()) for name in ("a;b.txt", "c#d.txt", "g # h.txt", "i=j.txt", "k:l.txt")]
    peer = world.peer(ft, [*paths[:4], f"{paths[4]} ; and what it is"], bus=bus).joined()
    assert list(peer.shares()) == [*map(str, paths)]
    assert {state for _, state, _ in peer.shares().values()} == {"published"}


def test_a_bad_reload_keeps_the_old(world, ft, peer):
    before = peer.get("Shares"), ft.peers()
    good = peer.config.read_text()
    peer.reload(good.replace("[share]", "max-uploads = none\n[share]") + "exclude = *\n")
    line = good.splitlines().index("[share]") + 1
    assert f'{peer.config}:{line}: [peer] max-uploads = "none": expected' in peer.log
    assert "The old configuration stays in force" in peer.log
    assert (peer.get("Shares"), ft.peers()) == before
    peer.config.unlink()
    peer.notify.messages.clear()
    peer.process.signal(1)
    peer.notify.wait("READY=1", peer.process)
    assert peer.log.count("The old configuration stays in force") == 2
    assert (peer.get("Shares"), ft.peers()) == before
    ft.reload("[ft]\nmax-peers = 0\n")
    assert f'{ft.config}:2: [ft] max-peers = "0": expected' in ft.log
    assert "The old configuration stays in force" in ft.log
    assert ft.peers() == before[1]


def test_the_example_is_right(world, ft, bus, tmp_path):
    """conf/p2pshare.ini has all keys of the manual page. With each of them uncommented, both
    daemons accept it."""
    text = (SOURCE / "conf" / "p2pshare.ini").read_text()
    full = re.sub("^#(?=[a-z-]+ = )", "", text, flags=re.M)
    # "*a* = _RATE_, *b* = _RATE_" and "*a*, *b* = _ADDRESS_" are two keys.
    lines = re.findall(r"^\*[a-z-]+\*.* = .*", (SOURCE / "man" / "p2pshare.ini.5.scd").read_text(), re.M)
    documented = {key for line in lines for key in re.findall(r"\*([a-z-]+)\*(?=,| =)", line)}
    assert set(re.findall("^([a-z-]+) = ", full, re.M)) == documented
    ft.reload(full)
    peer = world.peer(ft, bus=bus)
    peer.call("Leave")  # it is not to look for ft.example.org
    peer.reload(full)
    for daemon in (ft, peer):
        assert "Configuration reloaded" in daemon.log or "expected" not in daemon.log
        assert "ignored" not in daemon.log and "expected" not in daemon.log
    # As it is installed, with all commented out, it says nothing at all.
    ft.reload(text)
    assert "ignored" not in ft.log and "expected" not in ft.log


def test_daemons_never_write_to_the_file(world, ft, bus):
    peer = world.peer(ft, bus=bus, start=False)
    for daemon in (ft, peer):
        daemon.config.chmod(0o444)
    before = [daemon.config.stat() for daemon in (ft, peer)]
    peer.start().joined()
    peer.call("Leave")
    peer.call("Join")
    peer.process.signal(1)
    peer.wait_log("Configuration reloaded")
    peer.stop()
    after = [daemon.config.stat() for daemon in (ft, peer)]
    assert [(s.st_mtime_ns, s.st_ino, s.st_size) for s in before] == [(s.st_mtime_ns, s.st_ino, s.st_size)
                                                                     for s in after]


# ------------------------------------------------------------------------------------------- starts


@pytest.mark.parametrize("name", DAEMONS)
def test_a_port_that_is_taken(bus, tmp_path, name):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        section = "ft" if name == "p2p-ft" else "peer"
        said = refused(bus, name, f"[{section}]\nlisten = 127.0.0.1:{port}\n", tmp_path, status=1,
                       shown=f"Cannot listen on 127.0.0.1:{port}: Address already in use")
    assert f"{name}: Cannot listen on 127.0.0.1:{port}: Address already in use" in said
    assert len(said.splitlines()) == 1


@pytest.mark.parametrize("name", DAEMONS)
def test_an_address_of_somebody_else(bus, tmp_path, name):
    section = "ft" if name == "p2p-ft" else "peer"
    said = refused(bus, name, f"[{section}]\nlisten = 192.0.2.1:5999\n", tmp_path, status=1,
                   shown="Cannot listen on 192.0.2.1:5999: Cannot assign requested address")
    assert f"{name}: Cannot listen on 192.0.2.1:5999: Cannot assign requested address" in said


def test_a_peer_without_bus(tmp_path):
    port = Port()
    config = tmp_path / "p2pshare.ini"
    config.write_text(f"[peer]\nlisten = 127.0.0.1:{port}\n")
    env = clean_env(DBUS_SYSTEM_BUS_ADDRESS="unix:path=/nonexistent/bus")
    result = run("p2p-peer", "--config", config, env=env)
    assert result.returncode == 1
    assert "p2p-peer: Cannot connect to the system bus: No such file or directory" in result.stderr
    result = run("p2p-peer", "--user", "--config", config,
                 env=clean_env(DBUS_SESSION_BUS_ADDRESS="unix:path=/nonexistent/bus"))
    assert result.returncode == 1
    assert "p2p-peer: Cannot connect to the user's bus: No such file or directory" in result.stderr
    port.close()


def test_an_ft_without_bus_works(world):
    """Only its status is missing then."""
    bus = world.bus()
    ft = world.ft(bus, start=False)
    ft.env = {"DBUS_SYSTEM_BUS_ADDRESS": "unix:path=/nonexistent/bus"}
    ft.start()
    assert "Running without D-Bus" in ft.log
    peer = world.peer(ft, bus=bus).joined()
    assert len(peer.search("filler-of-peer.txt")) == 1


def test_a_bus_that_does_not_allow_the_name(world, ft):
    """The policy file has not been installed."""
    if os.geteuid() != 0:
        pytest.skip("not root")
    other = world.bus(owner=4711)  # somebody else may own it
    peer = world.peer(ft, bus=other, start=False)
    with pytest.raises(AssertionError, match="with status 1"):
        peer.start()
    peer.status = 1
    assert "The bus does not let this user own org.p2pshare.Peer1: the policy file is missing" in peer.log


def test_verbose_says_more(world, ft, bus):
    peer = world.peer(ft, [world.file("a.txt"), world.tmp / "gone"], bus=bus, args=["-v"]).joined()
    assert "gone: No such file or directory" in peer.log


@pytest.mark.parametrize("name", ["p2p-peer.service", "p2p-ft.service", "p2p-ft.socket", "p2p-peer.socket"])
def test_units_are_right(tmp_path, name):
    """systemd-analyze verify accepts the units with the programs of this build."""
    verify = "/usr/bin/systemd-analyze"
    source = next((path for path in (SOURCE / "systemd" / name, SOURCE / "systemd" / f"{name}.in") if path.exists()),
                  None)
    if not os.path.exists(verify) or not source:
        pytest.skip("no systemd-analyze, or no such unit")
    for unit in ("p2p-peer.service", "p2p-ft.service", "p2p-ft.socket", "p2p-peer.socket"):
        path = next(p for p in (SOURCE / "systemd" / unit, SOURCE / "systemd" / f"{unit}.in") if p.exists())
        text = path.read_text().replace("@bindir@/", os.path.dirname(program("p2p-ft")) + "/")
        (tmp_path / unit).write_text(text)
    result = subprocess.run([verify, "verify", "--man=no", "--recursive-errors=no", tmp_path / name],
                            capture_output=True, text=True, env=clean_env(), check=False)
    assert (result.returncode, result.stderr) == (0, "")


def test_termination_in_each_state(world, bus):
    """SIGTERM ends the peer cleanly, whatever it is doing."""
    ft = world.ft(bus, start=False)
    for signal in (15, 2):
        peer = world.peer(ft, bus=bus, name=f"ended-by-{signal}")
        wait_for(lambda peer=peer: peer.state in ("waiting", "connecting"), "a try")
        peer.process.signal(signal)
        peer.ended()
