// SPDX-License-Identifier: MIT

// download: chooses the files, opens the targets as the user, hands them to the daemon, and follows
// the transfers.
//
//   Search ─► choose_file ─► target_open ─► fetch_begin … ─► outcome_conclude      for each name
//                                             │
//                            SIGINT, SIGTERM, SIGHUP ─► Cancel
//
// A target is opened when its download starts, and closed when its transfer is over.

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "bus/names.h"
#include "ctl/choose.h"
#include "ctl/connection.h"
#include "ctl/failure.h"
#include "ctl/follow.h"
#include "ctl/outcome.h"
#include "ctl/output.h"
#include "ctl/peer-info.h"
#include "ctl/verbs.h"

// One NAME of the command line.
typedef struct DownloadJob {
    Fetch fetch;
    FileList files; // the files of that name to choose from
    Target target;
    ExitStatus status;
    json_t *json; // the result
} DownloadJob;

typedef struct DownloadJobList {
    Ctl *ctl;
    DownloadJob *jobs;
    SearchCall *searches; // one per job
    Fetch **fetches;      // of the jobs that have a file to download
    size_t n, n_fetches;
} DownloadJobList;

static void verb_download_clear_jobs(DownloadJobList *list) {
    for (size_t i = 0; i < list->n; i++) {
        DownloadJob *job = &list->jobs[i];

        outcome_keep_part(&job->fetch);
        target_clear(&job->target);
        fetch_clear(&job->fetch);
        file_list_clear(&job->files);
        search_call_clear(&list->searches[i]);
        json_decref(job->json);
    }
    free(list->jobs);
    free(list->searches);
    free(list->fetches);
}

static int verb_download_init_jobs(DownloadJobList *list, Ctl *ctl, unsigned n, char **names) {
    list->ctl = ctl;
    list->jobs = calloc(n, sizeof(*list->jobs));
    list->searches = calloc(n, sizeof(*list->searches));
    list->fetches = calloc(n, sizeof(Fetch *));
    if (!list->jobs || !list->searches || !list->fetches)
        return -ENOMEM;
    list->n = n;
    for (size_t i = 0; i < list->n; i++) {
        list->jobs[i].fetch = (Fetch){.ctl = ctl, .name = names[i]};
        list->jobs[i].target = TARGET_INIT;
        list->searches[i].name = names[i];
    }
    return 0;
}

static DownloadJob *verb_download_job_of(Fetch *fetch) {
    return container_of(fetch, DownloadJob, fetch);
}

// Whether the daemon writes into a file that p2pctl opens.
static bool verb_download_is_local(const Ctl *ctl) {
    return !ctl->host && !ctl->download.no_wait;
}

static ExitStatus verb_download_refuse_output(const Ctl *ctl) {
    const DownloadRequest *options = &ctl->download;
    const char *option = options->output ? "-o" : "--force";

    if (ctl->host)
        ctl_error("%s cannot be used with -H: the file goes into the download directory on %s.",
                  option, ctl->host);
    else
        ctl_error(
            "%s cannot be used with --no-wait: the file goes into the download directory of %s.",
            option, SERVICE_PEER.program);
    return STATUS_USAGE;
}

static ExitStatus verb_download_check_options(const Ctl *ctl, int argc, char **argv) {
    const DownloadRequest *options = &ctl->download;
    struct stat st;

    if (!verb_download_is_local(ctl) && (options->output || options->force))
        return verb_download_refuse_output(ctl);
    if (argc > 1 && options->root) {
        ctl_error("--root identifies one file, but there are %d names.", argc);
        return STATUS_USAGE;
    }
    if (argc > 1 && options->output && (stat(options->output, &st) < 0 || !S_ISDIR(st.st_mode))) {
        ctl_error("several files need a directory, but %s is not one.", options->output);
        return STATUS_USAGE;
    }
    for (int i = 0; i < argc; i++)
        if (target_check_name(argv[i]) < 0)
            return STATUS_USAGE;
    return STATUS_DONE;
}

// With several names, the error has to say which one it is about.
static ExitStatus verb_download_search_failed(Ctl *ctl, const SearchCall *search) {
    _cleanup_free_ char *about = NULL;

    if (!sd_bus_error_has_name(&search->error, BUS_ERROR_NO_ANSWER))
        return bus_failed(ctl, &SERVICE_PEER, &search->error, search->r);
    if (asprintf(&about, "cannot search for %s", search->name) < 0) {
        about = NULL;
        return fail_memory();
    }
    ctl_error_sentence(about, search->error.message);
    return STATUS_FAILED;
}

// Chooses the file of that name and its target, once the sources are known.
static ExitStatus verb_download_plan(Ctl *ctl, DownloadJob *job, SearchCall *search,
                                     const char *own) {
    Fetch *fetch = &job->fetch;
    ExitStatus status;

    if (search->r < 0)
        return verb_download_search_failed(ctl, search);
    status = choose_file(ctl, search->name, &search->found, own, &job->files, &fetch->file);
    if (status != STATUS_DONE)
        return status;
    fetch->file_name =
        target_file_name(fetch->name, fetch->file->first->name, fetch->file->first->type);
    if (!fetch->file_name)
        return fail_memory();
    if (!verb_download_is_local(ctl))
        return STATUS_DONE;
    fetch->target = &job->target;
    return target_init(&job->target, fetch->name, fetch->file_name, &ctl->download) < 0
               ? STATUS_FAILED
               : STATUS_DONE;
}

// Searches for all names, and lets the user choose. STATUS_DONE, even if some names have no file,
// as their jobs say. Else nothing can be downloaded, and the error has been printed.
static ExitStatus verb_download_plan_all(DownloadJobList *list) {
    Ctl *ctl = list->ctl;
    _cleanup_free_ char *own = NULL;
    int r = search_calls_run(ctl->bus, list->searches, list->n);

    if (r < 0)
        return bus_failed(ctl, &SERVICE_PEER, &SD_BUS_ERROR_NULL, r);
    own = search_call_own_endpoint(ctl->bus);
    if (!own)
        return fail_memory();
    for (size_t i = 0; i < list->n; i++) {
        DownloadJob *job = &list->jobs[i];

        job->status = verb_download_plan(ctl, job, &list->searches[i], own);
        // Without a daemon or a session, all other names would fail in the same way.
        if (job->status == STATUS_UNAVAILABLE)
            return STATUS_UNAVAILABLE;
        if (job->status == STATUS_DONE)
            list->fetches[list->n_fetches++] = &job->fetch;
    }
    return STATUS_DONE;
}

static int verb_download_prepare(Fetch *fetch) {
    DownloadJob *job = verb_download_job_of(fetch);
    int r = 0;

    if (fetch->target)
        r = target_open(&job->target, fetch_can_resume(fetch));
    if (r < 0)
        job->status = STATUS_FAILED;
    return r;
}

static void verb_download_conclude(Fetch *fetch) {
    DownloadJob *job = verb_download_job_of(fetch);

    job->status = outcome_conclude(fetch);
    job->json = outcome_json(fetch, job->status);
    target_clear(&job->target);
    fetch->target = NULL;
}

// Prints what a signal has interrupted, and which parts are kept.
static ExitStatus verb_download_interrupted(DownloadJobList *list, const Follow *follow) {
    const char *host = list->ctl->host;
    _cleanup_free_ char *parts = NULL;
    size_t n = 0, size;
    FILE *file = open_memstream(&parts, &size);

    if (!file)
        return fail_memory();
    for (size_t i = 0; i < follow->n_begun; i++) {
        Fetch *fetch = follow->fetches[i];

        if (!fetch->target || !fetch->target->part)
            continue;
        outcome_keep_part(fetch);
        if (fetch->target->keep_part)
            fprintf(file, "%s%s", n++ > 0 ? ", " : "", fetch->target->part);
    }
    if (fclose(file) != 0)
        return fail_memory();
    if (follow->unconfirmed) {
        ctl_error("interrupted, but %s has not confirmed that the transfer is cancelled.",
                  SERVICE_PEER.program);
        ctl_hint("See: p2pctl %s%s%stransfers", host ? "-H " : "", host ?: "", host ? " " : "");
    } else
        ctl_error("interrupted; all unfinished downloads are cancelled.");
    if (n > 0)
        ctl_hint("What has arrived is kept in %s. To resume, repeat the command.", parts);
    return 128 + follow->signal;
}

// The first status that is not success.
static ExitStatus verb_download_sum_up(const DownloadJobList *list) {
    for (size_t i = 0; i < list->n; i++)
        if (list->jobs[i].status != STATUS_DONE)
            return list->jobs[i].status;
    return STATUS_DONE;
}

// A single name also has its fields in the document itself, as before there could be several.
static ExitStatus verb_download_print_json(DownloadJobList *list) {
    json_t *document = document_new(), *downloads = json_array();
    ExitStatus status = verb_download_sum_up(list);

    for (size_t i = 0; i < list->n; i++) {
        DownloadJob *job = &list->jobs[i];

        if (!job->json)
            job->json = outcome_json(&job->fetch, job->status);
        if (list->n == 1 && job->status == STATUS_DONE)
            json_object_update(document, job->json);
        json_array_append(downloads, job->json);
    }
    json_object_set_new(document, "downloads", downloads);
    return document_print(list->ctl, document) == STATUS_DONE ? status : STATUS_FAILED;
}

static ExitStatus verb_download_follow_all(DownloadJobList *list) {
    _cleanup_(follow_clear) Follow follow = {
        .ctl = list->ctl,
        .fetches = list->fetches,
        .n = list->n_fetches,
        .prepare = verb_download_prepare,
        .conclude = verb_download_conclude,
    };
    int r;

    r = follow_subscribe(&follow);
    if (r < 0)
        return bus_failed(list->ctl, &SERVICE_PEER, &SD_BUS_ERROR_NULL, r);
    if (list->ctl->host && !list->ctl->json)
        ctl_hint("%s into the download directory of %s on %s.",
                 list->n == 1 ? "The file goes" : "The files go", SERVICE_PEER.program,
                 list->ctl->host);
    r = follow_run(&follow);
    if (r < 0)
        return fail_errno(r, "cannot follow the downloads");
    if (follow.signal > 0)
        return verb_download_interrupted(list, &follow);
    return STATUS_DONE;
}

// Prints where the daemon saves the file. That is NAME in its own directory, even if it has not
// said so yet.
static ExitStatus verb_download_start_one(DownloadJob *job, const char *directory) {
    Fetch *fetch = &job->fetch;
    TransferInfo *transfer = &fetch->transfer;
    const char *host = fetch->ctl->host;
    int r = fetch_start_only(fetch);

    if (r < 0)
        return bus_failed(fetch->ctl, &SERVICE_PEER, &fetch->error, r);
    if (fetch_has_stopped(fetch) && !transfer_info_is(transfer, "done"))
        return outcome_conclude(fetch);
    if (!*transfer->path) {
        free(transfer->path);
        if (asprintf(&transfer->path, "%s/%s", directory, fetch->file_name) < 0) {
            transfer->path = NULL;
            return fail_memory();
        }
    }
    if (fetch->ctl->json)
        return STATUS_DONE;
    print_escaped(stdout, "Transfer %u: %s%s%s", transfer->id, host ?: "", host ? ":" : "",
                  transfer->path);
    putchar('\n');
    return STATUS_DONE;
}

static ExitStatus verb_download_start_all(DownloadJobList *list) {
    _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
    _cleanup_free_ char *directory = NULL;
    int r = sd_bus_get_property_string(list->ctl->bus, BUS_PEER_NAME, BUS_PEER_PATH,
                                       BUS_PEER_INTERFACE, "DownloadDirectory", &error, &directory);

    if (r < 0)
        return bus_failed(list->ctl, &SERVICE_PEER, &error, r);
    for (size_t i = 0; i < list->n_fetches; i++) {
        DownloadJob *job = verb_download_job_of(list->fetches[i]);

        job->status = verb_download_start_one(job, directory);
    }
    return STATUS_DONE;
}

ExitStatus verb_download(Ctl *ctl, int argc, char **argv) {
    _cleanup_(verb_download_clear_jobs) DownloadJobList list = {};
    ExitStatus status = verb_download_check_options(ctl, argc, argv);

    if (status != STATUS_DONE)
        return status;
    if (verb_download_init_jobs(&list, ctl, (unsigned)argc, argv) < 0)
        return fail_memory();
    if (ctl_connect_peer(ctl) != STATUS_DONE)
        return STATUS_UNAVAILABLE;
    if (verb_download_is_local(ctl) && sd_bus_can_send(ctl->bus, SD_BUS_TYPE_UNIX_FD) <= 0) {
        ctl_error("the bus cannot pass open files, so the daemon cannot write to them.");
        return STATUS_FAILED;
    }
    status = verb_download_plan_all(&list);
    if (status == STATUS_DONE && list.n_fetches > 0)
        status = ctl->download.no_wait ? verb_download_start_all(&list)
                                       : verb_download_follow_all(&list);
    if (status != STATUS_DONE)
        return status;
    return ctl->json ? verb_download_print_json(&list) : verb_download_sum_up(&list);
}
