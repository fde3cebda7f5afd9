/* SPDX-License-Identifier: MIT */
/* The runs of one call, as far as they are needed after each is destroyed, and a line for
 * each. Runs that say nothing (inconclusive, aborted) count neither as clean nor as
 * failed. */
#include "scenarios/report/many_inside.h"

#include "proxy/base/memory.h"

#include <inttypes.h>
#include <stdlib.h>

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

const char *many_verdict(const struct many_run *run)
{
    return run->is_trouble ? "not run" : run_verdict_name(run->verdict);
}

void many_print_summary(const struct many *many, FILE *to)
{
    fprintf(to, "\n%zu drills\n", many->n);
    for (size_t i = 0; i < many->n; i++) {
        const struct many_run *run = &many->runs[i];
        fprintf(to, "  %-12s  %s", many_verdict(run), run->playbook);
        if (!run->is_trouble)
            fprintf(to, "  seed %" PRIu64 "  %s", run->seed, run->directory);
        fprintf(to, "%s%s\n", run->why[0] ? "\n                " : "", run->why);
    }
}

struct many_tally many_tally(const struct many *many, size_t since)
{
    struct many_tally tally = {0};
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
