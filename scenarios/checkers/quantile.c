/* SPDX-License-Identifier: MIT */
#include "scenarios/checkers/quantile.h"

#include <stdlib.h>

static int by_value(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

void quantile_sort(uint64_t *values, size_t n)
{
    qsort(values, n, sizeof *values, by_value);
}

uint64_t quantile_of(const uint64_t *sorted, size_t n, unsigned percent)
{
    return n ? sorted[(n * percent + 99) / 100 - 1] : 0;
}
