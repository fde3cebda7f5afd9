/* SPDX-License-Identifier: MIT */
/* When the replicas came together: the time from the last heal to the first moment at
 * which every node was read to hold, and kept, all surviving writes that had been
 * acknowledged before the heal. Seen through probes and final reads; writes may go on
 * meanwhile, they are not asked for.
 *
 * For a key and a node: of the reads that began after the heal, the first one behind
 * the last that lacked something; its completion is the moment. The measure is the
 * latest of all. A key that some node was never read for leaves it unknown; a last
 * read that lacks something makes it "never". */
#include "proxy/base/memory.h"
#include "scenarios/checkers/catalogue.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

struct convergence {
    const struct check_input *input;
    struct check_output *output;
    const struct operation *ops; /* borrowed */
    size_t nodes;
    uint32_t *stamp;   /* owned; of each write: 1 + the read that saw it last */
    uint64_t *held_ns; /* owned; of each node, for one key; HISTORY_NEVER = lacks */
    bool *was_read;    /* owned; of each node, for one key */
    uint64_t last_ns;
    bool diverged, unread;
    int64_t unread_key;
};

static bool convergence_applies(const struct check_input *input)
{
    if (input->heal_ns == HISTORY_NEVER || history_node_count(input->history) == 0)
        return false;
    for (size_t i = 0; i < input->view->key_count; i++)
        if (input->view->keys[i].is_list && input->view->keys[i].writes.n)
            return true;
    return false;
}

/* The surviving writes acknowledged before the heal; *out is the caller's. */
static size_t collect_wanted(const struct convergence *c, const struct view_key *key,
                             uint32_t **out)
{
    uint32_t *wanted = xcalloc(key->writes.n, sizeof *wanted);
    size_t n = 0;
    for (size_t i = 0; i < key->writes.n; i++) {
        uint32_t write = key->writes.items[i];
        if (c->ops[write].type == HISTORY_OK && c->output->fates[write] == FATE_KEPT &&
            c->ops[write].complete_ns <= c->input->heal_ns)
            wanted[n++] = write;
    }
    *out = wanted;
    return n;
}

/* The first of the wanted that the read lacks, or VIEW_NOBODY. Costs no more than the
 * read's own length: all that are passed are in it. */
static uint32_t find_lacking(struct convergence *c, uint32_t read,
                             const uint32_t *wanted, size_t n)
{
    struct view_seen seen = c->input->view->seen[read];
    for (size_t i = 0; i < seen.n; i++)
        if (seen.writes[i] != VIEW_NOBODY)
            c->stamp[seen.writes[i]] = read + 1;
    for (size_t i = 0; i < n; i++)
        if (c->stamp[wanted[i]] != read + 1)
            return wanted[i];
    return VIEW_NOBODY;
}

static bool is_look(const struct convergence *c, uint32_t read)
{
    const struct operation *operation = &c->ops[read];
    return !operation_is_workload(operation) && operation->node != HISTORY_NO_NODE &&
           operation->invoke_ns >= c->input->heal_ns;
}

static void add_diverged(struct convergence *c, uint32_t read, uint32_t lacking)
{
    struct finding finding = {
        .kind = FINDING_NOT_CONVERGED,
        .operation = read,
        .other = lacking,
        .key = c->ops[read].key,
        .element = view_element(&c->ops[lacking]),
        .node = c->ops[read].node,
        .other_node = c->ops[lacking].node,
        .at_ns = c->ops[read].complete_ns,
    };
    evidence_add(c->output->evidence, &finding);
    c->diverged = true;
}

/* In the order of invocations: of two reads that overlap the later one counts. */
static void look_at_key(struct convergence *c, const struct view_key *key,
                        const uint32_t *wanted, size_t n)
{
    uint32_t *last = xcalloc(c->nodes, sizeof *last);
    uint32_t *lacks = xcalloc(c->nodes, sizeof *lacks);
    for (size_t node = 0; node < c->nodes; node++) {
        c->held_ns[node] = HISTORY_NEVER;
        c->was_read[node] = false;
    }
    for (size_t i = 0; i < key->reads.n; i++) {
        uint32_t read = key->reads.items[i];
        if (!is_look(c, read))
            continue;
        int16_t node = c->ops[read].node;
        last[node] = read;
        lacks[node] = find_lacking(c, read, wanted, n);
        if (lacks[node] != VIEW_NOBODY)
            c->held_ns[node] = HISTORY_NEVER;
        else if (c->held_ns[node] == HISTORY_NEVER)
            c->held_ns[node] = c->ops[read].complete_ns;
        c->was_read[node] = true;
    }
    for (size_t node = 0; node < c->nodes; node++)
        if (c->was_read[node] && c->held_ns[node] == HISTORY_NEVER)
            add_diverged(c, last[node], lacks[node]);
    free(last);
    free(lacks);
}

static void judge_key(struct convergence *c, const struct view_key *key)
{
    uint32_t *wanted;
    size_t n = collect_wanted(c, key, &wanted);
    if (n)
        look_at_key(c, key, wanted, n);
    for (size_t node = 0; n && node < c->nodes; node++) {
        if (!c->was_read[node]) {
            c->unread = true;
            c->unread_key = key->key;
        } else if (c->held_ns[node] != HISTORY_NEVER && c->held_ns[node] > c->last_ns) {
            c->last_ns = c->held_ns[node];
        }
    }
    free(wanted);
}

static struct check_result conclude(const struct convergence *c)
{
    struct check_result result = {.verdict = VERDICT_VALID};
    if (c->diverged) {
        measure_set(c->output->measures, MEASURE_CONVERGENCE, MEASURE_NEVER);
        result.verdict = VERDICT_INVALID;
        (void)snprintf(result.why, sizeof result.why,
                       "%" PRIu64 " times the last read of a key on a node lacked a "
                       "surviving write",
                       c->output->evidence->total[FINDING_NOT_CONVERGED]);
    } else if (c->unread) {
        result.verdict = VERDICT_UNKNOWN;
        (void)snprintf(result.why, sizeof result.why,
                       "key %" PRId64 " was not read on every node after the heal",
                       c->unread_key);
    } else {
        measure_set(c->output->measures, MEASURE_CONVERGENCE,
                    c->last_ns - c->input->heal_ns);
    }
    return result;
}

static struct check_result convergence_check(const struct check_input *input,
                                             struct check_output *output)
{
    struct convergence c = {
        .input = input,
        .output = output,
        .ops = input->operations->items,
        .nodes = history_node_count(input->history),
        .last_ns = input->heal_ns,
    };
    if (!output->measures->values[MEASURE_LOST_WRITES].known)
        return (struct check_result){.verdict = VERDICT_UNKNOWN,
                                     .why = "which writes survive is not known"};
    c.stamp = xcalloc(input->operations->n, sizeof *c.stamp);
    c.held_ns = xcalloc(c.nodes, sizeof *c.held_ns);
    c.was_read = xcalloc(c.nodes, sizeof *c.was_read);
    for (size_t i = 0; i < input->view->key_count; i++)
        if (input->view->keys[i].is_list)
            judge_key(&c, &input->view->keys[i]);
    struct check_result result = conclude(&c);
    free(c.stamp);
    free(c.held_ns);
    free(c.was_read);
    return result;
}

const struct checker checker_convergence = {
    .name = "convergence",
    .help = "after the heal every node comes to hold all surviving writes",
    .applies = convergence_applies,
    .check = convergence_check,
};
