// SPDX-License-Identifier: MIT

#include "config/config.h"

#include <dirent.h>
#include <ini.h>
#include <stdio.h>
#include <string.h>

#include "util/array.h"
#include "util/log-id.h"
#include "util/log.h"
#include "util/macro.h"
#include "util/parse-util.h"
#include "util/text.h"

void string_list_clear(StringList *list) {
    for (size_t i = 0; i < list->count; i++)
        free(list->items[i]);
    free(list->items);
    *list = (StringList){};
}

bool prefix_list_contains(const PrefixList *list, const IpAddress *address) {
    for (size_t i = 0; i < list->count; i++)
        if (address_prefix_contains(&list->items[i], address))
            return true;
    return false;
}

int config_parse_number(const ConfigKey *key, const char *value, void *field) {
    return parse_u64_range(value, key->min, key->max, field);
}

int config_parse_bool(const ConfigKey *key _unused_, const char *value, void *field) {
    static const char *const words[] = {"no", "yes", "false", "true", "off", "on", "0", "1"};

    for (size_t i = 0; i < ELEMENTSOF(words); i++)
        if (strcasecmp(value, words[i]) == 0) {
            *(bool *)field = i % 2;
            return 0;
        }
    return -EINVAL;
}

int config_parse_rate(const ConfigKey *key _unused_, const char *value, void *field) {
    uint64_t rate;
    int r;

    r = parse_size(value, &rate);
    if (r < 0)
        return r;
    // No network carries this much in a second, and a file's size could not be larger.
    if (rate > INT64_MAX)
        return -ERANGE;
    *(uint64_t *)field = rate;
    return 0;
}

int config_parse_size(const ConfigKey *key, const char *value, void *field) {
    uint64_t size = 0;
    int r;

    r = config_parse_rate(key, value, &size);
    if (r < 0)
        return r;
    if (size < key->min || size > key->max)
        return -ERANGE;
    *(uint64_t *)field = size;
    return 0;
}

int config_parse_string(const ConfigKey *key _unused_, const char *value, void *field) {
    char **string = field;
    char *copy;

    if (!text_is_utf8(value, strlen(value)))
        return -EINVAL; // D-Bus shows it
    copy = strdup(value);
    if (!copy)
        return -ENOMEM;
    free(*string);
    *string = copy;
    return 0;
}

int config_parse_path(const ConfigKey *key, const char *value, void *field) {
    if (*value != '/')
        return -EINVAL;
    return config_parse_string(key, value, field);
}

int config_parse_list(const ConfigKey *key _unused_, const char *value, void *field) {
    StringList *list = field;
    int r;

    r = ARRAY_RESERVE(list->items, list->room, list->count + 1, 8);
    if (r < 0)
        return r;
    list->items[list->count] = strdup(value);
    if (!list->items[list->count])
        return -ENOMEM;
    list->count++;
    return 0;
}

int config_parse_endpoint(const ConfigKey *key _unused_, const char *value, void *field) {
    Endpoint endpoint;
    int r;

    r = endpoint_parse(value, &endpoint);
    if (r < 0)
        return r;
    if (endpoint.port == 0)
        return -EINVAL;
    *(Endpoint *)field = endpoint;
    return 0;
}

void prefix_list_clear(PrefixList *list) {
    free(list->items);
    *list = (PrefixList){};
}

int config_parse_prefixes(const ConfigKey *key _unused_, const char *value, void *field) {
    PrefixList *list = field;
    AddressPrefix prefix;
    int r;

    r = address_prefix_parse(value, &prefix);
    if (r < 0)
        return r;
    r = ARRAY_RESERVE(list->items, list->room, list->count + 1, 8);
    if (r < 0)
        return r;
    list->items[list->count++] = prefix;
    return 0;
}

int config_default_path(bool user, char **ret) {
    const char *base = user ? getenv("XDG_CONFIG_HOME") : NULL, *home = getenv("HOME");

    if (!user)
        *ret = strdup(CONFIG_PATH);
    else if (base && *base == '/') {
        if (asprintf(ret, "%s/p2pshare.ini", base) < 0)
            return -ENOMEM;
    } else if (asprintf(ret, "%s/.config/p2pshare.ini", home ?: "") < 0)
        return -ENOMEM;
    return *ret ? 0 : -ENOMEM;
}

typedef struct Reader {
    const char *path;
    FILE *file;
    unsigned line;
    const ConfigKey *keys;
    size_t key_count;
    const char *const *other_sections;
    void *target;
    int error; // the first error
} Reader;

static void config_reader_fail(Reader *reader, int error) {
    if (reader->error == 0)
        reader->error = error;
}

static LogFields config_wrong_in(const char *path) {
    return (LogFields){.id = EVENT_CONFIG_WRONG, .file = path};
}

static bool config_section_of_another(const Reader *reader, const char *section) {
    for (const char *const *s = reader->other_sections; s && *s; s++)
        if (strcmp(*s, section) == 0)
            return true;
    return false;
}

static bool config_has_section(const Reader *reader, const char *section) {
    for (size_t i = 0; i < reader->key_count; i++)
        if (strcmp(reader->keys[i].section, section) == 0)
            return true;
    return false;
}

static void config_warn_unknown(const Reader *reader, const char *section, const char *name) {
    _cleanup_free_ char *s = text_escape(section, strlen(section));
    _cleanup_free_ char *n = text_escape(name, strlen(name));

    if (!*section)
        log_warning("%s:%u: \"%s\" is before the first [section]; ignored", reader->path,
                    reader->line, n ?: "");
    else if (!config_has_section(reader, section))
        log_warning("%s:%u: there is no section [%s]; its key \"%s\" is ignored", reader->path,
                    reader->line, s ?: "", n ?: "");
    else
        log_warning("%s:%u: [%s] has no key \"%s\"; ignored", reader->path, reader->line, s ?: "",
                    n ?: "");
}

static void config_say_wrong(const Reader *reader, const ConfigKey *key, const char *value,
                             int error) {
    _cleanup_free_ char *shown = text_escape(value, strlen(value));
    const LogFields wrong = config_wrong_in(reader->path);
    char network[ADDRESS_PREFIX_TEXT_MAX];
    AddressPrefix prefix;

    if (error == -EDOM && address_prefix_parse(value, &prefix) == -EDOM) {
        address_prefix_format(&prefix, network);
        log_event(LOG_ERR, &wrong, "%s:%u: [%s] %s = \"%s\": the bits behind /%u must be zero: %s",
                  reader->path, reader->line, key->section, key->name, shown ?: "", prefix.bits,
                  network);
    } else
        log_event(LOG_ERR, &wrong, "%s:%u: [%s] %s = \"%s\": expected %s", reader->path,
                  reader->line, key->section, key->name, shown ?: "", key->expected);
}

// inih calls this for the line that config_read_line() has just returned.
static int config_on_value(void *userdata, const char *section, const char *name,
                           const char *value) {
    Reader *reader = userdata;

    for (size_t i = 0; i < reader->key_count; i++) {
        const ConfigKey *key = &reader->keys[i];
        int r;

        if (strcmp(key->section, section) != 0 || strcmp(key->name, name) != 0)
            continue;
        r = key->parser(key, value, (char *)reader->target + key->offset);
        if (r < 0) {
            config_say_wrong(reader, key, value, r);
            config_reader_fail(reader, -EINVAL);
        }
        return 1;
    }
    if (!config_section_of_another(reader, section))
        config_warn_unknown(reader, section, name);
    return 1;
}

// Replaces fgets(), because inih would read the rest of a line that exceeds its buffer as a line of
// its own. It also drops leading white space: inih takes an indented line for more of the previous
// value, and no value here has two lines.
static char *config_read_line(char *buffer, int size, void *userdata) {
    Reader *reader = userdata;
    const LogFields wrong = config_wrong_in(reader->path);
    size_t len, blank;
    int c;

    if (!fgets(buffer, size, reader->file))
        return NULL;
    reader->line++;
    len = strlen(buffer);
    if (len > 0 && buffer[len - 1] != '\n' && !feof(reader->file)) {
        log_event(LOG_ERR, &wrong, "%s:%u: the line is longer than %d bytes", reader->path,
                  reader->line, size - 2);
        config_reader_fail(reader, -EINVAL);
        while ((c = getc(reader->file)) != EOF && c != '\n')
            ;
        buffer[0] = '\0';
    }
    blank = strspn(buffer, " \t");
    memmove(buffer, buffer + blank, strlen(buffer) - blank + 1);
    return buffer;
}

int config_load(const char *path, const ConfigKey *keys, size_t key_count,
                const char *const *other_sections, void *target) {
    Reader reader = {
        .path = path,
        .keys = keys,
        .key_count = key_count,
        .other_sections = other_sections,
        .target = target,
    };
    const LogFields wrong = config_wrong_in(path);
    int line;

    reader.file = fopen(path, "re");
    if (!reader.file)
        return -errno;
    line = ini_parse_stream(config_read_line, &reader, config_on_value, &reader);
    if (ferror(reader.file))
        config_reader_fail(&reader, -EIO);
    fclose(reader.file);
    if (line > 0) {
        log_event(LOG_ERR, &wrong, "%s:%d: this is not a [section], a key = value, or a comment",
                  path, line);
        config_reader_fail(&reader, -EINVAL);
    } else if (line < 0)
        config_reader_fail(&reader, -ENOMEM);
    return reader.error;
}

static int config_is_drop_in(const struct dirent *entry) {
    size_t len = strlen(entry->d_name);

    return entry->d_name[0] != '.' && len > 4 && strcmp(entry->d_name + len - 4, ".ini") == 0;
}

// Not alphasort(), which depends on the locale.
static int config_compare_names(const struct dirent **a, const struct dirent **b) {
    return strcmp((*a)->d_name, (*b)->d_name);
}

int config_drop_ins(const char *path, StringList *ret) {
    _cleanup_free_ char *directory = NULL;
    struct dirent **entries;
    StringList list = {};
    int n, r = 0;

    if (asprintf(&directory, "%s.d", path) < 0) {
        directory = NULL;
        return -ENOMEM;
    }
    n = scandir(directory, &entries, config_is_drop_in, config_compare_names);
    if (n < 0)
        r = errno == ENOENT ? 0 : -errno;
    if (n > CONFIG_DROP_INS_MAX)
        r = -E2BIG;
    for (int i = 0; i < n; i++) {
        _cleanup_free_ char *file = NULL;

        if (r >= 0 && asprintf(&file, "%s/%s", directory, entries[i]->d_name) < 0) {
            file = NULL;
            r = -ENOMEM;
        }
        if (r >= 0)
            r = config_parse_list(NULL, file, &list);
        free(entries[i]);
    }
    if (n >= 0)
        free(entries);
    if (r < 0)
        string_list_clear(&list);
    *ret = list;
    return r;
}

static void config_log_unreadable(const char *path, int error) {
    const LogFields wrong = config_wrong_in(path);

    log_event(LOG_ERR, &wrong, "Cannot read %s: %s", path, strerror(-error));
}

int config_load_drop_ins(const char *path, const ConfigKey *keys, size_t key_count,
                         const char *const *other_sections, void *target, int r) {
    const LogFields wrong = config_wrong_in(path);
    StringList files;
    int q = config_drop_ins(path, &files);

    if (q < 0) {
        log_event(LOG_ERR, &wrong, "Cannot read %s.d: %s", path, strerror(-q));
        return q == -ENOMEM ? q : -EINVAL; // other errors concern the file itself
    }
    for (size_t i = 0; i < files.count; i++) {
        q = config_load(files.items[i], keys, key_count, other_sections, target);
        if (q < 0 && q != -EINVAL)
            config_log_unreadable(files.items[i], q);
        if (q < 0 && (r == 0 || r == -ENOENT))
            r = q == -ENOMEM ? q : -EINVAL;
    }
    string_list_clear(&files);
    return r;
}
