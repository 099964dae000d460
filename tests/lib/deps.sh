# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# What p2pshare needs from Debian 12 or 13, and how to install what is missing. To be sourced.
# check_deps (checks.sh) holds debian/control to deps_build; tests/fresh tries all of it on an empty
# machine.

# shellcheck disable=SC2034 # for tests/fresh
supported_releases=(bookworm trixie)

# All that the programs need to be built.
deps_build=(
    gcc libc6-dev meson ninja-build pkgconf scdoc
    libsystemd-dev libinih-dev libsodium-dev libunistring-dev libssl-dev libsqlite3-dev
    libjansson-dev libacl1-dev uthash-dev
)
# Only Debian's amd64 has it; elsewhere the build does without it.
if [ "$(uname -m)" = x86_64 ]; then
    deps_build+=(libipsec-mb-dev)
fi
# systemd.pc, which says where units go: a package of its own since Debian 13.
# shellcheck source=/dev/null
if [ "$(. /etc/os-release && echo "${ID-}${VERSION_ID-}")" = debian12 ]; then
    deps_build+=(systemd)
else
    deps_build+=(systemd-dev)
fi
# Runs the programs: each peer has a bus of its own.
deps_demo=("${deps_build[@]}" dbus-daemon)
# shellcheck disable=SC2034 # for tests/fresh
deps_fresh=(
    debootstrap
    iproute2 python3-pytest systemd-container util-linux # boots the machines
)
# shellcheck disable=SC2034 # for tests/run
deps_tests=(
    "${deps_demo[@]}" "${deps_fresh[@]}"
    clang clang-format clang-tidy libclang-rt-dev libcmocka-dev
    python3
    libglib2.0-bin # gdbus, which names errors
    python3-dbus python3-gi # a fake daemon
    python3-libtorrent # roots by another implementation
    python3-prometheus-client # a reader of OpenMetrics
    procps  # ps, for what a daemon uses
    systemd # busctl, systemd-analyze
    dbus dbus-user-session libpam-systemd polkitd pkexec acl # hosts
    build-essential debhelper dpkg-dev lintian # what the hosts install
    aria2 curl wget # other clients
    git # tests/fresh clones the tree
    libxml2-utils shellcheck
)

# deps_install PACKAGE...: installs those that are missing; touches nothing where none is. On
# another system than Debian it says what is needed and goes on.
deps_install() {
    local package missing=() root=()

    if ! command -v apt-get >/dev/null || ! command -v dpkg-query >/dev/null; then
        echo "No apt here. What is needed, by its Debian name: $*" >&2
        return 0
    fi
    for package in "$@"; do
        # shellcheck disable=SC2016 # dpkg-query's variable, not the shell's
        dpkg-query -W -f '${db:Status-Status}\n' "$package" 2>/dev/null | grep -qx installed ||
            missing+=("$package")
    done
    [ ${#missing[@]} -gt 0 ] || return 0

    if [ "$(id -u)" -ne 0 ]; then
        if ! command -v sudo >/dev/null; then
            echo "Missing, and neither root nor sudo to install them. As root:" >&2
            echo "    apt-get install ${missing[*]}" >&2
            return 1
        fi
        root=(sudo)
    fi
    echo "Installing ${missing[*]}"
    "${root[@]}" apt-get -qq update || return 1
    "${root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -qq -y --no-install-recommends \
        -o Dpkg::Use-Pty=0 install "${missing[@]}" </dev/null >/dev/null || return 1
}

# Debian's meson is a script for Debian's python3, and ninja calls it again.
deps_path() {
    PATH=/usr/bin:/bin:$PATH
    export PATH
}
