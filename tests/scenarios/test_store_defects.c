/* SPDX-License-Identifier: MIT */
/* Each known bug changes what a client sees, and the store without it does not show it:
 * the same story is told twice. */
#include "tests/scenarios/store_fixture.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

typedef void story_fn(struct store_cluster *c, bool defective);

static void tell(const char *mode, const char *defect, story_fn *story)
{
    for (int defective = 0; defective < 2; defective++) {
        struct store_cluster c;
        store_cluster_open(&c, 3, mode, defective ? defect : NULL);
        story(&c, defective);
        store_cluster_close(&c);
    }
}

static void append(struct store_cluster *c, size_t node, int from, int to)
{
    char line[64];
    for (int i = from; i <= to; i++) {
        (void)snprintf(line, sizeof line, "APPEND l %d,", i);
        cr_assert_eq(store_ask(c, node, line)[0], ':');
    }
}

/* In mode sync a write is acknowledged while a member is cut off. */
static void acknowledged_too_early(struct store_cluster *c, bool defective)
{
    store_cluster_isolate(c, 0);
    struct store_session *writer = store_session_open(c, 0);
    store_session_tell(writer, "SET a 1");
    store_cluster_run_ms(c, 100);
    cr_assert_eq(store_session_has_answer(writer), defective);
    store_session_close(writer);
}

Test(store_defects, acknowledge_early)
{
    tell("sync", "acknowledge-early", acknowledged_too_early);
}

/* After a promotion both nodes acknowledge writes, healed or not. */
static void two_primaries(struct store_cluster *c, bool defective)
{
    cr_assert_str_eq(store_ask(c, 1, "PROMOTE"), "+OK");
    cr_assert_str_eq(store_ask(c, 1, "SET a 1"), "+OK");
    store_await(c, 2, "GET a", "$1");
    store_cluster_run_ms(c, 300);
    cr_assert_eq(store_ask(c, 0, "SET a 2")[0], defective ? '+' : '-');
    cr_assert_str_eq(store_ask(c, 0, "GET a"), defective ? "$2" : "$1");
}

Test(store_defects, forget_fence)
{
    tell("async", "forget-fence", two_primaries);
}

/* A replica that catches up has the elements in another order. */
static void another_order(struct store_cluster *c, bool defective)
{
    store_cluster_kill(c, 2);
    append(c, 0, 1, 4);
    store_cluster_start(c, 2);
    store_await_info(c, 2, "last_index", store_info(c, 0, "last_index"));
    if (!defective)
        store_await(c, 2, "GET l", "$1,2,3,4,");
    else
        store_await(c, 2, "GET l", "$2,1,4,3,");
}

Test(store_defects, apply_out_of_order)
{
    /* MEMBERS, the first record, is applied before: pairs begin with the first write.
     */
    tell("async", "apply-out-of-order", another_order);
}

static void nothing_after_restart(struct store_cluster *c, bool defective)
{
    append(c, 0, 1, 4);
    store_await(c, 2, "GET l", "$1,2,3,4,");
    store_cluster_kill(c, 2);
    store_cluster_start(c, 2);
    append(c, 0, 5, 5);
    store_await_info(c, 2, "applied_index", store_info(c, 0, "last_index"));
    store_await(c, 2, "GET l", defective ? "$5," : "$1,2,3,4,5,");
}

Test(store_defects, lose_on_restart)
{
    tell("async", "lose-on-restart", nothing_after_restart);
}

/* In sync an acknowledged write is missed by a read on a member that follows it. */
static void an_old_value(struct store_cluster *c, bool defective)
{
    int missed = 0;
    char line[64], want[64];
    for (int i = 0; i < 20; i++) {
        (void)snprintf(line, sizeof line, "SET a %d", i);
        (void)snprintf(want, sizeof want, "$%d", i);
        cr_assert_str_eq(store_ask(c, 0, line), "+OK");
        missed += strcmp(store_ask(c, 1, "GET a"), want) != 0;
    }
    cr_assert_eq(missed > 0, defective);
    store_await(c, 1, "GET a", "$19");
}

Test(store_defects, stale_reads)
{
    tell("sync", "stale-reads", an_old_value);
}

static void an_element_twice(struct store_cluster *c, bool defective)
{
    append(c, 0, 1, 2);
    store_await(c, 1, "GET l", "$1,2,");
    store_cluster_reset(c, 1);
    append(c, 0, 3, 3);
    store_await_info(c, 1, "applied_index", store_info(c, 0, "last_index"));
    store_await(c, 1, "GET l", defective ? "$1,2,2,3," : "$1,2,3,");
}

Test(store_defects, apply_twice)
{
    tell("async", "apply-twice", an_element_twice);
}

static void a_ghost(struct store_cluster *c, bool defective)
{
    append(c, 0, 1, 1);
    store_await(c, 1, "GET l", "$1,");
    store_cluster_isolate(c, 0);
    append(c, 0, 2, 3);
    cr_assert_str_eq(store_ask(c, 1, "PROMOTE"), "+OK");
    append(c, 1, 4, 4);
    store_cluster_heal(c);
    store_await(c, 0, "GET l", defective ? "$1,2,3,4," : "$1,4,");
    cr_assert_eq(store_info(c, 0, "discarded_writes"), 2);
}

Test(store_defects, keep_divergent)
{
    tell("async", "keep-divergent", a_ghost);
}

/* Nothing fails, and yet of 100 acknowledged elements two are missing. */
static void missing_elements(struct store_cluster *c, bool defective)
{
    append(c, 0, 100, 199);
    const char *list = store_ask(c, 0, "GET l");
    cr_assert_eq(strlen(list), 1 + 4 * (defective ? 98 : 100));
}

Test(store_defects, drop_writes)
{
    tell("sync", "drop-writes", missing_elements);
}

/* A write that n1 and n3 acknowledged, lost when n2 is promoted. */
static void a_shorter_log(struct store_cluster *c, bool defective)
{
    append(c, 0, 1, 1);
    store_await(c, 1, "GET l", "$1,");
    store_cluster_kill(c, 1);
    append(c, 0, 2, 2);
    store_cluster_kill(c, 0);
    store_cluster_start(c, 1);
    cr_assert_str_eq(store_ask(c, 1, "PROMOTE"), "+OK");
    store_await(c, 1, "APPEND l 3,", ":");
    store_await(c, 1, "GET l", defective ? "$1,3," : "$1,2,3,");
    store_await(c, 2, "GET l", defective ? "$1,3," : "$1,2,3,");
}

Test(store_defects, skip_takeover)
{
    tell("quorum", "skip-takeover", a_shorter_log);
}
