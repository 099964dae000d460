// SPDX-License-Identifier: MIT

// p2pctl: the command line, and which function does what it says.

#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "ctl/agent.h"
#include "ctl/output.h"
#include "ctl/verbs.h"
#include "util/address.h"
#include "util/merkle-hash.h"
#include "util/parse-util.h"

enum {
    ANY = 1000,             // arguments
    SEARCH_LIMIT_MAX = 500, // what one answer of a FileTracker can hold
};

// Options that only some verbs take.
typedef enum OptionGroup {
    GROUP_DOWNLOAD = 1 << 0,
    GROUP_ROOT = 1 << 1,
    GROUP_OUTPUT = 1 << 2,
    GROUP_TYPE = 1 << 3,
    GROUP_SEARCH = 1 << 4,
    GROUP_FIX = 1 << 5,
} OptionGroup;

typedef struct Verb {
    const char *name;
    const char *arguments;
    const char *help;
    const char *forms; // the verb with each of its arguments, in lines; NULL: `arguments` says all
    int min_args, max_args;
    unsigned groups; // OptionGroup
    ExitStatus (*run)(Ctl *ctl, int argc, char **argv);
} Verb;

static const char share_forms[] =
    "  share add [--fix] PATH   Share a file, or a directory with all that is in it\n"
    "  share remove PATH        Share it no longer, and take back what --fix has done\n"
    "  share list               What is to be shared, and what has come of it\n";

static const char ft_forms[] =
    "  ft                       Where it listens, what it knows, and its peers\n"
    "  ft peers                 Only its peers\n"
    "  ft lookup NAME           The records that a search for that name would find\n"
    "  ft kick ADDRESS[:PORT]   End the sessions of an address, or that one session\n";

static const char config_forms[] =
    "  config check [FILE]      Would the daemons take it; all that is wrong, by line\n"
    "  config reload [DAEMON]   Have p2p-peer, or p2p-ft, read its configuration anew\n";

static const Verb verbs[] = {
    {"status", "", "Is this peer joined, and what does it do (default)", NULL, 0, 0, 0,
     verb_status},
    {"search", "WORD...", "Files whose names have all these words", NULL, 1, ANY,
     GROUP_SEARCH | GROUP_TYPE, verb_search},
    {"download", "NAME...", "Fetch files into the current directory", NULL, 1, ANY,
     GROUP_DOWNLOAD | GROUP_ROOT | GROUP_OUTPUT | GROUP_TYPE, verb_download},
    {"transfers", "", "What is being downloaded and uploaded", NULL, 0, 0, 0, verb_transfers},
    {"pause", "ID...", "Stop downloads until resume", NULL, 1, ANY, 0, verb_pause},
    {"resume", "ID...", "Go on with downloads that are paused", NULL, 1, ANY, 0, verb_resume},
    {"cancel", "ID...", "End transfers", NULL, 1, ANY, 0, verb_cancel},
    {"share", "add|remove|list", "Share a file or directory, or no longer", share_forms, 1, 2,
     GROUP_FIX, verb_share},
    {"shares", "", "What this peer shares, and what not, and why", NULL, 0, 0, 0, verb_shares},
    {"rescan", "", "Look again at what is shared", NULL, 0, 0, 0, verb_rescan},
    {"leave", "", "Leave the FileTracker, until join or a restart", NULL, 0, 0, 0, verb_leave},
    {"join", "", "Join the FileTracker again", NULL, 0, 0, 0, verb_join},
    {"monitor", "", "Print what happens, as it happens, until Ctrl-C", NULL, 0, 0, 0, verb_monitor},
    {"ft", "[peers|lookup|kick]", "State of the FileTracker that runs on this host", ft_forms, 0, 2,
     0, verb_ft},
    {"config", "check|reload", "Is the configuration right; have it read again", config_forms, 1, 2,
     0, verb_config},
    {"metrics", "", "Numbers for monitoring, as OpenMetrics text", NULL, 0, 0, GROUP_OUTPUT,
     verb_metrics},
    {"verify", "FILE...", "Are these the files that others share by that name", NULL, 1, ANY,
     GROUP_ROOT, verb_verify},
    {"hash", "FILE...", "The roots of files: what they are, whatever their name", NULL, 1, ANY, 0,
     verb_hash},
};

static const char global_help[] =
    "Options:\n"
    "      --user           Talk to the p2p-peer of this user, on the session bus\n"
    "  -H, --host=[USER@]HOST\n"
    "                       Talk to the p2p-peer of another host, by ssh\n"
    "      --json           Print one JSON document, for programs\n"
    "      --no-legend      Print tables without titles and totals\n"
    "  -h, --help           Print this\n"
    "      --version        Print the version\n";

static const char download_help[] =
    "Options of download:\n"
    "  -o, --output=PATH    Call the file PATH, or put files into the directory PATH\n"
    "      --force          Replace a file of that name\n"
    "      --no-wait        Let the daemon fetch into its own directory, and return\n"
    "      --wait           Return when all is there (the default)\n"
    "      --type=TYPE      Only a file of that type: \"pdf\"\n"
    "      --size=SIZE      Only a file of exactly that size: 1500, 64M\n"
    "      --address=IP     Only from the peer at that address\n"
    "      --port=PORT      Only from the peer at that port\n";

static const char search_help[] =
    "Options of search:\n"
    "      --exact          A file of exactly that name, with or without its\n"
    "                       extension; so does a name in \"quotes\" of its own\n"
    "      --type=TYPE      Only files of that type: \"iso\"\n"
    "      --min-size=SIZE  Only files of that many bytes or more: 10M, 4G\n"
    "      --max-size=SIZE  Only files of that many bytes or fewer\n"
    "      --limit=N        Print N files at most (50)\n";

static const char output_help[] =
    "Option of metrics:\n"
    "  -o, --output=PATH    Write the file PATH, replacing it when all is there\n";

static const char fix_help[] =
    "Option of share add:\n"
    "      --fix            Let p2p-peer read it: by access lists (setfacl), and by a\n"
    "                       drop-in of its service where that hides the place\n";

static const char root_help[] =
    "Option of download and verify:\n"
    "      --root=HEX       The file with that root, or a root that begins so\n";

static const Verb *find_verb(const char *name) {
    for (size_t i = 0; i < ELEMENTSOF(verbs); i++)
        if (strcmp(verbs[i].name, name) == 0)
            return &verbs[i];
    return NULL;
}

static void print_help(const Verb *verb) {
    if (verb) {
        printf("p2pctl [OPTIONS...] %s%s%s\n\n%s.\n\n", verb->name, *verb->arguments ? " " : "",
               verb->arguments, verb->help);
        if (verb->forms)
            printf("%s\n", verb->forms);
        if (verb->groups & GROUP_DOWNLOAD)
            printf("%s\n", download_help);
        if (verb->groups & GROUP_SEARCH)
            printf("%s\n", search_help);
        if (verb->groups & GROUP_ROOT)
            printf("%s\n", root_help);
        if (verb->groups & GROUP_FIX)
            printf("%s\n", fix_help);
        if (verb->groups & GROUP_OUTPUT && !(verb->groups & GROUP_DOWNLOAD))
            printf("%s\n", output_help);
        printf("%s\nSee p2pctl(1).\n", global_help);
        return;
    }
    printf("p2pctl [OPTIONS...] [VERB] ...\n\nShare files with other peers, and fetch theirs.\n\n"
           "Verbs:\n");
    for (size_t i = 0; i < ELEMENTSOF(verbs); i++) {
        char left[32];

        snprintf(left, sizeof(left), "%s %s", verbs[i].name, verbs[i].arguments);
        printf("  %-23s %s\n", left, verbs[i].help);
    }
    printf("  %-23s %s\n\n%s\n%s\n%s\n%s\n%s\n%s\nSee p2pctl(1).\n", "help [VERB]",
           "Print this, or more of a verb", global_help, search_help, download_help, root_help,
           output_help, fix_help);
}

static ExitStatus usage(const char *verb) {
    if (verb)
        ctl_hint("Try: p2pctl help %s", verb);
    else
        ctl_hint("Try: p2pctl --help");
    return STATUS_USAGE;
}

#define A_SIZE "a number of bytes, such as 10M or 4G"

static ExitStatus bad_value(const char *option, const char *value, const char *expected) {
    ctl_error("--%s takes %s, not \"%s\".", option, expected, value);
    return STATUS_USAGE;
}

typedef enum Option {
    OPTION_USER = 256,
    OPTION_JSON,
    OPTION_NO_LEGEND,
    OPTION_VERSION,
    OPTION_ROOT,
    // Of search.
    OPTION_EXACT,
    OPTION_MIN_SIZE,
    OPTION_MAX_SIZE,
    OPTION_LIMIT,
    OPTION_FIX, // of share
    // From here on, and and -o: of download (-o of metrics, too).
    OPTION_FORCE,
    OPTION_WAIT,
    OPTION_NO_WAIT,
    OPTION_TYPE,
    OPTION_SIZE,
    OPTION_ADDRESS,
    OPTION_PORT,
} Option;

static const struct option options[] = {
    {"user", no_argument, NULL, OPTION_USER},
    {"host", required_argument, NULL, 'H'},
    {"json", no_argument, NULL, OPTION_JSON},
    {"no-legend", no_argument, NULL, OPTION_NO_LEGEND},
    {"help", no_argument, NULL, 'h'},
    {"version", no_argument, NULL, OPTION_VERSION},
    {"output", required_argument, NULL, 'o'},
    {"exact", no_argument, NULL, OPTION_EXACT},
    {"min-size", required_argument, NULL, OPTION_MIN_SIZE},
    {"max-size", required_argument, NULL, OPTION_MAX_SIZE},
    {"limit", required_argument, NULL, OPTION_LIMIT},
    {"fix", no_argument, NULL, OPTION_FIX},
    {"force", no_argument, NULL, OPTION_FORCE},
    {"wait", no_argument, NULL, OPTION_WAIT},
    {"no-wait", no_argument, NULL, OPTION_NO_WAIT},
    {"root", required_argument, NULL, OPTION_ROOT},
    {"type", required_argument, NULL, OPTION_TYPE},
    {"size", required_argument, NULL, OPTION_SIZE},
    {"address", required_argument, NULL, OPTION_ADDRESS},
    {"port", required_argument, NULL, OPTION_PORT},
    {},
};

// What is asked for besides a verb.
typedef struct Request {
    bool help, version;
    const char *options[6]; // the first one of each OptionGroup, as it is spelled; or NULL
} Request;

static bool is_root(const char *value) {
    size_t len = strlen(value);

    return len >= ROOT_TYPED_MIN && len <= MERKLE_TEXT_BYTES &&
           value[strspn(value, "0123456789abcdefABCDEF")] == '\0';
}

static ExitStatus take_download_option(DownloadRequest *download, int c, const char *value) {
    IpAddress address;
    uint64_t number;

    switch (c) {
    case 'o':
        download->output = value;
        return STATUS_DONE;
    case OPTION_FORCE:
        download->force = true;
        return STATUS_DONE;
    case OPTION_WAIT:
    case OPTION_NO_WAIT:
        download->no_wait = c == OPTION_NO_WAIT;
        return STATUS_DONE;
    case OPTION_ROOT:
        download->root = value;
        return is_root(value) ? STATUS_DONE : bad_value("root", value, "4 to 64 hex digits");
    case OPTION_TYPE:
        download->type = *value == '.' ? value + 1 : value;
        return *download->type ? STATUS_DONE : bad_value("type", value, "an extension");
    case OPTION_SIZE:
        if (parse_size(value, &download->size) < 0)
            return bad_value("size", value, A_SIZE);
        download->size_set = true;
        return STATUS_DONE;
    case OPTION_ADDRESS:
        if (address_parse(value, strlen(value), &address) < 0)
            return bad_value("address", value, "an IP address");
        download->address = value;
        return STATUS_DONE;
    default:
        if (parse_u64_range(value, 1, UINT16_MAX, &number) < 0)
            return bad_value("port", value, "a number from 1 to 65535");
        download->port = (uint16_t) number;
        return STATUS_DONE;
    }
}

// The number of its bit in OptionGroup.
static size_t group_of(int c) {
    switch (c) {
    case OPTION_ROOT:
        return 1;
    case 'o':
        return 2;
    case OPTION_TYPE:
        return 3;
    case OPTION_EXACT:
    case OPTION_MIN_SIZE:
    case OPTION_MAX_SIZE:
    case OPTION_LIMIT:
        return 4;
    case OPTION_FIX:
        return 5;
    default:
        return 0;
    }
}

static ExitStatus take_search_option(SearchRequest *search, int c, const char *value) {
    uint64_t number;

    switch (c) {
    case OPTION_EXACT:
        search->exact = true;
        return STATUS_DONE;
    case OPTION_MIN_SIZE:
        return parse_size(value, &search->min_size) >= 0 ? STATUS_DONE
                                                         : bad_value("min-size", value, A_SIZE);
    case OPTION_MAX_SIZE:
        search->max_set = true;
        return parse_size(value, &search->max_size) >= 0 ? STATUS_DONE
                                                         : bad_value("max-size", value, A_SIZE);
    default:
        if (parse_u64_range(value, 1, SEARCH_LIMIT_MAX, &number) < 0)
            return bad_value("limit", value, "a number from 1 to 500");
        search->limit = (uint32_t) number;
        return STATUS_DONE;
    }
}

static ExitStatus take_option(Ctl *ctl, Request *request, int c, const char *value) {
    switch (c) {
    case OPTION_USER:
        ctl->user = true;
        return STATUS_DONE;
    case 'H':
        ctl->host = value;
        return *value ? STATUS_DONE : bad_value("host", value, "the name of a host");
    case OPTION_JSON:
        ctl->json = true;
        return STATUS_DONE;
    case OPTION_NO_LEGEND:
        ctl->legend = false;
        return STATUS_DONE;
    case OPTION_VERSION:
        request->version = true;
        return STATUS_DONE;
    case 'h':
        request->help = true;
        return STATUS_DONE;
    default:
        for (const struct option *o = options; o->name; o++)
            if (o->val == c && !request->options[group_of(c)])
                request->options[group_of(c)] = o->name;
        if (group_of(c) == 4)
            return take_search_option(&ctl->search, c, value);
        if (c == OPTION_FIX) {
            ctl->fix = true;
            return STATUS_DONE;
        }
        if (c == OPTION_TYPE)
            ctl->search.type = *value == '.' ? value + 1 : value;
        return take_download_option(&ctl->download, c, value);
    }
}

// What getopt_long() has not taken.
static ExitStatus bad_option(int c, const char *argument) {
    if (c == ':')
        ctl_error("%s needs a value.", argument);
    else if (optopt > 0 && optopt < 256)
        ctl_error("there is no option -%c.", optopt);
    else if (optopt > 0)
        ctl_error("%s takes no value.", argument);
    else
        ctl_error("there is no option %s.", argument);
    return STATUS_USAGE;
}

// All of them are gone through even where one is wrong: only then it is known which verb is meant.
static ExitStatus parse_options(Ctl *ctl, Request *request, int argc, char **argv) {
    ExitStatus status = STATUS_DONE;
    const Verb *verb;
    int c;

    opterr = 0; // ours are in the same words as all others
    while ((c = getopt_long(argc, argv, ":hH:o:", options, NULL)) >= 0)
        if (status == STATUS_DONE)
            status = c == ':' || c == '?' ? bad_option(c, argv[optind - 1])
                                          : take_option(ctl, request, c, optarg);
    if (status == STATUS_DONE && ctl->user && ctl->host) {
        ctl_error("--user and -H do not go together: ssh reaches the system bus of a host.");
        status = STATUS_USAGE;
    }
    if (status == STATUS_DONE)
        return STATUS_DONE;
    verb = argv[optind] ? find_verb(argv[optind]) : NULL;
    return usage(verb ? verb->name : NULL);
}

static ExitStatus check_arguments(const Verb *verb, int argc, char **argv, const Request *request) {
    static const struct {
        const char *arguments, *needed;
    } needs[] = {{"NAME", "the name of a file"},
                 {"WORD", "a word of a name"},
                 {"FILE", "a file"},
                 {"ID", "the ID of a transfer"},
                 {"add", "to be told what: add, remove or list"},
                 {"check", "to be told what: check or reload"}};

    for (size_t i = 0; i < ELEMENTSOF(request->options); i++)
        if (request->options[i] && !(verb->groups & (1U << i))) {
            ctl_error("--%s does not go with %s.", request->options[i], verb->name);
            return usage(verb->name);
        }
    for (size_t i = 0; argc < verb->min_args && i < ELEMENTSOF(needs); i++)
        if (strncmp(verb->arguments, needs[i].arguments, strlen(needs[i].arguments)) == 0) {
            ctl_error("%s needs %s.", verb->name, needs[i].needed);
            return usage(verb->name);
        }
    if (argc > verb->max_args) {
        ctl_error("%s takes no argument \"%s\".", verb->name, argv[verb->max_args]);
        return usage(verb->name);
    }
    return STATUS_DONE;
}

static ExitStatus help(int argc, char **argv) {
    const Verb *verb = argc > 0 ? find_verb(argv[0]) : NULL;

    if (argc > 0 && !verb) {
        ctl_error("there is no verb \"%s\".", argv[0]);
        return usage(NULL);
    }
    print_help(verb);
    return STATUS_DONE;
}

static ExitStatus run(Ctl *ctl, int argc, char **argv) {
    Request request = {};
    ExitStatus status = parse_options(ctl, &request, argc, argv);
    const char *name;
    const Verb *verb;

    if (status != STATUS_DONE)
        return status;
    argc -= optind;
    argv += optind;
    if (request.version) {
        printf("p2pctl %s\n", VERSION);
        return STATUS_DONE;
    }
    name = argc > 0 ? argv[0] : "status";
    argc -= argc > 0;
    argv++;
    if (strcmp(name, "help") == 0)
        return help(argc, argv);
    verb = find_verb(name);
    if (request.help && (verb || argv[-1] == NULL)) {
        print_help(argv[-1] ? verb : NULL);
        return STATUS_DONE;
    }
    if (!verb) {
        ctl_error("there is no verb \"%s\".", name);
        return usage(NULL);
    }
    status = check_arguments(verb, argc, argv, &request);
    if (status != STATUS_DONE)
        return status;
    ctl->verb = verb->name;
    return verb->run(ctl, argc, argv);
}

int main(int argc, char **argv) {
    Ctl ctl = {.legend = true};
    ExitStatus status;

    output_open(&ctl);
    status = run(&ctl, argc, argv);
    sd_bus_flush_close_unref(ctl.bus);
    agent_stop(ctl.agent);
    // A full disk must not look like success.
    if (fflush(stdout) != 0 || ferror(stdout)) {
        ctl_error("cannot write to standard output.");
        if (status == STATUS_DONE)
            status = STATUS_FAILED;
    }
    return (int) status;
}
