// SPDX-License-Identifier: MIT

#include "ctl/target.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ctl/output.h"
#include "util/macro.h"
#include "util/text.h"

bool target_name_is_safe(const char *name) {
    size_t len = strlen(name);

    return len > 0 && len <= NAME_MAX && !strchr(name, '/') && strcmp(name, ".") != 0 &&
           strcmp(name, "..") != 0 && text_is_utf8(name, len) && !text_has_control(name, len);
}

int target_check_name(const char *name) {
    size_t len = strlen(name);
    const char *cause;

    if (target_name_is_safe(name))
        return 0;
    if (len == 0)
        cause = "it is empty";
    else if (len > NAME_MAX)
        cause = "it is longer than 255 bytes";
    else if (strchr(name, '/'))
        cause = "it contains a \"/\", but files are found by their name alone";
    else if (!text_is_utf8(name, len))
        cause = "it is not UTF-8";
    else if (text_has_control(name, len))
        cause = "it contains control characters";
    else
        cause = "that is a directory";
    ctl_error("\"%s\" cannot be the name of a shared file: %s.", name, cause);
    return -EINVAL;
}

char *target_file_name(const char *typed, const char *name, const char *type) {
    char *full;

    // Only an extension is added to what the user has typed. A record must not decide where a file
    // goes.
    if (strcmp(typed, name) != 0 || !*type || strcasecmp(type, "file") == 0)
        return strdup(typed);
    if (asprintf(&full, "%s.%s", name, type) < 0)
        return NULL;
    if (!target_name_is_safe(full)) {
        free(full);
        return strdup(typed);
    }
    return full;
}

char *target_path(const Target *target) {
    char *path;

    return asprintf(&path, "%s%s", target->directory, target->name) < 0 ? NULL : path;
}

static void target_print_exists(const Target *target, const char *path) {
    _cleanup_free_ char *word = shell_word(target->typed);

    ctl_error("%s already exists.", path);
    if (word)
        ctl_hint("Try: p2pctl download %s --force to replace it, or -o PATH to save it elsewhere",
                 word);
}

// Whether the target may be created. 0, or -errno with the reason printed.
static int target_check_existing(const Target *target) {
    _cleanup_free_ char *path = target_path(target);
    struct stat st;

    if (!path) {
        fail_memory();
        return -ENOMEM;
    }
    if (lstat(path, &st) < 0) {
        if (errno == ENOENT)
            return 0;
        fail_errno(errno, "cannot write %s", path);
        return -errno;
    }
    if (!target->replace) {
        target_print_exists(target, path);
        return -EEXIST;
    }
    // A link is replaced, not followed.
    if (!S_ISREG(st.st_mode) && !S_ISLNK(st.st_mode)) {
        ctl_error("cannot replace %s: it is not a regular file.", path);
        return -EINVAL;
    }
    return 0;
}

// Splits the PATH of -o, which names a file or a directory.
static int target_set_output(Target *target, const char *typed, const char *name,
                             const char *output) {
    size_t len = strlen(output);
    const char *slash = strrchr(output, '/');
    struct stat st;

    if (len == 0) {
        ctl_error("-o needs the path of a file or a directory.");
        return -EINVAL;
    }
    if (output[len - 1] == '/' || (stat(output, &st) == 0 && S_ISDIR(st.st_mode))) {
        if (asprintf(&target->directory, "%s%s", output, output[len - 1] == '/' ? "" : "/") < 0)
            target->directory = NULL;
        target->name = strdup(name);
        target->typed = strdup(typed);
        return 0;
    }
    target->directory = slash ? strndup(output, slash - output + 1) : strdup("");
    target->name = strdup(slash ? slash + 1 : output);
    target->replace = true;
    return 0;
}

int target_init(Target *target, const char *typed, const char *name,
                const DownloadRequest *options) {
    *target = (Target){.fd = -EBADF, .replace = options->force};
    if (options->output) {
        int r = target_set_output(target, typed, name, options->output);

        if (r < 0)
            return r;
    } else {
        target->directory = strdup("");
        target->name = strdup(name);
        target->typed = strdup(typed);
    }
    if (!target->directory || !target->name || (!target->typed && !options->output)) {
        fail_memory();
        return -ENOMEM;
    }
    return target_check_existing(target);
}

// Whether `path` still names the open file. Another p2pctl may have renamed or removed it between
// our open() and our lock.
static bool target_is_still(const char *path, int fd) {
    struct stat by_path, by_fd;

    return lstat(path, &by_path) == 0 && fstat(fd, &by_fd) == 0 && by_path.st_dev == by_fd.st_dev &&
           by_path.st_ino == by_fd.st_ino;
}

// Opens TARGET.part with the permissions of the user. p2p-peer does the same in its download-dir
// (download-target.c there). Keep the checks of both alike.
//
// 0 or -errno. -EAGAIN: another download holds the lock (*ret_busy), or has just renamed the file.
static int target_open_part(const char *path, bool resume, int *ret_fd, bool *ret_busy,
                            bool *ret_had_bytes) {
    // O_NONBLOCK keeps a FIFO of that name from blocking us. It has no effect on a regular file.
    _cleanup_close_ int fd =
        open(path, O_CREAT | O_RDWR | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK, 0666);
    struct stat st;

    if (fd < 0)
        return -errno;
    if (fstat(fd, &st) < 0)
        return -errno;
    // An earlier download does not leave a file of another user, or one with a second link.
    if (!S_ISREG(st.st_mode) || st.st_nlink > 1 || st.st_uid != geteuid())
        return -EINVAL;
    if (flock(fd, LOCK_EX | LOCK_NB) < 0) {
        *ret_busy = errno == EWOULDBLOCK;
        return -errno;
    }
    if (!target_is_still(path, fd))
        return -EAGAIN;
    if (!resume && ftruncate(fd, 0) < 0)
        return -errno;
    *ret_had_bytes = resume && st.st_size > 0;
    *ret_fd = TAKE_FD(fd);
    return 0;
}

enum {
    OPEN_TRIES = 10, // other programs may rename the file at any time, but not for ever
};

int target_open(Target *target, bool resume) {
    _cleanup_free_ char *part = NULL;
    bool busy = false;
    int r = -EAGAIN;

    // A name of NAME_MAX bytes leaves no room for the suffix, so it loses its end.
    if (asprintf(&part, "%s%.*s.part", target->directory, (int)(NAME_MAX - strlen(".part")),
                 target->name) < 0) {
        part = NULL;
        fail_memory();
        return -ENOMEM;
    }
    for (int i = 0; i < OPEN_TRIES; i++) {
        r = target_open_part(part, resume, &target->fd, &busy, &target->had_bytes);
        if (r != -EAGAIN || busy)
            break;
    }
    if (r >= 0) {
        target->part = TAKE_PTR(part);
        return 0;
    }
    if (busy) {
        ctl_error("%s is being written by another download.", part);
        ctl_hint("See: p2pctl transfers");
    } else if (r == -ELOOP)
        ctl_error("cannot write %s: it is a symbolic link.", part);
    else if (r == -EINVAL || r == -ENXIO)
        ctl_error("cannot write %s: it is not a regular file that you own.", part);
    else {
        fail_errno(r, "cannot write %s", part);
        if (r == -ENAMETOOLONG || r == -EACCES || r == -EROFS)
            ctl_hint("Try another directory: -o PATH");
    }
    return r;
}

// A name is on disk only when its directory has been synced.
static int target_sync_directory(const Target *target) {
    _cleanup_close_ int fd =
        open(*target->directory ? target->directory : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    // A directory that may not be read cannot be synced. Some file systems cannot sync any.
    if (fd < 0)
        return errno == EACCES ? 0 : -errno;
    return fsync(fd) < 0 && errno != EINVAL && errno != EROFS ? -errno : 0;
}

int target_commit(Target *target, uint64_t size) {
    _cleanup_free_ char *path = target_path(target);
    struct stat st = {};
    int r;

    if (!path) {
        fail_memory();
        return -ENOMEM;
    }
    if (fstat(target->fd, &st) < 0 || (uint64_t)st.st_size != size) {
        ctl_error("%s has only %llu of %llu bytes, although the daemon says that it is complete.",
                  path, (unsigned long long)st.st_size, (unsigned long long)size);
        return -EIO;
    }
    if (!target_is_still(target->part, target->fd)) {
        ctl_error("another program has replaced or removed %s.", target->part);
        target->keep_part = true;
        return -ESTALE;
    }
    r = renameat2(AT_FDCWD, target->part, AT_FDCWD, path, target->replace ? 0 : RENAME_NOREPLACE);
    // Some file systems do not know the flag. Then checking before the rename has to suffice.
    if (r < 0 && (errno == EINVAL || errno == ENOSYS) && !target->replace) {
        if (target_check_existing(target) < 0)
            r = -1, errno = EEXIST;
        else
            r = rename(target->part, path);
    }
    if (r < 0) {
        r = -errno;
        // Another program has put something at the target. The user decides what to do with the
        // bytes.
        target->keep_part = true;
        fail_errno(r, "cannot rename %s to %s", target->part, path);
        ctl_hint("The complete file is %s", target->part);
        return r;
    }
    free(target->part);
    target->part = NULL;
    r = target_sync_directory(target);
    if (r < 0)
        fail_errno(r, "%s is complete, but a power failure may undo its new name", path);
    return r;
}

void target_clear(Target *target) {
    if (target->part && !target->keep_part)
        (void)unlink(target->part);
    target->fd = close_fd(target->fd);
    free(target->directory);
    free(target->name);
    free(target->typed);
    free(target->part);
    *target = (Target){.fd = -EBADF};
}
