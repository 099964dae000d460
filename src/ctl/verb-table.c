// SPDX-License-Identifier: MIT

#include "ctl/verb-table.h"

#include <limits.h>
#include <string.h>

#include "ctl/verbs.h"
#include "util/macro.h"

enum {
    ANY = INT_MAX, // number of arguments
};

static const VerbForm share_forms[] = {
    {"add", "[--fix] PATH", WORD_FILE, "Share a file, or a directory and all in it", true},
    {"remove", "PATH", WORD_SHARE, "Stop sharing it, and undo what --fix did", false},
    {"list", NULL, WORD_TEXT, "What the configuration shares, and the result", false},
    {},
};

static const VerbForm ft_forms[] = {
    {NULL, NULL, WORD_TEXT, "Its addresses, its contents and its peers", false},
    {"peers", NULL, WORD_TEXT, "Only its peers", false},
    {"lookup", "NAME", WORD_TEXT, "The records that a search for NAME finds", false},
    {"kick", "ADDRESS[:PORT]", WORD_TEXT, "End all sessions of an address, or only one", false},
    {},
};

static const VerbForm config_forms[] = {
    {"check", "[FILE]", WORD_FILE, "Print all errors in it, with their line numbers", false},
    {"reload", "[DAEMON]", WORD_DAEMON, "Make p2p-peer, or p2p-ft, read it again", false},
    {},
};

const Verb VERBS[] = {
    {"status", .help = "The state of this peer (default)", .run = verb_status},
    {"search", "WORD...", .help = "Find files whose names have all these words", .min_args = 1,
     .max_args = ANY, .needed = "a word of a name", .bit = VERB_SEARCH, .run = verb_search},
    {"download", "NAME...", .help = "Download files into the current directory", .min_args = 1,
     .max_args = ANY, .needed = "the name of a file", .bit = VERB_DOWNLOAD, .run = verb_download},
    {"transfers", .help = "List all downloads and uploads", .run = verb_transfers},
    {"pause", "ID...", WORD_DOWNLOAD, "Pause downloads until you resume them", .min_args = 1,
     .max_args = ANY, .needed = "the ID of a transfer", .run = verb_pause},
    {"resume", "ID...", WORD_DOWNLOAD, "Resume paused downloads", .min_args = 1, .max_args = ANY,
     .needed = "the ID of a transfer", .run = verb_resume},
    {"cancel", "ID...", WORD_TRANSFER, "Cancel transfers", .min_args = 1, .max_args = ANY,
     .needed = "the ID of a transfer", .run = verb_cancel},
    {"share", "add|remove|list", .help = "Share a file or directory, or stop sharing it",
     .forms = share_forms, .min_args = 1, .max_args = 2, .needed = "one of add, remove and list",
     .bit = VERB_SHARE, .run = verb_share},
    {"shares", .help = "List the files that this peer shares, and any problem", .run = verb_shares},
    {"rescan", .help = "Look for changes in the shared directories", .run = verb_rescan},
    {"leave", .help = "Leave the FileTracker until you join or restart", .run = verb_leave},
    {"join", .help = "Join the FileTracker again", .run = verb_join},
    {"monitor", .help = "Print events as they happen, until Ctrl-C", .run = verb_monitor},
    {"ft", "[peers|lookup|kick]", .help = "The state of the FileTracker on this host",
     .forms = ft_forms, .max_args = 2, .run = verb_ft},
    {"config", "check|reload", .help = "Check the configuration, or reload it",
     .forms = config_forms, .min_args = 1, .max_args = 2, .needed = "one of check and reload",
     .run = verb_config},
    {"metrics", .help = "Print OpenMetrics text for monitoring", .bit = VERB_METRICS,
     .run = verb_metrics},
    {"verify", "FILE...", WORD_FILE, "Compare files with what peers share by that name",
     .min_args = 1, .max_args = ANY, .needed = "a file", .bit = VERB_VERIFY, .run = verb_verify},
    {"hash", "FILE...", WORD_FILE, "Print the root of each file: a hash of its content",
     .min_args = 1, .max_args = ANY, .needed = "a file", .run = verb_hash},
    {"help", "[VERB]", WORD_VERB, "Print this help, or that of a verb", .max_args = 1},
};
const size_t N_VERBS = ELEMENTSOF(VERBS);

const Verb *verb_table_find(const char *name) {
    for (size_t i = 0; i < N_VERBS; i++)
        if (strcmp(VERBS[i].name, name) == 0)
            return &VERBS[i];
    return NULL;
}

const VerbForm *verb_table_find_form(const Verb *verb, const char *word) {
    for (const VerbForm *form = verb->forms; form && form->help; form++)
        if (form->word && strcmp(form->word, word) == 0)
            return form;
    return NULL;
}
