// SPDX-License-Identifier: MIT

// p2pctl-share: the part of p2pctl that pkexec may run as root. It accepts only the options below,
// a verb and a path, and none of them names a file to write to.

#include <getopt.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "config/config.h"
#include "ctl/output.h"
#include "share/verbs.h"
#include "util/macro.h"

static ExitStatus share_main_usage(void) {
    fprintf(stderr, "This is a part of p2pctl. Try: p2pctl help share\n");
    return STATUS_USAGE;
}

static ExitStatus share_main_run(Ctl *ctl, int argc, char **argv, bool fix) {
    _cleanup_free_ char *config_path = NULL;

    if (config_default_path(ctl->user, &config_path) < 0)
        return fail_memory();
    if (argc == 1 && strcmp(argv[0], "list") == 0)
        return share_list(ctl, config_path);
    if (argc != 2 || argv[1][0] != '/' || (fix && ctl->user))
        return share_main_usage();
    if (strcmp(argv[0], "add") == 0)
        return share_add(ctl, config_path, argv[1], fix);
    if (strcmp(argv[0], "remove") == 0)
        return share_remove(ctl, config_path, argv[1]);
    return share_main_usage();
}

int main(int argc, char **argv) {
    static const struct option options[] = {
        {"user", no_argument, NULL, 'u'},
        {"fix", no_argument, NULL, 'f'},
        {"json", no_argument, NULL, 'j'},
        {"no-legend", no_argument, NULL, 'n'},
        {},
    };
    Ctl ctl = {.legend = true, .verb = "share"};
    bool fix = false;
    ExitStatus status;
    int c;

    // pkexec and sudo keep the umask of the caller. But the daemon must be able to read the files
    // that are created here, and no other user may write to them.
    umask(022);
    output_open(&ctl);
    opterr = 0;
    while ((c = getopt_long(argc, argv, "", options, NULL)) >= 0)
        switch (c) {
        case 'u':
            ctl.user = true;
            break;
        case 'f':
            fix = true;
            break;
        case 'j':
            ctl.json = true;
            break;
        case 'n':
            ctl.legend = false;
            break;
        default:
            return (int)share_main_usage();
        }
    status = share_main_run(&ctl, argc - optind, argv + optind, fix);
    sd_bus_flush_close_unref(ctl.bus);
    if (fflush(stdout) != 0 || ferror(stdout)) {
        ctl_error("cannot write to standard output.");
        if (status == STATUS_DONE)
            status = STATUS_FAILED;
    }
    return (int)status;
}
