# SPDX-License-Identifier: MIT
"""TCP ports that no other program gets, and what the kernel says of a port's connections."""

import socket


class Port:
    """A port of 127.0.0.1 that no other program gets while this object exists. It stays bound with
    SO_REUSEADDR and without listen(), so that a daemon can listen on it repeatedly."""

    def __init__(self, host="127.0.0.1"):
        self.socket = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind((host, 0))
        self.number = self.socket.getsockname()[1]

    def __int__(self):
        return self.number

    def __str__(self):
        return str(self.number)

    def close(self):
        self.socket.close()


_ports = []  # held until the end of the process


def free_port(host="127.0.0.1"):
    """A free port number. This process gets it once, and no other process can take it."""
    port = Port(host)
    _ports.append(port)
    return port.number


def endpoint(host, port):
    """Formats ADDRESS:PORT."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def connections(port):
    """Lists the kernel's TCP connections with that port on one side: [(local port, remote port,
    unacknowledged bytes, unread bytes)]."""
    with open("/proc/net/tcp") as table:
        lines = [line.split() for line in table.readlines()[1:]]
    rows = [(*(int(line[i].split(":")[1], 16) for i in (1, 2)), *(int(n, 16) for n in line[4].split(":")))
            for line in lines if line[3] == "01"]
    return [row for row in rows if port in row[:2]]
