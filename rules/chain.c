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
#include "rules/chain_stage.h"

#include "rules/arena.h"

#include <assert.h>

void chain_init(struct chain *chain, const struct chain_config *config)
{
    *chain = (struct chain){.config = *config};
}

void chain_close(struct chain *chain)
{
    for (size_t i = 0; i < chain->n_stages; i++) {
        struct chain_stage *stage = &chain->stages[i];
        chain_queue_close(chain, &stage->queue);
        if (stage->bucket)
            path_give_bucket(chain->config.connection.path, stage->bucket);
    }
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

void chain_bypass(struct chain *chain, size_t n)
{
    assert(chain_is_transparent(chain));
    chain->taken_bytes += n;
}

const struct plan_rule *chain_gate(const struct chain *chain)
{
    return chain->gate;
}

static bool has_touched(const struct chain *chain, const struct plan_rule *rule)
{
    if (chain->gate && chain->gate->slot == rule->slot && chain->gate_touched)
        return true;
    for (size_t i = 0; i < chain->n_stages; i++)
        if (chain->stages[i].rule->slot == rule->slot && chain->stages[i].touched)
            return true;
    return false;
}

void chain_report(struct chain *chain, const struct plan_rule *rule, bool *touched,
                  struct chain_touch touch)
{
    const struct chain_config *config = &chain->config;
    touch.first = !has_touched(chain, rule) &&
                  !(config->other && has_touched(config->other, rule));
    *touched = true;
    if (config->hooks && config->hooks->on_touch)
        config->hooks->on_touch(config->context, config->direction, rule, &touch);
}

void chain_report_decision(struct chain *chain, const struct chain_decision *decision)
{
    const struct chain_config *config = &chain->config;
    if (config->hooks && config->hooks->on_decision)
        config->hooks->on_decision(config->context, config->direction, decision);
}

struct fault_stream chain_stage_view(const struct chain *chain,
                                     struct chain_stage *stage)
{
    return (struct fault_stream){
        .params = stage->params,
        .state = stage->state,
        .bucket = stage->bucket,
        .key = stage->key,
        .opened_ns = chain->config.connection.opened_ns,
        .since_ns = stage->since_ns,
    };
}

/* One stage at work. */
struct running {
    struct chain *chain;
    struct chain_stage *stage;
    struct chain_stage *counter; /* the rule's first stage: counts what was held */
    struct chain_queue *next;    /* where passed bytes go */
    bool is_last;                /* of the rule's stages */
    uint64_t now_ns;
    uint64_t begin; /* offset of the queue's first byte */
    uint64_t wake_ns;
    struct chain_touch touch;
    bool touched;
};

static struct running begin_running(struct chain *chain, size_t i, uint64_t end,
                                    uint64_t now_ns)
{
    struct chain_stage *stage = &chain->stages[i];
    bool is_end = i + 1 == chain->n_stages;
    struct running running = {
        .chain = chain,
        .stage = stage,
        .counter = stage,
        .next = is_end ? &chain->ready : &stage[1].queue,
        .is_last = is_end || stage[1].rule != stage->rule,
        .now_ns = now_ns,
        .begin = end - stage->queue.bytes,
        .wake_ns = FAULT_NEVER,
    };
    while (running.counter > chain->stages && running.counter[-1].rule == stage->rule)
        running.counter--;
    return running;
}

/* The bytes up to that offset had to wait. */
static void count_held(struct running *running, uint64_t end)
{
    uint64_t *counted = &running->counter->counted_bytes;
    uint64_t from = *counted > running->begin ? *counted : running->begin;
    if (end > from) {
        running->touch.held_bytes += end - from;
        *counted = end;
    }
    running->touched = true;
}

static void hold_head(struct running *running, const struct fault_answer *answer)
{
    assert(answer->at_ns > running->now_ns);
    count_held(running, running->begin + running->stage->queue.bytes);
    running->wake_ns = answer->at_ns;
}

static void move_head(struct running *running, uint64_t n, uint64_t at_ns,
                      enum mark_kind kind, bool alone)
{
    struct chain_mark mark = {
        .bytes = n, .arrival_ns = at_ns, .kind = (uint8_t)kind, .alone = alone};
    chain_queue_pop(&running->stage->queue, n);
    running->begin += n;
    chain_queue_push(running->chain, running->next, mark);
}

static void pass_head(struct running *running, const struct fault_answer *answer,
                      const struct chain_mark *head)
{
    struct chain_stage *stage = running->stage;
    uint64_t at_ns = answer->at_ns;
    if (at_ns < stage->floor_ns)
        at_ns = stage->floor_ns;
    assert(at_ns <= running->now_ns);
    stage->floor_ns = at_ns;
    stage->sealed = answer->ends;
    bool waited =
        at_ns > head->arrival_ns || running->begin < running->counter->counted_bytes;
    if (waited)
        count_held(running, running->begin + answer->bytes);
    if (waited && running->is_last)
        running->touch.passed_bytes += answer->bytes;
    if (answer->alone && answer->bytes < head->bytes) {
        running->touch.sliced_bytes += answer->bytes;
        running->touched = true;
    }
    bool is_event = head->kind == MARK_FIN || head->kind == MARK_RST;
    if (answer->bytes || is_event)
        move_head(running, answer->bytes, at_ns, head->kind,
                  head->alone || answer->alone);
}

static void discard_head(struct running *running, const struct fault_answer *answer)
{
    running->touch.discarded_bytes += answer->bytes;
    running->touched = true;
    move_head(running, answer->bytes, running->now_ns, MARK_DEAD, false);
}

static struct fault_answer ask(struct running *running, const struct chain_mark *head)
{
    struct chain_stage *stage = running->stage;
    const struct fault_stream view = chain_stage_view(running->chain, stage);
    const struct chunk chunk = {
        .kind = head->kind == MARK_FIN   ? CHUNK_FIN
                : head->kind == MARK_RST ? CHUNK_RST
                                         : CHUNK_DATA,
        .offset = running->begin,
        .length = head->bytes,
        .arrival_ns = head->arrival_ns,
    };
    struct fault_answer answer = stage->fault->step(&view, running->now_ns, &chunk);
    assert(answer.bytes <= chunk.length);
    if (answer.drew) {
        const struct chain_decision decision = {DECISION_DRAW, stage->rule,
                                                stage->fault, answer.draw_ordinal,
                                                answer.draw_outcome};
        chain_report_decision(running->chain, &decision);
    }
    return answer;
}

/* What becomes of the stage's head. False: nothing, for now. */
static bool step_head(struct running *running)
{
    const struct chain_mark head = *chain_queue_head(&running->stage->queue);
    if (head.kind == MARK_DEAD) {
        move_head(running, head.bytes, head.arrival_ns, MARK_DEAD, false);
        return true;
    }
    const struct fault_answer answer = ask(running, &head);
    switch (answer.verb) {
    case FAULT_PASS:
        pass_head(running, &answer, &head);
        return true;
    case FAULT_HOLD:
        hold_head(running, &answer);
        return false;
    case FAULT_DISCARD:
        discard_head(running, &answer);
        return true;
    }
    return false;
}

/* Moves what is due through stage i, whose queue ends at that offset. Returns when to
 * come back. */
static uint64_t run_stage(struct chain *chain, size_t i, uint64_t end, uint64_t now_ns)
{
    struct running running = begin_running(chain, i, end, now_ns);
    struct chain_stage *stage = running.stage;
    while (stage->queue.n && !stage->sealed)
        if (!step_head(&running))
            break;
    const struct chain_touch *touch = &running.touch;
    bool is_news = touch->held_bytes || touch->passed_bytes || touch->discarded_bytes ||
                   touch->sliced_bytes || (running.touched && !stage->touched);
    if (is_news)
        chain_report(chain, stage->rule, &stage->touched, *touch);
    return running.wake_ns;
}

static uint64_t run_stages(struct chain *chain, uint64_t now_ns)
{
    uint64_t wake_ns = FAULT_NEVER;
    uint64_t end = chain->taken_bytes;
    for (size_t i = 0; i < chain->n_stages; i++) {
        uint64_t again_ns = run_stage(chain, i, end, now_ns);
        if (again_ns < wake_ns)
            wake_ns = again_ns;
        end -= chain->stages[i].queue.bytes;
    }
    return wake_ns;
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
    struct chain_action action = {.wake_ns = run_stages(chain, now_ns)};
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
