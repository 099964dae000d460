// SPDX-License-Identifier: MIT

// The tables of verbs and options are consistent, and completion knows the place of a word.

#include <string.h>

#include "test.h"

#include "ctl/completion.h"
#include "util/macro.h"

enum {
    WORDS_MAX = 6,
    LINE_MAX_COLUMNS = 80,
    HELP_COLUMN = 23,
};

// ------------------------------------------------------------------------------------- tables

// Rows of one name are one option to getopt_long(), so they agree in what it has to know.
static void test_options_of_one_name(void **state _unused_) {
    for (const Option *o = OPTIONS; o < OPTIONS + N_OPTIONS; o++) {
        const Option *first = options_find(o->name, strlen(o->name));

        assert_non_null(first);
        assert_int_equal(o->letter, first->letter);
        assert_int_equal(!o->value, !first->value);
        assert_true(o->take == first->take);
        assert_true(o == first || !(o->verbs & first->verbs));
        if (o->letter)
            assert_ptr_equal(options_find_letter(o->letter), first);
    }
}

static void test_options_are_whole(void **state _unused_) {
    unsigned bits = 0;

    for (size_t i = 0; i < N_VERBS; i++) {
        assert_true((bits & VERBS[i].bit) == 0);
        bits |= VERBS[i].bit;
    }
    assert_int_equal(bits, VERB_ALL);
    for (const Option *o = OPTIONS; o < OPTIONS + N_OPTIONS; o++) {
        assert_true(o->verbs != 0 && (o->verbs & ~(unsigned)VERB_ALL) == 0);
        assert_true(o->value ? o->take != NULL : o->flag != 0);
        for (const char *line = o->help; *line; line += strcspn(line, "\n") + !!strchr(line, '\n'))
            assert_in_range(strcspn(line, "\n"), 1, LINE_MAX_COLUMNS - HELP_COLUMN);
    }
}

static void test_verbs_are_whole(void **state _unused_) {
    for (const Verb *v = VERBS; v < VERBS + N_VERBS; v++) {
        assert_ptr_equal(verb_table_find(v->name), v);
        assert_true(v->run || strcmp(v->name, "help") == 0);
        assert_int_equal(v->min_args > 0, v->needed != NULL);
        assert_int_equal(v->max_args > 0, v->arguments != NULL);
        for (const VerbForm *form = v->forms; form && form->help; form++) {
            assert_true(form->word || v->min_args == 0);
            if (form->word)
                assert_ptr_equal(verb_table_find_form(v, form->word), form);
            assert_true(!form->has_options || v->bit != 0);
        }
    }
}

// ------------------------------------------------------------------------------------- completion

typedef struct CompletionCase {
    const char *words[WORDS_MAX]; // the last one is being typed
    CompletionPlace place;
    WordKind kind;
    const char *typed;
} CompletionCase;

static const CompletionCase cases[] = {
    {{""}, COMPLETION_WORD, WORD_VERB, ""},
    {{"sea"}, COMPLETION_WORD, WORD_VERB, "sea"},
    {{"--user", "sea"}, COMPLETION_WORD, WORD_VERB, "sea"},
    {{"-"}, COMPLETION_OPTION, 0, "-"},
    {{"search", "--m"}, COMPLETION_OPTION, 0, "--m"},
    {{"search", "x"}, COMPLETION_WORD, WORD_TEXT, "x"},
    {{"cancel", "1", ""}, COMPLETION_WORD, WORD_TRANSFER, ""},
    {{"pause", ""}, COMPLETION_WORD, WORD_DOWNLOAD, ""},
    {{"hash", "a", "b"}, COMPLETION_WORD, WORD_FILE, "b"},
    {{"hash", "--", "-b"}, COMPLETION_WORD, WORD_FILE, "-b"},
    {{"config", "check", "-", ""}, COMPLETION_NOTHING, 0, ""},
    {{"status", ""}, COMPLETION_NOTHING, 0, ""},
    {{"frobnicate", ""}, COMPLETION_NOTHING, 0, ""},
    {{"help", "s"}, COMPLETION_WORD, WORD_VERB, "s"},
    {{"help", "search", ""}, COMPLETION_NOTHING, 0, ""},
    // Forms.
    {{"share", "a"}, COMPLETION_FORM, 0, "a"},
    {{"share", "add", "/"}, COMPLETION_WORD, WORD_FILE, "/"},
    {{"share", "--fix", "add", "/"}, COMPLETION_WORD, WORD_FILE, "/"},
    {{"share", "remove", "/"}, COMPLETION_WORD, WORD_SHARE, "/"},
    {{"share", "list", ""}, COMPLETION_NOTHING, 0, ""},
    {{"share", "frobnicate", ""}, COMPLETION_NOTHING, 0, ""},
    {{"share", "add", "/a", ""}, COMPLETION_NOTHING, 0, ""},
    {{"config", "reload", ""}, COMPLETION_WORD, WORD_DAEMON, ""},
    {{"ft", "peers", ""}, COMPLETION_NOTHING, 0, ""},
    // Values of options are no verbs and no arguments.
    {{"-H", ""}, COMPLETION_WORD, WORD_HOST, ""},
    {{"-H", "h", "pause", ""}, COMPLETION_WORD, WORD_DOWNLOAD, ""},
    {{"-Hh", "pause", ""}, COMPLETION_WORD, WORD_DOWNLOAD, ""},
    {{"--host=h", "pause", ""}, COMPLETION_WORD, WORD_DOWNLOAD, ""},
    {{"--host=h"}, COMPLETION_WORD, WORD_HOST, "h"},
    {{"download", "-o", "x"}, COMPLETION_WORD, WORD_FILE, "x"},
    {{"download", "--output=x"}, COMPLETION_WORD, WORD_FILE, "x"},
    {{"download", "--output", "x"}, COMPLETION_WORD, WORD_FILE, "x"},
    {{"download", "--type", "x"}, COMPLETION_WORD, WORD_TEXT, "x"},
    {{"--json=x"}, COMPLETION_NOTHING, 0, "x"},
    {{"--frobnicate=x"}, COMPLETION_NOTHING, 0, "x"},
    {{"-=x"}, COMPLETION_NOTHING, 0, "x"},
};

static void test_places(void **state _unused_) {
    for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
        const CompletionCase *c = &cases[i];
        Completion completion;
        int n = 0;

        while (n < WORDS_MAX && c->words[n])
            n++;
        completion = completion_parse(n, (char *const *)c->words);
        if (completion.place != c->place || strcmp(completion.typed, c->typed) != 0 ||
            (c->place == COMPLETION_WORD && completion.kind != c->kind))
            fail_msg("case %zu, ending in \"%s\": place %d, kind %d, typed \"%s\"", i,
                     c->words[n - 1], (int)completion.place, (int)completion.kind,
                     completion.typed);
    }
    assert_int_equal(completion_parse(0, NULL).place, COMPLETION_WORD);
}

static void test_where_to_ask(void **state _unused_) {
    char *host[] = {(char *)"-H", (char *)"far", (char *)"pause", (char *)""};
    char *equals[] = {(char *)"--host=far", (char *)"pause", (char *)""};
    char *joined[] = {(char *)"-Hfar", (char *)"pause", (char *)""};
    char *user[] = {(char *)"pause", (char *)"--user", (char *)""};

    assert_string_equal(completion_parse(ELEMENTSOF(host), host).host, "far");
    assert_string_equal(completion_parse(ELEMENTSOF(equals), equals).host, "far");
    assert_string_equal(completion_parse(ELEMENTSOF(joined), joined).host, "far");
    assert_true(completion_parse(ELEMENTSOF(user), user).user);
    assert_null(completion_parse(ELEMENTSOF(user), user).host);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_options_of_one_name), cmocka_unit_test(test_options_are_whole),
        cmocka_unit_test(test_verbs_are_whole),     cmocka_unit_test(test_places),
        cmocka_unit_test(test_where_to_ask),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
