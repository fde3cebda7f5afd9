/* SPDX-License-Identifier: MIT */
/* Draws: the same everywhere, and as even as they should be. */
#include "rules/rng.h"

#include <criterion/criterion.h>
#include <math.h>
#include <string.h>

enum { DRAWS = 200000 };

/* Journals of older runs are compared with new ones: these values are for ever. */
Test(rng, draws_the_same_everywhere_and_always)
{
    struct rng_key key = rng_mix_text(rng_seed(42), "slow-replication");
    cr_expect_eq(rng_draw(key, 0), UINT64_C(0x7f71a841b9313a42));
    cr_expect_eq(rng_draw(key, 1), UINT64_C(0x141e0e8b98db22ce));
    cr_expect_eq((int64_t)floor(rng_normal(key, 0) * 1e6), -5445);
}

Test(rng, keys_depend_on_order_and_on_where_texts_end)
{
    struct rng_key root = rng_seed(1);
    struct rng_key keys[] = {
        rng_mix_text(rng_mix_text(root, "a"), "b"),
        rng_mix_text(rng_mix_text(root, "b"), "a"),
        rng_mix_text(rng_mix_text(root, "ab"), ""),
        rng_mix_text(root, "ab"),
        rng_mix(rng_mix(root, 1), 2),
        rng_mix(rng_mix(root, 2), 1),
        rng_mix(rng_mix(root, 0), 0),
        rng_mix(root, 0),
        root,
    };
    size_t n = sizeof keys / sizeof *keys;
    for (size_t i = 0; i < n; i++)
        for (size_t j = i + 1; j < n; j++)
            cr_expect_neq(keys[i].hash, keys[j].hash, "%zu and %zu", i, j);
}

Test(rng, chance_is_never_at_zero_and_always_at_a_million)
{
    struct rng_key key = rng_seed(7);
    for (uint64_t i = 0; i < 1000; i++) {
        cr_expect_not(rng_chance(key, i, 0));
        cr_expect(rng_chance(key, i, 1000000));
    }
}

/* Five deviations: with this seed or any other but one in 1.7 million. */
Test(rng, chance_comes_as_often_as_it_says)
{
    struct rng_key key = rng_seed(7);
    const uint32_t ppm[] = {1000, 20000, 500000, 990000};
    for (size_t i = 0; i < sizeof ppm / sizeof *ppm; i++) {
        double n = 0, p = ppm[i] / 1e6;
        for (uint64_t ordinal = 0; ordinal < DRAWS; ordinal++)
            n += rng_chance(rng_mix(key, i), ordinal, ppm[i]);
        cr_expect_lt(fabs(n - DRAWS * p), 5 * sqrt(DRAWS * p * (1 - p)), "%u ppm: %g",
                     ppm[i], n);
    }
}

Test(rng, every_bit_of_a_draw_is_even)
{
    size_t ones[64] = {0};
    struct rng_key key = rng_seed(3);
    for (uint64_t i = 0; i < DRAWS; i++)
        for (int bit = 0; bit < 64; bit++)
            ones[bit] += rng_draw(key, i) >> bit & 1;
    for (int bit = 0; bit < 64; bit++)
        cr_expect_lt(fabs((double)ones[bit] - DRAWS / 2.0), 5 * sqrt(DRAWS / 4.0));
}

/* One bit of any input turns about half of the output's bits. */
Test(rng, neighbours_have_nothing_in_common)
{
    double turned = 0;
    for (uint64_t i = 0; i < 1000; i++) {
        uint64_t a = rng_mix(rng_mix(rng_seed(1), i), 5).hash;
        uint64_t b = rng_mix(rng_mix(rng_seed(1), i ^ 1), 5).hash;
        uint64_t c = rng_mix(rng_mix(rng_seed(1), i), 4).hash;
        turned += __builtin_popcountll(a ^ b) + __builtin_popcountll(a ^ c);
    }
    cr_expect_lt(fabs(turned / 2000 - 32), 0.5, "%g", turned / 2000);
}

Test(rng, below_stays_below_and_reaches_all)
{
    size_t seen[7] = {0};
    for (uint64_t i = 0; i < 7000; i++)
        seen[rng_below(rng_seed(9), i, 7)]++;
    for (int i = 0; i < 7; i++)
        cr_expect(seen[i] > 800 && seen[i] < 1200, "%d: %zu", i, seen[i]);
    cr_expect_eq(rng_below(rng_seed(9), 0, 1), 0);
}

Test(rng, normal_has_mean_deviation_and_tails)
{
    double sum = 0, squares = 0;
    size_t beyond_2 = 0, beyond_3 = 0;
    for (uint64_t i = 0; i < DRAWS; i++) {
        double z = rng_normal(rng_seed(5), i);
        sum += z;
        squares += z * z;
        beyond_2 += fabs(z) > 2;
        beyond_3 += fabs(z) > 3;
    }
    cr_expect_lt(fabs(sum / DRAWS), 0.012);
    cr_expect_lt(fabs(squares / DRAWS - 1), 0.016);
    cr_expect_lt(fabs((double)beyond_2 / DRAWS - 0.0455), 0.0024);
    cr_expect_lt(fabs((double)beyond_3 / DRAWS - 0.0027), 0.0006);
}

/* The quantile function and the share below undo each other, tails included. */
Test(rng, normal_and_its_share_agree)
{
    for (uint64_t i = 0; i < 10000; i++) {
        double u = rng_uniform(rng_seed(6), i);
        double share = rng_normal_share(rng_normal(rng_seed(6), i));
        cr_expect(u > 0 && u < 1);
        cr_expect_lt(fabs(share / u - 1), 1e-12, "%g: %g", u, share);
    }
    cr_expect_lt(fabs(rng_normal_share(1.959963984540054) - 0.975), 1e-15);
    cr_expect_lt(fabs(rng_normal_share(-5) / 2.866515718791939e-7 - 1), 1e-12);
}
