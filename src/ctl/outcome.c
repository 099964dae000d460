// SPDX-License-Identifier: MIT

#include "ctl/outcome.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "bus/names.h"
#include "ctl/failure.h"
#include "ctl/format.h"
#include "ctl/output.h"
#include "ctl/suggestion.h"
#include "util/time-util.h"

enum {
    LEAST_RATE = 10000, // bytes per second; format_rate() shows it as "0.01 MB/s"
    LEAST_BYTES = 65536,
    CANCEL_TIMEOUT_SEC = 2,
};

// The path of the finished file, as the user would write it. Caller frees; NULL = no memory.
static char *outcome_saved_path(const Fetch *fetch) {
    const char *host = fetch->ctl->host, *path = fetch->transfer.path ?: "";
    char *text;

    if (fetch->target)
        return target_path(fetch->target);
    if (!*path)
        return strdup(fetch->file_name);
    if (!host)
        return strdup(path);
    return asprintf(&text, "%s:%s", host, path) < 0 ? NULL : text;
}

static ExitStatus outcome_print_saved(const Fetch *fetch) {
    const TransferInfo *transfer = &fetch->transfer;
    uint64_t usec = fetch->ended - fetch->begun;
    bool had_bytes = fetch->target && fetch->target->had_bytes;
    uint64_t fetched = transfer->size - MIN(fetch->resumed, transfer->size);
    double speed = (double)fetched * USEC_PER_SEC / (double)MAX(usec, UINT64_C(1));
    char size[FORMAT_MAX], before[FORMAT_MAX], duration[FORMAT_MAX], rate[FORMAT_MAX];
    _cleanup_free_ char *path = outcome_saved_path(fetch);

    if (!path)
        return fail_memory();
    format_size(transfer->size, size);
    format_size(fetch->resumed, before);
    format_duration(usec, duration);
    format_rate(speed, rate);
    print_escaped(stdout, "Saved %s, %s", path, size);
    if (fetch->resumed > 0)
        printf(" (%s of it from before)", before);
    printf(" in %s", duration);
    // A rate means nothing for a few bytes, or if the number of bytes that had to come is unknown.
    if (fetched >= LEAST_BYTES && speed >= LEAST_RATE && (fetch->checked || !had_bytes))
        printf(" (%s)", rate);
    printf(", %s.\n",
           transfer->verified ? "every piece verified" : "not verified: its source states no root");
    return STATUS_DONE;
}

// The file is more recent than the last report, which may be half a second old.
static bool outcome_has_bytes(const Target *target) {
    struct stat st;

    return fstat(target->fd, &st) >= 0 && st.st_size > 0;
}

void outcome_keep_part(Fetch *fetch) {
    Target *target = fetch->target;

    if (target && target->part && fetch_can_resume(fetch) && outcome_has_bytes(target))
        target->keep_part = true;
}

// Says that the same command continues, if it does.
static void outcome_hint_kept(Fetch *fetch) {
    outcome_keep_part(fetch);
    if (fetch->target && fetch->target->part && fetch->target->keep_part)
        ctl_hint("What has arrived is kept in %s. To resume, repeat the command.",
                 fetch->target->part);
}

// The daemon may have found files that do not fit the options, or that only this peer has. Its
// message says so.
static ExitStatus outcome_not_found(const Fetch *fetch, const char *message) {
    if (!*message || strncmp(message, "nobody shares", strlen("nobody shares")) == 0 ||
        strncmp(message, "no peer shares", strlen("no peer shares")) == 0)
        return nobody_shares(fetch->ctl, fetch->name);
    ctl_error_sentence("", message);
    return STATUS_NOTHING;
}

// The download directory of the daemon has a file of that name.
static void outcome_hint_exists(const Fetch *fetch) {
    _cleanup_free_ char *word = shell_word(fetch->name);

    if (fetch->ctl->host)
        ctl_hint("Move that file away on %s.", fetch->ctl->host);
    else if (!fetch->target)
        ctl_hint("Move that file away, or save the new one elsewhere: p2pctl download %s -o PATH",
                 word ?: "NAME");
}

static ExitStatus outcome_print_failed(const Fetch *fetch) {
    const TransferInfo *transfer = &fetch->transfer;
    const char *error = transfer->error, *message = transfer->error_message;

    if (strcmp(error, BUS_ERROR_NOT_FOUND) == 0)
        return outcome_not_found(fetch, message);
    if (strcmp(error, BUS_ERROR_NOT_JOINED) == 0)
        return bus_failed(fetch->ctl, &SERVICE_PEER, &SD_BUS_ERROR_MAKE_CONST(error, message),
                          -EIO);
    if (!*message)
        message = *error ? error : "the daemon does not say why";
    // Most messages of the daemon name the file.
    if (strstr(message, fetch->name))
        ctl_error_sentence("", message);
    else {
        _cleanup_free_ char *about = NULL;

        if (asprintf(&about, "cannot download %s", fetch->name) < 0)
            return fail_memory();
        ctl_error_sentence(about, message);
    }
    if (strcmp(error, BUS_ERROR_EXISTS) == 0)
        outcome_hint_exists(fetch);
    return error_status(error);
}

static ExitStatus outcome_print_lost(const Fetch *fetch) {
    const Ctl *ctl = fetch->ctl;

    ctl_error("%s stopped while it was downloading %s.", SERVICE_PEER.program, fetch->name);
    if (!fetch->target)
        ctl_hint("The download resumes when %s runs again. See: p2pctl %s%s%stransfers",
                 SERVICE_PEER.program, ctl->host ? "-H " : "", ctl->host ?: "",
                 ctl->host ? " " : "");
    else if (!fetch->target->part || !fetch_can_resume(fetch))
        ctl_hint("See: journalctl %s-u %s", ctl->user ? "--user " : "", SERVICE_PEER.program);
    return STATUS_UNAVAILABLE;
}

// The transfer is paused until the disk has space. If p2pctl owns the target, nothing may resume
// the transfer after p2pctl has ended.
static ExitStatus outcome_print_paused(Fetch *fetch) {
    const char *host = fetch->ctl->host;

    (void)outcome_print_failed(fetch);
    if (fetch->target)
        (void)fetch_cancel(fetch, time_monotonic() + CANCEL_TIMEOUT_SEC * USEC_PER_SEC);
    else
        ctl_hint("The download is paused. When there is space: p2pctl %s%s%sresume %u",
                 host ? "-H " : "", host ?: "", host ? " " : "", fetch->transfer.id);
    return STATUS_FAILED;
}

ExitStatus outcome_conclude(Fetch *fetch) {
    const TransferInfo *transfer = &fetch->transfer;
    ExitStatus status;

    if (transfer_info_is(transfer, "done")) {
        if (fetch->target && target_commit(fetch->target, transfer->size) < 0) {
            outcome_keep_part(fetch);
            return STATUS_FAILED;
        }
        return fetch->ctl->json ? STATUS_DONE : outcome_print_saved(fetch);
    }
    if (fetch->r < 0)
        status = bus_failed(fetch->ctl, &SERVICE_PEER, &fetch->error, fetch->r);
    else if (fetch->lost)
        status = outcome_print_lost(fetch);
    else if (transfer_info_is(transfer, "paused"))
        status = outcome_print_paused(fetch);
    else if (transfer_info_is(transfer, "cancelled")) {
        // The user has cancelled it for good, so there is no hint. `pause` is for a break.
        ctl_error("the download of %s was cancelled.", fetch->name);
        return STATUS_FAILED;
    } else
        status = outcome_print_failed(fetch);
    outcome_hint_kept(fetch);
    return status;
}

json_t *outcome_json(const Fetch *fetch, ExitStatus status) {
    bool known = fetch->transfer.state;
    bool done = status == STATUS_DONE && transfer_info_is(&fetch->transfer, "done");
    _cleanup_free_ char *path = done ? outcome_saved_path(fetch) : NULL;
    double seconds = (double)(fetch->ended - fetch->begun) / USEC_PER_SEC;

    return json_pack("{ss si so so so}", "name", fetch->name, "status", (int)status, "saved",
                     json_text(path), "seconds", done ? json_real(seconds) : json_null(),
                     "transfer", known ? transfer_info_json(&fetch->transfer) : json_null());
}
