// SPDX-License-Identifier: MIT
#pragma once

// Edits one access control list (acl(5)) in memory for one user. All others keep their permissions.

#include <stdbool.h>
#include <sys/acl.h>
#include <sys/types.h>

void acl_freep(acl_t *acl);

// Gives the user these permissions: bits of ACL_READ, ACL_WRITE and ACL_EXECUTE. *acl may be
// another list afterwards. 0 or -errno.
int acl_edit_grant(acl_t *acl, uid_t uid, unsigned bits);
// Removes the entry that names the user. 1; 0: there was none; or -errno.
int acl_edit_take(acl_t *acl, uid_t uid);
bool acl_edit_names(acl_t acl, uid_t uid);

// The permissions of owner, group and others as a mode, such as 0750. The group bits of st_mode
// would be the mask instead.
mode_t acl_edit_base(acl_t acl);
