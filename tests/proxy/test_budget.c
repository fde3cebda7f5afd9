/* SPDX-License-Identifier: MIT */
/* What runs into a limit waits; nothing is lost, nobody else stops, and it is said. */
#include "proxy/base/now.h"
#include "tests/proxy/fixture.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

TestSuite(budget, .init = fixture_open, .fini = fixture_close, .timeout = 60);

static uint64_t held(void)
{
    struct proxy_status status;
    proxy_status(net.proxy, &status);
    return status.held_bytes;
}

Test(budget, a_rules_hold_bounds_what_a_stream_keeps)
{
    net_start(&net, NET_ONE_PATH, server);
    net_apply(&net, "slow", "  - { name: slow, inject: { delay: 60s, hold: 256KiB } }");
    struct net_pair pair = net_join(&net, listener);
    size_t sent = net_fill(&net, pair.client);
    cr_assert_leq(held(), 256 << 10);
    cr_assert_geq(held(), 250 << 10);
    const struct counters_budget *budget = &net.counters.budgets[BUDGET_STREAM_BYTES];
    cr_assert_eq(budget->reached, 1, "full once, and still");
    cr_assert_eq(budget->peak, held());
    struct journal_event event;
    cr_assert(net_event(&net, &cursor, JOURNAL_BUDGET_REACHED, &event));
    cr_assert_str_eq(event.text, "hold");
    cr_assert_eq(event.count, 256 << 10, "the rule's, not the default");
    net_remove(&net, "slow");
    net_skim(&net, pair.server, sent);
    cr_assert_eq(held(), 0);
    net_part(pair);
}

Test(budget, the_default_hold_is_that_of_the_instance)
{
    net.config.max_hold_bytes = 1 << 20;
    net_start(&net, NET_ONE_PATH, server);
    net_apply(&net, "slow", "  - { name: slow, inject: { delay: 60s } }");
    struct net_pair pair = net_join(&net, listener);
    size_t sent = net_fill(&net, pair.client);
    cr_assert_leq(held(), 1 << 20);
    cr_assert_geq(held(), 1000 << 10);
    net_remove(&net, "slow");
    net_skim(&net, pair.server, sent);
    net_part(pair);
}

Test(budget, all_streams_together_stay_within_the_instances_budget)
{
    net.config.max_bytes = 512 << 10;
    net_start(&net, NET_ONE_PATH, server);
    net_apply(&net, "slow", "  - { name: slow, inject: { delay: 60s } }");
    struct net_pair pairs[4];
    size_t sent[4];
    for (int i = 0; i < 4; i++) {
        pairs[i] = net_join(&net, listener);
        sent[i] = net_fill(&net, pairs[i].client);
    }
    cr_assert_leq(held(), (512 + 8 * 4) << 10);
    struct journal_event event;
    cr_assert(net_event(&net, &cursor, JOURNAL_BUDGET_REACHED, &event));
    cr_assert_str_eq(event.text, "held_bytes");
    cr_assert_eq(net.counters.budgets[BUDGET_HELD_BYTES].reached, 1);
    net_remove(&net, "slow");
    for (int i = 0; i < 4; i++)
        net_skim(&net, pairs[i].server, sent[i]);
    for (int i = 0; i < 4; i++)
        net_part(pairs[i]);
}

Test(budget, a_full_budget_does_not_stop_those_who_hold_nothing)
{
    net.config.max_bytes = 128 << 10;
    net_start(&net, NET_ONE_PATH, server);
    struct net_pair full = net_join(&net, listener);
    struct net_pair quick = net_join(&net, listener);
    net_apply(&net, "slow",
              "  - { name: slow, match: { from: c, to: s }, inject: { delay: 60s } }");
    size_t sent = net_fill(&net, full.client);
    cr_assert_geq(held(), 120 << 10);
    for (int i = 0; i < 20; i++) {
        net_say(&net, quick.server, "still going");
        net_hear(&net, quick.client, "still going");
    }
    net_remove(&net, "slow");
    net_skim(&net, full.server, sent);
    net_part(full);
    net_part(quick);
}

Test(budget, connections_beyond_the_limit_wait_and_come_in_later)
{
    net.config.max_connections = 2;
    net_start(&net, NET_ONE_PATH, server);
    struct net_pair first = net_join(&net, listener);
    struct net_pair second = net_join(&net, listener);
    int third = net_connect(&net, net_port(&net, "p")); /* by the kernel */
    net_say(&net, third, "patient");
    net_idle(&net, 50 * NS_PER_MS);
    struct proxy_status status;
    proxy_status(net.proxy, &status);
    cr_assert_eq(status.connections, 2);
    cr_assert_not(status.accepting);
    struct journal_event event;
    cr_assert(net_event(&net, &cursor, JOURNAL_BUDGET_REACHED, &event));
    cr_assert_str_eq(event.text, "connections");
    net_say(&net, first.client, "undisturbed");
    net_hear(&net, first.server, "undisturbed");
    net_part(first);
    int peer = net_accept(&net, listener);
    net_hear(&net, peer, "patient");
    close(third);
    close(peer);
    net_part(second);
}

Test(budget, running_out_of_descriptors_pauses_accepting_and_passes)
{
    net_start(&net, NET_ONE_PATH, server);
    struct net_pair first = net_join(&net, listener);
    int hoard[64], n = 0;
    struct rlimit limit, low;
    cr_assert_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
    int next = dup(0);
    close(next);
    low = (struct rlimit){(rlim_t)next + 8, limit.rlim_max};
    cr_assert_eq(setrlimit(RLIMIT_NOFILE, &low), 0);
    while (n < 64 && (hoard[n] = dup(0)) >= 0)
        n++;
    close(hoard[--n]);
    int waiting = net_dial(AF_INET, net_port(&net, "p")); /* takes the last one */
    net_idle(&net, 150 * NS_PER_MS); /* neither accepts nor spins nor dies */
    cr_assert_gt(net.counters.budgets[BUDGET_DESCRIPTORS].reached, 0);
    net_say(&net, first.client, "undisturbed");
    net_hear(&net, first.server, "undisturbed");
    while (n > 0)
        close(hoard[--n]);
    cr_assert_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
    int peer = net_accept(&net, listener);
    net_say(&net, waiting, "at last");
    net_hear(&net, peer, "at last");
    close(waiting);
    close(peer);
    net_part(first);
}

Test(budget, the_last_descriptors_are_kept_for_control)
{
    struct rlimit limit, low;
    cr_assert_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
    low = (struct rlimit){24 + 2 * 2, limit.rlim_max}; /* two connections */
    cr_assert_eq(setrlimit(RLIMIT_NOFILE, &low), 0);
    net_start(&net, NET_ONE_PATH, server);
    cr_assert_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
    struct net_pair first = net_join(&net, listener);
    struct net_pair second = net_join(&net, listener);
    int third = net_dial(AF_INET, net_port(&net, "p"));
    net_say(&net, third, "patient");
    net_idle(&net, 50 * NS_PER_MS);
    const struct counters_budget *budget = &net.counters.budgets[BUDGET_DESCRIPTORS];
    cr_assert_eq(budget->used_now, 4);
    cr_assert_gt(budget->reached, 0);
    struct proxy_status status;
    proxy_status(net.proxy, &status);
    cr_assert_eq(status.connections, 2);
    net_part(first);
    int peer = net_accept(&net, listener);
    net_hear(&net, peer, "patient");
    close(third);
    close(peer);
    net_part(second);
}
