/* SPDX-License-Identifier: MIT */
/* intercept: netns, between nodes on one bridge and nodes around a router. */
#include "proxy/base/errmsg.h"
#include "proxy/base/now.h"
#include "tests/proxy/lab_fixture.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { PORT = 6379 };

static void setup(void)
{
    net_init(&net);
}

TestSuite(netns, .init = setup, .fini = lab_fixture_close, .timeout = 60);

#define RULES                                                                          \
    "netsplit: 1\nintercept: netns\nports: [6379]\nnodes:\n"                           \
    "  n1: { netns: /proc/self/fd/%d }\n  n2: { netns: /proc/self/fd/%d }\n"

static void start(void)
{
    net_start(&net, RULES, lab.nodes[1], lab.nodes[2]);
}

static struct net_pair join(int family, int listener)
{
    return lab_fixture_join(1, family, netlab_address(&lab, family, 2), PORT, listener);
}

static bool same_host(const char *one, const char *other)
{
    size_t length = (size_t)(strrchr(one, ':') - one);
    return strncmp(one, other, length + 1) == 0;
}

static void check_addresses_stay(int family)
{
    int listener = netlab_listen(&lab, 2, family, PORT);
    start();
    struct net_pair pair = join(family, listener);
    cr_expect(same_host(netlab_own(pair.client), netlab_peer(pair.server)),
              "%s, not %s", netlab_peer(pair.server), netlab_own(pair.client));
    cr_expect_str_eq(netlab_own(pair.server), netlab_peer(pair.client));
    net_talk(&net, pair);
    struct journal_event event;
    cr_assert(net_event(&net, &cursor, JOURNAL_CONNECTION_OPENED, &event));
    cr_expect_str_eq(event.from, "n1");
    cr_expect_str_eq(event.to, "n2");
    net_part(pair);
    close(listener);
    net_close(&net);
}

Test(netns, keeps_addresses_on_a_bridge)
{
    netlab_open_bridged(&lab, 2);
    check_addresses_stay(AF_INET);
}

Test(netns, keeps_addresses_of_ipv6_on_a_bridge)
{
    netlab_open_bridged(&lab, 2);
    check_addresses_stay(AF_INET6);
}

Test(netns, keeps_addresses_across_a_router)
{
    netlab_open(&lab, 2);
    check_addresses_stay(AF_INET);
}

Test(netns, keeps_addresses_of_ipv6_across_a_router)
{
    netlab_open(&lab, 2);
    check_addresses_stay(AF_INET6);
}

Test(netns, faults_are_of_one_direction_between_two_nodes)
{
    netlab_open_bridged(&lab, 3);
    int listener = netlab_listen(&lab, 2, AF_INET, PORT);
    net_start(&net, RULES "  n3: { netns: /proc/self/fd/%d }\n", lab.nodes[1],
              lab.nodes[2], lab.nodes[3]);
    struct net_pair pair = join(AF_INET, listener);
    int other = netlab_connect(&lab, &net, 3, AF_INET, "10.77.0.2", PORT);
    struct net_pair beside = {other, net_accept(&net, listener)};
    net_apply(&net, "cut", "  - { name: c, cut: { from: n1, to: n2 }, how: stall }");
    net_say(&net, pair.client, "held");
    net_say(&net, pair.server, "passes");
    net_hear(&net, pair.client, "passes");
    net_talk(&net, beside);
    net_hear_nothing(&net, pair.server, 30 * NS_PER_MS);
    net_remove(&net, "cut");
    net_hear(&net, pair.server, "held");
    net_part(pair);
    net_part(beside);
    close(listener);
    net_close(&net);
}

Test(netns, a_connection_that_exists_lives_on_across_start_reload_and_stop)
{
    netlab_open_bridged(&lab, 2);
    int listener = netlab_listen(&lab, 2, AF_INET, PORT);
    struct net_pair pair = join(AF_INET, listener);
    net_talk(&net, pair);
    start();
    net_talk(&net, pair);
    cr_assert_eq(
        net_apply_base(&net, RULES "  apps: 10.9.0.0/16\n", lab.nodes[1], lab.nodes[2]),
        0);
    net_talk(&net, pair);
    struct journal_event event;
    cr_expect_not(net_event(&net, &cursor, JOURNAL_CONNECTION_OPENED, &event));
    net_close(&net);
    lab_fixture_expect_alive(pair);
    net_part(pair);
    close(listener);
}

Test(netns, stopping_leaves_no_table_in_any_namespace)
{
    netlab_open_bridged(&lab, 2);
    start();
    netlab_run(&lab, 1, "nft list tables | grep -q netsplit_0");
    netlab_run(&lab, 2, "nft list tables | grep -q netsplit_0");
    netlab_run(&lab, 0, "test -z \"$(nft list tables)\"");
    net_close(&net);
    netlab_run(&lab, 1, "test -z \"$(nft list tables)\"");
    netlab_run(&lab, 2, "test -z \"$(nft list tables)\"");
}

Test(netns, a_node_to_itself_is_not_intercepted)
{
    netlab_open_bridged(&lab, 2);
    int listener = netlab_listen(&lab, 1, AF_INET, PORT);
    net_start(&net, RULES "  all: 10.77.0.0/24\n", lab.nodes[1], lab.nodes[2]);
    int client = netlab_connect(&lab, &net, 1, AF_INET, "10.77.0.1", PORT);
    close(net_accept(&net, listener));
    struct journal_event event;
    cr_expect_not(net_event(&net, &cursor, JOURNAL_CONNECTION_OPENED, &event));
    close(client);
    close(listener);
    net_close(&net);
}

Test(netns, who_connects_to_the_accept_port_is_refused)
{
    netlab_open_bridged(&lab, 2);
    start();
    netlab_run(
        &lab, 1,
        "port=$(nft list chain inet netsplit_0 output | "
        "sed -n 's/.*ip daddr.*redirect to :\\([0-9]*\\).*/\\1/p'); "
        "test -n \"$port\"; ! timeout 5 bash -c \"exec 3<>/dev/tcp/127.0.0.1/$port\" "
        "2>/dev/null; test $? != 124");
    net_close(&net);
}

/* The namespace of fd is gone for the proxy: its path leads to another. */
static void put_at(int fd, int other)
{
    cr_assert_eq(dup3(other, fd, O_CLOEXEC), fd);
}

Test(netns, a_node_that_goes_and_comes_back_elsewhere_does_not_disturb_the_others)
{
    netlab_open_bridged(&lab, 4);
    int listener = netlab_listen(&lab, 2, AF_INET, PORT);
    int place = fcntl(lab.nodes[3], F_DUPFD_CLOEXEC, 0);
    net_start(&net, RULES "  n3: { netns: /proc/self/fd/%d }\n", lab.nodes[1],
              lab.nodes[2], place);
    struct net_pair pair = join(AF_INET, listener);
    struct journal_event event;
    cr_assert(net_event(&net, &cursor, JOURNAL_CONNECTION_OPENED, &event));
    put_at(place, lab.nodes[4]);
    /* Taken up when the proxy has looked again. */
    bool taken = false;
    for (uint64_t since = now_ns(); !taken;) {
        cr_assert_lt(now_ns() - since, NET_PATIENCE_NS);
        int client = netlab_connect(&lab, &net, 4, AF_INET, "10.77.0.2", PORT);
        close(net_accept(&net, listener));
        taken = net_event(&net, &cursor, JOURNAL_CONNECTION_OPENED, &event) &&
                strcmp(event.from, "n3") == 0;
        close(client);
        net_turn(&net, 50);
    }
    netlab_run(&lab, 3, "test -z \"$(nft list tables)\"");
    cursor = 0;
    cr_assert(net_event(&net, &cursor, JOURNAL_NODE_GONE, &event));
    cr_expect_str_eq(event.from, "n3");
    cr_assert(net_event(&net, &cursor, JOURNAL_NODE_FOUND, &event));
    cr_expect_str_eq(event.from, "n3");
    net_talk(&net, pair);
    net_part(pair);
    close(listener);
    close(place);
    net_close(&net);
}

Test(netns, two_nodes_in_one_namespace_are_refused)
{
    netlab_open_bridged(&lab, 1);
    int again = fcntl(lab.nodes[1], F_DUPFD_CLOEXEC, 0);
    cr_assert_eq(proxy_create(&net.config, &net.proxy), 0);
    cr_expect_eq(net_apply_base(&net, RULES, lab.nodes[1], again), -EINVAL);
    netlab_run(&lab, 1, "test -z \"$(nft list tables)\"");
    net_close(&net);
    close(again);
}

Test(netns, a_namespace_that_is_not_there_is_said)
{
    netlab_open_bridged(&lab, 1);
    cr_assert_eq(proxy_create(&net.config, &net.proxy), 0);
    cr_expect_eq(net_apply_base(&net, "netsplit: 1\nintercept: netns\nports: [1]\n"
                                      "nodes:\n  n1: { netns: /proc/self/fd/9999 }\n"),
                 -ENOENT);
    net_close(&net);
}

static void note(void *context, const struct proxy_bypassing_view *view)
{
    cr_expect_str_eq(view->from, "n1");
    cr_expect_str_eq(view->to, "n2");
    cr_expect_str_eq(view->client, context);
}

Test(netns, what_bypasses_is_counted_and_adopted)
{
    netlab_open_bridged(&lab, 2);
    int listener = netlab_listen(&lab, 2, AF_INET, PORT);
    struct net_pair pair = join(AF_INET, listener);
    start();
    struct net_pair taken = join(AF_INET, listener);
    net_talk(&net, taken);
    char client[64];
    (void)snprintf(client, sizeof client, "%s", netlab_own(pair.client));
    cr_expect_eq(proxy_each_bypassing(net.proxy, note, client), 1);
    struct errmsg err = {0};
    size_t n = 99;
    cr_expect_eq(proxy_adopt(net.proxy, "n2", "n1", &n, &err), 0);
    cr_expect_eq(n, 0);
    cr_expect_eq(proxy_adopt(net.proxy, NULL, NULL, &n, &err), 0, "%s", err.text);
    cr_expect_eq(n, 1);
    net_hear_reset(&net, pair.server);
    cr_expect_eq(proxy_each_bypassing(net.proxy, NULL, NULL), 0);
    net_talk(&net, taken);
    net_part(pair);
    net_part(taken);
    close(listener);
    net_close(&net);
}

Test(netns, the_connections_of_a_node_that_is_removed_live_on_without_faults)
{
    netlab_open_bridged(&lab, 2);
    int listener = netlab_listen(&lab, 2, AF_INET, PORT);
    start();
    struct net_pair pair = join(AF_INET, listener);
    net_apply(&net, "cut", "  - { name: c, cut: { from: any, to: any }, how: drop }");
    net_say(&net, pair.client, "lost for now");
    net_hear_nothing(&net, pair.server, 30 * NS_PER_MS);
    net_remove(&net, "cut");
    cr_assert_eq(net_apply_base(&net,
                                "netsplit: 1\nintercept: netns\nports: [6379]\nnodes:\n"
                                "  n2: { netns: /proc/self/fd/%d }\n",
                                lab.nodes[2]),
                 0);
    net_hear(&net, pair.server, "lost for now");
    net_talk(&net, pair);
    netlab_run(&lab, 1, "nft list tables | grep -q netsplit_0");
    int direct = netlab_connect(&lab, &net, 1, AF_INET, "10.77.0.2", PORT);
    close(net_accept(&net, listener));
    struct journal_event event;
    cr_assert(net_event(&net, &cursor, JOURNAL_CONNECTION_OPENED, &event));
    cr_expect_not(net_event(&net, &cursor, JOURNAL_CONNECTION_OPENED, &event));
    close(direct);
    net_part(pair);
    cursor = 0;
    net_closed_because(&net, &cursor, "finished");
    netlab_run(&lab, 1, "test -z \"$(nft list tables)\"");
    close(listener);
    net_close(&net);
}

static bool is_found(void *context)
{
    (void)context;
    struct journal_event event;
    return net_event(&net, &cursor, JOURNAL_NODE_FOUND, &event);
}

Test(netns, a_node_that_is_not_there_yet_is_no_reason_to_refuse_a_reload)
{
    netlab_open_bridged(&lab, 3);
    int listener = netlab_listen(&lab, 2, AF_INET, PORT);
    int place = fcntl(lab.nodes[3], F_DUPFD_CLOEXEC, 500);
    close(place);
    start();
    cr_assert_eq(net_apply_base(&net, RULES "  n3: { netns: /proc/self/fd/%d }\n",
                                lab.nodes[1], lab.nodes[2], place),
                 0);
    net_part(join(AF_INET, listener));
    put_at(place, lab.nodes[3]);
    net_until(&net, is_found, NULL);
    int client = netlab_connect(&lab, &net, 3, AF_INET, "10.77.0.2", PORT);
    close(net_accept(&net, listener));
    struct journal_event event;
    cr_assert(net_event(&net, &cursor, JOURNAL_CONNECTION_OPENED, &event));
    cr_expect_str_eq(event.from, "n3");
    close(client);
    close(listener);
    close(place);
    net_close(&net);
}
