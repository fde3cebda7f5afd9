/* SPDX-License-Identifier: MIT */
/* Values into structs and back to text. */
#include "support.h"

#include "rules/faults/fault.h"
#include "rules/unit.h"

#include <criterion/criterion.h>
#include <string.h>

struct all {
    const char *text;
    unsigned word;
    bool flag;
    uint64_t number, duration, bytes, rate, frequency;
    uint32_t percent;
    struct field_after after;
};

static const char *const words[] = {"one", "two", NULL};

static const struct field fields[] = {
    {.name = "text", .kind = FIELD_TEXT, .offset = offsetof(struct all, text)},
    {.name = "word",
     .kind = FIELD_WORD,
     .offset = offsetof(struct all, word),
     .words = words},
    {.name = "flag", .kind = FIELD_FLAG, .offset = offsetof(struct all, flag)},
    {.name = "number",
     .kind = FIELD_NUMBER,
     .offset = offsetof(struct all, number),
     .min = 2,
     .max = 10},
    {.name = "duration",
     .kind = FIELD_DURATION,
     .offset = offsetof(struct all, duration)},
    {.name = "bytes", .kind = FIELD_BYTES, .offset = offsetof(struct all, bytes)},
    {.name = "rate", .kind = FIELD_RATE, .offset = offsetof(struct all, rate)},
    {.name = "frequency",
     .kind = FIELD_FREQUENCY,
     .offset = offsetof(struct all, frequency)},
    {.name = "percent", .kind = FIELD_PERCENT, .offset = offsetof(struct all, percent)},
    {.name = "after", .kind = FIELD_AFTER, .offset = offsetof(struct all, after)},
    {0},
};

struct value {
    const char *name, *text, *printed;
};

Test(field, what_is_stored_prints_as_text_that_stores_the_same)
{
    static const struct value values[] = {
        {"text", "hello", "hello"},
        {"word", "two", "two"},
        {"flag", "true", "true"},
        {"number", "7", "7"},
        {"duration", "1.5s", "1500ms"},
        {"duration", "90s", "90s"},
        {"duration", "60m", "1h"},
        {"duration", "0ms", "0s"},
        {"duration", "1234567ns", "1234567ns"},
        {"bytes", "1048576B", "1MiB"},
        {"bytes", "3000B", "3kB"},
        {"bytes", "0B", "0B"},
        {"rate", "10Mbit/s", "10Mbit/s"},
        {"rate", "100B/s", "100B/s"},
        {"frequency", "0.5/s", "0.5/s"},
        {"frequency", "400/s", "400/s"},
        {"percent", "0.01%", "0.01%"},
        {"percent", "100%", "100%"},
        {"after", "10s", "10s"},
        {"after", "1MB", "1MB"},
    };
    for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
        struct all first, second;
        struct buffer printed = {.text = NULL};
        memset(&first, 0, sizeof first);
        memset(&second, 0, sizeof second);
        const struct field *field = field_find(fields, values[i].name);
        cr_assert_eq(field_store(field, values[i].text, &first, NULL), 0);
        field_print(field, &first, &printed);
        cr_expect_str_eq(buffer_text(&printed), values[i].printed);
        if (field->kind != FIELD_TEXT) {
            cr_expect_eq(field_store(field, buffer_text(&printed), &second, NULL), 0);
            cr_expect_eq(memcmp(&first, &second, sizeof first), 0, "%s",
                         values[i].text);
        }
        buffer_close(&printed);
    }
}

Test(field, a_refused_value_leaves_the_struct_alone)
{
    static const struct value values[] = {
        {"word", "three", ""},  {"flag", "yes", ""},
        {"flag", "True", ""},   {"number", "1", ""},
        {"number", "11", ""},   {"number", "0x3", ""},
        {"number", "-3", ""},   {"number", "99999999999999999999", ""},
        {"duration", "3", ""},  {"bytes", "3", ""},
        {"rate", "3", ""},      {"percent", "3", ""},
        {"frequency", "3", ""}, {"after", "3", ""},
        {"after", "3XB", ""},
    };
    for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
        struct all all, before;
        struct unit_error why = {.text = ""};
        memset(&all, 0x55, sizeof all);
        memset(&before, 0x55, sizeof before);
        const struct field *field = field_find(fields, values[i].name);
        cr_expect_lt(field_store(field, values[i].text, &all, &why), 0, "%s %s",
                     values[i].name, values[i].text);
        cr_expect_str_neq(why.text, "");
        cr_expect_eq(memcmp(&all, &before, sizeof all), 0, "%s", values[i].text);
    }
}

static void store_all(const struct field *table)
{
    for (const struct field *field = table; field->name; field++) {
        char params[256];
        struct unit_error why = {.text = ""};
        if (field->kind == FIELD_MAP)
            store_all(field->members);
        else if (field->standard)
            cr_expect_eq(field_store(field, field->standard, params, &why), 0, "%s: %s",
                         field->name, why.text);
    }
}

Test(field, every_standard_of_the_fault_catalogue_can_be_stored)
{
    for (const struct fault *const *fault = fault_catalogue(); *fault; fault++)
        store_all((*fault)->fields);
}

Test(field, is_described_by_what_may_be_written)
{
    char text[64];
    cr_expect_str_eq(field_describe(&fields[1], text, sizeof text), "one | two");
    cr_expect_str_eq(field_describe(&fields[9], text, sizeof text),
                     "duration or bytes");
}
