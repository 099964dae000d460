// SPDX-License-Identifier: MIT

// download: opens the file as the caller, hands it to the daemon, and follows the transfer.
//
//   target_init ─► subscribe ─► target_open ─► Download ─► GetAll, PropertiesChanged … ─► end
//                                                 │                                       ▲
//                                SIGINT, SIGTERM, SIGHUP ─► Cancel ───────────────────────┘
//                                the daemon or the bus goes away ─────────────────────────┘

#include <signal.h>
#include <string.h>
#include <systemd/sd-event.h>

#include "bus/names.h"
#include "ctl/connection.h"
#include "ctl/follow.h"
#include "ctl/format.h"
#include "ctl/output.h"
#include "ctl/target.h"
#include "ctl/verbs.h"
#include "util/time-util.h"

enum {
    LEAST_RATE = 10000, // bytes per second; format_rate() makes "0.01 MB/s" of it
};

// Where the finished file is, as the user would write it. Caller frees; NULL = no memory.
static char *saved_path(const Ctl *ctl, const Target *target, const TransferInfo *transfer) {
    char *path;

    if (!ctl->host)
        return target_path(target);
    if (!*transfer->path)
        return transfer_info_file_name(transfer);
    return asprintf(&path, "%s:%s", ctl->host, transfer->path) < 0 ? NULL : path;
}

static ExitStatus print_saved_json(const Ctl *ctl, const char *path, const TransferInfo *transfer,
                                   uint64_t usec) {
    json_t *document = document_new();

    json_object_set_new(document, "transfer", transfer_info_json(transfer));
    json_object_set_new(document, "saved", json_text(path));
    json_object_set_new(document, "seconds", json_real((double) usec / USEC_PER_SEC));
    return document_print(ctl, document);
}

static ExitStatus print_saved(const Ctl *ctl, const Target *target, const TransferInfo *transfer,
                              uint64_t usec) {
    _cleanup_free_ char *path = saved_path(ctl, target, transfer);
    double speed = (double) transfer->size * USEC_PER_SEC / (double) MAX(usec, UINT64_C(1));
    char size[FORMAT_MAX], duration[FORMAT_MAX], rate[FORMAT_MAX];

    if (!path)
        return fail_memory();
    if (ctl->json)
        return print_saved_json(ctl, path, transfer, usec);
    format_size(transfer->size, size);
    format_duration(usec, duration);
    format_rate(speed, rate);
    // Of a few bytes a rate says nothing.
    if (speed < LEAST_RATE)
        print_escaped(stdout, "Saved %s, %s in %s.", path, size, duration);
    else
        print_escaped(stdout, "Saved %s, %s in %s (%s).", path, size, duration, rate);
    putchar('\n');
    return STATUS_DONE;
}

// What was found but does not fit the options, or is only this peer's own, is more than "nobody".
static ExitStatus not_found(Ctl *ctl, const char *name, const char *message) {
    const DownloadOptions *options = &ctl->download;
    _cleanup_free_ char *word = NULL;

    if (!*message || strncmp(message, "nobody shares", strlen("nobody shares")) == 0)
        return nobody_shares(ctl, name);
    ctl_error_sentence("", message);
    if ((options->type || options->size_set || options->address || options->port) &&
        (word = shell_word(name)))
        ctl_hint("See what there is: p2pctl search %s", word);
    return STATUS_NOTHING;
}

static ExitStatus transfer_failed(Ctl *ctl, const char *name, const TransferInfo *transfer) {
    const char *error = transfer->error, *message = transfer->error_message;

    if (strcmp(error, BUS_ERROR_NOT_FOUND) == 0)
        return not_found(ctl, name, message);
    if (strcmp(error, BUS_ERROR_NOT_JOINED) == 0)
        return bus_failed(ctl, &SERVICE_PEER, &SD_BUS_ERROR_MAKE_CONST(error, message), -EIO);
    if (!*message)
        message = *error ? error : "the daemon does not say why";
    // The daemon's sentence mostly names the file already.
    if (strstr(message, name))
        ctl_error_sentence("", message);
    else {
        _cleanup_free_ char *about = NULL;

        if (asprintf(&about, "cannot download %s", name) < 0)
            return fail_memory();
        ctl_error_sentence(about, message);
    }
    return error_status(error);
}

static ExitStatus interrupted(const Follow *follow) {
    const char *host = follow->ctl->host;

    if (!follow->lost)
        ctl_error("interrupted; the transfer is cancelled.");
    else {
        ctl_error("interrupted, but %s has not confirmed that the transfer is cancelled.",
                  SERVICE_PEER.program);
        ctl_hint("See: p2pctl %s%s%stransfers", host ? "-H " : "", host ?: "", host ? " " : "");
    }
    return 128 + follow->signal;
}

// What came of it.
static ExitStatus conclude(Ctl *ctl, Follow *follow, Target *target, const char *name) {
    const TransferInfo *transfer = &follow->transfer;
    uint64_t usec = time_monotonic() - follow->begun;
    const char *state = transfer->state ?: "";

    if (strcmp(state, "done") == 0) {
        if (!ctl->host && target_commit(target, transfer->size) < 0)
            return STATUS_FAILED;
        return print_saved(ctl, target, transfer, usec);
    }
    if (follow->signal > 0)
        return interrupted(follow);
    if (follow->target_failed)
        return STATUS_FAILED;
    if (follow->r < 0)
        return bus_failed(ctl, &SERVICE_PEER, &follow->error, follow->r);
    if (follow->lost) {
        ctl_error("%s went away while it downloaded %s.", SERVICE_PEER.program, name);
        if (!ctl->host)
            ctl_hint("See: journalctl %s-u %s", ctl->user ? "--user " : "", SERVICE_PEER.program);
        return STATUS_UNAVAILABLE;
    }
    if (strcmp(state, "cancelled") == 0) {
        ctl_error("the download of %s was cancelled.", name);
        return STATUS_FAILED;
    }
    return transfer_failed(ctl, name, transfer);
}

static ExitStatus check_options(const Ctl *ctl) {
    if (!ctl->host)
        return STATUS_DONE;
    if (ctl->download.output || ctl->download.force) {
        ctl_error("%s does not go with -H: the file goes into the download directory on %s.",
                  ctl->download.output ? "-o" : "--force", ctl->host);
        return STATUS_USAGE;
    }
    return STATUS_DONE;
}

ExitStatus verb_download(Ctl *ctl, int argc _unused_, char **argv) {
    _cleanup_(target_clear) Target target = {.fd = -EBADF};
    _cleanup_(follow_clear) Follow follow = {.ctl = ctl, .name = argv[0]};
    ExitStatus status = check_options(ctl);
    int r;

    if (status != STATUS_DONE)
        return status;
    if (target_check_name(follow.name) < 0)
        return STATUS_USAGE;
    if (!ctl->host) {
        if (target_init(&target, follow.name, &ctl->download) < 0)
            return STATUS_FAILED;
        follow.target = &target;
    }
    if (ctl_connect(ctl) < 0)
        return STATUS_UNAVAILABLE;
    if (!ctl->host && sd_bus_can_send(ctl->bus, SD_BUS_TYPE_UNIX_FD) <= 0) {
        ctl_error("the bus does not pass on open files, so the daemon cannot write to %s.",
                  target.name);
        return STATUS_FAILED;
    }
    r = follow_subscribe(&follow);
    if (r < 0)
        return bus_failed(ctl, &SERVICE_PEER, &follow.error, r);
    if (!ctl->host && target_open(&target) < 0)
        return STATUS_FAILED;
    if (ctl->host && !ctl->json)
        ctl_hint("The file goes into the download directory of p2p-peer on %s.", ctl->host);
    r = follow_run(&follow);
    if (r < 0)
        return fail_errno(r, "cannot follow the download");
    return conclude(ctl, &follow, &target, follow.name);
}
