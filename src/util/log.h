// SPDX-License-Identifier: MIT
#pragma once

// Log lines for people: to the journal when stderr leads there, to stderr otherwise. Text that came
// from another machine goes through text_escape() (util/text.h) before it is logged; fields may hold any bytes.

#include <stdbool.h>
#include <stdint.h>
#include <syslog.h>

#include "util/macro.h"

// Looks once where stderr leads. `program` prefixes the lines on a terminal.
void log_open(const char *program);

// Messages above this level (LOG_ERR .. LOG_DEBUG) are dropped; LOG_INFO until set.
void log_set_max_level(int level);

void log_message(int level, const char *format, ...) _printf_(2, 3);

// What a line is about, for the journal; NULL and 0 where there is no such thing.
typedef struct LogFields {
    const char *id;    // MESSAGE_ID=, an EVENT_* of util/log-id.h
    const char *peer;  // P2P_PEER=, ADDRESS:PORT of the other side, FT's included
    const char *file;  // P2P_FILE=, a name or a path
    uint32_t transfer; // P2P_TRANSFER=, its number on D-Bus
} LogFields;

void log_event(int level, const LogFields *fields, const char *format, ...) _printf_(3, 4)
    _nonnull_(2);

// Whatever this thread logs as an error until log_keep_errors(NULL) is added to *text too, a line each, for who
// has caused it. The caller frees *text, which begins as NULL and stays so where nothing was wrong.
void log_keep_errors(char **text);

#define log_error(...)   log_message(LOG_ERR, __VA_ARGS__)
#define log_warning(...) log_message(LOG_WARNING, __VA_ARGS__)
#define log_notice(...)  log_message(LOG_NOTICE, __VA_ARGS__)
#define log_info(...)    log_message(LOG_INFO, __VA_ARGS__)
#define log_debug(...)   log_message(LOG_DEBUG, __VA_ARGS__)

enum {
    LOG_LIMIT_SEC = 30, // the interval of a LogLimit
};

// Lets a few messages through in each interval and counts the rest: for what strangers can provoke.
typedef struct LogLimit {
    uint64_t interval_begin; // CLOCK_MONOTONIC, µs
    unsigned passed;
    uint64_t suppressed; // since the last message that passed
} LogLimit;

// log_event() of what strangers can provoke; a message says how many were held back before it.
void log_limited(LogLimit *limit, int level, const LogFields *fields, const char *format, ...)
    _printf_(4, 5) _nonnull_(3);

// True if a message may be logged now; *ret_suppressed = how many were held back before it.
bool log_limit_pass(LogLimit *limit, uint64_t *ret_suppressed);

// How many were held back, once their interval is over and no message has said so; then they have been said. Else 0.
uint64_t log_limit_take(LogLimit *limit);
