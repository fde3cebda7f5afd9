/* SPDX-License-Identifier: MIT */
/* Words that were misspelt. */
#include "rules/nearest.h"

#include <criterion/criterion.h>

static const char *const words[] = {"delay", "jitter", NULL, "rate", "stall"};

Test(nearest, finds_what_one_slip_of_the_finger_makes)
{
    cr_expect_str_eq(nearest_word("dealy", words, 5), "delay");
    cr_expect_str_eq(nearest_word("jiter", words, 5), "jitter");
    cr_expect_str_eq(nearest_word("ratee", words, 5), "rate");
    cr_expect_str_eq(nearest_word("stalls", words, 5), "stall");
}

Test(nearest, suggests_nothing_for_what_is_far_from_all)
{
    cr_expect_null(nearest_word("bandwidth", words, 5));
    cr_expect_null(nearest_word("", words, 5));
    cr_expect_null(nearest_word("delay", words, 0));
    const char *const letters[] = {"a", "ab"};
    cr_expect_null(nearest_word("x", letters, 1), "every letter is one step from it");
    cr_expect_str_eq(nearest_word("ax", letters, 2), "a");
}
