// SPDX-License-Identifier: MIT
#pragma once

// One access control list (acl(5)) in memory: lets one user more, or takes that back, and leaves everybody else what they had.

#include <stdbool.h>
#include <sys/acl.h>
#include <sys/types.h>

void acl_freep(acl_t *acl);

// Bits of ACL_READ, ACL_WRITE and ACL_EXECUTE more for that user. The list may be another one afterwards. 0 or -errno.
int acl_edit_grant(acl_t *acl, uid_t uid, unsigned bits);
// All that it gives that user by name. 1; 0: it had nothing; -errno.
int acl_edit_take(acl_t *acl, uid_t uid);
bool acl_edit_names(acl_t acl, uid_t uid);

// What owner, group and others may by it, as a mode such as 0750: not the group's bits of st_mode, which are the mask.
mode_t acl_edit_base(acl_t acl);
