# SPDX-License-Identifier: MIT
"""The D-Bus interfaces match dbus/*.xml; permissions; names of errors."""

import os
import re
import subprocess
import time
import xml.etree.ElementTree as ET

import pytest

from harness import (DEADLINE, ERROR, FT, FT_PATH, NOBODY, PEER, PEER_PATH, SOURCE, TRANSFER,
                     BusError, FakeFt, ScriptedServer, clean_env, content, found, record, silent,
                     wait_for)
from harness.bus import error_name
from harness.merkle import root_of

EMITS = "org.freedesktop.DBus.Property.EmitsChangedSignal"


def described(xml, name):
    """An interface as plain data, so that two descriptions can be compared."""
    interface = ET.fromstring(xml).find(f"interface[@name='{name}']")
    assert interface is not None, f"no interface {name}"

    def annotations(element):
        # sd-bus adds org.freedesktop.systemd1.Privileged where not everyone may call.
        return {a.get("name"): a.get("value") for a in element.findall("annotation")
                if a.get("name").startswith("org.freedesktop.DBus.")}

    def arguments(element, direction):
        return [(a.get("type"), a.get("direction", direction), a.get("name")) for a in element.findall("arg")]

    result = {}
    for method in interface.findall("method"):
        result["method", method.get("name")] = (arguments(method, "in"), annotations(method))
    for signal in interface.findall("signal"):
        # The direction of a signal's argument can only be out; some write it.
        result["signal", signal.get("name")] = (arguments(signal, "out"), annotations(signal))
    for prop in interface.findall("property"):
        notes = annotations(prop)
        notes.setdefault(EMITS, "true")  # as the D-Bus specification has it
        result["property", prop.get("name")] = (prop.get("type"), prop.get("access"), notes)
    return result


def check_interface(bus, name, path, interface):
    file = SOURCE / "dbus" / f"{interface}.xml"
    live = bus.busctl("introspect", "--xml-interface", name, path).stdout
    assert described(live, interface) == described(file.read_text(), interface)


def test_introspection_of_the_file_tracker(ft):
    check_interface(ft.bus, FT, FT_PATH, FT)


def test_introspection_of_the_peer(peer):
    check_interface(peer.bus, PEER, PEER_PATH, PEER)


def test_introspection_of_a_transfer(world, ft, peer):
    other = world.peer(ft, [world.file("report.txt")]).joined()
    transfer = peer.download("report.txt")
    transfer.wait()
    check_interface(peer.bus, PEER, transfer.path, TRANSFER)
    del other


def test_the_call_of_the_readme(world, ft, peer):
    """The busctl call of the README works as printed."""
    body = b"hello body\n"
    other = world.peer(ft, [world.file("report.txt", body, mtime=1583407800)]).joined()
    ft.wait_lookup("report.txt")
    out = subprocess.run(
        ["busctl", f"--address={peer.bus.address}", "call", "org.p2pshare.Peer1", "/org/p2pshare/Peer1",
         "org.p2pshare.Peer1", "Search", "s", "report.txt"],
        capture_output=True, text=True, env=clean_env(), check=True, timeout=DEADLINE).stdout
    assert out == (f'a(sstssqa{{sv}}) 1 "report" "txt" 11 "2020-03-05" "127.0.0.1" {other.port} '
                   f'1 "root" s "{root_of(body)}"\n')


def test_search_without_extension(world, ft, peer):
    other = world.peer(ft, [world.file("report.txt"), world.file("report.pdf", b"%PDF")]).joined()
    ft.wait_lookup("report", 2)
    assert {(r[0], r[1], r[5]) for r in peer.search("report")} == {("report", "txt", other.port),
                                                                  ("report", "pdf", other.port)}


def test_nothing_found_is_an_empty_array(peer):
    reply = peer.bus.busctl("call", PEER, PEER_PATH, PEER, "Search", "s", "nothing.txt").stdout
    assert reply == '{"type":"a(sstssqa{sv})","data":[[]]}\n'


def test_anyone_may_read(world, ft, peer):
    for interface, path in ((PEER, PEER_PATH), (FT, FT_PATH)):
        peer.bus.get(interface, path, interface, "Version", uid=NOBODY)
    assert peer.bus.call(FT, FT_PATH, FT, "ListPeers", uid=NOBODY)
    assert peer.bus.call(FT, FT_PATH, FT, "Lookup", "s", "filler-of-peer.txt", uid=NOBODY)
    assert peer.search("filler-of-peer.txt", uid=NOBODY)
    assert peer.ctl("search", "filler-of-peer.txt", uid=NOBODY).returncode == 0


@pytest.mark.parametrize("method, signature, args", [
    ("Download", "sa{sv}", ["filler-of-peer.txt", 0]),
    ("Leave", "", []),
    ("Join", "", []),
    ("Rescan", "", []),
])
def test_not_everyone_may_change(peer, method, signature, args):
    with pytest.raises(BusError, match="[Aa]ccess denied|[Pp]ermission denied"):
        peer.call(method, signature, *args, uid=NOBODY)
    assert peer.state == "joined"
    assert peer.transfers() == {}


def test_not_everyone_may_cancel(world, ft, peer):
    stuck = world.server(ScriptedServer(silent))
    wire = ft.join(record("slow", "bin", 1000, stuck.port))
    transfer = peer.download("slow.bin")
    transfer.wait("waiting", "active")
    with pytest.raises(BusError, match="[Aa]ccess denied|[Pp]ermission denied"):
        peer.bus.call(PEER, transfer.path, TRANSFER, "Cancel", uid=NOBODY)
    assert transfer.get("State") == "waiting"
    transfer.cancel()
    assert transfer.wait()["State"] == "cancelled"
    wire.close()


def test_other_users_may_not_own_the_names(bus):
    for name in (PEER, FT):
        with pytest.raises(BusError, match="not allowed to own|[Aa]ccess denied|[Pp]ermission"):
            bus.call("org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus", "RequestName",
                     "su", name, 0, uid=NOBODY)


@pytest.mark.parametrize("name", ["", "/", "a/b", "../x", ".", "..", "line\nbreak", "bell\a", "\x1b[31mred",
                                  "x" * 256, "\x7f"])
def test_invalid_names(peer, name):
    text = '"' + "".join(c if c.isprintable() else f"\\u{ord(c):04x}" for c in name) + '"'
    assert peer.error_name("Search", text) == ERROR + "InvalidName"
    assert peer.error_name("Download", text, "{}") == ERROR + "InvalidName"


def test_a_name_of_255_bytes_is_valid(peer):
    assert peer.search("x" * 255) == []


@pytest.mark.parametrize("options", ["{'colour': <'red'>}", "{'size': <'many'>}", "{'size': <uint32 5>}",
                                     "{'type': <5>}", "{'address': <'example.org'>}", "{'address': <''>}",
                                     "{'port': <'80'>}", "{'destination': <'/tmp/x'>}"])
def test_invalid_options(peer, options):
    assert peer.error_name("Download", "'filler-of-peer.txt'", options) == ERROR + "InvalidOption"
    assert peer.transfers() == {}


def test_not_joined(peer):
    peer.call("Leave")
    assert peer.state == "left"
    assert re.search(rf"Left \S+, as uid {os.getuid()} asked, until join", peer.log)
    assert peer.error_name("Search", "'x'") == ERROR + "NotJoined"
    assert peer.error_name("Download", "'x'", "{}") == ERROR + "NotJoined"


def test_an_ft_that_does_not_answer(world, bus):
    ft = world.server(FakeFt(lambda name: None))
    peer = world.peer(ft, bus=bus).joined()
    before = time.monotonic()
    assert peer.error_name("Search", "'x'") == ERROR + "NoAnswer"
    assert time.monotonic() - before < 20


def test_no_such_transfer(world, ft, peer):
    world.peer(ft, [world.file("report.txt")]).joined()
    ft.wait_lookup("report.txt")
    transfer = peer.download("report.txt")
    transfer.wait("done")
    assert error_name(peer.bus, PEER, transfer.path, TRANSFER, "Cancel") == ERROR + "NoSuchTransfer"
    never = error_name(peer.bus, PEER, PEER_PATH + "/transfer/4711", TRANSFER, "Cancel")
    assert never in (ERROR + "NoSuchTransfer", "org.freedesktop.DBus.Error.UnknownObject",
                     "org.freedesktop.DBus.Error.UnknownMethod")
    for junk in ("/transfer/x", "/transfer", "/transfer/99999999999", "/transfer/_1", "/transfer/01"):
        assert error_name(peer.bus, PEER, PEER_PATH + junk, TRANSFER, "Cancel") is not None


def test_properties_of_the_peer(ft, peer):
    version = re.search(r"version: '([^']+)'", (SOURCE / "meson.build").read_text())[1]
    wait_for(lambda: peer.get("Reachable") == "yes", "FT to have tried")
    properties = peer.bus.get_all(PEER, PEER_PATH, PEER)
    assert properties.pop("Since") > 1_600_000_000_000_000
    assert properties == {
        "Version": version,
        "State": "joined",
        "Reason": "",
        "FileTracker": ft.address,
        "Address": peer.address,
        "Reachable": "yes",
        "DownloadDirectory": str(peer.downloads),
        "DownloadProblem": "",
        "WatchProblem": "",
        "RestartNeeded": [],
        "Shares": [[peer.sections["share"]["path"][0], 7, "published", ""]],
    }
    peer.call("Leave")
    properties = peer.bus.get_all(PEER, PEER_PATH, PEER)
    assert (properties["State"], properties["Address"]) == ("left", "")
    assert properties["Reason"]
    assert properties["Shares"][0][2] == "pending"


def test_properties_of_the_file_tracker(world, ft, peer):
    before = ft.bus.get_all(FT, FT_PATH, FT)
    assert before["Listen"] == [ft.address]
    assert (before["Peers"], before["Files"], before["Records"]) == (1, 1, 1)
    peer.search("filler-of-peer.txt")
    peer.search("nothing.txt")
    other = ft.join(record("filler-of-peer", "txt", 9, 1000), record("other", "txt", 9, 1000))
    after = ft.bus.get_all(FT, FT_PATH, FT)
    assert after["Searches"] == before["Searches"] + 2
    assert (after["Peers"], after["Files"], after["Records"]) == (2, 2, 3)
    assert all(count == 0 for count in after["Refused"].values())
    (address, port, framing, records, since), = [p for p in ft.peers() if tuple(p[:2]) == other.local]
    assert (address, framing, records) == ("127.0.0.1", "line", 2)
    assert since > 1_600_000_000_000_000
    assert sorted(ft.lookup("filler-of-peer.txt"))[1] == ("filler-of-peer", "txt", 9, "2026-11-23",
                                                          "127.0.0.1", 1000)
    other.send("BYE\n")
    other.expect_close()
    ft.wait_lookup("other", 0)


class Monitor:
    """gdbus monitor: the signals of the peer, as lines."""

    def __init__(self, world, bus):
        self.path = world.tmp / "signals"
        with open(self.path, "wb") as out:
            self.process = subprocess.Popen(
                ["/usr/bin/gdbus", "monitor", "--address", bus.address, "--dest", PEER],
                stdout=out, stderr=out, env=clean_env())
        wait_for(lambda: "is owned by" in self.text, "gdbus monitor")

    @property
    def text(self):
        return self.path.read_text()

    def lines(self, word):
        return [line for line in self.text.splitlines() if word in line]

    def stop(self):
        self.process.terminate()
        self.process.wait()


def test_signals_of_a_transfer(world, ft, peer):
    """New, a few steps of progress, done; after ten seconds it is gone."""
    monitor = world.server(Monitor(world, peer.bus))
    data = content(1_000_000)

    def slow(wire, _):
        wire.recv_until()
        wire.send(b"FILE: ")
        for i in range(100):
            wire.send(data[i * 10_000:(i + 1) * 10_000])
            time.sleep(0.02)  # the pace is what is tested

    source = world.server(ScriptedServer(slow))
    wire = ft.join(record("slow", "bin", len(data), source.port))
    transfer = peer.download("slow.bin")
    assert transfer.path in peer.transfers()
    assert transfer.wait()["State"] == "done"
    assert monitor.lines("InterfacesAdded") or monitor.lines("TransferNew")
    new, = wait_for(lambda: monitor.lines(".TransferNew"), "TransferNew")
    number = transfer.get("Id")
    assert f"(uint32 {number}, objectpath '{transfer.path}')" in new or transfer.path in new
    wait_for(lambda: [line for line in monitor.lines("PropertiesChanged") if "'done'" in line], "done")
    steps = [line for line in monitor.lines("PropertiesChanged") if "'Transferred'" in line]
    assert 2 <= len(steps) <= 12, steps  # some 2 s; one each 500 ms, and one for each change of state
    assert (peer.downloads / "slow.bin").read_bytes() == data
    removed, = wait_for(lambda: monitor.lines(".TransferRemoved"), "TransferRemoved")
    assert transfer.path in removed and "'done'" in removed
    assert peer.transfers() == {}
    wire.close()


def test_signals_of_the_state(world, ft, peer):
    monitor = world.server(Monitor(world, peer.bus))
    peer.call("Leave")
    wait_for(lambda: [line for line in monitor.lines("PropertiesChanged") if "'State': <'left'>" in line], "left")
    peer.call("Join")
    wait_for(lambda: [line for line in monitor.lines("PropertiesChanged") if "'State': <'joined'>" in line],
             "joined")
    assert "'Shares'" in monitor.text  # invalidated: pending, then published


def test_both_directions_are_transfers(world, ft, peer):
    data = content(100_000)
    owner = world.peer(ft, [world.file("big.bin", data)]).joined()
    peer.download("big.bin").wait("done")
    upload, = wait_for(lambda: [t for t in owner.transfers().values() if t["State"] == "done"], "the upload")
    assert upload["Direction"] == "upload"
    assert (upload["Name"], upload["Type"], upload["Size"]) == ("big", "bin", 100_000)
    assert upload["Transferred"] == 100_000
    download, = peer.transfers().values()
    assert download["Direction"] == "download"
    assert download["Sources"] == []  # none is in use any more
    assert download["Path"] == str(peer.downloads / "big.bin")


def test_download_takes_what_was_asked_for(world, bus):
    """Options narrow the choice: type, size, address, port."""
    answers = {}
    ft = world.server(FakeFt(answers))
    peer = world.peer(ft, bus=bus).joined()
    small = world.peer(ft, [world.file("f.bin", b"small", "small")]).joined()
    large = world.peer(ft, [world.file("f.bin", b"rather large", "large")]).joined()
    text = world.peer(ft, [world.file("f.txt", b"a text", "text")]).joined()
    answers["f"] = found(("bin", 5, small.port), ("bin", 12, large.port), ("txt", 6, text.port))
    for name, options, expected in (("f", {"size": 12}, b"rather large"),
                                    ("f", {"type": "txt"}, b"a text"), ("f", {"port": large.port}, b"rather large"),
                                    ("f", {"address": "127.0.0.1", "size": 5}, b"small")):
        transfer = peer.download(name, **options)
        end = transfer.wait()
        assert end["State"] == "done", end
        path = wait_for(lambda: end["Path"], "the path")
        with open(path, "rb") as file:
            assert file.read() == expected
        (peer.downloads / path.rsplit("/")[-1]).unlink()
    for options in ({"size": 13}, {"type": "pdf"}, {"port": 9}, {"address": "192.0.2.1"}):
        end = peer.download("f", **options).wait()
        assert (end["State"], end["Error"]) == ("failed", ERROR + "NotFound")
        assert "with that type" in end["ErrorMessage"]


def test_callers_that_vanish(world):
    """Searches whose callers have disconnected do no harm."""
    mute = world.server(FakeFt(lambda name: None))
    slow = world.peer(mute).joined()
    callers = [subprocess.Popen(["/usr/bin/busctl", f"--address={slow.bus.address}", "call", PEER, PEER_PATH, PEER,
                                 "Search", "s", f"f{i}"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                                env=clean_env()) for i in range(10)]
    wait_for(lambda: len([m for m in mute.heard if m.startswith(b"SEARCH")]) == 10, "10 searches")
    assert slow.state == "joined"  # the control side answers meanwhile
    for caller in callers:
        caller.kill()
        caller.wait()
    assert slow.state == "joined"


def test_more_shares_than_a_message_holds(world, ft, tmp_path):
    """The bus would disconnect a daemon whose reply is too long."""
    deep = tmp_path / "share" / "/".join(["d" * 200] * 15)
    deep.mkdir(parents=True)
    for number in range(3000):
        (deep / f"{number:04}").touch()
    peer = world.peer(ft, [tmp_path / "share"])
    shares = peer.wait_share("…", "omitted") or peer.get("Shares")
    assert 1000 < len(shares) < 3000
    assert shares[0][0] == str(deep / "0000")
    omitted = 3000 - (len(shares) - 1)
    assert shares[-1][3] == f"{omitted} more files are shared; this list is full"
    assert "more files are shared" in peer.ctl("shares").stdout


def test_the_bus_restarts(world, bus, ft):
    """p2p-ft keeps its sessions and joins the bus again; p2p-peer ends, and systemd starts it
    again."""
    peer = world.peer(ft, bus=bus).joined()
    session = ft.join(record("a", "txt", 1, 5556))
    pid = ft.pid
    for restarts in (1, 2):
        bus.restart()
        wait_for(lambda: bus.owner(FT), "p2p-ft to be back")
        wait_for(lambda: ft.log.count("Connected to D-Bus again") == restarts, "the log to say so")
        if restarts == 1:
            peer.ended(status=1)
            assert "The bus has closed the connection" in peer.log
    assert (ft.pid, len(ft.lookup("a"))) == (pid, 1)
    session.send("SEARCH: a\n")
    assert session.recv_until().startswith(b"FOUND: ")
    ft.call("Reload")
