# SPDX-License-Identifier: MIT
"""p2pctl share: what is in the way of a share is named, with its fix, and --fix removes it. From /etc/p2pshare.ini.d, on
real file systems, with the daemon in its sandbox."""

import json
import re

import pytest
from harness import content, wait_for

DROP_INS = "/etc/p2pshare.ini.d"
UNIT_DROP_INS = "/etc/systemd/system/p2p-peer.service.d"


LEFT_ALONE = """\
Left alone, as they may be secrets of another user: files of another owner, with a second name, or in a place where others may write ({}).
To let p2p-peer read one of these: setfacl -m u:p2p-peer:rX PATH
"""


@pytest.fixture
def share(alpha):
    """p2pctl share on alpha, as root."""
    if alpha.run("sh", "-c", "ls /usr/libexec/p2pshare/p2pctl-share", check=False).returncode != 0:
        alpha.sh("ls /usr/local/libexec/p2pshare/p2pctl-share")
    yield lambda *args, **options: alpha.ctl("share", *args, **options)
    alpha.sh(f"umount -l /srv/disk 2>/dev/null || true; rm -rf {DROP_INS}/* {UNIT_DROP_INS} /srv/disk /tmp/shown /tmp/gone /var/tmp/shown; : >/etc/fstab; systemctl daemon-reload")


@pytest.fixture
def ann(alpha):
    """Her thesis is in a directory that is hers alone."""
    alpha.sh("id ann >/dev/null 2>&1 || useradd --create-home ann; mkdir -p /home/ann; chown ann: /home/ann")
    alpha.write("/home/ann/share/deep/thesis.pdf", b"thesis\n")
    alpha.write("/home/ann/secret.txt", b"secret\n")
    alpha.sh("chown -R ann: /home/ann; chmod -R go= /home/ann")
    yield "/home/ann/share"
    alpha.sh("rm -rf /home/ann/*; setfacl -b /home/ann")


def lines(result):
    return (result.stdout + result.stderr).splitlines()


def listed(alpha):
    return {entry["path"]: entry for entry in json.loads(alpha.ctl("--json", "share", "list", check=True).stdout)["shares"]}


def as_peer(alpha, *argv):
    return alpha.run("setpriv", "--reuid=p2p-peer", "--regid=p2p-peer", "--clear-groups", *argv, check=False)


def test_what_everybody_may_read(alpha, beta, share):
    data = content(300_000)
    alpha.write("/srv/images/a b/disk.img", data)
    result = share("add", "/srv/images/")
    assert (result.returncode, lines(result)) == (0, ["/srv/images is shared: 1 file, 293.0 KiB."])
    assert alpha.read(f"{DROP_INS}/share-srv-images.ini").decode().endswith("[share]\npath = /srv/images\n")
    alpha.wait_published("/srv/images/a b/disk.img")
    beta.ctl("download", "disk.img", "-o", "/root/disk.img", check=True)
    assert beta.sha256("/root/disk.img") == alpha.sha256("/srv/images/a b/disk.img")

    entry = listed(alpha)["/srv/images"]
    assert (entry["file"], entry["removable"], entry["n_files"], entry["problem"]) == \
        (f"{DROP_INS}/share-srv-images.ini", True, 1, None)
    assert listed(alpha)["/srv/share"]["file"] == "/etc/p2pshare.ini"
    table = share("list").stdout.splitlines()
    assert table[0].split() == ["PATH", "SHARED", "CONFIGURED", "IN"]
    assert any(line.split() == ["/srv/images", "1", "file,", "293.0", "KiB", f"{DROP_INS}/share-srv-images.ini"] for line in table)

    # Once more is no second one; two that look alike have two files.
    share("add", "/srv/images", check=True)
    alpha.write("/srv-images/more.img", b"more")
    share("add", "/srv-images", check=True)
    assert sorted(alpha.sh(f"ls {DROP_INS}").split()) == ["share-srv-images-2.ini", "share-srv-images.ini"]
    share("remove", "/srv-images", check=True)

    result = share("remove", "/srv/images")
    assert (result.returncode, lines(result)) == (0, ["/srv/images is not shared any more."])
    assert alpha.sh(f"ls {DROP_INS}") == ""
    wait_for(lambda: beta.search("--exact", "disk.img") == [], "FT to know")
    result = share("remove", "/srv/images")
    assert result.returncode == 3 and "is not shared" in result.stderr
    result = share("remove", "/srv/share")
    assert result.returncode == 1 and "/etc/p2pshare.ini, which p2pctl does not edit" in result.stderr
    alpha.sh("rm -rf /srv-images")


def test_in_a_home(alpha, beta, share, ann):
    """Nobody may pass but her: said, with the exact fix, which does it; and --fix does all of it."""
    result = share("add", ann)
    assert result.returncode == 1
    assert lines(result) == [
        "p2pctl: p2p-peer may not pass /home/ann (the home of ann, mode 0700, ann:ann).",
        "To let it, and no other user, pass: setfacl -m u:p2p-peer:x /home/ann",
        "Or do all that is needed: p2pctl share add --fix /home/ann/share"]
    alpha.sh("setfacl -m u:p2p-peer:x /home/ann")
    result = share("add", ann)
    by_hand = ("find /home/ann/share/. -name '.?*' -prune -o -user ann -type f,d -exec setfacl -m u:p2p-peer:rX {} +"
               " -type d -exec setfacl -d -m u::7,g::0,o::0,u:p2p-peer:rX {} +")
    assert lines(result)[:2] == [
        "p2pctl: p2p-peer may not read /home/ann/share (mode 0700, ann:ann).", f"To let it, and no other user, read: {by_hand}"]
    alpha.sh(by_hand)
    alpha.sh("setfacl -d -m m::rx /home/ann/share/deep")  # fails where there is none
    assert share("add", ann).returncode == 0
    alpha.wait_published("/home/ann/share/deep/thesis.pdf")
    alpha.sh("setfacl -R -b /home/ann")
    share("remove", ann, check=True)

    result = share("add", "--fix", ann)
    assert (result.returncode, lines(result)) == (0, [
        "p2p-peer may pass /home/ann now.", "p2p-peer may read /home/ann/share now.", "/home/ann/share is shared: 1 file, 7 B."])
    alpha.wait_published("/home/ann/share/deep/thesis.pdf")
    beta.ctl("download", "thesis.pdf", "-o", "/root/thesis.pdf", check=True)
    assert beta.read("/root/thesis.pdf") == b"thesis\n"
    # What she adds is shared as well, and nothing else of hers may be read; by others nothing at all.
    alpha.sh("su ann -c 'umask 077; echo appendix >/home/ann/share/deep/appendix.txt'")
    alpha.wait_published("/home/ann/share/deep/appendix.txt")
    assert as_peer(alpha, "cat", "/home/ann/secret.txt").returncode != 0
    assert as_peer(alpha, "ls", "/home/ann").returncode != 0
    assert alpha.run("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "ls", ann, check=False).returncode != 0

    share("remove", ann, check=True)
    assert "p2p-peer" not in alpha.sh("getfacl -R /home/ann 2>/dev/null")
    assert alpha.sh("stat -c %A /home/ann /home/ann/share /home/ann/share/deep").split() == ["drwx------"] * 3


def test_lists_of_others_stay(alpha, share, ann):
    """A mask that was set on purpose is not widened for anybody else."""
    alpha.sh("setfacl -m g:games:rwx,m::- /home/ann/share")
    share("add", "--fix", ann, check=True)
    acl = alpha.sh("getfacl -c --omit-header -e /home/ann/share 2>/dev/null")
    assert "group:games:---" in acl and "user:p2p-peer:r-x" in acl, acl
    share("remove", ann, check=True)
    assert "#effective:r" not in alpha.sh("getfacl -c -e /home/ann/share")


def test_links(alpha, share, ann):
    """Neither a link in the tree nor another name of somebody's secret gives it away."""
    alpha.write("/home/secret", b"secret\n")
    alpha.sh("chmod 600 /home/secret; ln -s /etc/shadow /home/ann/share/shadow; ln /home/secret /home/ann/share/linked; chown -R -h ann: /home/ann/share/shadow")
    result = share("add", "--fix", ann)
    assert (result.returncode, result.stderr.splitlines()) == (1, [
        *LEFT_ALONE.format(1).splitlines(),
        "p2pctl: p2p-peer may not read 1 of the files in it, such as /home/ann/share/linked."])
    for path in ("/home/secret", "/etc/shadow"):
        assert "p2p-peer" not in alpha.sh(f"getfacl {path} 2>/dev/null")


def test_what_others_have(alpha, beta, share, ann):
    """What root left in her home, for her to move; what many write to; and what is never shared."""
    alpha.sh("umask 077; mkdir /home/ann/share/backup /home/ann/share/.ssh; chown ann: /home/ann/share/backup /home/ann/share/.ssh; "
             "echo secret >/home/ann/share/backup/dump.sql; su ann -c 'echo key >/home/ann/share/.ssh/id_rsa'; "
             "su ann -c 'mkdir -m 1777 /home/ann/share/all'")
    result = share("add", "--fix", ann)
    assert (result.returncode, result.stderr.splitlines()) == (1, [
        *LEFT_ALONE.format(1).splitlines(),
        "Others may write there, too (1 directory): p2p-peer can read new files only if everybody may.",
        "p2pctl: p2p-peer may not read 1 of the files in it, such as /home/ann/share/backup/dump.sql."])
    for path in ("backup/dump.sql", ".ssh/id_rsa", ".ssh"):
        assert "p2p-peer" not in alpha.sh(f"getfacl /home/ann/share/{path} 2>/dev/null"), path
    alpha.sh("su ann -c 'umask 022; echo 1 >/home/ann/share/all/new.txt'")
    alpha.wait_published("/home/ann/share/all/new.txt")
    assert alpha.sh("stat -c %a /home/ann/share/all/new.txt") == "644\n"
    share("remove", ann, check=True)


def test_a_name_of_her_choice(alpha, share, ann):
    """What root left in her home is not opened for having the name of what is to be shared."""
    alpha.sh("umask 077; mkdir /home/ann/backup; echo secret >/home/ann/backup/dump.sql; chmod 711 /home/ann; "
             "su ann -c 'mv /home/ann/backup /home/ann/films'")
    result = share("add", "--fix", "/home/ann/films")
    assert (result.returncode, lines(result)) == (1, [
        "p2pctl: another user may have put /home/ann/films there, so --fix leaves it alone.",
        "If you want it anyway: setfacl(1), with -m u:p2p-peer:rX"])
    assert "p2p-peer" not in alpha.sh("getfacl -R /home/ann 2>/dev/null")
    assert share("remove", "/home/ann/films").returncode == 0


def test_what_cannot_be_taken_back(alpha, share, ann):
    """It is said, the rest is taken back, and the note of it stays until all is."""
    share("add", "--fix", ann, check=True)
    alpha.sh("su ann -c 'cd /home/ann/share && mkdir -p $(printf d/%.0s $(seq 70))'")
    result = share("remove", ann)
    assert result.returncode == 1
    deep = "/home/ann/share/" + "/".join(["d"] * 64)
    assert lines(result) == [
        f"p2pctl: {deep} is more than 64 directories deep.",
        f"/home/ann/share stays shared, and {DROP_INS}/share-home-ann-share.ini notes what is left to undo. "
        "When it can be undone, repeat: p2pctl share remove"]
    assert "p2p-peer" not in alpha.sh("getfacl -R /home/ann/share/deep 2>/dev/null; getfacl /home/ann 2>/dev/null")
    alpha.sh("rm -r /home/ann/share/d")
    assert share("remove", ann).returncode == 0
    assert "p2p-peer" not in alpha.sh("getfacl -R /home/ann 2>/dev/null")


def test_a_pass_in_the_tree_of_another(alpha, share, ann):
    """A directory that one share made passable, and another readable, stays both for the other one."""
    alpha.sh("chmod 755 /home/ann/share/deep; chmod 644 /home/ann/share/deep/*; su ann -c 'umask 077; echo 1 >/home/ann/share/more.txt'")
    share("add", "--fix", f"{ann}/deep", check=True)
    share("add", "--fix", ann, check=True)
    share("remove", f"{ann}/deep", check=True)
    assert as_peer(alpha, "ls", ann).returncode == 0
    # It is /home/ann's turn: nobody but the one that is left can take that back.
    assert "pass = /home/ann\n" in alpha.read(f"{DROP_INS}/share-home-ann-share.ini").decode()
    share("remove", ann, check=True)
    assert "p2p-peer" not in alpha.sh("getfacl -R /home/ann 2>/dev/null")


def test_not_there(alpha, share):
    result = share("add", "/srv/nothing/here")
    assert (result.returncode, lines(result)) == (1, ["p2pctl: there is no /srv/nothing."])
    assert alpha.run("ls", DROP_INS, check=False).stdout == ""


def test_not_mounted(alpha, share):
    alpha.sh("mkdir -p /srv/disk; echo 'tmpfs /srv/disk tmpfs noauto,mode=755 0 0' >/etc/fstab; systemctl daemon-reload")
    result = share("add", "/srv/disk")
    assert (result.returncode, lines(result)) == (1, [
        "p2pctl: /srv/disk is not mounted, although /etc/fstab has a file system for it.", "Try: mount /srv/disk"])
    alpha.sh("mount /srv/disk")
    assert share("add", "/srv/disk").returncode == 0


def test_read_only(alpha, share):
    alpha.sh("mkdir -p /srv/disk; mount -t tmpfs -o mode=700 disk /srv/disk; echo x >/srv/disk/x.txt; mount -o remount,ro /srv/disk")
    result = share("add", "--fix", "/srv/disk")
    assert result.returncode == 1
    assert lines(result)[0] == "p2pctl: /srv/disk is on a read-only file system, so its permissions cannot change."


def test_hidden_by_the_sandbox(alpha, beta, share):
    """/tmp is the service's own: the unit is told, and the share is there after its restart."""
    alpha.write("/tmp/shown/visible 100%.txt", b"visible\n")
    result = share("add", "/tmp/shown")
    assert result.returncode == 1
    assert lines(result) == [
        "p2pctl: /tmp/shown is hidden from p2p-peer by the sandbox of its service (PrivateTmp=).",
        "To show it: systemctl edit p2p-peer, add PrivateTmp=no below [Service], then: systemctl restart p2p-peer",
        "Or do all that is needed: p2pctl share add --fix /tmp/shown"]
    result = share("add", "--fix", "/tmp/shown")
    assert (result.returncode, lines(result)) == (0, [
        "p2p-peer.service has PrivateTmp=no now, so that p2p-peer sees /tmp/shown, and was restarted.",
        "/tmp/shown is shared: 1 file, 8 B."])
    alpha.wait_joined()
    alpha.wait_published("/tmp/shown/visible 100%.txt")
    beta.ctl("download", "visible 100%.txt", "-o", "/root/visible.txt", check=True)
    # It is not for the service to write to, nor does it go while another share is there.
    assert alpha.run("nsenter", "-t", str(alpha.main_pid("p2p-peer")), "-m", "touch", "/tmp/written", check=False).returncode != 0
    alpha.write("/var/tmp/shown/more.txt", b"more\n")
    assert share("add", "/var/tmp/shown").returncode == 0
    share("remove", "/tmp/shown", check=True)
    alpha.wait_joined()
    alpha.wait_published("/var/tmp/shown/more.txt")
    assert alpha.sh(f"ls {UNIT_DROP_INS}").split() == ["share-var-tmp-shown.conf"]
    share("remove", "/var/tmp/shown", check=True)
    assert alpha.run("ls", UNIT_DROP_INS, check=False).returncode != 0
    alpha.wait_joined()


def test_a_link_in_its_place(alpha, share, ann):
    """Whoever may change what /tmp/shown is does not get published what they may not read themselves."""
    alpha.write("/root/notes/password.txt", b"secret\n")
    alpha.sh("chmod 700 /root; su ann -c 'mkdir /tmp/shown; echo 1 >/tmp/shown/a.txt'")
    assert share("add", "--fix", "/tmp/shown").returncode == 0
    alpha.sh("su ann -c 'mv /tmp/shown /tmp/gone; ln -s /root/notes /tmp/shown'; systemctl restart p2p-peer")
    alpha.wait_joined()
    assert [state for path, _, state, _ in alpha.peer("Shares") if path.startswith("/tmp/shown")] == ["unreadable"]
    inside = f"/proc/{alpha.main_pid('p2p-peer')}/root"
    assert alpha.run("ls", f"{inside}/tmp/shown/", check=False, user="p2p-peer").returncode != 0


@pytest.mark.parametrize("umask", ["077", "000"])
def test_the_callers_umask_does_not_count(alpha, share, umask):
    """Nor does what comes with sudo or pkexec: the daemon starts, and nobody may write to what root reads."""
    alpha.write("/tmp/shown/a.txt", b"a\n")
    alpha.sh(f"rm -rf {DROP_INS}; umask {umask}; p2pctl share add --fix /tmp/shown")
    assert alpha.sh(f"stat -c %a {DROP_INS} {DROP_INS}/* {UNIT_DROP_INS} {UNIT_DROP_INS}/*").split() == ["755", "644"] * 2
    alpha.systemctl("restart", "p2p-peer")
    alpha.wait_joined()


def test_a_home_that_the_unit_protects(alpha, share, ann):
    """Both at once: an administrator's ProtectHome=, and her modes."""
    alpha.write(f"{UNIT_DROP_INS}/home.conf", "[Service]\nProtectHome=yes\n")
    alpha.systemctl("daemon-reload")
    alpha.systemctl("restart", "p2p-peer")
    result = share("add", "--fix", ann)
    assert result.returncode == 0, result
    assert lines(result)[-1] == "/home/ann/share is shared: 1 file, 7 B."
    share("remove", ann, check=True)
    assert alpha.sh(f"ls {UNIT_DROP_INS}").split() == ["home.conf"]


@pytest.mark.parametrize("path", ["/", "/proc/1", "/sys", "/dev", "/run/systemd", "/tmp", "/var/tmp"])
def test_refused(alpha, share, path):
    result = share("add", "--fix", path)
    assert result.returncode == 1 and re.search("cannot be shared( as a whole)?[.]$", result.stderr, re.M), result


def test_removable_media(alpha, share):
    """They are mounted below /run, of which nothing else is shared."""
    alpha.write("/run/media/ann/stick/a.txt", b"a\n")
    try:
        assert lines(share("add", "/run/media/ann/stick")) == ["/run/media/ann/stick is shared: 1 file, 2 B."]
    finally:
        alpha.sh("rm -rf /run/media")


def test_a_link_of_hers(alpha, share, ann):
    """She is not asked what is shared, and what p2p-peer may read."""
    alpha.write("/root/notes/password.txt", b"secret\n")
    alpha.sh("chmod 700 /root; su ann -c 'ln -s /root/notes /home/ann/films'")
    result = share("add", "--fix", "/home/ann/films")
    assert (result.returncode, lines(result)) == (1, [
        "p2pctl: a link on the way to /home/ann/films belongs to another user.",
        "If you mean what it leads to: p2pctl share add /root/notes"])
    assert "p2p-peer" not in alpha.sh("getfacl /root /root/notes 2>/dev/null")


def test_without_the_user(alpha, share):
    """Whoever has installed it without packages may have forgotten to make it."""
    alpha.write("/srv/images/a.txt", b"a\n")
    alpha.sh("cp /etc/passwd /root/passwd; sed -i /^p2p-peer:/d /etc/passwd")
    try:
        result = share("add", "/srv/images")
    finally:
        alpha.sh("cp /root/passwd /etc/passwd")
    assert (result.returncode, lines(result)) == (1, [
        "p2pctl: there is no user p2p-peer here.", "Create it, as root: systemd-sysusers",
        "/srv/images stays configured. When the user exists, check it by: p2pctl share list"])
    assert listed(alpha)["/srv/images"]["n_files"] == 1


def test_who_may(alpha, share, ann):
    """An administrator, who is asked for a password; whom a rule allows; nobody else, members of p2pshare included."""
    alpha.sh("usermod -aG p2pshare ann")
    try:
        result = alpha.at_seat("ann", "p2pctl", "share", "add", "/home/ann/share")
        assert result.returncode == 1 and "only an administrator may change" in result.stderr, result
        assert alpha.run("ls", DROP_INS, check=False).stdout == ""
        alpha.write("/etc/polkit-1/rules.d/10-test.rules",
                    'polkit.addRule(function (action, subject) {\n'
                    '    if (action.id == "org.p2pshare.share" && subject.user == "ann") return polkit.Result.YES;\n'
                    '    return polkit.Result.NOT_HANDLED;\n});\n')
        alpha.systemctl("restart", "polkit")
        result = alpha.at_seat("ann", "sh", "-c", "cd /home/ann && p2pctl share add --fix share")
        assert (result.returncode, lines(result)[-1]) == (0, "/home/ann/share is shared: 1 file, 7 B."), result
        # The list is everybody's.
        assert "/home/ann/share" in alpha.run("p2pctl", "share", "list", user="nobody").stdout
        assert alpha.at_seat("ann", "p2pctl", "share", "remove", "/home/ann/share").returncode == 0
    finally:
        alpha.sh("rm -f /etc/polkit-1/rules.d/10-test.rules; gpasswd -d ann p2pshare; systemctl restart polkit")
