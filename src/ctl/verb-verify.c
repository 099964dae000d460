// SPDX-License-Identifier: MIT

// verify: compares files with a root that the user gives, or with the roots that peers state for a
// file of the same name.

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ctl/connection.h"
#include "ctl/failure.h"
#include "ctl/hash.h"
#include "ctl/output.h"
#include "ctl/search-call.h"
#include "ctl/suggestion.h"
#include "ctl/target.h"
#include "ctl/verbs.h"

enum {
    // A file can easily match fewer digits than `search` shows by chance.
    VERIFY_DIGITS_MIN = ROOT_DIGITS_MIN,
};

typedef struct FileCheck {
    const char *path, *name; // path of the file; name under which others share it
    SearchCall search;
    const char *result; // as the JSON document says it
    uint64_t size;
    MerkleHash root;
    bool hashed;
    size_t n_same,
        n_peers; // peers that share this file; peers that share one of that name, with a root
    ExitStatus status;
} FileCheck;

typedef struct FileCheckList {
    FileCheck *checks;
    size_t n;
} FileCheckList;

static void verb_verify_clear(FileCheckList *list) {
    for (size_t i = 0; i < list->n; i++)
        search_call_clear(&list->checks[i].search);
    free(list->checks);
}

static int verb_verify_init(FileCheckList *list, int argc, char **argv) {
    list->checks = calloc(argc, sizeof(*list->checks));
    if (!list->checks)
        return -ENOMEM;
    list->n = argc;
    for (size_t i = 0; i < list->n; i++) {
        const char *slash = strrchr(argv[i], '/');

        list->checks[i] = (FileCheck){.path = argv[i], .name = slash ? slash + 1 : argv[i]};
    }
    return 0;
}

// Checks that the file can be read before any peer is asked, so that a mistyped path is reported.
static bool verb_verify_look(FileCheck *check) {
    struct stat st;
    int r = 0;

    if (stat(check->path, &st) < 0 || faccessat(AT_FDCWD, check->path, R_OK, AT_EACCESS) < 0)
        r = -errno;
    else if (S_ISDIR(st.st_mode))
        r = -EISDIR;
    if (r < 0) {
        check->result = "unreadable";
        check->status = fail_errno(r, "cannot read %s", check->path);
    }
    return r >= 0;
}

static ExitStatus verb_verify_hash(FileHasher *hasher, FileCheck *check) {
    check->hashed = hash_named(hasher, check->path, &check->root, &check->size) == STATUS_DONE;
    if (!check->hashed)
        check->result = "unreadable";
    return check->hashed ? STATUS_DONE : STATUS_FAILED;
}

static ExitStatus verb_verify_by_root(const Ctl *ctl, FileHasher *hasher, FileCheck *check) {
    const char *root = ctl->download.root;
    char text[MERKLE_TEXT_BYTES + 1];

    if (verb_verify_hash(hasher, check) != STATUS_DONE)
        return STATUS_FAILED;
    merkle_hash_format(&check->root, text);
    if (strncasecmp(text, root, strlen(root)) != 0) {
        check->result = "differs";
        ctl_error("%s: differs: its root is %s.", check->path, text);
        return STATUS_FAILED;
    }
    check->result = "verified";
    if (!ctl->json) {
        print_escaped(stdout, "%s: verified, its root is %s", check->path, text);
        putchar('\n');
    }
    return STATUS_DONE;
}

// Keeps the records of other peers with exactly that name and a root. STATUS_DONE; or there is
// nothing to compare with, and the error has been printed.
static ExitStatus verb_verify_narrow(Ctl *ctl, FileCheck *check, const char *own) {
    FoundList *found = &check->search.found;
    bool any = false, others = false;
    size_t n = 0;

    check->result = "unknown";
    for (size_t i = 0; i < found->n; i++) {
        const Found *record = &found->records[i];
        _cleanup_free_ char *endpoint = found_endpoint(record);

        if (!endpoint)
            return fail_memory();
        if (!found_is_called(record, check->name))
            continue;
        any = true;
        if (strcmp(endpoint, own) == 0)
            continue;
        others = true;
        if (record->has_root)
            found->records[n++] = *record;
    }
    found->n = n;
    check->n_peers = found_count_peers(found);
    if (n > 0)
        return STATUS_DONE;
    if (others)
        ctl_error("%s: cannot be compared: the peers that share \"%s\" state no root.", check->path,
                  check->name);
    else if (any)
        ctl_error("%s: only this peer shares \"%s\".", check->path, check->name);
    else
        return nobody_shares(ctl, check->name);
    ctl_hint("If you know the root: p2pctl verify --root=HEX FILE");
    return STATUS_NOTHING;
}

// Keeps the records with that root.
static void verb_verify_keep_same(FoundList *found, const MerkleHash *root) {
    size_t n = 0;

    for (size_t i = 0; i < found->n; i++)
        if (merkle_hash_equal(&found->records[i].root, root))
            found->records[n++] = found->records[i];
    found->n = n;
}

// A file that differs in size from all records need not be read.
static bool verb_verify_may_be_same(const FileCheck *check) {
    struct stat st;

    if (stat(check->path, &st) < 0 || !S_ISREG(st.st_mode))
        return true; // hashing will report the error
    for (size_t i = 0; i < check->search.found.n; i++)
        if (check->search.found.records[i].size == (uint64_t)st.st_size)
            return true;
    return false;
}

static ExitStatus verb_verify_by_peers(Ctl *ctl, FileHasher *hasher, FileCheck *check,
                                       const char *own) {
    _cleanup_free_ char *word = shell_word(check->name);
    ExitStatus status = verb_verify_narrow(ctl, check, own);

    if (status != STATUS_DONE)
        return status;
    if (verb_verify_may_be_same(check)) {
        if (verb_verify_hash(hasher, check) != STATUS_DONE)
            return STATUS_FAILED;
        verb_verify_keep_same(&check->search.found, &check->root);
        check->n_same = found_count_peers(&check->search.found);
    }
    if (check->n_same == 0) {
        check->result = "differs";
        ctl_error("%s: differs from what is shared as \"%s\".", check->path, check->name);
        ctl_hint("See: p2pctl search --exact %s", word ?: "NAME");
        return STATUS_FAILED;
    }
    check->result = "verified";
    if (ctl->json)
        return STATUS_DONE;
    print_escaped(stdout, "%s: verified, as ", check->path);
    if (check->n_same < check->n_peers)
        printf("%zu of %zu peers share it\n", check->n_same, check->n_peers);
    else
        printf("%zu peer%s it\n", check->n_same, check->n_same == 1 ? " shares" : "s share");
    return STATUS_DONE;
}

static ExitStatus verb_verify_print_json(const Ctl *ctl, const FileCheckList *list,
                                         ExitStatus status) {
    json_t *document = document_new(), *files = json_array();

    for (size_t i = 0; i < list->n; i++) {
        const FileCheck *check = &list->checks[i];
        char root[MERKLE_TEXT_BYTES + 1] = "";

        if (check->hashed)
            merkle_hash_format(&check->root, root);
        json_array_append_new(
            files, json_pack("{so so so ss sI sI}", "path", json_text(check->path), "size",
                             check->hashed ? json_integer((json_int_t)check->size) : json_null(),
                             "root", json_text(root), "result", check->result, "peers_same",
                             (json_int_t)check->n_same, "peers", (json_int_t)check->n_peers));
    }
    json_object_set_new(document, "files", files);
    return document_print(ctl, document) == STATUS_DONE ? status : STATUS_FAILED;
}

// Searches for the names of all files that can be read.
static ExitStatus verb_verify_search(Ctl *ctl, FileCheckList *list) {
    _cleanup_free_ SearchCall *searches = calloc(list->n, sizeof(*searches));
    size_t n = 0;
    int r;

    if (!searches)
        return fail_memory();
    for (size_t i = 0; i < list->n; i++) {
        if (!verb_verify_look(&list->checks[i]))
            continue;
        if (target_check_name(list->checks[i].name) < 0)
            return STATUS_USAGE;
        searches[n++].name = list->checks[i].name;
    }
    if (n == 0)
        return STATUS_DONE;
    if (ctl_connect_peer(ctl) != STATUS_DONE)
        return STATUS_UNAVAILABLE;
    r = search_calls_run(ctl->bus, searches, n);
    n = 0;
    for (size_t i = 0; i < list->n; i++)
        if (!list->checks[i].result)
            list->checks[i].search = searches[n++];
    return r < 0 ? bus_failed(ctl, &SERVICE_PEER, &SD_BUS_ERROR_NULL, r) : STATUS_DONE;
}

static ExitStatus verb_verify_one(Ctl *ctl, FileHasher *hasher, FileCheck *check, const char *own) {
    if (ctl->download.root)
        return verb_verify_by_root(ctl, hasher, check);
    if (check->search.r >= 0)
        return verb_verify_by_peers(ctl, hasher, check, own);
    check->result = "unknown";
    return bus_failed(ctl, &SERVICE_PEER, &check->search.error, check->search.r);
}

static ExitStatus verb_verify_all(Ctl *ctl, FileHasher *hasher, FileCheckList *list) {
    _cleanup_free_ char *own = ctl->bus ? search_call_own_endpoint(ctl->bus) : NULL;
    ExitStatus first = STATUS_DONE;

    for (size_t i = 0; i < list->n; i++) {
        FileCheck *check = &list->checks[i];

        if (!check->result) // else the file cannot be read
            check->status = verb_verify_one(ctl, hasher, check, own ?: "");
        if (check->status == STATUS_UNAVAILABLE)
            return check->status;
        if (first == STATUS_DONE)
            first = check->status;
    }
    return ctl->json ? verb_verify_print_json(ctl, list, first) : first;
}

ExitStatus verb_verify(Ctl *ctl, int argc, char **argv) {
    _cleanup_(file_hasher_freep) FileHasher *hasher = NULL;
    _cleanup_(verb_verify_clear) FileCheckList list = {};
    const char *root = ctl->download.root;
    ExitStatus status;

    if (root && ctl->host) {
        _cleanup_free_ char *word = shell_word(root), *verb = NULL;

        if (!word || asprintf(&verb, "verify --root=%s", word) < 0)
            verb = NULL;
        return refuse_host(ctl, verb ?: "verify --root=ROOT", argc, argv);
    }
    if (root && strlen(root) < VERIFY_DIGITS_MIN) {
        ctl_error("--root takes %d to 64 hex digits for verify: fewer prove nothing.",
                  VERIFY_DIGITS_MIN);
        return STATUS_USAGE;
    }
    if (verb_verify_init(&list, argc, argv) < 0)
        return fail_memory();
    status = hash_begin(&hasher);
    if (status == STATUS_DONE && !root)
        status = verb_verify_search(ctl, &list);
    return status == STATUS_DONE ? verb_verify_all(ctl, hasher, &list) : status;
}
