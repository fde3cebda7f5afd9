/* SPDX-License-Identifier: MIT */
/* From a mode's history to its verdict. Nothing here knows which mode it was: what is
 * said follows from the history, from what the faults touched, and from what the
 * playbook expects.
 *
 * What says that the drill is worth nothing (the fault was not felt, nothing was tried)
 * goes before what it found; a failed step before an expectation unmet; and an
 * expectation that demanded harm, the positive control, last. A pass of which not
 * everything could be written down is none. */
#include "scenarios/checkers/checker.h"
#include "scenarios/drill/drill_inside.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { FEW_OPERATIONS = 10 };

static void set_verdict(struct drill_mode *mode, enum run_verdict verdict,
                        enum run_reason reason, const char *why)
{
    mode->out->verdict = verdict;
    mode->out->reason = reason;
    mode->out->why = why;
}

/* Who accepted writes, and when. */
static void fill_roles(struct run_mode *out)
{
    struct check_input input;
    struct check_lane *lanes = NULL;
    check_input_fill(out->history, &out->judgement.operations, &input);
    out->n_roles = check_lanes(&input, &lanes);
    out->roles = xcalloc(out->n_roles, sizeof *out->roles);
    for (size_t i = 0; i < out->n_roles; i++)
        out->roles[i] = (struct run_role){.node = lanes[i].node,
                                          .from_ns = out->base_ns + lanes[i].from_ns,
                                          .to_ns = out->base_ns + lanes[i].to_ns};
    free(lanes);
    check_input_free(&input);
}

/* The ways in which the faults cut, each once: "stall, reset". */
static void fill_how(struct drill_mode *mode)
{
    struct run_mode *out = mode->out;
    out->how = "";
    for (size_t i = 0; i < out->n_windows; i++) {
        const char *how = out->windows[i].how;
        if (how[0] && !strstr(out->how, how))
            out->how = drill_print(mode->drill, "%s%s%s", out->how,
                                   out->how[0] ? ", " : "", how);
    }
}

static const struct model *find_model(const struct drill_mode *mode)
{
    const struct playbook *playbook = mode->drill->playbook;
    for (size_t i = 0; i < playbook->n_steps; i++)
        if (playbook->steps[i].verb->kind == STEP_WORKLOAD)
            return model_find(playbook->steps[i].workload.workload->name, NULL);
    return NULL;
}

static bool judge_mode(struct drill_mode *mode)
{
    struct run_mode *out = mode->out;
    const struct model *model = find_model(mode);
    struct errmsg err = {""};
    char path[PATH_MAX + 32];
    if (history_flush(out->history, &err) != 0)
        judge_unwritten(mode, err.text);
    if (!model || judge_history(out->history, model, &out->judgement, &err) != 0) {
        set_verdict(mode, RUN_INCONCLUSIVE, RUN_DRIVER_ERROR,
                    drill_print(mode->drill, "the history cannot be judged: %s",
                                model ? err.text : "there was no workload"));
        return false;
    }
    out->judged = true;
    fill_roles(out);
    (void)snprintf(path, sizeof path, "%s/results.json", mode->out_dir);
    json_t *json = judgement_to_json(&out->judgement, model);
    errno = 0;
    if (json_dump_file(json, path, JSON_INDENT(2)) != 0)
        judge_unwritten(mode, drill_print(mode->drill, "writing results.json: %s",
                                          strerror(errno ? errno : EIO)));
    json_decref(json);
    return true;
}

static bool is_for(const struct step_expectation *expectation,
                   const struct drill_mode *mode)
{
    return !expectation->mode || strcmp(expectation->mode, mode->out->name) == 0;
}

static void add_expectation(struct drill_mode *mode,
                            const struct step_expectation *expectation)
{
    struct run_mode *out = mode->out;
    const struct measures *measures = &out->judgement.measures;
    char sentence[256];
    out->expectations[out->n_expectations++] = (struct run_expectation){
        .expectation = expectation->expectation,
        .result = expect_evaluate(&expectation->expectation, measures),
        .control = expect_demands_harm(&expectation->expectation),
        .line = expectation->line,
        .sentence =
            drill_keep(mode->drill, expect_format(&expectation->expectation, measures,
                                                  sentence, sizeof sentence)),
    };
}

static void evaluate(struct drill_mode *mode)
{
    const struct playbook *playbook = mode->drill->playbook;
    size_t room = 1;
    for (size_t i = 0; i < playbook->n_steps; i++)
        room += playbook->steps[i].n_expectations;
    mode->out->expectations =
        drill_take(mode->drill, room, sizeof *mode->out->expectations);
    for (size_t i = 0; i < playbook->n_steps; i++)
        for (size_t k = 0; k < playbook->steps[i].n_expectations; k++)
            if (is_for(&playbook->steps[i].expectations[k], mode))
                add_expectation(mode, &playbook->steps[i].expectations[k]);
}

static const struct run_expectation *
find_expectation(const struct run_mode *out, enum expect_result result, bool control)
{
    for (size_t i = 0; i < out->n_expectations; i++)
        if (out->expectations[i].result == result &&
            out->expectations[i].control == control)
            return &out->expectations[i];
    return NULL;
}

static const struct run_window *find_unfelt(const struct run_mode *out)
{
    for (size_t i = 0; i < out->n_windows; i++)
        if (out->windows[i].bytes + out->windows[i].connections +
                out->windows[i].attempts + out->windows[i].packets +
                out->windows[i].acts ==
            0)
            return &out->windows[i];
    return NULL;
}

static const struct run_window *find_unfelt_between(const struct run_mode *out)
{
    for (size_t i = 0; i < out->n_windows; i++)
        if (out->windows[i].is_between && !out->windows[i].is_felt_between)
            return &out->windows[i];
    return NULL;
}

static const struct run_step *find_failed(const struct run_mode *out)
{
    for (size_t i = 0; i < out->n_steps; i++)
        if (out->steps[i].status == RUN_STEP_FAILED)
            return &out->steps[i];
    return NULL;
}

/* Whether the run says anything at all. */
static bool is_conclusive(struct drill_mode *mode)
{
    struct run_mode *out = mode->out;
    const struct measure_value *values = out->judgement.measures.values;
    const struct run_window *unfelt = find_unfelt(out);
    const struct run_window *beside = find_unfelt_between(out);
    struct measure_value during = values[MEASURE_OPERATIONS_DURING];
    struct measure_value before = values[MEASURE_THROUGHPUT_BEFORE];
    if (beside)
        set_verdict(
            mode, RUN_INCONCLUSIVE, RUN_NOT_FELT,
            drill_print(mode->drill,
                        "the fault \"%s\" touched nothing of what the nodes say "
                        "to each other: %" PRIu64
                        " connections pass the proxy by (\"netsplit ctl adopt\" "
                        "in a step before it makes them come back through it)",
                        beside->name, out->felt.bypassing));
    else if (unfelt)
        set_verdict(mode, RUN_INCONCLUSIVE, RUN_NOT_FELT,
                    drill_print(mode->drill,
                                "the fault \"%s\" touched no byte and no connection",
                                unfelt->name));
    else if (out->n_windows > 0 && during.known && during.value < FEW_OPERATIONS)
        set_verdict(mode, RUN_INCONCLUSIVE, RUN_TOO_FEW_OPERATIONS,
                    drill_print(mode->drill,
                                "only %" PRIu64
                                " operations were tried under the fault",
                                during.value));
    else if (out->n_windows > 0 && before.known && before.value == 0)
        set_verdict(mode, RUN_INCONCLUSIVE, RUN_UNSTABLE_BASELINE,
                    "nothing was acknowledged before the fault");
    else
        return true;
    return false;
}

static void decide(struct drill_mode *mode)
{
    struct run_mode *out = mode->out;
    const struct run_step *failed = find_failed(out);
    const struct run_expectation *unmet = find_expectation(out, EXPECT_UNMET, false);
    const struct run_expectation *unknown =
        find_expectation(out, EXPECT_UNKNOWN, false);
    const struct run_expectation *silent = find_expectation(out, EXPECT_UNMET, true);
    const char *broken = driver_verdict(mode);
    if (!silent)
        silent = find_expectation(out, EXPECT_UNKNOWN, true);
    if (broken)
        set_verdict(mode, RUN_INCONCLUSIVE, RUN_DRIVER_ERROR, broken);
    else if (failed)
        set_verdict(mode, RUN_FAIL, RUN_STEP_FAILED_REASON,
                    drill_print(mode->drill, "%s on line %" PRIu32 ": %s", failed->verb,
                                failed->line, failed->why));
    else if (!is_conclusive(mode))
        return;
    else if (out->judgement.evidence.total[FINDING_UNEXPECTED] > 0)
        set_verdict(mode, RUN_FAIL, RUN_HISTORY_INVALID,
                    "a read returned what nobody ever wrote");
    else if (unmet)
        set_verdict(mode, RUN_FAIL, RUN_EXPECTATION_UNMET, unmet->sentence);
    else if (unknown)
        set_verdict(mode, RUN_INCONCLUSIVE, RUN_TOO_FEW_OPERATIONS, unknown->sentence);
    else if (silent)
        set_verdict(mode, RUN_INCONCLUSIVE, RUN_CONTROL_SILENT, silent->sentence);
    else
        set_verdict(mode, RUN_PASS, RUN_NO_REASON, NULL);
}

static void take_pass_back(struct drill_mode *mode)
{
    if (mode->unwritten && mode->out->verdict == RUN_PASS)
        set_verdict(mode, RUN_INCONCLUSIVE, RUN_DRIVER_ERROR, mode->unwritten);
}

void judge_unwritten(struct drill_mode *mode, const char *why)
{
    if (!mode->unwritten || strcmp(mode->unwritten, why) != 0)
        term_progress_say(&mode->drill->progress, "%s: %s", mode->mode->name, why);
    if (!mode->unwritten)
        mode->unwritten = drill_keep(mode->drill, why);
    if (mode->state == MODE_DOWN) /* its verdict has been found */
        take_pass_back(mode);
}

/* What is expected was looked at from the end of the processes to the last final read,
 * if the steps went so far. */
static void end_expects(struct drill_mode *mode)
{
    struct run_mode *out = mode->out;
    if (find_failed(out) || out->reason != RUN_NO_REASON)
        return;
    for (size_t i = mode->step; i < out->n_steps; i++) {
        out->steps[i].status = RUN_STEP_DONE;
        out->steps[i].start_ns = out->end_ns;
        out->steps[i].end_ns = now_ns();
        out->phases[out->steps[i].phase].end_ns = out->steps[i].end_ns;
        if (out->phases[out->steps[i].phase].start_ns == 0)
            out->phases[out->steps[i].phase].start_ns = out->end_ns;
    }
}

void drill_judge(struct drill_mode *mode)
{
    bool is_decided = mode->out->reason != RUN_NO_REASON;
    enum run_verdict verdict = mode->out->verdict;
    enum run_reason reason = mode->out->reason;
    const char *why = mode->out->why;
    end_expects(mode);
    fill_how(mode);
    if (judge_mode(mode)) {
        evaluate(mode);
        decide(mode);
    }
    if (is_decided) /* by a stop condition, before the history was judged */
        set_verdict(mode, verdict, reason, why);
    take_pass_back(mode);
}
