// SPDX-License-Identifier: MIT

#include "share/diagnosis.h"

#include <fcntl.h>
#include <fts.h>
#include <grp.h>
#include <limits.h>
#include <mntent.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "bus/names.h"
#include "ctl/output.h"
#include "share/access.h"
#include "share/sandbox-unit.h"
#include "util/fs-util.h"
#include "util/macro.h"
#include "util/never-shared.h"

void diagnosis_clear(Diagnosis *diagnosis) {
    free(diagnosis->component);
    *diagnosis = (Diagnosis){};
}

static int diagnosis_set(Diagnosis *diagnosis, Cause cause, const char *component, int error) {
    *diagnosis = (Diagnosis){.cause = cause, .component = strdup(component), .error = error};
    return diagnosis->component ? 0 : -ENOMEM;
}

static bool diagnosis_is_mounted(const char *directory) {
    FILE *mounts = setmntent("/proc/self/mounts", "re");
    bool found = false;
    struct mntent *entry;

    while (mounts && !found && (entry = getmntent(mounts)))
        found = strcmp(entry->mnt_dir, directory) == 0;
    if (mounts)
        endmntent(mounts);
    return found;
}

// The mount point in /etc/fstab above the path, if nothing is mounted there. Caller frees; NULL:
// none.
static char *diagnosis_missing_mount(const char *path) {
    FILE *fstab = setmntent("/etc/fstab", "re");
    char *directory = NULL, buffer[4096];
    struct mntent entry; // getmntent(), which diagnosis_is_mounted() calls, has its own

    while (fstab && !directory && getmntent_r(fstab, &entry, buffer, sizeof(buffer)))
        if (path_is_below(path, entry.mnt_dir) && !diagnosis_is_mounted(entry.mnt_dir))
            directory = strdup(entry.mnt_dir);
    if (fstab)
        endmntent(fstab);
    return directory;
}

int diagnose_place(const char *path, Diagnosis *ret) {
    _cleanup_free_ char *mount = diagnosis_missing_mount(path), *component = NULL;
    int r;

    *ret = (Diagnosis){};
    if (mount)
        return diagnosis_set(ret, CAUSE_NOT_MOUNTED, mount, 0);
    r = examine_path(path, &component);
    // The daemon may see what this user may not. A link is not the path that will be configured.
    if (r >= 0 || r == -EACCES || r == -ENOLINK)
        return 0;
    if (!component)
        return r;
    return diagnosis_set(ret,
                         r == -ENOENT   ? CAUSE_NOT_THERE
                         : r == -EINVAL ? CAUSE_KIND
                                        : CAUSE_OTHER,
                         component, -r);
}

int peer_user_find(uid_t *ret) {
    const struct passwd *user = getpwnam(PEER_USER);

    if (!user) {
        ctl_error("there is no user " PEER_USER " here.");
        ctl_hint("Create it, as root: systemd-sysusers");
        return -ENXIO;
    }
    *ret = user->pw_uid;
    return 0;
}

static void diagnosis_become(const struct passwd *user) {
    if (initgroups(user->pw_name, user->pw_gid) < 0 ||
        setresgid(user->pw_gid, user->pw_gid, user->pw_gid) < 0 ||
        setresuid(user->pw_uid, user->pw_uid, user->pw_uid) < 0)
        _exit(EXIT_FAILURE);
}

// Looks at a path as the user of the daemon, but outside its sandbox. Returns a number, and the
// path that it is about.
typedef long (*DiagnosisLook)(const char *path, char **ret_about);

static int diagnosis_look_as_peer(DiagnosisLook function, const char *path, long *ret,
                                  char **ret_about) {
    const struct passwd *user = getpwnam(PEER_USER);
    char text[PATH_MAX + 32] = "", *end;
    int fds[2], status;
    _cleanup_close_ int from = -EBADF;
    size_t len = 0;
    ssize_t n;
    pid_t pid;

    *ret_about = NULL;
    if (!user)
        return -ENXIO;
    if (pipe2(fds, O_CLOEXEC) < 0)
        return -errno;
    from = fds[0];
    pid = fork();
    if (pid == 0) {
        char *about;
        long result;

        diagnosis_become(user);
        result = function(path, &about);
        if (dprintf(fds[1], "%ld %s", result, about ?: "") < 0)
            _exit(EXIT_FAILURE);
        _exit(EXIT_SUCCESS);
    }
    close(fds[1]);
    if (pid < 0)
        return -errno;
    while (len < sizeof(text) - 1 && (n = read(from, text + len, sizeof(text) - 1 - len)) > 0)
        len += n;
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    *ret = strtol(text, &end, 10);
    if (len == 0 || *end != ' ')
        return -EIO;
    *ret_about = strdup(end + 1);
    return *ret_about ? 0 : -ENOMEM;
}

static long diagnosis_look_at_path(const char *path, char **ret_about) {
    return examine_path(path, ret_about);
}

// Leaves out hidden files, which the daemon does not share.
static long diagnosis_look_at_tree(const char *path, char **ret_about) {
    char *paths[] = {(char *)path, NULL};
    FTS *tree = fts_open(paths, FTS_PHYSICAL | FTS_NOCHDIR, NULL);
    long unreadable = 0;
    FTSENT *entry;

    *ret_about = NULL;
    while (tree && (entry = fts_read(tree))) {
        if (entry->fts_level > FTS_ROOTLEVEL && name_is_never_shared(entry->fts_name)) {
            fts_set(tree, entry, FTS_SKIP);
            continue;
        }
        if (entry->fts_info == FTS_DNR ||
            ((entry->fts_info == FTS_F || entry->fts_info == FTS_NS) &&
             access(entry->fts_accpath, R_OK) < 0 && errno == EACCES)) {
            unreadable++;
            *ret_about = *ret_about ?: strdup(entry->fts_path);
        }
    }
    if (tree)
        fts_close(tree);
    return unreadable;
}

static int diagnosis_error_number(const char *name) {
    static const int known[] = {EACCES,  ENOENT, EINVAL, ENOTDIR,     ELOOP,
                                ENOLINK, EIO,    ESTALE, ENAMETOOLONG};

    for (size_t i = 0; i < ELEMENTSOF(known); i++)
        if (strcmp(strerrorname_np(known[i]), name) == 0)
            return known[i];
    return EIO;
}

static int diagnosis_look(const Ctl *ctl, DiagnosisLook function, const char *path, long *ret,
                          char **ret_about) {
    if (!ctl->user)
        return diagnosis_look_as_peer(function, path, ret, ret_about);
    *ret = function(path, ret_about);
    return 0;
}

int diagnose_content(const Ctl *ctl, const char *path, size_t *ret_unreadable, char **ret_example) {
    long unreadable = 0;
    int r = diagnosis_look(ctl, diagnosis_look_at_tree, path, &unreadable, ret_example);

    *ret_unreadable = unreadable;
    return r;
}

// Finds out why the daemon cannot read the path: because of its user or of its sandbox.
static int diagnosis_compare(const Ctl *ctl, const char *path, const char *component, int error,
                             Diagnosis *ret) {
    _cleanup_free_ char *outside = NULL;
    long result = 0;
    int r;

    if (error != EACCES && error != ENOENT)
        return diagnosis_set(ret, CAUSE_OTHER, component, error);
    r = diagnosis_look(ctl, diagnosis_look_at_path, path, &result, &outside);
    if (r < 0)
        return r;
    r = (int)result;
    if (r == 0)
        return diagnosis_set(ret, CAUSE_SANDBOX, component, 0);
    if (r == -EACCES)
        return diagnosis_set(ret, strcmp(outside, path) == 0 ? CAUSE_READ : CAUSE_PASS, outside, 0);
    return diagnosis_set(ret, r == -ENOENT ? CAUSE_NOT_THERE : CAUSE_OTHER, outside, -r);
}

int diagnose_access(Ctl *ctl, const char *path, Diagnosis *ret, sd_bus_error *error) {
    _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
    const char *component, *name;
    int r;

    *ret = (Diagnosis){};
    r = sd_bus_call_method(ctl->bus, BUS_PEER_NAME, BUS_PEER_PATH, BUS_PEER_INTERFACE, "Examine",
                           error, &reply, "s", path);
    if (r >= 0)
        r = sd_bus_message_read(reply, "ss", &component, &name);
    if (r < 0)
        return r;
    return *name ? diagnosis_compare(ctl, path, component, diagnosis_error_number(name), ret) : 0;
}

// "the home of ann, mode 0700, ann:ann"
static char *diagnosis_describe(const char *path) {
    struct passwd *owner;
    struct group *group;
    char user[64], members[64], *text;
    struct stat st;
    bool home;

    if (lstat(path, &st) < 0)
        return strdup("");
    owner = getpwuid(st.st_uid);
    home = owner && st.st_uid != 0 && strcmp(owner->pw_dir, path) == 0;
    snprintf(user, sizeof(user), "%s", owner ? owner->pw_name : "?");
    group = getgrgid(st.st_gid);
    snprintf(members, sizeof(members), "%s", group ? group->gr_name : "?");
    if (asprintf(&text, " (%s%s%smode %04o, %s:%s)", home ? "the home of " : "", home ? user : "",
                 home ? ", " : "", (unsigned)(st.st_mode & 07777), user, members) < 0)
        return NULL;
    return text;
}

// Prints a command that does what access_let_read() does, except that it does not check who else
// may write there. So it prints none for a tree of root.
static void diagnosis_print_tree_command(const char *directory, const struct stat *st) {
    _cleanup_free_ char *word = shell_word(directory), *defaults = NULL;
    const struct passwd *owner = getpwuid(st->st_uid);
    mode_t mode;

    if (!word || !owner || st->st_uid == 0)
        return;
    if (access_default_mode(directory, &mode) == 0 &&
        asprintf(&defaults,
                 " -type d -exec setfacl -d -m u::%o,g::%o,o::%o,u:" PEER_USER ":rX {} +",
                 mode >> 6 & 7, mode >> 3 & 7, mode & 7) < 0)
        defaults = NULL;
    ctl_hint(
        "To let it, and no other user, read: find %s/. -name '.?*' -prune -o -user %s -type f,d "
        "-exec setfacl -m u:" PEER_USER ":rX {} +%s",
        word, owner->pw_name, defaults ?: "");
}

static void diagnosis_print_access(const Ctl *ctl, const Diagnosis *diagnosis, const char *path) {
    _cleanup_free_ char *about = diagnosis_describe(diagnosis->component),
                        *word = shell_word(diagnosis->component), *all = shell_word(path);
    const char *who = ctl->user ? "You" : PEER_USER;
    bool pass = diagnosis->cause == CAUSE_PASS;
    struct stat st;

    ctl_error("%s may not %s %s%s.", who, pass ? "pass" : "read", diagnosis->component,
              about ?: "");
    if (ctl->user)
        return;
    if (pass && word)
        ctl_hint("To let it, and no other user, pass: setfacl -m u:" PEER_USER ":x %s", word);
    else if (lstat(diagnosis->component, &st) == 0 && S_ISDIR(st.st_mode))
        diagnosis_print_tree_command(diagnosis->component, &st);
    else if (word)
        ctl_hint("To let it, and no other user, read: setfacl -m u:" PEER_USER ":r %s", word);
    if (all)
        ctl_hint("Or do all that is needed: p2pctl share add --fix %s", all);
}

static void diagnosis_print_sandbox(const Ctl *ctl, const char *path) {
    const Hiding *hiding = sandbox_unit_hides(ctl->bus, path);
    const char *user = ctl->user ? " --user" : "";
    _cleanup_free_ char *word = shell_word(path);

    ctl_error("%s is hidden from p2p-peer by the sandbox of its service%s%s%s.", path,
              hiding ? " (" : "", hiding ? hiding_name(hiding) : "", hiding ? "=)" : "");
    if (!hiding) {
        ctl_hint("See: systemctl%s cat p2p-peer, and systemd.exec(5), SANDBOXING", user);
        return;
    }
    ctl_hint("To show it: systemctl%s edit p2p-peer, add %s below [Service], "
             "then: systemctl%s restart p2p-peer",
             user, hiding_setting(hiding), user);
    if (!ctl->user && word)
        ctl_hint("Or do all that is needed: p2pctl share add --fix %s", word);
}

void diagnosis_print(const Ctl *ctl, const Diagnosis *diagnosis, const char *path) {
    const char *component = diagnosis->component;

    switch (diagnosis->cause) {
    case CAUSE_NONE:
        break;
    case CAUSE_NOT_THERE:
        ctl_error("there is no %s.", component);
        break;
    case CAUSE_NOT_MOUNTED:
        ctl_error("%s is not mounted, although /etc/fstab has a file system for it.", component);
        ctl_hint("Try: mount %s", component);
        break;
    case CAUSE_KIND:
        ctl_error("%s is neither a file nor a directory.", component);
        break;
    case CAUSE_PASS:
    case CAUSE_READ:
        diagnosis_print_access(ctl, diagnosis, path);
        break;
    case CAUSE_SANDBOX:
        diagnosis_print_sandbox(ctl, path);
        break;
    case CAUSE_OTHER:
        ctl_error("p2p-peer cannot read %s: %s.", component,
                  diagnosis->error == ENOLINK
                      ? "a link on the way to it belongs to neither root nor p2p-peer"
                      : strerror(diagnosis->error));
    }
}
