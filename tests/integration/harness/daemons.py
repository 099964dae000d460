# SPDX-License-Identifier: MIT
"""p2p-ft and p2p-peer, running, and the transfers of a peer as objects on D-Bus."""

import os
import pathlib
import shutil
import signal
import tempfile
import time

from harness.bus import FT, FT_PATH, PEER, PEER_PATH, TRANSFER, error_name
from harness.environment import clean_env, program
from harness.notify import Notify
from harness.p2pctl import ctl
from harness.ports import endpoint, free_port
from harness.process import Process, as_user
from harness.records import record_root
from harness.scripted import ScriptedServer
from harness.waiting import DEADLINE, STEP, wait_for
from harness.wire import Wire


def ini_text(sections):
    """Writes {"peer": {"max_uploads": 3}, "share": {"path": [a, b]}} as a file. `_` in a key
    becomes `-`, a list repeats the key, None leaves it out."""
    lines = []
    for section, keys in sections.items():
        lines.append(f"[{section}]")
        for key, value in keys.items():
            for item in value if isinstance(value, (list, tuple)) else [value]:
                if item is not None:
                    lines.append(f"{key.replace('_', '-')} = {item}")
    return "\n".join(lines) + "\n"


class Daemon:
    """One of the two daemons, running. Its stderr is .log; .config is its ini file."""

    binary = bus_name = path = interface = None
    default_config = False  # start it without --config
    listen_fd = None  # a listening socket to hand over, as systemd does

    def __init__(self, tmp, bus, sections, name, args=(), env=None, uid=None, start=True):
        self.bus, self.name, self.args, self.env, self.uid = bus, name, list(args), env or {}, uid
        self.dir = pathlib.Path(tmp) / name
        self.dir.mkdir(parents=True, exist_ok=True)
        self.sections = sections
        self.config = self.dir / "p2pshare.ini"
        self.log_path = self.dir / "log"
        self.state_dir = self.dir / "state"  # outlives a restart
        self.state_dir.mkdir(exist_ok=True)
        if uid is not None:
            os.chown(self.state_dir, uid, -1)
        self.log_path.touch()
        self.process = self.notify = self.status = None
        # A path of a unix socket is short; a directory of pytest's may be too long.
        self.notify_dir = tempfile.mkdtemp(prefix="p2pshare-notify-", dir="/tmp")
        self.write_config()
        if start:
            self.start()

    def write_config(self, text=None):
        self.config.write_text(ini_text(self.sections) if text is None else text)

    def argv(self):
        config = [] if self.default_config else ["--config", str(self.config)]
        return as_user(self.uid) + [program(self.binary), *config, *self.args]

    def make_notify(self, path):
        return Notify(path)

    def launch(self, argv):
        """Returns the command that runs `argv`, and the descriptors that it inherits."""
        if not self.listen_fd:
            return argv, ()
        # LISTEN_PID must be the PID of the daemon, and its descriptors begin at 3: a shell sees to
        # both.
        fd = self.listen_fd.fileno()
        return ["/bin/bash", "-c", f'exec 3<&{fd}; LISTEN_FDS=1 LISTEN_PID=$$ exec "$@"', "bash", *argv], (fd,)

    def start(self):
        """Starts the daemon and waits for READY=1."""
        assert not self.process or not self.process.running()
        self.notify = self.make_notify(pathlib.Path(self.notify_dir) / "socket")
        if self.uid is not None:
            os.chmod(self.notify_dir, 0o755)
            os.chmod(self.notify.path, 0o666)
        env = clean_env(NOTIFY_SOCKET=self.notify.path, STATE_DIRECTORY=str(self.state_dir), **self.bus.env)
        argv, fds = self.launch(self.argv())
        self.process = Process(argv, self.log_path, env | self.env, fds)
        self.process.name = self.name
        self.status = None
        self.notify.watch_end(self.process)
        self.notify.wait("READY=1", self.process)
        return self

    @property
    def log(self):
        return self.log_path.read_text(errors="backslashreplace")

    @property
    def pid(self):
        return self.process.pid

    def running(self):
        return self.process is not None and self.process.running()

    def wait_log(self, pattern, deadline=DEADLINE):
        return self.process.wait_log(pattern, deadline)

    def reload(self, text=None, **changes):
        """Writes the file again, sends SIGHUP, and waits for the READY=1 that follows RELOADING=1.
        changes: keys of the main section, or share=[paths], exclude=[globs]."""
        for key, value in changes.items():
            if key == "share":
                self.sections["share"]["path"] = value
            elif key == "exclude":
                self.sections["share"]["exclude"] = value
            else:
                self.sections[self.section][key] = value
        self.write_config(text)
        seen = len(self.notify.messages)
        self.process.signal(signal.SIGHUP)
        seen = self.notify.wait("RELOADING=1", self.process, seen)
        self.notify.wait("READY=1", self.process, seen)

    def stop(self, status=0):
        """Sends SIGTERM; checks the exit status and the log."""
        if self.process and self.status is None:
            self.process.signal(signal.SIGTERM)
            self.ended(status)

    def ended(self, status=0):
        """Waits for an end that the test has caused in another way, and checks it."""
        self.status = self.process.wait()
        self.notify.close()
        self.process.check_log()
        assert self.status == status, f"{self.name} ended with {self.status}:\n{self.log}"

    def kill(self):
        self.process.kill()
        self.status = -signal.SIGKILL
        self.notify.close()

    def cleanup(self):
        """Runs after each test: checks that a daemon that should still run does, and stops it."""
        try:
            if self.process and self.status is None:
                died = None if self.process.running() else self.process.wait()
                assert died is None, f"{self.name} died with status {died}:\n{self.log}"
                self.stop()
        finally:
            if self.process:
                self.process.kill()
                self.notify.close()
            shutil.rmtree(self.notify_dir, ignore_errors=True)

    def call(self, method, signature="", *args, uid=None):
        return self.bus.call(self.bus_name, self.path, self.interface, method, signature, *args, uid=uid)

    def error_name(self, method, *args):
        """Returns the name of the D-Bus error that the call gets, or None. The arguments are
        GVariant text."""
        return error_name(self.bus, self.bus_name, self.path, self.interface, method, *args)

    def get(self, prop):
        return self.bus.get(self.bus_name, self.path, self.interface, prop)

    def cpu_seconds(self):
        """CPU time that it has used so far."""
        fields = pathlib.Path(f"/proc/{self.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def fds(self):
        """How many file descriptors it has open."""
        return len(os.listdir(f"/proc/{self.pid}/fd"))


class Ft(Daemon):
    """p2p-ft. Keywords are keys of [ft]: Ft(tmp, bus, max_files_per_peer=2)."""

    binary, bus_name, path, interface, section = "p2p-ft", FT, FT_PATH, FT, "ft"

    def __init__(self, tmp, bus, name="ft", host="127.0.0.1", args=(), env=None, start=True, **ini):
        self.port = free_port(host)
        self.host = host
        self.address = endpoint(host, self.port)
        sections = {"ft": {"listen": self.address} | ini}
        super().__init__(tmp, bus, sections, name, args, env, start=start)

    def lookup(self, name):
        """What a SEARCH would find: [(name, type, size, date, address, port)]."""
        return [tuple(record[:6]) for record in self.call("Lookup", "s", name)]

    def lookup_roots(self, name):
        """The roots of what a SEARCH would find; None for a record without one."""
        return [record_root(record) for record in self.call("Lookup", "s", name)]

    def peers(self):
        """[(address, port, framing, records, since)]"""
        return [tuple(peer[:5]) for peer in self.call("ListPeers")]

    def only_session(self):
        """(address, port) of the other end of the one session that there is."""
        wait_for(self.peers, "a session")
        sessions = [(address, port) for address, port, *_ in self.peers()]
        assert len(sessions) == 1, sessions
        return sessions[0]

    def reachable(self):
        """{port of the session: whether FT could connect to that peer}"""
        return {peer[1]: peer[5] for peer in self.call("ListPeers")}

    def refused(self):
        return self.get("Refused")

    def wait_lookup(self, name, count=1):
        """Waits until `count` records are found (0: none)."""
        end = time.monotonic() + DEADLINE
        while len(found := self.lookup(name)) != count:
            assert time.monotonic() < end, f"{name!r}: {found}, expected {count}\n{self.log}"
            time.sleep(STEP)
        return found

    def connect(self):
        return Wire(self.port, self.host)

    def join(self, *records):
        """Opens a session that says HELLO and these records ("<a, txt, 1, ...>"), and waits until
        FT has accepted it."""
        before = {(address, port) for address, port, *_ in self.peers()}
        wire = self.connect()
        wire.send("HELLO\n")
        wire.expect("HI\n")
        wire.send("".join(record + "\n" for record in records))
        wait_for(lambda: wire.local in {(a, p) for a, p, *_ in self.peers()} - before,
                 "FT to accept " + " ".join(records))
        return wire


class Peer(Daemon):
    """p2p-peer. `ft`: an Ft, a port, "HOST:PORT" or None. `shares`: paths. Keywords are keys of [peer]."""

    binary, bus_name, path, interface, section = "p2p-peer", PEER, PEER_PATH, PEER, "peer"

    def __init__(self, tmp, bus, ft, shares=(), name="peer", host="127.0.0.1", exclude=(), args=(), env=None,
                 uid=None, start=True, **ini):
        self.port = free_port(host)
        self.host = host
        self.address = endpoint(host, self.port)
        self.downloads = pathlib.Path(tmp) / name / "downloads"
        self.downloads.mkdir(parents=True, exist_ok=True)
        if uid is not None:
            os.chown(self.downloads, uid, -1)
        if isinstance(ft, (Ft, ScriptedServer)):
            ft = ft.address
        elif isinstance(ft, int):
            ft = f"127.0.0.1:{ft}"
        sections = {
            "peer": {"ft": ft, "listen": self.address, "download_dir": self.downloads} | ini,
            "share": {"path": [str(path) for path in shares], "exclude": list(exclude)},
        }
        super().__init__(tmp, bus, sections, name, args, env, uid, start)

    @property
    def state(self):
        return self.get("State")

    def wait_state(self, state, deadline=DEADLINE):
        wait_for(lambda: self.state == state, f"{self.name} to be {state}\n{self.log}", deadline)
        return self

    def wait_reason(self, part, deadline=DEADLINE):
        wait_for(lambda: part in self.get("Reason"), f"a reason with {part!r}\n{self.log}", deadline)
        return self

    def joined(self):
        return self.wait_state("joined")

    def shares(self):
        """{path: (size, state, explanation)}"""
        return {path: (size, state, text) for path, size, state, text in self.get("Shares")}

    def wait_share(self, path, state):
        path = str(path)
        wait_for(lambda: self.shares().get(path, (0, None, ""))[1] == state, f"{path} to be {state}")

    def search(self, name, uid=None):
        """[(name, type, size, date, address, port)]"""
        return [tuple(record[:6]) for record in self.call("Search", "s", name, uid=uid)]

    def search_roots(self, name):
        """The roots of what is found; None for a record without one."""
        return [record_root(record) for record in self.call("Search", "s", name)]

    def download(self, name, **options):
        """Calls Download and returns a Transfer. Options: type, size, address, port, root. For
        `destination` use p2pctl: busctl passes no descriptors."""
        types = {"type": "s", "size": "t", "address": "s", "port": "q", "root": "s"}
        args = []
        for key, value in options.items():
            args += [key, types[key], value]
        path = self.call("Download", "sa{sv}", name, len(options), *args)
        return Transfer(self, path)

    def transfers(self):
        """Returns {path: properties} of all transfers."""
        objects = self.bus.call(PEER, PEER_PATH, "org.freedesktop.DBus.ObjectManager", "GetManagedObjects")
        return {path: {key: value["data"] for key, value in interfaces[TRANSFER].items()}
                for path, interfaces in objects.items() if TRANSFER in interfaces}

    def ctl(self, *args, **options):
        return ctl(self.bus, *args, **options)


class Transfer:
    """A transfer object on D-Bus."""

    def __init__(self, peer, path):
        self.peer, self.path = peer, path

    def all(self):
        return self.peer.bus.get_all(PEER, self.path, TRANSFER)

    def get(self, prop):
        return self.peer.bus.get(PEER, self.path, TRANSFER, prop)

    def call(self, method):
        """Cancel, Pause or Resume."""
        return self.peer.bus.call(PEER, self.path, TRANSFER, method)

    def cancel(self):
        self.call("Cancel")

    def wait(self, *states, deadline=DEADLINE):
        """Waits until the transfer is in one of the states (default: any final one). Returns all
        properties."""
        states = states or ("done", "failed", "cancelled")
        seen = {}

        def arrived():
            seen.update(self.all())
            return seen["State"] in states

        wait_for(arrived, f"the transfer to be {' or '.join(states)}", deadline)
        return seen
