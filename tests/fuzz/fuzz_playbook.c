/* SPDX-License-Identifier: MIT */
/* libFuzzer's entry for playbooks, read for a cluster and for none. A text must be
 * answered: by a playbook whose steps all stand somewhere in it, or by a complaint. */
#include "proxy/base/text_file.h"
#include "rules/buffer.h"
#include "scenarios/playbook/cluster.h"
#include "scenarios/playbook/playbook.h"

#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t length);

static struct cluster *store; /* what playbooks are read for */

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    struct diag diag;
    diag_init(&diag, NULL);
    store = cluster_load("scenarios/clusters/store.yaml", &diag);
    diag_close(&diag);
    if (store)
        return 0;
    fprintf(stderr, "fuzz_playbook: run it at the top of the source tree\n");
    exit(3);
}

static void read_playbook(const uint8_t *data, size_t length,
                          const struct cluster *cluster)
{
    struct buffer out = {.text = NULL};
    struct diag diag;
    diag_init(&diag, NULL);
    struct playbook *playbook =
        playbook_parse("fuzz.md", (const char *)data, length, cluster, NULL, &diag);
    if (!playbook == (diag.n_errors + diag.n_lacking == 0))
        abort(); /* neither an answer nor a complaint, or both */
    for (size_t i = 0; playbook && i < playbook->n_steps; i++)
        if (playbook->steps[i].at.line == 0)
            abort();
    diag_render(&diag, true, &out);
    playbook_destroy(playbook);
    buffer_close(&out);
    diag_close(&diag);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t length)
{
    read_playbook(data, length, store);
    read_playbook(data, length, NULL);
    return 0;
}
