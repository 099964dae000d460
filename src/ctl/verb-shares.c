// SPDX-License-Identifier: MIT

#include <stdio.h>
#include <string.h>

#include "bus/names.h"
#include "ctl/bus-call.h"
#include "ctl/connection.h"
#include "ctl/failure.h"
#include "ctl/output.h"
#include "ctl/peer-info.h"
#include "ctl/table.h"
#include "ctl/verbs.h"

// The daemon does not know the size of what it cannot read.
static bool verb_shares_has_size(const ShareInfo *share) {
    return share->size > 0 ||
           (strcmp(share->state, "unreadable") != 0 && strcmp(share->state, "vanished") != 0);
}

static void verb_shares_add_state(Table *table, const ShareInfo *share) {
    bool pending = strcmp(share->state, "pending") == 0;

    if (share_is_published(share))
        table_add(table, "published");
    else if (share_is_hashing(share))
        table_addf(table, "hashing%s%s", *share->explanation ? ", " : "", share->explanation);
    else if (pending && !*share->explanation)
        table_add(table, "pending");
    else {
        table_add(table, pending ? "pending:" : "not published:");
        table_add_note(table, *share->explanation ? share->explanation : share->state);
    }
}

static ExitStatus verb_shares_print_text(const Ctl *ctl, const PeerInfo *peer) {
    static const Column columns[] = {
        {"FILE", false, 1, 20, true},
        {"SIZE", true, 0, 0},
        {"STATE", false, 0, 0},
    };
    _cleanup_(table_freep) Table *table = table_new(columns, ELEMENTSOF(columns));
    TableStyle style = output_table_style(ctl);
    const ShareCounts counts = peer_info_count(peer);
    _cleanup_free_ char *total = share_counts_describe(&counts);

    if (!table || !total)
        return fail_memory();
    for (size_t i = 0; i < peer->shares.n; i++) {
        const ShareInfo *share = &peer->shares.shares[i];

        table_add(table, share->path);
        if (verb_shares_has_size(share))
            table_add_size(table, share->size);
        else
            table_add(table, "?  ");
        verb_shares_add_state(table, share);
    }
    if (peer->shares.n > 0 && table_print(table, &style, stdout) < 0)
        return fail_memory();
    if (!ctl->legend)
        return STATUS_DONE;
    if (peer->shares.n == 0)
        print_escaped(stdout, "Nothing is shared. Try: p2pctl%s share add PATH",
                      ctl->user ? " --user" : "");
    else
        printf("%s", total);
    putchar('\n');
    if (peer->watch_problem && *peer->watch_problem) {
        print_escaped(stdout, "%s", peer->watch_problem);
        putchar('\n');
    }
    return STATUS_DONE;
}

static ExitStatus verb_shares_print_json(const Ctl *ctl, const PeerInfo *peer) {
    json_t *document = document_new(), *shares = json_array();

    for (size_t i = 0; i < peer->shares.n; i++) {
        const ShareInfo *share = &peer->shares.shares[i];
        json_t *size =
            verb_shares_has_size(share) ? json_integer((json_int_t)share->size) : json_null();

        json_array_append_new(shares, json_pack("{so so so so}", "path", json_text(share->path),
                                                "size", size, "state", json_text(share->state),
                                                "explanation", json_text(share->explanation)));
    }
    json_object_set_new(document, "shares", shares);
    json_object_set_new(document, "watch_problem", json_text(peer->watch_problem));
    return document_print(ctl, document);
}

ExitStatus verb_shares(Ctl *ctl, int argc _unused_, char **argv _unused_) {
    _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
    _cleanup_(peer_info_clear) PeerInfo peer = {};
    int r;

    if (ctl_connect(ctl) < 0)
        return STATUS_UNAVAILABLE;
    r = peer_info_get(ctl->bus, &peer, &error);
    if (r < 0)
        return bus_failed(ctl, &SERVICE_PEER, &error, r);
    return ctl->json ? verb_shares_print_json(ctl, &peer) : verb_shares_print_text(ctl, &peer);
}

ExitStatus verb_rescan(Ctl *ctl, int argc _unused_, char **argv _unused_) {
    _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
    int r;

    if (ctl_connect(ctl) < 0)
        return STATUS_UNAVAILABLE;
    // Walking a large disk takes long; the user can end the wait by Ctrl-C.
    r = ctl_call_method(ctl, &SERVICE_PEER, BUS_PEER_PATH, BUS_PEER_INTERFACE, "Rescan", UINT64_MAX,
                        &error);
    return r < 0 ? bus_failed(ctl, &SERVICE_PEER, &error, r) : STATUS_DONE;
}
