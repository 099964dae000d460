// SPDX-License-Identifier: MIT

#include "util/merkle-hash.h"

#include <errno.h>

#include "util/parse-util.h"

void merkle_hash_format(const MerkleHash *hash, char text[static MERKLE_TEXT_BYTES + 1]) {
    static const char digits[] = "0123456789abcdef";

    for (size_t i = 0; i < sizeof(hash->bytes); i++) {
        text[2 * i] = digits[hash->bytes[i] >> 4];
        text[2 * i + 1] = digits[hash->bytes[i] & 15];
    }
    text[MERKLE_TEXT_BYTES] = '\0';
}

int merkle_hash_parse(const char *text, size_t len, MerkleHash *ret) {
    MerkleHash hash;

    if (len != MERKLE_TEXT_BYTES)
        return -EINVAL;
    for (size_t i = 0; i < sizeof(hash.bytes); i++) {
        int high = parse_hex_digit(text[2 * i]), low = parse_hex_digit(text[2 * i + 1]);

        if (high < 0 || low < 0)
            return -EINVAL;
        hash.bytes[i] = (uint8_t)(high << 4 | low);
    }
    *ret = hash;
    return 0;
}
