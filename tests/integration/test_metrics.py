# SPDX-License-Identifier: MIT
"""p2pctl metrics: OpenMetrics that another parser accepts, with right numbers."""

from harness import NOBODY, Wire, check, content, ctl, document, wait_for
from prometheus_client.openmetrics import parser


def families(text):
    assert text.endswith("# EOF\n")
    return {family.name: family for family in parser.text_string_to_metric_families(text)}


def value(text, family, **labels):
    for sample in families(text)[family].samples:
        if sample.labels == labels:
            return sample.value
    raise AssertionError(f"{family} {labels}: {families(text)[family].samples}")


def metrics(bus, *args, **options):
    return check(ctl(bus, "metrics", *args, **options), 0).stdout


def test_families_have_types_and_help(ft, peer, bus):
    """Every user may read the metrics; each family has a type and a help text."""
    found = families(metrics(bus, uid=NOBODY))
    assert {name.split("_")[1] for name in found} == {"up", "peer", "ft"}
    for family in found.values():
        assert family.type in ("counter", "gauge") and family.documentation.endswith("."), family
        assert family.samples and len({tuple(s.labels.items()) for s in family.samples}) == len(family.samples)


def test_the_numbers_of_a_download(world, ft, peer, bus):
    body = content(200_000)
    other_bus = world.bus()
    other = world.peer(ft, [world.file("big.bin", body)], bus=other_bus).joined()
    ft.wait_lookup("big.bin")
    peer.download("big.bin").wait()
    text, theirs = metrics(bus), metrics(other_bus)
    assert value(text, "p2p_up", daemon="p2p-peer") == value(text, "p2p_up", daemon="p2p-ft") == 1
    assert value(theirs, "p2p_up", daemon="p2p-ft") == 0
    assert value(text, "p2p_peer_received_bytes") == len(body)
    assert value(theirs, "p2p_peer_sent_bytes") >= len(body)
    assert value(text, "p2p_peer_transfers_ended", direction="download", result="done") == 1
    wait_for(lambda: value(metrics(other_bus), "p2p_peer_transfers_ended", direction="upload", result="done") == 1,
             "the end of the upload")
    assert value(text, "p2p_peer_searches") == 1
    assert value(text, "p2p_peer_joined") == value(text, "p2p_peer_joins") == value(text, "p2p_peer_published") == 1
    assert value(text, "p2p_peer_shares", state="published") == 1
    assert value(text, "p2p_ft_peers") == value(text, "p2p_ft_records") == value(text, "p2p_ft_joins") == 2
    assert value(text, "p2p_ft_searches") == 1
    other.stop()
    wait_for(lambda: value(metrics(bus), "p2p_ft_peers") == 1, "one peer")
    assert value(metrics(bus), "p2p_ft_joins") == 2  # counters only grow


def test_shares_by_the_state_that_is_shown(world, bus):
    ft = world.ft(bus=bus, max_files_per_peer=2)
    peer = world.peer(ft, [world.file(f"{i}.txt", b"x" * i) for i in range(5)] + [world.tmp / "none"], bus=bus).joined()

    def shown():
        """The numbers of shares, from p2pctl shares and from the metrics."""
        states = [share["state"] for share in document(ctl(bus, "shares", "--json"))["shares"]]
        return ({state: states.count(state) for state in states},
                {s.labels["state"]: s.value for s in families(metrics(bus))["p2p_peer_shares"].samples if s.value > 0})

    wait_for(lambda: shown() == ({"published": 2, "limit": 3, "vanished": 1},) * 2, "the limit")
    peer.call("Leave")
    wait_for(lambda: shown() == ({"pending": 5, "vanished": 1},) * 2, "the end of the session")


def test_refusals_by_cause(ft, peer, bus):
    for request in ("DOWNLOAD: none, txt, 1\n", "GET /file/" + "0" * 64 + "/x HTTP/1.1\r\nHost: x\r\n\r\n", "NONSENSE\n"):
        with Wire(peer.port) as wire:
            wire.send(request)
            wire.recv_some()
    with ft.connect() as wire:
        wire.send("SEARCH: x\n")
        wait_for(lambda: value(metrics(bus), "p2p_ft_refused", cause="no-hello") == 1, "FT to have refused it")
    text = metrics(bus)
    assert value(text, "p2p_peer_refused", cause="not-shared") == 2
    assert value(text, "p2p_peer_refused", cause="no-request") == 1


def test_a_file_for_a_collector(world, ft, bus, tmp_path):
    """The file is complete at any moment, readable for everyone, and there whichever daemon
    runs."""
    target = tmp_path / "p2pshare.prom"
    assert metrics(bus, "--output", target) == ""
    before = target.stat()
    assert value(target.read_text(), "p2p_up", daemon="p2p-ft") == 1
    assert before.st_mode & 0o777 == 0o644
    ft.stop()
    result = check(ctl(bus, "metrics", "-o", target), 4)
    assert "neither p2p-peer nor p2p-ft is running here" in result.stderr
    assert value(target.read_text(), "p2p_up", daemon="p2p-ft") == 0
    assert target.stat().st_ino != before.st_ino
    assert [path.name for path in tmp_path.glob("p2pshare*")] == ["p2pshare.prom"]
    result = check(ctl(bus, "metrics", "-o", tmp_path / "none" / "x"), 1)
    assert "cannot write" in result.stderr


def test_wrong_usage(bus):
    assert "metrics does not take --type" in check(ctl(bus, "metrics", "--type=x"), 2).stderr
    assert "shares does not take --output" in check(ctl(bus, "shares", "-o", "x"), 2).stderr
