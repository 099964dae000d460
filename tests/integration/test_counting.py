# SPDX-License-Identifier: MIT
"""The last line of tests/run counts single tests: tests/lib/count-tests adds up what cmocka, pytest and meson say."""

import json
import subprocess

import pytest
from harness import SOURCE

CMOCKA = """[==========] Running 4 test(s).
[ RUN      ] test_a
[       OK ] test_a
[==========] 4 test(s) run.
[  PASSED  ] 2 test(s).
[  SKIPPED ] 1 test(s), listed below:
[  SKIPPED ] test_c
[  FAILED  ] 1 test(s), listed below:
[  FAILED  ] test_d
"""
GROUPS = "[  PASSED  ] 2 test(s).\n[  PASSED  ] 3 test(s).\n"
PYTEST = "..s.F [100%]\nSKIPPED [1] test_x.py:1: 9 passed in 3 words\n1 failed, 3 passed, 1 skipped, 2 warnings in 63.01s (0:01:03)\n"
ERRORS = "=== 2 passed, 1 error in 0.10s ===\n"

RUNS = {
    "cmocka": ({"result": "FAIL", "stdout": CMOCKA}, (2, 1, 1)),
    "cmocka on both streams": ({"result": "OK", "stdout": "[==========]\n", "stderr": GROUPS}, (5, 0, 0)),
    "pytest": ({"result": "FAIL", "stdout": PYTEST}, (3, 1, 1)),
    "pytest that had no fixture": ({"result": "FAIL", "stdout": ERRORS}, (2, 1, 0)),
    "all of a program skipped": ({"result": "OK", "stdout": "ss\n2 skipped in 0.1s\n"}, (0, 0, 2)),
    "a crash": ({"result": "FAIL", "stdout": "[ RUN      ] test_a\n"}, (0, 1, 0)),
    "a crash behind its tests": ({"result": "FAIL", "stdout": GROUPS}, (5, 1, 0)),
    "a timeout": ({"result": "TIMEOUT"}, (0, 1, 0)),
    "a program without a count": ({"result": "OK", "stdout": "corpus/x\n"}, (1, 0, 0)),
    "meson's own skip": ({"result": "SKIP"}, (0, 0, 1)),
}


def count(kind, path):
    out = subprocess.run([SOURCE / "tests/lib/count-tests", kind, path], check=True, capture_output=True, text=True).stdout
    return tuple(map(int, out.split()))


@pytest.mark.parametrize("name", RUNS)
def test_a_run(tmp_path, name):
    run, expected = RUNS[name]
    (tmp_path / "log").write_text(json.dumps(run) + "\n")
    assert count("meson", tmp_path / "log") == expected


def test_sum(tmp_path):
    (tmp_path / "log").write_text("".join(json.dumps(run) + "\n" for run, _ in RUNS.values()))
    assert count("meson", tmp_path / "log") == tuple(map(sum, zip(*(expected for _, expected in RUNS.values()))))


def test_report_of_pytest(tmp_path):
    (tmp_path / "report").write_text('<testsuites><testsuite tests="9" failures="1" errors="1" skipped="3"/></testsuites>')
    assert count("pytest", tmp_path / "report") == (4, 2, 3)


@pytest.mark.parametrize("kind", ["meson", "pytest"])
@pytest.mark.parametrize("text", [None, "", "{"])
def test_nothing_has_run(tmp_path, kind, text):
    """An empty log of meson is one without tests; anything else is a failure."""
    if text is not None:
        (tmp_path / "log").write_text(text)
    assert count(kind, tmp_path / "log") == ((0, 0, 0) if (kind, text) == ("meson", "") else (0, 1, 0))
