// SPDX-License-Identifier: MIT

// Finds names by words. Each word has a list of names (word-index.h). A search walks the shortest
// list and only asks the others whether they have its names. It then looks at each name itself,
// because lists may have too much. It takes the last word first as a whole word and then, if there
// is time, as a beginning: a short beginning fits millions of words.

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "ft/index-internal.h"
#include "proto/name.h"
#include "util/array.h"

enum {
    // What a search may cost, in steps of some 50 ns: about three milliseconds for any search.
    FIND_WORK_MAX = 65536,
    COST_STEP = 1,   // to the next posting
    COST_SEEK = 16,  // to another leaf of the tree: several cache misses
    COST_NAME = 24,  // to look at a name: four cache misses, and its words
    COST_RECORD = 3, // to look at one record of the name
    // Counting a list stops here: beyond it, the exact length does not matter.
    COUNT_MAX = 16384,
    FILES_MAX = 4096,      // that are sorted
    SEEN_SLOTS = 2 * 4096, // for names; a power of two
    SEEN_MAX = SEEN_SLOTS / 2,
};

typedef struct Candidate {
    FoundFile file;
    uint32_t reachable; // sources that FT could reach
    bool exact;
} Candidate;

typedef struct Find {
    Index *index;
    const FindRequest *request;
    Words words;
    bool whole; // the last word is a whole word, too
    WordRange ranges[WORDS_MAX];
    size_t counts[WORDS_MAX];
    uint64_t work; // steps left
    bool stopped;  // the work or the memory did not suffice
    Candidate *files;
    size_t n, room;
    uint32_t peers;
    size_t seen_count;
    uint32_t seen[SEEN_SLOTS]; // codes of the names seen so far; 1 stands for code 0
} Find;

bool index_has_words(const Index *index) {
    return index->words;
}

static bool index_find_spend(Find *find, uint64_t cost) {
    if (find->work < cost) {
        find->stopped = true;
        return false;
    }
    find->work -= cost;
    return true;
}

static bool index_find_is_wanted(const Find *find, const StoredRecord *r, const char *type) {
    const FindRequest *request = find->request;

    return r->size >= request->min_size && r->size <= request->max_size &&
           (!*request->type || strcasecmp(request->type, type) == 0);
}

// Whether the words of name and type together contain all words of the search.
static bool index_find_has_words(const Find *find, const Words *name, const Words *type) {
    const size_t last = find->words.n - 1;

    for (size_t i = 0; i <= last; i++) {
        const char *word = word_text(&find->words, i);
        const size_t len = find->words.words[i].len;
        const bool prefix = i == last && !find->whole;

        if (!words_have(name, word, len, prefix) && !words_have(type, word, len, prefix))
            return false;
    }
    // The first pass has found names that have the last word as a whole.
    return find->whole ||
           !(words_have(name, word_text(&find->words, last), find->words.words[last].len, false) ||
             words_have(type, word_text(&find->words, last), find->words.words[last].len, false));
}

static bool index_find_same_file(const FoundFile *file, const Record *record) {
    return file->size == record->size && file->has_root == record->has_root &&
           (!file->has_root || merkle_hash_equal(&file->root, &record->root)) &&
           strcasecmp(file->type, record->type) == 0;
}

// Returns the file of this record among the candidates from `first` on, which have its name. Adds
// it if it is new. NULL: no room.
static Candidate *index_find_file_of(Find *find, size_t first, const Record *record) {
    size_t i = first;

    while (i < find->n && !index_find_same_file(&find->files[i].file, record))
        i++;
    if (i < find->n)
        return index_find_spend(find, (i - first) / 8) ? &find->files[i] : NULL;
    if (find->n == FILES_MAX || ARRAY_RESERVE(find->files, find->room, find->n + 1, 64) < 0) {
        find->stopped = true;
        return NULL;
    }
    find->files[find->n] = (Candidate){
        .file = {.name = record->name,
                 .type = record->type,
                 .size = record->size,
                 .modified = record->modified,
                 .has_root = record->has_root,
                 .root = record->root},
        .exact = name_matches(record->name, record->type, find->request->text),
    };
    return index_find_spend(find, (i - first) / 8) ? &find->files[find->n++] : NULL;
}

static bool index_find_take_record(Find *find, size_t first, RecordId id) {
    const Record record = record_store_view(&find->index->store, id);
    RecordOwner *records = record_store_chunk(&find->index->store, id)->owner;
    IndexOwner *owner = container_of(records, IndexOwner, records);
    Candidate *file = index_find_file_of(find, first, &record);

    if (!file)
        return false;
    if (date_is_later(&record.modified, &file->file.modified))
        file->file.modified = record.modified;
    file->file.sources++;
    file->reachable += !records->last;
    if (owner->found_by != find->index->finds) {
        owner->found_by = find->index->finds;
        find->peers++;
    }
    return true;
}

// Looks at all records of a name, from the first one in its ring. False: stop the search.
static bool index_find_take_name(Find *find, RecordId head) {
    const RecordStore *store = &find->index->store;
    const size_t first = find->n;
    const char *known_type = NULL;
    Words name, type;
    RecordId id = head;
    bool fits = false;

    words_split(record_store_name(store, head), record_store_get(store, head)->name_len, &name);
    for (size_t seen = 0; seen < RING_SEEN_MAX; seen++) {
        const StoredRecord *r = record_store_get(store, id);
        const char *text = record_store_type(store, id);

        if (!index_find_spend(find, COST_RECORD))
            return false;
        if (!known_type || strcmp(known_type, text) != 0) {
            known_type = text;
            words_split(text, strcasecmp(text, TYPE_NONE) == 0 ? 0 : r->type_len, &type);
            fits = index_find_has_words(find, &name, &type);
        }
        if (fits && index_find_is_wanted(find, r, text) &&
            !record_store_chunk(store, id)->owner->gone && !index_find_take_record(find, first, id))
            return false;
        id = r->name_next;
        if (id == head)
            return true;
    }
    find->stopped = true; // only this name is cut short
    return true;
}

typedef struct NameMatch {
    Find *find;
    uint64_t hash; // the known bits of it
    uint64_t bits;
    bool go_on;
} NameMatch;

// ref_table_find() calls this for each entry that may have the name. Returning false makes it go
// on.
static bool index_find_match_code(const void *userdata, uint32_t id) {
    NameMatch *match = (NameMatch *)userdata;
    const Index *index = match->find->index;
    const uint64_t hash = index_hash(index, record_store_name(&index->store, id),
                                     record_store_get(&index->store, id)->name_len);

    if (match->go_on && (hash & match->bits) == match->hash)
        match->go_on = index_find_take_name(match->find, id);
    return false;
}

// Remembers the name. False: this search has looked at it before.
static bool index_find_note_seen(Find *find, uint32_t code) {
    const uint32_t mark = code ?: 1;
    size_t i = mark & (SEEN_SLOTS - 1);

    while (find->seen[i] && find->seen[i] != mark)
        i = (i + 1) & (SEEN_SLOTS - 1);
    if (find->seen[i] == mark)
        return false;
    find->seen[i] = mark;
    find->seen_count++;
    return true;
}

// Looks at the names that have this code. False: stop the search.
static bool index_find_take_code(Find *find, uint32_t code) {
    const RefTable *names = &find->index->names;
    NameMatch match = {
        .find = find, .hash = name_code_hash(code), .bits = NAME_CODE_BITS, .go_on = true};

    if (!index_find_note_seen(find, code))
        return true;
    if (find->seen_count == SEEN_MAX || !index_find_spend(find, COST_NAME)) {
        find->stopped = true;
        return false;
    }
    // If the table is larger than a code can tell, the name is in one of two places.
    if (MAX(names->now.mask, names->old.mask) > REF_MAX) {
        match.bits |= UINT64_C(1) << REF_BITS;
        (void)ref_table_find(names, match.hash, index_find_match_code, &match);
        match.hash |= UINT64_C(1) << REF_BITS;
    }
    (void)ref_table_find(names, match.hash, index_find_match_code, &match);
    return match.go_on;
}

static bool index_find_in_range(const Posting *posting, const WordRange *range) {
    return posting && (posting->key < range->to.key ||
                       (posting->key == range->to.key && posting->rest <= range->to.rest));
}

static bool index_find_skip(Find *find, PostingCursor *cursor, const WordRange *range,
                            uint32_t code) {
    const Posting to = {range->from.key, range->from.rest | code};

    return index_find_spend(find, posting_cursor_skip(cursor, to) ? COST_STEP : COST_SEEK);
}

// Walks the list `driver`, and skips names that another whole word does not have.
static void index_find_go_through(Find *find, size_t driver, size_t whole) {
    PostingCursor cursors[WORDS_MAX];
    const PostingTree *tree = &find->index->words->tree;
    const bool ordered = driver < whole;
    const Posting *posting;

    for (size_t i = 0; i < find->words.n; i++)
        cursors[i] = posting_tree_seek(tree, find->ranges[i].from);
    while ((posting = posting_cursor_get(&cursors[driver])) &&
           index_find_in_range(posting, &find->ranges[driver])) {
        const uint32_t code = posting_name(posting);
        uint32_t target = code;

        for (size_t i = 0; ordered && i < whole && target == code; i++) {
            if (i == driver)
                continue;
            if (!index_find_skip(find, &cursors[i], &find->ranges[i], code))
                return;
            posting = posting_cursor_get(&cursors[i]);
            if (!index_find_in_range(posting, &find->ranges[i]))
                return; // no later name has this word either
            target = posting_name(posting);
        }
        if (target != code) {
            if (!index_find_skip(find, &cursors[driver], &find->ranges[driver], target))
                return;
            continue;
        }
        if (!index_find_take_code(find, code) || !index_find_spend(find, COST_STEP))
            return;
        posting_cursor_next(&cursors[driver]);
    }
}

static void index_find_through_words(Find *find, bool whole) {
    const size_t n = find->words.n;
    size_t driver = 0;

    find->whole = whole;
    for (size_t i = 0; i < n; i++) {
        const bool prefix = i + 1 == n && !whole;

        find->ranges[i] = (prefix ? word_index_longer : word_index_range)(
            find->index->words, word_text(&find->words, i), find->words.words[i].len);
        find->counts[i] = posting_tree_count(&find->index->words->tree, find->ranges[i].from,
                                             find->ranges[i].to, COUNT_MAX);
        if (find->counts[i] < find->counts[driver])
            driver = i;
    }
    if (find->counts[driver] > 0)
        index_find_go_through(find, driver, n - !whole);
}

// Order: names that match exactly, then most reachable sources, most sources, name.
static int index_find_compare(const void *a, const void *b) {
    const Candidate *x = a, *y = b;
    int r;

    if (x->exact != y->exact)
        return x->exact ? -1 : 1;
    if (x->reachable != y->reachable)
        return x->reachable > y->reachable ? -1 : 1;
    if (x->file.sources != y->file.sources)
        return x->file.sources > y->file.sources ? -1 : 1;
    r = strcmp(x->file.name, y->file.name) ?: strcasecmp(x->file.type, y->file.type);
    if (r == 0)
        r = (x->file.size > y->file.size) - (x->file.size < y->file.size);
    return r ?: memcmp(&x->file.root, &y->file.root, sizeof(MerkleHash));
}

size_t index_find_words(Index *index, const FindRequest *request, FoundFile results[],
                        FindSummary *summary) {
    Find find = {.index = index, .request = request, .work = FIND_WORK_MAX};
    char text[TYPE_BYTES_MAX + 1 + FIND_TEXT_MAX + 1];
    size_t n;

    *summary = (FindSummary){};
    // A file of that type has the type as a word. It comes first, so that the last word stays last.
    snprintf(text, sizeof(text), "%s %s",
             strcasecmp(request->type, TYPE_NONE) == 0 ? "" : request->type, request->text);
    words_split(text, strlen(text), &find.words);
    if (!index->words || find.words.n == 0)
        return 0;
    index->finds++;
    index_find_through_words(&find, true);
    memset(find.seen, 0, sizeof(find.seen));
    find.seen_count = 0;
    if (!find.stopped || find.work > 0)
        index_find_through_words(&find, false);
    if (find.n > 0)
        qsort(find.files, find.n, sizeof(*find.files), index_find_compare);
    n = MIN(find.n, (size_t)request->limit);
    for (size_t i = 0; i < n; i++)
        results[i] = find.files[i].file;
    *summary = (FindSummary){.total = find.n, .at_least = find.stopped, .peers = find.peers};
    free(find.files);
    return n;
}
