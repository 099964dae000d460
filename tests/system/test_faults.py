# SPDX-License-Identifier: MIT
"""What goes wrong on a network: daemons die, cables are pulled, disks fill up, hosts are rebooted. Files arrive all the
same, whole, and what had come is not fetched again."""

import json
import time

import pytest
from harness import content, wait_for
from host import now

LOST = "MESSAGE_ID=181848432069472fbe7db8c839a847e4"
NO_BUS = "MESSAGE_ID=89712de404cc4c56b300833b67a687fc"
PAUSED = "MESSAGE_ID=369125066a8744089cf0afd4053e1df3"
DOWNLOADS = "/var/lib/p2p-peer/downloads"
SIZE = 6_000_000
SLOW = "1M"  # bytes per second: no transfer is over before a test wants it to be
PIECE = 1 << 20  # is fetched again where only a part of it had come

# Has TCP notice within seconds that the other side is gone, which otherwise takes two minutes, by changing the sockets of
# a running process: pidfd_getfd(2) is system call 438.
HURRY = """
import ctypes, os, socket, sys
pidfd = os.pidfd_open(int(sys.argv[1]))
for fd in os.listdir(f"/proc/{sys.argv[1]}/fd"):
    copy = ctypes.CDLL(None).syscall(438, pidfd, int(fd), 0)
    if copy < 0 or not os.readlink(f"/proc/self/fd/{copy}").startswith("socket:"):
        continue
    connection = socket.socket(fileno=copy)
    if connection.family == socket.AF_UNIX:
        continue
    for option, value in ((socket.TCP_KEEPIDLE, 1), (socket.TCP_KEEPINTVL, 1), (socket.TCP_KEEPCNT, 2),
                          (socket.TCP_USER_TIMEOUT, 2000)):
        connection.setsockopt(socket.IPPROTO_TCP, option, value)
"""


def hurry(host, unit):
    host.run("python3", "-c", HURRY, host.main_pid(unit))


@pytest.fixture
def image(ft, alpha, beta):
    """image.iso, which alpha shares, and of which beta has some; a Transfer."""
    alpha.write("/srv/share/image.iso", content(SIZE))
    alpha.ctl("rescan", check=True)
    alpha.wait_published("/srv/share/image.iso")
    beta.reload_peer(ft, download_rate=SLOW)
    return beta.download("image.iso", least=2 * PIECE)


def sources(host, name):
    return sum(file["n_sources"] for file in host.search("--exact", name))


def finish(beta, ft, alpha, transfer):
    """Lets it run, and looks at what has come."""
    beta.reload_peer(ft)
    transfer.wait("done")
    assert beta.sha256(f"{DOWNLOADS}/image.iso") == alpha.sha256("/srv/share/image.iso")


def test_ft_restarts_under_load(ft, alpha, beta, image):
    """Nobody notices: no session is lost, a transfer goes on, and a search that is asked meanwhile is answered."""
    peers = ft.ctl("ft", "peers", "--json", check=True).stdout
    begin = now()
    loop = ("i=0; while [ ! -e /run/enough ]; do p2pctl search --exact notes-alpha.txt >/dev/null || exit 1; "
            "i=$((i+1)); done; echo $i")
    searching = beta.start("sh", "-c", loop, stdout=-1)
    try:
        for _ in range(5):
            ft.systemctl("restart", "p2p-ft")
    finally:
        beta.write("/run/enough", "")
        searches = searching.communicate(timeout=60)[0]
        beta.run("rm", "/run/enough")
    assert searching.returncode == 0 and int(searches) > 5
    assert ft.ctl("ft", "peers", "--json", check=True).stdout == peers
    for host in alpha, beta:
        assert host.journal("p2p-peer", LOST, since=begin) == []
    finish(beta, ft, alpha, image)


def test_the_cable_is_pulled(ft, alpha, beta, image):
    begin = now()
    alpha.network(False)
    hurry(ft, "p2p-ft")
    hurry(alpha, "p2p-peer")
    wait_for(lambda: sources(beta, "image.iso") == 0, "FT to forget what alpha has")
    wait_for(lambda: alpha.peer("State") != "joined", "alpha to see it")
    assert alpha.wait_journal("p2p-peer", LOST, since=begin)["P2P_PEER"] == f"{ft.address}:5555"
    assert image.get("State") not in ("done", "failed")

    alpha.network(True)
    alpha.wait_joined()
    wait_for(lambda: sources(beta, "image.iso") == 1, "FT to know it again")
    finish(beta, ft, alpha, image)


def test_a_peer_is_killed(ft, alpha, beta, image):
    """Both in turn: who has the file, and who fetches it."""
    for host in alpha, beta:
        pid = host.main_pid("p2p-peer")
        host.kill("p2p-peer")
        wait_for(lambda: host.main_pid("p2p-peer") not in (0, pid), "systemd to start it again")
        host.wait_joined()
        wait_for(lambda: sources(beta, "image.iso") == 1, "the records to be there")
    wait_for(lambda: image.get("Transferred") >= 2 * PIECE, "beta to look at what is there")
    sent = alpha.counted("p2p_peer_sent_bytes_total")
    finish(beta, ft, alpha, image)
    # What beta had was not fetched again.
    assert alpha.counted("p2p_peer_sent_bytes_total") - sent < SIZE - PIECE


def test_ft_is_killed(ft, alpha, beta, image):
    pid = ft.main_pid("p2p-ft")
    ft.kill("p2p-ft")
    wait_for(lambda: ft.main_pid("p2p-ft") not in (0, pid), "systemd to start it again")
    for host in alpha, beta:
        host.wait_joined()
    wait_for(lambda: sources(beta, "image.iso") == 1, "the records to be there")
    assert int(ft.show("p2p-ft", "NRestarts")) >= 1
    finish(beta, ft, alpha, image)


def test_the_bus_restarts(ft, alpha, beta, image):
    """p2p-ft stays and is back on it; p2p-peer is started again, and does what it has promised."""
    peers, pid = ft.ctl("ft", "peers", "--json", check=True).stdout, ft.main_pid("p2p-ft")
    begin = now()
    ft.systemctl("restart", "dbus")
    wait_for(lambda: ft.ctl("ft").returncode == 0, "p2p-ft to be back on the bus")
    assert ft.wait_journal("p2p-ft", NO_BUS, since=begin)["PRIORITY"] == "4"
    ft.systemctl("reload", "p2p-ft")
    assert (ft.ctl("ft", "peers", "--json", check=True).stdout, ft.main_pid("p2p-ft")) == (peers, pid)

    pid, begin = beta.main_pid("p2p-peer"), now()
    beta.systemctl("restart", "dbus")
    wait_for(lambda: beta.main_pid("p2p-peer") not in (0, pid), "systemd to start it again")
    assert beta.wait_journal("p2p-peer", NO_BUS, since=begin)["PRIORITY"] == "3"
    beta.wait_joined()
    finish(beta, ft, alpha, image)


def test_power_is_lost(ft, alpha, beta, image):
    """A host that dies without a word, while it fetches."""
    beta.systemctl("enable", "p2p-peer")
    had = image.get("Transferred")
    beta.power_loss()
    beta.boot()
    beta.wait_joined()
    wait_for(lambda: image.get("Transferred") >= had // PIECE * PIECE, "what had come to be found again")
    finish(beta, ft, alpha, image)


def test_a_disk_is_full(ft, alpha, beta):
    alpha.write("/srv/share/image.iso", content(SIZE))
    alpha.ctl("rescan", check=True)
    alpha.wait_published("/srv/share/image.iso")
    beta.systemctl("stop", "p2p-peer")
    beta.run("mount", "-t", "tmpfs", "-o", "size=8m,mode=755,uid=p2p-peer,gid=p2p-peer", "small", DOWNLOADS)
    try:
        beta.write(f"{DOWNLOADS}/filler", bytes(5_000_000))
        beta.systemctl("start", "p2p-peer")
        beta.wait_joined()
        begin = now()
        transfer = beta.download("image.iso").wait("paused")
        assert transfer.get("Error") == "org.p2pshare.Error.NoSpace"
        number = str(transfer.get("Id"))
        entry = beta.wait_journal("p2p-peer", PAUSED, since=begin)
        assert (entry["P2P_FILE"], entry["P2P_TRANSFER"]) == ("image.iso", number), entry
        listed, = [t for t in json.loads(beta.ctl("--json", "transfers").stdout)["transfers"]
                   if t["direction"] == "download"]
        assert listed["state"] == "paused", listed
        # Still no room: it is paused again at once, and nothing is lost.
        beta.ctl("resume", number, check=True)
        beta.wait_journal("p2p-peer", PAUSED, since=int(entry["__REALTIME_TIMESTAMP"]))
        transfer.wait("paused")

        beta.run("rm", f"{DOWNLOADS}/filler")
        beta.ctl("resume", number, check=True)
        transfer.wait("done")
        assert beta.sha256(f"{DOWNLOADS}/image.iso") == alpha.sha256("/srv/share/image.iso")
    finally:
        beta.systemctl("stop", "p2p-peer")
        beta.run("umount", DOWNLOADS)


def test_reboot(ft, alpha, beta, image):
    """Whatever is enabled comes back by itself, and what was promised is kept."""
    ft.systemctl("enable", "p2p-ft")
    for host in alpha, beta:
        host.systemctl("enable", "p2p-peer")
    begin = time.monotonic()
    beta.reboot()
    beta.wait_joined()
    wait_for(lambda: image.get("Transferred") >= 2 * PIECE, "what had come to be found again")
    ft.reboot()
    for host in alpha, beta:
        host.wait_joined()
    wait_for(lambda: sources(beta, "image.iso") == 1, "the records to be there")
    finish(beta, ft, alpha, image)
    print(f"two reboots and what follows: {time.monotonic() - begin:.1f} s")
