/* SPDX-License-Identifier: MIT */
/* The limits of an instance: bytes held in all streams and in one, connections,
 * descriptors. What runs into one waits; nothing is lost, and it is said. */
#ifndef NETSPLIT_PROXY_WIRE_BUDGET_H
#define NETSPLIT_PROXY_WIRE_BUDGET_H

#include "proxy/record/counters.h"

#include <stdbool.h>
#include <stddef.h>

struct proxy;

/* Sets the limits in the instance's counters from its config. */
void budget_init(struct proxy *proxy);

/* How many bytes a stream that holds held_bytes may read now. Over the budget one that
 * holds nothing may still read a little, so that a full budget slows streams and never
 * stops those that did not fill it: max_connections * 8 KiB above the limit at most. */
size_t budget_room(struct proxy *proxy, size_t held_bytes);

/* So many bytes are held from now on, or no longer, whether there was room or not. */
void budget_hold(struct proxy *proxy, size_t bytes);
void budget_release(struct proxy *proxy, size_t bytes);

/* A stream holds all it may for a fault that keeps bytes, limit_bytes by its rules; its
 * sender has to wait. */
void budget_note_full_stream(struct proxy *proxy, size_t held_bytes,
                             uint64_t limit_bytes);

/* A place and descriptors for one more connection; or false, and what is lacking. Some
 * descriptors are kept back, so that the proxy can be controlled when it is full. */
bool budget_take_connection(struct proxy *proxy, enum counters_budget_kind *lacking);
void budget_release_connection(struct proxy *proxy);

/* Descriptors for one more pipe beside n_pipes that are open; they go back with it. All
 * pipes together get a part of the descriptors only. */
bool budget_take_pipe(struct proxy *proxy, size_t n_pipes);
void budget_release_pipe(struct proxy *proxy);

/* The system had no descriptor, though the budget had. */
void budget_note_exhausted(struct proxy *proxy);

/* Something had to wait for the budget: the journal tells, once a second at most, and
 * the log the first time. */
void budget_say_reached(struct proxy *proxy, enum counters_budget_kind kind);

#endif
