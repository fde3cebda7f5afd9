/* SPDX-License-Identifier: MIT */
/* The figures are from tables of the exact binomial interval. */
#include "scenarios/report/bound.h"

#include <criterion/criterion.h>
#include <math.h>

Test(bound, follows_the_rule_of_three_without_a_failure)
{
    cr_expect_lt(fabs(bound_failure_rate(10, 0) - 0.2589), 1e-4);
    cr_expect_lt(fabs(bound_failure_rate(100, 0) - 0.02951), 1e-5);
    cr_expect_lt(fabs(bound_failure_rate(1000, 0) - 3.0 / 1000), 1e-5);
}

Test(bound, is_the_upper_end_of_the_exact_interval)
{
    cr_expect_lt(fabs(bound_failure_rate(10, 1) - 0.3942), 1e-4);
    cr_expect_lt(fabs(bound_failure_rate(20, 3) - 0.3437), 1e-4);
    cr_expect_eq(bound_failure_rate(5, 5), 1);
    cr_expect_eq(bound_failure_rate(0, 0), 1, "nothing shows nothing");
}

Test(bound, says_how_many_clean_runs_a_rate_takes)
{
    cr_expect_eq(bound_runs_for(0.01), 299);
    cr_expect_eq(bound_runs_for(0.05), 59);
    cr_expect_lt(bound_failure_rate(299, 0), 0.01);
    cr_expect_gt(bound_failure_rate(298, 0), 0.01);
}
