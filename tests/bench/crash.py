#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""kill -9 at a random moment of a download, 200 times: of the daemon that downloads, of a source, of p2pctl; and
Ctrl-C. After each the download goes on, what has the final name is right at any moment, and at most a piece of each
source is fetched again; the first run where that is not so ends it, with the logs.

    tests/bench/crash.py BUILD [RUNS] [SEED]

tests/integration/test_crash.py does some of these runs."""

import collections
import time

from bench import argument, place
from harness.crashes import Crashes

RUNS = argument(1, 200)
SEED = argument(2, 1)


def main():
    begun = time.monotonic()
    kinds = collections.Counter()
    with place() as world:
        try:
            crashes = Crashes(world, SEED)
            for number in range(RUNS):
                line = crashes.run(number)
                kinds[line.split(": ")[1].split(",")[0]] += 1
                print(f"{time.monotonic() - begun:6.1f} s  {line}", flush=True)
        except BaseException:
            for name, text in world.logs():
                print(f"---- {name}\n{text[-4000:]}")
            raise
    print(f"{RUNS} runs, all right: " + ", ".join(f"{n} {kind}" for kind, n in sorted(kinds.items())))


if __name__ == "__main__":
    main()
