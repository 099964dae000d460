# SPDX-License-Identifier: MIT
"""Peers do not notice a restart of p2p-ft. harness.service_manager takes the place of systemd."""

import fcntl
import os
import resource
import signal
import socket
import struct

import pytest

from harness import Process, Wire, clean_env, free_port, record, wait_for
from harness.merkle import root_of
from harness.ports import connections
from harness.service_manager import ManagedFt

SEALS = fcntl.F_SEAL_SEAL | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_WRITE
STORED = ["p2p-ft-listen", "p2p-ft-sessions", "p2p-ft-state"]


@pytest.fixture
def ft(world):
    return world.ft(kind=ManagedFt, probe="no")


def restart(ft, sessions):
    """Restarts FT and checks that so many sessions went on."""
    ft.restart()
    match = ft.wait_log(r"(?s).*\b(\d+) of \d+ sessions go on")
    assert int(match[1]) == sessions, ft.log
    # What has been taken over lies in no store any more.
    wait_for(lambda: ft.names() == ["p2p-ft-listen"], "the store to be cleared")


def memfd(data, seals=SEALS):
    fd = os.memfd_create("test", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    os.write(fd, data)
    fcntl.fcntl(fd, fcntl.F_ADD_SEALS, seals)
    return fd


def state_of(ft):
    fd = ft.fd("p2p-ft-state")
    return os.pread(fd, os.fstat(fd).st_size, 0)


def test_sessions_go_on(ft):
    """Records, syntax and sessions are the same as before, and FT accepts new ones."""
    wire = ft.join(record("report", "txt", 11, 5556), record("notes.tar", "gz", 5_000_000_000, 5557, "01/02/03"))
    wire.send("FIND: 5, , 0, , rep\n")
    asked = wire.recv_until(b"\n")
    assert asked.startswith(b"MATCHES") and b"report" in asked
    before, peers = ft.lookup("report.txt") + ft.lookup("notes.tar.gz"), ft.peers()
    restart(ft, 1)
    assert ft.lookup("report.txt") + ft.lookup("notes.tar.gz") == before
    assert ft.peers() == peers
    wire.send("SEARCH: report.txt\n")
    wire.expect("FOUND: <txt, 11, 23/11/26, 127.0.0.1, 5556>\n")
    wire.send("FIND: 5, , 0, , rep\n")
    assert wire.recv_until(b"\n") == asked
    wire.send("REMOVE: report, txt, 11\nSEARCH: report\n")
    wire.expect("NOT FOUND\n")
    other = ft.join(record("other", "txt", 1, 5560))
    restart(ft, 2)
    wire.send("BYE\n")
    wire.expect_close()
    ft.wait_lookup("notes.tar.gz", 0)
    other.send("SEARCH: other\n")
    other.expect("FOUND: <txt, 1, 23/11/26, 127.0.0.1, 5560>\n")


def test_words_in_the_middle(ft):
    """Half a line, half a greeting, and what arrives while FT is down."""
    wire, greeting, asking = ft.join(record("a", "txt", 1, 5556)), ft.connect(), ft.connect()
    wire.send("SEARCH: ")
    greeting.send("HEL")
    asking.send("HELLO\n<b, txt, 2, 23/11/26, 127.0.0.1, 55")
    asking.expect("HI\n")
    # FT has read all of it: nothing is left in the sockets.
    wait_for(lambda: ft.get("Peers") == 1 and unread(ft) == 0, "FT to read")
    ft.stop()
    assert ft.names() == STORED
    wire.send("a.txt\n")
    greeting.send("LO\n")
    ft.start()
    wire.expect("FOUND: <txt, 1, 23/11/26, 127.0.0.1, 5556>\n")
    greeting.expect("HI\n")
    asking.send("57>\nSEARCH: b\n")
    asking.expect("FOUND: <txt, 2, 23/11/26, 127.0.0.1, 5557>\n")


def unread(ft):
    """Unread bytes in the sockets of FT's side."""
    return sum(row[3] for row in connections(ft.port) if row[0] == ft.port)


def test_unsent_answers(ft):
    """A peer does not read: after the restart FT sends what it could not send before, and each
    answer once."""
    names = [f"{i}{'n' * 200}" for i in range(10)]
    ft.reload(max_files_per_peer=10, search_rate=0)
    sharer = ft.join(*(record(name, "txt", 1, 5556) for name in names))
    wire = ft.connect()
    wire.send("HELLO\n")
    wire.expect("HI\n")
    # Answers in this syntax have the name, so that each can be told from the others.
    wire.send("<own,127.0.0.1,5570,.txt,23/11/2026,11>\n")
    wait_for(lambda: ft.get("Peers") == 2, "the slow reader")
    answers = [f"FOUND: <{name},127.0.0.1,5556,.txt,23/11/2026,1>\n" for name in names]
    asked = 0
    # Until the kernel takes no more answers, and FT no more searches.
    while ft.get("Memory")["buffers"] < 64 * 1024:
        wire.send("".join(f"SEARCH: {name}.txt\n" for name in names) * 50)
        asked += 50 * len(names)
        wait_for(lambda: ft.get("Searches") == asked or ft.get("Memory")["buffers"] >= 64 * 1024, "FT to answer")
    ft.stop()
    assert b"FOUND: <" in state_of(ft)
    ft.start()
    assert wire.recv_exactly(asked * len(answers[0])).decode() == "".join(answers) * (asked // len(names))
    wire.send("SEARCH: own.txt\n")
    wire.expect("FOUND: <own,127.0.0.1,5570,.txt,23/11/2026,11>\n")
    sharer.close()


def test_raw(ft):
    """RAW peers keep their framing, and half a message waits for its silence again."""
    wire = ft.connect()
    wire.send("HELLO")
    wire.expect("HI")
    wire.send("<notes,127.0.0.1,6604,.txt,23/11/2026,11>;<blob,127.0.0.1,6604,.bin,23/11/2026,3000>")
    ft.wait_lookup("blob.bin")
    restart(ft, 1)
    wire.send("SEARCH: notes.txt")
    wire.expect("FOUND: <notes,127.0.0.1,6604,.txt,23/11/2026,11>")
    wire.send("SEARCH: bl")
    restart(ft, 1)
    wire.send("ob.bin")
    answer = wire.recv_until(b">") if not wire.buffer else wire.buffer
    # The silence may have come before the restart: then there are two messages.
    assert answer == b"FOUND: <blob,127.0.0.1,6604,.bin,23/11/2026,3000>" or answer.startswith(b"NOT FOUND")
    wire.send("BYE")
    ft.wait_lookup("notes.txt", 0)


def test_rooted(ft):
    """Sessions keep their roots, and get KEPT for what was on its way."""
    root = root_of(b"x")
    wire = ft.join(record("a", "txt", 1, 5556, root=root))
    wire.expect("KEPT: 1\n")
    ft.stop()
    wire.send(record("b", "txt", 1, 5556, root=root) + "\n")
    ft.start()
    wire.expect("KEPT: 2\n")
    assert ft.lookup_roots("a.txt") == ft.lookup_roots("b.txt") == [root]
    wire.send("SEARCH: a.txt\n")
    wire.expect(f"FOUND: <txt, 1, 23/11/26, 127.0.0.1, 5556, {root}>\n")


def test_reachable(world):
    """A peer that waits for REACHABLE gets its answer, although FT has to try again."""
    ft = world.ft(kind=ManagedFt)
    with socket.create_server(("127.0.0.1", 0)) as server:
        wire = ft.join(record("a", "txt", 1, server.getsockname()[1], root=root_of(b"x")))
        wire.expect("KEPT: 1\n")
        wait_for(lambda: ft.reachable()[wire.local[1]] == "yes", "FT to try")
        restart(ft, 1)
        assert ft.reachable()[wire.local[1]] == "yes"
        ft.stop()
        wire.send("REACHABLE\n")
        ft.start()
        wire.expect(f"REACHABLE: yes, 127.0.0.1, {server.getsockname()[1]}\n")


def test_reachable_without_records(world):
    """A peer that has removed all its records is published nowhere, but FT knows where it would try
    to connect."""
    ft = world.ft(kind=ManagedFt)
    with socket.create_server(("127.0.0.1", 0)) as server:
        answer = f"REACHABLE: yes, 127.0.0.1, {server.getsockname()[1]}\n"
        wire = ft.join(record("a", "txt", 1, server.getsockname()[1], root=root_of(b"x")))
        wire.expect("KEPT: 1\n")
        wire.send("REACHABLE\n")
        wire.expect(answer)
        wire.send("REMOVE: a, txt, 1\n")
        wire.expect("KEPT: 0\n")
        server.accept()[0].close()
        restart(ft, 1)
        wire.send("REACHABLE\n")
        wire.expect(answer)
        # And where it does when it is asked while there is no FT.
        ft.stop()
        wire.send("REMOVE: a, txt, 1\nREACHABLE\n")
        ft.start()
        wire.expect("KEPT: 0\n" + answer)


def test_peer_stays(world, ft):
    """p2p-peer does not notice."""
    peer = world.peer(ft, [world.file("report.txt")]).joined()
    ft.wait_lookup("report.txt")
    since = peer.get("FileTracker")
    for _ in range(3):
        restart(ft, 1)
        assert peer.state == "joined"
        assert [found[:2] for found in peer.search("report.txt")] == [("report", "txt")]
    assert peer.get("FileTracker") == since
    assert "has ended" not in peer.log and peer.log.count("Joined") == 1


@pytest.fixture
def descriptors():
    """Raises the limit of descriptors as far as possible and returns it."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (before[1], before[1]))
    yield before[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


def test_many_sessions(world, descriptors):
    """More sessions than fit one queue (8096) or one message (253); some peers leave while FT is
    down."""
    count = 8500
    if descriptors < count + 500:
        pytest.skip(f"only {descriptors} file descriptors")
    ft = world.ft(kind=ManagedFt, probe="no", limit_exempt="127.0.0.1", max_handshakes=count)
    wires = [ft.connect() for _ in range(count)]
    for i, wire in enumerate(wires):
        wire.send(f"HELLO\n{record(f'f{i}', 'txt', i + 1, 5556)}\n")
    wait_for(lambda: ft.get("Peers") == count, "all to have joined")
    ft.stop()
    assert ft.names() == ["p2p-ft-listen", "p2p-ft-sessions", "p2p-ft-sessions", "p2p-ft-state"]
    stay = [i for i in range(count) if i % 10]
    for wire in wires[::10]:
        wire.close()
    ft.start()
    wait_for(lambda: ft.get("Peers") == len(stay) == ft.get("Records"), "the others to have left")
    for i in stay:
        wires[i].expect("HI\n")
        wires[i].send(f"SEARCH: f{i}.txt\n")
    for i in stay:
        wires[i].expect(f"FOUND: <txt, {i + 1}, 23/11/26, 127.0.0.1, 5556>\n")


def test_store_too_small(world):
    """FileDescriptorStoreMax= leaves no room for the sockets: the restart is an ordinary one."""
    ft = world.ft(kind=ManagedFt, start=False)
    ft.store_max = 2
    ft.start()
    wires = join_some(ft, 3)
    ft.restart()
    for wire in wires:
        wire.expect_close()
    assert ft.get("Peers") == 0 and ft.get("Records") == 0


def join_some(ft, count):
    wires = [ft.connect() for _ in range(count)]
    for i, wire in enumerate(wires):
        wire.send(f"HELLO\n{record(f'f{i}', 'txt', i + 1, 5556)}\n")
        wire.expect("HI\n")
    wait_for(lambda: ft.get("Peers") == count, f"{count} peers")
    return wires


def test_fewer_peers_allowed(ft):
    """max-peers counts as configured when FT starts: it closes the sessions that joined last."""
    wires = join_some(ft, 10)
    ft.sections["ft"]["max_peers"] = 4
    ft.write_config()
    restart(ft, 4)
    for wire in wires[4:]:
        wire.expect_close()
    assert len(ft.peers()) == 4 and ft.get("Records") == 4
    wires[0].send("SEARCH: f9.txt\nSEARCH: f3.txt\n")
    wires[0].expect("NOT FOUND\nFOUND: <txt, 4, 23/11/26, 127.0.0.1, 5556>\n")


def test_fewer_descriptors(ft):
    """LimitNOFILE= has become too small: FT takes over what it can, and closes the rest."""
    wires = join_some(ft, 300)
    ft.nofile = 200
    ft.restart()
    count = ft.get("Peers")
    assert 0 < count < 200 and ft.get("Records") == count
    ports = {port for _, port, *_ in ft.peers()}
    for i, wire in enumerate(wires):
        if wire.local[1] not in ports:
            wire.expect_close()
            continue
        wire.send(f"SEARCH: f{i}.txt\n")
        wire.expect(f"FOUND: <txt, {i + 1}, 23/11/26, 127.0.0.1, 5556>\n")


def damaged(state, kind):
    """A state that FT must not accept."""
    if kind == "garbage":
        return os.urandom(len(state))
    if kind == "truncated":
        return state[:len(state) - 7]
    if kind == "bit":
        middle = len(state) - 20
        return state[:middle] + bytes([state[middle] ^ 4]) + state[middle + 1:]
    if kind == "version":
        return state[:8] + struct.pack("=I", 0) + state[12:]
    if kind == "short":
        return state[:10]
    raise AssertionError(kind)


@pytest.mark.parametrize("kind", ["garbage", "truncated", "bit", "version", "short", "empty", "unsealed", "socket", "none"])
def test_damaged(world, ft, kind):
    """FT throws away a state that does not parse and closes its sessions; the peers register
    again."""
    peer = world.peer(ft, [world.file("report.txt")]).joined()
    wire = ft.join(record("a", "txt", 1, 5556))
    ft.stop()
    state = state_of(ft)
    if kind == "none":
        os.close(ft.fd("p2p-ft-state"))
        ft.store[:] = [entry for entry in ft.store if entry[0] != "p2p-ft-state"]
    elif kind == "socket":
        ft.replace("p2p-ft-state", os.dup(wire.socket.fileno()))
    elif kind == "empty":
        ft.replace("p2p-ft-state", memfd(b""))
    elif kind == "unsealed":
        ft.replace("p2p-ft-state", memfd(state, fcntl.F_SEAL_GROW))
    else:
        ft.replace("p2p-ft-state", memfd(damaged(state, kind)))
    ft.start()
    ft.wait_log(r"previous p2p-ft \(" + ("another version" if kind == "version" else "damaged"))
    wire.expect_close()
    # It may have been joined still when it was asked: what is found is what FT has now.
    ft.wait_lookup("report.txt")
    peer.joined()
    assert ft.lookup("a.txt") == [] and ft.names() == ["p2p-ft-listen"]
    restart(ft, 1)


def test_swapped(ft):
    """FT closes sockets that do not belong to the state."""
    wire = ft.join(record("a", "txt", 1, 5556))
    stranger = socket.create_server(("127.0.0.1", 0))
    mine = socket.create_connection(stranger.getsockname())
    theirs, _ = stranger.accept()
    ft.stop()
    ours, queue = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    socket.send_fds(ours, [struct.pack("=I", 0)], [theirs.fileno()])
    socket.send_fds(ours, [struct.pack("=I", 7)], [theirs.fileno()] * 3)
    socket.send_fds(ours, [b"x"], [theirs.fileno()])
    ours.send(b"words")
    ours.close()
    ft.replace("p2p-ft-sessions", queue.detach())
    theirs.close()
    ft.start()
    ft.wait_log("0 of 1 sessions go on")
    wire.expect_close()
    Wire(mine).expect_close()
    stranger.close()
    assert ft.get("Records") == 0


def test_stop(ft):
    """After `systemctl stop`, systemd closes what it has stored, and the peers see the end."""
    wire = ft.join(record("a", "txt", 1, 5556))
    ft.stop()
    wire.expect_silence(0.1)
    ft.release()
    wire.expect_close()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", ft.port))
    ft.start()
    assert ft.peers() == [] and "sessions go on" not in ft.log


def test_no_store(world):
    """With FileDescriptorStoreMax=0, systemd's default, a restart ends all sessions."""
    ft = world.ft(kind=ManagedFt, start=False)
    ft.store_max = 0
    ft.start()
    wire = ft.join(record("a", "txt", 1, 5556))
    ft.stop()
    wire.expect_close()
    ft.start()
    assert ft.peers() == []


def test_no_service_manager(world):
    """Without NOTIFY_SOCKET FT stores nothing and waits for nothing."""
    ft = world.ft(start=False)
    process = Process(ft.argv(), ft.log_path, clean_env(**ft.bus.env))
    try:
        process.wait_log("Listening on")
        wire = ft.connect()
        wire.send(f"HELLO\n{record('a', 'txt', 1, 5556)}\nSEARCH: a\n")
        wire.recv_until(b">\n")
        process.signal(signal.SIGTERM)
        wire.expect_close()
        assert process.wait() == 0
        process.check_log()
        assert "systemd" not in process.log
    finally:
        process.kill()


def test_kill(world, ft):
    """After kill -9 the sessions end, no connection is refused meanwhile, and the peers come back
    by themselves."""
    peer = world.peer(ft, [world.file("report.txt")]).joined()
    wire = ft.join(record("a", "txt", 1, 5556))
    ft.wait_lookup("report.txt")
    ft.kill()
    wire.expect_close()
    early = ft.connect()
    early.send("HELLO\n")
    # The peer is there again, too, and says HELLO to nobody. That it waits does not make it try
    # RAW.
    wait_for(lambda: unread(ft) >= 12, "the peer to come back")
    early.expect_silence(1)
    ft.start()
    early.expect("HI\n")
    ft.wait_lookup("report.txt")
    peer.joined()
    assert ft.lookup("a.txt") == []
    assert ft.lookup_roots("report.txt") == [root_of(b"hello body\n")]
    assert [framing for _, _, framing, *_ in ft.peers()] == ["line"]


def test_listen_changes(ft):
    """FT uses the stored socket only while its address is the configured one."""
    port = free_port()
    first = ft.join(record("a", "txt", 1, 5556))
    ft.sections["ft"]["listen"] = f"127.0.0.1:{port}"
    ft.write_config()
    restart(ft, 1)
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", ft.port))
    with Wire(port) as wire:
        wire.send("HELLO\n")
        wire.expect("HI\n")
    ft.port = port
    restart(ft, 1)
    first.send("SEARCH: a.txt\n")
    first.expect("FOUND: <txt, 1, 23/11/26, 127.0.0.1, 5556>\n")
    with Wire(port) as wire:
        wire.send("HELLO\n")
        wire.expect("HI\n")
