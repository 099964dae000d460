# SPDX-License-Identifier: MIT
"""Search by words: FIND and MATCHES on the wire, Find on D-Bus, p2pctl search."""

import re
import threading
import time

import pytest

from harness import check, document, found, record, wait_for
from harness.service_manager import ManagedFt

ROOTS = ["11" * 32, "22" * 32]


@pytest.fixture
def ft(world):
    return world.ft(probe="no", max_files_per_peer=1000)


def joined(ft, *records):
    """A session with these records and a root, so that it gets KEPT."""
    wire = ft.join(*records, record("filler", "bin", 1, 1, root=ROOTS[0]))
    wire.expect(f"KEPT: {len(records) + 1}\n")
    return wire


def ask(wire, words, head, *files, limit=50, file_type="", low=0, high=""):
    wire.send(f"FIND: {limit}, {file_type}, {low}, {high}, {words}\n")
    wire.expect(" ".join([f"MATCHES: {head}", *files]) + "\n")


def test_words(ft):
    with joined(ft, record("ubuntu-24.04-live-server-amd64", "iso", 100, 1, root=ROOTS[0]),
                record("Ubuntu_Desktop", "ISO", 50, 1), record("Straße", "file", 7, 1)) as wire:
        server = f"<ubuntu-24.04-live-server-amd64, iso, 100, 23/11/2026, 1, {ROOTS[0]}>"
        desktop = "<Ubuntu_Desktop, ISO, 50, 23/11/2026, 1>"
        ask(wire, "ubuntu server iso", "1, exactly, 1", server)
        ask(wire, "ISO, SERVER; ubu", "1, exactly, 1", server)
        ask(wire, "ubu server", "0, exactly, 0")  # only the last may be a beginning
        ask(wire, "iso", "2, exactly, 1", desktop, server)
        ask(wire, "strasse", "1, exactly, 1", "<Straße, file, 7, 23/11/2026, 1>")
        ask(wire, "file", "0, exactly, 0")  # which is said of what has no type
        ask(wire, "...", "0, exactly, 0")
        ask(wire, "ubuntu", "1, exactly, 1", server, low=51)
        ask(wire, "ubuntu", "1, exactly, 1", desktop, high=99)
        ask(wire, "ubuntu", "2, exactly, 1", desktop, limit=1)
        ask(wire, "filler", "1, exactly, 1", f"<filler, bin, 1, 23/11/2026, 1, {ROOTS[0]}>", file_type="BIN")
        ask(wire, "filler", "0, exactly, 0", file_type="iso")


def test_sources_and_other_files(ft):
    one = joined(ft, record("a b", "txt", 5, 1, root=ROOTS[0]), record("a", "txt", 5, 1))
    two = joined(ft, record("a b", "txt", 5, 2, date="24/11/26", root=ROOTS[0]))
    three = joined(ft, record("a b", "txt", 5, 3, root=ROOTS[1]), record("a b", "txt", 6, 3))
    with one, two, three:
        most = f"<a b, txt, 5, 24/11/2026, 2, {ROOTS[0]}>"
        other = f"<a b, txt, 5, 23/11/2026, 1, {ROOTS[1]}>"
        ask(one, "b a", "3, exactly, 3", most, other, "<a b, txt, 6, 23/11/2026, 1>")
        # What is called so comes before what more have.
        ask(one, "a", "4, exactly, 3", "<a, txt, 5, 23/11/2026, 1>", most, other, "<a b, txt, 6, 23/11/2026, 1>")
        three.send("BYE\n")
        three.expect_close()
        ask(one, "b a", "1, exactly, 2", most)
        two.send("REMOVE: a b, txt, 5\n")
        two.expect("KEPT: 1\n")
        ask(one, "b a", "1, exactly, 1", f"<a b, txt, 5, 23/11/2026, 1, {ROOTS[0]}>")


def test_bad_requests_are_answered_and_order_is_kept(ft):
    with joined(ft, record("report", "txt", 11, 7100)) as wire:
        wire.send("SEARCH: report\nFIND: 1, , 0, , report\nSEARCH: none\nFIND: x\nFIND: 1, , 0, , \nSEARCH: report\n")
        report = found(("txt", 11, 7100))
        wire.expect(f"{report}\nMATCHES: 1, exactly, 1 <report, txt, 11, 23/11/2026, 1>\nNOT FOUND\n"
                    f"MATCHES: 0, exactly, 0\nMATCHES: 0, exactly, 0\n{report}\n")


def test_thousands_of_searches_at_once(ft):
    """They take turns, and no other peer waits for more than one of them."""
    with joined(ft, record("report", "txt", 11, 7100)) as wire, joined(ft) as other:
        count = 5000
        wire.send("FIND: 1, , 0, , report\n" * count)
        other.send("SEARCH: report\n")
        other.expect(found(("txt", 11, 7100)) + "\n")
        for _ in range(count):
            wire.expect("MATCHES: 1, exactly, 1 <report, txt, 11, 23/11/2026, 1>\n")


def test_search_rate(world):
    """FIND counts as a search, however long it waited: behind another one, or behind other
    messages."""
    ft = world.ft(probe="no", search_rate=2, max_files_per_peer=1000)
    with joined(ft) as wire:
        since = time.monotonic()
        # Four are at once, then two in a second.
        wire.send("FIND: 1, , 0, , none\n" * 4 + ("HELLO\n" * 1500 + "FIND: 1, , 0, , none\n") * 10)
        for _ in range(14):
            wire.expect("MATCHES: 0, exactly, 0\n")
        assert time.monotonic() - since >= 4


def test_a_peer_that_closes_behind_its_search(ft):
    with joined(ft, record("report", "txt", 11, 7100)) as wire, joined(ft) as other:
        for _ in range(20):
            gone = joined(ft)
            gone.send("FIND: 1, , 0, , report\n" * 3)
            gone.close()
        other.send("FIND: 1, , 0, , report\n" * 2)
        other.half_close()
        other.expect("MATCHES: 1, exactly, 1 <report, txt, 11, 23/11/2026, 1>\n" * 2)
        other.expect_close()
        ask(wire, "report", "1, exactly, 1", "<report, txt, 11, 23/11/2026, 1>")


def test_where_words_are_off(world):
    ft = world.ft(probe="no", words="no")
    with joined(ft, record("report", "txt", 11, 7100)) as wire:
        wire.send("FIND: 1, , 0, , report\nSEARCH: report\n")
        wire.expect(found(("txt", 11, 7100)) + "\n")


def test_find_needs_a_joined_session(ft):
    with ft.connect() as wire:
        wire.send("HELLO\nFIND: 1, , 0, , report\n")
        wire.expect("HI\n")
        wire.expect_close()


# ------------------------------------------------------------------------------ p2p-peer and p2pctl


@pytest.fixture
def sharing(world, ft):
    """A peer, beside one that shares some files with names of several words."""
    names = {"ubuntu-24.04-live-server-amd64.iso": b"server", "Ubuntu Desktop.iso": b"desk top",
             "notes about Ubuntu.txt": b"notes"}
    paths = [world.file(name, data, "other") for name, data in names.items()]
    other = world.peer(ft, paths).joined()
    for path in paths:
        other.wait_share(path, "published")
    peer = world.peer(ft).joined()
    peer.other = other
    return peer


def names(result):
    """Of the rows of a table, without its title and total."""
    return [line.split("  ")[0] for line in result.stdout.splitlines()[1:-1]]


def test_search(sharing):
    server = "ubuntu-24.04-live-server-amd64"
    result = check(sharing.ctl("search", "ISO", "ubuntu", "serv"), 0)
    assert names(result) == [server] and result.stdout.endswith("\n1 file at 1 peer\n")
    assert sorted(names(check(sharing.ctl("search", "ubuntu"), 0))) == ["Ubuntu Desktop", "notes about Ubuntu", server]
    assert names(check(sharing.ctl("search", "ubuntu", "--type", "txt"), 0)) == ["notes about Ubuntu"]
    assert names(check(sharing.ctl("search", "ubuntu", "--min-size", "7"), 0)) == ["Ubuntu Desktop"]
    assert names(check(sharing.ctl("search", "ubuntu", "--max-size", "5", "--type=.TXT"), 0)) == ["notes about Ubuntu"]
    assert check(sharing.ctl("search", "ubuntu", "--limit", "1"), 0).stdout.endswith(
        "\nshowing 1 of 3 files at 1 peer\n")
    assert "all of these words" in check(sharing.ctl("search", "ubuntu", "windows"), 3).stderr
    assert '"windows"' in check(sharing.ctl("search", "windows"), 3).stderr


def test_search_of_a_name(sharing):
    for args in (["--exact", "Ubuntu Desktop"], ['"Ubuntu Desktop.iso"']):
        assert names(check(sharing.ctl("search", *args), 0)) == ["Ubuntu Desktop"]
    check(sharing.ctl("search", "--exact", "Ubuntu"), 3)
    check(sharing.ctl("search", "--exact", "Ubuntu Desktop", "--min-size", "1K"), 3)


def test_json(sharing):
    data = document(check(sharing.ctl("search", "ubuntu", "desk", "--json"), 0))
    file, = data.pop("files")
    assert len(file.pop("root")) == 64 and file.pop("modified")
    assert file == {"name": "Ubuntu Desktop", "type": "iso", "size": 8, "n_sources": 1}
    assert data == {"version": 1, "total": 1, "at_least": False, "n_peers": 1, "whole_name": False}


def test_download_suggests(sharing, tmp_path):
    for name in ("ubuntu-24.04-live-server-amd64.img", "ubuntu-server.iso", "my-ubuntu-24.05-desktop.iso"):
        stderr = check(sharing.ctl("download", name, cwd=tmp_path), 3).stderr
        assert "Similar: " in stderr and "Try: p2pctl search " in stderr, stderr
    stderr = check(sharing.ctl("download", "windows.iso", cwd=tmp_path), 3).stderr
    assert "Similar" not in stderr


def test_two_files_of_one_name_are_suggested_once(world, ft, peer):
    for directory in ("one", "two"):
        world.peer(ft, [world.file("report.txt", directory.encode(), directory)]).joined()
    wait_for(lambda: len(ft.lookup("report.txt")) == 2, "FT to know both files")
    assert check(peer.ctl("search", "report"), 0).stdout.count("same name, another file") == 1
    stderr = check(peer.ctl("search", "--exact", "report.pdf"), 3).stderr.splitlines()
    assert stderr == [f'p2pctl: no peer at the FileTracker {ft.address} shares "report.pdf".', "Similar: report.txt",
                      "Try: p2pctl search report"]


def test_dbus(sharing):
    def find(words, *options):
        return sharing.call("Find", "asa{sv}", len(words), *words, *options)

    files, summary = find(["ubuntu", "note"], 0)
    assert [f[:3] for f in files] == [["notes about Ubuntu", "txt", 5]] and "root" in files[0][5]
    assert {key: value["data"] for key, value in summary.items()} == {
        "total": 1, "at-least": False, "peers": 1, "whole-name": False}
    for args in ("@as [] {}", "['', ' '] {}", "['a'] {'limit': <uint32 0>}", "['a'] {'type': <'a/b'>}",
                 "['a'] {'more': <1>}", "['a'] {'limit': <'x'>}", f"['{'x' * 513}'] {{}}"):
        words, _, options = args.rpartition(" {")
        assert sharing.error_name("Find", words, "{" + options) == "org.p2pshare.Error.InvalidOption", args


def test_an_ft_without_words(world):
    """The peer asks it for a file whose name is the text: the first time behind a FIND, then
    without."""
    ft = world.ft(words="no")
    other = world.peer(ft, [world.file("Ubuntu Desktop.iso", b"desktop", "other")]).joined()
    peer = world.peer(ft).joined()
    wait_for(lambda: ft.lookup("Ubuntu Desktop.iso"), "FT to know the file")
    for _ in range(2):
        result = check(peer.ctl("search", "Ubuntu", "Desktop"), 0)
        assert names(result) == ["Ubuntu Desktop"] and "exactly that name" in result.stderr
        check(peer.ctl("search", "desktop"), 3)
        assert document(peer.ctl("search", "Ubuntu", "Desktop", "--json"))["whole_name"]
        assert check(peer.ctl("search", "--exact", "Ubuntu Desktop"), 0).stderr == ""
        assert "Similar" not in check(peer.ctl("search", "--exact", "Ubuntu"), 3).stderr
    check(peer.ctl("search", "a/b"), 3)  # no file can be called so
    assert "Refused" not in ft.log
    assert peer.get("State") == other.get("State") == "joined"


def test_words_are_off_after_a_restart(world):
    """FT restarts without words and no session notices. It does not answer FIND, so its next answer
    belongs to the SEARCH behind it."""
    ft = world.ft(kind=ManagedFt)
    files = [world.file(f"{name}.bin", name.encode() * 1000) for name in "ab"]
    world.peer(ft, files, bus=world.bus()).joined()
    peer = world.peer(ft, bus=world.bus()).joined()

    def find(word):
        return peer.call("Find", "asa{sv}", 1, word, 0)

    def searches():
        return re.search(r"^p2p_peer_searches_total (\d+)", check(peer.ctl("metrics"), 0).stdout, re.M)[1]

    wait_for(lambda: find("bin")[1]["total"]["data"] == 2, "FT to know both, and the peer that it knows words")
    ft.stop()
    ft.sections["ft"]["words"] = "no"
    ft.write_config()
    ft.start()
    asked, answers = searches(), []
    finding = threading.Thread(target=lambda: answers.append(find("zzz")))
    finding.start()
    try:
        wait_for(lambda: searches() != asked, "it to be asked")
        for name in "ab":
            assert peer.download(f"{name}.bin").wait()["State"] == "done"
            assert (peer.downloads / f"{name}.bin").read_bytes() == name.encode() * 1000
    finally:
        finding.join()
    [[files, summary]] = answers
    assert files == [] and summary["whole-name"]["data"]


def test_many_searches_of_both_kinds(sharing):
    """None gets the answer of another."""
    for _ in range(20):
        assert names(check(sharing.ctl("search", "desktop"), 0)) == ["Ubuntu Desktop"]
        assert [r[0] for r in sharing.search("notes about Ubuntu")] == ["notes about Ubuntu"]
