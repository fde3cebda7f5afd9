/* SPDX-License-Identifier: MIT */
/* Whole connections through a proxy on a real loop: what passes, and how it ends. */
#include "proxy/base/now.h"
#include "tests/proxy/fixture.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

TestSuite(proxy, .init = fixture_open, .fini = fixture_close, .timeout = 60);

static void shut(int fd)
{
    cr_assert_eq(shutdown(fd, SHUT_WR), 0);
}

Test(proxy, passes_bytes_both_ways)
{
    net_start(&net, NET_ONE_PATH, server);
    struct net_pair pair = net_join(&net, listener);
    net_say(&net, pair.client, "question");
    net_hear(&net, pair.server, "question");
    net_say(&net, pair.server, "answer");
    net_hear(&net, pair.client, "answer");
    net_part(pair);
    net_closed_because(&net, &cursor, "finished");
    struct counters_link *there = counters_link(&net.counters, "c", "s");
    struct counters_link *back = counters_link(&net.counters, "s", "c");
    cr_assert_eq(there->passed_bytes, 8);
    cr_assert_eq(back->passed_bytes, 6);
    cr_assert_eq(there->connections, 1);
    cr_assert_eq(back->connections, 0);
}

Test(proxy, passes_the_clients_fin_on_and_the_answer_back)
{
    net_start(&net, NET_ONE_PATH, server);
    struct net_pair pair = net_join(&net, listener);
    net_say(&net, pair.client, "all I have");
    shut(pair.client);
    net_hear(&net, pair.server, "all I have");
    net_hear_fin(&net, pair.server);
    net_say(&net, pair.server, "thanks");
    net_hear(&net, pair.client, "thanks");
    shut(pair.server);
    net_hear_fin(&net, pair.client);
    net_closed_because(&net, &cursor, "finished");
    net_part(pair);
}

Test(proxy, passes_the_servers_fin_on_and_still_hears_the_client)
{
    net_start(&net, NET_ONE_PATH, server);
    struct net_pair pair = net_join(&net, listener);
    net_say(&net, pair.server, "bye");
    shut(pair.server);
    net_hear(&net, pair.client, "bye");
    net_hear_fin(&net, pair.client);
    net_say(&net, pair.client, "wait, one more thing");
    net_hear(&net, pair.server, "wait, one more thing");
    shut(pair.client);
    net_hear_fin(&net, pair.server);
    net_closed_because(&net, &cursor, "finished");
    net_part(pair);
}

Test(proxy, passes_a_fin_behind_bytes_that_the_receiver_was_slow_to_take)
{
    net_start(&net, NET_ONE_PATH, server);
    struct net_pair pair = net_join(&net, listener);
    size_t sent = net_fill(&net, pair.client);
    shut(pair.client);
    net_idle(&net, 20 * NS_PER_MS);
    net_skim(&net, pair.server, sent);
    net_hear_fin(&net, pair.server);
    net_part(pair);
    net_closed_because(&net, &cursor, "finished");
}

Test(proxy, passes_a_reset_of_the_client_on_as_a_reset)
{
    net_start(&net, NET_ONE_PATH, server);
    struct net_pair pair = net_join(&net, listener);
    net_reset(pair.client);
    net_hear_reset(&net, pair.server);
    net_closed_because(&net, &cursor, "reset by client");
    close(pair.server);
}

Test(proxy, passes_a_reset_of_the_server_on_behind_its_bytes)
{
    net_start(&net, NET_ONE_PATH, server);
    struct net_pair pair = net_join(&net, listener);
    size_t sent = net_fill(&net, pair.server);
    net_say(&net, pair.client, "unread"); /* so that the close below is an RST */
    net_wait(&net, pair.server, POLLIN);
    close(pair.server);
    net_skim(&net, pair.client,
             sent / 2); /* not the last: those the server's kernel dropped */
    net_closed_because(&net, &cursor, "reset by server");
    char byte[4096];
    ssize_t n;
    do {
        net_wait(&net, pair.client, POLLIN);
        n = recv(pair.client, byte, sizeof byte, 0);
    } while (n > 0);
    cr_assert_eq(n, -1);
    cr_assert_eq(errno, ECONNRESET);
    close(pair.client);
}

Test(proxy, delivers_what_came_before_a_reset)
{
    net_start(&net, NET_ONE_PATH, server);
    struct net_pair pair = net_join(&net, listener);
    static char bytes[200000];
    memset(bytes, 'x', sizeof bytes);
    net_send(&net, pair.client, bytes, sizeof bytes);
    for (struct counters_link *link = counters_link(&net.counters, "c", "s");
         link->passed_bytes < sizeof bytes;)
        net_turn(&net, 10);
    net_reset(pair.client);
    net_idle(&net, 50 * NS_PER_MS);
    net_skim(&net, pair.server, sizeof bytes);
    net_hear_reset(&net, pair.server);
    close(pair.server);
}

Test(proxy, gives_a_receiver_that_does_not_read_one_second_before_the_reset)
{
    net_start(&net, NET_ONE_PATH, server);
    struct net_pair pair = net_join(&net, listener);
    (void)net_fill(&net, pair.client);
    uint64_t since = now_ns();
    net_reset(pair.client);
    net_closed_because(&net, &cursor, "reset by client");
    cr_assert_geq(now_ns() - since, 900 * NS_PER_MS, "not before its time");
    close(pair.server);
}

Test(proxy, passes_a_reset_on_that_follows_a_fin)
{
    net_start(&net, NET_ONE_PATH, server);
    struct net_pair pair = net_join(&net, listener);
    shut(pair.client);
    net_hear_fin(&net, pair.server);
    net_reset(pair.client);
    net_closed_because(&net, &cursor, "reset by client");
    char byte = 'x';
    cr_assert_lt(send(pair.server, &byte, 1, MSG_NOSIGNAL), 0);
    close(pair.server);
}

Test(proxy, a_client_that_closed_hears_of_no_more_and_the_server_is_told)
{
    net_start(&net, NET_ONE_PATH, server);
    struct net_pair pair = net_join(&net, listener);
    close(pair.client);
    net_hear_fin(&net, pair.server);
    net_say(&net, pair.server, "are you there?"); /* answered by an RST */
    net_closed_because(&net, &cursor, "reset by client");
    close(pair.server);
}

Test(proxy, a_reset_while_nothing_is_read_is_noticed)
{
    net_start(&net, NET_ONE_PATH, server);
    struct net_pair pair = net_join(&net, listener);
    (void)net_fill(&net, pair.client); /* the server is slow: reading pauses */
    net_reset(pair.server);
    net_closed_because(&net, &cursor, "reset by server");
    close(pair.client);
}

Test(proxy, urgent_data_arrive_in_place_and_do_not_spin)
{
    net_start(&net, NET_ONE_PATH, server);
    struct net_pair pair = net_join(&net, listener);
    net_say(&net, pair.client, "a");
    cr_assert_eq(send(pair.client, "b", 1, MSG_OOB), 1);
    net_say(&net, pair.client, "c");
    net_hear(&net, pair.server, "abc");
    net_part(pair);
}

Test(proxy, a_slow_receiver_costs_its_own_connection_only)
{
    net_start(&net, NET_ONE_PATH, server);
    struct net_pair slow = net_join(&net, listener);
    struct net_pair quick = net_join(&net, listener);
    (void)net_fill(&net, slow.client);
    for (int i = 0; i < 100; i++) {
        net_say(&net, quick.client, "ping");
        net_hear(&net, quick.server, "ping");
        net_say(&net, quick.server, "pong");
        net_hear(&net, quick.client, "pong");
    }
    struct proxy_status status;
    proxy_status(net.proxy, &status);
    cr_assert_leq(status.held_bytes, 65536, "no more than one read");
    net_part(slow);
    net_part(quick);
}

Test(proxy, an_idle_connection_holds_nothing)
{
    net_start(&net, NET_ONE_PATH, server);
    struct net_pair pair = net_join(&net, listener);
    size_t sent = net_fill(&net, pair.client);
    net_skim(&net, pair.server, sent);
    struct proxy_status status;
    proxy_status(net.proxy, &status);
    cr_assert_eq(status.held_bytes, 0);
    cr_assert_eq(status.connections, 1);
    net_part(pair);
}

Test(proxy, serves_ipv6_on_both_sides)
{
    uint16_t six;
    int server_six = net_listen(AF_INET6, &six);
    net_start(&net,
              "netsplit: 1\nnodes:\n  c: 192.0.2.1\n"
              "  s: { address: \"::1\", ports: [%u] }\n"
              "listen:\n  - { name: p, address: \"[::1]:0\", from: c, to: s }\n",
              six);
    int client = net_dial(AF_INET6, net_port(&net, "p"));
    net_wait(&net, client, POLLOUT);
    int peer = net_accept(&net, server_six);
    net_say(&net, client, "six");
    net_hear(&net, peer, "six");
    close(client);
    close(peer);
    close(server_six);
}

Test(proxy, two_instances_in_one_process_know_nothing_of_each_other)
{
    static struct net other;
    net_init(&other);
    net_start(&net, NET_ONE_PATH, server);
    net_start(&other, NET_ONE_PATH, server);
    struct net_pair pair = net_join(&net, listener);
    struct net_pair second = net_join(&other, listener);
    net_apply(&net, "cut", "  - { name: cut, cut: { from: c, to: s } }");
    net_say(&net, pair.client, "held");
    net_say(&other, second.client, "passes");
    net_hear(&other, second.server, "passes");
    net_hear_nothing(&net, pair.server, 20 * NS_PER_MS);
    net_part(pair);
    net_part(second);
    net_close(&other);
}

Test(proxy, stopping_resets_what_is_open)
{
    net_start(&net, NET_ONE_PATH, server);
    struct net_pair pair = net_join(&net, listener);
    uint16_t port = net_port(&net, "p");
    proxy_stop(net.proxy, 0);
    net_hear_reset(&net, pair.client);
    net_hear_reset(&net, pair.server);
    cr_assert_eq(net_connect_error(&net, port), ECONNREFUSED);
    net_part(pair);
}

Test(proxy, draining_lets_connections_end_by_themselves)
{
    net_start(&net, NET_ONE_PATH, server);
    struct net_pair pair = net_join(&net, listener);
    uint16_t port = net_port(&net, "p");
    proxy_stop(net.proxy, UINT64_MAX);
    cr_assert_eq(net_connect_error(&net, port), ECONNREFUSED);
    net_say(&net, pair.client, "last words");
    net_hear(&net, pair.server, "last words");
    cr_assert_not(net.stopped);
    net_part(pair);
    net_closed_because(&net, &cursor, "finished");
    for (uint64_t since = now_ns(); !net.stopped; net_turn(&net, 10))
        cr_assert_lt(now_ns() - since, NET_PATIENCE_NS);
}

Test(proxy, stopping_with_nothing_open_and_no_listener_stops)
{
    net_start(&net, "netsplit: 1\nnodes:\n  c: 192.0.2.1\n  d: 192.0.2.2\n");
    proxy_stop(net.proxy, UINT64_MAX);
    cr_assert_not(net.stopped, "told from the loop");
    for (uint64_t since = now_ns(); !net.stopped; net_turn(&net, 10))
        cr_assert_lt(now_ns() - since, NET_PATIENCE_NS);
}
