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

# Whether what src/ includes lies below it.
check_includes() {
    tests/lib/include-graph
}

check_xml() {
    xmllint --noout --nonet dbus/*.xml dbus/*.conf dbus/*.policy
}

# check_units BUILD-DIRECTORY: the units that were made there, with the programs that were made
# there.
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

# check_deps PACKAGE...: what the build needs stands in debian/control, too, besides what each build
# of a package has anyway.
check_deps() {
    diff <(printf '%s\n' "$@" | grep -vxE 'gcc|libc6-dev|ninja-build|systemd|systemd-dev' | sort) \
        <(sed -n '/^Build-Depends:/,/^[^ ]/s/^ \([a-z0-9-]*\).*,$/\1/p' debian/control |
            grep -vxE 'debhelper-compat|libcmocka-dev|systemd-dev' | sort)
}

# count_tests meson|pytest FILE: prints "PASSED FAILED SKIPPED" of single tests.
count_tests() {
    tests/lib/count-tests "$@"
}
