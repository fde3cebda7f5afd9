/* SPDX-License-Identifier: MIT */
/* netsplit run as a process, with commands that are scripts: bash, because it can open
 * connections. */
#include "proxy/base/memory.h"
#include "proxy/base/tempdir.h"
#include "tests/lib/program.h"
#include "tests/program/traffic.h"

#include <criterion/criterion.h>
#include <dirent.h>
#include <pty.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { TEXT_BYTES = 16384, WORDS = 16 };

static char dir[TEMPDIR_PATH_MAX];
static struct traffic traffic; /* its server */

static struct program_run running; /* the last one; large, so not on the stack */

/* Two lines through the proxy and back. */
#define TALK                                                                           \
    "exec 3<>/dev/tcp/${NETSPLIT_DB%:*}/${NETSPLIT_DB#*:}; echo hello >&3; "           \
    "read -r line <&3; "

static void write_rules(const char *rules)
{
    char *path = xasprintf("%s/r.yaml", dir);
    FILE *to = fopen(path, "w");
    cr_assert_not_null(to);
    cr_assert_gt(fprintf(to,
                         "netsplit: 1\n"
                         "nodes:\n"
                         "  app:\n"
                         "  db: { address: 127.0.0.1, ports: [%u] }\n"
                         "listen:\n"
                         "  - { name: db, address: 127.0.0.1:0, from: app, to: db }\n"
                         "%s",
                         traffic.port, rules),
                 0);
    cr_assert_eq(fclose(to), 0);
    free(path);
}

#define SLOW                                                                           \
    "rules:\n"                                                                         \
    "  - name: slow-db\n"                                                              \
    "    match: { from: app, to: db }\n"                                               \
    "    inject: { delay: 1ms }\n"

static void setup(void)
{
    cr_assert_eq(tempdir_make("run-test", dir, NULL), 0);
    cr_assert_eq(setenv("XDG_RUNTIME_DIR", dir, 1), 0);
    (void)unsetenv("NETSPLIT_CONTROL");
    traffic_init(&traffic);
    write_rules(SLOW);
}

static void teardown(void)
{
    cr_assert_eq(tempdir_remove(dir), 0);
}

TestSuite(run, .init = setup, .fini = teardown, .timeout = 60);

/* The rule file is not found otherwise. */
static void go_there(void)
{
    (void)chdir(dir);
}

static void become(const char *const *words)
{
    go_there();
    (void)execv(words[0], (char *const *)(uintptr_t)words);
    _exit(99);
}

/* Starts `netsplit run -f r.yaml` with more words, up to NULL. */
static void start(const char *first, ...)
{
    const char *words[WORDS] = {"run", "-f", "r.yaml", first};
    va_list args;
    va_start(args, first);
    for (size_t i = 4; i < WORDS - 1 && words[i - 1]; i++)
        words[i] = va_arg(args, const char *);
    va_end(args);
    running = program_start(words, go_there);
}

static void await(const char *text)
{
    program_await(&running, text);
}

static int finish(void)
{
    return program_end(&running, 0);
}

static int run_script(const char *script)
{
    start("--", "bash", "-c", script, NULL);
    return finish();
}

static void expect_said(const char *text)
{
    cr_expect_not_null(strstr(running.text, text), "no \"%s\" in: %s", text,
                       running.text);
}

/* What --junit j.xml has made. */
static void read_junit(char xml[static TEXT_BYTES])
{
    char *path = xasprintf("%s/j.xml", dir);
    FILE *from = fopen(path, "r");
    cr_assert_not_null(from);
    xml[fread(xml, 1, TEXT_BYTES - 1, from)] = '\0';
    cr_assert_eq(fclose(from), 0);
    free(path);
}

/* Sockets and records of runs: none may be left. */
static size_t count_left(void)
{
    char *path = xasprintf("%s/netsplit", dir);
    DIR *directory = opendir(path);
    size_t n = 0;
    for (struct dirent *entry; directory && (entry = readdir(directory));)
        n += entry->d_name[0] != '.';
    if (directory)
        (void)closedir(directory);
    free(path);
    return n;
}

Test(run, a_fault_that_was_felt_leaves_the_commands_status_alone)
{
    cr_expect_eq(run_script(TALK "echo got $line"), 0);
    expect_said("got hello\n");
    expect_said("netsplit run: slow-db: felt: 6B in 1 of 1 connection\n");
    cr_expect_eq(run_script(TALK "exit 7"), 7);
    cr_expect_eq(count_left(), 0);
}

Test(run, a_fault_that_touched_nothing_fails_a_command_that_succeeded)
{
    cr_expect_eq(run_script(TALK), 0, "the control: %s", running.text);
    cr_expect_eq(run_script("for i in 1 2 3; do "
                            "exec 3<>/dev/tcp/${NETSPLIT_DB%:*}/${NETSPLIT_DB#*:}; "
                            "done"),
                 1);
    expect_said("netsplit run: slow-db: 0 bytes in 3 connections: this suite tests "
                "nothing\n");
    cr_expect_eq(run_script("exit 0"), 1);
    expect_said("does the command connect to the addresses in NETSPLIT_*?");
    cr_expect_eq(run_script("exit 5"), 5, "its own failure comes first");
}

Test(run, without_rules_it_says_nothing)
{
    write_rules("");
    cr_expect_eq(run_script("exit 0"), 0);
    cr_expect_str_eq(running.text, "");
}

Test(run, a_suite_whose_server_is_down_is_not_failed_for_what_is_not_counted)
{
    write_rules("rules:\n  - name: down\n    match: { from: app, to: db }\n"
                "    inject: { refuse: true }\n");
    start("--junit", "j.xml", "--", "bash", "-c",
          "! (: 3<>/dev/tcp/${NETSPLIT_DB%:*}/${NETSPLIT_DB#*:}) 2>/dev/null", NULL);
    cr_expect_eq(finish(), 0, "%s", running.text);
    expect_said("netsplit run: down: refused all who came, in the kernel, which does "
                "not count them");
    char xml[TEXT_BYTES];
    read_junit(xml);
    cr_expect_not_null(strstr(xml, "failures=\"0\" errors=\"0\" skipped=\"1\""), "%s",
                       xml);
    cr_expect_not_null(strstr(xml, "<skipped message=\"refused all"), "%s", xml);
}

Test(run, a_rule_whose_time_never_came_is_told_as_that)
{
    write_rules(SLOW "    when: { after: 1h }\n");
    cr_expect_eq(run_script(TALK), 1);
    expect_said("slow-db: was never active: it begins after 1h, and the command took ");
}

Test(run, a_rule_that_chance_kept_from_all_connections_is_told_as_that)
{
    write_rules(SLOW "    probability: 0.0001%\n");
    cr_expect_eq(run_script(TALK), 1);
    expect_said("0 bytes in 1 connection, of which it takes 0.0001% by chance and took "
                "none: this suite tests nothing");
}

Test(run, a_rule_that_was_switched_off_is_told_as_that)
{
    cr_expect_eq(run_script("\"$NETSPLIT\" ctl clear >/dev/null && " TALK), 1);
    expect_said("slow-db: was switched off (netsplit ctl) before it touched anything");
}

Test(run, names_of_listeners_become_names_of_variables)
{
    write_rules("  - { name: a-b.2, address: 127.0.0.1:0, from: app, to: db }\n"
                "  - { address: 127.0.0.1:0, from: db, to: db }\n");
    cr_expect_eq(setenv("NETSPLIT_DB", "old", 1), 0);
    cr_expect_eq(run_script("env | grep -c ^NETSPLIT_DB=127.0.0.1; "
                            "echo $NETSPLIT_A_B_2 $NETSPLIT_DB_DB"),
                 0);
    cr_expect_eq(strncmp(running.text, "1\n127.0.0.1:", 12), 0, "%s", running.text);
    cr_expect_not_null(strstr(running.text, " 127.0.0.1:"), "%s", running.text);
}

Test(run, two_listeners_that_would_share_a_variable_are_refused)
{
    write_rules("  - { name: Db, address: 127.0.0.1:0, from: app, to: db }\n");
    cr_expect_eq(run_script("echo started"), 2);
    cr_expect_null(strstr(running.text, "started"));
    expect_said("NETSPLIT_DB would be the address of db and of Db: rename one");
    write_rules("  - { name: control, address: 127.0.0.1:0, from: app, to: db }\n");
    cr_expect_eq(run_script("echo started"), 2);
    expect_said("NETSPLIT_CONTROL would be the address of the control socket and of "
                "control");
}

Test(run, what_is_wrong_with_the_rules_is_said_before_the_command_starts)
{
    write_rules("rules: [ { name: a, inject: { dealy: 4ms } } ]\n");
    cr_expect_eq(run_script("echo started"), 2);
    cr_expect_null(strstr(running.text, "started"));
    expect_said("did you mean \"delay\"?");
}

Test(run, a_command_that_is_not_there_is_127)
{
    start("--", "netsplit-no-such-program", NULL);
    cr_expect_eq(finish(), 127);
    expect_said("netsplit run: netsplit-no-such-program: No such file or directory\n");
    start("--", dir, NULL);
    cr_expect_eq(finish(), 126);
    cr_expect_eq(count_left(), 0);
}

Test(run, the_command_has_our_input_and_our_process_group)
{
    char said[TEXT_BYTES];
    write_rules("");
    cr_expect_eq(program_run(dir,
                             "run -f r.yaml -- sh -c 'cut -d\" \" -f5 "
                             "/proc/$$/stat /proc/$PPID/stat; cat' <<'END'\n"
                             "from outside\nEND",
                             said, sizeof said),
                 0);
    int own = 0, ours = 1;
    cr_expect_eq(sscanf(said, "%d %d", &own, &ours), 2, "%s", said);
    cr_expect_eq(own, ours, "%s", said);
    cr_expect_not_null(strstr(said, "from outside"), "%s", said);
}

Test(run, a_command_that_died_of_a_signal_is_told_by_dying_of_it)
{
    cr_expect_eq(run_script("kill -USR1 $$"), 128 + SIGUSR1);
    cr_expect_eq(run_script("ulimit -c 0; kill -SEGV $$"), 128 + SIGSEGV);
    cr_expect_eq(count_left(), 0);
}

Test(run, signals_are_passed_on)
{
    start("--", "bash", "-c",
          "trap 'exit 9' TERM; trap 'echo hup' HUP; echo up; while :; do read -t 1 "
          "<> <(:); done",
          NULL);
    await("up\n");
    cr_assert_eq(kill(running.pid, SIGHUP), 0);
    await("hup\n");
    cr_assert_eq(kill(running.pid, SIGTERM), 0);
    cr_expect_eq(finish(), 9);
    cr_expect_eq(count_left(), 0);
}

Test(run, the_third_signal_kills_a_command_that_does_not_heed)
{
    start("--", "bash", "-c", "trap '' INT; echo up; exec sleep 60", NULL);
    await("up\n");
    cr_assert_eq(kill(running.pid, SIGINT), 0);
    cr_assert_eq(kill(running.pid, SIGTERM), 0); /* which it heeds */
    cr_expect_eq(finish(), 128 + SIGTERM);
    start("--", "bash", "-c", "trap '' INT TERM; echo up; exec sleep 60", NULL);
    await("up\n");
    cr_assert_eq(kill(running.pid, SIGINT), 0);
    cr_assert_eq(kill(running.pid, SIGTERM), 0);
    await("one more signal kills it\n");
    cr_assert_eq(kill(running.pid, SIGTERM), 0);
    cr_expect_eq(finish(), 128 + SIGKILL);
    cr_expect_eq(count_left(), 0);
}

/* What was started with a signal ignored, as by nohup, leaves it so for its command. */
Test(run, signals_that_are_ignored_stay_ignored)
{
    char said[TEXT_BYTES];
    write_rules("");
    char *command =
        xasprintf("cd '%s' && trap '' HUP && exec \"$NETSPLIT\" run -f r.yaml "
                  "-- sh -c 'kill -HUP $$; kill -HUP $PPID; echo lives'",
                  dir);
    FILE *from = popen(command, "r");
    cr_assert_not_null(from);
    said[fread(said, 1, sizeof said - 1, from)] = '\0';
    cr_expect_eq(pclose(from), 0);
    cr_expect_str_eq(said, "lives\n");
    free(command);
}

Test(run, a_proxy_that_dies_is_status_3_and_ends_the_command)
{
    cr_expect_eq(run_script("echo up; kill -9 $(\"$NETSPLIT\" ctl --json status | "
                            "grep -o '\"pid\":[0-9]*' | cut -d: -f2); exec sleep 60"),
                 3);
    expect_said("netsplit run: the proxy ended by itself with status 137 while the "
                "command ran, which is ended too\n");
}

/* The terminal's own Ctrl-C reaches the command without us. USR1 is sent behind it, and
 * the command hears it only when all that came before has been passed on. */
Test(run, the_terminals_interrupt_reaches_the_command_once)
{
    const char *const words[] = {
        getenv("NETSPLIT"),
        "run",
        "-f",
        "r.yaml",
        "--",
        "bash",
        "-c",
        "trap 'echo int' INT; trap 'echo end; exit 4' USR1; echo up; "
        "while :; do sleep 0.05; done",
        NULL};
    pid_t parent = getpid();
    running = (struct program_run){.pid = 0};
    running.pid = forkpty(&running.output, NULL, NULL, NULL);
    cr_assert_geq(running.pid, 0);
    if (running.pid == 0) {
        program_in_child(parent);
        become(words);
    }
    await("up\r\n");
    cr_assert_eq(write(running.output, "\003", 1), 1);
    await("int\r\n");
    cr_assert_eq(kill(running.pid, SIGUSR1), 0);
    await("end\r\n");
    cr_expect_eq(finish(), 4);
    char *first = strstr(running.text, "int\r\n");
    cr_expect_null(strstr(first + 1, "int\r\n"), "%s", running.text);
}

Test(run, junit_has_a_case_for_the_command_and_for_each_rule)
{
    char xml[TEXT_BYTES];
    write_rules(SLOW "  - name: late\n"
                     "    match: { from: app, to: db }\n"
                     "    inject: { delay: 1ms }\n"
                     "    when: { after: 1h }\n");
    start("--junit", "j.xml", "--", "bash", "-c", TALK, NULL);
    cr_expect_eq(finish(), 1);
    read_junit(xml);
    cr_expect_not_null(strstr(xml, "tests=\"3\" failures=\"1\" errors=\"0\""), "%s",
                       xml);
    cr_expect_not_null(strstr(xml, "name=\"command: bash -c exec 3&lt;>"), "%s", xml);
    cr_expect_not_null(strstr(xml, "name=\"rule: slow-db\" time=\"0.000\"></testcase>"),
                       "%s", xml);
    cr_expect_not_null(strstr(xml, "name=\"rule: late\" time=\"0.000\">\n      "
                                   "<failure message=\"was never active"),
                       "%s", xml);
    start("--junit", "/nowhere/j.xml", "--", "true", NULL);
    cr_expect_eq(finish(), 3);
    expect_said("/nowhere/j.xml: No such file or directory");
}

Test(run, rules_may_come_from_a_pipe)
{
    write_rules("");
    char *command =
        xasprintf("cd '%s' && \"$NETSPLIT\" run -f <(cat r.yaml; echo '%s') "
                  "-- true >/dev/null 2>&1",
                  dir, "rules: [ { name: r, inject: { delay: 1ms } } ]");
    const char *const words[] = {"/bin/bash", "-c", command, NULL};
    pid_t parent = getpid();
    running = (struct program_run){.output = -1, .pid = fork()};
    if (running.pid == 0) {
        program_in_child(parent);
        become(words);
    }
    int status;
    cr_assert_eq(waitpid(running.pid, &status, 0), running.pid);
    cr_expect(WIFEXITED(status) && WEXITSTATUS(status) == 1, "its rule is judged");
    free(command);
}

Test(run, bad_usage_says_what_is_missing)
{
    char said[TEXT_BYTES];
    cr_expect_eq(program_run(dir, "run -- true", said, sizeof said), 2);
    cr_expect_not_null(strstr(said, "no rule file"), "%s", said);
    cr_expect_eq(program_run(dir, "run -f r.yaml", said, sizeof said), 2);
    cr_expect_not_null(strstr(said, "no command"), "%s", said);
}
