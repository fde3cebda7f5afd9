/* SPDX-License-Identifier: MIT */
/* Which faults are between nodes, and that a playbook with one is refused where the
 * drill's proxy is not there. */
#include "rules/buffer.h"
#include "scenarios/playbook/between.h"
#include "scenarios/playbook/playbook.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#define NODES                                                                          \
    "cluster: 1\nname: c\ndriver: { resp: \"redis://\" }\nrole: echo\nnodes:\n"        \
    "  n1: { address: 10.0.0.1, ports: [1] }\n"                                        \
    "  n2: { address: 10.0.0.2, ports: [1] }\n"                                        \
    "  n3: { address: 10.0.0.3, ports: [1] }\n"

static struct cluster *read_cluster(const char *more)
{
    char text[512];
    struct diag diag;
    diag_init(&diag, NULL);
    (void)snprintf(text, sizeof text, "%s%s", NODES, more);
    struct cluster *cluster = cluster_parse("c.yaml", text, strlen(text), &diag);
    cr_assert_not_null(cluster);
    diag_close(&diag);
    return cluster;
}

/* The playbook with this fault on line 11, and what is said of it. */
static struct playbook *read_playbook(const char *fault, const struct cluster *cluster,
                                      struct buffer *told)
{
    char text[1024];
    struct diag diag;
    diag_init(&diag, NULL);
    (void)snprintf(text, sizeof text,
                   "---\nplaybook: P\n---\n```yaml workload\nappend: { keys: 1 }\n```\n"
                   "```yaml run\nfor: 1s\n```\n\n```yaml fault\n%s\n```\n"
                   "```yaml run\nfor: 1s\n```\n",
                   fault);
    struct playbook *playbook =
        playbook_parse("p.md", text, strlen(text), cluster, NULL, &diag);
    diag_render(&diag, false, told);
    diag_close(&diag);
    return playbook;
}

static const char *const between[] = {
    "partition: [[n1], [n2, n3]]",
    "partition: [[primary, clients.primary], [standbys, clients.standbys]]",
    "isolate: n2",
    "cut: { from: standbys, to: primary }",
    "match: { from: n2, to: n3 }\ninject: { delay: 10ms }",
    "match: { between: [primary, standbys] }\ninject: { delay: 10ms }",
    "shape: one",
};

static const char *const beside[] = {
    "partition: [[n1], [clients]]",
    "partition: [[primary], [clients.standbys, clients.primary]]",
    "isolate: clients.n2",
    "cut: { from: clients, to: n1 }",
    "match: { from: clients.n1, to: n3 }\ninject: { delay: 10ms }",
    "match: { to: n1 }\ninject: { delay: 10ms }",
};

static bool passes_never(void *context, size_t a, size_t b)
{
    (void)context, (void)a, (void)b;
    return false;
}

static bool passes_to_n3(void *context, size_t a, size_t b)
{
    (void)context;
    return a == 2 || b == 2;
}

static void expect_found(const char *fault, bool wanted)
{
    struct cluster *cluster = read_cluster("intercept: tproxy\n");
    struct buffer told = {NULL};
    size_t a = 9, b = 9;
    struct playbook *playbook = read_playbook(fault, cluster, &told);
    cr_assert(playbook, "%s", buffer_text(&told));
    bool found =
        between_find(cluster, playbook->steps[2].rules, 0, passes_never, NULL, &a, &b);
    cr_expect_eq(found, wanted, "%s", fault);
    cr_expect(found ? a != b && a < 3 && b < 3 : a == 9, "%s", fault);
    playbook_destroy(playbook);
    cluster_destroy(cluster);
    buffer_close(&told);
}

Test(between, faults_that_name_nodes_on_either_side_are_found)
{
    for (size_t i = 0; i < sizeof between / sizeof *between; i++)
        expect_found(between[i], true);
}

Test(between, faults_on_clients_are_not)
{
    for (size_t i = 0; i < sizeof beside / sizeof *beside; i++)
        expect_found(beside[i], false);
}

Test(between, the_pair_that_does_not_pass_is_named)
{
    struct cluster *cluster = read_cluster("intercept: tproxy\n");
    struct buffer told = {NULL};
    size_t a = 9, b = 9;
    struct playbook *playbook = read_playbook(between[0], cluster, &told);
    cr_assert(playbook, "%s", buffer_text(&told));
    const struct rules *rules = playbook->steps[2].rules;
    cr_expect(between_find(cluster, rules, 0, passes_to_n3, NULL, &a, &b));
    cr_expect(a == 0 && b == 1, "%zu, %zu", a, b);
    cr_expect_not(between_names_clients(rules));
    playbook_destroy(playbook);
    playbook = read_playbook(beside[1], cluster, &told);
    cr_expect(between_names_clients(playbook->steps[2].rules));
    playbook_destroy(playbook);
    cluster_destroy(cluster);
    buffer_close(&told);
}

Test(between, a_playbook_that_cuts_past_the_proxy_is_refused)
{
    static const struct {
        const char *more;
        bool refused;
    } rows[] = {{"", true},
                {"intercept: listen\n", true},
                {"intercept: tproxy\n", false},
                {"control: /c\n", false}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct cluster *cluster = read_cluster(rows[i].more);
        struct buffer told = {NULL};
        struct playbook *playbook = read_playbook(between[1], cluster, &told);
        cr_expect_eq(!playbook, rows[i].refused, "%s: %s", rows[i].more,
                     buffer_text(&told));
        cr_expect_eq(strstr(buffer_text(&told),
                            "p.md:11:1: error: what n1 and n2 say to each other does "
                            "not pass the drill's proxy") != NULL,
                     rows[i].refused, "%s", buffer_text(&told));
        playbook_destroy(playbook);
        cluster_destroy(cluster);
        buffer_close(&told);
    }
}

Test(between, a_fault_that_only_clients_feel_is_warned_of)
{
    static const struct {
        const char *fault;
        bool warned;
    } rows[] = {
        {"match: { to: n1 }\ninject: { delay: 10ms }", true},
        {"inject: { delay: 10ms }", true},
        {"match: { from: any, to: standbys }\ninject: { delay: 10ms }", true},
        {"match: { from: clients, to: n1 }\ninject: { delay: 10ms }", false},
        {"match: { from: clients }\ninject: { delay: 10ms }", false},
        {"isolate: clients.n1", false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct cluster *cluster = read_cluster("");
        struct buffer told = {NULL};
        struct playbook *playbook = read_playbook(rows[i].fault, cluster, &told);
        cr_assert(playbook, "%s", buffer_text(&told));
        cr_expect_eq(strstr(buffer_text(&told), "only clients feel this") != NULL,
                     rows[i].warned, "%s: %s", rows[i].fault, buffer_text(&told));
        playbook_destroy(playbook);
        cluster_destroy(cluster);
        buffer_close(&told);
    }
}
