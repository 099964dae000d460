// SPDX-License-Identifier: MIT

#include "peer/tracker/tracker-publish.h"

#include <ctype.h>
#include <string.h>

#include "proto/message.h"
#include "util/hash.h"

enum {
    // Size of one batch: some hundred records. FT's answer triggers the next batch.
    BATCH_BYTES = 32 * 1024,
    KEY_BYTES_MAX = NAME_BYTES_MAX + 1 + TYPE_BYTES_MAX + 1 + sizeof(uint64_t),
};

struct ToldFile {
    UT_hash_handle hh;
    TAILQ_ENTRY(ToldFile) link;
    bool hashed;
    bool kept;    // FT confirmed it, or has no way to confirm it
    bool refused; // FT said that it holds fewer files
    bool has_root;
    MerkleHash root;
    Date modified;
    uint32_t round; // the last pass that found it in the offer
    // Name, NUL, type in lower case, NUL, size. Two keys are equal if record_same_file() is true.
    char key[];
};

static size_t tracker_publisher_make_key(const Record *record, char key[static KEY_BYTES_MAX]) {
    size_t n = strlen(record->name) + 1;

    memcpy(key, record->name, n);
    for (const char *p = record->type; *p; p++)
        key[n++] = (char)tolower((unsigned char)*p);
    key[n++] = '\0';
    memcpy(key + n, &record->size, sizeof(record->size));
    return n + sizeof(record->size);
}

static Record tracker_publisher_told_record(const ToldFile *file) {
    Record record = {.name = file->key, .type = file->key + strlen(file->key) + 1};

    memcpy(&record.size, record.type + strlen(record.type) + 1, sizeof(record.size));
    return record;
}

static ToldFile *tracker_publisher_find(const TrackerPublisher *publisher, const Record *record) {
    char key[KEY_BYTES_MAX];
    size_t len = tracker_publisher_make_key(record, key);
    ToldFile *file;

    HASH_FIND(hh, publisher->files, key, len, file);
    return file;
}

static ToldFile *tracker_publisher_add(TrackerPublisher *publisher, const Record *record) {
    char key[KEY_BYTES_MAX];
    size_t len = tracker_publisher_make_key(record, key);
    ToldFile *file;

    file = calloc(1, sizeof(*file) + len);
    if (!file)
        return NULL;
    memcpy(file->key, key, len);
    file->hashed = true;
    HASH_ADD_KEYPTR(hh, publisher->files, file->key, len, file);
    if (!file->hashed) {
        free(file);
        return NULL;
    }
    TAILQ_INSERT_TAIL(&publisher->list, file, link);
    publisher->count++;
    return file;
}

static void tracker_publisher_drop(TrackerPublisher *publisher, ToldFile *file) {
    HASH_DEL(publisher->files, file);
    TAILQ_REMOVE(&publisher->list, file, link);
    publisher->count--;
    free(file);
}

void tracker_publisher_init(TrackerPublisher *publisher, const TrackerHooks *hooks) {
    *publisher = (TrackerPublisher){.hooks = hooks};
    TAILQ_INIT(&publisher->list);
}

void tracker_publisher_begin(TrackerPublisher *publisher, Framing framing,
                             const RecordSyntax *syntax, const Endpoint *address) {
    tracker_publisher_end(publisher);
    publisher->framing = framing;
    publisher->syntax = syntax;
    publisher->address = *address;
    publisher->allowed = FILES_PER_PEER_DEFAULT;
    publisher->limit = SIZE_MAX;
}

void tracker_publisher_end(TrackerPublisher *publisher) {
    ToldFile *file, *next;

    HASH_CLEAR(hh, publisher->files);
    TAILQ_FOREACH_SAFE (file, &publisher->list, link, next)
        free(file);
    tracker_publisher_init(publisher, publisher->hooks);
}

static bool tracker_publisher_next_offered(const TrackerPublisher *publisher, size_t *position,
                                           Record *ret) {
    return publisher->hooks->next_offered(publisher->hooks->userdata, position, ret);
}

bool tracker_publisher_any(const TrackerPublisher *publisher) {
    size_t position = 0;
    Record record;

    return tracker_publisher_next_offered(publisher, &position, &record);
}

static bool tracker_publisher_is_told(const TrackerPublisher *publisher, const ToldFile *file,
                                      const Record *record) {
    if (!file || memcmp(&file->modified, &record->modified, sizeof(Date)) != 0)
        return false;
    return !publisher->syntax->rooted ||
           (file->has_root == record->has_root && merkle_hash_equal(&file->root, &record->root));
}

bool tracker_publisher_current(TrackerPublisher *publisher) {
    size_t position = 0, n = 0;
    Record record;

    while (n < publisher->allowed &&
           tracker_publisher_next_offered(publisher, &position, &record)) {
        if (!tracker_publisher_is_told(publisher, tracker_publisher_find(publisher, &record),
                                       &record))
            return false;
        n++;
    }
    return n == publisher->count;
}

void tracker_publisher_changed(TrackerPublisher *publisher) {
    if (publisher->limit < FILES_PER_PEER_MAX)
        publisher->allowed = publisher->limit + 1;
}

// Notes which of the told files still belong to the files that FT should have.
static void tracker_publisher_look_through_offer(TrackerPublisher *publisher) {
    size_t position = 0;
    Record record;

    publisher->round++;
    for (size_t n = 0;
         n < publisher->allowed && tracker_publisher_next_offered(publisher, &position, &record);
         n++) {
        ToldFile *file = tracker_publisher_find(publisher, &record);

        if (file)
            file->round = publisher->round;
    }
}

// Takes back files that left the offer, and files that FT did not keep. After that both sides agree
// on the files, whatever FT meant.
static int tracker_publisher_write_gone(TrackerPublisher *publisher, Buffer *out, size_t end) {
    ToldFile *file, *next;
    int r;

    TAILQ_FOREACH_SAFE (file, &publisher->list, link, next) {
        const Record record = tracker_publisher_told_record(file);

        if (file->round == publisher->round && !file->refused)
            continue;
        if (out->size >= end)
            return 0;
        r = message_put_file(out, publisher->framing, WORD_REMOVE, &record, publisher->syntax);
        if (r < 0)
            return r;
        tracker_publisher_drop(publisher, file);
    }
    return 0;
}

static int tracker_publisher_write_record(TrackerPublisher *publisher, Buffer *out, Record *record,
                                          bool first) {
    int r;

    record->endpoint = publisher->address;
    if (publisher->framing == FRAMING_RAW && !first) {
        r = buffer_append(out, ";", 1);
        if (r < 0)
            return r;
    }
    return message_put_records(out, publisher->framing, publisher->syntax, record, 1);
}

static int tracker_publisher_write_new(TrackerPublisher *publisher, Buffer *out, size_t end) {
    size_t position = 0, begin = out->size;
    Record record;
    int r;

    for (size_t n = 0; n < publisher->allowed && out->size < end &&
                       tracker_publisher_next_offered(publisher, &position, &record);
         n++) {
        ToldFile *file = tracker_publisher_find(publisher, &record);

        if (tracker_publisher_is_told(publisher, file, &record))
            continue;
        r = tracker_publisher_write_record(publisher, out, &record, out->size == begin);
        if (r < 0)
            return r;
        if (!file)
            file = tracker_publisher_add(publisher, &record);
        if (!file)
            return -ENOMEM;
        file->round = publisher->round;
        file->modified = record.modified;
        file->has_root = record.has_root;
        file->root = record.root;
        publisher->rooted |= publisher->syntax->rooted && record.has_root;
        file->kept |= !publisher->rooted;
    }
    return 0;
}

int tracker_publisher_write(TrackerPublisher *publisher, Buffer *out) {
    size_t begin = out->size, end = begin + BATCH_BYTES;
    int r;

    if (publisher->awaiting)
        return 0;
    tracker_publisher_look_through_offer(publisher);
    r = tracker_publisher_write_gone(publisher, out, end);
    if (r >= 0)
        r = tracker_publisher_write_new(publisher, out, end);
    if (r < 0)
        return r;
    publisher->awaiting = publisher->rooted && out->size > begin;
    publisher->answered = false;
    return 0;
}

// FT keeps the first n files that it was told.
static void tracker_publisher_confirm(TrackerPublisher *publisher, size_t n) {
    ToldFile *file;

    TAILQ_FOREACH (file, &publisher->list, link) {
        file->kept = n > 0;
        file->refused = n == 0;
        n -= n > 0;
    }
    publisher->awaiting = false;
}

bool tracker_publisher_kept(TrackerPublisher *publisher, uint64_t n) {
    if (!publisher->awaiting)
        return false;
    publisher->kept = n;
    publisher->answered = true;
    if (n != publisher->count)
        return false;
    tracker_publisher_confirm(publisher, publisher->count);
    if (publisher->count > publisher->limit)
        publisher->limit = SIZE_MAX;
    if (publisher->limit == SIZE_MAX && publisher->count >= publisher->allowed) {
        size_t more = publisher->count <= FILES_PER_PEER_DEFAULT ? 1 : publisher->count;

        publisher->allowed = MIN(publisher->count + more, (size_t)FILES_PER_PEER_MAX);
    }
    return true;
}

void tracker_publisher_settle(TrackerPublisher *publisher) {
    if (publisher->kept < publisher->count)
        publisher->allowed = publisher->limit = publisher->kept;
    tracker_publisher_confirm(publisher, MIN(publisher->kept, (uint64_t)publisher->count));
}

size_t tracker_publisher_limit(const TrackerPublisher *publisher) {
    if (!publisher->rooted)
        return FILES_PER_PEER_DEFAULT;
    return publisher->count >= FILES_PER_PEER_MAX ? FILES_PER_PEER_MAX : publisher->limit;
}

bool tracker_publisher_has(const TrackerPublisher *publisher, const Record *record) {
    const ToldFile *file = tracker_publisher_find(publisher, record);

    return file && file->kept;
}
