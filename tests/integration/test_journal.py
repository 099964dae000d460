# SPDX-License-Identifier: MIT
"""Journal entries of the daemons: fields, message IDs, and the catalog that explains them."""

import os
import re
import socket
import struct
import subprocess
import threading

import pytest

from harness import SOURCE, BusError, FakeFt, Wire, clean_env, content, fake_source, wait_for
from harness.fake_polkit import FakePolkit
from harness.merkle import root_of

IDS = dict(re.findall(r'#define (EVENT_\w+)\s+"([0-9a-f]{32})"', (SOURCE / "src/util/log-id.h").read_text()))
CATALOG = SOURCE / "systemd" / "p2pshare.catalog"


def parse(data):
    """A message of the journal's native protocol as {field: bytes}."""
    fields = {}
    while data:
        line, _, data = data.partition(b"\n")
        name, equals, value = line.partition(b"=")
        if not equals:  # binary: 64 bits of length, the bytes, a newline
            size = struct.unpack("<Q", data[:8])[0]
            value, data = data[8:8 + size], data[9 + size:]
        fields[name.decode()] = value
    return fields


class Journal:
    """The socket of journald, for daemons that run_with() starts."""

    def __init__(self, directory):
        self.directory, self.messages = directory, []
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(str(directory / "socket"))
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        while data := self.socket.recv(1 << 16):
            self.messages.append(parse(data))

    def run_with(self, daemon):
        """Starts the daemon with this socket as the system's, and with its stderr connected to
        it."""
        argv = daemon.argv()
        log = os.stat(daemon.log_path)
        daemon.env |= {"JOURNAL_STREAM": f"{log.st_dev}:{log.st_ino}"}
        daemon.argv = lambda: [
            "/usr/bin/unshare", "-m", "/bin/sh", "-c",
            "mount -t tmpfs none /run && mkdir -p /run/systemd/journal &&"
            f' mount --bind {self.directory} /run/systemd/journal && exec "$@"', "sh", *argv]
        return daemon

    def events(self, name):
        return [m for m in self.messages if m.get("MESSAGE_ID", b"").decode() == IDS[name]]

    def event(self, name, count=1):
        return wait_for(lambda: self.events(name)[count - 1:], f"{name} in {self.messages}")[0]

    def stop(self):
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as end:
            end.sendto(b"", str(self.directory / "socket"))
        self.socket.close()


@pytest.fixture
def journal(world):
    if os.geteuid() != 0 or subprocess.run(["/usr/bin/unshare", "-m", "true"], check=False).returncode != 0:
        pytest.skip("a journal of one's own needs a mount namespace")
    return world._keep(Journal(world.public_directory()))


def test_joined_and_lost(world, journal, bus):
    ft = world.ft(bus)
    peer = journal.run_with(world.peer(ft, [world.file("a.txt"), world.tmp / "gone"], bus=bus, start=False))
    peer.start().joined()
    event = journal.event("EVENT_JOINED")
    assert event["P2P_PEER"].decode() == ft.address
    assert event["MESSAGE"].decode().startswith(f"Joined {ft.address} as ")
    assert "CODE_FUNC" not in event
    assert event["PRIORITY"] == b"6" and event["SYSLOG_IDENTIFIER"] == b"p2p-peer"
    event = journal.event("EVENT_NOT_SHARED")
    assert event["P2P_FILE"].decode() == str(world.tmp / "gone") and event["PRIORITY"] == b"4"
    assert peer.log == ""  # all of it goes there
    ft.stop()
    assert journal.event("EVENT_LOST")["P2P_PEER"].decode() == ft.address
    assert journal.event("EVENT_NOT_JOINED")["P2P_PEER"].decode() == ft.address
    peer.write_config("[peer]\nmax-uploads = 0\n")
    peer.process.signal(1)
    event = journal.event("EVENT_CONFIG_WRONG")
    assert event["P2P_FILE"].decode() == str(peer.config) and event["PRIORITY"] == b"3"
    assert b'max-uploads = "0": expected' in event["MESSAGE"]
    # What is wrong in a file beside it is said of that one.
    peer.write_config("[peer]\n")
    beside = peer.config.with_name(peer.config.name + ".d") / "50-mine.ini"
    beside.parent.mkdir()
    beside.write_text("[peer]\nmax-uploads = many\n")
    peer.process.signal(1)
    said = wait_for(lambda: [m for m in journal.events("EVENT_CONFIG_WRONG") if b"many" in m["MESSAGE"]], "it")
    assert said[0]["P2P_FILE"].decode() == str(beside)
    end = wait_for(lambda: [m["MESSAGE"] for m in journal.events("EVENT_CONFIG_WRONG")][3:], "the end of it")
    assert end == [b"The configuration has wrong values"]


@pytest.mark.parametrize("answer", ["failed", "garbage"])
def test_a_polkit_that_is_broken(world, journal, bus, answer):
    """Only calls that need its permission are refused."""
    peer = journal.run_with(world.peer(world.ft(), bus=bus, start=False)).start().joined()
    world.server(FakePolkit(bus, {(1, "org.p2pshare.manage"): answer}))
    with pytest.raises(BusError, match="Access denied"):
        peer.call("Leave", uid=1)
    wait_for(lambda: [m for m in journal.messages if b"polkit" in m["MESSAGE"]], "what the journal says")
    assert peer.state == "joined"


def test_a_download(world, journal, bus):
    """The file, the number of the transfer, and the source that lies are fields."""
    body = content(5000)
    liar = world.server(fake_source(b"HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n" + content(5000, 7)))
    ft = world.server(FakeFt({"b.bin": "FOUND: <bin, 5000, 23/11/26, 127.0.0.1, "
                              f"{liar.port}, {root_of(body)}>"}))
    peer = journal.run_with(world.peer(ft, bus=bus, start=False)).start().joined()
    transfer = peer.download("b.bin")
    event = journal.event("EVENT_WRONG_DATA")
    assert event["P2P_FILE"] == b"b.bin" and event["P2P_TRANSFER"] == str(transfer.get("Id")).encode()
    assert event["P2P_PEER"].decode() == f"127.0.0.1:{liar.port}"
    assert b"sent a wrong piece (0)" in event["MESSAGE"]


def test_strangers_are_bounded_by_cause(world, journal, bus):
    """A flood of one cause leaves room for others. Strangers' text is escaped, and suppressed lines
    are counted."""
    ft = world.ft(bus)
    peer = journal.run_with(world.peer(ft, bus=bus, start=False)).start().joined()
    for _ in range(30):
        with Wire(peer.port) as wire:
            wire.send("DOWNLOAD: no\\such, txt, 1\n")
            wire.recv_all()
    with Wire(peer.port) as wire:
        wire.send(b"NONSENSE \x1b[31m\n")
        wire.recv_all()
        local = wire.local
    event = wait_for(lambda: [m for m in journal.events("EVENT_REFUSED") if b"NONSENSE" in m["MESSAGE"]], "it")[0]
    assert event["P2P_PEER"].decode() == f"127.0.0.1:{local[1]}"
    assert b"\\x1b[31m" in event["MESSAGE"] and b"\x1b" not in event["MESSAGE"]
    assert len(journal.events("EVENT_REFUSED")) == 11


def test_ft_refuses(world, journal, bus):
    ft = journal.run_with(world.ft(bus, start=False, max_peers=1)).start()
    first = ft.join("<a, txt, 1, 23/11/26, 127.0.0.1, 1>")
    with ft.connect() as wire:
        wire.expect_close()
    assert journal.event("EVENT_FULL")["PRIORITY"] == b"4"
    for _ in range(30):
        first.send("<no record>\n")
    first.send("SEARCH: a\n")
    first.recv_until()
    with ft.connect() as wire:
        wire.expect_close()
    journal.event("EVENT_FULL", 2)  # what was logged before it has come
    events = journal.events("EVENT_REFUSED")
    assert len(events) == 10
    assert events[0]["P2P_PEER"].decode() == f"127.0.0.1:{first.local[1]}"
    assert events[0]["MESSAGE"].decode().endswith("sent an invalid record")
    first.close()
    # How many there were is said half a minute after the flood, though no other one comes.
    total = journal.event("EVENT_REFUSED", 11)
    assert total["MESSAGE"] == b"Refused 20 more times without logging each: a peer sent an invalid record"
    assert "P2P_PEER" not in total


def test_bytes_of_a_name(world, journal, bus):
    """A file name may hold any byte: its field has the bytes, the message shows them escaped."""
    directory = world.directory("odd")
    name = os.fsencode(directory) + b"/line\nbreak\xff"
    os.symlink("/nowhere", name)
    peer = journal.run_with(world.peer(None, bus=bus, start=False))
    peer.config.write_bytes(peer.config.read_bytes() + b"path = " + os.fsencode(directory) + b"/odd\xff\x01\n")
    peer.start()
    event = journal.event("EVENT_NOT_SHARED")
    assert event["P2P_FILE"] == os.fsencode(directory) + b"/odd\xff\x01"
    assert b"odd\\xff\\x01: No such file" in event["MESSAGE"]


def test_a_damaged_database(world, journal, bus):
    peer = journal.run_with(world.peer(None, bus=bus, start=False))
    (peer.state_dir / "transfers.db").write_bytes(b"no database" * 1000)
    peer.start()
    assert journal.event("EVENT_DATABASE_DAMAGED")["P2P_FILE"].decode() == f"{peer.state_dir}/transfers.db"


# -------------------------------------------------------------------------------------- the catalog


def test_the_catalog_has_every_event():
    assert len(set(IDS.values())) == len(IDS) > 10
    entries = re.findall(r"^-- ([0-9a-f]{32})$", CATALOG.read_text(), re.M)
    assert sorted(entries) == sorted(IDS.values())
    code = "".join(path.read_text() for path in (SOURCE / "src").rglob("*.c"))
    unused = [name for name in IDS if not re.search(rf"\b{name}\b", code)]
    assert unused == []
    assert not re.search("@[A-Z0-9_]+@", CATALOG.read_text())  # see there
    pages = "".join(path.read_text() for path in (SOURCE / "man").glob("*.scd"))
    assert [name for name, value in IDS.items() if value not in pages] == []


def test_the_catalog_is_one(tmp_path):
    """journalctl can read the catalog."""
    directory = tmp_path / "usr/lib/systemd/catalog"
    directory.mkdir(parents=True)
    (tmp_path / "var/lib/systemd/catalog").mkdir(parents=True)
    (directory / CATALOG.name).write_text(CATALOG.read_text())
    run = lambda *args: subprocess.run(["/usr/bin/journalctl", f"--root={tmp_path}", *args],  # noqa: E731
                                       capture_output=True, text=True, env=clean_env(), check=False)
    result = run("--update-catalog")
    assert (result.returncode, result.stderr) == (0, "")
    listed = run("--list-catalog").stdout
    for value in IDS.values():
        assert re.search(rf"^{value} p2pshare: \S", listed, re.M), listed
