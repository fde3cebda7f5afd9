/* SPDX-License-Identifier: MIT */
/* One descriptor in the loop's poll set: owns both, reports events to whoever it
 * belongs to, and takes care of the end, so that owners may be freed at any time. */
#ifndef NETSPLIT_PROXY_WATCH_H
#define NETSPLIT_PROXY_WATCH_H

#include <stdbool.h>
#include <stddef.h>
#include <uv.h>

struct watch;

/* events: UV_READABLE, UV_WRITABLE, UV_PRIORITIZED; or failed: the descriptor has an
 * error, and events are no longer reported whatever is asked for. */
typedef void (*watch_fn)(void *context, int events, bool failed);

/* The watches of one owner: counts what is still closing. */
struct watch_group;

/* on_empty: called from the loop when the last watch is closed, once it was asked for.
 * NULL: no memory. */
struct watch_group *watch_group_create(uv_loop_t *loop);
void watch_group_when_empty(struct watch_group *group, void (*on_empty)(void *context),
                            void *context);

/* How many watches are open or closing. */
size_t watch_group_count(const struct watch_group *group);

/* No watch of it is open; those that are closing go on alone. NULL is fine. */
void watch_group_destroy(struct watch_group *group);

uv_loop_t *watch_group_loop(const struct watch_group *group);

/* Takes over fd (non-blocking afterwards) and watches nothing yet. 0; or -ENOMEM, or
 * what epoll says, and fd is still the caller's. */
int watch_create(struct watch **out, struct watch_group *group, int fd,
                 watch_fn on_event, void *context);

/* From now on events go there. */
void watch_hand_over(struct watch *watch, watch_fn on_event, void *context);

/* What to report; 0 = nothing. The same again costs nothing. Errors are reported
 * unless it is 0: UV_PRIORITIZED alone asks for little else. */
void watch_set(struct watch *watch, int events);

/* No event is reported any more; the descriptor is closed now, the memory freed by the
 * loop. NULL is fine. */
void watch_close(struct watch *watch);

int watch_fd(const struct watch *watch);

#endif
