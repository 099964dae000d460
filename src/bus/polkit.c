// SPDX-License-Identifier: MIT

#include "bus/polkit.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "bus/bus-util.h"
#include "bus/names.h"
#include "util/log.h"

#define AUTHORITY_NAME      "org.freedesktop.PolicyKit1"
#define AUTHORITY_PATH      "/org/freedesktop/PolicyKit1/Authority"
#define AUTHORITY_INTERFACE "org.freedesktop.PolicyKit1.Authority"

enum {
    ALLOW_USER_INTERACTION = 1, // of CheckAuthorizationFlags
    CANCELLATION_MAX = sizeof("p2pshare-18446744073709551615"),
};

typedef struct PolkitCall {
    Polkit *polkit;
    TAILQ_ENTRY(PolkitCall) link;
    PolkitQuestion question;
    sd_bus_message *call;
    uid_t caller;
    char cancellation[CANCELLATION_MAX]; // polkit's name for this question
    sd_bus_slot *answer, *gone;
} PolkitCall;

struct Polkit {
    sd_bus *bus;
    TAILQ_HEAD(, PolkitCall) pending;
    size_t count;
    uint64_t next; // number of the next cancellation id
    LogLimit log;
};

int polkit_new(sd_bus *bus, Polkit **ret) {
    Polkit *polkit = calloc(1, sizeof(*polkit));

    if (!polkit)
        return -ENOMEM;
    polkit->bus = sd_bus_ref(bus);
    TAILQ_INIT(&polkit->pending);
    *ret = polkit;
    return 0;
}

static PolkitCall *polkit_call_free(PolkitCall *pending) {
    TAILQ_REMOVE(&pending->polkit->pending, pending, link);
    pending->polkit->count--;
    sd_bus_slot_unref(pending->answer);
    sd_bus_slot_unref(pending->gone);
    sd_bus_message_unref(pending->call);
    free(pending);
    return NULL;
}
DEFINE_CLEANUP_FUNC(PolkitCall, polkit_call_free)

Polkit *polkit_free(Polkit *polkit) {
    if (!polkit)
        return NULL;
    while (!TAILQ_EMPTY(&polkit->pending))
        polkit_call_free(TAILQ_FIRST(&polkit->pending));
    sd_bus_unref(polkit->bus);
    free(polkit);
    return NULL;
}

typedef enum PolkitVerdict {
    VERDICT_ALLOWED,
    VERDICT_DENIED,
    VERDICT_PASSWORD,  // needs a password, but the caller has not allowed to ask for it
    VERDICT_NO_POLKIT, // polkit is missing or broken
} PolkitVerdict;

static int polkit_deny(PolkitVerdict verdict, const char *action, sd_bus_error *error) {
    if (verdict == VERDICT_PASSWORD)
        return sd_bus_error_setf(error, SD_BUS_ERROR_INTERACTIVE_AUTHORIZATION_REQUIRED,
                                 "This needs a password (%s)", action);
    if (verdict == VERDICT_NO_POLKIT)
        return sd_bus_error_set(error, SD_BUS_ERROR_ACCESS_DENIED,
                                "polkit does not answer, and without it only root and the "
                                "daemon's own user may do this");
    return sd_bus_error_setf(error, SD_BUS_ERROR_ACCESS_DENIED,
                             "only root, the daemon's own user and users that polkit allows %s may",
                             action);
}

static bool polkit_is_absent(const sd_bus_error *error) {
    return sd_bus_error_has_names(
               error, SD_BUS_ERROR_SERVICE_UNKNOWN, SD_BUS_ERROR_NAME_HAS_NO_OWNER,
               "org.freedesktop.systemd1.NoSuchUnit", "org.freedesktop.systemd1.UnitMasked") ||
           strncmp(error->name, "org.freedesktop.DBus.Error.Spawn.", 33) == 0;
}

static PolkitVerdict polkit_read_verdict(Polkit *polkit, sd_bus_message *answer) {
    const sd_bus_error *error = sd_bus_message_get_error(answer);
    int authorized, challenge, r;

    if (error) {
        // A system without polkit is not broken.
        if (!polkit_is_absent(error))
            log_limited(&polkit->log, LOG_WARNING, &(LogFields){}, "Cannot ask polkit: %s",
                        error->message ?: error->name);
        return VERDICT_NO_POLKIT;
    }
    r = sd_bus_message_enter_container(answer, 'r', "bba{ss}");
    if (r >= 0)
        r = sd_bus_message_read(answer, "bb", &authorized, &challenge);
    if (r < 0) {
        log_limited(&polkit->log, LOG_WARNING, &(LogFields){},
                    "Cannot read an answer of polkit: %s", strerror(-r));
        return VERDICT_NO_POLKIT;
    }
    return authorized ? VERDICT_ALLOWED : challenge ? VERDICT_PASSWORD : VERDICT_DENIED;
}

static int polkit_on_answer(sd_bus_message *answer, void *userdata,
                            sd_bus_error *ret_error _unused_) {
    PolkitCall *pending = userdata;
    const PolkitQuestion question = pending->question;
    _cleanup_(sd_bus_message_unrefp) sd_bus_message *call = sd_bus_message_ref(pending->call);
    _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
    PolkitVerdict verdict = polkit_read_verdict(pending->polkit, answer);
    uid_t caller = pending->caller;
    int r;

    polkit_call_free(pending);
    r = verdict == VERDICT_ALLOWED ? question.allowed(call, caller, question.userdata, &error)
                                   : polkit_deny(verdict, question.action, &error);
    if (sd_bus_error_is_set(&error))
        (void)sd_bus_reply_method_error(call, &error);
    else if (r < 0)
        (void)sd_bus_reply_method_errno(call, r, NULL);
    return 0;
}

// The caller has left the bus. Ask polkit to close its password dialog, if there is one.
static int polkit_on_gone(sd_bus_message *signal, void *userdata,
                          sd_bus_error *ret_error _unused_) {
    const char *sender = sd_bus_message_get_sender(signal);
    _cleanup_(polkit_call_freep) PolkitCall *pending = NULL;

    // Anybody may send us a signal of this name, but only the bus can send it under its own name.
    if (!sender || strcmp(sender, "org.freedesktop.DBus") != 0)
        return 0;
    pending = userdata;
    (void)sd_bus_call_method_async(pending->polkit->bus, NULL, AUTHORITY_NAME, AUTHORITY_PATH,
                                   AUTHORITY_INTERFACE, "CancelCheckAuthorization", NULL, NULL, "s",
                                   pending->cancellation);
    return 0;
}

// If the match cannot be installed, only an answer ends the question.
static int polkit_on_match_installed(sd_bus_message *reply _unused_, void *userdata _unused_,
                                     sd_bus_error *ret_error _unused_) {
    return 0;
}

static int polkit_watch_caller(PolkitCall *pending, const char *name) {
    char match[256];

    snprintf(match, sizeof(match),
             "type='signal',sender='org.freedesktop.DBus',interface='org.freedesktop.DBus',"
             "member='NameOwnerChanged',arg0='%s'",
             name);
    return sd_bus_add_match_async(pending->polkit->bus, &pending->gone, match, polkit_on_gone,
                                  polkit_on_match_installed, pending);
}

static int polkit_send_question(PolkitCall *pending, const char *name) {
    bool interactive = sd_bus_message_get_allow_interactive_authorization(pending->call) > 0;
    _cleanup_(sd_bus_message_unrefp) sd_bus_message *message = NULL;
    sd_bus *bus = pending->polkit->bus;
    int r;

    r = sd_bus_message_new_method_call(bus, &message, AUTHORITY_NAME, AUTHORITY_PATH,
                                       AUTHORITY_INTERFACE, "CheckAuthorization");
    if (r >= 0)
        r = sd_bus_message_append(message, "(sa{sv})sa{ss}us", "system-bus-name", 1, "name", "s",
                                  name, pending->question.action, 0,
                                  interactive ? (uint32_t)ALLOW_USER_INTERACTION : 0U,
                                  pending->cancellation);
    // A user may take any time to enter a password.
    return r < 0 ? r
                 : sd_bus_call_async(bus, &pending->answer, message, polkit_on_answer, pending,
                                     interactive ? UINT64_MAX : 0);
}

static size_t polkit_count_of_user(const Polkit *polkit, uid_t uid) {
    const PolkitCall *pending;
    size_t n = 0;

    TAILQ_FOREACH (pending, &polkit->pending, link)
        n += pending->caller == uid;
    return n;
}

static int polkit_ask_daemon(Polkit *polkit, sd_bus_message *call, uid_t caller,
                             const PolkitQuestion *question, sd_bus_error *error) {
    _cleanup_(polkit_call_freep) PolkitCall *pending = NULL;
    const char *name = sd_bus_message_get_sender(call);
    int r;

    if (polkit->count >= POLKIT_QUESTIONS_MAX ||
        polkit_count_of_user(polkit, caller) >= POLKIT_QUESTIONS_OF_USER)
        return sd_bus_error_set(error, BUS_ERROR_TOO_MANY, "Too many calls are waiting for polkit");
    pending = calloc(1, sizeof(*pending));
    if (!pending)
        return -ENOMEM;
    pending->polkit = polkit;
    TAILQ_INSERT_TAIL(&polkit->pending, pending, link);
    polkit->count++;
    pending->question = *question;
    pending->call = sd_bus_message_ref(call);
    pending->caller = caller;
    snprintf(pending->cancellation, sizeof(pending->cancellation), "p2pshare-%" PRIu64,
             polkit->next++);
    r = polkit_watch_caller(pending, name);
    if (r >= 0)
        r = polkit_send_question(pending, name);
    if (r < 0)
        return r;
    TAKE_PTR(pending);
    return 1; // answered later
}

int polkit_ask(Polkit *polkit, sd_bus_message *call, const PolkitQuestion *question,
               sd_bus_error *error) {
    const char *scope = "";
    uid_t caller;
    int r;

    r = bus_sender_uid(call, &caller);
    if (r < 0)
        return r;
    if (caller == 0 || caller == geteuid() ||
        (question->owner != POLKIT_NOBODY && caller == question->owner))
        return question->allowed(call, caller, question->userdata, error);
    // polkit is on the system bus and only knows names there.
    if ((sd_bus_get_scope(polkit->bus, &scope) >= 0 && strcmp(scope, "user") == 0) ||
        !sd_bus_message_get_sender(call))
        return sd_bus_error_set(error, SD_BUS_ERROR_ACCESS_DENIED,
                                "only root and the daemon's own user may");
    return polkit_ask_daemon(polkit, call, caller, question, error);
}

int polkit_ask_method(Polkit *polkit, sd_bus_message *call, const PolkitMethod methods[],
                      uid_t owner, void *userdata, sd_bus_error *error) {
    const char *member = sd_bus_message_get_member(call);

    for (const PolkitMethod *method = methods; method->member; method++)
        if (strcmp(member, method->member) == 0)
            return polkit_ask(polkit, call,
                              &(PolkitQuestion){
                                  .action = method->action,
                                  .owner = owner,
                                  .allowed = method->allowed,
                                  .userdata = userdata,
                              },
                              error);
    return -EOPNOTSUPP;
}
