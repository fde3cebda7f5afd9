/* SPDX-License-Identifier: MIT */
/* Release times of delayed bytes, deadlines of dials, edges of `when`: everything in
 * the proxy that waits for a moment.
 *
 * The heap orders timers by due time; the timerfd is armed, absolutely, for the
 * earliest. When it fires, all that is due by then is called, earliest first, and the
 * timerfd is armed once for what is left. Setting a timer that is not the earliest
 * costs no system call, and the timerfd is never moved to a later moment only because
 * the earliest was cleared: one idle wake-up is cheaper than a call for each
 * acknowledged packet.
 *
 * A callback may set and clear any timer, its own included; what it sets for now or
 * earlier is called in the next turn of the loop, so that sockets get theirs. Memory
 * is reserved ahead by owners, so that setting a timer on the data path cannot fail.
 *
 * It does not spin ahead of a moment, and does not raise the scheduling class: both are
 * trades that a loaded machine makes differently. */
#include "proxy/wire/timers.h"
#include "proxy/base/now.h"

#include <assert.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/timerfd.h>
#include <unistd.h>

struct timers {
    int fd; /* the timerfd */
    uv_poll_t poll;
    struct timer **heap; /* owned array of borrowed timers; heap[1] is the earliest */
    size_t n;            /* timers set */
    size_t reserved;     /* by owners; n <= reserved <= capacity */
    size_t capacity;     /* of heap, without the unused place 0 */
    uint64_t armed_ns;   /* what the timerfd waits for; UINT64_MAX = nothing */
    bool firing;         /* on_readable is at work and arms at its end */
    timers_closed_fn on_closed;
    void *context;
};

static void put(struct timers *timers, size_t place, struct timer *timer)
{
    timers->heap[place] = timer;
    timer->place = place;
}

static void sift_up(struct timers *timers, size_t place)
{
    struct timer *timer = timers->heap[place];
    while (place > 1 && timers->heap[place / 2]->due_ns > timer->due_ns) {
        put(timers, place, timers->heap[place / 2]);
        place /= 2;
    }
    put(timers, place, timer);
}

static void sift_down(struct timers *timers, size_t place)
{
    struct timer *timer = timers->heap[place];
    for (;;) {
        size_t child = place * 2;
        if (child > timers->n)
            break;
        if (child < timers->n &&
            timers->heap[child + 1]->due_ns < timers->heap[child]->due_ns)
            child++;
        if (timers->heap[child]->due_ns >= timer->due_ns)
            break;
        put(timers, place, timers->heap[child]);
        place = child;
    }
    put(timers, place, timer);
}

static void take_out(struct timers *timers, struct timer *timer)
{
    size_t place = timer->place;
    struct timer *last = timers->heap[timers->n--];
    timer->place = 0;
    if (last == timer)
        return;
    put(timers, place, last);
    sift_up(timers, place);
    sift_down(timers, last->place);
}

static void arm(struct timers *timers, uint64_t due_ns)
{
    /* Zero would disarm it: the first nanosecond is as good. */
    uint64_t at_ns = due_ns == UINT64_MAX ? 0 : due_ns + (due_ns == 0);
    struct itimerspec when = {
        .it_value = {.tv_sec = (time_t)(at_ns / NS_PER_S),
                     .tv_nsec = (long)(at_ns % NS_PER_S)},
    };
    timers->armed_ns = due_ns;
    int status = timerfd_settime(timers->fd, TFD_TIMER_ABSTIME, &when, NULL);
    assert(status == 0); /* the fd and the numbers are ours */
    (void)status;
}

static void arm_earliest(struct timers *timers)
{
    uint64_t due_ns = timers->n > 0 ? timers->heap[1]->due_ns : UINT64_MAX;
    if (due_ns < timers->armed_ns)
        arm(timers, due_ns);
}

static void on_readable(uv_poll_t *poll, int status, int events)
{
    (void)status; /* a timerfd has no errors */
    (void)events;
    struct timers *timers = poll->data;
    uint64_t fired;
    ssize_t n = read(timers->fd, &fired, sizeof fired);
    (void)n; /* EAGAIN: it was set anew meanwhile; the heap decides in any case */
    timers->armed_ns = UINT64_MAX;
    timers->firing = true;
    const uint64_t until_ns = now_ns();
    while (timers->n > 0 && timers->heap[1]->due_ns <= until_ns &&
           !uv_is_closing((uv_handle_t *)poll)) {
        struct timer *timer = timers->heap[1];
        take_out(timers, timer);
        timer->on_due(timer, now_ns());
    }
    timers->firing = false;
    if (!uv_is_closing((uv_handle_t *)poll))
        arm_earliest(timers);
}

int timers_create(struct timers **out, uv_loop_t *loop)
{
    struct timers *timers = calloc(1, sizeof *timers);
    if (!timers)
        return -ENOMEM;
    timers->armed_ns = UINT64_MAX;
    timers->fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    if (timers->fd < 0) {
        int status = -errno;
        free(timers);
        return status;
    }
    int status = uv_poll_init(loop, &timers->poll, timers->fd);
    if (status != 0) {
        (void)close(timers->fd);
        free(timers);
        return status;
    }
    timers->poll.data = timers;
    status = uv_poll_start(&timers->poll, UV_READABLE, on_readable);
    assert(status == 0); /* fails on a closing handle only */
    *out = timers;
    return 0;
}

static void on_closed(uv_handle_t *handle)
{
    struct timers *timers = handle->data;
    timers_closed_fn tell = timers->on_closed;
    void *context = timers->context;
    free(timers->heap);
    free(timers);
    if (tell)
        tell(context);
}

void timers_close(struct timers *timers, timers_closed_fn tell, void *context)
{
    timers->on_closed = tell;
    timers->context = context;
    while (timers->n > 0)
        take_out(timers, timers->heap[timers->n]);
    uv_close((uv_handle_t *)&timers->poll, on_closed);
    (void)close(timers->fd); /* uv_close took it out of the epoll set */
}

int timers_reserve(struct timers *timers, size_t n)
{
    size_t wanted = timers->reserved + n;
    if (wanted > timers->capacity) {
        size_t capacity = timers->capacity ? timers->capacity : 16;
        while (capacity < wanted)
            capacity *= 2;
        struct timer **heap =
            reallocarray(timers->heap, capacity + 1, sizeof(struct timer *));
        if (!heap)
            return -ENOMEM;
        timers->heap = heap;
        timers->capacity = capacity;
    }
    timers->reserved = wanted;
    return 0;
}

void timers_give_back(struct timers *timers, size_t n)
{
    assert(timers->reserved >= timers->n + n);
    timers->reserved -= n;
}

void timer_init(struct timer *timer, timer_fn on_due, void *owner)
{
    *timer = (struct timer){.on_due = on_due, .owner = owner};
}

void timer_set(struct timers *timers, struct timer *timer, uint64_t due_ns)
{
    if (due_ns == UINT64_MAX) {
        timer_clear(timers, timer);
        return;
    }
    if (timer->place == 0) {
        assert(timers->n < timers->reserved);
        timer->due_ns = due_ns;
        put(timers, ++timers->n, timer);
        sift_up(timers, timer->place);
    } else if (timer->due_ns != due_ns) {
        timer->due_ns = due_ns;
        sift_up(timers, timer->place);
        sift_down(timers, timer->place);
    }
    if (!timers->firing)
        arm_earliest(timers);
}

void timer_clear(struct timers *timers, struct timer *timer)
{
    if (timer->place != 0)
        take_out(timers, timer);
}
