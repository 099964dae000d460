# SPDX-License-Identifier: MIT
"""From an empty host to a file that has come over: what README tells an administrator to do; and a machine that has
nothing of ours, but sockets and curl."""

import hashlib
import os

import pytest
from harness import ScriptedServer, Wire, content, wait_for
from host import CommandError, now, peer_config
from lab import HERE

CONFIG_WRONG = "MESSAGE_ID=8e1640ad1b28451d95dbbf77b706139a"


def sha256(data):
    return hashlib.sha256(data).hexdigest()


def test_install_configure_search_download(hosts):
    ft, alpha, beta = hosts
    begin = now()
    data = content(3_000_000)
    alpha.write("/srv/share/quarter report.pdf", data)
    beta.write("/srv/share/notes.txt", "notes\n")

    ft.systemctl("enable", "--now", "p2p-ft")
    for peer in (alpha, beta):
        peer.configure(peer_config(ft))
        peer.ctl("config", "check", check=True)
        peer.systemctl("enable", "--now", "p2p-peer")
        peer.wait_joined()
    alpha.wait_published("/srv/share/quarter report.pdf")

    status = beta.ctl(check=True).stdout
    assert f"joined to {ft.address}" in status, status
    found = beta.search("report", "quar")
    assert [(file["name"], file["type"], file["size"], file["n_sources"]) for file in found] == \
        [("quarter report", "pdf", len(data), 1)]

    result = beta.run("p2pctl", "download", "quarter report.pdf", "-o", "/root/in.pdf")
    assert "every piece verified" in result.stdout, result
    assert beta.sha256("/root/in.pdf") == sha256(data)
    assert beta.ctl("download", "nothere.txt").returncode == 3

    # Both ends have it in their journals, by the fields that p2p-peer(8) promises.
    joined, = beta.journal("p2p-peer", "MESSAGE_ID=4f9694e033d64f489f0234174d0bb7a3", since=begin)
    assert joined["P2P_PEER"] == f"{ft.address}:5555"
    beta.wait_journal("p2p-peer", "MESSAGE_ID=f2258c306f944a1ca17a93c4425f6da8", "P2P_FILE=quarter report.pdf")


def test_plain_sockets_and_curl(lab, ft, alpha, beta):
    """A literal peer of the seed, on a machine without anything of ours."""
    data = content(200_000)

    def serve(wire, _):
        assert wire.recv_until(b"\n").startswith(b"DOWNLOAD: talk, odp, 200000")
        wire.send(b"FILE: " + data)

    with lab.network(), ScriptedServer(serve, host=HERE) as server, Wire(5555, ft.address) as wire:
        wire.send("HELLO\n")
        wire.expect("HI\n")
        wire.send(f"<talk, odp, {len(data)}, 23/11/26, {HERE}, {server.port}>\n")
        note = alpha.read("/srv/share/notes-alpha.txt")
        wire.send("SEARCH: notes-alpha\n")
        answer = wire.recv_until(b"\n").decode()
        assert answer.startswith(f"FOUND: <txt, {len(note)}, ") and \
            answer.endswith(f", {alpha.address}, 5556>\n"), answer
        with Wire(5556, alpha.address) as download:
            download.send(f"DOWNLOAD: notes-alpha, txt, {len(note)}\n")
            assert download.recv_all() == b"FILE: " + note

        result = beta.run("p2pctl", "download", "talk.odp", "-o", "/root/talk.odp")
        assert "not verified" in result.stdout, result
        assert beta.sha256("/root/talk.odp") == sha256(data)
        wire.send("BYE\n")
        wire.expect_close()
    assert beta.search("--exact", "talk.odp") == []


def test_curl(lab, ft, alpha, beta):
    data = content(5_000_000, seed=7)
    alpha.write("/srv/share/image.iso", data)
    alpha.ctl("rescan", check=True)
    alpha.wait_published("/srv/share/image.iso")
    root = beta.search("--exact", "image.iso")[0]["root"]
    url = f"http://{alpha.address}:5556/file/{root}/image.iso"
    lab.run("curl", "-fsS", "-r", "0-999999", "-o", "/mnt/image.iso", url)
    lab.run("curl", "-fsS", "-C", "-", "-o", "/mnt/image.iso", url)  # the rest
    assert sha256((lab.root / "mnt/image.iso").read_bytes()) == sha256(data)
    other = url.replace(root[:8], "00000000")
    assert lab.run("curl", "-sS", "-o", "/dev/null", "-w", "%{http_code}", other).stdout == "404"


def test_ipv6_by_name(lab, ft, hosts):
    if not os.path.exists("/proc/net/if_inet6"):
        pytest.skip("this kernel has no IPv6")
    _, alpha, beta = hosts
    data = content(400_000, seed=9)
    alpha.write("/srv/share/image.iso", data)
    beta.write("/srv/share/notes.txt", "notes\n")
    for peer in alpha, beta:
        peer.configure(peer_config(ft).replace(ft.address, "ft.example.org:5555"))
        peer.sh(f"cp /etc/hosts /etc/hosts.test; echo '{ft.address6} ft.example.org' >>/etc/hosts")
        peer.systemctl("start", "p2p-peer")
    try:
        alpha.wait_joined()
        beta.wait_joined()
        alpha.wait_published("/srv/share/image.iso")
        assert alpha.peer("Address") == f"[{alpha.address6}]:5556" and alpha.peer("Reachable") == "yes"
        found, = beta.search("--exact", "image.iso")
        assert [source["address"] for source in found["sources"]] == [alpha.address6]
        beta.ctl("download", "image.iso", "-o", "/root/image.iso", check=True)
        assert beta.sha256("/root/image.iso") == sha256(data)
        url = f"http://[{alpha.address6}]:5556/file/{found['root']}/image.iso"
        lab.run("curl", "-fsS", "-g", "-o", "/mnt/image6.iso", url)
        assert sha256((lab.root / "mnt/image6.iso").read_bytes()) == sha256(data)
    finally:
        for peer in alpha, beta:
            peer.run("mv", "/etc/hosts.test", "/etc/hosts")


def test_stop(ft, alpha, beta):
    """Nobody keeps up a session with an FT that was stopped for good; it is one again when it is there."""
    ft.systemctl("stop", "p2p-ft")
    for host in alpha, beta:
        wait_for(lambda: host.peer("State") == "waiting", f"{host} to see it")
        assert host.ctl("search", "notes").returncode == 4
    begin = now()
    ft.systemctl("start", "p2p-ft")
    assert not [entry for entry in ft.journal("p2p-ft", since=begin) if "go on" in entry["MESSAGE"]]
    for host in alpha, beta:
        host.wait_joined()
    # A peer that is stopped says BYE: what it had is not found from then on.
    alpha.systemctl("stop", "p2p-peer")
    wait_for(lambda: beta.search("--exact", "notes-alpha.txt") == [], "alpha's records to go")
    assert ft.ft("Peers") == 1


def test_reload(ft, alpha, beta):
    pid, since = alpha.main_pid("p2p-peer"), alpha.peer("Since")
    alpha.write("/srv/more/added.txt", "added\n")
    alpha.reload_peer(ft, share="/srv/share\npath = /srv/more")
    alpha.wait_published("/srv/more/added.txt")
    assert [file["name"] for file in beta.search("--exact", "added.txt")] == ["added"]

    # A wrong one is refused, says why, and changes nothing.
    begin = now()
    with pytest.raises(CommandError):
        alpha.reload_peer(ft, share="/srv/share", max_uploads=0)
    wrong = alpha.wait_journal("p2p-peer", CONFIG_WRONG, since=begin)
    assert wrong["P2P_FILE"] == "/etc/p2pshare.ini", wrong
    alpha.wait_journal("p2p-peer", since=begin, text=r"/etc/p2pshare\.ini:\d+: .*max-uploads")
    assert alpha.active("p2p-peer")
    assert [file["name"] for file in beta.search("--exact", "added.txt")] == ["added"]
    assert (alpha.main_pid("p2p-peer"), alpha.peer("Since")) == (pid, since)

    # The FileTracker likewise: nobody loses a session, neither by the right nor by the wrong one.
    sessions = ft.ctl("ft", "peers", "--json", check=True).stdout
    ft.configure("[ft]\nmax-files-per-peer = 1\n")
    ft.systemctl("reload", "p2p-ft")
    begin = now()
    ft.configure("[ft]\nmax-files-per-peer = many\n")
    assert ft.systemctl("reload", "p2p-ft", check=False).returncode != 0
    ft.wait_journal("p2p-ft", CONFIG_WRONG, since=begin)
    assert ft.ctl("ft", "peers", "--json", check=True).stdout == sessions

    # At a start there is no old configuration to go on with, and trying again would not help.
    begin = now()
    assert ft.systemctl("restart", "p2p-ft", check=False).returncode != 0
    ft.wait_journal("p2p-ft", CONFIG_WRONG, since=begin)
    assert (ft.show("p2p-ft", "ActiveState"), ft.show("p2p-ft", "NRestarts")) == ("failed", "0")
    status = ft.systemctl("status", "--no-pager", "p2p-ft", check=False).stdout
    assert "status=78/CONFIG" in status and "The configuration has wrong values; see: p2pctl config check" in status, status
    ft.configure("")
    ft.systemctl("reset-failed", "p2p-ft")
    ft.systemctl("start", "p2p-ft")
    wait_for(lambda: ft.ft("Peers") == 2, "the peers to be back")  # systemd does not keep the sessions of what has failed
    beta.wait_joined()
    assert len(beta.search("--exact", "added.txt")) == 1


def test_restarts_by_hand(alpha):
    """Who tries one setting after the other does not run into the limit of a service that fails."""
    for _ in range(12):
        alpha.systemctl("restart", "p2p-peer")
    alpha.wait_joined()


def test_a_port_that_is_taken(lab, alpha):
    """It is tried again, and what is shown is why."""
    alpha.systemctl("stop", "p2p-peer")
    alpha.sh("systemd-run --unit=taker python3 -c 'import socket, time; s = socket.create_server((\"::\", 5556), "
             "family=socket.AF_INET6); time.sleep(60)'")
    try:
        wait_for(lambda: ":5556" in alpha.sh("ss -Hltn"), "somebody to have the port")
        assert alpha.systemctl("start", "p2p-peer", check=False).returncode != 0
        wait_for(lambda: int(alpha.show("p2p-peer", "NRestarts")) >= 1, "it to be tried again")
        wait_for(lambda: 'Status: "Cannot listen on [::]:5556: Address already in use"' in
                 alpha.systemctl("status", "--no-pager", "p2p-peer", check=False).stdout, "the reason to be shown")
    finally:
        alpha.systemctl("stop", "taker")
    wait_for(lambda: alpha.active("p2p-peer"), "it to have the port")
