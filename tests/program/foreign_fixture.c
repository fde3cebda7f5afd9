/* SPDX-License-Identifier: MIT */
#include "foreign_fixture.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char front[] = "modes: [async, sync]\n"
                            "control: none because nothing is lost here\n"
                            "abort: { duration: 1m }\n";

void foreign_write(const struct foreign_fixture *fixture, const char *name,
                   const char *text, unsigned mode)
{
    char path[512];
    (void)snprintf(path, sizeof path, "%s/%s", fixture->drill.dir, name);
    FILE *to = fopen(path, "we");
    cr_assert_not_null(to);
    fputs(text, to);
    cr_assert_eq(fclose(to), 0);
    cr_assert_eq(chmod(path, mode), 0);
}

const char *foreign_ask(const struct server_process *server, const char *words)
{
    static char line[256];
    char command[512];
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
    for (int i = 0; i < 500 && strcmp(foreign_ask(server, words), wanted) != 0; i++)
        (void)usleep(20000); /* to poll */
    cr_assert_str_eq(foreign_ask(server, words), wanted);
}

static void write_cluster(const struct foreign_fixture *fixture,
                          const char *environment, const char *commands)
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
                   environment, fixture->servers[0].port, fixture->servers[1].port,
                   commands);
    foreign_write(fixture, "cluster.yaml", text, 0644);
}

static void start_servers(struct foreign_fixture *fixture)
{
    char words[64];
    if (!server_process_redis(&fixture->servers[0]))
        cr_skip_test("redis-server is not installed");
    cr_assert(server_process_redis(&fixture->servers[1]));
    (void)foreign_ask(&fixture->servers[0], "CONFIG SET repl-diskless-sync-delay 0");
    (void)snprintf(words, sizeof words, "REPLICAOF 127.0.0.1 %u",
                   fixture->servers[0].port);
    (void)foreign_ask(&fixture->servers[1], words);
    await(&fixture->servers[1], "ROLE | sed -n 4p", "connected");
}

void foreign_open(struct foreign_fixture *fixture, const char *environment,
                  const char *commands, const char *steps)
{
    start_servers(fixture);
    drill_open(&fixture->drill, front, steps);
    write_cluster(fixture, environment, commands);
    foreign_write(fixture, "away",
                  "#!/bin/sh\n# NODE COMMAND...\necho \"$1\" >> away.log\nshift\n"
                  "exec env -i PATH=\"$PATH\" NETSPLIT_TEST=1 \"$@\"\n",
                  0755);
    for (size_t i = 0; i < 2; i++) {
        char name[16], text[16];
        (void)snprintf(name, sizeof name, "r%zu.pid", i + 1);
        (void)snprintf(text, sizeof text, "%d\n", (int)fixture->servers[i].pid);
        foreign_write(fixture, name, text, 0644);
    }
}

void foreign_close(struct foreign_fixture *fixture)
{
    cr_expect(drill_wait_unmarked(&fixture->drill), "processes are left");
    cr_expect_eq(drill_count_left(&fixture->drill), 0,
                 "directories or records are left");
    cr_expect_str_eq(foreign_ask(&fixture->servers[0], "ROLE"), "master",
                     "it runs as before");
    cr_expect_str_eq(foreign_ask(&fixture->servers[0], "KEYS drilled:\\*"), "",
                     "nothing is left in it");
    drill_close(&fixture->drill);
    server_process_close(&fixture->servers[0]);
    server_process_close(&fixture->servers[1]);
}
