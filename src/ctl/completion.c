// SPDX-License-Identifier: MIT

#include "ctl/completion.h"

#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#include "ctl/connection.h"
#include "ctl/output.h"
#include "ctl/program.h"
#include "ctl/transfer-info.h"
#include "util/macro.h"
#include "util/text.h"

// ------------------------------------------------------------------------------------- the words

// The option whose value is the word after this one; NULL: there is none.
static const Option *completion_awaits_value(const char *word) {
    const Option *option = NULL;

    if (word[0] != '-' || word[1] == '\0')
        return NULL;
    if (word[1] == '-')
        option = options_find(word + 2, strlen(word + 2));
    else // -xyo: a value follows the first letter that takes one, or is the next word
        for (const char *letter = word + 1; *letter; letter++) {
            option = options_find_letter(*letter);
            if (option && option->value)
                return letter[1] ? NULL : option;
        }
    return option && option->value ? option : NULL;
}

// Notes the options that say which daemon to ask. `value` is the word after `word`.
static void completion_take_option(Completion *completion, const char *word, const Option *awaits,
                                   const char *value) {
    static const char host[] = "--host=";

    if (strcmp(word, "--user") == 0)
        completion->user = true;
    else if (strncmp(word, host, strlen(host)) == 0)
        completion->host = word + strlen(host);
    else if (strncmp(word, "-H", 2) == 0 && word[2])
        completion->host = word + 2;
    else if (awaits && strcmp(awaits->name, "host") == 0)
        completion->host = value;
}

static void completion_take_argument(Completion *completion, const char *word, int n) {
    if (n == 0)
        completion->verb = verb_table_find(word);
    else if (n == 1 && completion->verb)
        completion->form = verb_table_find_form(completion->verb, word);
}

// Decides what the next argument may be, after `n` arguments including the verb.
static void completion_place_argument(Completion *completion, int n) {
    const Verb *verb = completion->verb;

    completion->place = COMPLETION_WORD;
    if (n == 0)
        completion->kind = WORD_VERB;
    else if (!verb || n > verb->max_args)
        completion->place = COMPLETION_NOTHING;
    else if (!verb->forms)
        completion->kind = verb->kind;
    else if (n == 1)
        completion->place = COMPLETION_FORM;
    else if (completion->form && completion->form->arguments)
        completion->kind = completion->form->kind;
    else
        completion->place = COMPLETION_NOTHING;
}

static void completion_place_option(Completion *completion) {
    const char *equals = strchr(completion->typed, '=');
    const Option *option;

    completion->place = COMPLETION_OPTION;
    if (!equals)
        return;
    option = strncmp(completion->typed, "--", 2) == 0
                 ? options_find(completion->typed + 2, equals - completion->typed - 2)
                 : NULL;
    completion->place = option && option->value ? COMPLETION_WORD : COMPLETION_NOTHING;
    completion->kind = option ? option->kind : WORD_TEXT;
    completion->typed = equals + 1;
}

Completion completion_parse(int argc, char *const argv[]) {
    Completion completion = {.typed = argc > 0 ? argv[argc - 1] : ""};
    const Option *awaits = NULL;
    bool options = true; // no "--" yet
    int n = 0;

    for (int i = 0; i < argc - 1; i++) {
        if (awaits)
            awaits = NULL; // this word is the value
        else if (options && strcmp(argv[i], "--") == 0)
            options = false;
        else if (options && argv[i][0] == '-' && argv[i][1]) {
            awaits = completion_awaits_value(argv[i]);
            completion_take_option(&completion, argv[i], awaits, argv[i + 1]);
        } else
            completion_take_argument(&completion, argv[i], n++);
    }
    if (awaits) {
        completion.place = COMPLETION_WORD;
        completion.kind = awaits->kind;
    } else if (options && completion.typed[0] == '-')
        completion_place_option(&completion);
    else
        completion_place_argument(&completion, n);
    return completion;
}

// ------------------------------------------------------------------------------------- candidates

static void completion_print_word(const Completion *completion, const char *word,
                                  const char *about) {
    if (strncmp(word, completion->typed, strlen(completion->typed)) != 0 ||
        text_has_control(word, strlen(word)))
        return;
    printf("%s\t", word);
    for (size_t len; *about; about += len + (about[len] == '\n')) {
        len = strcspn(about, "\n");
        print_escaped(stdout, "%.*s%s", (int)len, about, about[len] == '\n' ? " " : "");
    }
    putchar('\n');
}

static void completion_print_options(const Completion *completion) {
    const Verb *verb = completion->verb;
    bool form_has_none = completion->form && !completion->form->has_options;
    unsigned verbs = !verb ? VERB_ALL : form_has_none ? 0 : verb->bit;

    for (const Option *o = OPTIONS; o < OPTIONS + N_OPTIONS; o++) {
        char word[64];

        // Without a verb, an option that two verbs take has two rows.
        if (o->verbs != VERB_ALL &&
            (!(o->verbs & verbs) || (!verb && options_find(o->name, strlen(o->name)) != o)))
            continue;
        snprintf(word, sizeof(word), "--%s%s", o->name, o->value ? "=" : "");
        completion_print_word(completion, word, o->help);
        if (!o->letter)
            continue;
        snprintf(word, sizeof(word), "-%c", o->letter);
        completion_print_word(completion, word, o->help);
    }
}

static void completion_print_forms(const Completion *completion) {
    for (const VerbForm *form = completion->verb->forms; form->help; form++)
        if (form->word)
            completion_print_word(completion, form->word, form->help);
}

static void completion_print_transfers(const Completion *completion) {
    Ctl ctl = {.user = completion->user, .host = completion->host};
    _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
    _cleanup_(transfer_list_clear) TransferList list = {};

    if (ctl_connect(&ctl) >= 0)
        (void)transfer_list_get(ctl.bus, &list, &error);
    for (size_t i = 0; i < list.n; i++) {
        const TransferInfo *transfer = &list.transfers[i];
        _cleanup_free_ char *name = transfer_info_file_name(transfer), *about = NULL;
        char id[16];

        if (transfer_info_is_over(transfer) ||
            (completion->kind == WORD_DOWNLOAD && transfer_info_is_upload(transfer)))
            continue;
        snprintf(id, sizeof(id), "%u", transfer->id);
        if (asprintf(&about, "%s of %s, %s", transfer->direction, name ?: "?", transfer->state) < 0)
            about = NULL;
        completion_print_word(completion, id, about ?: "");
    }
    sd_bus_flush_close_unref(ctl.bus);
}

// Asks p2pctl-share, which reads the configuration. Lists the paths that it can remove.
static void completion_print_shares(const Completion *completion) {
    _cleanup_free_ char *program = program_path("p2pctl-share", LIBEXEC_DIR "/p2pctl-share");
    char *argv[] = {program, (char *)"--json", (char *)"list", NULL, NULL};
    json_auto_t *document = NULL;
    const json_t *share;
    int fd, status;
    pid_t pid;
    size_t i;

    if (completion->user) {
        argv[2] = (char *)"--user";
        argv[3] = (char *)"list";
    }
    if (!program || completion->host || program_start(program, argv, false, &pid, &fd) < 0)
        return;
    document = json_loadfd(fd, 0, NULL);
    close_fd(fd);
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    json_array_foreach(json_object_get(document, "shares"), i, share) {
        const char *path = json_string_value(json_object_get(share, "path"));

        if (path && json_is_true(json_object_get(share, "removable")))
            completion_print_word(completion, path, "shared");
    }
}

static void completion_print_kind(const Completion *completion) {
    switch (completion->kind) {
    case WORD_VERB:
        for (size_t i = 0; i < N_VERBS; i++)
            completion_print_word(completion, VERBS[i].name, VERBS[i].help);
        break;
    case WORD_DAEMON:
        completion_print_word(completion, SERVICE_PEER.program, "the peer");
        completion_print_word(completion, SERVICE_FT.program, "the FileTracker");
        break;
    case WORD_TRANSFER:
    case WORD_DOWNLOAD:
        completion_print_transfers(completion);
        break;
    case WORD_SHARE:
        completion_print_shares(completion);
        break;
    case WORD_TEXT:
    case WORD_FILE:
    case WORD_HOST:
        break;
    }
}

void completion_print(int argc, char *const argv[]) {
    Completion completion = completion_parse(argc, argv);
    bool is_word = completion.place == COMPLETION_WORD;

    puts(is_word && completion.kind == WORD_FILE    ? "files"
         : is_word && completion.kind == WORD_HOST  ? "hosts"
         : is_word && completion.kind == WORD_SHARE ? "paths"
                                                    : "words");
    switch (completion.place) {
    case COMPLETION_NOTHING:
        break;
    case COMPLETION_OPTION:
        completion_print_options(&completion);
        break;
    case COMPLETION_FORM:
        completion_print_forms(&completion);
        break;
    case COMPLETION_WORD:
        completion_print_kind(&completion);
    }
}
