/* SPDX-License-Identifier: MIT */
/* netsplit preflight on two Redis servers of the test's own, with a wrapper that stands
 * for ssh. What it says mends a lack is done as it says, and then the lack is gone. */
#include "proxy/base/memory.h"
#include "preflight_fixture.h"
#include "tests/lib/server_process.h"

#include <criterion/criterion.h>
#include <hiredis/hiredis.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

TestSuite(preflight, .timeout = 90);

static struct drill_fixture drill;
static struct server_process servers[2];

#define ROLE                                                                           \
    "role: |\n  redis-cli -p \"$NODE_PORT\" ROLE | awk 'NR == 1 { print $1 == "        \
    "\"master\" ? \"primary\" : \"standby\" }'\n"

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
    for (int i = 0; i < 500 && strcmp(ask(server, words), wanted) != 0; i++)
        (void)usleep(20000); /* to poll */
    cr_assert_str_eq(ask(server, words), wanted);
}

static void write_cluster(const char *exec, const char *role)
{
    char text[4096];
    (void)snprintf(text, sizeof text,
                   "cluster: 1\nname: theirs\nenvironment: staging\n"
                   "driver: { resp: \"redis://\" }\ndata: { schema: drilled }\n"
                   "nodes:\n"
                   "  r1: { address: 127.0.0.1, ports: [%u], exec: %s r1 }\n"
                   "  r2: { address: 127.0.0.1, ports: [%u], exec: ./away r2 }\n"
                   "%scommands:\n  ready: redis-cli -e -p \"$NODE_PORT\" PING\n",
                   servers[0].port, exec, servers[1].port, role);
    write_file("cluster.yaml", text, 0644);
}

static void open_theirs(void)
{
    char text[128];
    if (!server_process_redis(&servers[0]))
        cr_skip_test("redis-server is not installed");
    cr_assert(server_process_redis(&servers[1]));
    (void)ask(&servers[0], "CONFIG SET repl-diskless-sync-delay 0");
    (void)snprintf(text, sizeof text, "REPLICAOF 127.0.0.1 %u", servers[0].port);
    (void)ask(&servers[1], text);
    await(&servers[1], "ROLE | sed -n 4p", "connected");
    drill_open(&drill, "", "");
    write_file("away",
               "#!/bin/sh\nshift\n"
               "exec env -i PATH=\"$PATH\" NETSPLIT_TEST=1 \"$@\"\n",
               0755);
    write_cluster("./away", ROLE);
}

static void close_theirs(void)
{
    cr_expect(drill_wait_unmarked(&drill), "processes are left");
    cr_expect_eq(drill_count_left(&drill), 0, "directories or records are left");
    drill_close(&drill);
    server_process_close(&servers[0]);
    server_process_close(&servers[1]);
}

static int fly(void)
{
    return preflight_fly(&drill);
}

static bool told(const char *level, const char *check, const char *text)
{
    return preflight_told(&drill, level, check, text);
}

static const char *mend_of(const char *text)
{
    return preflight_mend_of(&drill, text);
}

Test(preflight, a_cluster_that_lacks_nothing_is_ready_and_untouched)
{
    static const char *const checks[] = {"space",   "descriptors", "exec",    "reach",
                                         "login",   "role",        "rights",  "tls",
                                         "sockets", "connections", "through", "clocks"};
    open_theirs();
    cr_expect_eq(fly(), 0, "%s", drill.told);
    for (size_t i = 0; i < sizeof checks / sizeof *checks; i++)
        cr_expect(told("ok", checks[i], ""), "%s in:\n%s", checks[i], drill.told);
    cr_expect(told("note", "replication", "past the drill's proxy"), "%s", drill.told);
    cr_expect(strstr(drill.told, "a drill can start on \"theirs\""), "%s", drill.told);
    cr_expect_str_eq(ask(&servers[0], "DBSIZE"), "0", "it wrote something");
    cr_expect_str_eq(ask(&servers[0], "ROLE"), "master");
    close_theirs();
}

Test(preflight, its_findings_are_there_for_programs)
{
    static const char *const words[] = {"preflight", "./cluster.yaml", "--json", NULL};
    open_theirs();
    (void)ask(&servers[0], "CONFIG SET min-replicas-to-write 3");
    drill_spawn(&drill, words);
    cr_expect_eq(drill_wait(&drill), 3, "%s", drill.told);
    json_t *whole = json_loads(drill.told, 0, NULL);
    cr_assert_not_null(whole, "%s", drill.told);
    cr_expect(json_is_false(json_object_get(whole, "ready")));
    cr_expect_eq(json_integer_value(json_object_get(whole, "missing")), 1);
    size_t i;
    json_t *finding, *missing = NULL;
    json_array_foreach(json_object_get(whole, "findings"), i, finding)
    {
        if (!strcmp(json_string_value(json_object_get(finding, "level")), "missing"))
            missing = finding;
    }
    cr_assert_not_null(missing);
    cr_expect_str_eq(json_string_value(json_object_get(missing, "check")), "rights");
    cr_expect_str_eq(json_string_value(json_object_get(missing, "node")), "r1");
    cr_expect_str_eq(json_string_value(json_object_get(missing, "text")),
                     "NOREPLICAS Not enough good replicas to write.");
    cr_expect(strstr(json_string_value(json_object_get(missing, "mend")),
                     "CONFIG SET min-replicas-to-write 0"));
    json_decref(whole);
    close_theirs();
}

Test(preflight, a_password_is_missing_wrong_and_right)
{
    open_theirs();
    (void)ask(&servers[1], "CONFIG SET requirepass sesam");
    cr_expect_eq(fly(), 3);
    cr_expect(told("MISSING", "login", "r2: NOAUTH"), "%s", drill.told);
    cr_expect(strstr(mend_of("r2: NOAUTH"), "export REDISCLI_AUTH="));
    (void)setenv("REDISCLI_AUTH", "simsalabim", 1);
    cr_expect_eq(fly(), 3);
    cr_expect(told("MISSING", "login", "r2: WRONGPASS"), "%s", drill.told);
    cr_expect(told("note", "login", "r1: $REDISCLI_AUTH is set"), "%s", drill.told);
    cr_expect_not(strstr(drill.told, "simsalabim"), "a secret was told");
    (void)setenv("REDISCLI_AUTH", "sesam", 1);
    (void)fly();
    cr_expect(told("ok", "login", "r2: with $REDISCLI_AUTH"), "%s", drill.told);
    cr_expect(told("ok", "through", "r2: a login works"), "%s", drill.told);
    (void)unsetenv("REDISCLI_AUTH");
    close_theirs();
}

/* redis-cli ends well when it was refused, and awk takes any word for a standby's. */
Test(preflight, a_role_that_fails_quietly_is_caught_by_the_servers_own_word)
{
    open_theirs();
    (void)ask(&servers[0], "CONFIG SET requirepass sesam");
    (void)ask(&servers[1], "CONFIG SET masterauth sesam");
    (void)setenv("REDISCLI_AUTH", "sesam", 1);
    cr_expect_eq(fly(), 3);
    cr_expect(told("MISSING", "role",
                   "r1: `role:` says standby, and the server itself says primary"),
              "%s", drill.told);
    cr_expect(
        told("MISSING", "role", "r1: `ready:` ended with status 1 and said: NOAUTH"),
        "%s", drill.told);
    cr_expect(strstr(mend_of("`ready:`"), "your environment does not go"));
    (void)unsetenv("REDISCLI_AUTH");
    close_theirs();
}

Test(preflight, rights_that_lack_are_granted_by_what_mends_them)
{
    open_theirs();
    (void)ask(&servers[0], "ACL SETUSER default resetkeys '~other:*' -append -set");
    cr_expect_eq(fly(), 3);
    cr_expect(told("MISSING", "rights", "r1: the user lacks rights"), "%s", drill.told);
    cr_expect(strstr(mend_of("lacks rights"),
                     "ACL SETUSER default '~drilled:*' +append +set"),
              "%s", drill.told);
    preflight_run_mend(&drill, "lacks rights", NULL);
    cr_expect_eq(fly(), 0, "%s", drill.told);
    cr_expect(told("ok", "rights", "r1: it may read and write drilled:*"), "%s",
              drill.told);
    cr_expect_str_eq(ask(&servers[0], "DBSIZE"), "0", "it wrote something");
    close_theirs();
}

Test(preflight, what_bears_the_drills_names_is_noted)
{
    open_theirs();
    (void)ask(&servers[0], "SET drilled:3 precious");
    cr_expect_eq(fly(), 0);
    cr_expect(told("note", "rights", "a drill deletes them"), "%s", drill.told);
    cr_expect_str_eq(ask(&servers[0], "GET drilled:3"), "precious");
    close_theirs();
}

Test(preflight, a_node_that_is_down_hides_nothing_of_the_others)
{
    open_theirs();
    server_process_kill(&servers[0]);
    cr_expect_eq(fly(), 3);
    cr_expect(told("MISSING", "reach", "refuses connections: nothing listens there"),
              "%s", drill.told);
    cr_expect(strstr(mend_of("refuses"), "start the server on r1"), "%s", drill.told);
    cr_expect(told("ok", "login", "r2: "), "%s", drill.told);
    cr_expect(told("MISSING", "replication", "r2: its link to its primary"), "%s",
              drill.told);
    cr_expect(told("ok", "clocks", "r2: "), "%s", drill.told);
    close_theirs();
}

static void expect_exec(const char *wrapper, const char *text, const char *mend)
{
    write_file("broken", wrapper, 0755);
    cr_expect_eq(fly(), 3);
    cr_expect(told("MISSING", "exec", text), "%s", drill.told);
    cr_expect(strstr(mend_of(text), mend), "%s", drill.told);
    cr_expect(told("ok", "exec", "r2: a shell by ./away r2"), "%s", drill.told);
    cr_expect(told("ok", "rights", "r1: it may read and write"), "%s", drill.told);
    cr_expect(drill_wait_unmarked(&drill), "processes are left");
}

Test(preflight, an_exec_that_does_not_work_is_told_with_the_reason)
{
    open_theirs();
    write_cluster("./broken", ROLE);
    expect_exec("#!/bin/sh\nsleep 600 & sleep 600\n", "r1: no end within 3s",
                "echo true | ./broken r1 sh -eu -s");
    expect_exec("#!/bin/sh\nshift\nexec \"$@\" </dev/null\n",
                "r1: `./broken r1 sh -eu -s` ended well without running",
                "hand on its standard input");
    expect_exec(
        "#!/bin/sh\necho 'exec: \"sh\": executable file not found in $PATH' >&2\n"
        "exit 126\n",
        "r1: status 126: exec: \"sh\"", "needs a shell");
    expect_exec("#!/bin/sh\necho 'root@r1: Permission denied (publickey).' >&2\n"
                "exit 255\n",
                "r1: status 255: root@r1: Permission denied", "ssh-copy-id");
    (void)unlink("broken");
    close_theirs();
}

/* A host that drops what comes is no reason to say again what the command says. */
Test(preflight, an_ssh_that_waits_is_told_with_what_it_lacks)
{
    open_theirs();
    char *path = xasprintf("%s:%s", drill.dir, getenv("PATH"));
    cr_assert_eq(setenv("PATH", path, 1), 0);
    write_file("ssh", "#!/bin/sh\nexec sleep 600\n", 0755);
    write_cluster("ssh -oBatchMode=yes", ROLE);
    cr_expect_eq(fly(), 3);
    cr_expect(strstr(mend_of("r1: no end within"),
                     "ssh -oBatchMode=yes r1 true # by hand; -oConnectTimeout=5"),
              "%s", drill.told);
    free(path);
    close_theirs();
}

Test(preflight, a_clock_that_is_off_is_a_note)
{
    open_theirs();
    write_file("date",
               "#!/bin/sh\nPATH=${PATH#*:}\n"
               "echo $(($(date +%s) + 7)).$(date +%N)\n",
               0755);
    write_file("away",
               "#!/bin/sh\nhere=$(cd \"$(dirname \"$0\")\" && pwd)\n"
               "[ \"$1\" != r2 ] || PATH=$here:$PATH\nshift\n"
               "exec env -i PATH=\"$PATH\" NETSPLIT_TEST=1 \"$@\"\n",
               0755);
    cr_expect_eq(fly(), 0, "%s", drill.told);
    cr_expect(told("note", "clocks", "r2: its host's clock (date) is at least 6"), "%s",
              drill.told);
    cr_expect(strstr(mend_of("its host's clock"), "chronyc makestep # on r2"));
    cr_expect_not(told("note", "clocks", "r1"), "%s", drill.told);
    cr_expect_not(told("note", "clocks", "its server's clock"), "%s", drill.told);
    close_theirs();
}

Test(preflight, roles_are_counted_and_compared_with_the_file)
{
    char text[128];
    open_theirs();
    (void)ask(&servers[1], "REPLICAOF NO ONE");
    cr_expect_eq(fly(), 3);
    cr_expect(told("MISSING", "role", "2 nodes say that they are primary: r1, r2"),
              "%s", drill.told);
    (void)snprintf(text, sizeof text, "REPLICAOF 127.0.0.1 %u", servers[1].port);
    (void)ask(&servers[0], text);
    await(&servers[0], "ROLE | sed -n 4p", "connected");
    cr_expect_eq(fly(), 0, "%s", drill.told);
    cr_expect(told("note", "role", "r2 is primary, but ./cluster.yaml names r1 first"),
              "%s", drill.told);
    write_cluster("./away", "role: echo leader\n");
    cr_expect_eq(fly(), 3);
    cr_expect(told("MISSING", "role",
                   "`role:` ended with status 0 and said: leader ; it is to print "
                   "primary or standby"),
              "%s", drill.told);
    close_theirs();
}

Test(preflight, clients_on_a_unix_socket_are_named)
{
    char path[TEMPDIR_PATH_MAX + 16], port[8];
    open_theirs();
    server_process_kill(&servers[1]);
    (void)snprintf(path, sizeof path, "%s/s", servers[1].directory);
    (void)snprintf(port, sizeof port, "%u", servers[1].port);
    const char *const argv[] = {"redis-server", "--port", port, "--bind",
                                "127.0.0.1",    "--save", "",   "--unixsocket",
                                path,           NULL};
    servers[1].pid = server_process_run(servers[1].directory, argv, false);
    await(&servers[1], "PING", "PONG");
    redisContext *client = redisConnectUnix(path);
    cr_assert_eq(client->err, 0, "%s", client->errstr);
    (void)fly();
    (void)snprintf(path, sizeof path, "r2: 1 client by the Unix socket %s/s",
                   servers[1].directory);
    cr_expect(told("note", "sockets", path), "%s", drill.told);
    redisFree(client);
    close_theirs();
}

Test(preflight, ctrl_c_ends_it_and_what_it_started)
{
    static const char *const words[] = {"preflight", "./cluster.yaml", "--within", "1m",
                                        NULL};
    open_theirs();
    write_cluster("./broken", ROLE);
    write_file("broken", "#!/bin/sh\ntouch began\nsleep 600 & sleep 600\n", 0755);
    drill_spawn(&drill, words);
    char path[512];
    (void)snprintf(path, sizeof path, "%s/began", drill.dir);
    for (int i = 0; i < 1500 && access(path, F_OK) != 0; i++)
        (void)usleep(20000); /* to poll */
    cr_assert_eq(kill(drill.pid, SIGINT), 0);
    cr_expect_eq(drill_wait(&drill), 128 + SIGINT, "%s", drill.told);
    cr_expect(strstr(drill.told, "ended by SIGINT; nothing is left of it"), "%s",
              drill.told);
    close_theirs();
}

/* What is wrong with the words or the files is told before anybody is asked. */
Test(preflight, bad_input_is_status_2)
{
    static const struct {
        const char *words[6];
        const char *text;
    } rows[] = {
        {{"preflight"}, "which cluster?"},
        {{"preflight", "store", "redis"}, "one cluster at a time"},
        {{"preflight", "stor"}, "there is no cluster \"stor\""},
        {{"preflight", "./gone.yaml"}, "No such file"},
        {{"preflight", "store", "--within", "0s"}, "--within takes"},
        {{"preflight", "store", "--playbook", "./gone.md"}, "No such file"},
        {{"preflight", "store", "--jsn"}, "did you mean"},
    };
    drill_open(&drill, "", "");
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        drill_spawn(&drill, rows[i].words);
        cr_expect_eq(drill_wait(&drill), 2, "row %zu: %s", i, drill.told);
        cr_expect(strstr(drill.told, rows[i].text), "row %zu: %s", i, drill.told);
    }
    drill_close(&drill);
}

/* Nothing runs yet that could be asked. */
Test(preflight, of_a_cluster_that_the_drill_starts_the_machine_is_looked_at)
{
    static const char *const words[] = {"preflight", "./cluster.yaml", "--playbook",
                                        "./playbook.md", NULL};
    drill_open(&drill, "", "");
    drill_use_cluster(&drill, "store-lab");
    drill_spawn(&drill, words);
    int status = drill_wait(&drill);
    cr_expect(told("ok", "programs", "") || told("MISSING", "programs", "apt-get"),
              "%s", drill.told);
    cr_expect(told(status == 0 ? "ok" : "MISSING", "privilege", ""), "%s", drill.told);
    cr_expect_not(strstr(drill.told, " reach "), "%s", drill.told);
    drill_close(&drill);
}
