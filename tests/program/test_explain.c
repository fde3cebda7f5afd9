/* SPDX-License-Identifier: MIT */
/* netsplit explain and faults as a user runs them. */
#include "proxy/base/memory.h"
#include "proxy/base/tempdir.h"
#include "tests/lib/program.h"
#include "rules/faults/fault.h"

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

static const char router[] = "netsplit: 1\n"
                             "seed: 7\n"
                             "intercept: tproxy\n"
                             "ports: [5432]\n"
                             "nodes:\n"
                             "  pg1: 10.77.1.2\n"
                             "  pg2: 10.77.1.3\n"
                             "  pg3: \"fd00::3\"\n"
                             "  apps: 10.77.9.0/24\n"
                             "rules:\n"
                             "  - name: lossy\n"
                             "    match: { from: pg1, to: pg2 }\n"
                             "    inject: { packet_loss: 1%, packet_delay: 5ms }\n"
                             "    fallback: model\n"
                             "  - name: drawn\n"
                             "    shape: one\n"
                             "    of: [pg1, pg2]\n"
                             "  - name: away\n"
                             "    cut: { from: apps, to: pg3 }\n"
                             "    ports: all\n"
                             "    fallback: stall\n";

static const char spaces[] = "netsplit: 1\n"
                             "intercept: netns\n"
                             "nodes:\n"
                             "  r1: { netns: /run/netns/r1, ports: [6379] }\n"
                             "  r2: { netns: /run/netns/r2, ports: [6379, 80] }\n"
                             "  apps: 10.0.0.0/8\n";

static void write_site(const char *name, const char *text)
{
    char *path = xasprintf("%s/%s", dir, name);
    FILE *to = fopen(path, "w");
    cr_assert(to, "%s", path);
    (void)fputs(text, to);
    cr_assert_eq(fclose(to), 0);
    free(path);
}

static void begin(void)
{
    cr_assert_eq(tempdir_make("explain-test", dir, NULL), 0);
    write_site("site.yaml", site);
    write_site("router.yaml", router);
    write_site("spaces.yaml", spaces);
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

Test(explain_program, tells_what_the_kernel_does_and_what_stands_for_it)
{
    char said[8192];
    cr_expect_eq(run("explain -f router.yaml 10.77.1.2 pg2", said, sizeof said), 0);
    cr_expect_str_eq(
        said,
        "10.77.1.2 (pg1) -> pg2:5432, intercepted (tproxy)\n"
        "\n"
        "the attempt to connect\n"
        "  drawn (router.yaml:15)\n"
        "      shape one, drawn with seed 7: pg1 / pg2, how: drop - not answered: its "
        "packets are dropped\n"
        "        where the kernel cannot: the file is refused\n"
        "\n"
        "to_server: bytes from pg1 to pg2\n"
        "  lossy (router.yaml:11)\n"
        "      packet_loss: 1% - packets are dropped at random in the kernel; real TCP "
        "repairs it\n"
        "        where the kernel cannot: loss\n"
        "      packet_delay: 5ms - packets leave later, in the kernel\n"
        "        where the kernel cannot: delay\n"
        "  drawn (router.yaml:15)\n"
        "      shape one, drawn with seed 7: pg1 / pg2, how: drop - packets are "
        "dropped; after heal TCP sends what was lost again\n"
        "        where the kernel cannot: the file is refused\n"
        "\n"
        "to_client: bytes from pg2 to pg1\n"
        "  drawn (router.yaml:15)\n"
        "      shape one, drawn with seed 7: pg1 / pg2, how: drop - packets are "
        "dropped; after heal TCP sends what was lost again\n"
        "        where the kernel cannot: the file is refused\n"
        "\n"
        "not about this connection\n"
        "  away (router.yaml:18): apps -> pg3, every packet\n",
        "%s", said);
}

/* The first lines of what is said: which way the connection takes. */
static const struct {
    const char *arguments, *says;
} ways[] = {
    {"-f site.yaml pg2 pg1:1",
     "pg2 -> pg1:1\ndoes not pass the proxy: no listener is on this path\n"},
    {"-f site.yaml any pg2:80", "any -> pg2:80, on path any>pg2\n"},
    {"-f site.yaml 10.77.1.2 10.77.1.3:5432",
     "10.77.1.2 (pg1) -> 10.77.1.3 (pg2):5432, on path wal\n"},
    {"-f router.yaml 10.77.9.1 '[fd00::3]:5432'",
     "10.77.9.1 (apps) -> fd00::3 (pg3):5432, intercepted (tproxy)\n"},
    {"-f router.yaml apps fd00::3",
     "apps -> fd00::3 (pg3):5432, intercepted (tproxy)\n"},
    {"-f router.yaml 192.0.2.1 192.0.2.2:5432",
     "192.0.2.1 (no node) -> 192.0.2.2 (no node):5432\ndoes not pass the proxy: the "
     "server is no node of the file\n"},
    {"-f router.yaml 192.0.2.1 10.77.1.2:5432",
     "192.0.2.1 (no node) -> 10.77.1.2 (pg1):5432, intercepted (tproxy)\n"},
    {"-f router.yaml apps pg1:80",
     "apps -> pg1:80\ndoes not pass the proxy: the port is not intercepted\n"},
    {"-f spaces.yaml r1 r2:80", "r1 -> r2:80, intercepted (netns)\n"},
    {"-f spaces.yaml r1 r2", "r1 -> r2\ndoes not pass the proxy: say which port, to "
                             "know whether it is intercepted\n"},
    {"-f spaces.yaml apps r1", "apps -> r1:6379\ndoes not pass the proxy: the opener "
                               "lives in no namespace of the file\n"},
};

Test(explain_program, says_whether_a_connection_comes_to_the_proxy_at_all)
{
    for (size_t i = 0; i < sizeof ways / sizeof *ways; i++) {
        char said[8192];
        char *arguments = xasprintf("explain %s", ways[i].arguments);
        cr_expect_eq(run(arguments, said, sizeof said), 0, "%s", arguments);
        cr_expect_eq(strncmp(said, ways[i].says, strlen(ways[i].says)), 0, "%s: %s",
                     arguments, said);
        free(arguments);
    }
}

Test(explain_program, says_when_nothing_applies)
{
    char said[8192];
    cr_expect_eq(run("explain -f site.yaml pg2 pg1:1", said, sizeof said), 0);
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
        {"explain -f site.yaml pg1 '[::1]x'", "\"x\" is no port", 2},
        {"explain -f site.yaml pg1 10.0.0.0/8", "no node \"10.0.0.0/8\"", 2},
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
        cr_expect_eq(json_is_true(json_object_get(fault, "needs_kernel")),
                     (*row)->in_kernel);
        for (const struct field *field = (*row)->fields; field->name; field++) {
            snprintf(head, sizeof head, "\n  %s ", field->name);
            cr_expect(strstr(text, head), "%s", field->name);
        }
    }
    cr_expect_eq(json_array_size(faults), n);
    cr_expect(strstr(text, "needs the kernel; with fallback: model it is \"loss\""));
    json_decref(root);
}
