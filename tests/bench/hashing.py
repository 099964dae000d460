#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""The root of a cached file by `p2pctl hash`, beside what `openssl speed` makes of SHA-256 in blocks of
16 KiB, on as many cores. Both in one run, alternating; the medians and their ratio.

    tests/bench/hashing.py BUILD [MIB] [ROUNDS]

Nothing is asserted: a figure alone says little, the ratio of one run says something. `openssl speed`
hashes the same 16 KiB again and again; a file comes from memory, and each leaf costs a node of the tree."""

import os
import pathlib
import shutil
import statistics
import subprocess
import tempfile
import time

from bench import argument, harness, load, random_file

MIB = argument(1, 4096)
ROUNDS = argument(2, 5)
SECONDS = 2  # that openssl takes for a figure


def openssl(cores):
    """GB/s of all cores together."""
    argv = ["openssl", "speed", "-evp", "sha256", "-bytes", "16384", "-seconds", str(SECONDS)]
    out = subprocess.run(argv + ["-multi", str(cores)], check=True, capture_output=True, text=True).stdout
    return float(out.split()[-1].rstrip("k")) * 1000 / 1e9


def ours(path):
    begin = time.monotonic()
    subprocess.run([harness.program("p2pctl"), "hash", path], check=True, stdout=subprocess.DEVNULL)
    return MIB * (1 << 20) / (time.monotonic() - begin) / 1e9


def main():
    cores = len(os.sched_getaffinity(0))
    # On a disk, not on tmpfs: its pages are smaller, and reading them costs twice as much.
    tmp = tempfile.mkdtemp(prefix="p2pshare-bench-", dir="/var/tmp")
    path = pathlib.Path(tmp) / "big.bin"
    runs = []
    try:
        random_file(path, MIB)
        os.sync()
        ours(path)  # into the cache
        for _ in range(ROUNDS):
            runs.append((ours(path), openssl(cores)))
    finally:
        shutil.rmtree(tmp, ignore_errors=True)
    mine, theirs = (statistics.median(run[i] for run in runs) for i in range(2))
    print(f"{MIB} MiB, cached, medians of {ROUNDS}, {load()}")
    print(f"{'p2pctl hash':28}{mine:8.2f} GB/s{mine / cores:8.2f} per core")
    print(f"{'openssl speed, 16 KiB':28}{theirs:8.2f} GB/s{theirs / cores:8.2f} per core")
    print(f"{'ratio, ours to theirs':28}{statistics.median(a / b for a, b in runs):8.3f}")


if __name__ == "__main__":
    main()
