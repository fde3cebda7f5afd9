/* SPDX-License-Identifier: MIT */
/* Defects on purpose: `make asan` and `make ubsan` run each and fail unless the run
 * turns red, so that a sanitizer that has gone quiet is noticed. */
#include <criterion/criterion.h>
#include <limits.h>
#include <stdlib.h>

/* volatile, so that the compiler does not see through what is wrong */
static volatile int two = 2;

Test(seeded, overflow)
{
    volatile int *numbers = malloc(sizeof *numbers * (size_t)two);
    cr_assert_not_null(numbers);
    numbers[two] = 1;
    free((void *)numbers);
}

Test(seeded, leak)
{
    void *volatile memory = malloc(100);
    cr_assert_not_null(memory);
    memory = NULL;
}

Test(seeded, undefined)
{
    int number = INT_MAX - 1;
    number += two;
    cr_assert_lt(number, 0);
}
