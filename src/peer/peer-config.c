// SPDX-License-Identifier: MIT

#include "peer/peer-config.h"

#include <stdio.h>
#include <string.h>

#include "proto/protocol.h"
#include "util/user-dirs.h"

enum {
    MAX_UPLOADS = 10000,
    MAX_UPLOADS_DEFAULT = 32,
    HASH_THREADS_MAX = 64,
};

static int peer_config_parse_dialect(const ConfigKey *key _unused_, const char *value,
                                     void *field) {
    static const char *const names[] = {
        [DIALECT_AUTO] = "auto",
        [DIALECT_LINE] = "line",
        [DIALECT_RAW] = "raw",
    };

    for (size_t i = 0; i < ELEMENTSOF(names); i++)
        if (strcmp(value, names[i]) == 0) {
            *(Dialect *)field = i;
            return 0;
        }
    return -EINVAL;
}

static int peer_config_parse_ft(const ConfigKey *key, const char *value, void *field) {
    PeerConfig *config = container_of((char **)field, PeerConfig, ft);
    uint16_t port;
    char *host;
    int r;

    r = host_port_split(value, FT_PORT_DEFAULT, &host, &port);
    if (r < 0)
        return r;
    free(config->ft_host);
    config->ft_host = host;
    config->ft_port = port;
    return config_parse_string(key, value, field);
}

static int peer_config_parse_listen(const ConfigKey *key, const char *value, void *field) {
    PeerConfig *config = container_of((Endpoint *)field, PeerConfig, listen);

    config->any_port = false;
    return config_parse_endpoint(key, value, field);
}

// Removes trailing slashes, so that names and messages look the same however the path was written.
// A path that is already in the list, perhaps from another file, is not added again.
static int peer_config_parse_share(const ConfigKey *key, const char *value, void *field) {
    const StringList *paths = field;
    _cleanup_free_ char *copy = NULL;
    size_t len = strlen(value);

    if (*value != '/')
        return -EINVAL;
    while (len > 1 && value[len - 1] == '/')
        len--;
    copy = strndup(value, len);
    if (!copy)
        return -ENOMEM;
    for (size_t i = 0; i < paths->count; i++)
        if (strcmp(paths->items[i], copy) == 0)
            return 0;
    return config_parse_list(key, copy, field);
}

#define RATE "bytes per second, such as 500K or 10M; 0 for no limit"

static const ConfigKey keys[] = {
    {"peer", "ft", peer_config_parse_ft, offsetof(PeerConfig, ft), 0, 0,
     "HOST:PORT of the FileTracker"},
    {"peer", "listen", peer_config_parse_listen, offsetof(PeerConfig, listen), 0, 0,
     "ADDRESS:PORT, such as [::]:5556 or 192.0.2.1:5556"},
    {"peer", "download-dir", config_parse_path, offsetof(PeerConfig, download_dir), 0, 0,
     "an absolute path"},
    {"peer", "dialect", peer_config_parse_dialect, offsetof(PeerConfig, dialect), 0, 0,
     "auto, line or raw"},
    {"peer", "max-uploads", config_parse_number, offsetof(PeerConfig, max_uploads), 1, MAX_UPLOADS,
     "a number from 1 to 10000"},
    {"peer", "upload-rate", config_parse_rate, offsetof(PeerConfig, upload_rate), 0, 0, RATE},
    {"peer", "download-rate", config_parse_rate, offsetof(PeerConfig, download_rate), 0, 0, RATE},
    {"peer", "rate-exempt", config_parse_prefixes, offsetof(PeerConfig, rate_exempt), 0, 0,
     "a network such as 192.168.0.0/16 or fd00::/8"},
    {"peer", "hash-threads", config_parse_number, offsetof(PeerConfig, hash_threads), 0,
     HASH_THREADS_MAX, "a number from 1 to 64, or 0 for all cores"},
    {"peer", "hash-rate", config_parse_rate, offsetof(PeerConfig, hash_rate), 0, 0, RATE},
    {"share", "path", peer_config_parse_share, offsetof(PeerConfig, paths), 0, 0,
     "an absolute path"},
    {"share", "exclude", config_parse_list, offsetof(PeerConfig, excludes), 0, 0, "a pattern"},
};

static const char *const other_sections[] = {"ft", "share-access", NULL};

static int peer_config_default_download_dir(bool user, char **ret) {
    const char *xdg = getenv("XDG_DOWNLOAD_DIR"), *home = getenv("HOME");
    int r;

    *ret = NULL;
    if (!user)
        *ret = strdup(STATE_DIR "/downloads");
    else if (xdg && *xdg == '/')
        *ret = strdup(xdg);
    else {
        r = user_dir("DOWNLOAD", "Downloads", ret);
        if (r < 0)
            return r;
        if (!*ret && asprintf(ret, "%s/Downloads", home ?: "") < 0)
            *ret = NULL;
    }
    return *ret ? 0 : -ENOMEM;
}

// Shares the user's public directory (~/Public): its purpose on a desktop is that others may read
// it.
static int peer_config_share_public_directory(StringList *paths) {
    _cleanup_free_ char *path = NULL;
    int r;

    r = user_dir("PUBLICSHARE", "Public", &path);
    return r < 0 || !path ? r : config_parse_list(NULL, path, paths);
}

// systemd sets $STATE_DIRECTORY from StateDirectory=: one path, or several separated by ':'.
static int peer_config_default_state_dir(bool user, char **ret) {
    const char *directory = getenv("STATE_DIRECTORY"), *xdg = getenv("XDG_STATE_HOME"),
               *home = getenv("HOME");
    int r = 0;

    if (directory && *directory == '/')
        *ret = strndup(directory, strcspn(directory, ":"));
    else if (!user)
        *ret = strdup(STATE_DIR);
    else if (xdg && *xdg == '/')
        r = asprintf(ret, "%s/p2p-peer", xdg);
    else
        r = asprintf(ret, "%s/.local/state/p2p-peer", home ?: "");
    if (r < 0)
        *ret = NULL;
    return *ret ? 0 : -ENOMEM;
}

int peer_config_load(const char *path, bool user, PeerConfig *ret) {
    PeerConfig config = {
        .listen = {.address.family = AF_INET6, .port = PEER_PORT_DEFAULT}, // [::]
        .any_port = user,
        .max_uploads = MAX_UPLOADS_DEFAULT,
        .hash_threads = 1,
    };
    int r;

    r = peer_config_default_download_dir(user, &config.download_dir);
    if (r >= 0)
        r = peer_config_default_state_dir(user, &config.state_dir);
    if (r >= 0)
        r = config_load(path, keys, ELEMENTSOF(keys), other_sections, &config);
    if ((r >= 0 || r == -ENOENT) && user && config.paths.count == 0) {
        int q = peer_config_share_public_directory(&config.paths);

        r = q < 0 ? q : r;
    }
    // Load the drop-ins last, so that the shares that p2pctl adds do not replace ~/Public.
    if (r >= 0 || r == -ENOENT || r == -EINVAL)
        r = config_load_drop_ins(path, keys, ELEMENTSOF(keys), other_sections, &config, r);
    if (r < 0 && r != -ENOENT) {
        peer_config_done(&config);
        return r;
    }
    *ret = config;
    return r;
}

void peer_config_done(PeerConfig *config) {
    free(config->ft);
    free(config->ft_host);
    free(config->download_dir);
    free(config->state_dir);
    string_list_clear(&config->paths);
    string_list_clear(&config->excludes);
    prefix_list_clear(&config->rate_exempt);
    *config = (PeerConfig){};
}
