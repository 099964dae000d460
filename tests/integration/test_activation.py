# SPDX-License-Identifier: MIT
"""Socket and D-Bus activation, the watchdog of systemd, and a desktop user's peer."""

import contextlib
import ctypes
import os
import pathlib
import re
import signal
import socket
import subprocess
import threading
import time

import pytest

from harness import PEER, SOURCE, Wire, clean_env, ctl, ini_text, program, wait_for
from harness.notify import Notify

# ------------------------------------------------------------------------------------------ sockets


def speak(name, port):
    """Sends a request that the daemon must answer."""
    with Wire(port) as wire:
        if name == "p2p-ft":
            wire.send("HELLO\n")
            wire.expect("HI\n")
        else:
            wire.send("GET /file/" + "0" * 64 + " HTTP/1.1\r\nHost: x\r\n\r\n")
            assert wire.recv_until().startswith(b"HTTP/1.1 404 ")


@pytest.mark.parametrize("name", ["p2p-ft", "p2p-peer"])
def test_the_first_connection_starts_it(world, bus, name):
    activate = "/usr/bin/systemd-socket-activate"
    if not os.path.exists(activate):
        pytest.skip("no systemd-socket-activate")
    daemon = world.ft(bus, start=False) if name == "p2p-ft" else world.peer(None, [], bus=bus, start=False)
    notify = Notify(pathlib.Path(daemon.notify_dir) / "socket")
    argv, port = daemon.argv(), daemon.port
    daemon.sections[daemon.section]["listen"] = "127.0.0.1:1"  # not its own business then
    daemon.write_config()
    env = clean_env(NOTIFY_SOCKET=notify.path, STATE_DIRECTORY=str(daemon.state_dir), **bus.env)
    with open(daemon.log_path, "ab") as log:
        process = subprocess.Popen([activate, f"--listen=127.0.0.1:{port}", *[f"-E{k}={v}" for k, v in env.items()], *argv],
                                   stderr=log, env=env)
    try:
        wait_for(lambda: "Listening on 127.0.0.1" in daemon.log, "systemd-socket-activate to listen")
        assert notify.messages == []  # nothing runs yet
        speak(name, port)
        speak(name, port)
        wait_for(lambda: any("READY=1" in message for message in notify.messages), "it to be ready")
        os.kill(process.pid, signal.SIGTERM)  # it has become the daemon
        assert process.wait(30) == 0, daemon.log
    finally:
        process.kill()
        process.wait()
        notify.close()


@pytest.mark.parametrize("name", ["p2p-ft", "p2p-peer"])
def test_connections_wait_during_a_restart(world, bus, name):
    """systemd keeps the socket: a connection waits until the daemon is back."""
    listener = socket.create_server(("127.0.0.1", 0), backlog=4096)
    port = listener.getsockname()[1]
    daemon = world.ft(bus, start=False) if name == "p2p-ft" else world.peer(None, [], bus=bus, start=False)
    daemon.listen_fd = listener
    daemon.start()
    speak(name, port)
    stop, answered, failed = threading.Event(), [], []

    def ask():
        while not stop.is_set():
            try:
                speak(name, port)
                answered.append(time.monotonic())
            except ConnectionRefusedError as error:
                failed.append(error)
            except (AssertionError, OSError):
                pass  # it was being served when the daemon ended

    asker = threading.Thread(target=ask)
    asker.start()
    try:
        for _ in range(3):
            daemon.stop()
            with Wire(port) as wire:  # while nobody is there
                daemon.start()
                wire.send("HELLO\n" if name == "p2p-ft" else "NONSENSE\n")
                assert wire.recv_some() == b"HI\n" if name == "p2p-ft" else True
            begun = time.monotonic()
            wait_for(lambda begun=begun: answered and answered[-1] > begun, "an answer after the restart")
    finally:
        stop.set()
        asker.join()
        listener.close()
    assert failed == []


# -------------------------------------------------------------------------------------------- D-Bus


LOOKS = (["status"], ["transfers"], ["shares"], ["monitor"], ["leave"], ["rescan"], ["pause", "1"], ["config", "reload"])


@pytest.mark.parametrize("wants", [["search", "x"], ["search", "--exact", "x"], ["download", "x"], ["join"]], ids=" ".join)
def test_a_call_starts_the_peer(world, wants):
    """As on a session bus without systemd, the bus runs what the service file says."""
    services = world.public_directory()
    home = world.directory("home")
    bus = world.bus(services=services)
    config = home / "p2pshare.ini"
    config.write_text("[peer]\nlisten = 127.0.0.1:" + str(world.peer(None, bus=bus, start=False).port) + "\n")
    env = clean_env(HOME=str(home), STATE_DIRECTORY=str(home / "state"), **bus.env)
    words = " ".join(f"{key}={value}" for key, value in env.items())
    text = (SOURCE / "dbus" / "org.p2pshare.Peer1.user.service.in").read_text()
    text = text.replace("@bindir@/p2p-peer", f"/usr/bin/env {words} {program('p2p-peer')} --config {config}")
    (services / "org.p2pshare.Peer1.service").write_text(text)
    bus.call("org.freedesktop.DBus", "/", "org.freedesktop.DBus", "ReloadConfig")
    assert bus.owner(PEER) is None
    # Who looks does not undo what somebody has stopped, nor does who wants less of it.
    for words in LOOKS:
        result = ctl(bus, "--user", *words)
        assert result.returncode == 4 and "p2p-peer is not running on the session bus." in result.stderr, result
        assert "Try: systemctl --user start p2p-peer" in result.stderr and bus.owner(PEER) is None
    result = ctl(bus, "--user", *wants)
    assert result.returncode == 4 and ("not joined" in result.stderr or "been idle" in result.stderr), result
    assert bus.owner(PEER)
    result = ctl(bus, "--user", "status")
    assert (result.returncode, result.stderr) == (4, "") and "p2p-peer has been idle" in result.stdout
    pid = bus.call("org.freedesktop.DBus", "/", "org.freedesktop.DBus", "GetConnectionUnixProcessID", "s", PEER)
    os.kill(pid, signal.SIGTERM)
    wait_for(lambda: bus.owner(PEER) is None, "its end")


# ----------------------------------------------------------------------------------------- watchdog


def watchdogs(daemon):
    return sum("WATCHDOG=1" in message for message in daemon.notify.messages)


@pytest.mark.parametrize("name", ["p2p-ft", "p2p-peer"])
def test_signs_of_life(world, bus, name):
    daemon = world.ft(bus, start=False) if name == "p2p-ft" else world.peer(None, bus=bus, start=False)
    daemon.env = {"WATCHDOG_USEC": "300000"}
    daemon.start()
    wait_for(lambda: watchdogs(daemon) >= 5, "five signs of life")
    os.kill(daemon.pid, signal.SIGSTOP)
    try:
        time.sleep(0.1)  # what was on its way
        before = watchdogs(daemon)
        time.sleep(0.5)
        assert watchdogs(daemon) == before
    finally:
        os.kill(daemon.pid, signal.SIGCONT)
    wait_for(lambda: watchdogs(daemon) > before, "one more")


def test_no_watchdog_no_signs(peer):
    assert watchdogs(peer) == 0


def thread_of(daemon, name):
    for task in pathlib.Path(f"/proc/{daemon.pid}/task").iterdir():
        with contextlib.suppress(OSError):  # it has ended
            if (task / "comm").read_text().strip() == name:
                return int(task.name)
    return None


@pytest.mark.parametrize("thread", ["uploads", "downloads", "verify"])
def test_a_stuck_thread(world, bus, thread):
    """A running control loop alone does not satisfy the watchdog."""
    peer = world.peer(None, bus=bus, start=False, env={"WATCHDOG_USEC": "300000"}).start()
    tid = wait_for(lambda: thread_of(peer, thread), "the thread to have its name")
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.ptrace(0x4206, tid, None, None) != 0:  # PTRACE_SEIZE
        pytest.skip("may not stop a thread")
    assert libc.ptrace(0x4207, tid, None, None) == 0  # PTRACE_INTERRUPT
    os.waitpid(tid, 0x40000000)  # __WALL
    try:
        peer.wait_log("A thread has not answered")
        assert peer.state == "idle"  # the control loop still answers
        before = watchdogs(peer)
        time.sleep(0.5)
        assert watchdogs(peer) == before
    finally:
        libc.ptrace(17, tid, None, None)  # PTRACE_DETACH
    wait_for(lambda: watchdogs(peer) > before, "a sign of life")
    assert peer.log.count("A thread has not answered") == 1


# ---------------------------------------------------------------------------------------- a desktop


def desktop_peer(world, ft, **config):
    home = world.directory("home")
    (home / ".config").mkdir()
    peer = world.peer(ft, [], bus=world.bus(), start=False, args=["--user"], env={"HOME": str(home)})
    peer.sections["peer"].pop("download_dir")
    peer.sections |= config
    (home / ".config" / "p2pshare.ini").write_text(ini_text(peer.sections))
    peer.default_config = True
    return home, peer


def test_a_desktop_user_shares_public(world, ft):
    home, peer = desktop_peer(world, ft)
    (home / "Public").mkdir()
    (home / "Public" / "talk.txt").write_bytes(b"talk")
    (home / "secret.txt").write_bytes(b"secret")
    peer.start().joined()
    assert list(peer.shares()) == [str(home / "Public" / "talk.txt")]
    assert peer.get("DownloadDirectory") == str(home / "Downloads")


def test_what_the_desktop_calls_public(world, ft):
    home, peer = desktop_peer(world, ft)
    (home / "Öffentlich").mkdir()
    (home / "Öffentlich" / "talk.txt").write_bytes(b"talk")
    (home / ".config" / "user-dirs.dirs").write_text(
        'XDG_PUBLICSHARE_DIR="$HOME/Öffentlich"\nXDG_DOWNLOAD_DIR="$HOME/In"\n')
    peer.start().joined()
    assert list(peer.shares()) == [str(home / "Öffentlich" / "talk.txt")]
    assert peer.get("DownloadDirectory") == str(home / "In")


def test_a_home_is_never_public(world, ft):
    """user-dirs.dirs names $HOME where there is no public directory."""
    home, peer = desktop_peer(world, ft)
    (home / "secret.txt").write_bytes(b"secret")
    (home / ".config" / "user-dirs.dirs").write_text('XDG_PUBLICSHARE_DIR="$HOME/"\n')
    peer.start()
    wait_for(lambda: re.search("Not joined: ", peer.log), "the peer to look")
    assert peer.shares() == {}


def test_the_configuration_counts(world, ft):
    home, peer = desktop_peer(world, ft, share={"path": str(world.file("mine.txt"))})
    (home / "Public").mkdir()
    (home / "Public" / "talk.txt").write_bytes(b"talk")
    peer.start().joined()
    assert list(peer.shares()) == [str(world.tmp / "files" / "mine.txt")]


def test_the_service_shares_nothing_by_itself(world, ft, bus):
    home = world.directory("home")
    (home / "Public").mkdir()
    (home / "Public" / "talk.txt").write_bytes(b"talk")
    peer = world.peer(ft, [], bus=bus, env={"HOME": str(home)})
    wait_for(lambda: re.search("Not joined: ", peer.log), "the peer to look")
    assert peer.shares() == {}
