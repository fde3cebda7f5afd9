/* SPDX-License-Identifier: MIT */
/* netsplit ctl --json: whatever is asked, stdout holds JSON objects and nothing else,
 * when it went wrong as when it went well. */
#include "proxy/base/memory.h"
#include "tests/lib/program.h"
#include "tests/lib/proxy_process.h"

#include <criterion/criterion.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct proxy_process proxy;

static void write_file(const char *name, const char *text)
{
    char *path = xasprintf("%s/%s", proxy.directory, name);
    FILE *to = fopen(path, "we");
    cr_assert(to, "%s", path);
    (void)fputs(text, to);
    cr_assert_eq(fclose(to), 0);
    free(path);
}

static const char base[] = "netsplit: 1\n"
                           "nodes:\n"
                           "  n1: { address: 127.0.0.1, ports: [7101] }\n"
                           "  n2: { address: 127.0.0.1, ports: [7102] }\n"
                           "listen: [{ address: 127.0.0.1:0, from: n1, to: n2 }]\n";

static void setup(void)
{
    proxy_process_open(&proxy);
    proxy_process_write_rules(&proxy, "%s", base);
    write_file("base.yaml", base);
    proxy_process_start(&proxy, (const char *const[]){"--seed", "7", NULL});
    write_file("good.yaml", "netsplit: 1\nrules:\n  - name: slow\n    match: { from: "
                            "n1 }\n    inject: { delay: 4ms }\n");
    write_file("bad.yaml", "netsplit: 1\nrules:\n  - name: slow\n    match: { from: "
                           "n9 }\n    inject: { dealy: 4ms }\n");
}

static void teardown(void)
{
    proxy_process_close(&proxy);
}

TestSuite(ctl_json, .init = setup, .fini = teardown, .timeout = 60);

/* What was asked, and how it ends. */
struct row {
    const char *words;
    int status;
    const char *error; /* in the sentence; NULL = it went well */
    const char *why;   /* in a diagnostic's text; NULL = there are none */
};

/* Those that change something come in an order in which each of them can. */
static const struct row rows[] = {
    {"status", 0, NULL, NULL},
    {"rules", 0, NULL, NULL},
    {"connections", 0, NULL, NULL},
    {"events --since 0 --end --types committed", 0, NULL, NULL},
    {"apply good.yaml", 0, NULL, NULL},
    {"apply base.yaml --base", 0, NULL, NULL},
    {"add hasty n1 n2 delay=5ms --for 1m", 0, NULL, NULL},
    {"rm hasty", 0, NULL, NULL},
    {"partition 'n1 / n2' --as apart", 0, NULL, NULL},
    {"heal", 0, NULL, NULL},
    {"clear apart", 0, NULL, NULL},
    {"clear", 0, NULL, NULL},
    {"halt", 0, NULL, NULL},
    {"resume", 0, NULL, NULL},
    {"adopt", 0, NULL, NULL},
    /* The words of the command line are wrong. */
    {"", 2, "a command is missing", NULL},
    {"statsu", 2, "did you mean \"status\"?", NULL},
    {"status --jsno", 2, "unknown option \"--jsno\"", NULL},
    {"heal --for", 2, "\"--for\" needs a value", NULL},
    {"heal --for 5", 2, "--for: ", NULL},
    {"status now", 2, "unexpected operand \"now\"", NULL},
    {"rules now", 2, "unexpected operand", NULL},
    {"connections now", 2, "unexpected operand", NULL},
    {"heal now", 2, "unexpected operand", NULL},
    {"halt now", 2, "unexpected operand", NULL},
    {"resume now", 2, "unexpected operand", NULL},
    {"rm", 2, "an operand is missing: rm NAME", NULL},
    {"partition n1", 2, "is not a partition", NULL},
    {"adopt n1", 2, "is not a link", NULL},
    {"apply good.yaml --base --as x", 2, "--base goes without", NULL},
    {"apply none.yaml", 2, "none.yaml: No such file", NULL},
    {"add slow n1 n2 dealy=5ms", 2, "slow: 1 error", "dealy"},
    {"add slow n1 n2 delay=5", 2, "slow: 1 error", "needs a unit"},
    /* The proxy refuses. */
    {"add slow n1 n9 delay=5ms", 2, "nothing was changed", "n9"},
    {"apply bad.yaml", 2, "bad.yaml: 2 errors", "dealy"},
    {"apply bad.yaml --base", 2, "bad.yaml", "dealy"},
    {"partition 'n1 / n9'", 2, "nothing was changed", "n9"},
    {"partition 'n1 / n2' --how gently", 2, "nothing was changed", "gently"},
    {"events --types nothing", 2, "names of events", NULL},
    {"rm nobody", 2, "there is no overlay \"nobody\"", NULL},
    {"clear nobody", 2, "there is no overlay \"nobody\"", NULL},
};
enum { ROWS = sizeof rows / sizeof *rows };

/* Runs it; what stdout held is in said. */
static int ctl(const char *options, const char *words, char *said, size_t said_bytes)
{
    char *arguments = xasprintf("ctl %s %s 2>complaints", options, words);
    int status = program_run(proxy.directory, arguments, said, said_bytes);
    free(arguments);
    return status;
}

/* A diagnostic's text or hint or line holds the word. */
static bool has_diagnostic(const json_t *answer, const char *word)
{
    const json_t *all = json_object_get(answer, "diagnostics");
    for (size_t i = 0; i < json_array_size(all); i++) {
        const json_t *one = json_array_get(all, i);
        const char *text = json_string_value(json_object_get(one, "text"));
        if (text && strstr(text, word) && json_is_string(json_object_get(one, "file")))
            return true;
    }
    return false;
}

static void check(const struct row *row, const char *said)
{
    size_t lines = 0;
    for (const char *at = said; *at; lines++) {
        size_t length = strcspn(at, "\n");
        cr_assert_eq(at[length], '\n', "ctl %s: %s", row->words, said);
        json_t *answer = json_loadb(at, length, 0, NULL);
        cr_assert(json_is_object(answer), "ctl %s: %s", row->words, said);
        const char *error = json_string_value(json_object_get(answer, "error"));
        cr_expect_eq(!row->error, !error, "ctl %s: %s", row->words, said);
        if (row->error && error)
            cr_expect(strstr(error, row->error), "ctl %s: %s", row->words, said);
        if (row->why)
            cr_expect(has_diagnostic(answer, row->why), "ctl %s: %s", row->words, said);
        json_decref(answer);
        at += length + 1;
    }
    bool is_stream = !row->error && strncmp(row->words, "events", 6) == 0;
    cr_expect(is_stream ? lines > 1 : lines == 1, "ctl %s: %s", row->words, said);
}

Test(ctl_json, every_answer_and_every_error_is_an_object_and_the_status_stays)
{
    char said[32768], plain[32768];
    for (size_t i = 0; i < ROWS; i++) {
        char *options = xasprintf("--control '%s'", proxy.control);
        char *with = xasprintf("%s --json", options);
        int status = ctl(with, rows[i].words, said, sizeof said);
        cr_expect_eq(status, rows[i].status, "ctl %s: %d, %s", rows[i].words, status,
                     said);
        check(&rows[i], said);
        if (rows[i].error) {
            cr_expect_eq(ctl(options, rows[i].words, plain, sizeof plain), status,
                         "ctl %s", rows[i].words);
            cr_expect_str_eq(plain, "", "people are told on stderr");
        }
        free(with);
        free(options);
    }
}

Test(ctl_json, options_behind_the_mistake_and_bytes_that_are_no_text)
{
    char said[4096];
    cr_expect_eq(ctl("", "status --bogus --json", said, sizeof said), 2);
    cr_expect(strstr(said, "{\"error\":\"unknown option \\\"--bogus\\\"\"}"), "%s",
              said);
    cr_expect_eq(ctl("", "--json status \"$(printf 'a\\377')\"", said, sizeof said), 2);
    cr_expect_str_eq(said, "{\"error\":\"what was given is no UTF-8\"}\n");
}

/* The first word of each line of --help's list of commands. */
static size_t list_verbs(char names[][16], size_t most)
{
    char help[8192];
    size_t n = 0;
    cr_assert_eq(ctl("", "--help", help, sizeof help), 0);
    const char *at = strstr(help, "\ncommands:\n");
    cr_assert(at, "%s", help);
    for (at += strlen("\ncommands:\n"); strncmp(at, "  ", 2) == 0 && n < most; n++) {
        cr_assert_eq(sscanf(at, " %15s", names[n]), 1);
        at += strcspn(at, "\n") + 1;
    }
    return n;
}

static bool has_row(const char *verb, bool went_well)
{
    size_t length = strlen(verb);
    for (size_t i = 0; i < ROWS; i++)
        if (strncmp(rows[i].words, verb, length) == 0 &&
            strchr(" ", rows[i].words[length]) && went_well == !rows[i].error)
            return true;
    return false;
}

Test(ctl_json, every_verb_is_tried_well_and_badly_and_without_a_proxy)
{
    char names[32][16], said[4096];
    size_t n = list_verbs(names, 32);
    cr_assert_gt(n, 10);
    for (size_t i = 0; i < n; i++) {
        const struct row silent = {names[i], 3, "no proxy answers at /nowhere", NULL};
        const char *operands = strcmp(names[i], "apply") == 0 ? "good.yaml"
                               : strcmp(names[i], "add") == 0 ? "a n1 n2 delay=1ms"
                               : strcmp(names[i], "rm") == 0  ? "a"
                               : strcmp(names[i], "partition") == 0 ? "n1/n2"
                                                                    : "";
        char *words = xasprintf("%s %s", names[i], operands);
        cr_expect(has_row(names[i], true), "%s", names[i]);
        cr_expect(has_row(names[i], false), "%s", names[i]);
        cr_expect_eq(ctl("--control /nowhere --json", words, said, sizeof said), 3,
                     "%s: %s", words, said);
        check(&silent, said);
        free(words);
    }
}
