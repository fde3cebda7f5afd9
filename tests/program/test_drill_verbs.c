/* SPDX-License-Identifier: MIT */
/* Probes and manual steps, as a drill runs them. */
#include "drill_fixture.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct drill_fixture drill;

#define FRONT                                                                          \
    "modes: [async]\ncontrol: none because this is a test\n"                           \
    "abort: { duration: 1m }\n"
#define EXPECT "```yaml expect\nall: { ghost_writes: none }\n```\n"
#define FAULT  "```yaml fault\npause: n3\n```\n"
#define RUN    "```yaml run\nfor: 1500ms\n```\n"

static const char *text_of(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    return text ? text : "";
}

/* The step of the verb. */
static const json_t *step_of(const json_t *mode, const char *verb)
{
    const json_t *steps = json_object_get(mode, "steps");
    for (size_t i = 0; i < json_array_size(steps); i++)
        if (strcmp(text_of(json_array_get(steps, i), "verb"), verb) == 0)
            return json_array_get(steps, i);
    cr_assert_fail("no step %s", verb);
    return NULL;
}

Test(drill_verbs, a_probe_charts_numbers_and_its_alarm_is_the_detection, .timeout = 120)
{
    drill_open(&drill, FRONT,
               "# Watch\n```sh probe every=200ms on=n2 name=rising alarm=>2\n"
               "echo x >> count; echo \"n1 has\" $(wc -l < count)\n```\n" RUN FAULT RUN
                   EXPECT);
    int status = drill_run_whole(&drill, NULL);
    cr_expect_eq(status, 0, "status %d; it told:\n%s", status, drill.told);
    json_t *mode = drill_read_mode(&drill, "async");
    const json_t *probe = json_array_get(json_object_get(mode, "probes"), 0);
    const json_t *samples = json_object_get(probe, "samples");
    cr_expect_str_eq(text_of(probe, "name"), "rising");
    cr_assert_geq(json_array_size(samples), 3, "it told:\n%s", drill.told);
    for (size_t i = 0; i < json_array_size(samples); i++)
        cr_expect_eq(json_number_value(json_array_get(json_array_get(samples, i), 1)),
                     i + 1);
    const json_t *measures = json_object_get(mode, "measures");
    cr_expect(json_is_number(json_object_get(measures, "detection_ms")),
              "beyond the alarm before the fault is none, under it it is");
    cr_expect_gt(json_real_value(json_object_get(probe, "alarm_ms")), 1900);
    json_decref(mode);
    drill_finish(&drill);
}

Test(drill_verbs, a_probe_beyond_its_abort_heals_and_ends_the_drill, .timeout = 120)
{
    drill_open(
        &drill, FRONT,
        "# Watch\n```sh probe every=200ms name=load abort=10\necho 11\n```\n" FAULT
        "```yaml run\nfor: 40s\n```\n" EXPECT);
    int status = drill_run_whole(&drill, NULL);
    cr_expect_eq(status, 5, "status %d; it told:\n%s", status, drill.told);
    json_t *mode = drill_read_mode(&drill, "async");
    cr_expect_str_eq(text_of(mode, "why"), "the probe \"load\" is 11 (abort=10)");
    json_decref(mode);
    drill_finish(&drill);
}

Test(drill_verbs, a_probe_that_fails_or_hangs_leaves_gaps, .timeout = 120)
{
    drill_open(
        &drill, FRONT,
        "# Watch\n```sh probe every=200ms\necho 5; exit 1\n```\n"
        "```sh probe every=200ms within=300ms abort=1\necho 5; sleep 60\n```\n" RUN
        "```yaml expect\nall: { acked: at least 1 }\n```\n");
    int status = drill_run_whole(&drill, NULL);
    cr_expect_eq(status, 0, "status %d; it told:\n%s", status, drill.told);
    json_t *mode = drill_read_mode(&drill, "async");
    for (size_t i = 0; i < 2; i++) {
        const json_t *probe = json_array_get(json_object_get(mode, "probes"), i);
        const json_t *samples = json_object_get(probe, "samples");
        cr_expect_geq(json_array_size(samples), 2);
        for (size_t k = 0; k < json_array_size(samples); k++)
            cr_expect(json_is_null(json_array_get(json_array_get(samples, k), 1)));
    }
    json_decref(mode);
    drill_finish(&drill);
}

#define ASK "# Look\n```text manual mark=detected within=30s\nIs the lamp green?\n```\n"

/* The program's standard input is a terminal; returns the person's end of it. */
static int sit_down(void)
{
    int person = posix_openpt(O_RDWR | O_NOCTTY);
    cr_assert(person >= 0 && grantpt(person) == 0 && unlockpt(person) == 0);
    int terminal = open(ptsname(person), O_RDWR | O_NOCTTY);
    cr_assert_geq(terminal, 0);
    cr_assert_eq(dup2(terminal, STDIN_FILENO), STDIN_FILENO);
    return person;
}

static json_t *run_and_answer(const char *steps, const char *text, int want)
{
    int person = sit_down();
    drill_open(&drill, FRONT, steps);
    drill_start(&drill, NULL);
    cr_assert(drill_await(&drill, "[Enter goes on"), "%s", drill.told);
    cr_expect(strstr(drill.told, "Is the lamp green?"), "%s", drill.told);
    cr_assert_eq(write(person, text, strlen(text)), (ssize_t)strlen(text));
    int status = drill_wait(&drill);
    cr_expect_eq(status, want, "status %d; it told:\n%s", status, drill.told);
    return drill_read_mode(&drill, "async");
}

Test(drill_verbs, a_manual_step_keeps_the_answer_and_who_gave_it, .timeout = 120)
{
    cr_assert_eq(setenv("SUDO_USER", "alice", 1), 0);
    json_t *mode = run_and_answer(FAULT ASK RUN EXPECT, "green since noon\n", 0);
    const json_t *step = step_of(mode, "manual");
    cr_expect_str_eq(text_of(step, "status"), "done");
    cr_expect(strstr(text_of(step, "output"), "answered by alice at 2"), "%s",
              text_of(step, "output"));
    cr_expect(strstr(text_of(step, "output"), "Z: green since noon"), "%s",
              text_of(step, "output"));
    cr_expect(json_is_number(
        json_object_get(json_object_get(mode, "measures"), "detection_ms")));
    json_decref(mode);
    drill_finish(&drill);
}

Test(drill_verbs, an_answer_of_no_fails_the_step, .timeout = 120)
{
    json_t *mode = run_and_answer(ASK RUN EXPECT, "No, it is red\n", 1);
    cr_expect(strstr(text_of(mode, "why"), "the answer was \"No, it is red\""), "%s",
              text_of(mode, "why"));
    json_decref(mode);
    drill_finish(&drill);
}

Test(drill_verbs, unattended_skips_and_says_so, .timeout = 120)
{
    static const char *const words[] = {
        "drill",        "playbook.md", "--cluster", "./cluster.yaml",
        "--unattended", "--out",       "out",       NULL};
    drill_open(&drill, FRONT, FAULT ASK RUN EXPECT);
    drill_spawn(&drill, words);
    cr_expect_eq(drill_wait(&drill), 0, "%s", drill.told);
    cr_expect(strstr(drill.told, "manual: nobody is asked: --unattended"), "%s",
              drill.told);
    json_t *mode = drill_read_mode(&drill, "async");
    cr_expect_str_eq(text_of(step_of(mode, "manual"), "status"), "skipped");
    cr_expect(json_is_null(
                  json_object_get(json_object_get(mode, "measures"), "detection_ms")),
              "what nobody saw was not detected");
    json_decref(mode);
    drill_finish(&drill);
}

Test(drill_verbs, without_a_terminal_a_person_is_missed_before_anything_starts)
{
    int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
    cr_assert_eq(dup2(null, STDIN_FILENO), STDIN_FILENO);
    drill_open(&drill, FRONT, ASK RUN EXPECT);
    cr_expect_eq(drill_run_whole(&drill, NULL), 3, "%s", drill.told);
    cr_expect(strstr(drill.told, "--unattended skips such steps"), "%s", drill.told);
    cr_expect_not(strstr(drill.told, "seed"), "nothing was started");
    drill_finish(&drill);
}
