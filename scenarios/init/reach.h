/* SPDX-License-Identifier: MIT */
/* Addresses as users write them, and whether something listens there. */
#ifndef NETSPLIT_SCENARIOS_INIT_REACH_H
#define NETSPLIT_SCENARIOS_INIT_REACH_H

#include "proxy/base/errmsg.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { REACH_TIMEOUT_MS = 3000 }; /* of each attempt */

struct reach_place {
    char host[256];   /* as it was written: a name, or the address again */
    char address[64]; /* numeric, that answered */
    uint16_t port;
};

/* "HOST", "HOST:PORT", "[IPV6]:PORT"; without a port it is port. Resolves the host and
 * takes the first of its addresses that accepts a connection, which is closed again. 0;
 * -EINVAL for what is no address; another negative errno: there is no such host, or
 * nothing that listens. */
int reach_text(const char *text, uint16_t port, struct reach_place *out,
               struct errmsg *err);

/* The same of a host and a port that are known. */
int reach_host(const char *host, uint16_t port, struct reach_place *out,
               struct errmsg *err);

/* Sends the bytes and reads up to n bytes of what comes back, for at most
 * REACH_TIMEOUT_MS. How many; 0 if nothing came. */
size_t reach_say(const struct reach_place *place, const void *bytes, size_t length,
                 char *answer, size_t n);

/* 127.0.0.0/8, ::1 and the names of them. */
bool reach_is_loopback(const char *host);

/* "10.0.0.1:5432", "[::1]:5432"; returns text. */
const char *reach_print(const char *address, uint16_t port, char *text,
                        size_t text_bytes);

#endif
