/* SPDX-License-Identifier: MIT */
#include "tests/scenarios/made_history.h"
#include "proxy/base/memory.h"
#include "proxy/base/now.h"

#include <criterion/criterion.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

struct moment {
    unsigned at_ms;
    bool completes;
    const struct made *row;
};

/* Completions before invocations, then as written. */
static int by_time(const void *a, const void *b)
{
    const struct moment *x = a, *y = b;
    if (x->at_ms != y->at_ms)
        return x->at_ms < y->at_ms ? -1 : 1;
    if (x->completes != y->completes)
        return x->completes ? -1 : 1;
    return x->row < y->row ? -1 : 1;
}

static size_t parse_list(const char *text, int64_t *items)
{
    size_t n = 0;
    char *end;
    for (const char *at = text; *at; at = end) {
        items[n++] = strtoll(at, &end, 10);
        end += strspn(end, " ");
    }
    return n;
}

static struct history_value value_of(const struct made *row, bool completes,
                                     int64_t *items)
{
    struct history_value value = {.kind = HISTORY_INTEGER, .integer = row->element};
    if (row->f == HISTORY_CAS)
        return (struct history_value){.kind = HISTORY_PAIR,
                                      .pair = {row->expected, row->element}};
    if (row->f != HISTORY_READ)
        return value;
    if (!completes || !row->saw)
        return (struct history_value){0};
    if (*row->saw == '=')
        value.integer = strtoll(row->saw + 1, NULL, 10);
    else
        value = (struct history_value){.kind = HISTORY_LIST,
                                       .list = {items, parse_list(row->saw, items)}};
    return value;
}

static void record_moment(struct history *history, const struct moment *moment)
{
    const struct made *row = moment->row;
    int64_t items[256];
    uint64_t time_ns = moment->at_ms * NS_PER_MS;
    if (row->event) {
        (void)history_record_event(history, time_ns, row->event, row->text);
        return;
    }
    struct history_record record = {
        .time_ns = time_ns,
        .process = row->process,
        .f = row->f,
        .key = row->key,
        .node = (int16_t)(row->node - 1),
        .final = row->final,
        .probe = row->probe,
        .value = value_of(row, moment->completes, items),
    };
    if (moment->completes)
        record.type = row->type == HISTORY_INVOKE ? HISTORY_OK : row->type;
    (void)history_record(history, &record);
}

struct history *make_history(const struct made *rows, size_t n, int nodes)
{
    static const char *const names[] = {"n1", "n2", "n3"};
    struct history *history = history_create();
    struct moment *moments = xcalloc(2 * n, sizeof *moments);
    size_t count = 0;
    history_begin(history, 0, names, (size_t)nodes);
    for (size_t i = 0; i < n; i++) {
        moments[count++] = (struct moment){rows[i].from_ms, false, &rows[i]};
        if (rows[i].to_ms)
            moments[count++] = (struct moment){rows[i].to_ms, true, &rows[i]};
    }
    qsort(moments, count, sizeof *moments, by_time);
    for (size_t i = 0; i < count; i++)
        record_moment(history, &moments[i]);
    free(moments);
    return history;
}

struct judged judge_made(const struct made *rows, size_t n, int nodes,
                         const char *model)
{
    struct judged judged = {.history = make_history(rows, n, nodes)};
    const char *near;
    struct errmsg err = {""};
    cr_assert_eq(judge_history(judged.history, model_find(model, &near),
                               &judged.judgement, &err),
                 0, "%s", err.text);
    return judged;
}

void judged_free(struct judged *judged)
{
    judgement_free(&judged->judgement);
    history_destroy(judged->history);
}

void expect_measure(const struct judged *judged, enum measure measure, uint64_t wanted)
{
    struct measure_value value = judged->judgement.measures.values[measure];
    const char *name = measure_row(measure)->name;
    cr_expect(value.known, "%s is not known", name);
    cr_expect(!value.known || value.value == wanted,
              "%s is %" PRIu64 ", wanted %" PRIu64, name, value.value, wanted);
}

void expect_not_known(const struct judged *judged, enum measure measure)
{
    cr_expect(!judged->judgement.measures.values[measure].known, "%s is known",
              measure_row(measure)->name);
}

void expect_verdict(const struct judged *judged, const char *checker,
                    enum verdict wanted)
{
    for (size_t i = 0; i < judged->judgement.checker_count; i++) {
        const struct judged_checker *row = &judged->judgement.checkers[i];
        if (strcmp(row->checker->name, checker) != 0)
            continue;
        cr_expect_eq(row->result.verdict, wanted, "%s says %s: %s", checker,
                     verdict_name(row->result.verdict), row->result.why);
        return;
    }
    cr_expect(false, "%s did not apply", checker);
}

void expect_fate(const struct judged *judged, size_t operation, enum fate wanted)
{
    cr_expect_eq(judged->judgement.fates[operation], wanted, "operation %zu is %s",
                 operation, fate_name(judged->judgement.fates[operation]));
}
