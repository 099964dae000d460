// SPDX-License-Identifier: MIT

#include "ctl/options.h"

#include <getopt.h>
#include <string.h>

#include "ctl/output.h"
#include "util/address.h"
#include "util/merkle-hash.h"
#include "util/parse-util.h"

enum {
    SEARCH_LIMIT_MAX = 500, // files that one answer of a FileTracker can hold
    LONG_OPTION = 256,      // getopt_long() returns this plus the number of the row
};

#define A_SIZE "a number of bytes, such as 10M or 4G"

static int options_take_host(Ctl *ctl, const char *value) {
    ctl->host = value;
    return *value ? 0 : -EINVAL;
}

static int options_take_output(Ctl *ctl, const char *value) {
    ctl->download.output = value;
    return 0;
}

static int options_take_type(Ctl *ctl, const char *value) {
    const char *type = *value == '.' ? value + 1 : value;

    ctl->download.type = ctl->search.type = type;
    return *type ? 0 : -EINVAL;
}

static int options_take_min_size(Ctl *ctl, const char *value) {
    return parse_size(value, &ctl->search.min_size);
}

static int options_take_max_size(Ctl *ctl, const char *value) {
    ctl->search.max_set = true;
    return parse_size(value, &ctl->search.max_size);
}

static int options_take_limit(Ctl *ctl, const char *value) {
    uint64_t number = 0;
    int r = parse_u64_range(value, 1, SEARCH_LIMIT_MAX, &number);

    ctl->search.limit = (uint32_t)number;
    return r;
}

static int options_take_size(Ctl *ctl, const char *value) {
    ctl->download.size_set = true;
    return parse_size(value, &ctl->download.size);
}

static int options_take_address(Ctl *ctl, const char *value) {
    IpAddress address;

    ctl->download.address = value;
    return address_parse(value, strlen(value), &address);
}

static int options_take_port(Ctl *ctl, const char *value) {
    uint64_t number = 0;
    int r = parse_u64_range(value, 1, UINT16_MAX, &number);

    ctl->download.port = (uint16_t)number;
    return r;
}

static int options_take_root(Ctl *ctl, const char *value) {
    size_t len = strlen(value);

    ctl->download.root = value;
    return len >= ROOT_TYPED_MIN && len <= MERKLE_TEXT_BYTES &&
                   value[strspn(value, "0123456789abcdefABCDEF")] == '\0'
               ? 0
               : -EINVAL;
}

#define FLAG(member, to) .flag = offsetof(Ctl, member), .on = (to)

// Rows of the same verbs stand together: --help prints a heading above each such group.
const Option OPTIONS[] = {
    {"user", .verbs = VERB_ALL, FLAG(user, true),
     .help = "Talk to the p2p-peer of this user, on the session bus"},
    {"host", 'H', VERB_ALL, "[USER@]HOST", WORD_HOST,
     .help = "Talk to the p2p-peer of another host, by ssh", .take = options_take_host,
     .expected = "the name of a host"},
    {"json", .verbs = VERB_ALL, FLAG(json, true), .help = "Print one JSON document, for programs"},
    {"no-legend", .verbs = VERB_ALL, FLAG(legend, false),
     .help = "Print tables without titles and totals"},
    {"help", 'h', VERB_ALL, FLAG(help, true), .help = "Print this help"},
    {"version", .verbs = VERB_ALL, FLAG(version, true), .help = "Print the version"},

    {"exact", .verbs = VERB_SEARCH, FLAG(search.exact, true),
     .help = "Find files of exactly that name, with or without\n"
             "extension. A name in \"quotes\" of its own does the same"},
    {"type", 0, VERB_SEARCH, "TYPE", .help = "Only files of that type, such as iso",
     .take = options_take_type, .expected = "an extension"},
    {"min-size", 0, VERB_SEARCH, "SIZE", .help = "Only files of at least that size: 10M, 4G",
     .take = options_take_min_size, .expected = A_SIZE},
    {"max-size", 0, VERB_SEARCH, "SIZE", .help = "Only files of at most that size",
     .take = options_take_max_size, .expected = A_SIZE},
    {"limit", 0, VERB_SEARCH, "N", .help = "Print at most N files (default: 50)",
     .take = options_take_limit, .expected = "a number from 1 to 500"},

    {"output", 'o', VERB_DOWNLOAD, "PATH", WORD_FILE,
     .help = "Name the file PATH, or save files in the directory PATH",
     .take = options_take_output},
    {"force", .verbs = VERB_DOWNLOAD, FLAG(download.force, true),
     .help = "Replace an existing file"},
    {"no-wait", .verbs = VERB_DOWNLOAD, FLAG(download.no_wait, true),
     .help = "Return at once; p2p-peer saves the file in its own\n"
             "download directory"},
    {"wait", .verbs = VERB_DOWNLOAD, FLAG(download.no_wait, false),
     .help = "Return when the file is complete (default)"},
    {"type", 0, VERB_DOWNLOAD, "TYPE", .help = "Only a file of that type, such as pdf",
     .take = options_take_type, .expected = "an extension"},
    {"size", 0, VERB_DOWNLOAD, "SIZE", .help = "Only a file of exactly that size: 1500, 64M",
     .take = options_take_size, .expected = A_SIZE},
    {"address", 0, VERB_DOWNLOAD, "IP", .help = "Only from the peer at that address",
     .take = options_take_address, .expected = "an IP address"},
    {"port", 0, VERB_DOWNLOAD, "PORT", .help = "Only from the peer at that port",
     .take = options_take_port, .expected = "a number from 1 to 65535"},

    {"root", 0, VERB_DOWNLOAD | VERB_VERIFY, "HEX",
     .help = "The file whose root begins with these digits", .take = options_take_root,
     .expected = "4 to 64 hex digits"},

    {"output", 'o', VERB_METRICS, "PATH", WORD_FILE,
     .help = "Write to the file PATH, and replace it in one step", .take = options_take_output},

    {"fix", .verbs = VERB_SHARE, FLAG(fix, true),
     .help = "With share add: give p2p-peer the permissions to read\n"
             "it (setfacl), and show it inside the sandbox of the\n"
             "service (a drop-in) if that hides it"},
};
const size_t N_OPTIONS = ELEMENTSOF(OPTIONS);

_Static_assert(ELEMENTSOF(OPTIONS) <= 64, "an OptionSet has 64 bits");

const Option *options_find(const char *name, size_t len) {
    for (size_t i = 0; i < N_OPTIONS; i++)
        if (strlen(OPTIONS[i].name) == len && memcmp(OPTIONS[i].name, name, len) == 0)
            return &OPTIONS[i];
    return NULL;
}

const Option *options_find_letter(int letter) {
    for (size_t i = 0; i < N_OPTIONS; i++)
        if (OPTIONS[i].letter == letter && letter != 0)
            return &OPTIONS[i];
    return NULL;
}

static bool options_is_first(const Option *option) {
    return options_find(option->name, strlen(option->name)) == option;
}

// The table as getopt_long() wants it.
typedef struct GetoptTable {
    struct option options[ELEMENTSOF(OPTIONS) + 1];
    char letters[2 * ELEMENTSOF(OPTIONS) + 2];
} GetoptTable;

static void options_fill_getopt(GetoptTable *table) {
    char *letter = table->letters;
    size_t n = 0;

    *table = (GetoptTable){};
    *letter++ = ':'; // tells a missing value from an unknown option
    for (const Option *o = OPTIONS; o < OPTIONS + N_OPTIONS; o++) {
        if (!options_is_first(o))
            continue;
        table->options[n++] = (struct option){o->name, o->value ? required_argument : no_argument,
                                              NULL, LONG_OPTION + (int)(o - OPTIONS)};
        if (!o->letter)
            continue;
        *letter++ = o->letter;
        if (o->value)
            *letter++ = ':';
    }
}

static int options_take(Ctl *ctl, const Option *option, const char *value) {
    if (!option->value)
        *(bool *)((char *)ctl + option->flag) = option->on;
    else if (option->take(ctl, value) < 0) {
        ctl_error("--%s takes %s, not \"%s\".", option->name, option->expected, value);
        return -EINVAL;
    }
    return 0;
}

// Prints what is wrong with an option that getopt_long() has not taken.
static void options_print_bad(int c, const char *argument) {
    if (c == ':')
        ctl_error("%s needs a value.", argument);
    else if (optopt > 0 && optopt < LONG_OPTION)
        ctl_error("there is no option -%c.", optopt);
    else if (optopt > 0)
        ctl_error("%s takes no value.", argument);
    else
        ctl_error("there is no option %s.", argument);
}

int options_parse(Ctl *ctl, int argc, char **argv, OptionSet *ret_given) {
    GetoptTable table;
    int c, r = 0;

    *ret_given = 0;
    options_fill_getopt(&table);
    opterr = 0; // this file prints the errors
    while ((c = getopt_long(argc, argv, table.letters, table.options, NULL)) >= 0) {
        const Option *option = c == ':' || c == '?' ? NULL
                               : c >= LONG_OPTION   ? &OPTIONS[c - LONG_OPTION]
                                                    : options_find_letter(c);

        if (r < 0)
            continue;
        if (option) {
            *ret_given |= UINT64_C(1) << (option - OPTIONS);
            r = options_take(ctl, option, optarg);
        } else {
            options_print_bad(c, argv[optind - 1]);
            r = -EINVAL;
        }
    }
    if (r >= 0 && ctl->user && ctl->host) {
        ctl_error("--user and -H exclude each other: ssh reaches the system bus of a host.");
        r = -EINVAL;
    }
    return r;
}

static bool options_is_taken(const Option *option, unsigned verb) {
    for (size_t i = 0; i < N_OPTIONS; i++)
        if (strcmp(OPTIONS[i].name, option->name) == 0 &&
            (OPTIONS[i].verbs == VERB_ALL || (OPTIONS[i].verbs & verb)))
            return true;
    return false;
}

int options_check(OptionSet given, unsigned verb, const char *verb_name) {
    for (size_t i = 0; i < N_OPTIONS; i++)
        if ((given & UINT64_C(1) << i) && !options_is_taken(&OPTIONS[i], verb)) {
            ctl_error("%s does not take --%s.", verb_name, OPTIONS[i].name);
            return -EINVAL;
        }
    return 0;
}
