// SPDX-License-Identifier: MIT

// hash: prints the roots of files on this host; needs no daemon.

#include <stdio.h>

#include "ctl/hash.h"
#include "ctl/output.h"
#include "ctl/verbs.h"

static ExitStatus verb_hash_all(const Ctl *ctl, FileHasher *hasher, int argc, char **argv) {
    json_auto_t *document = document_new();
    json_t *files = json_array();
    ExitStatus status = STATUS_DONE;

    for (int i = 0; i < argc; i++) {
        char text[MERKLE_TEXT_BYTES + 1];
        uint64_t size = 0;
        MerkleHash root;

        if (hash_named(hasher, argv[i], &root, &size) != STATUS_DONE) {
            status = STATUS_FAILED;
            continue;
        }
        merkle_hash_format(&root, text);
        if (!ctl->json) {
            print_escaped(stdout, "%s  %s", text, argv[i]);
            putchar('\n');
        }
        json_array_append_new(files, json_pack("{so sI so}", "path", json_text(argv[i]), "size",
                                               (json_int_t)size, "root", json_text(text)));
    }
    json_object_set_new(document, "files", files);
    if (ctl->json && document_print(ctl, TAKE_PTR(document)) != STATUS_DONE)
        return STATUS_FAILED;
    return status;
}

ExitStatus verb_hash(Ctl *ctl, int argc, char **argv) {
    _cleanup_(file_hasher_freep) FileHasher *hasher = NULL;
    ExitStatus status;

    if (ctl->host)
        return refuse_host(ctl, "hash", argc, argv);
    status = hash_begin(&hasher);
    return status == STATUS_DONE ? verb_hash_all(ctl, hasher, argc, argv) : status;
}
