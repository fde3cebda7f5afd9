/* SPDX-License-Identifier: MIT */
/* The wall clock may be set back and forth at any time: nothing here depends on it.
 * Every reading of it in this process, also by the libraries, comes to the functions
 * below, which show another day each time; and no timer of the kernel may run by it.
 * (To really set it would disturb the whole machine, and time namespaces have none.) */
#include "proxy/base/now.h"
#include "tests/proxy/fixture.h"

#include <criterion/criterion.h>
#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

enum { DAY_S = 86400, DAYS = 400 };

static bool is_jumping;
static int n_timers;

static time_t next_jump_s(void)
{
    static unsigned n;
    return is_jumping ? ((n++ * 7919 % DAYS) - DAYS / 2) * (time_t)DAY_S : 0;
}

/* The C library's function of the name, into *function. */
static void find_real(const char *name, void *function, size_t function_bytes)
{
    void *found = dlsym(RTLD_NEXT, name);
    memcpy(function, &found, function_bytes); /* ISO C has no cast for it */
}

/* In place of the C library's, for this process. */
int clock_gettime(clockid_t id, struct timespec *out)
{
    static int (*real)(clockid_t, struct timespec *);
    if (!real)
        find_real("clock_gettime", &real, sizeof real);
    int status = real(id, out);
    if (status == 0 && id == CLOCK_REALTIME)
        out->tv_sec += next_jump_s();
    return status;
}

int gettimeofday(struct timeval *out, void *zone)
{
    struct timespec now;
    (void)zone;
    int status = clock_gettime(CLOCK_REALTIME, &now);
    *out = (struct timeval){now.tv_sec, now.tv_nsec / 1000};
    return status;
}

time_t time(time_t *out)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_REALTIME, &now);
    if (out)
        *out = now.tv_sec;
    return now.tv_sec;
}

int timerfd_create(int id, int flags)
{
    static int (*real)(int, int);
    if (!real)
        find_real("timerfd_create", &real, sizeof real);
    cr_assert_eq(id, CLOCK_MONOTONIC);
    n_timers++;
    return real(id, flags);
}

/* Not now_ns(), which is on trial. */
static uint64_t steady_ns(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_BOOTTIME, &now);
    return (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
}

static void open_jumping(void)
{
    is_jumping = true;
    fixture_open();
    net_start(&net, NET_ONE_PATH, server);
}

TestSuite(clock, .init = open_jumping, .fini = fixture_close, .timeout = 60);

Test(clock, the_wall_clock_of_these_tests_jumps)
{
    uint64_t first = now_wall_ns() / NS_PER_S, second = now_wall_ns() / NS_PER_S;
    cr_assert_gt(llabs((long long)(first - second)), DAY_S / 2);
    cr_assert_gt(n_timers, 0, "timers are not seen being made");
}

Test(clock, a_delay_is_as_long_as_it_says)
{
    net_apply(&net, "far", "  - { name: far, inject: { delay: 80ms } }");
    struct net_pair pair = net_join(&net, listener);
    for (int i = 0; i < 5; i++) {
        uint64_t since = steady_ns();
        net_say(&net, pair.client, "tick");
        net_hear(&net, pair.server, "tick");
        cr_assert_geq(steady_ns() - since, 80 * NS_PER_MS);
    }
    net_part(pair);
}

static bool is_active(void *context)
{
    const bool *wanted = context;
    struct journal_event event;
    return net_event(&net, &cursor,
                     *wanted ? JOURNAL_RULE_ACTIVE : JOURNAL_RULE_INACTIVE, &event);
}

Test(clock, a_window_opens_and_closes)
{
    bool active = true, inactive = false;
    uint64_t since = steady_ns();
    net_apply(
        &net, "w",
        "  - { name: w, inject: { stall: true }, when: { after: 60ms, for: 60ms } }");
    net_until(&net, is_active, &active);
    cr_assert_geq(steady_ns() - since, 60 * NS_PER_MS);
    net_until(&net, is_active, &inactive);
    cr_assert_geq(steady_ns() - since, 120 * NS_PER_MS);
}

Test(clock, a_close_comes_after_its_time)
{
    net_apply(&net, "end", "  - { name: end, inject: { close: { after: 70ms } } }");
    uint64_t since = steady_ns();
    struct net_pair pair = net_join(&net, listener);
    net_hear_fin(&net, pair.client);
    cr_assert_geq(steady_ns() - since, 70 * NS_PER_MS);
    net_part(pair);
}
