#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""A large file into memory, from one peer and from four: p2pctl, which verifies it, beside aria2c from the same
peers' HTTP, verified by the SHA-256 pieces of a Metalink, and not verified. All in one run, alternating; medians.

    tests/bench/fetching.py BUILD [MIB] [ROUNDS]        (aria2 must be installed)

Nothing is asserted: a figure alone says little, the ratio of one run says something. Wanted: no more than half
of aria2's time where it verifies, and no more than its time where it does not."""

import hashlib
import subprocess

from bench import alternate, argument, congestion_control, harness, load, place, random_file, timed, warm_memory

MIB = argument(1, 1024)
ROUNDS = argument(2, 5)
PEERS = (1, 4)
ARIA2 = ["aria2c", "--quiet", "--no-conf", "-x4", "-s4", "-k1M", "--file-allocation=none", "--allow-overwrite"]


def metalink(path, target, urls):
    """A Metalink file (RFC 5854) with a hash for each MiB."""
    with open(path, "rb") as file:
        hashes = "".join(f"<hash>{hashlib.sha256(file.read(1 << 20)).hexdigest()}</hash>" for _ in range(MIB))
    return ('<?xml version="1.0"?>\n<metalink xmlns="urn:ietf:params:xml:ns:metalink">'
            f'<file name="{target}"><size>{MIB << 20}</size><pieces length="{1 << 20}" type="sha-256">{hashes}</pieces>'
            + "".join(f"<url>{url}</url>" for url in urls) + "</file></metalink>\n")


def fetch(command, target, env):
    """(wall, CPU of all) of one download."""
    target.unlink(missing_ok=True)
    warm_memory(target.parent, MIB)
    return timed(command, env)


def compare(world, asker, big, urls):
    """Prints the lines for these sources."""
    (world.tmp / "big.meta4").write_text(metalink(big, "verified.bin", urls))
    targets = [world.tmp / name for name in ("ours.bin", "verified.bin", "plain.bin")]
    commands = [[harness.program("p2pctl"), "download", "big.bin", "-o", str(targets[0])],
                [*ARIA2, "-d", str(world.tmp), str(world.tmp / "big.meta4")],
                [*ARIA2, "-d", str(world.tmp), "-o", "plain.bin", *urls]]
    env = harness.clean_env(**asker.bus.env)
    rows = alternate(ROUNDS, [lambda c=command, t=target: fetch(c, t, env) for command, target in zip(commands, targets)])
    for target in targets:
        subprocess.run(["cmp", target, big], check=True)
        target.unlink()
    for name, (wall, cpu) in zip(("p2pctl, verified", "aria2c, verified", "aria2c, not verified"), rows):
        print(f"{len(urls):5}  {name:22}{wall:8.2f}{rows[0][0] / wall:8.2f}{cpu:10.2f}{rows[0][1] / cpu:8.2f}", flush=True)


def main():
    with place() as world:
        big = random_file(world.tmp / "share" / "big.bin", MIB)
        root = subprocess.run([harness.program("p2pctl"), "hash", big], check=True, text=True,
                              stdout=subprocess.PIPE).stdout.split()[0]
        print(f"{MIB} MiB over loopback into tmpfs, medians of {ROUNDS}, {congestion_control()}, {load()}")
        print(f"peers  {'':22}{'wall, s':>8}{'ours/':>8}{'CPU, s':>10}{'ours/':>8}")
        ft = world.ft()
        asker = world.peer(ft).joined()
        owners = []
        for count in PEERS:
            while len(owners) < count:
                owners.append(world.peer(ft, [big]))
            harness.wait_for(lambda: ft.lookup_roots("big.bin") == [root] * count, f"FT to know of {count} peers")
            compare(world, asker, big, [f"http://{owner.address}/file/{root}/big.bin" for owner in owners])


if __name__ == "__main__":
    main()
