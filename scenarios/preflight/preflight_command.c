/* SPDX-License-Identifier: MIT */
/* A shell command on a node, exactly as the drill would run it (drill_command()), with
 * a time limit: on a loop of its own, until it has ended. At the limit, or when we are
 * asked to end, its whole group is killed, so that an exec that asks a question of
 * nobody does not stay. */
#include "proxy/base/child.h"
#include "proxy/base/now.h"
#include "proxy/base/term.h"
#include "scenarios/drill/drill_preview.h"
#include "scenarios/preflight/preflight.h"

#include <stdlib.h>
#include <string.h>
#include <uv.h>

struct attempt {
    struct rundir_record *record; /* borrowed */
    uv_loop_t loop;
    uv_timer_t limit;
    uv_poll_t signal;
    struct child *child; /* owned; NULL once it has ended */
    struct preflight_answer *out;
};

static void finish(struct attempt *attempt)
{
    if (attempt->child)
        rundir_drop_child(attempt->record, child_pid(attempt->child));
    child_close(attempt->child);
    attempt->child = NULL;
    uv_close((uv_handle_t *)&attempt->limit, NULL);
    uv_close((uv_handle_t *)&attempt->signal, NULL);
}

static void on_limit(uv_timer_t *timer)
{
    struct attempt *attempt = timer->data;
    attempt->out->late = true;
    finish(attempt);
}

static void on_signal(uv_poll_t *poll, int status, int events)
{
    (void)status, (void)events;
    finish(poll->data);
}

static void on_output(void *data, const char *bytes, size_t n)
{
    struct preflight_answer *out = ((struct attempt *)data)->out;
    size_t length = strlen(out->text), room = sizeof out->text - 1 - length;
    out->answered_wall_ns = now_wall_ns();
    memcpy(out->text + length, bytes, n < room ? n : room); /* the rest stays zero */
}

static void on_end(void *data, const struct child_end *end)
{
    struct attempt *attempt = data;
    attempt->out->status = end->status;
    finish(attempt);
}

static void start(struct preflight *preflight, struct attempt *attempt, size_t node,
                  const char *script)
{
    struct drill_preview *preview =
        drill_preview_create(preflight->cluster, preflight->playbook);
    struct drill_command command;
    struct errmsg err = {""};
    drill_preview_command(preview, node, script, &command);
    const struct child_options options = {.argv = command.argv,
                                          .env = (const char *const *)command.env,
                                          .on_output = on_output,
                                          .on_end = on_end,
                                          .data = attempt};
    attempt->out->asked_wall_ns = now_wall_ns();
    attempt->child = child_start(&attempt->loop, &options, &err);
    if (attempt->child) {
        (void)rundir_add_child(attempt->record, child_pid(attempt->child)); /* clean */
    } else {
        attempt->out->status = 127;
        (void)snprintf(attempt->out->text, sizeof attempt->out->text, "%s", err.text);
        finish(attempt);
    }
    drill_command_free(&command);
    drill_preview_destroy(preview);
}

void preflight_command(struct preflight *preflight, size_t node, const char *script,
                       struct preflight_answer *out)
{
    struct attempt attempt = {.record = preflight->record, .out = out};
    uint64_t since = now_ns();
    *out = (struct preflight_answer){.status = -1};
    if (uv_loop_init(&attempt.loop) != 0)
        abort(); /* out of descriptors or memory: as xcalloc */
    (void)uv_timer_init(&attempt.loop, &attempt.limit); /* cannot fail */
    (void)uv_poll_init(&attempt.loop, &attempt.signal, preflight->patience.signal_fd);
    attempt.limit.data = attempt.signal.data = &attempt;
    start(preflight, &attempt, node, script);
    if (attempt.child) {
        (void)uv_timer_start(&attempt.limit, on_limit,
                             now_ns_to_ms_up(preflight->within_ns), 0);
        (void)uv_poll_start(&attempt.signal, UV_READABLE, on_signal);
    }
    (void)uv_run(&attempt.loop, UV_RUN_DEFAULT); /* until finish() */
    (void)uv_loop_close(&attempt.loop);          /* all handles are closed */
    out->took_ns = now_ns() - since;
    term_disarm(out->text);
    const char *word = out->text + strspn(out->text, " \t\r\n");
    (void)snprintf(out->first_word, sizeof out->first_word, "%.*s",
                   (int)strcspn(word, " \t\r\n"), word);
}
