// SPDX-License-Identifier: MIT

#include "share/sandbox-unit.h"

#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "util/fs-util.h"
#include "util/macro.h"

#define SYSTEMD "org.freedesktop.systemd1"
// As sd_bus_path_encode() makes it of PEER_UNIT.
#define UNIT_PATH "/org/freedesktop/systemd1/unit/p2p_2dpeer_2eservice"
#define DIRECTORY "/etc/systemd/system/" PEER_UNIT ".d"

// Whether that setting of the service is "yes"; some are words, some are switches.
static bool is_set(sd_bus *bus, const char *name, bool word) {
    _cleanup_free_ char *text = NULL;
    int yes = 0;

    if (word)
        return sd_bus_get_property_string(bus, SYSTEMD, UNIT_PATH, SYSTEMD ".Service", name, NULL,
                                          &text) >= 0 &&
               strcmp(text, "yes") == 0;
    return sd_bus_get_property_trivial(bus, SYSTEMD, UNIT_PATH, SYSTEMD ".Service", name, NULL, 'b',
                                       &yes) >= 0 &&
           yes;
}

typedef struct Hiding {
    const char *directory, *setting;
    bool word;
} Hiding;

static const Hiding *find_hiding(sd_bus *bus, const char *path) {
    static const Hiding table[] = {
        {"/tmp", "PrivateTmp", false},      {"/var/tmp", "PrivateTmp", false},
        {"/home", "ProtectHome", true},     {"/root", "ProtectHome", true},
        {"/run/user", "ProtectHome", true},
    };

    for (size_t i = 0; i < ELEMENTSOF(table); i++)
        if (path_is_below(path, table[i].directory) && is_set(bus, table[i].setting, table[i].word))
            return &table[i];
    return NULL;
}

char *sandbox_unit_hides(sd_bus *bus, const char *path) {
    const Hiding *hiding = find_hiding(bus, path);
    char *text;

    return hiding && asprintf(&text, "%s=yes", hiding->setting) >= 0 ? text : NULL;
}

bool sandbox_unit_can_show(const char *path) {
    return !strpbrk(path, ":\"'\\");
}

static int file_name(const char *name, char **ret) {
    if (asprintf(ret, DIRECTORY "/share-%s.conf", name) < 0) {
        *ret = NULL;
        return -ENOMEM;
    }
    return 0;
}

int sandbox_unit_show(sd_bus *bus, const char *name, const char *path) {
    const Hiding *hiding = find_hiding(bus, path);
    _cleanup_free_ char *file_path = NULL;
    FILE *file;
    int r = file_name(name, &file_path);

    if (r >= 0)
        r = make_directories(DIRECTORY, 0755);
    if (r < 0)
        return r;
    file = fopen(file_path, "we");
    if (!file)
        return -errno;
    fputs("# Written by \"p2pctl share add --fix\", and removed by \"p2pctl share remove\".\n"
          "[Service]\n",
          file);
    // Nothing can be shown below what "yes" makes of it; this hides as much.
    if (hiding && hiding->word)
        fprintf(file, "%s=tmpfs\n", hiding->setting);
    fputs("BindReadOnlyPaths=\"-", file);
    for (const char *p = path; *p; p++) // a "%" would be a specifier
        fprintf(file, *p == '%' ? "%%%%" : "%c", *p);
    fputs("\"\n", file);
    r = fchmod(fileno(file), 0644) < 0 ? -errno : 0;
    if (fclose(file) != 0 && r >= 0)
        r = -errno;
    return r;
}

int sandbox_unit_unshow(const char *name) {
    _cleanup_free_ char *file_path = NULL;
    int r = file_name(name, &file_path);

    if (r < 0)
        return r;
    if (unlink(file_path) < 0 && errno != ENOENT)
        return -errno;
    (void) rmdir(DIRECTORY); // unless there is more in it
    return 0;
}

static int systemctl(const char *verb, const char *unit) {
    char *argv[] = {(char *) "systemctl", (char *) verb, (char *) unit, NULL};
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
    int r = systemctl("daemon-reload", NULL);

    return r < 0 ? r : systemctl("try-restart", PEER_UNIT);
}
