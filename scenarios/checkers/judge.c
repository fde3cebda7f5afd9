/* SPDX-License-Identifier: MIT */
/* The tables of checkers and models, and the one way through them. Checkers run in the
 * order of the table: those behind use the fates that those before have set. */
#include "scenarios/checkers/judge.h"
#include "proxy/base/memory.h"
#include "rules/nearest.h"
#include "scenarios/checkers/catalogue.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct checker *const table[] = {
    &checker_set,          &checker_staleness,   &checker_sessions,
    &checker_linearizable, &checker_split_brain, &checker_availability,
    &checker_convergence,
};
enum { TABLE_LENGTH = sizeof table / sizeof *table };
_Static_assert((int)TABLE_LENGTH <= (int)JUDGE_CHECKERS, "room for all checkers");

const struct model models[] = {
    {"set",
     "no acknowledged element is lost, none appears twice or from nowhere",
     {"set", NULL}},
    {"append",
     "the same of lists, and all nodes order their elements alike",
     {"set", NULL}},
    {"register",
     "reads, writes and compare-and-set fit one order in real time",
     {"linearizable", NULL}},
    {"sessions",
     "each process reads its own writes, and never goes back in time",
     {"sessions", NULL}},
    {"fresh",
     "each read sees every surviving write acknowledged before it began",
     {"staleness", NULL}},
    {"single-copy",
     "the cluster is not to be told from one server that never fails",
     {"set", "staleness", "sessions", "linearizable", "split-brain", "convergence",
      NULL}},
    {NULL, NULL, {NULL}},
};

const struct checker *checker_at(size_t index)
{
    return index < TABLE_LENGTH ? table[index] : NULL;
}

const struct model *model_find(const char *name, const char **near)
{
    const char *names[sizeof models / sizeof *models];
    size_t n = 0;
    for (const struct model *model = models; model->name; model++) {
        if (strcmp(model->name, name) == 0)
            return model;
        names[n++] = model->name;
    }
    if (near)
        *near = nearest_word(name, names, n);
    return NULL;
}

static bool asks_for(const struct model *model, const char *checker)
{
    for (size_t i = 0; model->checkers[i]; i++)
        if (strcmp(model->checkers[i], checker) == 0)
            return true;
    return false;
}

static void set_first_fates(struct judgement *judgement)
{
    static const enum fate fates[] = {
        [HISTORY_INVOKE] = FATE_UNKNOWN,
        [HISTORY_OK] = FATE_KEPT,
        [HISTORY_FAIL] = FATE_FAILED,
        [HISTORY_INFO] = FATE_UNKNOWN,
    };
    size_t n = judgement->operations.n;
    judgement->fates = xcalloc(n, sizeof *judgement->fates);
    for (size_t i = 0; i < n; i++)
        judgement->fates[i] = fates[judgement->operations.items[i].type];
}

static void run_checkers(struct judgement *judgement, const struct model *model)
{
    bool any = false;
    for (size_t i = 0; i < TABLE_LENGTH; i++) {
        struct check_output output = {
            .measures = &judgement->measures,
            .evidence = &judgement->evidence,
            .fates = judgement->fates,
        };
        if (!table[i]->applies(&judgement->input))
            continue;
        struct judged_checker *judged =
            &judgement->checkers[judgement->checker_count++];
        judged->checker = table[i];
        judged->counts = asks_for(model, table[i]->name);
        judged->result = table[i]->check(&judgement->input, &output);
        any |= judged->counts;
        if (judged->counts && judged->result.verdict > judgement->verdict)
            judgement->verdict = judged->result.verdict;
    }
    if (!any)
        judgement->verdict = VERDICT_UNKNOWN;
}

int judge_history(const struct history *history, const struct model *model,
                  struct judgement *out, struct errmsg *err)
{
    struct operations operations;
    int status = history_pair(history, &operations, err);
    if (status)
        return status;
    *out = (struct judgement){.operations = operations};
    check_input_fill(history, &out->operations, &out->input);
    set_first_fates(out);
    run_checkers(out, model);
    return 0;
}

void judgement_free(struct judgement *judgement)
{
    check_input_free(&judgement->input);
    operations_free(&judgement->operations);
    evidence_free(&judgement->evidence);
    free(judgement->fates);
    *judgement = (struct judgement){0};
}
