// SPDX-License-Identifier: MIT
#pragma once

#include <stdbool.h>

// White space between words and around records (protocol.h).
static inline bool is_space(char c) {
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}
