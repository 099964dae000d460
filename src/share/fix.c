// SPDX-License-Identifier: MIT

#include "share/fix.h"

#include <pwd.h>
#include <stdio.h>
#include <string.h>

#include "ctl/output.h"
#include "share/access.h"
#include "share/sandbox-unit.h"
#include "util/macro.h"

static int peer_uid(uid_t *ret) {
    const struct passwd *user = getpwnam(PEER_USER);

    if (!user) {
        ctl_error("there is no user " PEER_USER " here.");
        return -ENOENT;
    }
    *ret = user->pw_uid;
    return 0;
}

static int note(const Entry *entry) {
    int r = entry_write(entry);

    if (r < 0)
        (void) fail_errno(r, "cannot write %s", entry->file);
    return r;
}

static int access_failed(const char *path, int r) {
    switch (-r) {
    case EROFS:
        ctl_error("%s is on a read-only file system: what p2p-peer may there cannot be changed.",
                  path);
        ctl_hint("Try: mount it so that " PEER_USER " may read it, or mount -o remount,rw");
        break;
    case EOPNOTSUPP:
        ctl_error("%s is on a file system that keeps no access lists.", path);
        ctl_hint("Try: mount it so that " PEER_USER
                 " may read it (its options uid=, gid=, umask=)");
        break;
    case ELOOP:
        ctl_error("%s has directories more than %d deep.", path, ACCESS_DEPTH_MAX);
        break;
    case EFBIG:
        ctl_error("%s has more than %d files.", path, ACCESS_FILES_MAX);
        break;
    default:
        (void) fail_errno(r, "cannot change who may read %s", path);
    }
    return r;
}

static int fix_pass(const char *directory, Entry *entry) {
    uid_t uid = 0;
    int r = peer_uid(&uid);

    if (r >= 0)
        r = config_parse_list(NULL, directory, &entry->passes);
    if (r >= 0)
        r = note(entry);
    if (r < 0)
        return r;
    r = access_let_pass(directory, uid);
    if (r < 0)
        return access_failed(directory, r);
    print_escaped(stdout, PEER_USER " may pass %s now.", directory);
    putchar('\n');
    return 0;
}

int fix_tree(Entry *entry) {
    _cleanup_(access_result_clear) AccessResult result = {};
    uid_t uid = 0;
    int r = peer_uid(&uid);

    entry->tree = true;
    if (r >= 0)
        r = note(entry);
    if (r < 0)
        return r;
    r = access_let_read(entry->path, uid, &result);
    if (r < 0)
        return access_failed(result.failed ?: entry->path, r);
    print_escaped(stdout, PEER_USER " may read %s now.", entry->path);
    putchar('\n');
    if (result.skipped > 0)
        ctl_hint("Left alone: %zu files that have another name elsewhere and another owner.",
                 result.skipped);
    return 0;
}

// The entry has a drop-in from then on.
static int show(Entry *entry) {
    _cleanup_free_ char *name = entry_name(entry);
    int r;

    if (!name)
        return -ENOMEM;
    entry->shown = true;
    r = note(entry);
    if (r >= 0)
        r = sandbox_unit_show(name, entry->path);
    if (r < 0)
        (void) fail_errno(r, "cannot write a drop-in of " PEER_UNIT);
    return r;
}

static int fix_sandbox(const Ctl *ctl, const Hiding *hiding, Entry *entry) {
    int r = show(entry);

    if (r < 0)
        return r;
    r = sandbox_unit_apply();
    if (r < 0) {
        ctl_error("cannot restart " PEER_UNIT "; see: systemctl status p2p-peer");
        return r;
    }
    if (sandbox_unit_hides(ctl->bus, entry->path)) {
        ctl_error("%s is still hidden from p2p-peer: a later drop-in of its service sets %s=.",
                  entry->path, hiding_name(hiding));
        ctl_hint("See: systemctl cat p2p-peer");
        return -EBUSY;
    }
    print_escaped(stdout, PEER_UNIT " has %s now, so that p2p-peer sees %s, and was restarted.",
                  hiding_setting(hiding), entry->path);
    putchar('\n');
    return 0;
}

int fix_cause(const Ctl *ctl, const Diagnosis *diagnosis, Entry *entry) {
    const Hiding *hiding;

    switch (diagnosis->cause) {
    case CAUSE_PASS:
        return fix_pass(diagnosis->component, entry);
    case CAUSE_READ:
        return fix_tree(entry);
    case CAUSE_SANDBOX:
        hiding = sandbox_unit_hides(ctl->bus, entry->path);
        if (hiding)
            return fix_sandbox(ctl, hiding, entry);
        break;
    default:
        break;
    }
    diagnosis_print(ctl, diagnosis, entry->path);
    return -EINVAL;
}

static bool is_needed(const EntryList *others, const Entry *entry, const char *directory) {
    for (size_t i = 0; i < others->n; i++) {
        const Entry *other = &others->entries[i];

        if (strcmp(other->file, entry->file) == 0)
            continue;
        for (size_t j = 0; j < other->passes.count; j++)
            if (strcmp(other->passes.items[j], directory) == 0)
                return true;
    }
    return false;
}

// A share that is in another, or has one in it, whose files p2p-peer still has to read.
static bool is_nested(const EntryList *others, const Entry *entry) {
    for (size_t i = 0; i < others->n; i++) {
        const char *a = others->entries[i].path, *b = entry->path;
        size_t len = MIN(strlen(a), strlen(b));

        if (strcmp(others->entries[i].file, entry->file) != 0 && strncmp(a, b, len) == 0 &&
            (a[len] == '/' || b[len] == '/' || strlen(a) == strlen(b)))
            return true;
    }
    return false;
}

// Another share that only the drop-in of this one shows gets one of its own.
static int bequeath(const Entry *entry, EntryList *others) {
    Entry *heir = NULL;

    for (size_t i = 0; i < others->n; i++) {
        Entry *other = &others->entries[i];

        if (!other->ours || strcmp(other->file, entry->file) == 0 ||
            !sandbox_unit_alike(other->path, entry->path))
            continue;
        if (other->shown)
            return 0;
        heir = heir ?: other;
    }
    return heir ? show(heir) : 0;
}

static int unshow(const Entry *entry, EntryList *others) {
    _cleanup_free_ char *name = entry_name(entry);
    int r = name ? bequeath(entry, others) : -ENOMEM;

    if (r >= 0)
        r = sandbox_unit_unshow(name);
    if (r >= 0)
        r = sandbox_unit_apply();
    if (r < 0)
        (void) fail_errno(r, "cannot take back what the service shows");
    return r;
}

void fix_undo(const Entry *entry, EntryList *others) {
    _cleanup_(access_result_clear) AccessResult result = {};
    uid_t uid = 0;
    int r;

    if ((entry->tree || entry->passes.count > 0) && peer_uid(&uid) < 0)
        return;
    if (entry->tree && is_nested(others, entry))
        ctl_hint(PEER_USER " may still read %s, which another share has a part in.", entry->path);
    else if (entry->tree) {
        r = access_revoke_tree(entry->path, uid, &result);
        if (r < 0 && r != -ENOENT)
            (void) access_failed(result.failed ?: entry->path, r);
    }
    for (size_t i = 0; i < entry->passes.count; i++) {
        r = is_needed(others, entry, entry->passes.items[i])
                ? 0
                : access_revoke(entry->passes.items[i], uid);
        if (r < 0 && r != -ENOENT)
            (void) access_failed(entry->passes.items[i], r);
    }
    if (entry->shown)
        (void) unshow(entry, others);
}
