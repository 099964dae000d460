// SPDX-License-Identifier: MIT
#pragma once

// Log lines for people, written to the journal if stderr leads there, else to stderr. Escape text
// from another machine with text_escape() (util/text.h) in a message. Fields may hold any bytes.

#include <stdbool.h>
#include <stdint.h>
#include <syslog.h>

#include "util/macro.h"

// Checks once where stderr leads. On a terminal, lines begin with `program`.
void log_open(const char *program);

// Drops messages above this level (LOG_ERR .. LOG_DEBUG). The default is LOG_INFO.
void log_set_max_level(int level);

void log_message(int level, const char *format, ...) _printf_(2, 3);

// What a line is about, for the journal. NULL and 0 leave a field out.
typedef struct LogFields {
    const char *id;    // MESSAGE_ID=, an EVENT_* of util/log-id.h
    const char *peer;  // P2P_PEER=, ADDRESS:PORT of the other side, even if it is FT
    const char *file;  // P2P_FILE=, a name or a path
    uint32_t transfer; // P2P_TRANSFER=, its number on D-Bus
} LogFields;

void log_event(int level, const LogFields *fields, const char *format, ...) _printf_(3, 4)
    _nonnull_(2);

// Adds the errors that this thread logs to *text as well, one per line, for the caller whose
// request caused them. log_keep_errors(NULL) ends this. *text begins as NULL and stays NULL without
// errors. The caller frees it.
void log_keep_errors(char **text);

#define log_error(...)   log_message(LOG_ERR, __VA_ARGS__)
#define log_warning(...) log_message(LOG_WARNING, __VA_ARGS__)
#define log_notice(...)  log_message(LOG_NOTICE, __VA_ARGS__)
#define log_info(...)    log_message(LOG_INFO, __VA_ARGS__)
#define log_debug(...)   log_message(LOG_DEBUG, __VA_ARGS__)

enum {
    LOG_LIMIT_SEC = 30, // interval of a LogLimit
};

// Lets a few messages pass in each interval and counts the others. For messages that strangers can
// provoke.
typedef struct LogLimit {
    uint64_t interval_begin; // CLOCK_MONOTONIC µs
    unsigned passed;
    uint64_t suppressed; // since the last message that passed
} LogLimit;

// log_event() for what strangers can provoke. A message says how many were suppressed before it.
void log_limited(LogLimit *limit, int level, const LogFields *fields, const char *format, ...)
    _printf_(4, 5) _nonnull_(3);

// Whether a message may be logged now. If so, *ret_suppressed is how many were suppressed before
// it.
bool log_limit_pass(LogLimit *limit, uint64_t *ret_suppressed);

// Returns and clears the number of suppressed messages, once their interval is over. Before,
// returns 0.
uint64_t log_limit_take(LogLimit *limit);
