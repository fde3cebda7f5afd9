/* SPDX-License-Identifier: MIT */
/* One seed, one story: what rules decide about connections and bytes is the same in
 * every run in which connections are opened in the same order, and a rule that is added
 * changes none of the others' decisions. */
#include "tests/proxy/net.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { CONNECTIONS = 12, MESSAGE_BYTES = 4000 };

/* What a decision depends on and what came of it, as text: one a line. */
struct story {
    char lines[4096][160];
    size_t n;
};

static const char rules[] =
    "rules:\n"
    "  - { name: maybe, match: { between: [c, s] }, inject: { delay: 200us },\n"
    "      probability: 50%% }\n"
    "  - { name: jitter, match: { from: c, to: s },\n"
    "      inject: { delay: 300us, jitter: 100us, distribution: normal } }\n"
    "  - { name: pieces, match: { from: s, to: c },\n"
    "      inject: { slice: { size: 500B, gap: 10us } } }\n"
    "%s";

static const char added[] =
    "  - { name: another, match: { from: c, to: s },\n"
    "      inject: { delay: 100us, jitter: 50us }, probability: 70% }\n";

static void read_story(struct net *net, struct story *story)
{
    struct journal_event event;
    uint64_t cursor = 0;
    while (net_event(net, &cursor, JOURNAL_DECISION, &event)) {
        cr_assert_lt(story->n, 4096);
        (void)snprintf(story->lines[story->n++], sizeof story->lines[0],
                       "%s %s>%s connection %llu way %d %s %llu = %lld", event.rule,
                       event.from, event.to,
                       (unsigned long long)event.connection_ordinal,
                       (int)event.direction, event.draw,
                       (unsigned long long)event.ordinal, (long long)event.outcome);
    }
}

static int compare(const void *a, const void *b)
{
    return strcmp(a, b);
}

/* Connections one after the other, the same bytes over each. */
static struct story *run(uint64_t seed, const char *more_rules)
{
    static struct net net;
    static char bytes[MESSAGE_BYTES];
    net_init(&net);
    net.config.seed = seed;
    uint16_t server;
    int listener = net_listen(AF_INET, &server);
    char text[2048];
    (void)snprintf(text, sizeof text, NET_ONE_PATH, server);
    (void)snprintf(text + strlen(text), sizeof text - strlen(text), rules, more_rules);
    net_start(&net, "%s", text);
    for (int i = 0; i < CONNECTIONS; i++) {
        struct net_pair pair = net_join(&net, listener);
        net_send(&net, pair.client, bytes, sizeof bytes);
        net_receive(&net, pair.server, bytes, sizeof bytes);
        net_send(&net, pair.server, bytes, sizeof bytes);
        net_receive(&net, pair.client, bytes, sizeof bytes);
        net_part(pair);
    }
    struct story *story = calloc(1, sizeof *story);
    read_story(&net, story);
    qsort(story->lines, story->n, sizeof story->lines[0], compare);
    net_close(&net);
    close(listener);
    return story;
}

/* Draws that depend on when bytes arrived (jitter: one a span of time) are not the same
 * in number; those with the same ordinal have the same outcome. */
static bool is_of_time(const char *line)
{
    return strncmp(line, "jitter ", 7) == 0 || strncmp(line, "another ", 8) == 0;
}

static size_t count_lines(const struct story *story, const char *start)
{
    size_t n = 0;
    for (size_t i = 0; i < story->n; i++)
        n += strncmp(story->lines[i], start, strlen(start)) == 0;
    return n;
}

/* All decisions of one that depend on connections and offsets only are in the other. */
static void expect_within(const struct story *some, const struct story *all)
{
    for (size_t i = 0; i < some->n; i++)
        if (!is_of_time(some->lines[i]))
            cr_assert_not_null(bsearch(some->lines[i], all->lines, all->n,
                                       sizeof all->lines[0], compare),
                               "missing: %s", some->lines[i]);
}

/* Of the draws that both made, all are equal. */
static void expect_no_contradiction(const struct story *a, const struct story *b)
{
    for (size_t i = 0; i < a->n; i++) {
        size_t key = (size_t)(strstr(a->lines[i], " = ") - a->lines[i]);
        for (size_t k = 0; k < b->n; k++)
            if (strncmp(a->lines[i], b->lines[k], key + 3) == 0)
                cr_assert_str_eq(a->lines[i], b->lines[k]);
    }
}

Test(seed, two_runs_decide_alike, .timeout = 60)
{
    struct story *first = run(7, ""), *second = run(7, "");
    cr_assert_eq(count_lines(first, "maybe "), CONNECTIONS);
    cr_assert_gt(count_lines(first, "jitter "), CONNECTIONS / 2);
    expect_within(first, second);
    expect_within(second, first);
    expect_no_contradiction(first, second);
    free(first);
    free(second);
}

Test(seed, an_added_rule_changes_no_decision_of_the_others, .timeout = 60)
{
    struct story *first = run(7, ""), *second = run(7, added);
    cr_assert_eq(count_lines(first, "another "), 0);
    cr_assert_geq(count_lines(second, "another "), CONNECTIONS);
    expect_within(first, second);
    expect_no_contradiction(first, second);
    free(first);
    free(second);
}

Test(seed, another_seed_decides_otherwise, .timeout = 60)
{
    struct story *first = run(7, ""), *second = run(8, "");
    size_t same = 0;
    for (size_t i = 0; i < first->n; i++)
        if (strncmp(first->lines[i], "maybe ", 6) == 0)
            same += bsearch(first->lines[i], second->lines, second->n,
                            sizeof second->lines[0], compare) != NULL;
    cr_assert_lt(same, CONNECTIONS);
    free(first);
    free(second);
}
