/* SPDX-License-Identifier: MIT */
/* How the cluster served: latency and throughput before, during and after the fault,
 * how long nothing was written, how soon service came back, and how long two nodes
 * accepted writes at once. Always valid: whether 41 s without a write are too many is
 * for a playbook's expectations to say.
 *
 * Only the workload's operations count, and of those only ok ones as served. Operations
 * belong to the window in which they were invoked.
 *
 * rto_first waits for a write that survives: an async primary that goes on
 * acknowledging doomed writes has not recovered. So it is not known where loss is not.
 *
 * rto_steady: time from the fault is cut into slots of STEADY_SLOT_NS up to the end. A
 * slot is steady if at least STEADY_RATE_PERCENT of the baseline's surviving writes
 * completed in it, and their median latency is at most STEADY_LATENCY_TIMES the
 * baseline's 95th percentile. The measure is the beginning of the first slot of which
 * all are steady to the end: 0 if the fault never showed. The baseline is everything
 * before the fault; with less than four slots of it nothing is known. */
#include "proxy/base/memory.h"
#include "proxy/base/now.h"
#include "scenarios/checkers/catalogue.h"
#include "scenarios/checkers/quantile.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define STEADY_SLOT_NS (500 * NS_PER_MS)
enum {
    STEADY_RATE_PERCENT = 80,
    STEADY_LATENCY_TIMES = 2,
    STEADY_BASELINE_SLOTS = 4,
    WINDOWS = 3,
};

struct served {
    const struct check_input *input;
    struct check_output *output;
    const struct operation *ops; /* borrowed */
    size_t n;
    uint64_t begin_ns; /* the first invocation */
};

static bool availability_applies(const struct check_input *input)
{
    for (size_t i = 0; i < input->operations->n; i++)
        if (operation_is_workload(&input->operations->items[i]))
            return true;
    return false;
}

static bool is_served(const struct operation *operation)
{
    return operation_is_workload(operation) && operation->type == HISTORY_OK;
}

static bool is_served_write(const struct operation *operation)
{
    return is_served(operation) && operation_writes(operation);
}

static uint64_t latency_ns(const struct operation *operation)
{
    return operation->complete_ns - operation->invoke_ns;
}

static void measure_counts(struct served *s)
{
    uint64_t acked = 0, timeouts = 0, during = 0;
    bool first = true;
    for (size_t i = 0; i < s->n; i++) {
        const struct operation *operation = &s->ops[i];
        if (!operation_is_workload(operation))
            continue;
        if (first)
            s->begin_ns = operation->invoke_ns;
        first = false;
        acked += is_served_write(operation);
        timeouts += operation->type == HISTORY_INFO;
        during += check_window(s->input, operation->invoke_ns) == MEASURE_DURING;
    }
    measure_set(s->output->measures, MEASURE_ACKED, acked);
    measure_set(s->output->measures, MEASURE_TIMEOUTS, timeouts);
    if (s->input->fault_ns != HISTORY_NEVER)
        measure_set(s->output->measures, MEASURE_OPERATIONS_DURING, during);
}

static void measure_latencies(struct served *s, bool writes)
{
    static const unsigned percents[] = {50, 95, 99, 100};
    uint64_t *spans = xcalloc(s->n, sizeof *spans);
    for (int window = 0; window < WINDOWS; window++) {
        size_t n = 0;
        for (size_t i = 0; i < s->n; i++)
            if (is_served(&s->ops[i]) && operation_writes(&s->ops[i]) == writes &&
                (int)check_window(s->input, s->ops[i].invoke_ns) == window)
                spans[n++] = latency_ns(&s->ops[i]);
        quantile_sort(spans, n);
        for (int q = 0; n && q < 4; q++)
            measure_set(s->output->measures,
                        measure_latency(writes, (enum measure_window)window,
                                        (enum measure_quantile)q),
                        quantile_of(spans, n, percents[q]));
    }
    free(spans);
}

static void set_throughput(struct served *s, enum measure measure, uint64_t count,
                           uint64_t from_ns, uint64_t to_ns)
{
    if (to_ns <= from_ns)
        return;
    long double per_1000_s =
        (long double)count * 1000 * NS_PER_S / (long double)(to_ns - from_ns);
    measure_set(s->output->measures, measure, (uint64_t)(per_1000_s + 0.5L));
}

static uint64_t earlier(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static void measure_throughput(struct served *s)
{
    uint64_t counts[WINDOWS] = {0};
    for (size_t i = 0; i < s->n; i++)
        if (is_served(&s->ops[i]))
            counts[check_window(s->input, s->ops[i].invoke_ns)]++;
    uint64_t end_ns = s->input->end_ns;
    uint64_t fault_ns = earlier(s->input->fault_ns, end_ns);
    uint64_t heal_ns = earlier(s->input->heal_ns, end_ns);
    set_throughput(s, MEASURE_THROUGHPUT,
                   counts[MEASURE_BEFORE] + counts[MEASURE_DURING] +
                       counts[MEASURE_AFTER],
                   s->begin_ns, end_ns);
    set_throughput(s, MEASURE_THROUGHPUT_BEFORE, counts[MEASURE_BEFORE], s->begin_ns,
                   fault_ns);
    set_throughput(s, MEASURE_THROUGHPUT_DURING, counts[MEASURE_DURING], fault_ns,
                   heal_ns);
    set_throughput(s, MEASURE_THROUGHPUT_AFTER, counts[MEASURE_AFTER], heal_ns, end_ns);
}

static void measure_unavailable(struct served *s)
{
    uint64_t last_ns = s->input->fault_ns, longest_ns = 0;
    for (size_t i = 0; i < s->input->view->completed_count; i++) {
        const struct operation *operation = &s->ops[s->input->view->completed[i]];
        if (!is_served_write(operation) || operation->complete_ns < last_ns)
            continue;
        if (operation->complete_ns > s->input->end_ns)
            break;
        if (operation->complete_ns - last_ns > longest_ns)
            longest_ns = operation->complete_ns - last_ns;
        last_ns = operation->complete_ns;
    }
    if (s->input->end_ns > last_ns && s->input->end_ns - last_ns > longest_ns)
        longest_ns = s->input->end_ns - last_ns;
    measure_set(s->output->measures, MEASURE_UNAVAILABLE, longest_ns);
}

static bool survives(const struct served *s, uint32_t write)
{
    return is_served_write(&s->ops[write]) && s->output->fates[write] == FATE_KEPT;
}

static void measure_rto_first(struct served *s)
{
    uint64_t rto_ns = MEASURE_NEVER;
    for (size_t i = 0; i < s->input->view->completed_count; i++) {
        uint32_t write = s->input->view->completed[i];
        if (!survives(s, write) || s->ops[write].invoke_ns < s->input->fault_ns)
            continue;
        rto_ns = s->ops[write].complete_ns - s->input->fault_ns;
        break;
    }
    measure_set(s->output->measures, MEASURE_RTO_FIRST, rto_ns);
}

/* The latencies of surviving writes completed in [from, to), sorted. spans has room for
 * all operations; *at is where among the completions to go on. */
static size_t collect_slot(const struct served *s, uint64_t from_ns, uint64_t to_ns,
                           uint64_t *spans, size_t *at)
{
    size_t n = 0;
    for (; *at < s->input->view->completed_count; ++*at) {
        uint32_t write = s->input->view->completed[*at];
        if (s->ops[write].complete_ns >= to_ns)
            break;
        if (survives(s, write) && s->ops[write].complete_ns >= from_ns)
            spans[n++] = latency_ns(&s->ops[write]);
    }
    quantile_sort(spans, n);
    return n;
}

static void measure_rto_steady(struct served *s)
{
    uint64_t fault_ns = s->input->fault_ns, from_ns = s->begin_ns;
    if (fault_ns < from_ns + STEADY_BASELINE_SLOTS * STEADY_SLOT_NS)
        return;
    uint64_t *spans = xcalloc(s->n, sizeof *spans);
    size_t at = 0;
    size_t baseline = collect_slot(s, from_ns, fault_ns, spans, &at);
    uint64_t limit_ns = STEADY_LATENCY_TIMES * quantile_of(spans, baseline, 95);
    long double share = (long double)STEADY_SLOT_NS / (long double)(fault_ns - from_ns);
    long double least = (long double)baseline * share * STEADY_RATE_PERCENT / 100;
    uint64_t slot_ns = fault_ns, steady_ns = fault_ns;
    for (; slot_ns + STEADY_SLOT_NS <= s->input->end_ns; slot_ns += STEADY_SLOT_NS) {
        size_t n = collect_slot(s, slot_ns, slot_ns + STEADY_SLOT_NS, spans, &at);
        if ((long double)n < least || quantile_of(spans, n, 50) > limit_ns)
            steady_ns = slot_ns + STEADY_SLOT_NS;
    }
    free(spans);
    if (baseline == 0 || slot_ns == fault_ns)
        return;
    uint64_t first_ns = s->output->measures->values[MEASURE_RTO_FIRST].value;
    uint64_t rto_ns = steady_ns == slot_ns ? MEASURE_NEVER : steady_ns - fault_ns;
    if (rto_ns < first_ns) /* its slot began before the first write was through */
        rto_ns = first_ns;
    measure_set(s->output->measures, MEASURE_RTO_STEADY, rto_ns);
}

static struct check_result availability_check(const struct check_input *input,
                                              struct check_output *output)
{
    struct served s = {
        .input = input,
        .output = output,
        .ops = input->operations->items,
        .n = input->operations->n,
    };
    measure_counts(&s);
    measure_latencies(&s, true);
    measure_latencies(&s, false);
    measure_throughput(&s);
    if (input->fault_ns == HISTORY_NEVER)
        return (struct check_result){.verdict = VERDICT_VALID};
    measure_unavailable(&s);
    if (input->detect_ns != HISTORY_NEVER && input->detect_ns >= input->fault_ns)
        measure_set(output->measures, MEASURE_DETECTION,
                    input->detect_ns - input->fault_ns);
    if (output->measures->values[MEASURE_LOST_WRITES].known) {
        measure_rto_first(&s);
        measure_rto_steady(&s);
    }
    return (struct check_result){.verdict = VERDICT_VALID};
}

const struct checker checker_availability = {
    .name = "availability",
    .help = "measures latency, throughput and recovery; always valid",
    .applies = availability_applies,
    .check = availability_check,
};
