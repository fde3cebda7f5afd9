/* SPDX-License-Identifier: MIT */
/* A cluster that netsplit did not start: two Redis servers of the test's own, and a
 * wrapper that stands for ssh, which hands on nothing of the environment. */
#include "drill_fixture.h"
#include "tests/lib/server_process.h"

#include <criterion/criterion.h>
#include <jansson.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static struct drill_fixture drill;
static struct server_process servers[2];

#define FRONT                                                                          \
    "modes: [async, sync]\ncontrol: none because nothing is lost here\n"               \
    "abort: { duration: 1m }\n"
#define EXPECT                                                                         \
    "```yaml expect\nall: { ghost_writes: none, acked: at least 10 }\n"                \
    "async: { lost_writes: at least 1 }\n```\n"
#define RUN "```yaml run\nfor: 700ms\n```\n"

static void write_file(const char *name, const char *text, mode_t mode)
{
    char path[512];
    (void)snprintf(path, sizeof path, "%s/%s", drill.dir, name);
    FILE *to = fopen(path, "we");
    cr_assert_not_null(to);
    fputs(text, to);
    cr_assert_eq(fclose(to), 0);
    cr_assert_eq(chmod(path, mode), 0);
}

/* What redis-cli says of the server; its first line. */
static const char *ask(const struct server_process *server, const char *words)
{
    static char line[256];
    char command[256];
    (void)snprintf(command, sizeof command, "redis-cli -p %u %s", server->port, words);
    FILE *from = popen(command, "r");
    line[0] = '\0';
    cr_assert_not_null(from);
    (void)fgets(line, sizeof line, from); /* it may say nothing */
    (void)pclose(from);                   /* what it said is looked at */
    line[strcspn(line, "\r\n")] = '\0';
    return line;
}

static void await(const struct server_process *server, const char *words,
                  const char *wanted)
{
    for (int i = 0; i < 500 && strcmp(ask(server, words), wanted) != 0; i++)
        (void)usleep(20000); /* to poll */
    cr_assert_str_eq(ask(server, words), wanted);
}

static void write_cluster(const char *environment, const char *commands)
{
    char text[4096];
    (void)snprintf(text, sizeof text,
                   "cluster: 1\nname: theirs\nenvironment: %s\n"
                   "driver: { resp: \"redis://\" }\ndata: { schema: drilled }\n"
                   "nodes:\n"
                   "  r1: { address: 127.0.0.1, ports: [%u], exec: ./away r1 }\n"
                   "  r2: { address: 127.0.0.1, ports: [%u], exec: ./away r2 }\n"
                   "role: |\n  redis-cli -p \"$NODE_PORT\" ROLE | awk 'NR == 1 { print "
                   "$1 == \"master\" ? \"primary\" : \"standby\" }'\n"
                   "commands:\n  ready: redis-cli -e -p \"$NODE_PORT\" PING\n%s",
                   environment, servers[0].port, servers[1].port, commands);
    write_file("cluster.yaml", text, 0644);
}

/* Both pause with signals to a pid that they were asked for. */
#define PAUSE                                                                          \
    "  pause: kill -STOP $(cat $NODE.pid)\n"                                           \
    "  resume: kill -CONT $(cat $NODE.pid)\n"

static void open_theirs(const char *environment, const char *commands,
                        const char *steps)
{
    char text[512];
    if (!server_process_redis(&servers[0]))
        cr_skip_test("redis-server is not installed");
    cr_assert(server_process_redis(&servers[1]));
    (void)ask(&servers[0], "CONFIG SET repl-diskless-sync-delay 0");
    (void)snprintf(text, sizeof text, "REPLICAOF 127.0.0.1 %u", servers[0].port);
    (void)ask(&servers[1], text);
    await(&servers[1], "ROLE | sed -n 4p", "connected");
    drill_open(&drill, FRONT, steps);
    write_cluster(environment, commands);
    write_file("away",
               "#!/bin/sh\n# NODE COMMAND...\necho \"$1\" >> away.log\nshift\n"
               "exec env -i PATH=\"$PATH\" NETSPLIT_TEST=1 \"$@\"\n",
               0755);
    for (size_t i = 0; i < 2; i++) {
        char name[16];
        (void)snprintf(name, sizeof name, "r%zu.pid", i + 1);
        (void)snprintf(text, sizeof text, "%d\n", (int)servers[i].pid);
        write_file(name, text, 0644);
    }
}

static void close_theirs(void)
{
    cr_expect(drill_wait_unmarked(&drill), "processes are left");
    cr_expect_eq(drill_count_left(&drill), 0, "directories or records are left");
    cr_expect_str_eq(ask(&servers[0], "ROLE"), "master", "it runs as before");
    cr_expect_str_eq(ask(&servers[0], "KEYS drilled:\\*"), "", "nothing is left in it");
    drill_close(&drill);
    server_process_close(&servers[0]);
    server_process_close(&servers[1]);
}

Test(drill_as_is, a_running_cluster_is_drilled_and_left_as_it_was, .timeout = 180)
{
    open_theirs("staging", PAUSE,
                "# Look\n```sh step on=r2\n"
                "[ \"$NODE $PRIMARY $NODES\" = \"r2 r1 r1 r2\" ]\n"
                "[ -z \"${TMPDIR-}\" ] || exit 7\ncat\n```\n"
                "# Cut\n```yaml fault\ncut: { from: clients.r1, to: r1 }\n```\n" RUN
                "```yaml heal\n```\n```yaml wait\nuntil: writable\n```\n"
                "# Pause\n```yaml fault\npause: r1\n```\n" RUN
                "```yaml heal\n```\n```yaml wait\nuntil: writable\n```\n" EXPECT);
    int status = drill_run_whole(&drill, NULL);
    cr_expect_eq(status, 0, "status %d; it told:\n%s", status, drill.told);
    cr_expect(strstr(drill.told, "as-is is as it is"), "%s", drill.told);
    close_theirs();
}

Test(drill_as_is, ctrl_c_resumes_and_removes_what_was_written, .timeout = 180)
{
    open_theirs("staging", PAUSE,
                "# Fault\n```yaml fault\npause: r1\n```\n"
                "```yaml run\nfor: 20s\n```\n" EXPECT);
    drill_start(&drill, NULL);
    cr_assert(drill_await(&drill, "Fault | run"), "%s", drill.told);
    cr_assert_eq(kill(drill.pid, SIGINT), 0);
    cr_expect_eq(drill_wait(&drill), 128 + SIGINT, "it told:\n%s", drill.told);
    cr_expect(strstr(drill.told, "; everything is undone"), "%s", drill.told);
    close_theirs();
}

Test(drill_as_is, a_killed_node_is_started_by_its_command, .timeout = 180)
{
    open_theirs("staging",
                "  kill: |\n    touch killed; redis-cli -p \"$NODE_PORT\" CLIENT PAUSE "
                "1500 ALL\n"
                "  start: rm killed; redis-cli -p \"$NODE_PORT\" CLIENT UNPAUSE\n",
                "# Fault\n```yaml fault\nkill: primary\n```\n" RUN
                "```yaml heal\n```\n```yaml wait\nuntil: writable\n```\n"
                "```sh step\n[ ! -e killed ]\n```\n" EXPECT);
    int status = drill_run_whole(&drill, NULL);
    cr_expect_eq(status, 0, "status %d; it told:\n%s", status, drill.told);
    close_theirs();
}

Test(drill_as_is, nothing_is_done_for_which_there_is_no_command, .timeout = 60)
{
    open_theirs("staging", "",
                "# Fault\n```yaml fault\nkill: r1\n```\n" RUN
                "```yaml fault\npause: r1\n```\n" RUN EXPECT);
    cr_expect_eq(drill_run_whole(&drill, NULL), 2, "%s", drill.told);
    cr_expect(strstr(drill.told, "has no commands kill and start"), "%s", drill.told);
    cr_expect(strstr(drill.told, "has no commands pause and resume"), "%s", drill.told);
    close_theirs();
}

Test(drill_as_is, production_is_confirmed_by_its_name, .timeout = 180)
{
    static const char *const wrong[] = {
        "drill",     "playbook.md", "--cluster", "./cluster.yaml",
        "--confirm", "ours",        NULL};
    static const char *const right[] = {
        "drill",     "playbook.md", "--cluster", "./cluster.yaml",
        "--confirm", "theirs",      NULL};
    open_theirs("production", "", EXPECT);
    cr_expect_eq(drill_run_whole(&drill, NULL), 2, "%s", drill.told);
    cr_expect(strstr(drill.told, "if that is meant: --confirm theirs"), "%s",
              drill.told);
    drill_spawn(&drill, wrong);
    cr_expect_eq(drill_wait(&drill), 2, "%s", drill.told);
    cr_expect_not(strstr(drill.told, "seed"), "nothing was started");
    drill_spawn(&drill, right);
    cr_expect_eq(drill_wait(&drill), 0, "%s", drill.told);
    close_theirs();
}

Test(drill_as_is, production_needs_a_stop_condition, .timeout = 60)
{
    static const char *const words[] = {
        "drill", "bare.md", "--cluster", "./cluster.yaml", "--confirm", "theirs", NULL};
    open_theirs("production", "", EXPECT);
    write_file("bare.md",
               "---\nplaybook: Bare\n---\n```yaml workload\nappend: { keys: 1 }\n```\n"
               "```yaml run\nfor: 1s\n```\n",
               0644);
    drill_spawn(&drill, words);
    cr_expect_eq(drill_wait(&drill), 2, "%s", drill.told);
    cr_expect(strstr(drill.told, "no stop condition"), "%s", drill.told);
    close_theirs();
}
