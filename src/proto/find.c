// SPDX-License-Identifier: MIT

#include "proto/find.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "proto/name.h"
#include "util/macro.h"
#include "util/parse-util.h"
#include "util/text.h"

#define FIELD_AT_LEAST "at least"
#define FIELD_EXACTLY  "exactly"

typedef struct View {
    const char *text;
    size_t len;
} View;

static View find_trimmed(const char *text, size_t len) {
    while (len > 0 && *text == ' ') {
        text++;
        len--;
    }
    while (len > 0 && text[len - 1] == ' ')
        len--;
    return (View){text, len};
}

// Cuts the field before the first comma off the text. False: there is no comma.
static bool find_take_first(View *rest, View *ret) {
    const char *comma = memchr(rest->text, ',', rest->len);

    if (!comma)
        return false;
    *ret = find_trimmed(rest->text, comma - rest->text);
    *rest = find_trimmed(comma + 1, rest->text + rest->len - comma - 1);
    return true;
}

// Cuts the field behind the last comma off the text. False: there is no comma.
static bool find_take_last(View *rest, View *ret) {
    const char *comma = memrchr(rest->text, ',', rest->len);

    if (!comma)
        return false;
    *ret = find_trimmed(comma + 1, rest->text + rest->len - comma - 1);
    *rest = find_trimmed(rest->text, comma - rest->text);
    return true;
}

static int find_read_number(View field, uint64_t max, uint64_t *ret) {
    uint64_t value;

    if (parse_u64_n(field.text, field.len, &value) < 0 || value > max)
        return -EBADMSG;
    *ret = value;
    return 0;
}

int find_text_check(const char *text) {
    size_t len = strlen(text);

    return len > 0 && len <= FIND_TEXT_MAX && text[strspn(text, " ")] != '\0' &&
                   text_is_utf8(text, len) && !text_has_control(text, len)
               ? 0
               : -EBADMSG;
}

static int find_decode_text(View field, char text[static FIND_TEXT_MAX + 1]) {
    int n = name_decode(field.text, field.len, text, FIND_TEXT_MAX + 1);

    return n < 0 || strlen(text) != (size_t)n ? -EBADMSG : find_text_check(text);
}

int find_parse(const Message *message, FindRequest *ret) {
    View rest = {message->argument, message->argument_len}, limit, type, min, max;
    FindRequest request = {.max_size = SIZE_BYTES_MAX};
    uint64_t number;

    if (!find_take_first(&rest, &limit) || !find_take_first(&rest, &type) ||
        !find_take_first(&rest, &min) || !find_take_first(&rest, &max) ||
        find_read_number(limit, FIND_RESULTS_MAX, &number) < 0 || number == 0 ||
        find_read_number(min, SIZE_BYTES_MAX, &request.min_size) < 0 ||
        (max.len > 0 && find_read_number(max, SIZE_BYTES_MAX, &request.max_size) < 0) ||
        (type.len > 0 && !type_is_valid(type.text, type.len)) ||
        find_decode_text(rest, request.text) < 0)
        return -EBADMSG;
    memcpy(request.type, type.text, type.len);
    request.limit = (uint32_t)number;
    *ret = request;
    return 0;
}

static int find_put_text(Buffer *out, const char *text) {
    return buffer_append(out, text, strlen(text));
}

int find_put(Buffer *out, const FindRequest *request) {
    char head[128], max[24] = "";
    int r;

    if (request->max_size < SIZE_BYTES_MAX)
        snprintf(max, sizeof(max), "%" PRIu64, request->max_size);
    snprintf(head, sizeof(head), WORD_FIND " %" PRIu32 ", %s, %" PRIu64 ", %s, ", request->limit,
             request->type, request->min_size, max);
    r = find_put_text(out, head);
    if (r >= 0)
        r = name_encode(out, request->text, NAME_IN_MESSAGE);
    return r < 0 ? r : find_put_text(out, "\n");
}

static int find_put_file(Buffer *out, const FoundFile *file) {
    char text[TYPE_BYTES_MAX + MERKLE_TEXT_BYTES + 128], root[MERKLE_TEXT_BYTES + 3] = "";
    int r;

    if (file->has_root) {
        memcpy(root, ", ", 2);
        merkle_hash_format(&file->root, root + 2);
    }
    snprintf(text, sizeof(text), ", %s, %" PRIu64 ", %02u/%02u/%04u, %" PRIu32 "%s>", file->type,
             file->size, file->modified.day, file->modified.month, file->modified.year,
             file->sources, root);
    r = find_put_text(out, " <");
    if (r >= 0)
        r = name_encode(out, file->name, NAME_IN_RECORD);
    return r < 0 ? r : find_put_text(out, text);
}

int matches_put(Buffer *out, const FindSummary *summary, const FoundFile files[], size_t n) {
    const size_t begin = out->size;
    char head[96];
    int r;

    snprintf(head, sizeof(head), WORD_MATCHES " %" PRIu64 ", %s, %" PRIu32, summary->total,
             summary->at_least ? FIELD_AT_LEAST : FIELD_EXACTLY, summary->peers);
    r = find_put_text(out, head);
    for (size_t i = 0; i < n && r >= 0 && out->size - begin < MATCHES_BYTES_FULL; i++)
        r = find_put_file(out, &files[i]);
    return r < 0 ? r : find_put_text(out, "\n");
}

static bool find_is(View field, const char *word) {
    return field.len == strlen(word) && memcmp(field.text, word, field.len) == 0;
}

static int find_parse_file(View rest, RecordText *text, FoundFile *ret) {
    FoundFile file = {.name = text->name, .type = text->type};
    View sources, date, size, type;
    bool long_year, dashed;
    uint64_t number;
    int n;

    if (!find_take_last(&rest, &sources))
        return -EBADMSG;
    if (merkle_hash_parse(sources.text, sources.len, &file.root) >= 0) {
        file.has_root = true;
        if (!find_take_last(&rest, &sources))
            return -EBADMSG;
    }
    if (!find_take_last(&rest, &date) || !find_take_last(&rest, &size) ||
        !find_take_last(&rest, &type) || find_read_number(sources, UINT32_MAX, &number) < 0 ||
        date_parse(date.text, date.len, &file.modified, &long_year, &dashed) < 0 ||
        find_read_number(size, SIZE_BYTES_MAX, &file.size) < 0 ||
        !type_is_valid(type.text, type.len))
        return -EBADMSG;
    n = name_decode(rest.text, rest.len, text->name, sizeof(text->name));
    if (n < 0 || !name_is_valid(text->name, n))
        return -EBADMSG;
    memcpy(text->type, type.text, type.len);
    text->type[type.len] = '\0';
    file.sources = (uint32_t)number;
    *ret = file;
    return 0;
}

static int find_parse_summary(View head, FindSummary *ret) {
    View total, how;
    uint64_t peers;

    if (!find_take_first(&head, &total) || !find_take_first(&head, &how) ||
        find_read_number(total, UINT64_MAX, &ret->total) < 0 ||
        find_read_number(head, UINT32_MAX, &peers) < 0 ||
        (!find_is(how, FIELD_AT_LEAST) && !find_is(how, FIELD_EXACTLY)))
        return -EBADMSG;
    ret->at_least = find_is(how, FIELD_AT_LEAST);
    ret->peers = (uint32_t)peers;
    return 0;
}

int matches_parse(const Message *message, FoundFiles *ret) {
    _cleanup_(found_files_clear) FoundFiles files = {};
    const char *begin = message->argument, *end = begin + message->argument_len, *open, *close;
    size_t room;

    open = message->argument_len > 0 ? memchr(begin, '<', message->argument_len) : NULL;
    if (message->argument_len == 0 ||
        find_parse_summary(find_trimmed(begin, (open ?: end) - begin), &files.summary) < 0)
        return -EBADMSG;
    // A file takes at least 16 bytes.
    room = MIN((size_t)FIND_RESULTS_MAX, message->argument_len / 16 + 1);
    files.entries = calloc(room, sizeof(*files.entries));
    if (!files.entries)
        return -ENOMEM;
    for (; open && files.n < room && (close = memchr(open, '>', end - open));
         open = memchr(close, '<', end - close))
        if (find_parse_file(find_trimmed(open + 1, close - open - 1), &files.entries[files.n].text,
                            &files.entries[files.n].file) >= 0)
            files.n++;
    *ret = files;
    files = (FoundFiles){};
    return 0;
}

void found_files_clear(FoundFiles *files) {
    free(files->entries);
    *files = (FoundFiles){};
}

static bool find_fits(const FindRequest *request, const Record *record) {
    return record->size >= request->min_size && record->size <= request->max_size &&
           (!*request->type || strcasecmp(request->type, record->type) == 0);
}

static bool find_is_of_file(const FoundFile *file, const Record *record) {
    return file->size == record->size && file->has_root == record->has_root &&
           merkle_hash_equal(&file->root, &record->root) && strcmp(file->name, record->name) == 0 &&
           strcasecmp(file->type, record->type) == 0;
}

// Most sources first, then by name.
static int find_compare_sources(const void *a, const void *b) {
    const FoundFile *x = a, *y = b;

    return x->sources != y->sources ? (x->sources > y->sources ? -1 : 1) : strcmp(x->name, y->name);
}

size_t find_among_records(const FindRequest *request, const Record records[], size_t n,
                          FoundFile files[], FindSummary *summary) {
    size_t n_files = 0;

    *summary = (FindSummary){};
    for (size_t i = 0; i < n; i++) {
        const Record *record = &records[i];
        bool known = false;
        size_t f = 0;

        if (!find_fits(request, record))
            continue;
        while (f < n_files && !find_is_of_file(&files[f], record))
            f++;
        if (f == n_files)
            files[n_files++] = (FoundFile){.name = record->name,
                                           .type = record->type,
                                           .size = record->size,
                                           .modified = record->modified,
                                           .has_root = record->has_root,
                                           .root = record->root};
        files[f].sources++;
        if (date_is_later(&record->modified, &files[f].modified))
            files[f].modified = record->modified;
        for (size_t k = 0; k < i && !known; k++)
            known = find_fits(request, &records[k]) &&
                    endpoint_equal(&records[k].endpoint, &record->endpoint);
        summary->peers += !known;
    }
    if (n_files > 0)
        qsort(files, n_files, sizeof(*files), find_compare_sources);
    summary->total = n_files;
    return MIN(n_files, (size_t)request->limit);
}
