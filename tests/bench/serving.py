#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""p2p-peer beside nginx (sendfile, one worker): a cached file over HTTP at 1, 16 and 256 downloads at once, in one
answer each and in ranges of 1 MiB. Both in one run, alternating, with the same client, which throws the bytes away
(http-drain.c); medians, and their ratios.

    tests/bench/serving.py BUILD [MIB] [ROUNDS]       (nginx-light and cc must be installed)

MIB is what all downloads of one measurement together fetch. CPU is counted twice: of the server alone, and of the
whole machine, since on loopback the kernel does the work of the network for whoever happens to run."""

import os
import pathlib
import shutil
import statistics
import subprocess
import sys
import tempfile

BUILD = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else "build").resolve()
MIB = int(sys.argv[2]) if len(sys.argv) > 2 else 4096
ROUNDS = int(sys.argv[3]) if len(sys.argv) > 3 else 5
FILE_MIB = 1024
CASES = [(1, 0), (16, 0), (256, 0), (1, 1), (16, 1), (256, 1)]  # downloads at once, MiB of a range (0: all in one)

os.environ["P2PSHARE_BUILD"] = str(BUILD)
sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "integration"))
import harness  # noqa: E402

TICK = os.sysconf("SC_CLK_TCK")


def server_seconds(pid):
    """User and system time of a process and its threads so far."""
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICK


def machine_seconds():
    """What all processors have spent on anything but waiting."""
    fields = [int(f) for f in pathlib.Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]]
    return (sum(fields) - fields[3] - fields[4]) / TICK


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


def measure(drain, port, path, pid, downloads, range_mib):
    """(seconds, CPU seconds of the server, of the machine) for MIB MiB."""
    each = min(MIB // downloads, FILE_MIB) << 20
    before = server_seconds(pid), machine_seconds()
    rounds = max(1, (MIB << 20) // (each * downloads))
    wall = sum(float(subprocess.run([drain, str(port), path, str(downloads), str(each), str(range_mib << 20)],
                                    check=True, stdout=subprocess.PIPE).stdout) for _ in range(rounds))
    return wall, server_seconds(pid) - before[0], machine_seconds() - before[1]


def compare(drain, ours, theirs, downloads, range_mib):
    """Prints a line: MiB/s of both, and the ratios ours to theirs."""
    runs = [[], []]
    for _ in range(ROUNDS):
        for side, server in enumerate((ours, theirs)):
            runs[side].append(measure(drain, *server, downloads, range_mib))
    medians = [[statistics.median(run[i] for run in side) for i in range(3)] for side in runs]
    gib = MIB / 1024
    print(f"{downloads:9} {'whole' if range_mib == 0 else f'{range_mib} MiB':>7}"
          f"{MIB / medians[0][0]:9.0f}{MIB / medians[1][0]:9.0f}{medians[1][0] / medians[0][0]:7.2f}"
          f"{medians[0][1] / gib:10.3f}{medians[1][1] / gib:9.3f}{medians[0][1] / medians[1][1]:7.2f}"
          f"{medians[0][2] / gib:10.3f}{medians[1][2] / gib:9.3f}{medians[0][2] / medians[1][2]:7.2f}", flush=True)


def main():
    tmp = pathlib.Path(tempfile.mkdtemp(prefix="p2pshare-bench-", dir="/dev/shm"))
    os.chmod(tmp, 0o755)
    root = tmp / "share"
    root.mkdir()
    with open(root / "big.bin", "wb") as big:
        for _ in range(FILE_MIB):
            big.write(os.urandom(1 << 20))
    drain = str(tmp / "http-drain")
    subprocess.run(["cc", "-O2", "-o", drain, pathlib.Path(__file__).with_name("http-drain.c")], check=True)
    identity = subprocess.run([harness.program("p2pctl"), "hash", str(root / "big.bin")], check=True, text=True,
                              stdout=subprocess.PIPE).stdout.split()[0]
    world = harness.World(tmp)
    nginx = None
    try:
        peer = world.peer(None, [root], max_uploads=1000)
        harness.wait_for(lambda: subprocess.run(["curl", "-sfI", f"http://127.0.0.1:{peer.port}/file/{identity}"],
                                                stdout=subprocess.DEVNULL).returncode == 0, "the file to be hashed")
        nginx = Nginx(tmp, root)
        congestion = pathlib.Path("/proc/sys/net/ipv4/tcp_congestion_control").read_text().strip()
        print(f"{MIB} MiB over loopback each, medians of {ROUNDS}, {congestion} on both sides; p2p-peer, nginx, ratio")
        print(f"{'downloads':9} {'answers':>7}{'MiB/s':>9}{'MiB/s':>9}{'ratio':>7}{'CPU s/GiB':>10}{'':>9}{'ratio':>7}"
              f"{'all s/GiB':>10}{'':>9}{'ratio':>7}")
        for downloads, range_mib in CASES:
            compare(drain, (peer.port, f"/file/{identity}/big.bin", peer.pid), (nginx.port, "/big.bin", nginx.pid),
                    downloads, range_mib)
    finally:
        if nginx:
            nginx.stop()
        world.close()
        shutil.rmtree(tmp, ignore_errors=True)


if __name__ == "__main__":
    main()
