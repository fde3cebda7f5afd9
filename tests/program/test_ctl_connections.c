/* SPDX-License-Identifier: MIT */
/* netsplit ctl connections, with connections that are there. */
#include "proxy/base/memory.h"
#include "tests/lib/program.h"
#include "tests/lib/proxy_process.h"
#include "tests/program/traffic.h"

#include <criterion/criterion.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct proxy_process proxy;
static struct traffic traffic;

static void setup(void)
{
    traffic_init(&traffic);
    proxy_process_open(&proxy);
    proxy_process_write_rules(
        &proxy,
        "netsplit: 1\n"
        "nodes:\n"
        "  app:\n"
        "  db: { address: 127.0.0.1, ports: [%u] }\n"
        "listen:\n"
        "  - { name: db, address: 127.0.0.1:0, from: app, to: db }\n"
        "rules:\n"
        "  - { name: back, match: { from: db, to: app }, inject: { delay: 1ms } }\n"
        "  - { name: both, match: { between: [app, db] }, inject: { delay: 1ms } }\n"
        "  - { name: rare, inject: { delay: 1ms }, probability: 0.0001%% }\n"
        "  - { name: late, inject: { delay: 1ms }, when: { after: 1h } }\n",
        traffic.port);
    proxy_process_start(&proxy, (const char *const[]){"--seed", "7", NULL});
}

static void teardown(void)
{
    proxy_process_close(&proxy);
}

TestSuite(ctl_connections, .init = setup, .fini = teardown, .timeout = 60);

static json_t *first_row(json_t *body)
{
    json_t *rows = json_object_get(body, "connections");
    cr_assert_eq(json_array_size(rows), 1);
    return json_array_get(rows, 0);
}

static const char *text_at(const json_t *row, const char *leg, const char *key)
{
    return json_string_value(json_object_get(json_object_get(row, leg), key));
}

static const char *rule_at(const json_t *row, size_t i)
{
    const json_t *rules = json_object_get(row, "rules");
    return json_string_value(json_object_get(json_array_get(rules, i), "name"));
}

Test(ctl_connections, has_the_rules_in_force_and_what_the_kernel_knows_of_both_legs)
{
    json_t *body = NULL;
    char ends[32];
    traffic_add(&traffic, proxy_process_port(&proxy, "db"), 1);
    traffic_wait(&traffic, 3);
    cr_assert_eq(proxy_process_ask(&proxy, "GET", "/v1/connections", NULL, &body), 200);
    const json_t *row = first_row(body);
    cr_expect_eq(json_array_size(json_object_get(row, "rules")), 2);
    cr_expect_str_eq(rule_at(row, 0), "back");
    cr_expect_str_eq(rule_at(row, 1), "both");
    for (int i = 0; i < 2; i++) {
        const json_t *leg = json_object_get(row, i ? "to_server" : "to_client");
        cr_expect_gt(json_integer_value(json_object_get(leg, "rtt_us")), 0);
        cr_expect(json_is_integer(json_object_get(leg, "retransmits")));
    }
    (void)snprintf(ends, sizeof ends, "127.0.0.1:%u", proxy_process_port(&proxy, "db"));
    cr_expect_str_eq(text_at(row, "to_client", "proxy"), ends);
    cr_expect_str_neq(text_at(row, "to_server", "proxy"), ends);
    cr_expect_geq(json_integer_value(json_object_get(body, "now_ns")),
                  json_integer_value(json_object_get(row, "opened_ns")));
    json_decref(body);
    (void)traffic_stop(&traffic);
}

Test(ctl_connections, shows_a_server_that_was_not_reached_as_none)
{
    char said[4096];
    json_t *body = NULL;
    cr_assert_eq(proxy_process_ask(&proxy, "POST", "/v1/partition",
                                   "{\"parts\":[[\"app\"],[\"db\"]]}", NULL),
                 200);
    int fd = traffic_connect(proxy_process_port(&proxy, "db"));
    cr_assert_geq(fd, 0);
    do {
        json_decref(body);
        body = NULL;
        cr_assert_eq(proxy_process_ask(&proxy, "GET", "/v1/connections", NULL, &body),
                     200);
    } while (json_array_size(json_object_get(body, "connections")) == 0);
    const json_t *row = first_row(body);
    cr_expect(json_is_null(json_object_get(row, "to_server")));
    cr_expect_str_eq(rule_at(row, 2), "partition-1");
    char *words = xasprintf("ctl --control '%s' connections", proxy.control);
    cr_expect_eq(program_run(proxy.directory, words, said, sizeof said), 0);
    cr_expect_not_null(strstr(said, "RTT CLIENT"), "%s", said);
    cr_expect_not_null(strstr(said, "back, both, partition-1\n"), "%s", said);
    free(words);
    json_decref(body);
    (void)close(fd);
}
