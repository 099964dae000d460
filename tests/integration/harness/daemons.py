# SPDX-License-Identifier: MIT
"""The real programs on a private bus, and raw sockets to talk to them.

What waits here waits for a condition, until a deadline that is far away; the one exception is
Wire.expect_silence(), because silence can only be seen by waiting.
"""

import contextlib
import hashlib
import json
import os
import pathlib
import re
import select
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time

import pytest

# Seconds; a test that is right never gets near it. Under user-mode Linux (bench/in-uml) all takes longer.
DEADLINE = int(os.environ.get("P2PSHARE_DEADLINE", "60"))
STEP = 0.02  # between two looks at something that cannot be waited for

SOURCE = pathlib.Path(os.environ.get("P2PSHARE_SOURCE") or pathlib.Path(__file__).parents[3]).resolve()
BUILD = pathlib.Path(os.environ.get("P2PSHARE_BUILD") or SOURCE / "build").resolve()

PEER = "org.p2pshare.Peer1"
PEER_PATH = "/org/p2pshare/Peer1"
TRANSFER = "org.p2pshare.Transfer1"
FT = "org.p2pshare.FileTracker1"
FT_PATH = "/org/p2pshare/FileTracker1"
ERROR = "org.p2pshare.Error."

NOBODY = 65534

SANITIZER_REPORT = re.compile(r"ERROR: (Address|Leak|Thread|Memory)Sanitizer|runtime error:")


def program(name):
    """The binary under test."""
    return str(BUILD / "src" / name)


def sanitized():
    """Memory and time say little about a build that is watched."""
    with open(program("p2p-ft"), "rb") as binary:
        return re.search(rb"__(asan|tsan)_init", binary.read()) is not None


def memory(daemon, key="VmRSS"):
    """KiB."""
    with open(f"/proc/{daemon.pid}/status") as status:
        return int(re.search(rf"^{key}:\s+(\d+) kB", status.read(), re.M)[1])


def clean_env(**more):
    """What a child gets: nothing of the developer's own buses, locale or terminal."""
    keep = ("PATH", "TMPDIR", "ASAN_OPTIONS", "UBSAN_OPTIONS", "LSAN_OPTIONS", "LLVM_PROFILE_FILE",
            "GCOV_PREFIX", "GCOV_PREFIX_STRIP", "ASAN_SYMBOLIZER_PATH")
    env = {name: os.environ[name] for name in keep if name in os.environ}
    # Nobody, not even root, makes a directory below these.
    env |= {"LC_ALL": "C.UTF-8", "HOME": "/dev/null", "STATE_DIRECTORY": "/dev/null/state", "TERM": "dumb",
            "P2PSHARE_ALLOW_ROOT": "1"}
    if "LLVM_PROFILE_FILE" in env or "GCOV_PREFIX" in env:
        env["P2PSHARE_NO_SANDBOX"] = "1"  # it writes its results at the end
    return env | more


def wait_for(condition, what="the condition", deadline=DEADLINE):
    """Looks every STEP until condition() is true; returns what it returned."""
    end = time.monotonic() + deadline
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"waited {deadline} s in vain for {what}; last seen: {value!r}")
        time.sleep(STEP)


# ---------------------------------------------------------------------------------------------- ports


class Port:
    """A port of 127.0.0.1 that nobody else gets while this object lives: it stays bound, with
    SO_REUSEADDR and without listen(), so that a daemon can listen on it, again and again."""

    def __init__(self, host="127.0.0.1"):
        self.socket = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind((host, 0))
        self.number = self.socket.getsockname()[1]

    def __int__(self):
        return self.number

    def __str__(self):
        return str(self.number)

    def close(self):
        self.socket.close()


_ports = []  # held until the end of the process


def endpoint(host, port):
    """ADDRESS:PORT as it is written."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def free_port(host="127.0.0.1"):
    """A free port number, never given twice by this process and not taken by any other."""
    port = Port(host)
    _ports.append(port)
    return port.number


# ------------------------------------------------------------------------------------------ processes


class Process:
    """A child whose stderr goes to a file, and whose end is checked."""

    def __init__(self, argv, log_path, env, pass_fds=(), **popen):
        self.name = os.path.basename(argv[0])
        self.log_path = pathlib.Path(log_path)
        with open(self.log_path, "ab") as log:
            self.popen = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=env,
                                          pass_fds=pass_fds, **popen)

    @property
    def pid(self):
        return self.popen.pid

    @property
    def log(self):
        return self.log_path.read_text(errors="backslashreplace")

    def running(self):
        return self.popen.poll() is None

    def wait(self, deadline=DEADLINE):
        """Its exit status."""
        try:
            return self.popen.wait(deadline)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"{self.name} did not end within {deadline} s\n{self.log}") from None

    def signal(self, number):
        self.popen.send_signal(number)

    def kill(self):
        """As if the power went: SIGKILL."""
        if self.running():
            self.popen.kill()
        self.popen.wait()

    def wait_log(self, pattern, deadline=DEADLINE):
        """Waits for a line that matches the regular expression; returns the match."""
        return wait_for(lambda: re.search(pattern, self.log, re.M), f"{pattern!r} in the log of {self.name}",
                        deadline)

    def check_log(self):
        report = SANITIZER_REPORT.search(self.log)
        assert not report, f"{self.name}: {report[0]}\n{self.log}"


class Bus:
    """A private bus like the system's: of type system, with our policy files, and able to start nothing.

    Its directory is open to all, so that a test can be nobody."""

    def __init__(self, owner=None, services=None):
        """owner: a user ID that may own our names too. services: a directory of what it can start."""
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="p2pshare-bus-", dir="/tmp"))
        self.dir.chmod(0o755)
        includes = []
        for policy in sorted((SOURCE / "dbus").glob("*.conf")):
            text = policy.read_text()
            # The policy lets root own the names: here that is whoever runs the tests.
            user = os.geteuid() if owner is None else owner
            if user != 0:
                text = text.replace('user="root"', f'user="{user}"')
            # The users of an installation may be missing here; the bus would warn about each.
            text = re.sub(r'<policy user="p2p-[a-z]+">.*?</policy>', "", text, flags=re.S)
            copy = self.dir / policy.name
            copy.write_text(text)
            includes.append(f"<include>{copy}</include>")
        config = self.dir / "bus.conf"
        config.write_text(
            '<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"\n'
            ' "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">\n'
            "<busconfig>\n"
            "  <type>system</type>\n"
            f"  <listen>unix:path={self.dir}/socket</listen>\n"
            "  <auth>EXTERNAL</auth>\n"
            # As in Debian's /usr/share/dbus-1/system.conf.
            '  <policy context="default">\n'
            '    <allow user="*"/>\n'
            '    <deny own="*"/>\n'
            '    <deny send_type="method_call"/>\n'
            '    <allow send_type="signal"/>\n'
            '    <allow send_requested_reply="true" send_type="method_return"/>\n'
            '    <allow send_requested_reply="true" send_type="error"/>\n'
            '    <allow receive_type="method_call"/>\n'
            '    <allow receive_type="method_return"/>\n'
            '    <allow receive_type="error"/>\n'
            '    <allow receive_type="signal"/>\n'
            '    <allow send_destination="org.freedesktop.DBus"'
            ' send_interface="org.freedesktop.DBus"/>\n'
            '    <allow send_destination="org.freedesktop.DBus"'
            ' send_interface="org.freedesktop.DBus.Introspectable"/>\n'
            '    <allow send_destination="org.freedesktop.DBus"'
            ' send_interface="org.freedesktop.DBus.Properties"/>\n'
            "  </policy>\n"
            # As their own policies; root is a fake one.
            '  <policy user="root"><allow own="org.freedesktop.PolicyKit1"/><allow own="org.freedesktop.systemd1"/></policy>\n'
            '  <policy context="default"><allow send_destination="org.freedesktop.PolicyKit1"/>'
            '<allow send_destination="org.freedesktop.systemd1"/></policy>\n'
            + (f"  <servicedir>{services}</servicedir>\n" if services else "")
            + "".join(f"  {include}\n" for include in includes)
            + "</busconfig>\n"
        )
        self._start()

    def _start(self):
        read_fd, write_fd = os.pipe()
        try:
            self.process = Process(
                ["/usr/bin/dbus-daemon", f"--config-file={self.dir}/bus.conf", "--nofork", "--nosyslog",
                 f"--print-address={write_fd}"],
                self.dir / "bus.log", clean_env(), pass_fds=[write_fd])
        finally:
            os.close(write_fd)
        # The address comes when the bus listens; end of file comes if it died instead.
        with open(read_fd) as pipe:
            ready, _, _ = select.select([pipe], [], [], DEADLINE)
            # Without its GUID, which is another one after a restart: a system's address has none, either.
            self.address = pipe.readline().strip().split(",guid=")[0] if ready else ""
        if not self.address:
            log = self.process.log
            self.stop()
            raise AssertionError(f"no bus: {log}")

    def restart(self):
        """At the same address; whoever was on it is disconnected."""
        self.process.kill()
        self._start()

    @property
    def env(self):
        """Makes sd_bus_open_system() and sd_bus_open_user() come here."""
        return {"DBUS_SYSTEM_BUS_ADDRESS": self.address, "DBUS_SESSION_BUS_ADDRESS": self.address}

    def busctl(self, *args, uid=None, check=True):
        """Runs busctl; with `uid`, as that user. check: a failure is BusError."""
        argv = ["/usr/bin/busctl", f"--address={self.address}", "--json=short", *map(str, args)]
        result = subprocess.run(as_user(uid) + argv, capture_output=True, text=True, errors="replace",
                                env=clean_env(), timeout=DEADLINE)
        if check and result.returncode != 0:
            raise BusError(result.stderr.strip())
        return result

    def call(self, name, path, interface, method, signature="", *args, uid=None):
        """The reply's arguments: None, the one, or a list."""
        extra = [signature, *args] if signature else []
        # A request that waits for a slow FT may take its time.
        out = self.busctl("--timeout=25", "--", "call", name, path, interface, method, *extra,
                          uid=uid).stdout
        data = json.loads(out)["data"] if out.strip() else []
        return None if not data else data[0] if len(data) == 1 else data

    def get(self, name, path, interface, prop, uid=None):
        out = self.busctl("get-property", name, path, interface, prop, uid=uid).stdout
        return json.loads(out)["data"]

    def get_all(self, name, path, interface):
        """All properties as a dict."""
        reply = self.call(name, path, "org.freedesktop.DBus.Properties", "GetAll", "s", interface)
        return {key: value["data"] for key, value in reply.items()}

    def owner(self, name):
        """Who has the name; None: nobody."""
        try:
            return self.call("org.freedesktop.DBus", "/", "org.freedesktop.DBus", "GetNameOwner", "s", name)
        except BusError:
            return None

    def stop(self):
        self.process.kill()
        shutil.rmtree(self.dir, ignore_errors=True)


class BusError(Exception):
    """A method call that was refused. busctl prints the message of an error, not its name: ask
    error_name() where the name is what matters."""


def error_name(bus, name, path, interface, method, *args):
    """The D-Bus error name that a call gets; None if it succeeds. gdbus is the tool that prints names; its
    args are GVariant text."""
    argv = ["/usr/bin/gdbus", "call", "--address", bus.address, "--dest", name, "--object-path", path,
            "--method", f"{interface}.{method}", *map(str, args)]
    result = subprocess.run(argv, capture_output=True, text=True, env=clean_env(), timeout=DEADLINE)
    if result.returncode == 0:
        return None
    found = re.search(r"GDBus\.Error:([A-Za-z0-9_.]+):", result.stderr)
    return found[1] if found else result.stderr.strip()


def as_user(uid):
    """What to put before a command to run it as somebody else."""
    if uid is None:
        return []
    if os.geteuid() != 0:
        pytest.skip("only root can be somebody else")
    return ["/usr/bin/setpriv", f"--reuid={uid}", f"--regid={uid}", "--clear-groups"]


# -------------------------------------------------------------------------------------------- daemons


class Notify:
    """The socket that systemd would give a service of Type=notify. A thread empties it, because a daemon
    blocks when it is full."""

    def __init__(self, path):
        self.path = str(path)
        self.messages = []
        self.changed = threading.Condition()
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self.path)
        self.socket.bind(self.path)
        self.thread = threading.Thread(target=self._read, daemon=True)
        self.thread.start()

    def _read(self):
        while message := self.socket.recv(4096):
            with self.changed:
                self.messages.append(message.decode())
                self.changed.notify_all()

    def watch_end(self, process):
        """Wakes wait() when the process has ended."""

        def watch():
            process.popen.wait()
            with self.changed:
                self.changed.notify_all()

        threading.Thread(target=watch, daemon=True).start()

    def wait(self, word, process, since=0, deadline=DEADLINE):
        """Waits for a message with the line `word` behind the first `since` ones, or for the end of the
        process; returns how many messages there have been up to it."""
        end = time.monotonic() + deadline
        with self.changed:
            while True:
                for i, message in enumerate(self.messages[since:], since + 1):
                    if word in message.split("\n"):
                        return i
                if not process.running():
                    raise AssertionError(f"{process.name} ended before {word} with status "
                                         f"{process.wait()}:\n{process.log}")
                if not self.changed.wait(max(end - time.monotonic(), 0)):
                    raise AssertionError(f"no {word} from {process.name}:\n{process.log}")

    def close(self):
        """An empty message ends the thread."""
        if self.thread.is_alive():
            with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as end:
                end.sendto(b"", self.path)
            self.thread.join(DEADLINE)
        self.socket.close()


def ini_text(sections):
    """{"peer": {"max_uploads": 3}, "share": {"path": [a, b]}} as a file: `_` in a key becomes `-`, a list
    repeats the key, None leaves it out."""
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
        """(what to run, the descriptors that it gets) for the daemon to run as argv."""
        if not self.listen_fd:
            return argv, ()
        # LISTEN_PID must be the PID of the daemon, and its descriptors begin at 3: a shell sees to both.
        fd = self.listen_fd.fileno()
        return ["/bin/bash", "-c", f'exec 3<&{fd}; LISTEN_FDS=1 LISTEN_PID=$$ exec "$@"', "bash", *argv], (fd,)

    def start(self):
        """Starts it and waits until it says that it is ready."""
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
        """Writes the file anew (changes: keys of the main section, or share=[paths], exclude=[globs]),
        then SIGHUP, and waits for the READY=1 that follows RELOADING=1."""
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
        """SIGTERM; the exit status and the log are checked."""
        if self.process and self.status is None:
            self.process.signal(signal.SIGTERM)
            self.ended(status)

    def ended(self, status=0):
        """Waits for an end that something else has brought about, and checks it."""
        self.status = self.process.wait()
        self.notify.close()
        self.process.check_log()
        assert self.status == status, f"{self.name} ended with {self.status}:\n{self.log}"

    def kill(self):
        self.process.kill()
        self.status = -signal.SIGKILL
        self.notify.close()

    def cleanup(self):
        """At the end of a test, whatever has happened: checks a daemon that still should run."""
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
        """The name of the D-Bus error that the call gets, None if it succeeds; args as GVariant text."""
        return error_name(self.bus, self.bus_name, self.path, self.interface, method, *args)

    def get(self, prop):
        return self.bus.get(self.bus_name, self.path, self.interface, prop)

    def cpu_seconds(self):
        """What it has used of the processors so far."""
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
        """A Wire session that has said HELLO and these records ("<a, txt, 1, ...>"), and that FT has
        accepted."""
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
        """Calls Download; returns a Transfer. Options: type, size, address, port, root; for `destination` there is
        p2pctl, because busctl passes no descriptors."""
        types = {"type": "s", "size": "t", "address": "s", "port": "q", "root": "s"}
        args = []
        for key, value in options.items():
            args += [key, types[key], value]
        path = self.call("Download", "sa{sv}", name, len(options), *args)
        return Transfer(self, path)

    def transfers(self):
        """{path: properties} of all transfers that there are."""
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
        """Waits until it is in one of the states (default: any final one); returns all properties."""
        states = states or ("done", "failed", "cancelled")
        seen = {}

        def arrived():
            seen.update(self.all())
            return seen["State"] in states

        wait_for(arrived, f"the transfer to be {' or '.join(states)}", deadline)
        return seen


# --------------------------------------------------------------------------------------------- p2pctl


def ctl_argv(*args):
    return [program("p2pctl"), *map(str, args)]


def ctl(bus, *args, uid=None, cwd=None, env=None, timeout=60, text=True):
    """Runs p2pctl on that bus (None: on a bus that is not there) to its end; returns a CompletedProcess
    with stdout and stderr. A sanitizer's report is a failure."""
    address = bus.env if bus else {"DBUS_SYSTEM_BUS_ADDRESS": "unix:path=/nonexistent/bus",
                                   "DBUS_SESSION_BUS_ADDRESS": "unix:path=/nonexistent/bus"}
    result = subprocess.run(as_user(uid) + ctl_argv(*args), stdin=subprocess.DEVNULL, capture_output=True,
                            env=clean_env(**address) | (env or {}), cwd=cwd, timeout=timeout)
    errors = result.stderr.decode(errors="backslashreplace")
    assert not SANITIZER_REPORT.search(errors), errors
    if text:
        result.stdout = result.stdout.decode()
        result.stderr = result.stderr.decode()
    return result


def run(name, *args, env=None, timeout=DEADLINE, **options):
    """Runs one of the programs to its end, as for --help or a start that is refused."""
    result = subprocess.run([program(name), *map(str, args)], stdin=subprocess.DEVNULL, capture_output=True,
                            text=True, env=env or clean_env(), timeout=timeout, **options)
    assert not SANITIZER_REPORT.search(result.stderr), result.stderr
    return result


# ------------------------------------------------------------------------------------------------ wire


class Wire:
    """A TCP connection, seen as bytes. Every wait has a deadline."""

    def __init__(self, target, host="127.0.0.1", deadline=DEADLINE):
        """`target`: a port, or a connected socket."""
        self.deadline = deadline
        self.buffer = b""  # received and not yet taken
        if isinstance(target, socket.socket):
            self.socket = target
        else:
            self.socket = socket.create_connection((host, int(target)), timeout=deadline)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.local = self.socket.getsockname()[:2]
        self.remote = self.socket.getpeername()[:2]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def send(self, data):
        """One write, so one segment where it is small."""
        self.socket.settimeout(self.deadline)
        self.socket.sendall(data.encode() if isinstance(data, str) else data)

    def send_bytewise(self, data):
        for byte in data.encode() if isinstance(data, str) else data:
            self.send(bytes([byte]))

    def _receive(self, deadline):
        """Reads once into the buffer; False at the end of the stream. A reset counts as an end."""
        left = deadline - time.monotonic()
        if left <= 0:
            raise AssertionError(f"nothing came in time; so far: {self.buffer[:2000]!r}")
        self.socket.settimeout(left)
        try:
            data = self.socket.recv(1 << 18)
        except socket.timeout:
            raise AssertionError(f"nothing came in time; so far: {self.buffer[:2000]!r}") from None
        except ConnectionResetError:
            return False
        self.buffer += data
        return bool(data)

    def _take(self, n):
        data, self.buffer = self.buffer[:n], self.buffer[n:]
        return data

    def recv_some(self):
        """What one recv() returns; b"" at the end."""
        if not self.buffer:
            self._receive(time.monotonic() + self.deadline)
        return self._take(len(self.buffer))

    def recv_exactly(self, n):
        end = time.monotonic() + self.deadline
        while len(self.buffer) < n:
            if not self._receive(end):
                raise AssertionError(f"closed after {self.buffer[:2000]!r}, expected {n} bytes")
        return self._take(n)

    def recv_until(self, delimiter=b"\n"):
        """Up to the delimiter, which is included."""
        end = time.monotonic() + self.deadline
        while delimiter not in self.buffer:
            if not self._receive(end):
                raise AssertionError(f"closed after {self.buffer[:2000]!r}, expected {delimiter!r}")
        return self._take(self.buffer.index(delimiter) + len(delimiter))

    def recv_all(self):
        """All up to the end of the stream."""
        end = time.monotonic() + self.deadline
        while self._receive(end):
            pass
        return self._take(len(self.buffer))

    def expect(self, data):
        """These bytes come next."""
        data = data.encode() if isinstance(data, str) else data
        got = self.recv_exactly(len(data))
        assert got == data, f"got {got!r}, expected {data!r}"

    def expect_silence(self, seconds=0.5):
        """Nothing comes for so long, and the connection stays open."""
        assert not self.buffer, f"not silent: {self.buffer[:2000]!r}"
        ready, _, _ = select.select([self.socket], [], [], seconds)
        if ready:
            try:
                data = self.socket.recv(4096)
            except ConnectionResetError:
                data = b""
            raise AssertionError(f"not silent: {data!r}" if data else "closed, expected silence")

    def expect_close(self, within=DEADLINE):
        """The other side closes, without a word."""
        end = time.monotonic() + within
        while not self.buffer and self._receive(end):
            pass
        assert not self.buffer, f"words before the close: {self.buffer[:2000]!r}"

    def request(self, name, mtype, size):
        """Sends a DOWNLOAD in our own syntax."""
        self.send(f"DOWNLOAD: {name}, {mtype}, {size}\n")

    def half_close(self):
        """No more from this side: the other one sees the end of the stream."""
        self.socket.shutdown(socket.SHUT_WR)

    def reset(self):
        """Closes with RST instead of FIN."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        self.close()

    def close(self):
        self.socket.close()


def connections(port):
    """[(local port, remote port, bytes not acknowledged, bytes not read)] of all with that port on one side, as the kernel has
    them."""
    with open("/proc/net/tcp") as table:
        lines = [line.split() for line in table.readlines()[1:]]
    rows = [(*(int(line[i].split(":")[1], 16) for i in (1, 2)), *(int(n, 16) for n in line[4].split(":")))
            for line in lines if line[3] == "01"]
    return [row for row in rows if port in row[:2]]


class ScriptedServer:
    """A TCP server that does what a script says: the fake FT or B of a test.

    `script(wire, number)` is called in a thread of its own for each connection (0, 1, …), which is closed
    when it returns. An AssertionError in it makes stop() fail; a connection that breaks does not. A script
    that is a list gives each connection its own function; the last one is for all that follow."""

    def __init__(self, script, host="127.0.0.1"):
        self.script = script
        self.host = host
        self.connections = 0
        self.wires = []
        self.errors = []
        self.stopping = threading.Event()
        self.socket = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind((host, 0))
        self.socket.listen(64)
        self.port = self.socket.getsockname()[1]
        self.address = endpoint(host, self.port)
        self.thread = threading.Thread(target=self._accept, daemon=True)
        self.thread.start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    def _accept(self):
        while True:
            try:
                connection, _ = self.socket.accept()
            except OSError:  # closed by stop()
                return
            if self.stopping.is_set():
                connection.close()
                return
            try:
                wire = Wire(connection)
            except OSError:  # gone already
                connection.close()
                continue
            self.wires.append(wire)
            threading.Thread(target=self._serve, args=(wire, self.connections), daemon=True).start()
            self.connections += 1

    def _serve(self, wire, number):
        script = self.script
        if isinstance(script, (list, tuple)):
            script = script[min(number, len(script) - 1)]
        try:
            script(wire, number)
        except OSError:
            pass
        except BaseException as error:  # noqa: B902: seen by stop()
            if not self.stopping.is_set():
                self.errors.append(error)
        finally:
            wire.close()

    def wait_connections(self, count):
        wait_for(lambda: self.connections >= count, f"{count} connections")

    def stop(self):
        """Ends it and says what the scripts complained of."""
        if not self.stopping.is_set():
            self.stopping.set()
            with contextlib.suppress(OSError):
                self.socket.shutdown(socket.SHUT_RDWR)
            self.socket.close()
            for wire in self.wires:
                with contextlib.suppress(OSError):
                    wire.socket.shutdown(socket.SHUT_RDWR)
            self.thread.join(DEADLINE)
        if self.errors:
            raise self.errors[0]


class FakeFt(ScriptedServer):
    """An FT of somebody else. `answers`: what SEARCH gets, {name: bytes} or a function (None: silence).

    framing: "line" answers HELLO\\n; "raw" never does, only a bare HELLO, as the seed authors' program.
    once: closes after each SEARCH that it has answered. kept: how many records it keeps, which it says with
    KEPT to those who write roots; None: it knows nothing of that. reachable: what it answers to REACHABLE ("yes,
    192.0.2.7, 5556"); None: nothing. All that it heard is in .heard, one bytes
    object for each message, in order, but for REACHABLE, which is counted in .asked_reachable."""

    def __init__(self, answers=None, framing="line", once=False, hi=True, kept=1000, reachable=None):
        self.answers = answers if callable(answers) else (answers if answers is not None else {}).get
        self.framing, self.once, self.hi, self.kept, self.reachable = framing, once, hi, kept, reachable
        self.heard, self.asked_reachable = [], 0
        super().__init__(self._line if framing == "line" else self._raw)

    def wait_heard(self, message, count=1):
        message = message.encode() if isinstance(message, str) else message
        wait_for(lambda: self.heard.count(message) >= count, f"{message!r} among {self.heard}")

    def _answer(self, name):
        answer = self.answers(name)
        return answer.encode() if isinstance(answer, str) else answer

    def _line(self, wire, _):
        held, rooted = set(), False
        while not self.stopping.is_set():
            wire.deadline = 3600
            try:
                line = wire.recv_until(b"\n")
            except AssertionError:  # the peer has gone
                return
            if line == b"REACHABLE\n":
                self.asked_reachable += 1
                if self.reachable is not None:
                    wire.send(f"REACHABLE: {self.reachable}\n")
                continue
            self.heard.append(line)
            if line == b"HELLO\n":
                if not self.hi:
                    continue
                wire.send("HI\n")
            elif line.startswith(b"SEARCH: "):
                answer = self._answer(line[8:-1].decode(errors="surrogateescape"))
                if answer is not None:
                    wire.send(answer + b"\n")
                    if self.once:
                        return
            elif line == b"BYE\n":
                return
            elif self.kept is not None:
                key = line.strip(b"<>\n").removeprefix(b"REMOVE: ").split(b", ")
                rooted = rooted or len(key[-1]) == 64
                if line.startswith(b"REMOVE: "):
                    held.discard(tuple(key))
                elif len(held) < self.kept:
                    held.add(tuple(key[:3]))
                if rooted:
                    wire.send(f"KEPT: {len(held)}\n")

    def _raw(self, wire, _):
        while not self.stopping.is_set():
            wire.deadline = 3600
            message = wire.recv_some()  # one read is one message, as there
            if not message:
                return
            self.heard.append(message)
            if message == b"HELLO" and self.hi:
                wire.send("HI")
            elif message.startswith(b"SEARCH: "):
                answer = self._answer(message[8:].decode(errors="surrogateescape"))
                if answer is not None:
                    wire.send(answer)
                    if self.once:
                        return
            elif message == b"BYE":
                return


def fake_source(*replies, after=None):
    """A ScriptedServer that is a B: reads once, as one in the wild may do, answers with replies[n] to the nth
    connection (the last one for all that follow), and closes. after(wire): called before the close.
    .requests holds what was asked: a refusal in our own way makes the peer ask in the seed authors' way too."""
    requests = []

    def script(wire, number):
        requests.append(wire.recv_some())
        wire.send(replies[min(number, len(replies) - 1)])
        if after:
            after(wire)

    server = ScriptedServer(script)
    server.requests = requests
    return server


def silent(wire, _=0):
    """A script: takes what comes, says nothing, until the other side closes."""
    wire.deadline = 3600
    while wire.recv_some():
        pass


def record(name, mtype, size, port, date="23/11/26", host="127.0.0.1", root=None):
    """A record in our own syntax."""
    return f"<{name}, {mtype}, {size}, {date}, {host}, {port}{f', {root}' if root else ''}>"


def root_of(data):
    """The root of a file of at most 16 KiB: the hash of its only leaf."""
    assert len(data) <= 16384
    return hashlib.sha256(data).hexdigest()


def record_root(row):
    """The root of a record as it stands on D-Bus; None: it has none."""
    return row[6]["root"]["data"] if "root" in row[6] else None


def found(*records):
    """An answer to SEARCH in our own syntax, of (type, size, port) or (type, size, port, date)."""
    return "FOUND: " + ", ".join(
        f"<{r[0]}, {r[1]}, {r[3] if len(r) > 3 else '23/11/26'}, 127.0.0.1, {r[2]}>" for r in records)


# ------------------------------------------------------------------------------------------------ world


class World:
    """All that one test has started, and its end: the fixture `world`."""

    def __init__(self, tmp):
        self.tmp = pathlib.Path(tmp)
        self.things = []  # in the order of their making
        self.names = {}
        self.public = []

    def _name(self, kind):
        self.names[kind] = self.names.get(kind, 0) + 1
        return kind if self.names[kind] == 1 else f"{kind}{self.names[kind]}"

    def _keep(self, thing):
        self.things.append(thing)
        return thing

    def bus(self, **options):
        return self._keep(Bus(**options))

    def ft(self, bus=None, kind=Ft, **options):
        """An Ft, on a bus of its own unless one is given."""
        options.setdefault("name", self._name("ft"))
        start = options.pop("start", True)
        ft = self._keep(kind(self.tmp, bus or self.bus(), start=False, **options))
        return ft.start() if start else ft

    def peer(self, ft, shares=None, bus=None, **options):
        """A Peer, on a bus of its own unless one is given; it shares one small file unless told what."""
        options.setdefault("name", self._name("peer"))
        start = options.pop("start", True)
        if shares is None:
            shares = [self.file(f"filler-of-{options['name']}.txt", b"filler\n")]
        peer = self._keep(Peer(self.tmp, bus or self.bus(), ft, shares, start=False, **options))
        return peer.start() if start else peer

    def server(self, server):
        """Takes a ScriptedServer, FakeFt or fake_source() over."""
        return self._keep(server)

    def file(self, name, content=b"hello body\n", directory="files", mtime=None):
        """Makes a file and returns its path."""
        path = self.tmp / directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        if mtime is not None:
            os.utime(path, (mtime, mtime))
        return path

    def directory(self, name):
        path = self.tmp / name
        path.mkdir(parents=True, exist_ok=True)
        return path

    def public_directory(self):
        """A directory that every user can enter, unlike tmp; it goes with the test."""
        path = pathlib.Path(tempfile.mkdtemp(prefix="p2pshare-public-", dir="/tmp"))
        path.chmod(0o755)
        self.public.append(path)
        return path

    def logs(self):
        """[(name, text)] for the report of a failure."""
        return [(thing.name, thing.log) for thing in self.things
                if isinstance(thing, Daemon) and thing.log_path.exists()]  # close() may have failed

    def close(self):
        """Ends everything, then tells the first thing that was wrong."""
        wrong = []
        for thing in reversed(self.things):
            try:
                thing.cleanup() if isinstance(thing, Daemon) else thing.stop()
            except BaseException as error:  # noqa: B902: the rest must end too
                wrong.append(error)
        for path in self.public:
            subprocess.run(["chmod", "-R", "u+rwX", path], check=False)  # one who is not root needs that
            shutil.rmtree(path, ignore_errors=True)
        if wrong:
            raise wrong[0]


def content(size, seed=1):
    """`size` bytes that do not repeat at any power of two."""
    block = bytes((i * i * seed + i // 251) & 0xFF for i in range(65521))
    return (block * (size // len(block) + 1))[:size]
