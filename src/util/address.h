// SPDX-License-Identifier: MIT
#pragma once

// IP addresses and endpoints as values. An IPv4-mapped IPv6 address is always stored as IPv4. So a
// peer has the same address on every socket.

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

enum {
    // "[" IPv6 "]:" port NUL
    ENDPOINT_TEXT_MAX = INET6_ADDRSTRLEN + 8,
};

typedef struct IpAddress {
    sa_family_t family; // AF_INET, AF_INET6, or AF_UNSPEC: none
    union {
        struct in_addr v4;
        struct in6_addr v6;
    };
} IpAddress;

typedef struct Endpoint {
    IpAddress address;
    uint16_t port; // host byte order
} Endpoint;

typedef union SocketAddress {
    struct sockaddr sa;
    struct sockaddr_in in;
    struct sockaddr_in6 in6;
    struct sockaddr_storage storage;
} SocketAddress;

// Parses a plain "192.0.2.7" or "2001:db8::7". 0 or -EINVAL.
int address_parse(const char *text, size_t len, IpAddress *ret);
// Returns the length.
size_t address_format(const IpAddress *address, char text[static INET6_ADDRSTRLEN]);
bool address_equal(const IpAddress *a, const IpAddress *b);
// Whether both probably belong to one customer: the same IPv4 address, or the same /64 of IPv6.
bool address_same_site(const IpAddress *a, const IpAddress *b);
bool address_is_loopback(const IpAddress *address);
bool address_is_any(const IpAddress *address);

// A network: all addresses that begin with these bits.
typedef struct AddressPrefix {
    IpAddress address;
    unsigned bits;
} AddressPrefix;

// Parses "192.0.2.0/24", "2001:db8::/32", or one address. A network of IPv4-mapped addresses
// becomes one of IPv4. 0 or -EINVAL. -EDOM: bits are set behind the prefix, probably by mistake;
// *ret is the network without them.
int address_prefix_parse(const char *text, AddressPrefix *ret);
enum {
    ADDRESS_PREFIX_TEXT_MAX = INET6_ADDRSTRLEN + 4,
};
void address_prefix_format(const AddressPrefix *prefix, char text[static ADDRESS_PREFIX_TEXT_MAX]);
bool address_prefix_contains(const AddressPrefix *prefix, const IpAddress *address);

// Whether the address belongs to this machine.
bool address_is_local(const IpAddress *address);

// Finds an address of this machine that other machines may reach. 0, -ENOENT or -errno.
int address_of_host(sa_family_t family, IpAddress *ret);

// "ADDRESS:PORT", with IPv6 in brackets.
void endpoint_format(const Endpoint *endpoint, char text[static ENDPOINT_TEXT_MAX]);
// The reverse, for addresses only (for names: host_port_split()). 0 or -EINVAL.
int endpoint_parse(const char *text, Endpoint *ret);
bool endpoint_equal(const Endpoint *a, const Endpoint *b);

socklen_t endpoint_to_sockaddr(const Endpoint *endpoint, SocketAddress *ret);
Endpoint endpoint_from_sockaddr(const SocketAddress *address);

// Splits "HOST:PORT", "[IPV6]:PORT" or "HOST", which has default_port. The caller frees *ret_host.
// 0, -EINVAL or -ENOMEM.
int host_port_split(const char *text, uint16_t default_port, char **ret_host, uint16_t *ret_port);
