// SPDX-License-Identifier: MIT

#include "ctl/failure.h"

#include <string.h>

#include "bus/names.h"
#include "ctl/output.h"
#include "ctl/peer-info.h"

static void failure_hint_local_bus(const Ctl *ctl, int r) {
    const char *address =
        getenv(ctl->user ? "DBUS_SESSION_BUS_ADDRESS" : "DBUS_SYSTEM_BUS_ADDRESS");

    if (ctl->user && r == -ENOMEDIUM)
        ctl_hint("Log in as that user, or try: dbus-run-session -- sh");
    else if (address)
        ctl_hint("Is this right? %s=%s",
                 ctl->user ? "DBUS_SESSION_BUS_ADDRESS" : "DBUS_SYSTEM_BUS_ADDRESS", address);
    else if (!ctl->user)
        ctl_hint("Try: systemctl start dbus, or p2pctl --user for a p2p-peer of your own");
}

ExitStatus bus_unreachable(const Ctl *ctl, int r) {
    // ssh prints its own error. All that shows here is a closed pipe.
    if (ctl->host && (r == -ENOTCONN || r == -ECONNRESET || r == -EPIPE))
        ctl_error("cannot reach the system bus of %s by ssh.", ctl->host);
    else if (ctl->host)
        ctl_error("cannot reach the system bus of %s by ssh: %s.", ctl->host, strerror(-r));
    else if (ctl->user && r == -ENOMEDIUM)
        ctl_error("there is no session bus here: neither DBUS_SESSION_BUS_ADDRESS nor "
                  "XDG_RUNTIME_DIR is set.");
    else
        ctl_error("cannot reach the %s bus of this host: %s.", ctl->user ? "session" : "system",
                  strerror(-r));
    if (ctl->host)
        ctl_hint("Try: ssh %s busctl status", ctl->host);
    else
        failure_hint_local_bus(ctl, r);
    return STATUS_UNAVAILABLE;
}

static void failure_hint_systemctl(const Ctl *ctl, const Service *service, const char *lead,
                                   const char *command) {
    const char *option = ctl->host ? "-H " : ctl->user ? "--user " : "";

    ctl_hint("%s: systemctl %s%s%s%s %s", lead, option, ctl->host ?: "", ctl->host ? " " : "",
             command, service->program);
}

static void failure_hint_ft_elsewhere(const Ctl *ctl, const Service *service) {
    if (service == &SERVICE_FT && !ctl->user && !ctl->host && strcmp(ctl->verb, "ft") == 0)
        ctl_hint("It may run on the host that ft in section [peer] names: p2pctl -H HOST ft");
}

bool failure_print_unit(const Ctl *ctl, const Service *service, UnitState state) {
    const char *where = ctl->host ?: ctl->user ? "the session bus" : "this host";

    if (state == UNIT_FAILED || state == UNIT_RESTARTING) {
        ctl_error("%s has failed on %s%s.", service->program, where,
                  state == UNIT_RESTARTING ? ", and systemd is starting it again" : "");
        failure_hint_systemctl(ctl, service, "See", "status");
    } else if (state == UNIT_MASKED) {
        ctl_error("%s is masked on %s, so nothing can start it.", service->program, where);
        failure_hint_systemctl(ctl, service, "Try", "unmask");
    } else if (state == UNIT_ABSENT) {
        ctl_error("%s is not installed on %s.", service->program, where);
        failure_hint_ft_elsewhere(ctl, service);
    } else
        return false;
    return true;
}

static ExitStatus failure_not_running(const Ctl *ctl, const Service *service) {
    if (!(ctl->user && service == &SERVICE_FT) &&
        failure_print_unit(ctl, service, unit_state(ctl->bus, service)))
        return STATUS_UNAVAILABLE;
    if (ctl->host) {
        ctl_error("%s is not running on %s.", service->program, ctl->host);
        failure_hint_systemctl(ctl, service, "Try", "start");
    } else if (ctl->user && service == &SERVICE_FT) {
        // Users have no unit of p2p-ft.
        ctl_error("%s is not running on the session bus.", service->program);
        ctl_hint("Try: p2p-ft --user, or p2pctl without --user for the one of the system");
    } else if (ctl->user) {
        ctl_error("%s is not running on the session bus.", service->program);
        ctl_hint(
            "Try: systemctl --user start %s, or p2pctl without --user for the one of the system",
            service->program);
    } else {
        ctl_error("%s is not running on this host.", service->program);
        failure_hint_systemctl(ctl, service, "Try", "start");
        failure_hint_ft_elsewhere(ctl, service);
    }
    return STATUS_UNAVAILABLE;
}

static ExitStatus failure_start_failed(const Ctl *ctl, const Service *service,
                                       const sd_bus_error *error) {
    ctl_error("%s is not running, and could not be started: %s", service->program,
              error->message ?: error->name);
    failure_hint_systemctl(ctl, service, "See", "status");
    return STATUS_UNAVAILABLE;
}

static ExitStatus failure_denied(const Ctl *ctl, const Service *service,
                                 const sd_bus_error *error) {
    // Only the daemon's own text helps the user; that of sd-bus does not.
    bool by_daemon = service == &SERVICE_PEER && error->message && *error->message;

    if (sd_bus_error_has_name(error, SD_BUS_ERROR_INTERACTIVE_AUTHORIZATION_REQUIRED))
        ctl_error("p2pctl %s needs the password of an administrator, but cannot ask for it here.",
                  ctl->verb);
    else if (by_daemon)
        ctl_error_sentence("permission denied", error->message);
    else
        ctl_error("permission denied: only root and the user of %s may use p2pctl %s.",
                  service->program, ctl->verb);
    if (by_daemon && !ctl->user)
        ctl_hint("Ask an administrator to add you to the group p2pshare: sudo usermod -aG p2pshare "
                 "\"$USER\"");
    if (ctl->user || ctl->host)
        return STATUS_FAILED;
    if (service == &SERVICE_PEER)
        ctl_hint("Or use sudo, or a p2p-peer of your own: p2pctl --user %s", ctl->verb);
    else
        ctl_hint("Try again with sudo.");
    return STATUS_FAILED;
}

const char *config_hint(const Ctl *ctl) {
    return ctl->user ? "~/.config/p2pshare.ini, then: systemctl --user reload p2p-peer"
                     : CONFIG_PATH ", then: systemctl reload p2p-peer";
}

static ExitStatus failure_not_joined(Ctl *ctl, const sd_bus_error *error) {
    _cleanup_(sd_bus_error_free) sd_bus_error ignored = SD_BUS_ERROR_NULL;
    _cleanup_(peer_info_clear) PeerInfo peer = {};
    _cleanup_free_ char *host = NULL;

    if (peer_info_get(ctl->bus, &peer, &ignored) < 0 || !(host = host_of(peer.file_tracker))) {
        ctl_error("this peer is not joined: %s", error->message ?: error->name);
        ctl_hint("See %s", config_hint(ctl));
        return STATUS_UNAVAILABLE;
    }
    if (strcmp(peer.state, "left") == 0) {
        ctl_error("this peer has left %s. Join again: p2pctl join", host);
        return STATUS_UNAVAILABLE;
    }
    if (*peer.reason)
        ctl_error("this peer is not joined to %s: %s", host, peer.reason);
    else
        ctl_error("this peer is not joined to %s (%s).", host, peer.state);
    if (strcmp(peer.state, "idle") == 0)
        ctl_hint("See %s", config_hint(ctl));
    else
        ctl_hint("It tries again by itself. See: p2pctl status");
    return STATUS_UNAVAILABLE;
}

ExitStatus error_status(const char *name) {
    static const struct {
        const char *name;
        ExitStatus status;
    } table[] = {
        {BUS_ERROR_NOT_JOINED, STATUS_UNAVAILABLE},   {BUS_ERROR_NOT_FOUND, STATUS_NOTHING},
        {BUS_ERROR_NO_SUCH_TRANSFER, STATUS_NOTHING}, {BUS_ERROR_INVALID_NAME, STATUS_USAGE},
        {BUS_ERROR_INVALID_OPTION, STATUS_USAGE},
    };

    for (size_t i = 0; i < ELEMENTSOF(table); i++)
        if (name && strcmp(name, table[i].name) == 0)
            return table[i].status;
    return STATUS_FAILED;
}

static bool failure_is_any(const char *name, const char *const *names) {
    for (; *names; names++)
        if (strcmp(name, *names) == 0)
            return true;
    return false;
}

// Handles errors of the bus. Returns false if the error comes from the daemon.
static bool failure_transport_failed(Ctl *ctl, const Service *service, const sd_bus_error *error,
                                     ExitStatus *ret) {
    static const char *const absent[] = {
        SD_BUS_ERROR_SERVICE_UNKNOWN,
        SD_BUS_ERROR_NAME_HAS_NO_OWNER,
        "org.freedesktop.systemd1.NoSuchUnit",
        NULL,
    };
    static const char *const refused[] = {
        SD_BUS_ERROR_ACCESS_DENIED,
        SD_BUS_ERROR_INTERACTIVE_AUTHORIZATION_REQUIRED,
        SD_BUS_ERROR_AUTH_FAILED,
        NULL,
    };
    static const char *const other_version[] = {
        SD_BUS_ERROR_UNKNOWN_METHOD, SD_BUS_ERROR_UNKNOWN_INTERFACE, SD_BUS_ERROR_UNKNOWN_PROPERTY,
        SD_BUS_ERROR_UNKNOWN_OBJECT, SD_BUS_ERROR_INVALID_ARGS,      NULL,
    };
    const char *name = error->name;

    if (failure_is_any(name, absent))
        *ret = failure_not_running(ctl, service);
    else if (strncmp(name, "org.freedesktop.DBus.Error.Spawn.", 33) == 0 ||
             strncmp(name, "org.freedesktop.systemd1.", 25) == 0 ||
             strcmp(name, "org.freedesktop.DBus.Error.TimedOut") == 0)
        *ret = failure_start_failed(ctl, service, error);
    else if (failure_is_any(name, refused))
        *ret = failure_denied(ctl, service, error);
    else if (strcmp(name, SD_BUS_ERROR_NO_REPLY) == 0 || strcmp(name, SD_BUS_ERROR_TIMEOUT) == 0) {
        ctl_error("%s did not answer: %s.", service->program, error->message ?: "no reply");
        ctl_hint("Try: systemctl %sstatus %s", ctl->user ? "--user " : "", service->program);
        *ret = STATUS_UNAVAILABLE;
    } else if (failure_is_any(name, other_version)) {
        ctl_error("%s and this p2pctl (%s) are not of the same version: %s", service->program,
                  VERSION, error->message ?: name);
        *ret = STATUS_FAILED;
    } else
        return false;
    return true;
}

ExitStatus bus_failed(Ctl *ctl, const Service *service, const sd_bus_error *error, int r) {
    ExitStatus status;

    if (r == -ENOMEM)
        return fail_memory();
    // sd-bus makes "System.Error.…" of an errno.
    if (!sd_bus_error_is_set(error) || ((r == -ECONNRESET || r == -ENOTCONN || r == -EPIPE) &&
                                        strncmp(error->name, "System.Error.", 13) == 0)) {
        if (r == -EBADMSG || r == -ENXIO || r == -EINVAL)
            return fail_errno(r, "cannot read the answer of %s", service->program);
        return bus_unreachable(ctl, r);
    }
    if (strcmp(error->name, BUS_ERROR_NOT_JOINED) == 0)
        return failure_not_joined(ctl, error);
    if (failure_transport_failed(ctl, service, error, &status))
        return status;
    ctl_error_sentence("", error->message && *error->message ? error->message : error->name);
    if (strcmp(error->name, BUS_ERROR_TOO_MANY) == 0)
        ctl_hint("Cancel some of them first: p2pctl transfers, then: p2pctl cancel ID");
    else if (strcmp(error->name, BUS_ERROR_NO_SUCH_TRANSFER) == 0)
        ctl_hint("See: p2pctl transfers");
    return error_status(error->name);
}
