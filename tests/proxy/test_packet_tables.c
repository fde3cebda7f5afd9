/* SPDX-License-Identifier: MIT */
/* Attempts, and connections that pass the proxy by, in the modes that intercept. Nodes
 * 1 and 2 of a netlab; what each mode takes is what its node 1 opens to node 2. */
#include "proxy/base/now.h"
#include "tests/proxy/lab_fixture.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/fsuid.h>
#include <sys/socket.h>
#include <unistd.h>

enum { PORT = 5432 };

static void setup(void)
{
    lab_fixture_open(3);
}

TestSuite(packet_tables, .init = setup, .fini = lab_fixture_close, .timeout = 120);

static struct counters_touch *counts_on(const char *from, const char *to)
{
    for (struct counters_touch *each = net.counters.touches; each; each = each->next)
        if (strcmp(each->rule->name, "gone") == 0 &&
            strcmp(each->link->from, from) == 0 && strcmp(each->link->to, to) == 0)
            return each;
    return NULL;
}

static struct counters_rule *counts(void)
{
    return counters_rule(&net.counters, "gone", "gone");
}

/* 0 or an error: what became of a connect() of a node within a time; EAGAIN: nothing.
 */
static int outcome(int node, const char *address, uint64_t span_ns)
{
    int fd = netlab_dial(&lab, node, AF_INET, address, PORT);
    struct pollfd wait = {.fd = fd, .events = POLLOUT};
    int error = EAGAIN;
    for (uint64_t until_ns = now_ns() + span_ns; now_ns() < until_ns;) {
        net_turn(&net, 5);
        if (poll(&wait, 1, 0) == 0)
            continue;
        socklen_t length = sizeof error;
        cr_assert_eq(getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &length), 0);
        break;
    }
    (void)close(fd);
    return error;
}

/* What a rule does to the attempts of n1 to n2, as the one who connects sees it. */
static const struct {
    const char *rule;
    int outcome; /* of connect(); EAGAIN: it hears nothing */
} attempts[] = {
    {"partition: [[n1], [n2]], how: drop", EAGAIN},
    {"cut: { from: n1, to: n2 }, how: drop", EAGAIN},
    {"cut: { from: n2, to: n1 }, how: drop", EAGAIN},
    {"partition: [[n1], [n2]], how: refuse", ECONNREFUSED},
    {"match: { from: n1, to: n2 }, inject: { refuse: true }", ECONNREFUSED},
    {"match: { from: any, to: n2 }, inject: { refuse: true }", ECONNREFUSED},
    {"match: { from: n1, to: n2, port: 5432 }, inject: { refuse: true }", ECONNREFUSED},
    {"match: { from: n1, to: n2, port: 5433 }, inject: { refuse: true }", 0},
    {"match: { from: n2, to: n1 }, inject: { refuse: true }", 0},
    {"match: { from: n1, to: any }, inject: { unanswered: true }", EAGAIN},
    {"match: { port: 5432 }, inject: { unanswered: true }", EAGAIN},
    {"inject: { unanswered: true }", EAGAIN},
    {"match: { from: n1, to: n2 }, inject: { packet_loss: 100% }", EAGAIN},
    {"partition: [[n1], [n3]], how: drop", 0},
    {"partition: [[n1], [n2]], how: drop, when: { after: 1h }", 0},
};

static void check_attempts(const char *mode)
{
    int listener = netlab_listen(&lab, 2, AF_INET, PORT);
    lab_fixture_start(mode, PORT);
    for (size_t i = 0; i < sizeof attempts / sizeof *attempts; i++) {
        const char *rule = attempts[i].rule;
        uint64_t before = counts()->packets_dropped + counts()->attempts_refused;
        net_apply(&net, "gone", "  - { name: gone, %s }", rule);
        uint64_t span_ns =
            attempts[i].outcome == EAGAIN ? 150 * NS_PER_MS : NET_PATIENCE_NS;
        cr_expect_eq(outcome(1, "10.77.2.2", span_ns), attempts[i].outcome, "%s: %s",
                     mode, rule);
        proxy_sample(net.proxy);
        uint64_t felt = counts()->packets_dropped + counts()->attempts_refused - before;
        cr_expect_eq(felt, attempts[i].outcome ? 1 : 0, "%s: %s: %llu packets", mode,
                     rule, (unsigned long long)felt);
        net_remove(&net, "gone");
    }
    cr_expect_eq(outcome(1, "10.77.2.2", NET_PATIENCE_NS), 0);
    close(listener);
    net_close(&net);
}

Test(packet_tables, attempts_are_answered_as_the_rule_says_with_tproxy)
{
    check_attempts("tproxy");
}

Test(packet_tables, attempts_are_answered_as_the_rule_says_with_redirect)
{
    check_attempts("redirect");
}

Test(packet_tables, attempts_are_answered_as_the_rule_says_with_netns)
{
    check_attempts("netns");
}

/* A connection of node 1 to another one, whatever takes it. */
static struct net_pair join(const char *address, int listener)
{
    return lab_fixture_join(1, AF_INET, address, PORT, listener);
}

/* Connections to n2, which is cut off, and to n3 beside it. proxied: made when the
 * proxy was there; else they pass it by. */
static void check_cut(const char *mode, bool proxied)
{
    int two = netlab_listen(&lab, 2, AF_INET, PORT);
    int three = netlab_listen(&lab, 3, AF_INET, PORT);
    struct net_pair pair, beside;
    if (proxied)
        lab_fixture_start(mode, PORT);
    pair = join("10.77.2.2", two);
    beside = join("10.77.3.2", three);
    if (!proxied)
        lab_fixture_start(mode, PORT);
    net_talk(&net, pair);
    net_apply(&net, "gone", "  - { name: gone, partition: [[n1], [n2]], how: drop }");
    net_say(&net, pair.client, "asked");
    net_say(&net, pair.server, "told");
    net_hear_nothing(&net, pair.server, 100 * NS_PER_MS);
    net_hear_nothing(&net, pair.client, 0);
    net_talk(&net, beside);
    net_apply(&net, "gone", "  - { name: gone, cut: { from: n1, to: n2 }, how: drop }");
    net_hear(&net, pair.client, "told");
    net_hear_nothing(&net, pair.server, 100 * NS_PER_MS);
    net_remove(&net, "gone");
    net_hear(&net, pair.server, "asked");
    net_talk(&net, pair);
    cr_expect_gt(counts_on("n1", "n2")->packets_dropped, 1, "%s", mode);
    cr_expect_gt(counts_on("n2", "n1")->packets_dropped, 0, "%s", mode);
    cr_expect_eq(counts()->connections, proxied, "%s", mode);
    net_part(pair);
    net_part(beside);
    close(two);
    close(three);
    net_close(&net);
}

Test(packet_tables, live_connections_are_cut_with_tproxy)
{
    check_cut("tproxy", true);
}

Test(packet_tables, live_connections_are_cut_with_redirect)
{
    check_cut("redirect", true);
}

Test(packet_tables, live_connections_are_cut_with_netns)
{
    check_cut("netns", true);
}

Test(packet_tables, those_that_pass_by_are_cut_with_tproxy)
{
    check_cut("tproxy", false);
}

Test(packet_tables, those_that_pass_by_are_cut_with_redirect)
{
    check_cut("redirect", false);
}

Test(packet_tables, those_that_pass_by_are_cut_with_netns)
{
    check_cut("netns", false);
}

/* With `ports: all` every packet goes, but those of ssh. */
static void check_all_ports(const char *mode)
{
    int any = netlab_listen(&lab, 2, AF_INET, 9999);
    int ssh = netlab_listen(&lab, 2, AF_INET, 22);
    lab_fixture_start(mode, PORT);
    struct net_pair pair, help;
    pair.client = netlab_connect(&lab, &net, 1, AF_INET, "10.77.2.2", 9999);
    pair.server = net_accept(&net, any);
    help.client = netlab_connect(&lab, &net, 1, AF_INET, "10.77.2.2", 22);
    help.server = net_accept(&net, ssh);
    static const char rule[] =
        "  - { name: gone, partition: [[n1], [n2]], how: drop, ports: all }";
    net_apply(&net, "gone", "%s", rule);
    netlab_run(&lab, 1, "bash -c 'echo > /dev/udp/10.77.2.2/53' 2>/dev/null || true");
    net_remove(&net, "gone");
    cr_expect_eq(counts()->packets_dropped, 1, "the datagram");
    net_apply(&net, "gone", "%s", rule);
    net_say(&net, pair.client, "asked");
    net_talk(&net, help);
    net_hear_nothing(&net, pair.server, 50 * NS_PER_MS);
    net_remove(&net, "gone");
    net_hear(&net, pair.server, "asked");
    net_part(pair);
    net_part(help);
    close(any);
    close(ssh);
    net_close(&net);
}

Test(packet_tables, all_ports_are_cut_but_that_of_ssh_with_tproxy)
{
    check_all_ports("tproxy");
}

Test(packet_tables, all_ports_are_cut_but_that_of_ssh_with_redirect)
{
    check_all_ports("redirect");
}

Test(packet_tables, all_ports_are_cut_but_that_of_ssh_with_netns)
{
    check_all_ports("netns");
}

Test(packet_tables, a_window_closes_by_itself_and_leaves_no_chain)
{
    int listener = netlab_listen(&lab, 2, AF_INET, PORT);
    lab_fixture_start("tproxy", PORT);
    net_apply(&net, "gone",
              "  - { name: gone, partition: [[n1], [n2]], how: drop, when: { for: "
              "500ms } }");
    netlab_run(&lab, 0, "nft list chain inet netsplit_0 packet-in >/dev/null");
    int client = netlab_dial(&lab, 1, AF_INET, "10.77.2.2", PORT);
    struct pollfd fd = {.fd = client, .events = POLLOUT};
    net_idle(&net, 50 * NS_PER_MS);
    cr_assert_eq(poll(&fd, 1, 0), 0);
    net_wait(&net, client, POLLOUT); /* its kernel has sent another one */
    close(net_accept(&net, listener));
    netlab_run(&lab, 0, "! nft list table inet netsplit_0 | grep -q packet-");
    cr_expect_eq(counts()->packets_dropped, 1);
    close(client);
    close(listener);
    net_close(&net);
}

Test(packet_tables, a_node_inside_the_network_of_another_is_not_that_one)
{
    int listener = netlab_listen(&lab, 2, AF_INET, PORT);
    net_start(&net, "netsplit: 1\nintercept: tproxy\nports: [5432]\nnodes:\n"
                    "  apps: 10.77.0.0/16\n  n1: 10.77.1.2\n  n2: 10.77.2.2\n");
    net_apply(&net, "gone", "  - { name: gone, partition: [[apps], [n2]], how: drop }");
    cr_expect_eq(outcome(3, "10.77.2.2", 150 * NS_PER_MS), EAGAIN, "one of apps");
    cr_expect_eq(outcome(1, "10.77.2.2", NET_PATIENCE_NS), 0, "n1 is none");
    close(listener);
    net_close(&net);
}

Test(packet_tables, networks_are_cut_from_each_other)
{
    int two = netlab_listen(&lab, 2, AF_INET, PORT);
    int three = netlab_listen(&lab, 3, AF_INET, PORT);
    net_start(&net, "netsplit: 1\nintercept: tproxy\nports: [5432]\nnodes:\n"
                    "  apps: 10.77.1.0/24\n  stores: 10.77.2.0/24\n"
                    "  others: 10.77.3.0/24\n");
    static const char *const rules[] = {
        "partition: [[apps], [stores]], how: drop",
        "partition: [[apps], [stores]], how: drop, ports: all",
        "match: { from: apps }, inject: { unanswered: true }",
    };
    for (size_t i = 0; i < sizeof rules / sizeof *rules; i++) {
        net_apply(&net, "gone", "  - { name: gone, %s }", rules[i]);
        cr_expect_eq(outcome(1, "10.77.2.2", 150 * NS_PER_MS), EAGAIN, "%s", rules[i]);
        cr_expect_eq(outcome(2, "10.77.3.2", NET_PATIENCE_NS), 0, "%s", rules[i]);
        net_remove(&net, "gone");
        cr_expect_eq(counts()->packets_dropped, i + 1, "%s", rules[i]);
    }
    close(two);
    close(three);
    net_close(&net);
}

/* n1 to nN, beside n1 to n3 whose places the netlab has. */
static void start_many(const char *mode, int n)
{
    char nodes[4096];
    size_t length = 0;
    for (int i = 1; i <= n; i++)
        length += (size_t)snprintf(nodes + length, sizeof nodes - length,
                                   "  n%d: 10.77.%d.2\n", i, i);
    net_start(&net, "netsplit: 1\nintercept: %s\nports: [5432, 5433]\nnodes:\n%s", mode,
              nodes);
}

/* The odd ones from the even ones. */
static void cut_many(const char *keys, int n)
{
    char parts[2][1024];
    size_t lengths[2] = {0};
    for (int i = 1; i <= n; i++) {
        size_t *length = &lengths[i % 2];
        *length += (size_t)snprintf(parts[i % 2] + *length, sizeof *parts - *length,
                                    "%sn%d", *length ? ", " : "", i);
    }
    net_apply(&net, "gone", "  - { name: gone, partition: [[%s], [%s]], %s }", parts[0],
              parts[1], keys);
}

Test(packet_tables, rules_do_not_grow_with_the_links)
{
    enum { FEW = 3, MANY = 60 };
    static const struct {
        const char *mode, *keys;
        int rules; /* first packets, those to servers, those from them, all ports */
    } rows[] = {
        {"tproxy", "how: drop", 3},
        {"tproxy", "how: refuse", 1},
        {"tproxy", "how: drop, ports: all", 4},
        {"redirect", "how: drop", 4},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        for (int n = FEW; n <= MANY; n += MANY - FEW) {
            if (i > 0 || n > FEW)
                net_init(&net);
            start_many(rows[i].mode, n);
            cut_many(rows[i].keys, n);
            netlab_run(&lab, 0,
                       "test $(nft list table inet netsplit_0 | grep -c @packet) = %d",
                       rows[i].rules);
            net_close(&net);
        }
}

Test(packet_tables, each_link_counts_what_is_its_own)
{
    start_many("tproxy", 60);
    cut_many("how: drop", 60);
    cr_expect_eq(outcome(1, "10.77.2.2", 20 * NS_PER_MS), EAGAIN);
    cr_expect_eq(outcome(3, "10.77.2.2", 20 * NS_PER_MS), EAGAIN);
    cr_expect_eq(outcome(3, "10.77.2.2", 20 * NS_PER_MS), EAGAIN);
    net_remove(&net, "gone");
    cr_expect_eq(counts_on("n1", "n2")->packets_dropped, 1);
    cr_expect_eq(counts_on("n3", "n2")->packets_dropped, 2);
    cr_expect_null(counts_on("n2", "n3"));
    cr_expect_eq(counts()->packets_dropped, 3);
    net_close(&net);
}

Test(packet_tables, who_is_told_by_user_is_refused_by_user)
{
    int listener = netlab_listen(&lab, 0, AF_INET, 5433);
    net_start(&net, "netsplit: 1\nintercept: redirect\nnodes:\n"
                    "  a: { address: 127.0.0.1, ports: [5432], uid: 4711 }\n"
                    "  b: { address: 127.0.0.1, ports: [5433], uid: 4712 }\n");
    net_apply(
        &net, "gone",
        "  - { name: gone, match: { from: a, to: b }, inject: { refuse: true } }");
    (void)setfsuid(4711); /* a socket's owner is the file system's user */
    int refused = netlab_dial(&lab, 0, AF_INET, "127.0.0.1", 5433);
    (void)setfsuid(0);
    int error = 0;
    socklen_t length = sizeof error;
    net_wait(&net, refused, POLLOUT);
    cr_assert_eq(getsockopt(refused, SOL_SOCKET, SO_ERROR, &error, &length), 0);
    cr_expect_eq(error, ECONNREFUSED);
    close(refused);
    close(netlab_connect(&lab, &net, 0, AF_INET, "127.0.0.1", 5433));
    net_remove(&net, "gone");
    cr_expect_eq(counts()->attempts_refused, 1);
    close(listener);
    net_close(&net);
}

Test(packet_tables, what_is_caught_counts_for_the_rule_that_is_there)
{
    lab_fixture_start("tproxy", PORT);
    const struct counters_rule *other = counters_rule(&net.counters, "gone", "other");
    net_apply(&net, "gone", "  - { name: gone, partition: [[n1], [n2]], how: drop }");
    cr_expect_eq(outcome(1, "10.77.2.2", 20 * NS_PER_MS), EAGAIN);
    net_apply(&net, "gone", "  - { name: other, partition: [[n1], [n2]], how: drop }");
    cr_expect_eq(counts()->packets_dropped, 1);
    cr_expect_eq(other->packets_dropped, 0);
    cr_expect_eq(outcome(1, "10.77.2.2", 20 * NS_PER_MS), EAGAIN);
    net_apply(&net, "gone",
              "  - { name: other, partition: [[n1], [n2, n3]], how: drop }");
    cr_expect_eq(counts()->packets_dropped, 1);
    cr_expect_eq(other->packets_dropped, 1);
    net_close(&net);
}

/* What another overlay brings is made beside it, and goes again. */
Test(packet_tables, sets_that_stay_are_left_alone_and_count_on)
{
    static const char sets[] = "nft list sets table inet netsplit_0 | grep -q";
    lab_fixture_start("tproxy", PORT);
    net_apply(&net, "gone", "  - { name: gone, partition: [[n1], [n2]], how: drop }");
    netlab_run(&lab, 0, "%s packet0", sets);
    cr_expect_eq(outcome(1, "10.77.2.2", 20 * NS_PER_MS), EAGAIN);
    net_apply(&net, "more", "  - { name: more, partition: [[n1], [n3]], how: drop }");
    netlab_run(&lab, 0, "%s packet0", sets);
    netlab_run(&lab, 0, "%s packet2", sets);
    cr_expect_eq(outcome(1, "10.77.2.2", 20 * NS_PER_MS), EAGAIN);
    cr_expect_eq(outcome(1, "10.77.3.2", 20 * NS_PER_MS), EAGAIN);
    net_remove(&net, "gone");
    netlab_run(&lab, 0, "! %s packet0", sets);
    netlab_run(&lab, 0, "%s packet2", sets);
    cr_expect_eq(outcome(1, "10.77.3.2", 20 * NS_PER_MS), EAGAIN);
    net_remove(&net, "more");
    netlab_run(&lab, 0, "! %s packet", sets);
    cr_expect_eq(counts()->packets_dropped, 2);
    cr_expect_eq(counters_rule(&net.counters, "more", "more")->packets_dropped, 2);
    net_close(&net);
}

Test(packet_tables, ipv6_is_refused_dropped_and_cut_as_well)
{
    int listener = netlab_listen(&lab, 2, AF_INET6, PORT);
    struct net_pair pair;
    pair.client = netlab_connect(&lab, &net, 1, AF_INET6, "fd77:2::2", PORT);
    pair.server = net_accept(&net, listener);
    net_start(&net, "netsplit: 1\nintercept: tproxy\nports: [5432]\nnodes:\n"
                    "  n1: \"fd77:1::2\"\n  n2: \"fd77:2::2\"\n");
    net_apply(&net, "gone", "  - { name: gone, partition: [[n1], [n2]], how: drop }");
    net_say(&net, pair.client, "asked");
    net_hear_nothing(&net, pair.server, 50 * NS_PER_MS);
    net_remove(&net, "gone");
    net_hear(&net, pair.server, "asked");
    cr_expect_gt(counts()->packets_dropped, 0);
    net_apply(&net, "gone",
              "  - { name: gone, match: { to: n2 }, inject: { refuse: true } }");
    int refused = netlab_dial(&lab, 1, AF_INET6, "fd77:2::2", PORT);
    int error = 0;
    socklen_t length = sizeof error;
    net_wait(&net, refused, POLLOUT);
    cr_assert_eq(getsockopt(refused, SOL_SOCKET, SO_ERROR, &error, &length), 0);
    cr_expect_eq(error, ECONNREFUSED);
    proxy_sample(net.proxy);
    cr_expect_eq(counts()->attempts_refused, 1);
    close(refused);
    net_part(pair);
    close(listener);
    net_close(&net);
}
