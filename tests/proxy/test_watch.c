/* SPDX-License-Identifier: MIT */
/* Descriptors whose watches come and go while events are under way. */
#include "proxy/wire/watch.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* What a watch told, and what it does when told. */
struct seen {
    struct watch *watch;
    struct watch *victim; /* closed when told */
    unsigned times;
    int events;
    bool failed;
};

static uv_loop_t loop;
static struct watch_group *group;
static unsigned emptied;

static void open_group(void)
{
    cr_assert_eq(uv_loop_init(&loop), 0);
    cr_assert_eq(watch_group_create(&group, &loop), 0);
}

static void close_group(void)
{
    watch_group_destroy(group);
    (void)uv_run(&loop, UV_RUN_DEFAULT);
    cr_assert_eq(uv_loop_close(&loop), 0);
}

TestSuite(watch, .init = open_group, .fini = close_group, .timeout = 10);

static void on_event(void *context, int events, bool failed)
{
    struct seen *seen = context;
    seen->times++;
    seen->events = events;
    seen->failed = failed;
    watch_close(seen->victim);
    seen->victim = NULL;
}

/* A watched end of a pair; returns the other one. */
static int watch_pair(struct seen *seen, int events)
{
    int ends[2];
    cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends), 0);
    *seen = (struct seen){0};
    cr_assert_eq(watch_create(&seen->watch, group, ends[0], events, on_event, seen), 0);
    return ends[1];
}

static void turn(void)
{
    (void)uv_run(&loop, UV_RUN_NOWAIT); /* the set reaches the loop */
    (void)uv_run(&loop, UV_RUN_NOWAIT);
}

Test(watch, reports_what_was_asked_for_and_nothing_else)
{
    struct seen seen;
    int other = watch_pair(&seen, UV_WRITABLE);
    cr_assert_eq(write(other, "x", 1), 1);
    turn();
    cr_assert_eq(seen.events, UV_WRITABLE);
    watch_set(seen.watch, UV_READABLE);
    turn();
    cr_assert_eq(seen.events, UV_READABLE);
    watch_set(seen.watch, 0);
    seen.times = 0;
    turn();
    cr_assert_eq(seen.times, 0);
    watch_close(seen.watch);
    close(other);
}

Test(watch, an_end_is_passed_over_while_nothing_is_asked_and_told_afterwards)
{
    struct seen seen;
    int other = watch_pair(&seen, 0);
    close(other);
    turn();
    cr_assert_eq(seen.times, 0);
    watch_set(seen.watch, UV_READABLE);
    turn();
    cr_assert_geq(seen.times, 1);
    cr_assert_eq(seen.events, UV_READABLE);
    watch_close(seen.watch);
}

Test(watch, one_may_close_another_that_has_news_too)
{
    struct seen seen[2];
    int others[2];
    for (int i = 0; i < 2; i++) {
        others[i] = watch_pair(&seen[i], UV_READABLE);
        cr_assert_eq(write(others[i], "x", 1), 1);
    }
    seen[0].victim = seen[1].watch;
    seen[1].victim = seen[0].watch;
    turn();
    cr_assert_neq(seen[0].times == 0, seen[1].times == 0, "the closed one is silent");
    int left = seen[0].times ? 0 : 1;
    watch_close(seen[left].watch);
    close(others[0]);
    close(others[1]);
}

Test(watch, one_may_close_itself)
{
    struct seen seen;
    int other = watch_pair(&seen, UV_READABLE);
    seen.victim = seen.watch;
    cr_assert_eq(write(other, "x", 1), 1);
    turn();
    turn();
    cr_assert_eq(seen.times, 1);
    close(other);
}

Test(watch, a_closed_one_is_silent_though_its_socket_is_open_elsewhere)
{
    struct seen seen, next;
    int other = watch_pair(&seen, UV_READABLE);
    int again = fcntl(watch_fd(seen.watch), F_DUPFD_CLOEXEC, 0);
    watch_share(seen.watch);
    watch_close(seen.watch);
    int idle = watch_pair(&next, UV_READABLE); /* may lie where that one lay */
    cr_assert_eq(write(other, "x", 1), 1);
    turn();
    cr_assert_eq(seen.times + next.times, 0);
    watch_close(next.watch);
    close(idle);
    close(again);
    close(other);
}

static int tcp_listener(struct sockaddr *address, socklen_t *length)
{
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    cr_assert_eq(listen(fd, 1), 0);
    cr_assert_eq(getsockname(fd, address, length), 0);
    return fd;
}

Test(watch, an_error_is_told_once)
{
    struct sockaddr_storage address;
    socklen_t length = sizeof address;
    int listener = tcp_listener((struct sockaddr *)&address, &length);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    cr_assert_eq(connect(fd, (struct sockaddr *)&address, length), 0);
    int accepted = accept(listener, NULL, NULL);
    const struct linger now = {1, 0};
    cr_assert_eq(setsockopt(accepted, SOL_SOCKET, SO_LINGER, &now, sizeof now), 0);
    struct seen seen = {0};
    cr_assert_eq(watch_create(&seen.watch, group, fd, UV_READABLE, on_event, &seen), 0);
    close(accepted);
    turn();
    turn();
    cr_assert_eq(seen.times, 1);
    cr_assert(seen.failed);
    watch_set(seen.watch, UV_WRITABLE);
    turn();
    cr_assert_eq(seen.times, 1);
    watch_close(seen.watch);
    close(listener);
}

static void on_empty(void *context)
{
    (void)context;
    emptied++;
}

Test(watch, the_group_says_once_that_it_is_empty_and_not_from_within)
{
    struct seen seen;
    int other = watch_pair(&seen, UV_READABLE);
    watch_group_when_empty(group, on_empty, NULL);
    turn();
    cr_assert_eq(emptied, 0);
    watch_close(seen.watch);
    cr_assert_eq(emptied, 0);
    turn();
    turn();
    cr_assert_eq(emptied, 1);
    close(other);
}

Test(watch, a_group_that_is_empty_already_says_so_too)
{
    watch_group_when_empty(group, on_empty, NULL);
    turn();
    cr_assert_eq(emptied, 1);
}

static void on_empty_destroy(void *context)
{
    (void)context;
    watch_group_destroy(group);
    group = NULL;
}

Test(watch, the_group_may_go_while_it_turns_the_loop)
{
    struct seen seen;
    int other = watch_pair(&seen, UV_WRITABLE);
    seen.victim = seen.watch;
    watch_group_when_empty(group, on_empty_destroy, NULL);
    watch_group_run(group);
    cr_assert_eq(seen.times, 1);
    cr_assert_null(group);
    close(other);
}

static void on_timer(uv_timer_t *timer)
{
    struct seen *seen = timer->data;
    watch_close(seen->watch);
    uv_close((uv_handle_t *)timer, NULL);
}

/* The set outside, the loop inside: both get their turns, and the end is the same. */
Test(watch, the_group_can_turn_the_loop)
{
    struct seen seen;
    int other = watch_pair(&seen, UV_WRITABLE);
    uv_timer_t timer;
    cr_assert_eq(uv_timer_init(&loop, &timer), 0);
    timer.data = &seen;
    cr_assert_eq(uv_timer_start(&timer, on_timer, 20, 0), 0);
    watch_group_run(group);
    cr_assert_gt(seen.times, 0);
    close(other);
    struct seen again;
    other = watch_pair(&again, UV_WRITABLE);
    turn();
    cr_assert_gt(again.times, 0, "the loop polls the set again");
    watch_close(again.watch);
    close(other);
}
