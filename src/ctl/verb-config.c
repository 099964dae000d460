// SPDX-License-Identifier: MIT

// config check: every installed daemon reads a file and reports its errors. config reload: a
// running daemon reads its configuration again.

#include <fcntl.h>
#include <glob.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#include "bus/names.h"
#include "ctl/bus-call.h"
#include "ctl/connection.h"
#include "ctl/failure.h"
#include "ctl/output.h"
#include "ctl/program.h"
#include "ctl/properties.h"
#include "ctl/verbs.h"
#include "util/macro.h"

enum {
    SAID_BYTES_MAX = 64 * 1024, // read from a daemon about one file
};

// The messages about a file, each once, since both daemons read all of it.
typedef struct ConfigFindings {
    json_t *messages;
    bool wrong;
    unsigned programs; // how many have read it
} ConfigFindings;

static bool verb_config_has_message(const ConfigFindings *findings, const char *line) {
    const json_t *message;
    size_t i;

    json_array_foreach(findings->messages, i, message) {
        if (strcmp(json_string_value(message), line) == 0)
            return true;
    }
    return false;
}

// "p2p-ft: FILE:3: …": the name of the daemon does not matter.
static void verb_config_take_lines(ConfigFindings *findings, const char *program, FILE *said) {
    char line[4096];
    size_t len = strlen(program), bytes = 0;

    while (fgets(line, sizeof(line), said)) {
        const char *text = line;

        line[strcspn(line, "\n")] = '\0';
        bytes += strlen(line);
        if (strncmp(text, program, len) == 0 && strncmp(text + len, ": ", 2) == 0)
            text += len + 2;
        if (bytes <= SAID_BYTES_MAX && !verb_config_has_message(findings, text))
            json_array_append_new(findings->messages, json_string(text) ?: json_string("?"));
    }
}

// Whether that user may not read the file. The caller is root, who may read everything.
static bool verb_config_is_closed_to(const struct passwd *user, const char *path) {
    int status;
    pid_t pid = fork();

    if (pid == 0) {
        int fd = -EBADF;

        if (initgroups(user->pw_name, user->pw_gid) < 0 || setgid(user->pw_gid) < 0 ||
            setuid(user->pw_uid) < 0)
            _exit(0); // unknown
        fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
        _exit(fd < 0 && errno == EACCES);
    }
    return pid > 0 && waitpid(pid, &status, 0) == pid && WIFEXITED(status) &&
           WEXITSTATUS(status) != 0;
}

static void verb_config_check_readable(const struct passwd *user, const char *path,
                                       const char *mode, ConfigFindings *findings) {
    _cleanup_free_ char *text = NULL;

    if (!verb_config_is_closed_to(user, path))
        return;
    findings->wrong = true;
    if (asprintf(&text, "%s: the user %s may not read it: chmod %s %s", path, user->pw_name, mode,
                 path) < 0)
        text = NULL;
    json_array_append_new(findings->messages, json_string(text ?: path) ?: json_string("?"));
}

// Checks whether the user of that service may read its files.
static void verb_config_check_access(const char *program, ConfigFindings *findings) {
    const struct passwd *user = getpwnam(program);
    glob_t files = {};

    if (!user)
        return;
    verb_config_check_readable(user, CONFIG_PATH, "644", findings);
    verb_config_check_readable(user, CONFIG_PATH ".d", "755", findings);
    if (glob(CONFIG_PATH ".d/*.ini", 0, NULL, &files) == 0)
        for (size_t i = 0; i < files.gl_pathc; i++)
            verb_config_check_readable(user, files.gl_pathv[i], "644", findings);
    globfree(&files);
}

static ExitStatus verb_config_check_with(const Ctl *ctl, const char *program, const char *file,
                                         ConfigFindings *findings) {
    _cleanup_free_ char *path = program_path(program, program); // or the one in PATH
    char *argv[6] = {(char *)program, (char *)"--check-config"};
    int fd = -EBADF, r, status, n = 2;
    FILE *said;
    pid_t pid;

    if (ctl->user)
        argv[n++] = (char *)"--user";
    if (file) {
        argv[n++] = (char *)"--config";
        argv[n++] = (char *)file;
    }
    r = path ? program_start(path, argv, true, &pid, &fd) : -ENOMEM;
    if (r == -ENOENT)
        return STATUS_DONE;
    if (r < 0)
        return fail_errno(r, "cannot run %s", program);
    said = fdopen(fd, "r");
    if (said) {
        verb_config_take_lines(findings, program, said);
        fclose(said);
    } else
        close_fd(fd);
    if (waitpid(pid, &status, 0) < 0)
        return fail_errno(errno, "cannot wait for %s", program);
    findings->programs++;
    if (!WIFEXITED(status) || WEXITSTATUS(status) > EXIT_FAILURE) {
        ctl_error("%s does not know --check-config. Is it of another version?", program);
        return STATUS_FAILED;
    }
    findings->wrong |= WEXITSTATUS(status) != 0;
    if (geteuid() == 0 && !ctl->user && (!file || strcmp(file, CONFIG_PATH) == 0))
        verb_config_check_access(program, findings);
    return STATUS_DONE;
}

// Notes come last, since they are not errors.
static void verb_config_print_messages(const json_t *messages, bool notes) {
    const json_t *message;
    size_t i;

    json_array_foreach(messages, i, message) {
        const char *text = json_string_value(message);

        if ((strncmp(text, "note: ", strlen("note: ")) == 0) != notes)
            continue;
        if (notes)
            ctl_hint("%s", text);
        else
            ctl_error("%s", text);
    }
}

// Counts the lines that the daemons say they have ignored.
static size_t verb_config_count_ignored(const json_t *messages) {
    static const char word[] = "ignored";
    const json_t *message;
    size_t i, n = 0;

    json_array_foreach(messages, i, message) {
        size_t len = json_string_length(message);

        n += len > strlen(word) &&
             strcmp(json_string_value(message) + len - strlen(word), word) == 0;
    }
    return n;
}

static ExitStatus verb_config_print_findings(const Ctl *ctl, ConfigFindings *findings,
                                             const char *file) {
    size_t ignored = verb_config_count_ignored(findings->messages);
    json_t *document;

    if (ctl->json) {
        document = document_new();
        json_object_set_new(document, "file", json_text(file));
        json_object_set_new(document, "valid", json_boolean(!findings->wrong));
        json_object_set_new(document, "ignored", json_integer((json_int_t)ignored));
        json_object_set(document, "messages", findings->messages);
        if (document_print(ctl, document) != STATUS_DONE)
            return STATUS_FAILED;
        return findings->wrong ? STATUS_FAILED : STATUS_DONE;
    }
    verb_config_print_messages(findings->messages, false);
    verb_config_print_messages(findings->messages, true);
    if (findings->wrong)
        return STATUS_FAILED;
    print_escaped(stdout, "%s is valid", file ?: "The configuration");
    if (ignored > 0)
        printf("; %zu line%s ignored", ignored, ignored == 1 ? " is" : "s are");
    puts(".");
    return STATUS_DONE;
}

static ExitStatus verb_config_check(const Ctl *ctl, const char *file) {
    static const char *const programs[] = {"p2p-peer", "p2p-ft"};
    json_auto_t *messages = json_array();
    ConfigFindings findings = {.messages = messages};

    if (ctl->host)
        return refuse_host(ctl, "config check", file != NULL, (char *const[]){(char *)file});
    for (size_t i = 0; i < ELEMENTSOF(programs); i++) {
        ExitStatus status = verb_config_check_with(ctl, programs[i], file, &findings);

        if (status != STATUS_DONE)
            return status;
    }
    if (findings.programs == 0) {
        ctl_error("neither p2p-peer nor p2p-ft is installed here.");
        return STATUS_UNAVAILABLE;
    }
    return verb_config_print_findings(ctl, &findings, file);
}

// The reason of a failed reload has one error on each line.
static ExitStatus verb_config_reload_failed(Ctl *ctl, const Service *service,
                                            const sd_bus_error *error, int r) {
    if (!sd_bus_error_has_name(error, BUS_ERROR_CONFIGURATION))
        return bus_failed(ctl, service, error, r);
    return fail_lines(error->message);
}

typedef struct ReloadCall {
    sd_bus *bus;
    bool ft;
} ReloadCall;

static int verb_config_make_reload(void *userdata, sd_bus_message **ret) {
    const ReloadCall *call = userdata;
    int r;

    r = sd_bus_message_new_method_call(call->bus, ret, call->ft ? BUS_FT_NAME : BUS_PEER_NAME,
                                       call->ft ? BUS_FT_PATH : BUS_PEER_PATH,
                                       call->ft ? BUS_FT_INTERFACE : BUS_PEER_INTERFACE, "Reload");
    // A daemon that is not running will read its configuration when it starts.
    return r < 0 ? r : sd_bus_message_set_auto_start(*ret, false);
}

// Names the settings that changed, but need a restart.
static void verb_config_hint_restart(const Ctl *ctl, const Service *service, bool ft) {
    char **keys = NULL;

    // An older daemon without this property has written it to its log.
    if (sd_bus_get_property_strv(ctl->bus, service->bus_name, ft ? BUS_FT_PATH : BUS_PEER_PATH,
                                 ft ? BUS_FT_INTERFACE : BUS_PEER_INTERFACE, "RestartNeeded", NULL,
                                 &keys) < 0)
        return;
    for (char **key = keys; key && *key; key++) // NULL: there are none
        ctl_hint("To use the new %s: systemctl %s%s%srestart %s", *key,
                 ctl->user   ? "--user "
                 : ctl->host ? "-H "
                             : "",
                 ctl->host ?: "", ctl->host ? " " : "", service->program);
    strings_free(keys);
}

static ExitStatus verb_config_reload(Ctl *ctl, const char *program) {
    _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
    bool ft = strcmp(program, SERVICE_FT.program) == 0;
    const Service *service = ft ? &SERVICE_FT : &SERVICE_PEER;
    int r;

    if (!ft && strcmp(program, SERVICE_PEER.program) != 0) {
        ctl_error("config reload takes p2p-peer or p2p-ft, not \"%s\".", program);
        ctl_hint("Try: p2pctl help config");
        return STATUS_USAGE;
    }
    if (ctl_connect(ctl) < 0)
        return STATUS_UNAVAILABLE;
    // Walking a large disk takes long; the user can end the wait by Ctrl-C.
    r = ctl_call(ctl, verb_config_make_reload, &(ReloadCall){ctl->bus, ft}, UINT64_MAX, &error,
                 NULL);
    if (r < 0)
        return verb_config_reload_failed(ctl, service, &error, r);
    verb_config_hint_restart(ctl, service, ft);
    return STATUS_DONE;
}

ExitStatus verb_config(Ctl *ctl, int argc, char **argv) {
    const char *argument = argc > 1 ? argv[1] : NULL;

    if (strcmp(argv[0], "check") == 0)
        return verb_config_check(ctl, argument);
    if (strcmp(argv[0], "reload") == 0)
        return verb_config_reload(ctl, argument ?: SERVICE_PEER.program);
    ctl_error("config takes check or reload, not \"%s\".", argv[0]);
    ctl_hint("Try: p2pctl help config");
    return STATUS_USAGE;
}
