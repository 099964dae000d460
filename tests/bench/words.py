#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Searching by words: what a record takes with the index of words and without, how long searches for two words take,
and how long a SEARCH of somebody else takes meanwhile.

    tests/bench/words.py BUILD [RECORDS] [SEARCHES]

Names have 23 bytes with the extension: two words of 5000 that are not equally common, and a number of their own."""

import random
import time

from bench import NO_LIMITS, argument, load, place

from index import Wire, resident

RECORDS = argument(1, 1_000_000)
SEARCHES = argument(2, 2000)
PER_PEER = 10_000
VOCABULARY = 5000


def vocabulary():
    """Words of five letters."""
    numbers = random.Random(1)
    return ["".join(numbers.choices("abcdefghijklmnopqrstuvwxyz", k=5)) for _ in range(VOCABULARY)]


WORDS = vocabulary()


def word(numbers):
    """Every tenth name has the most common word, and each of the rarest few names."""
    return WORDS[int(VOCABULARY * numbers.random() ** 3)]


def name(number):
    """19 bytes; the extension has 4."""
    numbers = random.Random(number)
    return f"{word(numbers)}-{word(numbers)}-{number:07}"


def fill(ft):
    before, begin = resident(ft.pid), time.monotonic()
    peers = []
    for first in range(0, RECORDS, PER_PEER):
        numbers = range(first, min(first + PER_PEER, RECORDS))
        wire = Wire(ft.port)
        wire.send("HELLO\n")
        assert wire.line() == b"HI\n"
        wire.send("".join(f"<{name(i)}, dat, {100_000_000 + i}, 23/11/26, 127.0.0.1, 5556>\n" for i in numbers))
        wire.send(f"SEARCH: {name(numbers[-1])}.dat\n")
        assert wire.line().startswith(b"FOUND: <")
        peers.append(wire)
    return peers, time.monotonic() - begin, (resident(ft.pid) - before) / RECORDS


def of_one_name(numbers):
    first, second, _ = name(numbers.randrange(RECORDS)).split("-")
    return f"{first} {second}"


def of_two_names(numbers):
    return f"{word(numbers)} {word(numbers)}"


def with_a_beginning(numbers):
    first, second, _ = name(numbers.randrange(RECORDS)).split("-")
    return f"{first} {second[:3]}"


def word_and_number(numbers):
    first, _, number = name(numbers.randrange(RECORDS)).split("-")
    return f"{first} {number}"


def the_worst(numbers):
    """What most names have."""
    return f"dat {'abcdefghijklmnopqrstuvwxyz'[numbers.randrange(26)]}"


def measure(wire, other, kind):
    """Prints the times of the answers, in ms, and those of a SEARCH that is sent right behind the FIND."""
    numbers, times, waits, stopped = random.Random(2), [], [], 0
    for _ in range(SEARCHES):
        text = kind(numbers)
        begin = time.monotonic()
        wire.send(f"FIND: 50, , 0, , {text}\n")
        other.send(f"SEARCH: {name(numbers.randrange(RECORDS))}\n")
        assert other.line().startswith(b"FOUND")
        waits.append(time.monotonic() - begin)
        answer = wire.line()
        times.append(time.monotonic() - begin)
        assert answer.startswith(b"MATCHES: "), answer
        stopped += b"at least" in answer[:64]
    times.sort()
    waits.sort()
    print(f"{kind.__name__:>18}{times[SEARCHES // 2] * 1e3:9.2f}{times[SEARCHES * 99 // 100] * 1e3:9.2f}"
          f"{times[-1] * 1e3:9.2f}{waits[SEARCHES * 99 // 100] * 1e3:9.2f}{stopped / SEARCHES:9.0%}", flush=True)


def run(world, words):
    ft = world.ft(max_files_per_peer=PER_PEER, probe="no", words=words, **NO_LIMITS)
    peers, seconds, per_record = fill(ft)
    print(f"words = {words}: {RECORDS} records in {seconds:.1f} s, {per_record:.1f} bytes each", flush=True)
    if words == "yes":
        print(f"{SEARCHES} searches of each kind, ms; {load()}")
        print(f"{'':>18}{'median':>9}{'p99':>9}{'longest':>9}{'others':>9}{'at least':>9}")
        for kind in (of_one_name, of_two_names, with_a_beginning, word_and_number, the_worst):
            measure(peers[0], peers[-1], kind)
    for peer in peers:
        peer.close()
    ft.stop()


def main():
    with place() as world:
        for words in ("no", "yes"):
            run(world, words)


if __name__ == "__main__":
    main()
