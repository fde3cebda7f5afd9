/* SPDX-License-Identifier: MIT */
/* The steps that are one command on one node: `step`, whose script is the playbook's, and
 * `promote`, whose script is the cluster's. What the command printed and its status are
 * the step's; it is done when the command has ended with status 0 in time. */
#include "scenarios/drill/drill_inside.h"

#include "rules/unit.h"

void step_keep_output(struct drill_mode *mode)
{
    struct run_step *out = &mode->out->steps[mode->step];
    out->exit_status = mode->job.status;
    out->output_cut = mode->job.output_cut;
    if (mode->job.output && mode->job.output[0])
        out->output = drill_keep(mode->drill, mode->job.output);
}

void step_end_by_job(struct drill_mode *mode)
{
    char allowance[32], line[200];
    step_keep_output(mode);
    unit_format_duration(mode_step(mode)->within_ns, allowance, sizeof allowance);
    job_first_line(&mode->job, line, sizeof line);
    if (mode->job.late)
        (void)snprintf(mode->error, sizeof mode->error, "not done within %s",
                       allowance);
    else
        (void)snprintf(mode->error, sizeof mode->error, "it ended with status %d%s%s",
                       mode->job.status, line[0] ? ": " : "", line);
    step_end(mode, mode->job.ok ? NULL : mode->error);
}

void step_start_shell(struct drill_mode *mode, const struct step *step, bool polls)
{
    int node = step->on ? cluster_find_node(mode->drill->cluster, step->on) : 0;
    mode->out->steps[mode->step].node = mode_node_name(mode, (size_t)node);
    job_start(mode, &(struct job_options){.script = step->text,
                                          .node = (size_t)node,
                                          .within_ns = step->within_ns,
                                          .polls = polls,
                                          .then = step_end_by_job});
}

static void on_promoted(struct drill_mode *mode)
{
    int node = cluster_find_node(mode->drill->cluster, mode_step(mode)->node);
    if (mode->job.ok) {
        step_hold_primary(mode, (size_t)node, now_ns());
        owed_replace(mode);
    }
    step_end_by_job(mode);
}

void step_start_promote(struct drill_mode *mode, const struct step *step)
{
    int node = cluster_find_node(mode->drill->cluster, step->node);
    mode->out->steps[mode->step].node = step->node;
    job_start(mode,
              &(struct job_options){.script = mode->drill->cluster->commands.promote,
                                    .node = (size_t)node,
                                    .within_ns = step->within_ns,
                                    .then = on_promoted});
}
