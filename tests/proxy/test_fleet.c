/* SPDX-License-Identifier: MIT */
/* A proxy with threads, from inside: what its journal tells and when, and that threads
 * come and go cleanly. What clients see of it is in tests/program/test_threads.c. */
#include "tests/proxy/fixture.h"

#include <criterion/criterion.h>
#include <dirent.h>
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

enum { THREADS = 3, PAIRS = 60 };

static struct net_pair pairs[PAIRS];

static void setup(void)
{
    fixture_open();
    net.config.threads = THREADS;
}

TestSuite(fleet, .init = setup, .fini = fixture_close, .timeout = 60);

static void join_all(size_t n)
{
    for (size_t i = 0; i < n; i++)
        pairs[i] = net_join(&net, listener);
}

static void part_all(size_t n)
{
    for (size_t i = 0; i < n; i++)
        net_part(pairs[i]);
}

/* How many entries a directory of /proc/self has. */
static size_t count_entries(const char *path)
{
    size_t n = 0;
    DIR *entries = opendir(path);
    cr_assert_not_null(entries);
    while (readdir(entries))
        n++;
    (void)closedir(entries);
    return n;
}

Test(fleet, a_change_is_in_the_journal_when_it_is_answered_and_so_is_what_came_before)
{
    struct journal_event event;
    uint64_t missed;
    size_t opened = 0;
    net_start(&net, NET_ONE_PATH, server);
    join_all(12);
    net_apply(&net, "cut", "  - { name: cut, cut: { from: c, to: s } }");
    while (journal_read(net.journal, &cursor, &event, &missed)) {
        opened += event.type == JOURNAL_CONNECTION_OPENED;
        if (event.type == JOURNAL_COMMITTED && strcmp(event.origin, "cut") == 0)
            break;
    }
    cr_assert_eq(event.type, JOURNAL_COMMITTED);
    cr_assert_eq(opened, 12);
    part_all(12);
}

Test(fleet, the_sum_of_all_threads_is_shown_while_they_stand)
{
    net_start(&net, NET_ONE_PATH, server);
    join_all(12);
    for (size_t i = 0; i < 12; i++) {
        net_say(&net, pairs[i].client, "twelve bytes");
        net_hear(&net, pairs[i].server, "twelve bytes");
    }
    proxy_freeze(net.proxy);
    proxy_freeze(net.proxy);
    struct proxy_status status;
    proxy_status(net.proxy, &status);
    cr_assert_eq(status.connections, 12);
    cr_assert_eq(status.threads, THREADS);
    proxy_thaw(net.proxy);
    for (size_t i = 0; i < 12; i++) /* those of the front do not run either */
        cr_assert_eq(send(pairs[i].client, "x", 1, 0), 1);
    struct counters *sum = proxy_counters(net.proxy);
    cr_assert_eq(counters_link(sum, "c", "s")->passed_bytes, 144);
    sum = proxy_counters(net.proxy);
    cr_assert_eq(counters_link(sum, "c", "s")->passed_bytes, 144);
    cr_assert_eq(sum->budgets[BUDGET_CONNECTIONS].used_now, 12);
    proxy_thaw(net.proxy);
    for (size_t i = 0; i < 12; i++)
        net_hear(&net, pairs[i].server, "x");
    part_all(12);
}

/* How many of the servers have n bytes to read. */
static size_t count_served(int n)
{
    size_t served = 0;
    for (size_t i = 0; i < PAIRS; i++) {
        int unread = 0;
        cr_assert_eq(ioctl(pairs[i].server, FIONREAD, &unread), 0);
        served += unread == n;
    }
    return served;
}

/* While this thread does not turn its loop the others go on, until their queues are
 * full of decisions, one a byte. */
Test(fleet, events_that_find_no_room_are_counted)
{
    enum { BYTES = 500, SERVED = PAIRS * 2 / 5 };
    static char bytes[BYTES];
    journal_destroy(net.journal);
    net.config.journal = net.journal = journal_create(1 << 16);
    net_start(&net, NET_ONE_PATH, server);
    net_apply(&net, "bad",
              "  - { name: bad, match: { from: c, to: s },"
              " inject: { corrupt: { per_byte: 100%% } } }");
    join_all(PAIRS);
    for (size_t i = 0; i < PAIRS; i++)
        cr_assert_eq(send(pairs[i].client, bytes, BYTES, 0), BYTES);
    while (count_served(BYTES) < SERVED)
        (void)poll(NULL, 0, 5);
    for (size_t i = 0; i < PAIRS; i++)
        net_skim(&net, pairs[i].server, BYTES);
    uint64_t decisions = 0, lost = 0, missed;
    struct journal_event event;
    proxy_freeze(net.proxy);
    proxy_thaw(net.proxy);
    while (journal_read(net.journal, &cursor, &event, &missed)) {
        decisions += event.type == JOURNAL_DECISION;
        lost += event.type == JOURNAL_MISSED ? event.count : 0;
    }
    cr_expect_gt(lost, 0);
    cr_assert_eq(decisions + lost, PAIRS * BYTES);
    part_all(PAIRS);
}

Test(fleet, one_that_is_never_started_ends_its_threads)
{
    size_t before = count_entries("/proc/self/task");
    cr_assert_eq(proxy_create(&net.config, &net.proxy), 0);
    cr_assert_eq(count_entries("/proc/self/task"), before + THREADS - 1);
    proxy_destroy(net.proxy);
    cr_assert_eq(count_entries("/proc/self/task"), before);
    net.proxy = NULL;
    net.stopped = true;
}

/* libuv 1.44 leaves the epoll descriptor open when uv_loop_init fails for want of
 * another one: at most that is left of each try. */
Test(fleet, without_descriptors_for_all_loops_nothing_is_left_of_any)
{
    struct rlimit limit;
    cr_assert_eq(proxy_create(&net.config, &net.proxy), 0);
    proxy_destroy(net.proxy); /* what libuv opens once is open now */
    net.proxy = NULL;
    net_turn(&net, 0);
    size_t tasks = count_entries("/proc/self/task");
    cr_assert_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
    for (size_t most = 3; most < 40; most++) {
        size_t open_files = count_entries("/proc/self/fd");
        struct rlimit lower = {.rlim_cur = open_files + most,
                               .rlim_max = limit.rlim_max};
        net.config.threads = PROXY_THREADS_MAX;
        cr_assert_eq(setrlimit(RLIMIT_NOFILE, &lower), 0);
        cr_assert_eq(proxy_create(&net.config, &net.proxy), -EMFILE);
        cr_assert_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
        net_turn(&net, 0);
        cr_assert_eq(count_entries("/proc/self/task"), tasks);
        cr_assert_leq(count_entries("/proc/self/fd"), open_files + 1);
    }
    net.stopped = true;
}

Test(fleet, a_port_that_is_taken_leaves_no_socket_of_any_thread)
{
    uint16_t taken;
    int holder = net_listen(AF_INET, &taken);
    net_start(&net, NET_ONE_PATH, server);
    size_t files = count_entries("/proc/self/fd");
    int status = net_apply_base(
        &net,
        NET_ONE_PATH "  - { name: a, address: 127.0.0.1:0, from: s, to: s }\n"
                     "  - { name: b, address: 127.0.0.1:%u, to: s }\n",
        server, taken);
    cr_assert_eq(status, -EADDRINUSE);
    net_turn(&net, 0);
    cr_assert_eq(count_entries("/proc/self/fd"), files);
    join_all(6);
    part_all(6);
    close(holder);
}
