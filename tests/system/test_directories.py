# SPDX-License-Identifier: MIT
"""What the manual says of directories: another one for downloads, shares in somebody's home, and disks that come and go."""

import pytest
from harness import content, wait_for
from host import peer_config


@pytest.fixture
def image(ft, alpha):
    alpha.write("/srv/share/image.iso", content(3_000_000))
    alpha.ctl("rescan", check=True)
    alpha.wait_published("/srv/share/image.iso")
    return alpha.sha256("/srv/share/image.iso")


def test_another_download_directory(ft, alpha, beta, image):
    """p2pshare.ini(5), DIRECTORIES: without the unit's leave it is refused, and says so; with it, the file is there."""
    beta.systemctl("stop", "p2p-peer")
    beta.sh("install -d -o p2p-peer -g p2p-peer /srv/downloads")
    beta.configure(peer_config(ft, download_dir="/srv/downloads"))
    beta.systemctl("start", "p2p-peer")
    beta.wait_joined()
    # Before there is a download.
    beta.wait_journal("p2p-peer", text="Cannot write to download-dir /srv/downloads: Read-only file system")
    assert "Cannot write to /srv/downloads: Read-only file system" in beta.ctl("status", check=True).stdout
    transfer = beta.download("image.iso").wait("failed")
    assert "/srv/downloads" in transfer.get("ErrorMessage"), transfer.get("ErrorMessage")
    assert beta.sh("ls /srv/downloads") == ""

    beta.write("/etc/systemd/system/p2p-peer.service.d/override.conf", "[Service]\nReadWritePaths=/srv/downloads\n")
    beta.systemctl("daemon-reload")
    beta.systemctl("restart", "p2p-peer")
    beta.wait_joined()
    assert "Cannot write" not in beta.ctl("status", check=True).stdout
    beta.download("image.iso").wait("done")
    assert beta.sha256("/srv/downloads/image.iso") == image
    assert beta.sh("stat -c %U /srv/downloads/image.iso").strip() == "p2p-peer"


def test_a_configuration_that_the_service_may_not_read(ft, alpha):
    """Root may read all, and is told what the daemons will say at their next start."""
    alpha.ctl("config", "check", check=True)
    beside = "/etc/p2pshare.ini.d/50-closed.ini"
    alpha.write(beside, "[peer]\nmax-uploads = 7\n")
    for path in ("/etc/p2pshare.ini", beside):
        alpha.sh(f"chmod 600 {path}")
        for file in ([], ["/etc/p2pshare.ini"]):
            result = alpha.ctl("config", "check", *file)
            said = f"{path}: the user p2p-peer may not read it: chmod 644 {path}"
            assert result.returncode == 1 and said in result.stderr and "valid" not in result.stdout, result
        alpha.systemctl("reload", "p2p-peer", check=False)
        alpha.wait_journal("p2p-peer", text=f"Cannot read {path}: Permission denied")
        alpha.sh(f"chmod 644 {path}")
        alpha.ctl("config", "check", check=True)
    # A draft is read as who asks.
    alpha.write("/root/draft.ini", "[peer]\nft = ft.example.org\n")
    alpha.sh("chmod 600 /root/draft.ini")
    alpha.ctl("config", "check", "/root/draft.ini", check=True)


def test_a_share_in_a_home(ft, alpha, beta):
    """p2p-peer(8): what its user may not read is not shared, and why is said; an ACL lets it."""
    alpha.sh("id ann >/dev/null 2>&1 || useradd --create-home ann; chmod 700 /home/ann")
    alpha.write("/home/ann/share/thesis.pdf", b"thesis\n")
    alpha.sh("chown -R ann: /home/ann; chmod -R go= /home/ann")
    alpha.reload_peer(ft, share="/home/ann/share")
    wait_for(lambda: alpha.peer("Shares"), "the share")
    (path, _, state, why), = alpha.peer("Shares")
    assert (path, state) == ("/home/ann/share", "unreadable") and why, (path, state, why)
    shown = alpha.ctl("shares", check=True).stdout
    assert "/home/ann/share" in shown and "may not" in shown, shown

    alpha.sh("setfacl -m u:p2p-peer:x /home/ann; setfacl -R -m u:p2p-peer:rX /home/ann/share")
    alpha.ctl("rescan", check=True)
    alpha.wait_published("/home/ann/share/thesis.pdf")
    beta.ctl("download", "thesis.pdf", "-o", "/root/thesis.pdf", check=True)
    assert beta.read("/root/thesis.pdf") == b"thesis\n"
    # And nothing else of hers.
    assert alpha.run("setpriv", "--reuid=p2p-peer", "--regid=p2p-peer", "--clear-groups", "ls", "/home/ann",
                     check=False).returncode != 0


def test_a_share_becomes_a_link(ft, alpha, beta):
    """Whose directory is shared cannot make p2p-peer publish what it may read, and he may not: a link in its place."""
    alpha.sh("id ann >/dev/null 2>&1 || useradd --create-home ann; rm -rf /srv/others /home/ann/*; chmod 711 /home/ann; "
             "install -d -m 750 -g p2p-peer /srv/others; install -d -o ann /home/ann/share")
    alpha.write("/srv/others/taxes.txt", b"taxes\n")
    alpha.write("/home/ann/share/thesis.pdf", b"thesis\n")
    alpha.sh("chmod -R a+rX /srv/others/taxes.txt /home/ann/share")
    alpha.reload_peer(ft, share="/home/ann/share")
    alpha.wait_published("/home/ann/share/thesis.pdf")
    alpha.sh("su ann -c 'mv ~/share ~/gone && ln -s /srv/others ~/share && ! ls ~/share/'")
    alpha.ctl("rescan", check=True)
    wait_for(lambda: alpha.peer("State") == "unregistered" or not beta.search("--exact", "thesis.pdf"), "it to be gone")
    (path, _, state, why), = alpha.peer("Shares")
    assert (path, state) == ("/home/ann/share", "unreadable") and "a link on the way" in why
    assert beta.search("--exact", "taxes.txt") == []
    # Root's own word is another matter.
    alpha.sh("ln -sfn /srv/others /home/ann/share && chown -h root: /home/ann/share")
    alpha.ctl("rescan", check=True)
    alpha.wait_published("/home/ann/share/taxes.txt")


def test_a_disk_comes_and_goes(ft, alpha, beta):
    """One that is mounted after the service was started, and that can be unmounted while it is shared."""
    alpha.run("mkdir", "-p", "/srv/share/disk")
    alpha.run("mount", "-t", "tmpfs", "-o", "mode=755", "disk", "/srv/share/disk")
    try:
        alpha.write("/srv/share/disk/film.mkv", content(1_000_000))
        alpha.ctl("rescan", check=True)
        alpha.wait_published("/srv/share/disk/film.mkv")
        beta.ctl("download", "film.mkv", "-o", "/root/film.mkv", check=True)
        assert beta.sha256("/root/film.mkv") == alpha.sha256("/srv/share/disk/film.mkv")
        # Once nothing of it is sent.
        wait_for(lambda: alpha.run("umount", "/srv/share/disk", check=False).returncode == 0, "the disk to be free")
    finally:
        alpha.run("umount", "--lazy", "/srv/share/disk", check=False)
    alpha.ctl("rescan", check=True)
    wait_for(lambda: beta.search("--exact", "film.mkv") == [], "FT to know that it has gone")
    assert alpha.peer("State") == "joined"
