/* SPDX-License-Identifier: MIT */
/* Replication: several nodes, real sockets, cuts, kills and promotions. */
#include "tests/scenarios/store_fixture.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#define assert_answer(cluster, node, line, want)                                       \
    cr_assert_str_eq(store_ask(cluster, node, line), want)

Test(store_cluster, every_mode_replicates_each_kind_of_write)
{
    static const char *const modes[] = {"async", "semisync", "quorum", "sync"};
    for (size_t i = 0; i < 4; i++) {
        struct store_cluster c;
        store_cluster_open(&c, 3, modes[i], NULL);
        assert_answer(&c, 0, "SET a 1", "+OK");
        assert_answer(&c, 0, "CAS a 1 2", ":1");
        assert_answer(&c, 0, "CAS a 1 3", ":0");
        assert_answer(&c, 0, "INCR a", ":3");
        assert_answer(&c, 0, "APPEND l 17,", ":3");
        assert_answer(&c, 0, "APPEND l 18,", ":6");
        assert_answer(&c, 0, "SET gone 1", "+OK");
        assert_answer(&c, 0, "DEL gone never", ":1");
        for (size_t node = 0; node < 3; node++) {
            store_await(&c, node, "GET gone", "$-1");
            store_await(&c, node, "GET l", "$17,18,");
            store_await(&c, node, "GET a", "$3");
        }
        store_cluster_close(&c);
    }
}

Test(store_cluster, a_replica_refuses_writes_and_names_the_primary)
{
    struct store_cluster c;
    store_cluster_open(&c, 3, "sync", NULL);
    cr_assert(strstr(store_ask(&c, 1, "SET a 1"), "-READONLY"));
    cr_assert(strstr(store_ask(&c, 1, "SET a 1"), "primary is n1"));
    store_cluster_close(&c);
}

Test(store_cluster, in_sync_no_member_misses_an_acknowledged_write)
{
    struct store_cluster c;
    char line[64], want[64];
    store_cluster_open(&c, 3, "sync", NULL);
    for (int i = 0; i < 200; i++) {
        (void)snprintf(line, sizeof line, "SET k %d", i);
        (void)snprintf(want, sizeof want, "$%d", i);
        assert_answer(&c, 0, line, "+OK");
        assert_answer(&c, 1, "GET k", want);
        assert_answer(&c, 2, "GET k", want);
    }
    store_cluster_close(&c);
}

/* What a write does while one, or both, of two replicas are cut off. */
static void check_blocking(const char *mode, size_t cut, bool is_blocked)
{
    struct store_cluster c;
    store_cluster_open(&c, 3, mode, NULL);
    for (size_t node = 1; node <= cut; node++)
        store_cluster_isolate(&c, node);
    struct store_session *writer = store_session_open(&c, 0);
    store_session_tell(writer, "SET a 1");
    if (!is_blocked)
        cr_assert_str_eq(store_session_hear(writer), "+OK");
    store_cluster_run_ms(&c, 100);
    cr_assert_eq(store_session_has_answer(writer), false);
    assert_answer(&c, 0, "GET a", is_blocked ? "$-1" : "$1");
    store_cluster_heal(&c);
    if (is_blocked)
        cr_assert_str_eq(store_session_hear(writer), "+OK");
    for (size_t node = 0; node < 3; node++)
        store_await(&c, node, "GET a", "$1");
    store_session_close(writer);
    store_cluster_close(&c);
}

Test(store_cluster, async_never_waits_for_a_replica)
{
    check_blocking("async", 2, false);
}

Test(store_cluster, semisync_waits_for_any_one_replica)
{
    check_blocking("semisync", 1, false);
    check_blocking("semisync", 2, true);
}

Test(store_cluster, quorum_waits_for_a_majority)
{
    check_blocking("quorum", 1, false);
    check_blocking("quorum", 2, true);
}

Test(store_cluster, sync_waits_for_all_members)
{
    check_blocking("sync", 1, true);
}

Test(store_cluster, a_write_shows_on_the_primary_only_when_it_is_acknowledged)
{
    struct store_cluster c;
    store_cluster_open(&c, 3, "sync", NULL);
    assert_answer(&c, 0, "SET a old", "+OK");
    store_cluster_isolate(&c, 2);
    struct store_session *writer = store_session_open(&c, 0);
    store_session_tell(writer, "SET a new");
    store_await(&c, 1, "GET a", "$new"); /* a member shows it before */
    assert_answer(&c, 0, "GET a", "$old");
    store_cluster_heal(&c);
    cr_assert_str_eq(store_session_hear(writer), "+OK");
    assert_answer(&c, 0, "GET a", "$new");
    store_session_close(writer);
    store_cluster_close(&c);
}

Test(store_cluster, a_quorum_replica_shows_nothing_uncommitted)
{
    struct store_cluster c;
    store_cluster_open(&c, 5, "quorum", NULL);
    for (size_t node = 2; node < 5; node++)
        store_cluster_isolate(&c, node);
    struct store_session *writer = store_session_open(&c, 0);
    store_session_tell(writer, "SET a 1");
    store_await_info(&c, 1, "last_index", 2); /* n2 has it: 2 of 5 */
    store_cluster_run_ms(&c, 100);
    assert_answer(&c, 1, "GET a", "$-1");
    store_cluster_heal(&c);
    cr_assert_str_eq(store_session_hear(writer), "+OK");
    store_await(&c, 1, "GET a", "$1");
    store_session_close(writer);
    store_cluster_close(&c);
}

Test(store_cluster, pipelined_answers_keep_their_order)
{
    struct store_cluster c;
    store_cluster_open(&c, 3, "sync", NULL);
    struct store_session *client = store_session_open(&c, 0);
    const char *text = "SET a 1\r\nAPPEND a 2\r\nGET a\r\nNOPE\r\nINCR a\r\nSET a\r\n"
                       "GET a\r\nPING\r\n";
    static const char *const want[] = {
        "+OK", ":2",
        "$12", "-ERR unknown command 'NOPE'",
        ":13", "-ERR wrong number of arguments for 'SET' command",
        "$13", "+PONG"};
    store_session_send(client, text, strlen(text));
    for (size_t i = 0; i < sizeof want / sizeof *want; i++)
        cr_assert_str_eq(store_session_hear(client), want[i]);
    store_session_close(client);
    store_cluster_close(&c);
}

Test(store_cluster, a_client_that_leaves_does_not_cancel_its_write)
{
    struct store_cluster c;
    store_cluster_open(&c, 3, "sync", NULL);
    store_cluster_isolate(&c, 1);
    struct store_session *writer = store_session_open(&c, 0);
    store_session_tell(writer, "SET a 1");
    store_await_info(&c, 0, "pending_writes", 1);
    store_session_close(writer);
    store_cluster_run_ms(&c, 50);
    store_cluster_heal(&c);
    store_await(&c, 0, "GET a", "$1");
    cr_assert_eq(store_info(&c, 0, "pending_writes"), 0);
    store_cluster_close(&c);
}

Test(store_cluster, a_node_that_was_down_catches_up)
{
    struct store_cluster c;
    char line[64];
    store_cluster_open(&c, 3, "quorum", NULL);
    assert_answer(&c, 0, "SET before 1", "+OK");
    store_cluster_kill(&c, 2);
    for (int i = 0; i < 500; i++) {
        (void)snprintf(line, sizeof line, "APPEND l %d,", i);
        cr_assert_eq(store_ask(&c, 0, line)[0], ':');
    }
    store_cluster_start(&c, 2);
    store_await_info(&c, 2, "last_index", store_info(&c, 0, "last_index"));
    store_await(&c, 2, "GET before", "$1");
    store_await(&c, 2, "GET l", "$0,1,2,");
    char *want = strdup(store_ask(&c, 0, "GET l"));
    store_await(&c, 2, "GET l", want);
    free(want);
    store_cluster_close(&c);
}

Test(store_cluster, a_cut_replica_costs_no_memory_and_gets_all_in_the_end)
{
    struct store_cluster c;
    enum { VALUE = 200 * 1024, WRITES = 100 };
    store_cluster_open(&c, 3, "async", NULL);
    c.config.peer_timeout_ns = UINT64_MAX / 2;
    store_cluster_isolate(&c, 2);
    char *line = calloc(1, VALUE + 64);
    for (int i = 0; i < WRITES; i++) {
        int n = sprintf(line, "*3\r\n$3\r\nSET\r\n$3\r\nk%02d\r\n$%d\r\n", i, VALUE);
        memset(line + n, 'x', VALUE);
        cr_assert_str_eq(store_ask(&c, 0, line), "+OK");
    }
    store_cluster_heal(&c);
    store_await_info(&c, 2, "keys", WRITES);
    store_await_info(&c, 2, "applied_index", WRITES + 1);
    free(line);
    store_cluster_close(&c);
}

Test(store_cluster, connections_that_are_reset_come_back)
{
    struct store_cluster c;
    char line[64];
    store_cluster_open(&c, 3, "sync", NULL);
    for (int i = 0; i < 20; i++) {
        store_cluster_reset(&c, 1 + (size_t)i % 2);
        (void)snprintf(line, sizeof line, "APPEND l %d,", i);
        cr_assert_eq(store_ask(&c, 0, line)[0], ':');
    }
    const char *want = "$0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,";
    for (size_t node = 0; node < 3; node++)
        assert_answer(&c, node, "GET l", want);
    store_cluster_close(&c);
}

Test(store_cluster, promoting_is_idempotent)
{
    struct store_cluster c;
    store_cluster_open(&c, 3, "quorum", NULL);
    assert_answer(&c, 0, "PROMOTE", "+OK");
    cr_assert_eq(store_info(&c, 0, "term"), 1000);
    assert_answer(&c, 1, "PROMOTE", "+OK");
    cr_assert_eq(store_info(&c, 1, "term"), 2000);
    assert_answer(&c, 1, "PROMOTE", "+OK");
    cr_assert_eq(store_info(&c, 1, "term"), 2000);
    store_await_info(&c, 0, "term", 2000);
    store_await_line(&c, 0, "role:slave");
    store_cluster_close(&c);
}

Test(store_cluster, async_loses_what_only_the_old_primary_had_and_counts_it)
{
    struct store_cluster c;
    store_cluster_open(&c, 3, "async", NULL);
    assert_answer(&c, 0, "APPEND l 1,", ":2");
    store_await(&c, 1, "GET l", "$1,");
    store_cluster_isolate(&c, 0);
    assert_answer(&c, 0, "APPEND l 2,", ":4");
    assert_answer(&c, 0, "APPEND l 3,", ":6");
    assert_answer(&c, 1, "PROMOTE", "+OK");
    assert_answer(&c, 1, "APPEND l 4,", ":4");
    assert_answer(&c, 0, "GET l", "$1,2,3,"); /* from its past */
    store_cluster_heal(&c);
    for (size_t node = 0; node < 3; node++)
        store_await(&c, node, "GET l", "$1,4,");
    cr_assert_eq(store_info(&c, 0, "discarded_writes"), 2);
    cr_assert(strstr(store_ask(&c, 0, "SET a 1"), "-READONLY"));
    store_cluster_close(&c);
}

Test(store_cluster, sync_keeps_all_that_was_acknowledged)
{
    struct store_cluster c;
    store_cluster_open(&c, 3, "sync", NULL);
    assert_answer(&c, 0, "APPEND l 1,", ":2");
    store_cluster_isolate(&c, 0);
    struct store_session *writer = store_session_open(&c, 0);
    store_session_tell(writer, "APPEND l 2,");
    store_await_info(&c, 0, "pending_writes", 1);
    assert_answer(&c, 1, "PROMOTE WITHOUT n1", "+OK");
    assert_answer(&c, 1, "APPEND l 3,", ":4");
    assert_answer(&c, 2, "GET l", "$1,3,");
    cr_assert_eq(store_session_has_answer(writer), false);
    store_cluster_heal(&c);
    cr_assert(strstr(store_session_hear(writer), "-INDOUBT"));
    store_await(&c, 0, "GET l", "$1,3,");
    store_await_line(&c, 1, "members:n1,n2,n3");
    cr_assert_eq(store_info(&c, 0, "discarded_writes"), 1);
    store_session_close(writer);
    store_cluster_close(&c);
}

Test(store_cluster, in_sync_a_promotion_stays_blocked_until_without)
{
    struct store_cluster c;
    store_cluster_open(&c, 3, "sync", NULL);
    store_cluster_isolate(&c, 0);
    assert_answer(&c, 1, "PROMOTE", "+OK");
    struct store_session *writer = store_session_open(&c, 1);
    store_session_tell(writer, "SET a 1");
    store_cluster_run_ms(&c, 100);
    cr_assert_eq(store_session_has_answer(writer), false);
    assert_answer(&c, 1, "PROMOTE WITHOUT n1", "+OK");
    cr_assert_str_eq(store_session_hear(writer), "+OK");
    store_session_close(writer);
    store_cluster_close(&c);
}

Test(store_cluster, a_primary_may_take_a_dead_replica_out)
{
    struct store_cluster c;
    store_cluster_open(&c, 3, "sync", NULL);
    store_cluster_kill(&c, 2);
    struct store_session *writer = store_session_open(&c, 0);
    store_session_tell(writer, "SET a 1");
    store_cluster_run_ms(&c, 50);
    cr_assert_eq(store_session_has_answer(writer), false);
    assert_answer(&c, 0, "PROMOTE WITHOUT n3", "+OK");
    cr_assert_str_eq(store_session_hear(writer), "+OK");
    store_await_line(&c, 0, "members:n1,n2");
    store_cluster_start(&c, 2);
    store_await_line(&c, 0, "members:n1,n2,n3");
    store_await(&c, 2, "GET a", "$1");
    cr_assert(strstr(store_ask(&c, 0, "PROMOTE WITHOUT n2 n3"), "-NOQUORUM"));
    cr_assert(strstr(store_ask(&c, 0, "PROMOTE WITHOUT n9"), "-ERR"));
    cr_assert(strstr(store_ask(&c, 0, "PROMOTE WITHOUT n1"), "-ERR"));
    store_session_close(writer);
    store_cluster_close(&c);
}

/* Its connection still seems fine, and before the cut it had everything. */
Test(store_cluster, a_node_taken_out_stays_out_until_it_has_heard_of_it)
{
    struct store_cluster c;
    store_cluster_open(&c, 3, "sync", NULL);
    store_cluster_isolate(&c, 2);
    assert_answer(&c, 0, "PROMOTE WITHOUT n3", "+OK");
    assert_answer(&c, 0, "SET a 1", "+OK");
    store_await_line(&c, 0, "members:n1,n2");
    store_cluster_heal(&c);
    store_await_line(&c, 0, "members:n1,n2,n3");
    assert_answer(&c, 2, "GET a", "$1");
    store_cluster_close(&c);
}

/* n1 was taken out and is back; nobody has made it a member again when n2 dies. */
Test(store_cluster, quorum_is_promoted_without_a_node_whoever_is_a_member)
{
    struct store_cluster c;
    store_cluster_open(&c, 3, "quorum", NULL);
    assert_answer(&c, 0, "APPEND l 1,", ":2");
    store_cluster_kill(&c, 0);
    assert_answer(&c, 1, "PROMOTE WITHOUT n1", "+OK");
    assert_answer(&c, 1, "APPEND l 2,", ":4");
    store_cluster_kill(&c, 1);
    store_cluster_start(&c, 0);
    cr_assert(strstr(store_ask(&c, 2, "PROMOTE WITHOUT n1 n2"), "-NOQUORUM"));
    assert_answer(&c, 2, "PROMOTE WITHOUT n2", "+OK");
    assert_answer(&c, 2, "APPEND l 3,", ":6");
    store_await(&c, 0, "GET l", "$1,2,3,");
    store_cluster_close(&c);
}

/* The same in sync: n3 alone would be left, and might be all that has a write. */
Test(store_cluster, sync_is_not_promoted_without_a_majority_of_members)
{
    struct store_cluster c;
    store_cluster_open(&c, 3, "sync", NULL);
    store_cluster_kill(&c, 0);
    assert_answer(&c, 1, "PROMOTE WITHOUT n1", "+OK");
    assert_answer(&c, 1, "SET a 1", "+OK");
    store_cluster_kill(&c, 1);
    store_cluster_start(&c, 0);
    cr_assert(strstr(store_ask(&c, 2, "PROMOTE WITHOUT n2"), "-NOQUORUM"));
    assert_answer(&c, 2, "PROMOTE", "+OK");
    store_await(&c, 2, "GET a", "$1");
    store_cluster_close(&c);
}

Test(store_cluster, quorum_takes_over_the_longest_log)
{
    struct store_cluster c;
    store_cluster_open(&c, 3, "quorum", NULL);
    assert_answer(&c, 0, "APPEND l 1,", ":2");
    store_cluster_isolate(&c, 1);
    assert_answer(&c, 0, "APPEND l 2,", ":4"); /* n1 and n3 have it */
    store_cluster_heal(&c);
    store_cluster_isolate(&c, 0); /* at once: what n2 missed may still be missing */
    assert_answer(&c, 1, "PROMOTE", "+OK");
    store_await(&c, 1, "GET l", "$1,2,");
    assert_answer(&c, 1, "APPEND l 3,", ":6");
    store_cluster_heal(&c);
    store_await(&c, 0, "GET l", "$1,2,3,");
    store_cluster_close(&c);
}

Test(store_cluster, a_node_that_lacks_writes_fetches_them_when_promoted)
{
    struct store_cluster c;
    char line[64];
    store_cluster_open(&c, 3, "quorum", NULL);
    store_cluster_kill(&c, 1);
    for (int i = 0; i < 300; i++) {
        (void)snprintf(line, sizeof line, "APPEND l %d,", i);
        cr_assert_eq(store_ask(&c, 0, line)[0], ':');
    }
    char *want = strdup(store_ask(&c, 0, "GET l"));
    store_cluster_kill(&c, 0);
    store_cluster_start(&c, 1); /* it has heard nobody since */
    assert_answer(&c, 1, "PROMOTE", "+OK");
    store_await(&c, 1, "GET l", want);
    free(want);
    store_cluster_close(&c);
}

Test(store_cluster, without_a_majority_nobody_is_promoted_and_nothing_breaks)
{
    struct store_cluster c;
    store_cluster_open(&c, 3, "quorum", NULL);
    store_cluster_isolate(&c, 1);
    cr_assert(strstr(store_ask(&c, 1, "PROMOTE"), "-NOQUORUM"));
    cr_assert_eq(store_info(&c, 1, "term"), 1000); /* the old primary is not deposed */
    assert_answer(&c, 0, "SET a 1", "+OK");
    store_cluster_heal(&c);
    store_await(&c, 1, "GET a", "$1");
    cr_assert_eq(store_info(&c, 0, "term"), 1000);
    store_cluster_close(&c);
}

Test(store_cluster, force_promotes_without_asking)
{
    struct store_cluster c;
    store_cluster_open(&c, 3, "quorum", NULL);
    store_cluster_isolate(&c, 1);
    assert_answer(&c, 1, "PROMOTE FORCE", "+OK");
    cr_assert_eq(store_info(&c, 1, "term"), 2000);
    store_cluster_heal(&c);
    store_await_line(&c, 0, "role:slave");
    assert_answer(&c, 1, "SET a 1", "+OK");
    store_cluster_close(&c);
}

Test(store_cluster, two_promotions_at_once_end_with_one_primary)
{
    struct store_cluster c;
    store_cluster_open(&c, 3, "async", NULL);
    store_cluster_isolate(&c, 0);
    store_cluster_isolate(&c, 1);
    store_cluster_isolate(&c, 2);
    assert_answer(&c, 1, "PROMOTE", "+OK");
    assert_answer(&c, 2, "PROMOTE", "+OK");
    assert_answer(&c, 1, "APPEND l 2,", ":2");
    assert_answer(&c, 2, "APPEND l 3,", ":2");
    store_cluster_heal(&c);
    for (size_t node = 0; node < 3; node++) {
        store_await_info(&c, node, "term", 3000);
        store_await(&c, node, "GET l", "$3,");
    }
    store_cluster_close(&c);
}

Test(store_cluster, a_restarted_primary_leads_again_in_a_new_term_of_its_own)
{
    struct store_cluster c;
    store_cluster_open(&c, 3, "sync", NULL);
    assert_answer(&c, 0, "SET a 1", "+OK");
    store_cluster_kill(&c, 0);
    store_cluster_start(&c, 0);
    store_await(&c, 0, "GET a", "$1");
    cr_assert_eq(store_info(&c, 0, "term"), 1001);
    assert_answer(&c, 0, "SET a 2", "+OK");
    assert_answer(&c, 1, "GET a", "$2");
    store_cluster_close(&c);
}

Test(store_cluster, a_restarted_primary_that_was_replaced_steps_down)
{
    struct store_cluster c;
    store_cluster_open(&c, 3, "quorum", NULL);
    assert_answer(&c, 0, "SET a 1", "+OK");
    store_cluster_kill(&c, 0);
    assert_answer(&c, 1, "PROMOTE", "+OK");
    assert_answer(&c, 1, "SET a 2", "+OK");
    store_cluster_start(&c, 0);
    store_await_line(&c, 0, "role:slave");
    store_await(&c, 0, "GET a", "$2");
    cr_assert_eq(store_info(&c, 1, "term"), 2000);
    store_cluster_close(&c);
}

Test(store_cluster, a_restarted_node_does_not_show_what_may_be_uncommitted)
{
    struct store_cluster c;
    store_cluster_open(&c, 3, "sync", NULL);
    assert_answer(&c, 0, "SET a 1", "+OK");
    store_cluster_isolate(&c, 1);
    store_cluster_kill(&c, 1);
    store_cluster_start(&c, 1);
    cr_assert(strstr(store_ask(&c, 1, "GET a"), "-LOADING"));
    store_cluster_heal(&c);
    store_await(&c, 1, "GET a", "$1");
    store_cluster_close(&c);
}

Test(store_cluster, nodes_in_different_modes_refuse_each_other)
{
    struct store_cluster c;
    store_cluster_open(&c, 3, "async", NULL);
    store_cluster_kill(&c, 1);
    c.config.mode = store_mode_find("sync");
    store_cluster_start(&c, 1);
    store_cluster_run_ms(&c, 200);
    cr_assert_eq(store_info(&c, 0, "connected_slaves"), 1);
    store_cluster_close(&c);
}
