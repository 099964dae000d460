# SPDX-License-Identifier: MIT
"""What README.md tells a newcomer to do, word for word, on a machine on which nobody has done anything yet."""

import contextlib
import pathlib
import subprocess
import threading

import pytest
from harness import wait_for
from machines import USER, Failed
from readme import Readme

SEE, INSTALL = "See it work", "Install it"


class Listening(threading.Thread):
    """Where the programs of ours on a Root listen, as long as this is entered: local addresses."""

    def __init__(self, root):
        super().__init__(daemon=True)
        self.namespace = pathlib.Path(f"/proc/{root.pid}/ns/pid").readlink()
        self.seen, self.over = set(), threading.Event()

    def run(self):
        while not self.over.wait(0.1):
            sockets = subprocess.run(["ss", "-Hltnp"], check=False, capture_output=True, text=True).stdout
            for line in sockets.splitlines():
                address, users = line.split()[3], line.partition("users:")[2]
                for pid in [part.partition(",")[0] for part in users.split("pid=")[1:]]:
                    with contextlib.suppress(FileNotFoundError):
                        if pathlib.Path(f"/proc/{pid}/ns/pid").readlink() == self.namespace:
                            self.seen.add(address)

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        self.join()


def works(host, command):
    """Whether its exit status is 0."""
    return host.script(f"{command} >&2 && echo yes || true").endswith("yes\n")


@pytest.mark.parametrize("user", [USER, "root"])
def test_demo(root, user):
    """With a way to become root, and as root. It listens where nobody else can reach it."""
    with Listening(root) as listening:
        said = root.script(Readme(SEE).take("tests/demo"), user)
    assert "The demo worked" in said
    assert len(listening.seen) >= 3, "p2p-ft and two p2p-peer were not seen"
    assert {address.rpartition(":")[0] for address in listening.seen} == {"127.0.0.1"}


def test_packages(host):
    """From the packages to a peer that has joined, shares and searches."""
    readme = Readme(INSTALL)
    install = readme.take("sudo apt-get update")
    # This is that one machine.
    both = install.replace("     # and on one machine ", " ")
    assert both != install
    host.script(both)
    programs = readme.take(". tests/lib/deps.sh")  # test_without_packages
    host.script("for program in p2p-ft p2p-peer p2pctl; do $program --version; done")

    host.script(readme.take("sudo systemctl enable --now p2p-ft"))
    host.write("/etc/p2pshare.ini", readme.take("[peer]\nft = ft.example.org:5555"))
    host.write("/etc/hosts", f"127.0.0.1 localhost ft.example.org {host}\n")
    host.write("/srv/share/report.txt", "what was found\n")
    start, status = readme.take("sudo systemctl enable --now p2p-peer").rsplit("\n", 1)
    host.script(start)
    assert status == "p2pctl status"
    wait_for(lambda: works(host, status), "the peer to be joined")
    wait_for(lambda: works(host, "p2pctl search --exact report.txt"), "report.txt to be found")

    host.script("mkdir --mode=700 films && echo film >films/film.mkv", where=".")
    host.script(readme.take("sudo p2pctl share add --fix"))
    wait_for(lambda: works(host, "p2pctl search --exact film.mkv"), "film.mkv to be found")
    assert not readme.left, f"README.md tells what is not tried here: {readme.left}"
    assert programs

    # Without tests, and what only these need.
    host.script("sudo dpkg --remove --force-depends libcmocka-dev")
    with pytest.raises(Failed, match="libcmocka-dev"):
        host.script("dpkg-checkbuilddeps")
    host.script("dpkg-checkbuilddeps -P nocheck && debian/rules clean && "
                "DEB_BUILD_OPTIONS=nocheck DEB_BUILD_PROFILES=nocheck debian/rules override_dh_auto_configure")


def test_without_packages(host):
    """Elsewhere, which is shown on Debian, too."""
    host.script(Readme(INSTALL).take(". tests/lib/deps.sh"))
    for program in ("p2p-ft", "p2p-peer", "p2pctl"):
        assert host.script(f"{program} --version").startswith("p2p"), program
    for user in ("p2p-ft", "p2p-peer"):
        host.script(f"getent passwd {user}")
    for unit in ("p2p-ft.service", "p2p-peer.service", "p2p-ft.socket", "p2p-peer.socket"):
        assert host.show(unit, "LoadState") == "loaded", unit
