# SPDX-License-Identifier: MIT
"""Ordinary users: who may what, as a real polkit says; and a peer of one's own."""

import json

import pytest
from harness import content, wait_for

USERS = {"ann": "", "ben": "--groups=p2pshare", "cat": "", "dora": ""}
SIZE = 6_000_000


@pytest.fixture
def users(hosts):
    """On beta: ann sits at the machine, ben is a member of p2pshare, cat is neither; dora has a peer of her own."""
    beta = hosts[2]
    for user, options in USERS.items():
        beta.sh(f"id {user} >/dev/null 2>&1 || useradd --create-home {options} {user}")
    yield beta
    beta.sh("systemctl unmask --runtime polkit; loginctl disable-linger dora; systemctl stop user@$(id -u dora)")
    beta.sh("rm -rf /home/dora/.config /home/dora/.local")


@pytest.fixture
def peer(ft, alpha, users):
    """beta's, with image.iso to be had, which takes a while."""
    alpha.write("/srv/share/image.iso", content(SIZE))
    alpha.ctl("rescan", check=True)
    alpha.wait_published("/srv/share/image.iso")
    return users.start_peer(ft, download_rate="100K")


def denied(result):
    assert result.returncode == 1 and "password of an administrator" in result.stderr, result


def begin(peer, user, run=None):
    """Has a download begun; its number."""
    argv = ("p2pctl", "--json", "download", "--no-wait", "image.iso")
    result = run(user, *argv) if run else peer.run(*argv, user=user)
    assert result.returncode == 0, result
    return str(json.loads(result.stdout)["transfer"]["id"])


def state(peer, number):
    transfers = json.loads(peer.ctl("--json", "transfers", check=True).stdout)["transfers"]
    return next((t["state"] for t in transfers if str(t["id"]) == number), None)


def test_two_users_and_a_third(peer):
    # Everybody may look.
    for argv in ("status",), ("search", "image"), ("transfers",), ("shares",), ("metrics",):
        assert peer.ctl(*argv, user="cat").returncode == 0, argv
    # To download one must sit there, or be a member.
    denied(peer.ctl("download", "--no-wait", "image.iso", user="cat"))
    denied(peer.ctl("download", "--no-wait", "image.iso", user="ann"))
    ann = begin(peer, "ann", peer.at_seat)
    # What is whose.
    for verb in ("pause", "resume", "cancel"):
        denied(peer.ctl(verb, ann, user="cat"))
    assert state(peer, ann) not in ("paused", "cancelled", None)
    for user in "ann", "cat":
        for argv in ("leave",), ("join",), ("rescan",), ("config", "reload", "p2p-peer"):
            denied(peer.ctl(*argv, user=user))
    assert peer.peer("State") == "joined"
    # The file is one, and so is the transfer of it: hers to cancel, from wherever she has logged in.
    peer.ctl("pause", ann, user="ann", check=True)
    wait_for(lambda: state(peer, ann) == "paused", "ann's to be paused")
    peer.ctl("cancel", ann, user="ann", check=True)
    wait_for(lambda: state(peer, ann) in ("cancelled", None), "ann's to be cancelled")

    ben = begin(peer, "ben")
    denied(peer.ctl("cancel", ben, user="ann"))
    assert state(peer, ben) not in ("cancelled", None)
    peer.ctl("cancel", ben, user="ben", check=True)
    wait_for(lambda: state(peer, ben) in ("cancelled", None), "ben's to be cancelled")
    ann = begin(peer, "ann", peer.at_seat)
    peer.ctl("cancel", ann, user="ben", check=True)
    for argv in ("rescan",), ("config", "reload", "p2p-peer"), ("leave",), ("join",):
        peer.ctl(*argv, user="ben", check=True)
    peer.wait_joined()


def test_without_polkit(peer):
    """Then there is root."""
    peer.sh("systemctl stop polkit; systemctl mask --runtime polkit")
    pid = peer.main_pid("p2p-peer")
    assert peer.ctl("download", "--no-wait", "image.iso", user="ben").returncode == 1
    assert peer.ctl("leave", user="ben").returncode == 1
    assert peer.ctl("status", user="cat").returncode == 0
    number = begin(peer, None)
    peer.ctl("cancel", number, check=True)
    peer.ctl("leave", check=True)
    assert peer.peer("State") == "left" and peer.main_pid("p2p-peer") == pid


def test_a_rule_of_the_administrator(peer):
    """The third user may download from now on, and nothing else."""
    rule = peer.write("/etc/polkit-1/rules.d/10-cat.rules", "polkit.addRule(function (action, subject) {"
                      "if (action.id == 'org.p2pshare.download' && subject.user == 'cat') return polkit.Result.YES; });")
    try:
        peer.systemctl("restart", "polkit")
        number = begin(peer, "cat")
        denied(peer.ctl("leave", user="cat"))
        peer.ctl("cancel", number, user="cat", check=True)
    finally:
        peer.run("rm", rule)
        peer.systemctl("restart", "polkit")


def start_own_peer(ft, host):
    """Dora's, as README says, with ~/Public/talk.pdf; what runs a command as she would, and what tells whether it is joined."""
    uid = host.sh("id -u dora").strip()

    def own(*argv, **options):
        return host.run("env", f"XDG_RUNTIME_DIR=/run/user/{uid}", "HOME=/home/dora", *argv, user="dora", **options)

    def joined():
        return own("p2pctl", "--user", "status", check=False).returncode == 0

    host.write("/home/dora/Public/talk.pdf", content(300_000, seed=5))
    host.write("/home/dora/.config/p2pshare.ini", f"[peer]\nft = {ft.address}\n")
    host.sh("chown -R dora: /home/dora; loginctl enable-linger dora")
    wait_for(lambda: host.active(f"user@{uid}"), "dora's systemd")
    own("systemctl", "--user", "enable", "--now", "p2p-peer")
    wait_for(joined, "dora's peer to be joined")
    return own, joined


def test_a_peer_beside_that_of_the_host(ft, alpha, peer):
    """The system's has the port; hers takes another one, which others are told."""
    own, _ = start_own_peer(ft, peer)
    wait_for(lambda: len(alpha.search("--exact", "talk.pdf")) == 1, "talk.pdf to be found")
    alpha.ctl("download", "talk.pdf", "-o", "/root/talk.pdf", check=True)
    assert alpha.sha256("/root/talk.pdf") == peer.sha256("/home/dora/Public/talk.pdf")
    assert f"{peer.address}:5556" not in own("p2pctl", "--user", "status").stdout
    assert peer.ctl("status").returncode == 0


def test_a_peer_of_ones_own(ft, alpha, users):
    """What README says of ~/Public, and that it is there again whenever its user is."""
    host = users
    uid = host.sh("id -u dora").strip()
    own, joined = start_own_peer(ft, host)
    wait_for(lambda: len(alpha.search("--exact", "talk.pdf")) == 1, "talk.pdf to be found")
    alpha.ctl("download", "talk.pdf", "-o", "/root/talk.pdf", check=True)
    assert alpha.sha256("/root/talk.pdf") == host.sha256("/home/dora/Public/talk.pdf")

    pid = own("systemctl", "--user", "show", "--value", "--property=MainPID", "p2p-peer").stdout.strip()
    assert host.sh(f"stat -c %U /proc/{pid}").strip() == "dora"
    status = host.sh(f"cat /proc/{pid}/status")
    assert "NoNewPrivs:\t1" in status and "Seccomp:\t2" in status
    # It is hers: no polkit, no group.
    own("p2pctl", "--user", "download", "notes-alpha.txt", "-o", "/home/dora/notes.txt")
    assert host.read("/home/dora/notes.txt") == alpha.read("/srv/share/notes-alpha.txt")
    own("p2pctl", "--user", "rescan")
    assert "talk.pdf" in own("p2pctl", "--user", "shares").stdout
    assert host.ctl("--user", "status", user="cat").returncode == 4

    # A search starts it, as it is enabled, a look does not; so does a connection, where that is wanted.
    own("systemctl", "--user", "stop", "p2p-peer")
    assert not joined() and own("systemctl", "--user", "is-active", "p2p-peer", check=False).returncode != 0
    wait_for(lambda: own("p2pctl", "--user", "search", "notes", check=False).returncode == 0,
             "dora's peer to be started by p2pctl")
    own("systemctl", "--user", "stop", "p2p-peer")
    own("systemctl", "--user", "enable", "--now", "p2p-peer.socket")
    alpha.run("curl", "-sS", "-o", "/dev/null", f"http://{host.address}:5556/file/x")
    wait_for(joined, "dora's peer to be started by curl")

    host.systemctl("restart", f"user@{uid}")
    wait_for(joined, "dora's peer to be joined again")
    wait_for(lambda: len(alpha.search("--exact", "talk.pdf")) == 1, "talk.pdf to be found again")
