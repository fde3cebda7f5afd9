/* SPDX-License-Identifier: MIT */
/* netsplit drill: reads and checks everything, runs the playbooks one after the other,
 * each as often as it is to be repeated, prints what they found, and ends with the
 * status of the worst. Where one of them is wrong none begins. netsplit steps prints
 * what a playbook may hold. */
#include "proxy/base/exits.h"
#include "proxy/base/memory.h"
#include "proxy/base/now.h"
#include "proxy/base/option.h"
#include "proxy/base/term.h"
#include "scenarios/drill/claim.h"
#include "scenarios/drill/drill.h"
#include "scenarios/report/many.h"
#include "scenarios/report/manifest.h"
#include "scenarios/playbook/plan_print.h"
#include "scenarios/report/report.h"
#include "scenarios/report/run_directory.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

int cmd_drill(int argc, char **argv); /* both seen by main.c, which has the table */
int cmd_steps(int argc, char **argv);

struct arguments {
    const char *cluster, *out, *confirm;
    struct option_texts modes;
    uint64_t seed;
    bool dry_run, unattended, take_over;
    struct option_texts sets;
    uint64_t repeat;
    const char *until;
};

/* A playbook that was read, with the cluster that it is for. */
struct loaded {
    struct playbook *playbook;
    struct cluster *cluster;
    struct redact *secrets;
};

/* One call of the program. */
struct call {
    const struct arguments *args;
    struct arena arena;            /* of sets */
    struct cluster_variables sets; /* of --set */
    size_t n_playbooks;
    struct many *many;
    const struct redact *secrets; /* borrowed: of the playbook at hand */
    bool has_left; /* something that is not undone: nothing else begins on that */
};

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

/* Dies of the signal, so that a shell sees what ended us. */
static void die_of(int number)
{
    (void)signal(number, SIG_DFL);
    (void)raise(number);
}

/* What nobody can read up afterwards is no pass. */
static int miss_report(struct run *run, int status)
{
    if (run->verdict == RUN_PASS) {
        run->verdict = RUN_INCONCLUSIVE;
        run->reason = RUN_DRIVER_ERROR;
        run->why = "the report is not whole: see above";
    }
    return status == EXIT_FAILED || status == EXIT_ABORTED ? status : EXIT_ENVIRONMENT;
}

/* The last line of every way out. */
static void tell_left(const struct run *run)
{
    if (run->left)
        fprintf(stderr,
                "netsplit drill: NOT UNDONE: %s (netsplit clean tries again what was a "
                "command)\n",
                run->left);
    else
        fputs("netsplit drill: everything is undone\n", stderr);
}

/* Written last, so that it vouches for all the other files, of which none holds a secret
 * by then. */
static bool write_manifest(const struct redact *secrets, const struct run *run)
{
    struct errmsg err = {""};
    if (redact_directory(secrets, run->directory, &err) == 0 &&
        manifest_write(run, run->directory, &err) == 0)
        return true;
    fprintf(stderr, "netsplit drill: %s\n", err.text);
    return false;
}

/* The hash stands for all others: kept in a ticket, it shows that nobody made them anew.
 */
static void print_sums(const struct run *run)
{
    char hex[SHA256_HEX_BYTES];
    uint64_t bytes = 0;
    char *path = xasprintf("%s/%s", run->directory, MANIFEST_SUMS);
    if (sha256_file(path, hex, &bytes) == 0)
        printf("sums    %s\n        sha256 %s\n", path, hex);
    free(path);
}

static int report(const struct call *call, struct run *run)
{
    struct errmsg err = {""};
    int status = run_exit_status(run);
    bool written = report_write(run, run->directory, &err) == 0;
    if (!written)
        fprintf(stderr, "netsplit drill: writing the report: %s\n", err.text);
    written = write_manifest(call->secrets, run) && written;
    if (!written)
        status = miss_report(run, status);
    report_print(run, stdout, term_wants_colour(stdout));
    if (written)
        print_sums(run);
    /* So that what is said last is seen last. A reader who left is none of our business,
     * here and afterwards. */
    if (fflush(stdout) != 0 && errno == EPIPE && !freopen("/dev/null", "w", stdout))
        abort(); /* no descriptor, although one was just closed */
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

/* What became of a system that is not ours to put back. */
static void tell_moved(const struct run *run)
{
    for (size_t i = 0; i < run->n_modes; i++)
        if (run->modes[i].moved)
            fprintf(stderr, "netsplit drill: %s: %s\n", run->modes[i].name,
                    run->modes[i].moved);
}

/* Once; what is needed of it is added to many. A signal that ended it is left in
 * *ended_by: everything is undone then, and the caller is to die of it. */
static int run_one(struct call *call, const struct drill_options *options,
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
    int status = *ended_by ? EXIT_ABORTED : report(call, run);
    if (*ended_by) {
        (void)write_manifest(call->secrets, run); /* it said why not */
        fprintf(stderr, "netsplit drill: ended by SIG%s; what was recorded is in %s\n",
                sigabbrev_np(*ended_by), run->directory);
    }
    tell_moved(run);
    tell_left(run);
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
static char *choose_base(const struct call *call, const char *path, struct errmsg *err)
{
    const struct arguments *args = call->args;
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

static void tell_repeated(const struct call *call, size_t since, const char *base)
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

/* As often as it is to be repeated, each time with the next seed, so that the first
 * seed repeats them all and each run's own repeats that one. */
static int run_repeated(struct call *call, const struct playbook *playbook,
                        const struct cluster *cluster, int *ended_by)
{
    const struct arguments *args = call->args;
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
        char *run = args->repeat > 1 ? xasprintf("%" PRIu64, i + 1) : NULL;
        char *out = run ? xasprintf("%s/%s", base, run) : NULL;
        options.out = out ? out : base;
        options.seed = args->seed + i;
        int one = run_one(call, &options, ended_by);
        if (run && !args->out)
            run_directory_link(base, run);
        free(out);
        free(run);
        status = worse(status, one);
        if (one == EXIT_ENVIRONMENT || (args->until && one == EXIT_FAILED))
            break; /* again it would be the same, or it is what was looked for */
    }
    if (args->repeat > 1)
        tell_repeated(call, since, base);
    free(base);
    return status;
}

/* Production is meant, and there is an end to it whatever happens: the duration is also
 * the lease of its faults. */
static bool check_production(const struct arguments *args,
                             const struct playbook *playbook,
                             const struct cluster *cluster)
{
    if (cluster->environment != CLUSTER_PRODUCTION)
        return true;
    if (!args->confirm || strcmp(args->confirm, cluster->name) != 0)
        fprintf(stderr,
                "netsplit drill: %s says that \"%s\" is production; if that is meant: "
                "--confirm %s\n",
                cluster->source.name, cluster->name, cluster->name);
    else if (!playbook->duration_ns)
        fprintf(stderr,
                "netsplit drill: %s has no stop condition abort: { duration: ... }, "
                "which is also the lease of its faults; without one nothing is drilled "
                "in production\n",
                playbook->source.name);
    else
        return true;
    return false;
}

/* Where nodes stay, so do roles: what a second pass promotes would be the primary. */
static bool check_passes(const struct arguments *args, const struct playbook *playbook,
                         const struct cluster *cluster)
{
    const char *node = playbook_promotes_again(playbook);
    if (!cluster->places || !node || (args->modes.n <= 1 && args->repeat <= 1))
        return true;
    fprintf(stderr,
            "netsplit drill: %s promotes %s and leaves it the primary, so that it can "
            "be run once, in one mode; nothing moves the roles of \"%s\" back but its "
            "owner, or a last promote step\n",
            playbook->source.name, node, cluster->name);
    return false;
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

static int plan(const struct call *call, const struct playbook *playbook,
                const struct cluster *cluster)
{
    const struct arguments *args = call->args;
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

/* Nobody else may drill the same nodes meanwhile, nor between two repetitions. */
static int run_claimed(struct call *call, const struct playbook *playbook,
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

static bool check_needs(const struct cluster *cluster)
{
    const char *program = cluster_lacks(cluster);
    const char *secret = cluster_lacks_secret(cluster);
    if (program)
        fprintf(stderr,
                "netsplit drill: the cluster \"%s\" needs the program %s, which %s\n",
                cluster->name, program,
                strchr(program, '/') ? "is not there or may not be run"
                                     : "is not on PATH");
    if (secret)
        fprintf(
            stderr,
            "netsplit drill: the cluster \"%s\" needs the variable %s, which is not "
            "set: export it first\n",
            cluster->name, secret);
    return !program && !secret;
}

/* What a drill of it needs before it begins. */
static int check_ready(const struct arguments *args, const struct playbook *playbook,
                       const struct cluster *cluster)
{
    if (!check_needs(cluster))
        return EXIT_ENVIRONMENT;
    if (!check_production(args, playbook, cluster))
        return EXIT_USAGE;
    return check_person(args, playbook) ? EXIT_DONE : EXIT_ENVIRONMENT;
}

/* Reads one, and says all that is wrong with it. */
static int load_one(const struct call *call, const char *path, struct loaded *loaded)
{
    const struct arguments *args = call->args;
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
    if (!check_modes(loaded->cluster, &args->modes) ||
        !check_passes(args, loaded->playbook, loaded->cluster))
        return EXIT_USAGE;
    return args->dry_run ? EXIT_DONE
                         : check_ready(args, loaded->playbook, loaded->cluster);
}

static void unload(struct loaded *loaded)
{
    playbook_destroy(loaded->playbook);
    cluster_destroy(loaded->cluster);
    redact_destroy(loaded->secrets);
}

/* Runs one that is right, or shows it. */
static int drill_loaded(struct call *call, const struct loaded *loaded, int *ended_by)
{
    call->secrets = loaded->secrets;
    return call->args->dry_run
               ? plan(call, loaded->playbook, loaded->cluster)
               : run_claimed(call, loaded->playbook, loaded->cluster, ended_by);
}

/* All are read before the first one touches anything: who learns after half an hour of
 * drills that the last one has a slip of the pen runs them all again. */
static int drill_files(struct call *call, char **paths, int *ended_by)
{
    size_t n = call->n_playbooks;
    struct loaded *loaded = xcalloc(n, sizeof *loaded);
    int status = EXIT_DONE;
    for (size_t i = 0; i < n; i++)
        status = worse(status, load_one(call, paths[i], &loaded[i]));
    if (status == EXIT_DONE) {
        for (size_t i = 0; i < n && *ended_by == 0 && !call->has_left; i++)
            status = worse(status, drill_loaded(call, &loaded[i], ended_by));
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
static bool read_sets(struct call *call)
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

static int drill_all(const struct arguments *args, char **paths, size_t n)
{
    struct call call = {.args = args, .n_playbooks = n, .many = many_create()};
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
    struct arguments args = {.seed = UINT64_MAX, .repeat = 1};
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
    int rest = 0;
    enum option_result parsed = option_parse(&command, argc, argv, false, &rest);
    if (parsed != OPTION_OK)
        return parsed == OPTION_HELPED ? EXIT_DONE : EXIT_USAGE;
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

int cmd_steps(int argc, char **argv)
{
    static const struct option_row rows[] = {{0}};
    static const struct option_command command = {
        .name = "steps",
        .usage = "",
        .help =
            "Prints the verbs of playbooks with their options, the workloads, and the "
            "drivers.",
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
