/* SPDX-License-Identifier: MIT */
/* Variables, plans, repetition, and several playbooks in one call. */
#include "drill_fixture.h"

#include <criterion/criterion.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static struct drill_fixture drill;

#define FRONT                                                                          \
    "modes: [async]\ncontrol: none because this is a test\n"                           \
    "abort: { duration: $LONGEST }\nvars: { LONGEST: 1m, WORD: none, HOLD: 300ms }\n"
#define EXPECT "```yaml expect\nall: { ghost_writes: none }\n```\n"

/* drill playbook.md --cluster ./cluster.yaml and more words, at most 16. */
static int run_with(const char *const *more)
{
    const char *words[24] = {"drill", "playbook.md", "--cluster", "./cluster.yaml"};
    for (size_t n = 4; *more; n++)
        words[n] = *more++;
    drill_spawn(&drill, words);
    return drill_wait(&drill);
}

static bool exists(const char *name)
{
    char path[512];
    (void)snprintf(path, sizeof path, "%s/%s", drill.dir, name);
    return access(path, F_OK) == 0;
}

static json_t *read_json(const char *name)
{
    char path[512];
    (void)snprintf(path, sizeof path, "%s/%s", drill.dir, name);
    json_t *json = json_load_file(path, 0, NULL);
    cr_assert_not_null(json, "%s; it told:\n%s", path, drill.told);
    return json;
}

Test(drill_many, variables_reach_blocks_headers_and_scripts, .timeout = 120)
{
    static const char *const more[] = {
        "--set", "WORD=it's $here", "--set", "HOLD=450ms", "--out",
        "out",   "--seed",          "7",     NULL};
    drill_open(&drill, FRONT,
               "# Steps\n```yaml run\nfor: $HOLD\n```\n"
               "```sh step within=${LONGEST}\necho \"$WORD\" > word; echo "
               "$HOLD\n```\n" EXPECT);
    int status = run_with(more);
    cr_expect_eq(status, 0, "status %d; it told:\n%s", status, drill.told);
    json_t *report = read_json("out/report.json");
    cr_expect_str_eq(json_string_value(json_object_get(report, "variables")),
                     "LONGEST=1m WORD=it's $here HOLD=450ms");
    cr_expect(strstr(json_string_value(json_object_get(report, "repeat")),
                     "--set 'WORD=it'\\''s $here'"),
              "%s", json_string_value(json_object_get(report, "repeat")));
    json_t *steps = json_object_get(
        json_object_get(json_object_get(report, "modes"), "async"), "steps");
    cr_expect_eq(
        json_real_value(json_object_get(json_array_get(steps, 2), "within_ms")), 450);
    cr_expect_eq(
        json_real_value(json_object_get(json_array_get(steps, 3), "within_ms")), 60000);
    cr_expect_str_eq(
        json_string_value(json_object_get(json_array_get(steps, 3), "output")),
        "450ms\n");
    char told[64] = "", path[512];
    (void)snprintf(path, sizeof path, "%s/word", drill.dir);
    FILE *from = fopen(path, "re");
    cr_assert_not_null(from);
    cr_expect_not_null(fgets(told, sizeof told, from));
    (void)fclose(from); /* it was only read */
    cr_expect_str_eq(told, "it's $here\n");
    json_decref(report);
    drill_finish(&drill);
}

Test(drill_many, a_setting_of_no_variable_is_refused)
{
    static const char *const unknown[] = {"--set", "WORDS=x", NULL};
    static const char *const nameless[] = {"--set", "x", NULL};
    drill_open(&drill, FRONT, EXPECT);
    cr_expect_eq(run_with(unknown), 2);
    cr_expect(strstr(drill.told, "no variable \"WORDS\" to set"), "%s", drill.told);
    cr_expect(strstr(drill.told, "did you mean \"WORD\"?"), "%s", drill.told);
    cr_expect_eq(run_with(nameless), 2);
    cr_expect(strstr(drill.told, "--set takes NAME=VALUE"), "%s", drill.told);
    drill_finish(&drill);
}

Test(drill_many, a_dry_run_holds_every_command_and_touches_nothing)
{
    static const char *const more[] = {"--dry-run", "--out", "out", NULL};
    static const char *const wanted[] = {
        "exec netsplit store",      /* the cluster's commands */
        "PROMOTE WITHOUT",          /* what promote runs */
        "async, check:",            /* the mode's */
        "n1 > n2",                  /* links */
        "lease: faults last until", /* leases */
        "a mode takes longer than 1m",
        "says >99", /* stop conditions */
        "| partition: [[n1], [n2, n3]]",
        "| echo hello",
        "| run: iptables -A",
        "LONGEST=1m"};
    drill_open(&drill, FRONT,
               "# Steps\n```yaml fault\npartition: [[n1], [n2, n3]]\n```\n"
               "```yaml run\nfor: $HOLD\n```\n```sh step\necho hello\n```\n"
               "```sh probe abort=>99\necho 1\n```\n"
               "```yaml fault\nrun: iptables -A\nundo: iptables -D\n```\n"
               "```yaml run\nfor: 1s\n```\n"
               "```yaml promote\nnode: n2\n```\n" EXPECT);
    cr_expect_eq(run_with(more), 0, "%s", drill.told);
    for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++)
        cr_expect(strstr(drill.told, wanted[i]), "\"%s\" is missing in:\n%s", wanted[i],
                  drill.told);
    cr_expect_not(exists("out"));
    cr_expect_not(strstr(drill.told, "seed"), "nothing was started");
    drill_finish(&drill);
}

Test(drill_many, repetition_tells_distributions_seeds_and_what_is_proved,
     .timeout = 240)
{
    static const char *const more[] = {"--repeat", "2", "--out", "out",
                                       "--seed",   "7", NULL};
    drill_open(&drill, FRONT, EXPECT);
    cr_expect_eq(run_with(more), 0, "%s", drill.told);
    cr_expect(strstr(drill.told, "0 of 2 judged runs failed."), "%s", drill.told);
    cr_expect(strstr(drill.told, "with 95 % confidence fewer than 78 % of such runs"),
              "%s", drill.told);
    cr_expect(strstr(drill.told, "median"), "%s", drill.told);
    cr_expect(exists("out/1/report.json") && exists("out/2/report.json"));
    json_t *all = read_json("out/repeat.json");
    const json_t *runs = json_object_get(all, "runs");
    cr_assert_eq(json_array_size(runs), 2);
    for (size_t i = 0; i < 2; i++)
        cr_expect_eq(
            json_integer_value(json_object_get(json_array_get(runs, i), "seed")),
            7 + i);
    json_decref(all);
    static const char *const compare[] = {"compare", "out/1", "out/2", NULL};
    drill_spawn(&drill, compare);
    cr_expect_eq(drill_wait(&drill), 0, "%s", drill.told);
    cr_expect(strstr(drill.told, "async: pass, then pass"), "%s", drill.told);
    cr_expect(strstr(drill.told, "run, Before"), "%s", drill.told);
    cr_expect(strstr(drill.told, "acked "), "%s", drill.told);
    static const char *const whole[] = {"compare", "out", "out/2", NULL};
    drill_spawn(&drill, whole);
    cr_expect_eq(drill_wait(&drill), 2, "%s", drill.told);
    cr_expect(strstr(drill.told, "as each of the numbered ones in it"), "%s",
              drill.told);
    drill_finish(&drill);
}

Test(drill_many, repetition_until_fail_ends_with_the_first, .timeout = 240)
{
    static const char *const more[] = {"--repeat", "5", "--until", "fail", NULL};
    drill_open(&drill, FRONT,
               "# Steps\n```sh step\n[ -e once ] && exit 1; touch once\n```\n" EXPECT);
    cr_expect_eq(run_with(more), 1, "%s", drill.told);
    cr_expect(strstr(drill.told, "1 of 2 judged runs failed."), "%s", drill.told);
    cr_expect(exists("netsplit-runs/playbook/latest/../2/report.json"),
              "the last one is the latest");
    cr_expect_not(exists("netsplit-runs/playbook/latest/../3"));
    drill_finish(&drill);
}

Test(drill_many, several_playbooks_end_in_one_summary, .timeout = 240)
{
    /* The second finds the results of the first where its own are to go. */
    static const char *const more[] = {"./playbook.md", "--out", "out",
                                       "--seed",        "7",     NULL};
    drill_open(&drill, FRONT, EXPECT);
    cr_expect_eq(run_with(more), 3, "%s", drill.told);
    cr_expect(strstr(drill.told, "2 drills\n  pass          playbook.md  seed 7  "),
              "%s", drill.told);
    cr_expect(strstr(drill.told, "  not run       ./playbook.md"), "%s", drill.told);
    cr_expect(exists("out/playbook/report.json"));
    drill_finish(&drill);
}

/* Whatever is wrong with it, and wherever in the row it stands. */
Test(drill_many, one_wrong_playbook_keeps_all_from_beginning)
{
    static const char *const more[] = {"missing.md", "cluster.yaml", "--out", "out",
                                       NULL};
    drill_open(&drill, FRONT, EXPECT);
    cr_expect_eq(run_with(more), 2, "%s", drill.told);
    cr_expect(strstr(drill.told, "missing.md: error: cannot be opened"), "%s",
              drill.told);
    cr_expect(strstr(drill.told, "a playbook begins with front matter"), "%s",
              drill.told);
    cr_expect(strstr(drill.told, "none of the 3 playbooks was begun"), "%s",
              drill.told);
    cr_expect_not(exists("out"));
    drill_finish(&drill);
}

static void write_report(const char *name, const char *text)
{
    char path[512];
    (void)snprintf(path, sizeof path, "%s/%s", drill.dir, name);
    cr_assert_eq(mkdir(path, 0700), 0);
    (void)snprintf(path, sizeof path, "%s/%s/report.json", drill.dir, name);
    FILE *to = fopen(path, "we");
    cr_assert_not_null(to);
    fputs(text, to);
    cr_assert_eq(fclose(to), 0);
}

Test(drill_many, comparing_puts_the_slowest_step_first_and_weighs_each_measure)
{
    static const char *const words[] = {"compare", "a", "b", NULL};
    static const char *const none[] = {"compare", "a", "c", NULL};
    drill_open(&drill, FRONT, EXPECT);
    write_report(
        "a", "{\"playbook\":\"p.md\",\"modes\":{\"sync\":{\"steps\":["
             "{\"verb\":\"run\",\"heading\":\"H\",\"start_ms\":0,\"end_ms\":9},"
             "{\"verb\":\"promote\",\"heading\":\"H\",\"start_ms\":9,\"end_ms\":19}],"
             "\"measures\":{\"lost_writes\":10,\"rto_first_ms\":1500.0}}}}");
    write_report(
        "b", "{\"playbook\":\"q.md\",\"modes\":{\"sync\":{\"steps\":["
             "{\"verb\":\"run\",\"heading\":\"H\",\"start_ms\":0,\"end_ms\":8},"
             "{\"verb\":\"promote\",\"heading\":\"H\",\"start_ms\":9,\"end_ms\":40}],"
             "\"measures\":{\"lost_writes\":15,\"rto_first_ms\":\"never\"}},"
             "\"async\":{}}}");
    drill_spawn(&drill, words);
    cr_expect_eq(drill_wait(&drill), 0, "%s", drill.told);
    const char *promote = strstr(drill.told, "promote, H"),
               *run = strstr(drill.told, "run, H");
    cr_assert(promote && run, "%s", drill.told);
    cr_expect_lt(promote, run, "%s", drill.told);
    cr_expect(strstr(promote, "10 ms        31 ms       +21 ms"), "%s", drill.told);
    cr_expect(strstr(drill.told, "10           15  +5 (+50 %)  worse"), "%s",
              drill.told);
    cr_expect(strstr(drill.told, "1.5s        never"), "%s", drill.told);
    cr_expect(strstr(drill.told, "async: only the second has it"), "%s", drill.told);
    cr_expect(strstr(drill.told, "differ in their playbook: p.md, q.md"), "%s",
              drill.told);
    drill_spawn(&drill, none);
    cr_expect_eq(drill_wait(&drill), 2);
    cr_expect(strstr(drill.told, "c/report.json: "), "%s", drill.told);
    drill_finish(&drill);
}
