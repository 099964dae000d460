// SPDX-License-Identifier: MIT

#include "ctl/bus-call.h"

#include "bus/names.h"
#include "ctl/agent.h"
#include "util/macro.h"

const Service SERVICE_PEER = {"p2p-peer", BUS_PEER_NAME};
const Service SERVICE_FT = {"p2p-ft", BUS_FT_NAME};

bool ctl_may_ask(Ctl *ctl) {
    if (ctl->may_ask)
        return true;
    // A user's own p2p-peer needs no password, and this agent cannot answer on another host.
    if (ctl->user || ctl->host)
        return false;
    ctl->agent = MAX(agent_start(), 0);
    // Even without a terminal here, since the desktop may have an agent.
    ctl->may_ask = true;
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

static int bus_call_make_plain(void *userdata, sd_bus_message **ret) {
    const PlainCall *call = userdata;
    int r;

    r = sd_bus_message_new_method_call(call->bus, ret, call->service->bus_name, call->path,
                                       call->interface, call->method);
    return r < 0 ? r : sd_bus_message_set_auto_start(*ret, false);
}

int ctl_call_method(Ctl *ctl, const Service *service, const char *path, const char *interface,
                    const char *method, uint64_t timeout, sd_bus_error *error) {
    PlainCall call = {ctl->bus, service, path, interface, method};

    return ctl_call(ctl, bus_call_make_plain, &call, timeout, error, NULL);
}

int ctl_get_all(sd_bus *bus, const Service *service, const char *path, const char *interface,
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
