# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# The checks of tests/run that need no program of ours to run. To be sourced at the top of the tree.
# Each says what is wrong and returns non-zero.

check_format() {
    find src tests -name '*.[ch]' -print0 | xargs -0 clang-format --dry-run --Werror
}

# Everything with a shell in its first line, and what these source.
check_scripts() {
    local scripts

    mapfile -t scripts < <(grep -rIlE '^(#!/bin/(ba)?sh|# shellcheck shell=)' \
        .ci conf debian src tests)
    shellcheck --external-sources --source-path=. "${scripts[@]}"
}

check_xml() {
    xmllint --noout --nonet dbus/*.xml dbus/*.conf dbus/*.policy
}

# check_units BUILD-DIRECTORY: the units that were made there, with the programs that were made there.
check_units() {
    local build dir ok=0

    build=$(realpath "$1")
    dir=$(mktemp -d) || return 1
    mkdir "$dir/system" "$dir/user"
    cp systemd/p2p-peer.user.socket "$dir/user/p2p-peer.socket"
    cp systemd/p2p-ft.socket systemd/p2p-peer.socket systemd/p2pshare-metrics.timer "$dir/system"
    for unit in p2p-ft p2p-peer p2pshare-metrics; do
        sed -E "s,^(Exec[A-Za-z]*=)[^ ]*/,\1$build/src/," "$build/systemd/$unit.service" \
            >"$dir/system/$unit.service"
    done
    sed -E "s,^(Exec[A-Za-z]*=)[^ ]*/,\1$build/src/," "$build/systemd/p2p-peer.user.service" \
        >"$dir/user/p2p-peer.service"

    systemd-analyze verify --man=no "$dir"/system/* || ok=1
    XDG_RUNTIME_DIR=$dir systemd-analyze --user verify --man=no "$dir"/user/* || ok=1
    for unit in p2p-ft p2p-peer; do
        # At most 1.5 of 10 that the sandbox leaves open.
        systemd-analyze security --no-pager --offline=yes --threshold=15 \
            "$dir/system/$unit.service" >"$dir/security" || ok=1
        tail -n 1 "$dir/security"
    done
    rm -rf "$dir"
    return $ok
}

# count_meson_tests TESTLOG: prints "PASSED FAILED SKIPPED". No log: there were no tests.
count_meson_tests() {
    [ -e "$1" ] || {
        echo "0 0 0"
        return
    }
    python3 - "$1" <<'PYTHON'
import json, sys

passed = failed = skipped = 0
for line in open(sys.argv[1]):
    result = json.loads(line)["result"]
    if result in ("OK", "EXPECTEDFAIL"):
        passed += 1
    elif result == "SKIP":
        skipped += 1
    else:
        failed += 1
print(passed, failed, skipped)
PYTHON
}

# count_pytest REPORT: the same, of a report that pytest has written (--junitxml). No report: it did not get that far.
count_pytest() {
    python3 - "$1" <<'PYTHON'
import sys
import xml.etree.ElementTree

try:
    suite = xml.etree.ElementTree.parse(sys.argv[1]).getroot().find("testsuite")
    total, failed, errors, skipped = (int(suite.get(key)) for key in ("tests", "failures", "errors", "skipped"))
    print(max(total - failed - errors - skipped, 0), failed + errors, skipped)
except (OSError, xml.etree.ElementTree.ParseError):
    print(0, 1, 0)
PYTHON
}
