/* SPDX-License-Identifier: MIT */
/* A drill from outside: its directory, its loop, its signals, its modes one after the
 * other, and the progress line.
 *
 * Signals. The first INT, TERM, QUIT or HUP takes the mode down in good order; the second
 * gives nobody any time, unless it is HUP, which often comes twice. Under nohup(1) a drill
 * does not hear of HUP, and it is never suspended. In both cases the loop runs on until everything is gone, and
 * the caller dies of the signal. If we are killed outright, the kernel ends our
 * children (PR_SET_PDEATHSIG) and `netsplit clean` finds the directories by the record
 * of this run. */
#include "scenarios/drill/drill_inside.h"

#include "rules/language/unit.h"
#include "scenarios/drill/claim.h"
#include "scenarios/drill/claim_mark.h"
#include "scenarios/report/run_directory.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

extern const char netsplit_version[];

void *drill_take(struct drill *drill, size_t n, size_t bytes)
{
    return arena_alloc(&drill->run->arena, n, bytes);
}

char *drill_keep(struct drill *drill, const char *text)
{
    char *clean = redact_copy(drill->options->secrets, text);
    char *kept = arena_copy(&drill->run->arena, clean, strlen(clean));
    free(clean);
    return kept;
}

char *drill_print(struct drill *drill, const char *format, ...)
{
    char *text = NULL;
    va_list args;
    va_start(args, format);
    int n = vasprintf(&text, format, args);
    va_end(args);
    if (n < 0)
        abort(); /* out of memory: as xcalloc */
    char *kept = drill_keep(drill, text);
    free(text);
    return kept;
}

/* --- The directory of the results --- */

/* netsplit-runs/PLAYBOOK/TIME, with `latest` beside it. */
static int make_default_out(struct drill *drill, struct errmsg *err)
{
    const char *slash = strrchr(drill->playbook->source.name, '/');
    const char *name = slash ? slash + 1 : drill->playbook->source.name;
    char parent[PATH_MAX / 2], time[32];
    (void)snprintf(parent, sizeof parent, "netsplit-runs/%.*s", (int)strcspn(name, "."),
                   name);
    now_format_utc(drill->run->started_wall_ns, time, sizeof time);
    int e = run_directory_make(parent, time, drill->out, sizeof drill->out, err);
    if (e == 0)
        run_directory_link(drill->out, NULL);
    return e;
}

static int write_text(const struct drill *drill, const char *name,
                      const struct source *source)
{
    char path[PATH_MAX + 32];
    (void)snprintf(path, sizeof path, "%s/%s", drill->out, name);
    FILE *to = fopen(path, "we");
    if (!to)
        return -errno;
    char *clean = redact_copy(drill->options->secrets, source->text);
    errno = 0;
    bool ok = fputs(clean, to) != EOF;
    ok = fclose(to) == 0 && ok;
    free(clean);
    return ok ? 0 : errno ? -errno : -EIO;
}

static int make_out(struct drill *drill, struct errmsg *err)
{
    const struct drill_options *options = drill->options;
    char whole[PATH_MAX]; /* commands run elsewhere */
    if (options->out)
        (void)snprintf(drill->out, sizeof drill->out, "%s", options->out);
    int e = options->out ? run_directory_use(drill->out, err)
                         : make_default_out(drill, err);
    if (e != 0)
        return e;
    e = write_text(drill, "playbook.md", &drill->playbook->source);
    if (e == 0)
        e = write_text(drill, "cluster.yaml", &drill->cluster->source);
    if (e != 0)
        errmsg_set(err, "the directory for the results, %s: %s", drill->out,
                   strerror(-e));
    else if (realpath(drill->out, whole))
        (void)snprintf(drill->out, sizeof drill->out, "%s", whole);
    return e;
}

/* --- The result, before anything has happened --- */

static const char *summarise(struct drill *drill, const struct step *step)
{
    char text[32];
    switch (step->verb->kind) {
    case STEP_WORKLOAD:
        return step->workload.workload->name;
    case STEP_RUN:
        return drill_print(drill, "for %s",
                           unit_format_duration(step->for_ns, text, sizeof text));
    case STEP_PROMOTE:
        return drill_print(drill, "%s", step->node);
    case STEP_CLIENTS:
        return drill_print(drill, "to %s", step->node);
    case STEP_PROBE:
        return step->name ? drill_keep(drill, step->name) : "";
    case STEP_WAIT:
    case STEP_MANUAL:
    case STEP_SHELL: {
        const char *from = step->text + strspn(step->text, " \t\n");
        return drill_print(drill, "%.*s", (int)strcspn(from, "\n"), from);
    }
    case STEP_FAULT:
    case STEP_HEAL:
    case STEP_EXPECT:
        return "";
    }
    return "";
}

static uint64_t allowance_of(const struct step *step)
{
    if (step->verb->kind == STEP_RUN)
        return step->for_ns;
    return step->verb->kind == STEP_CLIENTS ? PROCESSES_MOVE_NS : step->within_ns;
}

static void fill_steps(struct drill *drill, struct run_mode *out)
{
    const struct playbook *playbook = drill->playbook;
    out->steps = drill_take(drill, playbook->n_steps, sizeof *out->steps);
    out->phases = drill_take(drill, playbook->n_steps, sizeof *out->phases);
    out->n_steps = playbook->n_steps;
    for (size_t i = 0; i < playbook->n_steps; i++) {
        const struct step *step = &playbook->steps[i];
        if (out->n_phases == 0 ||
            out->phases[out->n_phases - 1].line != step->heading_line)
            out->phases[out->n_phases++] =
                (struct run_phase){.heading = drill_keep(drill, step->heading),
                                   .line = step->heading_line};
        out->steps[i] = (struct run_step){.verb = step->verb->name,
                                          .line = step->at.line,
                                          .heading = drill_keep(drill, step->heading),
                                          .phase = out->n_phases - 1,
                                          .summary = summarise(drill, step),
                                          .allowance_ns = allowance_of(step)};
    }
}

static void fill_modes(struct drill *drill)
{
    const struct drill_options *options = drill->options;
    struct run *run = drill->run;
    size_t n = options->n_modes ? options->n_modes : drill->playbook->n_modes;
    const char *const *names =
        options->n_modes ? options->modes : drill->playbook->modes;
    run->modes = drill_take(drill, n, sizeof *run->modes);
    run->n_modes = n;
    for (size_t i = 0; i < n; i++) {
        run->modes[i].name = drill_keep(drill, names[i]);
        run->modes[i].how = "";
        fill_steps(drill, &run->modes[i]);
    }
}

/* A word as a shell takes it. */
static const char *quote(struct drill *drill, const char *word)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                "0123456789-_./:=+,@";
    if (word[0] && word[strspn(word, plain)] == '\0')
        return word;
    const char *text = "'";
    for (; *word; word++)
        text = *word == '\'' ? drill_print(drill, "%s'\\''", text)
                             : drill_print(drill, "%s%c", text, *word);
    return drill_print(drill, "%s'", text);
}

static const char *repeat_command(struct drill *drill)
{
    const struct drill_options *options = drill->options;
    const char *text = drill_print(drill, "netsplit drill %s",
                                   quote(drill, drill->playbook->source.name));
    if (options->cluster_word)
        text = drill_print(drill, "%s --cluster %s", text,
                           quote(drill, options->cluster_word));
    for (size_t i = 0; i < options->n_modes; i++)
        text =
            drill_print(drill, "%s --mode %s", text, quote(drill, options->modes[i]));
    const struct cluster_variables *variables = &drill->playbook->variables;
    for (size_t i = 0; i < variables->n; i++)
        text = drill_print(
            drill, "%s --set %s", text,
            quote(drill, drill_print(drill, "%s=%s", variables->items[i].name,
                                     variables->items[i].value)));
    if (drill->cluster->environment == CLUSTER_PRODUCTION)
        text = drill_print(drill, "%s --confirm %s", text,
                           quote(drill, drill->cluster->name));
    return drill_print(drill, "%s%s --seed %" PRIu64, text,
                       options->unattended ? " --unattended" : "", options->seed);
}

static void fill_run(struct drill *drill)
{
    const struct playbook *playbook = drill->playbook;
    const struct cluster *cluster = drill->cluster;
    struct run *run = drill->run;
    char here[PATH_MAX];
    const char **nodes = drill_take(drill, cluster->n_nodes, sizeof *nodes);
    for (size_t i = 0; i < cluster->n_nodes; i++)
        nodes[i] = drill_keep(drill, cluster->nodes[i]);
    run->playbook_path = drill_keep(drill, playbook->source.name);
    run->title = drill_keep(drill, playbook->title);
    run->text = drill_keep(drill, playbook->source.text);
    run->owner = drill_keep(drill, playbook->owner ? playbook->owner : "");
    run->cluster_name = drill_keep(drill, cluster->name);
    run->cluster_path = drill_keep(drill, cluster->source.name);
    run->cluster_text = drill_keep(drill, cluster->source.text);
    run->driver = driver_name(cluster->driver);
    run->workload = "";
    for (size_t i = playbook->n_steps; i-- > 0;)
        if (playbook->steps[i].verb->kind == STEP_WORKLOAD)
            run->workload =
                drill_print(drill, "%.*s", (int)strcspn(playbook->steps[i].text, "\n"),
                            playbook->steps[i].text);
    run->variables = "";
    for (size_t i = 0; i < playbook->variables.n; i++)
        run->variables = drill_print(drill, "%s%s%s=%s", run->variables, i ? " " : "",
                                     playbook->variables.items[i].name,
                                     playbook->variables.items[i].value);
    run->version = netsplit_version;
    run->seed = drill->options->seed;
    run->command = repeat_command(drill);
    run->working_directory = getcwd(here, sizeof here) ? drill_keep(drill, here) : NULL;
    run->nodes = nodes;
    run->n_nodes = cluster->n_nodes;
    run->started_wall_ns = now_wall_ns();
    run->started_ns = now_ns();
    fill_modes(drill);
}

/* --- While it runs --- */

void drill_show(struct drill *drill)
{
    static const char *const words[] = {"starting", "", "final reads", "cleaning up"};
    const struct drill_mode *mode = &drill->mode;
    char head[128], detail[200], place[64] = "";
    if (mode->asking)
        return; /* somebody is typing */
    const struct step *step = mode->step < drill->playbook->n_steps
                                  ? &drill->playbook->steps[mode->step]
                                  : NULL;
    bool is_step = mode->state == MODE_STEPS && step;
    (void)snprintf(head, sizeof head, "%s | %.60s%s%s", mode->mode->name,
                   is_step ? step->heading : words[mode->state], is_step ? " | " : "",
                   is_step ? step->verb->name : "");
    if (is_step)
        (void)snprintf(place, sizeof place, "| step %zu of %zu ", mode->step + 1,
                       drill->playbook->n_steps);
    (void)snprintf(detail, sizeof detail, "%s| %.0f operations/s | %.0f s", place,
                   drill->rate,
                   (double)(now_ns() - drill->run->started_ns) / (double)NS_PER_S);
    term_progress_show(&drill->progress, head, detail);
}

/* Operations a second, smoothed: the eye reads it. */
static void measure_rate(struct drill *drill, uint64_t now)
{
    struct processes_statistics statistics = {0};
    if (drill->mode.processes)
        processes_statistics(drill->mode.processes, &statistics);
    uint64_t ok = statistics.ok_reads + statistics.ok_writes;
    double span_s = (double)(now - drill->tick_ns) / (double)NS_PER_S;
    double rate = span_s > 0 && ok >= drill->ok_before
                      ? (double)(ok - drill->ok_before) / span_s
                      : 0;
    drill->rate += (rate - drill->rate) * 0.3;
    drill->ok_before = ok;
    drill->tick_ns = now;
}

static void check_stop_conditions(struct drill *drill, uint64_t now)
{
    struct drill_mode *mode = &drill->mode;
    const struct playbook *playbook = drill->playbook;
    char limit[32];
    if (mode->state != MODE_STEPS)
        return;
    if (playbook->duration_ns && now - mode->out->base_ns > playbook->duration_ns) {
        unit_format_duration(playbook->duration_ns, limit, sizeof limit);
        mode_abort(mode, RUN_STOP_CONDITION,
                   drill_print(drill, "it took longer than %s", limit));
    } else if (playbook->no_ok_write_ns && mode->processes &&
               processes_no_ok_write_ns(mode->processes, now) >
                   playbook->no_ok_write_ns) {
        unit_format_duration(playbook->no_ok_write_ns, limit, sizeof limit);
        mode_abort(mode, RUN_STOP_CONDITION,
                   drill_print(drill, "no write was acknowledged for %s", limit));
    }
}

static void on_tick(uv_timer_t *timer)
{
    struct drill *drill = timer->data;
    struct drill_mode *mode = &drill->mode;
    uint64_t now = now_ns();
    measure_rate(drill, now);
    drill_show(drill);
    if (++mode->ticks % 5 == 0 && mode->state == MODE_STEPS && fault_in_force(mode))
        proxy_ask(mode, NULL); /* what waits now is seen only now */
    theirs_tick(mode, now);
    nodes_end_late_stops(mode, now);
    probes_tick(mode, now);
    manual_tick(mode, now);
    driver_tick(mode);
    check_stop_conditions(drill, now);
}

static void on_signal(uv_signal_t *handle, int number)
{
    struct drill *drill = handle->data;
    if (drill->signal != 0 && number == SIGHUP)
        return; /* a terminal that closes is told by the shell and by the kernel */
    drill->hurry = drill->signal != 0;
    if (drill->signal == 0)
        drill->signal = number;
    term_progress_say(&drill->progress, drill->hurry
                                            ? "ending at once"
                                            : "undoing everything; once more to hurry");
    if (drill->hurry)
        mode_down(&drill->mode);
    else
        mode_abort(&drill->mode, RUN_INTERRUPTED, "it was interrupted");
}

/* Ctrl-Z. Stop conditions, leases and undoing would all stand still. */
static void on_stop(uv_signal_t *handle, int number)
{
    struct drill *drill = handle->data;
    (void)number;
    term_progress_say(&drill->progress,
                      "a drill is not suspended, for its faults would stay in force: "
                      "Ctrl-C ends it");
}

/* --- Modes --- */

static bool is_ignored(int number)
{
    struct sigaction now;
    return sigaction(number, NULL, &now) == 0 && now.sa_handler == SIG_IGN;
}

/* Signals are ours from the first thing that is made to the last that is undone. */
static void open_loop(struct drill *drill)
{
    static const int numbers[DRILL_SIGNALS] = {SIGINT, SIGTERM, SIGQUIT, SIGHUP,
                                               SIGTSTP};
    (void)uv_loop_init(
        &drill->loop); /* fails without descriptors only: then all does */
    for (size_t i = 0; i < DRILL_SIGNALS; i++) {
        (void)uv_signal_init(&drill->loop, &drill->signals[i]);
        drill->signals[i].data = drill;
        if (numbers[i] != SIGHUP || !is_ignored(SIGHUP)) /* nohup(1) */
            (void)uv_signal_start(&drill->signals[i],
                                  numbers[i] == SIGTSTP ? on_stop : on_signal,
                                  numbers[i]);
    }
    (void)uv_timer_init(&drill->loop, &drill->tick);
    drill->tick.data = drill;
}

static void close_loop(struct drill *drill)
{
    for (size_t i = 0; i < DRILL_SIGNALS; i++)
        uv_close((uv_handle_t *)&drill->signals[i], NULL);
    uv_close((uv_handle_t *)&drill->tick, NULL);
}

static void start_mode(struct drill *drill)
{
    struct run_mode *out = &drill->run->modes[drill->n_done];
    memset(&drill->mode, 0, sizeof drill->mode);
    drill->mode.drill = drill;
    drill->mode.out = out;
    drill->mode.mode = cluster_find_mode(drill->cluster, out->name);
    drill->ok_before = 0;
    drill->rate = 0;
    mode_start(&drill->mode);
}

void drill_mode_ended(struct drill *drill)
{
    struct run *run = drill->run;
    drill->n_done++;
    if (drill->n_done < run->n_modes && drill->signal == 0) {
        start_mode(drill);
        return;
    }
    for (size_t i = drill->n_done; i < run->n_modes; i++) {
        run->modes[i].verdict = RUN_ABORTED;
        run->modes[i].reason = RUN_INTERRUPTED;
        run->modes[i].why = "it was not reached";
    }
    rundir_record_close(drill->record);
    close_loop(drill);
}

static void set_mark(struct drill *drill)
{
    char mark[CLAIM_MARK_BYTES];
    claim_mark_make(mark);
    drill->mark = drill_keep(drill, mark);
}

static char *hide_secrets(const void *context, const char *line)
{
    return redact_copy(context, line);
}

static void run_modes(struct drill *drill)
{
    (void)uv_timer_start(&drill->tick, on_tick, DRILL_TICK_MS, DRILL_TICK_MS);
    term_progress_init(&drill->progress, stderr);
    drill->progress.rewrite = hide_secrets;
    drill->progress.context = drill->options->secrets;
    drill->tick_ns = now_ns();
    start_mode(drill);
    (void)uv_run(&drill->loop, UV_RUN_DEFAULT);
    term_progress_end(&drill->progress);
}

int drill_run(const struct drill_options *options, struct run **out, int *signal,
              struct errmsg *err)
{
    int e = drill_enter_lab(options->cluster, err);
    if (e != 0)
        return e;
    struct drill *drill = xcalloc(1, sizeof *drill);
    *drill = (struct drill){.options = options,
                            .playbook = options->playbook,
                            .cluster = options->cluster,
                            .run = xcalloc(1, sizeof *drill->run)};
    arena_init(&drill->run->arena, &xallocator);
    ssize_t n = readlink("/proc/self/exe", drill->exe, sizeof drill->exe - 1);
    drill->exe[n > 0 ? n : 0] = '\0';
    fill_run(drill);
    if (drill->cluster->places)
        set_mark(drill);
    open_loop(drill);
    e = make_out(drill, err);
    if (e == 0)
        e = rundir_record_open(&drill->record, "drill", err);
    if (e == 0) {
        (void)rundir_note(drill->record, CLAIM_NOTE, /* a debt is noted, or not made */
                          claim_list(drill->cluster));
        drill->run->directory = /* as it is: files are written there */
            arena_copy(&drill->run->arena, drill->out, strlen(drill->out));
        run_modes(drill);
    } else {
        close_loop(drill);
        (void)uv_run(&drill->loop, UV_RUN_DEFAULT);
    }
    (void)uv_loop_close(&drill->loop); /* -EBUSY would be a leak at our very end */
    if (e != 0) {
        run_destroy(drill->run);
        free(drill);
        return e;
    }
    drill->run->ended_ns = now_ns();
    run_merge(drill->run);
    *out = drill->run;
    *signal = drill->signal;
    free(drill);
    return 0;
}
