// SPDX-License-Identifier: MIT

#include "proto/message.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "proto/name.h"
#include "proto/space.h"
#include "util/macro.h"
#include "util/parse-util.h"

// In the order in which they are tried. A word with an argument ends in ':'.
static const struct {
    const char *word;
    size_t len;
    MessageKind kind;
} words[] = {
    {WORD_SEARCH, sizeof(WORD_SEARCH) - 1, MESSAGE_SEARCH},
    {WORD_HELLO, sizeof(WORD_HELLO) - 1, MESSAGE_HELLO},
    {WORD_HI, sizeof(WORD_HI) - 1, MESSAGE_HI},
    {WORD_BYE, sizeof(WORD_BYE) - 1, MESSAGE_BYE},
    {WORD_FOUND, sizeof(WORD_FOUND) - 1, MESSAGE_FOUND},
    {WORD_NOT_FOUND, sizeof(WORD_NOT_FOUND) - 1, MESSAGE_NOT_FOUND},
    {WORD_REMOVE, sizeof(WORD_REMOVE) - 1, MESSAGE_REMOVE},
    {WORD_DOWNLOAD, sizeof(WORD_DOWNLOAD) - 1, MESSAGE_DOWNLOAD},
    {WORD_KEPT, sizeof(WORD_KEPT) - 1, MESSAGE_KEPT},
    {WORD_FIND, sizeof(WORD_FIND) - 1, MESSAGE_FIND},
    {WORD_MATCHES, sizeof(WORD_MATCHES) - 1, MESSAGE_MATCHES},
    {WORD_REACHABLE, sizeof(WORD_REACHABLE) - 1, MESSAGE_REACHABLE},
    {WORD_REACHABLE ":", sizeof(WORD_REACHABLE ":") - 1, MESSAGE_REACHABLE_IS},
};

static const char *const reachability_names[] = {
    [REACHABLE_UNKNOWN] = "unknown",
    [REACHABLE_YES] = "yes",
    [REACHABLE_NO] = "no",
};
_Static_assert(ELEMENTSOF(reachability_names) == _REACHABILITY_COUNT, "each has a name");

const char *reachability_name(Reachability reachability) {
    return reachability_names[reachability];
}

Message message_parse(const char *data, size_t len) {
    while (len > 0 && is_space(data[len - 1]))
        len--;
    if (len == 0)
        return (Message){.kind = MESSAGE_EMPTY, .argument = data};
    for (size_t i = 0; i < ELEMENTSOF(words); i++) {
        size_t n = words[i].len;
        bool with_argument = words[i].word[n - 1] == ':';

        if (len < n || memcmp(data, words[i].word, n) != 0 || (!with_argument && len > n))
            continue;
        while (n < len && is_space(data[n]))
            n++;
        return (Message){.kind = words[i].kind, .argument = data + n, .argument_len = len - n};
    }
    return (Message){.kind = MESSAGE_RECORDS, .argument = data, .argument_len = len};
}

int message_search_name(const Message *message, char name[static NAME_BYTES_MAX + 1]) {
    int n = name_decode(message->argument, message->argument_len, name, NAME_BYTES_MAX + 1);

    return n >= 0 && name_is_valid(name, n) ? 0 : -EBADMSG;
}

int message_kept(const Message *message, uint64_t *ret) {
    return parse_u64_n(message->argument, message->argument_len, ret) < 0 ? -EBADMSG : 0;
}

// Cuts the text before the next ", " off *text. 0 or -EBADMSG.
static int message_take_field(const char **text, size_t *len, const char **ret, size_t *ret_len) {
    const char *comma = memchr(*text, ',', *len);

    if (!comma)
        return -EBADMSG;
    *ret = *text;
    *ret_len = comma - *text;
    *len -= *ret_len + 1;
    *text = comma + 1;
    while (*len > 0 && is_space(**text)) {
        (*text)++;
        (*len)--;
    }
    return 0;
}

int message_reachable(const Message *message, Reachability *ret, Endpoint *ret_endpoint) {
    const char *text = message->argument, *word, *address;
    size_t len = message->argument_len, word_len, address_len;
    Endpoint endpoint = {};
    uint64_t port;

    if (message_take_field(&text, &len, &word, &word_len) < 0 ||
        message_take_field(&text, &len, &address, &address_len) < 0 ||
        address_parse(address, address_len, &endpoint.address) < 0 ||
        parse_u64_n(text, len, &port) < 0 || port == 0 || port > UINT16_MAX)
        return -EBADMSG;
    endpoint.port = (uint16_t)port;
    for (Reachability i = 0; i < _REACHABILITY_COUNT; i++)
        if (strlen(reachability_names[i]) == word_len &&
            memcmp(reachability_names[i], word, word_len) == 0) {
            *ret = i;
            *ret_endpoint = endpoint;
            return 0;
        }
    return -EBADMSG;
}

static inline int message_put(Buffer *out, const char *text) {
    return buffer_append(out, text, strlen(text));
}

static int message_put_end(Buffer *out, Framing framing) {
    return framing == FRAMING_LINE ? message_put(out, "\n") : 0;
}

int message_put_word(Buffer *out, Framing framing, const char *word) {
    int r = message_put(out, word);

    return r < 0 ? r : message_put_end(out, framing);
}

int message_put_search(Buffer *out, Framing framing, const char *name) {
    int r;

    r = message_put(out, WORD_SEARCH " ");
    if (r >= 0)
        r = name_encode(out, name, NAME_IN_MESSAGE);
    return r < 0 ? r : message_put_end(out, framing);
}

int message_put_kept(Buffer *out, Framing framing, uint64_t n) {
    char text[64];

    snprintf(text, sizeof(text), WORD_KEPT " %" PRIu64, n);
    return message_put_word(out, framing, text);
}

int message_put_reachable(Buffer *out, Framing framing, Reachability reachability,
                          const Endpoint *endpoint) {
    char address[INET6_ADDRSTRLEN], text[INET6_ADDRSTRLEN + 64];

    address_format(&endpoint->address, address);
    snprintf(text, sizeof(text), WORD_REACHABLE ": %s, %s, %u", reachability_name(reachability),
             address, endpoint->port);
    return message_put_word(out, framing, text);
}

int message_put_file(Buffer *out, Framing framing, const char *word, const Record *record,
                     const RecordSyntax *syntax) {
    int r;

    r = message_put(out, word);
    if (r >= 0)
        r = message_put(out, " ");
    if (r >= 0)
        r = record_format_file(out, record, syntax);
    return r < 0 ? r : message_put_end(out, framing);
}

int message_put_found(Buffer *out, Framing framing, const RecordSyntax *syntax,
                      const Record *records, size_t n) {
    bool each = syntax->brackets && !syntax->one_pair;
    int r;

    if (n == 0)
        return message_put_word(out, framing, WORD_NOT_FOUND);
    r = message_put(out, WORD_FOUND " ");
    if (r >= 0 && syntax->brackets && syntax->one_pair)
        r = message_put(out, "<");
    for (size_t i = 0; i < n && r >= 0; i++) {
        if (i > 0)
            r = message_put(out, syntax->list_separator);
        if (r >= 0 && each)
            r = message_put(out, "<");
        if (r >= 0)
            r = record_format(out, &records[i], syntax, syntax->named);
        if (r >= 0 && each)
            r = message_put(out, ">");
    }
    if (r >= 0 && syntax->brackets && syntax->one_pair)
        r = message_put(out, ">");
    return r < 0 ? r : message_put_end(out, framing);
}

int message_put_records(Buffer *out, Framing framing, const RecordSyntax *syntax,
                        const Record *records, size_t n) {
    int r = 0;

    for (size_t i = 0; i < n && r >= 0; i++) {
        if (framing == FRAMING_RAW && i > 0)
            r = message_put(out, ";");
        if (r >= 0)
            r = message_put(out, "<");
        if (r >= 0)
            r = record_format(out, &records[i], syntax, true);
        if (r >= 0)
            r = message_put(out, ">");
        if (r >= 0)
            r = message_put_end(out, framing);
    }
    return r;
}

FileHeaderResult file_header_parse(const char *data, size_t len, bool last, FileHeader *ret) {
    const size_t word = strlen(WORD_FILE);
    FileHeader header = {.longest = word, .allowed = 1 << 0};

    if (len > 0 && memcmp(data, WORD_FILE, MIN(len, word)) != 0)
        return FILE_HEADER_REFUSED;
    if (len < word)
        return last ? FILE_HEADER_REFUSED : FILE_HEADER_MORE;

    if (len > word && (data[word] == ' ' || data[word] == '\n')) {
        header.longest = word + 1;
        header.white_space[0] = data[word];
        header.allowed = 1 << 1;
        if (len > word + 1 && data[word] == ' ' && data[word + 1] == '\n') {
            header.longest = word + 2;
            header.white_space[1] = data[word + 1];
            header.allowed |= 1 << 2;
        }
    }
    if (!last && (len == word || (len == word + 1 && data[word] == ' ')))
        return FILE_HEADER_MORE;
    *ret = header;
    return FILE_HEADER_OK;
}

bool file_header_fits(const FileHeader *header, uint64_t received, uint64_t size,
                      size_t *ret_header_len) {
    const size_t word = strlen(WORD_FILE);

    for (size_t n = 0; n <= 2; n++)
        if ((header->allowed & (1u << n)) && received - (word + n) == size &&
            received >= word + n) {
            *ret_header_len = word + n;
            return true;
        }
    return false;
}
