// SPDX-License-Identifier: MIT

#include "share/sandbox-unit.h"

#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#include "share/write-file.h"
#include "util/fs-util.h"
#include "util/macro.h"

#define SYSTEMD "org.freedesktop.systemd1"
// The result of sd_bus_path_encode() for PEER_UNIT.
#define UNIT_PATH "/org/freedesktop/systemd1/unit/p2p_2dpeer_2eservice"
#define DIRECTORY "/etc/systemd/system/" PEER_UNIT ".d"

struct Hiding {
    const char *name;
    bool is_word; // the property is a string, not a boolean
    const char *setting;
    const char *directories[3];
};

static const Hiding hidings[] = {
    // ProtectSystem=strict makes these directories read-only for the service, so `no` does not let
    // it write.
    {"PrivateTmp", false, "PrivateTmp=no", {"/tmp", "/var/tmp"}},
    {"ProtectHome", true, "ProtectHome=read-only", {"/home", "/root"}},
};

static const Hiding *sandbox_unit_find_hiding(const char *path) {
    for (size_t i = 0; i < ELEMENTSOF(hidings); i++)
        for (const char *const *directory = hidings[i].directories; *directory; directory++)
            if (path_is_below(path, *directory))
                return &hidings[i];
    return NULL;
}

static bool sandbox_unit_is_in_force(sd_bus *bus, const Hiding *hiding) {
    _cleanup_free_ char *text = NULL;
    int yes = 0;

    if (hiding->is_word)
        return sd_bus_get_property_string(bus, SYSTEMD, UNIT_PATH, SYSTEMD ".Service", hiding->name,
                                          NULL, &text) >= 0 &&
               (strcmp(text, "yes") == 0 || strcmp(text, "tmpfs") == 0);
    return sd_bus_get_property_trivial(bus, SYSTEMD, UNIT_PATH, SYSTEMD ".Service", hiding->name,
                                       NULL, 'b', &yes) >= 0 &&
           yes;
}

const Hiding *sandbox_unit_hides(sd_bus *bus, const char *path) {
    const Hiding *hiding = sandbox_unit_find_hiding(path);

    return hiding && sandbox_unit_is_in_force(bus, hiding) ? hiding : NULL;
}

const char *hiding_name(const Hiding *hiding) {
    return hiding->name;
}

const char *hiding_setting(const Hiding *hiding) {
    return hiding->setting;
}

bool sandbox_unit_alike(const char *path, const char *other) {
    const Hiding *hiding = sandbox_unit_find_hiding(path);

    return hiding && hiding == sandbox_unit_find_hiding(other);
}

static int sandbox_unit_file_name(const char *name, char **ret) {
    if (asprintf(ret, DIRECTORY "/share-%s.conf", name) < 0) {
        *ret = NULL;
        return -ENOMEM;
    }
    return 0;
}

int sandbox_unit_show(const char *name, const char *path) {
    const Hiding *hiding = sandbox_unit_find_hiding(path);
    _cleanup_free_ char *file_path = NULL, *text = NULL;
    int r = hiding ? sandbox_unit_file_name(name, &file_path) : -ENOENT;

    if (r < 0)
        return r;
    if (asprintf(
            &text,
            "# Written by \"p2pctl share add --fix\", and removed by \"p2pctl share remove\".\n"
            "[Service]\n%s\n",
            hiding->setting) < 0) {
        text = NULL;
        return -ENOMEM;
    }
    return write_file(file_path, text);
}

int sandbox_unit_unshow(const char *name) {
    _cleanup_free_ char *file_path = NULL;
    int r = sandbox_unit_file_name(name, &file_path);

    if (r < 0)
        return r;
    if (unlink(file_path) < 0 && errno != ENOENT)
        return -errno;
    (void)rmdir(DIRECTORY); // fails if other drop-ins are there
    return 0;
}

static int sandbox_unit_systemctl(const char *verb, const char *unit) {
    char *argv[] = {(char *)"systemctl", (char *)verb, (char *)unit, NULL};
    int status, r;
    pid_t pid;

    r = posix_spawnp(&pid, argv[0], NULL, NULL, argv, environ);
    if (r != 0)
        return -r;
    while (waitpid(pid, &status, 0) < 0)
        if (errno != EINTR)
            return -errno;
    return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : -EIO;
}

int sandbox_unit_apply(void) {
    int r = sandbox_unit_systemctl("daemon-reload", NULL);

    return r < 0 ? r : sandbox_unit_systemctl("try-restart", PEER_UNIT);
}
