/* SPDX-License-Identifier: MIT */
#include "proxy/base/now.h"
#include "tests/scenarios/made_history.h"

#include <criterion/criterion.h>
#include <stdlib.h>

/* How the cluster served and came together: availability, split brain, convergence. */

#define APPEND(from, to, process_, element_, node_)                                    \
    {                                                                                  \
        .from_ms = from, .to_ms = to, .process = process_, .f = HISTORY_APPEND,        \
        .element = element_, .node = node_                                             \
    }
#define LOOK(from, node_, saw_)                                                        \
    {                                                                                  \
        .from_ms = from, .to_ms = from + 1, .process = 80 + node_, .saw = saw_,        \
        .node = node_, .probe = true                                                   \
    }
#define FINAL(from, node_, saw_)                                                       \
    {                                                                                  \
        .from_ms = from, .to_ms = from + 1, .process = 90, .saw = saw_, .node = node_, \
        .final = true                                                                  \
    }
#define FAULT(at)                                                                      \
    {                                                                                  \
        .from_ms = at, .event = "start-partition"                                      \
    }
#define HEAL(at)                                                                       \
    {                                                                                  \
        .from_ms = at, .event = "heal"                                                 \
    }
#define END(at)                                                                        \
    {                                                                                  \
        .from_ms = at, .event = "end"                                                  \
    }

Test(availability, windows_split_at_the_first_fault_and_the_last_heal_by_invocation)
{
    const struct made rows[] = {
        APPEND(0, 100, 0, 1, 1),
        APPEND(900, 1100, 1, 2, 1), /* invoked before, completed during */
        FAULT(1000),
        APPEND(1200, 1500, 0, 3, 1),
        {.from_ms = 1300, .to_ms = 1900, .process = 2, .type = HISTORY_INFO, .node = 1},
        {.from_ms = 1600, .event = "stop-partition"},
        {.from_ms = 1650, .event = "start-partition"},
        {.from_ms = 1700, .to_ms = 1710, .process = 3, .saw = "1", .node = 2},
        HEAL(2000),
        APPEND(2100, 2110, 0, 4, 1),
        END(3000),
        FINAL(4000, 1, "1 2 3 4"),
    };
    struct judged judged = JUDGE(rows, 1, "append");
    expect_measure(&judged, MEASURE_ACKED, 4);
    expect_measure(&judged, MEASURE_TIMEOUTS, 1);
    expect_measure(&judged, MEASURE_OPERATIONS_DURING, 3);
    expect_measure(&judged, measure_latency(true, MEASURE_BEFORE, MEASURE_P50),
                   100 * NS_PER_MS);
    expect_measure(&judged, measure_latency(true, MEASURE_BEFORE, MEASURE_P95),
                   200 * NS_PER_MS);
    expect_measure(&judged, measure_latency(true, MEASURE_DURING, MEASURE_MAX),
                   300 * NS_PER_MS);
    expect_measure(&judged, measure_latency(true, MEASURE_AFTER, MEASURE_P99),
                   10 * NS_PER_MS);
    expect_measure(&judged, measure_latency(false, MEASURE_DURING, MEASURE_P50),
                   10 * NS_PER_MS);
    expect_not_known(&judged, measure_latency(false, MEASURE_AFTER, MEASURE_P50));
    expect_measure(&judged, MEASURE_THROUGHPUT, 1667); /* 5 in 3 s */
    expect_measure(&judged, MEASURE_THROUGHPUT_BEFORE, 2000);
    expect_measure(&judged, MEASURE_THROUGHPUT_DURING, 2000);
    expect_measure(&judged, MEASURE_THROUGHPUT_AFTER, 1000);
    judged_free(&judged);
}

Test(availability, unavailable_is_the_longest_gap_from_the_fault_to_the_end)
{
    struct made rows[] = {
        APPEND(0, 100, 0, 1, 1),
        FAULT(700),
        APPEND(800, 900, 0, 2, 1),   /* 200 since the fault */
        APPEND(1400, 1500, 0, 3, 1), /* 600 */
        HEAL(1600),
        END(2000), /* 500 */
        FINAL(4000, 1, "1 2 3"),
    };
    struct judged judged = JUDGE(rows, 1, "append");
    expect_measure(&judged, MEASURE_UNAVAILABLE, 600 * NS_PER_MS);
    judged_free(&judged);
    rows[5].from_ms = 3000;
    judged = JUDGE(rows, 1, "append");
    expect_measure(&judged, MEASURE_UNAVAILABLE, 1500 * NS_PER_MS);
    judged_free(&judged);
}

Test(availability, without_a_fault_nothing_is_said_of_recovery)
{
    const struct made rows[] = {APPEND(0, 100, 0, 1, 1), FINAL(4000, 1, "1")};
    struct judged judged = JUDGE(rows, 1, "append");
    expect_not_known(&judged, MEASURE_UNAVAILABLE);
    expect_not_known(&judged, MEASURE_RTO_FIRST);
    expect_not_known(&judged, MEASURE_RTO_STEADY);
    expect_not_known(&judged, MEASURE_OPERATIONS_DURING);
    expect_not_known(&judged, MEASURE_THROUGHPUT_DURING);
    judged_free(&judged);
}

Test(availability, rto_first_waits_for_a_write_that_was_invoked_later_and_survives)
{
    struct made rows[] = {
        APPEND(10, 120, 0, 1, 1), /* invoked before the fault */
        FAULT(100),
        APPEND(130, 140, 0, 2, 1), /* doomed */
        APPEND(300, 350, 1, 3, 2),
        HEAL(500),
        FINAL(600, 1, "1 3"),
        FINAL(602, 2, "1 3"),
    };
    struct judged judged = JUDGE(rows, 2, "append");
    expect_measure(&judged, MEASURE_RTO_FIRST, 250 * NS_PER_MS);
    judged_free(&judged);
    rows[5].saw = rows[6].saw = "1";
    judged = JUDGE(rows, 2, "append");
    expect_measure(&judged, MEASURE_RTO_FIRST, MEASURE_NEVER);
    cr_expect(measure_shows_harm(&judged.judgement.measures, MEASURE_RTO_FIRST));
    judged_free(&judged);
}

Test(availability, detection_is_from_the_fault_to_the_first_notice)
{
    const struct made rows[] = {
        APPEND(10, 20, 0, 1, 1),
        FAULT(100),
        {.from_ms = 130, .event = "detected"},
        {.from_ms = 150, .event = "detected"},
        HEAL(500),
        FINAL(600, 1, "1"),
    };
    struct judged judged = JUDGE(rows, 1, "append");
    expect_measure(&judged, MEASURE_DETECTION, 30 * NS_PER_MS);
    judged_free(&judged);
}

/* A write each 10 ms, but for the gap; in slow it takes 500 times as long. */
static struct judged judge_stream(unsigned fault_ms, unsigned gap_from, unsigned gap_to,
                                  unsigned slow_from, unsigned slow_to)
{
    enum { END_MS = 6000, STEP_MS = 10 };
    struct made *rows = calloc(END_MS / STEP_MS + 4, sizeof *rows);
    size_t n = 0;
    for (unsigned ms = 0; ms < END_MS; ms += STEP_MS) {
        if (ms >= gap_from && ms < gap_to)
            continue;
        bool slow = ms >= slow_from && ms < slow_to;
        int64_t element = ms;
        rows[n++] = (struct made)APPEND(ms, ms + (slow ? 500 : 1),
                                        slow ? (int)ms + 100 : 0, element, 1);
    }
    rows[n++] = (struct made)FAULT(fault_ms);
    rows[n++] = (struct made)HEAL(5000);
    rows[n++] = (struct made)END(END_MS);
    struct judged judged;
    struct history *history = make_history(rows, n, 1);
    /* the final read is made by hand: it is longer than a table's */
    int64_t *items = calloc(END_MS, sizeof *items);
    size_t count = 0;
    for (size_t i = 0; i < n; i++)
        if (!rows[i].event)
            items[count++] = rows[i].element;
    struct history_record record = {
        .time_ns = 9 * NS_PER_S, .process = 90, .final = true, .f = HISTORY_READ};
    (void)history_record(history, &record);
    record.type = HISTORY_OK;
    record.value = (struct history_value){.kind = HISTORY_LIST, .list = {items, count}};
    (void)history_record(history, &record);
    judged.history = history;
    const char *near;
    cr_assert_eq(
        judge_history(history, model_find("append", &near), &judged.judgement, NULL),
        0);
    free(rows);
    free(items);
    return judged;
}

Test(availability, rto_steady_is_the_slot_from_which_rate_and_latency_are_back_for_good)
{
    struct judged judged = judge_stream(2000, 2000, 3110, 0, 0);
    expect_measure(&judged, MEASURE_LOST_WRITES, 0);
    expect_measure(&judged, MEASURE_RTO_STEADY, 1500 * NS_PER_MS);
    judged_free(&judged);
    judged = judge_stream(2000, 0, 0, 3000, 4010); /* slow ones complete to 4.51 s */
    expect_measure(&judged, MEASURE_RTO_STEADY, 2500 * NS_PER_MS);
    judged_free(&judged);
    judged = judge_stream(2000, 0, 0, 0, 0); /* nothing broke: the first write, 1 ms */
    expect_measure(&judged, MEASURE_RTO_STEADY, NS_PER_MS);
    judged_free(&judged);
    judged = judge_stream(2000, 3000, 6000, 0, 0);
    expect_measure(&judged, MEASURE_RTO_STEADY, MEASURE_NEVER);
    judged_free(&judged);
    judged = judge_stream(1900, 0, 0, 0, 0); /* too short a baseline */
    expect_not_known(&judged, MEASURE_RTO_STEADY);
    judged_free(&judged);
}

Test(split_brain, is_the_time_in_which_two_lanes_overlap)
{
    const struct made rows[] = {
        APPEND(0, 100, 0, 1, 1),
        APPEND(110, 400, 0, 2, 1),
        APPEND(410, 700, 0, 3, 1), /* n1 from 100 to 700 */
        APPEND(200, 300, 1, 4, 2),
        APPEND(310, 600, 1, 5, 2),
        APPEND(610, 900, 1, 6, 2), /* n2 from 300 to 900 */
        APPEND(500, 650, 2, 7, 3),
        APPEND(660, 800, 2, 8, 3), /* n3 from 650 to 800 */
        END(1000),
    };
    struct judged judged = JUDGE(rows, 3, "append");
    expect_measure(&judged, MEASURE_SPLIT_BRAIN, 500 * NS_PER_MS); /* 300 to 800 */
    expect_verdict(&judged, "split-brain", VERDICT_INVALID);
    struct check_lane *lanes;
    cr_assert_eq(check_lanes(&judged.judgement.input, &lanes), 3);
    cr_expect_eq(lanes[1].node, 1);
    cr_expect_eq(lanes[1].from_ns, 300 * NS_PER_MS);
    cr_expect_eq(lanes[1].to_ns, 900 * NS_PER_MS);
    cr_expect_eq(lanes[1].writes, 3);
    free(lanes);
    judged_free(&judged);
}

Test(split_brain, a_handover_there_and_back_is_none)
{
    const struct made rows[] = {
        APPEND(0, 100, 0, 1, 1),
        APPEND(110, 200, 0, 2, 1),
        APPEND(300, 310, 1, 4, 2),
        APPEND(320, 600, 1, 5, 2),
        APPEND(700, 701, 0, 6, 1), /* n1 paused for 501 ms: a lane of its own */
        END(1000),
    };
    struct judged judged = JUDGE(rows, 2, "append");
    expect_measure(&judged, MEASURE_SPLIT_BRAIN, 0);
    expect_verdict(&judged, "split-brain", VERDICT_VALID);
    judged_free(&judged);
}

/* Sooner than a pause would tell: n1 is primary again after 300 ms. */
Test(split_brain, a_quick_handover_there_and_back_is_none_if_the_history_says_so)
{
    struct made rows[] = {
        {.from_ms = 1, .to_ms = 1, .event = "primary", .text = "n1"},
        APPEND(10, 100, 0, 1, 1),
        APPEND(110, 200, 0, 2, 1),
        {.from_ms = 250, .to_ms = 250, .event = "primary", .text = "n2"},
        APPEND(300, 310, 1, 4, 2),
        APPEND(320, 400, 1, 5, 2),
        {.from_ms = 450, .to_ms = 450, .event = "primary", .text = "n1"},
        APPEND(480, 500, 0, 6, 1),
        END(1000),
    };
    struct judged judged = JUDGE(rows, 2, "append");
    expect_measure(&judged, MEASURE_SPLIT_BRAIN, 0);
    judged_free(&judged);
    rows[3].text = "n1"; /* n2 never was: both accept from 310 to 400 */
    judged = JUDGE(rows, 2, "append");
    expect_measure(&judged, MEASURE_SPLIT_BRAIN, 90 * NS_PER_MS);
    judged_free(&judged);
}

Test(convergence, ends_when_the_last_node_holds_and_keeps_all_that_survived)
{
    const struct made rows[] = {
        APPEND(0, 10, 0, 1, 1),
        APPEND(11, 20, 0, 2, 1), /* lost: not waited for */
        FAULT(30),
        APPEND(40, 50, 0, 3, 1),
        HEAL(100),
        APPEND(101, 102, 0, 4, 1), /* acknowledged after the heal: not waited for */
        LOOK(110, 1, "1 3"),
        LOOK(120, 2, "1 3"), /* holds, but does not keep */
        LOOK(130, 2, "1"),
        LOOK(140, 2, "1 3"),
        LOOK(150, 2, "1 3 4"),
        FINAL(200, 1, "1 3 4"),
        FINAL(202, 2, "1 3 4"),
    };
    struct judged judged = JUDGE(rows, 2, "append");
    expect_measure(&judged, MEASURE_LOST_WRITES, 1);
    expect_measure(&judged, MEASURE_CONVERGENCE, 41 * NS_PER_MS);
    expect_verdict(&judged, "convergence", VERDICT_VALID);
    judged_free(&judged);
}

Test(convergence, never_comes_if_a_last_look_lacks_a_survivor)
{
    const struct made rows[] = {
        APPEND(0, 10, 0, 1, 1), FAULT(30),          HEAL(100),
        LOOK(150, 2, "1"),      FINAL(200, 1, "1"), FINAL(202, 2, NULL),
    };
    struct judged judged = JUDGE(rows, 2, "append");
    expect_measure(&judged, MEASURE_CONVERGENCE, MEASURE_NEVER);
    expect_verdict(&judged, "convergence", VERDICT_INVALID);
    judged_free(&judged);
}

Test(convergence, is_not_known_if_a_node_was_not_looked_at)
{
    const struct made rows[] = {
        APPEND(0, 10, 0, 1, 1),
        FAULT(30),
        LOOK(50, 2, "1"), /* before the heal */
        HEAL(100),
        FINAL(200, 1, "1"),
    };
    struct judged judged = JUDGE(rows, 2, "append");
    expect_not_known(&judged, MEASURE_CONVERGENCE);
    expect_verdict(&judged, "convergence", VERDICT_UNKNOWN);
    judged_free(&judged);
}
