// SPDX-License-Identifier: MIT

#include "ctl/unit.h"

#include <stdio.h>
#include <string.h>

#include "util/macro.h"
#include "util/time-util.h"

#define SYSTEMD "org.freedesktop.systemd1"

// systemd answers in milliseconds. If it hangs, a user should not wait for a mere hint.
static const uint64_t ANSWER_USEC = 3 * USEC_PER_SEC;

// Reads a property of the unit, and returns its index in `words`; -1 for another word or no answer.
static int unit_ask(sd_bus *bus, const char *path, const char *property, const char *const *words) {
    _cleanup_(sd_bus_message_unrefp) sd_bus_message *call = NULL, *reply = NULL;
    _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
    const char *word;
    int r;

    r = sd_bus_message_new_method_call(bus, &call, SYSTEMD, path, "org.freedesktop.DBus.Properties",
                                       "Get");
    if (r >= 0)
        r = sd_bus_message_set_auto_start(call, false);
    if (r >= 0)
        r = sd_bus_message_append(call, "ss", SYSTEMD ".Unit", property);
    if (r >= 0)
        r = sd_bus_call(bus, call, ANSWER_USEC, &error, &reply);
    if (r >= 0)
        r = sd_bus_message_read(reply, "v", "s", &word);
    for (int i = 0; r >= 0 && words[i]; i++)
        if (strcmp(word, words[i]) == 0)
            return i;
    return -1;
}

UnitState unit_state(sd_bus *bus, const Service *service) {
    static const char *const load[] = {"loaded", "not-found", "masked", NULL};
    static const char *const active[] = {"failed", NULL}, *const sub[] = {"auto-restart", NULL};
    _cleanup_free_ char *path = NULL, *unit = NULL;

    if (asprintf(&unit, "%s.service", service->program) < 0) {
        unit = NULL;
        return UNIT_UNKNOWN;
    }
    if (sd_bus_path_encode("/org/freedesktop/systemd1/unit", unit, &path) < 0)
        return UNIT_UNKNOWN;
    // This question makes systemd look for the file of the unit.
    switch (unit_ask(bus, path, "LoadState", load)) {
    case 0:
        break;
    case 1:
        return UNIT_ABSENT;
    case 2:
        return UNIT_MASKED;
    default:
        return UNIT_UNKNOWN;
    }
    if (unit_ask(bus, path, "ActiveState", active) == 0)
        return UNIT_FAILED;
    return unit_ask(bus, path, "SubState", sub) == 0 ? UNIT_RESTARTING : UNIT_OTHER;
}
