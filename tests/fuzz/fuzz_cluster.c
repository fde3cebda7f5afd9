/* SPDX-License-Identifier: MIT */
/* libFuzzer's entry for cluster files. A text must be answered: by a cluster that has
 * what a drill takes for granted, or by a complaint. */
#include "rules/buffer.h"
#include "scenarios/playbook/cluster.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t length);

static void expect_whole(const struct cluster *cluster)
{
    if (cluster->n_nodes < 1 || cluster->n_nodes > CLUSTER_NODES_MAX ||
        cluster->n_modes < 1 || !cluster->driver || !cluster->commands.start)
        abort();
    for (size_t i = 0; i < cluster->n_nodes; i++)
        if (cluster_find_node(cluster, cluster->nodes[i]) != (int)i)
            abort(); /* two nodes of one name */
    for (size_t i = 0; i < cluster->n_modes; i++)
        if (cluster_find_mode(cluster, cluster->modes[i].name) != &cluster->modes[i])
            abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t length)
{
    struct buffer out = {.text = NULL};
    struct diag diag;
    diag_init(&diag, NULL);
    struct cluster *cluster =
        cluster_parse("fuzz.yaml", (const char *)data, length, &diag);
    if (!cluster == (diag.n_errors + diag.n_lacking == 0))
        abort(); /* neither an answer nor a complaint, or both */
    if (cluster)
        expect_whole(cluster);
    diag_render(&diag, true, &out);
    cluster_destroy(cluster);
    buffer_close(&out);
    diag_close(&diag);
    return 0;
}
