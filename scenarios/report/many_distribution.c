/* SPDX-License-Identifier: MIT */
/* How the measures of repeated runs are distributed, and what so many runs prove.
 *
 * Distributions leave out what was not known and say of how many runs they are; the bound
 * on the rate of failure is about runs that were judged, so that an inconclusive one
 * never counts as clean. */
#include "scenarios/report/many_inside.h"

#include "proxy/base/memory.h"
#include "scenarios/report/bound.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static int compare_values(const void *a, const void *b)
{
    uint64_t left = *(const uint64_t *)a, right = *(const uint64_t *)b;
    return (left > right) - (left < right);
}

static const struct many_mode *find_mode(const struct many_run *run, const char *name)
{
    for (size_t i = 0; i < run->n_modes; i++)
        if (strcmp(run->modes[i].name, name) == 0)
            return &run->modes[i];
    return NULL;
}

/* The known values of a measure in a mode, sorted; free them. */
static uint64_t *collect(const struct many *many, size_t since, const char *mode,
                         enum measure measure, size_t *n)
{
    uint64_t *values = xcalloc(many->n - since + 1, sizeof *values);
    *n = 0;
    for (size_t i = since; i < many->n; i++) {
        const struct many_mode *one = find_mode(&many->runs[i], mode);
        if (one && one->measures.values[measure].known)
            values[(*n)++] = one->measures.values[measure].value;
    }
    qsort(values, *n, sizeof *values, compare_values);
    return values;
}

/* The rank below or at which the share of all lies. */
static uint64_t quantile(const uint64_t *values, size_t n, size_t percent)
{
    size_t rank = (n * percent + 99) / 100;
    return values[rank > 0 ? rank - 1 : 0];
}

static const char *format(enum measure measure, uint64_t value, char *text,
                          size_t text_bytes)
{
    return measure_format(measure, (struct measure_value){true, value}, text,
                          text_bytes);
}

static void print_mode(const struct many *many, size_t since, const char *mode,
                       FILE *to)
{
    fprintf(to, "\n%-28s %12s %12s %12s %12s  runs\n", mode, "least", "median", "p90",
            "most");
    for (int i = 0; i < MEASURE_COUNT; i++) {
        enum measure measure = (enum measure)i;
        char least[48], median[48], high[48], most[48];
        size_t n = 0;
        uint64_t *values = collect(many, since, mode, measure, &n);
        if (n > 0)
            fprintf(to, "%-28s %12s %12s %12s %12s  %zu\n", measure_row(measure)->name,
                    format(measure, values[0], least, sizeof least),
                    format(measure, quantile(values, n, 50), median, sizeof median),
                    format(measure, quantile(values, n, 90), high, sizeof high),
                    format(measure, values[n - 1], most, sizeof most), n);
        free(values);
    }
}

static void print_bound(const struct many_tally *tally, FILE *to)
{
    double bound = bound_failure_rate(tally->judged, tally->failed);
    fprintf(to, "\n%" PRIu64 " of %" PRIu64 " judged runs failed", tally->failed,
            tally->judged);
    if (tally->silent)
        fprintf(to, ", %" PRIu64 " more said nothing", tally->silent);
    fprintf(to, ".\n");
    if (tally->judged == 0)
        return;
    fprintf(to,
            "What that shows: with 95 %% confidence fewer than %.2g %% of such runs "
            "fail.\nWhat it does not: that none does, or anything about another load, "
            "another fault\nor another day. For fewer than 1 %% it takes %" PRIu64
            " runs without a failure.\n",
            100 * bound, bound_runs_for(0.01));
}

void many_print_distribution(const struct many *many, size_t since, FILE *to)
{
    struct many_tally tally = many_tally(many, since);
    const struct many_run *first = NULL;
    for (size_t i = since; i < many->n && !first; i++)
        first = many->runs[i].n_modes ? &many->runs[i] : NULL;
    for (size_t i = 0; first && i < first->n_modes; i++)
        print_mode(many, since, first->modes[i].name, to);
    print_bound(&tally, to);
}
