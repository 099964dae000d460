# SPDX-License-Identifier: MIT
"""Downloads from real peers while one of the programs is killed. For test_crash.py and
tests/bench/crash.py."""

import contextlib
import http.client
import os
import random
import re
import signal
import socket
import threading

from harness.environment import clean_env
from harness.fake_ft import FakeFt
from harness.merkle import PIECE_MIN, root_of
from harness.p2pctl import ctl_argv
from harness.process import Process
from harness.scripted import ScriptedServer
from harness.waiting import wait_for

SOURCES = 3
SIZES = (3 * PIECE_MIN + 1, 5 * PIECE_MIN, 8 * PIECE_MIN + 12345, 10 * PIECE_MIN + 777)
RATE = 12 << 20  # bytes per second of a source: a transfer takes long enough to be hit in the middle
CHUNK = 16 << 10
UNDER_WAY = 256 << 10  # of one source, passed on and not read yet

KINDS = ("daemon", "source", "p2pctl", "interrupt")


class Traffic:
    """Counts what all sources have sent, and calls a function once it is enough. .pieces: bytes of
    each piece since its transfer last began."""

    def __init__(self):
        self.lock = threading.Lock()
        self.arm(None, None)

    def arm(self, at, action):
        with self.lock:
            self.total, self.at, self.action = 0, at, action
            self.pieces = {}
            self.fired = threading.Event()

    def add(self, offset, n):
        """`n` bytes of a file, from `offset` on."""
        with self.lock:
            self.total += n
            while n > 0:
                piece, start = divmod(offset, PIECE_MIN)
                part = min(n, PIECE_MIN - start)
                self.pieces[piece] = part if start == 0 else self.pieces.get(piece, 0) + part
                offset, n = offset + part, n - part
            if self.action is None or self.total < self.at:
                return
            action, self.action = self.action, None
        action()
        self.fired.set()

    def begin_again(self):
        """Returns .pieces and starts with an empty one."""
        with self.lock:
            pieces, self.pieces = self.pieces, {}
            return pieces


class Answers:
    """Reads the HTTP answers of one connection as they pass, and counts their bytes of the file."""

    def __init__(self, traffic):
        self.traffic, self.head, self.left, self.offset = traffic, b"", 0, None

    def feed(self, data):
        while data:
            if self.left == 0:
                self.head, separator, data = (self.head + data).partition(b"\r\n\r\n")
                if not separator:
                    return
                content_range = re.search(rb"Content-Range: bytes (\d+)-", self.head)
                self.left = int(re.search(rb"Content-Length: (\d+)", self.head)[1])
                self.offset = int(content_range[1]) if content_range else None
                self.head = b""
            n = min(len(data), self.left)
            if self.offset is not None:  # not the piece hashes
                self.traffic.add(self.offset, n)
                self.offset += n
            self.left -= n
            data = data[n:]


class Slow(ScriptedServer):
    """A proxy before a peer: it passes bytes on slowly, counts them, and closes when the peer
    does."""

    def __init__(self, peer, traffic):
        self.peer, self.traffic = peer, traffic
        self.open = set()
        super().__init__(self._pass_on)

    def _ask(self, wire, upstream):
        try:
            while data := wire.socket.recv(65536):
                upstream.sendall(data)
        except OSError:
            pass
        with contextlib.suppress(OSError):
            upstream.shutdown(socket.SHUT_RDWR)  # wakes the other direction

    def _pass_on(self, wire, number):
        wire.socket.settimeout(None)
        answers = Answers(self.traffic)
        with socket.create_connection((self.peer.host, self.peer.port)) as upstream:
            self.open.add(number)
            try:
                threading.Thread(target=self._ask, args=(wire, upstream), daemon=True).start()
                while data := upstream.recv(CHUNK):
                    if self.stopping.wait(len(data) / RATE):
                        return
                    wire.socket.sendall(data)
                    answers.feed(data)
            finally:
                self.open.remove(number)
                with contextlib.suppress(OSError):
                    wire.socket.shutdown(socket.SHUT_RDWR)  # close() would not, while the other direction reads


class Watch:
    """Checks all the time that no wrong file has the final name."""

    def __init__(self, path, data):
        self.path, self.data = path, data
        self.seen, self.wrong = None, None
        self.stopping = threading.Event()
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def look(self):
        try:
            status = os.stat(self.path)
            identity = (status.st_ino, status.st_size, status.st_mtime_ns)
            if identity != self.seen and self.path.read_bytes() != self.data:
                self.wrong = f"{self.path}: {status.st_size} bytes"
            self.seen = identity
        except FileNotFoundError:
            pass

    def _run(self):
        while not self.stopping.wait(0.002):
            self.look()

    def close(self):
        self.stopping.set()
        self.thread.join()
        self.look()
        assert not self.wrong, f"a wrong file under its final name: {self.wrong}"


class Crashes:
    """A peer that downloads, and its sources. run() does one download during which a program is
    killed."""

    def __init__(self, world, seed):
        self.seed = seed
        self.traffic = Traffic()
        generator = random.Random(seed)
        self.files = {f"f{i}.bin": generator.randbytes(size) for i, size in enumerate(SIZES)}
        paths = [world.file(name, data) for name, data in self.files.items()]
        self.roots = {name: root_of(data) for name, data in self.files.items()}
        self.owners = [world.peer(None, paths, max_uploads=1000) for _ in range(SOURCES)]
        self.slow = [world.server(Slow(owner, self.traffic)) for owner in self.owners]
        for owner in self.owners:
            self.wait_serving(owner)
        self.answers = {}
        self.asker = world.peer(world.server(FakeFt(self.answers))).joined()
        self.out = world.directory("out")
        self.log = world.tmp / "p2pctl.log"

    def wait_serving(self, owner):
        def serves(root):
            connection = http.client.HTTPConnection(owner.host, owner.port, timeout=10)
            try:
                connection.request("HEAD", f"/file/{root}/x")
                return connection.getresponse().status == 200
            finally:
                connection.close()

        wait_for(lambda: all(map(serves, self.roots.values())), f"{owner.name} to have hashed its files")

    def run(self, number, kind=None):
        """One download, decided by the seed and `number`. Returns a line that describes it."""
        generator = random.Random(f"{self.seed}/{number}")
        kind = kind or generator.choice(KINDS)
        name = generator.choice(list(self.files))
        data = self.files[name]
        sources = generator.sample(range(SOURCES), generator.randint(1, SOURCES))
        # A little more than there is: some die at the very end, or right after it.
        at = generator.randrange(len(data) + len(data) // 16)
        self.answers[name] = "FOUND: " + ", ".join(
            f"<bin, {len(data)}, 23/11/26, 127.0.0.1, {self.slow[i].port}, {self.roots[name]}>" for i in sources)
        directory = self.out if kind in ("p2pctl", "interrupt") else self.asker.downloads
        watch = Watch(directory / name, data)
        what = f"run {number} of seed {self.seed}: {kind}, {name} from {len(sources)}, after {at} of {len(data)} bytes"
        self.kept, self.lost = None, None
        try:
            getattr(self, f"kill_{kind}")(name, at, self.owners[generator.choice(sources)])
            assert (directory / name).read_bytes() == data
            assert os.listdir(directory) == [name]
            if self.lost is not None:
                assert self.lost <= len(sources) * (PIECE_MIN + UNDER_WAY), f"{self.lost} bytes were lost"
            if self.kept is not None:
                assert not self.kept & set(self.traffic.pieces), "what was there has been fetched again"
        except AssertionError as error:
            raise AssertionError(f"{what}: {error}") from error
        finally:
            watch.close()
        (directory / name).unlink()
        kept = "" if self.kept is None else f"{len(self.kept)} pieces kept, "
        return f"{what}: {kept}{self.lost} bytes lost"

    def look_at_rest(self, directory, name):
        """Call it when the downloader is dead: finds which pieces are on disk, and how many
        received bytes are lost."""
        wait_for(lambda: not any(slow.open for slow in self.slow), "the connections to end")
        path = directory / name
        if not path.exists():
            path = directory / f"{name}.part"
        data = path.read_bytes() if path.exists() else b""
        pieces = range(-(-len(self.files[name]) // PIECE_MIN))
        self.kept = {i for i in pieces if self.piece(data, i) == self.piece(self.files[name], i)}
        self.lost = sum(n for piece, n in self.traffic.begin_again().items() if piece not in self.kept)

    @staticmethod
    def piece(data, number):
        return data[number * PIECE_MIN:(number + 1) * PIECE_MIN]

    def wait_file(self, directory, name):
        wait_for(lambda: os.listdir(directory) == [name], f"{name} in {directory}")
        wait_for(lambda: all(t["State"] in ("done", "cancelled") for t in self.asker.transfers().values()),
                 "the end of the transfer")

    def wait_kill(self, directory, name):
        """Waits for the kill. False: the download had finished before."""
        wait_for(lambda: self.traffic.fired.is_set() or (directory / name).exists(), "the moment to come")
        return self.traffic.fired.is_set()

    def kill_daemon(self, name, at, _):
        """The daemon is started again and resumes by itself."""
        self.traffic.arm(at, lambda: os.kill(self.asker.pid, signal.SIGKILL))
        self.asker.download(name)
        self.wait_kill(self.asker.downloads, name)
        self.asker.kill()
        self.look_at_rest(self.asker.downloads, name)
        self.asker.start().joined()
        self.wait_file(self.asker.downloads, name)

    def kill_source(self, name, at, owner):
        """The source is started again. The download goes on without it, or with it."""
        self.traffic.arm(at, lambda: os.kill(owner.pid, signal.SIGKILL))
        self.asker.download(name)
        self.wait_kill(self.asker.downloads, name)
        owner.kill()
        owner.start()
        self.wait_serving(owner)
        self.wait_file(self.asker.downloads, name)
        wait_for(lambda: not any(slow.open for slow in self.slow), "the connections to end")
        self.lost = self.traffic.total - len(self.files[name])

    def _kill_command(self, name, at, number, statuses):
        command = Process(ctl_argv("download", name), self.log, clean_env(**self.asker.bus.env), cwd=self.out)
        self.traffic.arm(at, lambda: command.signal(number))
        self.wait_kill(self.out, name)
        command.signal(number)
        assert command.wait() in statuses, command.log
        wait_for(lambda: all(t["State"] in ("done", "cancelled") for t in self.asker.transfers().values()),
                 "the transfer to end")
        self.look_at_rest(self.out, name)
        if not (self.out / name).exists():
            result = self.asker.ctl("download", name, cwd=self.out)
            assert result.returncode == 0, result

    def kill_p2pctl(self, name, at, _):
        """The same command resumes."""
        self._kill_command(name, at, signal.SIGKILL, (-signal.SIGKILL, 0))

    def kill_interrupt(self, name, at, _):
        self._kill_command(name, at, signal.SIGINT, (128 + signal.SIGINT, 0))
