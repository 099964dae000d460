# SPDX-License-Identifier: MIT
"""A place for hosts: namespaces of their own for mounts, processes and the network, with a bridge in them.

All of it hangs on one process, the first of its process namespace, which the kernel kills when this process ends,
however it ends. With it go the hosts, the bridge, the mounts and what was written to them; what stays behind of a
killed run are empty cgroups, and the next run removes these.
"""

import contextlib
import ctypes
import os
import pathlib
import subprocess
import time

NAME = "p2pshare-test"
NETWORK, NETWORK6 = "10.99.0", "fd99:0:0:1"  # nobody outside ever sees them
HERE = f"{NETWORK}.254"  # the test itself
DEADLINE = 30
CLONE_NEWNET = 0x40000000

_libc = ctypes.CDLL(None, use_errno=True)

SETUP = f"""
set -e
mount -t tmpfs -o mode=755,size=4g {NAME} /mnt
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
    def __init__(self):
        if os.geteuid() != 0:
            raise Impossible("only root can boot hosts")
        # Killed with us: the first of them by setpriv, the second by unshare.
        self.init = subprocess.Popen(
            ["setpriv", "--pdeathsig", "KILL", "unshare", "--mount", "--net", "--pid", "--fork", "--kill-child",
             "--mount-proc", "--propagation", "private", "sh", "-c", SETUP + "echo ready; exec sleep infinity"],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        if self.init.stdout.readline() != "ready\n":
            raise Impossible("no namespaces: " + self.init.communicate()[1].strip().replace("\n", "; "))
        try:
            self.cgroups = make_cgroups()
        except Impossible:
            self.init.kill()
            self.init.communicate()
            raise
        self.pid = int(children(self.init.pid)[0])
        self.net = os.open(f"/proc/{self.pid}/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        self.root = pathlib.Path(f"/proc/{self.pid}/root")

    def enter(self, *argv):
        """argv, to be run in here."""
        return ["nsenter", "-t", str(self.pid), "-m", "-n", "-p", "--", *map(str, argv)]

    def run(self, *argv, **options):
        return subprocess.run(self.enter(*argv), check=True, capture_output=True, text=True, timeout=DEADLINE, **options)

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
        for cgroup in self.cgroups:
            remove_cgroup(cgroup)


def children(pid):
    return pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()


def set_network(fd):
    if _libc.setns(fd, CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), "setns")


def kill(pid, number):
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)


# Each host needs a cgroup of its own: two systemd in one would end each other's services.


def make_cgroups():
    """One in each hierarchy that systemd uses; a directory for each host goes below it."""
    made = []
    for line in pathlib.Path("/proc/self/cgroup").read_text(encoding="utf-8").splitlines():
        number, controllers, path = line.split(":", 2)
        if number == "0":
            root = "/sys/fs/cgroup/unified" if os.path.isdir("/sys/fs/cgroup/unified") else "/sys/fs/cgroup"
        elif controllers == "name=systemd":
            root = "/sys/fs/cgroup/systemd"
        else:
            continue
        parent = pathlib.Path(root + path.rstrip("/"))
        for old in parent.glob(f"{NAME}.*"):
            if not os.path.exists(f"/proc/{old.name.rpartition('.')[2]}"):
                remove_cgroup(old)
        cgroup = parent / f"{NAME}.{os.getpid()}"
        try:
            cgroup.mkdir()
        except OSError as error:
            raise Impossible(f"no cgroup: {error}") from None
        made.append(cgroup)
    return made


def remove_cgroup(cgroup):
    """With all below it; the processes in there have been killed, and may need a moment to be gone."""
    end = time.monotonic() + DEADLINE
    while os.path.isdir(cgroup):
        for path, _, _ in os.walk(cgroup, topdown=False):
            with contextlib.suppress(OSError):
                os.rmdir(path)
        if time.monotonic() > end:
            raise AssertionError(f"{cgroup} is still in use")
        time.sleep(0.01)
