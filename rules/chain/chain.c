/* SPDX-License-Identifier: MIT */
/* A stream's way through its faults.
 *
 * The happy path: chain_data puts a mark into the first stage's queue; chain_next asks
 * each stage, from the sender's side on, what becomes of its head, until each of them
 * holds; what has left the last one is `ready` and goes out in the order of the stream.
 *
 * A stage's queues hold consecutive bytes: all of those of a stage lie ahead of all of
 * those of the stage before. So the FIFO's front is always the head of `ready`, and
 * nothing here can change the order. Discarded bytes keep their place as dead marks.
 *
 * Ends: a partition that resets, a fault's time, a sealed stage whose bytes are all
 * sent, a hole that a discard left, a mark without memory. What waits is then lost.
 *
 * It does not know sockets, buffers or other streams, and never waits. */
#include "rules/chain/chain_stage.h"

#include "rules/arena.h"

#include <assert.h>

void chain_init(struct chain *chain, const struct chain_config *config)
{
    *chain = (struct chain){.config = *config};
}

void chain_close(struct chain *chain)
{
    for (size_t i = 0; i < chain->n_stages; i++)
        chain_queue_close(chain, &chain->stages[i].queue);
    chain_queue_close(chain, &chain->ready);
    allocator_give(chain->config.allocator, chain->stages);
    plan_put(chain->plan);
    plan_put(chain->left_plan);
    const struct chain_config config = chain->config;
    chain_init(chain, &config);
}

size_t chain_room(const struct chain *chain)
{
    if (chain->gate || chain->cut)
        return 0;
    if (chain->n_stages == 0)
        return SIZE_MAX;
    uint64_t marks = chain->ready.n;
    for (size_t i = 0; i < chain->n_stages; i++)
        marks += chain->stages[i].queue.n;
    uint64_t few = (chain->n_stages + 1) * CHAIN_INLINE_MARKS;
    uint64_t used_bytes = chain->fifo_bytes;
    if (marks > few)
        used_bytes += (marks - few) * sizeof(struct chain_mark);
    return used_bytes < chain->hold_bytes ? chain->hold_bytes - used_bytes : 0;
}

bool chain_is_full(const struct chain *chain)
{
    if (chain->gate || chain->cut || chain_room(chain) > 0)
        return false;
    for (size_t i = 0; i < chain->n_stages; i++)
        if (chain->stages[i].fault->keeps)
            return true;
    return false;
}

static void enter(struct chain *chain, struct chain_mark mark)
{
    struct chain_queue *first =
        chain->n_stages ? &chain->stages[0].queue : &chain->ready;
    chain_queue_push(chain, first, mark);
}

void chain_data(struct chain *chain, size_t n, uint64_t now_ns)
{
    chain->taken_bytes += n;
    chain->fifo_bytes += n;
    enter(chain,
          (struct chain_mark){.bytes = n, .arrival_ns = now_ns, .kind = MARK_DATA});
}

void chain_fin(struct chain *chain, uint64_t now_ns)
{
    enter(chain, (struct chain_mark){.arrival_ns = now_ns, .kind = MARK_FIN});
}

void chain_rst(struct chain *chain, uint64_t now_ns)
{
    enter(chain, (struct chain_mark){.arrival_ns = now_ns, .kind = MARK_RST});
}

bool chain_is_empty(const struct chain *chain)
{
    size_t marks = chain->ready.n;
    for (size_t i = 0; i < chain->n_stages; i++)
        marks += chain->stages[i].queue.n;
    return marks == 0;
}

bool chain_is_transparent(const struct chain *chain)
{
    return chain->n_stages == 0 && !chain->gate && !chain->cut && !chain->left_by &&
           !chain->is_broken && chain_is_empty(chain);
}

bool chain_changes_bytes(const struct chain *chain)
{
    for (size_t i = 0; i < chain->n_stages; i++)
        if (chain->stages[i].fault->changes)
            return true;
    return false;
}

void chain_bypass(struct chain *chain, size_t n)
{
    assert(chain_is_transparent(chain));
    chain->taken_bytes += n;
}

const struct plan_rule *chain_gate(const struct chain *chain)
{
    return chain->gate;
}

/* What waits counts as held by the gate; a fin counts as touched. */
static void count_gated(struct chain *chain)
{
    uint64_t waiting = chain->fifo_bytes + chain->unread_bytes;
    struct chain_touch touch = {0};
    if (waiting > chain->gated_bytes) {
        touch.held_bytes = waiting - chain->gated_bytes;
        chain->gated_bytes = waiting;
    }
    if (touch.held_bytes || (!chain->gate_touched && !chain_is_empty(chain)))
        chain_report(chain, chain->gate, &chain->gate_touched, touch);
}

void chain_unread(struct chain *chain, size_t bytes)
{
    if (!chain->gate)
        return;
    chain->unread_bytes = bytes;
    count_gated(chain);
}

static struct chain_action end_by(struct chain *chain, enum fault_ends how,
                                  const struct plan_rule *rule)
{
    bool told = chain->end_told;
    chain->end_told = true;
    if (rule && !told)
        chain_report(chain, rule, &told, (struct chain_touch){.ended = true});
    return (struct chain_action){
        .verb = how == FAULT_ENDS_BY_CLOSE ? CHAIN_CLOSE : CHAIN_RESET,
        .wake_ns = FAULT_NEVER,
        .rule = rule,
    };
}

/* The first stage whose time has come, or whose last bytes are sent; NULL: none.
 * *wake_ns becomes the time of the next one, if that is earlier. */
static const struct chain_stage *find_end(struct chain *chain, uint64_t now_ns,
                                          uint64_t *wake_ns)
{
    for (size_t i = 0; i < chain->n_stages; i++) {
        struct chain_stage *stage = &chain->stages[i];
        if (stage->sealed && chain->ready.n == 0)
            return stage;
        if (!stage->fault->due)
            continue;
        const struct fault_stream view = chain_stage_view(chain, stage);
        uint64_t due_ns = stage->fault->due(&view);
        if (due_ns <= now_ns)
            return stage;
        if (due_ns < *wake_ns)
            *wake_ns = due_ns;
    }
    return NULL;
}

static enum chain_verb verb_of(const struct chain_mark *mark)
{
    static const enum chain_verb verbs[] = {
        [MARK_DATA] = CHAIN_SEND,
        [MARK_DEAD] = CHAIN_DISCARD,
        [MARK_FIN] = CHAIN_FIN,
        [MARK_RST] = CHAIN_RST,
    };
    return verbs[mark->kind];
}

struct chain_action chain_next(struct chain *chain, uint64_t now_ns)
{
    struct chain_action action = {.wake_ns = chain_run_stages(chain, now_ns)};
    const struct chain_stage *end = find_end(chain, now_ns, &action.wake_ns);
    if (chain->is_broken)
        return end_by(chain, FAULT_ENDS_BY_RESET, NULL);
    if (chain->left_by)
        return end_by(chain, FAULT_ENDS_BY_RESET, chain->left_by);
    if (chain->cut)
        return end_by(chain, FAULT_ENDS_BY_RESET, chain->cut);
    if (end)
        return end_by(chain, end->fault->ends, end->rule);
    if (chain->gate) {
        count_gated(chain);
        return action;
    }
    if (chain->ready.n) {
        const struct chain_mark *head = chain_queue_head(&chain->ready);
        action.verb = verb_of(head);
        action.bytes = head->bytes;
    }
    return action;
}

void chain_sent(struct chain *chain, enum chain_verb verb, size_t n)
{
    assert(chain->ready.n && verb_of(chain_queue_head(&chain->ready)) == verb);
    assert(n <= chain_queue_head(&chain->ready)->bytes);
    bool is_event = verb == CHAIN_FIN || verb == CHAIN_RST;
    if (n == 0 && !is_event)
        return;
    chain->fifo_bytes -= n;
    chain_queue_pop(&chain->ready, n);
}

const char *direction_name(enum direction direction)
{
    return direction == TO_SERVER ? "to_server" : "to_client";
}
