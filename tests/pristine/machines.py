# SPDX-License-Identifier: MIT
"""Machines on which nothing was ever installed by hand: a minimal Debian, as debootstrap makes it, with what every host has
anyway. Made once for each release and kept in the build directory; each machine is an overlay of it, in memory.

A Root has no init, as a container or a build host; a Host of tests/system is booted. Both fetch packages over this
machine's network, from the mirror that its own apt uses.
"""

import contextlib
import fcntl
import os
import pathlib
import re
import shlex
import signal
import subprocess
import time

from host import Host
from lab import Impossible, kill

SOURCE = pathlib.Path(__file__).resolve().parents[2]
CACHE = SOURCE / "build-fresh"
KEPT = 7 * 24 * 3600  # seconds: a release gets updates
# Seconds. tests/run gives these tests only the time that others leave.
HANGS = 3600

# What every host has besides Debian's minimum: an init, the system bus, and a way to become root.
INCLUDED = "systemd-sysv,dbus,sudo"
USER = "ann"  # who is there, and may use sudo

ENVIRONMENT = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "TERM": "dumb", "LC_ALL": "C.UTF-8",
               "DEBIAN_FRONTEND": "noninteractive", "P2PSHARE_DEADLINE": os.environ.get("P2PSHARE_DEADLINE", "60")}

# From debootstrap's root to a host that somebody uses; a person would answer yes when apt asks.
FINISH = f"""
set -e
useradd --create-home --shell /bin/bash {USER}
echo '{USER} ALL=(ALL) NOPASSWD: ALL' >/etc/sudoers.d/{USER}
echo 'Defaults env_keep += "DEBIAN_FRONTEND"' >>/etc/sudoers.d/{USER}
echo 'APT::Get::Assume-Yes "true";' >/etc/apt/apt.conf.d/90answers
rm -rf /var/lib/apt/lists/* /var/cache/apt/*.bin
"""

# The root of a new mount namespace, in a new process namespace. $1: the root, $2: where packages are kept.
START = """
set -e
mount -t proc proc "$1/proc"
mount --rbind /sys "$1/sys"
mount -t tmpfs -o mode=755 tmpfs "$1/run"
mount -t tmpfs -o mode=755 tmpfs "$1/dev"
for node in null zero full random urandom tty; do
    touch "$1/dev/$node"
    mount --bind "/dev/$node" "$1/dev/$node"
done
ln -s /proc/self/fd "$1/dev/fd"
for fd in stdin:0 stdout:1 stderr:2; do ln -s "/proc/self/fd/${fd#*:}" "$1/dev/${fd%:*}"; done
mkdir -m 1777 "$1/dev/shm"
mkdir "$1/dev/pts"
mount -t devpts -o newinstance,ptmxmode=666,mode=620 devpts "$1/dev/pts"
ln -s pts/ptmx "$1/dev/ptmx"
mount --bind "$2" "$1/var/cache/apt/archives"
cd "$1"
pivot_root . mnt
umount -l /mnt
cd /
echo ready
exec sleep infinity
"""


class Failed(Exception):
    """A command that failed, with what it wrote."""


class Release:
    """Debian `name`, as a directory in `lab`, which nobody writes to."""

    def __init__(self, lab, name):
        self.lab, self.name, self.base = lab, name, pathlib.Path("/mnt/base")
        CACHE.mkdir(exist_ok=True)
        # Until the end: apt wants the packages for itself.
        self.lock = open(CACHE / f"{name}.lock", "w", encoding="ascii")
        fcntl.flock(self.lock, fcntl.LOCK_EX)
        self.debs, self.tar = CACHE / f"{name}-packages", CACHE / f"{name}.tar"
        (self.debs / "partial").mkdir(parents=True, exist_ok=True)
        run(lab.enter("mkdir", self.base))
        if self.tar.exists() and time.time() - self.tar.stat().st_mtime < KEPT:
            run(lab.enter("tar", "-C", self.base, "-xf", self.tar))
        else:
            self._make()

    def _make(self):
        mirror, settings = apt_of_this_machine()
        run(self.lab.enter("debootstrap", "--variant=minbase", f"--include={INCLUDED}", f"--cache-dir={self.debs}",
                           self.name, self.base, mirror, network=False))
        base = self.lab.root / str(self.base).lstrip("/")
        (base / "etc/apt/apt.conf.d/00mirror").write_text(settings, encoding="utf-8")
        (base / "etc/resolv.conf").write_bytes(pathlib.Path("/etc/resolv.conf").read_bytes())
        run(self.lab.enter("chroot", self.base, "sh", "-c", FINISH), env=ENVIRONMENT)
        part = self.tar.with_suffix(".part")
        run(self.lab.enter("tar", "-C", self.base, "--one-file-system", "-cf", part, "."))
        part.rename(self.tar)

    def close(self):
        self.lock.close()


class Booted(Host):
    """A host of which only the minimum is there. Commands have this machine's network, and so the mirror; its services do not."""

    def __init__(self, lab, release):
        super().__init__(lab, "pristine", 1, lower=str(release.base))
        self.mounted = pathlib.Path("/mnt/pristine/root")
        run(lab.enter("mount", "--bind", release.debs, self.mounted / "var/cache/apt/archives"))

    def script(self, script, user=USER, where="p2pshare", **options):
        """What a bash script prints, as `user` in `where` of that user's home; a failure is Failed."""
        namespaces = ["nsenter", "-t", self.leader, "-m", "-u", "-i", "-p", "-C", "--"]
        return run([*namespaces, *as_user(script, user, where)], **options)


    def close(self):
        super().close()
        remove(self.lab, self.mounted)


class Root:
    """A machine without an init. It is gone with close(), and all that runs on it."""

    def __init__(self, lab, name, release):
        self.lab, self.name = lab, name
        self.root = lab.mount_overlay(release.base, name)
        self.init = subprocess.Popen(
            lab.enter("unshare", "--mount", "--pid", "--fork", "--kill-child", "--propagation", "private", "sh", "-c",
                      START, "start", self.root, release.debs, network=False),
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        if self.init.stdout.readline() != "ready\n":
            raise Impossible(f"no root for {name}: " + self.init.communicate()[1].strip())
        self.pid = first_of(self.init.pid)

    def script(self, script, user=USER, where="p2pshare", **options):
        """What a bash script prints, as `user` in `where` of that user's home; a failure is Failed."""
        return run(["nsenter", "-t", str(self.pid), "-m", "-p", "--", *as_user(script, user, where)], **options)

    def close(self):
        kill(self.pid, signal.SIGKILL)
        self.init.communicate()
        remove(self.lab, self.root)


def remove(lab, root):
    """A root with all that was written to it."""
    run(lab.enter("sh", "-c", 'umount --recursive "$1" && rm -rf "${1%/*}"', "remove", root))


def clone(machine, user=USER):
    """The files that git tracks, as they are now, into p2pshare in the home of `user`."""
    tracked = ["bash", "-c", 'cd "$1" && set -o pipefail && git ls-files -z | tar --null --no-recursion -T - -c', "-", SOURCE]
    machine.script("mkdir p2pshare", user, ".")
    with subprocess.Popen(tracked, stdout=subprocess.PIPE) as tar:
        machine.script("tar -x", user, stdin=tar.stdout)
    assert tar.returncode == 0, "there is no tree to be cloned"


def as_user(script, user, where):
    """A command line that runs a bash script as `user`, in a directory of that user's home."""
    home = "/root" if user == "root" else f"/home/{user}"
    env = [f"{key}={value}" for key, value in (ENVIRONMENT | {"HOME": home, "USER": user, "LOGNAME": user}).items()]
    return ["runuser", "-u", user, "--", "env", "-i", *env, "bash", "-e", "-c", f"cd {shlex.quote(f'{home}/{where}')} || exit 1\n{script}"]


def run(argv, timeout=HANGS, **options):
    """What a command prints; a failure is Failed."""
    options.setdefault("stdin", subprocess.DEVNULL)
    result = subprocess.run([str(arg) for arg in argv], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                            errors="backslashreplace", check=False, timeout=timeout, **options)
    if result.returncode != 0:
        raise Failed(f"status {result.returncode}: {shlex.join(map(str, argv))}\n{result.stdout[-6000:]}")
    return result.stdout


def first_of(pid):
    """The first process of the namespace that `pid` has made, behind the commands that led there."""
    end = time.monotonic() + 30
    while time.monotonic() < end:
        below = pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()
        if not below:
            return pid
        pid = int(below[0])
    raise AssertionError("no end of processes")


def apt_of_this_machine():
    """The mirror that has Debian, and settings of apt without which it may not be reached."""
    for _ in range(2):
        targets = subprocess.run(["apt-get", "indextargets", "--format", "$(SITE) $(CODENAME) $(ORIGIN)",
                                  "Created-By: Packages", "Component: main"], check=False, capture_output=True, text=True).stdout
        for line in targets.splitlines():
            found = re.fullmatch(r"(\S+) [a-z]+ Debian", line)
            if found:
                return found[1], apt_settings()
        subprocess.run(["apt-get", "-qq", "update"], check=False)
    raise Impossible("apt of this machine names no mirror of Debian")


def apt_settings():
    dump = ""
    with contextlib.suppress(FileNotFoundError):
        dump = subprocess.run(["apt-config", "dump"], check=False, capture_output=True, text=True).stdout
    wanted = re.compile(r"^Acquire::(http|https|Check-Valid-Until|Check-Date|Retries|Languages)\b.*$", re.M)
    return "".join(match[0] + "\n" for match in wanted.finditer(dump))
