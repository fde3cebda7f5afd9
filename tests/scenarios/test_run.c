/* SPDX-License-Identifier: MIT */
/* How the verdicts of modes make that of a run, and its exit status. */
#include "proxy/base/memory.h"
#include "scenarios/report/run.h"

#include <criterion/criterion.h>

struct outcome {
    enum run_verdict verdict;
    enum run_reason reason;
};

static struct run *merged(struct outcome first, struct outcome second)
{
    struct run *run = xcalloc(1, sizeof *run);
    run->modes = arena_alloc(&run->arena, 2, sizeof *run->modes);
    run->n_modes = 2;
    run->modes[0] = (struct run_mode){.name = "async",
                                      .verdict = first.verdict,
                                      .reason = first.reason,
                                      .why = "the first"};
    run->modes[1] = (struct run_mode){.name = "sync",
                                      .verdict = second.verdict,
                                      .reason = second.reason,
                                      .why = "the second"};
    run_merge(run);
    return run;
}

Test(run, the_worst_mode_decides)
{
    static const struct {
        struct outcome first, second;
        enum run_verdict verdict;
        enum run_reason reason;
        int status;
    } rows[] = {
        {{RUN_PASS, RUN_NO_REASON},
         {RUN_PASS, RUN_NO_REASON},
         RUN_PASS,
         RUN_NO_REASON,
         0},
        {{RUN_FAIL, RUN_EXPECTATION_UNMET},
         {RUN_INCONCLUSIVE, RUN_NOT_FELT},
         RUN_FAIL,
         RUN_EXPECTATION_UNMET,
         1},
        {{RUN_INCONCLUSIVE, RUN_NOT_FELT},
         {RUN_FAIL, RUN_STEP_FAILED_REASON},
         RUN_FAIL,
         RUN_STEP_FAILED_REASON,
         1},
        {{RUN_PASS, RUN_NO_REASON},
         {RUN_INCONCLUSIVE, RUN_CONTROL_SILENT},
         RUN_INCONCLUSIVE,
         RUN_CONTROL_SILENT,
         4},
        {{RUN_FAIL, RUN_EXPECTATION_UNMET},
         {RUN_ABORTED, RUN_STOP_CONDITION},
         RUN_ABORTED,
         RUN_STOP_CONDITION,
         5},
        {{RUN_PASS, RUN_NO_REASON},
         {RUN_INCONCLUSIVE, RUN_CLUSTER_NOT_STARTED},
         RUN_INCONCLUSIVE,
         RUN_CLUSTER_NOT_STARTED,
         3},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct run *run = merged(rows[i].first, rows[i].second);
        cr_expect_eq(run->verdict, rows[i].verdict, "row %zu", i);
        cr_expect_eq(run->reason, rows[i].reason, "row %zu", i);
        cr_expect_eq(run_exit_status(run), rows[i].status, "row %zu", i);
        run_destroy(run);
    }
}

Test(run, says_which_mode_its_reason_is_about)
{
    struct run *run = merged((struct outcome){RUN_PASS, RUN_NO_REASON},
                             (struct outcome){RUN_FAIL, RUN_EXPECTATION_UNMET});
    cr_expect_str_eq(run->why, "sync: the second");
    run_destroy(run);
}

Test(run, every_word_has_a_name)
{
    cr_expect_str_eq(run_verdict_name(RUN_INCONCLUSIVE), "inconclusive");
    cr_expect_str_eq(run_reason_name(RUN_NO_REASON), "");
    for (int i = RUN_NO_REASON; i <= RUN_CLUSTER_NOT_STARTED; i++)
        cr_expect_not_null(run_reason_name((enum run_reason)i));
    for (int i = RUN_STEP_NOT_REACHED; i <= RUN_STEP_CONTINUED; i++)
        cr_expect_not_null(run_step_status_name((enum run_step_status)i));
}
