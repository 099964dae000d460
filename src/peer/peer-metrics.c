// SPDX-License-Identifier: MIT

#include "peer/peer-metrics.h"

#include "util/metrics.h"

static void peer_metrics_put_ft(const Peer *peer, Metrics *metrics) {
    metrics_gauge(metrics, "p2p_peer_joined", "Whether the peer is joined to a FileTracker");
    metrics_put(metrics, tracker_state(peer->tracker) == TRACKER_JOINED, NULL, NULL);
    metrics_gauge(metrics, "p2p_peer_published", "Files that the FileTracker has of this peer");
    metrics_put(metrics, tracker_published(peer->tracker), NULL, NULL);
    metrics_counter(metrics, "p2p_peer_joins", "How often a FileTracker was joined");
    metrics_put(metrics, tracker_joins(peer->tracker), NULL, NULL);
    metrics_counter(metrics, "p2p_peer_searches", "Searches, those for downloads included");
    metrics_put(metrics, tracker_searches(peer->tracker), NULL, NULL);
}

// An offered file is published, is over FT's limit, or will be told to FT.
static void peer_metrics_put_shares(const Peer *peer, Metrics *metrics) {
    size_t offered = share_table_count_state(shares_table(peer->shares), SHARE_OFFERED), limit;
    size_t published = MIN(tracker_published(peer->tracker), offered);
    bool full = tracker_is_full(peer->tracker, &limit);

    metrics_gauge(metrics, "p2p_peer_shares",
                  "Files that the configuration names, by the state that p2pctl shares shows");
    metrics_put(metrics, published, "state", share_state_name(SHARE_OFFERED));
    metrics_put(metrics, full ? 0 : offered - published, "state", "pending");
    metrics_put(metrics, full ? offered - published : 0, "state", "limit");
    for (ShareState state = 0; state < _SHARE_STATE_COUNT; state++)
        if (state != SHARE_OFFERED)
            metrics_put(metrics, share_table_count_state(shares_table(peer->shares), state),
                        "state", share_state_name(state));
}

static void peer_metrics_put_transfers(const Peer *peer, Metrics *metrics) {
    static const TransferDirection directions[] = {TRANSFER_DOWNLOAD, TRANSFER_UPLOAD};
    uint64_t counts[ELEMENTSOF(directions)][TRANSFER_DONE] = {};
    const Transfer *transfer;

    TAILQ_FOREACH (transfer, &peer->transfers.list, link)
        if (!transfer_state_is_final(transfer->state))
            counts[transfer->direction][transfer->state]++;
    metrics_gauge(metrics, "p2p_peer_transfers", "Transfers that have not ended");
    for (size_t i = 0; i < ELEMENTSOF(directions); i++)
        for (TransferState state = 0; state < TRANSFER_DONE; state++)
            metrics_put2(metrics, counts[directions[i]][state], "direction",
                         transfer_direction_name(directions[i]), "state",
                         transfer_state_name(state));
    metrics_counter(metrics, "p2p_peer_transfers_ended", "Transfers that have ended");
    for (size_t i = 0; i < ELEMENTSOF(directions); i++)
        for (TransferState state = TRANSFER_DONE; state < _TRANSFER_STATE_COUNT; state++)
            metrics_put2(metrics, peer->transfers.results[directions[i]][state - TRANSFER_DONE],
                         "direction", transfer_direction_name(directions[i]), "result",
                         transfer_state_name(state));
}

static void peer_metrics_put_bytes(const Peer *peer, Metrics *metrics) {
    metrics_counter(metrics, "p2p_peer_sent_bytes",
                    "Bytes of files, and of the hashes of their pieces, that others were sent");
    metrics_put(metrics, peer->uploads.hub.sender.total, NULL, NULL);
    metrics_counter(metrics, "p2p_peer_received_bytes",
                    "Bytes of files that others have sent, right or wrong");
    metrics_put(metrics, downloads_received(&peer->downloads), NULL, NULL);
    metrics_counter(metrics, "p2p_peer_wrong_sources",
                    "Sources of a download that sent what is not in the file");
    metrics_put(metrics, downloads_wrong_sources(&peer->downloads), NULL, NULL);
}

static void peer_metrics_put_refused(const Peer *peer, Metrics *metrics) {
    metrics_counter(metrics, "p2p_peer_refused", "Requests of others that were refused");
    for (UploadRefusal i = 0; i < _UPLOAD_REFUSAL_COUNT; i++)
        metrics_put(metrics,
                    peer->uploads.refusals.counts[i] + peer->uploads.hub.refusals.counts[i],
                    "cause", upload_refusal_name(i));
}

int peer_metrics(const Peer *peer, char **ret) {
    Metrics metrics;
    int r;

    r = metrics_begin(&metrics);
    if (r < 0)
        return r;
    metrics_gauge(&metrics, "p2p_peer_build_info", "Always 1");
    metrics_put(&metrics, 1, "version", VERSION);
    peer_metrics_put_ft(peer, &metrics);
    peer_metrics_put_shares(peer, &metrics);
    peer_metrics_put_transfers(peer, &metrics);
    peer_metrics_put_bytes(peer, &metrics);
    peer_metrics_put_refused(peer, &metrics);
    return metrics_end(&metrics, ret);
}
