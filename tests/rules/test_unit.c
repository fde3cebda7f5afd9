/* SPDX-License-Identifier: MIT */
/* Values with units, exact to the nanosecond and the byte. */
#include "rules/unit.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>

static uint64_t duration(const char *text)
{
    uint64_t ns = 77;
    cr_expect_eq(unit_parse_duration(text, &ns, NULL), 0, "%s", text);
    return ns;
}

Test(unit, durations_are_exact_nanoseconds)
{
    cr_expect_eq(duration("40ms"), 40000000);
    cr_expect_eq(duration("1.5s"), 1500000000);
    cr_expect_eq(duration("0.1us"), 100);
    cr_expect_eq(duration("100 us"), 100000);
    cr_expect_eq(duration("2m"), UINT64_C(120000000000));
    cr_expect_eq(duration("1h"), UINT64_C(3600000000000));
    cr_expect_eq(duration("0s"), 0);
}

Test(unit, sizes_are_decimal_or_binary_as_their_unit_says)
{
    uint64_t bytes = 0;
    cr_expect_eq(unit_parse_bytes("64kB", &bytes, NULL), 0);
    cr_expect_eq(bytes, 64000);
    cr_expect_eq(unit_parse_bytes("8MiB", &bytes, NULL), 0);
    cr_expect_eq(bytes, 8388608);
    cr_expect_eq(unit_parse_rate("10Mbit/s", &bytes, NULL), 0);
    cr_expect_eq(bytes, 1250000);
    cr_expect_eq(unit_parse_rate("12bit/s", &bytes, NULL), 0);
    cr_expect_eq(bytes, 1, "rates are whole bytes a second, rounded down");
}

Test(unit, percents_are_parts_per_million)
{
    uint32_t ppm = 0;
    cr_expect_eq(unit_parse_percent("0.01%", &ppm, NULL), 0);
    cr_expect_eq(ppm, 100);
    cr_expect_eq(unit_parse_percent("100%", &ppm, NULL), 0);
    cr_expect_eq(ppm, 1000000);
    cr_expect_eq(unit_parse_percent("101%", &ppm, NULL), -EINVAL);
}

struct refusal {
    const char *text;
    const char *why;
    const char *hint;
};

Test(unit, what_cannot_be_is_refused_with_a_reason)
{
    static const struct refusal rows[] = {
        {"40", "\"40\" needs a unit", "one of: ns, us, ms, s, m, min or h"},
        {"", "\"\" is not a number with a unit", "units: ns, us, ms, s, m, min or h"},
        {"ms", "\"ms\" is not a number with a unit",
         "units: ns, us, ms, s, m, min or h"},
        {"-5ms", "\"-5ms\" is below zero", ""},
        {"1,5s", "\"1,5s\" has a comma", "fractions are written with a point"},
        {"5.", "\"5.\" is not a number with a unit",
         "units: ns, us, ms, s, m, min or h"},
        {"40 msec", "unknown unit \"msec\"", "did you mean \"40ms\"?"},
        {"2Seconds", "unknown unit \"Seconds\"", "did you mean \"2s\"?"},
        {"3 days", "unknown unit \"days\"", "one of: ns, us, ms, s, m, min or h"},
        {"99999999999h", "\"99999999999h\" is too large", ""},
        {"99999999999999999999s", "\"99999999999999999999s\" is too large", ""},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        uint64_t ns = 77;
        struct unit_error why;
        cr_expect_eq(unit_parse_duration(rows[i].text, &ns, &why), -EINVAL);
        cr_expect_eq(ns, 77, "%s: the output was touched", rows[i].text);
        cr_expect_str_eq(why.text, rows[i].why);
        cr_expect_str_eq(why.hint, rows[i].hint);
    }
}

Test(unit, a_share_of_one_is_answered_with_the_percentage)
{
    uint32_t ppm = 0;
    struct unit_error why;
    cr_expect_eq(unit_parse_percent("0.25", &ppm, &why), -EINVAL);
    cr_expect_str_eq(why.hint, "as a share of 1 that is \"25%\"");
    cr_expect_eq(unit_parse_percent("0.125", &ppm, &why), -EINVAL);
    cr_expect_str_eq(why.hint, "as a share of 1 that is \"12.5%\"");
    cr_expect_eq(unit_parse_percent("50", &ppm, &why), -EINVAL);
    cr_expect_str_eq(why.hint, "did you mean \"50%\"?");
}

/* 10^128 is 0 in 128 bits: this once divided by it. */
Test(unit, any_number_of_zeros_behind_the_point_is_a_number)
{
    char text[300] = "0.";
    memset(text + 2, '0', 290);
    strcpy(text + 292, "1s");
    cr_expect_eq(duration(text), 0);
}

Test(unit, people_read_the_shortest_text)
{
    char text[32];
    cr_expect_str_eq(unit_format_duration(40000000, text, sizeof text), "40ms");
    cr_expect_str_eq(unit_format_duration(1500000000, text, sizeof text), "1.5s");
    cr_expect_str_eq(unit_format_duration(0, text, sizeof text), "0s");
    cr_expect_str_eq(unit_format_bytes(8388608, text, sizeof text), "8MiB");
    cr_expect_str_eq(unit_format_bytes(1900000, text, sizeof text), "1.9MB");
    cr_expect_str_eq(unit_format_rate(1250000, text, sizeof text), "1.25MB/s");
    cr_expect_str_eq(unit_format_percent(20000, text, sizeof text), "2%");
}
