/* SPDX-License-Identifier: MIT */
/* What a drill says: its verdicts and statuses, on the reference store. */
#include "drill_fixture.h"

#include <criterion/criterion.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* The fixture is too large for a stack of small limits. */
static struct drill_fixture drill;

static void close_drill(void)
{
    cr_expect_eq(drill_count_marked(&drill), 0, "processes are left");
    cr_expect_eq(drill_count_left(&drill), 0, "directories or records are left");
    drill_close(&drill);
}

#define STOP_CONDITION "abort: { duration: 1m }\n"

static const char cut_off[] =
    "# Fault\n"
    "```yaml fault\n"
    "partition: [[primary, clients.primary], [standbys, clients.standbys]]\n"
    "```\n"
    "```yaml run\nfor: 700ms\n```\n"
    "```yaml promote\nnode: n2\nwithin: 20s\n```\n"
    "```yaml clients\nmove: { to: n2 }\n```\n"
    "```yaml run\nfor: 300ms\n```\n"
    "```yaml heal\n```\n"
    "```yaml wait\nuntil: converged\n```\n";

static char *with_expect(const char *expect)
{
    static char text[8192];
    (void)snprintf(text, sizeof text, "%s```yaml expect\n%s```\n", cut_off, expect);
    return text;
}

static json_t *read_report(void)
{
    char path[512];
    json_error_t error;
    (void)snprintf(path, sizeof path, "%s/out/report.json", drill.dir);
    json_t *report = json_load_file(path, 0, &error);
    cr_assert_not_null(report, "%s: %s; it told:\n%s", path, error.text, drill.told);
    return report;
}

static const char *text_of(const json_t *report, const char *mode, const char *key)
{
    const char *value = json_string_value(
        json_object_get(json_object_get(json_object_get(report, "modes"), mode), key));
    return value ? value : "";
}

static json_int_t measure_of(const json_t *report, const char *mode,
                             const char *measure)
{
    json_t *modes = json_object_get(report, "modes");
    json_t *measures = json_object_get(json_object_get(modes, mode), "measures");
    return json_integer_value(json_object_get(measures, measure));
}

/* When the first fault ended, in ms; 0 = it did not. */
static double window_end_of(const json_t *report, const char *mode)
{
    json_t *modes = json_object_get(report, "modes");
    json_t *windows = json_object_get(json_object_get(modes, mode), "windows");
    return json_real_value(json_object_get(json_array_get(windows, 0), "end_ms"));
}

/* Whether the page's table of links names bytes that a fault held. */
static bool page_shows_held(void)
{
    char path[512], *line = NULL;
    size_t room = 0;
    bool held = false;
    (void)snprintf(path, sizeof path, "%s/out/report.html", drill.dir);
    FILE *from = fopen(path, "re");
    cr_assert_not_null(from, "%s", path);
    while (getline(&line, &room, from) > 0)
        for (const char *at = strstr(line, "\"held\":"); at;
             at = strstr(at + 1, "\"held\":"))
            held |= strtoull(at + strlen("\"held\":"), NULL, 10) > 0;
    free(line);
    (void)fclose(from); /* it was only read */
    return held;
}

Test(drill, finds_what_async_loses_and_that_sync_loses_nothing, .timeout = 120)
{
    drill_open(&drill, "modes: [async, sync]\n" STOP_CONDITION,
               with_expect("async: { lost_writes: at least 1 }\n"
                           "sync: { lost_writes: none }\n"
                           "all: { ghost_writes: none, duplicates: none }\n"));
    int status = drill_run_whole(&drill, NULL);
    json_t *report = read_report();
    cr_expect_eq(status, 0, "status %d; it told:\n%s", status, drill.told);
    cr_expect_gt(measure_of(report, "async", "lost_writes"), 0);
    cr_expect_gt(measure_of(report, "sync", "acked"), 0);
    cr_expect_eq(measure_of(report, "sync", "lost_writes"), 0);
    cr_expect_str_eq(text_of(report, "sync", "how"), "stall");
    cr_expect(
        strstr(text_of(report, "sync", "setting"), "acknowledged by all members"));
    cr_expect(page_shows_held());
    json_decref(report);
    close_drill();
}

Test(drill, says_nothing_when_the_fault_touched_nothing, .timeout = 120)
{
    drill_open(&drill,
               "modes: [async]\ncontrol: none because this is a test\n" STOP_CONDITION,
               "# Fault\n"
               "```yaml fault\ncut: { from: n2, to: n3 }\n```\n"
               "```yaml run\nfor: 500ms\n```\n"
               "```yaml expect\nall: { lost_writes: none }\n```\n");
    int status = drill_run_whole(&drill, NULL);
    json_t *report = read_report();
    cr_expect_eq(status, 4, "status %d; it told:\n%s", status, drill.told);
    cr_expect_str_eq(text_of(report, "async", "verdict"), "inconclusive");
    cr_expect_str_eq(text_of(report, "async", "reason"), "not-felt");
    json_decref(report);
    close_drill();
}

Test(drill, says_nothing_when_its_control_is_silent, .timeout = 120)
{
    drill_open(&drill, "modes: [sync]\n" STOP_CONDITION,
               with_expect("all: { lost_writes: at least 1 }\n"));
    int status = drill_run_whole(&drill, NULL);
    json_t *report = read_report();
    cr_expect_eq(status, 4, "status %d; it told:\n%s", status, drill.told);
    cr_expect_str_eq(text_of(report, "sync", "reason"), "control-silent");
    json_decref(report);
    close_drill();
}

Test(drill, fails_when_an_expectation_is_not_met, .timeout = 120)
{
    drill_open(&drill,
               "modes: [async]\ncontrol: none because this is a test\n" STOP_CONDITION,
               with_expect("all: { lost_writes: none }\n"));
    int status = drill_run_whole(&drill, NULL);
    json_t *report = read_report();
    cr_expect_eq(status, 1, "status %d; it told:\n%s", status, drill.told);
    cr_expect_str_eq(text_of(report, "async", "reason"), "expectation-unmet");
    json_decref(report);
    close_drill();
}

Test(drill, heals_and_reads_after_a_step_that_failed, .timeout = 120)
{
    drill_open(&drill,
               "modes: [async]\ncontrol: none because this is a test\n" STOP_CONDITION,
               "# Fault\n"
               "```yaml fault\npartition: [[n1, clients.n1], [n2, n3]]\n```\n"
               "```yaml run\nfor: 500ms\n```\n"
               "```sh step\nprintf 'it is \\033[2Jbroken\\302\\233'; exit 9\n```\n"
               "```yaml run\nfor: 20s\n```\n"
               "```yaml expect\nall: { ghost_writes: none }\n```\n");
    int status = drill_run_whole(&drill, NULL);
    json_t *report = read_report();
    cr_expect_eq(status, 1, "status %d; it told:\n%s", status, drill.told);
    cr_expect_str_eq(text_of(report, "async", "reason"), "step-failed");
    cr_expect(strstr(text_of(report, "async", "why"), "status 9: it is ?[2Jbroken??"),
              "%s", text_of(report, "async", "why"));
    cr_expect_gt(window_end_of(report, "async"), 0, "it was healed");
    cr_expect_eq(measure_of(report, "async", "lost_writes"), 0,
                 "without a promotion nothing is lost once it is healed");
    json_decref(report);
    close_drill();
}

Test(drill, goes_on_after_a_failure_that_was_allowed, .timeout = 120)
{
    drill_open(&drill,
               "modes: [async]\ncontrol: none because this is a test\n" STOP_CONDITION,
               "# Steps\n"
               "```sh step on-fail=continue\nexit 9\n```\n"
               "```sh step on=n2 within=10s\n"
               "[ \"$NODE\" = n2 ] && [ \"$N1_PORT\" != \"$NODE_PORT\" ]\n"
               "netsplit ctl status\n"
               "```\n"
               "```yaml expect\nall: { ghost_writes: none }\n```\n");
    int status = drill_run_whole(&drill, NULL);
    cr_expect_eq(status, 0, "status %d; it told:\n%s", status, drill.told);
    close_drill();
}

Test(drill, ends_what_takes_longer_than_its_allowance, .timeout = 120)
{
    drill_open(&drill,
               "modes: [async]\ncontrol: none because this is a test\n" STOP_CONDITION,
               "# Late\n"
               "```sh step within=300ms on-fail=continue\n(sleep 50)& sleep 50\n```\n"
               "```sh wait within=300ms on-fail=continue\necho not yet; false\n```\n"
               "```yaml wait\nuntil: acked 1000000\nwithin: 300ms\n```\n"
               "```yaml expect\nall: { ghost_writes: none }\n```\n");
    int status = drill_run_whole(&drill, NULL);
    json_t *report = read_report();
    json_t *steps = json_object_get(
        json_object_get(json_object_get(report, "modes"), "async"), "steps");
    static const char *const whys[] = {"not done within 300ms", "not done within 300ms",
                                       " of 1000000 writes were acknowledged within "
                                       "300ms"};
    cr_expect_eq(status, 1, "status %d; it told:\n%s", status, drill.told);
    for (size_t i = 0; i < 3; i++) {
        const char *why =
            json_string_value(json_object_get(json_array_get(steps, i + 2), "why"));
        cr_expect(why && strstr(why, whys[i]), "%s", why ? why : "");
    }
    cr_expect_str_eq(
        json_string_value(json_object_get(json_array_get(steps, 3), "output")),
        "not yet\n");
    json_decref(report);
    close_drill();
}

Test(drill, shows_its_plan_and_runs_nothing_when_it_is_dry)
{
    static const char *const words[] = {"drill",          "playbook.md", "--cluster",
                                        "./cluster.yaml", "--dry-run",   NULL};
    drill_open(&drill, "modes: [async]\n" STOP_CONDITION,
               with_expect("all: { lost_writes: at least 1 }\n"));
    drill_spawn(&drill, words);
    int status = drill_wait(&drill);
    cr_expect_eq(status, 0, "status %d; it told:\n%s", status, drill.told);
    cr_expect(strstr(drill.told, "run       for 700ms"), "%s", drill.told);
    cr_expect(!strstr(drill.told, "seed"), "nothing was started");
    close_drill();
}

Test(drill, mixes_no_results_of_two_runs)
{
    char path[512];
    drill_open(&drill, "modes: [async]\n" STOP_CONDITION,
               with_expect("all: { ghost_writes: none }\n"));
    (void)snprintf(path, sizeof path, "%s/out", drill.dir);
    cr_assert_eq(mkdir(path, 0700), 0);
    (void)snprintf(path, sizeof path, "%s/out/report.json", drill.dir);
    FILE *before = fopen(path, "we");
    cr_assert(before && fclose(before) == 0);
    cr_expect_eq(drill_run_whole(&drill, NULL), 3, "%s", drill.told);
    cr_expect(strstr(drill.told, "out, holds files already"), "%s", drill.told);
    close_drill();
}

Test(drill, takes_each_mode_once)
{
    static const char *const words[] = {
        "drill",  "playbook.md", "--cluster", "cluster.yaml", "--dry-run",
        "--mode", "async",       "--mode",    "async",        NULL};
    drill_open(&drill, "modes: [async, sync]\n" STOP_CONDITION,
               with_expect("all: { ghost_writes: none }\n"));
    drill_spawn(&drill, words);
    cr_expect_eq(drill_wait(&drill), 2, "%s", drill.told);
    cr_expect(strstr(drill.told, "--mode async is given twice"), "%s", drill.told);
    close_drill();
}

Test(drill, stops_when_no_write_is_acknowledged_for_too_long, .timeout = 120)
{
    drill_open(&drill,
               "modes: [sync]\ncontrol: none because this is a test\n"
               "abort: { no_ok_write: 1s }\n",
               "# Fault\n"
               "```yaml fault\npartition: [[n1], [n2, n3]]\n```\n"
               "```yaml run\nfor: 50s\n```\n"
               "```yaml expect\nall: { ghost_writes: none }\n```\n");
    int status = drill_run_whole(&drill, NULL);
    json_t *report = read_report();
    cr_expect_eq(status, 5, "status %d; it told:\n%s", status, drill.told);
    cr_expect_str_eq(text_of(report, "sync", "verdict"), "aborted");
    cr_expect_str_eq(text_of(report, "sync", "why"),
                     "no write was acknowledged for 1s");
    json_decref(report);
    close_drill();
}

Test(drill, says_which_node_did_not_start, .timeout = 120)
{
    drill_open(&drill, "modes: [async]\n" STOP_CONDITION,
               with_expect("all: { lost_writes: at least 1 }\n"));
    drill_set_start(&drill, "exit 7");
    int status = drill_run_whole(&drill, NULL);
    cr_expect_eq(status, 3, "status %d; it told:\n%s", status, drill.told);
    cr_expect(strstr(drill.told, "n1 ended with status 7 before it was ready"), "%s",
              drill.told);
    close_drill();
}

Test(drill, shows_all_mistakes_and_starts_nothing)
{
    drill_open(&drill, "modes: [async, snyc]\n" STOP_CONDITION,
               "```yaml rnu\nfor: 1s\n```\n```yaml wait\nuntil: doomsday\n```\n");
    int status = drill_run_whole(&drill, NULL);
    cr_expect_eq(status, 2, "status %d; it told:\n%s", status, drill.told);
    cr_expect(strstr(drill.told, "no mode \"snyc\""), "%s", drill.told);
    cr_expect(strstr(drill.told, "unknown step \"rnu\""), "%s", drill.told);
    cr_expect(strstr(drill.told, "unknown condition \"doomsday\""), "%s", drill.told);
    cr_expect(!strstr(drill.told, "seed"), "nothing was started");
    close_drill();
}
