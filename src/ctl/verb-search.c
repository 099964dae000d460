// SPDX-License-Identifier: MIT

#include <string.h>
#include <unistd.h>

#include "ctl/connection.h"
#include "ctl/output.h"
#include "ctl/search.h"
#include "ctl/table.h"
#include "ctl/target.h"
#include "ctl/verbs.h"

static bool is_told_already(const Found *record, const File *file) {
    return record > file->first && strcmp(record[-1].address, record->address) == 0 &&
           record[-1].port == record->port;
}

static json_t *sources_json(const File *file) {
    json_t *sources = json_array();

    for (size_t i = 0; i < file->n_records; i++) {
        const Found *record = &file->first[i];

        if (!is_told_already(record, file))
            json_array_append_new(sources,
                                  json_pack("{ss si ss}", "address", record->address, "port",
                                            (int) record->port, "modified", record->modified));
    }
    return sources;
}

static ExitStatus print_json(const Ctl *ctl, const FileList *list) {
    json_t *document = document_new(), *files = json_array();

    for (size_t i = 0; i < list->n; i++) {
        const File *file = &list->files[i];
        char root[MERKLE_TEXT_BYTES + 1] = "";

        if (file->first->has_root)
            file_format_root(file, MERKLE_TEXT_BYTES, root);
        json_array_append_new(files,
                              json_pack("{ss ss sI ss so so}", "name", file->first->name, "type",
                                        file->first->type, "size", (json_int_t) file->first->size,
                                        "modified", file->modified, "root", json_text(root),
                                        "sources", sources_json(file)));
    }
    json_object_set_new(document, "files", files);
    return document_print(ctl, document);
}

static ExitStatus print_table(const Ctl *ctl, const FileList *list) {
    static const Column columns[] = {
        {"NAME", false, 1, 12},    {"TYPE", false, 2, 6},   {"SIZE", true, 0, 0},
        {"MODIFIED", false, 0, 0}, {"SOURCES", true, 0, 0}, {"ROOT", false, 0, 0},
        {"", false, 3, 0},
    };
    size_t digits = file_list_root_digits(list), n_others = 0;
    _cleanup_(table_freep) Table *table = NULL;
    TableStyle style = output_table_style(ctl);

    for (size_t i = 0; i < list->n; i++)
        n_others += file_list_is_another(list, i);
    // The last column is there only where there is something to say.
    table = table_new(columns, ELEMENTSOF(columns) - (n_others == 0));
    if (!table)
        return fail_memory();
    for (size_t i = 0; i < list->n; i++) {
        const File *file = &list->files[i];
        char root[MERKLE_TEXT_BYTES + 1];

        file_format_root(file, digits, root);
        table_add(table, file->first->name);
        table_add(table, file->first->type);
        table_add_size(table, file->first->size);
        table_add(table, file->modified);
        table_addf(table, "%zu", file->n_sources);
        table_add(table, root);
        if (n_others > 0)
            table_add(table, file_list_is_another(list, i) ? "same name, another file" : "");
    }
    return table_print(table, &style, stdout) < 0 ? fail_memory() : STATUS_DONE;
}

static ExitStatus print_text(const Ctl *ctl, const FileList *list, const FoundList *found) {
    ExitStatus status = print_table(ctl, list);
    size_t peers = found_count_peers(found);

    if (status == STATUS_DONE && ctl->legend)
        printf("%zu file%s at %zu peer%s\n", list->n, list->n == 1 ? "" : "s", peers,
               peers == 1 ? "" : "s");
    return status;
}

ExitStatus verb_search(Ctl *ctl, int argc _unused_, char **argv) {
    _cleanup_(search_clear) Search search = {.name = argv[0]};
    _cleanup_(file_list_clear) FileList files = {};
    ExitStatus status;
    int r;

    if (target_check_name(search.name) < 0)
        return STATUS_USAGE;
    if (ctl_connect(ctl) < 0)
        return STATUS_UNAVAILABLE;
    r = search_all(ctl->bus, &search, 1);
    if (r < 0)
        return bus_failed(ctl, &SERVICE_PEER, &SD_BUS_ERROR_NULL, r);
    r = search.r;
    if (r >= 0)
        r = found_group(&search.found, &files);
    if (r < 0)
        return bus_failed(ctl, &SERVICE_PEER, &search.error, r);
    if (ctl->json) {
        status = print_json(ctl, &files);
        if (status != STATUS_DONE)
            return status;
    }
    if (files.n == 0)
        return nobody_shares(ctl, search.name);
    return ctl->json ? STATUS_DONE : print_text(ctl, &files, &search.found);
}
