/* SPDX-License-Identifier: MIT */
#include "proxy/base/errmsg.h"
#include "proxy/base/memory.h"
#include "proxy/base/tempdir.h"
#include "scenarios/report/report.h"
#include "tests/scenarios/fake_run.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char *whole_of(const char *directory, const char *name)
{
    char path[TEMPDIR_PATH_MAX + 32];
    (void)snprintf(path, sizeof path, "%s/%s", directory, name);
    FILE *file = fopen(path, "r");
    cr_assert(file, "%s", path);
    cr_assert_eq(fseek(file, 0, SEEK_END), 0);
    long n = ftell(file);
    cr_assert_gt(n, 0);
    rewind(file);
    char *text = calloc(1, (size_t)n + 1);
    cr_assert_eq(fread(text, 1, (size_t)n, file), (size_t)n);
    (void)fclose(file);
    return text;
}

/* Writes the run's report and gives one of its files. */
static char *written(const struct run *run, const char *name)
{
    char directory[TEMPDIR_PATH_MAX], path[TEMPDIR_PATH_MAX + 32];
    struct errmsg err = {""};
    cr_assert_eq(tempdir_make("report", directory, &err), 0, "%s", err.text);
    (void)snprintf(path, sizeof path, "%s/evidence", directory);
    FILE *evidence = fopen(path, "w");
    cr_assert(evidence && fputs("abc", evidence) >= 0 && fclose(evidence) == 0);
    cr_assert_eq(report_write(run, directory, &err), 0, "%s", err.text);
    char *text = whole_of(directory, name);
    const char *keep = getenv("NETSPLIT_KEEP_REPORT"); /* to look at it in a browser */
    if (keep && strcmp(name, "report.html") == 0) {
        FILE *copy = fopen(keep, "w");
        cr_assert(copy && fputs(text, copy) >= 0 && fclose(copy) == 0);
    }
    cr_assert_eq(tempdir_remove(directory), 0);
    return text;
}

Test(report, says_a_pass_in_one_sentence_of_numbers)
{
    struct run *run = fake_run_create();
    char *sentence = report_sentence(run);
    cr_assert_str_eq(sentence, "Async lost 40 of 1,500 acknowledged writes, sync lost "
                               "none: both as expected.");
    free(sentence);
    fake_run_destroy(run);
}

Test(report, leaves_a_mode_that_is_an_identifier_as_it_is)
{
    struct run *run = fake_run_create();
    run->modes[0].name = "remote_apply";
    char *sentence = report_sentence(run);
    cr_assert(strncmp(sentence, "remote_apply lost 40 of", 23) == 0, "%s", sentence);
    free(sentence);
    fake_run_destroy(run);
}

Test(report, says_first_what_an_inconclusive_run_lacks)
{
    struct run *run = fake_run_create();
    run->verdict = RUN_INCONCLUSIVE;
    run->why = "the cut touched 0 bytes.";
    char *sentence = report_sentence(run);
    cr_assert_str_eq(sentence, "The cut touched 0 bytes. This run says nothing.");
    free(sentence);
    fake_run_destroy(run);
}

Test(report, ends_a_sentence_once)
{
    struct run *run = fake_run_create();
    run->verdict = RUN_ABORTED;
    run->why = "sync: no write was acknowledged for 45s";
    char *sentence = report_sentence(run);
    cr_assert_str_eq(sentence, "Sync: no write was acknowledged for 45s.");
    free(sentence);
    fake_run_destroy(run);
}

Test(report, json_keeps_the_contract)
{
    struct run *run = fake_run_create();
    char *text = written(run, "report.json");
    json_error_t why;
    json_t *json = json_loads(text, 0, &why), *async, *felt;
    cr_assert(json, "%s", why.text);
    cr_assert_str_eq(json_string_value(json_object_get(json, "verdict")), "pass");
    cr_assert(json_is_null(json_object_get(json, "reason")));
    cr_assert_eq(json_integer_value(json_object_get(json, "seed")), 42);
    async = json_object_get(json_object_get(json, "modes"), "async");
    felt = json_object_get(async, "felt");
    cr_assert_str_eq(json_string_value(json_object_get(async, "how")), "stall");
    cr_assert_eq(json_integer_value(json_object_get(felt, "bytes")), 1900000);
    cr_assert_eq(json_integer_value(json_object_get(felt, "connections")), 14);
    json_t *measures = json_object_get(async, "measures");
    cr_assert_eq(json_integer_value(json_object_get(measures, "lost_writes")),
                 FAKE_RUN_LOST);
    cr_assert_float_eq(json_number_value(json_object_get(measures, "rto_first_ms")),
                       5900, 1e-9);
    cr_assert(json_is_null(json_object_get(measures, "linearizable")));
    cr_assert_eq(json_array_size(json_object_get(async, "expectations")), 1);
    cr_assert_eq(json_array_size(json_object_get(async, "phases")), 4);
    json_decref(json);
    free(text);
    fake_run_destroy(run);
}

Test(report, bytes_that_are_no_text_do_not_cost_the_report)
{
    static const char latin[] = "d\xe9j\xe0 vu, \xe2\x82"; /* and a character cut off */
    struct run *run = fake_run_create();
    run->verdict = run->modes[0].verdict = RUN_ABORTED;
    run->why = run->modes[0].why = latin;
    char *text = written(run, "report.json"), *junit = written(run, "junit.xml");
    json_t *json = json_loads(text, 0, NULL);
    cr_expect_str_eq(json_string_value(json_object_get(json, "why")), "d?j? vu, ??");
    cr_expect(strstr(junit, "message=\"d?j? vu, ??\""), "%s", junit);
    json_decref(json);
    free(junit);
    free(text);
    fake_run_destroy(run);
}

Test(report, junit_tells_failures_from_errors)
{
    struct run *run = fake_run_create();
    run->modes[0].verdict = RUN_INCONCLUSIVE;
    run->modes[0].reason = RUN_CONTROL_SILENT;
    run->modes[0].why = "a < b & \"c\"";
    run->modes[0].expectations[0].result = EXPECT_UNMET;
    run->modes[1].verdict = RUN_FAIL;
    run->modes[1].reason = RUN_EXPECTATION_UNMET;
    run->modes[1].why = "sync lost a write";
    run->modes[1].expectations[0].result = EXPECT_UNMET;
    char *text = written(run, "junit.xml");
    cr_assert(strstr(text, "tests=\"4\" failures=\"2\" errors=\"2\""), "%s", text);
    cr_assert(strstr(text, "<error type=\"control-silent\" message=\"a &lt; b &amp; "
                           "&quot;c&quot;\"/>"),
              "%s", text);
    cr_assert(strstr(text, "<failure type=\"expectation-unmet\""), "%s", text);
    free(text);
    fake_run_destroy(run);
}

Test(report, page_holds_everything_itself)
{
    struct run *run = fake_run_create();
    char *text = written(run, "report.html");
    cr_assert_null(strstr(text, "src="));
    cr_assert_null(strstr(text, "@import"));
    cr_assert_null(strstr(text, "url(http"));
    cr_assert_null(strstr(text, "@DATA@"));
    cr_assert_null(strstr(text, "@SENTENCE@"));
    cr_assert(strstr(text, "Async lost 40 of 1,500"));
    cr_assert(
        strstr(text,
               "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
        "the SHA-256 of \"abc\", FIPS 180-4");
    free(text);
    fake_run_destroy(run);
}

Test(report, page_holds_what_each_node_said_of_itself)
{
    static struct run_system systems[] = {{"PostgreSQL 15.1", "a = 1\nb = 2", NULL},
                                          {NULL, "", "it said nothing"},
                                          {"PostgreSQL 15.2", "", NULL}};
    struct run *run = fake_run_create();
    run->modes[1].systems = systems;
    run->working_directory = "/srv/drills";
    json_t *data = report_page_data(run, NULL, NULL);
    cr_expect_str_eq(json_string_value(json_object_get(data, "directory")),
                     "/srv/drills");
    const json_t *modes = json_object_get(data, "modes");
    cr_expect(json_is_null(json_object_get(json_array_get(modes, 0), "systems")));
    const json_t *said = json_object_get(json_array_get(modes, 1), "systems");
    const json_t *settings = json_object_get(json_object_get(said, "n1"), "settings");
    cr_expect_eq(json_array_size(settings), 2);
    cr_expect_str_eq(json_string_value(json_array_get(settings, 1)), "b = 2");
    const json_t *silent = json_object_get(said, "n2");
    cr_expect(json_is_null(json_object_get(silent, "version")));
    cr_expect_str_eq(json_string_value(json_object_get(silent, "why")),
                     "it said nothing");
    json_decref(data);
    fake_run_destroy(run);
}

Test(report, page_takes_a_link_for_cut_although_bytes_were_on_their_way)
{
    struct run *run = fake_run_create();
    run->modes[0].links[0].period[RUN_DURING].passed_bytes = 281;
    run->modes[0].links[1].period[RUN_DURING].passed_bytes = 90000;
    json_t *data = report_page_data(run, NULL, NULL);
    const json_t *mode = json_array_get(json_object_get(data, "modes"), 0);
    const json_t *lost = json_object_get(json_object_get(mode, "lost"), "items");
    const json_t *cut = json_object_get(json_array_get(lost, 0), "cut");
    cr_assert_eq(json_array_size(cut), 1);
    cr_expect_str_eq(json_string_value(json_array_get(cut, 0)), "n2");
    json_decref(data);
    fake_run_destroy(run);
}

Test(report, page_lets_no_text_become_markup)
{
    struct run *run = fake_run_create();
    char *text = written(run, "report.html");
    cr_assert_null(strstr(text, "<script>alert"));
    cr_assert_null(strstr(text, "</pre><b>not bold"));
    cr_assert(strstr(text, "\\u003c/pre>\\u003cb>not bold"), "it is there, as data");
    cr_assert_null(strstr(text, "alert(1)\\u003c/script"), "cmark leaves raw HTML out");
    free(text);
    fake_run_destroy(run);
}

Test(report, a_full_disk_is_said_and_leaves_no_half_report)
{
    struct run *run = fake_run_create();
    struct errmsg err = {""};
    cr_assert_lt(report_write(run, "/proc/netsplit-none", &err), 0);
    cr_assert(strstr(err.text, "report.json"), "%s", err.text);
    fake_run_destroy(run);
}

static char *printed(const struct run *run)
{
    char *text = NULL;
    size_t n = 0;
    FILE *to = open_memstream(&text, &n);
    report_print(run, to, false);
    cr_assert_eq(fclose(to), 0);
    return text;
}

Test(report, terminal_counts_dropped_packets_where_there_are_any)
{
    struct run *run = fake_run_create();
    char *text = printed(run);
    cr_expect_null(strstr(text, "packets dropped"), "%s", text);
    free(text);
    run->modes[1].felt.packets = 4711;
    text = printed(run);
    cr_expect(strstr(text, "... and packets dropped"), "%s", text);
    cr_expect(strstr(text, "4711"), "%s", text);
    free(text);
    fake_run_destroy(run);
}

Test(report, terminal_tells_of_connections_that_passed_the_proxy_by)
{
    struct run *run = fake_run_create();
    char *text = printed(run);
    cr_expect_null(strstr(text, "past the proxy"), "%s", text);
    free(text);
    run->modes[0].felt.bypassing = 12;
    text = printed(run);
    cr_expect(strstr(text, "connections past the proxy 12 "), "%s", text);
    free(text);
    fake_run_destroy(run);
}

Test(report, terminal_stars_harm_and_lists_expectations)
{
    struct run *run = fake_run_create();
    run->directory = "netsplit-runs/x";
    char *text = printed(run);
    cr_assert(strstr(text, "PASS  Async lost 40 of 1,500"), "%s", text);
    cr_assert(strstr(text, "40 *"), "%s", text);
    cr_assert(
        strstr(text,
               "met      async    lost_writes: 40, expected at least 1 (control)"),
        "%s", text);
    cr_assert(strstr(text, "files   netsplit-runs/x (there is no report)"), "%s", text);
    cr_assert_null(strchr(text, '\033'));
    free(text);
    fake_run_destroy(run);
}

Test(report, terminal_names_the_page_if_it_is_there)
{
    char directory[TEMPDIR_PATH_MAX], line[TEMPDIR_PATH_MAX + 32];
    struct run *run = fake_run_create();
    struct errmsg err = {""};
    cr_assert_eq(tempdir_make("report", directory, &err), 0, "%s", err.text);
    cr_assert_eq(report_write(run, directory, &err), 0, "%s", err.text);
    run->directory = directory;
    char *text = printed(run);
    (void)snprintf(line, sizeof line, "report  %s/report.html\n", directory);
    cr_expect(strstr(text, line), "%s", text);
    cr_assert_eq(tempdir_remove(directory), 0);
    free(text);
    fake_run_destroy(run);
}

/* As of heal, most often. */
Test(report, page_has_no_empty_box_for_a_step_without_a_text)
{
    struct run *run = fake_run_create();
    run->text = "---\nowner: me\n---\n```yaml heal\n```\n";
    json_t *data = report_page_data(run, NULL, NULL);
    const json_t *block = json_array_get(json_object_get(data, "document"), 0);
    cr_expect_str_eq(json_string_value(json_object_get(block, "html")), "");
    cr_expect_eq(json_integer_value(json_object_get(block, "line")), 4);
    json_decref(data);
    fake_run_destroy(run);
}

Test(report, terminal_shows_no_empty_table)
{
    struct run *run = fake_run_create();
    char *text = NULL;
    size_t n = 0;
    for (size_t i = 0; i < run->n_modes; i++)
        run->modes[i].judged = false;
    run->verdict = RUN_INCONCLUSIVE;
    run->why = "async: n1 did not start";
    FILE *to = open_memstream(&text, &n);
    report_print(run, to, false);
    cr_assert_eq(fclose(to), 0);
    cr_expect(strstr(text, "Async: n1 did not start. This run"), "%s", text);
    cr_expect_null(strstr(text, "acknowledged writes  "), "%s", text);
    cr_expect_null(strstr(text, "expected\n"), "%s", text);
    free(text);
    for (size_t i = 0; i < run->n_modes; i++)
        run->modes[i].judged = true;
    fake_run_destroy(run);
}

/* Columns, not bytes: "·" is one. */
static size_t columns_of(const char *line, size_t n)
{
    size_t columns = 0;
    for (size_t i = 0; i < n; i++)
        columns += ((unsigned char)line[i] & 0xC0) != 0x80;
    return columns;
}

Test(report, terminal_puts_below_what_is_too_wide_for_80_columns)
{
    struct run *run = fake_run_create();
    struct run_mode *modes = run->modes, *four = xcalloc(4, sizeof *four);
    char *text = NULL;
    size_t n = 0;
    for (size_t i = 0; i < 4; i++)
        four[i] = modes[i % 2];
    four[3].name = "a-mode-of-a-rather-long-name";
    run->modes = four;
    run->n_modes = 4;
    FILE *to = open_memstream(&text, &n);
    report_print(run, to, false);
    cr_assert_eq(fclose(to), 0);
    const char *table = strstr(text, "\n\n") + 2;
    size_t tables = 0;
    for (const char *at = table; strncmp(at, "expected", 8) != 0;) {
        size_t length = strcspn(at, "\n");
        cr_expect_leq(columns_of(at, length), 80, "%.*s", (int)length, at);
        cr_expect(length == 0 || at[length - 1] != ' ', "%.*s", (int)length, at);
        tables += strncmp(at, "acknowledged writes", 19) == 0;
        at += length + 1;
    }
    cr_expect(tables == 2, "side by side where there is room:\n%s", text);
    free(text);
    run->modes = modes;
    run->n_modes = 2;
    free(four);
    fake_run_destroy(run);
}

/* Writes a report into DIRECTORY/name and gives its page's data. */
static json_t *page_of(const struct run *run, const char *directory, const char *name)
{
    char path[TEMPDIR_PATH_MAX + 32];
    struct errmsg err = {""};
    (void)snprintf(path, sizeof path, "%s/%s", directory, name);
    cr_assert_eq(mkdir(path, 0700), 0);
    json_t *data = report_page_data(run, path, &err);
    cr_assert_eq(report_write(run, path, &err), 0, "%s", err.text);
    return data;
}

Test(report, page_compares_with_the_last_run_of_the_same_playbook)
{
    char directory[TEMPDIR_PATH_MAX];
    struct run *run = fake_run_create();
    cr_assert_eq(tempdir_make("report", directory, NULL), 0);
    run->seed = 1;
    json_t *first = page_of(run, directory, "2026-01-01T00:00:00Z");
    cr_assert(json_is_null(json_object_get(first, "previous")));
    run->cluster_name = "other";
    run->seed = 2;
    json_t *other = page_of(run, directory, "2026-01-02T00:00:00Z");
    cr_assert(json_is_null(json_object_get(other, "previous")), "another cluster's");
    run->cluster_name = "store";
    run->seed = 3;
    json_t *last = page_of(run, directory, "2026-01-03T00:00:00Z");
    json_t *previous = json_object_get(last, "previous");
    cr_assert_eq(json_integer_value(json_object_get(previous, "seed")), 1);
    json_decref(first);
    json_decref(other);
    json_decref(last);
    cr_assert_eq(tempdir_remove(directory), 0);
    fake_run_destroy(run);
}
