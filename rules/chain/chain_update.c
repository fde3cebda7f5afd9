/* SPDX-License-Identifier: MIT */
/* Putting the faults in force onto a live stream: the new stages are made first (all
 * that can fail), then each takes over from the old one of the same rule and fault,
 * and what a stage without successor holds goes on.
 *
 * Bytes that wait in an old stage may move only forward. So a stage keeps its queue
 * only while the stages that stay are in their old order; if rules changed places, the
 * state goes to the successor, the bytes to the next stage that kept its queue. */
#include "rules/chain/chain_stage.h"

#include "rules/arena.h"

#include <errno.h>
#include <string.h>

#define NO_SUCCESSOR SIZE_MAX

/* What the stream is to become. */
struct wanted {
    struct chain *chain;
    const struct match *match; /* NULL: no faults */
    uint64_t now_ns;
    struct chain_stage *stages; /* NULL while they are counted */
    size_t n;
    const struct plan_rule *gate, *cut;
    uint64_t hold_bytes;
};

static uint64_t hold_of(const struct chain *chain, const struct plan_rule *rule,
                        const struct plan_fault *fault)
{
    uint64_t most_bytes = chain->config.hold_bytes;
    if (rule->hold_bytes)
        return rule->hold_bytes;
    if (fault->fault->keeps)
        return most_bytes;
    uint64_t hold_bytes =
        fault->fault->hold ? fault->fault->hold(fault->params) : FAULT_QUEUE_BYTES;
    return hold_bytes < most_bytes ? hold_bytes : most_bytes;
}

static void want_stage(struct wanted *wanted, const struct plan_rule *rule,
                       const struct plan_fault *fault)
{
    const struct chain_config *config = &wanted->chain->config;
    uint64_t hold_bytes = hold_of(wanted->chain, rule, fault);
    if (hold_bytes > wanted->hold_bytes)
        wanted->hold_bytes = hold_bytes;
    if (wanted->stages) {
        struct rng_key key = match_key(rule, &config->connection);
        wanted->stages[wanted->n] = (struct chain_stage){
            .rule = rule,
            .fault = fault->fault,
            .params = fault->params,
            .key = rng_mix(rng_mix(key, 1), (uint64_t)config->direction),
            .since_ns = plan_rule_active_since(rule, wanted->now_ns),
            .floor_ns = wanted->now_ns,
        };
    }
    wanted->n++;
}

static void want_cut(struct wanted *wanted, const struct plan_rule *rule)
{
    switch (rule->how) {
    case HOW_STALL:
    case HOW_DROP:
        if (!wanted->gate)
            wanted->gate = rule;
        break;
    case HOW_RESET:
    case HOW_REFUSE:
        if (!wanted->cut)
            wanted->cut = rule;
        break;
    }
}

/* Faults that end connections come behind all others. */
static void want_faults(struct wanted *wanted, const struct plan_rule *rule, bool ends)
{
    for (size_t i = 0; i < rule->n_faults; i++) {
        const struct plan_fault *fault = &rule->faults[i];
        bool on_streams = fault->fault->step || fault->fault->due;
        if (on_streams && (fault->fault->ends != FAULT_ENDS_NOTHING) == ends)
            want_stage(wanted, rule, fault);
    }
}

static void want_all(struct wanted *wanted)
{
    const struct chain_config *config = &wanted->chain->config;
    const struct match_list empty = {0};
    const struct match_list *link =
        wanted->match ? &wanted->match->link[config->direction] : &empty;
    wanted->n = 0;
    for (int ends = 0; ends < 2; ends++) {
        for (size_t i = 0; i < link->n; i++) {
            const struct plan_rule *rule = link->rules[i];
            if (!match_applies(rule, &config->connection, wanted->now_ns))
                continue;
            if (rule->kind != RULE_INJECT)
                want_cut(wanted, rule);
            else
                want_faults(wanted, rule, ends);
        }
    }
}

static int find_buckets(struct wanted *wanted)
{
    const struct chain_config *config = &wanted->chain->config;
    for (size_t i = 0; i < wanted->n; i++) {
        struct chain_stage *stage = &wanted->stages[i];
        if (!stage->fault->shares || !stage->fault->shares(stage->params))
            continue;
        stage->bucket =
            path_bucket(config->connection.path, stage->rule, config->direction);
        if (!stage->bucket)
            return -ENOMEM;
    }
    return 0;
}

static int make_stages(struct wanted *wanted)
{
    const struct allocator *allocator = wanted->chain->config.allocator;
    want_all(wanted);
    if (wanted->n == 0)
        return 0;
    wanted->stages = allocator_take(allocator, wanted->n * sizeof *wanted->stages);
    if (!wanted->stages)
        return -ENOMEM;
    want_all(wanted);
    if (find_buckets(wanted) == 0)
        return 0;
    allocator_give(allocator, wanted->stages);
    return -ENOMEM;
}

static size_t find_successor(const struct wanted *wanted, const struct chain_stage *old)
{
    for (size_t i = 0; i < wanted->n; i++)
        if (wanted->stages[i].rule->slot == old->rule->slot &&
            wanted->stages[i].fault == old->fault)
            return i;
    return NO_SUCCESSOR;
}

/* All that waits in the queue comes to the other one now. */
static void pour(struct chain *chain, struct chain_queue *from, struct chain_queue *to,
                 uint64_t now_ns)
{
    while (from->n) {
        struct chain_mark mark = *chain_queue_head(from);
        chain_queue_pop(from, mark.bytes);
        mark.arrival_ns = now_ns;
        chain_queue_push(chain, to, mark);
    }
    chain_queue_close(chain, from);
}

static void inherit_state(struct chain_stage *stage, const struct chain_stage *old)
{
    memcpy(stage->state, old->state, sizeof stage->state);
    stage->counted_bytes = old->counted_bytes;
    stage->touched = old->touched;
    stage->sealed = old->sealed;
    if (stage->rule->content == old->rule->content)
        stage->floor_ns = old->floor_ns;
}

static void take_leave(struct chain *chain, struct chain_stage *old)
{
    const struct fault_stream view = chain_stage_view(chain, old);
    if (chain->left_by || !old->fault->leave || !old->fault->leave(&view))
        return;
    chain->left_by = old->rule;
    chain->left_plan = plan_get(chain->plan);
}

/* From the receiver's side on, so that what is poured comes behind what is there. */
static void hand_over(struct wanted *wanted)
{
    struct chain *chain = wanted->chain;
    size_t bound = wanted->n; /* the foremost new stage that has got its old queue */
    for (size_t i = chain->n_stages; i-- > 0;) {
        struct chain_stage *old = &chain->stages[i];
        size_t place = find_successor(wanted, old);
        if (place == NO_SUCCESSOR)
            take_leave(chain, old);
        else
            inherit_state(&wanted->stages[place], old);
        if (place < bound) {
            wanted->stages[place].queue = old->queue;
            bound = place;
        } else {
            pour(chain, &old->queue,
                 bound < wanted->n ? &wanted->stages[bound].queue : &chain->ready,
                 wanted->now_ns);
        }
    }
}

static void set_cuts(struct wanted *wanted)
{
    struct chain *chain = wanted->chain;
    bool is_same =
        chain->gate && wanted->gate && chain->gate->slot == wanted->gate->slot;
    if (!is_same) {
        chain->gated_bytes = 0;
        chain->gate_touched = false;
    }
    chain->unread_bytes = 0;
    chain->gate = wanted->gate;
    chain->cut = wanted->cut;
}

/* A chance is told when it is first drawn for the connection: once, by the stream to
 * the server if the rule is about that one too. */
static bool chance_is_news(const struct wanted *wanted, const struct plan_rule *rule)
{
    const struct chain *chain = wanted->chain;
    uint64_t first_ns = plan_rule_first_start(rule);
    if (rule->probability_ppm >= 1000000 || wanted->now_ns < first_ns)
        return false;
    if (chain->plan && first_ns <= chain->updated_ns)
        return false;
    const struct match_list *other = &wanted->match->link[TO_SERVER];
    for (size_t i = 0; chain->config.direction == TO_CLIENT && i < other->n; i++)
        if (other->rules[i] == rule)
            return false;
    return true;
}

static void tell_chances(struct wanted *wanted)
{
    struct chain *chain = wanted->chain;
    if (!wanted->match)
        return;
    const struct match_list *link = &wanted->match->link[chain->config.direction];
    for (size_t i = 0; i < link->n; i++) {
        const struct plan_rule *rule = link->rules[i];
        if (!chance_is_news(wanted, rule))
            continue;
        bool applies = rng_chance(match_key(rule, &chain->config.connection), 0,
                                  rule->probability_ppm);
        const struct chain_decision decision = {
            .kind = DECISION_APPLIES, .rule = rule, .outcome = applies};
        chain_report_decision(chain, &decision);
    }
}

int chain_update(struct chain *chain, const struct match *match, uint64_t now_ns)
{
    struct wanted wanted = {.chain = chain, .match = match, .now_ns = now_ns};
    if (make_stages(&wanted) != 0)
        return -ENOMEM;
    tell_chances(&wanted);
    hand_over(&wanted);
    set_cuts(&wanted);
    allocator_give(chain->config.allocator, chain->stages);
    struct plan *old_plan = chain->plan;
    chain->plan = match ? plan_get(match->plan) : NULL;
    chain->stages = wanted.stages;
    chain->n_stages = wanted.n;
    chain->hold_bytes = wanted.hold_bytes;
    chain->updated_ns = now_ns;
    plan_put(old_plan);
    return 0;
}
