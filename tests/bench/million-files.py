#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""A peer with a million shared files: from start to READY, and until all of them and their roots are known,
with and without a cache of the roots; and its peak memory. Once spread over a thousand directories, once in a
single one.

    tests/bench/million-files.py BUILD [FILES] [ROUNDS]

Nothing is asserted. The target: 5 s and 150 MB with the cache warm."""

import os
import pathlib
import re
import shutil
import statistics
import time

from bench import argument, harness, load, place

FILES = argument(1, 1_000_000)
ROUNDS = argument(2, 5)
COLD_DEADLINE = 600


def make_files(root, per_directory):
    """Each with a content of its own, so that each has a root of its own."""
    root.mkdir()
    for begin in range(0, FILES, per_directory):
        directory = root / f"album-{begin // per_directory:06}"
        directory.mkdir()
        fd = os.open(directory, os.O_PATH)
        for i in range(begin, min(begin + per_directory, FILES)):
            file = os.open(f"picture-{i:07}.jpeg", os.O_WRONLY | os.O_CREAT, 0o644, dir_fd=fd)
            os.write(file, b"%d" % i)
            os.close(file)
        os.close(fd)


def peak_mb(pid):
    status = pathlib.Path(f"/proc/{pid}/status").read_text()
    return int(re.search(r"VmHWM:\s+(\d+) kB", status)[1]) * 1024 / 1e6


def measure(peer, line, deadline):
    """(seconds to READY, seconds to the line in the log, peak MB) of one start."""
    begin = time.monotonic()
    peer.log_path.write_text("")
    peer.start()
    ready = time.monotonic() - begin
    peer.wait_log(line, deadline)
    known = time.monotonic() - begin
    peak = peak_mb(peer.pid)
    peer.stop()
    return ready, known, peak


def run(world, name, per_directory):
    root = world.tmp / f"files-{per_directory}"
    make_files(root, per_directory)
    peer = world.peer(None, [root], name=f"peer-{per_directory}", start=False)
    cold = measure(peer, rf"Hashed what was new: {FILES} files", COLD_DEADLINE)
    # The first line says that there was nothing to hash.
    runs = [measure(peer, rf"Shares: {FILES} files, 0 to hash", harness.DEADLINE) for _ in range(ROUNDS)]
    shutil.rmtree(root)
    warm = [statistics.median(run[i] for run in runs) for i in range(3)]
    for label, row in (("nothing cached", cold), (f"cache warm, median of {ROUNDS}", warm)):
        print(f"{name:22}{label:28}{row[0]:10.2f}{row[1]:16.2f}{row[2]:12.0f}", flush=True)


def main():
    print(f"{FILES} files on tmpfs, {load()}\n{'':50}{'READY, s':>10}{'all known, s':>16}{'peak, MB':>12}")
    with place() as world:
        run(world, "1000 a directory", 1000)
        run(world, "one directory", FILES)


if __name__ == "__main__":
    main()
