/* SPDX-License-Identifier: MIT */
/* Judging a history: pairs it, runs every checker that applies, and merges what those
 * of the model say. All of a drill's numbers come from here, from the history alone, so
 * that `netsplit judge` on a kept history.edn says again what the drill said. */
#ifndef NETSPLIT_SCENARIOS_CHECKERS_JUDGE_H
#define NETSPLIT_SCENARIOS_CHECKERS_JUDGE_H

#include "scenarios/checkers/checker.h"

/* A promise a history can be held to: checkers that must not say invalid. */
struct model {
    const char *name;        /* "append" */
    const char *help;        /* one sentence */
    const char *checkers[8]; /* names; ends with NULL */
};

/* Ends with a row whose name is NULL. */
extern const struct model models[];
/* NULL if unknown; *near, if near is given, is then the nearest name or NULL. */
const struct model *model_find(const char *name, const char **near);

enum { JUDGE_CHECKERS = 16 };
struct judged_checker {
    const struct checker *checker;
    bool counts; /* the model asks for it */
    struct check_result result;
};

struct judgement {
    enum verdict verdict; /* of the model's checkers, merged */
    struct operations operations;
    struct check_input input; /* windows and primaries; borrows operations, history */
    struct measures measures;
    struct evidence evidence;
    enum fate *fates;                               /* operations.n */
    struct judged_checker checkers[JUDGE_CHECKERS]; /* those that applied */
    size_t checker_count;
};

/* Judges. The history must outlive *out, which the caller ends with judgement_free().
 * 0, or -EINVAL: the history is malformed, err names the record. A model whose checker
 * does not apply to the history gives unknown. */
int judge_history(const struct history *history, const struct model *model,
                  struct judgement *out, struct errmsg *err);
void judgement_free(struct judgement *judgement);

/* "append 4711 to 3 by process 3, acknowledged by n1 at 12.4028s: in no final read".
 * Writes at most text_bytes; returns text. */
const char *finding_format(const struct judgement *judgement,
                           const struct finding *finding, char *text,
                           size_t text_bytes);

/* {"verdict", "model", "checkers": [...], "measures": {...}, "findings": {"lost":
 * {"total": N, "items": [...]}, ...}}. New reference. */
json_t *judgement_to_json(const struct judgement *judgement, const struct model *model);

#endif
