# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# shellcheck disable=SC2034 # sets variables for whoever sources it
# A bus of one's own: nothing of the system's is touched. To be sourced.

# private_bus_start DIRECTORY: starts a bus whose files are in there, and sets bus_address and
# bus_pid. It starts no services: what talks on it was started by hand.
private_bus_start() {
    local dir=$1

    mkdir -p "$dir" || return 1
    cat >"$dir/bus.conf" <<CONF
<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>system</type>
  <listen>unix:path=$dir/bus</listen>
  <auth>EXTERNAL</auth>
  <policy context="default">
    <allow user="*"/>
    <allow own="*"/>
    <allow send_destination="*" eavesdrop="true"/>
    <allow receive_sender="*" eavesdrop="true"/>
  </policy>
</busconfig>
CONF
    mkfifo "$dir/address" || return 1
    dbus-daemon --config-file="$dir/bus.conf" --nofork --nosyslog --print-address=3 \
        3>"$dir/address" 2>"$dir/bus.log" </dev/null &
    bus_pid=$!
    # It writes the address once it listens; if it dies instead, this ends too.
    if ! read -r bus_address <"$dir/address"; then
        cat "$dir/bus.log" >&2
        return 1
    fi
}

# free_port: sets port to one of 127.0.0.1 that nobody listens on and that this did not give before.
declare -A free_port_given=()
free_port() {
    local i

    for ((i = 0; i < 100; i++)); do
        port=$((20000 + RANDOM % 10000))
        [ -z "${free_port_given[$port]:-}" ] || continue
        if ! (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; then
            free_port_given[$port]=yes
            return 0
        fi
    done
    echo "No free port between 20000 and 30000 on 127.0.0.1" >&2
    return 1
}
