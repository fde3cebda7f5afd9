/* SPDX-License-Identifier: MIT */
/* The happy path: a socket is added to the group's epoll set once, each change of
 * interest is one epoll_ctl, and its end is close(2). libuv's poll handles cost three
 * calls to begin with and two for each change, and live until a callback; what uses
 * sockets here (dials that try one address after another, connections that end in the
 * middle of anything) comes and goes too often for that.
 *
 * The loop polls the set as one descriptor, so that it works under any uv_run. The
 * program itself turns it round with watch_group_run: it waits on the set, in which
 * libuv's own backend is one more descriptor (uv_backend_fd, made for this), and gives
 * libuv a turn when that is ready, a timer of libuv's is due, or a handle is closing.
 *
 * A watch that is closed while events are being handed out may still be among them: its
 * memory goes behind the last of these. After an error on the descriptor the owner is
 * told once, and nothing more is reported: it finds out from the descriptor itself. */
#include "proxy/wire/watch.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

enum { EVENTS_A_TURN = 256 };

struct watch_group {
    uv_loop_t *loop;    /* borrowed */
    uv_poll_t poll;     /* of the set, in the loop; active while a watch is open */
    uv_idle_t nudge;    /* active: on_empty is to be called at the next turn */
    int set;            /* owned: the epoll set */
    size_t n;           /* open watches */
    struct watch *dead; /* owned: closed while events are handed out */
    bool dispatching;
    bool outer;                      /* watch_group_run is at it */
    bool orphan;                     /* destroyed: goes when nobody is at it any more */
    void (*on_empty)(void *context); /* NULL = nobody asks */
    void *context;
    int open_handles; /* of the two above */
};

struct watch {
    struct watch_group *group; /* borrowed */
    watch_fn on_event;         /* NULL once closed */
    void *context;             /* borrowed from the owner until watch_close */
    struct watch *next;        /* in dead */
    int fd;                    /* owned */
    int events;                /* watched now */
    bool failed;
    bool shared; /* the socket has, or had, another descriptor */
};

/* Nothing is watched: edge-triggered, so that an end is reported once at most, and
 * then passed over. */
static uint32_t to_epoll(int events)
{
    if (events == 0)
        return EPOLLET;
    return (events & UV_READABLE ? (uint32_t)EPOLLIN : 0) |
           (events & UV_WRITABLE ? (uint32_t)EPOLLOUT : 0) |
           (events & UV_PRIORITIZED ? (uint32_t)EPOLLPRI : 0);
}

/* An end alone is whatever was asked for, so that reading or writing tells of it. */
static int from_epoll(uint32_t events, int asked)
{
    if (events == EPOLLHUP)
        return asked;
    int news = (events & EPOLLIN ? UV_READABLE : 0) |
               (events & EPOLLOUT ? UV_WRITABLE : 0) |
               (events & EPOLLPRI ? UV_PRIORITIZED : 0);
    return news & asked;
}

static void fail(struct watch *watch)
{
    watch->failed = true;
    watch->events = 0;
    int status = epoll_ctl(watch->group->set, EPOLL_CTL_DEL, watch->fd, NULL);
    assert(status == 0); /* it is in there */
    (void)status;
    watch->on_event(watch->context, 0, true);
}

static void tell(struct watch *watch, uint32_t events)
{
    if (!watch->on_event || watch->events == 0)
        return; /* closed, or not watched any more, by what was told before it */
    if ((events & EPOLLERR) && !(events & EPOLLPRI)) {
        fail(watch);
        return;
    }
    int news = from_epoll(events, watch->events);
    if (news)
        watch->on_event(watch->context, news, false);
}

static void bury(struct watch_group *group)
{
    while (group->dead) {
        struct watch *next = group->dead->next;
        free(group->dead);
        group->dead = next;
    }
}

/* Hands out what came. Returns whether the loop's own descriptor was among it. */
static bool dispatch(struct watch_group *group, const struct epoll_event *events, int n)
{
    bool is_inner = false;
    group->dispatching = true;
    for (int i = 0; i < n; i++) {
        if (events[i].data.ptr)
            tell(events[i].data.ptr, events[i].events);
        else
            is_inner = true;
    }
    group->dispatching = false;
    bury(group);
    return is_inner;
}

static void on_set_readable(uv_poll_t *poll, int status, int events)
{
    (void)status; /* an epoll set has no errors */
    (void)events;
    struct watch_group *group = poll->data;
    struct epoll_event list[EVENTS_A_TURN];
    int n = epoll_wait(group->set, list, EVENTS_A_TURN, 0);
    (void)dispatch(group, list, n > 0 ? n : 0);
}

/* The loop waits for the set while there is something in it. */
static void poll_set(struct watch_group *group)
{
    bool wanted = group->n > 0 && !group->outer;
    int status = 0;
    if (group->orphan)
        return;
    if (wanted && !uv_is_active((uv_handle_t *)&group->poll))
        status = uv_poll_start(&group->poll, UV_READABLE, on_set_readable);
    else if (!wanted)
        status = uv_poll_stop(&group->poll);
    assert(status == 0); /* fails on a closing handle only */
    (void)status;
}

static void on_nudge(uv_idle_t *nudge)
{
    struct watch_group *group = nudge->data;
    void (*on_empty)(void *context) = group->on_empty;
    (void)uv_idle_stop(nudge); /* cannot fail */
    if (group->n > 0 || !on_empty)
        return;
    group->on_empty = NULL;
    on_empty(group->context);
}

static void nudge_if_empty(struct watch_group *group)
{
    if (group->n == 0 && group->on_empty)
        (void)uv_idle_start(&group->nudge, on_nudge); /* cannot fail */
}

int watch_group_create(struct watch_group **out, uv_loop_t *loop)
{
    struct watch_group *group = calloc(1, sizeof *group);
    if (!group)
        return -ENOMEM;
    group->loop = loop;
    group->set = epoll_create1(EPOLL_CLOEXEC);
    int status = group->set < 0 ? -errno : 0;
    if (status == 0)
        status = uv_poll_init(loop, &group->poll, group->set);
    if (status != 0) {
        if (group->set >= 0)
            (void)close(group->set);
        free(group);
        return status;
    }
    (void)uv_idle_init(loop, &group->nudge); /* cannot fail */
    group->poll.data = group->nudge.data = group;
    group->open_handles = 2;
    *out = group;
    return 0;
}

void watch_group_when_empty(struct watch_group *group, void (*on_empty)(void *context),
                            void *context)
{
    group->on_empty = on_empty;
    group->context = context;
    nudge_if_empty(group);
}

static void free_if_alone(struct watch_group *group)
{
    if (!group->orphan || group->outer || group->open_handles > 0)
        return;
    (void)close(group->set);
    free(group);
}

static void on_closed(uv_handle_t *handle)
{
    struct watch_group *group = handle->data;
    group->open_handles--;
    free_if_alone(group);
}

void watch_group_destroy(struct watch_group *group)
{
    if (!group)
        return;
    assert(group->n == 0);
    group->orphan = true;
    uv_close((uv_handle_t *)&group->poll, on_closed);
    uv_close((uv_handle_t *)&group->nudge, on_closed);
}

size_t watch_group_count(const struct watch_group *group)
{
    return group->n;
}

uv_loop_t *watch_group_loop(const struct watch_group *group)
{
    return group->loop;
}

static void set_inner(struct watch_group *group, bool in)
{
    struct epoll_event event = {.events = EPOLLIN};
    int status = epoll_ctl(group->set, in ? EPOLL_CTL_ADD : EPOLL_CTL_DEL,
                           uv_backend_fd(group->loop), &event);
    group->outer = in && status == 0;
    poll_set(group);
}

void watch_group_run(struct watch_group *group)
{
    uv_loop_t *loop = group->loop;
    set_inner(group, true);
    if (!group->outer) { /* no memory: the slower way */
        (void)uv_run(loop, UV_RUN_DEFAULT);
        return;
    }
    (void)uv_run(loop, UV_RUN_NOWAIT); /* what was started before reaches the backend */
    while (uv_loop_alive(loop) || group->n > 0) {
        struct epoll_event list[EVENTS_A_TURN];
        uv_update_time(loop);
        int timeout_ms = uv_backend_timeout(loop);
        if (timeout_ms == 0 && !uv_loop_alive(loop))
            timeout_ms = -1; /* watches alone keep it going */
        int n = epoll_wait(group->set, list, EVENTS_A_TURN, timeout_ms);
        if (dispatch(group, list, n > 0 ? n : 0) || n <= 0 || timeout_ms == 0)
            (void)uv_run(loop, UV_RUN_NOWAIT);
    }
    set_inner(group, false);
    free_if_alone(group);
}

int watch_create(struct watch **out, struct watch_group *group, int fd, int events,
                 watch_fn on_event, void *context)
{
    struct watch *watch = calloc(1, sizeof *watch);
    if (!watch)
        return -ENOMEM;
    struct epoll_event event = {.events = to_epoll(events), .data.ptr = watch};
    if (epoll_ctl(group->set, EPOLL_CTL_ADD, fd, &event) != 0) {
        int status = -errno;
        free(watch);
        return status;
    }
    *watch = (struct watch){.group = group,
                            .on_event = on_event,
                            .context = context,
                            .fd = fd,
                            .events = events};
    if (group->n++ == 0)
        poll_set(group);
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
    struct epoll_event event = {.events = to_epoll(events), .data.ptr = watch};
    int status = epoll_ctl(watch->group->set, EPOLL_CTL_MOD, watch->fd, &event);
    assert(status == 0); /* it is in there */
    (void)status;
}

void watch_close(struct watch *watch)
{
    if (!watch)
        return;
    struct watch_group *group = watch->group;
    /* close(2) would leave it in the set where another descriptor is open. */
    if (watch->shared && !watch->failed)
        (void)epoll_ctl(group->set, EPOLL_CTL_DEL, watch->fd, NULL); /* it is there */
    (void)close(watch->fd);
    watch->on_event = NULL;
    if (group->dispatching) {
        watch->next = group->dead;
        group->dead = watch;
    } else {
        free(watch);
    }
    if (--group->n == 0)
        poll_set(group);
    nudge_if_empty(group);
}

void watch_share(struct watch *watch)
{
    watch->shared = true;
}

int watch_fd(const struct watch *watch)
{
    return watch->fd;
}
