/* SPDX-License-Identifier: MIT */
#include "scenarios/checkers/quantile.h"

#include <criterion/criterion.h>

Test(quantile, is_the_nearest_rank)
{
    uint64_t values[] = {50, 15, 40, 20, 35}; /* the textbook's example */
    quantile_sort(values, 5);
    cr_expect_eq(quantile_of(values, 5, 1), 15);
    cr_expect_eq(quantile_of(values, 5, 20), 15);
    cr_expect_eq(quantile_of(values, 5, 21), 20);
    cr_expect_eq(quantile_of(values, 5, 40), 20);
    cr_expect_eq(quantile_of(values, 5, 50), 35);
    cr_expect_eq(quantile_of(values, 5, 99), 50);
    cr_expect_eq(quantile_of(values, 5, 100), 50);
    cr_expect_eq(quantile_of(values, 1, 1), 15);
    cr_expect_eq(quantile_of(values, 0, 50), 0);
}
