/* SPDX-License-Identifier: MIT */
/* netsplit preflight on two Redis servers of the test's own, with a wrapper that stands
 * for ssh. What it says mends a lack is done as it says, and then the lack is gone. */
#include "proxy/base/memory.h"
#include "preflight_fixture.h"
#include "theirs.h"

#include <criterion/criterion.h>
#include <hiredis/hiredis.h>
#include <jansson.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

TestSuite(preflight, .timeout = 90);

static struct theirs theirs;

/* Who is no master is taken for a standby, as many a role command has it. */
#define QUIET_ROLE "s/ : $1 == \"slave\".*/ : \"standby\" }\\x27/"

static void open_theirs(void)
{
    theirs_open(&theirs, "staging", "", "");
}

static const char *ask(size_t server, const char *words)
{
    return theirs_ask(&theirs, server, words);
}

/* Changes cluster.yaml. */
static void edit(const char *sed)
{
    char command[1024];
    (void)snprintf(command, sizeof command, "cd '%s' && sed -i '%s' cluster.yaml",
                   theirs.drill.dir, sed);
    cr_assert_eq(system(command), 0);
}

static int fly(void)
{
    return preflight_fly(&theirs.drill);
}

static bool told(const char *level, const char *check, const char *text)
{
    return preflight_told(&theirs.drill, level, check, text);
}

static const char *mend_of(const char *text)
{
    return preflight_mend_of(&theirs.drill, text);
}

Test(preflight, a_cluster_that_lacks_nothing_is_ready_and_untouched)
{
    static const char *const checks[] = {"space",   "descriptors", "exec",    "reach",
                                         "login",   "role",        "rights",  "tls",
                                         "sockets", "connections", "through", "clocks"};
    open_theirs();
    cr_expect_eq(fly(), 0, "%s", theirs.drill.told);
    for (size_t i = 0; i < sizeof checks / sizeof *checks; i++)
        cr_expect(told("ok", checks[i], ""), "%s in:\n%s", checks[i],
                  theirs.drill.told);
    cr_expect(told("note", "replication", "past the drill's proxy"), "%s",
              theirs.drill.told);
    cr_expect(strstr(theirs.drill.told, "a drill can start on \"theirs\""), "%s",
              theirs.drill.told);
    cr_expect_str_eq(ask(0, "INFO persistence | grep -o changes.*save:0"),
                     "changes_since_last_save:0", "it wrote something");
    cr_expect_str_eq(ask(0, "ROLE"), "master");
    theirs_close(&theirs);
}

Test(preflight, its_findings_are_there_for_programs)
{
    static const char *const words[] = {"preflight", "./cluster.yaml", "--json", NULL};
    open_theirs();
    (void)ask(0, "CONFIG SET min-replicas-to-write 3");
    drill_spawn(&theirs.drill, words);
    cr_expect_eq(drill_wait(&theirs.drill), 3, "%s", theirs.drill.told);
    json_t *whole = json_loads(theirs.drill.told, 0, NULL);
    cr_assert_not_null(whole, "%s", theirs.drill.told);
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
    theirs_close(&theirs);
}

Test(preflight, a_password_is_missing_wrong_and_right)
{
    open_theirs();
    (void)ask(1, "CONFIG SET requirepass sesam");
    cr_expect_eq(fly(), 3);
    cr_expect(told("MISSING", "login", "r2: NOAUTH"), "%s", theirs.drill.told);
    cr_expect(strstr(mend_of("r2: `ready:`"), "your environment does not go"));
    edit("s/, exec: .*away r2//");
    cr_expect_eq(fly(), 3);
    cr_expect(strstr(mend_of("r2: `ready:`"), "without `exec:` the command runs here"),
              "%s", theirs.drill.told);
    cr_expect(strstr(mend_of("r2: NOAUTH"),
                     "&& export REDISCLI_AUTH # the password of r2's"));
    (void)setenv("REDISCLI_AUTH", "simsalabim", 1);
    cr_expect_eq(fly(), 3);
    cr_expect(told("MISSING", "login", "r2: WRONGPASS"), "%s", theirs.drill.told);
    cr_expect(told("note", "login", "r1: $REDISCLI_AUTH is set"), "%s",
              theirs.drill.told);
    cr_expect(strstr(mend_of("r2: WRONGPASS"), "read -rs REDISCLI_AUTH # what it has"));
    cr_expect_not(strstr(theirs.drill.told, "simsalabim"), "a secret was told");
    (void)setenv("REDISCLI_AUTH", "sesam", 1);
    (void)fly();
    cr_expect(told("ok", "login", "r2: with $REDISCLI_AUTH"), "%s", theirs.drill.told);
    cr_expect(told("ok", "through", "r2: a login works"), "%s", theirs.drill.told);
    (void)ask(1, "CONFIG SET requirepass \"\"");
    (void)unsetenv("REDISCLI_AUTH");
    theirs_close(&theirs);
}

/* redis-cli ends well when it was refused, and awk takes any word for a standby's. */
Test(preflight, a_role_that_fails_quietly_is_caught_by_the_servers_own_word)
{
    open_theirs();
    edit(QUIET_ROLE);
    (void)ask(0, "CONFIG SET requirepass sesam");
    (void)ask(1, "CONFIG SET masterauth sesam");
    (void)setenv("REDISCLI_AUTH", "sesam", 1);
    cr_expect_eq(fly(), 3);
    cr_expect(told("MISSING", "role",
                   "r1: `role:` says standby, and the server itself says primary"),
              "%s", theirs.drill.told);
    cr_expect(
        told("MISSING", "role", "r1: `ready:` ended with status 1 and said: NOAUTH"),
        "%s", theirs.drill.told);
    cr_expect(strstr(mend_of("`ready:`"), "your environment does not go"));
    (void)ask(0, "CONFIG SET requirepass \"\"");
    (void)unsetenv("REDISCLI_AUTH");
    theirs_close(&theirs);
}

Test(preflight, rights_that_lack_are_granted_by_what_mends_them)
{
    open_theirs();
    (void)ask(0, "ACL SETUSER default resetkeys '~other:*' -append -set");
    cr_expect_eq(fly(), 3);
    cr_expect(told("MISSING", "rights", "r1: the user lacks rights"), "%s",
              theirs.drill.told);
    cr_expect(strstr(mend_of("lacks rights"),
                     "ACL SETUSER default '~drilled:*' +append +set"),
              "%s", theirs.drill.told);
    preflight_run_mend(&theirs.drill, "lacks rights", NULL);
    cr_expect_eq(fly(), 0, "%s", theirs.drill.told);
    cr_expect(told("ok", "rights", "r1: it may read and write drilled:*"), "%s",
              theirs.drill.told);
    theirs_close(&theirs);
}

/* While it is drilled; then by the mark of a drill on another machine. */
Test(preflight, another_drill_is_told_from_here_and_from_elsewhere)
{
    static struct drill_fixture colleague;
    char command[1024];
    theirs_open(&theirs, "staging", "", "# Long\n```yaml run\nfor: 20s\n```\n");
    drill_open(&colleague, "", "");
    (void)snprintf(command, sizeof command, "cp '%s/cluster.yaml' '%s/away' '%s'",
                   theirs.drill.dir, theirs.drill.dir, colleague.dir);
    cr_assert_eq(system(command), 0);
    drill_start(&theirs.drill, NULL);
    cr_assert(drill_await(&theirs.drill, "Long | run"), "%s", theirs.drill.told);
    cr_expect_eq(preflight_fly(&colleague), 3);
    cr_expect(
        preflight_told(&colleague, "MISSING", "claim", "is being drilled already"),
        "%s", colleague.told);
    cr_expect(
        preflight_told(&colleague, "MISSING", "rights", "it is being drilled by "),
        "%s", colleague.told);
    cr_assert_eq(kill(theirs.drill.pid, SIGINT), 0);
    (void)drill_wait(&theirs.drill);
    (void)ask(0, "SET drilled:drill 'alice@web1 pid 4711 since 2026-11-25T02:31:07Z at "
                 "00000000-1-1'");
    cr_expect_eq(fly(), 3);
    cr_expect(told("ok", "claim", "nobody drills it"), "%s", theirs.drill.told);
    cr_expect(told("MISSING", "rights", "r1: it is being drilled by alice@web1"), "%s",
              theirs.drill.told);
    cr_expect(strstr(mend_of("alice@web1"), "--take-over"));
    (void)ask(0, "DEL drilled:drill");
    cr_expect_eq(fly(), 0, "%s", theirs.drill.told);
    drill_finish(&colleague);
    theirs_close(&theirs);
}

Test(preflight, what_bears_the_drills_names_is_noted)
{
    open_theirs();
    (void)ask(0, "SET drilled:3 precious");
    cr_expect_eq(fly(), 0);
    cr_expect(told("note", "rights", "a drill deletes them"), "%s", theirs.drill.told);
    cr_expect_str_eq(ask(0, "GET drilled:3"), "precious");
    (void)ask(0, "DEL drilled:3");
    theirs_close(&theirs);
}

Test(preflight, a_node_that_is_down_hides_nothing_of_the_others)
{
    open_theirs();
    server_process_kill(&theirs.servers[0]);
    cr_expect_eq(fly(), 3);
    cr_expect(told("MISSING", "reach", "refuses connections: nothing listens there"),
              "%s", theirs.drill.told);
    cr_expect(strstr(mend_of("refuses"), "start the server on r1"), "%s",
              theirs.drill.told);
    cr_expect(told("ok", "login", "r2: "), "%s", theirs.drill.told);
    cr_expect(told("MISSING", "replication", "r2: its link to its primary"), "%s",
              theirs.drill.told);
    cr_expect(told("ok", "clocks", "r2: "), "%s", theirs.drill.told);
    theirs_close(&theirs);
}

static void expect_exec(const char *wrapper, const char *text, const char *mend)
{
    theirs_write(&theirs, "broken", wrapper, 0755);
    cr_expect_eq(fly(), 3);
    cr_expect(told("MISSING", "exec", text), "%s", theirs.drill.told);
    cr_expect(strstr(mend_of(text), mend), "%s", theirs.drill.told);
    cr_expect(told("ok", "exec", "r2: a shell by ./away r2"), "%s", theirs.drill.told);
    cr_expect(told("ok", "rights", "r1: it may read and write"), "%s",
              theirs.drill.told);
    cr_expect(drill_wait_unmarked(&theirs.drill), "processes are left");
}

Test(preflight, an_exec_that_does_not_work_is_told_with_the_reason)
{
    open_theirs();
    edit("s|./away r1|./broken r1|");
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
    theirs_close(&theirs);
}

/* A host that drops what comes is no reason to say again what the command says. */
Test(preflight, an_ssh_that_waits_is_told_with_what_it_lacks)
{
    open_theirs();
    char *path = xasprintf("%s:%s", theirs.drill.dir, getenv("PATH"));
    cr_assert_eq(setenv("PATH", path, 1), 0);
    theirs_write(&theirs, "ssh", "#!/bin/sh\nexec sleep 600\n", 0755);
    edit("s|./away r1|ssh -oBatchMode=yes r1|");
    cr_expect_eq(fly(), 3);
    cr_expect(strstr(mend_of("r1: no end within"),
                     "ssh -oBatchMode=yes r1 true # by hand; -oConnectTimeout=5"),
              "%s", theirs.drill.told);
    free(path);
    theirs_close(&theirs);
}

Test(preflight, a_clock_that_is_off_is_a_note)
{
    open_theirs();
    theirs_write(&theirs, "date",
                 "#!/bin/sh\nPATH=${PATH#*:}\n"
                 "echo $(($(date +%s) + 7)).$(date +%N)\n",
                 0755);
    theirs_write(&theirs, "away",
                 "#!/bin/sh\nhere=$(cd \"$(dirname \"$0\")\" && pwd)\n"
                 "[ \"$1\" != r2 ] || PATH=$here:$PATH\nshift\n"
                 "exec env -i PATH=\"$PATH\" NETSPLIT_TEST=1 \"$@\"\n",
                 0755);
    cr_expect_eq(fly(), 0, "%s", theirs.drill.told);
    cr_expect(told("note", "clocks", "r2: its host's clock (date) is at least 6"), "%s",
              theirs.drill.told);
    cr_expect(strstr(mend_of("its host's clock"), "chronyc makestep # on r2"));
    cr_expect_not(told("note", "clocks", "r1"), "%s", theirs.drill.told);
    cr_expect_not(told("note", "clocks", "its server's clock"), "%s",
                  theirs.drill.told);
    theirs_close(&theirs);
}

Test(preflight, roles_are_counted_and_compared_with_the_file)
{
    char text[128];
    open_theirs();
    (void)ask(1, "REPLICAOF NO ONE");
    cr_expect_eq(fly(), 3);
    cr_expect(told("MISSING", "role", "2 nodes say that they are primary: r1, r2"),
              "%s", theirs.drill.told);
    (void)snprintf(text, sizeof text, "REPLICAOF 127.0.0.1 %u", theirs.servers[1].port);
    (void)ask(0, text);
    theirs_await(&theirs, 0, "ROLE | sed -n 4p", "connected");
    cr_expect_eq(fly(), 0, "%s", theirs.drill.told);
    cr_expect(told("note", "role", "r2 is primary, but ./cluster.yaml names r1 first"),
              "%s", theirs.drill.told);
    edit("s/^  redis-cli.*ROLE.*/  echo leader/");
    cr_expect_eq(fly(), 3);
    cr_expect(told("MISSING", "role",
                   "`role:` ended with status 0 and said: leader ; it is to print "
                   "primary or standby"),
              "%s", theirs.drill.told);
    theirs_close(&theirs);
}

Test(preflight, clients_on_a_unix_socket_are_named)
{
    char path[TEMPDIR_PATH_MAX + 16], port[8];
    open_theirs();
    server_process_kill(&theirs.servers[1]);
    (void)snprintf(path, sizeof path, "%s/s", theirs.servers[1].directory);
    (void)snprintf(port, sizeof port, "%u", theirs.servers[1].port);
    const char *const argv[] = {"redis-server", "--port", port, "--bind",
                                "127.0.0.1",    "--save", "",   "--unixsocket",
                                path,           NULL};
    theirs.servers[1].pid =
        server_process_run(theirs.servers[1].directory, argv, false);
    theirs_await(&theirs, 1, "PING", "PONG");
    redisContext *client = redisConnectUnix(path);
    cr_assert_eq(client->err, 0, "%s", client->errstr);
    (void)fly();
    (void)snprintf(path, sizeof path, "r2: 1 client by the Unix socket %s/s",
                   theirs.servers[1].directory);
    cr_expect(told("note", "sockets", path), "%s", theirs.drill.told);
    redisFree(client);
    theirs_close(&theirs);
}

Test(preflight, ctrl_c_ends_it_and_what_it_started)
{
    static const char *const words[] = {"preflight", "./cluster.yaml", "--within", "1m",
                                        NULL};
    open_theirs();
    edit("s|./away r1|./broken r1|");
    theirs_write(&theirs, "broken", "#!/bin/sh\ntouch began\nsleep 600 & sleep 600\n",
                 0755);
    drill_spawn(&theirs.drill, words);
    char path[512];
    (void)snprintf(path, sizeof path, "%s/began", theirs.drill.dir);
    for (int i = 0; i < 1500 && access(path, F_OK) != 0; i++)
        (void)usleep(20000); /* to poll */
    cr_assert_eq(kill(theirs.drill.pid, SIGINT), 0);
    cr_expect_eq(drill_wait(&theirs.drill), 128 + SIGINT, "%s", theirs.drill.told);
    cr_expect(strstr(theirs.drill.told, "ended by SIGINT; nothing is left of it"), "%s",
              theirs.drill.told);
    theirs_close(&theirs);
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
    drill_open(&theirs.drill, "", "");
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        drill_spawn(&theirs.drill, rows[i].words);
        cr_expect_eq(drill_wait(&theirs.drill), 2, "row %zu: %s", i, theirs.drill.told);
        cr_expect(strstr(theirs.drill.told, rows[i].text), "row %zu: %s", i,
                  theirs.drill.told);
    }
    drill_close(&theirs.drill);
}

/* Nothing runs yet that could be asked. */
Test(preflight, of_a_cluster_that_the_drill_starts_the_machine_is_looked_at)
{
    static const char *const words[] = {"preflight", "./cluster.yaml", "--playbook",
                                        "./playbook.md", NULL};
    drill_open(&theirs.drill, "", "");
    drill_use_cluster(&theirs.drill, "store-lab");
    drill_spawn(&theirs.drill, words);
    int status = drill_wait(&theirs.drill);
    cr_expect(told("ok", "programs", "") || told("MISSING", "programs", "apt-get"),
              "%s", theirs.drill.told);
    cr_expect(told(status == 0 ? "ok" : "MISSING", "privilege", ""), "%s",
              theirs.drill.told);
    cr_expect_not(strstr(theirs.drill.told, " reach "), "%s", theirs.drill.told);
    drill_close(&theirs.drill);
}
