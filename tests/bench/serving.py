#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""p2p-peer beside nginx (sendfile, one worker): a cached file over HTTP at 1, 16 and 256 downloads at once, in one
answer each and in ranges of 1 MiB. Both in one run, alternating, with the same client, which throws the bytes away
(http-drain.c); medians, and their ratios.

    tests/bench/serving.py BUILD [MIB] [ROUNDS]       (nginx-light and cc must be installed)

MIB is what all downloads of one measurement together fetch. CPU is counted twice: of the server alone, and of the
whole machine, since on loopback the kernel does the work of the network for whoever happens to run."""

import pathlib
import subprocess

from bench import Nginx, alternate, argument, congestion_control, cpu_seconds, harness, load, machine_seconds, place, random_file

MIB = argument(1, 4096)
ROUNDS = argument(2, 5)
FILE_MIB = 1024
CASES = [(1, 0), (16, 0), (256, 0), (1, 1), (16, 1), (256, 1)]  # downloads at once, MiB of a range (0: all in one)


def measure(drain, port, path, pid, downloads, range_mib):
    """(seconds, CPU seconds of the server, of the machine) for MIB MiB."""
    each = min(MIB // downloads, FILE_MIB) << 20
    before = cpu_seconds(pid), machine_seconds()
    rounds = max(1, (MIB << 20) // (each * downloads))
    wall = sum(float(subprocess.run([drain, str(port), path, str(downloads), str(each), str(range_mib << 20)],
                                    check=True, stdout=subprocess.PIPE).stdout) for _ in range(rounds))
    return wall, cpu_seconds(pid) - before[0], machine_seconds() - before[1]


def compare(drain, ours, theirs, downloads, range_mib):
    """Prints a line: MiB/s of both, and the ratios ours to theirs."""
    medians = alternate(ROUNDS, [lambda s=server: measure(drain, *s, downloads, range_mib) for server in (ours, theirs)])
    gib = MIB / 1024
    print(f"{downloads:9} {'whole' if range_mib == 0 else f'{range_mib} MiB':>7}"
          f"{MIB / medians[0][0]:9.0f}{MIB / medians[1][0]:9.0f}{medians[1][0] / medians[0][0]:7.2f}"
          f"{medians[0][1] / gib:10.3f}{medians[1][1] / gib:9.3f}{medians[0][1] / medians[1][1]:7.2f}"
          f"{medians[0][2] / gib:10.3f}{medians[1][2] / gib:9.3f}{medians[0][2] / medians[1][2]:7.2f}", flush=True)


def main():
    with place() as world:
        big = random_file(world.tmp / "share" / "big.bin", FILE_MIB)
        drain = str(world.tmp / "http-drain")
        subprocess.run(["cc", "-O2", "-o", drain, pathlib.Path(__file__).with_name("http-drain.c")], check=True)
        root = subprocess.run([harness.program("p2pctl"), "hash", big], check=True, text=True,
                              stdout=subprocess.PIPE).stdout.split()[0]
        peer = world.peer(None, [big], max_uploads=1000)
        harness.wait_for(lambda: subprocess.run(["curl", "-sfI", f"http://127.0.0.1:{peer.port}/file/{root}"],
                                                stdout=subprocess.DEVNULL).returncode == 0, "the file to be hashed")
        nginx = world.server(Nginx(world.tmp, big.parent))
        print(f"{MIB} MiB over loopback each, medians of {ROUNDS}, {congestion_control()} on both sides, {load()}; "
              "p2p-peer, nginx, ratio")
        print(f"{'downloads':9} {'answers':>7}{'MiB/s':>9}{'MiB/s':>9}{'ratio':>7}{'CPU s/GiB':>10}{'':>9}{'ratio':>7}"
              f"{'all s/GiB':>10}{'':>9}{'ratio':>7}")
        for downloads, range_mib in CASES:
            compare(drain, (peer.port, f"/file/{root}/big.bin", peer.pid), (nginx.port, "/big.bin", nginx.pid),
                    downloads, range_mib)


if __name__ == "__main__":
    main()
