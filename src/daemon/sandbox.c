// SPDX-License-Identifier: MIT

#include "daemon/sandbox.h"

#include <fcntl.h>
#include <linux/capability.h>
#include <linux/landlock.h>
#include <stdint.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include "util/log.h"
#include "util/macro.h"

// Newer than the headers of Debian 12; see landlock(7).
#ifndef LANDLOCK_ACCESS_FS_TRUNCATE
#define LANDLOCK_ACCESS_FS_TRUNCATE (1ULL << 14) // ABI 3
#endif
#ifndef LANDLOCK_ACCESS_FS_IOCTL_DEV
#define LANDLOCK_ACCESS_FS_IOCTL_DEV (1ULL << 15) // ABI 5
#endif
#ifndef LANDLOCK_ACCESS_NET_BIND_TCP
#define LANDLOCK_ACCESS_NET_BIND_TCP (1ULL << 0) // ABI 4
#endif
#ifndef LANDLOCK_SCOPE_SIGNAL
#define LANDLOCK_SCOPE_SIGNAL (1ULL << 1) // ABI 6
#endif

// struct landlock_ruleset_attr of ABI 6. An older kernel accepts it if the fields that it does not
// know are 0.
typedef struct Ruleset {
    uint64_t handled_access_fs;
    uint64_t handled_access_net;
    uint64_t scoped;
} Ruleset;

// What writing files in our directories needs.
static const uint64_t OWN_FILES = LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_REMOVE_DIR |
                                  LANDLOCK_ACCESS_FS_REMOVE_FILE | LANDLOCK_ACCESS_FS_MAKE_DIR |
                                  LANDLOCK_ACCESS_FS_MAKE_REG | LANDLOCK_ACCESS_FS_REFER |
                                  LANDLOCK_ACCESS_FS_TRUNCATE;
// What a daemon never does.
static const uint64_t NOTHING_OF_OURS =
    LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_MAKE_CHAR | LANDLOCK_ACCESS_FS_MAKE_SOCK |
    LANDLOCK_ACCESS_FS_MAKE_FIFO | LANDLOCK_ACCESS_FS_MAKE_BLOCK | LANDLOCK_ACCESS_FS_MAKE_SYM |
    LANDLOCK_ACCESS_FS_IOCTL_DEV;

static Ruleset sandbox_ruleset_for(int abi) {
    Ruleset ruleset = {OWN_FILES | NOTHING_OF_OURS, 0, 0};

    if (abi < 2)
        ruleset.handled_access_fs &= ~LANDLOCK_ACCESS_FS_REFER;
    if (abi < 3)
        ruleset.handled_access_fs &= ~LANDLOCK_ACCESS_FS_TRUNCATE;
    if (abi < 5)
        ruleset.handled_access_fs &= ~LANDLOCK_ACCESS_FS_IOCTL_DEV;
    if (abi >= 4)
        ruleset.handled_access_net = LANDLOCK_ACCESS_NET_BIND_TCP;
    if (abi >= 6)
        ruleset.scoped = LANDLOCK_SCOPE_SIGNAL;
    return ruleset;
}

static int sandbox_allow_beneath(int ruleset_fd, const char *path, uint64_t access) {
    _cleanup_close_ int fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
    struct landlock_path_beneath_attr rule = {.allowed_access = access, .parent_fd = fd};

    if (fd < 0) {
        log_debug("%s stays read-only: %s", path, strerror(errno));
        return 0;
    }
    return syscall(SYS_landlock_add_rule, ruleset_fd, LANDLOCK_RULE_PATH_BENEATH, &rule, 0) < 0
               ? -errno
               : 0;
}

static int sandbox_enter_landlock(const char *const writable[], size_t n) {
    int abi = (int)syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
    Ruleset ruleset = sandbox_ruleset_for(abi);
    _cleanup_close_ int fd = -EBADF;

    if (abi < 0) {
        log_debug("No Landlock: %s", strerror(errno));
        return 0;
    }
    fd = (int)syscall(SYS_landlock_create_ruleset, &ruleset, sizeof(ruleset), 0);
    if (fd < 0)
        return -errno;
    for (size_t i = 0; i < n; i++) {
        int r = sandbox_allow_beneath(fd, writable[i], OWN_FILES & ruleset.handled_access_fs);

        if (r < 0)
            return r;
    }
    return syscall(SYS_landlock_restrict_self, fd, 0) < 0 ? -errno : 0;
}

static int sandbox_drop_capabilities(void) {
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    const struct __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3] = {};
    struct __user_cap_data_struct now[_LINUX_CAPABILITY_U32S_3];

    // Without capabilities, as in our unit, the unit may even forbid the system call.
    if (syscall(SYS_capget, &header, now) >= 0 && memcmp(now, none, sizeof(now)) == 0)
        return 0;
    return syscall(SYS_capset, &header, none) < 0 ? -errno : 0;
}

int sandbox_enter(const char *const writable[], size_t n) {
    int r;

    r = sandbox_drop_capabilities();
    if (r < 0)
        return r;
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
        return -errno;
    return sandbox_enter_landlock(writable, n);
}
