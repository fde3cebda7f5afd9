/* SPDX-License-Identifier: MIT */
/* Probes: scripts that are sampled from their step to the end of the steps, beside all
 * that goes on; driven by the drill's tick.
 *
 * Happy path: every so often the script is started; when it has ended with status 0 the
 * last number it printed is a sample. The first sample beyond the alarm while a fault
 * is in force is the moment of detection; the first beyond `abort` ends the drill.
 * Failures: a script that fails, prints no number, or takes longer than its `within`
 * (it is killed then) leaves a gap; the probe goes on. A script that takes longer than
 * `every` is started again when it has ended: there is one of each probe at a time. */
#include "scenarios/drill/drill_inside.h"

#include <stdlib.h>

static const struct step *step_of(const struct drill_probe *probe)
{
    return &probe->mode->drill->playbook->steps[probe->step];
}

static struct run_probe *result_of(const struct drill_probe *probe)
{
    return &probe->mode->out->probes[probe - probe->mode->probes];
}

static void add_sample(const struct drill_probe *probe, uint64_t at_ns, bool known,
                       double value)
{
    struct run_probe *out = result_of(probe);
    out->samples =
        xreallocarray(out->samples, out->n_samples + 1, sizeof *out->samples);
    out->samples[out->n_samples++] = (struct run_sample){at_ns, known, value};
}

static void act_on(struct drill_probe *probe, uint64_t at_ns, double value)
{
    struct drill_mode *mode = probe->mode;
    const struct step *step = step_of(probe);
    struct run_probe *out = result_of(probe);
    if (threshold_is_crossed(&step->alarm, value) && fault_in_force(mode) &&
        out->alarm_ns == 0) {
        out->alarm_ns = at_ns;
        step_record(mode, at_ns, HISTORY_EVENT_DETECT, out->name);
        term_progress_say(&mode->drill->progress, "%s: %s is %g: alarm (%s)",
                          mode->mode->name, out->name, value, step->alarm.text);
    }
    if (threshold_is_crossed(&step->abort_at, value))
        mode_abort(mode, RUN_STOP_CONDITION,
                   drill_print(mode->drill, "the probe \"%s\" is %g (abort=%s)",
                               out->name, value, step->abort_at.text));
}

static void on_sampled(void *data, const struct child_end *end)
{
    struct drill_probe *probe = data;
    double value = 0;
    uint64_t now = now_ns();
    rundir_drop_child(probe->mode->drill->record, child_pid(probe->child));
    child_close(probe->child);
    probe->child = NULL;
    if (probe->mode->state != MODE_STEPS)
        return;
    bool known = end->status == 0 && threshold_last_number(end->output, &value);
    add_sample(probe, now, known, value);
    if (known)
        act_on(probe, now, value);
}

static void sample(struct drill_probe *probe, uint64_t now)
{
    struct drill_mode *mode = probe->mode;
    const struct step *step = step_of(probe);
    size_t node =
        step->on ? (size_t)cluster_find_node(mode->drill->cluster, step->on) : 0;
    struct drill_command command;
    drill_command(mode, node, step->text, &command);
    struct child_options options = {.argv = command.argv,
                                    .env = (const char *const *)command.env,
                                    .netns_fd = lab_netns(mode, node),
                                    .output_limit = DRILL_OUTPUT_BYTES,
                                    .on_end = on_sampled,
                                    .data = probe};
    struct errmsg err = {""};
    probe->next_ns = now + step->every_ns;
    probe->until_ns = now + step->within_ns;
    probe->child = child_start(&mode->drill->loop, &options, &err);
    drill_command_free(&command);
    if (probe->child)
        (void)rundir_add_child(mode->drill->record,
                               child_pid(probe->child)); /* for clean */
    else
        add_sample(probe, now, false, 0);
}

void probe_add(struct drill_mode *mode, const struct step *step)
{
    struct drill *drill = mode->drill;
    size_t most = drill->playbook->n_steps;
    if (!mode->probes) {
        mode->probes = drill_take(drill, most, sizeof *mode->probes);
        mode->out->probes = drill_take(drill, most, sizeof *mode->out->probes);
    }
    mode->probes[mode->n_probes++] =
        (struct drill_probe){.mode = mode, .step = mode->step};
    mode->out->probes[mode->out->n_probes++] = (struct run_probe){
        .name = drill_keep(drill, step->name ? step->name : step->heading),
        .line = step->at.line,
        .alarm = step->alarm.text ? drill_keep(drill, step->alarm.text) : NULL,
        .abort = step->abort_at.text ? drill_keep(drill, step->abort_at.text) : NULL,
    };
}

void probes_tick(struct drill_mode *mode, uint64_t now)
{
    for (size_t i = 0; i < mode->n_probes && mode->state == MODE_STEPS; i++) {
        struct drill_probe *probe = &mode->probes[i];
        if (probe->child && now >= probe->until_ns)
            child_stop(probe->child, 0);
        else if (!probe->child && now >= probe->next_ns)
            sample(probe, now);
    }
}

void probes_stop(struct drill_mode *mode)
{
    for (size_t i = 0; i < mode->n_probes; i++) {
        struct drill_probe *probe = &mode->probes[i];
        if (!probe->child)
            continue;
        rundir_drop_child(mode->drill->record, child_pid(probe->child));
        child_close(probe->child);
        probe->child = NULL;
    }
}
