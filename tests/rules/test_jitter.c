/* SPDX-License-Identifier: MIT */
/* The draws of delay: how they are distributed, and how often they are made. */
#include "rules/faults/rows.h"
#include "tests/rules/one_stream.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>

TestSuite(jitter, .init = one_stream_begin, .fini = one_stream_end);

/* What the share p of draws lies below, in jitters. */
static double quantile(enum distribution distribution, double p)
{
    static const double z[] = {-2.3263478740408408, -0.6744897501960817, 0,
                               0.6744897501960817, 2.3263478740408408};
    double normal = z[p < 0.1 ? 0 : p < 0.4 ? 1 : p < 0.6 ? 2 : p < 0.9 ? 3 : 4];
    double pareto = (pow(1 - p, -1.0 / 3) - 1.5) * 4 / 3;
    switch (distribution) {
    case DISTRIBUTION_UNIFORM:
        return 2 * p - 1;
    case DISTRIBUTION_NORMAL:
        return normal;
    case DISTRIBUTION_PARETO:
        return pareto;
    case DISTRIBUTION_PARETONORMAL:
        return normal / 4 + pareto * 3 / 4;
    }
    return 0;
}

static int compare_doubles(const void *a, const void *b)
{
    double one = *(const double *)a, two = *(const double *)b;
    return (one > two) - (one < two);
}

enum { WINDOWS = 100000 };

/* One chunk in each window of 10 ms; the jitter of each, in jitters. */
static void draw_jitters(const struct delay_params *params, double *out)
{
    unsigned char state[FAULT_STATE_BYTES] = {0};
    const struct fault_stream view = {
        .params = params, .state = state, .key = rng_seed(11)};
    for (uint64_t i = 0; i < WINDOWS; i++) {
        const struct chunk chunk = {.length = 1, .arrival_ns = i * 10 * MS};
        struct fault_answer answer = fault_delay.step(&view, chunk.arrival_ns, &chunk);
        cr_assert(answer.drew);
        cr_assert_eq(answer.at_ns - chunk.arrival_ns,
                     params->delay_ns + (uint64_t)answer.draw_outcome);
        out[i] = (double)answer.draw_outcome / (double)params->jitter_ns;
    }
}

static double correlation(const double *x)
{
    double mean = 0, variance = 0, covariance = 0;
    for (size_t i = 0; i < WINDOWS; i++)
        mean += x[i] / WINDOWS;
    for (size_t i = 1; i < WINDOWS; i++) {
        variance += (x[i] - mean) * (x[i] - mean);
        covariance += (x[i] - mean) * (x[i - 1] - mean);
    }
    return covariance / variance;
}

Test(jitter, jitter_has_the_distribution_it_says_correlated_or_not)
{
    static double x[WINDOWS];
    static const double shares[] = {0.01, 0.25, 0.5, 0.75, 0.99};
    for (unsigned i = 0; i < 8; i++) {
        const struct delay_params params = {.delay_ns = SECOND,
                                            .jitter_ns = 10 * MS,
                                            .distribution = (enum distribution)(i % 4),
                                            .correlation_ppm = i < 4 ? 0 : 500000};
        draw_jitters(&params, x);
        double rho = correlation(x);
        cr_expect_lt(fabs(rho - (i < 4 ? 0 : 0.48)), i < 4 ? 0.02 : 0.08, "%u: %g", i,
                     rho);
        qsort(x, WINDOWS, sizeof *x, compare_doubles);
        cr_expect(x[0] >= -4 && x[WINDOWS - 1] <= 4);
        for (size_t j = 0; j < 5; j++) {
            double got = x[(size_t)(shares[j] * WINDOWS)];
            double want = quantile(params.distribution, shares[j]);
            cr_expect_lt(fabs(got - want), 0.02 + 0.05 * fabs(want),
                         "%u %g%%: %g, not %g", i, shares[j] * 100, got, want);
        }
    }
}

Test(jitter, jitter_is_drawn_once_for_10_ms_and_never_backwards)
{
    one_stream_open_with("delay=20ms jitter=15ms");
    for (int i = 0; i < 400; i++) {
        stream_run(&stream, (uint64_t)i * MS);
        stream_take(&stream, 1);
    }
    stream_run(&stream, SECOND);
    cr_expect_eq(stream.n_decisions, 40);
    for (size_t i = 0; i < stream.n_decisions; i++) {
        cr_expect_eq(stream.decisions[i].ordinal, i);
        cr_expect_eq(stream.decisions[i].kind, DECISION_DRAW);
        cr_expect_leq(llabs(stream.decisions[i].outcome), 15 * (int64_t)MS);
    }
    cr_expect_eq(stream.sent, 400);
}

Test(jitter, jitter_beyond_the_delay_is_no_delay)
{
    one_stream_open_with("delay=1ms jitter=50ms");
    for (int i = 0; i < 100; i++) {
        stream_run(&stream, (uint64_t)i * 10 * MS);
        stream_take(&stream, 1);
        cr_expect_geq(stream.now_ns, (uint64_t)i * 10 * MS);
    }
    stream_run(&stream, 60 * SECOND);
    cr_expect_eq(stream.sent, 100);
}
