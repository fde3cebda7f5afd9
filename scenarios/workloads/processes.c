/* SPDX-License-Identifier: MIT */
/* The pool: who asks whom, and when. What it learns from the answers, how it is stopped
 * and moved, and what is read past it, have files of their own: processes_inside.h.
 *
 * Happy path: each worker's timer comes at its next turn; the worker draws an
 * operation, asks the primary it knows (writes) or the node that reads go to, and
 * counts the answer. A slot (slot.c) talks to the drivers and writes the history;
 * readers (reader.c) do the final reads and the probes.
 *
 * What a worker does about failures is little, on purpose: it goes on with its next
 * turn. Only "read only" changes its mind about who is primary, and only to where the
 * drill has pointed, because finding a primary is the system's or the operator's job
 * and is what a drill tests.
 *
 * All callbacks to the owner come from timers or from answers, never from within the
 * owner's calls. */
#include "scenarios/workloads/processes_inside.h"

#include "proxy/base/memory.h"
#include "proxy/base/now.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

static void on_answer(struct slot *slot, const struct driver_outcome *outcome);

static void init_worker(struct processes *p, uint32_t index)
{
    struct worker *worker = &p->workers[index];
    slot_init(&worker->slot, &p->pool, (int32_t)index, on_answer);
    worker->processes = p;
    worker->index = index;
    worker->home = index % p->config.nodes;
    worker->primary = p->config.primary;
    (void)uv_timer_init(p->config.loop, &worker->timer); /* cannot fail */
    worker->timer.data = worker;
    if (p->config.plan.workload->write != HISTORY_WRITE)
        return;
    worker->known = xcalloc(p->config.plan.settings.keys, sizeof *worker->known);
    processes_forget(worker);
}

static struct driver_endpoint *copy_endpoints(const struct driver_endpoint *from,
                                              size_t n)
{
    struct driver_endpoint *copy = xcalloc(n, sizeof *copy);
    memcpy(copy, from, n * sizeof *copy);
    return copy;
}

struct processes *processes_create(const struct processes_config *config)
{
    struct processes *p = xcalloc(1, sizeof *p);
    size_t nodes = config->nodes;
    p->config = *config;
    p->config.paths = p->paths = copy_endpoints(config->paths, nodes * nodes);
    p->config.direct = p->direct = copy_endpoints(config->direct, nodes);
    p->n_workers = config->plan.settings.processes;
    p->pointed_to = NO_NODE;
    p->pool = (struct slot_pool){
        .loop = config->loop,
        .history = config->history,
        .driver = config->driver,
        .setting = config->setting,
        .schema = config->schema,
        .program = config->program,
        .writes = config->plan.workload->write,
        .seed = config->seed,
        .nodes = nodes,
        .width = (int32_t)(p->n_workers + nodes),
    };
    (void)uv_timer_init(config->loop, &p->stop_timer); /* cannot fail */
    (void)uv_timer_init(config->loop, &p->move_timer);
    p->stop_timer.data = p;
    p->move_timer.data = p;
    p->workers = xcalloc(p->n_workers, sizeof *p->workers);
    for (size_t i = 0; i < p->n_workers; i++)
        init_worker(p, (uint32_t)i);
    p->readers = xcalloc(nodes, sizeof *p->readers);
    p->unread = xcalloc(nodes, sizeof *p->unread);
    for (size_t i = 0; i < nodes; i++)
        reader_init(&p->readers[i], &p->pool, (int32_t)(p->n_workers + i), i,
                    &p->direct[i], config->plan.settings.keys,
                    config->plan.settings.deadline_ns);
    return p;
}

static size_t node_of(const struct worker *worker, struct workload_position position,
                      bool reads)
{
    const struct processes_config *config = &worker->processes->config;
    if (!reads)
        return worker->primary;
    switch ((enum workload_reads)config->plan.settings.reads_from) {
    case WORKLOAD_READS_HOME:
        return worker->home;
    case WORKLOAD_READS_PRIMARY:
        return worker->primary;
    case WORKLOAD_READS_ANY:
        break;
    }
    return workload_any_node(position, config->nodes);
}

static void take_turn(struct worker *worker, uint64_t now)
{
    struct processes *p = worker->processes;
    const struct processes_config *config = &p->config;
    struct workload_position position = {config->seed, worker->index, worker->ordinal};
    struct driver_operation operation;
    workload_next(&config->plan, position, worker->known, &operation);
    size_t node = node_of(worker, position, operation.f == HISTORY_READ);
    if (!slot_ready(&worker->slot, node, now)) {
        p->statistics.missed++;
        return;
    }
    worker->ordinal++;
    p->statistics.open++;
    slot_invoke(&worker->slot, node, &p->paths[worker->home * config->nodes + node],
                &p->direct[node], &operation, config->plan.settings.deadline_ns);
}

static uint64_t next_turn_ns(const struct worker *worker)
{
    const struct processes *p = worker->processes;
    return p->start_ns + workload_turn_ns(&p->config.plan, p->config.seed,
                                          worker->index, worker->turn);
}

static void on_turn(uv_timer_t *timer)
{
    struct worker *worker = timer->data;
    uint64_t now = now_ns(), due_ns = next_turn_ns(worker);
    /* A turn within the timer's millisecond is due. */
    for (; due_ns < now + NS_PER_MS; due_ns = next_turn_ns(worker)) {
        worker->turn++;
        take_turn(worker, now);
    }
    uv_update_time(timer->loop);
    (void)uv_timer_start(timer, on_turn, (due_ns - now) / NS_PER_MS, 0);
}

void processes_start(struct processes *p)
{
    assert(p->state == POOL_NEW);
    p->state = POOL_RUNNING;
    p->start_ns = now_ns();
    p->statistics.last_ok_write_ns = p->start_ns;
    for (size_t i = 0; i < p->n_workers; i++)
        (void)uv_timer_start(&p->workers[i].timer, on_turn, 0, 0); /* cannot fail */
}

static void on_answer(struct slot *slot, const struct driver_outcome *outcome)
{
    struct worker *worker = (struct worker *)slot;
    struct processes *p = worker->processes;
    processes_count(p, slot->operation.f, outcome);
    processes_learn(worker, outcome);
    processes_note_move(worker, outcome);
    if (outcome->error == DRIVER_READ_ONLY && p->pointed_to != NO_NODE)
        worker->primary = (size_t)p->pointed_to;
    processes_check_stopped(p);
}

static void on_timer_closed(uv_handle_t *handle)
{
    struct processes *p = handle->data;
    if (--p->closing > 0)
        return;
    if (p->on_closed)
        p->on_closed(p->close_context);
    free(p->workers);
    free(p->readers);
    free(p->unread);
    free(p->paths);
    free(p->direct);
    free(p);
}

static void close_timer(struct processes *p, uv_timer_t *timer)
{
    p->closing++;
    timer->data = p;
    uv_close((uv_handle_t *)timer, on_timer_closed);
}

void processes_close(struct processes *p, processes_done_fn on_closed, void *context)
{
    p->on_closed = on_closed;
    p->close_context = context;
    close_timer(p, &p->stop_timer);
    close_timer(p, &p->move_timer);
    for (size_t i = 0; i < p->n_workers; i++) {
        slot_close(&p->workers[i].slot, "the processes were ended");
        free(p->workers[i].known);
        close_timer(p, &p->workers[i].timer);
    }
    for (size_t i = 0; i < p->config.nodes; i++) {
        reader_close(&p->readers[i]);
        close_timer(p, &p->readers[i].timer);
    }
}
