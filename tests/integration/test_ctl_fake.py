# SPDX-License-Identifier: MIT
"""p2pctl against a fake daemon: files told apart by their root, what an unfinished download leaves
behind, several downloads at once, and progress."""

import os
import re
import signal
import subprocess

import dbus
import pytest

from harness import ERROR, Process, check, clean_env, content, ctl, ctl_argv, document, wait_for
from harness.fake_peer import FakePeer
from harness.p2pctl import Terminal, on_terminal

A, B, C = "9f2c81d4" + "a" * 56, "03bb5e90" + "b" * 56, "03bb5e90" + "c" * 56
# What p2pctl hash says of these; test_ctl.py has one from elsewhere.
HELLO = b"hello body\n"


@pytest.fixture
def daemon(world, bus):
    return world.server(FakePeer(bus))


@pytest.fixture
def iso(daemon):
    """debian.iso: eleven bytes with a root, at two peers."""
    return daemon.share("debian.iso", (11, 5556, A), (11, 5557, A))


class Download(Terminal):
    """p2pctl download on a terminal, where progress is seen at once."""

    def __init__(self, world, daemon, out, *args):
        super().__init__(ctl_argv("download", *args), clean_env(**daemon.bus.env), out, columns=120)
        world.server(self)


def known(transfer, root=A, size=11, **more):
    """Reports the size of the file."""
    transfer.set(**{"State": "active", "Size": size, "Root": root, "Verified": bool(root)} | more)


def finish(transfer, data=HELLO):
    transfer.write(data)
    transfer.set(State="done", Size=len(data), Transferred=len(data), Error="", ErrorMessage="")


# ------------------------------------------------------------------------------------------- search


def test_files_of_one_name(daemon):
    daemon.found["debian"] = [
        ("debian", "iso", 4 << 30, "2026-09-06", "192.0.2.7", 5556, A),
        ("debian", "iso", 4 << 30, "2026-09-07", "192.0.2.8", 5556, A),
        ("debian", "iso", 4 << 30, "2026-09-06", "192.0.2.8", 5557, B),
        ("debian", "iso", 4 << 30, "2026-09-06", "192.0.2.9", 5556, None),
    ]
    rows = ("debian  iso   4.0 GiB  2026-09-06  192.0.2.7:5556", A), \
           ("debian  iso   4.0 GiB  2026-09-07  192.0.2.8:5556", A), \
           ("debian  iso   4.0 GiB  2026-09-06  192.0.2.8:5557", B), \
           ("debian  iso   4.0 GiB  2026-09-06  192.0.2.9:5556", None)
    shown = check(ctl(daemon.bus, "search", "--exact", "debian"), 0).stdout
    assert shown.splitlines() == ["NAME    TYPE     SIZE  MODIFIED    SOURCE          ROOT"] + [
        f"{row}  {root or '-'}" for row, root in rows] + ["3 files at 4 peers"]
    # Where the terminal has no room for them, the roots stand beneath.
    env = clean_env(COLUMNS="80", NO_COLOR="1", **daemon.bus.env)
    status, shown = on_terminal(ctl_argv("search", "--exact", "debian", "--no-legend"), env)
    assert (status, shown.splitlines()) == (0, [f"{row}  {root[:8] if root else '-'}" for row, root in rows] + [
        f"root {A}", f"root {B}"])
    files = document(ctl(daemon.bus, "search", "debian", "--json"))["files"]
    assert [(f["root"], f["modified"], len(f["sources"])) for f in files] == [
        (A, "2026-09-07", 2), (B, "2026-09-06", 1), (None, "2026-09-06", 1)]
    assert files[0]["sources"][1] == {"address": "192.0.2.8", "port": 5556, "modified": "2026-09-07"}


@pytest.mark.parametrize("options", [["--min-size=1G"], ["--type=iso"]])
def test_a_name_whose_files_do_not_fit(daemon, options):
    daemon.share("report.txt", (11, 1, A), (12, 2, B))
    result = check(ctl(daemon.bus, "search", "--exact", "report.txt", *options), 3)
    assert result.stderr == ('p2pctl: no peer shares "report.txt" with that type or size.\n'
                             "To see all of that name: p2pctl search --exact report.txt\n")


@pytest.mark.parametrize("root", ["zz" * 32, "ab", dbus.UInt32(5)])
def test_a_root_that_is_none(daemon, root):
    daemon.share("a.iso", (11, 1, root))
    assert check(ctl(daemon.bus, "search", "a.iso"), 0).stdout.splitlines()[1].split()[-1] == "-"


def test_roots_that_look_alike(daemon):
    daemon.share("a.iso", (11, 1, B), (11, 2, C))
    shown = check(ctl(daemon.bus, "download", "a.iso"), 1).stderr
    assert "03bb5e90b (1 source), 03bb5e90c (1 source)" in shown


# ---------------------------------------------------------------------------------------- which one


@pytest.fixture
def two(daemon):
    return daemon.share("debian.iso", (11, 1, A), (11, 2, A), (12, 3, B))


def test_several_files_are_not_guessed_at(two, out):
    result = check(ctl(two.bus, "download", "debian.iso", cwd=out), 1)
    assert "9f2c81d4 (2 sources), 03bb5e90 (1 source)" in result.stderr
    assert "p2pctl download debian.iso --root=9f2c81d4" in result.stderr
    assert two.transfers == [] and os.listdir(out) == []


@pytest.mark.parametrize("digits, root", [("03bb", B), ("9F2C81D4", A), (B, B)])
def test_the_root_says_which(world, two, out, digits, root):
    process = Download(world, two, out, "debian.iso", f"--root={digits}")
    transfer = two.wait_transfer()
    assert transfer.options == {"root": root}
    known(transfer, root)
    finish(transfer)
    assert process.wait() == 0


@pytest.mark.parametrize("args, status", [(["--root=dead"], 3), (["--root=9f2"], 2), (["--root=not-hex"], 2),
                                          ([f"--root={A}0"], 2), (["--root=9f2c", "other.iso"], 2),
                                          (["--port=4"], 3)])
def test_a_root_that_says_nothing(two, out, args, status):
    result = check(ctl(two.bus, "download", "debian.iso", *args, cwd=out), status)
    if status == 3:
        assert "p2pctl search --exact debian.iso" in result.stderr
    assert two.transfers == [] and os.listdir(out) == []


def test_without_roots_type_and_size_say_which(world, daemon, out):
    daemon.share("f.bin", (5, 1, None), (1024, 2, None))
    result = check(ctl(daemon.bus, "download", "f.bin", cwd=out), 1)
    assert "bin of 5 bytes (1 source)" in result.stderr and "--type=bin --size=" in result.stderr
    process = Download(world, daemon, out, "f.bin", "--size=1K")
    transfer = daemon.wait_transfer()
    assert transfer.options == {"type": "bin", "size": 1024}
    known(transfer, "")
    finish(transfer)
    assert process.wait() == 0


def test_a_terminal_is_asked(world, two, out):
    terminal = Download(world, two, out, "debian.iso")
    terminal.expect("Which one? 1 to 2")
    assert "9f2c81d4" in terminal.output and "03bb5e90" in terminal.output
    terminal.type("3\n")
    terminal.type("2\n")
    transfer = two.wait_transfer()
    assert transfer.options == {"root": B}
    known(transfer, B)
    finish(transfer)
    assert terminal.wait() == 0
    assert os.listdir(out) == ["debian.iso"]


def test_a_terminal_may_choose_none(world, two, out):
    terminal = Download(world, two, out, "debian.iso")
    terminal.expect("Which one?")
    terminal.type("\n")
    assert terminal.wait() == 1
    assert two.transfers == [] and os.listdir(out) == []


def test_the_own_copy_is_no_candidate(world, daemon, out):
    """A peer that shares an old version can fetch the new one."""
    daemon.properties["Address"] = "192.0.2.9:2"
    daemon.share("a.txt", (11, 1, A), (12, 2, B))
    Download(world, daemon, out, "a.txt")
    assert daemon.wait_transfer().options == {"root": A}


# ------------------------------------------------------------------------------------- what is kept


def half(world, daemon, out, name="debian.iso", root=A):
    """A download of which six bytes have come."""
    process = Download(world, daemon, out, name)
    transfer = daemon.wait_transfer(len(daemon.transfers) + 1)
    known(transfer, root, Transferred=0)
    transfer.write(HELLO[:6])
    transfer.set(Transferred=6)
    part = out / f"{name}.part"
    wait_for(lambda: part.exists() and part.stat().st_size == 6, "half of it")
    # What was said last is known to it once it shows it.
    process.expect("54%   6/11 B")
    return process, transfer


def test_ctrl_c_keeps_received_bytes(world, iso, out):
    process, transfer = half(world, iso, out)
    process.signal(signal.SIGINT)
    assert process.wait() == 130
    assert transfer.calls == ["Cancel"]
    assert "What has arrived is kept in debian.iso.part. To resume, repeat the command." in process.log
    assert (out / "debian.iso.part").read_bytes() == HELLO[:6]
    # The same command goes on.
    process = Download(world, iso, out, "debian.iso")
    transfer = iso.wait_transfer(2)
    assert os.pread(transfer.fd, 100, 0) == HELLO[:6]
    transfer.set(State="checking", Size=11, Root=A, Verified=True)
    transfer.set(Transferred=6)
    transfer.set(State="active")
    finish(transfer)
    assert process.wait() == 0
    # It stands behind what progress has drawn, if there was time to draw any.
    assert re.search(r"Saved debian.iso, 11 B \(6 B of it from before\) in .*, every piece verified\.$", process.log,
                     re.M)
    assert os.listdir(out) == ["debian.iso"] and (out / "debian.iso").read_bytes() == HELLO


def test_bytes_before_a_pause_count_as_fetched(world, iso, out):
    """After a pause the daemon checks the file again. What it finds was fetched by this very
    command."""
    process, transfer = half(world, iso, out)
    transfer.set(State="paused")
    process.expect("paused")
    for state, transferred in (("searching", 6), ("active", 0), ("checking", 0), ("active", 6)):
        transfer.set(State=state, Transferred=transferred)
    finish(transfer)
    assert process.wait() == 0
    assert re.search(r"Saved debian.iso, 11 B in .*, every piece verified\.$", process.log, re.M)


def test_a_pause_while_the_file_is_checked(world, iso, out):
    """The check starts again and counts once."""
    (out / "debian.iso.part").write_bytes(HELLO[:6])
    process = Download(world, iso, out, "debian.iso")
    transfer = iso.wait_transfer()
    for state, transferred in (("active", 0), ("checking", 0), ("checking", 3), ("paused", 3), ("searching", 3),
                               ("active", 0), ("checking", 0), ("active", 6)):
        transfer.set(State=state, Transferred=transferred, Size=11, Root=A, Verified=True)
    finish(transfer)
    assert process.wait() == 0
    assert re.search(r"Saved debian.iso, 11 B \(6 B of it from before\) in ", process.log)


def test_a_lost_daemon_leaves_received_bytes(world, iso, out):
    process, _ = half(world, iso, out)
    iso.stop()
    assert process.wait() == 4
    assert "p2p-peer stopped" in process.log and "kept in debian.iso.part" in process.log
    assert (out / "debian.iso.part").read_bytes() == HELLO[:6]


def test_a_failed_source_leaves_received_bytes(world, iso, out):
    process, transfer = half(world, iso, out)
    transfer.set(State="failed", Error=ERROR + "NoSource", ErrorMessage="192.0.2.9:5556 closed the connection")
    assert process.wait() == 1
    assert "cannot download debian.iso: 192.0.2.9:5556 closed the connection.\n" in process.log
    assert "kept in debian.iso.part" in process.log
    assert os.listdir(out) == ["debian.iso.part"]


def test_a_full_disk_leaves_received_bytes(world, iso, out):
    """The daemon pauses the transfer and p2pctl cannot resume it: the command ends, and the
    transfer with it."""
    process, transfer = half(world, iso, out)
    transfer.set(State="paused", Error=ERROR + "NoSpace", ErrorMessage="no space is left for debian.iso")
    assert process.wait() == 1
    assert "p2pctl: no space is left for debian.iso.\n" in process.log
    assert "kept in debian.iso.part" in process.log
    assert transfer.calls == ["Cancel"]
    assert os.listdir(out) == ["debian.iso.part"]


def test_a_cancelled_download_leaves_nothing(world, iso, out):
    """p2pctl cancel means that the file is no longer wanted; pause is for everything else."""
    process, transfer = half(world, iso, out)
    transfer.set(State="cancelled")
    assert process.wait() == 1
    assert os.listdir(out) == []


def test_without_a_root_nothing_is_kept(world, daemon, out):
    daemon.share("f.bin", (11, 1, None))
    process, _ = half(world, daemon, out, "f.bin", "")
    process.signal(signal.SIGTERM)
    assert process.wait() == 143
    assert "kept" not in process.log
    assert os.listdir(out) == []


def test_done_before_the_interrupt_is_done(world, iso, out):
    process, transfer = half(world, iso, out)
    transfer.write(HELLO)
    transfer.properties.update(State="done", Size=11, Transferred=11)
    transfer.ends_as = "done"
    process.signal(signal.SIGINT)
    assert process.wait() == 130
    assert os.listdir(out) == ["debian.iso"]


def test_unreported_bytes_are_kept(world, iso, out):
    """The daemon reports progress twice a second, so the file itself is more exact."""
    process = Download(world, iso, out, "debian.iso")
    transfer = iso.wait_transfer()
    known(transfer)
    process.expect_match(r"\b0/11 B")
    transfer.write(HELLO[:6])
    process.signal(signal.SIGINT)
    assert process.wait() == 130
    assert "kept in debian.iso.part" in process.log
    assert (out / "debian.iso.part").read_bytes() == HELLO[:6]


def test_nothing_is_kept_of_nothing(world, iso, out):
    process = Download(world, iso, out, "debian.iso")
    known(iso.wait_transfer())
    process.signal(signal.SIGINT)
    assert process.wait() == 130
    assert "kept" not in process.log
    assert os.listdir(out) == []


def test_a_pause_is_shown_and_waited_for(world, iso, out):
    process, transfer = half(world, iso, out)
    transfer.set(State="paused")
    process.expect("54%   6/11 B  paused")
    transfer.set(State="active")
    finish(transfer)
    assert process.wait() == 0


def test_an_unverified_download_says_so(world, daemon, out):
    daemon.share("f.bin", (11, 1, None))
    process = Download(world, daemon, out, "f.bin")
    transfer = daemon.wait_transfer()
    known(transfer, "")
    finish(transfer)
    assert process.wait() == 0
    assert ", not verified: its source states no root.\n" in process.log


def test_an_older_daemon(world, bus, out):
    daemon = world.server(FakePeer(bus, lacks=("Root", "Verified", "QueuePlace")))
    daemon.share("f.bin", (11, 1, None))
    process = Download(world, daemon, out, "f.bin")
    transfer = daemon.wait_transfer()
    transfer.set(State="active", Size=11)
    finish(transfer)
    assert process.wait() == 0 and "not verified" in process.log
    assert "f.bin" in check(ctl(bus, "transfers"), 0).stdout


# ----------------------------------------------------------------------------------------- progress


def test_progress_on_a_terminal(world, daemon, out):
    """A line for each download, redrawn; its state in words while nothing moves."""
    daemon.share("a.iso", (1000, 1, A)).share("b.iso", (1000, 2, B))
    terminal = Download(world, daemon, out, "a.iso", "b.iso")
    a, b = daemon.wait_transfer(1), daemon.wait_transfer(2)
    a.set(State="checking", Size=1000, Transferred=500, Root=A, Verified=True)
    b.set(State="waiting", QueuePlace=3, Size=1000, Root=B, Verified=True)
    terminal.expect("waiting, place 3 in the queue")
    assert re.search(r"a\.iso .* 50% .* checking", terminal.log)
    b.set(State="active", QueuePlace=0, Transferred=250, Sources=["192.0.2.9:1", "192.0.2.9:2"])
    terminal.expect("2 sources")
    a.set(State="paused")
    terminal.expect("paused")
    a.write(content(1000))
    a.set(State="done", Transferred=1000)
    terminal.expect("Saved a.iso")
    b.write(content(1000))
    b.set(State="done", Transferred=1000)
    assert terminal.wait() == 0
    assert sorted(os.listdir(out)) == ["a.iso", "b.iso"]
    # The last that is seen are the two lines: the progress has been taken off.
    assert terminal.output.endswith("verified.\r\n")


def test_progress_where_there_is_no_terminal(world, iso, out):
    """p2pctl prints a line now and then."""
    process = Process(ctl_argv("download", "debian.iso"), world.tmp / "ctl.log", clean_env(**iso.bus.env), cwd=out)
    transfer = iso.wait_transfer()
    known(transfer, State="waiting", Error=ERROR + "NoSource", ErrorMessage="nobody has it now")
    process.wait_log("^debian.iso: waiting for a source$")
    finish(transfer)
    assert process.wait() == 0
    assert "\r" not in process.log and "\033" not in process.log


def test_a_stranger_writes_no_command(daemon, out):
    """A user may copy a hint into a shell."""
    daemon.found["f"] = [("f", "$(touch x)", 11, "2026-09-06", "192.0.2.9", 1, None),
                         ("f", "'; touch x", 12, "2026-09-06", "192.0.2.9", 1, None)]
    hint = check(ctl(daemon.bus, "download", "f", cwd=out), 1).stderr.splitlines()[1]
    assert "'$(touch x)'" in hint or "--type=TYPE" in hint


def test_more_downloads_than_rows(world, daemon, out):
    names = [f"{i}.iso" for i in range(9)]
    for i, name in enumerate(names):
        daemon.share(name, (11, i + 1, A))
    env = clean_env(**daemon.bus.env)
    terminal = world.server(Terminal(ctl_argv("download", *names), env, out, rows=6))
    for i in range(9):
        known(daemon.wait_transfer(i + 1))
    terminal.expect("and 5 more")
    for transfer in daemon.transfers:
        finish(transfer)
    assert terminal.wait() == 0
    assert sorted(os.listdir(out)) == names


# ------------------------------------------------------------------------------------------ several


def test_several_at_once(world, daemon, out):
    """The first failure gives the exit status; the other downloads go on."""
    daemon.share("a.txt", (11, 1, A)).share("c.txt", (11, 3, C))
    process = Process(ctl_argv("download", "--json", "a.txt", "b.txt", "c.txt"), world.tmp / "ctl.log",
                      clean_env(**daemon.bus.env), cwd=out)
    a, c = daemon.wait_transfer(1), daemon.wait_transfer(2)
    known(a)
    known(c, C)
    a.set(State="failed", Error=ERROR + "NoSource", ErrorMessage="nobody has sent a.txt")
    finish(c)
    assert process.wait() == 1
    assert 'shares "b.txt"' in process.log
    assert sorted(os.listdir(out)) == ["c.txt"]
    text = process.log[process.log.index("{"):]
    result = document(type("Result", (), {"stdout": text}))
    assert [(d["name"], d["status"], d["saved"]) for d in result["downloads"]] == [
        ("a.txt", 1, None), ("b.txt", 3, None), ("c.txt", 0, "c.txt")]
    assert result["downloads"][1]["transfer"] is None
    assert result["downloads"][2]["transfer"]["root"] == C and result["downloads"][2]["transfer"]["verified"] is True
    assert "saved" not in result


def test_an_unanswered_search_names_its_file(world, daemon, out):
    daemon.share("b.txt", (11, 1, A))
    daemon.unanswered.add("a.txt")
    process = Download(world, daemon, out, "a.txt", "b.txt")
    transfer = daemon.wait_transfer()
    known(transfer)
    finish(transfer)
    assert process.wait() == 1
    assert "p2pctl: cannot search for a.txt: the FileTracker does not answer.\n" in process.log
    assert os.listdir(out) == ["b.txt"]


def test_many_at_once(world, daemon, out):
    """p2pctl begins a limited number at once; the others follow."""
    names = [f"{i:03}.txt" for i in range(100)]
    for i, name in enumerate(names):
        daemon.share(name, (11, i + 1, A))
    process = Download(world, daemon, out, *names)
    for i in range(100):
        transfer = daemon.wait_transfer(i + 1)
        known(transfer)
        finish(transfer)
        transfer.close()
    assert process.wait() == 0
    assert sorted(os.listdir(out)) == names


def test_several_into_a_directory(world, daemon, out):
    daemon.share("a.txt", (11, 1, A)).share("b.txt", (11, 2, B))
    result = check(ctl(daemon.bus, "download", "a.txt", "b.txt", "-o", out / "file"), 2)
    assert "directory" in result.stderr
    process = Download(world, daemon, "/", "a.txt", "b.txt", "-o", out)
    for i in (1, 2):
        transfer = daemon.wait_transfer(i)
        known(transfer)
        finish(transfer)
    assert process.wait() == 0
    assert sorted(os.listdir(out)) == ["a.txt", "b.txt"]


def test_ctrl_c_ends_all(world, daemon, out):
    daemon.share("a.txt", (11, 1, A)).share("b.txt", (11, 2, B))
    process = Download(world, daemon, out, "a.txt", "b.txt")
    for i in (1, 2):
        transfer = daemon.wait_transfer(i)
        known(transfer, Transferred=6)
    for name in "ab":
        process.expect_match(rf"{name}\.txt .* 54%")
        (out / f"{name}.txt.part").write_bytes(HELLO[:6])  # as the daemon has, through the descriptor
    process.signal(signal.SIGINT)
    assert process.wait() == 130
    assert [transfer.calls for transfer in daemon.transfers] == [["Cancel"], ["Cancel"]]
    assert "kept in a.txt.part, b.txt.part." in process.log


# ------------------------------------------------------------------------------------------ no-wait


def test_no_wait(iso, out):
    result = check(ctl(iso.bus, "download", "--no-wait", "debian.iso", cwd=out), 0)
    assert result.stdout == "Transfer 1: /srv/downloads/debian.iso\n"
    assert iso.transfers[0].fd is None and iso.transfers[0].options == {"root": A}
    result = document(ctl(iso.bus, "download", "--no-wait", "--json", "debian.iso", cwd=out))
    (download,) = result["downloads"]
    assert (download["saved"], download["transfer"]["path"]) == (None, "/srv/downloads/debian.iso")
    assert os.listdir(out) == []


@pytest.mark.parametrize("end", [{"State": "connecting"}, {
    "State": "failed", "Error": ERROR + "Exists", "ErrorMessage": "cannot write debian.iso: it is there"}])
def test_no_wait_waits_for_the_search(world, iso, end):
    """p2pctl waits until the daemon has searched: before that it cannot tell whether the download
    is possible."""
    iso.begins_as = "searching"
    process = Process(ctl_argv("download", "--no-wait", "debian.iso"), world.tmp / "ctl.log", clean_env(**iso.bus.env))
    transfer = iso.wait_transfer()
    with pytest.raises(subprocess.TimeoutExpired):
        process.popen.wait(0.5)
    transfer.set(**end)
    if end["State"] == "failed":
        assert process.wait() == 1 and "Transfer" not in process.log and "Move that file away, or save" in process.log
    else:
        assert process.wait() == 0 and process.log == "Transfer 1: /srv/downloads/debian.iso\n"


@pytest.mark.parametrize("option", ["--force", "-oother"])
def test_no_wait_takes_no_target(iso, option):
    assert "--no-wait" in check(ctl(iso.bus, "download", "--no-wait", option, "debian.iso"), 2).stderr
    assert iso.transfers == []


# ---------------------------------------------------------------------------- pause, resume, states


def test_pause_and_resume(iso, out):
    check(ctl(iso.bus, "download", "--no-wait", "debian.iso"), 0)
    check(ctl(iso.bus, "pause", "1"), 0)
    check(ctl(iso.bus, "resume", "1"), 0)
    assert iso.transfers[0].calls == ["Pause", "Resume"]
    for verb in ("pause", "resume"):
        assert "no transfer 7" in check(ctl(iso.bus, verb, "7", "1"), 3).stderr
        check(ctl(iso.bus, verb, "x"), 2)
        assert "needs the ID" in check(ctl(iso.bus, verb), 2).stderr
    assert iso.transfers[0].calls == ["Pause", "Resume", "Pause", "Resume"]


def test_pause_returns_when_the_transfer_has_paused(world, iso):
    """The daemon answers before the transfer has stopped."""
    check(ctl(iso.bus, "download", "--no-wait", "debian.iso"), 0)
    iso.transfers[0].set(State="active")
    iso.transfers[0].pauses = False
    process = Process(ctl_argv("pause", "1"), world.tmp / "ctl.log", clean_env(**iso.bus.env))
    wait_for(lambda: iso.transfers[0].calls == ["Pause"], "the call")
    with pytest.raises(subprocess.TimeoutExpired):
        process.popen.wait(0.5)
    iso.transfers[0].set(Transferred=5)
    iso.transfers[0].set(State="paused")
    assert process.wait() == 0


def test_states_of_transfers(iso):
    for _ in range(3):
        check(ctl(iso.bus, "download", "--no-wait", "debian.iso"), 0)
    checking, waiting, paused = iso.transfers
    checking.set(State="checking", Size=100, Transferred=34, Root=A, Verified=True)
    waiting.set(State="waiting", QueuePlace=3, Sources=["192.0.2.9:5556"])
    paused.set(State="paused", Error=ERROR + "NoSpace", ErrorMessage="no space is left")
    rows = [line.split(maxsplit=7) for line in ctl(iso.bus, "transfers", "--no-legend").stdout.splitlines()]
    assert rows[0][3:5] == ["checking", "34%"]
    assert rows[1][3] == "waiting" and rows[1][7] == "place 3 in the queue, 192.0.2.9:5556"
    assert rows[2][3] == "paused" and rows[2][7] == "no space is left"
    data = document(ctl(iso.bus, "transfers", "--json"))["transfers"]
    assert [t["queue_place"] for t in data] == [0, 3, 0]
    assert [t["root"] for t in data] == [A, None, None] and [t["verified"] for t in data] == [True, False, False]
    assert "3 down (34%), 1 of them paused" in ctl(iso.bus, "status").stdout
    assert document(ctl(iso.bus, "status", "--json"))["peer"]["transfers"]["paused"] == 1


def test_shares_that_are_being_hashed(daemon):
    daemon.properties["Shares"] = [("/a", 1, "published", ""), ("/b", 2, "hashing", "34%"),
                                   ("/c", 3, "hashing", "waiting"), ("/d", 4, "limit", "FT keeps 5 files")]
    lines = check(ctl(daemon.bus, "shares"), 0).stdout.splitlines()
    assert [line.split(maxsplit=3)[3] for line in lines[1:5]] == [
        "published", "hashing, 34%", "hashing, waiting", "not published: FT keeps 5 files"]
    assert lines[5] == "1 published, 2 being hashed, 1 not"
    assert "shares: 1 published, 2 being hashed, 1 not (p2pctl shares says why)" in ctl(daemon.bus, "status").stdout
    shares = document(ctl(daemon.bus, "status", "--json"))["peer"]["shares"]
    assert shares == {"published": 1, "not_published": 3, "hashing": 2}


def test_a_narrow_terminal(iso):
    """Paths keep their ends; reasons and addresses are complete."""
    for _ in range(2):
        check(ctl(iso.bus, "download", "--no-wait", "debian.iso"), 0)
    iso.transfers[0].set(State="active", Size=1000, Root=A, Sources=["192.0.2.9:5556"])
    iso.transfers[1].set(State="active", Size=1000, Root=A, Sources=["[2001:db8::9:1]:5556", "192.0.2.9:5556"])
    path = "/srv/share/a/directory/with/a/rather/long/name/and/something/in/it/"
    iso.properties["Shares"] = [(path + "one.txt", 0, "unreadable", "the user of p2p-peer may not read it"),
                                (path + "two.txt", 2, "published", ""), ("/c", 3, "pending", "")]
    env = clean_env(COLUMNS="80", NO_COLOR="1", **iso.bus.env)
    status, shown = on_terminal(ctl_argv("transfers", "--no-legend"), env)
    assert status == 0 and [line.split() for line in shown.splitlines()] == [
        "1 download debian.iso active 0% 1000 B - 192.0.2.9:5556".split(),
        "2 download debian.iso active 0% 1000 B -".split(), "[2001:db8::9:1]:5556, 192.0.2.9:5556".split()]
    status, shown = on_terminal(ctl_argv("shares", "--no-legend"), env)
    lines = [line.rstrip() for line in shown.splitlines()]
    assert status == 0 and max(map(len, lines)) <= 80
    assert [re.sub(" {2,}", "  ", re.sub("^/srv/share/.*….*/in/it/", "", line)) for line in lines] == [
        "one.txt  ?  not published:", "  the user of p2p-peer may not read it", "two.txt  2 B  published",
        "/c  3 B  pending"]


def test_monitor_of_new_states(world, iso):
    process = Process(ctl_argv("monitor"), world.tmp / "monitor.log", clean_env(**iso.bus.env))
    world.server(type("Stop", (), {"stop": lambda _: process.kill()})())
    process.wait_log("joined")
    check(ctl(iso.bus, "download", "--no-wait", "debian.iso"), 0)
    iso.transfers[0].set(State="checking", Size=11)
    process.wait_log("download 1, debian.iso: checking, 11 B")
    iso.transfers[0].set(State="paused", Error=ERROR + "NoSpace", ErrorMessage="no space is left")
    process.wait_log("debian.iso: paused, 11 B, no space is left")


# ------------------------------------------------------------------------------------------- verify


@pytest.fixture
def mine(out):
    """A file, and its root."""
    (out / "a.txt").write_bytes(HELLO)
    return out / "a.txt", ctl(None, "hash", out / "a.txt").stdout.split()[0]


def test_verify_by_root(mine):
    path, root = mine
    assert check(ctl(None, "verify", path, f"--root={root}"), 0).stdout == f"{path}: verified, its root is {root}\n"
    check(ctl(None, "verify", path, f"--root={root[:8].upper()}"), 0)
    result = check(ctl(None, "verify", path, f"--root={A}"), 1)
    assert "differs" in result.stderr and root in result.stderr
    assert "prove nothing" in check(ctl(None, "verify", path, f"--root={root[:7]}"), 2).stderr
    assert "/missing" in check(ctl(None, "verify", "/missing", path, f"--root={root}"), 1).stderr
    check(ctl(None, "search", "x", f"--root={root}"), 2)


def test_verify_against_roots_of_peers(daemon, mine):
    path, root = mine
    daemon.share("a.txt", (11, 1, root), (11, 2, root), (9, 3, None))
    assert check(ctl(daemon.bus, "verify", path), 0).stdout == f"{path}: verified, as 2 peers share it\n"
    daemon.share("a.txt", (11, 1, root), (11, 2, A))
    assert check(ctl(daemon.bus, "verify", path), 0).stdout == f"{path}: verified, as 1 of 2 peers share it\n"
    for records in ([(11, 1, A)], [(12, 1, A)]):
        daemon.share("a.txt", *records)
        result = check(ctl(daemon.bus, "verify", path), 1)
        assert 'differs from what is shared as "a.txt"' in result.stderr and "p2pctl search --exact a.txt" in result.stderr
    result = document(ctl(daemon.bus, "verify", path, "--json"))
    assert result["files"] == [{"path": str(path), "size": None, "root": None, "result": "differs", "peers_same": 0,
                                "peers": 1}]


def test_verify_has_nothing_to_compare_with(daemon, mine):
    path, root = mine
    assert 'shares "a.txt"' in check(ctl(daemon.bus, "verify", path), 3).stderr
    daemon.share("a.txt", (11, 1, None))
    assert "state no root" in check(ctl(daemon.bus, "verify", path), 3).stderr
    # Only under another name, and only by this peer itself.
    daemon.found["a.txt"] = [("a.txt", "gz", 11, "2026-09-06", "192.0.2.9", 1, root)]
    check(ctl(daemon.bus, "verify", path), 3)
    daemon.properties["Address"] = "192.0.2.9:1"
    daemon.share("a.txt", (11, 1, root))
    assert "only this peer" in check(ctl(daemon.bus, "verify", path), 3).stderr


def test_verify_without_a_daemon(mine):
    path, _ = mine
    check(ctl(None, "verify", path), 4)


def test_verify_of_a_path_that_is_mistyped(daemon, mine):
    """p2pctl asks nobody about it and checks the other paths."""
    path, root = mine
    missing = path.parent / "missing.txt"
    daemon.share("a.txt", (11, 1, root))
    result = check(ctl(daemon.bus, "verify", missing, path), 1)
    assert result.stderr == f"p2pctl: cannot read {missing}: No such file or directory.\n"
    assert result.stdout == f"{path}: verified, as 1 peer shares it\n"
    assert "Is a directory" in check(ctl(None, "verify", path.parent), 1).stderr
    result = document(check(ctl(None, "verify", missing, "--json"), 1))
    assert [(f["path"], f["result"], f["size"]) for f in result["files"]] == [(str(missing), "unreadable", None)]


def test_files_of_this_host_are_not_those_of_another(mine):
    path, root = mine
    for args in (["hash", path], ["verify", f"--root={root}", path], ["config", "check", path]):
        result = check(ctl(None, "-H", "far", *args), 2)
        assert "does not take -H" in result.stderr and f"Try: ssh far p2pctl {' '.join(map(str, args))}\n" in result.stderr
