# SPDX-License-Identifier: MIT
"""A place for hosts: namespaces of their own for mounts, processes and the network, with a bridge in them.

All of it hangs on one process, the first of its process namespace, which the kernel kills when this process ends,
however it ends. With it go the hosts, the bridge, the mounts and what was written to them; what stays behind of a
killed run are empty cgroups, and the next run removes these.
"""

import contextlib
import ctypes
import fcntl
import os
import pathlib
import subprocess
import time
import uuid

NAME = "p2pshare-test"
NETWORK, NETWORK6 = "10.99.0", "fd99:0:0:1"  # nobody outside ever sees them
HERE = f"{NETWORK}.254"  # the test itself
DEADLINE = int(os.environ.get("P2PSHARE_DEADLINE", "30"))  # seconds
CLONE_NEWNET = 0x40000000

_libc = ctypes.CDLL(None, use_errno=True)

SETUP = f"""
set -e
mount -t tmpfs -o mode=755,size=$1 {NAME} /mnt
mount -t tmpfs -o mode=755 {NAME} /run
ip link set lo up
ip link add br0 type bridge
ip addr add {HERE}/24 dev br0
ip addr add {NETWORK6}::254/64 dev br0 nodad || true
ip link set br0 up
"""


class Impossible(Exception):
    """This kernel, or this user, cannot do it."""


class Lab:
    """`size`: how much all hosts together may write, as tmpfs understands it."""

    def __init__(self, size="4g"):
        if os.geteuid() != 0:
            raise Impossible("only root can boot hosts")
        # Killed with us: the first of them by setpriv, the second by unshare.
        self.init = subprocess.Popen(
            ["setpriv", "--pdeathsig", "KILL", "unshare", "--mount", "--net", "--pid", "--fork", "--kill-child",
             "--mount-proc", "--propagation", "private", "sh", "-c", SETUP + "echo ready; exec sleep infinity", "lab", size],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        if self.init.stdout.readline() != "ready\n":
            raise Impossible("no namespaces: " + self.init.communicate()[1].strip().replace("\n", "; "))
        self.cgroups, self.locks = [], []
        try:
            self.make_cgroups()
        except Impossible:
            self.init.kill()
            self.init.communicate()
            self.remove_cgroups()
            raise
        self.pid = int(children(self.init.pid)[0])
        self.net = os.open(f"/proc/{self.pid}/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        self.root = pathlib.Path(f"/proc/{self.pid}/root")

    def enter(self, *argv, network=True):
        """argv, to be run in here; without `network`, with this machine's network."""
        return ["nsenter", "-t", str(self.pid), "-m", "-p", *["-n"] * network, "--", *map(str, argv)]

    def run(self, *argv, **options):
        return subprocess.run(self.enter(*argv), check=True, capture_output=True, text=True, timeout=DEADLINE, **options)

    def mount_overlay(self, lower, name):
        """A root that begins as the directory `lower`; what is written to it is in memory. Its path, as it is in here."""
        base = pathlib.Path("/mnt") / name
        for directory in ("upper", "work", "root"):
            (self.root / str(base / directory).lstrip("/")).mkdir(parents=True)
        try:
            self.run("mount", "-t", "overlay", "-o", f"lowerdir={lower},upperdir={base}/upper,workdir={base}/work",
                     "overlay", f"{base}/root")
        except subprocess.CalledProcessError as error:
            raise Impossible("no overlayfs: " + error.stderr.strip()) from None
        return base / "root"

    @contextlib.contextmanager
    def network(self):
        """What this thread opens or starts meanwhile is on the bridge, at HERE, and stays there."""
        with open("/proc/thread-self/ns/net", encoding="ascii") as before:
            set_network(self.net)
            try:
                yield
            finally:
                set_network(before.fileno())

    def close(self):
        self.init.kill()
        self.init.communicate()
        os.close(self.net)
        self.remove_cgroups()

    # Each host needs a cgroup of its own: two systemd in one would end each other's services.

    def make_cgroups(self):
        """One in each hierarchy that systemd uses; a directory for each host goes below it."""
        for parent in cgroup_parents():
            for old in parent.glob(f"{NAME}.*"):
                remove_stale_cgroup(old)
            cgroup, lock = make_cgroup(parent)
            self.cgroups.append(cgroup)
            self.locks.append(lock)

    def remove_cgroups(self):
        for cgroup, lock in zip(self.cgroups, self.locks):
            remove_cgroup(cgroup)
            os.close(lock)


def children(pid):
    return pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()


def set_network(fd):
    if _libc.setns(fd, CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), "setns")


def kill(pid, number):
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)


def cgroup_parents():
    """Where we may make cgroups: our own one in each hierarchy that systemd uses."""
    for line in pathlib.Path("/proc/self/cgroup").read_text(encoding="utf-8").splitlines():
        number, controllers, path = line.split(":", 2)
        if number == "0":
            root = "/sys/fs/cgroup/unified" if os.path.isdir("/sys/fs/cgroup/unified") else "/sys/fs/cgroup"
        elif controllers == "name=systemd":
            root = "/sys/fs/cgroup/systemd"
        else:
            continue
        yield pathlib.Path(root + path.rstrip("/"))


def make_cgroup(parent):
    """A new one and its lock. The lock shows other runs that this one lives: a process number says nothing to a run in
    another process namespace."""
    for _ in range(100):
        cgroup = parent / f"{NAME}.{uuid.uuid4().hex}"
        try:
            cgroup.mkdir()
        except OSError as error:
            raise Impossible(f"no cgroup: {error}") from None
        # Another run may take it for stale until it is locked.
        with contextlib.suppress(OSError):
            lock = os.open(cgroup, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if cgroup.exists():
                    return cgroup, lock
            except OSError:
                pass
            os.close(lock)
    raise Impossible(f"no cgroup stays below {parent}")


def remove_stale_cgroup(cgroup):
    """Removes what a killed run has left; leaves one whose run lives."""
    try:
        lock = os.open(cgroup, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except FileNotFoundError:
        return
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        # Processes in there may be about to die: a later run removes it then.
        rmdir_below(cgroup)
    except BlockingIOError:
        pass
    finally:
        os.close(lock)


def remove_cgroup(cgroup):
    """With all below it; the processes in there have been killed, and may need a moment to be gone."""
    end = time.monotonic() + DEADLINE
    while os.path.isdir(cgroup):
        rmdir_below(cgroup)
        if time.monotonic() > end:
            raise AssertionError(f"{cgroup} is still in use")
        time.sleep(0.01)


def rmdir_below(cgroup):
    """With itself; what is in use stays."""
    for path, _, _ in os.walk(cgroup, topdown=False):
        with contextlib.suppress(OSError):
            os.rmdir(path)
