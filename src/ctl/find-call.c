// SPDX-License-Identifier: MIT

#include "ctl/find-call.h"

#include <string.h>

#include "bus/names.h"
#include "util/macro.h"

static int find_call_append_options(sd_bus_message *call, const SearchRequest *options) {
    int r = sd_bus_message_open_container(call, 'a', "{sv}");

    if (r >= 0 && options->type)
        r = sd_bus_message_append(call, "{sv}", "type", "s", options->type);
    if (r >= 0 && options->min_size > 0)
        r = sd_bus_message_append(call, "{sv}", "min-size", "t", options->min_size);
    if (r >= 0 && options->max_set)
        r = sd_bus_message_append(call, "{sv}", "max-size", "t", options->max_size);
    if (r >= 0 && options->limit > 0)
        r = sd_bus_message_append(call, "{sv}", "limit", "u", options->limit);
    return r < 0 ? r : sd_bus_message_close_container(call);
}

static int find_call_append_words(sd_bus_message *call, char *const words[], size_t n) {
    int r = sd_bus_message_open_container(call, 'a', "s");

    for (size_t i = 0; i < n && r >= 0; i++)
        r = sd_bus_message_append(call, "s", words[i]);
    return r < 0 ? r : sd_bus_message_close_container(call);
}

static int find_call_read_summary_entry(sd_bus_message *reply, const char *key,
                                        FindResult *result) {
    int value, r;

    if (strcmp(key, "total") == 0)
        return sd_bus_message_read(reply, "v", "t", &result->total);
    if (strcmp(key, "peers") == 0)
        return sd_bus_message_read(reply, "v", "u", &result->peers);
    if (strcmp(key, "at-least") != 0 && strcmp(key, "whole-name") != 0)
        return sd_bus_message_skip(reply, "v");
    r = sd_bus_message_read(reply, "v", "b", &value);
    if (r >= 0)
        *(*key == 'a' ? &result->at_least : &result->whole_name) = value;
    return r;
}

static int find_call_read_summary(sd_bus_message *reply, FindResult *result) {
    int r = sd_bus_message_enter_container(reply, 'a', "{sv}");

    if (r < 0)
        return r;
    while ((r = sd_bus_message_enter_container(reply, 'e', "sv")) > 0) {
        const char *key;

        r = sd_bus_message_read(reply, "s", &key);
        if (r >= 0)
            r = find_call_read_summary_entry(reply, key, result);
        if (r >= 0)
            r = sd_bus_message_exit_container(reply);
        if (r < 0)
            return r;
    }
    return r < 0 ? r : sd_bus_message_exit_container(reply);
}

int find_call_run(sd_bus *bus, char *const words[], size_t n, const SearchRequest *options,
                  FindResult *ret, sd_bus_error *error) {
    _cleanup_(sd_bus_message_unrefp) sd_bus_message *call = NULL, *reply = NULL;
    _cleanup_(find_result_clear) FindResult result = {};
    int r;

    r = sd_bus_message_new_method_call(bus, &call, BUS_PEER_NAME, BUS_PEER_PATH, BUS_PEER_INTERFACE,
                                       "Find");
    if (r >= 0)
        r = find_call_append_words(call, words, n);
    if (r >= 0)
        r = find_call_append_options(call, options);
    if (r >= 0)
        r = sd_bus_call(bus, call, 0, error, &reply);
    if (r >= 0)
        r = found_read_files(reply, &result.found, &result.files);
    if (r >= 0)
        r = find_call_read_summary(reply, &result);
    if (r < 0)
        return r;
    *ret = result;
    result = (FindResult){};
    return 0;
}

void find_result_clear(FindResult *result) {
    file_list_clear(&result->files);
    found_list_clear(&result->found);
}
