/* SPDX-License-Identifier: MIT */
/* Two nodes that accept writes at once. A node's lane is a run of its acknowledgements
 * without a long pause (check_lanes), so that a primary that hands over and later takes
 * back is not said to have accepted writes in between. If it takes back sooner than
 * that, the history must say so: an event that names it primary again, after another,
 * begins a lane too. Time in which two or more lanes
 * overlap is counted once. A single acknowledgement is a lane of no length. */
#include "proxy/base/memory.h"
#include "scenarios/checkers/catalogue.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct lanes {
    struct check_lane *items; /* owned */
    size_t n, size;
};

static bool split_brain_applies(const struct check_input *input)
{
    return history_node_count(input->history) > 1;
}

static size_t add_lane(struct lanes *lanes, int node, uint64_t at_ns)
{
    if (lanes->n == lanes->size) {
        lanes->size = lanes->size ? 2 * lanes->size : 8;
        lanes->items = xreallocarray(lanes->items, lanes->size, sizeof *lanes->items);
    }
    lanes->items[lanes->n] =
        (struct check_lane){.node = node, .from_ns = at_ns, .to_ns = at_ns};
    return lanes->n++;
}

/* Whether the node was made primary, after another one, in (from_ns, to_ns]. */
static bool was_made_primary(const struct check_input *input, int node,
                             uint64_t from_ns, uint64_t to_ns)
{
    const struct check_primary *primaries = input->primaries;
    for (size_t i = 1; i < input->primary_count; i++)
        if (primaries[i].node == node && primaries[i - 1].node != node &&
            primaries[i].from_ns > from_ns && primaries[i].from_ns <= to_ns)
            return true;
    return false;
}

static bool goes_on(const struct check_input *input, const struct check_lane *lane,
                    uint64_t at_ns)
{
    return at_ns - lane->to_ns <= CHECK_LANE_GAP_NS &&
           !was_made_primary(input, lane->node, lane->to_ns, at_ns);
}

size_t check_lanes(const struct check_input *input, struct check_lane **out)
{
    struct lanes lanes = {0};
    size_t nodes = history_node_count(input->history);
    size_t *open = xcalloc(nodes, sizeof *open); /* 1 + the lane of a node */
    for (size_t i = 0; i < input->view->completed_count; i++) {
        const struct operation *operation =
            &input->operations->items[input->view->completed[i]];
        if (!operation_writes(operation) || operation->type != HISTORY_OK ||
            operation->node == HISTORY_NO_NODE)
            continue;
        size_t *lane = &open[operation->node];
        uint64_t at_ns = operation->complete_ns;
        if (!*lane || !goes_on(input, &lanes.items[*lane - 1], at_ns))
            *lane = add_lane(&lanes, operation->node, at_ns) + 1;
        lanes.items[*lane - 1].to_ns = at_ns;
        lanes.items[*lane - 1].writes++;
    }
    free(open);
    *out = lanes.items;
    return lanes.n;
}

static void add_overlap(struct check_output *output, const struct check_lane *a,
                        const struct check_lane *b, uint64_t to_ns)
{
    struct finding finding = {
        .kind = FINDING_SPLIT_BRAIN,
        .operation = SIZE_MAX,
        .other = SIZE_MAX,
        .node = (int16_t)a->node,
        .other_node = (int16_t)b->node,
        .at_ns = b->from_ns,
        .span_ns = to_ns - b->from_ns,
    };
    evidence_add(output->evidence, &finding);
}

/* Lanes come in the order of their beginnings, so a lane overlaps what is before it
 * from its own beginning to the latest end so far. */
static uint64_t sum_overlaps(const struct check_lane *lanes, size_t n,
                             struct check_output *output)
{
    uint64_t total_ns = 0, counted_ns = 0; /* overlaps up to here are in the total */
    const struct check_lane *latest = n ? &lanes[0] : NULL;
    for (size_t i = 1; i < n; i++) {
        const struct check_lane *lane = &lanes[i];
        uint64_t to_ns = lane->to_ns < latest->to_ns ? lane->to_ns : latest->to_ns;
        uint64_t from_ns = lane->from_ns > counted_ns ? lane->from_ns : counted_ns;
        if (to_ns > lane->from_ns)
            add_overlap(output, latest, lane, to_ns);
        if (to_ns > from_ns) {
            total_ns += to_ns - from_ns;
            counted_ns = to_ns;
        }
        if (lane->to_ns > latest->to_ns)
            latest = lane;
    }
    return total_ns;
}

static struct check_result split_brain_check(const struct check_input *input,
                                             struct check_output *output)
{
    struct check_result result = {.verdict = VERDICT_VALID};
    struct check_lane *lanes;
    size_t n = check_lanes(input, &lanes);
    uint64_t total_ns = sum_overlaps(lanes, n, output);
    free(lanes);
    measure_set(output->measures, MEASURE_SPLIT_BRAIN, total_ns);
    if (total_ns == 0)
        return result;
    result.verdict = VERDICT_INVALID;
    (void)snprintf(result.why, sizeof result.why,
                   "two nodes acknowledged writes for %.3f s", (double)total_ns / 1e9);
    return result;
}

const struct checker checker_split_brain = {
    .name = "split-brain",
    .help = "no two nodes acknowledge writes at the same time",
    .applies = split_brain_applies,
    .check = split_brain_check,
};
