// SPDX-License-Identifier: MIT

#include "ctl/peer-info.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "bus/names.h"
#include "ctl/bus-call.h"
#include "ctl/format.h"
#include "ctl/output.h"
#include "ctl/properties.h"

static void peer_info_clear_shares(ShareInfoList *list) {
    for (size_t i = 0; i < list->n; i++) {
        free(list->shares[i].path);
        free(list->shares[i].state);
        free(list->shares[i].explanation);
    }
    free(list->shares);
    *list = (ShareInfoList){};
}

static int peer_info_add_share(ShareInfoList *list, const char *path, uint64_t size,
                               const char *state, const char *explanation) {
    ShareInfo *shares = reallocarray(list->shares, list->n + 1, sizeof(*shares)), *share;

    if (!shares)
        return -ENOMEM;
    list->shares = shares;
    share = &shares[list->n++];
    *share = (ShareInfo){
        .path = strdup(path),
        .size = size,
        .state = strdup(state),
        .explanation = strdup(explanation),
    };
    return share->path && share->state && share->explanation ? 0 : -ENOMEM;
}

static int peer_info_read_shares(sd_bus_message *message, void *field) {
    const char *path, *state, *explanation;
    ShareInfoList *list = field;
    uint64_t size;
    int r;

    peer_info_clear_shares(list);
    r = sd_bus_message_enter_container(message, 'a', "(stss)");
    if (r < 0)
        return r;
    while ((r = sd_bus_message_read(message, "(stss)", &path, &size, &state, &explanation)) > 0) {
        r = peer_info_add_share(list, path, size, state, explanation);
        if (r < 0)
            return r;
    }
    return r < 0 ? r : sd_bus_message_exit_container(message);
}

static const Property properties[] = {
    {"Version", "s", offsetof(PeerInfo, version), NULL},
    {"State", "s", offsetof(PeerInfo, state), NULL},
    {"Reason", "s", offsetof(PeerInfo, reason), NULL},
    {"Since", "t", offsetof(PeerInfo, since), NULL},
    {"FileTracker", "s", offsetof(PeerInfo, file_tracker), NULL},
    {"Address", "s", offsetof(PeerInfo, address), NULL},
    {"Reachable", "s", offsetof(PeerInfo, reachable), NULL},
    {"DownloadDirectory", "s", offsetof(PeerInfo, download_directory), NULL},
    {"DownloadProblem", "s", offsetof(PeerInfo, download_problem), NULL},
    {"WatchProblem", "s", offsetof(PeerInfo, watch_problem), NULL},
    {"Shares", "a(stss)", offsetof(PeerInfo, shares), peer_info_read_shares},
};

int peer_info_read(sd_bus_message *message, PeerInfo *peer) {
    return properties_read(message, properties, ELEMENTSOF(properties), peer);
}

void peer_info_clear(PeerInfo *peer) {
    properties_free(properties, ELEMENTSOF(properties), peer);
    peer_info_clear_shares(&peer->shares);
}

int peer_info_get(sd_bus *bus, PeerInfo *ret, sd_bus_error *error) {
    _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
    _cleanup_(peer_info_clear) PeerInfo peer = {};
    int r;

    r = ctl_get_all(bus, &SERVICE_PEER, BUS_PEER_PATH, BUS_PEER_INTERFACE, error, &reply);
    if (r < 0)
        return r;
    r = peer_info_read(reply, &peer);
    if (r < 0)
        return r;
    *ret = peer;
    peer = (PeerInfo){};
    return 0;
}

bool share_is_published(const ShareInfo *share) {
    return strcmp(share->state, "published") == 0;
}

bool share_is_hashing(const ShareInfo *share) {
    return strcmp(share->state, "hashing") == 0;
}

ShareCounts peer_info_count(const PeerInfo *peer) {
    ShareCounts counts = {};

    for (size_t i = 0; i < peer->shares.n; i++) {
        const ShareInfo *share = &peer->shares.shares[i];

        if (share_is_published(share))
            counts.published++;
        else if (share_is_hashing(share))
            counts.hashing++;
        else
            counts.others++;
    }
    return counts;
}

char *share_counts_describe(const ShareCounts *counts) {
    char hashing[64] = "", others[64] = "", *text;

    if (counts->hashing > 0)
        snprintf(hashing, sizeof(hashing), ", %zu being hashed", counts->hashing);
    if (counts->others > 0)
        snprintf(others, sizeof(others), ", %zu not", counts->others);
    return asprintf(&text, "%zu published%s%s", counts->published, hashing, others) < 0 ? NULL
                                                                                        : text;
}

bool peer_info_is_unreachable(const PeerInfo *peer) {
    return strcmp(peer->reachable, "no") == 0;
}

char *peer_info_describe(const PeerInfo *peer) {
    const char *ft = *peer->file_tracker ? peer->file_tracker : "the FileTracker",
               *state = peer->state;
    const char *colon = *peer->reason ? ": " : "";
    char since[FORMAT_MAX], *text;
    int r;

    format_time(peer->since, (uint64_t)time(NULL) * USEC_PER_SEC, since);
    if (strcmp(state, "joined") == 0 && *peer->address)
        r = asprintf(&text, "p2p-peer has been joined to %s since %s, %sreachable at %s", ft, since,
                     peer_info_is_unreachable(peer) ? "not " : "", peer->address);
    else if (strcmp(state, "joined") == 0)
        r = asprintf(&text, "p2p-peer has been joined to %s since %s", ft, since);
    else if (strcmp(state, "left") == 0)
        r = asprintf(&text, "p2p-peer left %s at %s", ft, since);
    else if (strcmp(state, "connecting") == 0)
        r = asprintf(&text, "p2p-peer has been connecting to %s since %s%s%s", ft, since, colon,
                     peer->reason);
    else if (strcmp(state, "waiting") == 0)
        r = asprintf(&text, "p2p-peer has not been joined to %s since %s, and will try again%s%s",
                     ft, since, colon, peer->reason);
    else
        r = asprintf(&text, "p2p-peer has been %s since %s%s%s", state, since, colon, peer->reason);
    return r < 0 ? NULL : text;
}

json_t *peer_info_json(const PeerInfo *peer) {
    return json_pack("{so so so so so so so so so}", "state", json_text(peer->state), "reason",
                     json_text(peer->reason), "since", json_time(peer->since), "file_tracker",
                     json_text(peer->file_tracker), "address", json_text(peer->address),
                     "reachable", json_text(peer->reachable), "download_directory",
                     json_text(peer->download_directory), "download_problem",
                     json_text(peer->download_problem), "daemon_version", json_text(peer->version));
}
