/* SPDX-License-Identifier: MIT */
/* A connection of which one side is gone by a rule (`half_open`) and the other does not
 * know: it stays open, what it sends is thrown away, and nothing answers. */
#ifndef NETSPLIT_PROXY_WIRE_HALF_OPEN_H
#define NETSPLIT_PROXY_WIRE_HALF_OPEN_H

#include <stddef.h>
#include <stdint.h>

struct connection;

/* If a rule says so, resets one side of an OPEN connection, which is HALF_OPEN then;
 * else nothing happens. */
void half_open_try(struct connection *connection, uint64_t now_ns);

/* The rules have changed: ends a HALF_OPEN connection that no rule keeps so any more.
 */
void half_open_rematch(struct connection *connection, uint64_t now_ns);

/* So many bytes were read from the side that is left, and thrown away. */
void half_open_discard(struct connection *connection, size_t bytes);

/* Ends a HALF_OPEN connection when the side that is left has gone as well. */
void half_open_step(struct connection *connection, uint64_t now_ns);

#endif
