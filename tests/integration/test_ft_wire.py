# SPDX-License-Identifier: MIT
"""p2p-ft, seen through raw sockets: every word of src/proto/protocol.h, byte by byte."""

import os
import select
import signal
import socket
import subprocess
import time

import pytest

from harness import DEADLINE, Process, Wire, clean_env, free_port, program, record, wait_for

# The documented time between a rejection and the close, with room for a slow machine behind it.
REJECT_SECONDS = 2
SILENCE = 0.4  # longer than any silence that means something on the wire

REPORT_LINE = "<report, txt, 11, 05/03/20, 127.0.0.1, 7100>"
REPORT_RAW = "<report,127.0.0.1,7100,.txt,05/03/2020,11>"


def keep(ft, wire):
    """Python closes a socket without a reference: keeps it until the end of FT."""
    ft.sessions = [*getattr(ft, "sessions", ()), wire]
    return wire


@pytest.fixture
def ft(world, bus):
    """An FT whose peers do not listen at the ports of their records."""
    return world.ft(bus, probe="no")


def line_session(ft, *records):
    return keep(ft, ft.join(*(records or [record("filler", "txt", 1, 1)])))


def raw_session(ft, records):
    """A RAW session that FT has accepted with these records."""
    wire = keep(ft, Wire(ft.port))
    wire.send("HELLO")
    wire.expect("HI")
    wire.send(records)
    wait_peer(ft, wire)
    return wire


def wait_peer(ft, wire, present=True):
    wait_for(lambda: (wire.local in {(a, p) for a, p, *_ in ft.peers()}) == present,
             f"{wire.local} {'among' if present else 'gone from'} the peers of FT")


def ask(wire, name, answer, end="\n"):
    wire.send(f"SEARCH: {name}{end}")
    wire.expect(answer + end)


def leave(wire, end="\n"):
    """Says BYE, which shows that nothing came behind the expected bytes."""
    wire.send("BYE" + end)
    assert wire.recv_all() == b""


def refused(ft, reason, count):
    wait_for(lambda: ft.refused()[reason] == count, f"Refused {reason} = {count}, not {ft.refused()}")


# -------------------------------------------------------------------------------------- transcripts


def test_authors_transcript_raw(ft):
    owner = raw_session(ft, REPORT_RAW)
    with Wire(ft.port) as wire:
        wire.send("HELLO")
        wire.expect("HI")
        wire.send("<notes,127.0.0.1,6604,.txt,23/11/2026,11>;<blob,127.0.0.1,6604,.bin,23/11/2026,3000>")
        wait_peer(ft, wire)
        ask(wire, "report", "FOUND: <report,127.0.0.1,7100,.txt,05/03/2020,11>", "")
        ask(wire, "nothing", "NOT FOUND", "")
        ask(wire, "notes", "FOUND: <notes,127.0.0.1,6604,.txt,23/11/2026,11>", "")

        second = raw_session(ft, "<report,127.0.0.1,7200,.pdf,06/03/2020,12>")
        ask(wire, "report", "FOUND: <report,127.0.0.1,7100,.txt,05/03/2020,11;"
                            "report,127.0.0.1,7200,.pdf,06/03/2020,12>", "")
        leave(second, "")
        ask(wire, "report", "FOUND: <report,127.0.0.1,7100,.txt,05/03/2020,11>", "")
        leave(owner, "")
        ask(wire, "report", "NOT FOUND", "")
        leave(wire, "")
    assert ft.lookup("notes") == []


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_own_transcript_line(ft, end):
    owner = line_session(ft, REPORT_LINE)
    with Wire(ft.port) as wire:
        wire.send("HELLO" + end)
        wire.expect("HI\n")
        wire.send(f"<notes, txt, 11, 23/11/26, 127.0.0.1, 5556>{end}<blob, bin, 3000, 23/11/26, 127.0.0.1, 5556>{end}")
        wire.send("SEARCH: report.txt" + end)
        wire.expect("FOUND: <txt, 11, 05/03/20, 127.0.0.1, 7100>\n")
        wire.send("SEARCH: nothing" + end)
        wire.expect("NOT FOUND\n")
        second = line_session(ft, "<report, pdf, 12, 06/03/20, 127.0.0.1, 7200>")
        wire.send("SEARCH: report" + end)
        wire.expect("FOUND: <txt, 11, 05/03/20, 127.0.0.1, 7100>, <pdf, 12, 06/03/20, 127.0.0.1, 7200>\n")
        leave(second)
        leave(owner)
        wire.send("SEARCH: report" + end)
        wire.expect("NOT FOUND\n")
        leave(wire, end)
    assert ft.lookup("notes") == []


def test_each_in_its_own_syntax(ft):
    line = line_session(ft, "<notes, txt, 11, 23/11/26, 127.0.0.1, 5556>")
    raw = raw_session(ft, REPORT_RAW)
    ask(line, "report", "FOUND: <txt, 11, 05/03/20, 127.0.0.1, 7100>")
    ask(raw, "notes", "FOUND: <notes,127.0.0.1,5556,.txt,23/11/2026,11>", "")
    assert {p[2] for p in ft.peers()} == {"line", "raw"}
    leave(raw, "")
    leave(line)


# How a peer writes a record of its own, and how FT then writes report.txt and data.bin to it.
DIALECTS = {
    "own": ("<notes, txt, 11, 23/11/26, 127.0.0.1, 5556>",
            "<txt, 11, 05/03/20, 127.0.0.1, 7100>"),
    "tight": ("<notes,txt,11,23/11/26,127.0.0.1,5556>",
              "<txt,11,05/03/20,127.0.0.1,7100>"),
    "bare": ("notes, txt, 11, 23/11/26, 127.0.0.1, 5556",
             "txt, 11, 05/03/20, 127.0.0.1, 7100"),
    "bare-tight": ("notes,txt,11,23/11/26,127.0.0.1,5556",
                   "txt,11,05/03/20,127.0.0.1,7100"),
    "dashes": ("<notes, txt, 11, 23-11-2026, 127.0.0.1, 5556>",
               "<txt, 11, 05-03-2020, 127.0.0.1, 7100>"),
    "dotted": ("<notes, .txt, 11, 23/11/2026, 127.0.0.1, 5556>",
               "<.txt, 11, 05/03/2020, 127.0.0.1, 7100>"),
    "bytes": ("<notes, txt, 11 bytes, 23/11/26, 127.0.0.1, 5556>",
              "<txt, 11, 05/03/20, 127.0.0.1, 7100>"),
    "authors": ("<notes,127.0.0.1,6604,.txt,23/11/2026,11>",
                "<report,127.0.0.1,7100,.txt,05/03/2020,11>"),
    "size-first": ("<notes,11,txt,127.0.0.1,5556,23-11-26>",
                   "<report,11,txt,127.0.0.1,7100,05-03-20>"),
    "date-first": ("<notes, 23/11/26, txt, 11, 127.0.0.1, 5556>",
                   "<report, 05/03/20, txt, 11, 127.0.0.1, 7100>"),
    "full-name": ("<notes.txt,127.0.0.1,6604,.txt,23/11/2026,11>",
                  "<report.txt,127.0.0.1,7100,.txt,05/03/2020,11>"),
    "full-name-bare": ("notes.txt, 127.0.0.1, 6604, txt, 23/11/26, 11",
                       "report.txt, 127.0.0.1, 7100, txt, 05/03/20, 11"),
}


@pytest.mark.parametrize("framing", ["line", "raw"])
def test_dialects(ft, framing):
    end = "\n" if framing == "line" else ""
    line_session(ft, REPORT_LINE)
    for name, (written, expected) in DIALECTS.items():
        with Wire(ft.port) as wire:
            wire.send("HELLO" + end)
            wire.expect("HI" + end)
            wire.send(written + end)
            wait_peer(ft, wire)
            for searched in "report", "report.txt":
                wire.send(f"SEARCH: {searched}{end}")
                answer = wire.recv_exactly(len(f"FOUND: {expected}{end}"))
                assert answer == f"FOUND: {expected}{end}".encode(), name
            assert [r[:3] for r in ft.lookup("notes")] == [("notes", "txt", 11)], name
            leave(wire, end)
        ft.wait_lookup("notes", 0)


# Two records as one message, and what stands between two answers then.
LISTS = {
    "comma": ("<a, txt, 1, 23/11/26, 127.0.0.1, 1>, <b, txt, 1, 23/11/26, 127.0.0.1, 1>", "<{}>, <{}>", ", "),
    "tight-comma": ("<a,txt,1,23/11/26,127.0.0.1,1>,<b,txt,1,23/11/26,127.0.0.1,1>", "<{}>,<{}>", ","),
    "one-pair": ("<a, txt, 1, 23/11/26, 127.0.0.1, 1;b, txt, 1, 23/11/26, 127.0.0.1, 1>", "<{};{}>", ", "),
    "adjacent": ("<a, txt, 1, 23/11/26, 127.0.0.1, 1><b, txt, 1, 23/11/26, 127.0.0.1, 1>", "<{}><{}>", ", "),
    "bar": ("<a,txt,1,23/11/26,127.0.0.1,1>|<b,txt,1,23/11/26,127.0.0.1,1>", "<{}>|<{}>", ","),
    "bare-bar": ("a,txt,1,23/11/26,127.0.0.1,1|b,txt,1,23/11/26,127.0.0.1,1", "{}|{}", ","),
    "bare-semicolon": ("a,txt,1,23/11/26,127.0.0.1,1;b,txt,1,23/11/26,127.0.0.1,1", "{};{}", ","),
}


@pytest.mark.parametrize("framing", ["line", "raw"])
def test_lists(ft, framing):
    end = "\n" if framing == "line" else ""
    line_session(ft, REPORT_LINE, "<report, pdf, 12, 06/03/20, 127.0.0.1, 7100>")
    for name, (written, form, comma) in LISTS.items():
        both = form.format(comma.join(["txt", "11", "05/03/20", "127.0.0.1", "7100"]),
                           comma.join(["pdf", "12", "06/03/20", "127.0.0.1", "7100"]))
        with Wire(ft.port) as wire:
            wire.send("HELLO" + end)
            wire.expect("HI" + end)
            wire.send(written + end)
            wait_peer(ft, wire)
            assert len(ft.lookup("a")) == len(ft.lookup("b")) == 1, name
            wire.send("SEARCH: report" + end)
            expected = f"FOUND: {both}{end}".encode()
            assert wire.recv_exactly(len(expected)) == expected, name
            leave(wire, end)
        ft.wait_lookup("a", 0)


def test_found_by_name_and_by_file_name(ft):
    line_session(ft, REPORT_LINE, "<README, file, 5, 05/03/20, 127.0.0.1, 7100>",
                 "<a.tar, gz, 6, 05/03/20, 127.0.0.1, 7100>")
    wire = line_session(ft)
    report = "FOUND: <txt, 11, 05/03/20, 127.0.0.1, 7100>"
    for name in "report", "report.txt", "report.TXT", "  report.txt  ":
        ask(wire, name, report)
    for name in "report.pdf", "Report", "report.", "repor", "report.txt.txt", "*":
        ask(wire, name, "NOT FOUND")
    ask(wire, "README", "FOUND: <file, 5, 05/03/20, 127.0.0.1, 7100>")
    ask(wire, "a.tar.gz", "FOUND: <gz, 6, 05/03/20, 127.0.0.1, 7100>")
    assert ft.get("Searches") == 12


# ---------------------------------------------------------------------------------------- addresses


def has_ipv6():
    try:
        with socket.socket(socket.AF_INET6) as s:
            s.bind(("::1", 0))
        return True
    except OSError:
        return False


needs_ipv6 = pytest.mark.skipif(not has_ipv6(), reason="no ::1 here")


@needs_ipv6
def test_both_families_through_one_socket(world):
    port = free_port("::")
    ft = world.ft(listen=f"[::]:{port}")
    ft.port = port
    v4 = line_session(ft, "<four, txt, 4, 23/11/26, 127.0.0.1, 4444>")
    with Wire(port, "::1") as v6:
        v6.send("HELLO\n")
        v6.expect("HI\n")
        v6.send("<six, txt, 6, 23/11/26, ::1, 6666>\n")
        ask(v6, "four", "FOUND: <txt, 4, 23/11/26, 127.0.0.1, 4444>")
        ask(v4, "six", "FOUND: <txt, 6, 23/11/26, ::1, 6666>")
        assert {p[0] for p in ft.peers()} == {"127.0.0.1", "::1"}
        leave(v6)
    with Wire(port, "::1") as raw:
        raw.send("HELLO")
        raw.expect("HI")
        raw.send("<six,::1,6666,.txt,23/11/2026,6>")
        wait_peer(ft, raw)
        ask(raw, "six", "FOUND: <six,::1,6666,.txt,23/11/2026,6>", "")
        leave(raw, "")


def test_foreign_address_is_replaced(ft):
    wire = line_session(ft, "<a, txt, 1, 23/11/26, 192.0.2.7, 5556>", "<b, txt, 2, 23/11/26, 2001:db8::7, 5556>")
    ask(wire, "a", "FOUND: <txt, 1, 23/11/26, 127.0.0.1, 5556>")
    ask(wire, "b", "FOUND: <txt, 2, 23/11/26, 127.0.0.1, 5556>")
    for name, address in ("zero", "0.0.0.0"), ("any", "::"), ("mapped", "::ffff:192.0.2.7"):
        wire.send(record(name, "txt", 3, 5556, host=address) + "\n")
        assert ft.wait_lookup(name)[0][4] == "127.0.0.1", address


@pytest.mark.parametrize("address", ["255.255.255.255", "224.0.0.1", "ff02::1"])
def test_address_of_many_is_replaced(ft, address):
    wire = line_session(ft, record("a", "txt", 1, 5556, host=address))
    ask(wire, "a", "FOUND: <txt, 1, 23/11/26, 127.0.0.1, 5556>")


def test_own_address_of_this_machine_is_kept(ft):
    """A peer on FT's own machine may name the address at which others reach that machine."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        try:
            s.connect(("192.0.2.1", 9))  # sends nothing: asks which address the route has
        except OSError:
            pytest.skip("no route out of this machine")
        mine = s.getsockname()[0]
    wire = line_session(ft, record("a", "txt", 1, 5556, host=mine))
    ask(wire, "a", f"FOUND: <txt, 1, 23/11/26, {mine}, 5556>")
    wire.send(record("a", "txt", 1, 5556, host="127.0.0.2") + "\n")
    ask(wire, "a", "FOUND: <txt, 1, 23/11/26, 127.0.0.2, 5556>")


def test_seen_address_of_a_stranger(ft):
    """A peer that connects from another loopback address is published there."""
    s = socket.create_connection(("127.0.0.1", ft.port), DEADLINE, source_address=("127.0.0.9", 0))
    with Wire(s) as wire:
        wire.send("HELLO\n")
        wire.expect("HI\n")
        wire.send(record("a", "txt", 1, 5556, host="198.51.100.1") + "\n")
        ask(wire, "a", "FOUND: <txt, 1, 23/11/26, 127.0.0.9, 5556>")


# ------------------------------------------------------------------------------------------ framing


def test_line_byte_by_byte(ft):
    with Wire(ft.port) as wire:
        wire.send_bytewise("HELLO\r\n")
        wire.expect("HI\n")
        wire.send_bytewise(REPORT_LINE + "\nSEARCH: report\n")
        wire.expect("FOUND: <txt, 11, 05/03/20, 127.0.0.1, 7100>\n")
        wire.send_bytewise("BYE\n")
        assert wire.recv_all() == b""


def test_raw_byte_by_byte(ft):
    with Wire(ft.port) as wire:
        wire.send_bytewise("HELLO")
        wire.expect("HI")
        wire.send_bytewise(REPORT_RAW)
        wait_peer(ft, wire)
        wire.send_bytewise("SEARCH: report")
        wire.expect(f"FOUND: {REPORT_RAW}")
        wire.send_bytewise("BYE")
        assert wire.recv_all() == b""


def test_whole_line_session_in_one_segment(ft):
    with Wire(ft.port) as wire:
        wire.send(f"HELLO\n{REPORT_LINE}\nSEARCH: report\nSEARCH: nothing\nBYE\n")
        assert wire.recv_all() == b"HI\nFOUND: <txt, 11, 05/03/20, 127.0.0.1, 7100>\nNOT FOUND\n"
    ft.wait_lookup("report", 0)


def test_records_in_pieces_and_together(ft):
    with Wire(ft.port) as wire:
        wire.send("HEL")
        wire.send("LO\n<a, txt, 1, 23/11/26, 127.0.0.1, 1>\n<b, txt, 1, 23/11")
        wire.expect("HI\n")
        ft.wait_lookup("a")
        assert ft.lookup("b") == []
        wire.send("/26, 127.0.0.1, 1>\nSEARCH: b\nSEAR")
        wire.expect("FOUND: <txt, 1, 23/11/26, 127.0.0.1, 1>\n")
        wire.send("CH: b\n")
        wire.expect("FOUND: <txt, 1, 23/11/26, 127.0.0.1, 1>\n")


def test_raw_without_waiting(ft):
    """HELLO and the records in one segment, and BYE behind a search."""
    with Wire(ft.port) as wire:
        wire.send("HELLO" + REPORT_RAW)
        wire.expect("HI")
        wait_peer(ft, wire)
        wire.send("SEARCH: report\nBYE")
        assert wire.recv_all() == f"FOUND: {REPORT_RAW}".encode()
    with Wire(ft.port) as wire:
        wire.send("HELLO")
        wire.expect("HI")
        wire.send(REPORT_RAW + "SEARCH: report")
        wire.expect(f"FOUND: {REPORT_RAW}")


def test_half_close_after_search(ft):
    line_session(ft, REPORT_LINE)
    wire = line_session(ft, record("notes", "txt", 1, 1))
    wire.send("SEARCH: report\n")
    wire.half_close()
    assert wire.recv_all() == b"FOUND: <txt, 11, 05/03/20, 127.0.0.1, 7100>\n"
    ft.wait_lookup("notes", 0)

    wire = raw_session(ft, "<notes,127.0.0.1,6604,.txt,23/11/2026,11>")
    wire.send("SEARCH: report")
    wire.half_close()
    assert wire.recv_all() == f"FOUND: {REPORT_RAW}".encode()
    ft.wait_lookup("notes", 0)

    # A last line without its end.
    wire = line_session(ft, record("notes", "txt", 1, 1))
    wire.send("SEARCH: report")
    wire.half_close()
    assert wire.recv_all() == b"FOUND: <txt, 11, 05/03/20, 127.0.0.1, 7100>\n"


def test_whole_session_then_half_close(ft):
    with Wire(ft.port) as wire:
        wire.send(f"HELLO\n{REPORT_LINE}\nSEARCH: report\n")
        wire.half_close()
        assert wire.recv_all() == b"HI\nFOUND: <txt, 11, 05/03/20, 127.0.0.1, 7100>\n"


def test_searches_of_many_at_once(ft):
    """Messages of several peers have arrived while FT did nothing. Each peer gets its answers in
    order, however many searches there are, and whichever peers leave, half-close or are gone."""
    line_session(ft, REPORT_LINE)
    found, count = "FOUND: <txt, 11, 05/03/20, 127.0.0.1, 7100>\n", 45
    asking, leaving, half, gone = (line_session(ft, record(name, "txt", 1, 1)) for name in ("own", "by", "half", "gone"))
    os.kill(ft.pid, signal.SIGSTOP)
    gone.send("SEARCH: report\n" * count)
    gone.reset()
    asking.send("SEARCH: own\nSEARCH: report\nREMOVE: own, txt, 1\nSEARCH: own\nSEARCH: a/b\n" + "SEARCH: report\n" * count)
    leaving.send("SEARCH: report\n" * count + "SEARCH: by\nBYE\nSEARCH: report\n")
    half.send("SEARCH: report\n" * 3)
    half.half_close()
    os.kill(ft.pid, signal.SIGCONT)
    own = "FOUND: <txt, 1, {}, 127.0.0.1, 1>\n"
    day = record("own", "txt", 1, 1).split(", ")[3]
    asking.expect(own.format(day) + found + "NOT FOUND\n" * 2 + found * count)
    assert leaving.recv_all().decode() == found * count + own.format(day)
    assert half.recv_all().decode() == found * 3
    wait_for(lambda: len(ft.peers()) == 2, "the others to be gone")


# ------------------------------------------------------------------------------------- not accepted


def close_after_rejection(wires, since):
    """FT closes all of them without a word, REJECT_SECONDS after the rejection and not at once."""
    for wire in wires:
        wire.expect_close()
    assert time.monotonic() - since >= REJECT_SECONDS - 0.5


def test_not_accepted_gets_silence_and_close(ft):
    line_session(ft, REPORT_LINE)
    wires = []
    for words in ["SEARCH: report\n", "BYE BYE\n", "GET / HTTP/1.1\r\n\r\n", f"{REPORT_LINE}\n",
                  "SEARCH: report", "hello\n", "\0\1\2\3\n", "HI\n", "NOT FOUND\n"]:
        wire = Wire(ft.port)
        wire.send(words)
        wires.append(wire)
    refused(ft, "no-hello", len(wires))

    greeted = []
    for end in "\n", "":
        wire = Wire(ft.port)
        wire.send("HELLO" + end)
        wire.expect("HI" + end)
        wire.send("SEARCH: report" + end)
        greeted.append(wire)
    wire = Wire(ft.port)
    wire.send("HELLO\n")
    wire.expect("HI\n")
    wire.send("<nonsense>\n<report, txt, 99999999999999999999, 05/03/20, 127.0.0.1, 7100>\nSEARCH: report\n")
    greeted.append(wire)
    refused(ft, "not-accepted", len(greeted))
    since = time.monotonic()
    close_after_rejection(wires + greeted, since - SILENCE)
    assert len(ft.peers()) == 1
    assert ft.get("Searches") == 0


def test_hello_only_is_silence(ft):
    wires = []
    for words in "HELLO\n", "HELLO\nHELLO\n", "HELLO\n\n\r\n", "HELLO\n<a, txt, x, 23/11/26, 127.0.0.1, 1>\n":
        wire = Wire(ft.port)
        wire.send(words)
        wire.expect("HI\n")
        wires.append(wire)
    wires.append(Wire(ft.port))  # not even that
    ready, _, _ = select.select([wire.socket for wire in wires], [], [], SILENCE)
    assert not ready
    assert ft.peers() == []
    refused(ft, "bad-record", 1)
    # It is not too late to behave.
    wires[-2].send(REPORT_LINE + "\n")
    ask(wires[-2], "report", "FOUND: <txt, 11, 05/03/20, 127.0.0.1, 7100>")


BAD_RECORDS = [
    "<>", "< >", "<;>", "<,,,,,>", "<a>", "a", "<a, txt, 1, 23/11/26, 127.0.0.1>", "<a, txt, 1, 23/11/26, 1>",
    "<, txt, 1, 23/11/26, 127.0.0.1, 1>",
    "<a, txt, -1, 23/11/26, 127.0.0.1, 1>", "<a, txt, 0x10, 23/11/26, 127.0.0.1, 1>",
    "<a, txt, 9223372036854775808, 23/11/26, 127.0.0.1, 1>",
    "<a, txt, 18446744073709551617, 23/11/26, 127.0.0.1, 1>",
    "<a, txt, 1, 32/11/26, 127.0.0.1, 1>", "<a, txt, 1, 29/02/25, 127.0.0.1, 1>", "<a, txt, 1, 0/0/0, 127.0.0.1, 1>",
    "<a, txt, 1, 23/11/26, 127.0.0.1, 0>", "<a, txt, 1, 23/11/26, 127.0.0.1, 65536>",
    "<a, txt, 1, 23/11/26, 127.0.0.1, 99999999999999999999>",
    "<a, txt, 1, 23/11/26, 256.0.0.1, 1>", "<a, txt, 1, 23/11/26, ::g, 1>", "<a, txt, 1, 23/11/26, , 1>",
    "<../../etc/passwd, file, 1, 23/11/26, 127.0.0.1, 1>", "</etc/passwd, file, 1, 23/11/26, 127.0.0.1, 1>",
    "<.., file, 1, 23/11/26, 127.0.0.1, 1>", "<., file, 1, 23/11/26, 127.0.0.1, 1>",
    "<..%2Fx, txt, 1, 23/11/26, 127.0.0.1, 1>", "<a%00b, txt, 1, 23/11/26, 127.0.0.1, 1>",
    "<a%0Ab, txt, 1, 23/11/26, 127.0.0.1, 1>", "<a%1B[31m, txt, 1, 23/11/26, 127.0.0.1, 1>",
    b"<a\0b, txt, 1, 23/11/26, 127.0.0.1, 1>", b"<a\x01b, txt, 1, 23/11/26, 127.0.0.1, 1>",
    b"<a\x1b[31m, txt, 1, 23/11/26, 127.0.0.1, 1>", b"<a\x7f, txt, 1, 23/11/26, 127.0.0.1, 1>",
    b"<\xff\xfe, txt, 1, 23/11/26, 127.0.0.1, 1>", b"<a\xc0\xaf, txt, 1, 23/11/26, 127.0.0.1, 1>",
    b"<\xed\xa0\x80, txt, 1, 23/11/26, 127.0.0.1, 1>", b"<a\xc2\x9bb, txt, 1, 23/11/26, 127.0.0.1, 1>",
    "<" + "n" * 256 + ", txt, 1, 23/11/26, 127.0.0.1, 1>",
    b"\0" * 100, bytes(range(128, 256)), b"\xff" * 4000,
]


def test_bad_records_are_dropped_one_by_one(ft):
    witness = line_session(ft, REPORT_LINE)
    wire = line_session(ft, record("good", "txt", 1, 1))
    count = 0
    for bad in BAD_RECORDS:
        bad = bad.encode() if isinstance(bad, str) else bad
        before = ft.refused()["bad-record"]
        wire.send(bad + b"\n" + record("good", "txt", 1, 1).encode() + b"\n")
        ask(wire, "good", "FOUND: <txt, 1, 23/11/26, 127.0.0.1, 1>")
        ask(witness, "report", "FOUND: <txt, 11, 05/03/20, 127.0.0.1, 7100>")
        # "<>" and the like hold no record at all.
        assert ft.refused()["bad-record"] - before == (bad not in (b"<>", b"< >", b"<;>")), bad
        count += 1
    assert count == len(BAD_RECORDS)
    assert ft.get("Records") == 2
    # Between two good ones: only the bad one is lost.
    wire.send("<x, txt, 1, 23/11/26, 127.0.0.1, 1>, <../y, txt, 1, 23/11/26, 127.0.0.1, 1>, "
              "<z, txt, 1, 23/11/26, 127.0.0.1, 1>\n")
    ask(wire, "z", "FOUND: <txt, 1, 23/11/26, 127.0.0.1, 1>")
    assert ft.get("Records") == 4
    wire.close()
    ask(witness, "report", "FOUND: <txt, 11, 05/03/20, 127.0.0.1, 7100>")


def test_searches_for_impossible_names(ft):
    wire = line_session(ft, REPORT_LINE)
    bad = [b"../report", b"/etc/passwd", b"..", b"", b"a\0b", b"\xff", b"a%2Fb", b"n" * 256, b"a%00", b"\x1b[2J"]
    for name in bad:
        wire.send(b"SEARCH: " + name + b"\n")
        wire.expect("NOT FOUND\n")
    refused(ft, "bad-name", len(bad))
    ask(wire, "report", "FOUND: <txt, 11, 05/03/20, 127.0.0.1, 7100>")


def test_names_that_only_look_bad(ft):
    """Valid names come back complete, and D-Bus can show them."""
    for name in ["...", "a, b", "a,7", "report.txt.txt", "100%", "50%4", "%", "naïve ☃", "\u202egpj.exe", "a\u2028b",
                 "-rf", "$(id)", "x\\y", '"', "FOUND:", "é" * 125]:
        wire = Wire(ft.port)
        wire.send("HELLO\n")
        wire.expect("HI\n")
        wire.send(f"<{name}, bin, 1, 23/11/26, 127.0.0.1, 1>\nSEARCH: {name}\nSEARCH: {name}.bin\n")
        for _ in range(2):
            wire.expect("FOUND: <bin, 1, 23/11/26, 127.0.0.1, 1>\n")
        wire.close()
    wait_for(lambda: ft.get("Records") == 0, "FT to forget them")


@pytest.mark.parametrize("name", ["a\ufffeb", "\ufdd0", "\U0001ffff"])
def test_noncharacters_are_no_names(ft, name):
    wire = line_session(ft)
    wire.send(f"<{name}, bin, 1, 23/11/26, 127.0.0.1, 1>\nSEARCH: {name}\n")
    wire.expect("NOT FOUND\n")
    refused(ft, "bad-record", 1)


def test_percent_encoding(ft):
    wire = line_session(ft, *(f"<{name}, txt, 1, 23/11/26, 127.0.0.1, 1>" for name in
                              ["a%3Bb", "c%3Cd%3E", "e%7Cf", "g%2541", "%20h%20"]))
    raw = raw_session(ft, "<notes,127.0.0.1,6604,.txt,23/11/2026,11>")
    one = "FOUND: <txt, 1, 23/11/26, 127.0.0.1, 1>"
    for searched, written in [("a;b", "a%3Bb"), ("a%3Bb", "a%3Bb"), ("c<d>", "c%3Cd%3E"), ("e|f", "e%7Cf"),
                              ("g%2541", "g%2541"), ("%20h%20", "%20h%20"), ("%61;b.txt", "a%3Bb")]:
        ask(wire, searched, one)
        ask(raw, searched, f"FOUND: <{written},127.0.0.1,1,.txt,23/11/2026,1>", "")
    ask(wire, "gA", "NOT FOUND")
    assert [r[0] for r in ft.lookup("g%41")] == ["g%41"]


# ------------------------------------------------------------------------------- too long, too many


def closed_by_ft(wire, data):
    """Sends what FT will not read to the end; it may close in the middle."""
    try:
        wire.send(data)
    except OSError:
        return
    wire.expect_close()


def test_too_long(ft):
    witness = line_session(ft, REPORT_LINE)
    wire = line_session(ft)
    wire.send("x" * 4095 + "\n")  # as long as a line may be
    ask(wire, "report", "FOUND: <txt, 11, 05/03/20, 127.0.0.1, 7100>")
    wire.send("x" * 4096 + "\n")
    wire.expect_close()
    count = 1
    for data in [b"x" * 5000, b"\0" * 5000, b"x" * (1 << 20), b"\xff" * (1 << 20), b"HELLO\n" + b"<" * 9000]:
        with Wire(ft.port) as wire:
            try:
                wire.send(data)
                wait_for(lambda w=wire: not w._receive(time.monotonic() + DEADLINE), "a close")
            except OSError:
                pass
        count += 1
        refused(ft, "too-long", count)
        ask(witness, "report", "FOUND: <txt, 11, 05/03/20, 127.0.0.1, 7100>")
    raw = raw_session(ft, "<notes,127.0.0.1,6604,.txt,23/11/2026,11>")
    closed_by_ft(raw, "y" * 20000)
    refused(ft, "too-long", count + 1)
    ft.wait_lookup("notes", 0)


@pytest.mark.parametrize("limit", [5, 2, 7])
def test_over_the_limit(world, bus, limit):
    ft = world.ft(bus, **({} if limit == 5 else {"max_files_per_peer": limit}))
    wire = line_session(ft, *(record(f"f{i}", "txt", i, 1) for i in range(limit)))
    ft.wait_lookup(f"f{limit - 1}")
    wire.send(record("more", "txt", 1, 1) + "\n")
    ask(wire, "more", "NOT FOUND")
    assert ft.get("Records") == limit
    refused(ft, "over-limit", 1)
    # Those that it has may be written anew, and one that it takes back makes room.
    wire.send(record("f0", "txt", 0, 2, "24/11/26") + "\n")
    ask(wire, "f0", "FOUND: <txt, 0, 24/11/26, 127.0.0.1, 2>")
    wire.send("REMOVE: f0, txt, 0\n" + record("more", "txt", 1, 1) + "\n")
    ask(wire, "more", "FOUND: <txt, 1, 23/11/26, 127.0.0.1, 1>")
    ask(wire, "f0", "NOT FOUND")
    assert ft.get("Records") == limit
    # Another peer has a limit of its own.
    line_session(ft, record("more", "txt", 1, 3))
    ask(wire, "more", "FOUND: <txt, 1, 23/11/26, 127.0.0.1, 1>, <txt, 1, 23/11/26, 127.0.0.1, 3>")


def test_over_the_limit_in_one_message(ft):
    raw = raw_session(ft, ";".join(f"<f{i},127.0.0.1,1,.txt,23/11/2026,1>" for i in range(20)))
    assert ft.get("Records") == 5
    refused(ft, "over-limit", 15)
    ask(raw, "f4", "FOUND: <f4,127.0.0.1,1,.txt,23/11/2026,1>", "")
    ask(raw, "f5", "NOT FOUND", "")


def test_results_are_bounded(world, bus):
    ft = world.ft(bus, max_files_per_peer=100)
    wire = line_session(ft, *(record("same", "txt", i, 1) for i in range(100)))
    wire.send("SEARCH: same\n")
    answer = wire.recv_until().decode()
    assert answer.count("<") == 64
    assert len(answer) < 65536
    assert len(ft.lookup("same")) == 64
    ask(wire, "nothing", "NOT FOUND")


def test_remove(ft):
    wire = line_session(ft, REPORT_LINE, record("report", "pdf", 12, 7100, "06/03/20"))
    other = line_session(ft, REPORT_LINE)
    for nothing in "report, txt, 12", "nothing, txt, 11", "report", "", "report, txt", "../x, txt, 1":
        wire.send(f"REMOVE: {nothing}\n")
    ask(wire, "report.txt", "FOUND: <txt, 11, 05/03/20, 127.0.0.1, 7100>, <txt, 11, 05/03/20, 127.0.0.1, 7100>")
    wire.send("REMOVE: report, TXT, 11\n")  # the other one's stays
    ask(wire, "report.txt", "FOUND: <txt, 11, 05/03/20, 127.0.0.1, 7100>")
    leave(other)
    ask(wire, "report.txt", "NOT FOUND")
    wire.send("REMOVE: report, pdf, 12\n")
    ask(wire, "report", "NOT FOUND")
    # It has no record now, and is a peer all the same.
    wait_peer(ft, wire)
    wire.send(REPORT_LINE + "\n")
    ask(wire, "report", "FOUND: <txt, 11, 05/03/20, 127.0.0.1, 7100>")


def test_registering_again_replaces(ft):
    wire = line_session(ft, REPORT_LINE)
    for _ in range(20):
        wire.send(REPORT_LINE + "\n")
    wire.send("<report, TXT, 11, 07/03/20, 127.0.0.1, 7101>\n")
    ask(wire, "report", "FOUND: <txt, 11, 07/03/20, 127.0.0.1, 7101>")
    assert ft.get("Records") == 1
    assert ft.refused()["over-limit"] == 0


# -------------------------------------------------------------------------------------------- roots

R1, R2, R3 = (digit * 64 for digit in "1a0")


def kept(wire, n):
    """The last KEPT of a batch that arrives in several pieces; those before it count up to it."""
    seen = []
    while not seen or seen[-1] != n:
        line = wire.recv_until().decode()
        assert line.startswith("KEPT: "), line
        seen.append(int(line[6:]))
        assert seen == sorted(seen) and seen[-1] <= n, seen


def rooted_session(ft, *records):
    wire = keep(ft, Wire(ft.port))
    wire.send("HELLO\n")
    wire.expect("HI\n")
    wire.send("".join(r + "\n" for r in records))
    kept(wire, len(records))
    return wire


def test_rooted_transcript(ft):
    rooted_session(ft, f"<report, txt, 11, 05/03/20, 127.0.0.1, 7100, {R3}>")
    with Wire(ft.port) as wire:
        wire.send("HELLO\n")
        wire.expect("HI\n")
        wire.send(record("notes", "txt", 11, 5556, root=R1) + "\n" + record("blob", "bin", 3000, 5556, root=R2) + "\n")
        kept(wire, 2)
        ask(wire, "report.txt", f"FOUND: <txt, 11, 05/03/20, 127.0.0.1, 7100, {R3}>")
        ask(wire, "nothing", "NOT FOUND")
        wire.send("REMOVE: notes, txt, 11\n")
        wire.expect("KEPT: 1\n")
        ask(wire, "notes", "NOT FOUND")
        wire.send(f"<more, txt, 1, 23/11/26, 127.0.0.1, 5556, {R1}>\n")
        wire.expect("KEPT: 2\n")
        ask(wire, "more", f"FOUND: <txt, 1, 23/11/26, 127.0.0.1, 5556, {R1}>")
        leave(wire)
    ft.wait_lookup("blob", 0)


def test_roots_only_for_rooted_sessions(ft):
    """The same two records, seen by four peers: each gets its own syntax, and two of them roots."""
    rooted_session(ft, record("report", "txt", 11, 7100, "05/03/20", root=R2))
    line = line_session(ft, record("report", "pdf", 12, 7200, "06/03/20"))
    raw = raw_session(ft, "<notes,127.0.0.1,6604,.txt,23/11/2026,11>")
    tight = rooted_session(ft, f"<a,127.0.0.1,1,.txt,23/11/2026,11,{R1.upper()}>")
    rooted = rooted_session(ft, record("b", "txt", 1, 1, root=R1))
    ask(line, "report", "FOUND: <txt, 11, 05/03/20, 127.0.0.1, 7100>, <pdf, 12, 06/03/20, 127.0.0.1, 7200>")
    ask(raw, "report", "FOUND: <report,127.0.0.1,7100,.txt,05/03/2020,11;"
                       "report,127.0.0.1,7200,.pdf,06/03/2020,12>", "")
    ask(tight, "report", f"FOUND: <report,127.0.0.1,7100,.txt,05/03/2020,11,{R2};"
                         "report,127.0.0.1,7200,.pdf,06/03/2020,12>")
    ask(rooted, "report", f"FOUND: <txt, 11, 05/03/20, 127.0.0.1, 7100, {R2}>, "
                          "<pdf, 12, 06/03/20, 127.0.0.1, 7200>")
    ask(line, "a", "FOUND: <txt, 11, 23/11/26, 127.0.0.1, 1>")
    ask(rooted, "a", f"FOUND: <txt, 11, 23/11/26, 127.0.0.1, 1, {R1}>")
    assert ft.lookup_roots("report") == [R2, None]
    assert ft.lookup_roots("a") == [R1]
    # Nor does a word come after a REMOVE to those who do not.
    line.send("REMOVE: report, pdf, 12\n")
    ask(line, "report.pdf", "NOT FOUND")
    leave(line)
    leave(raw, "")


def test_a_root_that_comes_later(ft):
    """A session is rooted from its first root on, whichever record has it."""
    rooted_session(ft, record("report", "txt", 11, 7100, "05/03/20", root=R2))
    plain = "FOUND: <txt, 11, 05/03/20, 127.0.0.1, 7100"
    wire = line_session(ft, record("a", "txt", 1, 1), record("b", "txt", 1, 1))
    ask(wire, "report", plain + ">")
    wire.send(record("c", "txt", 1, 1, root=R1) + "\n")
    wire.expect("KEPT: 3\n")
    ask(wire, "report", f"{plain}, {R2}>")
    ask(wire, "a", "FOUND: <txt, 1, 23/11/26, 127.0.0.1, 1>")
    # What is told without one later changes nothing; REMOVE and words that are none are answered
    # too.
    wire.send(record("d", "txt", 1, 1) + "\n")
    wire.expect("KEPT: 4\n")
    wire.send("REMOVE: c, txt, 1\nREMOVE: nothing, txt, 1\n")
    wire.expect("KEPT: 3\n")
    wire.send("<nonsense>\n")
    wire.expect("KEPT: 3\n")
    ask(wire, "report", f"{plain}, {R2}>")

    # In one message, too.
    wire = keep(ft, Wire(ft.port))
    wire.send("HELLO\n")
    wire.expect("HI\n")
    wire.send(f"<x,txt,1,23/11/26,127.0.0.1,1>,<y,txt,1,23/11/26,127.0.0.1,1,{R1}>\nSEARCH: report\n")
    wire.expect(f"KEPT: 2\nFOUND: <txt,11,05/03/20,127.0.0.1,7100,{R2}>\n")


def test_a_file_that_is_another_now(ft):
    wire = rooted_session(ft, record("a", "txt", 1, 1, root=R1))
    for root in R2, R2, None, R3, None, R1:
        wire.send(record("a", "TXT", 1, 1, root=root) + "\n")
        wire.expect("KEPT: 1\n")
        assert ft.lookup_roots("a") == [root]
    other = rooted_session(ft, record("a", "txt", 1, 2, root=R3))
    assert ft.lookup_roots("a.txt") == [R1, R3]
    wire.send("REMOVE: a, txt, 1\n")
    wire.expect("KEPT: 0\n")
    ask(wire, "a", f"FOUND: <txt, 1, 23/11/26, 127.0.0.1, 2, {R3}>")
    leave(other)


@pytest.mark.parametrize("cut", ["one segment", "lines", "bytes", "halves"])
def test_kept_however_a_batch_arrives(world, bus, cut):
    ft = world.ft(bus, max_files_per_peer=100)
    lines = [record(f"f{i}", "txt", i, 1, root=R1) + "\n" for i in range(20)]
    batch = "".join(lines)
    wire = keep(ft, Wire(ft.port))
    wire.send("HELLO\n")
    wire.expect("HI\n")
    if cut == "bytes":
        wire.send_bytewise(batch)
    else:
        for piece in {"one segment": [batch], "lines": lines, "halves": [batch[:777], batch[777:]]}[cut]:
            wire.send(piece)
    kept(wire, 20)
    assert ft.get("Records") == 20
    # Nothing is left to be said.
    ask(wire, "nothing", "NOT FOUND")


def test_one_kept_for_a_batch(ft):
    batch = "".join(record(f"f{i}", "txt", i, 1, root=R1) + "\n" for i in range(3))
    with Wire(ft.port) as wire:
        wire.send(f"HELLO\n{batch}SEARCH: f0\nREMOVE: f0, txt, 0\nREMOVE: f1, txt, 1\nSEARCH: f0\n")
        wire.half_close()
        assert wire.recv_all().decode() == (
            f"HI\nKEPT: 3\nFOUND: <txt, 0, 23/11/26, 127.0.0.1, 1, {R1}>\nKEPT: 1\nNOT FOUND\n")


def test_kept_says_how_many_ft_takes(ft):
    wire = keep(ft, Wire(ft.port))
    wire.send("HELLO\n")
    wire.expect("HI\n")
    wire.send("".join(record(f"f{i}", "txt", i, 1, root=R1) + "\n" for i in range(8)))
    kept(wire, 5)
    refused(ft, "over-limit", 3)
    wire.send(record("f7", "txt", 7, 1, root=R1) + "\n")
    wire.expect("KEPT: 5\n")
    wire.send("REMOVE: f0, txt, 0\n" + record("f7", "txt", 7, 1, root=R1) + "\n")
    wire.expect("KEPT: 5\n")
    assert [len(ft.lookup(f"f{i}")) for i in range(8)] == [0, 1, 1, 1, 1, 0, 0, 1]


@pytest.mark.parametrize("root", ["1" * 63, "1" * 65, "g" * 64, "1" * 32 + " " + "1" * 31, "0x" + "1" * 62,
                                  "1" * 64 + ", " + "2" * 64])
def test_invalid_roots(ft, root):
    wire = line_session(ft)
    wire.send(record("a", "txt", 1, 1, root=root) + "\n")
    ask(wire, "a", "NOT FOUND")  # and no KEPT
    refused(ft, "bad-record", 1)


def test_a_file_named_like_a_root(ft):
    wire = line_session(ft, record(R1, "txt", 1, 1), record("x, " + R2, "bin", 2, 1))
    ask(wire, R1, "FOUND: <txt, 1, 23/11/26, 127.0.0.1, 1>")
    ask(wire, f"x, {R2}.bin", "FOUND: <bin, 2, 23/11/26, 127.0.0.1, 1>")
    assert ft.lookup_roots(R1) == [None]


def test_roots_in_raw(ft):
    rooted_session(ft, record("report", "txt", 11, 7100, "05/03/20", root=R2))
    with Wire(ft.port) as wire:
        wire.send("HELLO")
        wire.expect("HI")
        wire.send(f"<a,127.0.0.1,1,.txt,23/11/2026,1,{R1}>;<b,127.0.0.1,1,.txt,23/11/2026,1>")
        wire.expect("KEPT: 2")
        ask(wire, "report", f"FOUND: <report,127.0.0.1,7100,.txt,05/03/2020,11,{R2}>", "")
        # Two answers would run together: the search is what counts.
        wire.send(f"<c,127.0.0.1,1,.txt,23/11/2026,1,{R1}>SEARCH: c")
        wire.expect(f"FOUND: <c,127.0.0.1,1,.txt,23/11/2026,1,{R1}>")
        wire.send("REMOVE: c,.txt,1")
        wire.expect("KEPT: 2")
        leave(wire, "")


def test_the_longest_answer_with_roots(world, bus):
    """Every byte of the names is encoded, in the most verbose syntax: the answer is still short
    enough for peers."""
    ft = world.ft(bus, max_files_per_peer=100)
    name = "%3C" * 255
    wire = rooted_session(ft, *(f"<{name}, .{'t' * 32}, {10**18 + i}, 23/11/2026, 127.0.0.1, 65535, {R1}>"
                                for i in range(70)))
    wire.send(f"SEARCH: {name}\n")
    answer = wire.recv_until()
    assert answer.count(R1.encode()) == 64
    assert len(answer) < 65536


# ------------------------------------------------------------------------------------------ the end


@pytest.mark.parametrize("end", ["bye", "close", "reset", "half-close", "raw-bye", "raw-reset"])
def test_records_go_with_their_peer(ft, end):
    witness = line_session(ft)
    if end.startswith("raw"):
        wire = raw_session(ft, REPORT_RAW)
    else:
        wire = line_session(ft, REPORT_LINE)
    assert len(ft.lookup("report")) == 1
    {"bye": lambda: wire.send("BYE\n"), "raw-bye": lambda: wire.send("BYE"), "close": wire.close,
     "half-close": wire.half_close, "reset": wire.reset, "raw-reset": wire.reset}[end]()
    ft.wait_lookup("report", 0)
    wait_for(lambda: len(ft.peers()) == 1, "one peer")
    ask(witness, "report", "NOT FOUND")
    assert ft.get("Files") == ft.get("Records") == 1


def test_bye_before_records(ft):
    with Wire(ft.port) as wire:
        wire.send("HELLO\nBYE\n")
        assert wire.recv_all() == b"HI\n"
    assert not any(ft.refused().values())


# ------------------------------------------------------------------------ socket activation, no bus

NO_BUS = {"DBUS_SYSTEM_BUS_ADDRESS": "unix:path=/nonexistent/bus"}


def talk(port, host="127.0.0.1"):
    with Wire(port, host) as wire:
        wire.send(f"HELLO\n{REPORT_LINE}\nSEARCH: report\n")
        wire.expect("HI\nFOUND: <txt, 11, 05/03/20, ")
        wire.recv_until()
        wire.send("BYE\n")
        assert wire.recv_all() == b""


@pytest.fixture
def process():
    """Starts processes by hand; ends them and checks how they ended."""
    started = []

    def start(argv, log, env, **popen):
        started.append(Process(argv, log, env, **popen))
        return started[-1]

    yield start
    status = []
    for p in started:
        p.popen.terminate()
        status.append(p.wait())
        p.check_log()
    assert not any(status), status


def config(tmp_path, listen):
    path = tmp_path / "p2pshare.ini"
    path.write_text(f"[ft]\nlisten = {listen}\n")
    return str(path)


def test_without_any_bus(tmp_path, process):
    port = free_port()
    ft = process([program("p2p-ft"), "--config", config(tmp_path, f"127.0.0.1:{port}")], tmp_path / "log",
                 clean_env(**NO_BUS))
    ft.wait_log(r"Listening on")
    talk(port)
    talk(port)


def test_sockets_from_systemd(tmp_path, process):
    """Two sockets as fd 3 and 4, one of them blocking; FT ignores `listen` then."""
    sockets = []
    for host in ["127.0.0.1"] + (["::1"] if has_ipv6() else []):
        s = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
        s.bind((host, 0))
        s.listen(16)
        sockets.append(s)
    # Out of the way of 3 and 4 first.
    high = [os.dup2(s.fileno(), 200 + i) for i, s in enumerate(sockets)]
    moves = "".join(f"os.dup2({fd}, {i + 3});" for i, fd in enumerate(high))
    code = (f"import os, sys; {moves} os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS='{len(high)}'); "
            "os.execv(sys.argv[1], sys.argv[1:])")
    blocked = free_port()
    try:
        ft = process(["/usr/bin/python3", "-c", code, program("p2p-ft"), "--config",
                      config(tmp_path, f"127.0.0.1:{blocked}")], tmp_path / "log", clean_env(**NO_BUS), pass_fds=high)
    finally:
        for fd in high:
            os.close(fd)
    for s in sockets:
        host, port = s.getsockname()[:2]
        talk(port, host)
        s.close()
    assert f":{blocked}" not in ft.log
    assert ft.log.count("Listening on") == len(high)


def test_systemd_socket_activate(tmp_path, process):
    port = free_port()
    environment = [f"-E{key}={value}" for key, value in clean_env(**NO_BUS).items()]
    activate = process(["/usr/bin/systemd-socket-activate", "-l", f"127.0.0.1:{port}", *environment,
                        program("p2p-ft"), "--config", config(tmp_path, f"127.0.0.1:{free_port()}")],
                       tmp_path / "log", clean_env(**NO_BUS))
    activate.wait_log(r"Listening on")
    talk(port)
    talk(port)


def test_port_taken(tmp_path):
    """FT ends with one clear message and status 1; the program that has the port goes on."""
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        s.listen()
        port = s.getsockname()[1]
        result = subprocess.run([program("p2p-ft"), "--config", config(tmp_path, f"127.0.0.1:{port}")],
                                capture_output=True, text=True, env=clean_env(**NO_BUS), timeout=DEADLINE)
    assert result.returncode == 1
    assert f"Cannot listen on 127.0.0.1:{port}: Address already in use" in result.stderr
