/* SPDX-License-Identifier: MIT */
/* The catalogue of measures: what a drill's history says, as numbers. One name
 * everywhere: in a playbook's expectations, in reports and in report.json. */
#ifndef NETSPLIT_SCENARIOS_CHECKERS_MEASURE_H
#define NETSPLIT_SCENARIOS_CHECKERS_MEASURE_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum measure {
    MEASURE_ACKED = 0,
    MEASURE_LOST_WRITES,
    MEASURE_RECOVERED_WRITES,
    MEASURE_GHOST_WRITES,
    MEASURE_DUPLICATES,
    MEASURE_RPO,
    MEASURE_STALE_READS,
    MEASURE_STALENESS_P50,
    MEASURE_STALENESS_P99,
    MEASURE_STALENESS_MAX,
    MEASURE_READ_YOUR_WRITES,
    MEASURE_MONOTONIC_READS,
    MEASURE_MONOTONIC_WRITES,
    MEASURE_WRITES_FOLLOW_READS,
    MEASURE_LINEARIZABLE,
    MEASURE_UNAVAILABLE,
    MEASURE_DETECTION,
    MEASURE_RTO_FIRST,
    MEASURE_RTO_STEADY,
    MEASURE_SPLIT_BRAIN,
    MEASURE_CONVERGENCE,
    MEASURE_TIMEOUTS,
    MEASURE_OPERATIONS_DURING, /* how much was tried while the fault was in force */
    MEASURE_THROUGHPUT,
    MEASURE_THROUGHPUT_BEFORE,
    MEASURE_THROUGHPUT_DURING,
    MEASURE_THROUGHPUT_AFTER,
    /* Latencies: three windows of four numbers each; see measure_latency(). */
    MEASURE_WRITE_LATENCY_BEFORE_P50,
    MEASURE_WRITE_LATENCY_BEFORE_P95,
    MEASURE_WRITE_LATENCY_BEFORE_P99,
    MEASURE_WRITE_LATENCY_BEFORE_MAX,
    MEASURE_WRITE_LATENCY_DURING_P50,
    MEASURE_WRITE_LATENCY_DURING_P95,
    MEASURE_WRITE_LATENCY_DURING_P99,
    MEASURE_WRITE_LATENCY_DURING_MAX,
    MEASURE_WRITE_LATENCY_AFTER_P50,
    MEASURE_WRITE_LATENCY_AFTER_P95,
    MEASURE_WRITE_LATENCY_AFTER_P99,
    MEASURE_WRITE_LATENCY_AFTER_MAX,
    MEASURE_READ_LATENCY_BEFORE_P50,
    MEASURE_READ_LATENCY_BEFORE_P95,
    MEASURE_READ_LATENCY_BEFORE_P99,
    MEASURE_READ_LATENCY_BEFORE_MAX,
    MEASURE_READ_LATENCY_DURING_P50,
    MEASURE_READ_LATENCY_DURING_P95,
    MEASURE_READ_LATENCY_DURING_P99,
    MEASURE_READ_LATENCY_DURING_MAX,
    MEASURE_READ_LATENCY_AFTER_P50,
    MEASURE_READ_LATENCY_AFTER_P95,
    MEASURE_READ_LATENCY_AFTER_P99,
    MEASURE_READ_LATENCY_AFTER_MAX,
};
enum { MEASURE_COUNT = MEASURE_READ_LATENCY_AFTER_MAX + 1 };

enum measure_unit {
    MEASURE_UNIT_COUNT = 0,
    MEASURE_UNIT_DURATION,  /* kept in ns; shown with its unit; JSON: milliseconds */
    MEASURE_UNIT_FREQUENCY, /* kept in events per 1000 s; JSON: per second */
    MEASURE_UNIT_BOOLEAN,   /* 0 or 1 */
};

enum measure_better {
    MEASURE_BETTER_NEITHER = 0, /* acked: says how much was tried */
    MEASURE_BETTER_LOW,
    MEASURE_BETTER_HIGH,
};

struct measure_row {
    const char *name;      /* "write_latency.during.p99" */
    const char *json_name; /* the same, durations with "_ms" at the end */
    enum measure_unit unit;
    enum measure_better better;
    bool harm;        /* a value above 0 (boolean: false) is painted as harm */
    const char *help; /* its definition, one sentence */
};

/* The row of a measure. */
const struct measure_row *measure_row(enum measure measure);

/* 0 and the measure, or -ENOENT; *near, if near is given, is
 * then the nearest name or NULL. */
int measure_find(const char *name, enum measure *out, const char **near);

/* Known, or not: a workload may be unable to show it (a register cannot show loss), or
 * the history lacks what it needs. Known durations may be MEASURE_NEVER: it did not
 * come back, did not converge. */
#define MEASURE_NEVER UINT64_MAX
struct measure_value {
    bool known;
    uint64_t value;
};

struct measures {
    struct measure_value values[MEASURE_COUNT]; /* zeroed = nothing is known */
};

void measure_set(struct measures *measures, enum measure measure, uint64_t value);

/* Whether it is known and shows harm: for rows that are harm a count or duration above
 * 0, or a boolean that is false; for every duration that it never ended. */
bool measure_shows_harm(const struct measures *measures, enum measure measure);

/* For people: "939", "41.2s", "never", "yes", "400/s", "-" when not known. Writes at
 * most text_bytes with the NUL; returns text. */
const char *measure_format(enum measure measure, struct measure_value value, char *text,
                           size_t text_bytes);

enum measure_window { MEASURE_BEFORE = 0, MEASURE_DURING, MEASURE_AFTER };
enum measure_quantile { MEASURE_P50 = 0, MEASURE_P95, MEASURE_P99, MEASURE_MAX };
/* The latency measure of a window. */
enum measure measure_latency(bool writes, enum measure_window window,
                             enum measure_quantile quantile);
/* The same measure before the fault, for NAME.during... and NAME.after...; 0 or
 * -ENOENT.
 */
int measure_before(enum measure measure, enum measure *out);

/* One flat object, a member for each row in catalogue order: "lost_writes": 939,
 * "write_latency.during.p99_ms": 1.25, null where not known, "never". New reference;
 * aborts when memory runs out. */
json_t *measures_to_json(const struct measures *measures);
json_t *measure_value_to_json(enum measure measure, struct measure_value value);
/* Back from such an object; what is missing, null or of another type is not known. */
void measures_from_json(const json_t *object, struct measures *out);

#endif
