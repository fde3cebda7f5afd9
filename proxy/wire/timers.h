/* SPDX-License-Identifier: MIT */
/* Moments to the microsecond on a libuv loop: a binary heap of due times over one
 * timerfd. libuv's own timers tick in milliseconds of a cached clock, which costs a
 * delay half a millisecond of accuracy. */
#ifndef NETSPLIT_PROXY_WIRE_TIMERS_H
#define NETSPLIT_PROXY_WIRE_TIMERS_H

#include <stddef.h>
#include <stdint.h>
#include <uv.h>

struct timers;
struct timer;

/* now_ns: CLOCK_MONOTONIC, read after the timer was due. The timer is no longer set and
 * may be set again, or its memory freed. */
typedef void (*timer_fn)(struct timer *timer, uint64_t now_ns);

/* Embedded in its owner. */
struct timer {
    timer_fn on_due;
    void *owner;     /* borrowed; for on_due */
    uint64_t due_ns; /* while it is set */
    size_t place;    /* in the heap, from 1; 0 = not set */
};

/* 0, -ENOMEM, or what timerfd_create says (-EMFILE). */
int timers_create(struct timers **out, uv_loop_t *loop);

/* Calls no timer any more; on_closed (may be NULL) is called from the loop when the
 * memory is free. Timers that are still set are forgotten. */
typedef void (*timers_closed_fn)(void *context);
void timers_close(struct timers *timers, timers_closed_fn on_closed, void *context);

/* Room for so many timers set at a time, so that timer_set cannot fail. 0 or -ENOMEM.
 * An owner reserves when it comes and gives back when it goes. */
int timers_reserve(struct timers *timers, size_t n);
void timers_give_back(struct timers *timers, size_t n);

void timer_init(struct timer *timer, timer_fn on_due, void *owner);

/* Calls on_due once, from the loop, at due_ns (CLOCK_MONOTONIC) or as soon after as the
 * loop comes to it: never before. Setting a set timer moves it. UINT64_MAX clears. */
void timer_set(struct timers *timers, struct timer *timer, uint64_t due_ns);

/* Clearing a timer that is not set is fine. */
void timer_clear(struct timers *timers, struct timer *timer);

#endif
