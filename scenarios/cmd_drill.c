/* SPDX-License-Identifier: MIT */
/* netsplit drill: reads the command line, the playbooks and their clusters; then shows
 * what drills of them would do or has them done, one after the other, and ends with the
 * status of the worst, or by the signal that ended one. Where one of them is wrong none
 * begins. */
#include "scenarios/cmd_drill.h"

#include "proxy/base/exits.h"
#include "proxy/base/memory.h"
#include "scenarios/playbook/plan_print.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

int cmd_drill(int argc, char **argv); /* seen by main.c, which has the table */

/* A playbook that was read, with the cluster that it is for. */
struct loaded {
    struct playbook *playbook;
    struct cluster *cluster;
    struct redact *secrets;
};

/* Dies of the signal, so that a shell sees what ended us. */
static void die_of(int number)
{
    (void)signal(number, SIG_DFL);
    (void)raise(number);
}

static int plan(const struct drill_call *call, const struct playbook *playbook,
                const struct cluster *cluster)
{
    const struct drill_arguments *args = call->args;
    bool chosen = args->modes.n > 0;
    char *text = NULL;
    size_t length = 0;
    FILE *to = open_memstream(&text, &length);
    if (!to)
        abort(); /* out of memory: as xcalloc */
    plan_print(playbook, cluster, chosen ? args->modes.items : playbook->modes,
               chosen ? args->modes.n : playbook->n_modes, to);
    (void)fclose(to); /* it is in memory */
    char *clean = redact_copy(call->secrets, text);
    fputs(clean, stdout);
    free(clean);
    free(text);
    return EXIT_DONE;
}

/* Reads one, and says all that is wrong with it. */
static int load_one(const struct drill_call *call, const char *path,
                    struct loaded *loaded)
{
    const struct drill_arguments *args = call->args;
    struct diag diag;
    diag_init(&diag, NULL);
    loaded->playbook =
        playbook_load(path, args->cluster, &call->sets, &loaded->cluster, &diag);
    loaded->secrets = redact_create();
    redact_add_files(loaded->secrets, loaded->cluster, loaded->playbook);
    redact_print_diag(loaded->secrets, &diag, stderr);
    int status = diag_status(&diag) == -ENOTSUP ? EXIT_ENVIRONMENT : EXIT_USAGE;
    diag_close(&diag);
    if (!loaded->playbook || !loaded->cluster)
        return status;
    if (!cmd_drill_check_words(args, loaded->playbook, loaded->cluster))
        return EXIT_USAGE;
    return args->dry_run
               ? EXIT_DONE
               : cmd_drill_check_ready(args, loaded->playbook, loaded->cluster);
}

static void unload(struct loaded *loaded)
{
    playbook_destroy(loaded->playbook);
    cluster_destroy(loaded->cluster);
    redact_destroy(loaded->secrets);
}

/* Runs one that is right, or shows it. */
static int drill_loaded(struct drill_call *call, const struct loaded *loaded,
                        int *ended_by)
{
    call->secrets = loaded->secrets;
    return call->args->dry_run
               ? plan(call, loaded->playbook, loaded->cluster)
               : cmd_drill_run(call, loaded->playbook, loaded->cluster, ended_by);
}

/* All are read before the first one touches anything: who learns after half an hour of
 * drills that the last one has a slip of the pen runs them all again. */
static int drill_files(struct drill_call *call, char **paths, int *ended_by)
{
    size_t n = call->n_playbooks;
    struct loaded *loaded = xcalloc(n, sizeof *loaded);
    int status = EXIT_DONE;
    for (size_t i = 0; i < n; i++)
        status = cmd_drill_worse(status, load_one(call, paths[i], &loaded[i]));
    if (status == EXIT_DONE) {
        for (size_t i = 0; i < n && *ended_by == 0 && !call->has_left; i++)
            status = cmd_drill_worse(status, drill_loaded(call, &loaded[i], ended_by));
        if (n > 1 && !call->args->dry_run)
            many_print_summary(call->many, stdout);
    } else if (n > 1) {
        fprintf(stderr,
                "netsplit drill: none of the %zu playbooks was begun: see above\n", n);
    }
    for (size_t i = 0; i < n; i++)
        unload(&loaded[i]);
    free(loaded);
    return status;
}

/* "RATE=400/s": false if there is no name. */
static bool read_sets(struct drill_call *call)
{
    const struct option_texts *words = &call->args->sets;
    struct cluster_variable *items = arena_alloc(&call->arena, words->n, sizeof *items);
    call->sets = (struct cluster_variables){items, words->n};
    for (size_t i = 0; i < words->n; i++) {
        size_t length = strcspn(words->items[i], "=");
        if (length == 0 || words->items[i][length] == '\0')
            return false;
        items[i].name = arena_copy(&call->arena, words->items[i], length);
        items[i].value = words->items[i] + length + 1;
    }
    return true;
}

static int drill_all(const struct drill_arguments *args, char **paths, size_t n)
{
    struct drill_call call = {.args = args, .n_playbooks = n, .many = many_create()};
    int status = EXIT_USAGE, ended_by = 0;
    arena_init(&call.arena, &xallocator);
    if (read_sets(&call))
        status = drill_files(&call, paths, &ended_by);
    else
        fprintf(stderr, "netsplit drill: --set takes NAME=VALUE\n");
    many_destroy(call.many);
    arena_close(&call.arena);
    (void)fflush(stdout); /* what a signal ends is not flushed */
    if (ended_by)
        die_of(ended_by);
    return status;
}

int cmd_drill(int argc, char **argv)
{
    struct drill_arguments args = {.seed = UINT64_MAX, .repeat = 1};
    const struct option_row rows[] = {
        {"cluster", 'c', OPTION_TEXT, &args.cluster, "FILE",
         "the cluster to run on, a name or a path; the playbook's own unless given", 0,
         0},
        {"mode", 'm', OPTION_TEXTS, &args.modes, "MODE",
         "run this mode only; may be repeated", 0, 0},
        {"out", 'o', OPTION_TEXT, &args.out, "DIR",
         "where the results go, by playbook and run if there are several; "
         "netsplit-runs/PLAYBOOK/TIME unless given",
         0, 0},
        {"seed", 's', OPTION_NUMBER, &args.seed, "N",
         "of all random choices; drawn and printed unless given", 0, INT64_MAX},
        {"set", 0, OPTION_TEXTS, &args.sets, "NAME=VALUE",
         "the value of a variable of the playbook; may be repeated", 0, 0},
        {"repeat", 'r', OPTION_NUMBER, &args.repeat, "N",
         "runs it N times, with one seed after the other, and says how the measures "
         "are distributed",
         1, 100000},
        {"until", 0, OPTION_TEXT, &args.until, "fail",
         "ends the repetition with the first run that fails", 0, 0},
        {"confirm", 0, OPTION_TEXT, &args.confirm, "NAME",
         "that a cluster of environment production is meant: its name", 0, 0},
        {"unattended", 'u', OPTION_FLAG, &args.unattended, NULL,
         "nobody is there: manual steps are skipped, and say so", 0, 0},
        {"take-over", 0, OPTION_FLAG, &args.take_over, NULL,
         "takes a running cluster's data over from a drill on another machine that is "
         "known to be dead, and left its mark there",
         0, 0},
        {"dry-run", 'n', OPTION_FLAG, &args.dry_run, NULL,
         "check everything, print every command, link, lease and stop condition, touch "
         "nothing",
         0, 0},
        {0},
    };
    const struct option_command command = {
        .name = "drill",
        .usage = "PLAYBOOK... [OPTIONS]",
        .help =
            "Runs playbooks: starts the cluster in each of its modes, joined only\n"
            "through a proxy of its own, works through the steps while processes\n"
            "read and write, and judges what they were told. Everything is undone\n"
            "on every way out.\n\n"
            "Status: 0 what was expected, 1 not so, 2 a file is wrong, 3 something\n"
            "is lacking, 4 inconclusive, 5 a stop condition ended it.",
        .rows = rows,
    };
    int rest, ends = option_begin(&command, argc, argv, false, &rest);
    if (ends != OPTION_GOES_ON)
        return ends;
    if (rest == argc)
        return option_complain(&command, "which playbook?");
    if (args.until && strcmp(args.until, "fail") != 0)
        return option_complain(&command, "--until takes \"fail\"");
    if (args.until && args.repeat == 1)
        return option_complain(&command, "--until goes with --repeat N");
    if (args.seed == UINT64_MAX &&
        getrandom(&args.seed, sizeof args.seed, 0) == (ssize_t)sizeof args.seed)
        args.seed %= 1000000000; /* short enough to be read out */
    int status = drill_all(&args, argv + rest, (size_t)(argc - rest));
    free(args.modes.items);
    free(args.sets.items);
    return status;
}
