/* SPDX-License-Identifier: MIT */
#include "proxy/base/now.h"
#include "tests/scenarios/made_history.h"

#include <criterion/criterion.h>
#include <string.h>

/* The checker of elements: scenarios/checkers/set.c. */

#define ADD(from, to, process_, element_, type_, node_)                                \
    {                                                                                  \
        .from_ms = from, .to_ms = to, .process = process_, .f = HISTORY_ADD,           \
        .element = element_, .type = type_, .node = node_                              \
    }
#define FINAL(from, node_, saw_)                                                       \
    {                                                                                  \
        .from_ms = from, .to_ms = from + 1, .process = 90, .saw = saw_, .node = node_, \
        .final = true                                                                  \
    }

/* As jepsen.checker/set judges them: lost, recovered, unexpected. */
Test(set, tells_kept_lost_recovered_and_unexpected_apart)
{
    const struct made rows[] = {
        ADD(1, 2, 0, 0, HISTORY_OK, 1),     /* in every read */
        ADD(3, 4, 0, 1, HISTORY_OK, 1),     /* in one of them */
        ADD(5, 6, 0, 2, HISTORY_OK, 1),     /* in none: lost */
        ADD(7, 8, 0, 3, HISTORY_FAIL, 1),   /* in none */
        ADD(9, 10, 0, 4, HISTORY_FAIL, 1),  /* read: a ghost */
        ADD(11, 12, 0, 5, HISTORY_INFO, 1), /* read: recovered */
        ADD(13, 14, 1, 6, HISTORY_INFO, 1), /* not read: unknown for ever */
        ADD(15, 0, 2, 7, HISTORY_OK, 1),    /* never answered, and read */
        FINAL(20, 1, "0 1 4 5 7"),
        FINAL(22, 2, "0 5 99"), /* 99: nobody wrote it */
    };
    struct judged judged = JUDGE(rows, 2, "set");
    expect_verdict(&judged, "set", VERDICT_INVALID);
    expect_measure(&judged, MEASURE_ACKED, 3);
    expect_measure(&judged, MEASURE_LOST_WRITES, 1);
    expect_measure(&judged, MEASURE_RECOVERED_WRITES, 2);
    expect_measure(&judged, MEASURE_GHOST_WRITES, 2);
    expect_measure(&judged, MEASURE_DUPLICATES, 0);
    static const enum fate fates[] = {FATE_KEPT,    FATE_KEPT,     FATE_LOST,
                                      FATE_FAILED,  FATE_GHOST,    FATE_RECOVERED,
                                      FATE_UNKNOWN, FATE_RECOVERED};
    for (size_t i = 0; i < sizeof fates / sizeof *fates; i++)
        expect_fate(&judged, i, fates[i]);
    judged_free(&judged);
}

Test(set, is_valid_when_all_is_there)
{
    const struct made rows[] = {
        ADD(1, 2, 0, 0, HISTORY_OK, 1),
        ADD(3, 4, 0, 1, HISTORY_FAIL, 1),
        FINAL(20, 1, "0"),
    };
    struct judged judged = JUDGE(rows, 1, "set");
    expect_verdict(&judged, "set", VERDICT_VALID);
    cr_expect_eq(judged.judgement.verdict, VERDICT_VALID);
    judged_free(&judged);
}

Test(set, without_a_nodes_final_read_what_is_absent_is_not_known)
{
    const struct made rows[] = {
        ADD(1, 2, 0, 0, HISTORY_OK, 1),
        ADD(3, 4, 0, 1, HISTORY_OK, 1),
        FINAL(20, 1, "0"),
    };
    struct judged judged = JUDGE(rows, 2, "set");
    expect_verdict(&judged, "set", VERDICT_UNKNOWN);
    expect_not_known(&judged, MEASURE_LOST_WRITES);
    expect_not_known(&judged, MEASURE_RPO);
    expect_fate(&judged, 0, FATE_KEPT);
    expect_fate(&judged, 1, FATE_UNKNOWN);
    cr_expect_str_eq(
        judged.judgement.checkers[0].result.why,
        "key 0 lacks a final read of a node, and 1 acknowledged writes are "
        "in none of the others");
    judged_free(&judged);
}

Test(set, a_missing_final_read_does_not_matter_when_all_is_in_the_others)
{
    const struct made rows[] = {
        ADD(1, 2, 0, 0, HISTORY_OK, 1),
        FINAL(20, 1, "0"),
    };
    struct judged judged = JUDGE(rows, 2, "set");
    expect_verdict(&judged, "set", VERDICT_VALID);
    expect_measure(&judged, MEASURE_LOST_WRITES, 0);
    judged_free(&judged);
}

Test(set, the_last_of_several_final_reads_of_a_node_counts)
{
    const struct made rows[] = {
        ADD(1, 2, 0, 0, HISTORY_OK, 1),
        FINAL(20, 1, NULL),
        FINAL(30, 1, "0"),
    };
    struct judged judged = JUDGE(rows, 1, "set");
    expect_measure(&judged, MEASURE_LOST_WRITES, 0);
    judged_free(&judged);
}

Test(set, a_drill_that_ended_before_its_final_reads_has_not_lost_anything_yet)
{
    const struct made rows[] = {
        ADD(1, 2, 0, 0, HISTORY_OK, 1),
        {.from_ms = 5, .to_ms = 6, .process = 1, .node = 2},
    };
    struct judged judged = JUDGE(rows, 2, "set");
    expect_verdict(&judged, "set", VERDICT_UNKNOWN);
    expect_not_known(&judged, MEASURE_LOST_WRITES);
    judged_free(&judged);
}

Test(set, other_reads_do_not_stand_in_for_final_ones)
{
    const struct made rows[] = {
        ADD(1, 2, 0, 0, HISTORY_OK, 1),
        FINAL(20, 1, "0"),
        {.from_ms = 30, .to_ms = 31, .process = 1, .node = 1},
        {.from_ms = 40, .to_ms = 41, .process = 2, .node = 1, .probe = true},
    };
    struct judged judged = JUDGE(rows, 1, "set");
    expect_measure(&judged, MEASURE_LOST_WRITES, 0);
    judged_free(&judged);
}

Test(set, a_foreign_history_is_judged_by_its_last_read)
{
    const struct made rows[] = {
        ADD(1, 2, 0, 0, HISTORY_OK, 0),
        ADD(3, 4, 0, 1, HISTORY_OK, 0),
        {.from_ms = 5, .to_ms = 6, .process = 1, .saw = "0 1"},
        {.from_ms = 7, .to_ms = 8, .process = 1, .saw = "0"},
    };
    struct judged judged = JUDGE(rows, 0, "set");
    expect_measure(&judged, MEASURE_LOST_WRITES, 1);
    judged_free(&judged);
}

Test(set, counts_appearances_beyond_the_first_once_for_all_replicas)
{
    const struct made rows[] = {
        ADD(1, 2, 0, 7, HISTORY_OK, 1),
        ADD(3, 4, 0, 8, HISTORY_OK, 1),
        FINAL(20, 1, "7 7 8"),
        FINAL(22, 2, "7 8 7 7 8"),
    };
    struct judged judged = JUDGE(rows, 2, "set");
    expect_measure(&judged, MEASURE_DUPLICATES, 3); /* 7 twice more, 8 once more */
    expect_verdict(&judged, "set", VERDICT_INVALID);
    judged_free(&judged);
}

Test(set, a_failed_element_seen_once_is_a_ghost_even_if_it_vanishes)
{
    const struct made rows[] = {
        ADD(1, 2, 0, 7, HISTORY_FAIL, 1),
        {.from_ms = 5, .to_ms = 6, .process = 1, .saw = "7", .node = 1},
        {.from_ms = 7, .to_ms = 8, .process = 1, .saw = "7", .node = 1},
        FINAL(20, 1, NULL),
    };
    struct judged judged = JUDGE(rows, 1, "set");
    expect_measure(&judged, MEASURE_GHOST_WRITES, 1);
    expect_fate(&judged, 0, FATE_GHOST);
    judged_free(&judged);
}

Test(set, an_element_read_before_its_write_began_is_unexpected)
{
    const struct made rows[] = {
        {.from_ms = 1, .to_ms = 2, .process = 1, .saw = "7", .node = 1},
        ADD(3, 4, 0, 7, HISTORY_OK, 1),
        FINAL(20, 1, "7"),
    };
    struct judged judged = JUDGE(rows, 1, "set");
    expect_measure(&judged, MEASURE_GHOST_WRITES, 1);
    cr_expect_eq(judged.judgement.evidence.total[FINDING_UNEXPECTED], 1);
    judged_free(&judged);
}

Test(set, elements_must_be_unique)
{
    const struct made rows[] = {
        ADD(1, 2, 0, 7, HISTORY_OK, 1),
        ADD(3, 4, 0, 7, HISTORY_OK, 1),
        FINAL(20, 1, "7"),
    };
    struct judged judged = JUDGE(rows, 1, "set");
    expect_verdict(&judged, "set", VERDICT_UNKNOWN);
    expect_not_known(&judged, MEASURE_LOST_WRITES);
    expect_not_known(&judged, MEASURE_STALE_READS);
    expect_not_known(&judged, MEASURE_READ_YOUR_WRITES);
    judged_free(&judged);
}

Test(set, replicas_that_order_a_list_differently_are_invalid)
{
    struct made rows[] = {
        {1, 2, 0, HISTORY_APPEND, .key = 3, .element = 1, .node = 1},
        {3, 4, 0, HISTORY_APPEND, .key = 3, .element = 2, .node = 1},
        FINAL(20, 1, "1 2"),
        FINAL(22, 2, "2 1"),
    };
    rows[2].key = rows[3].key = 3;
    struct judged judged = JUDGE(rows, 2, "append");
    expect_verdict(&judged, "set", VERDICT_INVALID);
    cr_expect_eq(judged.judgement.evidence.total[FINDING_ORDER], 1);
    judged_free(&judged);
    rows[0].f = rows[1].f = HISTORY_ADD; /* a set has no order */
    judged = JUDGE(rows, 2, "set");
    expect_verdict(&judged, "set", VERDICT_VALID);
    judged_free(&judged);
}

/* Of what n2 and n3 disagree on, n1 has nothing. */
Test(set, two_orders_are_found_between_any_two_nodes)
{
    struct made rows[] = {
        {1, 2, 0, HISTORY_APPEND, .element = 1, .node = 1},
        {3, 4, 0, HISTORY_APPEND, .element = 2, .node = 1},
        {5, 6, 0, HISTORY_APPEND, .element = 3, .node = 1},
        FINAL(20, 1, "3"),
        FINAL(22, 2, "1 2 3"),
        FINAL(24, 3, "2 1 3"),
    };
    struct judged judged = JUDGE(rows, 3, "append");
    expect_verdict(&judged, "set", VERDICT_INVALID);
    cr_expect_eq(judged.judgement.evidence.total[FINDING_ORDER], 1);
    judged_free(&judged);
}

Test(set,
     rpo_runs_from_the_first_lost_write_to_the_last_acknowledged_at_the_old_primary)
{
    const struct made rows[] = {
        {.from_ms = 1, .to_ms = 1, .event = "primary", .text = "n1"},
        ADD(10, 20, 0, 1, HISTORY_OK, 1),
        {.from_ms = 25, .event = "start-partition"},
        ADD(30, 40, 0, 2, HISTORY_OK, 1), /* lost, first */
        ADD(50, 60, 0, 3, HISTORY_OK, 1), /* lost */
        ADD(50, 70, 1, 4, HISTORY_OK, 1), /* kept, and the last there */
        {.from_ms = 75, .event = "primary", .text = "n2"},
        ADD(80, 90, 0, 5, HISTORY_OK, 2), /* at the new primary: does not count */
        {.from_ms = 100, .event = "heal"},
        ADD(110, 120, 0, 6, HISTORY_OK, 1), /* after the heal: does not count */
        FINAL(200, 1, "1 4 5 6"),
        FINAL(202, 2, "1 4 5 6"),
    };
    struct judged judged = JUDGE(rows, 2, "set");
    expect_measure(&judged, MEASURE_LOST_WRITES, 2);
    expect_measure(&judged, MEASURE_RPO, 30 * NS_PER_MS);
    judged_free(&judged);
}

Test(set, registers_show_no_loss)
{
    const struct made rows[] = {
        {1, 2, 0, HISTORY_WRITE, 0, 5, .node = 1},
        {.from_ms = 20,
         .to_ms = 21,
         .process = 90,
         .saw = "=5",
         .node = 1,
         .final = true},
    };
    struct judged judged = JUDGE(rows, 1, "register");
    expect_not_known(&judged, MEASURE_LOST_WRITES);
    expect_not_known(&judged, MEASURE_RECOVERED_WRITES);
    expect_not_known(&judged, MEASURE_GHOST_WRITES);
    expect_not_known(&judged, MEASURE_DUPLICATES);
    judged_free(&judged);
}
