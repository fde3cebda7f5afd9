/* SPDX-License-Identifier: MIT */
/* Cluster files: those that ship, and where they are found. */
#include "rules/buffer.h"
#include "scenarios/playbook/cluster.h"
#include "scenarios/playbook/shipped.h"
#include "scenarios/drivers/driver.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <glob.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

Test(cluster, the_shipped_ones_are_right_without_a_warning)
{
    glob_t found;
    cr_assert_eq(glob("scenarios/clusters/*.yaml", 0, NULL, &found), 0);
    for (size_t i = 0; i < found.gl_pathc; i++) {
        struct diag diag;
        struct buffer told = {NULL};
        diag_init(&diag, NULL);
        struct cluster *cluster = cluster_load(found.gl_pathv[i], &diag);
        diag_render(&diag, false, &told);
        cr_expect(cluster && diag.n == 0, "%s", buffer_text(&told));
        cluster_destroy(cluster);
        buffer_close(&told);
        diag_close(&diag);
    }
    globfree(&found);
}

Test(cluster, the_store_has_three_nodes_and_all_its_modes)
{
    struct diag diag;
    char path[PATH_MAX];
    diag_init(&diag, NULL);
    cr_assert_eq(shipped_find(SHIPPED_CLUSTER, "store", path, sizeof path), 0);
    struct cluster *cluster = cluster_load(path, &diag);
    cr_assert_not_null(cluster);
    cr_expect_str_eq(driver_name(cluster->driver), "resp");
    cr_expect_eq(cluster->n_nodes, 3);
    cr_expect_eq(cluster_find_node(cluster, "n3"), 2);
    cr_expect_eq(cluster_find_node(cluster, "n4"), -1);
    cr_expect_not_null(cluster_find_mode(cluster, "quorum"));
    cr_expect_null(cluster_find_mode(cluster, "remote_apply"));
    cluster_destroy(cluster);
    diag_close(&diag);
}

Test(cluster, says_which_program_is_lacking)
{
    const char *const programs[] = {"sh", "netsplit-has-no-such-program"};
    struct cluster cluster = {.programs = programs, .n_programs = 2};
    cr_expect_str_eq(cluster_lacks(&cluster), "netsplit-has-no-such-program");
    cluster.n_programs = 1;
    cr_expect_null(cluster_lacks(&cluster));
}

static struct cluster *parse_text(const char *name, const char *text,
                                  struct buffer *told)
{
    struct diag diag;
    diag_init(&diag, NULL);
    struct cluster *cluster = cluster_parse(name, text, strlen(text), &diag);
    diag_render(&diag, false, told);
    diag_close(&diag);
    return cluster;
}

/* A cluster file in the directory `there` whose driver is as said. */
static struct cluster *parse_driver(const char *driver, struct buffer *told)
{
    char text[1024];
    (void)snprintf(text, sizeof text,
                   "cluster: 1\nname: c\ndriver: { exec: %s }\nnodes: [n1]\n"
                   "role: echo\ncommands: { start: s, ready: r }\n"
                   "modes: { m: { check: c }, k: { check: c, driver: { exec: ./k } } "
                   "}\n",
                   driver);
    return parse_text("there/c.yaml", text, told);
}

/* Who gives preflight, or --cluster, the file beside it. */
Test(cluster, a_playbook_is_called_one_and_nothing_else)
{
    struct diag diag;
    struct buffer told = {NULL};
    diag_init(&diag, NULL);
    cr_expect_null(cluster_load("playbooks/primary-cut-off.md", &diag));
    diag_render(&diag, false, &told);
    cr_expect(strstr(buffer_text(&told), "this is a playbook, not a cluster file"));
    cr_expect_eq(diag.n_errors, 1, "%s", buffer_text(&told));
    buffer_close(&told);
    diag_close(&diag);
}

Test(cluster, a_driver_that_is_a_program_is_a_list_or_a_text_of_words)
{
    static const struct {
        const char *text, *setting, *program;
    } rows[] = {
        {"[python3, my driver.py, \"7\"]", "[\"python3\",\"my driver.py\",\"7\"]",
         "python3"},
        {"'python3  driver.py'", "[\"python3\",\"driver.py\"]", "python3"},
        {"./driver.py", "[\"./driver.py\"]", "there/./driver.py"},
        {"[/bin/sh, -c, \"echo $HOME\"]", "[\"/bin/sh\",\"-c\",\"echo $HOME\"]",
         "/bin/sh"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct buffer told = {NULL};
        struct cluster *cluster = parse_driver(rows[i].text, &told);
        cr_assert(cluster, "%s", buffer_text(&told));
        cr_expect_str_eq(cluster->directory, "there");
        cr_expect_str_eq(cluster->modes[0].setting, rows[i].setting);
        cr_expect_str_eq(cluster->modes[0].program, rows[i].program);
        cr_expect_str_eq(cluster->modes[1].program, "there/./k");
        cluster_destroy(cluster);
        buffer_close(&told);
    }
}

Test(cluster, says_which_mode_s_program_is_lacking)
{
    struct buffer told = {NULL};
    struct cluster *cluster = parse_driver("[sh, -c, exit]", &told);
    cr_assert(cluster, "%s", buffer_text(&told));
    cr_expect_str_eq(cluster_lacks(cluster), "there/./k");
    cluster->n_modes = 1;
    cr_expect_null(cluster_lacks(cluster));
    cluster_destroy(cluster);
    buffer_close(&told);
}

/* The text of a small cluster file with more lines, and what was said of it. */
static struct cluster *parse(const char *more, struct buffer *told)
{
    char text[1024];
    (void)snprintf(text, sizeof text,
                   "cluster: 1\nname: c\ndriver: { resp: \"redis://\" }\nnodes: [n1]\n"
                   "role: echo\ncommands: { start: s, ready: r }\n"
                   "modes: { m: { check: c } }\n%s",
                   more);
    return parse_text("c.yaml", text, told);
}

Test(cluster, a_lab_and_its_way_of_interception)
{
    static const struct {
        const char *text;
        bool has_lab, has_bridge;
        enum rule_intercept intercept;
    } rows[] = {
        {"", false, false, INTERCEPT_LISTEN},
        {"lab: false\n", false, false, INTERCEPT_LISTEN},
        {"intercept: listen\n", false, false, INTERCEPT_LISTEN},
        {"lab: true\n", true, false, INTERCEPT_TPROXY},
        {"lab: true\nintercept: listen\n", true, false, INTERCEPT_LISTEN},
        {"lab: { bridge: true }\n", true, true, INTERCEPT_NETNS},
        {"lab: true\nintercept: netns\n", true, false, INTERCEPT_NETNS},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct buffer told = {NULL};
        struct cluster *cluster = parse(rows[i].text, &told);
        cr_assert(cluster, "%s: %s", rows[i].text, buffer_text(&told));
        cr_expect_eq(cluster->has_lab, rows[i].has_lab, "%s", rows[i].text);
        cr_expect_eq(cluster->has_bridge, rows[i].has_bridge, "%s", rows[i].text);
        cr_expect_eq(cluster->intercept, rows[i].intercept, "%s", rows[i].text);
        cluster_destroy(cluster);
        buffer_close(&told);
    }
}

Test(cluster, what_does_not_go_with_a_lab_is_said)
{
    static const struct {
        const char *text, *why;
    } rows[] = {
        {"lab: maybe\n", "a lab is true, or { bridge: true }"},
        {"lab: { birdge: true }\n", "did you mean \"bridge\"?"},
        {"intercept: tproxy\n", "not available in this version without \"lab: true\""},
        {"lab: true\nintercept: redirect\n", "use \"tproxy\""},
        {"lab: { bridge: true }\nintercept: tproxy\n", "use \"netns\""},
        {"intercept: tporxy\n", "did you mean \"tproxy\"?"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct buffer told = {NULL};
        cr_expect_null(parse(rows[i].text, &told), "%s", rows[i].text);
        cr_expect(strstr(buffer_text(&told), rows[i].why), "%s: %s", rows[i].text,
                  buffer_text(&told));
        buffer_close(&told);
    }
}

/* The text of a cluster that runs already, of two nodes in one namespace each. */
static struct cluster *parse_running(const char *nodes, const char *more,
                                     struct buffer *told)
{
    char text[1024];
    struct diag diag;
    (void)snprintf(text, sizeof text,
                   "cluster: 1\nname: c\ndriver: { resp: \"redis://\" }\n"
                   "nodes: %s\nrole: echo\n%s",
                   nodes, more);
    diag_init(&diag, NULL);
    struct cluster *cluster = cluster_parse("c.yaml", text, strlen(text), &diag);
    diag_render(&diag, false, told);
    diag_close(&diag);
    return cluster;
}

#define TWO                                                                            \
    "{ a: { address: 10.0.0.1, ports: [1] }, b: { address: 10.0.0.2, ports: [1] } }"
#define CONTAINED                                                                      \
    "{ a: { address: 10.0.0.1, ports: [1], container: a1 }, "                          \
    "b: { address: 10.0.0.1, ports: [1], pid: 7 } }"

Test(cluster, one_that_runs_is_as_is_first_and_has_its_own_modes)
{
    struct buffer told = {NULL};
    struct cluster *cluster = parse_running(
        TWO, "modes:\n  sync: { enter: e, check: c, leave: l }\n  seen: { check: c }\n",
        &told);
    cr_assert(cluster, "%s", buffer_text(&told));
    cr_assert_eq(cluster->n_modes, 3);
    cr_expect_str_eq(cluster->modes[0].name, "as-is");
    cr_expect_null(cluster->modes[0].check);
    cr_expect_str_eq(cluster->modes[1].leave, "l");
    cr_expect_null(cluster->modes[2].leave);
    cluster_destroy(cluster);
    buffer_close(&told);
}

Test(cluster, one_that_runs_may_be_intercepted_where_its_nodes_are)
{
    static const struct {
        const char *nodes, *more;
        enum rule_intercept intercept;
    } rows[] = {
        {TWO, "", INTERCEPT_LISTEN},
        {TWO, "intercept: redirect\n", INTERCEPT_REDIRECT},
        {TWO, "intercept: tproxy\n", INTERCEPT_TPROXY},
        {CONTAINED, "intercept: netns\n", INTERCEPT_NETNS},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct buffer told = {NULL};
        struct cluster *cluster = parse_running(rows[i].nodes, rows[i].more, &told);
        cr_assert(cluster, "%s: %s", rows[i].more, buffer_text(&told));
        cr_expect_eq(cluster->intercept, rows[i].intercept, "%s", rows[i].more);
        cluster_destroy(cluster);
        buffer_close(&told);
    }
}

Test(cluster, what_does_not_go_with_one_that_runs_is_said)
{
    static const struct {
        const char *nodes, *more, *why;
    } rows[] = {
        {TWO, "lab: true\n", "\"lab\" goes with nodes that the drill starts itself"},
        {TWO, "intercept: netns\n", "where is a? \"intercept: netns\" works"},
        {CONTAINED, "", "add intercept: netns"},
        {CONTAINED, "intercept: tproxy\n", "a and b share the address 10.0.0.1"},
        {TWO, "control: /c\nintercept: tproxy\n", "not with control"},
        {"[a]", "control: /c\n", "\"control\" goes with nodes that run already"},
        {TWO, "modes: { m: { enter: e, check: c } }\n", "add leave: COMMAND"},
        {TWO, "modes: { as-is: { check: c } }\n", "as-is without being told"},
        {"{ a: { address: 10.0.0.1, ports: [1], pid: 1, netns: /n } }", "",
         "one of container, pid and netns"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct buffer told = {NULL};
        cr_expect_null(parse_running(rows[i].nodes, rows[i].more, &told), "%s",
                       rows[i].more);
        cr_expect(strstr(buffer_text(&told), rows[i].why), "%s: %s", rows[i].more,
                  buffer_text(&told));
        buffer_close(&told);
    }
}
