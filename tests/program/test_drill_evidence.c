/* SPDX-License-Identifier: MIT */
/* What a drill leaves for an auditor, and what judge says when it was touched. */
#include "drill_fixture.h"

#include <criterion/criterion.h>
#include <jansson.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct drill_fixture drill;

#define FRONT                                                                          \
    "modes: [async]\ncontrol: none because this is a test\n"                           \
    "abort: { duration: 1m }\n"
#define EXPECT "```yaml expect\nall: { ghost_writes: none }\n```\n"

/* In the test's directory. */
static int shell(const char *command)
{
    char text[1024];
    (void)snprintf(text, sizeof text, "cd '%s' && %s", drill.dir, command);
    return system(text);
}

static json_t *read_systems(void)
{
    char path[512];
    (void)snprintf(path, sizeof path, "%s/out/manifest.json", drill.dir);
    json_t *manifest = json_load_file(path, 0, NULL);
    cr_assert_not_null(manifest, "%s", drill.told);
    json_t *modes = json_object_get(manifest, "modes");
    json_t *systems = json_object_get(json_object_get(modes, "async"), "systems");
    json_t *copy = json_deep_copy(systems);
    json_decref(manifest);
    return copy;
}

static int judge(void)
{
    static const char *const words[] = {"judge", "out", NULL};
    drill_spawn(&drill, words);
    return drill_wait(&drill);
}

Test(drill_evidence, every_file_is_hashed_and_every_node_says_its_version,
     .timeout = 120)
{
    drill_open(&drill, FRONT, EXPECT);
    cr_assert_eq(shell("sed -i 's/^  version: |$/&\\n    [ \"$NODE\" != n2 ] || { "
                       "echo not today; exit 9; }/' cluster.yaml"),
                 0);
    cr_assert_eq(drill_run_whole(&drill, NULL), 0, "%s", drill.told);
    cr_expect(strstr(drill.told, "out/SHA256SUMS\n        sha256 "), "%s", drill.told);
    cr_expect(strstr(drill.told, "the version of n2 is not known: its command version "
                                 "ended with status 9: not today"),
              "%s", drill.told);
    cr_expect_eq(shell("cd out && sha256sum --check --strict --quiet SHA256SUMS"), 0);
    cr_expect_eq(shell("[ $(find out -type f | wc -l) = "
                       "$(($(wc -l <out/SHA256SUMS) + 1)) ]"),
                 0, "all but the sums themselves");
    json_t *systems = read_systems();
    const json_t *first = json_object_get(systems, "n1");
    const json_t *second = json_object_get(systems, "n2");
    const char *version = json_string_value(json_object_get(first, "version"));
    cr_assert_not_null(version);
    cr_expect_eq(strncmp(version, "netsplit store ", 15), 0, "%s", version);
    const json_t *settings = json_object_get(first, "settings");
    cr_expect_str_eq(json_string_value(json_array_get(settings, 0)), "mode:async");
    cr_expect(json_is_null(json_object_get(second, "version")));
    json_decref(systems);

    cr_expect_eq(judge(), 0, "%s", drill.told);
    cr_expect(strstr(drill.told, "files are as they were written\n"), "%s", drill.told);
    cr_assert_eq(
        shell("sed -i s/PASS/FAIL/ out/report.html && echo . >> out/report.html "
              "&& rm out/async/n3.log"),
        0);
    cr_expect_eq(judge(), 1);
    cr_expect(strstr(drill.told, "changed since  report.html\n"), "%s", drill.told);
    cr_expect(strstr(drill.told, "missing        async/n3.log\n"), "%s", drill.told);
    drill_finish(&drill);
}

/* Interrupts it; what it leaves is whole. */
static void interrupt(void)
{
    cr_assert_eq(kill(drill.pid, SIGINT), 0);
    cr_expect_eq(drill_wait(&drill), 128 + SIGINT, "%s", drill.told);
    cr_expect_eq(shell("grep -q '\"verdict\": \"aborted\"' out/manifest.json"), 0);
    cr_expect_eq(shell("cd out && sha256sum --check --strict --quiet SHA256SUMS"), 0);
}

Test(drill_evidence, one_that_is_interrupted_while_it_asks_leaves_it_too,
     .timeout = 120)
{
    drill_open(&drill, FRONT, EXPECT);
    cr_assert_eq(
        shell("sed -i 's/^  version: |$/&\\n    [ \"$NODE\" != n1 ] || exit 9; "
              "sleep 20/' cluster.yaml"),
        0);
    drill_start(&drill, NULL);
    cr_assert(drill_await(&drill, "the version of n1 is not known"), "%s", drill.told);
    interrupt();
    json_t *systems = read_systems();
    cr_expect_str_eq(
        json_string_value(json_object_get(json_object_get(systems, "n3"), "why")),
        "it was not asked");
    json_decref(systems);
    drill_finish(&drill);
}

Test(drill_evidence, an_interrupted_drill_leaves_a_manifest_too, .timeout = 120)
{
    drill_open(&drill, FRONT, "# Hold\n```yaml run\nfor: 30s\n```\n" EXPECT);
    drill_start(&drill, NULL);
    cr_assert(drill_await(&drill, "Hold | run"), "%s", drill.told);
    interrupt();
    drill_finish(&drill);
}
