// SPDX-License-Identifier: MIT

#include "ctl/suggestion.h"

#include <string.h>

#include "ctl/find-call.h"
#include "ctl/output.h"
#include "ctl/peer-info.h"
#include "util/macro.h"

enum {
    SUGGESTED = 3,  // names
    LOOKED_AT = 12, // files; several may have the same name
};

// Prints each name once, even if several files have it.
static void suggestion_print_names(const FileList *files) {
    char *names[SUGGESTED] = {};
    size_t n = 0;

    for (size_t i = 0; i < files->n && n < SUGGESTED; i++) {
        char *name = found_file_name(files->files[i].first);
        bool known = !name;

        for (size_t k = 0; k < n && !known; k++)
            known = strcmp(names[k], name) == 0;
        if (known) {
            free(name);
            continue;
        }
        ctl_hint("%s %s", n == 0 ? "Similar:" : "        ", name);
        names[n++] = name;
    }
    for (size_t i = 0; i < n; i++)
        free(names[i]);
}

// Prints the files that have all words of the text. False: there are none.
static bool suggestion_print_for(const Ctl *ctl, const char *text) {
    _cleanup_(sd_bus_error_free) sd_bus_error ignored = SD_BUS_ERROR_NULL;
    _cleanup_(find_result_clear) FindResult result = {};
    const SearchRequest options = {.limit = LOOKED_AT};
    _cleanup_free_ char *word = shell_word(text);
    char *words[] = {(char *)text};

    if (!word || find_call_run(ctl->bus, words, 1, &options, &result, &ignored) < 0 ||
        result.files.n == 0)
        return false;
    suggestion_print_names(&result.files);
    ctl_hint("Try: p2pctl search %s", word);
    return true;
}

static bool suggestion_print(const Ctl *ctl, const char *name) {
    const char *dot = strrchr(name, '.');
    _cleanup_free_ char *stem = strndup(name, dot && dot > name ? dot - name : strlen(name));
    _cleanup_free_ char *longest = NULL;
    size_t begin = 0, len = 0;

    if (!stem)
        return false;
    if (suggestion_print_for(ctl, name) ||
        (strcmp(stem, name) != 0 && suggestion_print_for(ctl, stem)))
        return true;
    for (size_t i = 0, n; stem[i]; i += n + (stem[i + n] != '\0')) {
        n = strcspn(stem + i, " -_.,()[]");
        if (n > len) {
            begin = i;
            len = n;
        }
    }
    // A shorter word is in too many names.
    longest = len >= 3 && len < strlen(stem) ? strndup(stem + begin, len) : NULL;
    return longest && suggestion_print_for(ctl, longest);
}

ExitStatus nobody_shares(Ctl *ctl, const char *name) {
    _cleanup_(sd_bus_error_free) sd_bus_error ignored = SD_BUS_ERROR_NULL;
    _cleanup_(peer_info_clear) PeerInfo peer = {};
    _cleanup_free_ char *shorter = NULL, *word = NULL;
    const char *dot = strrchr(name, '.');

    if (peer_info_get(ctl->bus, &peer, &ignored) >= 0 && *peer.file_tracker)
        ctl_error("no peer at the FileTracker %s shares \"%s\".", peer.file_tracker, name);
    else
        ctl_error("no peer at the FileTracker shares \"%s\".", name);
    if (suggestion_print(ctl, name))
        return STATUS_NOTHING;
    // FT also finds a file by its name without extension, whatever its extension is.
    if (dot && dot > name && (shorter = strndup(name, dot - name)) && (word = shell_word(shorter)))
        ctl_hint("Try: p2pctl search %s", word);
    return STATUS_NOTHING;
}
