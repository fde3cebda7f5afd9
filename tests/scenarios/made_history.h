/* SPDX-License-Identifier: MIT */
/* Small histories written as tables, and their judgement. */
#ifndef NETSPLIT_TESTS_SCENARIOS_MADE_HISTORY_H
#define NETSPLIT_TESTS_SCENARIOS_MADE_HISTORY_H

#include "scenarios/checkers/judge.h"

struct made {
    unsigned from_ms, to_ms; /* to_ms 0: never answered; events: from_ms */
    int process;
    enum history_f f;
    int64_t key, element;   /* cas: puts element in place of expected */
    const char *saw;        /* ok reads: "1 2 3" a list, "=5" a register, NULL nil */
    enum history_type type; /* HISTORY_INVOKE, that is 0: ok */
    int node;               /* of n1, n2, n3: 1, 2, 3; 0 = none said */
    bool final, probe;
    int64_t expected;
    const char *event, *text; /* an event instead of an operation */
};

/* nodes is how many of n1, n2, n3 there are. The caller owns the history. */
struct history *make_history(const struct made *rows, size_t n, int nodes);

struct judged {
    struct history *history;
    struct judgement judgement;
};
/* Makes and judges; end it with judged_free(). */
struct judged judge_made(const struct made *rows, size_t n, int nodes,
                         const char *model);
void judged_free(struct judged *judged);

#define JUDGE(rows, nodes, model)                                                      \
    judge_made((rows), sizeof(rows) / sizeof *(rows), (nodes), (model))

/* Asserts a known value. */
void expect_measure(const struct judged *judged, enum measure measure, uint64_t wanted);
void expect_not_known(const struct judged *judged, enum measure measure);
void expect_verdict(const struct judged *judged, const char *checker,
                    enum verdict wanted);
void expect_fate(const struct judged *judged, size_t operation, enum fate wanted);

#endif
