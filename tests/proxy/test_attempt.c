/* SPDX-License-Identifier: MIT */
/* From accept to the server's answer, and what stands in between. */
#include "proxy/base/now.h"
#include "tests/proxy/fixture.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

TestSuite(attempt, .init = fixture_open, .fini = fixture_close, .timeout = 60);

/* Nobody has connected to the server for the span. */
static void expect_no_dial(uint64_t span_ns)
{
    net_idle(&net, span_ns);
    struct pollfd fd = {.fd = listener, .events = POLLIN};
    cr_assert_eq(poll(&fd, 1, 0), 0, "the server was dialled");
}

Test(attempt, a_server_that_refuses_is_shown_as_a_reset)
{
    close(listener);
    net_start(&net, NET_ONE_PATH, server);
    net_connect_and_hear_reset(&net, net_port(&net, "p"));
    net_closed_because(&net, &cursor, "server unreachable: Connection refused");
    cr_assert_eq(counters_link(&net.counters, "c", "s")->attempts_failed, 1);
}

Test(attempt, a_host_name_is_resolved_and_all_its_addresses_tried)
{
    /* localhost is ::1 too where IPv6 is on, and the server is on IPv4 only. */
    net_start(&net,
              "netsplit: 1\nnodes:\n  c: 192.0.2.1\n"
              "  s: { address: localhost, ports: [%u] }\n"
              "listen:\n  - { name: p, address: \"127.0.0.1:0\", from: c, to: s }\n",
              server);
    struct net_pair pair = net_join(&net, listener);
    net_say(&net, pair.client, "by name");
    net_hear(&net, pair.server, "by name");
    net_part(pair);
}

Test(attempt, a_host_name_that_nobody_knows_is_shown_as_a_reset)
{
    net_start(&net,
              "netsplit: 1\nnodes:\n  c: 192.0.2.1\n"
              "  s: { address: no-such-host.invalid, ports: [%u] }\n"
              "listen:\n  - { name: p, address: \"127.0.0.1:0\", from: c, to: s }\n",
              server);
    int client = net_connect(&net, net_port(&net, "p"));
    net_hear_reset(&net, client);
    net_closed_because(&net, &cursor, "server name unknown");
    close(client);
}

/* A listener whose queue is full, so that its kernel answers no more SYNs. */
struct deaf {
    uint16_t port;
    int listener, fillers[3];
};

static struct deaf listen_deaf(void)
{
    struct deaf deaf;
    deaf.listener = net_listen(AF_INET, &deaf.port);
    cr_assert_eq(listen(deaf.listener, 0), 0);
    for (int i = 0; i < 3; i++)
        deaf.fillers[i] = net_dial(AF_INET, deaf.port);
    net_idle(&net, 20 * NS_PER_MS);
    return deaf;
}

static void close_deaf(const struct deaf *deaf)
{
    close(deaf->listener);
    for (int i = 0; i < 3; i++)
        close(deaf->fillers[i]);
}

Test(attempt, a_server_that_does_not_answer_is_given_up_after_the_timeout)
{
    struct deaf deaf = listen_deaf();
    net.config.connect_timeout_ns = 150 * NS_PER_MS;
    net_start(&net, NET_ONE_PATH, deaf.port);
    uint64_t since = now_ns();
    int client = net_connect(&net, net_port(&net, "p"));
    net_hear_reset(&net, client);
    cr_assert_geq(now_ns() - since, 150 * NS_PER_MS);
    net_closed_because(&net, &cursor, "server did not answer");
    close(client);
    close_deaf(&deaf);
}

Test(attempt, stopping_does_not_wait_for_a_server_that_does_not_answer)
{
    struct deaf deaf = listen_deaf();
    net_start(&net, NET_ONE_PATH, deaf.port);
    int client = net_connect(&net, net_port(&net, "p"));
    net_idle(&net, 20 * NS_PER_MS);
    uint64_t since = now_ns();
    proxy_stop(net.proxy, 0);
    net_hear_reset(&net, client);
    cr_assert_lt(now_ns() - since, 5 * NS_PER_S, "far below the timeout of 10 s");
    net_closed_because(&net, &cursor, "proxy stopped");
    close(client);
    close_deaf(&deaf);
}

Test(attempt, a_server_that_does_not_answer_keeps_nobody_else_waiting)
{
    struct deaf deaf = listen_deaf();
    net_start(&net,
              "netsplit: 1\nnodes:\n  c: 192.0.2.1\n"
              "  deaf: { address: 127.0.0.1, ports: [%u] }\n"
              "  s: { address: 127.0.0.1, ports: [%u] }\n"
              "listen:\n"
              "  - { name: deaf, address: \"127.0.0.1:0\", from: c, to: deaf }\n"
              "  - { name: p, address: \"127.0.0.1:0\", from: c, to: s }\n",
              deaf.port, server);
    int waiting = net_connect(&net, net_port(&net, "deaf"));
    struct net_pair pair = net_join(&net, listener);
    net_say(&net, pair.client, "hello");
    net_hear(&net, pair.server, "hello");
    net_part(pair);
    close(waiting);
    close_deaf(&deaf);
}

Test(attempt, a_client_that_resets_while_the_server_is_dialled_ends_the_dial)
{
    struct deaf deaf = listen_deaf();
    net_start(&net, NET_ONE_PATH, deaf.port);
    int client = net_connect(&net, net_port(&net, "p"));
    net_idle(&net, 20 * NS_PER_MS);
    net_reset(client);
    net_closed_because(&net, &cursor, "opener left");
    close_deaf(&deaf);
}

Test(attempt, one_that_a_partition_stalls_is_dialled_on_heal)
{
    net_start(&net, NET_ONE_PATH, server);
    net_apply(&net, "cut", "  - { name: cut, cut: { from: s, to: c } }");
    int client = net_connect(&net, net_port(&net, "p"));
    net_say(&net, client, "early");
    expect_no_dial(50 * NS_PER_MS);
    struct counters_rule *rule = counters_rule(&net.counters, "cut", "cut");
    cr_assert_eq(rule->attempts_held, 1);
    cr_assert_eq(rule->attempts_held_now, 1);
    cr_assert(counters_rule_was_touched(rule));
    cr_assert_eq(proxy_heal(net.proxy, NULL), 0);
    int peer = net_accept(&net, listener);
    net_hear(&net, peer, "early");
    cr_assert_eq(rule->attempts_held_now, 0);
    close(client);
    close(peer);
}

Test(attempt, one_that_is_delayed_is_dialled_when_its_time_is_up)
{
    net_start(&net, NET_ONE_PATH, server);
    net_apply(&net, "slow", "  - { name: slow, inject: { accept_delay: 120ms } }");
    uint64_t since = now_ns();
    int client = net_connect(&net, net_port(&net, "p"));
    net_say(&net, client, "early");
    int peer = net_accept(&net, listener);
    cr_assert_geq(now_ns() - since, 120 * NS_PER_MS);
    net_hear(&net, peer, "early");
    struct counters_rule *rule = counters_rule(&net.counters, "slow", "slow");
    cr_assert_eq(rule->attempts_held, 1);
    cr_assert_eq(rule->attempts_held_now, 0);
    close(client);
    close(peer);
}

Test(attempt, one_that_is_delayed_goes_on_at_once_when_the_rule_goes)
{
    net_start(&net, NET_ONE_PATH, server);
    net_apply(&net, "slow", "  - { name: slow, inject: { accept_delay: 1h } }");
    int client = net_connect(&net, net_port(&net, "p"));
    expect_no_dial(30 * NS_PER_MS);
    net_remove(&net, "slow");
    close(net_accept(&net, listener));
    close(client);
}

Test(attempt, one_whose_opener_left_meanwhile_never_reaches_the_server)
{
    net_start(&net, NET_ONE_PATH, server);
    net_apply(&net, "cut", "  - { name: cut, partition: [[c], [s]] }");
    int client = net_connect(&net, net_port(&net, "p"));
    net_say(&net, client, "never mind");
    net_idle(&net, 20 * NS_PER_MS);
    close(client);
    net_idle(&net, 20 * NS_PER_MS);
    net_remove(&net, "cut");
    net_closed_because(&net, &cursor, "opener left");
    expect_no_dial(20 * NS_PER_MS);
}

Test(attempt, one_under_a_partition_that_resets_is_reset)
{
    net_start(&net, NET_ONE_PATH, server);
    net_apply(&net, "cut", "  - { name: cut, partition: [[c], [s]], how: reset }");
    net_connect_and_hear_reset(&net, net_port(&net, "p"));
    net_closed_because(&net, &cursor, "refused by rule: cut");
    cr_assert_eq(counters_rule(&net.counters, "cut", "cut")->attempts_reset, 1);
    expect_no_dial(10 * NS_PER_MS);
}

Test(attempt, a_path_that_refuses_everything_gives_a_true_econnrefused)
{
    net_start(&net, NET_ONE_PATH, server);
    uint16_t port = net_port(&net, "p");
    net_apply(&net, "cut", "  - { name: cut, partition: [[c], [s]], how: refuse }");
    cr_assert_eq(net_connect_error(&net, port), ECONNREFUSED);
    net_apply(&net, "no", "  - { name: no, inject: { refuse: true } }");
    net_remove(&net, "cut");
    cr_assert_eq(net_connect_error(&net, port), ECONNREFUSED);
    net_remove(&net, "no");
    cr_assert_eq(net_port(&net, "p"), port, "the port is kept, also the kernel's");
    struct net_pair pair = net_join(&net, listener);
    net_say(&net, pair.client, "open again");
    net_hear(&net, pair.server, "open again");
    net_part(pair);
}

Test(attempt, a_rule_that_refuses_half_of_them_resets_those)
{
    net_start(&net, NET_ONE_PATH, server);
    net_apply(&net, "no",
              "  - { name: no, inject: { refuse: true }, probability: 50%% }");
    int refused = 0;
    for (int i = 0; i < 40; i++) {
        int client = net_dial(AF_INET, net_port(&net, "p"));
        struct journal_event event;
        do
            net_turn(&net, 5);
        while (!net_event(&net, &cursor, JOURNAL_CONNECTION_OPENED, &event));
        struct pollfd fd = {.fd = client, .events = POLLIN};
        net_idle(&net, NS_PER_MS);
        refused += poll(&fd, 1, 0) > 0;
        close(client);
    }
    cr_assert_gt(refused, 5);
    cr_assert_lt(refused, 35);
    cr_assert_eq(counters_rule(&net.counters, "no", "no")->attempts_refused, refused);
}

#define UNANSWERED "  - { name: deaf, inject: { unanswered: true } }"

/* A client whose SYN has no answer for the span. */
static int dial_unanswered(uint64_t span_ns)
{
    int client = net_dial(AF_INET, net_port(&net, "p"));
    struct pollfd fd = {.fd = client, .events = POLLIN | POLLOUT};
    net_idle(&net, span_ns);
    cr_assert_eq(poll(&fd, 1, 0), 0, "somebody answered");
    return client;
}

Test(attempt, a_path_that_answers_nobody_is_silent_and_live_connections_go_on)
{
    net_start(&net, NET_ONE_PATH, server);
    struct net_pair pair = net_join(&net, listener);
    net_apply(&net, "deaf", UNANSWERED);
    int client = dial_unanswered(100 * NS_PER_MS);
    const struct counters_rule *rule = counters_rule(&net.counters, "deaf", "deaf");
    net_say(&net, pair.client, "still here");
    net_hear(&net, pair.server, "still here");
    net_remove(&net, "deaf");
    cr_assert_eq(rule->packets_dropped, 1, "its SYN; those of ours do not count");
    cr_assert(counters_rule_was_touched(rule));
    net_wait(&net, client, POLLOUT); /* its kernel asks again */
    int peer = net_accept(&net, listener);
    net_say(&net, client, "at last");
    net_hear(&net, peer, "at last");
    struct proxy_status status;
    proxy_status(net.proxy, &status);
    cr_assert_eq(status.connections, 2, "what filled the queue is not one of them");
    expect_no_dial(20 * NS_PER_MS);
    close(client);
    close(peer);
    net_part(pair);
}

Test(attempt, a_path_goes_from_any_answer_to_any_other)
{
    static const char *const answers[] = {
        "deaf", NULL,     "refuse", "deaf", "refuse", NULL,
        "deaf", "refuse", NULL,     "deaf", NULL,
    };
    net_start(&net, NET_ONE_PATH, server);
    uint16_t port = net_port(&net, "p");
    for (size_t i = 0; i < sizeof answers / sizeof *answers; i++) {
        if (!answers[i])
            net_apply(&net, "answer", "  - { name: no, inject: { delay: 0s } }");
        else if (strcmp(answers[i], "deaf") == 0)
            net_apply(&net, "answer", UNANSWERED);
        else
            net_apply(&net, "answer", "  - { name: no, inject: { refuse: true } }");
        if (!answers[i])
            net_part(net_join(&net, listener));
        else if (strcmp(answers[i], "deaf") == 0)
            close(dial_unanswered(30 * NS_PER_MS));
        else
            cr_assert_eq(net_connect_error(&net, port), ECONNREFUSED);
    }
}

Test(attempt, a_path_stays_silent_while_it_gets_another_server)
{
    static const char two[] =
        "netsplit: 1\nnodes:\n  c: 192.0.2.1\n"
        "  s: { address: 127.0.0.1, ports: [%u] }\n"
        "  t: { address: 127.0.0.1, ports: [%u] }\n"
        "listen:\n  - { name: p, address: \"127.0.0.1:%u\", from: c, to: %s }\n";
    uint16_t port;
    close(net_listen(AF_INET, &port)); /* a number that is free */
    net_start(&net, two, server, server, port, "s");
    net_apply(&net, "deaf", UNANSWERED);
    cr_assert_eq(net_apply_base(&net, two, server, server, port, "t"), 0);
    close(dial_unanswered(50 * NS_PER_MS));
    net_remove(&net, "deaf");
    net_part(net_join(&net, listener));
    expect_no_dial(20 * NS_PER_MS);
}

Test(attempt, a_rule_that_answers_half_of_them_holds_the_others)
{
    net_start(&net, NET_ONE_PATH, server);
    net_apply(&net, "deaf",
              "  - { name: deaf, inject: { unanswered: true }, probability: 50%% }");
    int clients[20];
    for (int i = 0; i < 20; i++)
        clients[i] = net_connect(&net, net_port(&net, "p"));
    net_idle(&net, 20 * NS_PER_MS);
    const struct counters_rule *rule = counters_rule(&net.counters, "deaf", "deaf");
    cr_assert(rule->attempts_held_now > 2 && rule->attempts_held_now < 18);
    net_remove(&net, "deaf");
    for (int i = 0; i < 20; i++)
        close(net_accept(&net, listener));
    for (int i = 0; i < 20; i++)
        close(clients[i]);
}
