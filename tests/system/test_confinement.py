# SPDX-License-Identifier: MIT
"""What the services may not. An intruder in one of the daemons is what the unit's sandbox is for, so it is tried from the
inside: the same unit, with a program in it that tries all sorts of things."""

import json
import re

import pytest
from harness import Wire, content
from host import now

UNITS = ("p2p-ft", "p2p-peer")
OPEN_AT_MOST = 1.5  # of 10, as systemd-analyze counts it

# Tries everything and prints what came of each, as JSON: "" is success.
PROBE = r"""
import ctypes, json, mmap, os, signal, socket
libc = ctypes.CDLL(None, use_errno=True)

def call(function, *args):
    if function(*args) == -1:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))

def write(path):
    with open(path, "w"):
        pass

def setuid_program():
    path = os.path.join(os.environ.get("STATE_DIRECTORY", "/tmp"), "program")
    write(path)
    os.chmod(path, 0o4755)

def visible():
    others = [pid for pid in os.listdir("/proc") if pid.isdigit() and os.stat(f"/proc/{pid}").st_uid != os.getuid()]
    if not others:
        raise OSError("none")

tries = {
    "write /usr": lambda: write("/usr/bin/p2pshare-probe"),
    "write /etc": lambda: write("/etc/p2pshare-probe"),
    "write the configuration": lambda: write("/etc/p2pshare.ini"),
    "write /var": lambda: write("/var/lib/p2pshare-probe"),
    "write /srv": lambda: write("/srv/public/p2pshare-probe"),
    "write /home": lambda: write("/home/open/p2pshare-probe"),
    "write the state": lambda: write("/var/lib/p2p-peer/p2pshare-probe"),
    "write /tmp": lambda: write("/tmp/p2pshare-probe"),
    "read /root": lambda: os.listdir("/root"),
    "read /home": lambda: os.listdir("/home/open"),
    "read /etc/shadow": lambda: open("/etc/shadow").close(),
    "a disk": lambda: [os.stat(f"/dev/{name}") for name in ("vda", "sda", "mem", "kmsg")],
    "see other users' processes": visible,
    "kill PID 1": lambda: os.kill(1, 0),
    "the root of PID 1": lambda: os.listdir("/proc/1/root"),
    "be root": lambda: os.setuid(0),
    "mount": lambda: call(libc.mount, b"none", b"/tmp", b"tmpfs", 0, None),
    "a namespace": lambda: call(libc.unshare, 0x10000000),
    "ptrace": lambda: call(libc.ptrace, 16, os.getppid(), 0, 0),
    "a raw socket": lambda: socket.socket(socket.AF_PACKET, socket.SOCK_RAW),
    "a netlink socket": lambda: socket.socket(socket.AF_NETLINK, socket.SOCK_RAW),
    "a TCP socket": lambda: socket.create_server(("", 0)),
    "a port below 1024": lambda: socket.create_server(("", 80)),
    "the clock": lambda: call(libc.settimeofday, ctypes.create_string_buffer(16), None),
    "the host's name": lambda: socket.sethostname("probe"),
    "real time": lambda: os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1)),
    "memory to write and execute": lambda: mmap.mmap(-1, 4096, prot=mmap.PROT_WRITE | mmap.PROT_EXEC),
    "a setuid program": setuid_program,
    "a kernel setting": lambda: write("/proc/sys/kernel/core_pattern"),
    "a cgroup": lambda: os.mkdir("/sys/fs/cgroup/systemd/probe"),
}
results = {}
for name, function in tries.items():
    try:
        function()
        results[name] = ""
    except (OSError, ValueError) as error:
        results[name] = str(error) or "error"
print("PROBE " + json.dumps(results))
"""
ALLOWED = {
    "p2p-ft": {"write /tmp", "a TCP socket"},
    # It shares what is in /home, asks for the machine's addresses, and cannot do without openat2(2), which
    # RestrictSUIDSGID= takes away: a program of its own user, who may nothing.
    "p2p-peer": {"write /tmp", "a TCP socket", "write the state", "read /home", "a netlink socket", "a setuid program"},
}


def statuses(host, unit):
    """/proc/PID/status of all threads of it, as dicts."""
    text = host.sh(f"cat /proc/{host.main_pid(unit)}/task/*/status")
    return [dict(re.findall(r"^(\w+):\s+(.*)$", part, re.M)) for part in re.split(r"^(?=Name:)", text, flags=re.M) if part]


@pytest.mark.parametrize("unit", UNITS)
def test_no_privileges(hosts, ft, alpha, unit):
    host = ft if unit == "p2p-ft" else alpha
    threads = statuses(host, unit)
    assert threads
    for status in threads:
        assert "0" not in status["Uid"].split() and "0" not in status["Gid"].split(), status
        assert status["Groups"].split() == [] or "0" not in status["Groups"].split(), status
        for kind in "CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb":
            assert int(status[kind], 16) == 0, status
        assert (status["NoNewPrivs"], status["Seccomp"]) == ("1", "2"), status


@pytest.mark.parametrize("unit", UNITS)
def test_what_systemd_says(hosts, unit):
    host = hosts[0]
    path = host.show(unit, "FragmentPath")
    result = host.run("systemd-analyze", "security", "--no-pager", "--offline=true", f"--threshold={OPEN_AT_MOST * 10:.0f}",
                      path, check=False)
    exposure = re.search(r"Overall exposure level for \S+: ([\d.]+)", result.stdout)
    assert result.returncode == 0 and float(exposure[1]) <= OPEN_AT_MOST, result.stdout


@pytest.mark.parametrize("unit", UNITS)
def test_an_intruder(hosts, unit):
    host = hosts[1]
    host.configure("")
    host.write("/root/secret", "secret")
    host.sh("mkdir -p /home/open /srv/public; chmod 777 /home/open /srv/public")
    host.write("/run/probe.py", PROBE)
    text = host.read(host.show(unit, "FragmentPath")).decode()
    text = re.sub(r"^ExecStart=.*$", "ExecStart=/usr/bin/python3 -I /run/probe.py", text, flags=re.M)
    text = re.sub(r"^(Type=).*$", r"\1oneshot", text, flags=re.M)
    text = re.sub(r"^(ExecReload|WatchdogSec|Restart|Alias)=.*$", "", text, flags=re.M)
    host.write("/run/systemd/system/probe.service", text)
    begin = now()
    try:
        host.systemctl("daemon-reload")
        host.systemctl("start", "probe")
        message = host.wait_journal("probe", since=begin, text="^PROBE ")["MESSAGE"]
    finally:
        host.run("rm", "-f", "/run/systemd/system/probe.service", "/run/probe.py")
        host.systemctl("daemon-reload")
    results = json.loads(message.removeprefix("PROBE "))
    assert {name for name, error in results.items() if not error} == ALLOWED[unit], results
    for name in "write /usr", "write /etc":
        assert "Read-only file system" in results[name], results  # not merely the permissions of the file


def test_no_way_out_of_the_shares(lab, ft, alpha, beta):
    """Links that lead out, and files and directories that become such links after they were published."""
    secret = content(50_000, seed=3)
    alpha.write("/srv/private/secret.txt", secret)
    alpha.write("/srv/share/dir/secret.txt", secret)
    alpha.write("/srv/share/file.txt", secret)
    alpha.sh("ln -s /srv/private/secret.txt /srv/share/link.txt; ln -s /srv/private /srv/share/linked; "
             "ln -s /etc/passwd /srv/share/passwd; chmod -R a+rX /srv")
    alpha.ctl("rescan", check=True)
    alpha.wait_published("/srv/share/dir/secret.txt")
    alpha.wait_published("/srv/share/file.txt")
    shared = {path for path, _, state, _ in alpha.peer("Shares") if state == "published"}
    assert shared == {"/srv/share/notes-alpha.txt", "/srv/share/dir/secret.txt", "/srv/share/file.txt"}
    for name in "link", "passwd":
        assert beta.search("--exact", name) == []
    root = beta.search("--exact", "secret.txt")[0]["root"]

    # What is asked for is named by the asker: nothing but what is in the table is there.
    for name in "../private/secret", "/srv/private/secret", "dir/../../private/secret", "link", "linked/secret", "passwd":
        with lab.network():
            wire = Wire(5556, alpha.address)
        with wire:
            wire.send(f"DOWNLOAD: {name}, txt, {len(secret)}\n")
            assert wire.recv_all() == b"", name
    for path in "/file/../../etc/passwd", f"/file/{root}/../../../etc/passwd%00", "/etc/passwd", "//etc/passwd":
        answer = lab.run("curl", "-sS", "--path-as-is", "-w", "%{http_code}", f"http://{alpha.address}:5556{path}").stdout
        assert answer[-3:] in ("400", "404") and "root:" not in answer, (path, answer)

    # The same file lies outside now, and a link is where it was, before the next walk can have seen it or after.
    alpha.sh("mv /srv/share/dir /srv/moved; ln -s /srv/moved /srv/share/dir; "
             "mv /srv/share/file.txt /srv/file.txt; ln -s /srv/file.txt /srv/share/file.txt")
    for name in "secret", "file":
        with lab.network():
            wire = Wire(5556, alpha.address)
        with wire:
            wire.send(f"DOWNLOAD: {name}, txt, {len(secret)}\n")
            assert wire.recv_all() == b"", name
    url = f"http://{alpha.address}:5556/file/{root}/secret.txt"
    assert lab.run("curl", "-sS", "-o", "/dev/null", "-w", "%{http_code}", url).stdout == "404"
