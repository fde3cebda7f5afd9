/* SPDX-License-Identifier: MIT */
/* Attempts, and connections that pass the proxy by, in the modes that intercept. Nodes 1
 * and 2 of a netlab; what each mode takes is what its node 1 opens to node 2. */
#include "proxy/base/now.h"
#include "tests/proxy/netlab.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { PORT = 5432 };

static struct netlab lab;
static struct net net;

static void setup(void)
{
    netlab_open(&lab, 3);
    net_init(&net);
}

static void teardown(void)
{
    netlab_close(&lab);
}

TestSuite(packet_tables, .init = setup, .fini = teardown, .timeout = 120);

/* The proxy in one of the modes; nodes n1, n2 and n3 are as they are in it. */
static void start(const char *mode)
{
    if (strcmp(mode, "netns") == 0)
        net_start(&net,
                  "netsplit: 1\nintercept: netns\nports: [%d]\nnodes:\n"
                  "  n1: { netns: /proc/self/fd/%d }\n"
                  "  n2: { netns: /proc/self/fd/%d }\n"
                  "  n3: { netns: /proc/self/fd/%d }\n",
                  PORT, lab.nodes[1], lab.nodes[2], lab.nodes[3]);
    else
        net_start(&net,
                  "netsplit: 1\nintercept: %s\nports: [%d]\nnodes:\n"
                  "  n1: 10.77.1.2\n  n2: 10.77.2.2\n  n3: 10.77.3.2\n",
                  mode, PORT);
}

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

/* 0 or an error: what became of a connect() of a node within a time; EAGAIN: nothing. */
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
    {"match: { from: n1, to: n2 }, inject: { packet_loss: 100% }", EAGAIN},
    {"partition: [[n1], [n3]], how: drop", 0},
    {"partition: [[n1], [n2]], how: drop, when: { after: 1h }", 0},
};

static void check_attempts(const char *mode)
{
    int listener = netlab_listen(&lab, 2, AF_INET, PORT);
    start(mode);
    for (size_t i = 0; i < sizeof attempts / sizeof *attempts; i++) {
        const char *rule = attempts[i].rule;
        uint64_t before = counts()->packets_dropped + counts()->attempts_refused;
        net_apply(&net, "gone", "  - { name: gone, %s }", rule);
        uint64_t span_ns =
            attempts[i].outcome == EAGAIN ? 150 * NS_PER_MS : NET_PATIENCE_NS;
        cr_expect_eq(outcome(1, "10.77.2.2", span_ns), attempts[i].outcome, "%s: %s",
                     mode, rule);
        net_remove(&net, "gone");
        uint64_t felt = counts()->packets_dropped + counts()->attempts_refused - before;
        cr_expect_eq(felt, attempts[i].outcome ? 1 : 0, "%s: %s: %llu packets", mode,
                     rule, (unsigned long long)felt);
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
    struct net_pair pair;
    pair.client = netlab_connect(&lab, &net, 1, AF_INET, address, PORT);
    pair.server = net_accept(&net, listener);
    return pair;
}

static void check_talk(struct net_pair pair)
{
    net_say(&net, pair.client, "ping");
    net_hear(&net, pair.server, "ping");
    net_say(&net, pair.server, "pong");
    net_hear(&net, pair.client, "pong");
}

/* Connections to n2, which is cut off, and to n3 beside it. proxied: made when the proxy
 * was there; else they pass it by. */
static void check_cut(const char *mode, bool proxied)
{
    int two = netlab_listen(&lab, 2, AF_INET, PORT);
    int three = netlab_listen(&lab, 3, AF_INET, PORT);
    struct net_pair pair, beside;
    if (proxied)
        start(mode);
    pair = join("10.77.2.2", two);
    beside = join("10.77.3.2", three);
    if (!proxied)
        start(mode);
    check_talk(pair);
    net_apply(&net, "gone", "  - { name: gone, partition: [[n1], [n2]], how: drop }");
    net_say(&net, pair.client, "asked");
    net_say(&net, pair.server, "told");
    net_hear_nothing(&net, pair.server, 100 * NS_PER_MS);
    net_hear_nothing(&net, pair.client, 0);
    check_talk(beside);
    net_apply(&net, "gone", "  - { name: gone, cut: { from: n1, to: n2 }, how: drop }");
    net_hear(&net, pair.client, "told");
    net_hear_nothing(&net, pair.server, 100 * NS_PER_MS);
    net_remove(&net, "gone");
    net_hear(&net, pair.server, "asked");
    check_talk(pair);
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
