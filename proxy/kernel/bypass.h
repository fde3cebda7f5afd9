/* SPDX-License-Identifier: MIT */
/* Connections that would be intercepted if they were opened now, but were there before:
 * they pass by, untouched by any fault. */
#ifndef NETSPLIT_KERNEL_BYPASS_H
#define NETSPLIT_KERNEL_BYPASS_H

#include "proxy/kernel/sock_diag.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

struct buffer;
struct errmsg;
struct intercept_site;
struct interceptor;

struct bypass {
    struct intercept_site *site; /* borrowed until control goes back to the loop */
    const char *from, *to;       /* nodes; from may be "any" */
    struct sockaddr_storage client, server;
    bool is_here; /* the client's socket is in this namespace: */
    struct sock_diag socket;
};

/* Zeroes: none. */
struct bypass_list {
    struct bypass *items; /* owned */
    size_t n;
};

/* Appends all that are known: those opened in a namespace of the interceptor (NULL:
 * none) are listed by its kernel; of those that come through a host, as in mode tproxy,
 * the ones that have sent something in the last minute. What could not be listed is
 * said on the log. */
void bypass_list(const struct interceptor *interceptor, struct bypass_list *out);
void bypass_list_close(struct bypass_list *list);

/* Ends it, so that its client connects again and is intercepted. One that comes through
 * is reset when either end next sends. 0 or a negative errno, and err. */
int bypass_end(const struct bypass *bypass, struct errmsg *err);

/* The rules that notice those that come through, and end them: for the chain, which is
 * of a filter hook prerouting and has let pass what is intercepted. */
void bypass_write_rules(const struct intercept_site *site, const char *chain,
                        struct buffer *out);

#endif
