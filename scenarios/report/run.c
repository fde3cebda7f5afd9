/* SPDX-License-Identifier: MIT */
/* Names of a result's words, how modes make a run, and its end. */
#include "scenarios/report/run.h"

#include "proxy/base/exits.h"

#include <stdio.h>
#include <stdlib.h>

const char *run_verdict_name(enum run_verdict verdict)
{
    static const char *const names[] = {
        [RUN_PASS] = "pass",
        [RUN_INCONCLUSIVE] = "inconclusive",
        [RUN_FAIL] = "fail",
        [RUN_ABORTED] = "aborted",
    };
    return names[verdict];
}

const char *run_reason_name(enum run_reason reason)
{
    static const char *const names[] = {
        [RUN_NO_REASON] = "",
        [RUN_NOT_FELT] = "not-felt",
        [RUN_CONTROL_SILENT] = "control-silent",
        [RUN_TOO_FEW_OPERATIONS] = "too-few-operations",
        [RUN_UNSTABLE_BASELINE] = "unstable-baseline",
        [RUN_DRIVER_ERROR] = "driver-error",
        [RUN_EXPECTATION_UNMET] = "expectation-unmet",
        [RUN_STEP_FAILED_REASON] = "step-failed",
        [RUN_HISTORY_INVALID] = "history-invalid",
        [RUN_STOP_CONDITION] = "stop-condition",
        [RUN_INTERRUPTED] = "interrupted",
        [RUN_CLUSTER_NOT_STARTED] = "cluster-not-started",
    };
    return names[reason];
}

const char *run_step_status_name(enum run_step_status status)
{
    static const char *const names[] = {
        [RUN_STEP_NOT_REACHED] = "not reached",
        [RUN_STEP_DONE] = "done",
        [RUN_STEP_FAILED] = "failed",
        [RUN_STEP_CONTINUED] = "failed, went on",
        [RUN_STEP_SKIPPED] = "skipped",
    };
    return names[status];
}

void run_merge(struct run *run)
{
    for (size_t i = 0; i < run->n_modes; i++) {
        const struct run_mode *mode = &run->modes[i];
        if (mode->verdict <= run->verdict)
            continue; /* a run begins as a pass */
        run->verdict = mode->verdict;
        run->reason = mode->reason;
        run->why = mode->why ? arena_print(&run->arena, "%s: %s", mode->name, mode->why)
                             : NULL;
    }
}

static bool has_reason(const struct run *run, enum run_reason reason)
{
    for (size_t i = 0; i < run->n_modes; i++)
        if (run->modes[i].reason == reason)
            return true;
    return false;
}

int run_exit_status(const struct run *run)
{
    if (has_reason(run, RUN_CLUSTER_NOT_STARTED))
        return EXIT_ENVIRONMENT;
    switch (run->verdict) {
    case RUN_PASS:
        return EXIT_DONE;
    case RUN_INCONCLUSIVE:
        return EXIT_INCONCLUSIVE;
    case RUN_FAIL:
        return EXIT_FAILED;
    case RUN_ABORTED:
        return EXIT_ABORTED;
    }
    return EXIT_INCONCLUSIVE;
}

static void close_mode(struct run_mode *mode)
{
    if (mode->judged)
        judgement_free(&mode->judgement);
    history_destroy(mode->history);
    free(mode->windows);
    free(mode->roles);
    free(mode->primaries);
    free(mode->links);
    for (size_t i = 0; i < mode->n_probes; i++)
        free(mode->probes[i].samples);
}

void run_destroy(struct run *run)
{
    if (!run)
        return;
    for (size_t i = 0; i < run->n_modes; i++)
        close_mode(&run->modes[i]);
    arena_close(&run->arena);
    free(run);
}
