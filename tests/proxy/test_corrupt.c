/* SPDX-License-Identifier: MIT */
/* Bytes that arrive with another bit: which, is in the journal. */
#include "tests/proxy/net.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { BYTES = 300000 };

static struct net net;
static int listener;
static uint16_t server;
static char sent[BYTES], got[BYTES];

static void setup(void)
{
    net_init(&net);
    listener = net_listen(AF_INET, &server);
    for (size_t i = 0; i < BYTES; i++)
        sent[i] = (char)(i * 7 + i / 256);
}

static void teardown(void)
{
    net_close(&net);
    close(listener);
}

TestSuite(corrupt, .init = setup, .fini = teardown, .timeout = 60);

/* All that the journal tells of one direction is undone in got. Returns how much. */
static size_t undo(enum journal_direction direction)
{
    uint64_t cursor = 0;
    struct journal_event event;
    size_t n = 0;
    while (net_event(&net, &cursor, JOURNAL_DECISION, &event)) {
        if (event.direction != direction || strcmp(event.draw, "corrupt") != 0)
            continue;
        cr_assert_lt(event.ordinal, BYTES);
        got[event.ordinal] ^= (char)(1 << event.outcome);
        n++;
    }
    return n;
}

static void expect_undone(enum journal_direction direction)
{
    cr_assert_neq(memcmp(sent, got, BYTES), 0);
    size_t n = undo(direction);
    cr_assert_eq(memcmp(sent, got, BYTES), 0, "the journal names each");
    cr_assert(n > 200 && n < 400, "%zu of 300", n);
}

Test(corrupt, the_journal_undoes_it_both_ways)
{
    net_start(&net, NET_ONE_PATH, server);
    net_apply(&net, "bad",
              "  - { name: bad, inject: { corrupt: { per_byte: 0.1%% } } }");
    struct net_pair pair = net_join(&net, listener);
    net_send(&net, pair.client, sent, BYTES);
    net_receive(&net, pair.server, got, BYTES);
    expect_undone(JOURNAL_TO_SERVER);
    net_send(&net, pair.server, sent, BYTES);
    net_receive(&net, pair.client, got, BYTES);
    expect_undone(JOURNAL_TO_CLIENT);
    const struct counters_rule *rule = counters_rule(&net.counters, "bad", "bad");
    cr_assert(rule->touched_bytes > 400 && rule->touched_bytes < 800);
    net_part(pair);
}

Test(corrupt, a_live_connection_is_corrupted_from_the_change_on_and_no_longer)
{
    net_start(&net, NET_ONE_PATH, server);
    struct net_pair pair = net_join(&net, listener);
    net_send(&net, pair.client, sent, 100000);
    net_receive(&net, pair.server, got, 100000);
    cr_assert_eq(memcmp(sent, got, 100000), 0);
    net_apply(&net, "bad",
              "  - { name: bad, inject: { corrupt: { per_byte: 0.1%% } } }");
    net_send(&net, pair.client, sent + 100000, 100000);
    net_receive(&net, pair.server, got + 100000, 100000);
    cr_assert_neq(memcmp(sent, got, 200000), 0);
    net_remove(&net, "bad");
    net_send(&net, pair.client, sent + 200000, 100000);
    net_receive(&net, pair.server, got + 200000, 100000);
    cr_assert_eq(memcmp(sent + 200000, got + 200000, 100000), 0);
    cr_assert_gt(undo(JOURNAL_TO_SERVER), 50);
    cr_assert_eq(memcmp(sent, got, BYTES), 0,
                 "offsets count from the connection's start");
    net_part(pair);
}

Test(corrupt, bytes_that_passed_between_two_rules_count_too)
{
    net_start(&net, NET_ONE_PATH, server);
    struct net_pair pair = net_join(&net, listener);
    for (size_t i = 0; i < 3; i++) {
        if (i != 1)
            net_apply(&net, "bad",
                      "  - { name: bad, inject: { corrupt: { per_byte: 0.1%% } } }");
        net_send(&net, pair.client, sent + i * 100000, 100000);
        net_receive(&net, pair.server, got + i * 100000, 100000);
        if (i != 1)
            net_remove(&net, "bad");
    }
    cr_assert_neq(memcmp(sent + 200000, got + 200000, 100000), 0);
    cr_assert_gt(undo(JOURNAL_TO_SERVER), 100);
    cr_assert_eq(memcmp(sent, got, BYTES), 0);
    net_part(pair);
}
