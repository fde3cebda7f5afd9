/* SPDX-License-Identifier: MIT */
/* A clock that was read between two moments of ours is ahead by an interval. */
#include "scenarios/preflight/preflight.h"

#include <criterion/criterion.h>
#include <inttypes.h>

#define MS INT64_C(1000000)

Test(preflight_clocks, what_was_said_between_two_moments_is_an_interval)
{
    static const struct {
        int64_t said_ms, granular_ms, asked_ms, answered_ms, least_ms, most_ms;
    } rows[] = {
        {1005, 0, 1000, 1010, -5, 5},        /* it may be the same */
        {1200, 0, 1000, 1010, 190, 200},     /* ahead */
        {800, 0, 1000, 1010, -210, -200},    /* behind */
        {1000, 1000, 1000, 1010, -10, 1000}, /* in whole seconds it may be ahead */
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct preflight_clock clock = preflight_compare_clock(
            (uint64_t)(rows[i].said_ms * MS), (uint64_t)(rows[i].granular_ms * MS),
            (uint64_t)(rows[i].asked_ms * MS), (uint64_t)(rows[i].answered_ms * MS));
        cr_expect(clock.known, "row %zu", i);
        cr_expect_eq(clock.least_ns, rows[i].least_ms * MS, "row %zu: %" PRId64, i,
                     clock.least_ns);
        cr_expect_eq(clock.most_ns, rows[i].most_ms * MS, "row %zu: %" PRId64, i,
                     clock.most_ns);
    }
}

Test(preflight_clocks, a_clock_that_says_nothing_or_ours_set_back_is_not_known)
{
    cr_expect_not(preflight_compare_clock(0, 0, 1000, 2000).known);
    cr_expect_not(preflight_compare_clock(1500, 0, 2000, 1000).known);
}
