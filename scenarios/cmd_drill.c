/* SPDX-License-Identifier: MIT */
/* netsplit drill: reads and checks everything, runs the playbooks one after the other,
 * prints what they found, and ends with the status of the worst. netsplit steps prints
 * what a playbook may hold. */
#include "proxy/base/exits.h"
#include "proxy/base/option.h"
#include "proxy/base/term.h"
#include "rules/buffer.h"
#include "rules/unit.h"
#include "scenarios/drill.h"
#include "scenarios/report.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

int cmd_drill(int argc, char **argv); /* both seen by main.c, which has the table */
int cmd_steps(int argc, char **argv);

struct arguments {
    const char *cluster, *out;
    struct option_texts modes;
    uint64_t seed;
    bool dry_run, unattended;
};

static void print_diag(const struct diag *diag)
{
    struct buffer text = {0};
    diag_render(diag, term_wants_colour(stderr), &text);
    fputs(buffer_text(&text), stderr);
    buffer_close(&text);
}

/* Whether the modes on the command line are the cluster's. */
static bool check_modes(const struct cluster *cluster, const struct option_texts *modes)
{
    bool all = true;
    for (size_t i = 0; i < modes->n; i++) {
        if (cluster_find_mode(cluster, modes->items[i]))
            continue;
        fprintf(stderr,
                "netsplit drill: the cluster \"%s\" has no mode \"%s\"; it has:",
                cluster->name, modes->items[i]);
        for (size_t k = 0; k < cluster->n_modes; k++)
            fprintf(stderr, " %s", cluster->modes[k].name);
        fputc('\n', stderr);
        all = false;
    }
    for (size_t i = 1; i < modes->n; i++)
        for (size_t k = 0; k < i; k++)
            if (strcmp(modes->items[i], modes->items[k]) == 0) {
                fprintf(stderr, "netsplit drill: --mode %s is given twice\n",
                        modes->items[i]);
                return false;
            }
    return all;
}

static void print_plan(const struct playbook *playbook, const struct cluster *cluster,
                       const struct option_texts *modes)
{
    const char *const *names = modes->n ? modes->items : playbook->modes;
    size_t n = modes->n ? modes->n : playbook->n_modes;
    printf("%s\ncluster %s (%s), nodes:", playbook->title, cluster->name,
           cluster->source.name);
    for (size_t i = 0; i < cluster->n_nodes; i++)
        printf(" %s", cluster->nodes[i]);
    if (cluster->has_lab)
        printf("\nlab: each in a network namespace, joined by a %s, intercept: %s",
               cluster->has_bridge ? "bridge" : "router",
               rule_intercept_name(cluster->intercept));
    printf("\nmodes:");
    for (size_t i = 0; i < n; i++)
        printf(" %s", names[i]);
    printf("\n");
    for (size_t i = 0; i < playbook->n_steps; i++) {
        const struct step *step = &playbook->steps[i];
        char span[32];
        if (i == 0 || step->heading_line != playbook->steps[i - 1].heading_line)
            printf("%s\n", step->heading);
        printf("  %4" PRIu32 "  %-9s", step->at.line, step->verb->name);
        if (step->for_ns)
            printf(" for %s", unit_format_duration(step->for_ns, span, sizeof span));
        if (step->within_ns)
            printf(" within %s",
                   unit_format_duration(step->within_ns, span, sizeof span));
        printf("\n");
    }
}

/* Dies of the signal, so that a shell sees what ended us. */
static void die_of(int number)
{
    (void)signal(number, SIG_DFL);
    (void)raise(number);
}

static int report(struct run *run)
{
    struct errmsg err = {""};
    int status = run_exit_status(run);
    if (report_write(run, run->directory, &err) != 0) {
        fprintf(stderr, "netsplit drill: writing the report: %s\n", err.text);
        status = status == EXIT_DONE ? EXIT_ENVIRONMENT : status;
    }
    report_print(run, stdout, term_wants_colour(stdout));
    return status;
}

static int run_one(const struct arguments *args, const struct playbook *playbook,
                   const struct cluster *cluster)
{
    struct drill_options options = {.playbook = playbook,
                                    .cluster = cluster,
                                    .cluster_word = args->cluster,
                                    .modes = args->modes.items,
                                    .n_modes = args->modes.n,
                                    .seed = args->seed,
                                    .unattended = args->unattended,
                                    .out = args->out};
    struct errmsg err = {""};
    struct run *run = NULL;
    int ended_by = 0;
    fprintf(stderr, "seed %" PRIu64 "\n", args->seed);
    if (drill_run(&options, &run, &ended_by, &err) != 0) {
        fprintf(stderr, "netsplit drill: %s\n", err.text);
        return EXIT_ENVIRONMENT;
    }
    int status = ended_by ? EXIT_ABORTED : report(run);
    if (ended_by)
        fprintf(stderr,
                "netsplit drill: ended by SIG%s; %s, what was recorded is in %s\n",
                sigabbrev_np(ended_by),
                run->left ? "not everything is undone" : "everything is undone",
                run->directory);
    if (run->left) {
        fprintf(stderr, "netsplit drill: NOT UNDONE: %s\n", run->left);
        status = status == EXIT_DONE ? EXIT_ENVIRONMENT : status;
    }
    run_destroy(run);
    if (ended_by)
        die_of(ended_by);
    return status;
}

/* Whether there is somebody to ask, if somebody must be asked. */
static bool check_person(const struct arguments *args, const struct playbook *playbook)
{
    for (size_t i = 0; i < playbook->n_steps; i++) {
        const struct step *step = &playbook->steps[i];
        if (step->verb->kind != STEP_MANUAL || args->unattended ||
            isatty(STDIN_FILENO) == 1)
            continue;
        fprintf(stderr,
                "netsplit drill: %s:%" PRIu32 ": this step asks a person, and the "
                "standard input is no terminal; --unattended skips such steps\n",
                playbook->source.name, step->at.line);
        return false;
    }
    return true;
}

static int drill_file(const struct arguments *args, const char *path)
{
    struct diag diag;
    struct cluster *cluster = NULL;
    diag_init(&diag, NULL);
    struct playbook *playbook = playbook_load(path, args->cluster, &cluster, &diag);
    print_diag(&diag);
    int status = diag_status(&diag) == -ENOTSUP ? EXIT_ENVIRONMENT : EXIT_USAGE;
    diag_close(&diag);
    const char *lacks = cluster ? cluster_lacks(cluster) : NULL;
    bool is_right = playbook && cluster; /* status says how bad it is otherwise */
    if (is_right && !check_modes(cluster, &args->modes)) {
        status = EXIT_USAGE;
    } else if (is_right && args->dry_run) {
        print_plan(playbook, cluster, &args->modes);
        status = EXIT_DONE;
    } else if (is_right && lacks) {
        fprintf(stderr,
                "netsplit drill: the cluster \"%s\" needs the program %s, which is not "
                "on PATH\n",
                cluster->name, lacks);
        status = EXIT_ENVIRONMENT;
    } else if (is_right && !check_person(args, playbook)) {
        status = EXIT_ENVIRONMENT;
    } else if (is_right) {
        status = run_one(args, playbook, cluster);
    }
    playbook_destroy(playbook);
    cluster_destroy(cluster);
    return status;
}

/* Which of two statuses of a row of drills is shown: a failure before anything else. */
static int worse(int a, int b)
{
    static const int order[] = {EXIT_FAILED, EXIT_ABORTED, EXIT_USAGE, EXIT_ENVIRONMENT,
                                EXIT_INCONCLUSIVE};
    for (size_t i = 0; i < sizeof order / sizeof *order; i++)
        if (a == order[i] || b == order[i])
            return order[i];
    return EXIT_DONE;
}

int cmd_drill(int argc, char **argv)
{
    struct arguments args = {.seed = UINT64_MAX};
    const struct option_row rows[] = {
        {"cluster", 'c', OPTION_TEXT, &args.cluster, "FILE",
         "the cluster to run on, a name or a path; the playbook's own unless given", 0,
         0},
        {"mode", 'm', OPTION_TEXTS, &args.modes, "MODE",
         "run this mode only; may be repeated", 0, 0},
        {"out", 'o', OPTION_TEXT, &args.out, "DIR",
         "where the results go; netsplit-runs/PLAYBOOK/TIME unless given", 0, 0},
        {"seed", 's', OPTION_NUMBER, &args.seed, "N",
         "of all random choices; drawn and printed unless given", 0, INT64_MAX},
        {"unattended", 'u', OPTION_FLAG, &args.unattended, NULL,
         "nobody is there: manual steps are skipped, and say so", 0, 0},
        {"dry-run", 'n', OPTION_FLAG, &args.dry_run, NULL,
         "check everything, print the plan, run nothing", 0, 0},
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
    int rest = 0, status = EXIT_DONE;
    enum option_result parsed = option_parse(&command, argc, argv, false, &rest);
    if (parsed != OPTION_OK)
        return parsed == OPTION_HELPED ? EXIT_DONE : EXIT_USAGE;
    if (rest == argc)
        return option_complain(&command, "which playbook?");
    if (args.out && argc - rest > 1)
        return option_complain(&command, "--out takes one playbook");
    if (args.seed == UINT64_MAX &&
        getrandom(&args.seed, sizeof args.seed, 0) == (ssize_t)sizeof args.seed)
        args.seed %= 1000000000; /* short enough to be read out */
    for (; rest < argc; rest++)
        status = worse(status, drill_file(&args, argv[rest]));
    free(args.modes.items);
    return status;
}

int cmd_steps(int argc, char **argv)
{
    static const struct option_row rows[] = {{0}};
    static const struct option_command command = {
        .name = "steps",
        .usage = "",
        .help = "Prints the verbs of playbooks with their options, and the workloads.",
        .rows = rows,
    };
    int rest = 0;
    enum option_result parsed = option_parse(&command, argc, argv, false, &rest);
    if (parsed != OPTION_OK)
        return parsed == OPTION_HELPED ? EXIT_DONE : EXIT_USAGE;
    if (rest < argc)
        return option_complain(&command, "unexpected operand \"%s\"", argv[rest]);
    step_print_verbs(stdout);
    return EXIT_DONE;
}
