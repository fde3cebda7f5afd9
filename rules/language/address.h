/* SPDX-License-Identifier: MIT */
/* Addresses as users write them: IPv4, IPv6, networks, host names, with or without a
 * port. Nothing is resolved here. */
#ifndef NETSPLIT_RULES_LANGUAGE_ADDRESS_H
#define NETSPLIT_RULES_LANGUAGE_ADDRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct unit_error;

enum address_kind {
    ADDRESS_NONE = 0, /* not written */
    ADDRESS_IPV4,     /* bytes[0..3], prefix 0..32 */
    ADDRESS_IPV6,     /* bytes[0..15], prefix 0..128 */
    ADDRESS_HOST,     /* a host name */
};

struct address {
    enum address_kind kind;
    uint8_t bytes[16]; /* network order; bits behind the prefix are zero */
    uint8_t prefix;    /* 32 or 128 for a single address */
    const char *text;  /* as written, without brackets and port; set by the caller */
};

/* "10.77.1.2" "10.77.9.0/24" "fd00::1" "fd00::/64" "pg2.internal" -> *out, but its
 * text. Returns 0, or -EINVAL with why filled (it may be NULL) and *out untouched. */
int address_parse(const char *text, size_t length, struct address *out,
                  struct unit_error *why);

/* Whether it stands for exactly one endpoint, which can be dialled: not a network. */
bool address_is_single(const struct address *address);

struct endpoint {
    const char *host; /* borrowed from the text, without brackets; not ended by a NUL */
    size_t host_length;
    bool has_port;
    uint16_t port;
};

/* "HOST:PORT" "[IPV6]:PORT" "HOST" "IPV6" -> *out, without a look at the host. Returns
 * 0, or -EINVAL with why filled and *out untouched. */
int endpoint_parse(const char *text, struct endpoint *out, struct unit_error *why);

#endif
