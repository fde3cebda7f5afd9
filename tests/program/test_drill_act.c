/* SPDX-License-Identifier: MIT */
/* Faults by command: what they do to nodes, and that they are undone on every way. */
#include "drill_fixture.h"

#include <criterion/criterion.h>
#include <jansson.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static struct drill_fixture drill;

#define FRONT                                                                          \
    "modes: [async]\ncontrol: none because this is a test\n"                           \
    "abort: { duration: 1m }\n"
#define EXPECT "```yaml expect\nall: { ghost_writes: none }\n```\n"
#define RUN    "```yaml run\nfor: 700ms\n```\n"
#define HEAL   "```yaml heal\n```\n"

static const json_t *window_of(const json_t *mode)
{
    return json_array_get(json_object_get(mode, "windows"), 0);
}

static const char *text_of(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    return text ? text : "";
}

static bool exists(const char *name)
{
    char path[512];
    (void)snprintf(path, sizeof path, "%s/%s", drill.dir, name);
    return access(path, F_OK) == 0;
}

static json_t *run_whole(const char *steps, int want)
{
    drill_open(&drill, FRONT, steps);
    int status = drill_run_whole(&drill, NULL);
    cr_expect_eq(status, want, "status %d; it told:\n%s", status, drill.told);
    return drill_read_mode(&drill, "async");
}

Test(drill_act, a_killed_primary_takes_no_writes_and_is_back_after_the_heal,
     .timeout = 120)
{
    json_t *mode = run_whole("# Kill\n```yaml fault\nkill: primary\n```\n" RUN HEAL
                             "```yaml wait\nuntil: writable\n```\n"
                             "```sh step on=n1\n"
                             "redis-cli -e -h \"$NODE_HOST\" -p \"$NODE_PORT\" PING\n"
                             "```\n" EXPECT,
                             0);
    const json_t *measures = json_object_get(mode, "measures");
    cr_expect_str_eq(text_of(window_of(mode), "kind"), "kill");
    cr_expect_str_eq(text_of(window_of(mode), "summary"), "kill n1");
    cr_expect(strstr(drill.told, "done by command            1"), "%s", drill.told);
    cr_expect_eq(json_integer_value(json_object_get(window_of(mode), "acts")), 1);
    cr_expect_gt(json_real_value(json_object_get(measures, "unavailable_ms")), 600);
    json_decref(mode);
    drill_finish(&drill);
}

Test(drill_act, a_killed_primary_that_was_replaced_comes_back_as_a_standby,
     .timeout = 120)
{
    json_t *mode = run_whole("# Kill\n```yaml fault\nkill: [primary]\n```\n" RUN
                             "```yaml promote\nnode: n2\n```\n"
                             "```yaml clients\nmove: { to: n2 }\n```\n" RUN HEAL
                             "```yaml wait\nuntil: role n1 standby\n```\n"
                             "```yaml wait\nuntil: converged\n```\n" EXPECT,
                             0);
    json_decref(mode);
    drill_finish(&drill);
}

Test(drill_act, a_paused_node_stands_still_until_the_heal, .timeout = 120)
{
    json_t *mode = run_whole(
        "# Pause\n```yaml fault\npause: [n1, n3]\n```\n" RUN "```sh step on=n1\n"
        "! timeout 1 redis-cli -e -h \"$NODE_HOST\" -p \"$NODE_PORT\" PING\n"
        "```\n" HEAL "```yaml wait\nuntil: writable\n```\n" EXPECT,
        0);
    cr_expect_str_eq(text_of(window_of(mode), "summary"), "pause n1, n3");
    cr_expect_eq(json_integer_value(json_object_get(window_of(mode), "acts")), 2);
    json_decref(mode);
    drill_finish(&drill);
}

/* Commands run in the directory that the program was started in. */
#define HERE(text) "# Run\n```yaml fault\n" text "```\n"

Test(drill_act, a_script_is_undone_at_heal_and_asked_whether_it_was_felt,
     .timeout = 120)
{
    json_t *mode = run_whole(HERE("run: touch broken\nundo: rm broken\n"
                                  "felt: test -e broken && echo seen\n") RUN HEAL
                             "```sh step\ntest ! -e broken\n```\n" EXPECT,
                             0);
    cr_expect_eq(json_integer_value(json_object_get(window_of(mode), "acts")), 1);
    cr_expect(!exists("broken"));
    json_decref(mode);
    drill_finish(&drill);
}

Test(drill_act, a_script_that_nobody_felt_says_nothing, .timeout = 120)
{
    json_t *mode = run_whole(
        HERE("run: \":\"\nundo: \":\"\nfelt: \"false\"\n") RUN HEAL EXPECT, 4);
    cr_expect_str_eq(text_of(mode, "reason"), "not-felt");
    json_decref(mode);
    drill_finish(&drill);
}

Test(drill_act, what_a_failed_script_began_is_undone_and_judged, .timeout = 120)
{
    json_t *mode =
        run_whole(HERE("run: touch broken; echo no luck; exit 5\nundo: rm broken\n")
                      RUN HEAL EXPECT,
                  1);
    cr_expect_str_eq(text_of(mode, "reason"), "step-failed");
    cr_expect(strstr(text_of(mode, "why"), "status 5: no luck"), "%s",
              text_of(mode, "why"));
    cr_expect(json_object_get(json_object_get(mode, "measures"), "acked"));
    cr_expect(!exists("broken"));
    json_decref(mode);
    drill_finish(&drill);
}

Test(drill_act, what_cannot_be_undone_is_said_at_the_end, .timeout = 120)
{
    static const char *const forget[] = {"clean", "--forget", NULL};
    json_t *mode = run_whole(HERE("run: touch broken\nundo: echo stuck; exit 3\n"
                                  "felt: \"true\"\n") RUN EXPECT,
                             3);
    cr_expect(strstr(drill.told, "NOT UNDONE: async: the fault on line"), "%s",
              drill.told);
    cr_expect(strstr(drill.told, "undo: status 3: stuck"), "%s", drill.told);
    json_decref(mode);
    drill_spawn(&drill, forget);
    cr_expect_eq(drill_wait(&drill), 0, "%s", drill.told);
    cr_expect(strstr(drill.told, "given up; by hand: echo stuck; exit 3"), "%s",
              drill.told);
    drill_finish(&drill);
}

static void interrupt(const char *fault, bool twice)
{
    char steps[1024];
    (void)snprintf(steps, sizeof steps,
                   "# Fault\n```yaml fault\n%s```\n"
                   "```yaml run\nfor: 20s\n```\n" EXPECT,
                   fault);
    drill_open(&drill, FRONT, steps);
    drill_start(&drill, NULL);
    cr_assert(drill_await(&drill, "Fault | run"), "%s", drill.told);
    cr_assert_eq(kill(drill.pid, SIGINT), 0);
    if (twice)
        (void)kill(drill.pid, SIGINT); /* it may be gone already */
    cr_expect_eq(drill_wait(&drill), 128 + SIGINT, "it told:\n%s", drill.told);
    cr_expect(strstr(drill.told, "drill: everything is undone"), "%s", drill.told);
    cr_expect(!exists("broken"), "%s", fault);
    drill_finish(&drill);
}

Test(drill_act, ctrl_c_once_or_twice_undoes_each_of_them, .timeout = 240)
{
    static const char *const faults[] = {
        "kill: n2\n", "pause: [n1, n2, n3]\n",
        "run: touch broken\nundo: rm -f broken\nfelt: \"true\"\n"};
    for (size_t i = 0; i < sizeof faults / sizeof *faults; i++) {
        interrupt(faults[i], false);
        interrupt(faults[i], true);
    }
}
