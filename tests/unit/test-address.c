// SPDX-License-Identifier: MIT

#include "test.h"
#include "util/address.h"

static const struct AddressRow {
    const char *proves, *text;
    size_t len;
    sa_family_t family; // AF_UNSPEC: rejected
    const char *formatted;
    bool loopback, any;
} address_rows[] = {
    {"IPv4", TEXT("192.0.2.7"), AF_INET, "192.0.2.7", false, false},
    {"IPv6", TEXT("2001:DB8:0::7"), AF_INET6, "2001:db8::7", false, false},
    {"an IPv4-mapped address is IPv4", TEXT("::ffff:192.0.2.7"), AF_INET, "192.0.2.7", false,
     false},
    {"loopback is all of 127/8", TEXT("127.9.9.9"), AF_INET, "127.9.9.9", true, false},
    {"128 is not loopback", TEXT("128.0.0.1"), AF_INET, "128.0.0.1", false, false},
    {"IPv6 loopback", TEXT("::1"), AF_INET6, "::1", true, false},
    {"any", TEXT("0.0.0.0"), AF_INET, "0.0.0.0", false, true},
    {"IPv6 any", TEXT("::"), AF_INET6, "::", false, true},
    {"empty", TEXT(""), AF_UNSPEC, NULL, false, false},
    {"three parts", TEXT("1.2.3"), AF_UNSPEC, NULL, false, false},
    {"a part over 255", TEXT("1.2.3.256"), AF_UNSPEC, NULL, false, false},
    {"a host name", TEXT("localhost"), AF_UNSPEC, NULL, false, false},
    {"with a port", TEXT("1.2.3.4:5"), AF_UNSPEC, NULL, false, false},
    {"in brackets", TEXT("[::1]"), AF_UNSPEC, NULL, false, false},
    {"with an interface", TEXT("fe80::1%lo"), AF_UNSPEC, NULL, false, false},
    {"with a space", TEXT("1.2.3.4 "), AF_UNSPEC, NULL, false, false},
    {"something hidden behind a NUL", TEXT("1.2.3.4\0x"), AF_UNSPEC, NULL, false, false},
    {"longer than any address", TEXT(TEXT_255), AF_UNSPEC, NULL, false, false},
};

static void test_address(void **state _unused_) {
    for (size_t i = 0; i < ELEMENTSOF(address_rows); i++) {
        const struct AddressRow *row = &address_rows[i];
        char text[INET6_ADDRSTRLEN];
        IpAddress address = {};

        ROW(row);
        if (row->family == AF_UNSPEC) {
            assert_int_equal(address_parse(row->text, row->len, &address), -EINVAL);
            assert_int_equal(address.family, AF_UNSPEC); // written only on success
            continue;
        }
        assert_int_equal(address_parse(row->text, row->len, &address), 0);
        assert_int_equal(address.family, row->family);
        address_format(&address, text);
        assert_string_equal(text, row->formatted);
        assert_int_equal(address_is_loopback(&address), row->loopback);
        assert_int_equal(address_is_any(&address), row->any);
    }
}

static void test_no_address(void **state _unused_) {
    IpAddress none = {};
    char text[INET6_ADDRSTRLEN];

    address_format(&none, text);
    assert_string_equal(text, "-");
    assert_false(address_is_loopback(&none));
    assert_false(address_is_any(&none));
    assert_false(address_is_local(&none));
}

static IpAddress address(const char *text) {
    IpAddress a = {};

    assert_int_equal(address_parse(text, strlen(text), &a), 0);
    return a;
}

static const struct SiteRow {
    const char *a, *b;
    bool same;
} site_rows[] = {
    {"192.0.2.7", "192.0.2.7", true},          {"192.0.2.7", "192.0.2.8", false},
    {"2001:db8::1", "2001:db8::ffff:1", true}, {"2001:db8::1", "2001:db8:0:1::1", false},
    {"192.0.2.7", "::ffff:192.0.2.7", true},   {"0.0.0.0", "::", false},
};

static void test_same_site(void **state _unused_) {
    for (size_t i = 0; i < ELEMENTSOF(site_rows); i++) {
        const IpAddress a = address(site_rows[i].a), b = address(site_rows[i].b);

        assert_int_equal(address_same_site(&a, &b), site_rows[i].same);
        assert_int_equal(address_same_site(&b, &a), site_rows[i].same);
    }
}

static void test_equal(void **state _unused_) {
    IpAddress a = address("192.0.2.7"), b = address("::ffff:192.0.2.7"), c = address("192.0.2.8");
    IpAddress d = address("2001:db8::7"), e = address("2001:db8::8");
    Endpoint p = {.address = a, .port = 1}, q = {.address = b, .port = 1},
             r = {.address = a, .port = 2};

    assert_true(address_equal(&a, &b));
    assert_false(address_equal(&a, &c));
    assert_false(address_equal(&a, &d));
    assert_true(address_equal(&d, &d));
    assert_false(address_equal(&d, &e)); // they differ only in the last byte
    assert_true(endpoint_equal(&p, &q));
    assert_false(endpoint_equal(&p, &r));
}

static void test_local(void **state _unused_) {
    IpAddress loopback = address("127.0.0.1"), documentation = address("192.0.2.7"),
              any = address("0.0.0.0");

    assert_true(address_is_local(&loopback));
    assert_false(address_is_local(&documentation)); // RFC 5737: belongs to nobody
    assert_false(address_is_local(&any));           // although one can bind to it
}

// Not every machine has such an address. If it has one, it is local.
static void test_of_host(void **state _unused_) {
    static const sa_family_t families[] = {AF_INET, AF_INET6};

    for (size_t i = 0; i < ELEMENTSOF(families); i++) {
        IpAddress a = {};
        int r = address_of_host(families[i], &a);

        if (r == -ENOENT)
            continue;
        assert_int_equal(r, 0);
        assert_false(address_is_loopback(&a));
        assert_true(address_is_local(&a));
    }
}

static const struct EndpointRow {
    const char *proves, *text;
    const char *formatted; // NULL: rejected
} endpoint_rows[] = {
    {"IPv4", "192.0.2.7:5555", "192.0.2.7:5555"},
    {"IPv6", "[2001:db8::7]:5555", "[2001:db8::7]:5555"},
    {"the largest port", "0.0.0.0:65535", "0.0.0.0:65535"},
    {"no port", "192.0.2.7", NULL},
    {"no port, IPv6", "2001:db8::7", NULL},
    {"port 0", "192.0.2.7:0", NULL},
    {"port too large", "192.0.2.7:65536", NULL},
    {"an empty port", "192.0.2.7:", NULL},
    {"a name", "localhost:5555", NULL},
    {"an open bracket", "[::1:5555", NULL},
    {"something behind the bracket", "[::1]5555", NULL},
};

static void test_endpoint(void **state _unused_) {
    for (size_t i = 0; i < ELEMENTSOF(endpoint_rows); i++) {
        const struct EndpointRow *row = &endpoint_rows[i];
        char text[ENDPOINT_TEXT_MAX];
        SocketAddress sockaddr;
        Endpoint endpoint, again;

        ROW(row);
        assert_int_equal(endpoint_parse(row->text, &endpoint), row->formatted ? 0 : -EINVAL);
        if (!row->formatted)
            continue;
        endpoint_format(&endpoint, text);
        assert_string_equal(text, row->formatted);
        assert_int_equal(endpoint_to_sockaddr(&endpoint, &sockaddr),
                         endpoint.address.family == AF_INET ? sizeof(struct sockaddr_in)
                                                            : sizeof(struct sockaddr_in6));
        again = endpoint_from_sockaddr(&sockaddr);
        assert_true(endpoint_equal(&endpoint, &again));
    }
}

// A dual-stack socket reports IPv4 peers as mapped addresses. A Unix socket has no address.
static void test_from_sockaddr(void **state _unused_) {
    SocketAddress sockaddr = {.in6 = {.sin6_family = AF_INET6, .sin6_port = htons(80)}};
    IpAddress expected = address("192.0.2.7");
    Endpoint endpoint;

    memcpy(&sockaddr.in6.sin6_addr, "\0\0\0\0\0\0\0\0\0\0\xff\xff\xc0\0\2\7", 16);
    endpoint = endpoint_from_sockaddr(&sockaddr);
    assert_true(address_equal(&endpoint.address, &expected));
    assert_int_equal(endpoint.port, 80);

    sockaddr = (SocketAddress){.sa = {.sa_family = AF_UNIX}};
    endpoint = endpoint_from_sockaddr(&sockaddr);
    assert_int_equal(endpoint.address.family, AF_UNSPEC);
}

static const struct HostRow {
    const char *proves, *text, *host; // NULL: rejected
    uint16_t port;
} host_rows[] = {
    {"name and port", "ft.example.org:7000", "ft.example.org", 7000},
    {"the default port", "ft.example.org", "ft.example.org", 5555},
    {"IPv4", "192.0.2.7:1", "192.0.2.7", 1},
    {"IPv6 in brackets", "[2001:db8::7]:7000", "2001:db8::7", 7000},
    {"IPv6 in brackets without a port", "[::1]", "::1", 5555},
    {"bare IPv6: its last part is not a port", "::1", "::1", 5555},
    {"nothing", "", NULL, 0},
    {"no host", ":7000", NULL, 0},
    {"no host in brackets", "[]:7000", NULL, 0},
    {"a port that is no number", "host:http", NULL, 0},
};

static void test_host_port_split(void **state _unused_) {
    for (size_t i = 0; i < ELEMENTSOF(host_rows); i++) {
        const struct HostRow *row = &host_rows[i];
        _cleanup_free_ char *host = NULL;
        uint16_t port = 0;

        ROW(row);
        assert_int_equal(host_port_split(row->text, 5555, &host, &port), row->host ? 0 : -EINVAL);
        assert_int_equal(port, row->port);
        if (row->host)
            assert_string_equal(host, row->host);
        else
            assert_null(host);
    }
}

static const struct PrefixRow {
    const char *text, *address;
    bool contains;
} prefix_rows[] = {
    {"192.168.0.0/16", "192.168.255.1", true},
    {"192.168.0.0/16", "192.169.0.0", false},
    {"192.168.0.0/16", "::ffff:192.168.0.1", true},
    {"192.168.0.0/16", "c0a8::", false}, // same bits, another family
    {"::ffff:192.168.0.0/112", "192.168.7.7", true},
    {"::ffff:192.168.0.0/112", "192.169.7.7", false},
    {"::ffff:0:0/96", "192.0.2.1", true},
    {"10.0.0.0/9", "10.127.255.255", true},
    {"10.0.0.0/9", "10.128.0.0", false},
    {"10.128.0.0/9", "10.128.0.0", true},
    {"0.0.0.0/0", "203.0.113.9", true},
    {"0.0.0.0/0", "2001:db8::1", false},
    {"192.0.2.7", "192.0.2.7", true},
    {"192.0.2.7/32", "192.0.2.6", false},
    {"2001:db8::/32", "2001:db8:ffff::1", true},
    {"2001:db8::/32", "2001:db9::", false},
    {"fd00::/8", "fdff::1", true},
    {"::1", "::1", true},
    {"::1/128", "::", false},
    {"::/0", "::1", true},
    {"::/0", "127.0.0.1", false},
};

static void test_prefix(void **state _unused_) {
    static const char *const bad[] = {
        "",
        "/8",
        "10.0.0.0/",
        "10.0.0.0/33",
        "10.0.0.0/-1",
        "10.0.0.0/8 ",
        "10.0.0.0/8/8",
        "10.0/16",
        "2001:db8::/129",
        "host/8",
        "::ffff:0:0/95",
        "[::1]/128",
    };
    static const struct {
        const char *text, *network;
    } slips[] = {
        {"10.0.0.1/8", "10.0.0.0/8"},
        {"192.0.2.129/25", "192.0.2.128/25"},
        {"1.2.3.4/0", "0.0.0.0/0"},
        {"2001:db8::1/64", "2001:db8::/64"},
        {"::ffff:10.0.0.1/104", "10.0.0.0/8"},
    };
    char text[ADDRESS_PREFIX_TEXT_MAX];
    AddressPrefix prefix;
    IpAddress address;

    for (size_t i = 0; i < ELEMENTSOF(prefix_rows); i++) {
        const struct PrefixRow *row = &prefix_rows[i];

        print_message("  %s, %s\n", row->text, row->address);
        assert_int_equal(address_prefix_parse(row->text, &prefix), 0);
        assert_int_equal(address_parse(row->address, strlen(row->address), &address), 0);
        assert_int_equal(address_prefix_contains(&prefix, &address), row->contains);
    }
    for (size_t i = 0; i < ELEMENTSOF(bad); i++) {
        print_message("  %s\n", bad[i]);
        assert_int_equal(address_prefix_parse(bad[i], &prefix), -EINVAL);
    }
    for (size_t i = 0; i < ELEMENTSOF(slips); i++) {
        print_message("  %s\n", slips[i].text);
        assert_int_equal(address_prefix_parse(slips[i].text, &prefix), -EDOM);
        address_prefix_format(&prefix, text);
        assert_string_equal(text, slips[i].network);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_address),         cmocka_unit_test(test_no_address),
        cmocka_unit_test(test_equal),           cmocka_unit_test(test_same_site),
        cmocka_unit_test(test_local),           cmocka_unit_test(test_of_host),
        cmocka_unit_test(test_endpoint),        cmocka_unit_test(test_from_sockaddr),
        cmocka_unit_test(test_host_port_split), cmocka_unit_test(test_prefix),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
