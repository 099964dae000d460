// SPDX-License-Identifier: MIT

#include "ft/ft-bus.h"

#include <string.h>

#include "bus/bus-util.h"
#include "bus/names.h"
#include "daemon/daemon.h"
#include "ft/ft-metrics.h"
#include "proto/name.h"
#include "util/log-id.h"
#include "util/log.h"
#include "util/macro.h"
#include "util/timer.h"

// Retry delays after losing the bus: it restarts within milliseconds, or it is broken for long.
static const uint64_t RETRY_MIN_USEC = USEC_PER_SEC / 4, RETRY_MAX_USEC = 64 * USEC_PER_SEC;

BUS_DEFINE_GETTER(ft_bus_get_version, Ft, "s", VERSION)
BUS_DEFINE_GETTER(ft_bus_get_files, Ft, "t", index_names(object->index))
BUS_DEFINE_GETTER(ft_bus_get_records, Ft, "t", index_records(object->index))
BUS_DEFINE_GETTER(ft_bus_get_sessions, Ft, "u", object->waiting_count + object->accepted_count)

BUS_GETTER(ft_bus_get_memory) {
    const FtMemory memory = ft_memory(userdata);

    return sd_bus_message_append(reply, "a{st}", 4, "records", memory.records, "words",
                                 memory.words, "sessions", memory.sessions, "buffers",
                                 memory.buffers);
}

BUS_GETTER(ft_bus_get_listen) {
    const Ft *ft = userdata;
    int r;

    r = sd_bus_message_open_container(reply, 'a', "s");
    for (size_t i = 0; i < ft->listener_count && r >= 0; i++)
        r = bus_append_endpoint(reply, listener_endpoint(ft->listeners[i]));
    return r < 0 ? r : sd_bus_message_close_container(reply);
}

BUS_GETTER(ft_bus_get_refused) {
    const Ft *ft = userdata;
    int r;

    r = sd_bus_message_open_container(reply, 'a', "{st}");
    for (FtRefusal i = 0; i < _REFUSED_COUNT && r >= 0; i++)
        r = sd_bus_message_append(reply, "{st}", ft_refusal_name(i), ft->refused[i]);
    return r < 0 ? r : sd_bus_message_close_container(reply);
}

BUS_GETTER(ft_bus_get_restart_needed) {
    const Ft *ft = userdata;

    return sd_bus_message_append_strv(reply, (char **)ft->restart_needed);
}

static int ft_bus_method_lookup(sd_bus_message *call, void *userdata, sd_bus_error *error) {
    _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
    const Ft *ft = userdata;
    Record results[RESULTS_MAX];
    const char *name;
    size_t n;
    int r;

    r = sd_bus_message_read(call, "s", &name);
    if (r < 0)
        return r;
    if (!name_is_valid(name, strlen(name)))
        return sd_bus_error_set(error, BUS_ERROR_INVALID_NAME, "No file can have that name");
    n = index_lookup(ft->index, name, results, ELEMENTSOF(results));

    r = sd_bus_message_new_method_return(call, &reply);
    if (r < 0)
        return r;
    r = bus_append_records(reply, results, n);
    return r < 0 ? r : sd_bus_message_send(reply);
}

static int ft_bus_method_list_peers(sd_bus_message *call, void *userdata,
                                    sd_bus_error *error _unused_) {
    _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
    const Ft *ft = userdata;
    const Session *session;
    int r;

    r = sd_bus_message_new_method_return(call, &reply);
    if (r < 0)
        return r;
    r = sd_bus_message_open_container(reply, 'a', "(sqsuts)");
    TAILQ_FOREACH (session, &ft->accepted, link) {
        char address[INET6_ADDRSTRLEN];

        if (r < 0)
            break;
        address_format(&session->stream.remote.address, address);
        r = sd_bus_message_append(reply, "(sqsuts)", address, session->stream.remote.port,
                                  session->framing == FRAMING_LINE ? "line" : "raw",
                                  (uint32_t)index_owner_count(session->owner),
                                  session->since * USEC_PER_SEC,
                                  reachability_name(session->reachability));
    }
    if (r >= 0)
        r = sd_bus_message_close_container(reply);
    return r < 0 ? r : sd_bus_message_send(reply);
}

static int ft_bus_method_kick(sd_bus_message *call, void *userdata, sd_bus_error *error) {
    char sender[BUS_SENDER_MAX];
    Endpoint whom = {};
    const char *text;
    unsigned n;
    int r;

    r = sd_bus_message_read(call, "s", &text);
    if (r < 0)
        return r;
    if (address_parse(text, strlen(text), &whom.address) < 0 && endpoint_parse(text, &whom) < 0)
        return sd_bus_error_set(error, BUS_ERROR_INVALID_OPTION,
                                "Neither an address nor ADDRESS:PORT");
    n = ft_kick(userdata, &whom);
    bus_format_sender(call, sender);
    log_notice("Kicked %s, as %s asked: %u session%s ended", text, sender, n, n == 1 ? "" : "s");
    return sd_bus_reply_method_return(call, "u", n);
}

static int ft_bus_method_metrics(sd_bus_message *call, void *userdata,
                                 sd_bus_error *error _unused_) {
    _cleanup_free_ char *text = NULL;
    int r;

    r = ft_metrics(userdata, &text);
    return r < 0 ? r : sd_bus_reply_method_return(call, "s", text);
}

static int ft_bus_method_reload(sd_bus_message *call, void *userdata, sd_bus_error *error) {
    _cleanup_free_ char *reason = NULL;
    char sender[BUS_SENDER_MAX];
    const Ft *ft = userdata;
    int r;

    bus_format_sender(call, sender);
    log_info("Reloading the configuration, as %s asked", sender);
    r = daemon_reload(ft->daemon, &reason);
    if (r < 0)
        return sd_bus_error_set(error, BUS_ERROR_CONFIGURATION, reason ?: strerror(-r));
    return sd_bus_reply_method_return(call, "");
}

// Anybody may call what is SD_BUS_VTABLE_UNPRIVILEGED; the rest is for root and FT's own user.
static const sd_bus_vtable vtable[] = {
    SD_BUS_VTABLE_START(0),
    SD_BUS_METHOD_WITH_ARGS("Lookup", SD_BUS_ARGS("s", name), SD_BUS_RESULT(BUS_RECORDS, records),
                            ft_bus_method_lookup, SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_METHOD_WITH_ARGS("ListPeers", SD_BUS_NO_ARGS, SD_BUS_RESULT("a(sqsuts)", peers),
                            ft_bus_method_list_peers, SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_METHOD_WITH_ARGS("Kick", SD_BUS_ARGS("s", address), SD_BUS_RESULT("u", sessions),
                            ft_bus_method_kick, 0),
    SD_BUS_METHOD("Reload", "", "", ft_bus_method_reload, 0),
    SD_BUS_METHOD_WITH_ARGS("Metrics", SD_BUS_NO_ARGS, SD_BUS_RESULT("s", text),
                            ft_bus_method_metrics, SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_PROPERTY("Version", "s", ft_bus_get_version, 0, SD_BUS_VTABLE_PROPERTY_CONST),
    SD_BUS_PROPERTY("Listen", "as", ft_bus_get_listen, 0, SD_BUS_VTABLE_PROPERTY_CONST),
    SD_BUS_PROPERTY("Peers", "u", NULL, offsetof(Ft, accepted_count), 0),
    SD_BUS_PROPERTY("Files", "t", ft_bus_get_files, 0, 0),
    SD_BUS_PROPERTY("Records", "t", ft_bus_get_records, 0, 0),
    SD_BUS_PROPERTY("Searches", "t", NULL, offsetof(Ft, searches), 0),
    SD_BUS_PROPERTY("Refused", "a{st}", ft_bus_get_refused, 0, 0),
    SD_BUS_PROPERTY("Sessions", "u", ft_bus_get_sessions, 0, 0),
    SD_BUS_PROPERTY("Memory", "a{st}", ft_bus_get_memory, 0, 0),
    SD_BUS_PROPERTY("RestartNeeded", "as", ft_bus_get_restart_needed, 0, 0),
    SD_BUS_VTABLE_END,
};

static int ft_bus_on_disconnected(sd_bus_message *message _unused_, void *userdata,
                                  sd_bus_error *ret_error _unused_) {
    Ft *ft = userdata;

    log_event(LOG_WARNING, &(LogFields){.id = EVENT_NO_BUS},
              "The bus has closed the connection; reconnecting");
    ft->bus_retry_usec = RETRY_MIN_USEC;
    (void)timer_arm(ft->bus_retry, ft->bus_retry_usec);
    return 0;
}

static int ft_bus_join(Ft *ft) {
    int r;

    r = daemon_bus_open(ft->event, ft->bus_of_user, &ft->bus);
    if (r < 0)
        return r;
    r = sd_bus_add_object_vtable(ft->bus, NULL, BUS_FT_PATH, BUS_FT_INTERFACE, vtable, ft);
    if (r >= 0)
        r = sd_bus_match_signal(ft->bus, NULL, "org.freedesktop.DBus.Local",
                                "/org/freedesktop/DBus/Local", "org.freedesktop.DBus.Local",
                                "Disconnected", ft_bus_on_disconnected, ft);
    return r < 0 ? r : daemon_bus_own(ft->bus, BUS_FT_NAME);
}

// Runs later than ft_bus_on_disconnected(), which still uses the old connection.
static int ft_bus_on_retry(sd_event_source *source, uint64_t usec _unused_, void *userdata) {
    Ft *ft = userdata;

    ft->bus = sd_bus_close_unref(ft->bus);
    if (ft_bus_join(ft) >= 0) {
        log_info("Connected to D-Bus again");
        return 0;
    }
    ft->bus_retry_usec = MIN(2 * ft->bus_retry_usec, RETRY_MAX_USEC);
    (void)timer_arm(source, ft->bus_retry_usec);
    return 0;
}

void ft_bus_offer(Ft *ft, bool user) {
    int r;

    ft->bus_of_user = user;
    r = timer_new(ft->event, 0, ft_bus_on_retry, ft, &ft->bus_retry);
    if (r >= 0)
        r = ft_bus_join(ft);
    if (r < 0)
        log_warning("Running without D-Bus, so p2pctl ft will not work");
}
