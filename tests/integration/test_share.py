# SPDX-License-Identifier: MIT
"""Files beside the configuration, Examine, and `p2pctl share` by a user for their own peer.
tests/system/test_share.py has the parts that need root, a sandbox and other users."""

import json
import os
import shutil
import subprocess

import pytest

from harness import ERROR, check, ctl, ini_text, program, run, wait_for


@pytest.fixture
def home(world):
    return world.directory("home")


@pytest.fixture
def peer(world, home):
    """--user, with the default configuration; nothing in it but FT."""
    (home / ".config").mkdir()
    bus = world.bus()
    ft = world.ft(bus)
    peer = world.peer(ft, bus=bus, start=False, args=["--user"], env={"HOME": str(home)})
    del peer.sections["share"]
    (home / ".config" / "p2pshare.ini").write_text(ini_text(peer.sections))
    peer.default_config = True
    return peer.start()


@pytest.fixture
def share(peer, home):
    return lambda *args, **options: ctl(peer.bus, "--user", "share", *args, env={"HOME": str(home)}, **options)


def listed(share):
    return json.loads(check(ctl_json(share), 0).stdout)["shares"]


def ctl_json(share):
    return share("list", "--json")


def drop_ins(home):
    directory = home / ".config" / "p2pshare.ini.d"
    return sorted(os.listdir(directory)) if directory.exists() else []


def test_add_list_remove(world, peer, home, share):
    data = world.directory("data")
    (data / "a.txt").write_text("hello\n")
    result = check(share("add", "data", cwd=data.parent), 0)
    assert result.stdout == f"{data} is shared: 1 file, 6 B.\n"
    wait_for(lambda: [str(data / "a.txt"), "published"] in [[path, state] for path, _, state, _ in peer.get("Shares")],
             "the file to be published")
    name, = drop_ins(home)
    assert name.startswith("share-") and f"path = {data}\n" in (home / ".config/p2pshare.ini.d" / name).read_text()
    entry, = listed(share)
    assert (entry["path"], entry["removable"], entry["n_files"], entry["size"], entry["n_unreadable"], entry["problem"]) == \
        (str(data), True, 1, 6, 0, None)
    table = check(share("list"), 0).stdout.splitlines()
    assert table[0].split() == ["PATH", "SHARED", "CONFIGURED", "IN"] and len(table) == 2
    # The same again adds nothing.
    check(share("add", data), 0)
    assert len(drop_ins(home)) == 1

    assert check(share("remove", data), 0).stdout == f"{data} is not shared any more.\n"
    assert drop_ins(home) == [] and listed(share) == []
    assert "Nothing is configured to be shared" in check(share("list"), 0).stdout
    assert check(share("remove", data), 3).stderr.startswith(f"p2pctl: {data} is not shared.")


def test_public_stays(world, peer, home, share):
    """What is added comes beside ~/Public, which needs no configuration."""
    (home / "Public").mkdir()
    (home / "Public" / "p.txt").write_text("public\n")
    data = world.directory("data")
    (data / "a.txt").write_text("hello\n")
    check(share("add", data), 0)
    wait_for(lambda: sorted(os.path.basename(path) for path, _, _, _ in peer.get("Shares")) == ["a.txt", "p.txt"],
             "both to be shared")


def test_public_by_default(world, peer, home, share):
    """It is listed, said to be so, and can be asked for as well."""
    public = home / "Public"
    assert listed(share) == []
    public.mkdir()
    (public / "p.txt").write_text("public\n")
    wait_for(lambda: [row[2] for row in peer.get("Shares")] == ["published"], "it to be published")
    entry, = listed(share)
    assert (entry["path"], entry["file"], entry["removable"], entry["n_files"]) == (str(public), None, False, 1)
    assert check(share("list", "--no-legend"), 0).stdout.split() == [str(public), "1", "file,", "7", "B", "(default)"]
    config = home / ".config" / "p2pshare.ini"
    assert check(share("remove", public), 1).stderr == (
        f"p2pctl: {public} is shared by default.\n"
        f"Name a path in {config} to replace it, then: systemctl --user reload p2p-peer\n")
    check(share("add", public), 0)
    assert len(drop_ins(home)) == 1
    check(share("remove", public), 0)
    # A path in the first file takes its place.
    config.write_text(config.read_text() + f"[share]\npath = {world.directory('data')}\n")
    assert [entry["path"] for entry in listed(share)] == [str(world.directory("data"))]


def test_impossible_shares(world, peer, home, share):
    fifo = world.directory("data") / "fifo"
    os.mkfifo(fifo)
    for path, said in ((fifo, f"p2pctl: {fifo} is neither a file nor a directory.\n"),
                       (f"{fifo}.no/more", f"p2pctl: there is no {fifo}.no.\n"),
                       ("/", "p2pctl: / cannot be shared as a whole.\nTry: share a directory in it\n"),
                       ("/tmp", "p2pctl: /tmp cannot be shared as a whole.\nTry: share a directory in it\n"),
                       ("/proc/1", "p2pctl: files below /proc, /sys, /dev and /run cannot be shared.\n")):
        assert check(share("add", path), 1).stderr == said
    for name, said in (("a\nb", "it has control characters"), ("a ;b", '" ;" would begin a comment'),
                       ("x" * 200, "it is longer than 180 bytes"), ("a /b", "a name in it ends in white space")):
        path = fifo.parent / name
        path.mkdir(parents=True)
        result = check(share("add", path), 1)
        assert "cannot hold the path" in result.stderr and f": {said}" in result.stderr, result
    assert drop_ins(home) == []


@pytest.mark.parametrize("umask", ["077", "000"])
def test_the_callers_umask_does_not_count(world, home, umask):
    """What is written has to be read by a daemon that has another user, and is not for others to write to."""
    before = os.umask(int(umask, 8))
    try:
        ctl(world.bus(), "--user", "share", "add", world.directory("data"), env={"HOME": str(home)})
    finally:
        os.umask(before)
    directory = home / ".config" / "p2pshare.ini.d"
    name, = drop_ins(home)
    assert [oct(path.stat().st_mode & 0o7777) for path in (directory, directory / name)] == ["0o755", "0o644"]


def test_links_are_resolved(world, peer, home, share):
    data = world.directory("data")
    (data / "a.txt").write_text("hello\n")
    link = data.parent / "link"
    link.symlink_to(data)
    assert check(share("add", link), 0).stdout == f"{data} is shared: 1 file, 6 B.\n"
    check(share("remove", link), 0)


def test_a_link_of_somebody_else(world, peer, home, share):
    """Who owns it can have it lead anywhere; its target can be named instead."""
    data = world.directory("data")
    link = data.parent / "link"
    link.symlink_to(data)
    if os.geteuid() != 0:
        pytest.skip("another user's link takes root")
    os.lchown(link, 54321, -1)
    assert check(share("add", link), 1).stderr == (
        f"p2pctl: a link on the way to {link} belongs to another user.\n"
        f"If you mean what it leads to: p2pctl share add {data}\n")
    assert drop_ins(home) == []


def test_a_file_of_ones_own(world, peer, home, share):
    data = world.file("mine.txt")
    config = home / ".config" / "p2pshare.ini"
    config.write_text(config.read_text() + f"[share]\npath = {data}\n")
    check(ctl(peer.bus, "--user", "config", "reload", env={"HOME": str(home)}), 0)
    entry, = listed(share)
    assert (entry["path"], entry["file"], entry["removable"]) == (str(data), str(config), False)
    # What is named twice is shared once.
    config.write_text(config.read_text() + f"path = {data}/\n")
    assert check(share("add", data), 0).stdout == f"{data} is shared: 1 file, {data.stat().st_size} B.\n"
    result = check(share("remove", data), 1)
    assert result.stderr == (f"p2pctl: {data} is shared by {config}, which p2pctl does not edit.\n"
                             "Remove it there, then: systemctl --user reload p2p-peer\n")


def test_a_wrong_file_beside(peer, home, share, tmp_path):
    """It is named, by whoever reads it; what was in force stays."""
    directory = home / ".config" / "p2pshare.ini.d"
    directory.mkdir()
    (directory / "50-rates.ini").write_text("[peer]\nmax-uploads = 0\n")
    result = check(share("add", tmp_path), 1)
    assert result.stderr.startswith(f'p2pctl: {directory}/50-rates.ini:2: [peer] max-uploads = "0": '), result
    assert result.stderr.endswith("\np2pctl: The old configuration stays in force\n"), result
    result = run("p2p-ft", "--check-config", "--config", home / ".config" / "p2pshare.ini")
    assert result.returncode == 0, result


def test_without_a_daemon(world, home):
    """It is added all the same, and said that nobody has looked."""
    bus = world.bus()
    data = world.directory("data")
    result = check(ctl(bus, "--user", "share", "add", data, env={"HOME": str(home)}), 4)
    assert "is not running" in result.stderr and "check whether it can read" in result.stderr, result
    assert len(drop_ins(home)) == 1
    result = ctl(bus, "--user", "share", "list", env={"HOME": str(home)})
    assert result.returncode == 4 and str(data) in result.stdout


@pytest.mark.parametrize("args", [[], ["list", "/srv"], ["add"], ["remove"], ["add", "/a", "/b"], ["show", "/a"],
                                  ["remove", "/a", "--fix"], ["list", "--fix"], ["add", "/a", "--exact"],
                                  ["--user", "add", "--fix", "/a"]])
def test_wrong_usage(args):
    result = run("p2pctl", "share", *args)
    assert result.returncode == 2 and "Try: p2pctl help share" in result.stderr, result


@pytest.mark.parametrize("args, hint", [
    (["list"], "ssh -t host p2pctl share list"),
    (["add", "--fix", "/srv/x"], "ssh -t host p2pctl share --fix add /srv/x"),
    (["add", "/srv/a b"], "ssh host, and there: p2pctl share add '/srv/a b'")])
def test_another_host(args, hint):
    result = run("p2pctl", "-H", "host", "share", *args)
    assert result.returncode == 2 and "does not take -H" in result.stderr
    assert result.stderr.splitlines()[1] == f"Try: {hint}"


def test_without_the_package(tmp_path):
    """p2pctl can be installed alone."""
    alone = tmp_path / "p2pctl"
    shutil.copy(program("p2pctl"), alone)
    result = subprocess.run([alone, "share", "list"], capture_output=True, text=True)
    if "package" not in result.stderr and os.path.exists("/usr/local/libexec/p2pshare/p2pctl-share"):
        pytest.skip("the package is installed here")
    assert result.returncode == 4 and result.stderr.startswith("p2pctl: share needs the package p2pshare-peer"), result


@pytest.mark.parametrize("args", [[], ["add"], ["add", "relative"], ["add", "/a", "/b"], ["list", "/a"], ["--host=x", "list"],
                                  ["--config", "/x", "list"], ["--json=x", "list"], ["other", "/a"],
                                  ["--user", "--fix", "add", "/a"]])
def test_the_root_part_takes_little(args):
    result = run("p2pctl-share", *args)
    assert (result.returncode, result.stdout) == (2, "") and "part of p2pctl" in result.stderr


def test_examine(world, peer):
    data = world.directory("data")
    os.mkfifo(data / "fifo")

    def examine(path):
        return tuple(peer.call("Examine", "s", str(path)))

    assert examine(data) == ("", "")
    assert examine(data / "no" / "more") == (str(data / "no"), "ENOENT")
    assert examine(data / "fifo") == (str(data / "fifo"), "EINVAL")
    for wrong in ("''", "'relative'"):
        assert peer.error_name("Examine", wrong) == ERROR + "InvalidName"
