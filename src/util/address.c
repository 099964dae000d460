// SPDX-License-Identifier: MIT

#include "util/address.h"

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>

#include "util/macro.h"
#include "util/parse-util.h"

static IpAddress address_from_v6(const struct in6_addr *v6) {
    IpAddress address = {};

    if (IN6_IS_ADDR_V4MAPPED(v6)) {
        address.family = AF_INET;
        memcpy(&address.v4, &v6->s6_addr[12], sizeof(address.v4));
    } else {
        address.family = AF_INET6;
        address.v6 = *v6;
    }
    return address;
}

int address_parse(const char *text, size_t len, IpAddress *ret) {
    char copy[INET6_ADDRSTRLEN];
    IpAddress address = {};
    struct in6_addr v6;

    if (len == 0 || len >= sizeof(copy) || memchr(text, '\0', len))
        return -EINVAL;
    memcpy(copy, text, len);
    copy[len] = '\0';

    if (inet_pton(AF_INET, copy, &address.v4) == 1)
        address.family = AF_INET;
    else if (inet_pton(AF_INET6, copy, &v6) == 1)
        address = address_from_v6(&v6);
    else
        return -EINVAL;
    *ret = address;
    return 0;
}

// inet_ntop() uses printf(), which took a good part of the time of a search at FT.
static size_t address_v4_format(const struct in_addr *v4, char *text) {
    const uint8_t *bytes = (const uint8_t *)v4;
    char *p = text;

    for (int i = 0; i < 4; i++) {
        unsigned byte = bytes[i];

        if (i > 0)
            *p++ = '.';
        if (byte >= 100)
            *p++ = (char)('0' + byte / 100);
        if (byte >= 10)
            p += format_2_digits(p, byte % 100);
        else
            *p++ = (char)('0' + byte);
    }
    *p = '\0';
    return p - text;
}

size_t address_format(const IpAddress *address, char text[static INET6_ADDRSTRLEN]) {
    if (address->family == AF_INET)
        return address_v4_format(&address->v4, text);
    if (!inet_ntop(address->family, &address->v6, text, INET6_ADDRSTRLEN))
        strcpy(text, "-");
    return strlen(text);
}

static size_t address_size(const IpAddress *address) {
    return address->family == AF_INET    ? sizeof(address->v4)
           : address->family == AF_INET6 ? sizeof(address->v6)
                                         : 0;
}

bool address_equal(const IpAddress *a, const IpAddress *b) {
    return a->family == b->family && memcmp(&a->v6, &b->v6, address_size(a)) == 0;
}

bool address_is_loopback(const IpAddress *address) {
    if (address->family == AF_INET)
        return ntohl(address->v4.s_addr) >> 24 == IN_LOOPBACKNET;
    return address->family == AF_INET6 && IN6_IS_ADDR_LOOPBACK(&address->v6);
}

bool address_is_any(const IpAddress *address) {
    if (address->family == AF_INET)
        return address->v4.s_addr == INADDR_ANY;
    return address->family == AF_INET6 && IN6_IS_ADDR_UNSPECIFIED(&address->v6);
}

static bool address_same_bits(const uint8_t *a, const uint8_t *b, unsigned bits) {
    unsigned bytes = bits / 8, rest = bits % 8;

    return memcmp(a, b, bytes) == 0 && (rest == 0 || ((a[bytes] ^ b[bytes]) >> (8 - rest)) == 0);
}

bool address_prefix_contains(const AddressPrefix *prefix, const IpAddress *address) {
    return address->family == prefix->address.family &&
           address_same_bits(address->v6.s6_addr, prefix->address.v6.s6_addr, prefix->bits);
}

bool address_same_site(const IpAddress *a, const IpAddress *b) {
    return a->family == b->family &&
           address_same_bits(a->v6.s6_addr, b->v6.s6_addr, a->family == AF_INET6 ? 64 : 32);
}

// Returns whether there were any.
static bool prefix_clear_host_bits(IpAddress *address, unsigned bits) {
    uint8_t *bytes = address->v6.s6_addr;
    bool any = false;

    for (unsigned i = bits; i < address_size(address) * 8; i++) {
        uint8_t bit = (uint8_t)(0x80 >> i % 8);

        any |= bytes[i / 8] & bit;
        bytes[i / 8] &= (uint8_t)~bit;
    }
    return any;
}

int address_prefix_parse(const char *text, AddressPrefix *ret) {
    const char *slash = strchrnul(text, '/');
    AddressPrefix prefix = {};
    uint64_t bits, max;
    bool v6;
    int r;

    r = address_parse(text, slash - text, &prefix.address);
    if (r < 0)
        return r;
    v6 = memchr(text, ':', slash - text);
    max = bits = v6 ? 128 : 32;
    if (*slash) {
        r = parse_u64_range(slash + 1, 0, max, &bits);
        if (r < 0)
            return -EINVAL;
    }
    if (v6 && prefix.address.family == AF_INET) {
        if (bits < 96)
            return -EINVAL; // covers more than the IPv4-mapped addresses
        bits -= 96;
    }
    prefix.bits = bits;
    r = prefix_clear_host_bits(&prefix.address, prefix.bits) ? -EDOM : 0;
    *ret = prefix;
    return r;
}

void address_prefix_format(const AddressPrefix *prefix, char text[static ADDRESS_PREFIX_TEXT_MAX]) {
    char address[INET6_ADDRSTRLEN];

    address_format(&prefix->address, address);
    snprintf(text, ADDRESS_PREFIX_TEXT_MAX, "%s/%u", address, prefix->bits);
}

static bool address_of_interface(const struct ifaddrs *i, IpAddress *ret) {
    SocketAddress sockaddr = {};

    if (!i->ifa_addr || (i->ifa_addr->sa_family != AF_INET && i->ifa_addr->sa_family != AF_INET6))
        return false;
    memcpy(&sockaddr, i->ifa_addr,
           i->ifa_addr->sa_family == AF_INET ? sizeof(sockaddr.in) : sizeof(sockaddr.in6));
    *ret = endpoint_from_sockaddr(&sockaddr).address;
    return true;
}

bool address_is_local(const IpAddress *address) {
    struct ifaddrs *list;
    IpAddress own;
    bool found = false;

    if (address_is_loopback(address))
        return true; // all of 127.0.0.0/8; the interface lists only one of them
    if (getifaddrs(&list) < 0)
        return false;
    for (struct ifaddrs *i = list; i && !found; i = i->ifa_next)
        found = address_of_interface(i, &own) && address_equal(&own, address);
    freeifaddrs(list);
    return found;
}

// A link-local address means nothing without an interface, so a record cannot use it.
static bool address_is_reachable_from_outside(const struct ifaddrs *i, const IpAddress *address) {
    return (i->ifa_flags & IFF_UP) && !(i->ifa_flags & IFF_LOOPBACK) &&
           !(address->family == AF_INET6 && IN6_IS_ADDR_LINKLOCAL(&address->v6));
}

int address_of_host(sa_family_t family, IpAddress *ret) {
    struct ifaddrs *list;
    int r = -ENOENT;

    if (getifaddrs(&list) < 0)
        return -errno;
    for (struct ifaddrs *i = list; i && r < 0; i = i->ifa_next) {
        IpAddress address;

        if (!address_of_interface(i, &address) || address.family != family ||
            !address_is_reachable_from_outside(i, &address))
            continue;
        *ret = address;
        r = 0;
    }
    freeifaddrs(list);
    return r;
}

void endpoint_format(const Endpoint *endpoint, char text[static ENDPOINT_TEXT_MAX]) {
    char address[INET6_ADDRSTRLEN];
    bool v6 = endpoint->address.family == AF_INET6;

    address_format(&endpoint->address, address);
    snprintf(text, ENDPOINT_TEXT_MAX, "%s%s%s:%u", v6 ? "[" : "", address, v6 ? "]" : "",
             endpoint->port);
}

int endpoint_parse(const char *text, Endpoint *ret) {
    _cleanup_free_ char *host = NULL;
    Endpoint endpoint = {};
    int r;

    r = host_port_split(text, 0, &host, &endpoint.port);
    if (r < 0)
        return r;
    if (endpoint.port == 0)
        return -EINVAL;
    r = address_parse(host, strlen(host), &endpoint.address);
    if (r < 0)
        return r;
    *ret = endpoint;
    return 0;
}

bool endpoint_equal(const Endpoint *a, const Endpoint *b) {
    return a->port == b->port && address_equal(&a->address, &b->address);
}

socklen_t endpoint_to_sockaddr(const Endpoint *endpoint, SocketAddress *ret) {
    *ret = (SocketAddress){};
    if (endpoint->address.family == AF_INET) {
        ret->in.sin_family = AF_INET;
        ret->in.sin_addr = endpoint->address.v4;
        ret->in.sin_port = htons(endpoint->port);
        return sizeof(ret->in);
    }
    ret->in6.sin6_family = AF_INET6;
    ret->in6.sin6_addr = endpoint->address.v6;
    ret->in6.sin6_port = htons(endpoint->port);
    return sizeof(ret->in6);
}

Endpoint endpoint_from_sockaddr(const SocketAddress *address) {
    Endpoint endpoint = {};

    if (address->sa.sa_family == AF_INET) {
        endpoint.address.family = AF_INET;
        endpoint.address.v4 = address->in.sin_addr;
        endpoint.port = ntohs(address->in.sin_port);
    } else if (address->sa.sa_family == AF_INET6) {
        endpoint.address = address_from_v6(&address->in6.sin6_addr);
        endpoint.port = ntohs(address->in6.sin6_port);
    }
    return endpoint;
}

int host_port_split(const char *text, uint16_t default_port, char **ret_host, uint16_t *ret_port) {
    const char *host = text, *host_end, *port_text = NULL;
    uint64_t port = default_port;
    char *copy;
    int r;

    if (*text == '[') {
        host = text + 1;
        host_end = strchr(host, ']');
        if (!host_end || (host_end[1] != '\0' && host_end[1] != ':'))
            return -EINVAL;
        if (host_end[1] == ':')
            port_text = host_end + 2;
    } else {
        const char *colon = strchr(text, ':');

        // More than one colon without brackets: a bare IPv6 address.
        if (colon && strchr(colon + 1, ':'))
            colon = NULL;
        host_end = colon ?: text + strlen(text);
        port_text = colon ? colon + 1 : NULL;
    }
    if (host_end == host)
        return -EINVAL;
    if (port_text) {
        r = parse_u64_range(port_text, 1, UINT16_MAX, &port);
        if (r < 0)
            return -EINVAL;
    }
    copy = strndup(host, host_end - host);
    if (!copy)
        return -ENOMEM;
    *ret_host = copy;
    *ret_port = port;
    return 0;
}
