# SPDX-License-Identifier: MIT
"""p2pctl: exit statuses, JSON, tables, and no raw bytes of strangers on the terminal."""

import json
import os
import re
import signal
import subprocess

import pytest

from harness import (DEADLINE, NOBODY, FakeFt, Process, ScriptedServer, check, clean_env, ctl,
                     ctl_argv, document, record, silent, wait_for)
from harness.p2pctl import on_terminal

TABLES = [["status"], ["search", "report"], ["transfers"], ["shares"], ["ft"]]


# ------------------------------------------------------------------------------------ exit statuses


def test_status(ft, peer):
    out = check(peer.ctl(), 0).stdout
    assert out == peer.ctl("status").stdout
    assert f"joined to {ft.address}" in out and peer.address in out
    assert "1 published" in out


def test_found_and_not_found(other, peer):
    out = check(peer.ctl("search", "report.txt"), 0).stdout
    lines = out.splitlines()
    assert lines[0].split()[:4] == ["NAME", "TYPE", "SIZE", "MODIFIED"]
    assert lines[1].split()[:6] == ["report", "txt", "11", "B", "2020-03-05", "1"]
    result = check(peer.ctl("search", "nothing.txt"), 3)
    assert '"nothing.txt"' in result.stderr and result.stdout == ""


def test_download_of_nothing(ft, peer, out):
    result = check(peer.ctl("download", "nothing.txt", cwd=out), 3)
    assert 'shares "nothing.txt"' in result.stderr
    assert os.listdir(out) == []


@pytest.mark.parametrize("args", [["frobnicate"], ["search"], ["search", "--exact", "a", "b"],
                                  ["search", "--limit", "0", "x"], ["search", "--min-size", "1X", "x"], ["download"],
                                  ["cancel"], ["cancel", "x"], ["status", "x"], ["search", "--force", "x"],
                                  ["download", "x", "--size", "many"], ["download", "x", "--port", "0"],
                                  ["download", "x", "--address", "example.org"], ["--no-such-option"], ["-o"],
                                  ["--user", "-H", "host", "status"], ["search", "--exact", "a/b"], ["search", ""],
                                  ["download", "../x"], ["search", "--exact", "x" * 256], ["search", "bell\a"]])
def test_wrong_usage(peer, out, args):
    result = check(peer.ctl(*args, cwd=out), 2)
    assert result.stdout == ""
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f]", result.stderr)
    assert os.listdir(out) == []


@pytest.mark.parametrize("args", [["status"], ["search", "x"], ["download", "x"], ["transfers"], ["cancel", "1"],
                                  ["shares"], ["leave"], ["join"], ["rescan"], ["ft"]])
def test_no_daemon_and_no_bus(bus, out, args):
    program = "p2p-ft" if args == ["ft"] else "p2p-peer"
    result = check(ctl(bus, *args, cwd=out), 4)
    assert program in result.stderr
    result = check(ctl(None, *args, cwd=out), 4)
    assert "bus" in result.stderr
    assert os.listdir(out) == []


@pytest.mark.parametrize("args, hint", [
    (["download", "x", "--size", "many"], "help download"), (["--limit", "0", "search", "x"], "help search"),
    (["search", "--no-such-option", "x"], "help search"), (["--size=1X"], "--help"), (["frobnicate", "-x"], "--help"),
    (["hash", "--port"], "help hash"), (["-o", "hash", "metrics", "--type"], "help metrics")])
def test_wrong_options_of_a_verb(args, hint):
    result = check(ctl(None, *args), 2)
    assert len(result.stderr.splitlines()) == 2 and result.stderr.endswith(f"\nTry: p2pctl {hint}\n")


def test_help():
    """Each verb has a line in one column, and says what it takes."""
    shown = check(ctl(None, "help"), 0).stdout
    verbs = re.search("Verbs:\n(.*?)\n\n", shown, re.S)[1].splitlines()
    assert len(verbs) == 19
    assert [line for line in verbs if line[24:26] != "  " or line[26] == " "] == []
    assert max(map(len, shown.splitlines())) <= 80 and "--wait " in shown
    for verb, forms in (("share", ["add [--fix] PATH", "remove PATH", "list"]), ("config", ["check [FILE]", "reload"]),
                        ("ft", ["peers", "lookup NAME", "kick ADDRESS[:PORT]"])):
        shown = check(ctl(None, "help", verb), 0).stdout
        assert all(f"\n  {verb} {form} " in shown for form in forms) and max(map(len, shown.splitlines())) <= 80


def test_where_ft_may_be(bus):
    assert ctl(bus, "ft").stderr.splitlines()[1:] == [
        "Try: systemctl start p2p-ft",
        "It may run on the host that ft in section [peer] names: p2pctl -H HOST ft"]
    assert "Try: p2p-ft --user" in ctl(bus, "--user", "ft", env={"DBUS_SESSION_BUS_ADDRESS": bus.address}).stderr


def test_a_search_for_nothing(bus):
    for words in ([""], ["", " "]):
        assert check(ctl(bus, "search", *words), 2).stderr.startswith("p2pctl: search needs a word of a name.\n")


def test_left(ft, peer, out):
    check(peer.ctl("leave"), 0)
    result = check(peer.ctl("search", "x"), 4)
    assert "has left" in result.stderr and "p2pctl join" in result.stderr
    check(peer.ctl("download", "x", cwd=out), 4)
    assert os.listdir(out) == []
    assert "left" in peer.ctl("status").stdout
    check(peer.ctl("join"), 0)
    peer.joined()
    check(peer.ctl("search", "filler-of-peer.txt"), 0)


def test_waiting_for_ft(world, bus, out):
    peer = world.peer("127.0.0.1:1", bus=bus).wait_state("waiting")
    result = check(peer.ctl("search", "x"), 4)
    assert "127.0.0.1" in result.stderr
    check(peer.ctl("download", "x", cwd=out), 4)
    assert os.listdir(out) == []


def test_cancel(world, ft, peer):
    source = world.server(ScriptedServer(silent))
    wire = ft.join(record("slow", "bin", 1000, source.port))
    transfer = peer.download("slow.bin")
    transfer.wait("waiting")
    check(peer.ctl("cancel", transfer.get("Id")), 0)
    assert transfer.get("State") == "cancelled"
    check(peer.ctl("cancel", 4711), 3)
    wire.close()


def test_not_everyone_may(peer, out):
    for args in (["leave"], ["join"], ["rescan"], ["download", "x", "-o", "/tmp/p2pshare-none"], ["cancel", "1"]):
        result = peer.ctl(*args, uid=NOBODY, cwd="/tmp")
        assert result.returncode in (1, 3), result
        assert result.stderr.startswith("p2pctl: ")
    assert peer.state == "joined"
    assert not os.path.exists("/tmp/p2pshare-none") and not os.path.exists("/tmp/p2pshare-none.part")


def test_no_answer_from_ft(world, bus):
    peer = world.peer(world.server(FakeFt(lambda name: None)), bus=bus).joined()
    result = check(peer.ctl("search", "x"), 1)
    assert "not answer" in result.stderr


# --------------------------------------------------------------------------------------------- JSON


@pytest.mark.parametrize("args", TABLES, ids=lambda args: args[0])
def test_json_of_tables(other, peer, args):
    peer.download("report.txt").wait("done")
    result = check(peer.ctl(*args, "--json"), 0)
    assert args[0] in ("status",) or args[0] in document(result) or args[0] == "search"
    document(result)


def test_json_says_the_same(world, ft, other, peer):
    file, = document(peer.ctl("search", "--exact", "report.txt", "--json"))["files"]
    assert file.pop("root") == ctl(None, "hash", other.sections["share"]["path"][0]).stdout.split()[0]
    assert file == {"name": "report", "type": "txt", "size": 11, "modified": "2020-03-05", "n_sources": 1,
                    "sources": [{"address": "127.0.0.1", "port": other.port, "modified": "2020-03-05"}]}
    shares = document(peer.ctl("shares", "--json"))["shares"]
    assert [(s["path"], s["size"], s["state"]) for s in shares] == [
        (peer.sections["share"]["path"][0], 7, "published")]
    status = document(peer.ctl("status", "--json"))["peer"]
    assert (status["state"], status["file_tracker"], status["address"]) == ("joined", ft.address, peer.address)
    assert isinstance(status["since"], int) and 1_600_000_000 < status["since"] < 10_000_000_000
    tracker = document(peer.ctl("ft", "--json"))["ft"]
    assert tracker["listen"] == [ft.address] and tracker["records"] == 2
    assert {p["port"] for p in tracker["peers"]} == {p[1] for p in ft.peers()}


def test_json_of_nothing(peer):
    result = peer.ctl("search", "nothing", "--json")
    assert (result.returncode, document(result)["files"]) == (3, [])
    assert document(peer.ctl("transfers", "--json"))["transfers"] == []


def test_json_of_a_download(other, peer, out):
    result = check(peer.ctl("download", "report.txt", "--json", cwd=out), 0)
    data = document(result)
    assert data["saved"] == "report.txt" and data["transfer"]["state"] == "done"
    assert data["transfer"]["transferred"] == 11
    assert (out / "report.txt").read_bytes() == b"hello body\n"


# ------------------------------------------------------------------------------------------- output


@pytest.mark.parametrize("args", TABLES, ids=lambda args: args[0])
def test_plain_when_piped(other, peer, args):
    """No colour, no cursor movement, no cut columns; even where the terminal could."""
    peer.download("report.txt").wait("done")
    result = check(peer.ctl(*args, env={"TERM": "xterm-256color", "COLUMNS": "20"}), 0)
    assert "\033" not in result.stdout + result.stderr
    assert "…" not in result.stdout


@pytest.mark.parametrize("args", [["search", "report"], ["transfers"], ["shares"]], ids=lambda args: args[0])
def test_no_legend(other, peer, args):
    peer.download("report.txt").wait("done")
    plain = check(peer.ctl(*args), 0).stdout.splitlines()
    bare = check(peer.ctl(*args, "--no-legend"), 0).stdout.splitlines()
    assert plain[0].isupper() and not bare[0].isupper()
    assert len(bare) == 1
    # The columns may be narrower without the titles.
    assert bare[0].split() in [line.split() for line in plain]


def test_on_a_terminal(world, ft, bus, other, peer, out):
    """Colours, and tables that fit."""
    long = world.file("a-rather-long-name-" * 8 + ".txt", directory="long")
    peer.reload(share=[long.parent])
    peer.wait_share(long, "published")
    env = clean_env(TERM="xterm-256color", COLUMNS="60", **bus.env)
    status, shown = on_terminal(ctl_argv("shares"), env)
    assert status == 0 and "\033[" in shown
    bare = re.sub(r"\033\[[0-9;]*[A-Za-z]", "", shown)
    assert max(map(len, bare.splitlines())) <= 60
    status, shown = on_terminal(ctl_argv("shares"), env | {"NO_COLOR": "1"})
    assert status == 0 and "\033[" not in shown
    status, shown = on_terminal(ctl_argv("shares"), env | {"TERM": "dumb"})
    assert status == 0 and "\033[" not in shown
    status, shown = on_terminal(ctl_argv("download", "report.txt", "-o", out), env)
    assert status == 0 and "Saved" in shown
    assert (out / "report.txt").exists()


HOSTILE = [
    "FOUND: <t\033[31mt, 11, 23/11/26, 127.0.0.1, 7100>",
    "FOUND: <report,127.0.0.1,7100,.t\033]0;title\at,05/03/2020,11>",
    "FOUND: <rep\033[2Jort,127.0.0.1,7100,.txt,05/03/2020,11>",
    "FOUND: <report%1B[31m,127.0.0.1,7100,.txt,05/03/2020,11>",
    "FOUND: <report, tx\u202et, 11, 23/11/26, 127.0.0.1, 7100>",
    b"FOUND: <t\xff\xfet, 11, 23/11/26, 127.0.0.1, 7100>",
    b"FOUND: <txt\x9b31m, 11, 23/11/26, 127.0.0.1, 7100>",
    b"FOUND: <t\x00xt, 11, 23/11/26, 127.0.0.1, 7100>",
]


@pytest.mark.parametrize("answer", HOSTILE, ids=range(len(HOSTILE)))
@pytest.mark.parametrize("args", [["search", "report"], ["search", "report", "--json"], ["download", "report"],
                                  ["transfers"], ["transfers", "--json"]], ids=" ".join)
def test_a_hostile_ft(fake, out, answer, args):
    """Whatever FT says, no control character reaches the terminal, and no other file is written."""
    fake.answers["report"] = answer
    if args[0] == "transfers":
        fake.download("report").wait()
    result = fake.ctl(*args, cwd=out, text=False)
    shown = result.stdout + result.stderr
    assert not re.search(rb"[\x00-\x09\x0b-\x1f\x7f]", shown), shown
    text = shown.decode()  # and it is UTF-8
    assert not re.search("[\u0080-\u009f\u200e\u200f\u202a-\u202e\u2066-\u2069]", text), text
    assert os.listdir(out) == []
    assert fake.state == "joined"


@pytest.mark.parametrize("name", ["bidi \u202egnp.exe", "c1 \u009b31m", "zero \u200b width"])
def test_a_hostile_name_of_a_share(world, ft, peer, name):
    """Such a name is allowed, but not shown raw."""
    path = world.file(name + ".txt")
    world.peer(ft, [path.parent]).joined()
    for args in (["search", name], ["shares"]):
        result = peer.ctl(*args)
        assert not re.search("[\u0080-\u009f\u202a-\u202e\u2066-\u2069]", result.stdout + result.stderr), result


def test_a_full_stdout(peer):
    """A table that could not be written is a failure."""
    with open("/dev/full", "wb") as full:
        result = subprocess.run(ctl_argv("shares"), stdout=full, stderr=subprocess.PIPE, text=True,
                                env=clean_env(**peer.bus.env), timeout=DEADLINE, check=False)
    assert result.returncode == 1
    assert "standard output" in result.stderr


# ------------------------------------------------------------------------------------- another host


@pytest.fixture
def ssh(world, bus):
    """A PATH with an ssh that takes this machine for every host."""
    path = world.file("ssh", b'#!/bin/sh\nexec systemd-stdio-bridge -p "$FAR_BUS"\n', "bin")
    path.chmod(0o755)
    return {"PATH": f"{path.parent}:{os.environ['PATH']}", "FAR_BUS": bus.address}


def test_another_host(other, peer, ssh, out):
    assert "joined" in check(ctl(None, "-H", "far", "status", env=ssh), 0).stdout
    result = check(ctl(None, "-H", "far", "download", "report.txt", env=ssh, cwd=out), 0)
    assert result.stdout.startswith(f"Saved far:{peer.downloads}/report.txt, 11 B in ")
    assert os.listdir(out) == [] and os.listdir(peer.downloads) == ["report.txt"]
    result = ctl(None, "-H", "far", "download", "report.txt", env=ssh)
    assert result.returncode == 1 and re.search("^p2pctl: .*report.txt: a file of that name is there already", result.stderr, re.M), result
    assert "Move that file away on far." in result.stderr
    for option in ("--force", "-oother"):
        assert "far" in check(ctl(None, "-H", "far", "download", "report.txt", option, env=ssh), 2).stderr


def test_another_host_is_interrupted(stuck, ssh, out):
    """p2pctl tells the remote daemon, which would go on otherwise."""
    process = Process(ctl_argv("-H", "far", "download", "slow.bin"), out.parent / "ctl.log", clean_env(**ssh), cwd=out)
    wait_for(lambda: [t for t in stuck.transfers().values() if t["State"] == "active"], "the transfer")
    process.signal(signal.SIGINT)
    assert process.wait() == 130
    assert [t["State"] for t in stuck.transfers().values()] == ["cancelled"]


@pytest.mark.parametrize("args", [["status"], ["search", "x"], ["download", "x"], ["verify", "/etc/hostname"]])
def test_another_host_that_is_not_there(ssh, args):
    result = check(ctl(None, "-H", "far", *args, env=ssh | {"FAR_BUS": "unix:path=/nonexistent"}), 4)
    assert "cannot reach the system bus of far by ssh" in result.stderr and "Try: ssh far" in result.stderr


# ------------------------------------------------------------------------------------------ monitor


def test_monitor(world, ft, other, peer):
    process = Process(ctl_argv("monitor"), world.tmp / "monitor.log", clean_env(**peer.bus.env))
    process.wait_log("joined")
    peer.download("report.txt").wait("done")
    process.wait_log("report")
    peer.call("Leave")
    process.wait_log("left")
    process.signal(signal.SIGINT)
    assert process.wait() == 0
    process.check_log()


def test_monitor_json(world, ft, other, peer):
    process = Process(ctl_argv("monitor", "--json"), world.tmp / "monitor.log", clean_env(**peer.bus.env))
    process.wait_log('"joined"')
    peer.download("report.txt").wait("done")
    process.wait_log('"done"')
    peer.stop()
    process.wait_log('"gone"')
    process.signal(signal.SIGTERM)
    assert process.wait() == 0
    for line in process.log.splitlines():
        assert json.loads(line)["version"] == 1


def test_ft_shows_its_peers(ft, peer):
    shown = check(peer.ctl("ft"), 0).stdout
    assert ft.address in shown
    assert str(ft.peers()[0][1]) in shown


def test_hash_needs_no_daemon(tmp_path):
    # The root that libtorrent 2.0.8 gives a file of 1048577 zero bytes.
    root = "7b2f6d495450f7f843041552fc4d6c8e51cf50760d206333b906ce066dc9073a"
    zeros = tmp_path / "zeros"
    zeros.write_bytes(bytes(1048577))
    done = ctl(None, "hash", zeros)
    assert (done.returncode, done.stdout) == (0, f"{root}  {zeros}\n")
    some = ctl(None, "--json", "hash", tmp_path / "missing", zeros)
    assert some.returncode == 1 and "missing" in some.stderr
    assert json.loads(some.stdout) == {"version": 1, "files": [
        {"path": str(zeros), "size": 1048577, "root": root}]}
