/* SPDX-License-Identifier: MIT */
/* packet_rate and packet_delay. Nodes 1 and 2 of a netlab; with tproxy the router
 * shapes on v2, with netns node 1 on its eth0. */
#include "proxy/base/errmsg.h"
#include "proxy/base/now.h"
#include "proxy/kernel/intercept_internal.h"
#include "proxy/kernel/nft.h"
#include "proxy/kernel/qdisc.h"
#include "proxy/kernel/qdisc_clean.h"
#include "proxy/kernel/tc.h"
#include "tests/proxy/lab_fixture.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum { PORT = 5432, MEBIBYTE = 1024 * 1024 };

#define SLOW                                                                           \
    "  - { name: slow, match: { from: n1, to: n2 }, inject: { packet_rate: 8Mbit/s } " \
    "}"

static char block[MEBIBYTE];

static void setup(void)
{
    bool has_rate, has_delay;
    lab_fixture_open(2);
    qdisc_probe(&has_rate, &has_delay);
    if (!has_rate)
        cr_skip_test("this kernel has no htb or no tbf");
}

TestSuite(qdisc, .init = setup, .fini = lab_fixture_close, .timeout = 120);

static struct net_pair join(int listener)
{
    return lab_fixture_join(1, AF_INET, "10.77.2.2", PORT, listener);
}

/* Sends a mebibyte, and waits until it is there. Returns how long that took. */
static uint64_t carry(int from, int to)
{
    uint64_t begin_ns = now_ns();
    size_t sent = 0, heard = 0;
    while (heard < sizeof block) {
        ssize_t n = send(from, block, sizeof block - sent, MSG_NOSIGNAL);
        sent += n > 0 ? (size_t)n : 0;
        n = recv(to, block, sizeof block, 0);
        heard += n > 0 ? (size_t)n : 0;
        net_turn(&net, 1);
    }
    return now_ns() - begin_ns;
}

static const struct counters_rule *counts(const char *rule)
{
    return counters_rule(&net.counters, "slow", rule);
}

static uint64_t counted_bytes(void)
{
    proxy_sample(net.proxy);
    return counts("slow")->touched_bytes;
}

/* A mebibyte one way, and what the rule counted of it; then the other way. */
static void check_one_way(struct net_pair pair, int from, int to, const char *what)
{
    uint64_t took_ns = carry(from, to);
    uint64_t shaped = counted_bytes();
    cr_expect_gt(took_ns, 700 * NS_PER_MS, "%s: %llu ns", what,
                 (unsigned long long)took_ns);
    cr_expect_geq(shaped, MEBIBYTE, "%s: %llu bytes", what, (unsigned long long)shaped);
    (void)carry(to, from);
    cr_expect_lt(counted_bytes() - shaped, MEBIBYTE / 4, "%s: acknowledgements", what);
    net_part(pair);
}

static void check_rate(const char *mode)
{
    int listener = netlab_listen(&lab, 2, AF_INET, PORT);
    bool inside = strcmp(mode, "netns") == 0;
    int at = inside ? 1 : 0;
    const char *device = inside ? "eth0" : "v2";
    lab_fixture_start(mode, PORT);
    net_apply(&net, "slow", SLOW);
    netlab_run(&lab, at, "tc qdisc show dev %s | grep -q 'htb 4e53: root'", device);
    struct net_pair pair = join(listener);
    check_one_way(pair, pair.client, pair.server, mode);
    net_remove(&net, "slow");
    netlab_run(&lab, at, "tc qdisc show dev %s | grep -q 'noqueue 0: root'", device);
    netlab_run(&lab, at, "! nft list ruleset | grep -q 4e53:");
    close(listener);
    net_close(&net);
}

Test(qdisc, the_rate_holds_one_way_and_the_device_is_given_back_with_tproxy)
{
    check_rate("tproxy");
}

Test(qdisc, the_rate_holds_one_way_and_the_device_is_given_back_with_netns)
{
    check_rate("netns");
}

/* From the server: with tproxy on v1, with netns in the server's namespace. */
static void check_answers(const char *mode)
{
    int listener = netlab_listen(&lab, 2, AF_INET, PORT);
    lab_fixture_start(mode, PORT);
    net_apply(&net, "slow",
              "  - { name: slow, match: { from: n2, to: n1 }, inject: { packet_rate: "
              "8Mbit/s } }");
    struct net_pair pair = join(listener);
    check_one_way(pair, pair.server, pair.client, mode);
    close(listener);
    net_close(&net);
}

Test(qdisc, what_a_server_answers_is_shaped_with_tproxy)
{
    check_answers("tproxy");
}

Test(qdisc, what_a_server_answers_is_shaped_with_netns)
{
    check_answers("netns");
}

Test(qdisc, the_rate_holds_over_ipv6_and_for_whoever_connects)
{
    int listener = netlab_listen(&lab, 2, AF_INET6, PORT);
    struct net_pair pair;
    net_start(&net,
              "netsplit: 1\nintercept: tproxy\nports: [%d]\nnodes:\n"
              "  n1: \"fd77:1::2\"\n  n2: \"fd77:2::2\"\n",
              PORT);
    net_apply(
        &net, "slow",
        "  - { name: slow, match: { to: n2 }, inject: { packet_rate: 8Mbit/s } }");
    pair.client = netlab_connect(&lab, &net, 1, AF_INET6, "fd77:2::2", PORT);
    pair.server = net_accept(&net, listener);
    check_one_way(pair, pair.client, pair.server, "IPv6");
    close(listener);
    net_close(&net);
}

Test(qdisc, to_anybody_every_device_is_shaped_but_the_loopback)
{
    lab_fixture_start("tproxy", PORT);
    net_apply(
        &net, "slow",
        "  - { name: slow, match: { from: n1 }, inject: { packet_rate: 8Mbit/s } }");
    netlab_run(&lab, 0,
               "tc qdisc show dev v1 | grep -q 'htb 4e53: root'; "
               "tc qdisc show dev v2 | grep -q 'htb 4e53: root'; "
               "tc qdisc show dev lo | grep -q 'noqueue 0: root'");
    net_close(&net);
}

Test(qdisc, a_burst_below_one_packet_lets_packets_pass)
{
    int listener = netlab_listen(&lab, 2, AF_INET, PORT);
    lab_fixture_start("tproxy", PORT);
    net_apply(&net, "slow",
              "  - { name: slow, match: { from: n1, to: n2 }, inject: { packet_rate: "
              "80Mbit/s, packet_burst: 10B } }");
    struct net_pair pair = join(listener);
    (void)carry(pair.client, pair.server);
    cr_expect_geq(counted_bytes(), MEBIBYTE);
    net_part(pair);
    close(listener);
    net_close(&net);
}

Test(qdisc, a_node_that_is_none_any_more_has_its_device_back)
{
    net_start(&net,
              "netsplit: 1\nintercept: netns\nports: [%d]\nnodes:\n"
              "  n1: { netns: /proc/self/fd/%d }\n  n2: { netns: /proc/self/fd/%d }\n"
              "rules:\n" SLOW "\n",
              PORT, lab.nodes[1], lab.nodes[2]);
    netlab_run(&lab, 1, "tc qdisc show dev eth0 | grep -q 'htb 4e53: root'");
    cr_expect_eq(net_apply_base(&net,
                                "netsplit: 1\nintercept: netns\nports: [%d]\nnodes:\n"
                                "  n2: { netns: /proc/self/fd/%d }\n",
                                PORT, lab.nodes[2]),
                 0);
    netlab_run(&lab, 1, "tc qdisc show dev eth0 | grep -q 'noqueue 0: root'");
    net_close(&net);
}

Test(qdisc, a_full_queue_drops_and_that_is_counted)
{
    int listener = netlab_listen(&lab, 2, AF_INET, PORT);
    lab_fixture_start("tproxy", PORT);
    net_apply(&net, "slow", SLOW);
    struct net_pair pair[4];
    for (size_t i = 0; i < 4; i++)
        pair[i] = join(listener);
    for (size_t i = 0; i < 4; i++)
        (void)net_fill(&net, pair[i].client);
    for (uint64_t until_ns = now_ns() + NET_PATIENCE_NS;
         now_ns() < until_ns && counts("slow")->packets_dropped == 0;) {
        net_turn(&net, 5);
        for (size_t i = 0; i < 4; i++) {
            (void)send(pair[i].client, block, sizeof block, MSG_NOSIGNAL);
            (void)recv(pair[i].server, block, sizeof block, 0);
        }
        proxy_sample(net.proxy);
    }
    cr_expect_gt(counts("slow")->packets_dropped, 0);
    for (size_t i = 0; i < 4; i++)
        net_part(pair[i]);
    close(listener);
    net_close(&net);
}

Test(qdisc, other_rules_come_and_go_and_leave_its_queue_alone)
{
    int listener = netlab_listen(&lab, 2, AF_INET, PORT);
    lab_fixture_start("tproxy", PORT);
    net_apply(&net, "slow", SLOW);
    struct net_pair pair = join(listener);
    (void)carry(pair.client, pair.server);
    uint64_t before = counted_bytes();
    net_apply(&net, "other",
              "  - { name: back, match: { from: n2, to: n1 }, inject: { packet_rate: "
              "1Mbit/s } }");
    netlab_run(&lab, 0,
               "tc qdisc show dev v1 | grep -q 'htb 4e53: root'; "
               "tc class show dev v2 | grep -q '4e53:1 '");
    /* Made anew it would begin at nothing, and the difference would wrap. */
    cr_expect_lt(counted_bytes() - before, MEBIBYTE / 4);
    net_remove(&net, "other");
    netlab_run(&lab, 0,
               "tc qdisc show dev v1 | grep -q 'noqueue 0: root'; "
               "tc class show dev v2 | grep -q '4e53:1 '");
    net_part(pair);
    close(listener);
    net_close(&net);
}

Test(qdisc, a_window_closes_by_itself_and_gives_the_device_back)
{
    lab_fixture_start("tproxy", PORT);
    net_apply(&net, "slow",
              "  - { name: slow, match: { from: n1, to: n2 }, inject: { packet_rate: "
              "8Mbit/s }, when: { for: 300ms } }");
    netlab_run(&lab, 0, "tc qdisc show dev v2 | grep -q 'htb 4e53: root'");
    net_idle(&net, 600 * NS_PER_MS);
    netlab_run(&lab, 0, "tc qdisc show dev v2 | grep -q 'noqueue 0: root'");
    net_close(&net);
}

Test(qdisc, the_device_is_given_back_when_the_proxy_ends)
{
    lab_fixture_start("tproxy", PORT);
    net_apply(&net, "slow", SLOW);
    net_close(&net);
    netlab_run(&lab, 0, "tc qdisc show dev v2 | grep -q 'noqueue 0: root'");
}

static int apply(const char *rules, struct errmsg *err)
{
    char text[1024];
    struct diag diag;
    diag_init(&diag, NULL);
    const struct proxy_source source = {
        .name = "slow",
        .text = text,
        .length =
            (size_t)snprintf(text, sizeof text, "netsplit: 1\nrules:\n%s\n", rules)};
    int status =
        proxy_apply_overlay(net.proxy, "slow", &source, UINT64_MAX, NULL, &diag, err);
    if (!err->text[0] && diag.n_lacking > 0)
        errmsg_set(err, "%s", diag.items[0]->text);
    diag_close(&diag);
    return status;
}

Test(qdisc, a_device_with_a_discipline_of_its_own_is_left_alone_and_named)
{
    struct errmsg err = {0};
    netlab_run(&lab, 0, "tc qdisc add dev v2 root handle 7: pfifo limit 50");
    lab_fixture_start("tproxy", PORT);
    cr_expect_eq(apply(SLOW, &err), -EBUSY);
    cr_expect(strstr(err.text, "rule \"slow\": packets cannot be shaped on v2"), "%s",
              err.text);
    cr_expect(strstr(err.text, "(pfifo)"), "%s", err.text);
    netlab_run(&lab, 0, "tc qdisc show dev v2 | grep -q 'pfifo 7: root'");
    net_close(&net);
    netlab_run(&lab, 0, "tc qdisc show dev v2 | grep -q 'pfifo 7: root'");
}

static void start_and_wait(int ready)
{
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    net_init(&net);
    lab_fixture_start("tproxy", PORT);
    net_apply(&net, "slow", SLOW);
    (void)!write(ready, "", 1);
    for (;;)
        net_turn(&net, 1000);
}

/* As a proxy that was killed while it shaped v2. */
static void leave_behind(void)
{
    int ready[2];
    char byte;
    cr_assert_eq(pipe2(ready, O_CLOEXEC), 0);
    pid_t pid = fork();
    cr_assert_geq(pid, 0);
    if (pid == 0)
        start_and_wait(ready[1]);
    close(ready[1]);
    cr_assert_eq(read(ready[0], &byte, 1), 1);
    cr_assert_eq(kill(pid, SIGKILL), 0);
    cr_assert_eq(waitpid(pid, NULL, 0), pid);
    close(ready[0]);
    netlab_run(&lab, 0, "tc qdisc show dev v2 | grep -q 'htb 4e53: root'");
}

static void add_up(void *context, const struct tc_count *count)
{
    *(uint64_t *)context += count->bytes;
}

static uint64_t shaped_bytes(void)
{
    struct nl_sock *socket;
    uint64_t sum = 0;
    cr_assert_eq(tc_open(&socket), 0);
    cr_assert_eq(tc_each_count(socket, add_up, &sum), 0);
    tc_close(socket);
    return sum;
}

Test(qdisc, what_a_killed_proxy_leaves_shapes_nothing)
{
    int listener = netlab_listen(&lab, 2, AF_INET, PORT);
    leave_behind();
    lab_fixture_start("tproxy", PORT); /* without a rule */
    struct net_pair pair = join(listener);
    (void)carry(pair.client, pair.server);
    netlab_run(&lab, 0, "tc qdisc show dev v2 | grep -q 'htb 4e53: root'");
    cr_expect_eq(shaped_bytes(), 0);
    net_apply(&net, "slow", SLOW); /* takes its place */
    (void)carry(pair.client, pair.server);
    cr_expect_geq(shaped_bytes(), MEBIBYTE);
    net_part(pair);
    close(listener);
    net_close(&net);
    netlab_run(&lab, 0, "tc qdisc show dev v2 | grep -q 'noqueue 0: root'");
}

Test(qdisc, the_place_of_a_dead_instance_is_taken_and_that_of_a_living_one_is_not)
{
    struct errmsg err = {0};
    struct nft *first, *second;
    cr_assert_eq(nft_create(&first, "netsplit_0", &err), 0, "%s", err.text);
    leave_behind(); /* of netsplit_1 */
    nft_destroy(first);
    lab_fixture_start("tproxy", PORT); /* is netsplit_0 */
    cr_assert_eq(nft_create(&second, "netsplit_1", &err), 0, "%s", err.text);
    cr_expect_eq(apply(SLOW, &err), -EBUSY);
    cr_expect(strstr(err.text, "on v2, where another netsplit"), "%s", err.text);
    nft_destroy(second);
    net_apply(&net, "slow", SLOW);
    netlab_run(&lab, 0, "tc qdisc show dev v2 | grep -q 'default 0xff00'");
    net_close(&net);
}

static char said[256];

static void note(void *arg, const char *line)
{
    (void)arg;
    (void)snprintf(said, sizeof said, "%s", line);
}

Test(qdisc, clean_removes_what_a_killed_proxy_left_and_nothing_else)
{
    struct errmsg err = {0};
    netlab_run(&lab, 0, "tc qdisc add dev v1 root handle 4e53: htb default 7");
    leave_behind();
    cr_expect_eq(qdisc_clean(note, NULL, &err), 1, "%s", err.text);
    cr_expect_str_eq(said, "removed the queueing discipline on v2");
    netlab_run(&lab, 0,
               "tc qdisc show dev v2 | grep -q 'noqueue 0: root'; "
               "tc qdisc show dev v1 | grep -q 'htb 4e53: root'");
    cr_expect_eq(qdisc_clean(note, NULL, &err), 0);
    lab_fixture_start("tproxy", PORT);
    net_apply(&net, "slow", SLOW);
    cr_expect_eq(qdisc_clean(note, NULL, &err), 0, "of the living");
    netlab_run(&lab, 0, "tc qdisc show dev v2 | grep -q 'htb 4e53: root'");
    net_close(&net);
}

Test(qdisc, packets_are_delayed_or_the_lack_of_netem_is_named)
{
    bool has_rate, has_delay;
    struct errmsg err = {0};
    static const char rule[] = "  - { name: slow, match: { from: n1, to: n2 }, inject: "
                               "{ packet_delay: 20ms }%s }";
    char text[256];
    qdisc_probe(&has_rate, &has_delay);
    int listener = netlab_listen(&lab, 2, AF_INET, PORT);
    lab_fixture_start("tproxy", PORT);
    (void)snprintf(text, sizeof text, rule, "");
    int status = apply(text, &err);
    cr_expect_eq(status, has_delay ? 0 : -ENOTSUP);
    if (!has_delay)
        cr_expect_str_eq(err.text, "\"packet_delay\" is not possible here: this kernel "
                                   "has no netem (module sch_netem)");
    net_apply(&net, "slow", rule, ", fallback: model");
    struct net_pair pair = join(listener);
    uint64_t begin_ns = now_ns();
    net_say(&net, pair.client, "ping");
    net_hear(&net, pair.server, "ping");
    cr_expect_geq(now_ns() - begin_ns, 20 * NS_PER_MS);
    cr_expect_gt(counted_bytes(), 0);
    net_part(pair);
    close(listener);
    net_close(&net);
}

Test(qdisc, modes_without_the_packets_say_what_they_need)
{
    struct errmsg err = {0};
    lab_fixture_start("redirect", PORT);
    cr_expect_eq(apply(SLOW, &err), -ENOTSUP);
    cr_expect_str_eq(err.text, "\"packet_rate\" is not possible here: needs intercept: "
                               "tproxy or netns");
    net_apply(&net, "slow",
              "  - { name: slow, match: { from: n1, to: n2 }, inject: { packet_rate: "
              "8Mbit/s }, fallback: model }");
    net_close(&net);
}
