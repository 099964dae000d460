// SPDX-License-Identifier: MIT

#include "ft/ft-state.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>

#include "proto/name.h"
#include "util/macro.h"

enum {
    // Bytes that are gathered before they are written and hashed.
    PENDING_BYTES = 256 * 1024,
    YEAR_MAX = 9999,
};

static const char magic[8] = "p2p-ft\n";

static int state_write_all(int fd, const void *data, size_t len, off_t offset) {
    const char *bytes = data;

    while (len > 0) {
        ssize_t n = pwrite(fd, bytes, len, offset);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -errno;
        bytes += n;
        len -= n;
        offset += n;
    }
    return 0;
}

int state_writer_init(StateWriter *writer) {
    *writer = (StateWriter){.fd = -EBADF, .header.version = STATE_VERSION};
    memcpy(writer->header.magic, magic, sizeof(magic));
    crypto_generichash_init(&writer->hash, NULL, 0, STATE_HASH_BYTES);
    writer->fd = memfd_create("p2p-ft-state", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    return writer->fd < 0 ? -errno : 0;
}

void state_writer_done(StateWriter *writer) {
    buffer_clear(&writer->pending);
    writer->fd = close_fd(writer->fd);
}

static int state_write_pending(StateWriter *writer) {
    const char *data = buffer_data(&writer->pending);
    const size_t len = writer->pending.size;
    int r;

    if (len == 0)
        return 0;
    r = state_write_all(writer->fd, data, len, (off_t)(sizeof(StateHeader) + writer->header.len));
    if (r < 0)
        return r;
    crypto_generichash_update(&writer->hash, (const uint8_t *)data, len);
    writer->header.len += len;
    writer->pending.begin = writer->pending.size = 0; // keeps the memory
    return 0;
}

static int state_put(StateWriter *writer, const void *data, size_t len) {
    return buffer_append(&writer->pending, data, len);
}

static int state_put_number(StateWriter *writer, uint64_t value) {
    return state_put(writer, &value, sizeof(value));
}

static int state_put_byte(StateWriter *writer, uint8_t value) {
    return state_put(writer, &value, sizeof(value));
}

static int state_put_bytes(StateWriter *writer, const void *data, size_t len) {
    int r = state_put_number(writer, len);

    return r < 0 ? r : state_put(writer, data, len);
}

// Writes a name or a type.
static int state_put_text(StateWriter *writer, const char *text) {
    const size_t len = strlen(text);
    int r = state_put_byte(writer, (uint8_t)len);

    return r < 0 ? r : state_put(writer, text, len);
}

static int state_put_endpoint(StateWriter *writer, const Endpoint *endpoint) {
    bool v6 = endpoint->address.family == AF_INET6;
    int r;

    r = state_put_byte(writer, v6 ? 6 : 4);
    if (r >= 0)
        r = v6 ? state_put(writer, &endpoint->address.v6, sizeof(endpoint->address.v6))
               : state_put(writer, &endpoint->address.v4, sizeof(endpoint->address.v4));
    return r < 0 ? r : state_put(writer, &endpoint->port, sizeof(endpoint->port));
}

static int state_put_syntax(StateWriter *writer, const RecordSyntax *s) {
    const uint8_t flags[] = {s->named,     s->full_name, s->spaced,   s->dotted,   s->empty_type,
                             s->long_year, s->dashed,    s->brackets, s->one_pair, s->rooted};
    int r;

    r = state_put(writer, s->order, sizeof(s->order));
    if (r >= 0)
        r = state_put(writer, flags, sizeof(flags));
    return r < 0 ? r : state_put(writer, s->list_separator, sizeof(s->list_separator));
}

int state_write_session(StateWriter *writer, const SavedSession *saved) {
    const uint8_t bytes[] = {saved->state, saved->framing, saved->reachability,
                             saved->asks_reachable, saved->probing};
    const uint64_t numbers[] = {saved->deadline, saved->since, saved->probed_at};
    int r;

    r = state_put_endpoint(writer, &saved->remote);
    if (r >= 0)
        r = state_put(writer, bytes, sizeof(bytes));
    if (r >= 0)
        r = state_put_syntax(writer, &saved->syntax);
    if (r >= 0)
        r = state_put(writer, numbers, sizeof(numbers));
    if (r >= 0)
        r = state_put_bytes(writer, saved->in, saved->in_len);
    if (r >= 0)
        r = state_put_bytes(writer, saved->out, saved->out_len);
    if (r >= 0)
        r = state_put_number(writer, saved->record_count);
    if (r >= 0 && saved->state == SESSION_ACCEPTED)
        r = state_put_endpoint(writer, &saved->endpoint);
    if (r < 0)
        return r;
    writer->header.sessions++;
    return writer->pending.size >= PENDING_BYTES ? state_write_pending(writer) : 0;
}

int state_write_record(StateWriter *writer, const Record *record) {
    const struct {
        uint64_t size;
        uint16_t year;
        uint8_t month, day;
        uint8_t has_root;
    } __attribute__((packed)) fixed = {
        .size = record->size,
        .year = record->modified.year,
        .month = record->modified.month,
        .day = record->modified.day,
        .has_root = record->has_root,
    };
    int r;

    r = state_put_text(writer, record->name);
    if (r >= 0)
        r = state_put_text(writer, record->type);
    if (r >= 0)
        r = state_put(writer, &fixed, sizeof(fixed));
    if (r >= 0)
        r = state_put_endpoint(writer, &record->endpoint);
    if (r >= 0 && record->has_root)
        r = state_put(writer, &record->root, sizeof(record->root));
    if (r < 0)
        return r;
    return writer->pending.size >= PENDING_BYTES ? state_write_pending(writer) : 0;
}

int state_writer_finish(StateWriter *writer) {
    int r;

    r = state_write_pending(writer);
    if (r < 0)
        return r;
    crypto_generichash_final(&writer->hash, writer->header.hash, STATE_HASH_BYTES);
    r = state_write_all(writer->fd, &writer->header, sizeof(writer->header), 0);
    if (r < 0)
        return r;
    if (fcntl(writer->fd, F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE) <
        0)
        return -errno;
    return TAKE_FD(writer->fd);
}

int state_read_begin(StateReader *reader, const void *data, size_t len) {
    uint8_t hash[STATE_HASH_BYTES];
    StateHeader header;

    if (len < sizeof(header))
        return -EBADMSG;
    memcpy(&header, data, sizeof(header));
    if (memcmp(header.magic, magic, sizeof(magic)) != 0)
        return -EBADMSG;
    if (header.version != STATE_VERSION)
        return -EPROTONOSUPPORT;
    *reader = (StateReader){
        .data = (const uint8_t *)data + sizeof(header),
        .len = len - sizeof(header),
        .sessions = header.sessions,
    };
    if (header.len != reader->len)
        return -EBADMSG;
    crypto_generichash(hash, sizeof(hash), reader->data, reader->len, NULL, 0);
    return memcmp(hash, header.hash, sizeof(hash)) == 0 ? 0 : -EBADMSG;
}

// Each reader returns false if too few bytes are left or the value is impossible.

static const void *state_take(StateReader *reader, size_t len) {
    const uint8_t *data = reader->data;

    if (len > reader->len)
        return NULL;
    reader->data += len;
    reader->len -= len;
    return data;
}

static bool state_get_number(StateReader *reader, void *ret, size_t len) {
    const void *data = state_take(reader, len);

    if (data)
        memcpy(ret, data, len);
    return data;
}

static bool state_get_bytes(StateReader *reader, size_t max, const char **ret, size_t *ret_len) {
    uint64_t len;

    if (!state_get_number(reader, &len, sizeof(len)) || len > max)
        return false;
    *ret = state_take(reader, len);
    *ret_len = len;
    return *ret;
}

static bool state_get_text(StateReader *reader, char *text, size_t max) {
    uint8_t len;

    if (!state_get_number(reader, &len, sizeof(len)) || len > max ||
        !state_get_number(reader, text, len))
        return false;
    text[len] = '\0';
    return strlen(text) == len;
}

static bool state_get_flag(uint8_t byte, bool *ret) {
    *ret = byte;
    return byte <= 1;
}

static bool state_get_endpoint(StateReader *reader, Endpoint *ret) {
    uint8_t version;

    *ret = (Endpoint){};
    if (!state_get_number(reader, &version, sizeof(version)))
        return false;
    if (version == 4) {
        ret->address.family = AF_INET;
        if (!state_get_number(reader, &ret->address.v4, sizeof(ret->address.v4)))
            return false;
    } else if (version == 6) {
        ret->address.family = AF_INET6;
        if (!state_get_number(reader, &ret->address.v6, sizeof(ret->address.v6)))
            return false;
    } else
        return false;
    return state_get_number(reader, &ret->port, sizeof(ret->port)) && ret->port > 0;
}

static bool state_get_syntax(StateReader *reader, RecordSyntax *ret, bool *ret_learnt) {
    uint8_t values[10];
    bool flags[ELEMENTSOF(values)];
    unsigned seen = 0;

    *ret = (RecordSyntax){};
    if (!state_get_number(reader, ret->order, sizeof(ret->order)) ||
        !state_get_number(reader, values, sizeof(values)) ||
        !state_get_number(reader, ret->list_separator, sizeof(ret->list_separator)))
        return false;
    for (size_t i = 0; i < ELEMENTSOF(values); i++)
        if (!state_get_flag(values[i], &flags[i]))
            return false;
    ret->named = flags[0];
    ret->full_name = flags[1];
    ret->spaced = flags[2];
    ret->dotted = flags[3];
    ret->empty_type = flags[4];
    ret->long_year = flags[5];
    ret->dashed = flags[6];
    ret->brackets = flags[7];
    ret->one_pair = flags[8];
    ret->rooted = flags[9];
    for (size_t i = 0; i < _FIELD_COUNT; i++) {
        if (ret->order[i] >= _FIELD_COUNT)
            return false;
        seen |= 1u << ret->order[i];
    }
    // A session that has sent no record yet has learnt no order: all its fields are the first one.
    *ret_learnt = seen == (1u << _FIELD_COUNT) - 1;
    return (*ret_learnt || seen == 1) &&
           memchr(ret->list_separator, '\0', sizeof(ret->list_separator));
}

static bool state_get_session(StateReader *reader, SavedSession *ret) {
    uint64_t numbers[3], records;
    uint8_t bytes[5];
    bool learnt;

    if (!state_get_endpoint(reader, &ret->remote) ||
        !state_get_number(reader, bytes, sizeof(bytes)) ||
        !state_get_syntax(reader, &ret->syntax, &learnt) ||
        !state_get_number(reader, numbers, sizeof(numbers)) ||
        !state_get_bytes(reader, SAVED_IN_BYTES_MAX, &ret->in, &ret->in_len) ||
        !state_get_bytes(reader, SAVED_OUT_BYTES_MAX, &ret->out, &ret->out_len) ||
        !state_get_number(reader, &records, sizeof(records)))
        return false;
    if (bytes[0] > SESSION_REJECTED || bytes[1] > FRAMING_RAW || bytes[2] >= _REACHABILITY_COUNT ||
        !state_get_flag(bytes[3], &ret->asks_reachable) || !state_get_flag(bytes[4], &ret->probing))
        return false;
    ret->state = bytes[0];
    ret->framing = bytes[1];
    ret->reachability = bytes[2];
    ret->deadline = numbers[0];
    ret->since = numbers[1];
    ret->probed_at = numbers[2];
    ret->record_count = records;
    ret->endpoint = (Endpoint){};
    if (ret->state == SESSION_ACCEPTED)
        return ret->framing != FRAMING_UNKNOWN && learnt && records <= FILES_PER_PEER_MAX &&
               state_get_endpoint(reader, &ret->endpoint);
    return records == 0 && !ret->asks_reachable && !ret->probing;
}

int state_read_session(StateReader *reader, SavedSession *ret) {
    if (reader->records > 0)
        return -EBADMSG;
    if (reader->sessions == 0)
        return reader->len == 0 ? 0 : -EBADMSG;
    if (!state_get_session(reader, ret))
        return -EBADMSG;
    reader->sessions--;
    reader->records = ret->record_count;
    return 1;
}

static bool state_get_record(StateReader *reader, RecordText *text, Record *ret) {
    uint8_t rest[3];

    *ret = (Record){.name = text->name, .type = text->type};
    if (!state_get_text(reader, text->name, NAME_BYTES_MAX) ||
        !state_get_text(reader, text->type, TYPE_BYTES_MAX) ||
        !state_get_number(reader, &ret->size, sizeof(ret->size)) ||
        !state_get_number(reader, &ret->modified.year, sizeof(ret->modified.year)) ||
        !state_get_number(reader, rest, sizeof(rest)) || !state_get_flag(rest[2], &ret->has_root) ||
        !state_get_endpoint(reader, &ret->endpoint) ||
        (ret->has_root && !state_get_number(reader, &ret->root, sizeof(ret->root))))
        return false;
    ret->modified.month = rest[0];
    ret->modified.day = rest[1];
    return name_is_valid(text->name, strlen(text->name)) &&
           type_is_valid(text->type, strlen(text->type)) && ret->size <= SIZE_BYTES_MAX &&
           ret->modified.year <= YEAR_MAX && rest[0] >= 1 && rest[0] <= 12 && rest[1] >= 1 &&
           rest[1] <= 31;
}

int state_read_record(StateReader *reader, RecordText *text, Record *ret) {
    if (reader->records == 0)
        return 0;
    if (!state_get_record(reader, text, ret))
        return -EBADMSG;
    reader->records--;
    return 1;
}
