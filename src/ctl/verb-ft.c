// SPDX-License-Identifier: MIT

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "bus/names.h"
#include "ctl/bus-call.h"
#include "ctl/connection.h"
#include "ctl/failure.h"
#include "ctl/format.h"
#include "ctl/ft-admin.h"
#include "ctl/output.h"
#include "ctl/properties.h"
#include "ctl/table.h"
#include "ctl/verbs.h"

typedef struct FtCount {
    char *name;
    uint64_t count;
} FtCount;

typedef struct FtCountList {
    FtCount *counts;
    size_t n;
} FtCountList;

typedef struct FtInfo {
    char *version;
    char **listen;
    uint32_t peers, sessions;
    uint64_t files, records, searches;
    FtCountList refused, memory;
} FtInfo;

static void verb_ft_clear_counts(FtCountList *list) {
    for (size_t i = 0; i < list->n; i++)
        free(list->counts[i].name);
    free(list->counts);
    *list = (FtCountList){};
}

static int verb_ft_read_counts(sd_bus_message *message, void *field) {
    FtCountList *list = field;
    const char *name;
    uint64_t count;
    int r;

    verb_ft_clear_counts(list);
    r = sd_bus_message_enter_container(message, 'a', "{st}");
    if (r < 0)
        return r;
    while ((r = sd_bus_message_read(message, "{st}", &name, &count)) > 0) {
        FtCount *counts = reallocarray(list->counts, list->n + 1, sizeof(*counts));

        if (!counts)
            return -ENOMEM;
        list->counts = counts;
        counts[list->n] = (FtCount){.name = strdup(name), .count = count};
        if (!counts[list->n].name)
            return -ENOMEM;
        list->n++;
    }
    return r < 0 ? r : sd_bus_message_exit_container(message);
}

static const Property properties[] = {
    {"Version", "s", offsetof(FtInfo, version), NULL},
    {"Listen", "as", offsetof(FtInfo, listen), NULL},
    {"Peers", "u", offsetof(FtInfo, peers), NULL},
    {"Files", "t", offsetof(FtInfo, files), NULL},
    {"Records", "t", offsetof(FtInfo, records), NULL},
    {"Searches", "t", offsetof(FtInfo, searches), NULL},
    {"Refused", "a{st}", offsetof(FtInfo, refused), verb_ft_read_counts},
    {"Sessions", "u", offsetof(FtInfo, sessions), NULL},
    {"Memory", "a{st}", offsetof(FtInfo, memory), verb_ft_read_counts},
};

static void verb_ft_info_clear(FtInfo *ft) {
    properties_free(properties, ELEMENTSOF(properties), ft);
    verb_ft_clear_counts(&ft->refused);
    verb_ft_clear_counts(&ft->memory);
}

static uint64_t verb_ft_count_of(const FtCountList *list, const char *name) {
    for (size_t i = 0; i < list->n; i++)
        if (strcmp(list->counts[i].name, name) == 0)
            return list->counts[i].count;
    return 0;
}

// "4.0 MiB for 50000 records (84 B each)"
static void verb_ft_print_memory_of(uint64_t bytes, uint64_t n, const char *what) {
    char text[FORMAT_MAX], each[FORMAT_MAX];

    format_size(bytes, text);
    printf("%s for %llu %s%s", text, (unsigned long long)n, what, n == 1 ? "" : "s");
    if (n == 0)
        return;
    format_size((bytes + n / 2) / n, each);
    printf(" (%s each)", each);
}

static void verb_ft_print_memory(const FtInfo *ft) {
    char words[FORMAT_MAX], buffers[FORMAT_MAX];

    format_size(verb_ft_count_of(&ft->memory, "words"), words);
    format_size(verb_ft_count_of(&ft->memory, "buffers"), buffers);
    printf("     memory: ");
    verb_ft_print_memory_of(verb_ft_count_of(&ft->memory, "records"), ft->records, "record");
    printf(", %s for their words\n             ", words);
    verb_ft_print_memory_of(verb_ft_count_of(&ft->memory, "sessions"), ft->sessions, "session");
    printf(", %s in their buffers\n", buffers);
}

static void verb_ft_print_head(const Ctl *ctl, const FtInfo *ft) {
    bool any = false;

    print_bullet(ctl, COLOUR_GREEN);
    print_escaped(stdout, "p2p-ft %s listens on ", ft->version);
    for (char **s = ft->listen; *s; s++)
        print_escaped(stdout, "%s%s", s == ft->listen ? "" : ", ", *s);
    printf("%s\n      peers: %u\n", *ft->listen ? "" : "nothing", ft->peers);
    printf("      files: %llu, in %llu record%s\n", (unsigned long long)ft->files,
           (unsigned long long)ft->records, ft->records == 1 ? "" : "s");
    printf("   searches: %llu answered\n    refused: ", (unsigned long long)ft->searches);
    for (size_t i = 0; i < ft->refused.n; i++)
        if (ft->refused.counts[i].count > 0) {
            print_escaped(stdout, "%s%llu %s", any ? ", " : "",
                          (unsigned long long)ft->refused.counts[i].count,
                          ft->refused.counts[i].name);
            any = true;
        }
    printf("%s\n", any ? "" : "nothing");
    verb_ft_print_memory(ft);
}

typedef struct FtPeer {
    const char *address, *framing, *reachable; // "yes", "no", "unknown"
    uint16_t port;
    uint32_t records;
    uint64_t since; // µs since the epoch
} FtPeer;

static int verb_ft_read_peer(sd_bus_message *reply, FtPeer *ret) {
    return sd_bus_message_read(reply, "(sqsuts)", &ret->address, &ret->port, &ret->framing,
                               &ret->records, &ret->since, &ret->reachable);
}

static int verb_ft_print_peers(const Ctl *ctl, sd_bus_message *reply) {
    static const Column columns[] = {
        {"PEER", false, 1, 20},     {"FRAMING", false, 0, 0}, {"RECORDS", true, 0, 0},
        {"REACHABLE", false, 0, 0}, {"SINCE", false, 0, 0},
    };
    _cleanup_(table_freep) Table *table = table_new(columns, ELEMENTSOF(columns));
    uint64_t now = (uint64_t)time(NULL) * USEC_PER_SEC;
    TableStyle style = output_table_style(ctl);
    FtPeer peer;
    int r;

    if (!table)
        return -ENOMEM;
    r = sd_bus_message_enter_container(reply, 'a', "(sqsuts)");
    if (r < 0)
        return r;
    while ((r = verb_ft_read_peer(reply, &peer)) > 0) {
        bool v6 = strchr(peer.address, ':');
        char since[FORMAT_MAX];

        format_time(peer.since, now, since);
        table_addf(table, "%s%s%s:%u", v6 ? "[" : "", peer.address, v6 ? "]" : "", peer.port);
        table_add(table, peer.framing);
        table_addf(table, "%u", peer.records);
        table_add(table, strcmp(peer.reachable, "unknown") == 0 ? "-" : peer.reachable);
        table_add(table, since);
    }
    if (r < 0)
        return r;
    if (table_rows(table) == 0)
        return 0;
    return table_print(table, &style, stdout);
}

static json_t *verb_ft_peers_json(sd_bus_message *reply) {
    json_t *peers = json_array();
    FtPeer peer;

    if (sd_bus_message_enter_container(reply, 'a', "(sqsuts)") < 0)
        return peers;
    while (verb_ft_read_peer(reply, &peer) > 0)
        json_array_append_new(peers, json_pack("{ss si ss sI so ss}", "address", peer.address,
                                               "port", (int)peer.port, "framing", peer.framing,
                                               "records", (json_int_t)peer.records, "since",
                                               json_time(peer.since), "reachable", peer.reachable));
    return peers;
}

static json_t *verb_ft_counts_json(const FtCountList *list) {
    json_t *object = json_object();

    for (size_t i = 0; i < list->n; i++)
        json_object_set_new(object, list->counts[i].name,
                            json_integer((json_int_t)list->counts[i].count));
    return object;
}

static json_t *verb_ft_each_json(uint64_t bytes, uint64_t n) {
    return n > 0 ? json_real((double)bytes / (double)n) : json_null();
}

static json_t *verb_ft_memory_json(const FtInfo *ft) {
    json_t *object = verb_ft_counts_json(&ft->memory);

    json_object_set_new(object, "each_record",
                        verb_ft_each_json(verb_ft_count_of(&ft->memory, "records"), ft->records));
    json_object_set_new(object, "each_session",
                        verb_ft_each_json(verb_ft_count_of(&ft->memory, "sessions"), ft->sessions));
    return object;
}

static ExitStatus verb_ft_print_json(const Ctl *ctl, const FtInfo *ft, sd_bus_message *peers) {
    json_t *document = document_new(), *listen = json_array(), *object;

    for (char **s = ft->listen; *s; s++)
        json_array_append_new(listen, json_text(*s));
    object = json_pack("{so so sI sI sI so si so so}", "daemon_version", json_text(ft->version),
                       "listen", listen, "files", (json_int_t)ft->files, "records",
                       (json_int_t)ft->records, "searches", (json_int_t)ft->searches, "refused",
                       verb_ft_counts_json(&ft->refused), "sessions", (int)ft->sessions, "memory",
                       verb_ft_memory_json(ft), "peers", verb_ft_peers_json(peers));
    json_object_set_new(document, "ft", object);
    return document_print(ctl, document);
}

static ExitStatus verb_ft_show(Ctl *ctl) {
    _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL, *peers = NULL;
    _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
    _cleanup_(verb_ft_info_clear) FtInfo ft = {};
    int r;

    if (ctl_connect(ctl) < 0)
        return STATUS_UNAVAILABLE;
    r = ctl_get_all(ctl->bus, &SERVICE_FT, BUS_FT_PATH, BUS_FT_INTERFACE, &error, &reply);
    if (r >= 0)
        r = properties_read(reply, properties, ELEMENTSOF(properties), &ft);
    if (r >= 0)
        r = sd_bus_call_method(ctl->bus, BUS_FT_NAME, BUS_FT_PATH, BUS_FT_INTERFACE, "ListPeers",
                               &error, &peers, NULL);
    if (r >= 0 && ctl->json)
        return verb_ft_print_json(ctl, &ft, peers);
    if (r >= 0) {
        verb_ft_print_head(ctl, &ft);
        if (ft.peers > 0)
            putchar('\n');
        r = verb_ft_print_peers(ctl, peers);
    }
    return r < 0 ? bus_failed(ctl, &SERVICE_FT, &error, r) : STATUS_DONE;
}

static ExitStatus verb_ft_show_peers(Ctl *ctl) {
    _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
    _cleanup_(sd_bus_message_unrefp) sd_bus_message *peers = NULL;
    json_t *document;
    int r;

    if (ctl_connect(ctl) < 0)
        return STATUS_UNAVAILABLE;
    r = sd_bus_call_method(ctl->bus, BUS_FT_NAME, BUS_FT_PATH, BUS_FT_INTERFACE, "ListPeers",
                           &error, &peers, NULL);
    if (r >= 0 && ctl->json) {
        document = document_new();
        json_object_set_new(document, "peers", verb_ft_peers_json(peers));
        return document_print(ctl, document);
    }
    if (r >= 0)
        r = verb_ft_print_peers(ctl, peers);
    return r < 0 ? bus_failed(ctl, &SERVICE_FT, &error, r) : STATUS_DONE;
}

ExitStatus verb_ft(Ctl *ctl, int argc, char **argv) {
    if (argc == 0)
        return verb_ft_show(ctl);
    if (argc == 1 && strcmp(argv[0], "peers") == 0)
        return verb_ft_show_peers(ctl);
    if (argc == 2 && strcmp(argv[0], "lookup") == 0)
        return ft_admin_lookup(ctl, argv[1]);
    if (argc == 2 && strcmp(argv[0], "kick") == 0)
        return ft_admin_kick(ctl, argv[1]);
    ctl_error("ft takes peers, lookup NAME or kick ADDRESS, or nothing.");
    ctl_hint("Try: p2pctl help ft");
    return STATUS_USAGE;
}
