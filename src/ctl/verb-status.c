// SPDX-License-Identifier: MIT

#include <string.h>
#include <time.h>

#include "ctl/connection.h"
#include "ctl/failure.h"
#include "ctl/format.h"
#include "ctl/output.h"
#include "ctl/peer-info.h"
#include "ctl/transfer-info.h"
#include "ctl/verbs.h"

typedef struct TransferTotals {
    size_t down, up, paused; // paused ones are downloads, too
    uint64_t down_size, down_transferred;
    double down_rate, up_rate;
} TransferTotals;

static TransferTotals verb_status_totals_of(const TransferList *list) {
    uint64_t now = (uint64_t)time(NULL) * USEC_PER_SEC;
    TransferTotals totals = {};

    for (size_t i = 0; i < list->n; i++) {
        const TransferInfo *transfer = &list->transfers[i];

        if (transfer_info_is_over(transfer))
            continue;
        if (transfer_info_is_upload(transfer)) {
            totals.up++;
            totals.up_rate += transfer_info_rate(transfer, now);
        } else {
            totals.down++;
            totals.paused += transfer_info_is(transfer, "paused");
            totals.down_rate += transfer_info_rate(transfer, now);
            totals.down_size += transfer->size;
            totals.down_transferred += transfer->transferred;
        }
    }
    return totals;
}

static ExitStatus verb_status_print_json(const Ctl *ctl, const PeerInfo *peer,
                                         const TransferTotals *totals) {
    json_t *document = document_new(), *object = peer_info_json(peer), *shares, *transfers;
    const ShareCounts counts = peer_info_count(peer);

    shares = json_pack("{sI sI sI}", "published", (json_int_t)counts.published, "not_published",
                       (json_int_t)(counts.hashing + counts.others), "hashing",
                       (json_int_t)counts.hashing);
    transfers = json_pack("{sI sI sI sI sI}", "down", (json_int_t)totals->down, "up",
                          (json_int_t)totals->up, "paused", (json_int_t)totals->paused,
                          "down_bytes_per_second", (json_int_t)totals->down_rate,
                          "up_bytes_per_second", (json_int_t)totals->up_rate);
    if (json_object_set_new(object, "shares", shares) < 0 ||
        json_object_set_new(object, "transfers", transfers) < 0 ||
        json_object_set_new(document, "peer", object) < 0) {
        json_decref(document);
        return fail_memory();
    }
    return document_print(ctl, document);
}

static Colour verb_status_state_colour(const char *state) {
    if (strcmp(state, "joined") == 0)
        return COLOUR_GREEN;
    if (strcmp(state, "connecting") == 0 || strcmp(state, "waiting") == 0)
        return COLOUR_YELLOW;
    return COLOUR_DIM;
}

static int verb_status_print_shares(const PeerInfo *peer) {
    const ShareCounts counts = peer_info_count(peer);
    _cleanup_free_ char *text = share_counts_describe(&counts);
    // A peer that is connecting has not looked at its shares yet.
    const char *nothing = strcmp(peer->state, "connecting") == 0 ? "not known yet" : "none";

    if (!text)
        return -ENOMEM;
    printf("     shares: %s%s\n", peer->shares.n == 0 ? nothing : text,
           counts.others > 0 ? " (p2pctl shares says why)" : "");
    return 0;
}

static void verb_status_print_transfers(const TransferTotals *totals) {
    char rate[FORMAT_MAX];

    printf("  transfers: ");
    if (totals->down + totals->up == 0)
        printf("none");
    if (totals->down > 0) {
        printf("%zu down", totals->down);
        if (totals->down_size > 0)
            printf(" (%u%%)", percent_of(totals->down_transferred, totals->down_size));
        if (totals->paused > 0 && totals->paused < totals->down)
            printf(", %zu of them paused", totals->paused);
        else if (totals->paused > 0)
            printf(", paused");
    }
    if (totals->up > 0)
        printf("%s%zu up", totals->down > 0 ? ", " : "", totals->up);
    if (totals->down_rate > 0) {
        format_rate(totals->down_rate, rate);
        printf(", %s in", rate);
    }
    if (totals->up_rate > 0) {
        format_rate(totals->up_rate, rate);
        printf(", %s out", rate);
    }
    putchar('\n');
}

// Most unreachable peers are behind a firewall that their user has not thought of.
static void verb_status_print_unreachable(const PeerInfo *peer) {
    const char *port = strrchr(peer->address, ':');

    printf("             The FileTracker could not connect to it. Others will find what\n"
           "             is shared here, but probably cannot download it.\n");
    if (!port)
        return;
    print_escaped(stdout,
                  "             Open TCP port %s in this machine's firewall, or forward it in",
                  port + 1);
    printf("\n             the router; then: p2pctl join\n");
}

static ExitStatus verb_status_print_text(const Ctl *ctl, const PeerInfo *peer,
                                         const TransferTotals *totals) {
    _cleanup_free_ char *line = peer_info_describe(peer);

    if (!line)
        return fail_memory();
    print_bullet(ctl, peer_info_is_unreachable(peer) ? COLOUR_YELLOW
                                                     : verb_status_state_colour(peer->state));
    print_escaped(stdout, "%s", line);
    putchar('\n');
    if (strcmp(peer->state, "joined") == 0 && peer_info_is_unreachable(peer))
        verb_status_print_unreachable(peer);
    if (strcmp(peer->state, "left") == 0)
        printf("       join: p2pctl join\n");
    if (strcmp(peer->state, "idle") == 0)
        printf("       edit: %s\n", config_hint(ctl));
    if (verb_status_print_shares(peer) < 0)
        return fail_memory();
    verb_status_print_transfers(totals);
    if (peer->download_problem && *peer->download_problem) {
        print_escaped(stdout, "             %s", peer->download_problem);
        printf("\n             (DIRECTORIES in p2pshare.ini(5) says what a download-dir needs)\n");
    }
    return STATUS_DONE;
}

ExitStatus verb_status(Ctl *ctl, int argc _unused_, char **argv _unused_) {
    _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
    _cleanup_(transfer_list_clear) TransferList transfers = {};
    _cleanup_(peer_info_clear) PeerInfo peer = {};
    ExitStatus status;
    TransferTotals totals;
    int r;

    if (ctl_connect(ctl) < 0)
        return STATUS_UNAVAILABLE;
    r = peer_info_get(ctl->bus, &peer, &error);
    if (r >= 0)
        r = transfer_list_get(ctl->bus, &transfers, &error);
    if (r < 0)
        return bus_failed(ctl, &SERVICE_PEER, &error, r);
    totals = verb_status_totals_of(&transfers);
    status = ctl->json ? verb_status_print_json(ctl, &peer, &totals)
                       : verb_status_print_text(ctl, &peer, &totals);
    if (status != STATUS_DONE)
        return status;
    // Scripts can use the exit status alone, as that of `systemctl status`.
    return strcmp(peer.state, "joined") == 0 ? STATUS_DONE : STATUS_UNAVAILABLE;
}
