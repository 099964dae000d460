// SPDX-License-Identifier: MIT

#include "ft/ft-metrics.h"

#include "util/metrics.h"

int ft_metrics(const Ft *ft, char **ret) {
    const FtMemory memory = ft_memory(ft);
    Metrics metrics;
    int r;

    r = metrics_begin(&metrics);
    if (r < 0)
        return r;
    metrics_gauge(&metrics, "p2p_ft_build_info", "Always 1");
    metrics_put(&metrics, 1, "version", VERSION);
    metrics_gauge(&metrics, "p2p_ft_peers", "Accepted peers");
    metrics_put(&metrics, ft->accepted_count, NULL, NULL);
    metrics_gauge(&metrics, "p2p_ft_connections",
                  "Open connections, including those of accepted peers");
    metrics_put(&metrics, ft->accepted_count + ft->waiting_count, NULL, NULL);
    metrics_gauge(&metrics, "p2p_ft_connections_max", "How many connections may be open");
    metrics_put(&metrics, ft->config.max_peers, NULL, NULL);
    metrics_gauge(&metrics, "p2p_ft_files", "Distinct names of files");
    metrics_put(&metrics, index_names(ft->index), NULL, NULL);
    metrics_gauge(&metrics, "p2p_ft_records", "Records");
    metrics_put(&metrics, index_records(ft->index), NULL, NULL);
    metrics_gauge(&metrics, "p2p_ft_memory_bytes", "Memory that was allocated");
    metrics_put(&metrics, memory.records, "part", "records");
    metrics_put(&metrics, memory.words, "part", "words");
    metrics_put(&metrics, memory.sessions, "part", "sessions");
    metrics_put(&metrics, memory.buffers, "part", "buffers");
    metrics_counter(&metrics, "p2p_ft_joins", "Peers that were accepted");
    metrics_put(&metrics, ft->joins, NULL, NULL);
    metrics_counter(&metrics, "p2p_ft_searches", "Searches that were answered");
    metrics_put(&metrics, ft->searches, NULL, NULL);
    metrics_counter(&metrics, "p2p_ft_refused",
                    "Connections, records and searches that were refused");
    for (FtRefusal i = 0; i < _REFUSED_COUNT; i++)
        metrics_put(&metrics, ft->refused[i], "cause", ft_refusal_name(i));
    return metrics_end(&metrics, ret);
}
