/* SPDX-License-Identifier: MIT */
/* By sorting: there are few, or it is not part of what is timed. The median of an even
 * number is the upper one of the two in the middle. */
#include "tests/bench/sample.h"

#include <stdlib.h>

static int compare_doubles(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

struct spread sample_spread(double *values, size_t n)
{
    qsort(values, n, sizeof *values, compare_doubles);
    return (struct spread){values[0], values[n / 2], values[n - 1]};
}

struct quantiles sample_quantiles(double *values, size_t n)
{
    qsort(values, n, sizeof *values, compare_doubles);
    return (struct quantiles){values[0], values[n / 2], values[n * 99 / 100]};
}
