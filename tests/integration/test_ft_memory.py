# SPDX-License-Identifier: MIT
"""The memory that FT reports is the memory that it uses."""

import contextlib
import json
import re

import pytest

from harness import check, ctl, memory, record, wait_for
from harness.environment import sanitized

PEERS, EACH = 20, 5000


def status(bus):
    return json.loads(check(ctl(bus, "ft", "--json"), 0).stdout)["ft"]


def test_memory(world, bus):
    ft = world.ft(bus, max_files_per_peer=EACH)
    empty, before = ft.get("Memory"), memory(ft) * 1024
    assert set(empty) == {"records", "words", "sessions", "buffers"}
    assert status(bus)["memory"] == empty | {"each_record": None, "each_session": None}
    with contextlib.ExitStack() as stack:
        wires = [stack.enter_context(ft.connect()) for _ in range(PEERS)]
        for i, wire in enumerate(wires):
            wire.send("HELLO\n")
            wire.expect("HI\n")
            wire.send("".join(record(f"some report {i * EACH + n}", "txt", 1, 7100) + "\n" for n in range(EACH)))
        wait_for(lambda: ft.get("Records") == PEERS * EACH, "all records")
        full = ft.get("Memory")
        grown = sum(full.values()) - sum(empty.values())
        if not sanitized():
            assert 0.8 < grown / (memory(ft) * 1024 - before) < 1.1, (full, memory(ft) * 1024 - before)
        said = status(bus)
        assert said["sessions"] == ft.get("Sessions") == PEERS
        assert said["memory"]["each_record"] == pytest.approx(full["records"] / (PEERS * EACH), rel=1e-3)
        assert said["memory"]["each_session"] == pytest.approx(full["sessions"] / PEERS, rel=1e-3)
        wires[0].send("SEARCH: " + "x" * 1000)  # has no end, and waits for it
        wait_for(lambda: ft.get("Memory")["buffers"] >= 1000, "the line in the buffer")
        shown = check(ctl(bus, "ft"), 0).stdout
        assert re.search(rf"memory: .* for {PEERS * EACH} records \(\d+ B each\), .* for their words", shown), shown
        assert re.search(rf" for {PEERS} sessions \(.* each\), .* in their buffers", shown), shown
    wait_for(lambda: ft.get("Sessions") == 0, "all to have left")
    wait_for(lambda: ft.get("Memory")["records"] < full["records"] / 4, "the memory to be free")
    left = ft.get("Memory")
    assert left["buffers"] == 0 and left["sessions"] <= full["sessions"]  # a block of them is kept
