/* SPDX-License-Identifier: MIT */
/* What only a command undoes, in the record of this run, so that `netsplit clean` can
 * tell somebody if the drill is killed before it has done so: the kernel takes back
 * everything else. Clean does not run these commands itself; it may be called a week
 * later, or by somebody who knows nothing of the cluster. */
#include "scenarios/drill_inside.h"

#include <stdlib.h>
#include <string.h>

static const struct step *step_of(const struct drill_mode *mode,
                                  const struct drill_fault *fault)
{
    return &mode->drill->playbook->steps[fault->step];
}

static void add(const struct drill_mode *mode, json_t *owed, size_t node,
                const char *what, const char *script)
{
    const struct cluster *cluster = mode->drill->cluster;
    const char *exec = cluster->places ? cluster->places[node].exec : NULL;
    char *text = xasprintf("not undone: %s; at %s of cluster %s%s%s run: %s", what,
                           cluster->nodes[node], cluster->name, exec ? ", by " : "",
                           exec ? exec : "", script);
    size_t length = strlen(text);
    if (text[length - 1] == '\n')
        text[length - 1] = '\0';                          /* of a block of YAML */
    (void)json_array_append_new(owed, json_string(text)); /* NULL is refused */
    free(text);
}

/* The nodes that a fault has killed or paused, whose own commands bring them back. */
static void add_nodes(const struct drill_mode *mode, json_t *owed,
                      const struct drill_fault *fault, bool is_kill)
{
    const struct cluster *cluster = mode->drill->cluster;
    for (size_t i = 0; i < cluster->n_nodes; i++)
        if (fault->nodes[i] &&
            (is_kill ? mode->nodes[i].killed : mode->nodes[i].paused))
            add(mode, owed, i, is_kill ? "a node that was killed" : "a paused node",
                is_kill ? cluster->commands.start : cluster->commands.resume);
}

static void add_fault(const struct drill_mode *mode, json_t *owed,
                      const struct drill_fault *fault)
{
    const struct step *step = step_of(mode, fault);
    int on = step->on ? cluster_find_node(mode->drill->cluster, step->on) : 0;
    if (step->by == STEP_BY_RUN)
        add(mode, owed, (size_t)on, "a fault by command", step->undo);
    else if (mode->drill->cluster->places) /* others die with the drill */
        add_nodes(mode, owed, fault, step->by == STEP_BY_KILL);
}

void owed_note(const struct drill_mode *mode)
{
    json_t *owed = json_array();
    if (mode->entered && mode->mode->leave && mode->drill->cluster->places) {
        char *what = xasprintf("the mode %s", mode->mode->name);
        add(mode, owed, mode->entered_at, what, mode->mode->leave);
        free(what);
    }
    for (size_t i = 0; i < mode->n_faults; i++)
        if (mode->faults[i].owed)
            add_fault(mode, owed, &mode->faults[i]);
    (void)rundir_note(mode->drill->record, "owed", owed); /* clean tells the less */
}
