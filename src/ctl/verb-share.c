// SPDX-License-Identifier: MIT

// share add, remove, list: runs p2pctl-share, as root if it changes something.

#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#include "ctl/output.h"
#include "ctl/program.h"
#include "ctl/verbs.h"
#include "util/macro.h"

enum {
    // Exit statuses of pkexec(1) itself.
    PKEXEC_DISMISSED = 126,
    PKEXEC_DENIED = 127,
};

// pkexec starts the other program in another directory. Caller frees; NULL: no memory.
static char *verb_share_absolute(const char *path) {
    _cleanup_free_ char *here = NULL;
    char *text;

    if (*path == '/')
        return strdup(path);
    here = getcwd(NULL, 0);
    return here && asprintf(&text, "%s/%s", here, path) >= 0 ? text : NULL;
}

static ExitStatus verb_share_outcome(const Ctl *ctl, int status, bool as_root) {
    if (!WIFEXITED(status)) {
        ctl_error("signal %d has ended p2pctl-share.", WTERMSIG(status));
        return STATUS_FAILED;
    }
    if (as_root && WEXITSTATUS(status) >= PKEXEC_DISMISSED) {
        ctl_error("only an administrator may change what is shared.");
        ctl_hint("Try again with sudo, or use a p2p-peer of your own: p2pctl --user %s", ctl->verb);
        return STATUS_FAILED;
    }
    return (ExitStatus)WEXITSTATUS(status);
}

static ExitStatus verb_share_run(const Ctl *ctl, char **argv, bool as_root) {
    int r, status;
    pid_t pid;

    fflush(stdout);
    r = posix_spawnp(&pid, argv[0], NULL, NULL, argv, environ);
    if (r == ENOENT && as_root) {
        ctl_error("only root may change what is shared, and pkexec is not installed here.");
        ctl_hint("Try again with sudo.");
        return STATUS_FAILED;
    }
    if (r != 0)
        return fail_errno(r, "cannot run %s", argv[0]);
    while (waitpid(pid, &status, 0) < 0)
        if (errno != EINTR)
            return fail_errno(errno, "cannot wait for %s", argv[0]);
    return verb_share_outcome(ctl, status, as_root);
}

static ExitStatus verb_share_check_usage(const Ctl *ctl, int argc, char **argv) {
    bool list = strcmp(argv[0], "list") == 0, add = strcmp(argv[0], "add") == 0;

    if (ctl->host) {
        ctl_error("share changes this host, so it does not take -H.");
        hint_over_ssh(ctl, true, ctl->fix ? "share --fix" : "share", argc, argv);
        return STATUS_USAGE;
    }
    if (!list && !add && strcmp(argv[0], "remove") != 0)
        ctl_error("share takes add, remove or list, not \"%s\".", argv[0]);
    else if (ctl->fix && !add)
        ctl_error("only share add takes --fix.");
    else if (ctl->fix && ctl->user)
        ctl_error("--fix is for the user p2p-peer. With --user, you share what you may read.");
    else if (list != (argc == 1))
        ctl_error("share %s takes %s.", argv[0],
                  list ? "no path" : "the path of a file or directory");
    else
        return STATUS_DONE;
    ctl_hint("Try: p2pctl help share");
    return STATUS_USAGE;
}

ExitStatus verb_share(Ctl *ctl, int argc, char **argv) {
    bool list = strcmp(argv[0], "list") == 0;
    bool as_root = !list && !ctl->user && geteuid() != 0;
    _cleanup_free_ char *program = NULL, *path = NULL;
    ExitStatus status = verb_share_check_usage(ctl, argc, argv);
    char *args[8];
    size_t n = 0;

    if (status != STATUS_DONE)
        return status;
    program =
        program_path("p2pctl-share", LIBEXEC_DIR "/p2pctl-share"); // the path in polkit's action
    path = verb_share_absolute(list ? "/" : argv[1]);
    if (!program || !path)
        return fail_memory();
    if (access(program, X_OK) < 0 && errno == ENOENT) {
        ctl_error("share needs the package p2pshare-peer: there is no %s.", program);
        return STATUS_UNAVAILABLE;
    }
    if (as_root)
        args[n++] = (char *)"pkexec";
    args[n++] = program;
    if (ctl->user)
        args[n++] = (char *)"--user";
    if (ctl->fix)
        args[n++] = (char *)"--fix";
    if (list && ctl->json)
        args[n++] = (char *)"--json";
    if (list && !ctl->legend)
        args[n++] = (char *)"--no-legend";
    args[n++] = argv[0];
    if (!list)
        args[n++] = path;
    args[n] = NULL;
    return verb_share_run(ctl, args, as_root);
}
