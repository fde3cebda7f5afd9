/* SPDX-License-Identifier: MIT */
/* Socket addresses: from the addresses of rules, and as text for people. */
#ifndef NETSPLIT_PROXY_WIRE_SOCKADDRESS_H
#define NETSPLIT_PROXY_WIRE_SOCKADDRESS_H

#include "rules/language/rule.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

/* "[2001:db8:...]:65535", a zone included, and its NUL. */
enum { SOCKADDRESS_TEXT_BYTES = 72 };

/* The socket address of an ADDRESS_IPV4 or ADDRESS_IPV6 and port. Returns its length.
 */
socklen_t sockaddress_make(const struct address *address, uint16_t port,
                           struct sockaddr_storage *out);

/* "127.0.0.1:5432" or "[::1]:5432"; "?" for other families. */
void sockaddress_format(const struct sockaddr_storage *address,
                        char text[SOCKADDRESS_TEXT_BYTES]);

/* How many of its bytes the kernel wants to see. */
socklen_t sockaddress_length(const struct sockaddr_storage *address);

/* The same family, address and port? */
bool sockaddress_equal(const struct sockaddr_storage *a,
                       const struct sockaddr_storage *b);

uint16_t sockaddress_port(const struct sockaddr_storage *address);
void sockaddress_set_port(struct sockaddr_storage *address, uint16_t port);

/* The kind and the bytes (4 or 16) in network order; ADDRESS_NONE for other families.
 * *bytes is borrowed from the address. */
enum address_kind sockaddress_bytes(const struct sockaddr_storage *address,
                                    const uint8_t **bytes);

/* Its address without the port, as rules write one; ADDRESS_NONE for other families.
 * Without text. */
struct address sockaddress_address(const struct sockaddr_storage *address);

#endif
