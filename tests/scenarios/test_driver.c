/* SPDX-License-Identifier: MIT */
#include "scenarios/drivers/driver.h"

#include "scenarios/drivers/elements.h"

#include <criterion/criterion.h>
#include <string.h>

Test(driver, is_found_by_name_and_suggested_by_a_near_one)
{
    const char *near = NULL;
    cr_assert(driver_find("resp", NULL));
    cr_assert(driver_find("postgres", NULL));
    cr_expect_null(driver_find("postgre", &near));
    cr_expect_str_eq(near, "postgres");
    for (size_t i = 0; driver_get(i); i++) {
        cr_expect_eq(driver_find(driver_name(driver_get(i)), NULL), driver_get(i));
        cr_expect(driver_can(driver_get(i), HISTORY_READ));
        cr_expect_not(driver_can(driver_get(i), HISTORY_EVENT));
    }
}

static void expect_setting(const char *driver, const char *setting, bool good)
{
    struct errmsg err = {""};
    int result = driver_check(driver_find(driver, NULL), setting, &err);
    cr_expect_eq(result == 0, good, "%s: %s", setting, err.text);
    cr_expect_eq(err.text[0] == '\0', good);
}

Test(driver, refuses_settings_it_does_not_understand_and_passwords)
{
    expect_setting("resp", "", true);
    expect_setting("resp", "redis://", true);
    expect_setting("resp", "redis://user:secret@host", false);
    expect_setting("exec", "[\"python3\",\"driver.py\"]", true);
    expect_setting("exec", "[]", false);
    expect_setting("exec", "[\"\"]", false);
    expect_setting("exec", "[\"python3\",7]", false);
    expect_setting("exec", "python3", false);
    expect_setting("postgres", "", true);
    expect_setting("postgres", "service=drill", true);
    expect_setting("postgres", "dbname=app sslmode=require", true);
    expect_setting("postgres", "postgresql://app@/db", true);
    expect_setting("postgres", "dbnam=app", false);
    expect_setting("postgres", "dbname=app password=secret", false);
    expect_setting("postgres", "postgresql://app:secret@/db", false);
}

Test(driver, takes_only_plain_names_for_schemas)
{
    cr_expect_eq(driver_check_schema("netsplit_drill2", NULL), 0);
    static const char *const bad[] = {
        "",    "2drill", "Drill", "a b",
        "a;b", "a\"b",   "a'b",   "a23456789012345678901234567890123456789012"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct errmsg err = {""};
        cr_expect_lt(driver_check_schema(bad[i], &err), 0, "%s", bad[i]);
        cr_expect_neq(err.text[0], '\0');
    }
}

Test(driver, parses_elements_exactly_or_not_at_all)
{
    static const struct {
        const char *text;
        int result;
        enum history_kind kind;
        size_t n;
    } rows[] = {
        {"", 0, HISTORY_NIL, 0},
        {"17", 0, HISTORY_INTEGER, 0},
        {"-17", 0, HISTORY_INTEGER, 0},
        {"17,", 0, HISTORY_LIST, 1},
        {"1,-2,3,", 0, HISTORY_LIST, 3},
        {"9223372036854775807,", 0, HISTORY_LIST, 1},
        {"9223372036854775808,", -1, HISTORY_NIL, 0},
        {",", -1, HISTORY_NIL, 0},
        {"1,,", -1, HISTORY_NIL, 0},
        {"1,2", -1, HISTORY_NIL, 0},
        {"1, 2,", -1, HISTORY_NIL, 0},
        {" 1,", -1, HISTORY_NIL, 0},
        {"1x,", -1, HISTORY_NIL, 0},
        {"+1,", -1, HISTORY_NIL, 0},
        {"-", -1, HISTORY_NIL, 0},
        {"1,2,\n", -1, HISTORY_NIL, 0},
    };
    struct elements elements = {0};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct history_value value = {.kind = HISTORY_TEXT};
        int result =
            elements_parse(&elements, rows[i].text, strlen(rows[i].text), &value);
        cr_expect_eq(result < 0, rows[i].result < 0, "\"%s\"", rows[i].text);
        if (result == 0)
            cr_expect_eq(value.kind, rows[i].kind, "\"%s\"", rows[i].text);
        else
            cr_expect_eq(value.kind, HISTORY_TEXT); /* untouched */
        if (value.kind == HISTORY_LIST)
            cr_expect_eq(value.list.n, rows[i].n);
    }
    struct history_value value = {.kind = HISTORY_NIL};
    cr_expect_lt(elements_parse(&elements, "1,\0002,", 5, &value), 0);
    elements_free(&elements);
}

Test(driver, reads_back_many_elements_that_it_wrote)
{
    static char text[200000];
    size_t length = 0;
    for (int64_t i = 0; i < 5000; i++) {
        elements_format(i * i * i * (i % 2 ? -1 : 1), text + length, 22);
        length += strlen(text + length);
    }
    struct elements elements = {0};
    struct history_value value;
    cr_assert_eq(elements_parse(&elements, text, length, &value), 0);
    cr_assert_eq(value.list.n, 5000);
    for (int64_t i = 0; i < 5000; i++)
        cr_expect_eq(value.list.items[i], i * i * i * (i % 2 ? -1 : 1));
    elements_free(&elements);
}
