# SPDX-License-Identifier: MIT
"""Completion of the shells: what p2pctl says may come next, and that bash evaluates none of it."""

import os
import re
import shlex
import subprocess

import pytest

from harness import SOURCE, ScriptedServer, check, clean_env, ctl, program, record, silent
from test_share import home, peer as own_peer, share  # noqa: F401 (fixtures)

COMPLETION = SOURCE / "src/ctl/completion"
HOSTILE = "$(touch evil) `touch evil`;touch evil"


def complete(bus, *words, **options):
    """The first line, which says what is completed; and the candidates."""
    lines = check(ctl(bus, "__complete", *words, **options), 0).stdout.splitlines()
    assert all("\t" in line for line in lines[1:])
    return lines[0], [line.split("\t")[0] for line in lines[1:]]


def test_verbs_and_options(bus):
    kind, verbs = complete(bus, "")
    assert kind == "words" and {"status", "share", "help"} < set(verbs) and "__complete" not in verbs
    assert complete(bus, "search", "--m") == ("words", ["--min-size=", "--max-size="])
    assert complete(bus, "share", "remove", "--f") == ("words", [])
    assert complete(bus, "share", "add", "--f") == ("words", ["--fix"])
    assert complete(bus, "verify", "--o") == ("words", []) and complete(bus, "verify", "--ro") == ("words", ["--root="])
    assert complete(bus, "config", "r") == ("words", ["reload"])
    assert complete(bus, "metrics", "--output=/") == ("files", [])
    assert complete(bus, "-H", "") == ("hosts", [])


def test_manual_has_all(bus):
    """The table of options and verbs, and the manual."""
    manual = (SOURCE / "man/p2pctl.1.scd").read_text()
    shown = check(ctl(None, "--help"), 0).stdout
    options = set(re.findall(r"--[a-z-]+", " ".join(complete(bus, "-")[1])))
    assert options == set(re.findall(r"^ +(?:-\w, )?(--[a-z-]+)", shown, re.M))
    assert options == set(re.findall(r"\*(--[a-z-]+)\*", re.search("^# OPTIONS$(.*?)^# ", manual, re.M | re.S)[1]))
    verbs = re.search("^# VERBS$(.*?)^# ", manual, re.M | re.S)[1]
    assert set(complete(bus, "")[1]) == set(re.findall(r"^\*([a-z]+)[ *]", verbs, re.M))


def test_transfers(world, ft, peer):
    source = world.server(ScriptedServer(silent))
    wire = ft.join(record("slow", "bin", 1000, source.port))
    transfer = peer.download("slow.bin")
    transfer.wait("waiting")
    for verb in ("cancel", "pause", "resume"):
        assert complete(peer.bus, verb, "") == ("words", [str(transfer.get("Id"))])
    assert complete(peer.bus, "cancel", "x") == ("words", [])
    check(peer.ctl("cancel", transfer.get("Id")), 0)
    assert complete(peer.bus, "cancel", "") == ("words", [])
    assert ctl(None, "__complete", "cancel", "").stdout == "words\n"
    wire.close()


def test_shares(world, own_peer, home, share):  # noqa: F811
    data = world.directory("data")
    names = ["plain", "with space", HOSTILE.replace(" ;", ";")]
    for name in names:
        (data / name).mkdir()
        check(share("add", data / name), 0)
    kind, paths = complete(own_peer.bus, "--user", "share", "remove", "", env={"HOME": str(home)})
    assert kind == "paths" and sorted(paths) == sorted(str(data / name) for name in names)


# What bash-completion would do for these words, so that the test needs no bash-completion.
STUBS = """
_init_completion() { words=("${COMP_WORDS[@]}") cword=$COMP_CWORD cur=${COMP_WORDS[COMP_CWORD]} prev=; }
_filedir() { COMPREPLY=("<files $cur>"); }
_known_hosts_real() { COMPREPLY=("<hosts>"); }
__ltrim_colon_completions() { :; }
complete() { :; }
compopt() { :; }
"""


def in_bash(tmp, words, answer=None):
    """COMPREPLY for these words, with p2pctl or with one that answers so."""
    tool = f"printf %s {shlex.quote(answer)}" if answer else f'{shlex.quote(str(program("p2pctl")))} "$@"'
    script = f"""{STUBS}
p2pctl() {{ {tool}; }}
. {COMPLETION}/p2pctl.bash
COMP_WORDS=({shlex.join(words)}) COMP_CWORD={len(words) - 1}
_p2pctl
printf '%s\\n' "${{COMPREPLY[@]}}"
"""
    result = subprocess.run(["bash", "--norc", "-c", script], cwd=tmp, env=clean_env(), capture_output=True, text=True,
                            timeout=60, check=False)
    assert result.returncode == 0 and result.stderr == "", result
    return result.stdout.splitlines()


@pytest.mark.parametrize("words, expected", [
    (["p2pctl", "sea"], ["search"]), (["p2pctl", "search", "--ex"], ["--exact"]),
    (["p2pctl", "config", "check", "x"], ["<files x>"]), (["p2pctl", "-H", ""], ["<hosts>"]), (["p2pctl", "status", ""], [""]),
])
def test_bash(tmp_path, words, expected):
    assert in_bash(tmp_path, words) == expected


@pytest.mark.parametrize("kind", ["words", "paths"])
def test_bash_evaluates_nothing(tmp_path, kind):
    """A path is quoted, so that the finished command line names it and runs nothing else."""
    shown, = in_bash(tmp_path, ["p2pctl", "share", "remove", "/srv"], f"{kind}\n/srv/{HOSTILE}\t{HOSTILE}\n")
    assert os.listdir(tmp_path) == []
    if kind == "paths":
        assert shlex.split(shown) == [f"/srv/{HOSTILE}"]
        subprocess.run(["bash", "--norc", "-c", f"echo {shown}"], cwd=tmp_path, check=True, capture_output=True, timeout=60)
        assert os.listdir(tmp_path) == []


def test_scripts_do_not_evaluate():
    for name in ("p2pctl.bash", "_p2pctl"):
        code = re.sub("^ *#.*$", "", (COMPLETION / name).read_text(), flags=re.M)
        assert not re.search(r"\beval\b|compgen|_call_program|compadd.* -Q|\(e\)", code)
