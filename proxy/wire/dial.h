/* SPDX-License-Identifier: MIT */
/* Opening a connection to a server without waiting for anyone: looks the host name up
 * if it is one, then tries its addresses in turn. */
#ifndef NETSPLIT_PROXY_WIRE_DIAL_H
#define NETSPLIT_PROXY_WIRE_DIAL_H

#include "rules/language/rule.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>
#include <uv.h>

struct dial;
struct netns;
struct watch;
struct watch_group;

struct dial_result {
    int status; /* 0: connected. Else why the last address failed: -ECONNREFUSED, ...
                   or a UV_EAI_* of the lookup. -EMFILE, -ENFILE: no descriptor left */
    struct watch *watch; /* of the connected socket, now the receiver's; else NULL */
    struct sockaddr_storage server; /* connected to, or tried last; family 0 = none */
};

/* What the socket is like. Zeroes: as any client's. */
struct dial_source {
    const struct netns *netns; /* borrowed till the end: made there; NULL: here */
    uint32_t mark;             /* of its packets; 0 = none */
    bool transparent;          /* the address may be another host's */
    /* To be bound to; family 0: the kernel's choice. Where it cannot be had with its
     * port it is tried with any, and then without it. */
    struct sockaddr_storage address;
};

/* Called once, from the loop; the dial is freed already. */
typedef void (*dial_done_fn)(void *context, const struct dial_result *result);

/* Starts. 0 and *out; or, without a call to on_done, why it failed at once. The text of
 * a host name is borrowed for the call, the source (NULL: zeroes) copied. There is no
 * deadline: the owner cancels. */
int dial_start(struct dial **out, struct watch_group *group,
               const struct address *address, uint16_t port,
               const struct dial_source *source, dial_done_fn on_done, void *context);

/* For the owner to call at a steady pace: an address that has not answered from one
 * call to the next but one makes way for the next, if there is one. May call on_done.
 */
void dial_press(struct dial *dial);

/* Ends it without a call to on_done and frees it. NULL is fine. A lookup that runs goes
 * on by itself, for nobody. */
void dial_cancel(struct dial *dial);

#endif
