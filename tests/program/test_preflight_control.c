/* SPDX-License-Identifier: MIT */
/* netsplit preflight where the drill is to use a proxy that runs already, and where a
 * playbook is to be flown. */
#include "preflight_fixture.h"
#include "tests/lib/proxy_process.h"
#include "tests/lib/server_process.h"

#include <criterion/criterion.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

TestSuite(preflight_control, .timeout = 60);

static struct drill_fixture drill;
static struct proxy_process proxy;
static struct server_process server;

static void open_theirs(void)
{
    char path[512];
    if (!server_process_redis(&server))
        cr_skip_test("redis-server is not installed");
    drill_open(&drill, "", "");
    proxy_process_open(&proxy);
    (void)snprintf(path, sizeof path, "%s/cluster.yaml", drill.dir);
    FILE *to = fopen(path, "we");
    cr_assert_not_null(to);
    fprintf(to,
            "cluster: 1\nname: theirs\nenvironment: staging\n"
            "driver: { resp: \"redis://\" }\ndata: { schema: drilled }\n"
            "control: %s\n"
            "nodes: { r1: { address: 127.0.0.1, ports: [%u] } }\n"
            "role: echo primary\n",
            proxy.control, server.port);
    cr_assert_eq(fclose(to), 0);
}

static void close_theirs(void)
{
    cr_expect(drill_wait_unmarked(&drill), "processes are left");
    cr_expect_eq(drill_count_left(&drill), 0, "directories or records are left");
    proxy_process_close(&proxy);
    drill_close(&drill);
    server_process_close(&server);
}

static void write_rules(const char *name, const char *listen)
{
    proxy_process_write_rules(
        &proxy, "netsplit: 1\nnodes:\n  app: 10.0.0.9\n  %s: \"127.0.0.1:%u\"\n%s",
        name, server.port, listen);
}

static void expect_missing(const char *text, const char *mend)
{
    cr_expect_eq(preflight_fly(&drill), 3, "%s", drill.told);
    cr_expect(preflight_told(&drill, "MISSING", "control", text), "%s", drill.told);
    cr_expect(strstr(preflight_mend_of(&drill, text), mend), "%s", drill.told);
}

Test(preflight_control, a_proxy_that_runs_is_asked_what_it_knows)
{
    static const char *const words[] = {NULL};
    open_theirs();
    expect_missing("does not answer: no proxy answers", "netsplit proxy -f RULES");
    write_rules("redis", "listen: [{ address: \"127.0.0.1:0\", to: redis }]\n");
    proxy_process_start(&proxy, words);
    expect_missing("r1: the proxy knows no node of this name; it has: app, redis",
                   "r1: { address: \"127.0.0.1\", ports: [");
    write_rules("r1", "");
    cr_assert_eq(kill(proxy.pid, SIGHUP), 0);
    preflight_fly_until(&drill, "note", "control",
                        "r1: the proxy has no listener for its clients");
    write_rules("r1", "listen: [{ address: \"127.0.0.1:0\", to: r1 }]\n");
    cr_assert_eq(kill(proxy.pid, SIGHUP), 0);
    preflight_fly_until(&drill, "ok", "control", "r1: the proxy knows it, and listens");
    cr_expect(preflight_told(&drill, "ok", "through", "r1: a login works"), "%s",
              drill.told);
    close_theirs();
}

Test(preflight_control, what_others_do_at_the_proxy_is_noted_and_left)
{
    static const char *const words[] = {NULL};
    json_t *body = NULL;
    open_theirs();
    write_rules("r1", "listen: [{ address: \"127.0.0.1:0\", to: r1 }]\n");
    proxy_process_start(&proxy, words);
    cr_assert_eq(proxy_process_ask(&proxy, "PUT", "/v1/overlays/hers",
                                   "netsplit: 1\nrules:\n- { name: slow, inject: { "
                                   "delay: 1ms } }\n",
                                   NULL),
                 200);
    cr_expect_eq(preflight_fly(&drill), 0, "%s", drill.told);
    cr_expect(
        preflight_told(&drill, "note", "control", "that are not the drill's: slow; "),
        "%s", drill.told);
    cr_assert_eq(proxy_process_ask(&proxy, "GET", "/v1/status", NULL, &body), 200);
    cr_expect_eq(json_array_size(json_object_get(body, "overlays")), 1, "it is left");
    json_decref(body);
    cr_assert_eq(proxy_process_ask(&proxy, "POST", "/v1/halt", NULL, NULL), 200);
    expect_missing("the proxy is halted", "resume");
    close_theirs();
}

/* What a playbook lacks hides nothing of what else is lacking. */
Test(preflight_control, a_playbook_that_does_not_fit_is_told_with_the_rest)
{
    static const char *const words[] = {"preflight", "./cluster.yaml", "--playbook",
                                        "./promote.md", NULL};
    char path[512];
    open_theirs();
    (void)snprintf(path, sizeof path, "%s/promote.md", drill.dir);
    FILE *to = fopen(path, "we");
    cr_assert_not_null(to);
    fputs("---\nplaybook: Promote\n---\n```yaml workload\nappend: { keys: 1 }\n```\n"
          "```yaml run\nfor: 1s\n```\n```yaml promote\nnode: r1\n```\n",
          to);
    cr_assert_eq(fclose(to), 0);
    drill_spawn(&drill, words);
    cr_expect_eq(drill_wait(&drill), 2, "%s", drill.told);
    cr_expect(strstr(drill.told, "the cluster \"theirs\" has no promote command"));
    cr_expect(preflight_told(&drill, "MISSING", "playbook",
                             "./promote.md does not fit the cluster: 1 error, told "
                             "above"),
              "%s", drill.told);
    cr_expect(preflight_told(&drill, "MISSING", "control", "does not answer"), "%s",
              drill.told);
    cr_expect(preflight_told(&drill, "ok", "rights", "r1: "), "%s", drill.told);
    close_theirs();
}

/* A second node, which is only a name here, and a fault between the two. */
static void add_second(void)
{
    char command[1024];
    (void)snprintf(
        command, sizeof command,
        "cd '%s' && sed -i 's/^nodes: { /nodes: { r2: { address: 127.0.0.2, "
        "ports: [1] }, /' cluster.yaml && printf '%%s\\n' '---' 'playbook: Cut' "
        "'---' '```yaml workload' 'append: { keys: 1 }' '```' '```yaml run' "
        "'for: 1s' '```' '```yaml fault' 'cut: { from: r1, to: r2 }' '```' "
        "'```yaml run' 'for: 1s' '```' > cut.md",
        drill.dir);
    cr_assert_eq(system(command), 0);
}

Test(preflight_control, a_fault_that_no_listener_carries_is_told)
{
    static const char *const words[] = {"preflight", "./cluster.yaml", "--playbook",
                                        "./cut.md", NULL};
    static const char *const no_words[] = {NULL};
    static const char text[] = "line 10 of the playbook is about what r1 and r2 say";
    open_theirs();
    add_second();
    write_rules("r1", "  r2: \"127.0.0.2:1\"\nlisten: [{ address: \"127.0.0.1:0\", to: "
                      "r1 }]\n");
    proxy_process_start(&proxy, no_words);
    drill_spawn(&drill, words);
    cr_expect_eq(drill_wait(&drill), 3, "%s", drill.told);
    cr_expect(preflight_told(&drill, "MISSING", "control", text), "%s", drill.told);
    cr_expect(preflight_told(&drill, "ok", "playbook", "./cut.md fits"), "%s",
              drill.told);
    cr_assert_eq(proxy_process_end(&proxy, SIGTERM), 128 + SIGTERM);
    write_rules("r1", "  r2: \"127.0.0.2:1\"\nlisten: [{ address: \"127.0.0.1:0\", "
                      "from: r2, to: r1 }]\n");
    proxy_process_start(&proxy, no_words);
    drill_spawn(&drill, words);
    (void)drill_wait(&drill);
    cr_expect_not(strstr(drill.told, "of the playbook is about"), "%s", drill.told);
    cr_expect(preflight_told(&drill, "note", "control", "no listener for its clients"),
              "%s", drill.told);
    close_theirs();
}
