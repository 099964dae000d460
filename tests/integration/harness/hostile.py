# SPDX-License-Identifier: MIT
"""Attacks on p2p-ft, for test_hostile.py and tests/bench/hostile.py.

An attack is a function. It runs until it is told to stop, or until FT closes its connection, and
then starts again."""

import contextlib
import itertools
import multiprocessing
import os
import random
import socket
import struct
import threading
import time

REPORT = "<report, txt, 11, 05/03/20, 192.0.2.9, 7100>\n"
LARGE = "x" * 200  # the name of files that a search finds 64 of


class Attack:
    """One attacker with its own address, a thread of its Crowd's process."""

    def __init__(self, crowd, number):
        self.crowd = crowd
        self.address = crowd.addresses[number]

    @property
    def going(self):
        return not self.crowd.stopped.is_set()

    def begins_anew(self):
        with self.crowd.counter.get_lock():
            self.crowd.counter.value += 1
        time.sleep(self.crowd.pause)

    def run(self):
        while self.going:
            try:
                with contextlib.ExitStack() as self.stack:
                    self.crowd.kind(self)
            except OSError:  # put out, refused, or the other side does not read
                pass
            except Exception:  # a fault of the attack, which then shows nothing
                self.crowd.failed.set()
                raise
            self.begins_anew()

    def connect(self, window=None):
        s = self.stack.enter_context(socket.socket())
        s.settimeout(1)
        if window:
            s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, window)
        s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        # No TIME_WAIT: an attack that goes on for minutes would have no port left.
        s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        s.bind((self.address, 0))
        s.connect(("127.0.0.1", self.crowd.port))
        return s

    def join_ft(self, records=REPORT, window=None):
        s = self.connect(window)
        s.sendall(b"HELLO\n")
        assert s.recv(3) in (b"HI\n", b""), "no HI"
        s.sendall(records.encode())
        return s

    def write_all(self, sockets, data):
        """Sends to each socket that accepts it, and drops the closed ones."""
        for s in list(sockets):
            try:
                s.sendall(data)
            except OSError:
                s.close()
                sockets.remove(s)


KINDS = {}


def kind(*causes):
    """Registers an attack. causes: under which of Refused FT counts it; none if FT tolerates it."""
    def add(function):
        function.causes = causes
        KINDS[function.__name__] = function
        return function
    return add


# --------------------------------------------------------------------------------------- handshakes


@kind("handshakes")
def slow_loris(attack):
    """Opens more and more connections, each of which sends a byte now and then."""
    sockets = []
    for byte in itertools.cycle(b"HELLO \n <a,  txt,  1,  23/11/26, "):
        if not attack.going:
            return
        sockets.append(attack.connect())
        attack.write_all(sockets, bytes([byte]))
        if len(sockets) > 200:
            sockets.pop(0).close()
        attack.begins_anew()


@kind()
def connect_and_go(attack):
    while attack.going:
        attack.connect().close()
        attack.begins_anew()


@kind()
def half_closed(attack):
    """Closes its side in the middle of a word, and stays."""
    for word in "", "HEL", "HELLO\n", "HELLO\n<a, txt", "HELLO\n" + REPORT + "SEARCH: rep":
        s = attack.connect()
        s.sendall(word.encode())
        s.shutdown(socket.SHUT_WR)
        while s.recv(1000):
            pass


@kind()
def flood_of_hello(attack):
    s = attack.connect()
    while attack.going:
        s.sendall(b"HELLO\n" * 1000)
        attack.begins_anew()


@kind("no-hello", "not-accepted")
def wrong_words(attack):
    for words in b"GET / HTTP/1.1\r\n\r\n", b"HELLO\nSEARCH: report\n", random.randbytes(2000) + b"\n":
        attack.connect().sendall(words)


@kind("address-full")
def many_sessions(attack):
    """Joins as many peers as it can."""
    while attack.going:
        with contextlib.suppress(AssertionError):
            attack.join_ft().settimeout(0.01)
        attack.begins_anew()


# ------------------------------------------------------------------------------------------ records


@kind()
def foreign_addresses(attack):
    """Registers files at other peers' addresses."""
    s = attack.join_ft("".join(f"<stolen {n}, txt, 1, 23/11/26, 192.0.2.{n}, 80>\n" for n in range(5)))
    for n in itertools.count():
        if not attack.going:
            return
        s.sendall(f"<stolen {n % 5}, txt, 1, 23/11/26, 198.51.100.{n % 200}, 80>\n".encode())
        attack.begins_anew()


def costly_name(*numbers):
    """The longest name with the most words that FT looks at, none of which is in another name."""
    salt = "".join(f"{number:x}" for number in numbers)
    return " ".join(f"{salt}{word:02x}" for word in range(64))[:255].rstrip()


@kind("over-limit", "address-over-limit")
def many_records(attack):
    number = int(attack.address.rpartition(".")[2])
    for session in range(12):
        s = attack.join_ft()
        for n in range(110):
            s.sendall(f"<{costly_name(number, session, n)}, txt, 1, 23/11/26, 127.0.0.1, 1>\n".encode())
        if not attack.going:
            return


@kind("too-long")
def long_lines(attack):
    attack.join_ft().sendall(b"x" * (1 << 20))


@kind("too-long", "bad-record", "bad-name")
def long_names(attack):
    for length in 300, 3000, 65536:
        s = attack.join_ft()
        s.sendall(f"<{'n' * length}, txt, 1, 23/11/26, 127.0.0.1, 1>\nSEARCH: {'n' * length}\n".encode())


@kind("bad-record")
def garbage(attack):
    s = attack.join_ft()
    while attack.going:
        s.sendall(b"<,,,,,>\n" * 100 + b"<;" * 1000 + b"\n" + random.randbytes(1000).replace(b"\n", b"") + b"\n")
        attack.begins_anew()


def colliding_names(count):
    """Different names with the same hash in every unkeyed hash such as 33 * h + c: "Ez" and "FY"
    collide there, and so does any sequence of them."""
    return ["".join(pair) for pair in itertools.islice(itertools.product(("Ez", "FY"), repeat=14), count)]


@kind("over-limit")
def collisions(attack):
    s = attack.join_ft("".join(f"<{name}, txt, 1, 23/11/26, 127.0.0.1, 1>\n" for name in colliding_names(2000)))
    while attack.going:
        for name in colliding_names(100):
            s.sendall(f"SEARCH: {name}\n".encode())
            s.recv(65536)
        attack.begins_anew()


# ----------------------------------------------------------------------------------------- searches


@kind()
def byte_by_byte(attack):
    s = attack.join_ft()
    while attack.going:
        for byte in b"SEARCH: report\n":
            s.sendall(bytes([byte]))
        s.recv(65536)
        attack.begins_anew()


def read_on(attack, s):
    with contextlib.suppress(OSError):
        while attack.going and s.recv(1 << 20):
            pass


def flood(attack, words):
    s = attack.join_ft()
    reader = threading.Thread(target=read_on, args=(attack, s))
    reader.start()
    try:
        while attack.going:
            with contextlib.suppress(TimeoutError):
                s.sendall(words)
            attack.begins_anew()
    finally:
        with contextlib.suppress(OSError):
            s.shutdown(socket.SHUT_RDWR)
        reader.join()


@kind("too-fast")
def flood_of_searches(attack):
    flood(attack, b"SEARCH: report\nSEARCH: nothing\n" * 500)


@kind("too-fast")
def flood_of_finds(attack):
    """Searches for prefixes that many words have."""
    flood(attack, b"FIND: f r\nFIND: file report\n" * 500)


@kind("slow-reader")
def never_reads(attack):
    """Makes many searches with long answers and reads none."""
    s = attack.join_ft("".join(f"<{LARGE}, txt, {n}, 23/11/26, 127.0.0.1, 1>\n" for n in range(64)), window=4096)
    words = f"SEARCH: {LARGE}\n".encode() * 50
    while attack.going:
        s.sendall(words)


class Crowd:
    """`count` attackers of one kind, in a process with the lowest priority, because real ones would
    run on other machines. pause: seconds between two rounds, so that kinds share the processor."""

    def __init__(self, kind, port, count=1, pause=0.001):
        self.kind, self.port, self.pause = kind, port, pause
        self.addresses = [f"127.66.{list(KINDS).index(kind.__name__)}.{1 + number}" for number in range(count)]
        self.stopped, self.failed = multiprocessing.Event(), multiprocessing.Event()
        self.counter = multiprocessing.Value("L", 0)
        self.process = multiprocessing.Process(target=self._attack, name=kind.__name__)

    @property
    def rounds(self):
        """How often its attackers have started again."""
        return self.counter.value

    def _attack(self):
        os.nice(19)
        threads = [threading.Thread(target=Attack(self, number).run) for number in range(len(self.addresses))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def stop(self):
        self.stopped.set()
        self.process.join(30)
        hangs = self.process.is_alive()
        if hangs:
            self.process.kill()
            self.process.join()
        assert not hangs and not self.failed.is_set(), f"{self.kind.__name__} has a fault"


@contextlib.contextmanager
def crowds(kinds, port, each=1, **options):
    """Runs all these attacks until the end of the block."""
    started = []
    try:
        for kind in kinds:
            started.append(Crowd(kind, port, each, **options))
            started[-1].process.start()
        yield started
    finally:
        for crowd in started:
            crowd.stopped.set()
        for crowd in started:
            crowd.stop()
