# SPDX-License-Identifier: MIT
"""p2pctl download with the real daemon: where the file goes, what a failure leaves behind, and who
may end it."""

import os
import signal
import subprocess

import pytest

from harness import (NOBODY, PEER, TRANSFER, Process, check, clean_env, content, ctl_argv, document,
                     fake_source, found, wait_for)
from harness.merkle import PIECE_MIN
from harness.swarm import HttpSource, found_rooted, held_up


def test_where_a_download_goes(other, peer, out):
    check(peer.ctl("download", "report.txt", cwd=out), 0)
    check(peer.ctl("download", "report.txt", "-o", "mine.txt", cwd=out), 0)
    (out / "sub").mkdir()
    check(peer.ctl("download", "report.txt", "-o", "sub", cwd=out), 0)
    check(peer.ctl("download", "report.txt", "-o", out / "sub" / "again.txt"), 0)
    files = sorted(str(path.relative_to(out)) for path in out.rglob("*") if path.is_file())
    assert files == ["mine.txt", "report.txt", "sub/again.txt", "sub/report.txt"]
    assert {path.read_bytes() for path in out.rglob("*.txt")} == {b"hello body\n"}
    assert os.listdir(peer.downloads) == []


def test_a_name_without_extension(other, peer, out):
    check(peer.ctl("download", "report", cwd=out), 0)
    assert os.listdir(out) == ["report.txt"]


def test_an_existing_target(other, peer, out):
    (out / "report.txt").write_bytes(b"mine")
    for name in ("report.txt", "report"):
        result = check(peer.ctl("download", name, cwd=out), 1)
        assert "report.txt" in result.stderr and "--force" in result.stderr
        assert os.listdir(out) == ["report.txt"]
        assert (out / "report.txt").read_bytes() == b"mine"
    check(peer.ctl("download", "report.txt", "--force", cwd=out), 0)
    assert (out / "report.txt").read_bytes() == b"hello body\n"


@pytest.mark.parametrize("target", ["/nonexistent/x", "/proc/x", "/dev/null/x"])
def test_an_unwritable_place(other, peer, target):
    result = check(peer.ctl("download", "report.txt", "-o", target), 1)
    assert target in result.stderr
    assert peer.transfers() == {}  # nothing was begun


def test_a_failed_download_leaves_nothing(world, fake, out):
    source = world.server(fake_source(b"FILE: short"))
    fake.answers["f.bin"] = found(("bin", 1000, source.port))
    result = check(fake.ctl("download", "f.bin", cwd=out), 1)
    assert "f.bin" in result.stderr
    assert os.listdir(out) == []
    # What was there before is untouched by one that failed.
    (out / "f.bin").write_bytes(b"mine")
    check(fake.ctl("download", "f.bin", "--force", cwd=out), 1)
    assert os.listdir(out) == ["f.bin"] and (out / "f.bin").read_bytes() == b"mine"


def start_download(peer, out, *args):
    return Process(ctl_argv("download", *args), out.parent / "ctl.log", clean_env(**peer.bus.env), cwd=out)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_cancels(stuck, out, number):
    process = start_download(stuck, out, "slow.bin")
    wait_for(lambda: [t for t in stuck.transfers().values() if t["State"] == "active"], "the transfer")
    assert os.listdir(out) == ["slow.bin.part"]
    process.signal(number)
    assert process.wait() == 128 + number
    assert os.listdir(out) == []
    assert [t["State"] for t in stuck.transfers().values()] == ["cancelled"]
    assert "cancelled" in process.log


def test_the_daemon_dies_under_a_download(stuck, out):
    process = start_download(stuck, out, "slow.bin")
    wait_for(lambda: [t for t in stuck.transfers().values() if t["State"] == "active"], "the transfer")
    stuck.kill()
    assert process.wait() in (1, 4)
    assert "p2p-peer" in process.log
    assert os.listdir(out) == []


def test_p2pctl_dies_under_a_download(world, stuck, out):
    """After kill -9 the transfer ends without the final name. A .part remains, and the next p2pctl
    takes it over."""
    process = start_download(stuck, out, "slow.bin")
    wait_for(lambda: [t for t in stuck.transfers().values() if t["State"] == "active"], "the transfer")
    process.kill()
    wait_for(lambda: [t["State"] for t in stuck.transfers().values()] == ["cancelled"], "the transfer to end")
    assert os.listdir(out) == ["slow.bin.part"]
    source = world.server(fake_source(b"FILE: whole"))
    stuck.answers["slow.bin"] = found(("bin", 5, source.port))
    check(stuck.ctl("download", "slow.bin", cwd=out), 0)
    assert os.listdir(out) == ["slow.bin"] and (out / "slow.bin").read_bytes() == b"whole"


def test_forged_signals(stuck, out):
    """Any user may send signals to anybody. None of them ends a download, or makes half a file look
    complete."""
    process = start_download(stuck, out, "slow.bin")
    path, = wait_for(lambda: [p for p, t in stuck.transfers().items() if t["State"] == "active"], "the transfer")
    names = stuck.bus.call("org.freedesktop.DBus", "/", "org.freedesktop.DBus", "ListNames")
    for name in [name for name in names if name.startswith(":")]:
        stuck.bus.busctl("emit", f"--destination={name}", path, "org.freedesktop.DBus.Properties", "PropertiesChanged",
                         "sa{sv}as", TRANSFER, 2, "State", "s", "done", "Size", "t", 50_000, 0, uid=NOBODY)
        stuck.bus.busctl("emit", f"--destination={PEER}", "/org/freedesktop/DBus", "org.freedesktop.DBus",
                         "NameOwnerChanged", "sss", name, name, "", uid=NOBODY)
    assert stuck.transfers()[path]["State"] == "active"
    with pytest.raises(subprocess.TimeoutExpired):
        process.popen.wait(0.5)
    assert os.listdir(out) == ["slow.bin.part"]
    process.signal(signal.SIGINT)
    process.wait()


def test_a_part_with_another_name_is_not_emptied(other, peer, out):
    """The .part may be a link to a file that must not be lost."""
    precious = out.parent / "precious"
    precious.write_bytes(b"precious")
    os.link(precious, out / "report.txt.part")
    result = check(peer.ctl("download", "report.txt", cwd=out), 1)
    assert "not a regular file that you own" in result.stderr
    assert precious.read_bytes() == b"precious"


def test_two_downloads_to_one_place(stuck, out):
    process = start_download(stuck, out, "slow.bin")
    wait_for(lambda: [t for t in stuck.transfers().values() if t["State"] == "active"], "the transfer")
    result = check(stuck.ctl("download", "slow.bin", cwd=out), 1)
    assert "slow.bin.part" in result.stderr and "another download" in result.stderr
    assert process.running()
    process.signal(signal.SIGINT)
    process.wait()


def test_cancelled_by_somebody_else(stuck, out):
    process = start_download(stuck, out, "slow.bin")
    path, = wait_for(lambda: [p for p, t in stuck.transfers().items() if t["State"] == "active"], "the transfer")
    shown = stuck.ctl("transfers").stdout
    assert "slow" in shown
    check(stuck.ctl("cancel", path.rsplit("/")[-1].lstrip("_")), 0)
    assert process.wait() == 1
    assert "cancelled" in process.log
    assert os.listdir(out) == []


def test_choosing_a_record(world, fake, out):
    small = world.server(fake_source(b"FILE: small"))
    large = world.server(fake_source(b"FILE: large file"))
    fake.answers["f.bin"] = fake.answers["f"] = found(("bin", 5, small.port), ("bin", 10, large.port))
    check(fake.ctl("download", "f.bin", "--size", 10, cwd=out), 0)
    assert (out / "f.bin").read_bytes() == b"large file"
    check(fake.ctl("download", "f", "--port", small.port, "--force", cwd=out), 0)
    assert (out / "f.bin").read_bytes() == b"small"
    check(fake.ctl("download", "f.bin", "--type", "txt", "-o", "other", cwd=out), 3)
    assert os.listdir(out) == ["f.bin"]
    shown = fake.ctl("search", "f").stdout.splitlines()
    assert len([line for line in shown if line.startswith("f ")]) == 2


# -------------------------------------------------------------------------------- files with a root


PIECES = 12
DATA = content(PIECES * PIECE_MIN + 7)


@pytest.fixture
def held(world, fake):
    """f.bin, of which five pieces come. .rest() is a source with all of it."""
    source = world.server(HttpSource(DATA, **held_up(5)))
    fake.answers["f.bin"] = found_rooted("f.bin", [source])

    def rest():
        whole = world.server(HttpSource(DATA))
        fake.answers["f.bin"] = found_rooted("f.bin", [whole])
        return whole

    fake.source, fake.rest = source, rest
    return fake


def transfer_of(peer):
    """The path of the running transfer, once four pieces are verified."""
    def find():
        return [path for path, t in peer.transfers().items()
                if t["State"] == "active" and t["Transferred"] >= 4 * PIECE_MIN]
    path, = wait_for(find, "four pieces")
    return path


def by_ctrl_c(held, process):
    process.signal(signal.SIGINT)
    assert process.wait() == 130
    assert "kept in f.bin.part. To resume, repeat the command." in process.log


def by_the_daemon(held, process):
    held.kill()
    assert process.wait() == 4
    assert "kept in f.bin.part. To resume, repeat the command." in process.log
    held.start().joined()


def by_p2pctl(held, process):
    process.kill()
    wait_for(lambda: [t["State"] for t in held.transfers().values()] == ["cancelled"], "the transfer to end")


def by_the_source(held, process):
    held.source.stop()
    assert process.wait() == 1
    assert "kept in f.bin.part. To resume, repeat the command." in process.log


@pytest.mark.parametrize("end", [by_ctrl_c, by_the_daemon, by_p2pctl, by_the_source], ids=lambda end: end.__name__)
def test_the_same_command_goes_on(held, out, end):
    """Whatever has ended the first command, the second fetches no verified piece again."""
    process = start_download(held, out, "f.bin")
    path = transfer_of(held)
    verified = held.transfers()[path]["Transferred"] // PIECE_MIN
    end(held, process)
    assert os.listdir(out) == ["f.bin.part"]
    rest = held.rest()
    result = check(held.ctl("download", "f.bin", cwd=out), 0)
    assert result.stdout.startswith("Saved f.bin, 12.0 MiB") and "every piece verified" in result.stdout
    assert os.listdir(out) == ["f.bin"] and (out / "f.bin").read_bytes() == DATA
    asked = rest.pieces_asked()
    assert all(n == 1 for n in asked.values()) and len(asked) <= PIECES + 1 - verified + 1, asked


def test_pause_and_resume(held, out):
    process = start_download(held, out, "f.bin")
    number = transfer_of(held).rsplit("/")[-1]
    check(held.ctl("pause", number), 0)
    assert "paused" in held.ctl("transfers").stdout
    assert process.running()
    held.rest()
    check(held.ctl("resume", number), 0)
    assert process.wait() == 0
    assert "Saved f.bin" in process.log and "of it from before" not in process.log
    assert (out / "f.bin").read_bytes() == DATA


def test_a_download_that_cannot_be_paused(stuck, out):
    """Such a download cannot be resumed."""
    process = start_download(stuck, out, "slow.bin")
    path, = wait_for(lambda: [p for p, t in stuck.transfers().items() if t["State"] == "active"], "the transfer")
    assert "has no root" in check(stuck.ctl("pause", path.rsplit("/")[-1]), 1).stderr
    process.signal(signal.SIGINT)
    process.wait()


def test_a_full_disk(world, held, out):
    """The command ends with that reason; it resumes when there is room."""
    if os.geteuid() != 0 or subprocess.run(["unshare", "--mount", "true"]).returncode != 0:
        pytest.skip("cannot mount")
    held.rest()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", out], check=True)
    try:
        assert "No space left" in check(held.ctl("download", "f.bin", cwd=out), 1).stderr
        wait_for(lambda: {t["State"] for t in held.transfers().values()} == {"cancelled"}, "the transfer to end")
        subprocess.run(["mount", "-o", "remount,size=20m", out], check=True)
        check(held.ctl("download", "f.bin", cwd=out), 0)
        assert (out / "f.bin").read_bytes() == DATA
    finally:
        subprocess.run(["umount", out], check=True)


def test_one_of_two_files(world, fake, out):
    a, b = world.server(HttpSource(content(1000, 3))), world.server(HttpSource(content(1000, 5)))
    fake.answers["f.bin"] = found_rooted("f.bin", [a]) + found_rooted("f.bin", [b]).replace("FOUND: ", ", ")
    result = check(fake.ctl("download", "f.bin", cwd=out), 1)
    assert a.root[:8] in result.stderr and b.root[:8] in result.stderr and os.listdir(out) == []
    check(fake.ctl("download", "f.bin", "--root", b.root[:8], cwd=out), 0)
    assert (out / "f.bin").read_bytes() == b.data
    assert "as 1 of 2 peers share it" in check(fake.ctl("verify", out / "f.bin"), 0).stdout
    (out / "f.bin").write_bytes(content(1000, 7))
    check(fake.ctl("verify", out / "f.bin"), 1)


def test_several_files_without_waiting(world, fake, out):
    names = [f"{i}.bin" for i in range(5)]
    data = {name: content(2 * PIECE_MIN + i, i + 1) for i, name in enumerate(names)}
    for name in names:
        fake.answers[name] = found_rooted(name, [world.server(HttpSource(data[name]))])
    shown = check(fake.ctl("download", *names, cwd=out), 0).stdout
    assert len(shown.splitlines()) == 5 and shown.count("every piece verified") == 5
    assert {path.name: path.read_bytes() for path in out.iterdir()} == data
    shown = check(fake.ctl("download", "--no-wait", *names), 0).stdout
    assert [line.split(": ")[1] for line in shown.splitlines()] == [str(fake.downloads / name) for name in names]
    wait_for(lambda: sorted(os.listdir(fake.downloads)) == names, "the files")
    assert {path.name: path.read_bytes() for path in fake.downloads.iterdir()} == data


def test_an_existing_target_fails_at_once(world, fake):
    """The file exists already: p2pctl says so at once, and what to do about it."""
    fake.answers["f.bin"] = fake.answers["f"] = found_rooted("f.bin", [world.server(HttpSource(DATA))])
    (fake.downloads / "f.bin").write_bytes(b"mine")
    for name in ("f.bin", "f"):
        result = check(fake.ctl("download", "--no-wait", name), 1)
        assert result.stdout == "" and result.stderr.splitlines()[-2:] == [
            f"p2pctl: cannot write {fake.downloads}/f.bin: a file of that name is there already.",
            f"Move that file away, or save the new one elsewhere: p2pctl download {name} -o PATH"]
    result = document(fake.ctl("download", "--no-wait", "--json", "f.bin"))["downloads"][0]
    assert (result["status"], result["saved"], result["transfer"]["state"]) == (1, None, "failed")
    (fake.downloads / "f.bin").unlink()
    check(fake.ctl("download", "--no-wait", "f.bin"), 0)
