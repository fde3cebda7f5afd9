/* SPDX-License-Identifier: MIT */
#include "proxy/base/now.h"
#include "scenarios/playbook/expect.h"

#include <criterion/criterion.h>
#include <string.h>

static struct expectation parse(enum measure measure, const char *text)
{
    struct expectation expectation = {0};
    struct expect_error why = {0};
    cr_assert_eq(expect_parse(measure, text, &expectation, &why), 0, "%s: %s", text,
                 why.text);
    return expectation;
}

static enum expect_result evaluate(enum measure measure, const char *text,
                                   uint64_t value)
{
    struct measures measures = {0};
    measure_set(&measures, measure, value);
    measure_set(&measures, MEASURE_ACKED, 1000);
    measure_set(&measures, MEASURE_WRITE_LATENCY_BEFORE_P99, 4);
    struct expectation expectation = parse(measure, text);
    return expect_evaluate(&expectation, &measures);
}

Test(expect, bounds_are_where_the_words_put_them)
{
    static const struct {
        enum measure measure;
        const char *text;
        uint64_t value;
        enum expect_result wanted;
    } rows[] = {
        {MEASURE_LOST_WRITES, "none", 0, EXPECT_MET},
        {MEASURE_LOST_WRITES, "none", 1, EXPECT_UNMET},
        {MEASURE_LOST_WRITES, "0", 0, EXPECT_MET},
        {MEASURE_LOST_WRITES, "7", 7, EXPECT_MET},
        {MEASURE_LOST_WRITES, "7", 8, EXPECT_UNMET},
        {MEASURE_LOST_WRITES, "7", 6, EXPECT_UNMET},
        {MEASURE_LOST_WRITES, "at least 2", 2, EXPECT_MET},
        {MEASURE_LOST_WRITES, "at least 2", 1, EXPECT_UNMET},
        {MEASURE_LOST_WRITES, "at most 2", 2, EXPECT_MET},
        {MEASURE_LOST_WRITES, "at most 2", 3, EXPECT_UNMET},
        {MEASURE_LOST_WRITES, "more than 2", 2, EXPECT_UNMET},
        {MEASURE_LOST_WRITES, "more than 2", 3, EXPECT_MET},
        {MEASURE_LOST_WRITES, "less than 2", 2, EXPECT_UNMET},
        {MEASURE_LOST_WRITES, "less  than\t2 ", 1, EXPECT_MET},
        {MEASURE_LOST_WRITES, "between 2 and 4", 1, EXPECT_UNMET},
        {MEASURE_LOST_WRITES, "between 2 and 4", 2, EXPECT_MET},
        {MEASURE_LOST_WRITES, "between 2 and 4", 4, EXPECT_MET},
        {MEASURE_LOST_WRITES, "between 2 and 4", 5, EXPECT_UNMET},
        {MEASURE_LOST_WRITES, "at most 5% of acked", 50, EXPECT_MET},
        {MEASURE_LOST_WRITES, "at most 5% of acked", 51, EXPECT_UNMET},
        {MEASURE_CONVERGENCE, "at most 10s", 10 * NS_PER_S, EXPECT_MET},
        {MEASURE_CONVERGENCE, "at most 10s", 10 * NS_PER_S + 1, EXPECT_UNMET},
        {MEASURE_CONVERGENCE, "at most 10s", MEASURE_NEVER, EXPECT_UNMET},
        {MEASURE_CONVERGENCE, "never", MEASURE_NEVER, EXPECT_MET},
        {MEASURE_CONVERGENCE, "never", 5, EXPECT_UNMET},
        {MEASURE_THROUGHPUT, "at least 400/s", 400000, EXPECT_MET},
        {MEASURE_THROUGHPUT, "at least 400/s", 399999, EXPECT_UNMET},
        {MEASURE_WRITE_LATENCY_DURING_P99, "at least 2.5x before", 10, EXPECT_MET},
        {MEASURE_WRITE_LATENCY_DURING_P99, "at least 2.5x before", 9, EXPECT_UNMET},
        {MEASURE_WRITE_LATENCY_AFTER_P99, "at most 1x before", 4, EXPECT_MET},
        {MEASURE_WRITE_LATENCY_AFTER_P99, "less than 1x before", 4, EXPECT_UNMET},
        {MEASURE_LINEARIZABLE, "true", 1, EXPECT_MET},
        {MEASURE_LINEARIZABLE, "valid", 0, EXPECT_UNMET},
        {MEASURE_LINEARIZABLE, "invalid", 0, EXPECT_MET},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        cr_expect_eq(evaluate(rows[i].measure, rows[i].text, rows[i].value),
                     rows[i].wanted, "%s of %zu", rows[i].text, (size_t)rows[i].value);
}

Test(expect, what_is_not_known_is_neither_met_nor_unmet)
{
    struct measures measures = {0};
    struct expectation e = parse(MEASURE_LOST_WRITES, "none");
    cr_expect_eq(expect_evaluate(&e, &measures), EXPECT_UNKNOWN);
    e = parse(MEASURE_WRITE_LATENCY_DURING_P99, "at least 2x before");
    measure_set(&measures, MEASURE_WRITE_LATENCY_DURING_P99, 5);
    cr_expect_eq(expect_evaluate(&e, &measures), EXPECT_UNKNOWN);
}

Test(expect, points_at_what_is_wrong)
{
    static const struct {
        enum measure measure;
        const char *text;
        size_t at, length;
        const char *wanted;
    } rows[] = {
        {MEASURE_LOST_WRITES, "", 0, 0, "an expectation is missing"},
        {MEASURE_LOST_WRITES, "few", 0, 3, "\"few\" is no expectation"},
        {MEASURE_LOST_WRITES, "at least", 8, 0, "a quantity is missing at the end"},
        {MEASURE_LOST_WRITES, "at least 1s", 9, 2,
         "lost_writes is a count, not \"1s\""},
        {MEASURE_LOST_WRITES, "at least -1", 9, 2,
         "lost_writes is a count, not \"-1\""},
        {MEASURE_LOST_WRITES, "none at all", 5, 2, "unexpected \"at\""},
        {MEASURE_LOST_WRITES, "between 1 to 5", 10, 2, "expected \"and\""},
        {MEASURE_LOST_WRITES, "between 5 and 1", 14, 1,
         "the second bound is below the first"},
        {MEASURE_LOST_WRITES, "at least 2x before", 9, 2,
         "lost_writes has no value before the fault"},
        {MEASURE_LOST_WRITES, "at most 5%", 10, 0,
         "expected \"of acked\" behind \"5%\""},
        {MEASURE_CONVERGENCE, "at most 5% of acked", 8, 2,
         "convergence is not a count"},
        {MEASURE_CONVERGENCE, "at most 10", 8, 2, "\"10\" needs a unit"},
        {MEASURE_READ_LATENCY_AFTER_MAX, "at most 2x", 10, 0,
         "expected \"before\" behind \"2x\""},
        {MEASURE_LINEARIZABLE, "at least 1", 9, 1,
         "linearizable is true or false, not \"1\""},
        {MEASURE_LINEARIZABLE, "none", 0, 4,
         "linearizable is true or false, not \"none\""},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct expectation untouched = {.low = 99};
        struct expect_error why = {0};
        cr_expect_lt(expect_parse(rows[i].measure, rows[i].text, &untouched, &why), 0,
                     "%s", rows[i].text);
        cr_expect_eq(strncmp(why.text, rows[i].wanted, strlen(rows[i].wanted)), 0, "%s",
                     why.text);
        cr_expect_eq(why.at, rows[i].at, "%s: at %zu", rows[i].text, why.at);
        cr_expect_eq(why.length, rows[i].length, "%s", rows[i].text);
        cr_expect_eq(untouched.low, 99);
    }
}

Test(expect, demanding_harm_makes_a_positive_control)
{
    static const struct {
        enum measure measure;
        const char *text;
        bool wanted;
    } rows[] = {
        {MEASURE_LOST_WRITES, "at least 1", true},
        {MEASURE_LOST_WRITES, "more than 0", true},
        {MEASURE_LOST_WRITES, "between 1 and 5", true},
        {MEASURE_LOST_WRITES, "at least 1% of acked", true},
        {MEASURE_LOST_WRITES, "at least 0", false},
        {MEASURE_LOST_WRITES, "at most 5", false},
        {MEASURE_LOST_WRITES, "none", false},
        {MEASURE_UNAVAILABLE, "at least 2s", true},
        {MEASURE_WRITE_LATENCY_DURING_P99, "at least 2x before", true},
        {MEASURE_CONVERGENCE, "never", true},
        {MEASURE_LINEARIZABLE, "false", true},
        {MEASURE_LINEARIZABLE, "true", false},
        {MEASURE_ACKED, "at least 100", false},
        {MEASURE_THROUGHPUT, "at least 100/s", false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct expectation e = parse(rows[i].measure, rows[i].text);
        cr_expect_eq(expect_demands_harm(&e), rows[i].wanted, "%s", rows[i].text);
    }
}

Test(expect, says_in_a_sentence_what_was_seen_and_expected)
{
    struct measures measures = {0};
    char text[128];
    struct expectation e = parse(MEASURE_LOST_WRITES, " at least 1");
    cr_expect_str_eq(expect_format(&e, &measures, text, sizeof text),
                     "lost_writes: not known, expected at least 1");
    measure_set(&measures, MEASURE_LOST_WRITES, 1939);
    cr_expect_str_eq(expect_format(&e, &measures, text, sizeof text),
                     "lost_writes: 1,939, expected at least 1");
    json_t *json = expect_to_json(&e, &measures);
    char *dumped = json_dumps(json, JSON_COMPACT | JSON_SORT_KEYS);
    cr_expect_str_eq(dumped, "{\"control\":true,\"expected\":\"at least 1\","
                             "\"measure\":\"lost_writes\",\"observed\":1939,"
                             "\"result\":\"met\"}");
    free(dumped);
    json_decref(json);
}

Test(measure, names_are_unique_and_found)
{
    for (int i = 0; i < MEASURE_COUNT; i++) {
        enum measure found;
        const char *near;
        cr_assert_eq(measure_find(measure_row((enum measure)i)->name, &found, &near),
                     0);
        cr_expect_eq(found, i, "%s", measure_row((enum measure)i)->name);
    }
}

Test(measure, an_unknown_name_is_answered_with_the_nearest)
{
    enum measure found;
    const char *near = NULL;
    cr_expect_lt(measure_find("lost_write", &found, &near), 0);
    cr_expect_str_eq(near, "lost_writes");
    cr_expect_lt(measure_find("xyz", &found, &near), 0);
    cr_expect_null(near);
}

Test(measure, windows_and_quantiles_find_their_rows)
{
    enum measure before;
    cr_expect_str_eq(
        measure_row(measure_latency(true, MEASURE_DURING, MEASURE_P95))->name,
        "write_latency.during.p95");
    cr_expect_str_eq(
        measure_row(measure_latency(false, MEASURE_AFTER, MEASURE_MAX))->name,
        "read_latency.after.max");
    cr_assert_eq(measure_before(MEASURE_READ_LATENCY_AFTER_P99, &before), 0);
    cr_expect_eq(before, MEASURE_READ_LATENCY_BEFORE_P99);
    cr_assert_eq(measure_before(MEASURE_THROUGHPUT_DURING, &before), 0);
    cr_expect_eq(before, MEASURE_THROUGHPUT_BEFORE);
    cr_expect_lt(measure_before(MEASURE_THROUGHPUT_BEFORE, &before), 0);
    cr_expect_lt(measure_before(MEASURE_ACKED, &before), 0);
}

Test(measure, values_are_shown_with_three_digits_and_their_unit)
{
    static const struct {
        enum measure measure;
        uint64_t value;
        const char *wanted;
    } rows[] = {
        {MEASURE_ACKED, 1247, "1,247"},      {MEASURE_ACKED, 1234567, "1,234,567"},
        {MEASURE_ACKED, 47, "47"},           {MEASURE_RPO, 41234567890, "41.2s"},
        {MEASURE_RPO, 1299999, "1.3ms"},     {MEASURE_RPO, MEASURE_NEVER, "never"},
        {MEASURE_LINEARIZABLE, 1, "yes"},    {MEASURE_THROUGHPUT, 399600, "400/s"},
        {MEASURE_THROUGHPUT, 2500, "2.5/s"},
    };
    char text[32];
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        cr_expect_str_eq(measure_format(rows[i].measure,
                                        (struct measure_value){true, rows[i].value},
                                        text, sizeof text),
                         rows[i].wanted);
}

Test(measure, json_keeps_what_is_not_known_as_null_and_durations_in_ms)
{
    struct measures measures = {0};
    measure_set(&measures, MEASURE_RTO_FIRST, 1500 * NS_PER_US);
    measure_set(&measures, MEASURE_CONVERGENCE, MEASURE_NEVER);
    measure_set(&measures, MEASURE_LINEARIZABLE, 0);
    measure_set(&measures, MEASURE_THROUGHPUT, 2500);
    json_t *json = measures_to_json(&measures);
    cr_expect_eq(json_object_size(json), MEASURE_COUNT);
    cr_expect(json_is_null(json_object_get(json, "lost_writes")));
    cr_expect_eq(json_real_value(json_object_get(json, "rto_first_ms")), 1.5);
    cr_expect_str_eq(json_string_value(json_object_get(json, "convergence_ms")),
                     "never");
    cr_expect(json_is_false(json_object_get(json, "linearizable")));
    cr_expect_eq(json_real_value(json_object_get(json, "throughput_per_s")), 2.5);
    cr_expect(json_object_get(json, "write_latency.during.p99_ms"));
    json_decref(json);
}
