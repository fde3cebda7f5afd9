/* SPDX-License-Identifier: MIT */
/* The catalogue, and how values look to people and in JSON. What a measure means is
 * its row's help; how it is computed stands where it is: scenarios/checkers/. */
#include "scenarios/checkers/measure.h"
#include "proxy/base/now.h"
#include "rules/nearest.h"
#include "rules/unit.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PER_1000_S = 1000 };

#define LOW     MEASURE_BETTER_LOW
#define HIGH    MEASURE_BETTER_HIGH
#define NEITHER MEASURE_BETTER_NEITHER
#define COUNT(name, better, harm, help)                                                \
    {                                                                                  \
        name, name, MEASURE_UNIT_COUNT, better, harm, help                             \
    }
#define DURATION(name, harm, help)                                                     \
    {                                                                                  \
        name, name "_ms", MEASURE_UNIT_DURATION, LOW, harm, help                       \
    }
#define FREQUENCY(name, help)                                                          \
    {                                                                                  \
        name, name "_per_s", MEASURE_UNIT_FREQUENCY, HIGH, false, help                 \
    }
#define LATENCY(f, window, when, of)                                                   \
    DURATION(f "_latency." window ".p50", false,                                       \
             "median latency of ok " of " invoked " when),                             \
        DURATION(f "_latency." window ".p95", false,                                   \
                 "95th percentile of the latency of ok " of " invoked " when),         \
        DURATION(f "_latency." window ".p99", false,                                   \
                 "99th percentile of the latency of ok " of " invoked " when),         \
        DURATION(f "_latency." window ".max", false,                                   \
                 "longest latency of ok " of " invoked " when)
#define LATENCIES(f, of)                                                               \
    LATENCY(f, "before", "before the first fault", of),                                \
        LATENCY(f, "during", "from the first fault to the last heal", of),             \
        LATENCY(f, "after", "after the last heal", of)

static const struct measure_row rows[] = {
    COUNT("acked", NEITHER, false, "writes that were acknowledged (ok)"),
    COUNT("lost_writes", LOW, true,
          "acknowledged writes that are in no node's final read"),
    COUNT("recovered_writes", NEITHER, false,
          "writes with an unknown outcome (info) that are in a final read"),
    COUNT("ghost_writes", LOW, true,
          "writes that failed and yet were read, and elements that nobody wrote"),
    COUNT("duplicates", LOW, true,
          "appearances of an element beyond the first in a node's final read; the node "
          "with the most counts"),
    DURATION("rpo", true,
             "from the first lost write to the last acknowledged one, both at the old "
             "primary"),
    COUNT(
        "stale_reads", LOW, true,
        "ok reads that missed a write acknowledged before they began and not yet lost"),
    DURATION("staleness.p50", true, "by how long stale reads were behind: the median"),
    DURATION("staleness.p99", true,
             "by how long stale reads were behind: the 99th percentile"),
    DURATION("staleness.max", true, "by how long stale reads were behind: the most"),
    COUNT("read_your_writes", LOW, true,
          "reads that missed an acknowledged write of their own process"),
    COUNT("monotonic_reads", LOW, true,
          "reads that missed what their process had read before"),
    COUNT("monotonic_writes", LOW, true,
          "reads that missed a process's earlier write though a later one of it had "
          "been read, or that show them in the wrong order"),
    COUNT("writes_follow_reads", LOW, true,
          "reads that missed what the writer of a write they know had read before "
          "writing it"),
    {"linearizable", "linearizable", MEASURE_UNIT_BOOLEAN, HIGH, true,
     "whether all operations fit one order that respects real time"},
    DURATION("unavailable", false,
             "longest time from the first fault to the end without an ok write "
             "completed, by any process"),
    DURATION("detection", false, "from the first fault until it was noticed"),
    DURATION("rto_first", false,
             "from the first fault to the completion of the first write, invoked after "
             "it, that survives"),
    DURATION("rto_steady", false,
             "from the first fault until the rate and latency of surviving writes are "
             "back within the baseline's band and stay there"),
    DURATION("split_brain", true, "time during which two nodes acknowledged writes"),
    DURATION("convergence", false,
             "from the last heal until every node was read to hold, and keeps, all "
             "surviving writes acknowledged before it"),
    COUNT("timeouts", LOW, false, "operations with an unknown outcome (info)"),
    COUNT("operations.during", NEITHER, false,
          "operations invoked from the first fault to the last heal"),
    FREQUENCY("throughput", "ok operations per second"),
    FREQUENCY("throughput.before",
              "ok operations per second, of those invoked before the first fault"),
    FREQUENCY("throughput.during",
              "ok operations per second, of those invoked from the first fault to the "
              "last heal"),
    FREQUENCY("throughput.after",
              "ok operations per second, of those invoked after the last heal"),
    LATENCIES("write", "writes"),
    LATENCIES("read", "reads"),
};
_Static_assert(sizeof rows / sizeof *rows == MEASURE_COUNT, "a row for each measure");

const struct measure_row *measure_row(enum measure measure)
{
    return &rows[measure];
}

int measure_find(const char *name, enum measure *out, const char **near)
{
    const char *names[MEASURE_COUNT];
    for (size_t i = 0; i < MEASURE_COUNT; i++) {
        names[i] = rows[i].name;
        if (strcmp(name, rows[i].name) != 0)
            continue;
        *out = (enum measure)i;
        return 0;
    }
    if (near)
        *near = nearest_word(name, names, MEASURE_COUNT);
    return -ENOENT;
}

void measure_set(struct measures *measures, enum measure measure, uint64_t value)
{
    measures->values[measure] = (struct measure_value){.known = true, .value = value};
}

bool measure_shows_harm(const struct measures *measures, enum measure measure)
{
    struct measure_value value = measures->values[measure];
    if (value.known && rows[measure].unit == MEASURE_UNIT_DURATION &&
        value.value == MEASURE_NEVER)
        return true;
    if (!value.known || !rows[measure].harm)
        return false;
    return rows[measure].unit == MEASURE_UNIT_BOOLEAN ? value.value == 0
                                                      : value.value > 0;
}

static void format_grouped(uint64_t value, char *text, size_t text_bytes)
{
    char digits[32];
    int n = snprintf(digits, sizeof digits, "%" PRIu64, value);
    size_t at = 0;
    for (int i = 0; i < n && at + 2 < text_bytes; i++) {
        if (i && (n - i) % 3 == 0)
            text[at++] = ',';
        text[at++] = digits[i];
    }
    text[at] = '\0';
}

/* Three significant digits are what a person can use. */
static void format_duration(uint64_t ns, char *text, size_t text_bytes)
{
    uint64_t unit = 1;
    while (ns / unit >= 1000)
        unit *= 10;
    uint64_t rounded = (ns + unit / 2) / unit * unit;
    (void)unit_format_duration(rounded, text, text_bytes);
}

const char *measure_format(enum measure measure, struct measure_value value, char *text,
                           size_t text_bytes)
{
    enum measure_unit unit = rows[measure].unit;
    if (!value.known)
        (void)snprintf(text, text_bytes, "-");
    else if (unit == MEASURE_UNIT_BOOLEAN)
        (void)snprintf(text, text_bytes, "%s", value.value ? "yes" : "no");
    else if (unit == MEASURE_UNIT_DURATION && value.value == MEASURE_NEVER)
        (void)snprintf(text, text_bytes, "never");
    else if (unit == MEASURE_UNIT_DURATION)
        format_duration(value.value, text, text_bytes);
    else if (unit == MEASURE_UNIT_FREQUENCY)
        (void)snprintf(text, text_bytes, "%.*f/s",
                       value.value < 10 * PER_1000_S ? 1 : 0,
                       (double)value.value / PER_1000_S);
    else
        format_grouped(value.value, text, text_bytes);
    return text;
}

enum measure measure_latency(bool writes, enum measure_window window,
                             enum measure_quantile quantile)
{
    int first =
        writes ? MEASURE_WRITE_LATENCY_BEFORE_P50 : MEASURE_READ_LATENCY_BEFORE_P50;
    return (enum measure)(first + 4 * (int)window + (int)quantile);
}

int measure_before(enum measure measure, enum measure *out)
{
    const char *name = rows[measure].name;
    const char *window = strstr(name, ".during");
    if (!window)
        window = strstr(name, ".after");
    if (!window)
        return -ENOENT;
    char before[64];
    (void)snprintf(before, sizeof before, "%.*s.before%s", (int)(window - name), name,
                   window + 1 + strcspn(window + 1, "."));
    const char *near;
    return measure_find(before, out, &near);
}

static json_t *or_abort(json_t *json)
{
    if (json)
        return json;
    fputs("netsplit: out of memory\n", stderr);
    abort();
}

json_t *measure_value_to_json(enum measure measure, struct measure_value value)
{
    if (!value.known)
        return json_null();
    switch (rows[measure].unit) {
    case MEASURE_UNIT_COUNT:
        return or_abort(json_integer((json_int_t)value.value));
    case MEASURE_UNIT_DURATION:
        if (value.value == MEASURE_NEVER)
            return or_abort(json_string("never"));
        return or_abort(json_real((double)value.value / (double)NS_PER_MS));
    case MEASURE_UNIT_FREQUENCY:
        return or_abort(json_real((double)value.value / PER_1000_S));
    case MEASURE_UNIT_BOOLEAN:
        return json_boolean(value.value);
    }
    return json_null();
}

json_t *measures_to_json(const struct measures *measures)
{
    json_t *object = or_abort(json_object());
    for (size_t i = 0; i < MEASURE_COUNT; i++) {
        json_t *value = measure_value_to_json((enum measure)i, measures->values[i]);
        if (json_object_set_new(object, rows[i].json_name, value) != 0)
            (void)or_abort(NULL);
    }
    return object;
}

static struct measure_value value_from_json(enum measure measure, const json_t *json)
{
    double scale = rows[measure].unit == MEASURE_UNIT_DURATION    ? (double)NS_PER_MS
                   : rows[measure].unit == MEASURE_UNIT_FREQUENCY ? PER_1000_S
                                                                  : 1;
    const char *word = json_string_value(json);
    if (rows[measure].unit == MEASURE_UNIT_BOOLEAN)
        return (struct measure_value){json_is_boolean(json), json_is_true(json)};
    if (word && strcmp(word, "never") == 0)
        return (struct measure_value){true, MEASURE_NEVER};
    if (!json_is_number(json) || json_number_value(json) < 0)
        return (struct measure_value){false, 0};
    return (struct measure_value){true,
                                  (uint64_t)(json_number_value(json) * scale + 0.5)};
}

void measures_from_json(const json_t *object, struct measures *out)
{
    *out = (struct measures){0};
    for (int i = 0; i < MEASURE_COUNT; i++)
        out->values[i] = value_from_json((enum measure)i,
                                         json_object_get(object, rows[i].json_name));
}
