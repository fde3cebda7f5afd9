/* SPDX-License-Identifier: MIT */
#include "scenarios/playbook/threshold.h"

#include <criterion/criterion.h>
#include <errno.h>

Test(threshold, is_crossed_on_the_side_it_names)
{
    static const struct {
        const char *text;
        double value;
        bool crossed;
    } rows[] = {{"10", 10, true},    {"10", 9.9, false}, {">10", 10, false},
                {">10", 11, true},   {">=10", 10, true}, {"<3", 3, false},
                {"<3", -1, true},    {"<=3", 3, true},   {"<=3", 3.1, false},
                {"-2.5", -2.5, true}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct threshold read = {.text = NULL};
        cr_assert_eq(threshold_parse(rows[i].text, &read), 0, "%s", rows[i].text);
        cr_expect_eq(threshold_is_crossed(&read, rows[i].value), rows[i].crossed,
                     "%s, %g", rows[i].text, rows[i].value);
    }
    cr_expect_not(threshold_is_crossed(&(struct threshold){.text = NULL}, 1e9),
                  "no limit is never crossed");
}

Test(threshold, that_is_none_is_refused)
{
    static const char *const texts[] = {"", ">", "high", "10s", "> 10", "inf", "=3"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        struct threshold read = {.value = 7};
        cr_expect_eq(threshold_parse(texts[i], &read), -EINVAL, "%s", texts[i]);
        cr_expect_eq(read.value, 7, "it is left alone");
    }
}

Test(threshold, takes_the_last_number_of_a_text)
{
    static const struct {
        const char *text;
        bool found;
        double value;
    } rows[] = {{"42\n", true, 42},          {"lag 12.5 s, 3 of 4\n", true, 4},
                {"n1: -7", true, -7},        {"lag=0.25", true, .25},
                {"node n1 is ok", false, 0}, {"", false, 0},
                {"inf nan", false, 0},       {"1 2 n3\n", true, 2}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        double value = 0;
        cr_expect_eq(threshold_last_number(rows[i].text, &value), rows[i].found, "%s",
                     rows[i].text);
        cr_expect_eq(value, rows[i].value, "%s: %g", rows[i].text, value);
    }
}
