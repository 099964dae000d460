# SPDX-License-Identifier: MIT
"""The Debian packages on a host that has nothing of ours: they come, are upgraded, go, and are purged, as Debian expects."""

import contextlib
import re
import subprocess

import pytest
from harness import Wire, content, wait_for
from host import CommandError, Host
from lab import Impossible

PACKAGES = "p2pshare-ft p2pshare-peer p2pctl".split()
UNITS = "p2p-ft.service p2p-ft.socket p2p-peer.service p2p-peer.socket p2pshare-metrics.timer".split()
CONFIG = "/etc/p2pshare.ini"
DOWNLOADS = "/var/lib/p2p-peer/downloads"


@pytest.fixture(scope="module")
def host(lab, packages):
    if packages[0].is_dir():
        pytest.skip("there are no packages")
    host = Host(lab, "delta", 4)
    try:
        host.boot()
    except Impossible as error:
        host.close()
        pytest.skip(str(error))
    yield host
    host.close()


@pytest.fixture
def delta(host, packages):
    """With the packages installed."""
    assert host.run("sh", "-c", "command -v p2pctl", check=False).returncode != 0
    host.install(packages)
    yield host
    host.run("dpkg", "--purge", *PACKAGES)
    host.sh(f"rm -rf /var/lib/p2p-peer {CONFIG}.*")


def dpkg(host, *args):
    return host.run("env", "DEBIAN_FRONTEND=noninteractive", "dpkg", *args)


def bound(host):
    """Ports that somebody listens at."""
    return {int(port) for port in re.findall(r":(\d+) ", host.run("ss", "-Hltn").stdout)}


def files_of(host, where="/etc /lib/systemd /usr /var/lib"):
    """What has our name, but for dpkg's own notes and packages, and what systemd has made of the catalog."""
    found = host.sh(f"find {where} -xdev '(' -name '*p2p-ft*' -o -name '*p2p-peer*' -o -name '*p2pshare*' -o -name '*p2pctl*' ')' "
                    "-not -path '/var/lib/dpkg/*' -not -path '/usr/share/man/*/cat*'").split()
    return sorted(found)


@pytest.fixture
def next_version(delta, packages, tmp_path):
    """The same packages with a higher version, and a configuration file that has changed."""
    made = []
    for package in packages:
        tree = tmp_path / package.stem
        subprocess.run(["dpkg-deb", "--raw-extract", package, tree], check=True)
        control = tree / "DEBIAN" / "control"
        version = re.search(r"^Version: (.*)$", control.read_text(), re.M)[1]
        control.write_text(control.read_text().replace(version, version + "+next"))
        with contextlib.suppress(FileNotFoundError), open(tree / CONFIG.lstrip("/"), "a", encoding="utf-8") as config:
            config.write("# of the next version\n")
        made.append(tmp_path / f"{package.stem}+next.deb")
        subprocess.run(["dpkg-deb", "--root-owner-group", "--build", tree, made[-1]], check=True, stdout=subprocess.DEVNULL)
    return made


def test_installed(delta):
    """Users, directories, services that run, and leave to ask them."""
    assert delta.sh("stat -c '%U:%G %a' /var/lib/p2p-peer " + DOWNLOADS) == "p2p-peer:p2p-peer 755\n" * 2
    for user in ("p2p-ft", "p2p-peer"):
        name, _, uid, _, _, _, shell = delta.run("getent", "passwd", user).stdout.strip().split(":")
        assert int(uid) < 1000 and shell.endswith("nologin"), (name, uid, shell)
    assert delta.run("getent", "group", "p2pshare").stdout
    for unit in UNITS:
        service = unit.endswith(".service")
        assert delta.show(unit, "UnitFileState") == ("enabled" if service else "disabled"), unit
        assert delta.active(unit) == service, unit
    for service in ("p2p-ft", "p2p-peer"):
        assert delta.run("ps", "-o", "user=", "-p", str(delta.main_pid(service))).stdout.strip() == service
    assert {5555, 5556} <= bound(delta)
    assert delta.show("p2p-peer", "NRestarts") == delta.show("p2p-ft", "NRestarts") == "0"
    # Nobody has said yet where FT is, and p2pctl says how to.
    assert delta.peer("State") == "idle"
    status = delta.ctl()
    assert "ft" in status.stdout + status.stderr and CONFIG in status.stdout + status.stderr, status
    assert delta.ft("Peers") == 0
    assert delta.ctl("ft").returncode == 0
    assert delta.run("journalctl", "--list-catalog").stdout.count("p2pshare") > 5
    actions = delta.run("pkaction").stdout.split()
    assert {"org.p2pshare.download", "org.p2pshare.manage", "org.p2pshare.share"} <= set(actions)
    assert delta.run("dpkg-query", "--showformat=${Conffiles}", "--show", "p2pctl").stdout.split()[0] == CONFIG
    assert delta.run("dpkg", "--verify", *PACKAGES).stdout == ""


def test_reboot(delta):
    delta.reboot()
    for service in ("p2p-ft", "p2p-peer"):
        assert delta.active(service)


def test_upgrade(lab, delta, next_version):
    """The administrator's configuration stays, and so does the session of a peer."""
    ours = "[ft]\nmax-files-per-peer = 7\n"
    delta.configure(ours)
    delta.systemctl("reload", "p2p-ft")
    pids = [delta.main_pid(service) for service in ("p2p-ft", "p2p-peer")]
    with lab.network(), Wire(5555, delta.address) as wire:
        wire.send("HELLO\n<kept, txt, 5, 23/11/26, 192.0.2.1, 5556>\n")
        wire.expect("HI\n")
        wait_for(lambda: delta.records("kept"), "the record")
        for package in next_version:
            delta.write(f"/root/{package.name}", package.read_bytes())
        dpkg(delta, "--force-confold", "--install", *(f"/root/{package.name}" for package in next_version))
        for pid, service in zip(pids, ("p2p-ft", "p2p-peer")):
            assert delta.active(service) and delta.main_pid(service) != pid
        wire.send("SEARCH: kept\n")
        assert wire.recv_until(b"\n").startswith(b"FOUND: <")
    assert delta.read(CONFIG).decode() == ours
    assert delta.read(CONFIG + ".dpkg-dist").decode().endswith("# of the next version\n")
    # The units that were not enabled are not now.
    for unit in UNITS:
        assert (delta.show(unit, "UnitFileState") == "enabled") == unit.endswith(".service"), unit


def test_an_administrators_no_stays(delta, next_version):
    """A service that was disabled and stopped stays so over an upgrade."""
    delta.systemctl("disable", "--now", "p2p-ft")
    for package in next_version:
        delta.write(f"/root/{package.name}", package.read_bytes())
    dpkg(delta, "--force-confold", "--install", *(f"/root/{package.name}" for package in next_version))
    assert delta.show("p2p-ft", "UnitFileState") == "disabled"
    assert not delta.active("p2p-ft") and delta.active("p2p-peer")


def test_remove_and_purge(delta, packages):
    delta.configure("[peer]\nft = 192.0.2.1\n")
    delta.write(f"{DOWNLOADS}/film.mkv", content(1000))
    state = delta.sh("find /var/lib/p2p-peer -name '*.db'").split()
    assert state, "p2p-peer keeps nothing"

    # Without it, it does not run, nobody can start it, and nothing is lost.
    delta.run("dpkg", "--remove", *PACKAGES)
    for unit in UNITS:
        assert not delta.active(unit) and delta.show(unit, "LoadState") != "loaded", unit
    assert not {5555, 5556} & bound(delta)
    with pytest.raises(CommandError, match="not activatable|not provided|unit not found"):
        delta.peer("State")
    assert delta.read(CONFIG).decode() == "[peer]\nft = 192.0.2.1\n"
    for path in state:
        assert delta.path(path).exists(), path

    # It can come back, and finds all as it was.
    delta.install(packages)
    assert delta.read(CONFIG).decode() == "[peer]\nft = 192.0.2.1\n"
    assert delta.active("p2p-peer") and delta.peer("FileTracker").startswith("192.0.2.1")

    said = delta.run("dpkg", "--purge", *PACKAGES)
    assert f"keeping the files in {DOWNLOADS}" in said.stdout + said.stderr, said
    assert files_of(delta) == ["/var/lib/p2p-peer"]
    assert delta.sh("find /var/lib/p2p-peer -type f").split() == [f"{DOWNLOADS}/film.mkv"]
    # Its user stays, whom access lists of other files may name.
    assert delta.run("getent", "passwd", "p2p-peer").stdout


def test_purge_leaves_nothing(delta):
    """But for access that was given to files of others: how to take that back is said, as nobody knows it any more."""
    delta.write("/tmp/own er's/shown/a.txt", "a")
    delta.sh("""chmod 700 "/tmp/own er's/shown" "/tmp/own er's" """)
    delta.ctl("share", "add", "--fix", "/tmp/own er's/shown")
    assert {"/etc/p2pshare.ini.d", "/etc/systemd/system/p2p-peer.service.d"} <= set(files_of(delta))
    said = delta.run("dpkg", "--purge", "p2pshare-peer")
    assert delta.sh("stat -c %a /etc/p2pshare.ini.d") == "755\n"
    delta.run("dpkg", "--purge", "p2pshare-ft", "p2pctl")
    assert files_of(delta) == []
    commands = [line for line in (said.stdout + said.stderr).splitlines() if "setfacl" in line]
    assert len(commands) == 2, said
    assert "p2p-peer" in delta.sh("getfacl -R /tmp/own* 2>/dev/null")
    delta.sh("\n".join(commands))
    assert "p2p-peer" not in delta.sh("getfacl -R /tmp/own* 2>/dev/null")
    delta.sh("rm -rf /tmp/own*")
