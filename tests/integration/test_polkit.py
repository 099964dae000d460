# SPDX-License-Identifier: MIT
"""Permissions of two ordinary users (one may download, one may manage), of a third who may do
nothing, of root, and of the daemon's user: with polkit, without it, and with a broken one.
tests/system has a real polkit."""

import os
import re
import subprocess

import pytest

from harness import (DEADLINE, NOBODY, PEER, PEER_PATH, SOURCE, TRANSFER, BusError,
                     ScriptedServer, as_user, check, clean_env, content, ctl_argv, record, silent,
                     wait_for)
from harness.fake_polkit import FakePolkit, actions
from harness.p2pctl import on_terminal

DOWNLOAD, MANAGE, SHARE = "org.p2pshare.download", "org.p2pshare.manage", "org.p2pshare.share"
# Users that every Debian has; nobody is what the peer runs as.
ANN, BEN, CAT = 1, 2, 5  # downloads, manages, may nothing
DENIED = "Access denied"  # all that busctl says
QUESTIONS_OF_USER = 16

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can be somebody else")


@pytest.fixture
def world(public_world):
    return public_world


@pytest.fixture
def bus(world):
    return world.bus(owner=NOBODY)


@pytest.fixture
def peer(world, bus, ft):
    """A peer that is not root, as none of ours is."""
    return world.peer(ft, bus=bus, uid=NOBODY).joined()


@pytest.fixture
def ft(world):
    return world.ft(world.bus())


@pytest.fixture
def polkit(world, peer):
    return world.server(FakePolkit(peer.bus, {(ANN, DOWNLOAD): "yes", (BEN, MANAGE): "yes"}))


@pytest.fixture
def slow(world, ft):
    """A peer that finds slow.bin, of which nothing arrives."""
    wire = ft.join(record("slow", "bin", 1000, world.server(ScriptedServer(silent)).port))
    yield "slow.bin"
    wire.close()


def download(peer, name, uid=None):
    return peer.call("Download", "sa{sv}", name, 0, uid=uid)


def denied(function, *args, match=DENIED, **options):
    with pytest.raises(BusError, match=match):
        function(*args, **options)


def transfer_call(peer, path, method, uid):
    return peer.bus.call(PEER, path, TRANSFER, method, uid=uid)


def state(peer, path):
    return peer.bus.get(PEER, path, TRANSFER, "State")


def test_two_users_and_a_third(peer, polkit, slow):
    denied(download, peer, slow, uid=CAT)
    denied(download, peer, slow, uid=BEN)
    path = download(peer, slow, uid=ANN)
    assert path in peer.transfers()
    for method in "Rescan", "Reload", "Leave":
        denied(peer.call, method, uid=ANN)
        denied(peer.call, method, uid=CAT)
    assert peer.state == "joined"
    # Others' transfers are for who manages.
    for method in "Pause", "Cancel":
        denied(transfer_call, peer, path, method, CAT)
    peer.call("Rescan", uid=BEN)
    peer.call("Reload", uid=BEN)
    peer.call("Leave", uid=BEN)
    peer.wait_state("left")
    denied(peer.call, "Join", uid=CAT)
    assert peer.state == "left"
    peer.call("Join", uid=BEN)
    peer.joined()
    transfer_call(peer, path, "Cancel", BEN)
    wait_for(lambda: state(peer, path) == "cancelled", "the end of the transfer")
    assert set(polkit.asked) == {(uid, action, 1) for uid in (ANN, BEN, CAT) for action in (DOWNLOAD, MANAGE)}


def test_own_transfers(peer, polkit, slow):
    path = download(peer, slow, uid=ANN)
    del polkit.asked[:]
    with pytest.raises(BusError, match="could not go on"):
        transfer_call(peer, path, "Pause", ANN)  # hers, but a file without a root
    transfer_call(peer, path, "Cancel", ANN)
    wait_for(lambda: state(peer, path) == "cancelled", "the end of the transfer")
    assert polkit.asked == []


def test_own_transfers_after_a_restart(peer, polkit, slow):
    """The transfer goes on and still belongs to the user who asked for it."""
    path = download(peer, slow, uid=ANN)
    peer.stop()
    peer.start().joined()
    path, = peer.transfers()
    denied(transfer_call, peer, path, "Cancel", CAT)
    transfer_call(peer, path, "Cancel", ANN)
    wait_for(lambda: state(peer, path) == "cancelled", "the end of the transfer")


def test_uploads_have_no_owner(world, ft, peer, polkit):
    peer.reload(share=[str(world.file("big.bin", content(4_000_000)))], upload_rate="100K")
    ft.wait_lookup("big.bin")
    other = world.peer(ft).joined()
    assert other.ctl("download", "--no-wait", "big.bin").returncode == 0
    path, = wait_for(lambda: [p for p, t in peer.transfers().items() if t["Direction"] == "upload"], "the upload")
    denied(transfer_call, peer, path, "Cancel", ANN)
    transfer_call(peer, path, "Cancel", BEN)
    wait_for(lambda: state(peer, path) == "cancelled", "the end of the upload")


@pytest.mark.parametrize("uid", [0, NOBODY])
def test_root_and_the_own_user_are_not_asked_about(peer, polkit, slow, uid):
    path = download(peer, slow, uid=uid)
    transfer_call(peer, path, "Cancel", uid)
    peer.call("Leave", uid=uid)
    assert polkit.asked == []


def test_without_polkit(peer, slow):
    denied(download, peer, slow, uid=ANN)
    denied(peer.call, "Leave", uid=BEN)
    assert "polkit does not answer" in check(peer.ctl("leave", uid=BEN), 1).stderr
    assert peer.error_name("Leave") is None  # root
    peer.call("Join", uid=NOBODY)


@pytest.mark.parametrize("answer", ["failed", "garbage"])
def test_a_broken_polkit(world, peer, answer):
    world.server(FakePolkit(peer.bus, {(BEN, MANAGE): answer}))
    assert "polkit does not answer" in check(peer.ctl("leave", uid=BEN), 1).stderr
    peer.wait_log("Cannot (ask|read)")
    assert peer.state == "joined"
    peer.call("Leave")


def busctl(peer, *args, uid):
    return subprocess.Popen(as_user(uid) + ["/usr/bin/busctl", f"--address={peer.bus.address}", "--timeout=25", *args],
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=clean_env())


def leave(peer, uid):
    return busctl(peer, "call", PEER, PEER_PATH, PEER, "Leave", uid=uid)


def ended(process):
    _, errors = process.communicate(timeout=DEADLINE)
    return process.returncode, errors


def test_the_answer_may_take_its_time(peer, polkit):
    """The daemon serves others meanwhile."""
    polkit.rules[BEN, MANAGE] = "silent"
    waiting = leave(peer, BEN)
    polkit.wait_open()
    assert peer.state == "joined"
    polkit.answer(True)
    assert ended(waiting) == (0, "")
    peer.wait_state("left")


def test_a_denial_that_takes_its_time(peer, polkit):
    polkit.rules[BEN, MANAGE] = "silent"
    waiting = leave(peer, BEN)
    polkit.wait_open()
    polkit.answer(False)
    status, errors = ended(waiting)
    assert status != 0 and DENIED in errors
    assert peer.state == "joined"


def test_a_caller_that_vanishes(peer, polkit):
    """The daemon cancels the question, so that no dialog stays, and does nothing."""
    polkit.rules[BEN, MANAGE] = "silent"
    waiting = leave(peer, BEN)
    polkit.wait_open()
    question, = polkit.open
    waiting.kill()
    waiting.communicate()
    wait_for(lambda: polkit.cancelled == [question], "the cancellation")
    assert peer.state == "joined"


def test_a_transfer_that_ends_meanwhile(peer, polkit, slow):
    path = download(peer, slow, uid=ANN)
    polkit.rules[BEN, MANAGE] = "silent"
    waiting = busctl(peer, "call", PEER, path, TRANSFER, "Cancel", uid=BEN)
    polkit.wait_open()
    transfer_call(peer, path, "Cancel", ANN)
    wait_for(lambda: state(peer, path) == "cancelled", "the end of the transfer")
    polkit.answer(True)
    status, errors = ended(waiting)
    assert status != 0 and "has ended" in errors


def test_questions_have_a_limit(peer, polkit):
    """The limit is per user, so that one user cannot use up another's."""
    polkit.rules[CAT, MANAGE] = "silent"
    waiting = [leave(peer, CAT) for _ in range(QUESTIONS_OF_USER)]
    polkit.wait_open(QUESTIONS_OF_USER)
    denied(peer.call, "Leave", uid=CAT, match="Too many")
    denied(peer.call, "Leave", uid=ANN)  # has been asked about
    peer.call("Leave", uid=BEN)
    peer.wait_state("left")
    polkit.answer(False)
    assert all(ended(process)[0] != 0 for process in waiting)


def test_a_peer_that_ends_while_it_asks(peer, polkit):
    polkit.rules[CAT, MANAGE] = "silent"
    waiting = leave(peer, CAT)
    polkit.wait_open()
    peer.stop()
    assert ended(waiting)[0] != 0


def test_a_users_own_peer_does_not_ask_polkit(world, ft):
    """On the session bus only its owner and root may call it."""
    bus = world.bus(owner=NOBODY)
    polkit = world.server(FakePolkit(bus, {(BEN, MANAGE): "yes"}))
    peer = world.peer(ft, bus=bus, uid=NOBODY, args=["--user"]).joined()
    denied(peer.call, "Leave", uid=BEN, match=DENIED)
    peer.call("Leave", uid=NOBODY)
    peer.wait_state("left")
    assert polkit.asked == []


# ------------------------------------------------------------------------------------------- p2pctl


def test_p2pctl_says_what_to_do(peer, polkit):
    result = check(peer.ctl("leave", uid=CAT), 1)
    assert result.stderr.splitlines() == [
        "p2pctl: permission denied: only root, the daemon's own user and users that polkit allows org.p2pshare.manage may.",
        'Ask an administrator to add you to the group p2pshare: sudo usermod -aG p2pshare "$USER"',
        "Or use sudo, or a p2p-peer of your own: p2pctl --user leave"]
    check(peer.ctl("leave", uid=BEN), 0)
    peer.wait_state("left")
    polkit.stop()
    assert "polkit does not answer" in check(peer.ctl("join", uid=BEN), 1).stderr


def test_p2pctl_asks_for_a_password(peer, polkit):
    """p2pctl first calls without a password, because most callers need none; then it lets polkit
    ask."""
    polkit.rules[CAT, MANAGE] = "password"
    check(peer.ctl("leave", uid=CAT), 0)
    peer.wait_state("left")
    assert polkit.asked == [(CAT, MANAGE, 0), (CAT, MANAGE, 1)]


def test_p2pctl_download_asks_once(world, ft, peer, polkit):
    files = {f"f{i}.txt": f"file {i}\n".encode() for i in range(5)}
    world.peer(ft, [world.file(name, data) for name, data in files.items()]).joined()
    for name in files:
        ft.wait_lookup(name)
    out = world.public_directory()
    os.chown(out, CAT, CAT)
    keep = [(CAT, DOWNLOAD, 0), (CAT, DOWNLOAD, 1)]

    class Keeping(dict):
        """As auth_admin_keep: a password lasts for a while."""

        def get(self, key, default=None):
            return "yes" if polkit.asked[:2] == keep and len(polkit.asked) > 2 else super().get(key, default)

    polkit.rules = Keeping({(CAT, DOWNLOAD): "password"})
    check(peer.ctl("download", *files, uid=CAT, cwd=out), 0)
    for name, data in files.items():
        assert (out / name).read_bytes() == data
        assert (out / name).stat().st_uid == CAT
    assert polkit.asked == keep + [(CAT, DOWNLOAD, 0)] * 4


def test_p2pctl_without_an_agent(peer, polkit):
    """polkit has no agent, so that even a call that lets it ask fails."""
    polkit.rules[CAT, MANAGE] = "no-agent"
    result = check(peer.ctl("leave", uid=CAT), 1)
    assert result.stderr.startswith("p2pctl: p2pctl leave needs the password of an administrator")
    assert polkit.asked == [(CAT, MANAGE, 0), (CAT, MANAGE, 1)]
    assert peer.state == "joined"


def test_p2pctl_starts_the_agent_of_the_terminal(world, peer, polkit):
    """p2pctl starts the agent before the call that lets polkit ask, and ends it afterwards."""
    polkit.rules[CAT, MANAGE] = "password"
    tools, seen = world.directory("bin"), world.directory("seen")
    seen.chmod(0o777)
    agent = tools / "pkttyagent"
    agent.write_text("#!/bin/bash\n"
                     f'echo "$PPID $@" >{seen}/arguments\n'
                     f"trap 'touch {seen}/ended; exit' TERM\n"
                     'eval "exec $2>&-"\n'  # --notify-fd N: ready
                     "while :; do sleep 0.1; done\n")
    agent.chmod(0o755)
    env = clean_env(**peer.bus.env)
    status, output = on_terminal(as_user(CAT) + ctl_argv("leave"), env | {"PATH": f"{tools}:{env['PATH']}"})
    assert status == 0, output
    peer.wait_state("left")
    assert re.fullmatch(r"\d+ --notify-fd \d+ --fallback\n", (seen / "arguments").read_text())
    assert (seen / "ended").exists()
    check(peer.ctl("join", uid=BEN), 0)
    (seen / "arguments").unlink()
    # Who needs no password gets no agent.
    assert on_terminal(as_user(BEN) + ctl_argv("leave"), env | {"PATH": f"{tools}:{env['PATH']}"}) == (0, "")
    assert not (seen / "arguments").exists()


def test_the_policy_file():
    """Each action that the daemon asks about is there, and p2p-peer, which is not root, may ask."""
    names = set(re.findall(r'#define POLKIT_[A-Z]+ +"([^"]+)"', (SOURCE / "src/bus/polkit.h").read_text()))
    assert set(actions()) == names
    assert all(owners == ["unix-user:p2p-peer"] for owners in actions().values())
