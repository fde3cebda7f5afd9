/* SPDX-License-Identifier: MIT */
/* A value is digits, an optional decimal fraction and a unit of a table. It is computed
 * in integers (digits and a power of ten), so "0.1s" is exact and overflow is seen. */
#include "rules/unit.h"

#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

enum { DECIMALS_MOST = 18 }; /* further ones are below any unit's resolution */

/* 128 bits, so that no product of a mantissa and a multiplier is lost. */
__extension__ typedef unsigned __int128 wide;

struct unit_row {
    const char *name;
    uint64_t multiplier; /* what one unit is in the result's unit */
    uint64_t divisor;    /* for units smaller than the result's */
};

static const struct unit_row durations[] = {
    {"ns", 1, 1},
    {"us", 1000, 1},
    {"ms", 1000000, 1},
    {"s", 1000000000, 1},
    {"m", 60000000000, 1},
    {"min", 60000000000, 1},
    {"h", 3600000000000, 1},
    {NULL, 0, 0},
};

static const struct unit_row sizes[] = {
    {"B", 1, 1},
    {"kB", 1000, 1},
    {"MB", 1000000, 1},
    {"GB", 1000000000, 1},
    {"KiB", 1024, 1},
    {"MiB", 1048576, 1},
    {"GiB", 1073741824, 1},
    {NULL, 0, 0},
};

static const struct unit_row rates[] = {
    {"B/s", 1, 1},
    {"kB/s", 1000, 1},
    {"MB/s", 1000000, 1},
    {"GB/s", 1000000000, 1},
    {"KiB/s", 1024, 1},
    {"MiB/s", 1048576, 1},
    {"GiB/s", 1073741824, 1},
    {"bit/s", 1, 8},
    {"kbit/s", 125, 1},
    {"Mbit/s", 125000, 1},
    {"Gbit/s", 125000000, 1},
    {NULL, 0, 0},
};

static const struct unit_row percents[] = {{"%", 10000, 1}, {NULL, 0, 0}};
static const struct unit_row frequencies[] = {
    {"/s", 1000, 1}, {"/m", 1000, 60}, {"/min", 1000, 60}, {NULL, 0, 0}};

/* What people write for a unit elsewhere; compared without regard to case. */
static const struct {
    const char *word;
    const char *unit;
} synonyms[] = {
    {"msec", "ms"},     {"millis", "ms"},    {"milliseconds", "ms"}, {"usec", "us"},
    {"micros", "us"},   {"\xC2\xB5s", "us"}, {"sec", "s"},           {"secs", "s"},
    {"second", "s"},    {"seconds", "s"},    {"mins", "min"},        {"minute", "min"},
    {"minutes", "min"}, {"hr", "h"},         {"hour", "h"},          {"hours", "h"},
    {"byte", "B"},      {"bytes", "B"},      {"K", "KiB"},           {"M", "MiB"},
    {"G", "GiB"},       {"bps", "bit/s"},    {"kbps", "kbit/s"},     {"Mbps", "Mbit/s"},
    {"Gbps", "Gbit/s"}, {"bit", "bit/s"},    {"kbit", "kbit/s"},     {"Mbit", "Mbit/s"},
    {"Gbit", "Gbit/s"}, {"B", "B/s"},        {"kB", "kB/s"},         {"MB", "MB/s"},
    {"GB", "GB/s"},     {"KiB", "KiB/s"},    {"MiB", "MiB/s"},       {"GiB", "GiB/s"},
    {"percent", "%"},   {"pct", "%"},        {"hz", "/s"},           {"/sec", "/s"},
    {"ops/s", "/s"},    {"rps", "/s"},       {"tps", "/s"},          {"qps", "/s"},
};

int unit_complain(struct unit_error *why, const char *format, ...)
{
    if (!why)
        return -EINVAL;
    va_list args;
    va_start(args, format);
    (void)vsnprintf(why->text, sizeof why->text, format, args); /* cut on purpose */
    va_end(args);
    why->hint[0] = '\0';
    return -EINVAL;
}

static const struct unit_row *find_unit(const struct unit_row *rows, const char *name)
{
    for (const struct unit_row *row = rows; row->name; row++)
        if (strcasecmp(row->name, name) == 0)
            return row;
    return NULL;
}

/* The unit of the table that was probably meant, or NULL. */
static const struct unit_row *guess_unit(const struct unit_row *rows, const char *name)
{
    const struct unit_row *row = find_unit(rows, name);
    for (size_t i = 0; !row && i < sizeof synonyms / sizeof *synonyms; i++)
        if (strcasecmp(synonyms[i].word, name) == 0)
            row = find_unit(rows, synonyms[i].unit);
    return row;
}

/* "did you mean "40ms"?" with the number of text and a unit of the table. */
static void suggest_unit(struct unit_error *why, const char *text,
                         const char *number_end, const char *units,
                         const struct unit_row *row)
{
    if (!why)
        return;
    if (row)
        (void)snprintf(why->hint, sizeof why->hint, "did you mean \"%.*s%s\"?",
                       (int)(number_end - text), text, row->name);
    else
        (void)snprintf(why->hint, sizeof why->hint, "one of: %s", units);
}

/* "us, ms, s, m or h" into text. */
static void list_units(const struct unit_row *rows, char *text, size_t text_bytes)
{
    size_t used = 0;
    text[0] = '\0';
    for (const struct unit_row *row = rows; row->name && used < text_bytes; row++) {
        const char *joint = row == rows ? "" : row[1].name ? ", " : " or ";
        int n = snprintf(text + used, text_bytes - used, "%s%s", joint, row->name);
        used += n > 0 ? (size_t)n : 0;
    }
}

/* Reads digits[.digits] as a mantissa and the number of its decimals. */
static const char *read_number(const char *text, uint64_t *mantissa, unsigned *decimals)
{
    const char *at = text;
    *mantissa = 0;
    *decimals = 0;
    bool point = false, digit = false;
    for (; isdigit((unsigned char)*at) || (*at == '.' && !point); at++) {
        if (*at == '.') {
            point = true;
            continue;
        }
        digit = true;
        if (point && *decimals == DECIMALS_MOST)
            continue;
        if (__builtin_mul_overflow(*mantissa, 10, mantissa) ||
            __builtin_add_overflow(*mantissa, (uint64_t)(*at - '0'), mantissa))
            return NULL;
        *decimals += point;
    }
    return digit && at[-1] != '.' ? at : NULL;
}

static int scale(uint64_t mantissa, unsigned decimals, const struct unit_row *row,
                 uint64_t *out)
{
    wide value = (wide)mantissa * row->multiplier;
    wide divisor = row->divisor;
    for (unsigned i = 0; i < decimals; i++)
        divisor *= 10; /* at most 60 * 10^DECIMALS_MOST: it fits */
    value /= divisor;
    if (value > UINT64_MAX)
        return -ERANGE;
    *out = (uint64_t)value;
    return 0;
}

/* What is no number at all. */
static int complain_number(struct unit_error *why, const char *text, const char *units)
{
    if (text[0] == '-' && isdigit((unsigned char)text[1]))
        return unit_complain(why, "\"%.40s\" is below zero", text);
    size_t digits = strspn(text, "0123456789");
    bool ends_in_point =
        text[digits] == '.' && !isdigit((unsigned char)text[digits + 1]);
    if (digits > 0 && !ends_in_point)
        return unit_complain(why, "\"%.40s\" is too large", text);
    (void)unit_complain(why, "\"%.40s\" is not a number with a unit", text);
    if (why)
        (void)snprintf(why->hint, sizeof why->hint, "units: %s", units);
    return -EINVAL;
}

static int complain_comma(struct unit_error *why, const char *text)
{
    (void)unit_complain(why, "\"%.40s\" has a comma", text);
    if (why)
        (void)snprintf(why->hint, sizeof why->hint,
                       "fractions are written with a point");
    return -EINVAL;
}

/* What is a number, but without its unit. */
static int complain_missing(struct unit_error *why, const char *text, const char *units,
                            const struct unit_row *rows)
{
    (void)unit_complain(why, "\"%.40s\" needs a unit", text);
    if (!why)
        return -EINVAL;
    bool is_share = rows == percents && (text[0] == '0' || text[0] == '1') &&
                    text[1] == '.' && strlen(text) < 6;
    if (is_share) { /* "0.25", as in Toxiproxy's toxicity */
        unsigned share = (unsigned)(text[0] - '0') * 1000, place = 100;
        for (const char *at = text + 2; *at; at++, place /= 10)
            share += (unsigned)(*at - '0') * place;
        (void)snprintf(why->hint, sizeof why->hint,
                       share % 10 ? "as a share of 1 that is \"%u.%u%%\""
                                  : "as a share of 1 that is \"%u%%\"",
                       share / 10, share % 10);
    } else if (!rows[1].name) {
        (void)snprintf(why->hint, sizeof why->hint, "did you mean \"%.40s%s\"?", text,
                       rows->name);
    } else {
        (void)snprintf(why->hint, sizeof why->hint, "one of: %s", units);
    }
    return -EINVAL;
}

static int parse(const char *text, const struct unit_row *rows, uint64_t *out,
                 struct unit_error *why)
{
    char units[96];
    uint64_t mantissa = 0;
    unsigned decimals = 0;
    const char *unit = read_number(text, &mantissa, &decimals);
    list_units(rows, units, sizeof units);
    if (!unit)
        return complain_number(why, text, units);
    const char *number_end = unit;
    unit += strspn(unit, " ");
    if (!*unit)
        return complain_missing(why, text, units, rows);
    for (const struct unit_row *row = rows; row->name; row++) {
        if (strcmp(row->name, unit) != 0)
            continue;
        if (scale(mantissa, decimals, row, out) != 0)
            return unit_complain(why, "\"%.40s\" is too large", text);
        return 0;
    }
    if (*unit == ',')
        return complain_comma(why, text);
    (void)unit_complain(why, "unknown unit \"%.20s\"", unit);
    suggest_unit(why, text, number_end, units, guess_unit(rows, unit));
    return -EINVAL;
}

int unit_parse_duration(const char *text, uint64_t *out_ns, struct unit_error *why)
{
    return parse(text, durations, out_ns, why);
}

int unit_parse_bytes(const char *text, uint64_t *out_bytes, struct unit_error *why)
{
    return parse(text, sizes, out_bytes, why);
}

int unit_parse_rate(const char *text, uint64_t *out_bytes_per_s, struct unit_error *why)
{
    uint64_t rate = 0;
    int err = parse(text, rates, &rate, why);
    if (err)
        return err;
    if (rate == 0)
        return unit_complain(why, "\"%.40s\" is less than one byte per second", text);
    *out_bytes_per_s = rate;
    return 0;
}

int unit_parse_percent(const char *text, uint32_t *out_ppm, struct unit_error *why)
{
    uint64_t ppm = 0;
    int err = parse(text, percents, &ppm, why);
    if (err)
        return err;
    if (ppm > 1000000)
        return unit_complain(why, "\"%.40s\" is more than 100%%", text);
    *out_ppm = (uint32_t)ppm;
    return 0;
}

int unit_parse_frequency(const char *text, uint64_t *out_per_1000_s,
                         struct unit_error *why)
{
    uint64_t frequency = 0;
    int err = parse(text, frequencies, &frequency, why);
    if (err)
        return err;
    if (frequency == 0)
        return unit_complain(why, "\"%.40s\" is less than one in 1000 seconds", text);
    *out_per_1000_s = frequency;
    return 0;
}

/* The largest unit of which the value holds at least one, with up to 3 digits behind
 * the point and no trailing zeros. */
static const char *format(uint64_t value, const char *const *names,
                          const uint64_t *sizes_of, size_t n, char *text,
                          size_t text_bytes)
{
    size_t i = 0;
    while (i + 1 < n && value >= sizes_of[i + 1])
        i++;
    uint64_t whole = value / sizes_of[i];
    uint64_t rest = value % sizes_of[i];
    unsigned thousandths = (unsigned)((wide)rest * 1000 / sizes_of[i]);
    char fraction[16] = "";
    if (thousandths > 0) {
        (void)snprintf(fraction, sizeof fraction, ".%03u", thousandths);
        for (size_t end = strlen(fraction); fraction[end - 1] == '0';)
            fraction[--end] = '\0';
    }
    (void)snprintf(text, text_bytes, "%llu%s%s", (unsigned long long)whole, fraction,
                   names[i]);
    return text;
}

const char *unit_format_duration(uint64_t ns, char *text, size_t text_bytes)
{
    static const char *const names[] = {"ns", "us", "ms", "s", "m", "h"};
    static const uint64_t values[] = {1,          1000,        1000000,
                                      1000000000, 60000000000, 3600000000000};
    if (ns == 0)
        return strncpy(text, "0s", text_bytes);
    return format(ns, names, values, 6, text, text_bytes);
}

const char *unit_format_bytes(uint64_t bytes, char *text, size_t text_bytes)
{
    static const char *const binary[] = {"B", "KiB", "MiB", "GiB"};
    static const uint64_t binaries[] = {1, 1024, 1048576, 1073741824};
    static const char *const decimal[] = {"B", "kB", "MB", "GB"};
    static const uint64_t decimals[] = {1, 1000, 1000000, 1000000000};
    if (bytes >= 1024 && bytes % 1024 == 0)
        return format(bytes, binary, binaries, 4, text, text_bytes);
    return format(bytes, decimal, decimals, 4, text, text_bytes);
}

const char *unit_format_rate(uint64_t bytes_per_s, char *text, size_t text_bytes)
{
    static const char *const names[] = {"B/s", "kB/s", "MB/s", "GB/s"};
    static const uint64_t values[] = {1, 1000, 1000000, 1000000000};
    return format(bytes_per_s, names, values, 4, text, text_bytes);
}

const char *unit_format_percent(uint32_t ppm, char *text, size_t text_bytes)
{
    static const char *const names[] = {"%"};
    static const uint64_t values[] = {10000};
    if (ppm < 10 && ppm > 0)
        (void)snprintf(text, text_bytes, "0.%04u%%", ppm);
    else
        format(ppm, names, values, 1, text, text_bytes);
    return text;
}
