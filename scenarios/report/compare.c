/* SPDX-License-Identifier: MIT */
/* One mode of two drills, side by side, out of their report.json. Steps come first, those
 * that became slower at the top, for a runbook is judged by its steps; then every measure
 * that either drill knows, with its change. Nothing is judged here. What one of them does
 * not have is left out, so that reports of different versions can be compared. */
#include "scenarios/report/compare.h"

#include "proxy/base/memory.h"
#include "scenarios/checkers/measure.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CELL_BYTES = 64 };

const char *compare_text(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    return text ? text : "-";
}

struct step_change {
    const json_t *step; /* of the second; borrowed */
    double before_ms, after_ms;
};

static double length_of(const json_t *step)
{
    return json_number_value(json_object_get(step, "end_ms")) -
           json_number_value(json_object_get(step, "start_ms"));
}

static bool was_reached(const json_t *step)
{
    return strcmp(compare_text(step, "status"), "not reached") != 0;
}

static bool is_alike(const json_t *a, const json_t *b)
{
    return strcmp(compare_text(a, "verb"), compare_text(b, "verb")) == 0 &&
           strcmp(compare_text(a, "heading"), compare_text(b, "heading")) == 0;
}

/* The step of the first drill that the one at index i of the second is: the same verb
 * below the same heading, as often as it comes there. Lines may have moved. */
static const json_t *find_before(const json_t *before, const json_t *after, size_t i)
{
    const json_t *step = json_array_get(after, i);
    size_t ordinal = 0;
    for (size_t k = 0; k < i; k++)
        ordinal += is_alike(json_array_get(after, k), step);
    for (size_t k = 0; k < json_array_size(before); k++)
        if (is_alike(json_array_get(before, k), step) && ordinal-- == 0)
            return json_array_get(before, k);
    return NULL;
}

static int by_slowdown(const void *a, const void *b)
{
    const struct step_change *left = a, *right = b;
    double l = left->after_ms - left->before_ms;
    double r = right->after_ms - right->before_ms;
    return (l < r) - (l > r);
}

void compare_print_steps(const json_t *before, const json_t *after)
{
    size_t n = 0;
    struct step_change *changes = xcalloc(json_array_size(after) + 1, sizeof *changes);
    for (size_t i = 0; i < json_array_size(after); i++) {
        const json_t *step = json_array_get(after, i);
        const json_t *old = find_before(before, after, i);
        if (old && was_reached(old) && was_reached(step))
            changes[n++] = (struct step_change){step, length_of(old), length_of(step)};
    }
    qsort(changes, n, sizeof *changes, by_slowdown);
    printf("  %-36s %12s %12s %12s\n", "steps, the slower ones first", "first",
           "second", "change");
    for (size_t i = 0; i < n; i++) {
        char name[256];
        (void)snprintf(name, sizeof name, "%s, %s",
                       compare_text(changes[i].step, "verb"),
                       compare_text(changes[i].step, "heading"));
        printf("  %-36.36s %9.0f ms %9.0f ms %+9.0f ms\n", name, changes[i].before_ms,
               changes[i].after_ms, changes[i].after_ms - changes[i].before_ms);
    }
    free(changes);
}

/* "+12 (+40 %)"; "=" without one; "" where there is nothing to subtract. */
static void tell_change(enum measure measure, struct measure_value before,
                        struct measure_value after, char *text)
{
    char span[CELL_BYTES];
    bool more = after.value > before.value;
    uint64_t by = more ? after.value - before.value : before.value - after.value;
    text[0] = '\0';
    if (!before.known || !after.known ||
        measure_row(measure)->unit == MEASURE_UNIT_BOOLEAN)
        return;
    if (by == 0) {
        (void)snprintf(text, CELL_BYTES, "=");
        return;
    }
    if (before.value == MEASURE_NEVER || after.value == MEASURE_NEVER)
        return;
    measure_format(measure, (struct measure_value){true, by}, span, sizeof span);
    if (before.value > 0)
        (void)snprintf(text, CELL_BYTES, "%c%.30s (%+.0f %%)", more ? '+' : '-', span,
                       (more ? 100.0 : -100.0) * (double)by / (double)before.value);
    else
        (void)snprintf(text, CELL_BYTES, "%c%.30s", more ? '+' : '-', span);
}

static const char *tell_worth(enum measure measure, struct measure_value before,
                              struct measure_value after)
{
    enum measure_better better = measure_row(measure)->better;
    if (!before.known || !after.known || before.value == after.value ||
        better == MEASURE_BETTER_NEITHER)
        return "";
    return (after.value > before.value) == (better == MEASURE_BETTER_HIGH) ? "  better"
                                                                           : "  worse";
}

void compare_print_measures(const json_t *first, const json_t *second)
{
    struct measures before, after;
    measures_from_json(first, &before);
    measures_from_json(second, &after);
    printf("  %-36s %12s %12s  change\n", "measures", "first", "second");
    for (int i = 0; i < MEASURE_COUNT; i++) {
        enum measure measure = (enum measure)i;
        struct measure_value old = before.values[i], new = after.values[i];
        char left[CELL_BYTES], right[CELL_BYTES], change[CELL_BYTES];
        if (!old.known && !new.known)
            continue;
        tell_change(measure, old, new, change);
        printf("  %-36s %12s %12s  %s%s\n", measure_row(measure)->name,
               measure_format(measure, old, left, sizeof left),
               measure_format(measure, new, right, sizeof right), change,
               tell_worth(measure, old, new));
    }
}
