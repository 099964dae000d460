// SPDX-License-Identifier: MIT

// Runs random histories of the index against a model that is too simple to be wrong: a list of
// records in their order of arrival. The seeds are fixed; test-index-model SEED uses another one.

#include "test.h"

#include <stdio.h>
#include <strings.h>

#include "ft/index-internal.h"
#include "proto/name.h"
#include "util/words.h"

enum {
    OWNERS = 12,
    NAMES = 700,
    STEPS = 30000,
    RECORDS_MAX = 4000, // in the model
    RESULTS = 1000,
};

typedef struct ModelRecord {
    int owner;
    RecordText text;
    Record record; // points into `text` only during a comparison
} ModelRecord;

typedef struct History {
    Index *index;
    IndexOwner *owners[OWNERS];
    bool last[OWNERS];
    ModelRecord *model; // the oldest first
    size_t count;
    unsigned seed;
    size_t finds, found; // searches by words, and how many of them found something
} History;

static unsigned first_seed = 1;

static int pick(History *h, int n) {
    return rand_r(&h->seed) % n;
}

// Few names are common. Some contain dots, or are as long as a name can be.
static void pick_name(History *h, char name[static NAME_BYTES_MAX + 1]) {
    int n = pick(h, 4) == 0 ? pick(h, 5) : pick(h, NAMES);
    static const char *const forms[][2] = {
        {"file-", ""},          {"FILE-", ".tar"},           {"file-", ".tar.gz"},
        {"straße ", ""},        {"e\xcc\x81t\xc3\xa9_", ""}, {"(Fi-le)x", "-txt"},
        {"000000000000", "00"},
    };
    const char *const *form = forms[n % ELEMENTSOF(forms)];
    int len = snprintf(name, NAME_BYTES_MAX + 1, "%s%d%s", form[0], n, form[1]);

    if (n % 11 == 0) {
        memset(name + len, 'x', NAME_BYTES_MAX - len);
        name[NAME_BYTES_MAX] = '\0';
    }
}

static const char *pick_type(History *h) {
    static const char *const types[] = {"txt", "TXT", "gz", "tar.gz", "Tar.gz", TYPE_NONE};

    return types[pick(h, ELEMENTSOF(types))];
}

static Record pick_record(History *h, RecordText *text) {
    Record record = {
        .name = text->name, .type = text->type, .size = pick(h, 3) * SIZE_BYTES_MAX / 2};

    pick_name(h, text->name);
    strcpy(text->type, pick_type(h));
    record.modified =
        (Date){.year = pick(h, 10000), .month = pick(h, 12) + 1, .day = pick(h, 31) + 1};
    record.endpoint.port = pick(h, 8) == 0 ? 1 + pick(h, UINT16_MAX) : 5556;
    record.endpoint.address.family = pick(h, 4) == 0 ? AF_INET6 : AF_INET;
    record.endpoint.address.v4.s_addr = pick(h, 4);
    record.has_root = pick(h, 2);
    if (record.has_root)
        memset(&record.root, pick(h, 256), sizeof(record.root));
    return record;
}

static bool same_file(const ModelRecord *m, int owner, const Record *record) {
    return m->owner == owner && m->record.size == record->size &&
           strcmp(m->text.name, record->name) == 0 && strcasecmp(m->text.type, record->type) == 0;
}

static ModelRecord *model_find(History *h, int owner, const Record *record) {
    for (size_t i = 0; i < h->count; i++)
        if (same_file(&h->model[i], owner, record))
            return &h->model[i];
    return NULL;
}

static void model_delete(History *h, ModelRecord *m) {
    memmove(m, m + 1, (h->model + h->count - m - 1) * sizeof(*m));
    h->count--;
}

static void step_add(History *h, int owner) {
    RecordText text;
    const Record record = pick_record(h, &text);
    ModelRecord *m = model_find(h, owner, &record);

    if (!m && h->count == RECORDS_MAX)
        return;
    assert_int_equal(index_has(h->index, h->owners[owner], &record), m != NULL);
    assert_int_equal(index_add(h->index, h->owners[owner], &record), 0);
    if (!m) {
        m = &h->model[h->count++];
        *m = (ModelRecord){.owner = owner, .text = text};
    }
    m->record = record;
}

// Mostly removes a record that exists.
static void step_remove(History *h, int owner) {
    RecordText text;
    Record record = pick_record(h, &text);
    ModelRecord *m;

    if (h->count > 0 && pick(h, 4) > 0) {
        m = &h->model[pick(h, (int)h->count)];
        owner = m->owner;
        text = m->text;
        record.size = m->record.size;
    }
    m = model_find(h, owner, &record);
    assert_int_equal(index_remove(h->index, h->owners[owner], &record), m ? 0 : -ENOENT);
    if (m)
        model_delete(h, m);
}

static void step_leave(History *h, int owner) {
    size_t kept = 0;

    index_owner_leave(h->index, h->owners[owner]);
    h->owners[owner] = index_owner_new(h->index);
    assert_non_null(h->owners[owner]);
    h->last[owner] = false;
    for (size_t i = 0; i < h->count; i++)
        if (h->model[i].owner != owner)
            h->model[kept++] = h->model[i];
    h->count = kept;
}

static void step_last(History *h, int owner) {
    h->last[owner] = !h->last[owner];
    index_owner_set_last(h->owners[owner], h->last[owner]);
}

static void assert_equal(const Record *found, const ModelRecord *m) {
    assert_string_equal(found->name, m->text.name);
    assert_string_equal(found->type, m->text.type);
    assert_int_equal(found->size, m->record.size);
    assert_memory_equal(&found->modified, &m->record.modified, sizeof(Date));
    assert_true(endpoint_equal(&found->endpoint, &m->record.endpoint));
    assert_int_equal(found->has_root, m->record.has_root);
    assert_memory_equal(&found->root, &m->record.root, sizeof(MerkleHash));
}

// Compares the records found for this name and type (NULL: any) of owners that come last, or of the
// others. Returns how many.
static size_t compare_part(const History *h, const char *name, size_t name_len, const char *type,
                           bool last, const Record results[], size_t found) {
    size_t n = 0;

    for (size_t i = 0; i < h->count; i++) {
        const ModelRecord *m = &h->model[i];

        if (h->last[m->owner] != last || strlen(m->text.name) != name_len ||
            memcmp(m->text.name, name, name_len) != 0 ||
            (type && strcasecmp(m->text.type, type) != 0))
            continue;
        if (n < found)
            assert_equal(&results[n], m);
        n++;
    }
    return MIN(n, found);
}

static void step_lookup(History *h) {
    static Record results[RESULTS];
    char file_name[FILE_NAME_BYTES_MAX + 1];
    size_t max = pick(h, 3) == 0 ? pick(h, 5) : RESULTS, found, n = 0;
    char name[NAME_BYTES_MAX + 1];
    const char *dot;

    pick_name(h, name);
    snprintf(file_name, sizeof(file_name), "%s%s%s", name, pick(h, 3) ? "." : "", pick_type(h));
    if (pick(h, 3) == 0)
        strcpy(file_name, name);
    found = index_lookup(h->index, file_name, results, max);
    for (int last = 0; last < 2; last++) {
        dot = file_name + strlen(file_name);
        while ((dot = memrchr(file_name, '.', dot - file_name)))
            n += compare_part(h, file_name, dot - file_name, dot + 1, last, results + n, found - n);
        n += compare_part(h, file_name, strlen(file_name), NULL, last, results + n, found - n);
    }
    assert_int_equal(n, found);
    if (found == max)
        return;
    // There was room for more, so nothing may be missing.
    n = 0;
    for (size_t i = 0; i < h->count; i++)
        n += name_matches(h->model[i].text.name, h->model[i].text.type, file_name);
    assert_int_equal(n, found);
}

// Some words of possible names and types, and some of none.
static void pick_text(History *h, char text[static FIND_TEXT_MAX + 1]) {
    static const char *const parts[] = {"file",   "FI",      "tar",   "gz",     "t",
                                        "Straße", "STRASSE", "xxxxx", "-1",     "txt",
                                        "été",    "1",       "2",     "tar.gz", "nothing"};
    int n = 1 + pick(h, 3);

    text[0] = '\0';
    for (int i = 0; i < n; i++)
        snprintf(text + strlen(text), FIND_TEXT_MAX - strlen(text), "%s%s", i > 0 ? " " : "",
                 parts[pick(h, ELEMENTSOF(parts))]);
    if (pick(h, 3) == 0)
        snprintf(text + strlen(text), FIND_TEXT_MAX - strlen(text), " %d", pick(h, NAMES));
}

static bool model_matches(const ModelRecord *m, const FindRequest *request) {
    char file_name[FILE_NAME_BYTES_MAX + 1];
    Words name, wanted;

    if (m->record.size < request->min_size || m->record.size > request->max_size ||
        (*request->type && strcasecmp(request->type, m->text.type) != 0))
        return false;
    name_join(m->text.name, m->text.type, file_name);
    words_split(file_name, strlen(file_name), &name);
    words_split(request->text, strlen(request->text), &wanted);
    for (size_t i = 0; i < wanted.n; i++)
        if (!words_have(&name, word_text(&wanted, i), wanted.words[i].len, i + 1 == wanted.n))
            return false;
    return wanted.n > 0;
}

static bool model_same(const ModelRecord *a, const FoundFile *b) {
    return strcmp(a->text.name, b->name) == 0 && strcasecmp(a->text.type, b->type) == 0 &&
           a->record.size == b->size && a->record.has_root == b->has_root &&
           memcmp(&a->record.root, &b->root, sizeof(b->root)) == 0;
}

// Each record that fits must be in exactly one of the files found.
static void step_find(History *h) {
    static FoundFile files[FIND_RESULTS_MAX];
    FindRequest request = {.limit = FIND_RESULTS_MAX, .max_size = SIZE_BYTES_MAX};
    bool owners[OWNERS] = {};
    size_t n, peers = 0, left = 0;
    FindSummary summary;

    pick_text(h, request.text);
    if (pick(h, 4) == 0)
        strcpy(request.type, pick_type(h));
    if (pick(h, 4) == 0)
        request.min_size = SIZE_BYTES_MAX / 4;
    if (pick(h, 4) == 0)
        request.max_size = SIZE_BYTES_MAX / 4;
    n = index_find_words(h->index, &request, files, &summary);
    assert_int_equal(n, MIN(summary.total, (uint64_t)FIND_RESULTS_MAX));
    for (size_t i = 0; i < h->count; i++) {
        const ModelRecord *m = &h->model[i];
        size_t f = 0;

        if (!model_matches(m, &request))
            continue;
        peers += !owners[m->owner];
        owners[m->owner] = true;
        while (f < n && !model_same(m, &files[f]))
            f++;
        left += f == n;
        if (f < n)
            files[f].sources--;
    }
    if (summary.at_least)
        return;
    assert_int_equal(summary.peers, peers);
    assert_true(left == 0 || summary.total > n);
    for (size_t f = 0; f < n; f++)
        assert_int_equal(files[f].sources, 0);
    h->found += n > 0;
    h->finds++;
}

static void compare_counts(History *h) {
    size_t counts[OWNERS] = {}, names = 0;

    for (size_t i = 0; i < h->count; i++) {
        size_t first = 0;

        counts[h->model[i].owner]++;
        while (strcmp(h->model[first].text.name, h->model[i].text.name) != 0)
            first++;
        names += first == i;
    }
    for (size_t o = 0; o < OWNERS; o++)
        assert_int_equal(index_owner_count(h->owners[o]), counts[o]);
    assert_int_equal(index_records(h->index), h->count);
    while (index_work(h->index))
        ;
    assert_int_equal(index_names(h->index), names);
}

// Times of growth and decline alternate. One owner has half of all records.
static void run_history(History *h) {
    for (int step = 0; step < STEPS; step++) {
        int owner = pick(h, 2) ? 0 : pick(h, OWNERS);
        int additions = step / (STEPS / 6) % 2 ? 3 : 9;

        if (pick(h, 1500) == 0)
            step_leave(h, owner);
        else if (pick(h, 12) < additions)
            step_add(h, owner);
        else
            step_remove(h, owner);
        if (pick(h, 50) == 0)
            step_last(h, owner);
        if (pick(h, 2) == 0)
            step_lookup(h);
        if (pick(h, 8) == 0)
            step_find(h);
        if (pick(h, 16) == 0)
            (void)index_work(h->index);
        if (pick(h, 500) == 0)
            compare_counts(h);
    }
    compare_counts(h);
    for (int o = 0; o < OWNERS; o++)
        step_leave(h, o);
    compare_counts(h);
    assert_int_equal(h->index->words->tree.count, 0); // otherwise some words would stay forever
}

static void test_random_histories(void **state _unused_) {
    for (unsigned seed = first_seed; seed < first_seed + 4; seed++) {
        History h = {.seed = seed};

        print_message("  seed %u\n", seed);
        assert_int_equal(index_new(&h.index), 0);
        assert_int_equal(index_add_words(h.index), 0);
        h.model = calloc(RECORDS_MAX, sizeof(*h.model));
        assert_non_null(h.model);
        for (int o = 0; o < OWNERS; o++)
            h.owners[o] = index_owner_new(h.index);
        run_history(&h);
        // Otherwise little was compared.
        assert_true(h.finds > STEPS / 12 && h.found > h.finds / 4);
        for (int o = 0; o < OWNERS; o++)
            index_owner_leave(h.index, h.owners[o]);
        index_free(h.index);
        free(h.model);
    }
}

int main(int argc, char *argv[]) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_random_histories),
    };

    if (argc > 1)
        first_seed = strtoul(argv[1], NULL, 10);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
