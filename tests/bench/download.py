#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""A download by p2pctl from one peer to another, beside curl from nginx (sendfile): wall time, and the
CPU seconds of the side that serves. Both in one run, alternating; the medians and their ratio.

    tests/bench/download.py BUILD [MIB] [ROUNDS]        (nginx-light and curl must be installed)

Nothing is asserted: a figure alone says little, the ratio of one run says something."""

import os
import pathlib
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

BUILD = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else "build").resolve()
MIB = int(sys.argv[2]) if len(sys.argv) > 2 else 1024
ROUNDS = int(sys.argv[3]) if len(sys.argv) > 3 else 5

os.environ["P2PSHARE_BUILD"] = str(BUILD)
sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "integration"))
import harness  # noqa: E402

TICK = os.sysconf("SC_CLK_TCK")


def cpu_seconds(pid):
    """User and system time of a process and its threads so far."""
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICK


class Nginx:
    """One worker that serves a directory with sendfile."""

    def __init__(self, tmp, root):
        self.port = harness.Port()
        port = self.port.number
        self.port.close()
        config = pathlib.Path(tmp) / "nginx.conf"
        config.write_text(
            f"daemon off; worker_processes 1; pid {tmp}/nginx.pid; error_log {tmp}/nginx.log;\n"
            "events { worker_connections 1024; }\n"
            "http { access_log off; sendfile on; tcp_nopush on;\n"
            f"  server {{ listen 127.0.0.1:{port}; root {root}; }} }}\n")
        self.url = f"http://127.0.0.1:{port}/big.bin"
        self.process = subprocess.Popen(["nginx", "-c", str(config)], stderr=subprocess.DEVNULL)
        harness.wait_for(lambda: subprocess.run(["curl", "-sI", self.url], stdout=subprocess.DEVNULL)
                         .returncode == 0, "nginx")
        children = f"/proc/{self.process.pid}/task/{self.process.pid}/children"
        self.worker = int(pathlib.Path(children).read_text().split()[0])

    def stop(self):
        self.process.terminate()
        self.process.wait()


def children_seconds():
    times = os.times()
    return times.children_user + times.children_system


def warm_memory(directory):
    """Touches as much memory as the download will fill, and frees it: the host of a virtual machine takes
    back what was free for some seconds, and whoever comes first would pay for getting it again."""
    scratch = pathlib.Path(directory) / "scratch"
    with open(scratch, "wb") as file:
        for _ in range(MIB):
            file.write(bytes(1 << 20))
    scratch.unlink()


def measure(command, target, server_pid, helper_pids, env):
    """(wall seconds, CPU seconds of the server, of all) of one command that makes `target`. On loopback
    the kernel does the work of the network for whoever happens to run, so that only the sum compares."""
    pathlib.Path(target).unlink(missing_ok=True)
    warm_memory(os.path.dirname(target))
    cpu = [cpu_seconds(server_pid), sum(map(cpu_seconds, helper_pids)) + children_seconds()]
    begin = time.monotonic()
    subprocess.run(command, check=True, env=env, stdout=subprocess.DEVNULL,
                   stderr=subprocess.DEVNULL)
    wall = time.monotonic() - begin
    server = cpu_seconds(server_pid) - cpu[0]
    others = sum(map(cpu_seconds, helper_pids)) + children_seconds() - cpu[1]
    return wall, server, server + others


def congestion_control():
    return pathlib.Path("/proc/sys/net/ipv4/tcp_congestion_control").read_text().strip()


def main():
    tmp = tempfile.mkdtemp(prefix="p2pshare-bench-", dir="/dev/shm")
    root = pathlib.Path(tmp) / "share"
    root.mkdir()
    os.chmod(tmp, 0o755)
    with open(root / "big.bin", "wb") as big:
        for _ in range(MIB):
            big.write(os.urandom(1 << 20))

    world = harness.World(pathlib.Path(tmp))
    nginx = None
    try:
        bus_a, bus_b = world.bus(), world.bus()
        ft = world.ft(bus_a)
        owner = world.peer(ft, [root], bus=bus_a).joined()
        asker = world.peer(ft, bus=bus_b).joined()
        nginx = Nginx(tmp, root)
        env = harness.clean_env(**bus_b.env)
        ours, theirs = [], []
        for _ in range(ROUNDS):
            ours.append(measure([harness.program("p2pctl"), "download", "big.bin", "-o",
                                 f"{tmp}/ours.bin"], f"{tmp}/ours.bin", owner.pid, [asker.pid], env))
            theirs.append(measure(["curl", "-s", "-o", f"{tmp}/theirs.bin", nginx.url],
                                  f"{tmp}/theirs.bin", nginx.worker, [], env))
        subprocess.run(["cmp", f"{tmp}/ours.bin", root / "big.bin"], check=True)
    finally:
        if nginx:
            nginx.stop()
        world.close()
        shutil.rmtree(tmp, ignore_errors=True)

    medians = [[statistics.median(run[i] for run in runs) for i in range(3)]
               for runs in (ours, theirs)]
    ratios = [a / b if b else float("nan") for a, b in zip(*medians)]
    print(f"{MIB} MiB over loopback into tmpfs, medians of {ROUNDS}, {congestion_control()} on both "
          "sides")
    print(f"{'':28}{'wall, s':>10}{'server CPU, s':>16}{'all CPU, s':>13}")
    for name, row in (("p2pctl from p2p-peer", medians[0]), ("curl from nginx (sendfile)", medians[1]),
                      ("ratio, ours to theirs", ratios)):
        print(f"{name:28}{row[0]:10.2f}{row[1]:16.2f}{row[2]:13.2f}")


if __name__ == "__main__":
    main()
