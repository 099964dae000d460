// SPDX-License-Identifier: MIT

#include "ft/admission.h"

#include <assert.h>
#include <sodium.h>
#include <string.h>

#include "ft/ref-table.h"
#include "util/array.h"

enum {
    SITES_MIN = 64,
};

struct Admission {
    RefTable table;
    Site *sites; // [0] is unused
    uint32_t count, capacity;
    // The first site number that is free again. `prefix` of a free site holds the next one. 0:
    // none.
    uint32_t unused;
    uint8_t key[crypto_shorthash_KEYBYTES];
};

static Site site_at(const IpAddress *address) {
    Site site = {.v6 = address->family == AF_INET6};

    memcpy(&site.prefix, &address->v6, site.v6 ? sizeof(site.prefix) : sizeof(address->v4));
    return site;
}

// Keyed, because strangers choose their IPv6 addresses.
static uint64_t admission_hash(const Admission *admission, const Site *site) {
    uint8_t hash[crypto_shorthash_BYTES], data[sizeof(site->prefix) + 1];
    uint64_t value;

    memcpy(data, &site->prefix, sizeof(site->prefix));
    data[sizeof(site->prefix)] = site->v6;
    crypto_shorthash(hash, data, sizeof(data), admission->key);
    memcpy(&value, hash, sizeof(value));
    return value;
}

static uint64_t admission_hash_of(const void *userdata, uint32_t ref) {
    const Admission *admission = userdata;

    return admission_hash(admission, &admission->sites[ref]);
}

typedef struct SiteKey {
    const Admission *admission;
    Site site;
} SiteKey;

static bool admission_match(const void *key, uint32_t ref) {
    const SiteKey *wanted = key;
    const Site *site = &wanted->admission->sites[ref];

    return site->prefix == wanted->site.prefix && site->v6 == wanted->site.v6;
}

static SiteId admission_find(const Admission *admission, const SiteKey *key) {
    return ref_table_find(&admission->table, admission_hash(admission, &key->site), admission_match,
                          key);
}

int admission_new(Admission **ret) {
    Admission *admission;

    if (sodium_init() < 0)
        return -ENOMEM;
    admission = calloc(1, sizeof(*admission));
    if (!admission)
        return -ENOMEM;
    crypto_shorthash_keygen(admission->key);
    ref_table_init(&admission->table, admission_hash_of, admission);
    *ret = admission;
    return 0;
}

Admission *admission_free(Admission *admission) {
    if (!admission)
        return NULL;
    ref_table_clear(&admission->table);
    free(admission->sites);
    free(admission);
    return NULL;
}

size_t admission_bytes(const Admission *admission) {
    return sizeof(*admission) + ref_table_bytes(&admission->table) +
           admission->capacity * sizeof(*admission->sites);
}

Site admission_look(const Admission *admission, const IpAddress *address) {
    const SiteKey key = {admission, site_at(address)};
    SiteId id = admission_find(admission, &key);

    return id ? admission->sites[id] : key.site;
}

static int admission_reserve(Admission *admission) {
    if (admission->unused)
        return 0;
    return ARRAY_RESERVE(admission->sites, admission->capacity, admission->count + 2, SITES_MIN);
}

// admission_reserve() has made room for one.
static SiteId admission_take(Admission *admission) {
    SiteId id = admission->unused;

    if (!id)
        return ++admission->count;
    admission->unused = (SiteId)admission->sites[id].prefix;
    return id;
}

int admission_enter(Admission *admission, const IpAddress *address, SiteId *ret) {
    const SiteKey key = {admission, site_at(address)};
    SiteId id = admission_find(admission, &key);
    int r;

    if (!id) {
        r = admission_reserve(admission);
        if (r >= 0)
            r = ref_table_reserve(&admission->table, 1);
        if (r < 0)
            return r;
        id = admission_take(admission);
        admission->sites[id] = key.site;
        ref_table_add(&admission->table, admission_hash(admission, &key.site), id);
    }
    admission->sites[id].sessions++;
    admission->sites[id].handshakes++;
    *ret = id;
    return 0;
}

Site *admission_site(Admission *admission, SiteId site) {
    return &admission->sites[site];
}

void admission_leave(Admission *admission, SiteId id) {
    Site *site = &admission->sites[id];

    assert(site->sessions > 0);
    if (--site->sessions > 0)
        return;
    assert(site->handshakes == 0 && site->records == 0);
    ref_table_remove(&admission->table, admission_hash(admission, site), id);
    *site = (Site){.prefix = admission->unused};
    admission->unused = id;
}
