/* SPDX-License-Identifier: MIT */
/* Runs that say nothing (inconclusive, aborted) count neither as clean nor as failed:
 * the bound is about runs that were judged. Distributions leave out what was not known
 * and say of how many runs they are. */
#include "scenarios/report/many.h"

#include "proxy/base/errmsg.h"
#include "proxy/base/memory.h"
#include "scenarios/report/bound.h"
#include "scenarios/checkers/measure.h"
#include "scenarios/report/report_parts.h"

#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

struct many_mode {
    char *name; /* owned */
    enum run_verdict verdict;
    struct measures measures;
};

struct many_run {
    char *playbook, *directory, *why; /* owned; directory may be NULL */
    bool is_trouble;                  /* it was not run */
    enum run_verdict verdict;
    uint64_t seed;
    struct many_mode *modes; /* owned */
    size_t n_modes;
};

struct many {
    struct many_run *runs; /* owned */
    size_t n;
};

struct many *many_create(void)
{
    return xcalloc(1, sizeof(struct many));
}

static void close_run(struct many_run *run)
{
    for (size_t i = 0; i < run->n_modes; i++)
        free(run->modes[i].name);
    free(run->modes);
    free(run->playbook);
    free(run->directory);
    free(run->why);
}

void many_destroy(struct many *many)
{
    if (!many)
        return;
    for (size_t i = 0; i < many->n; i++)
        close_run(&many->runs[i]);
    free(many->runs);
    free(many);
}

static struct many_run *add(struct many *many, const char *playbook, const char *why)
{
    many->runs = xreallocarray(many->runs, many->n + 1, sizeof *many->runs);
    struct many_run *run = &many->runs[many->n++];
    *run = (struct many_run){.playbook = xstrdup(playbook), .why = xstrdup(why)};
    return run;
}

void many_add(struct many *many, const struct run *run)
{
    struct many_run *kept = add(many, run->playbook_path, run->why ? run->why : "");
    kept->directory = xstrdup(run->directory);
    kept->verdict = run->verdict;
    kept->seed = run->seed;
    kept->n_modes = run->n_modes;
    kept->modes = xcalloc(run->n_modes, sizeof *kept->modes);
    for (size_t i = 0; i < run->n_modes; i++)
        kept->modes[i] =
            (struct many_mode){.name = xstrdup(run->modes[i].name),
                               .verdict = run->modes[i].verdict,
                               .measures = run->modes[i].judgement.measures};
}

void many_add_trouble(struct many *many, const char *playbook, const char *why)
{
    add(many, playbook, why)->is_trouble = true;
}

size_t many_count(const struct many *many)
{
    return many->n;
}

static const char *verdict_of(const struct many_run *run)
{
    return run->is_trouble ? "not run" : run_verdict_name(run->verdict);
}

void many_print_summary(const struct many *many, FILE *to)
{
    fprintf(to, "\n%zu drills\n", many->n);
    for (size_t i = 0; i < many->n; i++) {
        const struct many_run *run = &many->runs[i];
        fprintf(to, "  %-12s  %s", verdict_of(run), run->playbook);
        if (!run->is_trouble)
            fprintf(to, "  seed %" PRIu64 "  %s", run->seed, run->directory);
        fprintf(to, "%s%s\n", run->why[0] ? "\n                " : "", run->why);
    }
}

/* --- Distributions --- */

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

struct tally {
    uint64_t judged, failed, silent;
};

static struct tally count(const struct many *many, size_t since)
{
    struct tally tally = {0};
    for (size_t i = since; i < many->n; i++) {
        const struct many_run *run = &many->runs[i];
        bool judged =
            !run->is_trouble && (run->verdict == RUN_PASS || run->verdict == RUN_FAIL);
        tally.judged += judged;
        tally.failed += judged && run->verdict == RUN_FAIL;
        tally.silent += !judged;
    }
    return tally;
}

static void print_bound(const struct tally *tally, FILE *to)
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
    struct tally tally = count(many, since);
    const struct many_run *first = NULL;
    for (size_t i = since; i < many->n && !first; i++)
        first = many->runs[i].n_modes ? &many->runs[i] : NULL;
    for (size_t i = 0; first && i < first->n_modes; i++)
        print_mode(many, since, first->modes[i].name, to);
    print_bound(&tally, to);
}

/* --- JSON --- */

/* Aborts, as xcalloc does, where jansson answers NULL. */
static json_t *made(json_t *json)
{
    if (!json)
        abort();
    return json;
}

static void put(json_t *object, const char *name, json_t *value)
{
    if (json_object_set_new(object, name, made(value)) != 0)
        abort(); /* no memory: the drill side may */
}

static json_t *run_to_json(const struct many_run *run)
{
    json_t *json = made(json_object()), *modes = made(json_object());
    put(json, "playbook", report_text(run->playbook));
    put(json, "verdict", json_string(verdict_of(run)));
    put(json, "why", report_text(run->why));
    put(json, "seed", json_integer((json_int_t)run->seed));
    put(json, "directory", report_text(run->directory));
    for (size_t i = 0; i < run->n_modes; i++)
        put(modes, run->modes[i].name, measures_to_json(&run->modes[i].measures));
    put(json, "modes", modes);
    return json;
}

int many_write(const struct many *many, size_t since, const char *path,
               struct errmsg *err)
{
    struct tally tally = count(many, since);
    json_t *json = made(json_object()), *runs = made(json_array());
    for (size_t i = since; i < many->n; i++)
        if (json_array_append_new(runs, run_to_json(&many->runs[i])) != 0)
            abort(); /* no memory, likewise */
    put(json, "judged", json_integer((json_int_t)tally.judged));
    put(json, "failed", json_integer((json_int_t)tally.failed));
    put(json, "not_judged", json_integer((json_int_t)tally.silent));
    put(json, "confidence", json_real(0.95));
    put(json, "failure_rate_below",
        json_real(bound_failure_rate(tally.judged, tally.failed)));
    put(json, "runs", runs);
    int failed = json_dump_file(json, path, JSON_INDENT(2) | JSON_REAL_PRECISION(9));
    json_decref(json);
    if (failed)
        errmsg_set(err, "%s cannot be written", path);
    return failed ? -EIO : 0;
}
