/* SPDX-License-Identifier: MIT */
/* Whatever ends a drill, and whenever, nothing is left: no process, no directory, no
 * record; and the program dies of the signal that it was sent. */
#include "drill_fixture.h"

#include <criterion/criterion.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

static struct drill_fixture drill;

static const char steps[] =
    "# Fault\n"
    "```yaml fault\n"
    "partition: [[primary, clients.primary], [standbys, clients.standbys]]\n"
    "```\n"
    "```yaml run\nfor: 1s\n```\n"
    "# Shell\n"
    "```sh step\n(trap '' TERM; sleep 2) & sleep 1\n```\n"
    "# Promote\n"
    "```yaml promote\nnode: n2\nwithin: 20s\n```\n"
    "```yaml clients\nmove: { to: n2 }\n```\n"
    "```yaml run\nfor: 500ms\n```\n"
    "# Heal\n"
    "```yaml heal\n```\n"
    "```yaml run\nfor: 500ms\n```\n"
    "```yaml expect\nall: { lost_writes: at least 1 }\n```\n";

static void open_drill(void)
{
    drill_open(&drill, "modes: [async]\nabort: { duration: 1m }\n", steps);
}

static void expect_nothing_left(const char *when)
{
    cr_expect(drill_wait_unmarked(&drill), "%s: processes are left", when);
    cr_expect_eq(drill_count_left(&drill), 0, "%s: something is left; it told:\n%s",
                 when, drill.told);
}

/* When the progress says this, the signal is sent. */
static const char *const moments[] = {
    "seed ",         "async | starting", "Before | run", "Fault | run", "Shell | step",
    "Promote | run", "Heal | run",       "final reads",  "cleaning up"};
enum { N_MOMENTS = sizeof moments / sizeof *moments };

static void interrupt_at(const char *moment, int number, bool twice)
{
    char when[128];
    (void)snprintf(when, sizeof when, "signal %d%s at \"%s\"", number,
                   twice ? " twice" : "", moment);
    open_drill();
    drill_start(&drill, NULL);
    cr_assert(drill_await(&drill, moment), "%s: it never was there:\n%s", when,
              drill.told);
    cr_assert_eq(kill(drill.pid, number), 0);
    if (twice)
        (void)kill(drill.pid, number); /* it may be gone already */
    int status = drill_wait(&drill);
    /* What is cleaning up may have done so, and reported, when the signal comes. */
    bool was_over = strstr(drill.told, "\nreport  ");
    cr_expect(status == 128 + number || was_over, "%s: status %d; it told:\n%s", when,
              status, drill.told);
    if (strcmp(moment, moments[0]) != 0) /* by then nothing has been made */
        cr_expect(strstr(drill.told, "netsplit drill: everything is undone"),
                  "%s: it told:\n%s", when, drill.told);
    expect_nothing_left(when);
    drill_close(&drill);
}

Test(drill_undo, ctrl_c_at_any_moment_leaves_nothing, .timeout = 300)
{
    for (size_t i = 0; i < N_MOMENTS; i++)
        interrupt_at(moments[i], SIGINT, false);
}

Test(drill_undo, ctrl_c_twice_leaves_nothing, .timeout = 300)
{
    for (size_t i = 0; i < N_MOMENTS; i++)
        interrupt_at(moments[i], SIGINT, true);
}

Test(drill_undo, term_and_hangup_leave_nothing, .timeout = 300)
{
    interrupt_at("Fault | run", SIGTERM, false);
    interrupt_at("Shell | step", SIGHUP, false);
    interrupt_at("async | starting", SIGTERM, true);
}

Test(drill_undo, clean_removes_the_rest_after_kill_9, .timeout = 300)
{
    static const char *const clean[] = {"clean", NULL};
    static const char *const when[] = {"Before | run", "Fault | run", "Shell | step"};
    for (size_t i = 0; i < sizeof when / sizeof *when; i++) {
        open_drill();
        drill_start(&drill, NULL);
        cr_assert(drill_await(&drill, when[i]), "%s", drill.told);
        cr_assert_eq(kill(drill.pid, SIGKILL), 0);
        cr_expect_eq(drill_wait(&drill), 128 + SIGKILL);
        cr_expect(drill_count_left(&drill) > 0, "there is something to clean");
        /* The kernel ends our children, but in its own time; clean leaves alone what
         * still lives. */
        cr_expect(drill_wait_unmarked(&drill), "%s: processes live on", when[i]);
        drill_spawn(&drill, clean);
        cr_expect_eq(drill_wait(&drill), 0);
        cr_expect(strstr(drill.told, "removed"), "it said what: %s", drill.told);
        expect_nothing_left(when[i]);
        drill_spawn(&drill, clean);
        cr_expect_eq(drill_wait(&drill), 0, "again does no harm");
        drill_close(&drill);
    }
}

Test(drill_undo, a_drill_that_is_done_leaves_its_results_only, .timeout = 120)
{
    open_drill();
    int status = drill_run_whole(&drill, NULL);
    cr_expect_eq(status, 0, "status %d; it told:\n%s", status, drill.told);
    expect_nothing_left("done");
    drill_close(&drill);
}
