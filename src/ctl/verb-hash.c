// SPDX-License-Identifier: MIT

// The root of files on this machine, without any daemon: what a file is, whatever its name.

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "ctl/output.h"
#include "ctl/verbs.h"
#include "util/merkle.h"

enum {
    READ_BYTES = 1024 * 1024,
};

// 0 or -errno. *ret_size: the bytes that were hashed.
static int hash_file(Merkle *merkle, char *buffer, const char *path, MerkleHash *ret,
                     uint64_t *ret_size) {
    _cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    uint64_t size = 0;
    int r = 0;

    if (fd < 0)
        return -errno;
    (void) posix_fadvise(fd, 0, 0, POSIX_FADV_SEQUENTIAL);
    for (;;) {
        ssize_t n = read(fd, buffer, READ_BYTES);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            r = -errno;
        if (n <= 0)
            break;
        r = merkle_update(merkle, buffer, n);
        if (r < 0)
            break;
        size += n;
    }
    // Also after an error: the next file begins anew.
    if (merkle_finish(merkle, ret) < 0 && r >= 0)
        r = -EIO;
    *ret_size = size;
    return r;
}

static ExitStatus hash_all(const Ctl *ctl, Merkle *merkle, char *buffer, int argc, char **argv) {
    json_t *document = document_new(), *files = json_array();
    ExitStatus status = STATUS_DONE;

    for (int i = 0; i < argc; i++) {
        char text[MERKLE_TEXT_BYTES + 1];
        uint64_t size = 0;
        MerkleHash root;
        int r;

        r = hash_file(merkle, buffer, argv[i], &root, &size);
        if (r < 0) {
            status = fail_errno(r, "cannot read %s", argv[i]);
            continue;
        }
        merkle_hash_format(&root, text);
        if (!ctl->json) {
            print_escaped(stdout, "%s  %s", text, argv[i]);
            putchar('\n');
        }
        json_array_append_new(files, json_pack("{so sI so}", "path", json_text(argv[i]), "size",
                                               (json_int_t) size, "root", json_text(text)));
    }
    json_object_set_new(document, "files", files);
    if (ctl->json && document_print(ctl, TAKE_PTR(document)) != STATUS_DONE)
        return STATUS_FAILED;
    json_decref(document);
    return status;
}

ExitStatus verb_hash(Ctl *ctl, int argc, char **argv) {
    _cleanup_(merkle_freep) Merkle *merkle = NULL;
    _cleanup_free_ char *buffer = malloc(READ_BYTES);
    int r;

    if (!buffer)
        return fail_memory();
    r = merkle_new(&merkle);
    if (r < 0)
        return fail_errno(r, "cannot compute SHA-256");
    return hash_all(ctl, merkle, buffer, argc, argv);
}
