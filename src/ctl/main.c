// SPDX-License-Identifier: MIT

// p2pctl: reads the command line and calls the function of the verb.

#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "ctl/agent.h"
#include "ctl/completion.h"
#include "ctl/help.h"
#include "ctl/output.h"

static ExitStatus main_hint_help(const Verb *verb) {
    if (verb)
        ctl_hint("Try: p2pctl help %s", verb->name);
    else
        ctl_hint("Try: p2pctl --help");
    return STATUS_USAGE;
}

static ExitStatus main_no_verb(const char *name) {
    ctl_error("there is no verb \"%s\".", name);
    return main_hint_help(NULL);
}

static ExitStatus main_check_arguments(const Verb *verb, int argc, char **argv, OptionSet given) {
    if (options_check(given, verb->bit, verb->name) < 0)
        return main_hint_help(verb);
    if (argc < verb->min_args) {
        ctl_error("%s needs %s.", verb->name, verb->needed);
        return main_hint_help(verb);
    }
    if (argc > verb->max_args) {
        ctl_error("%s takes no argument \"%s\".", verb->name, argv[verb->max_args]);
        return main_hint_help(verb);
    }
    return STATUS_DONE;
}

static ExitStatus main_help(const char *name) {
    const Verb *verb = name ? verb_table_find(name) : NULL;

    if (name && !verb)
        return main_no_verb(name);
    help_print(verb && verb->run ? verb : NULL);
    return STATUS_DONE;
}

static ExitStatus main_run(Ctl *ctl, int argc, char **argv) {
    const char *name;
    const Verb *verb;
    OptionSet given;
    ExitStatus status;
    int r = options_parse(ctl, argc, argv, &given);

    argc -= optind;
    argv += optind;
    name = argc > 0 ? argv[0] : "status";
    verb = verb_table_find(name);
    if (r < 0)
        return main_hint_help(argc > 0 ? verb : NULL);
    if (ctl->version) {
        printf("p2pctl %s\n", VERSION);
        return STATUS_DONE;
    }
    if (ctl->help)
        return main_help(argc > 0 ? name : NULL);
    if (!verb)
        return main_no_verb(name);
    if (!verb->run) // help
        return main_help(argc > 1 ? argv[1] : NULL);
    argc -= argc > 0;
    argv++;
    status = main_check_arguments(verb, argc, argv, given);
    if (status != STATUS_DONE)
        return status;
    ctl->verb = verb->name;
    return verb->run(ctl, argc, argv);
}

int main(int argc, char **argv) {
    Ctl ctl = {.legend = true};
    ExitStatus status;

    // Before the options are read: the words behind it are not the command line of this call.
    if (argc > 1 && strcmp(argv[1], COMPLETION_VERB) == 0) {
        completion_print(argc - 2, argv + 2);
        return STATUS_DONE;
    }
    output_open(&ctl);
    status = main_run(&ctl, argc, argv);
    sd_bus_flush_close_unref(ctl.bus);
    agent_stop(ctl.agent);
    // A full disk must not look like success.
    if (fflush(stdout) != 0 || ferror(stdout)) {
        ctl_error("cannot write to standard output.");
        if (status == STATUS_DONE)
            status = STATUS_FAILED;
    }
    return (int)status;
}
