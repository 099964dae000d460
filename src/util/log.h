// SPDX-License-Identifier: MIT
#pragma once

// Log lines for people: to the journal when stderr leads there, to stderr otherwise. Text that came
// from another machine goes through text_escape() (util/text.h) before it is logged.

#include <stdbool.h>
#include <stdint.h>
#include <syslog.h>

#include "util/macro.h"

// Looks once where stderr leads. `program` prefixes the lines on a terminal.
void log_open(const char *program);

// Messages above this level (LOG_ERR .. LOG_DEBUG) are dropped; LOG_INFO until set.
void log_set_max_level(int level);

void log_message(int level, const char *format, ...) _printf_(2, 3);

// Whatever this thread logs as an error until log_keep_errors(NULL) is added to *text too, a line each, for who
// has caused it. The caller frees *text, which begins as NULL and stays so where nothing was wrong.
void log_keep_errors(char **text);

#define log_error(...)   log_message(LOG_ERR, __VA_ARGS__)
#define log_warning(...) log_message(LOG_WARNING, __VA_ARGS__)
#define log_notice(...)  log_message(LOG_NOTICE, __VA_ARGS__)
#define log_info(...)    log_message(LOG_INFO, __VA_ARGS__)
#define log_debug(...)   log_message(LOG_DEBUG, __VA_ARGS__)

// Lets a few messages through in each interval and counts the rest: for what strangers can provoke.
typedef struct LogLimit {
    uint64_t interval_begin; // CLOCK_MONOTONIC, µs
    unsigned passed;
    uint64_t suppressed; // since the last message that passed
} LogLimit;

// True if a message may be logged now; *ret_suppressed = how many were held back before it.
bool log_limit_pass(LogLimit *limit, uint64_t *ret_suppressed);
