// SPDX-License-Identifier: MIT

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bus/names.h"
#include "ctl/connection.h"
#include "ctl/output.h"
#include "ctl/table.h"
#include "ctl/target.h"
#include "ctl/verbs.h"

// Strings are those of the reply.
typedef struct Found {
    const char *name, *type, *modified, *address;
    uint64_t size;
    uint16_t port;
} Found;

typedef struct FoundList {
    Found *records;
    size_t n;
} FoundList;

// Neighbours in the list that are the same file, as far as their records say.
typedef struct File {
    const Found *first;
    size_t n_records, n_sources;
} File;

typedef struct FileList {
    File *files;
    size_t n;
} FileList;

static void found_list_clear(FoundList *list) {
    free(list->records);
}

static void file_list_clear(FileList *list) {
    free(list->files);
}

static int read_records(sd_bus_message *reply, FoundList *list) {
    int r;

    r = sd_bus_message_enter_container(reply, 'a', "(sstssqa{sv})");
    if (r < 0)
        return r;
    while ((r = sd_bus_message_enter_container(reply, 'r', "sstssqa{sv}")) > 0) {
        Found *records = reallocarray(list->records, list->n + 1, sizeof(*records)), *found;

        if (!records)
            return -ENOMEM;
        list->records = records;
        found = &records[list->n];
        r = sd_bus_message_read(reply, "sstssq", &found->name, &found->type, &found->size,
                                &found->modified, &found->address, &found->port);
        if (r < 0)
            return r;
        r = sd_bus_message_skip(reply, "a{sv}"); // extras
        if (r < 0)
            return r;
        r = sd_bus_message_exit_container(reply);
        if (r < 0)
            return r;
        list->n++;
    }
    return r < 0 ? r : sd_bus_message_exit_container(reply);
}

// What makes two records one file: all that they say of it.
static int compare_file(const Found *a, const Found *b) {
    int r;

    if ((r = strcmp(a->name, b->name)) || (r = strcmp(a->type, b->type)) ||
        (r = (a->size > b->size) - (a->size < b->size)))
        return r;
    return strcmp(a->modified, b->modified);
}

static int compare_source(const Found *a, const Found *b) {
    int r = strcmp(a->address, b->address);

    return r ? r : (a->port > b->port) - (a->port < b->port);
}

static int compare_found(const void *a, const void *b) {
    int r = compare_file(a, b);

    return r ? r : compare_source(a, b);
}

static int compare_found_source(const void *a, const void *b) {
    return compare_source(a, b);
}

// Most sources first among files of one name.
static int compare_files(const void *a, const void *b) {
    const File *x = a, *y = b;
    int r = strcmp(x->first->name, y->first->name);

    if (r)
        return r;
    if (x->n_sources != y->n_sources)
        return x->n_sources < y->n_sources ? 1 : -1;
    return compare_file(x->first, y->first);
}

static int group(FoundList *found, FileList *ret) {
    FileList list = {};

    if (found->n == 0)
        return 0;
    list.files = calloc(found->n, sizeof(*list.files));
    if (!list.files)
        return -ENOMEM;
    qsort(found->records, found->n, sizeof(*found->records), compare_found);
    for (size_t i = 0; i < found->n; i++) {
        const Found *record = &found->records[i];
        File *file = list.n > 0 ? &list.files[list.n - 1] : NULL;

        if (!file || compare_file(file->first, record) != 0) {
            list.files[list.n++] = (File){.first = record, .n_records = 1, .n_sources = 1};
            continue;
        }
        file->n_records++;
        file->n_sources += compare_source(record - 1, record) != 0;
    }
    qsort(list.files, list.n, sizeof(*list.files), compare_files);
    *ret = list;
    return 0;
}

// How many peers there are behind all records. Leaves them in another order.
static size_t count_peers(FoundList *found) {
    size_t n = found->n > 0;

    qsort(found->records, found->n, sizeof(*found->records), compare_found_source);
    for (size_t i = 1; i < found->n; i++)
        n += compare_source(&found->records[i - 1], &found->records[i]) != 0;
    return n;
}

static ExitStatus print_json(const Ctl *ctl, const FileList *list) {
    json_t *document = document_new(), *files = json_array();

    for (size_t i = 0; i < list->n; i++) {
        const File *file = &list->files[i];
        const Found *first = file->first;
        json_t *sources = json_array();

        for (size_t k = 0; k < file->n_records; k++)
            if (k == 0 || compare_source(&first[k - 1], &first[k]) != 0)
                json_array_append_new(sources, json_pack("{ss si}", "address", first[k].address,
                                                         "port", (int) first[k].port));
        json_array_append_new(files, json_pack("{ss ss sI ss so}", "name", first->name, "type",
                                               first->type, "size", (json_int_t) first->size,
                                               "modified", first->modified, "sources", sources));
    }
    json_object_set_new(document, "files", files);
    return document_print(ctl, document);
}

static ExitStatus print_text(const Ctl *ctl, const FileList *list, FoundList *found) {
    static const Column columns[] = {
        {"NAME", false, 1, 12},    {"TYPE", false, 2, 6},   {"SIZE", true, 0, 0},
        {"MODIFIED", false, 0, 0}, {"SOURCES", true, 0, 0},
    };
    _cleanup_(table_freep) Table *table = table_new(columns, ELEMENTSOF(columns));
    TableStyle style = output_table_style(ctl);
    size_t peers;

    if (!table)
        return fail_memory();
    for (size_t i = 0; i < list->n; i++) {
        const Found *first = list->files[i].first;

        table_add(table, first->name);
        table_add(table, first->type);
        table_add_size(table, first->size);
        table_add(table, first->modified);
        table_addf(table, "%zu", list->files[i].n_sources);
    }
    if (table_print(table, &style, stdout) < 0)
        return fail_memory();
    if (ctl->legend) {
        peers = count_peers(found);
        printf("%zu file%s at %zu peer%s\n", list->n, list->n == 1 ? "" : "s", peers,
               peers == 1 ? "" : "s");
    }
    return STATUS_DONE;
}

ExitStatus verb_search(Ctl *ctl, int argc _unused_, char **argv) {
    _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
    _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
    _cleanup_(found_list_clear) FoundList found = {};
    _cleanup_(file_list_clear) FileList files = {};
    const char *name = argv[0];
    ExitStatus status;
    int r;

    if (target_check_name(name) < 0)
        return STATUS_USAGE;
    if (ctl_connect(ctl) < 0)
        return STATUS_UNAVAILABLE;
    r = sd_bus_call_method(ctl->bus, BUS_PEER_NAME, BUS_PEER_PATH, BUS_PEER_INTERFACE, "Search",
                           &error, &reply, "s", name);
    if (r >= 0)
        r = read_records(reply, &found);
    if (r >= 0)
        r = group(&found, &files);
    if (r < 0)
        return bus_failed(ctl, &SERVICE_PEER, &error, r);
    if (ctl->json) {
        status = print_json(ctl, &files);
        if (status != STATUS_DONE)
            return status;
    }
    if (files.n == 0)
        return nobody_shares(ctl, name);
    return ctl->json ? STATUS_DONE : print_text(ctl, &files, &found);
}
