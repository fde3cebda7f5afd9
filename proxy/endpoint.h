/* SPDX-License-Identifier: MIT */
/* Socket addresses: from the addresses of rules, and as text for people. */
#ifndef NETSPLIT_PROXY_ENDPOINT_H
#define NETSPLIT_PROXY_ENDPOINT_H

#include "rules/rule.h"

#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

/* "[2001:db8:...]:65535", a zone included, and its NUL. */
enum { ENDPOINT_TEXT_BYTES = 72 };

/* The socket address of an ADDRESS_IPV4 or ADDRESS_IPV6 and port. Returns its length.
 */
socklen_t endpoint_make(const struct address *address, uint16_t port,
                        struct sockaddr_storage *out);

/* "127.0.0.1:5432" or "[::1]:5432"; "?" for other families. */
void endpoint_format(const struct sockaddr_storage *endpoint,
                     char text[ENDPOINT_TEXT_BYTES]);

uint16_t endpoint_port(const struct sockaddr_storage *endpoint);

/* The kind and the bytes (4 or 16) in network order; ADDRESS_NONE for other families.
 * *bytes is borrowed from endpoint. */
enum address_kind endpoint_bytes(const struct sockaddr_storage *endpoint,
                                 const uint8_t **bytes);

#endif
