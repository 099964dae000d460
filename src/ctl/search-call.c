// SPDX-License-Identifier: MIT

#include "ctl/search-call.h"

#include <string.h>

#include "bus/names.h"
#include "util/macro.h"

enum {
    // Less than a daemon accepts (256), and less than the replies that a bus allows to be pending
    // (128).
    SEARCHES_AT_ONCE = 32,
};

static int search_call_on_reply(sd_bus_message *reply, void *userdata,
                                sd_bus_error *ret_error _unused_) {
    SearchCall *search = userdata;
    const sd_bus_error *error = sd_bus_message_get_error(reply);

    search->answered = true;
    if (error) {
        search->r = -sd_bus_message_get_errno(reply);
        (void)sd_bus_error_copy(&search->error, error);
    } else
        search->r = found_read(reply, &search->found);
    return 0;
}

static int search_call_begin(sd_bus *bus, SearchCall *search) {
    return sd_bus_call_method_async(bus, &search->call, BUS_PEER_NAME, BUS_PEER_PATH,
                                    BUS_PEER_INTERFACE, "Search", search_call_on_reply, search, "s",
                                    search->name);
}

int search_calls_run(sd_bus *bus, SearchCall *searches, size_t n) {
    size_t begun = 0, answered = 0;
    int r = 0;

    while (answered < n) {
        while (begun < n && begun - answered < SEARCHES_AT_ONCE) {
            r = search_call_begin(bus, &searches[begun]);
            if (r < 0)
                return r;
            begun++;
        }
        r = sd_bus_process(bus, NULL);
        if (r == 0)
            r = sd_bus_wait(bus, UINT64_MAX);
        if (r < 0 && r != -EINTR)
            return r;
        answered = 0;
        for (size_t i = 0; i < begun; i++)
            answered += searches[i].answered;
    }
    // A lost connection answers all pending calls itself.
    return sd_bus_is_open(bus) > 0 ? 0 : -ECONNRESET;
}

void search_call_clear(SearchCall *search) {
    sd_bus_slot_unref(search->call);
    sd_bus_error_free(&search->error);
    found_list_clear(&search->found);
}

char *search_call_own_endpoint(sd_bus *bus) {
    _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
    char *address;

    if (sd_bus_get_property_string(bus, BUS_PEER_NAME, BUS_PEER_PATH, BUS_PEER_INTERFACE, "Address",
                                   &error, &address) < 0)
        return strdup("");
    return address;
}
