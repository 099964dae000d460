// SPDX-License-Identifier: MIT

// Input: one message as framing.h cuts it out, or the start of B's answer to a DOWNLOAD.

#include <stdbool.h>
#include <string.h>

#include "fuzz.h"
#include "proto/message.h"
#include "proto/name.h"

static void check_search(const Message *message) {
    char name[NAME_BYTES_MAX + 1], again[NAME_BYTES_MAX + 1];
    Buffer out = {};
    Message parsed;

    if (message_search_name(message, name) < 0)
        return;
    CHECK(name_is_valid(name, strlen(name)));
    CHECK(message_put_search(&out, FRAMING_LINE, name) >= 0);
    parsed = message_parse(buffer_data(&out), out.size);
    CHECK(parsed.kind == MESSAGE_SEARCH);
    CHECK(message_search_name(&parsed, again) >= 0 && strcmp(name, again) == 0);
    buffer_clear(&out);
}

static void check_kept(const Message *message) {
    uint64_t n, again;
    Buffer out = {};
    Message parsed;

    if (message_kept(message, &n) < 0)
        return;
    CHECK(message_put_kept(&out, FRAMING_LINE, n) >= 0);
    parsed = message_parse(buffer_data(&out), out.size);
    CHECK(parsed.kind == MESSAGE_KEPT && message_kept(&parsed, &again) >= 0 && n == again);
    buffer_clear(&out);
}

static void check_reachable(const Message *message) {
    Reachability reachability, again;
    Endpoint endpoint, endpoint_again;
    Buffer out = {};
    Message parsed;

    if (message_reachable(message, &reachability, &endpoint) < 0)
        return;
    CHECK(message_put_reachable(&out, FRAMING_LINE, reachability, &endpoint) >= 0);
    parsed = message_parse(buffer_data(&out), out.size);
    CHECK(parsed.kind == MESSAGE_REACHABLE_IS);
    CHECK(message_reachable(&parsed, &again, &endpoint_again) >= 0 && again == reachability);
    CHECK(endpoint_equal(&endpoint, &endpoint_again));
    buffer_clear(&out);
}

static void check_file_header(const char *data, size_t size, bool last) {
    FileHeader header;

    switch (file_header_parse(data, size, last, &header)) {
    case FILE_HEADER_OK:
        CHECK(header.longest >= strlen(WORD_FILE) && header.longest <= FILE_HEADER_BYTES_MAX);
        CHECK(header.longest <= size);
        // Each file size that these bytes allow must leave exactly as many bytes behind the header.
        for (size_t file_size = 0; file_size <= size; file_size++) {
            size_t header_len;

            if (file_header_fits(&header, size, file_size, &header_len)) {
                CHECK(header_len + file_size == size);
                CHECK(header_len <= header.longest);
            }
        }
        break;
    case FILE_HEADER_MORE:
        CHECK(!last && size < FILE_HEADER_BYTES_MAX);
        break;
    case FILE_HEADER_REFUSED:
        break;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    const char *text = (const char *)data;
    Message message = message_parse(text, size);

    CHECK(message.argument_len <= size);
    CHECK(message.argument_len == 0 ||
          (message.argument >= text && message.argument + message.argument_len <= text + size));
    if (message.kind == MESSAGE_SEARCH)
        check_search(&message);
    if (message.kind == MESSAGE_KEPT)
        check_kept(&message);
    if (message.kind == MESSAGE_REACHABLE_IS)
        check_reachable(&message);
    check_file_header(text, size, false);
    check_file_header(text, size, true);
    return 0;
}
