// SPDX-License-Identifier: MIT

#include "share/entry.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "share/write-file.h"
#include "util/macro.h"
#include "util/text.h"
#include "util/user-dirs.h"

#define PREFIX "share-"
#define SUFFIX ".ini"

enum {
    NAME_BYTES_MAX = 80, // of a file name, without prefix and suffix
    NAMES_ALIKE_MAX = 1000,
    VALUE_BYTES_MAX = 180, // a line of a configuration file may have 198
};

// The content of one file.
typedef struct FileContent {
    StringList paths, excludes, passes;
    bool tree, shown;
} FileContent;

// The versions of clang-format disagree about a macro that is an initializer.
// clang-format off
#define KEY(section, name, parser, field) \
    {section, name, parser, offsetof(FileContent, field), 0, 0, "another value"}
// clang-format on

static const ConfigKey keys[] = {
    KEY("share", "path", config_parse_list, paths),
    KEY("share", "exclude", config_parse_list, excludes),
    KEY("share-access", "pass", config_parse_list, passes),
    KEY("share-access", "tree", config_parse_bool, tree),
    KEY("share-access", "shown", config_parse_bool, shown),
};
static const char *const other_sections[] = {"ft", "peer", NULL};

static bool entry_is_ours(const char *file) {
    const char *slash = strrchr(file, '/');

    return slash && strncmp(slash + 1, PREFIX, strlen(PREFIX)) == 0;
}

static int entry_list_add(EntryList *list, const char *file, const char *path) {
    Entry *grown = reallocarray(list->entries, list->n + 1, sizeof(*grown));
    size_t len = strlen(path);

    if (!grown)
        return -ENOMEM;
    list->entries = grown;
    while (len > 1 && path[len - 1] == '/')
        len--;
    grown[list->n] = (Entry){.path = strndup(path, len), .file = strdup(file)};
    if (!grown[list->n].path || !grown[list->n].file) {
        entry_clear(&grown[list->n]);
        return -ENOMEM;
    }
    list->n++;
    return 0;
}

static void entry_content_clear(FileContent *content) {
    string_list_clear(&content->paths);
    string_list_clear(&content->excludes);
    string_list_clear(&content->passes);
}

static int entry_load_file(EntryList *list, const char *file, bool ours) {
    _cleanup_(entry_content_clear) FileContent content = {};
    Entry *entry;
    int r;

    r = config_load(file, keys, ELEMENTSOF(keys), other_sections, &content);
    // The error has been logged, and the other files count.
    if (r < 0 && r != -EINVAL && r != -ENOENT)
        return r;
    for (size_t i = 0; i < content.paths.count; i++) {
        r = entry_list_add(list, file, content.paths.items[i]);
        if (r < 0)
            return r;
    }
    if (!ours || content.paths.count != 1)
        return 0;

    entry = &list->entries[list->n - 1];
    entry->ours = true;
    entry->passes = content.passes;
    content.passes = (StringList){};
    entry->tree = content.tree;
    entry->shown = content.shown;
    return 0;
}

// As p2p-peer does it: shares named in other files come in addition.
static int entry_add_default(EntryList *list, const char *config_path) {
    _cleanup_free_ char *path = NULL;
    int r = user_dir("PUBLICSHARE", "Public", &path);

    if (r < 0 || !path || access(path, F_OK) < 0)
        return r;
    r = entry_list_add(list, config_path, path);
    if (r >= 0)
        list->entries[list->n - 1].by_default = true;
    return r;
}

int entry_list_load(const char *config_path, bool user, EntryList *ret) {
    _cleanup_(entry_list_clear) EntryList list = {};
    _cleanup_(string_list_clear) StringList files = {};
    int r;

    *ret = (EntryList){};
    r = entry_load_file(&list, config_path, false);
    if (r >= 0 && user && list.n == 0)
        r = entry_add_default(&list, config_path);
    if (r >= 0)
        r = config_drop_ins(config_path, &files);
    if (r < 0)
        return r;
    for (size_t i = 0; i < files.count; i++) {
        r = entry_load_file(&list, files.items[i], entry_is_ours(files.items[i]));
        if (r < 0)
            return r;
    }
    *ret = list;
    list = (EntryList){};
    return 0;
}

void entry_clear(Entry *entry) {
    free(entry->path);
    free(entry->file);
    string_list_clear(&entry->passes);
    *entry = (Entry){};
}

void entry_list_clear(EntryList *list) {
    for (size_t i = 0; i < list->n; i++)
        entry_clear(&list->entries[i]);
    free(list->entries);
    *list = (EntryList){};
}

Entry *entry_list_find(const EntryList *list, const char *path) {
    Entry *found = NULL;

    for (size_t i = 0; i < list->n; i++)
        if (strcmp(list->entries[i].path, path) == 0 && (!found || list->entries[i].ours))
            found = &list->entries[i];
    return found;
}

// Also checks the directories above it, since `pass` may name them.
static bool entry_part_ends_in_space(const char *path) {
    for (const char *p = path; *p; p++)
        if (isspace((unsigned char)*p) && (p[1] == '/' || p[1] == '\0'))
            return true;
    return false;
}

const char *entry_path_problem(const char *path) {
    size_t len = strlen(path);

    return len > VALUE_BYTES_MAX         ? "it is longer than 180 bytes"
           : !text_is_utf8(path, len)    ? "it is not UTF-8"
           : text_has_control(path, len) ? "it has control characters"
           : strstr(path, " ;")          ? "\" ;\" would begin a comment"
           : entry_part_ends_in_space(path)
               ? "a name in it ends in white space, which would be dropped"
               : NULL;
}

// "/srv/images" → "srv-images". The name is for people; the path stands in the file.
static void entry_make_name(const char *path, char name[static NAME_BYTES_MAX + 1]) {
    size_t len = 0;

    for (const char *p = path + strspn(path, "/"); *p && len < NAME_BYTES_MAX; p++)
        name[len++] = isalnum((unsigned char)*p) || strchr("._", *p) ? *p : '-';
    name[len] = '\0';
}

static bool entry_file_is_taken(const EntryList *list, const char *file) {
    for (size_t i = 0; i < list->n; i++)
        if (strcmp(list->entries[i].file, file) == 0)
            return true;
    return access(file, F_OK) == 0;
}

int entry_new(const EntryList *list, const char *config_path, const char *path, Entry *ret) {
    char name[NAME_BYTES_MAX + 1], number[16] = "";
    _cleanup_(entry_clear) Entry entry = {.ours = true};

    if (entry_path_problem(path))
        return -EINVAL;
    entry_make_name(path, name);
    for (unsigned i = 2; i < NAMES_ALIKE_MAX; i++) {
        free(entry.file);
        if (asprintf(&entry.file, "%s.d/" PREFIX "%s%s" SUFFIX, config_path, name, number) < 0) {
            entry.file = NULL;
            return -ENOMEM;
        }
        if (!entry_file_is_taken(list, entry.file))
            break;
        snprintf(number, sizeof(number), "-%u", i);
    }
    entry.path = strdup(path);
    if (!entry.path)
        return -ENOMEM;
    *ret = entry;
    entry = (Entry){};
    return 0;
}

char *entry_name(const Entry *entry) {
    const char *name = strrchr(entry->file, '/') + 1 + strlen(PREFIX);

    return strndup(name, strlen(name) - strlen(SUFFIX));
}

static void entry_print_entry(FILE *file, const Entry *entry) {
    fprintf(file,
            "# Written by \"p2pctl share add\", and removed by \"p2pctl share remove\".\n"
            "[share]\npath = %s\n",
            entry->path);
    if (entry->passes.count > 0 || entry->tree || entry->shown)
        fputs("\n# What --fix has changed for it. \"p2pctl share remove\" undoes "
              "that.\n[share-access]\n",
              file);
    for (size_t i = 0; i < entry->passes.count; i++)
        fprintf(file, "pass = %s\n", entry->passes.items[i]);
    if (entry->tree)
        fputs("tree = yes\n", file);
    if (entry->shown)
        fputs("shown = yes\n", file);
}

int entry_write(const Entry *entry) {
    _cleanup_free_ char *text = NULL;
    size_t len;
    FILE *file = open_memstream(&text, &len);

    if (!file)
        return -errno;
    entry_print_entry(file, entry);
    return fclose(file) != 0 ? -errno : write_file(entry->file, text);
}

int entry_remove(const Entry *entry) {
    return unlink(entry->file) < 0 ? -errno : 0;
}
