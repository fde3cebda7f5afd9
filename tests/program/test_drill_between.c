/* SPDX-License-Identifier: MIT */
/* Faults between nodes that run already: two Redis servers, each in a network namespace
 * that the test has made, as containers are; nothing in them is told of a proxy. */
#include "theirs.h"

#include "tests/lib/own_net.h"
#include "tests/lib/proxy_process.h"

#include <criterion/criterion.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { PORT = 6379, TRIES = 500, TRY_US = 20000 };

#define FRONT "control: none because nothing is lost here\nabort: { duration: 1m }\n"
#define FAULT                                                                          \
    "# Cut\n```yaml fault\n"                                                           \
    "partition: [[primary, clients.primary], [standbys, clients.standbys]]\n"
#define END                                                                            \
    "```\n```yaml run\nfor: 1500ms\n```\n```yaml heal\n```\n"                          \
    "```yaml wait\nuntil: converged\n```\n"                                            \
    "```yaml expect\nall: { ghost_writes: none, stale_reads: at least 1 }\n```\n"

static struct drill_fixture drill;
static struct server_process nodes[2];

static void run(const char *format, ...) __attribute__((format(printf, 1, 2)));

static void run(const char *format, ...)
{
    char command[512];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(command, sizeof command, format, args);
    va_end(args);
    cr_assert_eq(system(command), 0, "%s", command);
}

/* Until the process has left our namespace for its own. */
static void await_namespace(pid_t pid)
{
    char path[64], ours[64] = "", theirs[64] = "";
    cr_assert_gt(readlink("/proc/self/ns/net", ours, sizeof ours - 1), 0);
    (void)snprintf(path, sizeof path, "/proc/%d/ns/net", (int)pid);
    for (int i = 0; i < TRIES; i++) {
        if (readlink(path, theirs, sizeof theirs - 1) > 0 && strcmp(ours, theirs) != 0)
            return;
        (void)usleep(TRY_US); /* to poll */
    }
    cr_assert_fail("it has no namespace of its own");
}

/* 10.79.0.I, on the bridge. */
static void start_node(struct server_process *node, int i)
{
    char script[512];
    const char *const argv[] = {"unshare", "-n", "sh", "-euc", script, NULL};
    (void)snprintf(script, sizeof script,
                   "ip link set lo up\n"
                   "until ip link show eth0 2>/dev/null; do sleep 0.02; done\n"
                   "ip addr add 10.79.0.%d/24 dev eth0; ip link set eth0 up\n"
                   "exec redis-server --port %d --bind 10.79.0.%d --save '' "
                   "--appendonly no --protected-mode no --repl-diskless-sync-delay 0",
                   i, PORT, i);
    server_process_reserve(node, "redis");
    node->pid = server_process_run(node->directory, argv, false);
    await_namespace(node->pid);
    run("ip link add veth%d type veth peer name eth0 netns %d && "
        "ip link set veth%d master bridge up",
        i, (int)node->pid, i);
    run("for i in $(seq 500); do redis-cli -h 10.79.0.%d PING 2>/dev/null && exit; "
        "sleep 0.02; done >/dev/null; exit 1",
        i);
}

/* With the drill's own proxy, or with one that runs already at the path. */
static void write_cluster(const char *control)
{
    char path[512];
    (void)snprintf(path, sizeof path, "%s/cluster.yaml", drill.dir);
    FILE *to = fopen(path, "we");
    cr_assert_not_null(to);
    fprintf(to,
            "cluster: 1\nname: theirs\nenvironment: staging\n%s: %s\n"
            "driver: { resp: \"redis://\" }\ndata: { schema: drilled }\n"
            "role: |\n  redis-cli -h \"$NODE_HOST\" ROLE | awk 'NR == 1 { print "
            "$1 == \"master\" ? \"primary\" : \"standby\" }'\nnodes:\n",
            control ? "control" : "intercept", control ? control : "netns");
    for (int i = 0; i < 2; i++) {
        fprintf(to, "  r%d: { address: 10.79.0.%d, ports: [%d]", i + 1, i + 1, PORT);
        if (!control)
            fprintf(to, ", pid: %d", (int)nodes[i].pid);
        fputs(" }\n", to);
    }
    cr_assert_eq(fclose(to), 0);
}

static void open_nodes(const char *how)
{
    char steps[1024];
    if (system("command -v redis-server >/dev/null") != 0)
        cr_skip_test("redis-server is not installed");
    own_net_enter();
    run("ip link add bridge type bridge && ip addr add 10.79.0.254/24 dev bridge && "
        "ip link set bridge up");
    start_node(&nodes[0], 1);
    start_node(&nodes[1], 2);
    run("redis-cli -h 10.79.0.2 REPLICAOF 10.79.0.1 %d >/dev/null", PORT);
    run("for i in $(seq 500); do redis-cli -h 10.79.0.2 ROLE | grep -q connected && "
        "exit; sleep 0.02; done; exit 1");
    (void)snprintf(steps, sizeof steps, "%s%s%s", FAULT, how, END);
    drill_open(&drill, FRONT, steps);
    write_cluster(NULL);
}

static void close_nodes(void)
{
    cr_expect(drill_wait_unmarked(&drill), "processes are left");
    cr_expect_eq(drill_count_left(&drill), 0, "directories or records are left");
    drill_close(&drill);
    server_process_close(&nodes[0]);
    server_process_close(&nodes[1]);
}

Test(drill_between, running_nodes_are_cut_off_where_they_are, .timeout = 120)
{
    open_nodes("");
    int status = drill_run_whole(&drill, NULL);
    cr_expect_eq(status, 0, "status %d; it told:\n%s", status, drill.told);
    close_nodes();
}

/* Replication has been connected since before the drill. */
Test(drill_between, what_passes_the_proxy_by_is_no_cut, .timeout = 120)
{
    open_nodes("how: stall\n");
    int status = drill_run_whole(&drill, NULL);
    cr_expect_eq(status, 4, "status %d; it told:\n%s", status, drill.told);
    cr_expect(strstr(drill.told, "touched nothing of what the nodes say"), "%s",
              drill.told);
    close_nodes();
}

/* Nobody connects to a listener of it: clients go to the nodes, in its sight. */
Test(drill_between, an_intercepting_proxy_that_runs_is_used, .timeout = 120)
{
    struct proxy_process proxy;
    open_nodes("");
    proxy_process_open(&proxy);
    proxy_process_write_rules(&proxy,
                              "netsplit: 1\nintercept: netns\nnodes:\n"
                              "  r1: { address: 10.79.0.1, ports: [%d], pid: %d }\n"
                              "  r2: { address: 10.79.0.2, ports: [%d], pid: %d }\n"
                              "  clients: { address: 10.79.0.254, pid: %d }\n",
                              PORT, (int)nodes[0].pid, PORT, (int)nodes[1].pid,
                              (int)getpid());
    proxy_process_start(&proxy, (const char *const[]){NULL});
    write_cluster(proxy.control);
    int status = drill_run_whole(&drill, NULL);
    cr_expect_eq(status, 0, "status %d; it told:\n%s", status, drill.told);
    json_t *body = NULL;
    cr_assert_eq(proxy_process_ask(&proxy, "GET", "/v1/status", NULL, &body), 200);
    cr_expect_eq(json_array_size(json_object_get(body, "overlays")), 0);
    json_decref(body);
    close_nodes();
    cr_expect_eq(proxy_process_end(&proxy, SIGTERM), 128 + SIGTERM);
    proxy_process_close(&proxy);
}
