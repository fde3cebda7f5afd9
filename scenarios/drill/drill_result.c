/* SPDX-License-Identifier: MIT */
/* The result of a drill before anything has happened: what is run on what, how to run it
 * again, and every mode with every step of the playbook. What never happens is in the
 * report too, then, as not reached. The rest is filled in by who finds it out. */
#include "scenarios/drill/drill_inside.h"

#include "rules/unit.h"

#include <inttypes.h>
#include <string.h>
#include <unistd.h>

extern const char netsplit_version[];

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

void result_begin(struct drill *drill)
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
