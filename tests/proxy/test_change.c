/* SPDX-License-Identifier: MIT */
/* What a change of the rules does to listeners and to live connections. */
#include "proxy/base/errmsg.h"
#include "proxy/base/now.h"
#include "rules/diag.h"
#include "tests/proxy/fixture.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

TestSuite(change, .init = fixture_open, .fini = fixture_close, .timeout = 60);

static struct counters_rule *counts(const char *overlay, const char *rule)
{
    return counters_rule(&net.counters, overlay, rule);
}

Test(change, a_stalling_partition_holds_bytes_and_fin_and_heal_delivers_them)
{
    net_start(&net, NET_ONE_PATH, server);
    struct net_pair pair = net_join(&net, listener);
    net_apply(&net, "cut", "  - { name: cut, partition: [[c], [s]] }");
    net_say(&net, pair.client, "held bytes");
    cr_assert_eq(shutdown(pair.client, SHUT_WR), 0);
    net_say(&net, pair.server, "held too");
    net_hear_nothing(&net, pair.server, 150 * NS_PER_MS);
    net_hear_nothing(&net, pair.client, 0);
    cr_assert_eq(counts("cut", "cut")->touched_bytes, 18, "seen while it holds");
    cr_assert_eq(counts("cut", "cut")->held_bytes_now, 18);
    cr_assert_eq(proxy_heal(net.proxy, NULL), 0);
    net_hear(&net, pair.server, "held bytes");
    net_hear_fin(&net, pair.server);
    net_hear(&net, pair.client, "held too");
    cr_assert_eq(counts("cut", "cut")->held_bytes_now, 0);
    cr_assert_eq(counts("cut", "cut")->released_bytes, 18);
    net_part(pair);
}

Test(change, bytes_held_for_a_moment_only_are_counted_at_heal)
{
    net_start(&net, NET_ONE_PATH, server);
    struct net_pair pair = net_join(&net, listener);
    net_apply(&net, "cut", "  - { name: cut, cut: { from: c, to: s } }");
    net_say(&net, pair.client, "felt");
    net_remove(&net, "cut");
    net_hear(&net, pair.server, "felt");
    cr_assert_eq(counts("cut", "cut")->touched_bytes, 4);
    cr_assert_eq(counts("cut", "cut")->connections, 1);
    net_part(pair);
}

Test(change, a_cut_stops_one_direction_only)
{
    net_start(&net, NET_ONE_PATH, server);
    struct net_pair pair = net_join(&net, listener);
    net_apply(&net, "cut", "  - { name: cut, cut: { from: c, to: s } }");
    net_say(&net, pair.client, "cut");
    net_say(&net, pair.server, "passes");
    net_hear(&net, pair.client, "passes");
    net_hear_nothing(&net, pair.server, 20 * NS_PER_MS);
    net_remove(&net, "cut");
    net_hear(&net, pair.server, "cut");
    net_part(pair);
}

Test(change, a_sender_behind_a_partition_feels_back_pressure)
{
    net_start(&net, NET_ONE_PATH, server);
    struct net_pair pair = net_join(&net, listener);
    net_apply(&net, "cut", "  - { name: cut, cut: { from: c, to: s } }");
    size_t total = net_fill(&net, pair.client);
    struct proxy_status status;
    proxy_status(net.proxy, &status);
    cr_assert_eq(status.held_bytes, 0, "it all waits in the kernel");
    net_remove(&net, "cut");
    net_skim(&net, pair.server, total);
    net_part(pair);
}

Test(change, a_reset_under_a_stalling_partition_arrives_at_heal)
{
    net_start(&net, NET_ONE_PATH, server);
    struct net_pair pair = net_join(&net, listener);
    net_apply(&net, "cut", "  - { name: cut, partition: [[c], [s]] }");
    net_say(&net, pair.client, "last words");
    net_idle(&net, 10 * NS_PER_MS);
    net_reset(pair.client);
    net_hear_nothing(&net, pair.server, 50 * NS_PER_MS);
    net_remove(&net, "cut");
    net_hear(&net, pair.server, "last words");
    net_hear_reset(&net, pair.server);
    net_closed_because(&net, &cursor, "reset by client");
    close(pair.server);
}

Test(change, a_partition_that_resets_ends_live_connections)
{
    net_start(&net, NET_ONE_PATH, server);
    struct net_pair pair = net_join(&net, listener);
    net_apply(&net, "cut", "  - { name: cut, partition: [[c], [s]], how: reset }");
    net_hear_reset(&net, pair.client);
    net_hear_reset(&net, pair.server);
    net_closed_because(&net, &cursor, "reset by rule: cut");
    cr_assert_eq(counts("cut", "cut")->connections_reset, 1);
    net_part(pair);
}

Test(change, a_partition_that_refuses_ends_live_connections_too)
{
    net_start(&net, NET_ONE_PATH, server);
    struct net_pair pair = net_join(&net, listener);
    net_apply(&net, "cut", "  - { name: cut, partition: [[c], [s]], how: refuse }");
    net_hear_reset(&net, pair.client);
    net_hear_reset(&net, pair.server);
    net_part(pair);
}

Test(change, delayed_bytes_come_in_order_and_never_early)
{
    net_start(&net, NET_ONE_PATH, server);
    struct net_pair pair = net_join(&net, listener);
    net_apply(&net, "slow",
              "  - { name: slow, match: { from: c, to: s }, inject: { delay: 30ms } }");
    uint64_t sent_ns[5];
    for (int i = 0; i < 5; i++) {
        char text[2] = {(char)('a' + i), '\0'};
        sent_ns[i] = now_ns();
        net_say(&net, pair.client, text);
        net_idle(&net, 5 * NS_PER_MS);
    }
    for (int i = 0; i < 5; i++) {
        char text[2] = {(char)('a' + i), '\0'};
        net_hear(&net, pair.server, text);
        cr_assert_geq(now_ns() - sent_ns[i], 30 * NS_PER_MS);
    }
    net_say(&net, pair.server, "at once");
    net_hear(&net, pair.client, "at once");
    cr_assert_eq(counts("slow", "slow")->touched_bytes, 5);
    cr_assert_eq(counts("slow", "slow")->released_bytes, 5);
    net_part(pair);
}

Test(change, lost_bytes_come_late_and_all_behind_them)
{
    static char bytes[4 * 1460];
    net_start(&net, NET_ONE_PATH, server);
    net_apply(&net, "lossy",
              "  - { name: lossy, match: { from: c, to: s }, inject: { loss: 20%% } }");
    struct journal_event loss;
    uint64_t since;
    do { /* till one loses something */
        struct net_pair pair = net_join(&net, listener);
        since = now_ns();
        net_send(&net, pair.client, bytes, sizeof bytes);
        net_receive(&net, pair.server, bytes, sizeof bytes);
        net_part(pair);
    } while (!net_event(&net, &cursor, JOURNAL_DECISION, &loss));
    cr_assert_str_eq(loss.draw, "loss");
    cr_assert_lt(loss.ordinal, 4);
    cr_assert_geq(loss.outcome, 1);
    cr_assert_geq(now_ns() - since, 200 * NS_PER_MS);
    cr_assert_geq(counts("lossy", "lossy")->released_bytes, 1460);
}

Test(change, a_rule_is_about_new_connections_or_about_those_from_before)
{
    net_start(&net, NET_ONE_PATH, server);
    struct net_pair live = net_join(&net, listener);
    net_apply(&net, "stall",
              "  - { name: new, match: { state: new }, inject: { stall: true } }");
    struct net_pair pair = net_join(&net, listener);
    net_say(&net, pair.client, "held");
    net_say(&net, live.client, "passes");
    net_hear(&net, live.server, "passes");
    net_hear_nothing(&net, pair.server, 20 * NS_PER_MS);
    net_apply(
        &net, "stall",
        "  - { name: old, match: { state: established }, inject: { stall: true } }");
    net_hear(&net, pair.server, "held"); /* the rule that held it has gone */
    net_say(&net, pair.client, "held again");
    struct net_pair newest = net_join(&net, listener);
    net_say(&net, newest.client, "passes");
    net_hear(&net, newest.server, "passes");
    net_hear_nothing(&net, pair.server, 20 * NS_PER_MS);
    net_remove(&net, "stall");
    net_hear(&net, pair.server, "held again");
    net_part(live);
    net_part(pair);
    net_part(newest);
}

Test(change, removing_a_delay_releases_what_it_held_at_once)
{
    net_start(&net, NET_ONE_PATH, server);
    struct net_pair pair = net_join(&net, listener);
    net_apply(&net, "slow", "  - { name: slow, inject: { delay: 60s } }");
    net_say(&net, pair.client, "an hour's worth");
    cr_assert_eq(shutdown(pair.client, SHUT_WR), 0);
    net_hear_nothing(&net, pair.server, 20 * NS_PER_MS);
    net_remove(&net, "slow");
    net_hear(&net, pair.server, "an hour's worth");
    net_hear_fin(&net, pair.server);
    cr_assert_eq(counts("slow", "slow")->held_bytes_now, 0);
    cr_assert_eq(counts("slow", "slow")->released_bytes, 15);
    net_part(pair);
}

Test(change, a_delay_holds_back_the_reset_of_its_sender)
{
    net_start(&net, NET_ONE_PATH, server);
    struct net_pair pair = net_join(&net, listener);
    net_apply(&net, "slow", "  - { name: slow, inject: { delay: 80ms } }");
    uint64_t since = now_ns();
    net_say(&net, pair.client, "x");
    net_idle(&net, NS_PER_MS);
    net_reset(pair.client);
    net_hear(&net, pair.server, "x");
    net_hear_reset(&net, pair.server);
    cr_assert_geq(now_ns() - since, 80 * NS_PER_MS);
    close(pair.server);
}

Test(change, discarded_bytes_are_gone_and_the_connection_with_them)
{
    net_start(&net, NET_ONE_PATH, server);
    struct net_pair pair = net_join(&net, listener);
    net_apply(
        &net, "hole",
        "  - { name: hole, match: { from: c, to: s }, inject: { discard: true } }");
    net_say(&net, pair.client, "swallowed");
    net_hear_nothing(&net, pair.server, 20 * NS_PER_MS);
    cr_assert_eq(counts("hole", "hole")->discarded_bytes, 9);
    net_remove(&net, "hole");
    net_hear_reset(&net, pair.server);
    net_hear_reset(&net, pair.client);
    net_part(pair);
}

Test(change, a_rule_resets_after_its_bytes)
{
    net_start(&net, NET_ONE_PATH, server);
    net_apply(&net, "end",
              "  - { name: end, match: { from: c, to: s }, "
              "inject: { reset: { after: 10B } } }");
    struct net_pair pair = net_join(&net, listener);
    net_say(&net, pair.client, "0123456789beyond");
    net_closed_because(&net, &cursor, "reset by rule: end");
    net_hear_reset(&net, pair.client);
    net_part(pair);
}

Test(change, a_rule_closes_after_its_time_with_fin_both_ways)
{
    net_start(&net, NET_ONE_PATH, server);
    net_apply(&net, "end", "  - { name: end, inject: { close: { after: 20ms } } }");
    struct net_pair pair = net_join(&net, listener);
    net_say(&net, pair.client, "hello");
    net_hear(&net, pair.server, "hello");
    net_hear_fin(&net, pair.client);
    net_hear_fin(&net, pair.server);
    net_part(pair);
    net_closed_because(&net, &cursor, "closed by rule: end");
}

Test(change, windows_open_and_close_by_themselves)
{
    net_start(&net, NET_ONE_PATH, server);
    struct net_pair pair = net_join(&net, listener);
    uint64_t since = now_ns(); /* the rule becomes active later */
    net_apply(&net, "cut",
              "  - { name: cut, partition: [[c], [s]], "
              "when: { after: 50ms, for: 100ms } }");
    net_say(&net, pair.client, "before");
    net_hear(&net, pair.server, "before");
    net_idle(&net, 60 * NS_PER_MS);
    net_say(&net, pair.client, "during");
    net_hear(&net, pair.server, "during");
    cr_assert_geq(now_ns() - since, 150 * NS_PER_MS);
    struct journal_event event;
    cr_assert(net_event(&net, &cursor, JOURNAL_PARTITIONED, &event));
    cr_assert_str_eq(event.text, "stall");
    cr_assert_eq(event.count, 2, "one path is two links");
    cr_assert(net_event(&net, &cursor, JOURNAL_HEALED, &event));
    cr_assert_str_eq(event.text, "time");
    net_part(pair);
}

Test(change, what_was_drawn_of_a_shape_is_journalled)
{
    net_start(&net, NET_ONE_PATH, server);
    net_apply(&net, "drawn", "  - { name: drawn, shape: one, of: [c, s] }");
    struct journal_event event;
    cr_assert(net_event(&net, &cursor, JOURNAL_DRAWN, &event));
    cr_expect_str_eq(event.rule, "drawn");
    cr_expect_str_eq(event.origin, "drawn");
    cr_expect(strcmp(event.text, "c / s") == 0 || strcmp(event.text, "s / c") == 0,
              "%s", event.text);
}

Test(change, a_lease_ends_an_overlay)
{
    net_start(&net, NET_ONE_PATH, server);
    struct net_pair pair = net_join(&net, listener);
    static const char text[] =
        "netsplit: 1\nrules:\n  - { name: cut, partition: [[c], [s]] }\n";
    const struct proxy_source source = {"cut.yaml", text, sizeof text - 1};
    struct diag diag;
    diag_init(&diag, NULL);
    uint64_t since = now_ns();
    cr_assert_eq(proxy_apply_overlay(net.proxy, "cut", &source, 50 * NS_PER_MS, NULL,
                                     &diag, NULL),
                 0);
    diag_close(&diag);
    net_say(&net, pair.client, "leased");
    net_hear(&net, pair.server, "leased");
    cr_assert_geq(now_ns() - since, 50 * NS_PER_MS);
    cr_assert_eq(proxy_remove_overlay(net.proxy, "cut", NULL), -ENOENT);
    net_part(pair);
}

static void count_view(void *context, const struct proxy_rule_view *view)
{
    char *text = context;
    (void)sprintf(text + strlen(text), "%s/%s=%s ", view->origin, view->name,
                  proxy_rule_state_name(view->state));
}

static const char *rule_states(void)
{
    static char text[512];
    text[0] = '\0';
    proxy_each_rule(net.proxy, count_view, text);
    return text;
}

Test(change, clear_and_heal_switch_off_until_the_text_is_applied_again)
{
    static const char rules[] = "rules:\n"
                                "  - { name: slow, inject: { delay: 1ms } }\n"
                                "  - { name: cut, cut: { from: c, to: s } }\n";
    char base[1024];
    (void)snprintf(base, sizeof base, NET_ONE_PATH "%s", server, rules);
    net_start(&net, "%s", base);
    net_apply(&net, "more", "  - { name: iso, isolate: c }");
    cr_assert_str_eq(rule_states(),
                     "base/slow=active base/cut=active more/iso=active ");
    cr_assert_eq(proxy_heal(net.proxy, NULL), 0);
    cr_assert_str_eq(rule_states(), "base/slow=active base/cut=off more/iso=off ");
    net_apply(&net, "more", "  - { name: iso, isolate: c }");
    cr_assert_str_eq(rule_states(), "base/slow=active base/cut=off more/iso=active ");
    cr_assert_eq(proxy_clear(net.proxy, NULL), 0);
    cr_assert_str_eq(rule_states(), "base/slow=off base/cut=off ");
    cr_assert_eq(net_apply_base(&net, "%s", base), 0);
    cr_assert_str_eq(rule_states(), "base/slow=active base/cut=active ");
}

static const char two_paths[] =
    "netsplit: 1\nnodes:\n  c: 192.0.2.1\n"
    "  s: { address: 127.0.0.1, ports: [%u] }\n"
    "listen:\n"
    "  - { name: %s, address: \"127.0.0.1:%u\", from: c, to: s }\n"
    "  - { name: q, address: \"127.0.0.1:%u\", to: s }\n";

Test(change, a_reload_keeps_listeners_adds_new_ones_and_drops_those_gone)
{
    net_start(&net, NET_ONE_PATH, server);
    uint16_t port = net_port(&net, "p");
    struct net_pair pair = net_join(&net, listener);
    cr_assert_eq(net_apply_base(&net, two_paths, server, "renamed", 0, 0), 0);
    cr_assert_eq(net_port(&net, "renamed"), port, "the same path, the same socket");
    uint16_t second = net_port(&net, "q");
    int client = net_connect(&net, second);
    int peer = net_accept(&net, listener);
    cr_assert_eq(net_apply_base(&net, NET_ONE_PATH, server), 0);
    cr_assert_eq(net_connect_error(&net, second), ECONNREFUSED);
    net_say(&net, client, "lives on");
    net_hear(&net, peer, "lives on");
    net_say(&net, pair.client, "me too");
    net_hear(&net, pair.server, "me too");
    close(client);
    close(peer);
    net_part(pair);
}

Test(change, a_path_may_get_another_server_on_the_same_port)
{
    uint16_t other;
    int second = net_listen(AF_INET, &other);
    net_start(&net, NET_ONE_PATH, server);
    uint16_t free_port = net_port(&net, "p");
    static const char text[] = "netsplit: 1\nnodes:\n  c: {}\n"
                               "  s: { address: 127.0.0.1, ports: [%u] }\n"
                               "  t: { address: 127.0.0.1, ports: [%u] }\n"
                               "listen:\n  - { name: p, address: \"127.0.0.1:%u\", "
                               "from: c, to: %s }\n";
    cr_assert_eq(net_apply_base(&net, "netsplit: 1\nnodes:\n  c: {}\n"), 0);
    cr_assert_eq(net_apply_base(&net, text, server, other, free_port, "s"), 0);
    struct net_pair old = net_join(&net, listener);
    cr_assert_eq(net_apply_base(&net, text, server, other, free_port, "t"), 0);
    struct net_pair new = net_join(&net, second);
    net_say(&net, old.client, "to s");
    net_hear(&net, old.server, "to s");
    net_say(&net, new.client, "to t");
    net_hear(&net, new.server, "to t");
    net_part(old);
    net_part(new);
    close(second);
}

Test(change, connections_of_a_listener_that_went_run_on_without_faults)
{
    net_start(&net, two_paths, server, "p", 0, 0);
    net_apply(&net, "slow", "  - { name: slow, inject: { delay: 60s } }");
    struct net_pair pair = net_join(&net, listener);
    net_say(&net, pair.client, "held");
    net_hear_nothing(&net, pair.server, 10 * NS_PER_MS);
    cr_assert_eq(net_apply_base(&net,
                                "netsplit: 1\nnodes:\n  c: 192.0.2.1\n"
                                "  s: { address: 127.0.0.1, ports: [%u] }\n",
                                server),
                 0);
    net_hear(&net, pair.server, "held");
    net_say(&net, pair.client, "free");
    net_hear(&net, pair.server, "free");
    net_part(pair);
}

Test(change, a_reload_that_cannot_bind_changes_nothing)
{
    net_start(&net, NET_ONE_PATH, server);
    uint16_t port = net_port(&net, "p");
    struct proxy_status before, after;
    proxy_status(net.proxy, &before);
    cr_assert_eq(net_apply_base(&net, two_paths, server, "x", 0, server), -EADDRINUSE,
                 "the second listener's port is taken");
    proxy_status(net.proxy, &after);
    cr_assert_eq(after.generation, before.generation);
    cr_assert_eq(net_port(&net, "p"), port);
    struct net_pair pair = net_join(&net, listener);
    net_say(&net, pair.client, "still here");
    net_hear(&net, pair.server, "still here");
    net_part(pair);
}

Test(change, a_reload_with_an_error_changes_nothing)
{
    net_start(&net, NET_ONE_PATH "rules:\n  - { name: slow, inject: { delay: 1ms } }\n",
              server);
    net_apply(&net, "cut", "  - { name: cut, cut: { from: c, to: s } }");
    cr_assert_eq(net_apply_base(&net, "netsplit: 1\nnodes: { c: what is this? }\n"),
                 -EINVAL);
    cr_assert_eq(net_apply_base(&net, "netsplit: 1\nnodes:\n  d: 192.0.2.9\n"), -EINVAL,
                 "the overlay speaks of nodes that would be gone");
    cr_assert_str_eq(rule_states(), "base/slow=active cut/cut=active ");
}

Test(change, a_start_that_cannot_bind_leaves_nothing_open)
{
    cr_assert_eq(proxy_create(&net.config, &net.proxy), 0);
    char text[1024];
    (void)snprintf(text, sizeof text, two_paths, server, "p", 0, server);
    const struct proxy_source source = {"base.yaml", text, strlen(text)};
    struct diag diag;
    struct errmsg err = {0};
    diag_init(&diag, NULL);
    cr_assert_eq(proxy_start(net.proxy, &source, &diag, &err), -EADDRINUSE);
    cr_assert_not_null(strstr(err.text, "Address already in use"), "%s", err.text);
    cr_assert_not_null(strstr(err.text, "\"q\""), "%s", err.text);
    diag_close(&diag);
    proxy_destroy(net.proxy);
    net.proxy = NULL;
    uv_run(&net.loop, UV_RUN_DEFAULT); /* ends: nothing is open */
    net_start(&net, NET_ONE_PATH, server);
}

Test(change, a_reload_leaves_an_unchanged_rule_alone)
{
    char base[1024];
    (void)snprintf(
        base, sizeof base,
        NET_ONE_PATH "rules:\n  - { name: slow, inject: { delay: 100ms } }\n", server);
    net_start(&net, "%s", base);
    struct net_pair pair = net_join(&net, listener);
    uint64_t since = now_ns();
    net_say(&net, pair.client, "on its way");
    net_idle(&net, 20 * NS_PER_MS);
    cr_assert_eq(net_apply_base(&net, "%s", base), 0);
    net_hear(&net, pair.server, "on its way");
    uint64_t took = now_ns() - since;
    cr_assert_geq(took, 100 * NS_PER_MS, "not released early");
    net_part(pair);
}
