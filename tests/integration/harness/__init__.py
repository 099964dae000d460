# SPDX-License-Identifier: MIT
"""The real programs on a private bus, and raw sockets to talk to them.

These are the names that most tests need. Everything else is imported from the module where it
lives, for example harness.swarm, harness.service_manager or harness.fake_polkit."""

from harness.bus import ERROR, FT, FT_PATH, PEER, PEER_PATH, TRANSFER, BusError
from harness.daemons import ini_text
from harness.environment import NOBODY, SOURCE, clean_env, program
from harness.fake_ft import FakeFt
from harness.files import content
from harness.p2pctl import check, ctl, ctl_argv, document
from harness.ports import Port, free_port
from harness.process import Process, as_user, memory, run
from harness.records import found, record
from harness.scripted import ScriptedServer, fake_source, silent
from harness.waiting import DEADLINE, wait_for
from harness.wire import Wire
from harness.world import World

__all__ = [
    "DEADLINE", "ERROR", "FT", "FT_PATH", "NOBODY", "PEER", "PEER_PATH", "SOURCE", "TRANSFER",
    "BusError", "FakeFt", "Port", "Process", "ScriptedServer", "Wire", "World", "as_user",
    "check", "clean_env", "content", "ctl", "ctl_argv", "document", "fake_source", "found",
    "free_port", "ini_text", "memory", "program", "record", "run", "silent", "wait_for",
]
