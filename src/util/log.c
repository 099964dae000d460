// SPDX-License-Identifier: MIT

#include "util/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <systemd/sd-journal.h>

#include "util/time-util.h"

enum {
    LIMIT_BURST = 10, // messages of one kind in each interval
};
static const size_t KEPT_BYTES_MAX = 4096; // of errors; a reply on D-Bus is no place for more
static const uint64_t LIMIT_INTERVAL = 30 * USEC_PER_SEC;

// The one global of the project: where a process logs to is a property of the process.
static struct {
    const char *program;
    int max_level;
    bool journal;
} sink = {.max_level = LOG_INFO};

static _Thread_local char **kept_errors;

// systemd names the stream it has connected to stderr in JOURNAL_STREAM=DEVICE:INODE; a redirected
// stderr (a test, a shell) must not be bypassed.
static bool stderr_is_journal(void) {
    const char *stream = getenv("JOURNAL_STREAM");
    unsigned long long device, inode;
    struct stat st;

    if (!stream || sscanf(stream, "%llu:%llu", &device, &inode) != 2)
        return false;
    return fstat(STDERR_FILENO, &st) >= 0 && st.st_dev == device && st.st_ino == inode;
}

void log_open(const char *program) {
    sink.program = program;
    sink.journal = stderr_is_journal();
}

void log_set_max_level(int level) {
    sink.max_level = level;
}

void log_keep_errors(char **text) {
    kept_errors = text;
}

static void keep(const char *line) {
    char *before = *kept_errors, *text;

    if (before && strlen(before) + strlen(line) >= KEPT_BYTES_MAX)
        return;
    if (asprintf(&text, "%s%s%s", before ?: "", before ? "\n" : "", line) < 0)
        return;
    free(before);
    *kept_errors = text;
}

void log_message(int level, const char *format, ...) {
    char line[2048];
    va_list ap;
    int n;

    if (level > sink.max_level)
        return;
    va_start(ap, format);
    n = vsnprintf(line, sizeof(line), format, ap);
    va_end(ap);
    if (n < 0)
        return;
    if (level <= LOG_ERR && kept_errors)
        keep(line);
    if (sink.journal)
        (void) sd_journal_send("MESSAGE=%s", line, "PRIORITY=%i", level, NULL);
    else
        (void) dprintf(STDERR_FILENO, "%s: %s\n", sink.program ?: "p2pshare", line);
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
