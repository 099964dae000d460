# SPDX-License-Identifier: MIT
"""What the benches share: the build, a place in memory, nginx, CPU time, figures that alternate.

Import it before the harness: it tells the harness which build to take."""

import contextlib
import os
import pathlib
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

_BUILD = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else "build").resolve()
os.environ.setdefault("P2PSHARE_BUILD", str(_BUILD))
sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "integration"))
import harness  # noqa: E402

TICK = os.sysconf("SC_CLK_TCK")

# Keys of [ft]: a load that comes from one machine, as fast as it can.
NO_LIMITS = {"limit_exempt": "127.0.0.0/8", "max_handshakes": 1_000_000, "max_records": 60_000_000, "search_rate": 0}


def argument(number, default):
    """A number on the command line, behind BUILD."""
    return int(sys.argv[number + 1]) if len(sys.argv) > number + 1 else default


def install(*packages):
    """Of Debian, what is missing of them (tests/lib/deps.sh)."""
    deps = pathlib.Path(__file__).parents[1] / "lib" / "deps.sh"
    subprocess.run(["bash", "-c", '. "$0" && deps_install "$@"', deps, *packages], check=True)


@contextlib.contextmanager
def place():
    """A World in a directory in memory, both gone afterwards."""
    tmp = pathlib.Path(tempfile.mkdtemp(prefix="p2pshare-bench-", dir="/dev/shm"))
    tmp.chmod(0o755)
    world = harness.World(tmp)
    try:
        yield world
    finally:
        try:
            world.close()
        finally:
            shutil.rmtree(tmp, ignore_errors=True)


def random_file(path, mib):
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "wb") as file:
        for _ in range(mib):
            file.write(os.urandom(1 << 20))
    return path


def warm_memory(directory, mib):
    """Touches as much memory as a download will fill, and frees it: the host of a virtual machine takes
    back what was free for some seconds, and whoever comes first would pay for getting it again."""
    scratch = pathlib.Path(directory) / "scratch"
    with open(scratch, "wb") as file:
        for _ in range(mib):
            file.write(bytes(1 << 20))
    scratch.unlink()


def cpu_seconds(pid):
    """User and system time of a process and its threads so far."""
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICK


def machine_seconds():
    """What all processors have spent on anything but waiting."""
    fields = [int(f) for f in pathlib.Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]]
    return (sum(fields) - fields[3] - fields[4]) / TICK


def timed(command, env=None):
    """(wall seconds, CPU seconds of the machine) of one command. On loopback the kernel does the work of the
    network for whoever happens to run, so that only the sum compares."""
    cpu, begin = machine_seconds(), time.monotonic()
    subprocess.run(command, check=True, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return time.monotonic() - begin, machine_seconds() - cpu


def alternate(rounds, sides):
    """Calls each of the functions in turn, again and again; the medians of what they return, side by side."""
    runs = [[] for _ in sides]
    for _ in range(rounds):
        for run, side in zip(runs, sides):
            run.append(side())
    return [[statistics.median(column) for column in zip(*run)] for run in runs]


def congestion_control():
    return pathlib.Path("/proc/sys/net/ipv4/tcp_congestion_control").read_text().strip()


def load():
    """What else the machine has to do, for whoever reads the figures."""
    return f"{len(os.sched_getaffinity(0))} cores, load before {os.getloadavg()[0]:.1f}"


class Nginx:
    """One worker, tuned as its manual says for this: sendfile, tcp_nopush, descriptors kept open."""

    def __init__(self, tmp, root):
        held = harness.Port()
        self.port = held.number
        held.close()
        config = pathlib.Path(tmp) / "nginx.conf"
        config.write_text(
            f"daemon off; worker_processes 1; pid {tmp}/nginx.pid; error_log {tmp}/nginx.log;\n"
            "events { worker_connections 2048; }\n"
            "http { access_log off; sendfile on; tcp_nopush on; keepalive_requests 1000000;\n"
            "  open_file_cache max=100; default_type application/octet-stream;\n"
            f"  server {{ listen 127.0.0.1:{self.port} backlog=1024; root {root}; }} }}\n")
        self.process = subprocess.Popen(["nginx", "-c", str(config)], stderr=subprocess.DEVNULL)
        children = pathlib.Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        harness.wait_for(lambda: children.read_text().split(), "nginx")
        self.pid = int(children.read_text().split()[0])

    def stop(self):
        self.process.terminate()
        self.process.wait()
