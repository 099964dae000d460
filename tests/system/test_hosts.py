# SPDX-License-Identifier: MIT
"""From an empty host to a file that has come over: what README tells an administrator to do."""

from harness import content
from host import peer_config


def test_install_configure_search_download(hosts):
    ft, alpha, beta = hosts
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
    assert beta.sha256("/root/in.pdf") == alpha.sha256("/srv/share/quarter report.pdf")
    assert beta.ctl("download", "nothere.txt").returncode == 3
