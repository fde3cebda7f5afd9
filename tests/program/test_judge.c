/* SPDX-License-Identifier: MIT */
/* netsplit judge and models as a user runs them. */
#include "proxy/base/memory.h"
#include "proxy/base/tempdir.h"
#include "tests/lib/program.h"

#include <criterion/criterion.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static char dir[TEMPDIR_PATH_MAX];

static void make_dir(void)
{
    cr_assert_eq(tempdir_make("judge-test", dir, NULL), 0);
}

static void remove_dir(void)
{
    cr_assert_eq(tempdir_remove(dir), 0);
}

TestSuite(judge_program, .init = make_dir, .fini = remove_dir, .timeout = 60);

static const char valid[] =
    "{:process 0 :time 1 :type :invoke :f :append :value [1 5]}\n"
    "{:process 0 :time 2 :type :ok :f :append :value [1 5]}\n"
    "{:process 1 :time 3 :type :invoke :f :read :value [1 nil]}\n"
    "{:process 1 :time 4 :type :ok :f :read :value [1 [5]]}\n";
static const char lossy[] =
    "{\"process\":0,\"time\":1,\"type\":\"invoke\",\"f\":\"append\",\"value\":[1,5]}\n"
    "{\"process\":0,\"time\":2,\"type\":\"ok\",\"f\":\"append\",\"value\":[1,5]}\n"
    "{\"process\":1,\"time\":3,\"type\":\"invoke\",\"f\":\"read\",\"value\":[1,null]}\n"
    "{\"process\":1,\"time\":4,\"type\":\"ok\",\"f\":\"read\",\"value\":[1,[]]}\n";

static void write_file(const char *name, const char *text)
{
    char *path = xasprintf("%s/%s", dir, name);
    FILE *to = fopen(path, "w");
    cr_assert(to, "%s", path);
    (void)fputs(text, to);
    cr_assert_eq(fclose(to), 0);
    free(path);
}

static int run(const char *arguments, char *said, size_t said_bytes)
{
    return program_run(dir, arguments, said, said_bytes);
}

Test(judge_program, the_status_is_the_verdict)
{
    char said[16384];
    write_file("valid.edn", valid);
    write_file("lossy.json", lossy);
    write_file("broken.edn", "{:process 0 :type :invoke\n:f :txn}");
    cr_expect_eq(run("judge valid.edn", said, sizeof said), 0);
    cr_expect_eq(run("judge lossy.json", said, sizeof said), 1);
    cr_expect(strstr(said, "append 5 to key 1 by process 0"), "%s", said);
    cr_expect_eq(run("judge --model register valid.edn", said, sizeof said), 4);
    cr_expect_eq(run("judge broken.edn valid.edn", said, sizeof said), 2);
    cr_expect(strstr(said, "broken.edn:2:4: operation \"txn\" is not known"), "%s",
              said);
    cr_expect(strstr(said, "valid.edn: valid"), "the others are judged: %s", said);
    cr_expect_eq(run("judge no-such.edn", said, sizeof said), 2);
    cr_expect_eq(run("judge", said, sizeof said), 2);
    cr_expect_eq(run("judge -m regster valid.edn", said, sizeof said), 2);
    cr_expect(strstr(said, "did you mean \"register\"?"), "%s", said);
}

Test(judge_program, a_drills_directory_holds_a_history_for_each_mode)
{
    char said[16384];
    for (const char *const *mode = (const char *const[]){"async", "sync", NULL}; *mode;
         mode++) {
        char *path = xasprintf("%s/%s", dir, *mode);
        cr_assert_eq(mkdir(path, 0700), 0);
        free(path);
    }
    cr_expect_eq(run("judge .", said, sizeof said), 2);
    cr_expect(strstr(said, "holds no history.edn"), "%s", said);
    write_file("async/history.edn", lossy);
    write_file("sync/history.edn", valid);
    cr_expect_eq(run("judge .", said, sizeof said), 1);
    cr_expect(strstr(said, "./async/history.edn: invalid"), "%s", said);
    cr_expect(strstr(said, "./sync/history.edn: valid"), "%s", said);
    cr_expect_eq(run("judge sync", said, sizeof said), 0);
}

Test(judge_program, prints_one_json_object)
{
    char said[65536];
    write_file("lossy.json", lossy);
    cr_expect_eq(run("judge --json lossy.json", said, sizeof said), 1);
    json_t *all = json_loads(said, 0, NULL);
    const json_t *one = json_object_get(all, "lossy.json");
    cr_assert(one, "%s", said);
    cr_expect_str_eq(json_string_value(json_object_get(one, "verdict")), "invalid");
    const json_t *lost = json_object_get(json_object_get(one, "findings"), "lost");
    cr_expect_eq(json_integer_value(json_object_get(lost, "total")), 1);
    const json_t *measures = json_object_get(one, "measures");
    cr_expect_eq(json_integer_value(json_object_get(measures, "lost_writes")), 1);
    cr_expect(json_is_null(json_object_get(measures, "rto_first_ms")));
    json_decref(all);
}

Test(judge_program, a_report_that_nothing_vouches_for_is_said)
{
    char said[16384];
    write_file("history.edn", valid);
    cr_expect_eq(run("judge .", said, sizeof said), 0);
    cr_expect_null(strstr(said, "SHA256SUMS"), "it is no drill's: %s", said);
    write_file("report.json", "{}");
    cr_expect_eq(run("judge .", said, sizeof said), 0);
    cr_expect(strstr(said, ". holds a report, but no SHA256SUMS"), "%s", said);
    write_file("SHA256SUMS", "nonsense\n");
    cr_expect_eq(run("judge .", said, sizeof said), 2);
    cr_expect(strstr(said, "./SHA256SUMS:1: this is no line of sha256sum's"), "%s",
              said);
    write_file("SHA256SUMS",
               "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855  x\n");
    cr_expect_eq(run("judge . --json", said, sizeof said), 1);
    json_t *all = json_loads(said, 0, NULL);
    const json_t *sums = json_object_get(all, "./SHA256SUMS");
    cr_expect_str_eq(json_string_value(json_object_get(sums, "verdict")), "invalid");
    const json_t *missing = json_object_get(sums, "missing");
    cr_expect_str_eq(json_string_value(json_array_get(missing, 0)), "x");
    cr_expect_eq(json_array_size(json_object_get(sums, "added")), 2);
    json_decref(all);
}

Test(judge_program, models_are_listed)
{
    char said[4096];
    cr_expect_eq(run("models", said, sizeof said), 0);
    cr_expect(strstr(said, "append"), "%s", said);
    cr_expect(strstr(said, "single-copy"), "%s", said);
}
