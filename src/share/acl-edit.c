// SPDX-License-Identifier: MIT

#include "share/acl-edit.h"

#include <acl/libacl.h>
#include <errno.h>
#include <stddef.h>

#include "util/macro.h"

void acl_freep(acl_t *acl) {
    if (*acl)
        acl_free(*acl);
}

static const acl_perm_t perms[] = {ACL_READ, ACL_WRITE, ACL_EXECUTE};

static unsigned acl_edit_get_perms(acl_entry_t entry) {
    acl_permset_t set;
    unsigned bits = 0;

    if (acl_get_permset(entry, &set) == 0)
        for (size_t i = 0; i < ELEMENTSOF(perms); i++)
            if (acl_get_perm(set, perms[i]) > 0)
                bits |= perms[i];
    return bits;
}

static void acl_edit_set_perms(acl_entry_t entry, unsigned bits) {
    acl_permset_t set;

    if (acl_get_permset(entry, &set) < 0)
        return;
    acl_clear_perms(set);
    for (size_t i = 0; i < ELEMENTSOF(perms); i++)
        if (bits & perms[i])
            acl_add_perm(set, perms[i]);
}

// The first entry of that kind and, if it names users, of that user; or NULL.
static acl_entry_t acl_edit_find(acl_t acl, acl_tag_t wanted, uid_t uid) {
    acl_entry_t entry;

    for (int id = ACL_FIRST_ENTRY; acl_get_entry(acl, id, &entry) == 1; id = ACL_NEXT_ENTRY) {
        acl_tag_t tag;
        uid_t *qualifier;
        bool same;

        if (acl_get_tag_type(entry, &tag) < 0 || tag != wanted)
            continue;
        if (wanted != ACL_USER)
            return entry;
        qualifier = acl_get_qualifier(entry);
        same = qualifier && *qualifier == uid;
        acl_free(qualifier);
        if (same)
            return entry;
    }
    return NULL;
}

// Takes from each entry the permissions that the mask blocks. Then a wider mask gives nothing to
// them.
static void acl_edit_apply_mask(acl_t acl, unsigned mask) {
    acl_entry_t entry;

    for (int id = ACL_FIRST_ENTRY; acl_get_entry(acl, id, &entry) == 1; id = ACL_NEXT_ENTRY) {
        acl_tag_t tag;

        if (acl_get_tag_type(entry, &tag) == 0 &&
            (tag == ACL_USER || tag == ACL_GROUP || tag == ACL_GROUP_OBJ))
            acl_edit_set_perms(entry, acl_edit_get_perms(entry) & mask);
    }
}

static int acl_edit_add_entry(acl_t *acl, acl_tag_t tag, acl_entry_t *ret) {
    if (acl_create_entry(acl, ret) < 0 || acl_set_tag_type(*ret, tag) < 0)
        return -errno;
    return 0;
}

int acl_edit_grant(acl_t *acl, uid_t uid, unsigned bits) {
    acl_entry_t mask = acl_edit_find(*acl, ACL_MASK, 0), own;
    unsigned allowed = acl_edit_get_perms(mask ?: acl_edit_find(*acl, ACL_GROUP_OBJ, 0));
    int r = 0;

    if (mask)
        acl_edit_apply_mask(*acl, allowed);
    own = acl_edit_find(*acl, ACL_USER, uid);
    if (!own) {
        r = acl_edit_add_entry(acl, ACL_USER, &own);
        if (r < 0 || acl_set_qualifier(own, &uid) < 0)
            return r < 0 ? r : -errno;
    }
    acl_edit_set_perms(own, acl_edit_get_perms(own) | bits);
    // Creating an entry may have moved the others.
    mask = acl_edit_find(*acl, ACL_MASK, 0);
    if (!mask)
        r = acl_edit_add_entry(acl, ACL_MASK, &mask);
    if (r >= 0)
        acl_edit_set_perms(mask, allowed | bits);
    return r;
}

static bool acl_edit_has_names(acl_t acl) {
    acl_entry_t entry;

    for (int id = ACL_FIRST_ENTRY; acl_get_entry(acl, id, &entry) == 1; id = ACL_NEXT_ENTRY) {
        acl_tag_t tag;

        if (acl_get_tag_type(entry, &tag) == 0 && (tag == ACL_USER || tag == ACL_GROUP))
            return true;
    }
    return false;
}

int acl_edit_take(acl_t *acl, uid_t uid) {
    acl_entry_t own = acl_edit_find(*acl, ACL_USER, uid), mask = acl_edit_find(*acl, ACL_MASK, 0);

    if (!own)
        return 0;
    // Keeps the permissions of all others, whatever the mask will be.
    if (mask)
        acl_edit_apply_mask(*acl, acl_edit_get_perms(mask));
    if (acl_delete_entry(*acl, own) < 0)
        return -errno;
    mask = acl_edit_find(*acl, ACL_MASK, 0);
    if (!acl_edit_has_names(*acl) && mask)
        return acl_delete_entry(*acl, mask) < 0 ? -errno : 1;
    return acl_calc_mask(acl) < 0 ? -errno : 1;
}

bool acl_edit_names(acl_t acl, uid_t uid) {
    return acl_edit_find(acl, ACL_USER, uid);
}

static unsigned acl_edit_perms_of(acl_t acl, acl_tag_t tag) {
    acl_entry_t entry = acl_edit_find(acl, tag, 0);

    return entry ? acl_edit_get_perms(entry) : 0;
}

mode_t acl_edit_base(acl_t acl) {
    unsigned group = acl_edit_perms_of(acl, ACL_GROUP_OBJ);

    if (acl_edit_find(acl, ACL_MASK, 0))
        group &= acl_edit_perms_of(acl, ACL_MASK);
    // ACL_READ, ACL_WRITE and ACL_EXECUTE have the values of mode bits.
    return acl_edit_perms_of(acl, ACL_USER_OBJ) << 6 | group << 3 |
           acl_edit_perms_of(acl, ACL_OTHER);
}
