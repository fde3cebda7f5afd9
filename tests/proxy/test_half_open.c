/* SPDX-License-Identifier: MIT */
/* Connections of which one side is gone and the other has not heard of it. */
#include "proxy/base/now.h"
#include "tests/proxy/fixture.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

static void setup(void)
{
    fixture_open();
    net_start(&net, NET_ONE_PATH, server);
}

TestSuite(half_open, .init = setup, .fini = fixture_close, .timeout = 60);

static void apply(const char *gone)
{
    net_apply(&net, "half", "  - { name: half, inject: { half_open: %s } }", gone);
}

static struct counters_rule *counts(void)
{
    return counters_rule(&net.counters, "half", "half");
}

Test(half_open, one_side_is_reset_and_the_other_talks_to_nobody_until_heal)
{
    static const char *const sides[] = {"to_server", "to_client"};
    for (int i = 0; i < 2; i++) {
        struct net_pair pair = net_join(&net, listener);
        net_say(&net, pair.client, "hello");
        net_hear(&net, pair.server, "hello");
        int gone = i == 0 ? pair.server : pair.client;
        int left = i == 0 ? pair.client : pair.server;
        uint64_t discarded = counts()->discarded_bytes;
        apply(sides[i]);
        net_hear_reset(&net, gone);
        net_say(&net, left, "anybody there?");
        net_hear_nothing(&net, left, 30 * NS_PER_MS);
        cr_assert_eq(counts()->discarded_bytes - discarded, 14);
        cr_assert_eq(counts()->connections_reset, i + 1);
        net_remove(&net, "half");
        net_hear_reset(&net, left);
        net_closed_because(&net, &cursor, "reset by rule: half");
        net_part(pair);
    }
}

static bool is_swallowed(void *context)
{
    return counts()->discarded_bytes == *(const uint64_t *)context;
}

Test(half_open, the_side_that_is_left_never_feels_back_pressure)
{
    enum { BYTES = 4 << 20 };
    struct net_pair pair = net_join(&net, listener);
    apply("to_server");
    net_hear_reset(&net, pair.server);
    char *bytes = calloc(1, BYTES);
    net_send(&net, pair.client, bytes, BYTES);
    free(bytes);
    uint64_t all = BYTES;
    net_until(&net, is_swallowed, &all);
    net_part(pair);
}

Test(half_open, a_connection_that_opens_meanwhile_is_half_open_at_once)
{
    apply("to_server");
    int client = net_connect(&net, net_port(&net, "p"));
    int peer = net_accept(&net, listener);
    net_hear_reset(&net, peer);
    net_say(&net, client, "hello");
    net_hear_nothing(&net, client, 20 * NS_PER_MS);
    close(peer);
    close(client);
}

Test(half_open, the_fin_of_the_side_that_is_left_is_not_answered)
{
    struct net_pair pair = net_join(&net, listener);
    apply("to_server");
    cr_assert_eq(shutdown(pair.client, SHUT_WR), 0);
    net_hear_nothing(&net, pair.client, 30 * NS_PER_MS);
    net_remove(&net, "half");
    net_hear_reset(&net, pair.client);
    net_part(pair);
}

Test(half_open, the_reset_of_the_side_that_is_left_ends_it)
{
    struct net_pair pair = net_join(&net, listener);
    apply("to_client");
    net_hear_reset(&net, pair.client);
    net_reset(pair.server);
    net_closed_because(&net, &cursor, "reset by server");
    close(pair.client);
}

Test(half_open, bytes_on_their_way_are_lost_with_the_side_that_is_gone)
{
    net_apply(&net, "slow", "  - { name: slow, inject: { delay: 1h } }");
    struct net_pair pair = net_join(&net, listener);
    net_say(&net, pair.server, "too late");
    net_idle(&net, 10 * NS_PER_MS);
    apply("to_server");
    net_hear_reset(&net, pair.server);
    net_remove(&net, "slow");
    net_hear_nothing(&net, pair.client, 20 * NS_PER_MS);
    struct proxy_status status;
    proxy_status(net.proxy, &status);
    cr_assert_eq(status.held_bytes, 0);
    net_part(pair);
}
