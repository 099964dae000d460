// SPDX-License-Identifier: MIT

#include "peer/bus/find-bus.h"

#include <stdio.h>
#include <string.h>

#include "bus/bus-util.h"
#include "bus/names.h"
#include "peer/bus/peer-bus.h"
#include "proto/name.h"

enum {
    LIMIT_DEFAULT = 50,
};

static int find_bus_append_file(sd_bus_message *reply, const FoundFile *file) {
    char date[BUS_DATE_MAX], root[MERKLE_TEXT_BYTES + 1];
    int r;

    bus_format_date(&file->modified, date);
    r = sd_bus_message_append(reply, "sstsu", file->name, file->type, file->size, date,
                              file->sources);
    if (r < 0)
        return r;
    if (!file->has_root)
        return sd_bus_message_append(reply, "a{sv}", 0);
    merkle_hash_format(&file->root, root);
    return sd_bus_message_append(reply, "a{sv}", 1, "root", "s", root);
}

static int find_bus_append_matches(sd_bus_message *reply, const TrackerMatches *matches) {
    int r = sd_bus_message_open_container(reply, 'a', "(sstsua{sv})");

    for (size_t i = 0; i < matches->n && r >= 0; i++) {
        r = sd_bus_message_open_container(reply, 'r', "sstsua{sv}");
        if (r >= 0)
            r = find_bus_append_file(reply, &matches->files[i]);
        if (r >= 0)
            r = sd_bus_message_close_container(reply);
    }
    if (r >= 0)
        r = sd_bus_message_close_container(reply);
    return r < 0 ? r
                 : sd_bus_message_append(reply, "a{sv}", 4, "total", "t", matches->summary.total,
                                         "at-least", "b", (int)matches->summary.at_least, "peers",
                                         "u", matches->summary.peers, "whole-name", "b",
                                         (int)matches->whole_name);
}

static void find_bus_on_found(TrackerSearch *search _unused_, int r, const TrackerMatches *matches,
                              void *userdata) {
    _cleanup_(sd_bus_message_unrefp) sd_bus_message *call = userdata, *reply = NULL;

    if (r == -ENOTCONN) {
        (void)sd_bus_reply_method_errorf(call, BUS_ERROR_NOT_JOINED,
                                         "The session with the FileTracker has ended");
        return;
    }
    if (r < 0) {
        (void)sd_bus_reply_method_errorf(call, BUS_ERROR_NO_ANSWER,
                                         "the FileTracker does not answer: %s", strerror(-r));
        return;
    }
    r = sd_bus_message_new_method_return(call, &reply);
    if (r >= 0)
        r = find_bus_append_matches(reply, matches);
    if (r >= 0)
        r = sd_bus_message_send(reply);
    if (r < 0)
        (void)sd_bus_reply_method_errno(call, r, NULL);
}

static int find_bus_bad_option(sd_bus_error *error, const char *key, const char *why) {
    return sd_bus_error_setf(error, BUS_ERROR_INVALID_OPTION, "%s: %s", key, why);
}

// Joins the words with spaces.
static int find_bus_read_words(sd_bus_message *call, FindRequest *request, sd_bus_error *error) {
    size_t len = 0;
    const char *word;
    int r;

    r = sd_bus_message_enter_container(call, 'a', "s");
    if (r < 0)
        return r;
    while ((r = sd_bus_message_read(call, "s", &word)) > 0) {
        int n = snprintf(request->text + len, sizeof(request->text) - len, "%s%s",
                         len > 0 ? " " : "", word);

        if (n < 0 || (size_t)n >= sizeof(request->text) - len)
            return find_bus_bad_option(error, "words", "more than 512 bytes");
        len += n;
    }
    if (r >= 0)
        r = sd_bus_message_exit_container(call);
    if (r < 0)
        return r;
    return find_text_check(request->text) < 0
               ? find_bus_bad_option(error, "words", "none, or with control characters")
               : 0;
}

static int find_bus_read_option(sd_bus_message *call, const char *key, FindRequest *request,
                                sd_bus_error *error) {
    const char *type;
    int r = -ENOENT;

    if (strcmp(key, "type") == 0) {
        r = sd_bus_message_read(call, "v", "s", &type);
        if (r >= 0 && !type_is_valid(type, strlen(type)))
            return find_bus_bad_option(error, key, "not an extension");
        if (r >= 0)
            snprintf(request->type, sizeof(request->type), "%s", type);
    } else if (strcmp(key, "min-size") == 0)
        r = sd_bus_message_read(call, "v", "t", &request->min_size);
    else if (strcmp(key, "max-size") == 0)
        r = sd_bus_message_read(call, "v", "t", &request->max_size);
    else if (strcmp(key, "limit") == 0) {
        r = sd_bus_message_read(call, "v", "u", &request->limit);
        if (r >= 0 && (request->limit == 0 || request->limit > FIND_RESULTS_MAX))
            return find_bus_bad_option(error, key, "not a number from 1 to 500");
    }
    if (r == -ENOENT)
        return sd_bus_error_setf(error, BUS_ERROR_INVALID_OPTION, "There is no option \"%s\"", key);
    return r == -ENXIO ? find_bus_bad_option(error, key, "a value of another type") : r;
}

static int find_bus_read_options(sd_bus_message *call, FindRequest *request, sd_bus_error *error) {
    const char *key;
    int r;

    r = sd_bus_message_enter_container(call, 'a', "{sv}");
    if (r < 0)
        return r;
    while ((r = sd_bus_message_enter_container(call, 'e', "sv")) > 0) {
        r = sd_bus_message_read(call, "s", &key);
        if (r >= 0)
            r = find_bus_read_option(call, key, request, error);
        if (r >= 0)
            r = sd_bus_message_exit_container(call);
        if (r < 0)
            return r;
    }
    // No file is larger than SIZE_BYTES_MAX, so the cut changes no result.
    request->min_size = MIN(request->min_size, SIZE_BYTES_MAX);
    request->max_size = MIN(request->max_size, SIZE_BYTES_MAX);
    return r < 0 ? r : sd_bus_message_exit_container(call);
}

int find_bus_method(sd_bus_message *call, void *userdata, sd_bus_error *error) {
    FindRequest request = {.limit = LIMIT_DEFAULT, .max_size = SIZE_BYTES_MAX};
    const PeerBus *self = userdata;
    TrackerSearch *search;
    int r;

    r = find_bus_read_words(call, &request, error);
    if (r >= 0)
        r = find_bus_read_options(call, &request, error);
    if (r < 0)
        return r;
    sd_bus_message_ref(call);
    r = tracker_find(self->peer->tracker, &request, find_bus_on_found, call, &search);
    if (r < 0)
        sd_bus_message_unref(call);
    if (r == -ENOTCONN)
        return sd_bus_error_setf(error, BUS_ERROR_NOT_JOINED, "Not joined: %s",
                                 tracker_reason(self->peer->tracker));
    if (r == -EBUSY)
        return sd_bus_error_set(error, BUS_ERROR_TOO_MANY, "Too many searches at once");
    return r < 0 ? r : 1; // find_bus_on_found() answers
}
