/* SPDX-License-Identifier: MIT */
/* The pure parts: modes, terms, and what writes do to the data. */
#include "scenarios/store/mode.h"
#include "scenarios/store/state.h"
#include "scenarios/store/term.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

Test(store_mode, each_commits_what_it_promises)
{
    static const struct {
        const char *mode;
        size_t n;
        uint64_t acked[5];
        bool member[5];
        uint64_t committed;
    } rows[] = {
        {"async", 3, {9, 0, 0}, {1, 1, 1}, 9},
        {"semisync", 3, {9, 4, 7}, {1, 1, 1}, 7},
        {"semisync", 3, {9, 0, 0}, {1, 1, 1}, 0},
        {"semisync", 3, {9, 0, 8}, {1, 1, 0}, 8},
        {"quorum", 3, {9, 4, 7}, {1, 1, 1}, 7},
        {"quorum", 3, {9, 0, 0}, {1, 0, 0}, 0}, /* of the cluster, not of members */
        {"quorum", 5, {9, 8, 3, 2, 1}, {1, 1, 1, 1, 1}, 3},
        {"quorum", 4, {9, 8, 3, 0}, {1, 1, 1, 1}, 3},
        {"quorum", 2, {9, 8}, {1, 1}, 8},
        {"quorum", 1, {9}, {1}, 9},
        {"sync", 3, {9, 4, 7}, {1, 1, 1}, 4},
        {"sync", 3, {9, 0, 7}, {1, 0, 1}, 7},
        {"sync", 3, {9, 0, 0}, {1, 0, 0}, 9},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const struct store_mode *mode = store_mode_find(rows[i].mode);
        cr_assert(mode);
        cr_assert_eq(mode->committed(rows[i].acked, rows[i].member, rows[i].n, 0),
                     rows[i].committed, "row %zu", i);
    }
    cr_assert_null(store_mode_find("synchronous"));
}

Test(store_mode, nothing_is_committed_that_the_primary_does_not_have)
{
    uint64_t acked[3] = {5, 8, 8};
    bool member[3] = {true, true, true};
    for (const struct store_mode *mode = store_modes; mode->name; mode++)
        cr_assert_eq(mode->committed(acked, member, 3, 0), 5, "%s", mode->name);
}

Test(store_term, two_nodes_never_take_the_same)
{
    for (size_t cluster = 1; cluster <= STORE_NODES_MAX; cluster++) {
        for (uint64_t known = 0; known < 40000; known += 333) {
            for (size_t rank = 0; rank < cluster; rank++) {
                uint64_t term = store_term_promote(known, rank, cluster);
                cr_assert_gt(term, known);
                cr_assert_eq(store_term_owner(term, cluster), rank);
                cr_assert_eq(store_term_owner(store_term_restart(term), cluster), rank);
            }
        }
    }
}

Test(store_term, a_restart_stays_below_the_next_promotion)
{
    cr_assert_eq(store_term_promote(0, 0, 3), 1000);
    cr_assert_eq(store_term_restart(1000), 1001);
    cr_assert_eq(store_term_promote(1001, 1, 3), 2000);
    cr_assert_eq(store_term_promote(2000, 0, 3), 4000);
    cr_assert_eq(store_term_restart(1999), 0);
}

/* Applies an inline command and returns the reply. */
static const char *apply(struct store_state *state, const char *line)
{
    static char answer[256];
    char text[256];
    struct store_command command;
    struct store_buffer reply = {0};
    size_t used;
    const char *why;
    int n = snprintf(text, sizeof text, "%s\n", line);
    cr_assert_eq(store_resp_parse(text, (size_t)n, sizeof text, &command, &used, &why),
                 STORE_RESP_COMPLETE);
    store_state_apply(state, &command, &reply);
    (void)snprintf(answer, sizeof answer, "%.*s", (int)reply.len,
                   reply.len ? reply.data : "");
    store_buffer_free(&reply);
    return answer;
}

Test(store_state, writes_answer_as_redis_does)
{
    static const struct {
        const char *line, *answer;
    } rows[] = {
        {"SET a 5", "+OK\r\n"},
        {"INCR a", ":6\r\n"},
        {"INCR new", ":1\r\n"},
        {"APPEND a 7,", ":3\r\n"},
        {"INCR a", "-ERR value is not an integer or out of range\r\n"},
        {"SET a -1", "+OK\r\n"},
        {"INCR a", ":0\r\n"},
        {"SET a 9223372036854775807", "+OK\r\n"},
        {"INCR a", "-ERR increment or decrement would overflow\r\n"},
        {"CAS a 9223372036854775807 x", ":1\r\n"},
        {"CAS a y z", ":0\r\n"},
        {"CAS none y z", ":0\r\n"},
        {"DEL a new none a", ":2\r\n"},
        {"GET a", ""},
        {"SET a", ""},
        {"MEMBERS n1 n2", ""},
    };
    struct store_state *state = store_state_create();
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        cr_assert_str_eq(apply(state, rows[i].line), rows[i].answer, "%s",
                         rows[i].line);
    cr_assert_eq(store_state_keys(state), 0);
    store_state_destroy(state);
}

Test(store_state, an_empty_value_is_a_value)
{
    struct store_state *state = store_state_create();
    struct store_slice value;
    struct store_command set = {.n = 3, .args = {{"SET", 3}, {"", 0}, {"", 0}}};
    struct store_command cas = {.n = 4,
                                .args = {{"CAS", 3}, {"", 0}, {"", 0}, {"1", 1}}};
    cr_assert_not(store_state_get(state, set.args[1], &value));
    store_state_apply(state, &set, NULL);
    cr_assert(store_state_get(state, set.args[1], &value));
    cr_assert_eq(value.len, 0);
    store_state_apply(state, &cas, NULL);
    cr_assert(store_state_get(state, set.args[1], &value));
    cr_assert_eq(value.len, 1);
    store_state_destroy(state);
}

Test(store_state, holds_many_keys_and_forgets_those_deleted)
{
    struct store_state *state = store_state_create();
    char line[64];
    enum { KEYS = 5000 };
    for (int i = 0; i < KEYS; i++) {
        (void)snprintf(line, sizeof line, "SET k%d %d", i, i);
        cr_assert_str_eq(apply(state, line), "+OK\r\n");
    }
    for (int i = 0; i < KEYS; i += 2) {
        (void)snprintf(line, sizeof line, "DEL k%d", i);
        cr_assert_str_eq(apply(state, line), ":1\r\n");
    }
    cr_assert_eq(store_state_keys(state), KEYS / 2);
    for (int i = 0; i < KEYS; i++) {
        struct store_slice value;
        int n = snprintf(line, sizeof line, "k%d", i);
        cr_assert_eq(
            store_state_get(state, (struct store_slice){line, (size_t)n}, &value),
            i % 2 == 1);
    }
    store_state_destroy(state);
}
