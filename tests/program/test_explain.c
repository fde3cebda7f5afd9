/* SPDX-License-Identifier: MIT */
/* netsplit explain and faults as a user runs them. */
#include "proxy/base/memory.h"
#include "proxy/base/tempdir.h"
#include "tests/lib/program.h"
#include "rules/fault.h"

#include <criterion/criterion.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char dir[TEMPDIR_PATH_MAX];

static const char site[] =
    "netsplit: 1\n"
    "nodes:\n"
    "  pg1: 10.77.1.2\n"
    "  pg2: 10.77.1.3:5432\n"
    "groups:\n"
    "  replicas: [pg2]\n"
    "listen:\n"
    "  - { name: wal, address: \"127.0.0.1:7101\", from: pg1, to: pg2 }\n"
    "  - { address: \"127.0.0.1:7102\", to: \"pg2:80\" }\n"
    "rules:\n"
    "  - name: slow\n"
    "    match: { from: pg1, to: replicas, port: 5432 }\n"
    "    inject: { delay: 40ms, jitter: 8ms, rate: 10Mbit/s }\n"
    "    when: { after: 10s, for: 30s, every: 60s }\n"
    "    probability: 50%\n"
    "  - name: some-refused\n"
    "    match: { to: pg2 }\n"
    "    inject: { refuse: true }\n"
    "    probability: 10%\n"
    "  - name: http\n"
    "    match: { to: pg2, port: 80 }\n"
    "    inject: { stall: true }\n"
    "  - name: one-way\n"
    "    cut: { from: pg2, to: pg1 }\n"
    "    how: reset\n";

static void begin(void)
{
    cr_assert_eq(tempdir_make("explain-test", dir, NULL), 0);
    char *path = xasprintf("%s/site.yaml", dir);
    FILE *to = fopen(path, "w");
    cr_assert(to, "%s", path);
    (void)fputs(site, to);
    cr_assert_eq(fclose(to), 0);
    free(path);
}

static void end(void)
{
    cr_assert_eq(tempdir_remove(dir), 0);
}

TestSuite(explain_program, .init = begin, .fini = end, .timeout = 60);

static int run(const char *arguments, char *said, size_t said_bytes)
{
    return program_run(dir, arguments, said, said_bytes);
}

Test(explain_program, tells_a_connection_rule_by_rule)
{
    char said[8192];
    cr_expect_eq(run("explain -f site.yaml pg1 pg2", said, sizeof said), 0);
    cr_expect_str_eq(
        said,
        "pg1 -> pg2:5432, on path wal\n"
        "\n"
        "the attempt to connect\n"
        "  some-refused (site.yaml:16); for 10% of connections\n"
        "      refuse: true - new connections are refused; live ones go on\n"
        "  one-way (site.yaml:23)\n"
        "      cut, how: reset - accepted, then reset\n"
        "\n"
        "to_server: bytes from pg1 to pg2\n"
        "  slow (site.yaml:11); from 10s after its start; for 30s of every 1m; for 50% "
        "of connections\n"
        "      delay: 40ms, jitter: 8ms - bytes arrive later, in order; several delays "
        "add up\n"
        "      rate: 10Mbit/s - bytes cross at a limited rate\n"
        "\n"
        "to_client: bytes from pg2 to pg1\n"
        "  one-way (site.yaml:23)\n"
        "      cut, how: reset - the connection is reset, on both sides\n"
        "\n"
        "not about this connection\n"
        "  http (site.yaml:20): any -> pg2 on port 80\n",
        "%s", said);
}

Test(explain_program, says_when_nothing_applies)
{
    char said[8192];
    cr_expect_eq(run("explain -f site.yaml pg2 pg1:1", said, sizeof said), 0);
    cr_expect(strstr(said, "pg2 -> pg1:1\n"));
    cr_expect(strstr(said, "to_client: bytes from pg1 to pg2\n"
                           "  pass untouched: no rule is about them\n"),
              "%s", said);
}

Test(explain_program, refuses_what_it_cannot_explain)
{
    static const struct {
        const char *arguments, *says;
        int status;
    } rows[] = {
        {"explain pg1 pg2", "no rule file: -f RULES", 2},
        {"explain -f site.yaml pg1", "two operands are needed", 2},
        {"explain -f site.yaml pg1 pgg2", "no node \"pgg2\"; did you mean \"pg2\"?", 2},
        {"explain -f site.yaml x pg2", "no node \"x\"", 2},
        {"explain -f site.yaml pg1 pg2:0", "\"0\" is no port", 2},
        {"explain -f site.yaml pg1 pg2:65536", "\"65536\" is no port", 2},
        {"explain -f site.yaml pg1 pg2:", "\"\" is no port", 2},
        {"explain -f nothing.yaml pg1 pg2", "nothing.yaml: error: cannot be opened", 2},
        {"faults delay", "unexpected operand \"delay\"", 2},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char said[8192];
        cr_expect_eq(run(rows[i].arguments, said, sizeof said), rows[i].status, "%s",
                     rows[i].arguments);
        cr_expect(strstr(said, rows[i].says), "%s: %s", rows[i].arguments, said);
    }
}

Test(explain_program, faults_lists_every_row_and_key)
{
    static char text[65536], json[65536];
    cr_expect_eq(run("faults", text, sizeof text), 0);
    cr_expect_eq(run("faults --json", json, sizeof json), 0);
    json_t *root = json_loads(json, 0, NULL);
    cr_assert(root, "%s", json);
    json_t *faults = json_object_get(root, "faults");
    size_t n = 0;
    for (const struct fault *const *row = fault_catalogue(); *row; row++) {
        char head[64];
        snprintf(head, sizeof head, "\n%s: ", (*row)->name);
        cr_expect(strstr(text, head), "%s", (*row)->name);
        json_t *fault = json_array_get(faults, n++);
        cr_expect_str_eq(json_string_value(json_object_get(fault, "name")),
                         (*row)->name);
        for (const struct field *field = (*row)->fields; field->name; field++) {
            snprintf(head, sizeof head, "\n  %s ", field->name);
            cr_expect(strstr(text, head), "%s", field->name);
        }
    }
    cr_expect_eq(json_array_size(faults), n);
    json_decref(root);
}
