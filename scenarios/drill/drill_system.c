/* SPDX-License-Identifier: MIT */
/* Who is drilled: the version and settings of each node, as the cluster's `version`
 * prints them once the mode is on, for the report and the manifest.
 *
 * Happy path: systems_ask -> the command on each node in turn -> then. A node that does
 * not say, or not within 5 s, is noted with the reason, and the drill goes on: what it
 * measures does not depend on it. */
#include "scenarios/drill/drill_inside.h"

#include <string.h>

static void ask(struct drill_mode *mode);

/* What it printed, without the blanks around it; settings are the lines but the first. */
static void keep_answer(struct drill_mode *mode, struct run_system *system)
{
    const char *text = mode->job.output ? mode->job.output : "";
    text += strspn(text, " \t\r\n");
    size_t length = strlen(text), first = strcspn(text, "\r\n");
    while (length > 0 && strchr(" \t\r\n", text[length - 1]))
        length--;
    const char *rest = text + first + strspn(text + first, "\r\n");
    system->why = NULL;
    system->version = drill_print(mode->drill, "%.*s", (int)first, text);
    system->settings =
        rest < text + length
            ? drill_print(mode->drill, "%.*s", (int)(text + length - rest), rest)
            : "";
}

static void on_answer(struct drill_mode *mode)
{
    struct drill *drill = mode->drill;
    struct run_system *system = &mode->out->systems[mode->chain];
    char line[200];
    job_first_line(&mode->job, line, sizeof line);
    if (mode->job.ok && line[0]) {
        keep_answer(mode, system);
    } else {
        system->why =
            mode->job.late ? "its command version had not ended within 5 s"
            : mode->job.ok
                ? "its command version printed nothing"
                : drill_print(drill, "its command version ended with status %d%s%s",
                              mode->job.status, line[0] ? ": " : "", line);
        term_progress_say(&drill->progress, "%s: the version of %s is not known: %s",
                          mode->mode->name, drill->cluster->nodes[mode->chain],
                          system->why);
    }
    mode->chain++;
    ask(mode);
}

static void ask(struct drill_mode *mode)
{
    if (mode->chain == mode->drill->cluster->n_nodes) {
        drill_then_fn then = mode->chain_then;
        mode->chain_then = NULL;
        then(mode);
        return;
    }
    job_start(mode,
              &(struct job_options){.script = mode->drill->cluster->commands.version,
                                    .node = mode->chain,
                                    .within_ns = 5 * NS_PER_S,
                                    .then = on_answer});
}

void systems_ask(struct drill_mode *mode, drill_then_fn then)
{
    const struct cluster *cluster = mode->drill->cluster;
    if (!cluster->commands.version) {
        then(mode);
        return;
    }
    mode->out->systems =
        drill_take(mode->drill, cluster->n_nodes, sizeof *mode->out->systems);
    for (size_t i = 0; i < cluster->n_nodes; i++)
        mode->out->systems[i] =
            (struct run_system){.settings = "", .why = "it was not asked"};
    mode->chain = 0;
    mode->chain_then = then;
    ask(mode);
}
