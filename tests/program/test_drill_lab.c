/* SPDX-License-Identifier: MIT */
/* Drills whose nodes are in network namespaces of their own. */
#include "drill_fixture.h"
#include "tests/lib/program.h"

#include <criterion/criterion.h>
#include <glob.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { NOBODY = 65534 };

static struct drill_fixture drill;

static const char front[] = "modes: [sync]\nabort: { duration: 2m }\n";
static const char steps[] =
    "# Fault\n"
    "```yaml fault\n"
    "partition: [[primary, clients.primary], [standbys, clients.standbys]]\n"
    "```\n"
    "```yaml run\nfor: 700ms\n```\n"
    "# Promote\n"
    "```yaml promote\nnode: n2\nwithin: 20s\n```\n"
    "```yaml clients\nmove: { to: n2 }\n```\n"
    "```yaml run\nfor: 300ms\n```\n"
    "# Heal\n"
    "```yaml heal\n```\n"
    "```yaml wait\nuntil: converged\n```\n"
    "```yaml expect\nall: { lost_writes: none, ghost_writes: none }\n```\n";

static void open_lab_drill(const char *cluster, unsigned user)
{
    const char *why = program_lacks_namespaces(user);
    if (why)
        cr_skip_test("%s", why);
    drill_open(&drill, front, steps);
    drill_use_cluster(&drill, cluster);
    if (user)
        drill_become(&drill, user);
}

/* Whether a file of the results holds the text. */
static bool results_hold(const char *name, const char *text)
{
    static char whole[4 * 1024 * 1024];
    char path[512];
    (void)snprintf(path, sizeof path, "%s/out/sync/%s", drill.dir, name);
    FILE *from = fopen(path, "re");
    cr_assert_not_null(from, "%s", path);
    whole[fread(whole, 1, sizeof whole - 1, from)] = '\0';
    (void)fclose(from); /* it was only read */
    return strstr(whole, text) != NULL;
}

Test(drill_lab, all_see_each_others_own_addresses, .timeout = 120)
{
    open_lab_drill("store-lab", 0);
    int status = drill_run_whole(&drill, NULL);
    cr_expect_eq(status, 0, "status %d; it told:\n%s", status, drill.told);
    cr_expect(strstr(drill.told, "packets dropped"), "%s", drill.told);
    cr_expect(results_hold("events.jsonl", "\"10.77.2.2:"), "n2's");
    cr_expect(results_hold("events.jsonl", "\"10.77.4.2:"), "of clients.n1");
    cr_expect_not(results_hold("events.jsonl", "\"127.0.0.1:"));
    drill_finish(&drill);
}

/* Puts other lines in place of `lab: true` in the cluster file. */
static void set_lab(const char *lines)
{
    char command[600];
    (void)snprintf(command, sizeof command,
                   "sed -i 's/^lab: true$/%s/' '%s/cluster.yaml'", lines, drill.dir);
    cr_assert_eq(system(command), 0);
}

Test(drill_lab, a_bridge_is_cut_in_the_nodes_own_namespaces, .timeout = 120)
{
    open_lab_drill("store-lab", 0);
    set_lab("lab: { bridge: true }");
    int status = drill_run_whole(&drill, NULL);
    cr_expect_eq(status, 0, "status %d; it told:\n%s", status, drill.told);
    cr_expect(strstr(drill.told, "packets dropped"), "%s", drill.told);
    cr_expect(results_hold("events.jsonl", "\"10.77.0.4:"), "of clients.n1");
    drill_finish(&drill);
}

Test(drill_lab, the_router_may_listen_too, .timeout = 120)
{
    open_lab_drill("store-lab", 0);
    set_lab("lab: true\\nintercept: listen");
    int status = drill_run_whole(&drill, NULL);
    cr_expect_eq(status, 0, "status %d; it told:\n%s", status, drill.told);
    cr_expect_null(strstr(drill.told, "packets dropped"), "%s", drill.told);
    cr_expect(results_hold("events.jsonl", "\"10.77.4.2:"), "of clients.n1");
    drill_finish(&drill);
}

Test(drill_lab, an_ordinary_user_runs_one_too, .timeout = 120)
{
    open_lab_drill("store-lab", NOBODY);
    int status = drill_run_whole(&drill, NULL);
    cr_expect_eq(status, 0, "status %d; it told:\n%s", status, drill.told);
    cr_expect(results_hold("events.jsonl", "\"10.77.4.2:"), "of clients.n1");
    drill_finish(&drill);
}

static void drill_postgresql(unsigned user)
{
    glob_t found;
    if (glob("/usr/lib/postgresql/*/bin/initdb", 0, NULL, &found) != 0)
        cr_skip_test("needs PostgreSQL's server programs");
    globfree(&found);
    open_lab_drill("postgres-lab", user);
    int status = drill_run_whole(&drill, NULL);
    cr_expect_eq(status, 0, "status %d; it told:\n%s", status, drill.told);
    cr_expect(strstr(drill.told, "n2 at 10.77.2.2 is sync"), "%s", drill.told);
    drill_finish(&drill);
}

Test(drill_lab, postgresql_shows_the_standbys_own_address, .timeout = 180)
{
    drill_postgresql(0);
}

Test(drill_lab, postgresql_runs_for_an_ordinary_user, .timeout = 180)
{
    drill_postgresql(NOBODY);
}

Test(drill_lab, clean_removes_the_rest_after_kill_9, .timeout = 120)
{
    static const char *const clean[] = {"clean", NULL};
    open_lab_drill("store-lab", 0);
    drill_start(&drill, NULL);
    cr_assert(drill_await(&drill, "Fault | run"), "%s", drill.told);
    cr_assert_eq(kill(drill.pid, SIGKILL), 0);
    cr_expect_eq(drill_wait(&drill), 128 + SIGKILL);
    cr_expect(drill_wait_unmarked(&drill), "the kernel ends the children");
    drill_spawn(&drill, clean);
    cr_expect_eq(drill_wait(&drill), 0);
    cr_expect(strstr(drill.told, "removed"), "it said what: %s", drill.told);
    drill_finish(&drill);
}

static void interrupt_at(const char *moment, bool twice)
{
    open_lab_drill("store-lab", 0);
    drill_start(&drill, NULL);
    cr_assert(drill_await(&drill, moment), "%s: %s", moment, drill.told);
    cr_assert_eq(kill(drill.pid, SIGINT), 0);
    if (twice)
        (void)kill(drill.pid, SIGINT); /* it may be gone already */
    cr_expect_eq(drill_wait(&drill), 128 + SIGINT, "%s: %s", moment, drill.told);
    drill_finish(&drill);
}

Test(drill_lab, ctrl_c_leaves_nothing, .timeout = 120)
{
    interrupt_at("sync | starting", false);
    interrupt_at("Fault | run", false);
    interrupt_at("Fault | run", true);
}
