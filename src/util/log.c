// SPDX-License-Identifier: MIT

#include "util/log.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#define SD_JOURNAL_SUPPRESS_LOCATION // would be the same for every message
#include <systemd/sd-journal.h>

#include "util/time-util.h"

enum {
    LIMIT_BURST = 10, // messages of one kind per interval
};
static const size_t KEPT_BYTES_MAX = 4096; // of errors; a D-Bus reply should not be longer
static const uint64_t LIMIT_INTERVAL = LOG_LIMIT_SEC * USEC_PER_SEC;

// The only global of the project: each process logs to one place.
static struct {
    const char *program;
    int max_level;
    bool journal;
} sink = {.max_level = LOG_INFO};

static _Thread_local char **kept_errors;

// systemd names the stream behind stderr in JOURNAL_STREAM=DEVICE:INODE. If a test or a shell has
// redirected stderr, log there.
static bool log_stderr_is_journal(void) {
    const char *stream = getenv("JOURNAL_STREAM");
    unsigned long long device, inode;
    struct stat st;

    if (!stream || sscanf(stream, "%llu:%llu", &device, &inode) != 2)
        return false;
    return fstat(STDERR_FILENO, &st) >= 0 && st.st_dev == device && st.st_ino == inode;
}

void log_open(const char *program) {
    sink.program = program;
    sink.journal = log_stderr_is_journal();
}

void log_set_max_level(int level) {
    sink.max_level = level;
}

void log_keep_errors(char **text) {
    kept_errors = text;
}

static void log_keep_error(const char *line) {
    char *before = *kept_errors, *text;

    if (before && strlen(before) + strlen(line) >= KEPT_BYTES_MAX)
        return;
    if (asprintf(&text, "%s%s%s", before ?: "", before ? "\n" : "", line) < 0)
        return;
    free(before);
    *kept_errors = text;
}

enum {
    LINE_BYTES = 2048,
    IOV_MAX_USED = 6,
};

// A field of the journal: "NAME=", then any bytes.
typedef struct Field {
    char text[LINE_BYTES];
} Field;

static void log_put_field(struct iovec iov[], size_t *n, Field *field, const char *name,
                          const char *value) {
    int len = snprintf(field->text, sizeof(field->text), "%s=%s", name, value);

    iov[(*n)++] = (struct iovec){field->text, MIN((size_t)len, sizeof(field->text) - 1)};
}

static void log_send_to_journal(int level, const LogFields *fields, const char *line) {
    char priority[16], id[64], transfer[32];
    Field message, peer, file;
    struct iovec iov[IOV_MAX_USED];
    size_t n = 0;

    log_put_field(iov, &n, &message, "MESSAGE", line);
    iov[n++] = (struct iovec){priority, snprintf(priority, sizeof(priority), "PRIORITY=%i", level)};
    if (fields->id)
        iov[n++] = (struct iovec){id, snprintf(id, sizeof(id), "MESSAGE_ID=%s", fields->id)};
    if (fields->peer)
        log_put_field(iov, &n, &peer, "P2P_PEER", fields->peer);
    if (fields->file)
        log_put_field(iov, &n, &file, "P2P_FILE", fields->file);
    if (fields->transfer)
        iov[n++] = (struct iovec){transfer, snprintf(transfer, sizeof(transfer),
                                                     "P2P_TRANSFER=%" PRIu32, fields->transfer)};
    (void)sd_journal_sendv(iov, (int)n);
}

static void log_put_line(int level, const LogFields *fields, const char *line) {
    if (level <= LOG_ERR && kept_errors)
        log_keep_error(line);
    if (sink.journal)
        log_send_to_journal(level, fields, line);
    else
        (void)dprintf(STDERR_FILENO, "%s: %s\n", sink.program ?: "p2pshare", line);
}

_printf_(4, 0) static void log_va(int level, const LogFields *fields, uint64_t suppressed,
                                  const char *format, va_list ap) {
    char line[LINE_BYTES];
    int n = vsnprintf(line, sizeof(line), format, ap);

    if (n < 0)
        return;
    if (suppressed > 0 && (size_t)n < sizeof(line))
        snprintf(line + n, sizeof(line) - n,
                 " (%" PRIu64 " similar ones before it were not logged)", suppressed);
    log_put_line(level, fields, line);
}

void log_message(int level, const char *format, ...) {
    va_list ap;

    if (level > sink.max_level)
        return;
    va_start(ap, format);
    log_va(level, &(LogFields){}, 0, format, ap);
    va_end(ap);
}

void log_event(int level, const LogFields *fields, const char *format, ...) {
    va_list ap;

    if (level > sink.max_level)
        return;
    va_start(ap, format);
    log_va(level, fields, 0, format, ap);
    va_end(ap);
}

void log_limited(LogLimit *limit, int level, const LogFields *fields, const char *format, ...) {
    uint64_t suppressed;
    va_list ap;

    if (level > sink.max_level || !log_limit_pass(limit, &suppressed))
        return;
    va_start(ap, format);
    log_va(level, fields, suppressed, format, ap);
    va_end(ap);
}

bool log_limit_pass(LogLimit *limit, uint64_t *ret_suppressed) {
    uint64_t now = time_monotonic();

    if (limit->interval_begin == 0 || now - limit->interval_begin >= LIMIT_INTERVAL) {
        limit->interval_begin = now;
        limit->passed = 0;
    }
    if (limit->passed >= LIMIT_BURST) {
        limit->suppressed++;
        return false;
    }
    limit->passed++;
    *ret_suppressed = limit->suppressed;
    limit->suppressed = 0;
    return true;
}

uint64_t log_limit_take(LogLimit *limit) {
    uint64_t suppressed = limit->suppressed;

    if (time_monotonic() - limit->interval_begin < LIMIT_INTERVAL)
        return 0;
    limit->suppressed = 0;
    return suppressed;
}
