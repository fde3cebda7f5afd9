/* SPDX-License-Identifier: MIT */
/* One descriptor of the data path: owns it, reports events to whoever it belongs to,
 * and takes care of the end, so that owners may be freed at any time. */
#ifndef NETSPLIT_PROXY_WIRE_WATCH_H
#define NETSPLIT_PROXY_WIRE_WATCH_H

#include <stdbool.h>
#include <stddef.h>
#include <uv.h>

struct watch;

/* events: UV_READABLE, UV_WRITABLE, UV_PRIORITIZED; or failed: the descriptor has an
 * error, and events are no longer reported whatever is asked for. */
typedef void (*watch_fn)(void *context, int events, bool failed);

/* The watches of one owner, in one epoll set, which the loop waits for as for a single
 * descriptor. */
struct watch_group;

/* 0 and *out, -ENOMEM, or what epoll_create says (-EMFILE). */
int watch_group_create(struct watch_group **out, uv_loop_t *loop);

/* on_empty: called once from the loop, when no watch is open any more; at the next turn
 * if none is now. */
void watch_group_when_empty(struct watch_group *group, void (*on_empty)(void *context),
                            void *context);

/* No watch of it is open. The memory goes with a later turn of the loop. NULL is fine.
 */
void watch_group_destroy(struct watch_group *group);

/* How many watches are open. */
size_t watch_group_count(const struct watch_group *group);

uv_loop_t *watch_group_loop(const struct watch_group *group);

/* What uv_run with UV_RUN_DEFAULT does for the group's loop, with less between an event
 * and its watch: the epoll set is the outer loop, and libuv's the inner one. Other
 * groups of the loop are served too, as ever; the group may be destroyed within. */
void watch_group_run(struct watch_group *group);

/* Takes over fd, which is non-blocking, and reports these events from now on. 0; or
 * -ENOMEM, or what epoll says, and fd is still the caller's. */
int watch_create(struct watch **out, struct watch_group *group, int fd, int events,
                 watch_fn on_event, void *context);

/* From now on events go there. */
void watch_hand_over(struct watch *watch, watch_fn on_event, void *context);

/* What to report; 0 = nothing. The same again costs nothing. Errors are reported
 * unless it is 0: UV_PRIORITIZED alone asks for little else. */
void watch_set(struct watch *watch, int events);

/* No event is reported any more; the descriptor is closed now. NULL is fine. */
void watch_close(struct watch *watch);

/* To be called for all watches of a socket that has several descriptors, before any of
 * them is closed: else what comes to the others is reported to those that are closed.
 */
void watch_share(struct watch *watch);

int watch_fd(const struct watch *watch);

#endif
