# SPDX-License-Identifier: MIT
"""Downloads from several real peers through a real FT while things go wrong. No part is faked."""

import os
import subprocess

import pytest

from harness import check, content, document, wait_for
from harness.merkle import PIECE_MIN, root_of

PIECES = 12
DATA = content(PIECES * PIECE_MIN + 7)
ROOT = root_of(DATA)
OTHER = content(len(DATA), 3)
SLOW = {"upload_rate": "4M"}  # time enough to do something in the middle


@pytest.fixture
def owners(world, ft):
    """Two peers that share big.iso, slowly."""
    peers = [world.peer(ft, [world.file("big.iso", DATA, f"owner{i}")], **SLOW) for i in range(2)]
    wait_for(lambda: ft.lookup_roots("big.iso") == [ROOT] * 2, "FT to know big.iso")
    return peers


def begun(peer, owners):
    """A download that all of them deliver to, and of which some pieces have come."""
    transfer = peer.download("big.iso", root=ROOT)
    wait_for(lambda: sorted(transfer.get("Sources")) == sorted(owner.address for owner in owners), "all sources")
    wait_for(lambda: transfer.get("Transferred") >= 2 * PIECE_MIN, "two pieces")
    assert transfer.get("State") == "active"
    return transfer


def done(peer, transfer):
    end = transfer.wait()
    assert (end["State"], end["Verified"], end["Root"]) == ("done", True, ROOT), end
    assert (peer.downloads / "big.iso").read_bytes() == DATA
    assert os.listdir(peer.downloads) == ["big.iso"]


def test_equal_names_and_equal_files(world, ft, peer, owners, out):
    """Two peers have one file, a third has it under another name, and another file has its name: search shows them
    apart, and a download takes the one that was chosen, from both."""
    third = world.peer(ft, [world.file("copy.iso", DATA, "third")])
    namesake = world.peer(ft, [world.file("big.iso", OTHER, "namesake")])
    wait_for(lambda: ft.lookup_roots("copy.iso") == [ROOT], "FT to know the copy")
    wait_for(lambda: sorted(ft.lookup_roots("big.iso")) == sorted([ROOT, ROOT, root_of(OTHER)]), "FT to know the other")

    shown = check(peer.ctl("search", "big.iso"), 0).stdout
    assert ROOT[:8] in shown and root_of(OTHER)[:8] in shown
    assert {row["root"] for row in document(peer.ctl("search", "big.iso", "--json"))["files"]} == {ROOT, root_of(OTHER)}

    result = check(peer.ctl("download", "big.iso", cwd=out), 1)
    assert ROOT[:8] in result.stderr and root_of(OTHER)[:8] in result.stderr and os.listdir(out) == []
    check(peer.ctl("download", "big.iso", "--root", root_of(OTHER)[:8], cwd=out), 0)
    assert (out / "big.iso").read_bytes() == OTHER
    done(peer, begun(peer, owners))
    assert all(f"{namesake.port}" not in owner.log for owner in owners)

    # Whoever has it has it under any name, and for other programs too.
    for number, owner in enumerate((*owners, third)):
        subprocess.run(["curl", "-sf", "-o", out / f"curl{number}", f"http://{owner.address}/file/{ROOT}/any"], check=True)
        assert (out / f"curl{number}").read_bytes() == DATA
    assert "as 2 of 3 peers share it" in check(peer.ctl("verify", peer.downloads / "big.iso"), 0).stdout


def test_a_share_changes_while_it_is_sent(world, ft, peer, owners):
    """No byte of the new version gets into the file; the other source delivers the rest."""
    transfer = begun(peer, owners)
    world.file("big.iso", OTHER, "owner0")
    done(peer, transfer)
    wait_for(lambda: sorted(ft.lookup_roots("big.iso")) == sorted([ROOT, root_of(OTHER)]), "FT to know the new version")


def test_a_source_is_killed(ft, peer, owners):
    transfer = begun(peer, owners)
    owners[0].kill()
    done(peer, transfer)


def test_a_source_that_comes_back_is_used_again(world, ft, peer, owners):
    """All sources are killed, and one comes back: what was there is not fetched again."""
    transfer = begun(peer, owners)
    for owner in owners:
        owner.kill()
    transfer.wait("waiting")
    verified = transfer.get("Transferred")
    assert verified >= 2 * PIECE_MIN
    owners[1].start()
    wait_for(lambda: ft.lookup_roots("big.iso") == [ROOT], "FT to know big.iso")
    # It would ask by itself, after a while.
    transfer.call("Pause")
    transfer.call("Resume")
    wait_for(lambda: transfer.get("Sources") == [owners[1].address] or transfer.get("State") == "done", "the source")
    assert transfer.get("Transferred") >= verified
    done(peer, transfer)


def test_ft_is_killed(ft, peer, owners):
    """Who has the file is known: FT is not needed any more. When it is back, everybody joins again."""
    transfer = begun(peer, owners)
    ft.kill()
    wait_for(lambda: peer.state != "joined", "the peer to notice")
    assert transfer.get("State") == "active"
    ft.start()
    done(peer, transfer)
    peer.joined()
    wait_for(lambda: ft.lookup_roots("big.iso") == [ROOT] * 2, "FT to know big.iso")


def test_a_peer_of_the_seed_authors_kind_beside(world, ft, peer, owners):
    """It shares the same file without a root, in its own words: it is no source of a verified download, but can be
    asked by itself; and it can download from us."""
    seed = world.peer(ft, [world.file("big.iso", DATA, "seed"), world.file("old.txt", b"old\n", "seed")],
                      dialect="raw").joined()
    wait_for(lambda: sorted(map(str, ft.lookup_roots("big.iso"))) == sorted([ROOT, ROOT, "None"]), "FT to know all")
    transfer = peer.download("big.iso")
    wait_for(lambda: len(transfer.get("Sources")) == 2, "both sources")
    assert seed.address not in transfer.get("Sources")
    done(peer, transfer)

    end = peer.download("old.txt").wait()
    assert (end["State"], end["Verified"], end["Root"]) == ("done", False, "")
    assert (peer.downloads / "old.txt").read_bytes() == b"old\n"

    end = seed.download("big.iso", address="127.0.0.1", port=owners[0].port).wait()
    assert (end["State"], end["Verified"]) == ("done", False)
    assert (seed.downloads / "big.iso").read_bytes() == DATA
