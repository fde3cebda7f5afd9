/* SPDX-License-Identifier: MIT */
/* netsplit compare: two drills' report.json side by side. Steps come first, those that
 * became slower at the top, for a runbook is judged by its steps; then every measure
 * that either drill knows, with its change. Nothing is judged here: status 0 says that
 * both could be read. */
#include "proxy/base/exits.h"
#include "proxy/base/memory.h"
#include "proxy/base/option.h"
#include "scenarios/checkers/measure.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int cmd_compare(int argc, char **argv); /* seen by main.c, which has the table */

enum { CELL_BYTES = 64 };

static const char *text_of(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    return text ? text : "-";
}

/* --- Steps --- */

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
    return strcmp(text_of(step, "status"), "not reached") != 0;
}

static bool is_alike(const json_t *a, const json_t *b)
{
    return strcmp(text_of(a, "verb"), text_of(b, "verb")) == 0 &&
           strcmp(text_of(a, "heading"), text_of(b, "heading")) == 0;
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

static void print_steps(const json_t *before, const json_t *after)
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
        (void)snprintf(name, sizeof name, "%s, %s", text_of(changes[i].step, "verb"),
                       text_of(changes[i].step, "heading"));
        printf("  %-36.36s %9.0f ms %9.0f ms %+9.0f ms\n", name, changes[i].before_ms,
               changes[i].after_ms, changes[i].after_ms - changes[i].before_ms);
    }
    free(changes);
}

/* --- Measures --- */

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

static void print_measures(const json_t *first, const json_t *second)
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

/* --- Both --- */

static void print_modes(const json_t *first, const json_t *second)
{
    json_t *before = json_object_get(first, "modes");
    json_t *after = json_object_get(second, "modes"), *mode;
    const char *name;
    json_object_foreach(after, name, mode)
    {
        const json_t *old = json_object_get(before, name);
        printf("\n%s: ", name);
        if (!old) {
            printf("only the second has it\n");
            continue;
        }
        printf("%s, then %s\n", text_of(old, "verdict"), text_of(mode, "verdict"));
        print_steps(json_object_get(old, "steps"), json_object_get(mode, "steps"));
        print_measures(json_object_get(old, "measures"),
                       json_object_get(mode, "measures"));
    }
    json_object_foreach(before, name, mode)
    {
        if (!json_object_get(after, name))
            printf("\n%s: only the first has it\n", name);
    }
}

static void print_head(const char *which, const char *directory, const json_t *report)
{
    printf("%-7s %s, %s on %s, seed %" JSON_INTEGER_FORMAT ": %s (%s)\n", which,
           text_of(report, "started"), text_of(report, "playbook"),
           text_of(report, "cluster"),
           json_integer_value(json_object_get(report, "seed")),
           text_of(report, "verdict"), directory);
}

static void warn_of_difference(const json_t *first, const json_t *second,
                               const char *key)
{
    if (strcmp(text_of(first, key), text_of(second, key)) != 0)
        printf("note: the two differ in their %s: %s, %s\n", key, text_of(first, key),
               text_of(second, key));
}

static json_t *load(const char *directory)
{
    json_error_t error;
    char *path = xasprintf("%s/report.json", directory);
    json_t *report = json_load_file(path, 0, &error);
    if (report && !json_is_object(json_object_get(report, "modes"))) {
        (void)snprintf(error.text, sizeof error.text, "it is no drill's report");
        json_decref(report);
        report = NULL;
    }
    char *repeated = xasprintf("%s/repeat.json", directory);
    if (!report)
        fprintf(stderr,
                "netsplit compare: %s: %s; what is compared are the directories of two "
                "drills%s\n",
                path, error.text,
                access(repeated, F_OK) == 0 ? ", as each of the numbered ones in it"
                                            : "");
    free(repeated);
    free(path);
    return report;
}

int cmd_compare(int argc, char **argv)
{
    static const struct option_row rows[] = {{0}};
    static const struct option_command command = {
        .name = "compare",
        .usage = "DIR DIR",
        .help = "Shows two drills side by side: how long each step took, the slower\n"
                "ones first, and every measure with its change, mode by mode.",
        .rows = rows,
    };
    int rest = 0;
    int ends = option_begin(&command, argc, argv, false, &rest);
    if (ends != OPTION_GOES_ON)
        return ends;
    if (argc - rest != 2)
        return option_complain(&command, "which two directories?");
    json_t *first = load(argv[rest]), *second = load(argv[rest + 1]);
    if (first && second) {
        print_head("first", argv[rest], first);
        print_head("second", argv[rest + 1], second);
        warn_of_difference(first, second, "playbook");
        warn_of_difference(first, second, "cluster");
        warn_of_difference(first, second, "variables");
        print_modes(first, second);
    }
    int status = first && second ? EXIT_DONE : EXIT_USAGE;
    json_decref(first);
    json_decref(second);
    return status;
}
