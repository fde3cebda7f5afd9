/* SPDX-License-Identifier: MIT */
/* The pool: who asks whom, and when.
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
#include "scenarios/workloads/processes.h"

#include "proxy/base/memory.h"
#include "proxy/base/now.h"
#include "scenarios/workloads/reader.h"
#include "scenarios/workloads/slot.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NO_NODE = -1 };

/* A slot of the workload. */
struct worker {
    struct slot slot; /* first: a slot is its worker */
    struct processes *processes;
    uv_timer_t timer; /* to the next turn */
    uint32_t index;
    size_t home, primary;
    uint64_t turn;    /* the next one */
    uint64_t ordinal; /* of the next operation */
    bool awaited;     /* moved, and not yet answered by where it moved to */
    int64_t *known;   /* owned: of registers, by key; NULL = not needed */
};

/* The move under way. */
struct move {
    bool under_way;
    size_t to;
    uint64_t start_ns;
    struct processes_moved counts;
    processes_moved_fn on_moved;
    void *context;
};

enum pool_state { POOL_NEW = 0, POOL_RUNNING, POOL_STOPPING, POOL_STOPPED };

struct processes {
    struct processes_config config; /* paths and direct point to the copies below */
    struct driver_endpoint *paths;  /* owned: nodes * nodes */
    struct driver_endpoint *direct; /* owned: nodes */
    struct slot_pool pool;          /* what slots share */
    struct worker *workers;         /* owned: plan.settings.processes */
    struct reader *readers;         /* owned: nodes */
    size_t n_workers;
    enum pool_state state;
    uint64_t start_ns;
    int pointed_to; /* the node that the last move named; NO_NODE = none did */
    struct processes_statistics statistics;

    uv_timer_t stop_timer; /* tells on_stopped when nothing is open */
    processes_done_fn on_stopped;
    void *stop_context;

    uv_timer_t move_timer; /* gives the move up, or tells that it is done */
    struct move move;

    size_t reading; /* readers whose final reads are not over */
    size_t *unread; /* owned: by node */
    processes_final_fn on_read;
    void *read_context;

    size_t closing; /* timers whose close is awaited */
    processes_done_fn on_closed;
    void *close_context;
};

/* --- making it --- */

static void on_answer(struct slot *slot, const struct driver_outcome *outcome);

static void forget(struct worker *worker)
{
    if (!worker->known)
        return;
    for (size_t i = 0; i < worker->processes->config.plan.settings.keys; i++)
        worker->known[i] = INT64_MIN;
}

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
    forget(worker);
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

/* --- turns --- */

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

/* --- answers --- */

static void count(struct processes *p, enum history_f f,
                  const struct driver_outcome *outcome)
{
    struct processes_statistics *statistics = &p->statistics;
    statistics->open--;
    statistics->errors[outcome->error]++;
    if (outcome->text)
        (void)snprintf(statistics->last_error, sizeof statistics->last_error, "%s",
                       outcome->text);
    if (outcome->error == DRIVER_DEFECT && !statistics->first_defect[0])
        (void)snprintf(statistics->first_defect, sizeof statistics->first_defect, "%s",
                       outcome->text);
    if (outcome->type == HISTORY_FAIL)
        statistics->fail++;
    if (outcome->type == HISTORY_INFO)
        statistics->info++;
    if (outcome->type != HISTORY_OK)
        return;
    if (f == HISTORY_READ) {
        statistics->ok_reads++;
        return;
    }
    statistics->ok_writes++;
    statistics->last_ok_write_ns = now_ns();
}

/* What the process now knows of the register. */
static void learn(struct worker *worker, const struct driver_outcome *outcome)
{
    const struct driver_operation *operation = &worker->slot.operation;
    if (!worker->known)
        return;
    if (outcome->type == HISTORY_INFO) { /* a new process sits here */
        forget(worker);
        return;
    }
    int64_t *known = &worker->known[operation->key];
    if (outcome->error == DRIVER_CONFLICT)
        *known = INT64_MIN;
    if (outcome->type != HISTORY_OK)
        return;
    if (operation->f == HISTORY_CAS)
        *known = operation->value.pair.to;
    else if (operation->f == HISTORY_WRITE)
        *known = operation->value.integer;
    else
        *known =
            outcome->value.kind == HISTORY_INTEGER ? outcome->value.integer : INT64_MIN;
}

static void on_move_timer(uv_timer_t *timer);
static void on_stop_timer(uv_timer_t *timer);

/* Soon, but not now: the owner is told from a timer. */
static void finish_move(struct processes *p)
{
    if (p->move.under_way)
        (void)uv_timer_start(&p->move_timer, on_move_timer, 0, 0); /* cannot fail */
}

static void check_stopped(struct processes *p)
{
    if (p->state == POOL_STOPPING && p->statistics.open == 0)
        (void)uv_timer_start(&p->stop_timer, on_stop_timer, 0, 0); /* cannot fail */
}

/* Whether the node itself said something. */
static bool was_answered(const struct driver_outcome *outcome)
{
    switch (outcome->error) {
    case DRIVER_NO_ERROR:
    case DRIVER_READ_ONLY:
    case DRIVER_REFUSED:
    case DRIVER_CONFLICT:
        return true;
    case DRIVER_UNREACHABLE:
    case DRIVER_TIMEOUT:
    case DRIVER_LOST:
    case DRIVER_UNCLEAR:
    case DRIVER_DEFECT:
        break;
    }
    return false;
}

static void note_move(struct worker *worker, const struct driver_outcome *outcome)
{
    struct processes *p = worker->processes;
    struct move *move = &p->move;
    if (!worker->awaited || worker->slot.node != move->to || !was_answered(outcome))
        return;
    worker->awaited = false;
    move->counts.answered++;
    move->counts.waited_ns = now_ns() - move->start_ns;
    if (move->counts.answered == move->counts.moved)
        finish_move(p);
}

static void on_answer(struct slot *slot, const struct driver_outcome *outcome)
{
    struct worker *worker = (struct worker *)slot;
    struct processes *p = worker->processes;
    count(p, slot->operation.f, outcome);
    learn(worker, outcome);
    note_move(worker, outcome);
    if (outcome->error == DRIVER_READ_ONLY && p->pointed_to != NO_NODE)
        worker->primary = (size_t)p->pointed_to;
    check_stopped(p);
}

/* --- stopping and moving --- */

static void on_stop_timer(uv_timer_t *timer)
{
    struct processes *p = timer->data;
    p->state = POOL_STOPPED;
    if (p->on_stopped)
        p->on_stopped(p->stop_context);
}

void processes_stop(struct processes *p, processes_done_fn on_stopped, void *context)
{
    assert(p->state == POOL_NEW || p->state == POOL_RUNNING);
    p->state = POOL_STOPPING;
    p->on_stopped = on_stopped;
    p->stop_context = context;
    for (size_t i = 0; i < p->n_workers; i++)
        (void)uv_timer_stop(&p->workers[i].timer); /* cannot fail */
    finish_move(p);
    check_stopped(p);
}

/* The open operation ends as that of a client that went away. */
static void abandon(struct worker *worker, const char *why)
{
    struct slot *slot = &worker->slot;
    if (!slot->open)
        return;
    bool reads = slot->operation.f == HISTORY_READ;
    const struct driver_outcome outcome = {
        .type = reads ? HISTORY_FAIL : HISTORY_INFO,
        .error = DRIVER_LOST,
        .text = why,
    };
    slot_abandon(slot, why);
    count(worker->processes, slot->operation.f, &outcome);
    learn(worker, &outcome);
}

static void on_move_timer(uv_timer_t *timer)
{
    struct processes *p = timer->data;
    struct processes_moved moved = p->move.counts;
    if (moved.answered < moved.moved)
        moved.waited_ns = now_ns() - p->move.start_ns;
    for (size_t i = 0; i < p->n_workers; i++)
        p->workers[i].awaited = false;
    p->move.under_way = false;
    if (p->move.on_moved)
        p->move.on_moved(p->move.context, &moved);
}

int processes_move(struct processes *p, size_t to, const bool *homes,
                   processes_moved_fn on_moved, void *context)
{
    if (p->move.under_way)
        return -EBUSY;
    bool running = p->state == POOL_RUNNING;
    p->pointed_to = (int)to;
    p->move = (struct move){
        .under_way = true,
        .to = to,
        .start_ns = now_ns(),
        .on_moved = on_moved,
        .context = context,
    };
    for (size_t i = 0; i < p->n_workers; i++) {
        struct worker *worker = &p->workers[i];
        if (homes && !homes[worker->home])
            continue;
        abandon(worker, "the process was moved to another node");
        slot_disconnect(&worker->slot);
        if (worker->home == worker->primary)
            worker->home = to;
        worker->primary = to;
        worker->awaited = running;
        p->move.counts.moved++;
    }
    uv_update_time(p->config.loop);
    (void)uv_timer_start(&p->move_timer, on_move_timer,
                         now_ns_to_ms_up(PROCESSES_MOVE_NS), 0);
    if (!running || p->move.counts.moved == 0)
        finish_move(p); /* nobody will ask */
    check_stopped(p);
    return 0;
}

/* --- final reads and probes --- */

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

/* --- what is known of it --- */

void processes_statistics(const struct processes *p, struct processes_statistics *out)
{
    *out = p->statistics;
    out->connects = p->pool.connects;
}

uint64_t processes_no_ok_write_ns(const struct processes *p, uint64_t now)
{
    uint64_t last_ns = p->statistics.last_ok_write_ns;
    return p->state == POOL_RUNNING && now > last_ns ? now - last_ns : 0;
}

size_t processes_primary_of(const struct processes *p, size_t slot)
{
    return p->workers[slot].primary;
}

size_t processes_home_of(const struct processes *p, size_t slot)
{
    return p->workers[slot].home;
}

size_t processes_width(const struct processes *p)
{
    return (size_t)p->pool.width;
}

/* --- closing --- */

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
