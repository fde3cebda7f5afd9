/* SPDX-License-Identifier: MIT */
/* Each series becomes a line: its values, the subject's ratio to it, and what the gate
 * says of that. The subject's own line is judged by its value. A median is within its
 * gate if it misses it by no more than TOLERANCE: single samples differ by as much.
 *
 * A gate that nothing was measured for is not judged, and neither is one on a machine
 * where figures say little; the line says why. */
#include "tests/bench/figure.h"
#include "tests/bench/sample.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TOLERANCE 0.15

/* How one line came out. */
struct outcome {
    bool gated, judged, held;
    size_t n;             /* values behind it; 0: there is no spread */
    struct spread spread; /* of what is judged */
};

static struct spread spread_of(const double *values, size_t n)
{
    double sorted[VALUES_MAX];
    memcpy(sorted, values, sizeof *values * n);
    return sample_spread(sorted, n);
}

void figure_keep(struct figure *figure, unsigned series, double value)
{
    if (figure->n[series] < VALUES_MAX)
        figure->values[series][figure->n[series]++] = value;
}

/* Is it judged by its own values? */
static bool is_own(const struct figure_spec *spec, unsigned series)
{
    return spec->absolute || series == spec->subject;
}

/* The subject's values over the other's, of the same repeats; one in which the other has
 * nothing to compare with (a busy machine may carry no byte) counts for neither. Returns
 * how many. */
static size_t ratios_to(const struct figure *figure, unsigned other, double *ratios)
{
    unsigned subject = figure->spec->subject;
    size_t n = 0;
    for (size_t i = 0; i < figure->n[subject] && i < figure->n[other]; i++)
        if (figure->values[other][i] > 0)
            ratios[n++] = figure->values[subject][i] / figure->values[other][i];
    return n;
}

static bool is_within(const struct figure_spec *spec, const struct gate *gate,
                      const struct spread *spread)
{
    double slack = spec->exact ? 0 : fabs(gate->bound) * TOLERANCE;
    if (spec->low_is_good)
        return (spec->worst ? spread->most : spread->median) <= gate->bound + slack;
    return (spec->worst ? spread->least : spread->median) >= gate->bound - slack;
}

static struct outcome judge(const struct figure *figure, unsigned series,
                            const char *why_not)
{
    const struct figure_spec *spec = figure->spec;
    const struct gate *gate = &spec->gates[series];
    struct outcome outcome = {.gated = gate->set};
    double ratios[VALUES_MAX];
    const double *values = ratios;
    size_t n;
    if (is_own(spec, series)) {
        values = figure->values[series];
        n = figure->n[series];
    } else {
        n = ratios_to(figure, series, ratios);
    }
    outcome.n = n;
    if (n == 0)
        return outcome;
    outcome.spread = spread_of(values, n);
    outcome.judged = gate->set && (!why_not || spec->any_machine);
    outcome.held = outcome.judged && is_within(spec, gate, &outcome.spread);
    return outcome;
}

bool figure_holds(const struct figure *figure, const char *why_not)
{
    for (unsigned i = 0; i < SERIES_MAX; i++) {
        struct outcome outcome = judge(figure, i, why_not);
        if (outcome.judged && !outcome.held)
            return false;
    }
    return true;
}

/* Three digits that count, or all of a large number. */
static int decimals_for(double value)
{
    value = fabs(value);
    return value >= 100 ? 0 : value >= 10 ? 1 : value >= 1 ? 2 : 3;
}

static void format_spread(const struct spread *spread, char *text, size_t text_bytes)
{
    int decimals = decimals_for(spread->median);
    (void)snprintf(text, text_bytes, "%.*f (%.*f to %.*f)", decimals, spread->median,
                   decimals, spread->least, decimals, spread->most);
}

static void print_gate(const struct figure_spec *spec, const struct gate *gate,
                       const struct outcome *outcome, const char *why_not)
{
    if (!gate->set)
        return;
    printf("  %s %g: ", spec->low_is_good ? "at most" : "at least", gate->bound);
    if (!outcome->judged)
        printf("not judged, %s", why_not ? why_not : "nothing to compare with");
    else if (outcome->held)
        printf("ok");
    else
        printf("%s", spec->low_is_good ? "above" : "below");
}

static void print_series(const struct figure *figure, unsigned series,
                         const char *why_not)
{
    const struct figure_spec *spec = figure->spec;
    struct outcome outcome = judge(figure, series, why_not);
    struct spread spread = spread_of(figure->values[series], figure->n[series]);
    char values[64], ratio[64] = "";
    format_spread(&spread, values, sizeof values);
    if (!is_own(spec, series) && outcome.n > 0)
        format_spread(&outcome.spread, ratio, sizeof ratio);
    bool gated = spec->gates[series].set;
    printf("  %-16s%27s%*s", spec->series[series], values, ratio[0] || gated ? 25 : 0,
           ratio);
    print_gate(spec, &spec->gates[series], &outcome, why_not);
    putchar('\n');
}

static bool has_values(const struct figure *figure)
{
    for (unsigned i = 0; i < SERIES_MAX; i++)
        if (figure->n[i] > 0)
            return true;
    return false;
}

static bool has_others(const struct figure *figure)
{
    for (unsigned i = 0; i < SERIES_MAX; i++)
        if (!is_own(figure->spec, i) && figure->n[i] > 0)
            return true;
    return false;
}

void figure_print(const struct figure *figure, const char *why_not)
{
    const struct figure_spec *spec = figure->spec;
    if (!has_values(figure))
        return;
    char title[128];
    (void)snprintf(title, sizeof title, "%s, %s", spec->name, spec->unit);
    if (has_others(figure))
        printf("%-55s%12s / it\n", title, spec->series[spec->subject]);
    else
        puts(title);
    for (unsigned i = 0; i < SERIES_MAX; i++)
        if (figure->n[i] > 0)
            print_series(figure, i, why_not);
}

static json_t *must(json_t *json)
{
    if (!json)
        abort();
    return json;
}

static json_t *spread_to_json(const struct spread *spread)
{
    return must(json_pack("{s:f, s:f, s:f}", "median", spread->median, "least",
                          spread->least, "most", spread->most));
}

static json_t *series_to_json(const struct figure *figure, unsigned series,
                              const char *why_not)
{
    const struct figure_spec *spec = figure->spec;
    struct outcome outcome = judge(figure, series, why_not);
    json_t *json = must(json_object()), *values = must(json_array());
    for (size_t i = 0; i < figure->n[series]; i++)
        (void)json_array_append_new(values, must(json_real(figure->values[series][i])));
    (void)json_object_set_new(json, "values", values);
    if (!is_own(spec, series) && outcome.n > 0)
        (void)json_object_set_new(json, "ratio", spread_to_json(&outcome.spread));
    if (!outcome.gated)
        return json;
    (void)json_object_set_new(json, spec->low_is_good ? "at_most" : "at_least",
                              must(json_real(spec->gates[series].bound)));
    (void)json_object_set_new(
        json, "held", outcome.judged ? json_boolean(outcome.held) : json_null());
    return json;
}

json_t *figure_to_json(const struct figure *figure, const char *why_not)
{
    const struct figure_spec *spec = figure->spec;
    json_t *json =
        must(json_pack("{s:s, s:s, s:s, s:b, s:s}", "part", spec->part, "name",
                       spec->name, "unit", spec->unit, "low_is_good", spec->low_is_good,
                       "subject", spec->series[spec->subject]));
    json_t *all = must(json_object());
    for (unsigned i = 0; i < SERIES_MAX; i++)
        if (figure->n[i] > 0)
            (void)json_object_set_new(all, spec->series[i],
                                      series_to_json(figure, i, why_not));
    (void)json_object_set_new(json, "series", all);
    if (why_not && !spec->any_machine)
        (void)json_object_set_new(json, "not_judged", must(json_string(why_not)));
    return json;
}
