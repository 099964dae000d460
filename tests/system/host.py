# SPDX-License-Identifier: MIT
"""A host: a systemd with a root of its own, an overlay of this machine's or another's, on the bridge of a Lab.

Of that machine it has the programs, and none of the services: what was enabled there is not here.
"""

import contextlib
import json
import os
import pathlib
import re
import shlex
import shutil
import signal
import socket
import subprocess
import time

from harness import FT, FT_PATH, PEER, PEER_PATH, TRANSFER, wait_for
from lab import DEADLINE, NETWORK, NETWORK6, Impossible, children, kill

# What is this machine's own business: gone in a host, and then made anew, empty.
FORGET = ("etc/systemd/system", "etc/systemd/network", "etc/init.d", *(f"etc/rc{n}.d" for n in "0123456S"),
          "etc/cron.d", "var/log/journal", "var/lib/systemd", "srv", "home")

ENVIRONMENT = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8", "TERM": "dumb", "HOME": "/root"}

# Before network.target, where the daemons come up: the address must be there after a reboot, too.
ADDRESS_UNIT = """[Unit]
DefaultDependencies=no
Before=network-pre.target
Wants=network-pre.target

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/bin/ip link set host0 up
ExecStart=/bin/ip addr replace {address}/24 dev host0
ExecStart=-/bin/ip addr replace {address6}/64 dev host0 nodad

[Install]
WantedBy=sysinit.target
"""


# What a test may have left, whatever it was.
CLEAN = """
systemctl --quiet disable --now p2p-ft.socket p2p-peer.socket p2p-ft p2p-peer p2pshare-metrics.timer 2>/dev/null
rm -rf /srv/* /etc/p2pshare.ini.d/* /etc/systemd/system/p2p-*.d /var/lib/p2p-peer/* /var/lib/prometheus /home/*/* /root/*
systemctl daemon-reload
systemctl reset-failed
systemd-tmpfiles --create p2p-peer.conf
"""


REBOOT = 133  # what systemd-nspawn --keep-unit ends with, to be started again


class CommandError(Exception):
    """A command on a host that failed; .result has its status and what it wrote."""

    def __init__(self, host, argv, result):
        self.result = result
        super().__init__(f"{host}: {shlex.join(map(str, argv))}: status {result.returncode}\n"
                         f"{result.stdout}{result.stderr}")


class Host:
    """`number`: the last byte of its address. `lower`: the directory that its root begins as."""

    def __init__(self, lab, name, number, lower="/"):
        self.lab, self.name = lab, name
        self.address, self.address6 = f"{NETWORK}.{number}", f"{NETWORK6}::{number}"
        self.nspawn = self.leader = None
        self.root = lab.root / str(lab.mount_overlay(lower, name)).lstrip("/")
        self.log_path = self.root.parent / "console"
        if lower == "/":
            forget(self.root)
        self.write("/etc/machine-id", os.urandom(16).hex() + "\n")
        self.write("/etc/hostname", name + "\n")
        self.write("/etc/fstab", "")
        (self.root / "var/lib/man-db/auto-update").unlink(missing_ok=True)  # dpkg takes no time for it
        (self.root / "usr/sbin/policy-rc.d").unlink(missing_ok=True)  # a container's, whose services dpkg must not start
        self.write("/etc/hosts", f"127.0.0.1 localhost\n{self.address} {name}\n")
        units = self.root / "etc/systemd/system"
        (units / "default.target").unlink(missing_ok=True)
        if (self.root / "bin/ip").exists():
            self.write("/etc/systemd/system/test-address.service",
                       ADDRESS_UNIT.format(address=self.address, address6=self.address6))
            (units / "sysinit.target.wants").mkdir(exist_ok=True)
            (units / "sysinit.target.wants/test-address.service").symlink_to("../test-address.service")
        (units / "default.target").symlink_to("/lib/systemd/system/multi-user.target")
        (units / "console-getty.service").symlink_to("/dev/null")

    def __str__(self):
        return self.name

    # ------------------------------------------------------------------------------- power and network

    def boot(self):
        """Returns when all that is enabled has been started."""
        self.leader = None
        with contextlib.suppress(FileNotFoundError):
            (self.root.parent / "notify").unlink()
        self.notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
        self.notify.bind(str(self.root.parent / "notify"))
        cgroups = [cgroup / self.name for cgroup in self.lab.cgroups]
        enter = ""
        for cgroup in cgroups:
            cgroup.mkdir(exist_ok=True)
            enter += f"echo $$ >{shlex.quote(str(cgroup))}/cgroup.procs && "
        argv = ["systemd-nspawn", "--boot", "--quiet", "--register=no", "--keep-unit", "--link-journal=no",
                "--notify-ready=yes", "--resolv-conf=off", "--timezone=off", f"--directory=/mnt/{self.name}/root",
                f"--machine={self.name}", "--network-bridge=br0"]
        # A systemd of today does not boot with the cgroups of yesterday, which this machine may have.
        environment = ENVIRONMENT | {"NOTIFY_SOCKET": f"/mnt/{self.name}/notify", "SYSTEMD_NSPAWN_UNIFIED_HIERARCHY": "1"}
        with open(self.log_path, "ab") as log:
            self.nspawn = subprocess.Popen(
                ["sh", "-c", enter + "exec " + shlex.join(self.lab.enter(*argv))], stdin=subprocess.DEVNULL,
                stdout=log, stderr=log, env=environment)
        inner = None
        while True:
            message = self._notification()
            found = re.search(r"^X_NSPAWN_LEADER_PID=(\d+)$", message, re.M)
            inner = found[1] if found else inner
            if "READY=1" in message.split("\n"):
                break
        # The number is that of the lab's namespace.
        nspawn = children(self.nspawn.pid)[0]
        self.leader = next(int(pid) for pid in children(nspawn) if namespace_pids(pid)[1] == inner)
        self.run("systemctl", "is-system-running", "--wait", check=False)
        self.notify.close()
        return self

    def _notification(self):
        for _ in range(DEADLINE):
            self.notify.settimeout(1)
            with contextlib.suppress(TimeoutError):
                return self.notify.recv(4096).decode()
            if self.nspawn.poll() is not None:
                break
        raise Impossible(f"{self.name} does not boot: {self.console()[-500:]}")

    def reboot(self):
        """As `systemctl reboot`: all is stopped in order, and comes back as it is enabled."""
        self.run("systemctl", "reboot", "--no-block")
        status = self.nspawn.wait(DEADLINE)
        assert status == REBOOT, f"{self.name} ended with {status}:\n{self.console()[-500:]}"
        self.boot()

    def power_loss(self):
        """All of it is gone from one moment to the next."""
        kill(self.leader, signal.SIGKILL)
        self.nspawn.wait(DEADLINE)

    def close(self):
        """Powers it off, and pulls the plug if it takes too long."""
        if self.leader:
            kill(self.leader, signal.SIGRTMIN + 4)
        if self.nspawn:
            try:
                self.nspawn.wait(10)
            except subprocess.TimeoutExpired:
                if self.leader:
                    kill(self.leader, signal.SIGKILL)
                self.nspawn.kill()
                self.nspawn.wait()

    def network(self, up):
        """Pulls its cable, or plugs it in: the other end of it is at the bridge."""
        self.lab.run("ip", "link", "set", f"vb-{self.name}", "up" if up else "down")

    def console(self):
        return self.log_path.read_text(errors="backslashreplace") if self.log_path.exists() else ""

    # ------------------------------------------------------------------------------- commands and files

    def argv(self, *argv, user=None):
        """argv, to be run on the host; as `user`, without a session."""
        if user:
            argv = ("runuser", "-u", user, "--", *argv)
        return ["nsenter", "-t", str(self.leader), "-a", "--wdns=/", "--", *map(str, argv)]

    def start(self, *argv, user=None, **popen):
        """A Popen."""
        return subprocess.Popen(self.argv(*argv, user=user), stdin=subprocess.DEVNULL, text=True, env=ENVIRONMENT, **popen)

    def run(self, *argv, user=None, check=True, timeout=60, **options):
        """To its end; a CompletedProcess with text. check: a failure is CommandError."""
        if "input" not in options:
            options["stdin"] = subprocess.DEVNULL
        result = subprocess.run(self.argv(*argv, user=user), capture_output=True, text=True, errors="backslashreplace",
                                check=False, timeout=timeout, env=ENVIRONMENT, **options)
        if check and result.returncode != 0:
            raise CommandError(self, argv, result)
        return result

    def at_seat(self, user, *argv, check=False):
        """The same in a session of that user at the machine itself, not from elsewhere."""
        return self.run("systemd-run", "--quiet", "--wait", "--collect", "--pipe", "--property=PAMName=login",
                        f"--property=User={user}", "--setenv=XDG_SEAT=seat0", "--setenv=XDG_SESSION_TYPE=tty",
                        "--setenv=XDG_SESSION_CLASS=user", "--", *argv, check=check)

    def sh(self, script, **options):
        """What a shell script prints."""
        return self.run("sh", "-ec", script, **options).stdout

    def path(self, path):
        """A path of the host, seen from here; while it runs, with what is mounted there."""
        root = pathlib.Path(f"/proc/{self.leader}/root") if self.leader else self.root
        return root / str(path).lstrip("/")

    def write(self, path, content, user=None):
        """A file with its directories, for everybody to read."""
        there = self.path(path)
        there.parent.mkdir(parents=True, exist_ok=True)
        there.write_bytes(content if isinstance(content, bytes) else content.encode())
        there.chmod(0o644)
        if user:
            self.run("chown", user, path)
        return str(path)

    def read(self, path):
        return self.path(path).read_bytes()

    def sha256(self, path):
        return self.run("sha256sum", path).stdout.split()[0]

    # ------------------------------------------------------------------------------- systemd

    def systemctl(self, *args, **options):
        return self.run("systemctl", *args, **options)

    def show(self, unit, prop):
        return self.systemctl("show", "--value", "--property", prop, unit).stdout.strip()

    def active(self, unit):
        return self.show(unit, "ActiveState") == "active"

    def main_pid(self, unit):
        return int(self.show(unit, "MainPID"))

    def kill(self, unit, signal_name="KILL"):
        """Kills the daemon itself, as a crash or the kernel's OOM killer would."""
        self.systemctl("kill", "--kill-whom=main", f"--signal={signal_name}", unit)

    def journal(self, unit, *matches, since=0):
        """What a unit has logged, dicts; `since`: what now() gave. (journalctl --after-cursor loses an entry where
        there are matches.)"""
        out = self.run("journalctl", "--output=json", "--no-pager", f"--unit={unit}", *matches).stdout
        entries = [json.loads(line) for line in out.splitlines()]
        return [entry for entry in entries if int(entry["__REALTIME_TIMESTAMP"]) > since]

    def wait_journal(self, unit, *matches, since=0, text=""):
        """The first entry that has them, and `text` (a regular expression) in its message; waits for it."""
        def look():
            return [entry for entry in self.journal(unit, *matches, since=since) if re.search(text, entry["MESSAGE"])]
        return wait_for(look, f"{matches} {text!r} of {unit} in the journal of {self.name}")[0]

    # ------------------------------------------------------------------------------- p2pshare

    def install(self, packages):
        """Packages with dpkg, as an administrator would; or the tree of a `meson install`, with what README says next."""
        tree = packages[0]
        if tree.is_dir():
            with subprocess.Popen(["tar", "-C", tree, "-c", "."], stdout=subprocess.PIPE) as tar:
                subprocess.run(["tar", "-C", self.path("/"), "-x", "--keep-directory-symlink"], stdin=tar.stdout, check=True)
            self.sh("systemd-sysusers; systemd-tmpfiles --create p2p-peer.conf; systemctl daemon-reload; "
                    "journalctl --update-catalog; systemctl reload dbus")
            return
        paths = [self.write(f"/var/cache/apt/archives/{package.name}", package.read_bytes()) for package in packages]
        self.run("env", "DEBIAN_FRONTEND=noninteractive", "dpkg", "--install", *paths, timeout=DEADLINE * 4)

    def clean(self):
        """Nothing runs, is shared or known."""
        self.run("sh", "-c", CLEAN)

    def configure(self, text):
        self.write("/etc/p2pshare.ini", text)

    def start_peer(self, ft, **keys):
        """A peer that shares /srv/share, with one file in it; joined."""
        self.write(f"/srv/share/notes-{self}.txt", f"notes of {self}\n")
        self.configure(peer_config(ft, **keys))
        self.systemctl("start", "p2p-peer")
        return self.wait_joined()

    def reload_peer(self, ft, **keys):
        """With another configuration."""
        self.configure(peer_config(ft, **keys))
        self.systemctl("reload", "p2p-peer")

    def busctl(self, *args, **options):
        return self.run("busctl", "--json=short", *args, **options)

    def get(self, path, interface, prop, name=PEER):
        return json.loads(self.busctl("get-property", name, path, interface, prop).stdout)["data"]

    def peer(self, prop):
        """A property of its p2p-peer."""
        return self.get(PEER_PATH, PEER, prop)

    def ft(self, prop):
        """A property of its p2p-ft."""
        return self.get(FT_PATH, FT, prop, name=FT)

    def records(self, name):
        """What its p2p-ft has of that name; none while there is no p2p-ft."""
        with contextlib.suppress(CommandError):
            return json.loads(self.busctl("call", FT, FT_PATH, FT, "Lookup", "s", name).stdout)["data"][0]
        return []

    def wait_joined(self):
        # While it is started again there is nobody to ask.
        def joined():
            with contextlib.suppress(CommandError):
                return self.peer("State") == "joined"
            return False
        wait_for(joined, f"{self.name} to be joined")
        return self

    def wait_published(self, path):
        """Until others can find the file."""
        wait_for(lambda: [path, "published"] in [[share[0], share[2]] for share in self.peer("Shares")],
                 f"{path} to be published by {self.name}")

    def ctl(self, *args, **options):
        """p2pctl, a CompletedProcess; whether it has failed is for the test to say."""
        options.setdefault("check", False)
        return self.run("p2pctl", *args, **options)

    def search(self, *words):
        """What p2pctl search finds: its files."""
        return json.loads(self.ctl("--json", "search", *words).stdout)["files"]

    def download(self, name, least=0):
        """Has the daemon fetch it into its own directory; returns when `least` bytes of it are there: a Transfer."""
        out = self.busctl("call", PEER, PEER_PATH, PEER, "Download", "sa{sv}", name, "0").stdout
        transfer = Transfer(self, json.loads(out)["data"][0])
        wait_for(lambda: transfer.get("Transferred") >= least, f"{least} bytes of {name}")
        return transfer

    def counted(self, name):
        """A sum of metrics, whatever their labels."""
        text = self.ctl("metrics", check=True).stdout
        return sum(float(value) for value in re.findall(rf"^{name}(?:{{.*}})? (\S+)$", text, re.M))


def forget(root):
    """What is this machine's own business, and the people who use it."""
    for path in FORGET:
        shutil.rmtree(root / path, ignore_errors=True)
        (root / path).mkdir(parents=True)
    people = [line.split(":")[0] for line in (root / "etc/passwd").read_text(encoding="utf-8").splitlines()
              if 1000 <= int(line.split(":")[2]) < 60000]
    for name in ("passwd", "shadow", "group", "gshadow", "subuid", "subgid"):
        with contextlib.suppress(FileNotFoundError):
            lines = (root / "etc" / name).read_text(encoding="utf-8").splitlines(keepends=True)
            kept = [line for line in lines if line.split(":")[0] not in people]
            (root / "etc" / name).write_text("".join(kept), encoding="utf-8")


def now():
    """This moment, as the journal counts it."""
    return time.time_ns() // 1000


class Transfer:
    """A download by the daemon; after a restart of the daemon it is the same one."""

    def __init__(self, host, path):
        self.host, self.path = host, path

    def get(self, prop):
        return self.host.get(self.path, TRANSFER, prop)

    def wait(self, state="done"):
        seen = {}

        def arrived():
            # For a while p2p-peer, or its host, may be away.
            with contextlib.suppress(CommandError):
                seen["state"] = self.get("State")
            return seen.get("state") == state

        wait_for(arrived, f"{self.path} of {self.host} to be {state}, last seen {seen}")
        return self


def peer_config(ft, share="/srv/share", **keys):
    """p2pshare.ini of a peer; `_` in a key becomes `-`."""
    lines = "".join(f"{key.replace('_', '-')} = {value}\n" for key, value in keys.items())
    return f"[peer]\nft = {ft.address}\n{lines}[share]\npath = {share}\n"


def namespace_pids(pid):
    """The numbers that a process has, from our namespace to its own."""
    status = pathlib.Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
    return re.search(r"^NSpid:\s+(.*)$", status, re.M)[1].split()
