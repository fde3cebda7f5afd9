/* SPDX-License-Identifier: MIT */
#include "proxy/base/now.h"
#include "proxy/felt.h"
#include "rules/plan/plan.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

static struct plan *plan;
static struct felt felt;

static void teardown(void)
{
    felt_close(&felt);
    plan_put(plan);
}

TestSuite(felt, .fini = teardown);

/* Judges one rule, of which the text is given from its `match` on, by its row of the
 * status and the number of connections from a to b. Returns its sentence. */
static const char *judge(const char *rule, const char *row, unsigned attempts)
{
    char text[1024], rules[1024];
    (void)snprintf(rules, sizeof rules,
                   "netsplit: 1\n"
                   "nodes: { a: , b: { address: 127.0.0.1, ports: [1] }, c: }\n"
                   "listen: [ { address: 127.0.0.1:0, from: a, to: b } ]\n"
                   "rules:\n"
                   "  - name: r\n"
                   "    %s\n",
                   rule);
    (void)snprintf(text, sizeof text,
                   "{ \"rules\": [ { \"name\": \"r\", \"origin\": \"other\", "
                   "\"touched_bytes\": 9 } %s ], \"links\": [ "
                   "{ \"from\": \"a\", \"to\": \"b\", \"attempts\": %u }, "
                   "{ \"from\": \"b\", \"to\": \"a\", \"attempts\": 0 }, "
                   "{ \"from\": \"c\", \"to\": \"b\", \"attempts\": 99 } ] }",
                   row, attempts);
    json_t *status = json_loads(text, 0, NULL);
    cr_assert_not_null(status, "%s", text);
    felt_close(&felt);
    plan_put(plan);
    plan = felt_plan("r.yaml", rules, 1);
    cr_assert_not_null(plan, "%s", rule);
    felt_judge(plan, status, 1500 * NS_PER_MS + 7, &felt);
    json_decref(status);
    cr_assert_eq(felt.n, 1);
    return felt.rules[0].sentence;
}

#define TO_B  "match: { from: a, to: b }\n    "
#define DELAY TO_B "inject: { delay: 4ms }"
#define ROW(state, rest)                                                               \
    ", { \"name\": \"r\", \"origin\": \"base\", \"state\": \"" state "\"" rest " }"

static void expect_felt(const char *rule, const char *row, const char *sentence)
{
    cr_expect_str_eq(judge(rule, row, 41), sentence);
    cr_expect(felt.rules[0].touched, "%s", row);
    cr_expect_eq(felt.n_silent, 0);
}

static void expect_silent(const char *rule, const char *row, unsigned attempts,
                          const char *sentence)
{
    const char *said = judge(rule, row, attempts);
    cr_expect_not_null(strstr(said, sentence), "no \"%s\" in: %s", sentence, said);
    cr_expect_not(felt.rules[0].touched, "%s", row);
    cr_expect_eq(felt.n_silent, 1);
}

Test(felt, bytes_resets_attempts_and_packets_are_felt)
{
    expect_felt(DELAY, ROW("active", ", \"touched_bytes\": 2000, \"connections\": 3"),
                "felt: 2kB in 3 of 41 connections");
    expect_felt(TO_B "inject: { refuse: true }",
                ROW("active", ", \"attempts_refused\": 1"),
                "felt: 0B in 0 of 41 connections, 1 attempt");
    expect_felt("partition: [[a], [b]]", ROW("active", ", \"packets_dropped\": 5"),
                "felt: 0B in 0 of 41 connections, 5 packets dropped");
    expect_felt(TO_B "inject: { reset: { after: 1ms } }",
                ROW("inactive", ", \"connections_reset\": 2, \"connections\": 2"),
                "felt: 0B in 2 of 41 connections");
}

/* A listener that is shut counts nobody, so silence says nothing. */
Test(felt, what_the_kernel_refused_is_neither_felt_nor_silent)
{
    static const char *const rules[] = {
        TO_B "inject: { refuse: true }",
        TO_B "inject: { refuse: true }\n    when: { for: 1s }",
        "partition: [[a], [b]]\n    how: refuse",
    };
    for (size_t i = 0; i < sizeof rules / sizeof *rules; i++) {
        const char *said = judge(rules[i], ROW("inactive", ""), 0);
        cr_expect_not_null(strstr(said, "whether this suite met it is not known"), "%s",
                           said);
        cr_expect(felt.rules[0].uncounted && !felt.rules[0].touched);
        cr_expect_eq(felt.n_silent, 0);
    }
    expect_silent(TO_B "inject: { refuse: true }\n    probability: 50%",
                  ROW("active", ""), 41, "it takes 50% by chance and took none");
    expect_silent(TO_B "inject: { refuse: true }", ROW("off", ""), 41,
                  "was switched off");
}

Test(felt, a_delayed_end_alone_is_not_felt)
{
    expect_silent(DELAY, ROW("active", ", \"touched\": true, \"connections\": 41"), 41,
                  "0 bytes in 41 connections: this suite tests nothing");
}

Test(felt, only_connections_of_the_rules_links_are_counted)
{
    expect_silent("match: { from: b, to: a }\n    inject: { delay: 4ms }",
                  ROW("active", ""), 1, "0 bytes in 1 connection: this suite");
    expect_silent("match: { to: b }\n    inject: { delay: 4ms }", ROW("active", ""), 1,
                  "0 bytes in 100 connections: this suite");
}

Test(felt, why_nothing_was_touched_is_said)
{
    expect_silent(DELAY, "", 41, "was replaced before it touched anything");
    expect_silent(DELAY, ROW("off", ""), 41, "was switched off (netsplit ctl)");
    expect_silent(DELAY "\n    when: { after: 1m }", ROW("waiting", ""), 41,
                  "was never active: it begins after 1m, and the command took 1.5s");
    expect_silent(DELAY, ROW("active", ""), 0,
                  "does the command connect to the addresses in NETSPLIT_*?");
    expect_silent(DELAY "\n    probability: 2%", ROW("active", ""), 41,
                  "0 bytes in 41 connections, of which it takes 2% by chance");
    expect_silent(TO_B "inject: { corrupt: { per_byte: 1% } }", ROW("active", ""), 41,
                  "where chance (corrupt) spared every byte");
    expect_silent(DELAY "\n    when: { for: 1s }", ROW("inactive", ""), 41,
                  "none of which it met while it was active");
}
