// SPDX-License-Identifier: MIT

#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include "ctl/connection.h"
#include "ctl/failure.h"
#include "ctl/find-call.h"
#include "ctl/output.h"
#include "ctl/search-call.h"
#include "ctl/suggestion.h"
#include "ctl/table.h"
#include "ctl/target.h"
#include "ctl/verbs.h"

static bool verb_search_is_told_already(const Found *record, const File *file) {
    return record > file->first && strcmp(record[-1].address, record->address) == 0 &&
           record[-1].port == record->port;
}

static json_t *verb_search_sources_json(const File *file) {
    json_t *sources = json_array();

    for (size_t i = 0; i < file->n_records; i++) {
        const Found *record = &file->first[i];

        if (!verb_search_is_told_already(record, file))
            json_array_append_new(sources,
                                  json_pack("{ss si ss}", "address", record->address, "port",
                                            (int)record->port, "modified", record->modified));
    }
    return sources;
}

// `result`: of a search by words, else NULL.
static ExitStatus verb_search_print_json(const Ctl *ctl, const FileList *list,
                                         const FindResult *result) {
    json_t *document = document_new(), *files = json_array();

    for (size_t i = 0; i < list->n; i++) {
        const File *file = &list->files[i];
        char root[MERKLE_TEXT_BYTES + 1] = "";
        json_t *entry;

        if (file->first->has_root)
            file_format_root(file, MERKLE_TEXT_BYTES, root);
        entry =
            json_pack("{ss ss sI ss so sI}", "name", file->first->name, "type", file->first->type,
                      "size", (json_int_t)file->first->size, "modified", file->modified, "root",
                      json_text(root), "n_sources", (json_int_t)file->n_sources);
        if (!result) // only a search by name reports the sources
            json_object_set_new(entry, "sources", verb_search_sources_json(file));
        json_array_append_new(files, entry);
    }
    json_object_set_new(document, "files", files);
    if (result)
        json_object_update_new(
            document, json_pack("{sI sb sI sb}", "total", (json_int_t)result->total, "at_least",
                                result->at_least, "n_peers", (json_int_t)result->peers,
                                "whole_name", result->whole_name));
    return document_print(ctl, document);
}

// A row for each source, with what `download` takes as --address, --port and --root. NULL: no
// memory.
static Table *verb_search_source_table(const FileList *list, size_t digits) {
    static const Column columns[] = {
        {"NAME", false, 1, 12},    {"TYPE", false, 2, 6},   {"SIZE", true, 0, 0},
        {"MODIFIED", false, 0, 0}, {"SOURCE", false, 0, 0}, {"ROOT", false, 0, 0},
    };
    Table *table = table_new(columns, ELEMENTSOF(columns));

    for (size_t i = 0; table && i < list->n; i++) {
        const File *file = &list->files[i];
        char root[MERKLE_TEXT_BYTES + 1];

        file_format_root(file, digits, root);
        for (size_t k = 0; k < file->n_records; k++) {
            const Found *record = &file->first[k];
            _cleanup_free_ char *source = found_endpoint(record);

            if (verb_search_is_told_already(record, file))
                continue;
            table_add(table, record->name);
            table_add(table, record->type);
            table_add_size(table, record->size);
            table_add(table, record->modified);
            table_add(table, source ?: "?");
            table_add(table, root);
        }
    }
    return table;
}

// Files of different names or types may have the same root.
static bool verb_search_is_root_above(const FileList *list, size_t i) {
    for (size_t k = 0; k < i; k++)
        if (list->files[k].first->has_root &&
            merkle_hash_equal(&list->files[k].first->root, &list->files[i].first->root))
            return true;
    return false;
}

// Whole roots are in the table if the terminal has room for them, else below it.
static ExitStatus verb_search_print_sources(const Ctl *ctl, const FileList *list) {
    _cleanup_(table_freep) Table *table = verb_search_source_table(list, MERKLE_TEXT_BYTES);
    TableStyle style = output_table_style(ctl);
    bool wide;

    if (!table)
        return fail_memory();
    wide = style.width == 0 || table_full_width(table) <= style.width;
    if (!wide) {
        table_free(table);
        table = verb_search_source_table(list, file_list_root_digits(list));
    }
    if (!table || table_print(table, &style, stdout) < 0)
        return fail_memory();
    for (size_t i = 0; !wide && i < list->n; i++) {
        char root[MERKLE_TEXT_BYTES + 1];

        file_format_root(&list->files[i], MERKLE_TEXT_BYTES, root);
        if (list->files[i].first->has_root && !verb_search_is_root_above(list, i))
            printf("root %s\n", root);
    }
    return STATUS_DONE;
}

static ExitStatus verb_search_print_table(const Ctl *ctl, const FileList *list) {
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
    // The last column exists only if at least one row needs it.
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

static void verb_search_print_total(uint64_t shown, uint64_t total, bool at_least, size_t peers) {
    if (at_least || shown < total)
        printf("showing %" PRIu64 " of %s%" PRIu64 " files", shown, at_least ? "at least " : "",
               total);
    else
        printf("%" PRIu64 " file%s", total, total == 1 ? "" : "s");
    printf(" at %zu peer%s\n", peers, peers == 1 ? "" : "s");
}

static ExitStatus verb_search_print_found(const Ctl *ctl, const FindResult *result) {
    ExitStatus status = verb_search_print_table(ctl, &result->files);

    if (status == STATUS_DONE && ctl->legend)
        verb_search_print_total(result->files.n, result->total, result->at_least, result->peers);
    return status;
}

// The file exists, but the options exclude it.
static ExitStatus verb_search_none_fits(const char *name) {
    _cleanup_free_ char *word = shell_word(name);

    ctl_error("no peer shares \"%s\" with that type or size.", name);
    ctl_hint("To see all of that name: p2pctl search --exact %s", word ?: "NAME");
    return STATUS_NOTHING;
}

static ExitStatus verb_search_name(Ctl *ctl, const char *name) {
    _cleanup_(search_call_clear) SearchCall search = {.name = name};
    _cleanup_(file_list_clear) FileList files = {};
    size_t total, n_found;
    ExitStatus status;
    int r;

    if (target_check_name(search.name) < 0)
        return STATUS_USAGE;
    if (ctl_connect_peer(ctl) != STATUS_DONE)
        return STATUS_UNAVAILABLE;
    r = search_calls_run(ctl->bus, &search, 1);
    if (r < 0)
        return bus_failed(ctl, &SERVICE_PEER, &SD_BUS_ERROR_NULL, r);
    r = search.r;
    n_found = search.found.n;
    found_filter(&search.found, &ctl->search);
    if (r >= 0)
        r = found_group(&search.found, &files);
    if (r < 0)
        return bus_failed(ctl, &SERVICE_PEER, &search.error, r);
    total = files.n;
    if (ctl->search.limit > 0)
        files.n = MIN(files.n, (size_t)ctl->search.limit);
    if (ctl->json) {
        status = verb_search_print_json(ctl, &files, NULL);
        if (status != STATUS_DONE)
            return status;
    }
    if (files.n == 0)
        return n_found > 0 ? verb_search_none_fits(search.name) : nobody_shares(ctl, search.name);
    if (ctl->json)
        return STATUS_DONE;
    status = verb_search_print_sources(ctl, &files);
    if (status == STATUS_DONE && ctl->legend)
        verb_search_print_total(files.n, total, false, found_count_peers(&search.found));
    return status;
}

static ExitStatus verb_search_nothing_found(const FindResult *result, int argc, char **argv) {
    if (result->whole_name)
        ctl_error(
            "no peer shares a file of exactly that name, and this FileTracker cannot search for "
            "words.");
    else if (result->at_least) {
        ctl_error("these words are in too many names to check them all.");
        ctl_hint("Try rarer words, or the exact name: p2pctl search --exact NAME");
    } else if (argc == 1)
        ctl_error("no peer shares a file whose name has \"%s\".", argv[0]);
    else {
        ctl_error("no peer shares a file whose name has all of these words.");
        ctl_hint("Try fewer of them.");
    }
    return STATUS_NOTHING;
}

// Whether there is any word to search for.
static bool verb_search_any_word(int argc, char **argv) {
    for (int i = 0; i < argc; i++)
        if (argv[i][strspn(argv[i], " \t")] != '\0')
            return true;
    return false;
}

static ExitStatus verb_search_words(Ctl *ctl, int argc, char **argv) {
    _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
    _cleanup_(find_result_clear) FindResult result = {};
    ExitStatus status;
    int r;

    if (!verb_search_any_word(argc, argv)) {
        ctl_error("search needs a word of a name.");
        ctl_hint("Try: p2pctl help search");
        return STATUS_USAGE;
    }
    if (ctl_connect_peer(ctl) != STATUS_DONE)
        return STATUS_UNAVAILABLE;
    r = find_call_run(ctl->bus, argv, argc, &ctl->search, &result, &error);
    // An older daemon has no Find.
    if (r < 0 && argc == 1 && sd_bus_error_has_name(&error, SD_BUS_ERROR_UNKNOWN_METHOD))
        return verb_search_name(ctl, argv[0]);
    if (r < 0)
        return bus_failed(ctl, &SERVICE_PEER, &error, r);
    if (ctl->json) {
        status = verb_search_print_json(ctl, &result.files, &result);
        if (status != STATUS_DONE)
            return status;
    }
    if (result.files.n == 0)
        return verb_search_nothing_found(&result, argc, argv);
    if (result.whole_name)
        ctl_hint("This FileTracker cannot search for words. These files have exactly that name.");
    return ctl->json ? STATUS_DONE : verb_search_print_found(ctl, &result);
}

// p2pctl search '"report.txt"' searches for exactly that name.
static char *verb_search_quoted(const char *text) {
    size_t len = strlen(text);

    return len > 2 && text[0] == '"' && text[len - 1] == '"' ? strndup(text + 1, len - 2) : NULL;
}

ExitStatus verb_search(Ctl *ctl, int argc, char **argv) {
    _cleanup_free_ char *name = argc == 1 ? verb_search_quoted(argv[0]) : NULL;

    if (!name && !ctl->search.exact)
        return verb_search_words(ctl, argc, argv);
    if (argc > 1) {
        ctl_error("--exact takes one name; quote it if it has spaces.");
        return STATUS_USAGE;
    }
    return verb_search_name(ctl, name ?: argv[0]);
}
