// SPDX-License-Identifier: MIT

#include "share/verbs.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "bus/names.h"
#include "ctl/bus-call.h"
#include "ctl/connection.h"
#include "ctl/failure.h"
#include "ctl/format.h"
#include "ctl/output.h"
#include "ctl/peer-info.h"
#include "ctl/table.h"
#include "share/diagnosis.h"
#include "share/entry.h"
#include "share/fix.h"
#include "util/fs-util.h"
#include "util/macro.h"

enum {
    ROUNDS_MAX = 64, // causes found and fixed in turn: one per component of a path, and some
};

// What the daemon has found below the path of a share.
typedef struct ShareContent {
    size_t files, unreadable;
    uint64_t bytes;
    const char *problem; // of the path itself; the PeerInfo owns it
} ShareContent;

static ShareContent share_verb_content_of(const PeerInfo *peer, const char *path) {
    ShareContent content = {};

    for (size_t i = 0; i < peer->shares.n; i++) {
        const ShareInfo *share = &peer->shares.shares[i];

        if (!path_is_below(share->path, path))
            continue;
        if (strcmp(share->state, "unreadable") == 0 || strcmp(share->state, "vanished") == 0) {
            content.unreadable++;
            if (strcmp(share->path, path) == 0)
                content.problem = share->explanation;
        } else {
            content.files++;
            content.bytes += share->size;
        }
    }
    return content;
}

static ExitStatus share_verb_load(const Ctl *ctl, const char *config_path, EntryList *list) {
    int r = entry_list_load(config_path, ctl->user, list);

    return r < 0 ? fail_errno(r, "cannot read the configuration %s", config_path) : STATUS_DONE;
}

// ------------------------------------------------------------------------------------- add

// Refuses, with an error, files of the kernel, whole file systems, and directories that every user
// may write to.
static bool share_verb_is_refused(const char *path) {
    static const char *const wholes[] = {"/", "/tmp", "/var/tmp"};
    static const char *const kernel[] = {"/proc", "/sys", "/dev", "/run"};

    for (size_t i = 0; i < ELEMENTSOF(wholes); i++)
        if (strcmp(path, wholes[i]) == 0) {
            ctl_error("%s cannot be shared as a whole.", path);
            ctl_hint("Try: share a directory in it");
            return true;
        }
    for (size_t i = 0; i < ELEMENTSOF(kernel); i++)
        if (path_is_below(path, kernel[i]) && !path_is_below(path, "/run/media")) {
            ctl_error("files below /proc, /sys, /dev and /run cannot be shared.");
            return true;
        }
    return false;
}

// Resolves links, but only those of root and of this user. The owner of another link could make it
// lead to a secret that only this user may read, and so publish it. Caller frees *ret.
static ExitStatus share_verb_resolve(const char *typed, char **ret) {
    _cleanup_free_ char *target = NULL, *word = NULL;
    _cleanup_close_ int fd = open_trusted(typed, O_PATH, ret);

    if (fd >= 0)
        return STATUS_DONE;
    if (fd != -ENOLINK)
        return fail_errno(fd, "cannot look at %s", typed);
    target = realpath(typed, NULL);
    word = target ? shell_word(target) : NULL;
    ctl_error("a link on the way to %s belongs to another user.", typed);
    if (word)
        ctl_hint("If you mean what it leads to: p2pctl share add %s", word);
    return STATUS_FAILED;
}

// Checks the path before anything is written. *ret is the path without links. Caller frees.
static ExitStatus share_verb_find_place(const Ctl *ctl, const char *typed, char **ret) {
    _cleanup_(diagnosis_clear) Diagnosis diagnosis = {};
    _cleanup_free_ char *path = NULL;
    int r = diagnose_place(typed, &diagnosis);
    ExitStatus status;

    *ret = NULL;
    if (r < 0)
        return fail_errno(r, "cannot look at %s", typed);
    if (diagnosis.cause != CAUSE_NONE) {
        diagnosis_print(ctl, &diagnosis, typed);
        return STATUS_FAILED;
    }
    status = share_verb_resolve(typed, &path);
    if (status != STATUS_DONE)
        return status;
    if (share_verb_is_refused(path))
        return STATUS_FAILED;
    *ret = TAKE_PTR(path);
    return STATUS_DONE;
}

static int share_verb_make_reload(void *userdata, sd_bus_message **ret) {
    return sd_bus_message_new_method_call(userdata, ret, BUS_PEER_NAME, BUS_PEER_PATH,
                                          BUS_PEER_INTERFACE, "Reload");
}

// Makes the daemon reload its configuration, and waits until it has walked the shares.
static ExitStatus share_verb_reload(Ctl *ctl) {
    _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
    int r;

    if (ctl_connect_peer(ctl) != STATUS_DONE)
        return STATUS_UNAVAILABLE;
    r = ctl_call(ctl, share_verb_make_reload, ctl->bus, UINT64_MAX, &error, NULL);
    if (r >= 0)
        return STATUS_DONE;
    if (sd_bus_error_has_name(&error, BUS_ERROR_CONFIGURATION))
        return fail_lines(error.message);
    return bus_failed(ctl, &SERVICE_PEER, &error, r);
}

// The permissions can only be checked if the user of the daemon exists.
static ExitStatus share_verb_find_user(const Ctl *ctl, const char *path) {
    uid_t uid;

    if (ctl->user || peer_user_find(&uid) >= 0)
        return STATUS_DONE;
    ctl_hint("%s stays configured. When the user exists, check it by: p2pctl share list", path);
    return STATUS_FAILED;
}

// Finds one cause after the other, and removes it if `fix` is set.
static ExitStatus share_verb_clear_the_way(Ctl *ctl, Entry *entry, bool fix) {
    for (unsigned i = 0; i < ROUNDS_MAX; i++) {
        _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
        _cleanup_(diagnosis_clear) Diagnosis diagnosis = {};
        int r = diagnose_access(ctl, entry->path, &diagnosis, &error);

        if (r < 0)
            return bus_failed(ctl, &SERVICE_PEER, &error, r);
        if (diagnosis.cause == CAUSE_NONE)
            return STATUS_DONE;
        if (!fix) {
            diagnosis_print(ctl, &diagnosis, entry->path);
            return STATUS_FAILED;
        }
        if (fix_cause(ctl, &diagnosis, entry) < 0)
            return STATUS_FAILED;
    }
    ctl_error("p2p-peer still cannot read %s.", entry->path);
    return STATUS_FAILED;
}

static ExitStatus share_verb_print_added(Ctl *ctl, const char *path) {
    _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
    _cleanup_(peer_info_clear) PeerInfo peer = {};
    int r = peer_info_get(ctl->bus, &peer, &error);
    char size[FORMAT_MAX];
    ShareContent content;

    if (r < 0)
        return bus_failed(ctl, &SERVICE_PEER, &error, r);
    content = share_verb_content_of(&peer, path);
    format_size(content.bytes, size);
    print_escaped(stdout, "%s is shared: %zu file%s, %s.", path, content.files,
                  content.files == 1 ? "" : "s", size);
    putchar('\n');
    return STATUS_DONE;
}

// The daemon can read the path. Checks the files in it.
static ExitStatus share_verb_check_content(Ctl *ctl, Entry *entry, bool fix) {
    _cleanup_free_ char *example = NULL;
    size_t unreadable;
    ExitStatus status;
    int r = diagnose_content(ctl, entry->path, &unreadable, &example);

    if (r >= 0 && unreadable > 0 && fix && !entry->tree) {
        if (fix_tree(entry) < 0)
            return STATUS_FAILED;
        free(TAKE_PTR(example));
        r = diagnose_content(ctl, entry->path, &unreadable, &example);
    }
    if (r < 0)
        return fail_errno(r, "cannot look into %s", entry->path);
    // Makes the daemon walk what it could not read before.
    status = share_verb_reload(ctl);
    if (status == STATUS_DONE)
        status = share_verb_print_added(ctl, entry->path);
    if (status != STATUS_DONE || unreadable == 0)
        return status;
    ctl_error("p2p-peer may not read %zu of the files in it, such as %s.", unreadable,
              example ?: "?");
    if (!fix && !ctl->user)
        ctl_hint("To change that: p2pctl share add --fix, with the same path");
    return STATUS_FAILED;
}

ExitStatus share_add(Ctl *ctl, const char *config_path, const char *typed, bool fix) {
    _cleanup_(entry_list_clear) EntryList list = {};
    _cleanup_(entry_clear) Entry made = {};
    _cleanup_free_ char *path = NULL;
    Entry *entry;
    ExitStatus status = share_verb_find_place(ctl, typed, &path);
    int r;

    if (status == STATUS_DONE)
        status = share_verb_load(ctl, config_path, &list);
    if (status != STATUS_DONE)
        return status;
    entry = entry_list_find(&list, path);
    // --fix notes its changes in a file of p2pctl share. And a share that the user asks for must
    // not depend on the default.
    if (!entry || entry->by_default || (fix && !entry->ours)) {
        r = entry_new(&list, config_path, path, &made);
        if (r == -EINVAL) {
            ctl_error("a configuration file cannot hold the path %s: %s.", path,
                      entry_path_problem(path));
            ctl_hint("Try: share a directory above it");
            return STATUS_FAILED;
        }
        if (r >= 0)
            r = entry_write(&made);
        if (r < 0)
            return fail_errno(r, "cannot write %s", made.file ?: config_path);
        entry = &made;
    }
    status = share_verb_reload(ctl);
    if (status == STATUS_UNAVAILABLE)
        ctl_hint("When it runs, check whether it can read %s: p2pctl%s share list", path,
                 ctl->user ? " --user" : "");
    if (status == STATUS_DONE)
        status = share_verb_find_user(ctl, path);
    if (status == STATUS_DONE)
        status = share_verb_clear_the_way(ctl, entry, fix);
    return status == STATUS_DONE ? share_verb_check_content(ctl, entry, fix) : status;
}

// ------------------------------------------------------------------------------------- remove

ExitStatus share_remove(Ctl *ctl, const char *config_path, const char *typed) {
    _cleanup_(entry_list_clear) EntryList list = {};
    ExitStatus status = share_verb_load(ctl, config_path, &list);
    char resolved[PATH_MAX];
    const Entry *entry;
    int r;

    if (status != STATUS_DONE)
        return status;
    entry = entry_list_find(&list, typed);
    if (!entry && realpath(typed, resolved))
        entry = entry_list_find(&list, resolved);
    if (!entry) {
        ctl_error("%s is not shared.", typed);
        ctl_hint("See: p2pctl%s share list", ctl->user ? " --user" : "");
        return STATUS_NOTHING;
    }
    if (entry->by_default) {
        ctl_error("%s is shared by default.", entry->path);
        ctl_hint("Name a path in %s to replace it, then: systemctl --user reload p2p-peer",
                 entry->file);
        return STATUS_FAILED;
    }
    if (!entry->ours) {
        ctl_error("%s is shared by %s, which p2pctl does not edit.", entry->path, entry->file);
        ctl_hint("Remove it there, then: systemctl%s reload p2p-peer", ctl->user ? " --user" : "");
        return STATUS_FAILED;
    }
    // In the other order, a crash in between would leave permissions of which there is no note.
    if (fix_undo(entry, &list) < 0) {
        ctl_hint("%s stays shared, and %s notes what is left to undo. When it can be "
                 "undone, repeat: p2pctl share remove",
                 entry->path, entry->file);
        return STATUS_FAILED;
    }
    r = entry_remove(entry);
    if (r < 0)
        return fail_errno(r, "cannot remove %s", entry->file);
    status = share_verb_reload(ctl);
    if (status == STATUS_DONE) {
        print_escaped(stdout, "%s is not shared any more.", entry->path);
        putchar('\n');
    }
    return status;
}

// ------------------------------------------------------------------------------------- list

static void share_verb_add_row(Table *table, const Entry *entry, const PeerInfo *peer) {
    const ShareContent content = peer ? share_verb_content_of(peer, entry->path) : (ShareContent){};
    char size[FORMAT_MAX];

    table_add(table, entry->path);
    if (!peer)
        table_add(table, "?");
    else if (content.problem)
        table_addf(table, "not shared: %s", content.problem);
    else {
        format_size(content.bytes, size);
        if (content.unreadable > 0)
            table_addf(table, "%zu file%s, %s; %zu unreadable", content.files,
                       content.files == 1 ? "" : "s", size, content.unreadable);
        else
            table_addf(table, "%zu file%s, %s", content.files, content.files == 1 ? "" : "s", size);
    }
    table_add(table, entry->by_default ? "(default)" : entry->file);
}

static ExitStatus share_verb_print_table(const Ctl *ctl, const EntryList *list,
                                         const PeerInfo *peer) {
    static const Column columns[] = {
        {"PATH", false, 1, 20},
        {"SHARED", false, 2, 24},
        {"CONFIGURED IN", false, 3, 16},
    };
    _cleanup_(table_freep) Table *table = table_new(columns, ELEMENTSOF(columns));
    TableStyle style = output_table_style(ctl);

    if (!table)
        return fail_memory();
    for (size_t i = 0; i < list->n; i++)
        share_verb_add_row(table, &list->entries[i], peer);
    if (list->n > 0 && table_print(table, &style, stdout) < 0)
        return fail_memory();
    if (ctl->legend && list->n == 0)
        printf("Nothing is configured to be shared. Try: p2pctl%s share add PATH\n",
               ctl->user ? " --user" : "");
    return STATUS_DONE;
}

static ExitStatus share_verb_print_json(const Ctl *ctl, const EntryList *list,
                                        const PeerInfo *peer) {
    json_t *document = document_new(), *shares = json_array();

    for (size_t i = 0; i < list->n; i++) {
        const Entry *entry = &list->entries[i];
        const ShareContent content =
            peer ? share_verb_content_of(peer, entry->path) : (ShareContent){};

        json_array_append_new(
            shares,
            json_pack("{so so sb so so so so}", "path", json_text(entry->path), "file",
                      json_text(entry->by_default ? "" : entry->file), "removable",
                      (int)entry->ours, "n_files",
                      peer ? json_integer((json_int_t)content.files) : json_null(), "size",
                      peer ? json_integer((json_int_t)content.bytes) : json_null(), "n_unreadable",
                      peer ? json_integer((json_int_t)content.unreadable) : json_null(), "problem",
                      json_text(content.problem ?: "")));
    }
    json_object_set_new(document, "shares", shares);
    return document_print(ctl, document);
}

ExitStatus share_list(Ctl *ctl, const char *config_path) {
    _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
    _cleanup_(entry_list_clear) EntryList list = {};
    _cleanup_(peer_info_clear) PeerInfo peer = {};
    ExitStatus status = share_verb_load(ctl, config_path, &list), shown;
    int r;

    if (status != STATUS_DONE)
        return status;
    if (ctl_connect(ctl) < 0)
        return STATUS_UNAVAILABLE;
    r = peer_info_get(ctl->bus, &peer, &error);
    shown = ctl->json ? share_verb_print_json(ctl, &list, r < 0 ? NULL : &peer)
                      : share_verb_print_table(ctl, &list, r < 0 ? NULL : &peer);
    return r < 0 && shown == STATUS_DONE ? bus_failed(ctl, &SERVICE_PEER, &error, r) : shown;
}
