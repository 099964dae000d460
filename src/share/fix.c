// SPDX-License-Identifier: MIT

#include "share/fix.h"

#include <stdio.h>
#include <string.h>

#include "ctl/output.h"
#include "share/access.h"
#include "share/sandbox-unit.h"
#include "util/fs-util.h"
#include "util/macro.h"

static int fix_note(const Entry *entry) {
    int r = entry_write(entry);

    if (r < 0)
        (void)fail_errno(r, "cannot write %s", entry->file);
    return r;
}

static int fix_access_failed(const char *path, int r) {
    switch (-r) {
    case EROFS:
        ctl_error("%s is on a read-only file system, so its permissions cannot change.", path);
        ctl_hint("Try: mount it so that " PEER_USER " may read it, or mount -o remount,rw");
        break;
    case EOPNOTSUPP:
        ctl_error("%s is on a file system that keeps no access lists.", path);
        ctl_hint("Try: mount it so that " PEER_USER
                 " may read it (its options uid=, gid=, umask=)");
        break;
    case EXDEV:
        ctl_error("another user may have put %s there, so --fix leaves it alone.", path);
        ctl_hint("If you want it anyway: setfacl(1), with -m u:" PEER_USER ":rX");
        break;
    case ELOOP:
        ctl_error("a link is on the way to %s now.", path);
        break;
    case E2BIG:
        ctl_error("%s is more than %d directories deep.", path, ACCESS_DEPTH_MAX);
        break;
    case EFBIG:
        ctl_error("%s has more than %d files.", path, ACCESS_FILES_MAX);
        break;
    default:
        (void)fail_errno(r, "cannot change who may read %s", path);
    }
    return r;
}

static int fix_pass(const char *directory, Entry *entry) {
    uid_t uid = 0;
    int r = peer_user_find(&uid);

    if (r >= 0)
        r = config_parse_list(NULL, directory, &entry->passes);
    if (r >= 0)
        r = fix_note(entry);
    if (r < 0)
        return r;
    r = access_let_pass(directory, uid);
    if (r < 0)
        return fix_access_failed(directory, r);
    print_escaped(stdout, PEER_USER " may pass %s now.", directory);
    putchar('\n');
    return 0;
}

static void fix_print_left_alone(const AccessResult *result) {
    if (result->skipped > 0) {
        ctl_hint("Left alone, as they may be secrets of another user: files of another owner, "
                 "with a second name, or in a place where others may write (%zu).",
                 result->skipped);
        ctl_hint("To let " PEER_USER " read one of these: setfacl -m u:" PEER_USER ":rX PATH");
    }
    if (result->shared > 0)
        ctl_hint(
            "Others may write there, too (%zu director%s): p2p-peer can read new files only if "
            "everybody may.",
            result->shared, result->shared == 1 ? "y" : "ies");
}

int fix_tree(Entry *entry) {
    _cleanup_(access_result_clear) AccessResult result = {};
    uid_t uid = 0;
    int r = peer_user_find(&uid);

    entry->tree = true;
    if (r >= 0)
        r = fix_note(entry);
    if (r < 0)
        return r;
    r = access_let_read(entry->path, uid, &result);
    if (r < 0)
        return fix_access_failed(result.failed ?: entry->path, r);
    print_escaped(stdout, PEER_USER " may read %s now.", entry->path);
    putchar('\n');
    fix_print_left_alone(&result);
    return 0;
}

// Writes the entry first, so that it owns the drop-in from then on.
static int fix_show(Entry *entry) {
    _cleanup_free_ char *name = entry_name(entry);
    int r;

    if (!name)
        return -ENOMEM;
    entry->shown = true;
    r = fix_note(entry);
    if (r >= 0)
        r = sandbox_unit_show(name, entry->path);
    if (r < 0)
        (void)fail_errno(r, "cannot write a drop-in of " PEER_UNIT);
    return r;
}

static int fix_sandbox(const Ctl *ctl, const Hiding *hiding, Entry *entry) {
    int r = fix_show(entry);

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

// Finds another share that needs to pass the directory, and notes it there. 1: the permission must
// stay; 0: no share needs it; or -errno.
static int fix_bequeath_pass(const Entry *entry, const char *directory, EntryList *others) {
    Entry *heir = NULL;
    int r;

    for (size_t i = 0; i < others->n; i++) {
        Entry *other = &others->entries[i];

        if (strcmp(other->file, entry->file) == 0)
            continue;
        if (other->tree && path_is_below(directory, other->path))
            return 1;
        for (size_t j = 0; j < other->passes.count; j++)
            if (strcmp(other->passes.items[j], directory) == 0)
                return 1;
        if (path_is_below(other->path, directory) && (!heir || other->ours))
            heir = other;
    }
    if (!heir)
        return 0;
    if (!heir->ours) {
        ctl_hint(PEER_USER " may still pass %s, on the way to %s.", directory, heir->path);
        return 1;
    }
    r = config_parse_list(NULL, directory, &heir->passes);
    if (r >= 0)
        r = fix_note(heir);
    return r < 0 ? r : 1;
}

// Whether a share contains, or is in, another share whose files p2p-peer still has to read.
static bool fix_is_nested(const EntryList *others, const Entry *entry) {
    for (size_t i = 0; i < others->n; i++) {
        const char *a = others->entries[i].path, *b = entry->path;
        size_t len = MIN(strlen(a), strlen(b));

        if (strcmp(others->entries[i].file, entry->file) != 0 && strncmp(a, b, len) == 0 &&
            (a[len] == '/' || b[len] == '/' || strlen(a) == strlen(b)))
            return true;
    }
    return false;
}

// Gives another share its own drop-in, if it is shown only by that of this entry.
static int fix_bequeath_showing(const Entry *entry, EntryList *others) {
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
    return heir ? fix_show(heir) : 0;
}

static int fix_unshow(const Entry *entry, EntryList *others) {
    _cleanup_free_ char *name = entry_name(entry);
    int r = name ? fix_bequeath_showing(entry, others) : -ENOMEM;

    if (r >= 0)
        r = sandbox_unit_unshow(name);
    if (r >= 0)
        r = sandbox_unit_apply();
    if (r < 0)
        (void)fail_errno(r, "cannot hide the path from the service again");
    return r;
}

static bool fix_is_gone(int r) {
    return r == -ENOENT || r == -ENOTDIR;
}

static int fix_undo_tree(const Entry *entry, const EntryList *others, uid_t uid) {
    _cleanup_(access_result_clear) AccessResult result = {};
    int r;

    if (fix_is_nested(others, entry)) {
        ctl_hint(PEER_USER " may still read %s, which overlaps with another share.", entry->path);
        return 0;
    }
    r = access_revoke_tree(entry->path, uid, &result);
    if (result.skipped > 0)
        ctl_hint("Left alone: %zu file%s with another name elsewhere, perhaps in another share.",
                 result.skipped, result.skipped == 1 ? "" : "s");
    return r >= 0 || fix_is_gone(r) ? 0 : fix_access_failed(result.failed ?: entry->path, r);
}

static int fix_undo_access(const Entry *entry, EntryList *others) {
    uid_t uid = 0;
    int r = peer_user_find(&uid), first;

    if (r < 0)
        return r;
    first = entry->tree ? fix_undo_tree(entry, others, uid) : 0;
    for (size_t i = 0; i < entry->passes.count; i++) {
        const char *directory = entry->passes.items[i];

        r = fix_bequeath_pass(entry, directory, others);
        if (r == 0)
            r = access_revoke(directory, uid);
        if (r < 0 && !fix_is_gone(r))
            first = MIN(first, fix_access_failed(directory, r));
    }
    return first;
}

int fix_undo(const Entry *entry, EntryList *others) {
    int access = entry->tree || entry->passes.count > 0 ? fix_undo_access(entry, others) : 0;
    int shown = entry->shown ? fix_unshow(entry, others) : 0;

    return MIN(access, shown);
}
