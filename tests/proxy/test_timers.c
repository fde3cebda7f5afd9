/* SPDX-License-Identifier: MIT */
/* Order and moments of timers on a real loop; never how late one may be. */
#include "proxy/base/now.h"
#include "proxy/wire/timers.h"

#include <criterion/criterion.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { MANY = 2000 };

static uv_loop_t loop;
static struct timers *timers;

static void setup(void)
{
    cr_assert_eq(uv_loop_init(&loop), 0);
    cr_assert_eq(timers_create(&timers, &loop), 0);
}

static void teardown(void)
{
    timers_close(timers, NULL, NULL);
    uv_run(&loop, UV_RUN_DEFAULT);
    cr_assert_eq(uv_loop_close(&loop), 0);
}

TestSuite(timers, .init = setup, .fini = teardown);

struct probe {
    struct timer timer;
    uint64_t called_ns; /* 0 = not yet */
    uint64_t due_ns;    /* as it was set */
    size_t order;       /* the how manieth call it was, from 1 */
};

static size_t calls;

static void on_due(struct timer *timer, uint64_t now)
{
    struct probe *probe = timer->owner;
    cr_assert_eq(timer->place, 0, "no longer set when it is called");
    cr_assert_geq(now, probe->due_ns, "never early");
    probe->called_ns = now;
    probe->order = ++calls;
}

static void probe_set(struct probe *probe, uint64_t due_ns)
{
    probe->due_ns = due_ns;
    timer_set(timers, &probe->timer, due_ns);
}

/* Turns the loop until so many timers were called. */
static void turn_until(size_t wanted)
{
    uint64_t patience_ns = now_ns() + 10 * NS_PER_S;
    while (calls < wanted && now_ns() < patience_ns)
        uv_run(&loop, UV_RUN_ONCE);
    cr_assert_eq(calls, wanted);
}

Test(timers, are_called_in_order_of_their_due_time_and_never_early)
{
    unsigned seed = (unsigned)time(NULL);
    fprintf(stderr, "seed %u\n", seed);
    struct probe *probes = calloc(MANY, sizeof *probes);
    cr_assert_eq(timers_reserve(timers, MANY), 0);
    uint64_t start = now_ns();
    size_t kept = 0;
    for (size_t i = 0; i < MANY; i++) {
        timer_init(&probes[i].timer, on_due, &probes[i]);
        probe_set(&probes[i], start + (uint64_t)rand_r(&seed) % (20 * NS_PER_MS));
    }
    for (size_t i = 0; i < MANY; i++) { /* a third moved, a third cleared */
        if (i % 3 == 1)
            probe_set(&probes[i], start + (uint64_t)rand_r(&seed) % (20 * NS_PER_MS));
        if (i % 3 == 2)
            timer_clear(timers, &probes[i].timer);
        kept += i % 3 != 2;
    }
    turn_until(kept);
    uint64_t *by_order = calloc(kept + 1, sizeof *by_order);
    for (size_t i = 0; i < MANY; i++) {
        cr_assert_eq(probes[i].called_ns != 0, i % 3 != 2);
        if (probes[i].order)
            by_order[probes[i].order] = probes[i].due_ns;
    }
    for (size_t i = 2; i <= kept; i++)
        cr_assert_leq(by_order[i - 1], by_order[i]);
    timers_give_back(timers, MANY);
    free(by_order);
    free(probes);
}

static struct probe second;

static void on_due_set_both(struct timer *timer, uint64_t now)
{
    on_due(timer, now);
    if (calls == 1) {
        probe_set(timer->owner, now); /* due already: in the next turn, not now */
        timer_clear(timers, &second.timer);
    }
}

Test(timers, a_callback_may_set_itself_and_clear_another)
{
    struct probe first = {0};
    second = (struct probe){0};
    cr_assert_eq(timers_reserve(timers, 2), 0);
    timer_init(&first.timer, on_due_set_both, &first);
    timer_init(&second.timer, on_due, &second);
    uint64_t now = now_ns();
    probe_set(&first, now);
    probe_set(&second, now + 1);
    turn_until(2);
    cr_assert_eq(first.order, 2);
    cr_assert_eq(second.order, 0);
    timers_give_back(timers, 2);
}

Test(timers, setting_to_never_clears)
{
    struct probe probe = {0}, marker = {0};
    cr_assert_eq(timers_reserve(timers, 2), 0);
    timer_init(&probe.timer, on_due, &probe);
    timer_init(&marker.timer, on_due, &marker);
    probe_set(&probe, now_ns());
    timer_set(timers, &probe.timer, UINT64_MAX);
    probe_set(&marker, now_ns() + NS_PER_MS);
    turn_until(1);
    cr_assert_eq(marker.order, 1);
    timers_give_back(timers, 2);
}

Test(timers, an_earlier_timer_is_not_kept_waiting_by_a_later_one)
{
    struct probe late = {0}, soon = {0};
    cr_assert_eq(timers_reserve(timers, 2), 0);
    timer_init(&late.timer, on_due, &late);
    timer_init(&soon.timer, on_due, &soon);
    probe_set(&late, now_ns() + 3600 * NS_PER_S);
    probe_set(&soon, now_ns() + NS_PER_MS);
    turn_until(1);
    cr_assert_eq(soon.order, 1);
    timer_clear(timers, &late.timer);
    timers_give_back(timers, 2);
}

static void on_closed(void *context)
{
    *(bool *)context = true;
}

Test(timers_close, forgets_what_is_set)
{
    setup();
    struct probe probe = {0};
    bool closed = false;
    cr_assert_eq(timers_reserve(timers, 1), 0);
    timer_init(&probe.timer, on_due, &probe);
    probe_set(&probe, now_ns());
    timers_close(timers, on_closed, &closed);
    uv_run(&loop, UV_RUN_DEFAULT);
    cr_assert(closed);
    cr_assert_eq(calls, 0);
    cr_assert_eq(uv_loop_close(&loop), 0);
}
