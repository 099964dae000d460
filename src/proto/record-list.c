// SPDX-License-Identifier: MIT

// Splits a message into records, and learns from how they are joined how their writer joins
// records.

#include <stdio.h>
#include <string.h>

#include "proto/record.h"
#include "proto/space.h"
#include "util/macro.h"

RecordList record_list(const char *data, size_t len) {
    if (len == 0)
        data = ""; // NULL if a Buffer is empty
    return (RecordList){
        .next = data,
        .end = data + len,
        .brackets = memchr(data, '<', len),
    };
}

// Returns the first character of `set` in [p, end), or NULL.
static const char *record_list_find_any(const char *p, const char *end, const char *set) {
    for (; p < end; p++)
        if (*p && strchr(set, *p))
            return p;
    return NULL;
}

// Remembers what stood between two records: a character, and whether a space follows it. Answers
// repeat it, so only the usual ones are accepted.
static void record_list_note_separator(RecordList *list, const char *begin, const char *end) {
    const char *mark = record_list_find_any(begin, end, ",;|\n");

    if (list->separator[0] || list->adjacent)
        return;
    list->adjacent = begin == end;
    if (!mark)
        mark = record_list_find_any(begin, end, " ");
    if (!mark)
        return;
    list->separator[0] = *mark;
    if (*mark != ' ' && mark + 1 < end && mark[1] == ' ')
        list->separator[1] = ' ';
}

static bool record_list_next_bracketed(RecordList *list, const char **ret_begin,
                                       const char **ret_end) {
    const char *stop;

    if (!list->in_pair) {
        const char *open = memchr(list->next, '<', list->end - list->next);

        if (!open)
            return false;
        list->next = open + 1;
        list->in_pair = true;
    }
    stop = record_list_find_any(list->next, list->end, ";>");
    if (!stop) {
        list->next = list->end; // never closed, so it is not a record
        return false;
    }
    *ret_begin = list->next;
    *ret_end = stop;
    list->next = stop + 1;
    if (*stop == ';') {
        list->one_pair = true;
        record_list_note_separator(list, stop, MIN(stop + 2, list->end));
    } else {
        const char *open = memchr(list->next, '<', list->end - list->next);

        list->in_pair = false;
        if (open)
            record_list_note_separator(list, list->next, open);
    }
    return true;
}

static bool record_list_next_bare(RecordList *list, const char **ret_begin, const char **ret_end) {
    const char *stop;

    if (list->next >= list->end)
        return false;
    stop = record_list_find_any(list->next, list->end, "\n;|") ?: list->end;
    *ret_begin = list->next;
    *ret_end = stop;
    list->next = stop < list->end ? stop + 1 : stop;
    if (list->next < list->end)
        record_list_note_separator(list, stop, MIN(stop + 2, list->end));
    return true;
}

bool record_list_next(RecordList *list, const char **ret, size_t *ret_len) {
    const char *begin, *end;

    while (list->brackets ? record_list_next_bracketed(list, &begin, &end)
                          : record_list_next_bare(list, &begin, &end)) {
        while (begin < end && is_space(*begin))
            begin++;
        while (end > begin && is_space(end[-1]))
            end--;
        if (begin == end)
            continue;
        *ret = begin;
        *ret_len = end - begin;
        return true;
    }
    return false;
}

void record_list_learn(const RecordList *list, RecordSyntax *syntax) {
    const char *separator = list->separator;
    bool adjacent = list->adjacent && !separator[0];

    // A single record shows no separator. Assume ';' for writers that use no spaces, ", " for
    // others. A newline separates records of a registration, but an answer is one line.
    if (!adjacent && (!separator[0] || separator[0] == '\n'))
        separator = syntax->spaced && list->brackets ? ", " : ";";
    syntax->brackets = list->brackets;
    syntax->one_pair = list->brackets && (list->one_pair || separator[0] == ';');
    snprintf(syntax->list_separator, sizeof(syntax->list_separator), "%s", separator);
}
