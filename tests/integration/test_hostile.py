# SPDX-License-Identifier: MIT
"""p2p-ft under attack (harness.hostile). Peers that behave get their answers, limits hold, FT counts
each cause, and nothing of the attackers remains. tests/bench/hostile.py measures the answer times."""

import pytest

from harness import hostile
from harness import Wire, memory, record, wait_for
from harness.environment import sanitized

LIMITS = {
    "max_peers": 400, "max_peers_per_address": 50, "max_handshakes": 300, "max_handshakes_per_address": 20,
    "max_files_per_peer": 100, "max_files_per_address": 300, "max_records": 1_000, "max_queue": "64K",
    "max_queues": "1M", "search_rate": 1000,
}
FOUND = "FOUND: <txt, 1, 23/11/26, 127.0.0.1, 7100>\n"
# What the limits let them take at most: a record with the longest names, all their words in the
# index of words; what a session is; what it may hold however much all of them do; and what all of
# them may. Then what FT grows by without them (tables twice as large as needed, blocks of which a
# part is used).
MEMORY_MAX = 1_400 * 1200 + 400 * (1000 + 8192) + (1 << 20) + (8 << 20)


@pytest.fixture
def ft(world, bus):
    return world.ft(bus, **LIMITS)


@pytest.fixture
def peer(ft):
    with Wire(ft.port) as wire:
        wire.send("HELLO\n" + record("witness", "txt", 1, 7100) + "\nSEARCH: nothing at all\n")
        wire.expect("HI\nNOT FOUND\n")
        yield wire


def check_limits(ft):
    assert ft.get("Sessions") <= LIMITS["max_peers"]
    assert ft.get("Records") <= LIMITS["max_records"] + LIMITS["max_peers"]  # the first of each peer


def check_answered(peer):
    peer.send("SEARCH: witness\n")
    peer.expect(FOUND)


def check_gone(ft, before):
    """Checks that nothing of the attackers is left."""
    wait_for(lambda: ft.get("Sessions") == 1, "all to have left")
    wait_for(lambda: ft.get("Files") == 1, "their files to be forgotten")
    assert ft.get("Records") == 1
    left = ft.get("Memory")
    assert left["buffers"] == before["buffers"] == 0
    wait_for(lambda: ft.get("Memory")["records"] < before["records"] + (1 << 20), "their memory to be free")


@pytest.mark.parametrize("kind", hostile.KINDS.values(), ids=hostile.KINDS)
def test_one_kind(ft, peer, kind):
    before, other = ft.get("Memory"), ft.refused()
    with hostile.crowds([kind], ft.port) as (attack,):
        def done():
            check_answered(peer)
            check_limits(ft)
            refused = ft.refused()
            return attack.rounds > 0 and all(refused[cause] > 0 for cause in kind.causes)
        wait_for(done, f"{kind.__name__} to be counted as {kind.causes}")
        check_answered(peer)
    if not kind.causes:
        assert ft.refused() == other | {"handshakes": ft.refused()["handshakes"]}
    check_gone(ft, before)
    check_answered(peer)


def test_all_kinds_at_once(ft, peer):
    before, resident = ft.get("Memory"), memory(ft)
    missing = []
    # Where all share what there is of records, and FT's time, no address may come to have as many
    # as it might, and nobody may get a thousand searches in within a second.
    causes = {cause for kind in hostile.KINDS.values() for cause in kind.causes}
    causes = causes - {"address-over-limit", "too-fast"} | {"index-full"}
    with hostile.crowds(hostile.KINDS.values(), ft.port, each=2, pause=0.02) as attacks:
        # Places for records go to whoever comes first: with these, none is left for some time.
        with hostile.crowds([hostile.KINDS["many_records"]], ft.port, each=20):
            def done():
                check_answered(peer)
                check_limits(ft)
                refused = ft.refused()
                missing[:] = [cause for cause in causes if refused[cause] == 0]
                missing.extend(attack.kind.__name__ for attack in attacks if attack.rounds == 0)
                return not missing
            wait_for(done, missing, deadline=280)
        assert sum(ft.get("Memory").values()) < MEMORY_MAX
        check_answered(peer)
    if not sanitized():
        assert (memory(ft, "VmHWM") - resident) * 1024 < MEMORY_MAX
    check_gone(ft, before)
    check_answered(peer)


def test_foreign_addresses_are_replaced(ft, peer):
    """Whatever address attackers claim, FT publishes their own."""
    with hostile.crowds([hostile.KINDS["foreign_addresses"]], ft.port) as (attack,):
        wait_for(lambda: attack.rounds > 100, "a hundred lies")
        found = [entry for n in range(5) for entry in ft.lookup(f"stolen {n}.txt")]
        assert len(found) == 5 and {entry[4] for entry in found} == set(attack.addresses)


def test_colliding_names(world, bus):
    """Searches find names that collide in unkeyed hashes like any others."""
    names = hostile.colliding_names(10_000)

    def hash33(name, h=5381):
        for c in name.encode():
            h = h * 33 + c
        return h
    assert len({hash33(name) for name in names}) == 1 and len(set(names)) == len(names)
    ft = world.ft(bus, max_files_per_peer=10_000)
    with Wire(ft.port) as wire:
        wire.send("HELLO\n")
        wire.expect("HI\n")
        wire.send("".join(record(name, "txt", size, 7100) + "\n" for size, name in enumerate(names)))
        wait_for(lambda: ft.get("Records") == len(names), "all records")
        assert ft.get("Files") == len(names)
        for size in range(0, len(names), 97):
            wire.send(f"SEARCH: {names[size]}\n")
            wire.expect(f"FOUND: <txt, {size}, 23/11/26, 127.0.0.1, 7100>\n")
        wire.send(f"SEARCH: {names[1]}Ez\n")
        wire.expect("NOT FOUND\n")
