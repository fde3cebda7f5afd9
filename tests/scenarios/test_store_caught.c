/* SPDX-License-Identifier: MIT */
/* That the checkers find bugs: each known bug of the reference store, switched on in
 * three processes behind a proxy, shows in the measure that is there for it; and when
 * the same story is told without the bug, that measure says that nothing is wrong. */
#include "tests/scenarios/store_story.h"

#include <criterion/criterion.h>

enum { SEED = 1 };

static struct store_story story;

static void end(void)
{
    store_story_close(&story);
}

TestSuite(store_caught, .fini = end, .timeout = 120);

/* The homes of the processes on the other side of a cut. */
static const bool beside_n2_and_n3[STORY_NODES] = {false, true, true};

/* The links to both replicas are reset once. */
static void reset_links(void)
{
    store_story_await_acked(&story, 0, 60);
    store_story_fault(&story, "partition: [[n1], [n2, n3]]\n    how: reset");
    store_story_heal(&story);
    store_story_await_info(&story, 0, "connected_slaves:2");
    store_story_await_acked(&story, 0, 60);
}

/* A replica dies and comes back. */
static void restart_replica(void)
{
    store_story_await_acked(&story, 0, 60);
    store_story_kill(&story, 2);
    store_story_await_acked(&story, 0, 20);
    store_story_start(&story, 2);
    store_story_await_info(&story, 0, "connected_slaves:2");
    store_story_await_acked(&story, 0, 20);
}

/* The primary and the clients beside it are cut off, and go on as well as they can; n2
 * is promoted; the cut is healed. Of 20 writes that end at n1 after the cut at most one
 * a process had been sent before it. */
static void cut_off_primary(void)
{
    store_story_await_acked(&story, 0, 60);
    store_story_fault(
        &story, "partition: [[n1, clients.n1], [n2, n3, clients.n2, clients.n3]]");
    store_story_await_ended(&story, 0, 20);
    store_story_promote(&story, 1, "WITHOUT n1");
    store_story_move(&story, 1, beside_n2_and_n3);
    store_story_await_acked(&story, 1, 20);
    store_story_heal(&story);
    store_story_move(&story, 1, NULL);
    store_story_await_acked(&story, 1, 20);
}

/* n2 is promoted while n1 is well and can hear of it. Clients beside n1 stay with it
 * until it says that it is no primary any more: with the bug, to the end. */
static void hand_over(void)
{
    store_story_await_acked(&story, 0, 60);
    store_story_promote(&story, 1, "");
    if (story.defect)
        store_story_await_acked(&story, 0, 20);
    else
        store_story_await_info(&story, 0, "role:slave");
    store_story_move(&story, 1, beside_n2_and_n3);
    store_story_await_acked(&story, 1, 60);
}

/* n2 misses what n1 and n3 acknowledge, and is promoted when n1 has died. */
static void promote_shorter_log(void)
{
    store_story_await_acked(&story, 0, 60);
    store_story_kill(&story, 1);
    store_story_await_acked(&story, 0, 20);
    store_story_kill(&story, 0);
    store_story_start(&story, 1);
    store_story_promote(&story, 1, "WITHOUT n1");
    store_story_move(&story, 1, NULL);
    store_story_await_acked(&story, 1, 20);
    store_story_start(&story, 0);
    store_story_await_info(&story, 1, "connected_slaves:2");
    store_story_await_acked(&story, 1, 20);
}

static void tell(void (*told)(void), const char *mode, const char *defect)
{
    store_story_open(&story, mode, defect, SEED);
    told();
    store_story_judge(&story);
}

static uint64_t measure(enum measure which)
{
    return store_story_measure(&story, which);
}

static uint64_t found(enum finding_kind kind)
{
    return story.judgement.evidence.total[kind];
}

Test(store_caught, acknowledge_early_loses_writes_in_sync)
{
    tell(cut_off_primary, "sync", "acknowledge-early");
    cr_expect_gt(measure(MEASURE_LOST_WRITES), 0);
    cr_expect_gt(measure(MEASURE_RPO), 0);
}

Test(store_caught, drop_writes_loses_writes_without_any_failover)
{
    tell(reset_links, "sync", "drop-writes");
    cr_expect_gt(measure(MEASURE_LOST_WRITES), 0);
}

Test(store_caught, stale_reads_miss_acknowledged_writes)
{
    tell(reset_links, "sync", "stale-reads");
    cr_expect_gt(measure(MEASURE_STALE_READS), 0);
    cr_expect_gt(measure(MEASURE_READ_YOUR_WRITES), 0);
}

Test(store_caught, apply_out_of_order_leaves_nodes_with_two_orders)
{
    tell(reset_links, "sync", "apply-out-of-order");
    cr_expect_gt(found(FINDING_ORDER), 0);
}

Test(store_caught, apply_twice_duplicates)
{
    tell(reset_links, "sync", "apply-twice");
    cr_expect_gt(measure(MEASURE_DUPLICATES), 0);
}

Test(store_caught, lose_on_restart_never_converges)
{
    tell(restart_replica, "async", "lose-on-restart");
    cr_expect_eq(measure(MEASURE_CONVERGENCE), MEASURE_NEVER);
    cr_expect_gt(found(FINDING_NOT_CONVERGED), 0);
}

Test(store_caught, keep_divergent_never_converges)
{
    tell(cut_off_primary, "async", "keep-divergent");
    cr_expect_eq(measure(MEASURE_CONVERGENCE), MEASURE_NEVER);
    cr_expect_gt(found(FINDING_NOT_CONVERGED), 0);
}

Test(store_caught, forget_fence_has_two_nodes_acknowledge)
{
    tell(hand_over, "async", "forget-fence");
    cr_expect_gt(measure(MEASURE_SPLIT_BRAIN), 0);
}

Test(store_caught, skip_takeover_loses_writes_in_quorum)
{
    tell(promote_shorter_log, "quorum", "skip-takeover");
    cr_expect_geq(measure(MEASURE_LOST_WRITES), 20);
}

Test(store_caught, nothing_when_links_are_reset_in_sync)
{
    tell(reset_links, "sync", NULL);
    for (size_t i = 0; i < story.judgement.checker_count; i++)
        cr_expect_eq(story.judgement.checkers[i].result.verdict, VERDICT_VALID,
                     "%s: %s", story.judgement.checkers[i].checker->name,
                     story.judgement.checkers[i].result.why);
}

Test(store_caught, nothing_when_a_replica_is_back_in_async)
{
    tell(restart_replica, "async", NULL);
    cr_expect_neq(measure(MEASURE_CONVERGENCE), MEASURE_NEVER);
    cr_expect_eq(found(FINDING_NOT_CONVERGED), 0);
    cr_expect_eq(measure(MEASURE_LOST_WRITES), 0);
}

Test(store_caught, nothing_when_the_primary_is_cut_off_in_sync)
{
    tell(cut_off_primary, "sync", NULL);
    cr_expect_eq(measure(MEASURE_LOST_WRITES), 0);
    cr_expect_eq(measure(MEASURE_RPO), 0);
    cr_expect_eq(measure(MEASURE_SPLIT_BRAIN), 0);
}

static bool shows(const struct operation *read, const struct finding *lost)
{
    const struct history_value *list = &read->result;
    if (read->f != HISTORY_READ || read->type != HISTORY_OK || read->key != lost->key)
        return false;
    for (size_t i = 0; list->kind == HISTORY_LIST && i < list->list.n; i++)
        if (list->list.items[i] == lost->element)
            return true;
    return false;
}

/* Async loses what the old primary acknowledged alone, and comes together again. */
Test(store_caught, only_what_one_node_had_is_lost_when_it_is_cut_off_in_async)
{
    tell(cut_off_primary, "async", NULL);
    const struct judgement *judgement = &story.judgement;
    cr_expect_gt(measure(MEASURE_LOST_WRITES), 0);
    for (size_t i = 0; i < judgement->evidence.n; i++) {
        const struct finding *lost = &judgement->evidence.items[i];
        if (lost->kind != FINDING_LOST)
            continue;
        cr_expect_eq(lost->node, 0);
        for (size_t k = 0; k < judgement->operations.n; k++)
            cr_expect(judgement->operations.items[k].node == 0 ||
                      !shows(&judgement->operations.items[k], lost));
    }
    cr_expect_neq(measure(MEASURE_CONVERGENCE), MEASURE_NEVER);
    cr_expect_eq(found(FINDING_NOT_CONVERGED), 0);
    cr_expect_eq(found(FINDING_ORDER), 0);
}

Test(store_caught, no_split_brain_in_a_hand_over)
{
    tell(hand_over, "async", NULL);
    cr_expect_eq(measure(MEASURE_SPLIT_BRAIN), 0);
}

Test(store_caught, nothing_when_the_shorter_log_is_promoted_in_quorum)
{
    tell(promote_shorter_log, "quorum", NULL);
    cr_expect_eq(measure(MEASURE_LOST_WRITES), 0);
}
