// SPDX-License-Identifier: MIT

#include "test.h"

#include <stdio.h>
#include <string.h>

#include "ft/admission.h"

static IpAddress address(const char *text) {
    IpAddress a = {};

    assert_int_equal(address_parse(text, strlen(text), &a), 0);
    return a;
}

static Admission *new_admission(void) {
    Admission *admission;

    assert_int_equal(admission_new(&admission), 0);
    return admission;
}

static SiteId enter(Admission *admission, const char *text) {
    const IpAddress a = address(text);
    SiteId site;

    assert_int_equal(admission_enter(admission, &a, &site), 0);
    assert_int_not_equal(site, 0);
    return site;
}

static void leave(Admission *admission, SiteId site) {
    admission_site(admission, site)->handshakes--;
    admission_leave(admission, site);
}

static unsigned sessions(const Admission *admission, const char *text) {
    const IpAddress a = address(text);

    return admission_look(admission, &a).sessions;
}

static void test_sites(void **state _unused_) {
    _cleanup_(admission_freep) Admission *admission = new_admission();
    SiteId a = enter(admission, "192.0.2.7"), b = enter(admission, "192.0.2.7"),
           c = enter(admission, "2001:db8:1:2::1"), d = enter(admission, "2001:db8:1:2:ffff::"),
           e = enter(admission, "2001:db8:1:3::1");

    assert_int_equal(a, b);
    assert_int_equal(c, d);
    assert_int_not_equal(c, e);
    assert_int_equal(sessions(admission, "::ffff:192.0.2.7"), 2);
    assert_int_equal(sessions(admission, "192.0.2.8"), 0);
    assert_int_equal(sessions(admission, "2001:db8:1:2::9"), 2);
    assert_int_equal(sessions(admission, "2001:db8:1:3::9"), 1);
    leave(admission, a);
    assert_int_equal(sessions(admission, "192.0.2.7"), 1);
    leave(admission, b);
    assert_int_equal(sessions(admission, "192.0.2.7"), 0);
    leave(admission, c);
    leave(admission, d);
    leave(admission, e);
}

// An IPv4 address and an IPv6 prefix with the same first bytes are two sites.
static void test_families(void **state _unused_) {
    _cleanup_(admission_freep) Admission *admission = new_admission();
    SiteId v4 = enter(admission, "32.1.13.184"), v6 = enter(admission, "2001:db8::1");

    assert_int_not_equal(v4, v6);
    leave(admission, v4);
    leave(admission, v6);
}

// Compares many sites that come and go with counters of its own. Nothing remains of departed ones.
static void test_many(void **state _unused_) {
    _cleanup_(admission_freep) Admission *admission = new_admission();
    enum {
        SITES = 3000,
        STEPS = 60000
    };
    static unsigned counts[SITES];
    static SiteId ids[SITES];
    unsigned seed = 1;

    memset(counts, 0, sizeof(counts));
    for (int step = 0; step < STEPS; step++) {
        int i = rand_r(&seed) % SITES;
        char text[INET6_ADDRSTRLEN];

        snprintf(text, sizeof(text), i % 2 ? "10.0.%d.%d" : "2001:db8:%x:%x::1", i / 256, i % 256);
        if (counts[i] == 0 || rand_r(&seed) % 2) {
            SiteId id = enter(admission, text);

            assert_true(counts[i] == 0 || id == ids[i]);
            ids[i] = id;
            counts[i]++;
            admission_site(admission, id)->records += 3;
        } else {
            admission_site(admission, ids[i])->records -= 3;
            leave(admission, ids[i]);
            counts[i]--;
        }
        assert_int_equal(sessions(admission, text), counts[i]);
        if (counts[i] > 0)
            assert_int_equal(admission_site(admission, ids[i])->records, 3 * counts[i]);
    }
    for (int i = 0; i < SITES; i++)
        for (; counts[i] > 0; counts[i]--) {
            admission_site(admission, ids[i])->records -= 3;
            leave(admission, ids[i]);
        }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sites),
        cmocka_unit_test(test_families),
        cmocka_unit_test(test_many),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
