/* SPDX-License-Identifier: MIT */
/* A drill in which nothing was started: as much of it as the environment of a command
 * is made of (drill_env.c). There is no run, so OUT is the working directory and there
 * is no proxy at NETSPLIT_CONTROL. */
#include "scenarios/drill/drill_preview.h"

#include <stdlib.h>
#include <unistd.h>

struct drill_preview {
    struct drill drill;
    struct run run;
    struct playbook none; /* in place of a playbook */
};

struct drill_preview *drill_preview_create(const struct cluster *cluster,
                                           const struct playbook *playbook)
{
    struct drill_preview *preview = xcalloc(1, sizeof *preview);
    struct drill *drill = &preview->drill;
    struct drill_mode *mode = &drill->mode;
    ssize_t n = readlink("/proc/self/exe", drill->exe, sizeof drill->exe - 1);
    drill->exe[n > 0 ? n : 0] = '\0';
    drill->cluster = cluster;
    drill->playbook = playbook ? playbook : &preview->none;
    drill->run = &preview->run;
    mode->drill = drill;
    mode->mode = &cluster->modes[0];
    (void)snprintf(mode->out_dir, sizeof mode->out_dir, ".");
    for (size_t i = 0; i < cluster->n_nodes; i++) {
        mode->nodes[i].port = cluster->places[i].port;
        (void)snprintf(mode->nodes[i].dir, sizeof mode->nodes[i].dir, ".");
    }
    return preview;
}

void drill_preview_command(const struct drill_preview *preview, size_t node,
                           const char *script, struct drill_command *out)
{
    drill_command(&preview->drill.mode, node, script, out);
}

void drill_preview_destroy(struct drill_preview *preview)
{
    free(preview);
}
