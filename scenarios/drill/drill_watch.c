/* SPDX-License-Identifier: MIT */
/* What a drill looks at while it runs, five times a second: the progress line, the stop
 * conditions, and what the other parts have to do when it is time for it. None of it
 * may wait: it all happens between two turns of the loop that carries the workload. */
#include "scenarios/drill/drill_inside.h"

#include "rules/unit.h"

void watch_show(struct drill *drill)
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
    watch_show(drill);
    if (++mode->ticks % 5 == 0 && mode->state == MODE_STEPS && fault_in_force(mode))
        proxy_ask(mode, NULL); /* what waits now is seen only now */
    theirs_tick(mode, now);
    nodes_end_late_stops(mode, now);
    probes_tick(mode, now);
    manual_tick(mode, now);
    driver_tick(mode);
    check_stop_conditions(drill, now);
}

static char *hide_secrets(const void *context, const char *line)
{
    return redact_copy(context, line);
}

void watch_start(struct drill *drill)
{
    (void)uv_timer_start(&drill->tick, on_tick, DRILL_TICK_MS, DRILL_TICK_MS);
    term_progress_init(&drill->progress, stderr);
    drill->progress.rewrite = hide_secrets;
    drill->progress.context = drill->options->secrets;
    drill->tick_ns = now_ns();
}
