// SPDX-License-Identifier: MIT

#include "ctl/found.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "util/macro.h"

// Of the extras, only the root matters. A root that cannot be read counts as none.
static int found_read_extras(sd_bus_message *reply, Found *found) {
    int r;

    r = sd_bus_message_enter_container(reply, 'a', "{sv}");
    if (r < 0)
        return r;
    while ((r = sd_bus_message_enter_container(reply, 'e', "sv")) > 0) {
        const char *key, *contents, *root;

        r = sd_bus_message_read_basic(reply, 's', &key);
        if (r >= 0)
            r = sd_bus_message_peek_type(reply, NULL, &contents);
        if (r < 0)
            return r;
        if (strcmp(key, "root") == 0 && strcmp(contents, "s") == 0) {
            r = sd_bus_message_read(reply, "v", "s", &root);
            found->has_root = r >= 0 && merkle_hash_parse(root, strlen(root), &found->root) >= 0;
        } else
            r = sd_bus_message_skip(reply, "v");
        if (r >= 0)
            r = sd_bus_message_exit_container(reply);
        if (r < 0)
            return r;
    }
    return r < 0 ? r : sd_bus_message_exit_container(reply);
}

static int found_read_record(sd_bus_message *reply, Found *found) {
    int r;

    r = sd_bus_message_read(reply, "sstssq", &found->name, &found->type, &found->size,
                            &found->modified, &found->address, &found->port);
    if (r >= 0)
        r = found_read_extras(reply, found);
    return r < 0 ? r : sd_bus_message_exit_container(reply);
}

int found_read(sd_bus_message *reply, FoundList *ret) {
    _cleanup_(found_list_clear) FoundList list = {.reply = sd_bus_message_ref(reply)};
    int r;

    r = sd_bus_message_enter_container(reply, 'a', "(sstssqa{sv})");
    if (r < 0)
        return r;
    while ((r = sd_bus_message_enter_container(reply, 'r', "sstssqa{sv}")) > 0) {
        Found *records = reallocarray(list.records, list.n + 1, sizeof(*records));

        if (!records)
            return -ENOMEM;
        list.records = records;
        records[list.n] = (Found){};
        r = found_read_record(reply, &records[list.n]);
        if (r < 0)
            return r;
        list.n++;
    }
    if (r >= 0)
        r = sd_bus_message_exit_container(reply);
    if (r < 0)
        return r;
    *ret = list;
    list = (FoundList){};
    return 0;
}

static int found_read_file(sd_bus_message *reply, Found *found, uint32_t *ret_sources) {
    int r;

    found->address = "";
    r = sd_bus_message_read(reply, "sstsu", &found->name, &found->type, &found->size,
                            &found->modified, ret_sources);
    if (r >= 0)
        r = found_read_extras(reply, found);
    return r < 0 ? r : sd_bus_message_exit_container(reply);
}

int found_read_files(sd_bus_message *reply, FoundList *ret, FileList *ret_files) {
    _cleanup_(found_list_clear) FoundList list = {.reply = sd_bus_message_ref(reply)};
    _cleanup_(file_list_clear) FileList files = {};
    int r;

    r = sd_bus_message_enter_container(reply, 'a', "(sstsua{sv})");
    if (r < 0)
        return r;
    while ((r = sd_bus_message_enter_container(reply, 'r', "sstsua{sv}")) > 0) {
        Found *records = reallocarray(list.records, list.n + 1, sizeof(*records));
        File *grown = reallocarray(files.files, list.n + 1, sizeof(*grown));
        uint32_t sources;

        list.records = records ?: list.records;
        files.files = grown ?: files.files;
        if (!records || !grown)
            return -ENOMEM;
        records[list.n] = (Found){};
        r = found_read_file(reply, &records[list.n], &sources);
        if (r < 0)
            return r;
        grown[list.n] = (File){.n_records = 1, .n_sources = sources};
        list.n++;
    }
    if (r >= 0)
        r = sd_bus_message_exit_container(reply);
    if (r < 0)
        return r;
    for (size_t i = 0; i < list.n; i++) {
        files.files[i].first = &list.records[i];
        files.files[i].modified = list.records[i].modified;
    }
    files.n = list.n;
    *ret = list;
    *ret_files = files;
    list = (FoundList){};
    files = (FileList){};
    return 0;
}

void found_filter(FoundList *list, const SearchRequest *options) {
    size_t n = 0;

    for (size_t i = 0; i < list->n; i++) {
        const Found *found = &list->records[i];

        if (found->size >= options->min_size &&
            (!options->max_set || found->size <= options->max_size) &&
            (!options->type || strcasecmp(options->type, found->type) == 0))
            list->records[n++] = *found;
    }
    list->n = n;
}

void found_list_clear(FoundList *list) {
    free(list->records);
    sd_bus_message_unref(list->reply);
    *list = (FoundList){};
}

char *found_endpoint(const Found *found) {
    bool v6 = strchr(found->address, ':');
    char *text;

    if (asprintf(&text, "%s%s%s:%u", v6 ? "[" : "", found->address, v6 ? "]" : "", found->port) < 0)
        return NULL;
    return text;
}

static bool found_is_bare(const Found *found) {
    return !*found->type || strcasecmp(found->type, "file") == 0;
}

char *found_file_name(const Found *found) {
    bool bare = found_is_bare(found);
    char *text;

    if (asprintf(&text, "%s%s%s", found->name, bare ? "" : ".", bare ? "" : found->type) < 0)
        return NULL;
    return text;
}

bool found_is_called(const Found *found, const char *typed) {
    size_t len = strlen(found->name);

    if (strncmp(typed, found->name, len) != 0)
        return false;
    if (typed[len] == '\0')
        return found_is_bare(found);
    // A record has its type in lower case, whatever the extension of the file is.
    return typed[len] == '.' && strcasecmp(typed + len + 1, found->type) == 0;
}

bool found_root_begins(const Found *found, const char *digits) {
    char text[MERKLE_TEXT_BYTES + 1];

    if (!found->has_root)
        return false;
    merkle_hash_format(&found->root, text);
    return strncasecmp(text, digits, strlen(digits)) == 0;
}

static bool found_fits(const Found *found, const DownloadRequest *options) {
    return (!options->type || strcasecmp(options->type, found->type) == 0) &&
           (!options->size_set || options->size == found->size) &&
           (!options->address || strcmp(options->address, found->address) == 0) &&
           (options->port == 0 || options->port == found->port) &&
           (!options->root || found_root_begins(found, options->root));
}

// Keeps the records whose `wanted` is true; keeps all if none is.
static void found_prefer(FoundList *list, const bool wanted[]) {
    size_t n = 0;

    for (size_t i = 0; i < list->n; i++)
        if (wanted[i])
            list->records[n++] = list->records[i];
    if (n > 0)
        list->n = n;
}

int found_narrow(FoundList *list, const char *typed, const DownloadRequest *options,
                 const char *own) {
    _cleanup_free_ bool *wanted = calloc(MAX(list->n, (size_t)1), sizeof(*wanted));
    size_t n = 0;

    if (!wanted)
        return -ENOMEM;
    for (size_t i = 0; i < list->n; i++)
        if (found_fits(&list->records[i], options))
            list->records[n++] = list->records[i];
    list->n = n;
    for (size_t i = 0; i < list->n; i++) {
        _cleanup_free_ char *endpoint = found_endpoint(&list->records[i]);

        if (!endpoint)
            return -ENOMEM;
        wanted[i] = strcmp(endpoint, own) != 0;
    }
    found_prefer(list, wanted);
    for (size_t i = 0; i < list->n; i++)
        wanted[i] = found_is_called(&list->records[i], typed);
    found_prefer(list, wanted);
    for (size_t i = 0; i < list->n; i++)
        wanted[i] = list->records[i].has_root;
    found_prefer(list, wanted);
    return 0;
}

static int found_compare_root(const Found *a, const Found *b) {
    if (a->has_root != b->has_root)
        return a->has_root ? -1 : 1;
    return a->has_root ? memcmp(&a->root, &b->root, sizeof(a->root)) : 0;
}

// Records with equal values here are one file.
static int found_compare_file(const Found *a, const Found *b) {
    int r;

    if ((r = strcmp(a->name, b->name)) || (r = strcmp(a->type, b->type)) ||
        (r = (a->size > b->size) - (a->size < b->size)))
        return r;
    return found_compare_root(a, b);
}

static int found_compare_source(const Found *a, const Found *b) {
    int r = strcmp(a->address, b->address);

    return r ? r : (a->port > b->port) - (a->port < b->port);
}

static int found_compare(const void *a, const void *b) {
    int r = found_compare_file(a, b);

    return r ? r : found_compare_source(a, b);
}

static int found_compare_by_source(const void *a, const void *b) {
    return found_compare_source(a, b);
}

// Among files of one name, the one with most sources comes first.
static int found_compare_files(const void *a, const void *b) {
    const File *x = a, *y = b;
    int r = strcmp(x->first->name, y->first->name);

    if (r)
        return r;
    if (x->n_sources != y->n_sources)
        return x->n_sources < y->n_sources ? 1 : -1;
    return found_compare_file(x->first, y->first);
}

int found_group(FoundList *list, FileList *ret) {
    FileList files = {.files = calloc(MAX(list->n, (size_t)1), sizeof(*files.files))};

    if (!files.files)
        return -ENOMEM;
    if (list->n > 0)
        qsort(list->records, list->n, sizeof(*list->records), found_compare);
    for (size_t i = 0; i < list->n; i++) {
        const Found *record = &list->records[i];
        File *file = files.n > 0 ? &files.files[files.n - 1] : NULL;

        if (!file || found_compare_file(file->first, record) != 0) {
            files.files[files.n++] = (File){record, 1, 1, record->modified};
            continue;
        }
        file->n_records++;
        file->n_sources += found_compare_source(record - 1, record) != 0;
        if (strcmp(record->modified, file->modified) > 0)
            file->modified = record->modified;
    }
    if (files.n > 0)
        qsort(files.files, files.n, sizeof(*files.files), found_compare_files);
    *ret = files;
    return 0;
}

void file_list_clear(FileList *list) {
    free(list->files);
    *list = (FileList){};
}

bool file_differs(const File *a, const File *b) {
    if (a->first->has_root && b->first->has_root)
        return found_compare_root(a->first, b->first) != 0;
    return found_compare_file(a->first, b->first) != 0;
}

size_t file_list_count_different(const FileList *list) {
    size_t n = 0;

    for (size_t i = 0; i < list->n; i++) {
        size_t k = 0;

        while (k < i && file_differs(&list->files[k], &list->files[i]))
            k++;
        n += k == i;
    }
    return n;
}

bool file_list_is_another(const FileList *list, size_t i) {
    const Found *file = list->files[i].first;
    bool any = false;

    for (size_t k = 0; k < i; k++) {
        const Found *above = list->files[k].first;

        if (strcmp(above->name, file->name) != 0 || strcmp(above->type, file->type) != 0)
            continue;
        any = true;
        if (above->size == file->size &&
            (!above->has_root || !file->has_root || found_compare_root(above, file) == 0))
            return false;
    }
    return any;
}

size_t file_list_root_digits(const FileList *list) {
    size_t digits = ROOT_DIGITS_MIN;

    for (size_t i = 0; i < list->n; i++)
        for (size_t k = 0; k < i; k++) {
            char a[MERKLE_TEXT_BYTES + 1], b[MERKLE_TEXT_BYTES + 1];
            size_t same = 0;

            file_format_root(&list->files[i], MERKLE_TEXT_BYTES, a);
            file_format_root(&list->files[k], MERKLE_TEXT_BYTES, b);
            while (a[same] && a[same] == b[same])
                same++;
            if (a[same] != b[same]) // else both have the same root
                digits = MAX(digits, same + 1);
        }
    return digits;
}

void file_format_root(const File *file, size_t digits, char text[static MERKLE_TEXT_BYTES + 1]) {
    if (!file->first->has_root) {
        strcpy(text, "-");
        return;
    }
    merkle_hash_format(&file->first->root, text);
    text[MIN(digits, (size_t)MERKLE_TEXT_BYTES)] = '\0';
}

size_t found_count_peers(const FoundList *list) {
    _cleanup_free_ Found *records = NULL;
    size_t n = list->n > 0;

    if (list->n == 0)
        return 0;
    records = reallocarray(NULL, list->n, sizeof(*records));
    if (!records)
        return 0;
    memcpy(records, list->records, list->n * sizeof(*records));
    qsort(records, list->n, sizeof(*records), found_compare_by_source);
    for (size_t i = 1; i < list->n; i++)
        n += found_compare_source(&records[i - 1], &records[i]) != 0;
    return n;
}
