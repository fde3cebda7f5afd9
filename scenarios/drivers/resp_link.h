/* SPDX-License-Identifier: MIT */
/* A connection of the RESP driver's: hiredis on the drill's loop. */
#ifndef NETSPLIT_SCENARIOS_DRIVERS_RESP_LINK_H
#define NETSPLIT_SCENARIOS_DRIVERS_RESP_LINK_H

#include "scenarios/drivers/client.h"
#include "scenarios/drivers/elements.h"

#include <hiredis/async.h>

/* One connection. It outlives its client's interest by the time libuv needs. */
struct resp_link {
    uv_poll_t poll;
    redisAsyncContext *context; /* hiredis frees it; NULL once it has */
    struct resp_client *client; /* borrowed; NULL when nobody wants to hear any more */
    int events;                 /* what hiredis waits for */
};

struct resp_client {
    struct driver_client base;
    struct resp_link *link; /* owned, until it is abandoned; NULL = not connected */
    uint64_t open_replies;  /* of the request */
    struct driver_outcome outcome; /* of setup and teardown: the first error */
    struct elements elements;      /* of the last list read */
};

/* Begins to connect; false after driver_broke(). */
bool resp_link_open(struct resp_client *client);

/* Ends the client's connection, if it has one; no callback comes to it any more. */
void resp_link_abandon(struct driver_client *base);

/* Whose answer this is. NULL: nobody waits for it any more, or there is none because the
 * connection ended, which was said then (driver_broke()). */
struct resp_client *resp_link_hear(redisAsyncContext *context, const redisReply *reply);

#endif
