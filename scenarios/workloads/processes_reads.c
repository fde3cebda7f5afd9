/* SPDX-License-Identifier: MIT */
/* Reads past the workload, a reader (reader.c) for each node: the final ones, of which the
 * owner is told how many were not answered, and probes, until all nodes hold the same. */
#include "scenarios/workloads/processes_inside.h"

#include <assert.h>

static void on_final(struct reader *reader, size_t unread)
{
    struct processes *p = reader->context;
    p->unread[reader->node] = unread;
    if (--p->reading == 0)
        p->on_read(p->read_context, p->unread);
}

void processes_final_reads(struct processes *p, uint64_t within_ns,
                           processes_final_fn on_read, void *context)
{
    assert(p->state != POOL_RUNNING && p->reading == 0);
    p->on_read = on_read;
    p->read_context = context;
    p->reading = p->config.nodes;
    for (size_t i = 0; i < p->config.nodes; i++)
        reader_begin_final(&p->readers[i], within_ns, on_final, p);
}

void processes_probe_start(struct processes *p)
{
    assert(p->reading == 0);
    for (size_t i = 0; i < p->config.nodes; i++)
        reader_begin_probes(&p->readers[i]);
}

void processes_probe_stop(struct processes *p)
{
    for (size_t i = 0; i < p->config.nodes; i++)
        if (p->readers[i].state == READER_PROBING)
            reader_stop(&p->readers[i]);
}

bool processes_converged(const struct processes *p)
{
    size_t nodes = p->config.nodes;
    for (size_t i = 0; i < nodes; i++)
        if (!reader_before(&p->readers[i]))
            return false;
    for (size_t i = 0; i < nodes; i++)
        for (size_t j = 0; j < nodes; j++)
            if (!snapshot_holds(reader_newest(&p->readers[i]),
                                reader_before(&p->readers[j])))
                return false;
    return true;
}
