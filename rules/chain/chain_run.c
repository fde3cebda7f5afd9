/* SPDX-License-Identifier: MIT */
/* The stages at work: each is asked about its head until it holds, from the sender's
 * side on, so that what one lets go meets the next in the same round. What they do is
 * counted by rule and told once a round. */
#include "rules/chain/chain_stage.h"

#include <assert.h>

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

/* The byte in front of running->begin. */
static void flip(struct running *running, uint8_t bits)
{
    const struct chain *chain = running->chain;
    const struct chain_config *config = &chain->config;
    uint64_t front = chain->taken_bytes - chain->fifo_bytes;
    if (config->hooks && config->hooks->on_flip)
        config->hooks->on_flip(config->context, config->direction,
                               running->begin - 1 - front, bits);
    running->touch.changed_bytes++;
    running->touched = true;
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
    if (answer->flips)
        flip(running, answer->flips);
}

static void discard_head(struct running *running, const struct fault_answer *answer)
{
    running->touch.discarded_bytes += answer->bytes;
    running->touched = true;
    move_head(running, answer->bytes, running->now_ns, MARK_DEAD, false);
}

static struct chunk chunk_of(const struct running *running,
                             const struct chain_mark *head)
{
    return (struct chunk){
        .kind = head->kind == MARK_FIN   ? CHUNK_FIN
                : head->kind == MARK_RST ? CHUNK_RST
                                         : CHUNK_DATA,
        .offset = running->begin,
        .length = head->bytes,
        .arrival_ns = head->arrival_ns,
    };
}

static void ask(struct running *running, const struct chunk *chunk,
                struct fault_answer *answer)
{
    struct chain_stage *stage = running->stage;
    const struct fault_stream view = chain_stage_view(running->chain, stage);
    *answer = stage->fault->step(&view, running->now_ns, chunk);
    assert(answer->bytes <= chunk->length);
    if (!answer->drew)
        return;
    const struct chain_decision decision = {DECISION_DRAW, stage->rule, stage->fault,
                                            answer->draw_ordinal, answer->draw_outcome};
    chain_report_decision(running->chain, &decision);
}

/* What becomes of the stage's head. False: nothing, for now. */
static bool step_head(struct running *running)
{
    const struct chain_mark head = *chain_queue_head(&running->stage->queue);
    if (head.kind == MARK_DEAD) {
        move_head(running, head.bytes, head.arrival_ns, MARK_DEAD, false);
        return true;
    }
    const struct chunk chunk = chunk_of(running, &head);
    struct fault_answer answer;
    ask(running, &chunk, &answer);
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
                   touch->sliced_bytes || touch->changed_bytes ||
                   (running.touched && !stage->touched);
    if (is_news)
        chain_report(chain, stage->rule, &stage->touched, *touch);
    return running.wake_ns;
}

uint64_t chain_run_stages(struct chain *chain, uint64_t now_ns)
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
