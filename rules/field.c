/* SPDX-License-Identifier: MIT */
/* Values into structs by the rows of a table. This is the one place that knows which C
 * type each kind is stored as. */
#include "rules/field.h"

#include "rules/unit.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const struct field *field_find(const struct field *fields, const char *name)
{
    for (const struct field *field = fields; field->name; field++)
        if (strcmp(field->name, name) == 0)
            return field;
    return NULL;
}

size_t field_names(const struct field *fields, const char **names, size_t room)
{
    size_t n = 0;
    for (const struct field *field = fields; field->name; field++, n++)
        if (n < room)
            names[n] = field->name;
    return n;
}

static void append(char *text, size_t text_bytes, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static void append(char *text, size_t text_bytes, const char *format, ...)
{
    size_t used = strlen(text);
    va_list args;
    va_start(args, format);
    (void)vsnprintf(text + used, text_bytes - used, format, args); /* cut on purpose */
    va_end(args);
}

static const char *kind_text(enum field_kind kind)
{
    static const char *const texts[] = {
        [FIELD_NODE] = "value",        [FIELD_SCALAR] = "one value",
        [FIELD_LIST] = "list",         [FIELD_TREE] = "map",
        [FIELD_MAP] = "map",           [FIELD_TEXT] = "text",
        [FIELD_WORD] = "word",         [FIELD_FLAG] = "true or false",
        [FIELD_TRUE] = "true",         [FIELD_NUMBER] = "number",
        [FIELD_DURATION] = "duration", [FIELD_BYTES] = "bytes",
        [FIELD_RATE] = "rate",         [FIELD_FREQUENCY] = "frequency",
        [FIELD_PERCENT] = "percent",   [FIELD_AFTER] = "duration or bytes",
    };
    return texts[kind];
}

const char *field_describe(const struct field *field, char *text, size_t text_bytes)
{
    text[0] = '\0';
    if (field->kind == FIELD_WORD) {
        for (const char *const *word = field->words; *word; word++)
            append(text, text_bytes, "%s%s", word == field->words ? "" : " | ", *word);
    } else if (field->kind == FIELD_MAP) {
        for (const struct field *member = field->members; member->name; member++)
            append(text, text_bytes, "%s%s", member == field->members ? "{ " : ", ",
                   member->name);
        append(text, text_bytes, " }");
    } else {
        append(text, text_bytes, "%s", kind_text(field->kind));
    }
    return text;
}

/* A limit as users would write it. */
static const char *format_limit(enum field_kind kind, uint64_t value, char *text,
                                size_t text_bytes)
{
    if (kind == FIELD_DURATION)
        return unit_format_duration(value, text, text_bytes);
    if (kind == FIELD_BYTES)
        return unit_format_bytes(value, text, text_bytes);
    if (kind == FIELD_RATE)
        return unit_format_rate(value, text, text_bytes);
    if (kind == FIELD_PERCENT)
        return unit_format_percent((uint32_t)value, text, text_bytes);
    (void)snprintf(text, text_bytes, "%llu", (unsigned long long)value);
    return text;
}

static int check_range(const struct field *field, const char *text, uint64_t value,
                       struct unit_error *why)
{
    char limit[40];
    if (value < field->min)
        return unit_complain(
            why, "%.40s is too small: at least %s", text,
            format_limit(field->kind, field->min, limit, sizeof limit));
    if (field->max > 0 && value > field->max)
        return unit_complain(
            why, "%.40s is too large: at most %s", text,
            format_limit(field->kind, field->max, limit, sizeof limit));
    return 0;
}

static int parse_number(const char *text, uint64_t *out, struct unit_error *why)
{
    if (text[0] == '-')
        return unit_complain(why, "\"%.40s\" is below zero", text);
    size_t digits = strspn(text, "0123456789");
    if (digits == 0 || text[digits])
        return unit_complain(why, "\"%.40s\" is not a whole number", text);
    errno = 0;
    unsigned long long value = strtoull(text, NULL, 10);
    if (errno == ERANGE)
        return unit_complain(why, "\"%.40s\" is too large", text);
    *out = value;
    return 0;
}

static int store_number(const struct field *field, const char *text, uint64_t *out,
                        struct unit_error *why)
{
    uint64_t value = 0;
    int err = 0;
    if (field->kind == FIELD_DURATION)
        err = unit_parse_duration(text, &value, why);
    else if (field->kind == FIELD_BYTES)
        err = unit_parse_bytes(text, &value, why);
    else if (field->kind == FIELD_RATE)
        err = unit_parse_rate(text, &value, why);
    else if (field->kind == FIELD_FREQUENCY)
        err = unit_parse_frequency(text, &value, why);
    else
        err = parse_number(text, &value, why);
    if (!err)
        err = check_range(field, text, value, why);
    if (!err)
        *out = value;
    return err;
}

static int store_percent(const struct field *field, const char *text, uint32_t *out,
                         struct unit_error *why)
{
    uint32_t ppm = 0;
    int err = unit_parse_percent(text, &ppm, why);
    if (!err)
        err = check_range(field, text, ppm, why);
    if (!err)
        *out = ppm;
    return err;
}

static int store_word(const struct field *field, const char *text, unsigned *out,
                      struct unit_error *why)
{
    for (unsigned i = 0; field->words[i]; i++) {
        if (strcmp(field->words[i], text) == 0) {
            *out = i;
            return 0;
        }
    }
    return unit_complain(why, "unknown %s \"%.40s\"", field->name, text);
}

/* Booleans are true and false; what YAML 1.1 also took for them is named. */
static int store_flag(const struct field *field, const char *text, bool *out,
                      struct unit_error *why)
{
    bool is_true = strcmp(text, "true") == 0;
    if (field->kind == FIELD_TRUE && !is_true) {
        (void)unit_complain(why, "\"%s\" takes only true, not \"%.40s\"", field->name,
                            text);
        if (why)
            (void)snprintf(why->hint, sizeof why->hint,
                           "leave the key out where it is not wanted");
        return -EINVAL;
    }
    if (!is_true && strcmp(text, "false") != 0)
        return unit_complain(why, "\"%s\" takes true or false, not \"%.40s\"",
                             field->name, text);
    *out = is_true;
    return 0;
}

/* A unit of bytes ends in B; everything else is read as a duration. */
static int store_after(const char *text, struct field_after *out,
                       struct unit_error *why)
{
    size_t length = strlen(text);
    bool is_bytes = length > 0 && (text[length - 1] == 'B' || text[length - 1] == 'b');
    uint64_t amount = 0;
    int err = is_bytes ? unit_parse_bytes(text, &amount, why)
                       : unit_parse_duration(text, &amount, why);
    if (err && why && text[strspn(text, "0123456789. ")] == '\0')
        (void)snprintf(why->hint, sizeof why->hint,
                       "a duration such as 10s, or bytes such as 1MB");
    if (err)
        return err;
    out->is_bytes = is_bytes;
    out->amount = amount;
    return 0;
}

int field_store(const struct field *field, const char *text, void *target,
                struct unit_error *why)
{
    void *at = (char *)target + field->offset;
    switch (field->kind) {
    case FIELD_TEXT:
        *(const char **)at = text;
        return 0;
    case FIELD_WORD:
        return store_word(field, text, at, why);
    case FIELD_FLAG:
    case FIELD_TRUE:
        return store_flag(field, text, at, why);
    case FIELD_NUMBER:
    case FIELD_DURATION:
    case FIELD_BYTES:
    case FIELD_RATE:
    case FIELD_FREQUENCY:
        return store_number(field, text, at, why);
    case FIELD_PERCENT:
        return store_percent(field, text, at, why);
    case FIELD_AFTER:
        return store_after(text, at, why);
    case FIELD_NODE:
    case FIELD_SCALAR:
    case FIELD_LIST:
    case FIELD_TREE:
    case FIELD_MAP:
        break;
    }
    return unit_complain(why, "\"%s\" takes a %s", field->name, kind_text(field->kind));
}

void field_store_standards(const struct field *fields, void *target)
{
    for (const struct field *field = fields; field->name; field++) {
        if (field->kind == FIELD_MAP)
            field_store_standards(field->members, target);
        else if (field->standard)
            (void)field_store(field, field->standard, target, NULL); /* see field.h */
    }
}
