/* SPDX-License-Identifier: MIT */
/* Drills that use a proxy which runs already: `control: PATH`. It stands between two
 * Redis servers and before their clients, and somebody else has an overlay there. */
#include "tests/lib/proxy_process.h"
#include "theirs.h"

#include <criterion/criterion.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#define SPLIT                                                                          \
    "# Cut\n```yaml fault\n"                                                           \
    "partition: [[primary, clients.primary], [standbys, clients.standbys]]\n```\n"
#define HEAL                                                                           \
    "```yaml heal\n```\n```yaml wait\nuntil: converged\n```\n"                         \
    "```yaml expect\nall: { ghost_writes: none, stale_reads: at least 1 }\n```\n"
#define LONG   "```yaml run\nfor: 20s\n```\n"
#define OTHERS "netsplit: 1\nrules: [{ name: theirs, cut: { from: r1, to: other } }]\n"

static struct theirs theirs;
static struct proxy_process proxy;
static struct drill_fixture *const drill = &theirs.drill;

/* What follows the two nodes in its rule file. */
static const char whole[] =
    "  clients.r1:\n  clients.r2:\n  other:\nlisten:\n"
    "  - { name: wal, address: \"127.0.0.1:0\", from: r2, to: r1 }\n"
    "  - { address: \"127.0.0.1:0\", from: clients.r1, to: r1 }\n"
    "  - { address: \"127.0.0.1:0\", from: clients.r1, to: r2 }\n"
    "  - { address: \"127.0.0.1:0\", from: clients.r2, to: r1 }\n"
    "  - { address: \"127.0.0.1:0\", from: clients.r2, to: r2 }\n"
    "  - { address: \"127.0.0.1:0\", from: other, to: r1 }\n";

/* The replica finds its primary through the proxy's listener `wal`, if it has one. */
static void open_proxied(const char *rules, const char *steps)
{
    char text[512];
    theirs_open(&theirs, "staging", "", steps);
    proxy_process_open(&proxy);
    proxy_process_write_rules(
        &proxy, "netsplit: 1\nnodes:\n  r1: 127.0.0.1:%u\n  %s: 127.0.0.1:%u\n%s",
        theirs.servers[0].port, strstr(rules, "redis2") ? "redis2" : "r2",
        theirs.servers[1].port, rules);
    proxy_process_start(&proxy, (const char *const[]){NULL});
    cr_assert_eq(
        proxy_process_ask(&proxy, "PUT", "/v1/overlays/theirs?for=ever",
                          strstr(rules, "other") ? OTHERS : "netsplit: 1\nrules: []\n",
                          NULL),
        200);
    if (strstr(rules, "wal")) {
        (void)snprintf(text, sizeof text, "REPLICAOF 127.0.0.1 %u",
                       proxy_process_port(&proxy, "wal"));
        (void)theirs_ask(&theirs, 1, text);
        theirs_await(&theirs, 1, "ROLE | sed -n 4p", "connected");
    }
    (void)snprintf(text, sizeof text, "control: %s\n", proxy.control);
    theirs_write_cluster(&theirs, "staging", text);
}

static void close_proxied(void)
{
    cr_expect_eq(proxy_process_end(&proxy, SIGTERM), 128 + SIGTERM);
    proxy_process_close(&proxy);
    theirs_close(&theirs);
}

/* How many of its overlays have names that begin so; *remaining_ms: of the last. */
static size_t count_overlays(const char *prefix, json_int_t *remaining_ms)
{
    size_t n = 0;
    json_t *body = NULL;
    cr_assert_eq(proxy_process_ask(&proxy, "GET", "/v1/status", NULL, &body), 200);
    const json_t *all = json_object_get(body, "overlays");
    for (size_t i = 0; i < json_array_size(all); i++) {
        const json_t *one = json_array_get(all, i);
        const char *name = json_string_value(json_object_get(one, "name"));
        if (strncmp(name, prefix, strlen(prefix)) != 0)
            continue;
        n++;
        if (remaining_ms)
            *remaining_ms = json_integer_value(json_object_get(one, "remaining_ms"));
    }
    json_decref(body);
    return n;
}

static void expect_as_found(void)
{
    cr_expect_eq(count_overlays("theirs", NULL), 1);
    cr_expect_eq(count_overlays("", NULL), 1);
}

Test(drill_control, a_running_proxy_cuts_and_is_left_as_it_was, .timeout = 120)
{
    open_proxied(whole, SPLIT "```yaml run\nfor: 1500ms\n```\n" HEAL);
    int status = drill_run_whole(drill, NULL);
    cr_expect_eq(status, 0, "status %d; it told:\n%s", status, drill->told);
    expect_as_found();
    close_proxied();
}

static const char one_client[] =
    "  clients:\nlisten:\n"
    "  - { address: \"127.0.0.1:0\", from: clients, to: r1 }\n"
    "  - { address: \"127.0.0.1:0\", from: clients, to: r2 }\n";

Test(drill_control, clients_that_are_one_node_there_are_cut_as_one, .timeout = 120)
{
    open_proxied(one_client, "# Cut\n```yaml fault\npartition: [[primary], "
                             "[clients.r1, clients.standbys]]\n```\n" THEIRS_RUN
                             "```yaml heal\n```\n" THEIRS_EXPECT);
    int status = drill_run_whole(drill, NULL);
    cr_expect_eq(status, 0, "status %d; it told:\n%s", status, drill->told);
    cr_expect(strstr(drill->told, "\"clients\" is one node at the proxy: a fault"),
              "%s", drill->told);
    expect_as_found();
    close_proxied();
}

static void expect_refused(const char *why)
{
    int status = drill_run_whole(drill, NULL);
    cr_expect_eq(status, 3, "status %d; it told:\n%s", status, drill->told);
    cr_expect(strstr(drill->told, why), "wanted: %s; it told:\n%s", why, drill->told);
    expect_as_found();
    close_proxied();
}

Test(drill_control, a_node_that_it_does_not_know_is_named, .timeout = 120)
{
    open_proxied("listen: [{ address: \"127.0.0.1:0\", from: redis2, to: r1 }]\n",
                 SPLIT LONG HEAL);
    expect_refused("knows no node \"r2\"; it has: r1, redis2");
}

Test(drill_control, clients_that_it_does_not_know_are_named, .timeout = 120)
{
    open_proxied(
        "listen: [{ name: wal, address: \"127.0.0.1:0\", from: r2, to: r1 }]\n",
        SPLIT LONG HEAL);
    expect_refused(
        "has no node \"clients.r1\" and none called \"clients\"; it has: r1");
}

Test(drill_control, a_link_that_does_not_pass_it_is_named, .timeout = 120)
{
    open_proxied(one_client, SPLIT LONG HEAL);
    expect_refused("what r1 and r2 say to each other; the proxy at");
}

Test(drill_control, clients_that_would_go_past_it_are_named, .timeout = 120)
{
    open_proxied("  clients:\nlisten:\n"
                 "  - { name: wal, address: \"127.0.0.1:0\", from: r2, to: r1 }\n"
                 "  - { address: \"127.0.0.1:0\", from: clients, to: r1 }\n",
                 SPLIT LONG HEAL);
    expect_refused("has no listener from clients to r2, so they would go past it");
}

Test(drill_control, one_that_is_halted_is_refused, .timeout = 120)
{
    open_proxied(one_client, SPLIT LONG HEAL);
    cr_assert_eq(proxy_process_ask(&proxy, "POST", "/v1/halt", NULL, NULL), 200);
    cr_expect_eq(drill_run_whole(drill, NULL), 3);
    cr_expect(strstr(drill->told, "is halted and takes no faults"), "%s", drill->told);
    close_proxied();
}

Test(drill_control, one_that_is_not_there_is_named, .timeout = 120)
{
    theirs_open(&theirs, "staging", "control: ./nowhere\n", THEIRS_EXPECT);
    cr_expect_eq(drill_run_whole(drill, NULL), 3);
    cr_expect(strstr(drill->told, "control: no proxy answers at ./nowhere"), "%s",
              drill->told);
    theirs_close(&theirs);
}

Test(drill_control, ctrl_c_takes_away_what_is_the_drills, .timeout = 120)
{
    open_proxied(whole, SPLIT LONG HEAL);
    drill_start(drill, NULL);
    cr_assert(drill_await(drill, "Cut | run"), "%s", drill->told);
    cr_expect_eq(count_overlays("drill-", NULL), 1);
    cr_assert_eq(kill(drill->pid, SIGINT), 0);
    cr_expect_eq(drill_wait(drill), 128 + SIGINT, "it told:\n%s", drill->told);
    cr_expect(strstr(drill->told, "everything is undone"), "%s", drill->told);
    expect_as_found();
    close_proxied();
}

/* What it wrote stays, too, until the next drill makes it anew. */
Test(drill_control, killed_it_leaves_leases_and_clean_removes_them, .timeout = 120)
{
    json_int_t remaining_ms = 0;
    open_proxied(whole, SPLIT LONG HEAL);
    drill_start(drill, NULL);
    cr_assert(drill_await(drill, "Cut | run"), "%s", drill->told);
    cr_assert_eq(kill(drill->pid, SIGKILL), 0);
    cr_expect_eq(drill_wait(drill), 128 + SIGKILL);
    cr_expect_eq(count_overlays("drill-", &remaining_ms), 1);
    cr_expect(remaining_ms > 0 && remaining_ms <= 20000, "%lld", remaining_ms);
    drill_spawn(drill, (const char *const[]){"clean", NULL});
    cr_expect_eq(drill_wait(drill), 0);
    cr_expect(strstr(drill->told, "removed overlay drill-"), "%s", drill->told);
    expect_as_found();
    for (size_t i = 0; i < 2; i++)
        (void)theirs_ask(&theirs, i, "FLUSHALL");
    close_proxied();
}

/* At the next renewal. */
Test(drill_control, halting_the_proxy_ends_the_steps, .timeout = 120)
{
    open_proxied(whole, SPLIT LONG HEAL);
    drill_start(drill, NULL);
    cr_assert(drill_await(drill, "Cut | run"), "%s", drill->told);
    cr_assert_eq(proxy_process_ask(&proxy, "POST", "/v1/halt", NULL, NULL), 200);
    cr_expect_eq(drill_wait(drill), 4, "it told:\n%s", drill->told);
    cr_expect(strstr(drill->told, "no longer keeps the drill's faults: the proxy is "
                                  "halted"),
              "%s", drill->told);
    cr_expect_eq(count_overlays("", NULL), 0);
    close_proxied();
}
