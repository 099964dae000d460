// SPDX-License-Identifier: MIT

#include "ctl/connection.h"

#include <string.h>

#include "bus/names.h"
#include "ctl/agent.h"
#include "ctl/find-call.h"
#include "ctl/output.h"
#include "ctl/peer-info.h"
#include "ctl/unit.h"
#include "util/macro.h"
#include "util/time-util.h"

const Service SERVICE_PEER = {"p2p-peer", BUS_PEER_NAME};
const Service SERVICE_FT = {"p2p-ft", BUS_FT_NAME};

// While the bus starts the peer: how often to look whether it has failed, and for how long one that fails may be tried
// again. The bus itself says nothing for 25 s.
static const uint64_t LOOK_USEC = USEC_PER_SEC / 5, RESTARTING_USEC = 3 * USEC_PER_SEC;

static void hint_local_bus(const Ctl *ctl, int r) {
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

static ExitStatus connection_failed(const Ctl *ctl, int r) {
    // When ssh ends, it has said why itself; all that we see is a closed pipe.
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
        hint_local_bus(ctl, r);
    return STATUS_UNAVAILABLE;
}

int ctl_connect(Ctl *ctl) {
    int r;

    if (ctl->bus)
        return 0;
    if (ctl->host)
        r = sd_bus_open_system_remote(&ctl->bus, ctl->host);
    else if (ctl->user)
        r = sd_bus_open_user_with_description(&ctl->bus, "p2pctl");
    else
        r = sd_bus_open_system_with_description(&ctl->bus, "p2pctl");
    if (r < 0) {
        connection_failed(ctl, r);
        return r;
    }
    return 0;
}

bool ctl_may_ask(Ctl *ctl) {
    if (ctl->may_ask)
        return true;
    // A peer of one's own asks nobody, and no agent of ours reaches another host.
    if (ctl->user || ctl->host)
        return false;
    ctl->agent = MAX(agent_start(), 0);
    ctl->may_ask = true; // the desktop may have one where we have no terminal
    return true;
}

int ctl_call(Ctl *ctl, MakeCall make, void *userdata, uint64_t timeout, sd_bus_error *error,
             sd_bus_message **ret) {
    _cleanup_(sd_bus_message_unrefp) sd_bus_message *message = NULL, *again = NULL;
    int r;

    r = make(userdata, &message);
    if (r >= 0)
        r = sd_bus_call(ctl->bus, message, timeout, error, ret);
    if (r >= 0 || !sd_bus_error_has_name(error, SD_BUS_ERROR_INTERACTIVE_AUTHORIZATION_REQUIRED) ||
        !ctl_may_ask(ctl))
        return r;
    sd_bus_error_free(error);
    r = make(userdata, &again);
    if (r >= 0)
        r = sd_bus_message_set_allow_interactive_authorization(again, true);
    return r < 0 ? r : sd_bus_call(ctl->bus, again, UINT64_MAX, error, ret);
}

typedef struct PlainCall {
    sd_bus *bus;
    const Service *service;
    const char *path, *interface, *method;
} PlainCall;

static int make_plain(void *userdata, sd_bus_message **ret) {
    const PlainCall *call = userdata;
    int r;

    r = sd_bus_message_new_method_call(call->bus, ret, call->service->bus_name, call->path,
                                       call->interface, call->method);
    return r < 0 ? r : sd_bus_message_set_auto_start(*ret, false);
}

int ctl_call_method(Ctl *ctl, const Service *service, const char *path, const char *interface,
                    const char *method, uint64_t timeout, sd_bus_error *error) {
    PlainCall call = {ctl->bus, service, path, interface, method};

    return ctl_call(ctl, make_plain, &call, timeout, error, NULL);
}

int get_all(sd_bus *bus, const Service *service, const char *path, const char *interface,
            sd_bus_error *error, sd_bus_message **ret) {
    _cleanup_(sd_bus_message_unrefp) sd_bus_message *call = NULL;
    int r;

    r = sd_bus_message_new_method_call(bus, &call, service->bus_name, path,
                                       "org.freedesktop.DBus.Properties", "GetAll");
    if (r >= 0)
        r = sd_bus_message_set_auto_start(call, false);
    if (r >= 0)
        r = sd_bus_message_append(call, "s", interface);
    return r < 0 ? r : sd_bus_call(bus, call, 0, error, ret);
}

static void hint_systemctl(const Ctl *ctl, const Service *service, const char *lead,
                           const char *command) {
    const char *option = ctl->host ? "-H " : ctl->user ? "--user " : "";

    ctl_hint("%s: systemctl %s%s%s%s %s", lead, option, ctl->host ?: "", ctl->host ? " " : "",
             command, service->program);
}

static void hint_ft_elsewhere(const Ctl *ctl, const Service *service) {
    if (service == &SERVICE_FT && !ctl->user && !ctl->host && strcmp(ctl->verb, "ft") == 0)
        ctl_hint("Or it runs on the machine that ft in section [peer] names: p2pctl -H HOST ft");
}

// What only systemd knows. Returns false if that is nothing.
static bool explain_unit(const Ctl *ctl, const Service *service, UnitState state) {
    const char *where = ctl->host ?: ctl->user ? "the session bus" : "this host";

    if (state == UNIT_FAILED || state == UNIT_RESTARTING) {
        ctl_error("%s has failed on %s%s.", service->program, where,
                  state == UNIT_RESTARTING ? ", and systemd tries it again" : "");
        hint_systemctl(ctl, service, "See", "status");
    } else if (state == UNIT_MASKED) {
        ctl_error("%s is masked on %s: nobody may start it.", service->program, where);
        hint_systemctl(ctl, service, "To change that", "unmask");
    } else if (state == UNIT_ABSENT) {
        ctl_error("%s is not installed on %s.", service->program, where);
        hint_ft_elsewhere(ctl, service);
    } else
        return false;
    return true;
}

static ExitStatus not_running(const Ctl *ctl, const Service *service) {
    if (!(ctl->user && service == &SERVICE_FT) &&
        explain_unit(ctl, service, unit_state(ctl->bus, service)))
        return STATUS_UNAVAILABLE;
    if (ctl->host) {
        ctl_error("%s does not run on %s.", service->program, ctl->host);
        hint_systemctl(ctl, service, "Try", "start");
    } else if (ctl->user && service == &SERVICE_FT) {
        // There is no unit of it for users.
        ctl_error("%s does not run on the session bus.", service->program);
        ctl_hint("Try: p2p-ft --user, or p2pctl without --user for that of the system");
    } else if (ctl->user) {
        ctl_error("%s does not run on the session bus.", service->program);
        ctl_hint("Try: systemctl --user start %s, or p2pctl without --user for that of the system",
                 service->program);
    } else {
        ctl_error("%s does not run on this host.", service->program);
        hint_systemctl(ctl, service, "Try", "start");
        hint_ft_elsewhere(ctl, service);
    }
    return STATUS_UNAVAILABLE;
}

static ExitStatus start_failed(const Ctl *ctl, const Service *service, const sd_bus_error *error) {
    ctl_error("%s does not run, and could not be started: %s", service->program,
              error->message ?: error->name);
    hint_systemctl(ctl, service, "See", "status");
    return STATUS_UNAVAILABLE;
}

static ExitStatus denied(const Ctl *ctl, const Service *service, const sd_bus_error *error) {
    // What sd-bus itself says of a method that is not for everybody helps nobody.
    bool by_daemon = service == &SERVICE_PEER && error->message && *error->message;

    if (sd_bus_error_has_name(error, SD_BUS_ERROR_INTERACTIVE_AUTHORIZATION_REQUIRED))
        ctl_error("p2pctl %s takes a password of an administrator, and nobody here can be asked "
                  "for it.",
                  ctl->verb);
    else if (by_daemon)
        ctl_error_sentence("you may not do that", error->message);
    else
        ctl_error("you may not do that: p2pctl %s is for root and the user of %s.", ctl->verb,
                  service->program);
    if (by_daemon && !ctl->user)
        ctl_hint("Ask an administrator to add you to the group p2pshare: sudo usermod -aG p2pshare "
                 "\"$USER\"");
    if (ctl->user || ctl->host)
        return STATUS_FAILED;
    if (service == &SERVICE_PEER)
        ctl_hint("Or try it with sudo, or use a p2p-peer of your own: p2pctl --user %s", ctl->verb);
    else
        ctl_hint("Try it with sudo.");
    return STATUS_FAILED;
}

const char *config_hint(const Ctl *ctl) {
    return ctl->user ? "~/.config/p2pshare.ini, then: systemctl --user reload p2p-peer"
                     : CONFIG_PATH ", then: systemctl reload p2p-peer";
}

static ExitStatus not_joined(Ctl *ctl, const sd_bus_error *error) {
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
        ctl_hint("It keeps trying; see: p2pctl status");
    return STATUS_UNAVAILABLE;
}

ExitStatus nobody_shares(Ctl *ctl, const char *name) {
    _cleanup_(sd_bus_error_free) sd_bus_error ignored = SD_BUS_ERROR_NULL;
    _cleanup_(peer_info_clear) PeerInfo peer = {};
    _cleanup_free_ char *shorter = NULL, *word = NULL;
    const char *dot = strrchr(name, '.');

    if (peer_info_get(ctl->bus, &peer, &ignored) >= 0 && *peer.file_tracker)
        ctl_error("nobody at the FileTracker %s shares \"%s\".", peer.file_tracker, name);
    else
        ctl_error("nobody at the FileTracker shares \"%s\".", name);
    if (find_suggest(ctl, name))
        return STATUS_NOTHING;
    // FT finds a file by its name without extension too, whatever the extension then is.
    if (dot && dot > name && (shorter = strndup(name, dot - name)) && (word = shell_word(shorter)))
        ctl_hint("Try: p2pctl search %s", word);
    return STATUS_NOTHING;
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

static bool is_any(const char *name, const char *const *names) {
    for (; *names; names++)
        if (strcmp(name, *names) == 0)
            return true;
    return false;
}

// Errors of the bus, not of the daemon. Returns false if it is none of them.
static bool transport_failed(Ctl *ctl, const Service *service, const sd_bus_error *error,
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

    if (is_any(name, absent))
        *ret = not_running(ctl, service);
    else if (strncmp(name, "org.freedesktop.DBus.Error.Spawn.", 33) == 0 ||
             strncmp(name, "org.freedesktop.systemd1.", 25) == 0 ||
             strcmp(name, "org.freedesktop.DBus.Error.TimedOut") == 0)
        *ret = start_failed(ctl, service, error);
    else if (is_any(name, refused))
        *ret = denied(ctl, service, error);
    else if (strcmp(name, SD_BUS_ERROR_NO_REPLY) == 0 || strcmp(name, SD_BUS_ERROR_TIMEOUT) == 0) {
        ctl_error("%s did not answer: %s.", service->program, error->message ?: "no reply");
        ctl_hint("Try: systemctl %sstatus %s", ctl->user ? "--user " : "", service->program);
        *ret = STATUS_UNAVAILABLE;
    } else if (is_any(name, other_version)) {
        ctl_error("%s and this p2pctl (%s) do not understand each other: %s", service->program,
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
    // "System.Error.…" is sd-bus's own, made of the errno.
    if (!sd_bus_error_is_set(error) || ((r == -ECONNRESET || r == -ENOTCONN || r == -EPIPE) &&
                                        strncmp(error->name, "System.Error.", 13) == 0)) {
        if (r == -EBADMSG || r == -ENXIO || r == -EINVAL)
            return fail_errno(r, "%s gave an answer that cannot be read", service->program);
        return connection_failed(ctl, r);
    }
    if (strcmp(error->name, BUS_ERROR_NOT_JOINED) == 0)
        return not_joined(ctl, error);
    if (transport_failed(ctl, service, error, &status))
        return status;
    ctl_error_sentence("", error->message && *error->message ? error->message : error->name);
    if (strcmp(error->name, BUS_ERROR_TOO_MANY) == 0)
        ctl_hint("See: p2pctl transfers, and end some: p2pctl cancel ID");
    else if (strcmp(error->name, BUS_ERROR_NO_SUCH_TRANSFER) == 0)
        ctl_hint("See: p2pctl transfers");
    return error_status(error->name);
}

typedef struct Start {
    bool answered;
    int r;
    sd_bus_error error;
} Start;

static int on_started(sd_bus_message *reply, void *userdata, sd_bus_error *ret_error _unused_) {
    Start *start = userdata;

    start->answered = true;
    start->r = -sd_bus_message_get_errno(reply);
    if (start->r < 0)
        (void) sd_bus_error_copy(&start->error, sd_bus_message_get_error(reply));
    return 0;
}

// Whether it is of no use to wait for the bus.
static bool will_not_run(UnitState state, uint64_t begun) {
    return state == UNIT_FAILED || state == UNIT_MASKED ||
           (state == UNIT_RESTARTING && time_monotonic() - begun > RESTARTING_USEC);
}

// Waits for the answer; *ret is what the unit has come to meanwhile. 0 or -errno of the connection.
static int await_start(Ctl *ctl, Start *start, UnitState *ret) {
    uint64_t begun = time_monotonic(), next = begun + LOOK_USEC;

    *ret = UNIT_UNKNOWN;
    while (!start->answered) {
        uint64_t now = time_monotonic();
        int r = sd_bus_process(ctl->bus, NULL);

        if (r == 0 && now >= next) {
            *ret = unit_state(ctl->bus, &SERVICE_PEER);
            if (will_not_run(*ret, begun))
                return 0;
            next = now + LOOK_USEC;
        } else if (r == 0)
            r = sd_bus_wait(ctl->bus, next - now);
        if (r < 0 && r != -EINTR)
            return r;
    }
    *ret = UNIT_UNKNOWN;
    return start->r;
}

ExitStatus ctl_connect_peer(Ctl *ctl) {
    _cleanup_(sd_bus_slot_unrefp) sd_bus_slot *slot = NULL;
    Start start = {};
    UnitState state;
    int r;

    if (ctl_connect(ctl) < 0)
        return STATUS_UNAVAILABLE;
    if (sd_bus_get_name_creds(ctl->bus, BUS_PEER_NAME, 0, NULL) >= 0)
        return STATUS_DONE;
    state = unit_state(ctl->bus, &SERVICE_PEER);
    if (state == UNIT_FAILED || state == UNIT_MASKED) {
        (void) explain_unit(ctl, &SERVICE_PEER, state);
        return STATUS_UNAVAILABLE;
    }
    r = sd_bus_call_method_async(ctl->bus, &slot, "org.freedesktop.DBus", "/org/freedesktop/DBus",
                                 "org.freedesktop.DBus", "StartServiceByName", on_started, &start,
                                 "su", BUS_PEER_NAME, 0);
    if (r >= 0)
        r = await_start(ctl, &start, &state);
    if (r >= 0 && !explain_unit(ctl, &SERVICE_PEER, state))
        return STATUS_DONE;
    if (r < 0)
        (void) bus_failed(ctl, &SERVICE_PEER, &start.error, r);
    sd_bus_error_free(&start.error);
    return STATUS_UNAVAILABLE;
}
