/* SPDX-License-Identifier: MIT */
/* Runs one shell command at a time for a mode, with a deadline.
 *
 * Happy path: job_start -> sh -eu ends with status 0 -> then, with its output. One that
 * polls is started again 100 ms after it failed, until its deadline.
 * Failures: a deadline that passes while it runs: TERM, KILL after the grace, and then
 * is called when it has ended; `late` says so. A shell that cannot be started counts as
 * status 127. */
#include "scenarios/drill/drill_inside.h"

#include <ctype.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

enum { PAUSE_MS = 100 };

static void start_attempt(struct drill_mode *mode);

void job_init(struct drill_mode *mode)
{
    (void)uv_timer_init(&mode->drill->loop, &mode->job.timer); /* cannot fail */
    mode->job.timer.data = mode;
}

static void finish(struct drill_mode *mode, bool ok)
{
    drill_then_fn then = mode->job.then;
    mode->job.ok = ok;
    mode->job.then = NULL;
    (void)uv_timer_stop(&mode->job.timer);
    then(mode);
}

static void on_pause_over(uv_timer_t *timer)
{
    struct drill_mode *mode = timer->data;
    mode->job.late = now_ns() >= mode->job.until_ns;
    if (mode->job.late)
        finish(mode, false);
    else
        start_attempt(mode);
}

static void on_late(uv_timer_t *timer)
{
    struct drill_mode *mode = timer->data;
    mode->job.late = true;
    child_stop(mode->job.child, DRILL_GRACE_NS);
}

/* Whatever it printed is shown and kept without secrets, and commands no terminal. */
static void keep_output(struct job *job, const struct redact *secrets,
                        const struct child_end *end)
{
    free(job->output);
    job->output = redact_copy(secrets, end->output);
    term_disarm(job->output);
    job->output_cut = end->output_cut;
    job->status = end->status;
}

static void on_attempt_end(void *data, const struct child_end *end)
{
    struct drill_mode *mode = data;
    struct job *job = &mode->job;
    char word[64];
    rundir_drop_child(mode->drill->record, child_pid(job->child));
    child_close(job->child);
    job->child = NULL;
    if (!job->late || !job->output)
        keep_output(job, mode->drill->options->secrets,
                    end); /* what the last whole attempt said is worth more */
    job_first_word(job, word, sizeof word);
    bool ok = !job->late && end->status == 0 &&
              (!job->wants || strcmp(job->wants, word) == 0);
    if (ok || !job->polls || job->late || now_ns() >= job->until_ns) {
        job->late |= !ok && job->polls;
        finish(mode, ok);
        return;
    }
    (void)uv_timer_start(&job->timer, on_pause_over, PAUSE_MS, 0);
}

static void start_attempt(struct drill_mode *mode)
{
    struct job *job = &mode->job;
    struct drill_command command;
    drill_command(mode, job->node, job->script, &command);
    struct child_options options = {.argv = command.argv,
                                    .env = (const char *const *)command.env,
                                    .netns_fd = lab_netns(mode, job->node),
                                    .output_limit = DRILL_OUTPUT_BYTES,
                                    .leaves_group = job->leaves_group,
                                    .on_end = on_attempt_end,
                                    .data = mode};
    struct errmsg err = {""};
    job->child = child_start(&mode->drill->loop, &options, &err);
    drill_command_free(&command);
    if (!job->child) {
        job->status = 127;
        free(job->output);
        job->output = xstrdup(err.text);
        finish(mode, false);
        return;
    }
    (void)rundir_add_child(mode->drill->record, child_pid(job->child)); /* for clean */
    uint64_t now = now_ns();
    uint64_t left = job->until_ns > now ? job->until_ns - now : 0;
    (void)uv_timer_start(&job->timer, on_late, now_ns_to_ms_up(left), 0);
}

void job_start(struct drill_mode *mode, const struct job_options *options)
{
    struct job *job = &mode->job;
    uint64_t within_ns = options->within_ns;
    if (mode->drill->hurry && within_ns > DRILL_GRACE_NS)
        within_ns = DRILL_GRACE_NS;
    job->script = options->script;
    job->node = options->node;
    job->polls = options->polls;
    job->leaves_group = options->leaves_group;
    job->wants = options->wants;
    job->within_ns = within_ns;
    job->until_ns = now_ns() + within_ns;
    job->late = false;
    job->then = options->then;
    free(job->output);
    job->output = NULL;
    start_attempt(mode);
}

void job_cancel(struct drill_mode *mode)
{
    struct job *job = &mode->job;
    (void)uv_timer_stop(&job->timer);
    job->then = NULL;
    if (!job->child)
        return;
    rundir_drop_child(mode->drill->record, child_pid(job->child));
    child_close(job->child);
    job->child = NULL;
}

void job_hurry(struct drill_mode *mode, uint64_t within_ns)
{
    struct job *job = &mode->job;
    uint64_t until = now_ns() + within_ns;
    if (!job->child || job->late || until >= job->until_ns)
        return;
    job->within_ns = within_ns;
    job->until_ns = until;
    (void)uv_timer_start(&job->timer, on_late, now_ns_to_ms_up(within_ns), 0);
}

void job_first_word(const struct job *job, char *text, size_t text_bytes)
{
    const char *from = job->output ? job->output : "";
    from += strspn(from, " \t\r\n");
    (void)snprintf(text, text_bytes, "%.*s", (int)strcspn(from, " \t\r\n"), from);
}

void job_first_line(const struct job *job, char *text, size_t text_bytes)
{
    const char *from = job->output ? job->output : "";
    from += strspn(from, " \t\r\n");
    (void)snprintf(text, text_bytes, "%.*s", (int)strcspn(from, "\r\n"), from);
}
