/* SPDX-License-Identifier: MIT */
/* The bound is the rate at which so few failures become a coincidence of 5 %: it is
 * searched by halving, for the sum of the binomial has no inverse in closed form. */
#include "scenarios/report/bound.h"

#include <math.h>

static const double doubt = 0.05;

/* P(at most `failures` of `runs` fail), each failing with the rate. */
static double at_most(uint64_t runs, uint64_t failures, double rate)
{
    double sum = 0, n = (double)runs;
    for (uint64_t k = 0; k <= failures; k++) {
        double some = (double)k;
        sum += exp(lgamma(n + 1) - lgamma(some + 1) - lgamma(n - some + 1) +
                   some * log(rate) + (n - some) * log1p(-rate));
    }
    return sum;
}

double bound_failure_rate(uint64_t runs, uint64_t failures)
{
    double low = 0, high = 1;
    if (failures >= runs)
        return 1;
    for (int i = 0; i < 60; i++) {
        double middle = (low + high) / 2;
        if (at_most(runs, failures, middle) > doubt)
            low = middle;
        else
            high = middle;
    }
    return high;
}

uint64_t bound_runs_for(double rate)
{
    return (uint64_t)ceil(log(doubt) / log1p(-rate));
}
