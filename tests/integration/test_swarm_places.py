# SPDX-License-Identifier: MIT
"""A verified download has few places for its sources: which source keeps one, and which are
known."""

import pytest

from harness import FakeFt, content, wait_for
from harness.merkle import PIECE_MIN, root_of
from harness.swarm import HttpSource, found_rooted


@pytest.fixture
def answers():
    return {}


@pytest.fixture
def peer(world, answers):
    return world.peer(world.server(FakeFt(answers))).joined()


def done(peer, transfer, data):
    end = transfer.wait()
    assert (end["State"], end["Verified"]) == ("done", True), end
    assert (peer.downloads / "f.bin").read_bytes() == data


class Trickle(HttpSource):
    """Honest, and just fast enough not to be taken for gone: 16 KiB in 20 s."""

    def _send_file(self, wire, path, first, last):
        wire.send(f"HTTP/1.1 206 Partial Content\r\nContent-Length: {last - first + 1}\r\n"
                  f"Content-Range: bytes {first}-{last}/{len(self.data)}\r\n\r\n")
        for at in range(first, last + 1, 1024):
            if self.stopping.wait(0.5):
                return False
            wire.send(self.data[at:min(at + 1024, last + 1)])
        return True


class Gone(HttpSource):
    def _answer(self, wire, request):
        self.requests.append(request)
        wire.send("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")
        return True


@pytest.mark.parametrize("busy", [0, 2])
def test_slow_sources_do_not_keep_all_places(world, peer, answers, busy):
    """A ninth source is tried beside eight that crawl, also one that first has us wait for our turn."""
    data = content(40 * PIECE_MIN)
    slow = [world.server(Trickle(data)) for _ in range(8)]
    good = world.server(HttpSource(data, busy=busy))
    answers["f.bin"] = found_rooted("f.bin", slow + [good])
    done(peer, peer.download("f.bin"), data)


def test_slow_sources_take_no_turns(world, peer, answers):
    """Where all are slow, one after the other is tried, once, and those that deliver already go on."""
    data = content(40 * PIECE_MIN)
    slow = [world.server(Trickle(data)) for _ in range(10)]
    answers["f.bin"] = found_rooted("f.bin", slow)
    transfer = peer.download("f.bin")
    wait_for(lambda: all(source.connections for source in slow), "all to be tried")
    for source in slow:
        source.requests.clear()
    wait_for(lambda: len(transfer.get("Sources")) == 8, "the last trial to end")
    assert not any(source.requests for source in slow[:8])
    assert all(source.connections == 1 for source in slow)
    transfer.cancel()


def test_sources_that_fail_at_once(world, peer, answers):
    """As those do to which there is no route: no more than eight others are connected for them."""
    data = content(40 * PIECE_MIN)
    live = [world.server(HttpSource(data, delay=0.1)) for _ in range(16)]
    dead = "".join(f"<bin, {len(data)}, 23/11/26, 224.0.0.{i}, 5556, {root_of(data)}>, " for i in range(1, 13))
    answers["f.bin"] = found_rooted("f.bin", live).replace("FOUND: ", "FOUND: " + dead)
    transfer = peer.download("f.bin")
    wait_for(lambda: transfer.get("Transferred") >= 8 * PIECE_MIN, "eight pieces")
    # One more may be on trial where the machine is slow.
    assert 1 <= sum(source.connections for source in live) <= 9
    transfer.cancel()


def test_failed_sources_make_room(world, peer, answers):
    """64 sources are known; 63 have no file, one always has us wait. After a minute, the search for more finds a good
    one, and for it the oldest of the others is forgotten, but not so that it is asked again."""
    data = content(1000)
    gone = [world.server(Gone(data)) for _ in range(63)]
    busy = world.server(HttpSource(data, busy=1 << 30))
    answers["f.bin"] = found_rooted("f.bin", gone + [busy])
    transfer = peer.download("f.bin")
    wait_for(lambda: all(source.requests for source in gone), "all to be asked")
    good = world.server(HttpSource(data, delay=1))
    answers["f.bin"] = found_rooted("f.bin", [good] + gone)
    wait_for(lambda: good.requests, "the good one to be asked", 120)
    done(peer, transfer, data)
    assert all(source.connections == 1 for source in gone)
