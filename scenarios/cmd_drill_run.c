/* SPDX-License-Identifier: MIT */
/* Runs a playbook that is right, once or again and again: the nodes are claimed for all of
 * it, each run has a directory and the next seed, and what is needed of it is kept for the
 * summary. It ends early with the first signal, with the first run that left something not
 * undone, with what would be the same again, and, if that is looked for, with the first
 * failure. */
#include "scenarios/cmd_drill.h"

#include "proxy/base/exits.h"
#include "proxy/base/memory.h"
#include "proxy/base/now.h"
#include "scenarios/drill/claim.h"
#include "scenarios/report/run_directory.h"

#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Which of two statuses of a row of drills is shown: a failure before anything else. */
int cmd_drill_worse(int a, int b)
{
    static const int order[] = {EXIT_FAILED, EXIT_ABORTED, EXIT_USAGE, EXIT_ENVIRONMENT,
                                EXIT_INCONCLUSIVE};
    for (size_t i = 0; i < sizeof order / sizeof *order; i++)
        if (a == order[i] || b == order[i])
            return order[i];
    return EXIT_DONE;
}

/* Once; what is needed of it is added to many. A signal that ended it is left in
 * *ended_by: everything is undone then, and the caller is to die of it. */
static int run_one(struct drill_call *call, const struct drill_options *options,
                   int *ended_by)
{
    struct errmsg err = {""};
    struct run *run = NULL;
    fprintf(stderr, "seed %" PRIu64 "\n", options->seed);
    if (drill_run(options, &run, ended_by, &err) != 0) {
        fprintf(stderr, "netsplit drill: %s\n", err.text);
        many_add_trouble(call->many, options->playbook->source.name, err.text);
        return EXIT_ENVIRONMENT;
    }
    int status = *ended_by ? EXIT_ABORTED : cmd_drill_report(call->secrets, run);
    if (*ended_by) {
        (void)cmd_drill_vouch(call->secrets, run); /* it said why not */
        fprintf(stderr, "netsplit drill: ended by SIG%s; what was recorded is in %s\n",
                sigabbrev_np(*ended_by), run->directory);
    }
    cmd_drill_tell_end(run);
    call->has_left |= run->left != NULL;
    if (run->left && status == EXIT_DONE)
        status = EXIT_ENVIRONMENT;
    many_add(call->many, run);
    run_destroy(run);
    return status;
}

/* "playbooks/primary-cut-off.md" is primary-cut-off. */
static int name_length(const char *path, const char **name)
{
    const char *slash = strrchr(path, '/');
    *name = slash ? slash + 1 : path;
    return (int)strcspn(*name, ".");
}

/* The directory of all the runs of a playbook: --out, with the playbook's name below it
 * if there are several. NULL, without an error: the drill's own choice. */
static char *choose_base(const struct drill_call *call, const char *path,
                         struct errmsg *err)
{
    const struct drill_arguments *args = call->args;
    const char *name = NULL;
    int length = name_length(path, &name);
    char time[32], name_of_all[48], parent[PATH_MAX / 2], base[PATH_MAX];
    if (args->out && call->n_playbooks > 1)
        return xasprintf("%s/%.*s", args->out, length, name);
    if (args->out)
        return xstrdup(args->out);
    if (args->repeat <= 1)
        return NULL;
    now_format_utc(now_wall_ns(), time, sizeof time);
    (void)snprintf(name_of_all, sizeof name_of_all, "%s-repeated", time);
    (void)snprintf(parent, sizeof parent, "netsplit-runs/%.*s", length, name);
    if (run_directory_make(parent, name_of_all, base, sizeof base, err) != 0)
        return NULL;
    return xstrdup(base);
}

static void tell_repeated(const struct drill_call *call, size_t since, const char *base)
{
    char *path = xasprintf("%s/repeat.json", base);
    struct errmsg err = {""};
    many_print_distribution(call->many, since, stdout);
    if (many_write(call->many, since, path, &err) == 0)
        printf("runs    %s\n", path);
    else
        fprintf(stderr, "netsplit drill: %s\n", err.text);
    free(path);
}

/* In a directory of its own below base if there are several; "latest" leads to it where
 * the place is our own choice. */
static int run_nth(struct drill_call *call, struct drill_options *options,
                   const char *base, uint64_t n, int *ended_by)
{
    char *run = call->args->repeat > 1 ? xasprintf("%" PRIu64, n) : NULL;
    char *out = run ? xasprintf("%s/%s", base, run) : NULL;
    options->out = out ? out : base;
    int status = run_one(call, options, ended_by);
    if (run && !call->args->out)
        run_directory_link(base, run);
    free(out);
    free(run);
    return status;
}

/* As often as it is to be repeated, each time with the next seed, so that the first
 * seed repeats them all and each run's own repeats that one. */
static int run_repeated(struct drill_call *call, const struct playbook *playbook,
                        const struct cluster *cluster, int *ended_by)
{
    const struct drill_arguments *args = call->args;
    struct drill_options options = {.playbook = playbook,
                                    .cluster = cluster,
                                    .cluster_word = args->cluster,
                                    .modes = args->modes.items,
                                    .n_modes = args->modes.n,
                                    .unattended = args->unattended,
                                    .take_over = args->take_over,
                                    .secrets = call->secrets};
    struct errmsg err = {""};
    char *base = choose_base(call, playbook->source.name, &err);
    if (err.text[0]) {
        fprintf(stderr, "netsplit drill: %s\n", err.text);
        many_add_trouble(call->many, playbook->source.name, err.text);
        return EXIT_ENVIRONMENT;
    }
    size_t since = many_count(call->many);
    int status = EXIT_DONE;
    for (uint64_t i = 0; i < args->repeat && *ended_by == 0 && !call->has_left; i++) {
        options.seed = args->seed + i;
        int one = run_nth(call, &options, base, i + 1, ended_by);
        status = cmd_drill_worse(status, one);
        if (one == EXIT_ENVIRONMENT || (args->until && one == EXIT_FAILED))
            break; /* again it would be the same, or it is what was looked for */
    }
    if (args->repeat > 1)
        tell_repeated(call, since, base);
    free(base);
    return status;
}

/* Nobody else may drill the same nodes meanwhile, nor between two repetitions. */
int cmd_drill_run(struct drill_call *call, const struct playbook *playbook,
                  const struct cluster *cluster, int *ended_by)
{
    struct claim claim = {.n = 0};
    struct errmsg err = {""};
    if (claim_take(cluster, &claim, &err) != 0) {
        fprintf(stderr, "netsplit drill: %s\n", err.text);
        many_add_trouble(call->many, playbook->source.name, err.text);
        return EXIT_ENVIRONMENT;
    }
    int status = run_repeated(call, playbook, cluster, ended_by);
    claim_release(&claim);
    return status;
}
