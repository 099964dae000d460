# SPDX-License-Identifier: MIT
"""Searching by words, on the wire: FIND and MATCHES."""

import pytest

from harness import found, record

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
    """They take their turns, and nobody else waits for more than one of them."""
    with joined(ft, record("report", "txt", 11, 7100)) as wire, joined(ft) as other:
        count = 5000
        wire.send("FIND: 1, , 0, , report\n" * count)
        other.send("SEARCH: report\n")
        other.expect(found(("txt", 11, 7100)) + "\n")
        for _ in range(count):
            wire.expect("MATCHES: 1, exactly, 1 <report, txt, 11, 23/11/2026, 1>\n")


def test_who_closes_behind_its_question(ft):
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


def test_who_has_not_joined_gets_nothing(ft):
    with ft.connect() as wire:
        wire.send("HELLO\nFIND: 1, , 0, , report\n")
        wire.expect("HI\n")
        wire.expect_close()
