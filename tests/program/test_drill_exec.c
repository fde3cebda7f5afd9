/* SPDX-License-Identifier: MIT */
/* Drills through a driver that is a program: a tiny store in Python (tiny_store/), which
 * answers first and replicates lazily, or the other way round. */
#include "drill_fixture.h"
#include "preflight_fixture.h"
#include "tests/lib/program.h"

#include <criterion/criterion.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct drill_fixture drill;

#define FRONT                                                                          \
    "modes: [async, sync]\nabort: { duration: 1m }\n"                                  \
    "control: none because it is not about loss\n"
#define FAULT                                                                          \
    "# Fault\n```yaml fault\n"                                                         \
    "partition: [[primary, clients.primary], [standbys, clients.standbys]]\n```\n"

/* The fixture with the tiny store's files in its directory. A python3 that is a wrapper
 * takes as long to start as an operation may: the system's own comes first. */
static void open_tiny(const char *front, const char *steps)
{
    char text[512];
    if (system("PATH=/usr/bin:$PATH; command -v python3 >/dev/null") != 0)
        cr_skip_test("python3 is not installed");
    (void)snprintf(text, sizeof text, "/usr/bin:%s", getenv("PATH"));
    cr_assert_eq(setenv("PATH", text, 1), 0);
    drill_open(&drill, front, steps);
    (void)snprintf(text, sizeof text, "cp tests/program/tiny_store/* '%s'", drill.dir);
    cr_assert_eq(system(text), 0);
}

/* Another driver in its cluster file. */
static void use_driver(const char *setting)
{
    char text[512];
    (void)snprintf(
        text, sizeof text,
        "cd '%s' && sed -i 's|^driver:.*|driver: { exec: %s }|' cluster.yaml",
        drill.dir, setting);
    cr_assert_eq(system(text), 0);
}

static bool told(const char *text)
{
    return strstr(drill.told, text);
}

Test(drill_exec, a_store_in_another_language_shows_what_it_loses_and_when_it_is_stale,
     .timeout = 180)
{
    open_tiny("modes: [async, sync]\nabort: { duration: 1m }\n",
              "```yaml wait\nuntil: acked 30\n```\n" /* all programs have started */
              FAULT "```yaml run\nfor: 1s\n```\n"
              "```yaml promote\nnode: n2\nwithin: 20s\n```\n"
              "```yaml clients\nmove: { to: n2 }\n```\n"
              "```yaml wait\nuntil: writable\n```\n"
              "```yaml heal\n```\n"
              "```yaml wait\nuntil: converged\n```\n"
              "```yaml expect\n"
              "async: { lost_writes: at least 1, stale_reads: at least 1 }\n"
              "sync: { lost_writes: none, stale_reads: none, acked: at least 10 "
              "}\n"
              "all: { ghost_writes: none, duplicates: none }\n```\n");
    int status = drill_run_whole(&drill, NULL);
    cr_expect_eq(status, 0, "status %d; it told:\n%s", status, drill.told);
    drill_finish(&drill);
}

static void expect_nothing_began(const char *setting, const char *text,
                                 const char *missing)
{
    open_tiny(FRONT, "```yaml expect\nall: { ghost_writes: none }\n```\n");
    use_driver(setting);
    cr_expect_eq(drill_run_whole(&drill, NULL), 3, "%s", drill.told);
    cr_expect(told(text), "%s", drill.told);
    cr_expect_not(told("starting"), "%s", drill.told);
    cr_expect_eq(preflight_fly(&drill), 3, "%s", drill.told);
    cr_expect(preflight_told(&drill, "MISSING", "programs", missing), "%s", drill.told);
    drill_finish(&drill);
}

Test(drill_exec, a_program_that_is_missing_is_named_before_anything_starts)
{
    expect_nothing_began("./drivver.py",
                         "needs the program ./drivver.py, which is "
                         "not there",
                         "./drivver.py is not there");
    expect_nothing_began("[pyhton3, driver.py]", "pyhton3, which is not on PATH",
                         "pyhton3 is not on PATH");
}

Test(drill_exec, the_plan_and_the_list_of_steps_name_it)
{
    static const char *const plan[] = {"drill",          "playbook.md", "--cluster",
                                       "./cluster.yaml", "--dry-run",   NULL};
    static const char *const steps[] = {"steps", NULL};
    open_tiny(FRONT, "```yaml expect\nall: { ghost_writes: none }\n```\n");
    drill_spawn(&drill, plan);
    cr_expect_eq(drill_wait(&drill), 0, "%s", drill.told);
    cr_expect(told("driver: exec [\"python3\",\"driver.py\"], run in .\n"), "%s",
              drill.told);
    drill_spawn(&drill, steps);
    cr_expect_eq(drill_wait(&drill), 0, "%s", drill.told);
    cr_expect(told("\nexec "), "%s", drill.told);
    drill_finish(&drill);
}

static void expect_driver_error(const char *text)
{
    cr_expect_eq(drill_run_whole(&drill, "async"), 4, "%s", drill.told);
    cr_expect(told("driver-error: "), "%s", drill.told);
    cr_expect(told(text), "%s", drill.told);
    drill_finish(&drill);
}

Test(drill_exec, a_program_that_ends_at_once_is_a_driver_error_in_its_own_words,
     .timeout = 120)
{
    open_tiny(FRONT, "```yaml expect\nall: { ghost_writes: none }\n```\n");
    use_driver("[python3, drivver.py]");
    expect_driver_error("drivver.py': [Errno 2] No such file");
}

/* A driver that does with writes as said. */
static void write_driver(const char *writes)
{
    char path[512];
    (void)snprintf(path, sizeof path, "%s/driver.py", drill.dir);
    FILE *to = fopen(path, "we");
    cr_assert_not_null(to);
    fprintf(to,
            "import json, sys\n"
            "for line in sys.stdin:\n"
            "    op = json.loads(line)\n"
            "    if op['f'] == 'append':\n"
            "        %s\n"
            "    answer = {'op': op['op'], 'type': 'ok', 'value': None}\n"
            "    print(json.dumps(answer), flush=True)\n",
            writes);
    cr_assert_eq(fclose(to), 0);
}

Test(drill_exec, a_program_that_dies_of_writes_is_told_of_once_and_is_why,
     .timeout = 120)
{
    open_tiny(FRONT, "```sh wait\ngrep oops \"$OUT/driver.log\"\n```\n"
                     "```yaml expect\nall: { acked: at least 1 }\n```\n");
    write_driver("sys.exit('oops')");
    expect_driver_error(
        "no write was ever acknowledged, and the driver's program ended "
        "with status 1: oops");
    const char *first = strstr(drill.told, "; see async/driver.log");
    cr_assert(first, "%s", drill.told);
    cr_expect_null(strstr(first + 1, "; see async/driver.log"), "%s", drill.told);
}

Test(drill_exec, a_program_that_is_too_slow_is_why, .timeout = 120)
{
    open_tiny(FRONT, "```yaml expect\nall: { acked: at least 1 }\n```\n");
    write_driver("continue");
    expect_driver_error("no write was ever acknowledged: ");
    cr_expect(told("by the deadline") || told("at the deadline"), "%s", drill.told);
}

Test(drill_exec, in_a_lab_the_programs_are_where_the_clients_are, .timeout = 120)
{
    const char *why = program_lacks_namespaces(0);
    char text[512];
    if (why)
        cr_skip_test("%s", why);
    open_tiny(FRONT, "```yaml wait\nuntil: acked 10\n```\n"
                     "```yaml expect\nall: { lost_writes: none }\n```\n");
    (void)snprintf(text, sizeof text, "echo 'lab: true' >> '%s/cluster.yaml'",
                   drill.dir);
    cr_assert_eq(system(text), 0);
    int status = drill_run_whole(&drill, "sync");
    cr_expect_eq(status, 0, "status %d; it told:\n%s", status, drill.told);
    drill_finish(&drill);
}

/* Started, under the fault, and ended by the signal. */
static void interrupt(int signal)
{
    open_tiny(FRONT, FAULT "```yaml run\nfor: 20s\n```\n"
                           "```yaml expect\nall: { ghost_writes: none }\n```\n");
    drill_start(&drill, "async");
    cr_assert(drill_await(&drill, "Fault | run"), "%s", drill.told);
    cr_expect_gt(drill_count_marked(&drill), 8, "a program for each client");
    cr_assert_eq(kill(drill.pid, signal), 0);
    cr_expect_eq(drill_wait(&drill), 128 + signal, "%s", drill.told);
    cr_expect(drill_wait_unmarked(&drill), "programs are left");
}

Test(drill_exec, the_programs_end_with_ctrl_c, .timeout = 120)
{
    interrupt(SIGINT);
    drill_finish(&drill);
}

Test(drill_exec, the_programs_end_with_kill_9, .timeout = 120)
{
    interrupt(SIGKILL);
    drill_close(&drill);
}
