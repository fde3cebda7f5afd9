/* SPDX-License-Identifier: MIT */
/* libuv wants a poll handle to live until its close callback has run; what uses sockets
 * here (dials that try one address after another, connections that end in the middle
 * of anything) does not want to wait for that. So the handle lives in an object of its
 * own, which outlives its owner by a turn of the loop.
 *
 * After an error on the descriptor libuv stops the handle and says UV_EBADF (src/unix/
 * poll.c); watching it again would only spin. The owner is told once and then finds out
 * from the descriptor itself. */
#include "proxy/watch.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

struct watch_group {
    uv_loop_t *loop;                 /* borrowed */
    size_t n;                        /* watches that are open or closing */
    bool orphan;                     /* destroyed: goes with its last watch */
    void (*on_empty)(void *context); /* NULL = nobody asks */
    void *context;
};

struct watch {
    uv_poll_t poll;
    struct watch_group *group; /* shared: it stays for its last watch */
    watch_fn on_event;         /* NULL once closed */
    void *context;             /* borrowed from the owner until watch_close */
    int fd;                    /* owned */
    int events;                /* watched now */
    bool failed;
};

struct watch_group *watch_group_create(uv_loop_t *loop)
{
    struct watch_group *group = calloc(1, sizeof *group);
    if (group)
        group->loop = loop;
    return group;
}

void watch_group_when_empty(struct watch_group *group, void (*on_empty)(void *context),
                            void *context)
{
    group->on_empty = on_empty;
    group->context = context;
}

size_t watch_group_count(const struct watch_group *group)
{
    return group->n;
}

void watch_group_destroy(struct watch_group *group)
{
    if (!group)
        return;
    group->orphan = true;
    group->on_empty = NULL;
    if (group->n == 0)
        free(group);
}

uv_loop_t *watch_group_loop(const struct watch_group *group)
{
    return group->loop;
}

static void on_poll(uv_poll_t *poll, int status, int events)
{
    struct watch *watch = poll->data;
    if (status < 0) {
        watch->failed = true;
        watch->events = 0;
    }
    watch->on_event(watch->context, status < 0 ? 0 : events, status < 0);
}

int watch_create(struct watch **out, struct watch_group *group, int fd,
                 watch_fn on_event, void *context)
{
    struct watch *watch = calloc(1, sizeof *watch);
    if (!watch)
        return -ENOMEM;
    int status = uv_poll_init(group->loop, &watch->poll, fd);
    if (status != 0) {
        free(watch);
        return status;
    }
    watch->poll.data = watch;
    watch->group = group;
    watch->on_event = on_event;
    watch->context = context;
    watch->fd = fd;
    group->n++;
    *out = watch;
    return 0;
}

void watch_hand_over(struct watch *watch, watch_fn on_event, void *context)
{
    watch->on_event = on_event;
    watch->context = context;
}

void watch_set(struct watch *watch, int events)
{
    if (watch->failed || events == watch->events)
        return;
    watch->events = events;
    int status = events ? uv_poll_start(&watch->poll, events, on_poll)
                        : uv_poll_stop(&watch->poll);
    assert(status == 0); /* fails on a closing handle only */
    (void)status;
}

static void on_closed(uv_handle_t *handle)
{
    struct watch *watch = handle->data;
    struct watch_group *group = watch->group;
    free(watch);
    if (--group->n > 0)
        return;
    if (group->orphan)
        free(group);
    else if (group->on_empty)
        group->on_empty(group->context);
}

void watch_close(struct watch *watch)
{
    if (!watch)
        return;
    watch->on_event = NULL;
    uv_close((uv_handle_t *)&watch->poll, on_closed);
    (void)close(watch->fd); /* uv_close took it out of the epoll set */
}

int watch_fd(const struct watch *watch)
{
    return watch->fd;
}
