/* SPDX-License-Identifier: MIT */
#include "scenarios/checkers/pair_map.h"

#include <criterion/criterion.h>

Test(pair_map, finds_each_pair_and_no_other)
{
    struct pair_map map = {0};
    cr_expect_eq(pair_map_get(&map, 0, 0), PAIR_MAP_NONE);
    for (int64_t a = -50; a < 50; a++) {
        for (int64_t b = -50; b < 50; b++) {
            size_t *value = pair_map_at(&map, a, b);
            cr_assert_eq(*value, PAIR_MAP_NONE);
            *value = (size_t)((a + 50) * 100 + b + 50);
        }
    }
    for (int64_t a = -50; a < 50; a++)
        for (int64_t b = -50; b < 50; b++)
            cr_assert_eq(pair_map_get(&map, a, b), (size_t)((a + 50) * 100 + b + 50));
    cr_expect_eq(pair_map_get(&map, 50, 0), PAIR_MAP_NONE);
    cr_expect_eq(pair_map_get(&map, INT64_MIN, INT64_MAX), PAIR_MAP_NONE);
    *pair_map_at(&map, 3, 4) = 7;
    cr_expect_eq(pair_map_get(&map, 3, 4), 7);
    cr_expect_eq(map.used, 10000);
    pair_map_free(&map);
    cr_expect_eq(pair_map_get(&map, 3, 4), PAIR_MAP_NONE);
}
