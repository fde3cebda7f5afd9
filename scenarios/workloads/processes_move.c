/* SPDX-License-Identifier: MIT */
/* Stopping the workers, and moving them to another node.
 *
 * A stop lets what is open come to its end, by its deadline at the latest. A move gives
 * it up, as a client does that goes away, and is over when each worker that was moved has
 * been answered by the node that it was moved to, or after PROCESSES_MOVE_NS: a node that
 * never answers is counted, and is no failure of the move. The owner is told from a
 * timer, never from within its own call. */
#include "scenarios/workloads/processes_inside.h"

#include "proxy/base/now.h"

#include <assert.h>
#include <errno.h>

static void on_stop_timer(uv_timer_t *timer)
{
    struct processes *p = timer->data;
    p->state = POOL_STOPPED;
    if (p->on_stopped)
        p->on_stopped(p->stop_context);
}

void processes_check_stopped(struct processes *p)
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

/* Soon, but not now: the owner is told from a timer. */
static void finish_move(struct processes *p)
{
    if (p->move.under_way)
        (void)uv_timer_start(&p->move_timer, on_move_timer, 0, 0); /* cannot fail */
}

void processes_note_move(struct worker *worker, const struct driver_outcome *outcome)
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

void processes_stop(struct processes *p, processes_done_fn on_stopped, void *context)
{
    assert(p->state == POOL_NEW || p->state == POOL_RUNNING);
    p->state = POOL_STOPPING;
    p->on_stopped = on_stopped;
    p->stop_context = context;
    for (size_t i = 0; i < p->n_workers; i++)
        (void)uv_timer_stop(&p->workers[i].timer); /* cannot fail */
    finish_move(p);
    processes_check_stopped(p);
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
    processes_count(worker->processes, slot->operation.f, &outcome);
    processes_learn(worker, &outcome);
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
    processes_check_stopped(p);
    return 0;
}
