/* SPDX-License-Identifier: MIT */
/* intercept: tproxy on a router between two nodes. */
#include "proxy/base/errmsg.h"
#include "proxy/base/now.h"
#include "tests/proxy/lab_fixture.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { PORT = 5432 };

#define RULES                                                                          \
    "netsplit: 1\nintercept: tproxy\nports: [5432]\n"                                  \
    "nodes:\n  n1: 10.77.1.2\n  n2: 10.77.2.2\n"                                       \
    "  six1: \"fd77:1::2\"\n  six2: \"fd77:2::2\"\n"

static void setup(void)
{
    lab_fixture_open(2);
}

TestSuite(tproxy, .init = setup, .fini = lab_fixture_close, .timeout = 60);

static void start(void)
{
    net_start(&net, RULES);
}

/* A connection of node 1 to node 2, through whatever is there. */
static struct net_pair join(int family, int listener)
{
    return lab_fixture_join(1, family, netlab_address(&lab, family, 2), PORT, listener);
}

static void check_both_addresses_stay(int family)
{
    int listener = netlab_listen(&lab, 2, family, PORT);
    start();
    struct net_pair pair = join(family, listener);
    cr_expect_str_eq(netlab_own(pair.client), netlab_peer(pair.server));
    cr_expect_str_eq(netlab_own(pair.server), netlab_peer(pair.client));
    net_talk(&net, pair);
    struct journal_event event;
    cr_assert(net_event(&net, &cursor, JOURNAL_CONNECTION_OPENED, &event));
    cr_expect_str_eq(event.from, family == AF_INET ? "n1" : "six1");
    cr_expect_str_eq(event.to, family == AF_INET ? "n2" : "six2");
    cr_expect_str_eq(event.text, netlab_own(pair.client));
    net_part(pair);
    close(listener);
    net_close(&net);
}

Test(tproxy, keeps_both_addresses_and_ports)
{
    check_both_addresses_stay(AF_INET);
}

Test(tproxy, keeps_both_addresses_and_ports_of_ipv6)
{
    check_both_addresses_stay(AF_INET6);
}

Test(tproxy, faults_are_those_of_the_nodes_that_the_addresses_are_of)
{
    int listener = netlab_listen(&lab, 2, AF_INET, PORT);
    start();
    struct net_pair pair = join(AF_INET, listener);
    net_apply(&net, "cut", "  - { name: c, cut: { from: n2, to: n1 }, how: stall }");
    net_say(&net, pair.client, "through");
    net_hear(&net, pair.server, "through");
    net_say(&net, pair.server, "held");
    net_hear_nothing(&net, pair.client, 30 * NS_PER_MS);
    net_remove(&net, "cut");
    net_hear(&net, pair.client, "held");
    net_part(pair);
    close(listener);
    net_close(&net);
}

Test(tproxy, a_server_that_refuses_is_shown_as_a_reset)
{
    start();
    int client = netlab_dial(&lab, 1, AF_INET, "10.77.2.2", PORT);
    net_closed_because(&net, &cursor, "server unreachable");
    close(client);
    net_close(&net);
}

Test(tproxy, a_connection_that_exists_lives_on_across_start_reload_and_stop)
{
    int listener = netlab_listen(&lab, 2, AF_INET, PORT);
    struct net_pair pair = join(AF_INET, listener);
    net_talk(&net, pair);
    start();
    net_talk(&net, pair);
    cr_assert_eq(net_apply_base(&net, RULES "  n3: 10.77.2.3\n"), 0);
    net_talk(&net, pair);
    struct journal_event event;
    cr_expect_not(net_event(&net, &cursor, JOURNAL_CONNECTION_OPENED, &event));
    net_close(&net);
    char byte;
    cr_expect_lt(recv(pair.client, &byte, 1, MSG_DONTWAIT), 0);
    lab_fixture_expect_alive(pair);
    net_part(pair);
    close(listener);
}

Test(tproxy, stopping_leaves_nothing_in_the_kernel)
{
    start();
    netlab_run(&lab, 0, "nft list tables | grep -q netsplit_0");
    netlab_run(&lab, 0,
               "ip rule | grep -q 0x4e530002; ip -6 rule | grep -q 0x4e530002");
    net_close(&net);
    netlab_run(&lab, 0,
               "test -z \"$(nft list tables)\"; "
               "! ip rule | grep -q 0x4e53; ! ip -6 rule | grep -q 0x4e53; "
               "test -z \"$(ip route show table 1314062336 2>&1 | grep local)\"");
}

Test(tproxy, a_reload_adds_ports_and_takes_them_away)
{
    int listener = netlab_listen(&lab, 2, AF_INET, 6379);
    start();
    int client = netlab_connect(&lab, &net, 1, AF_INET, "10.77.2.2", 6379);
    struct journal_event event;
    cr_expect_not(net_event(&net, &cursor, JOURNAL_CONNECTION_OPENED, &event));
    close(client);
    close(net_accept(&net, listener));
    cr_assert_eq(net_apply_base(&net, "netsplit: 1\nintercept: tproxy\nports: [6379]\n"
                                      "nodes:\n  n1: 10.77.1.2\n  n2: 10.77.2.2\n"),
                 0);
    client = netlab_connect(&lab, &net, 1, AF_INET, "10.77.2.2", 6379);
    cr_expect(net_event(&net, &cursor, JOURNAL_CONNECTION_OPENED, &event));
    int peer = net_accept(&net, listener);
    cr_assert_eq(net_apply_base(&net, RULES), 0);
    net_part((struct net_pair){client, peer});
    client = netlab_connect(&lab, &net, 1, AF_INET, "10.77.2.2", 6379);
    cr_expect_not(net_event(&net, &cursor, JOURNAL_CONNECTION_OPENED, &event));
    close(net_accept(&net, listener));
    close(client);
    close(listener);
    net_close(&net);
}

Test(tproxy, the_connections_of_a_node_that_is_removed_live_on_without_faults)
{
    int listener = netlab_listen(&lab, 2, AF_INET, PORT);
    start();
    struct net_pair pair = join(AF_INET, listener);
    net_apply(&net, "cut", "  - { name: c, cut: { from: any, to: any }, how: stall }");
    net_say(&net, pair.client, "held");
    net_hear_nothing(&net, pair.server, 30 * NS_PER_MS);
    cr_assert_eq(net_apply_base(&net, "netsplit: 1\nintercept: tproxy\nports: [5432]\n"
                                      "nodes:\n  n1: 10.77.1.2\n"),
                 0);
    net_hear(&net, pair.server, "held");
    net_talk(&net, pair);
    net_part(pair);
    close(listener);
    net_close(&net);
}

Test(tproxy, a_change_of_the_mode_is_refused_and_changes_nothing)
{
    int listener = netlab_listen(&lab, 2, AF_INET, PORT);
    start();
    cr_expect_eq(net_apply_base(&net, "netsplit: 1\nnodes:\n  n1: 10.77.1.2\n"),
                 -EINVAL);
    net_part(join(AF_INET, listener));
    struct journal_event event;
    cr_expect(net_event(&net, &cursor, JOURNAL_CONNECTION_OPENED, &event));
    close(listener);
    net_close(&net);
}

Test(tproxy, what_bypasses_is_counted_and_adopted)
{
    int listener = netlab_listen(&lab, 2, AF_INET, PORT);
    struct net_pair pair = join(AF_INET, listener);
    start();
    cr_expect_eq(proxy_each_bypassing(net.proxy, NULL, NULL), 0,
                 "has said nothing yet");
    net_talk(&net, pair);
    cr_expect_eq(proxy_each_bypassing(net.proxy, NULL, NULL), 1);
    struct net_pair taken = join(AF_INET, listener);
    net_talk(&net, taken);
    cr_expect_eq(proxy_each_bypassing(net.proxy, NULL, NULL), 1);
    struct errmsg err = {0};
    size_t n = 99;
    cr_expect_eq(proxy_adopt(net.proxy, "n2", NULL, &n, &err), 0);
    cr_expect_eq(n, 0);
    net_talk(&net, pair);
    cr_expect_eq(proxy_adopt(net.proxy, "n1", "n2", &n, &err), 0, "%s", err.text);
    cr_expect_eq(n, 1);
    struct journal_event event;
    cr_assert(net_event(&net, &cursor, JOURNAL_ADOPTED, &event));
    cr_expect_str_eq(event.text, netlab_own(pair.client));
    net_say(&net, pair.server, "on its way back");
    net_say(&net, pair.client, "on its way");
    net_hear_reset(&net, pair.client);
    net_hear_reset(&net, pair.server);
    cr_expect_eq(proxy_each_bypassing(net.proxy, NULL, NULL), 0);
    net_talk(&net, taken);
    net_part(pair);
    net_part(taken);
    close(listener);
    net_close(&net);
}

/* Node 1 connects from the port. */
static int connect_from(uint16_t own, uint16_t port)
{
    netlab_bind_next(&lab, own);
    return netlab_connect(&lab, &net, 1, AF_INET, "10.77.2.2", port);
}

Test(tproxy, one_port_of_a_client_serves_two_servers_and_serves_again)
{
    int first = netlab_listen(&lab, 2, AF_INET, PORT);
    int second = netlab_listen(&lab, 2, AF_INET, 5433);
    net_start(&net, "netsplit: 1\nintercept: tproxy\nports: [5432, 5433]\n"
                    "nodes:\n  n1: 10.77.1.2\n  n2: 10.77.2.2\n");
    for (int i = 0; i < 3; i++) {
        struct net_pair one, other;
        one.client = connect_from(40000, PORT);
        one.server = net_accept(&net, first);
        other.client = connect_from(40000, 5433);
        other.server = net_accept(&net, second);
        cr_expect_str_eq(netlab_peer(one.server), "10.77.1.2:40000");
        cr_expect_str_eq(netlab_peer(other.server), "10.77.1.2:40000");
        net_talk(&net, one);
        net_talk(&net, other);
        close(one.server); /* the server closes first: the client's port is free */
        close(other.server);
        net_hear_fin(&net, one.client);
        net_hear_fin(&net, other.client);
        close(one.client);
        close(other.client);
        net_closed_because(&net, &cursor, "finished");
        net_closed_because(&net, &cursor, "finished");
    }
    close(first);
    close(second);
    net_close(&net);
}

Test(tproxy, a_host_without_ipv6_does_without_and_says_so_if_it_is_asked_for)
{
    netlab_run(&lab, 0, "echo 1 > /proc/sys/net/ipv6/conf/all/disable_ipv6");
    int listener = netlab_listen(&lab, 2, AF_INET, PORT);
    net_start(&net, "netsplit: 1\nintercept: tproxy\nports: [5432]\n"
                    "nodes:\n  n1: 10.77.1.2\n  n2: 10.77.2.2\n");
    struct net_pair pair = join(AF_INET, listener);
    net_talk(&net, pair);
    struct journal_event event;
    cr_expect(net_event(&net, &cursor, JOURNAL_CONNECTION_OPENED, &event));
    cr_expect_eq(net_apply_base(&net, RULES), -EAFNOSUPPORT);
    net_talk(&net, pair);
    net_part(pair);
    close(listener);
    net_close(&net);
}
