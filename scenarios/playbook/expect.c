/* SPDX-License-Identifier: MIT */
/* A condition is words: a relation, a quantity, and for some a scale. Each part is
 * taken from the left; the first that does not fit is pointed at. */
#include "scenarios/playbook/expect.h"
#include "rules/unit.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PPM = 1000000 };
static const char forms_hint[] = "one of: none, at least, at most, more than, less "
                                 "than, between A and B, never, true, false";

/* What is left of the text. */
struct words {
    const char *text, *at;
    struct expect_error *why;
};

struct word {
    const char *at;
    size_t length;
    char text[48]; /* longer words are cut: no quantity is that long */
};

static bool next_word(struct words *words, struct word *word)
{
    words->at += strspn(words->at, " \t");
    word->at = words->at;
    word->length = strcspn(words->at, " \t");
    words->at += word->length;
    (void)snprintf(word->text, sizeof word->text, "%.*s", (int)word->length, word->at);
    return word->length > 0;
}

static bool take(struct words *words, const char *wanted)
{
    struct words ahead = *words;
    struct word word;
    if (!next_word(&ahead, &word) || strcmp(word.text, wanted) != 0)
        return false;
    *words = ahead;
    return true;
}

static int complain(const struct words *words, const struct word *word,
                    const char *hint, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

static int complain(const struct words *words, const struct word *word,
                    const char *hint, const char *format, ...)
{
    struct expect_error why = {.at = (size_t)(word->at - words->text),
                               .length = word->length};
    va_list args;
    va_start(args, format);
    (void)vsnprintf(why.text, sizeof why.text, format, args); /* cut if longer */
    va_end(args);
    (void)snprintf(why.hint, sizeof why.hint, "%s", hint);
    *words->why = why;
    return -EINVAL;
}

static int parse_count(const char *text, uint64_t *out)
{
    if (*text < '0' || *text > '9')
        return -EINVAL;
    char *end;
    errno = 0;
    unsigned long long value = strtoull(text, &end, 10);
    if (errno || *end)
        return -EINVAL;
    *out = value;
    return 0;
}

/* "2x", "1.5x", "5%" -> ppm. */
static int parse_ratio(const char *text, char suffix, uint64_t one, uint64_t *out)
{
    size_t n = strlen(text);
    if (n < 2 || text[n - 1] != suffix || strspn(text, "0123456789.") != n - 1)
        return -EINVAL;
    char *end;
    double value = strtod(text, &end);
    if (end != text + n - 1 || value > 1e9)
        return -EINVAL;
    *out = (uint64_t)(value * (double)one + 0.5);
    return 0;
}

static int parse_own_unit(const struct words *words, const struct word *word,
                          enum measure measure, uint64_t *out)
{
    const struct measure_row *row = measure_row(measure);
    struct unit_error why = {.text = ""};
    switch (row->unit) {
    case MEASURE_UNIT_COUNT:
        if (parse_count(word->text, out) == 0)
            return 0;
        return complain(words, word, "a whole number, such as 10",
                        "%s is a count, not \"%s\"", row->name, word->text);
    case MEASURE_UNIT_DURATION:
        if (strcmp(word->text, "0") == 0) {
            *out = 0;
            return 0;
        }
        if (unit_parse_duration(word->text, out, &why) == 0)
            return 0;
        return complain(words, word, "a duration, such as 250ms or 10s", "%s",
                        why.text);
    case MEASURE_UNIT_FREQUENCY:
        if (strcmp(word->text, "0") == 0) {
            *out = 0;
            return 0;
        }
        if (unit_parse_frequency(word->text, out, &why) == 0)
            return 0;
        return complain(words, word, "a frequency, such as 400/s", "%s", why.text);
    case MEASURE_UNIT_BOOLEAN:
        break;
    }
    return complain(words, word, "true or false", "%s is true or false, not \"%s\"",
                    row->name, word->text);
}

static int parse_of_before(struct words *words, const struct word *word,
                           struct expectation *expectation)
{
    struct word next;
    enum measure before;
    expectation->scale = EXPECT_OF_BEFORE;
    if (measure_before(expectation->measure, &before) != 0)
        return complain(words, word, "only NAME.during and NAME.after have a before",
                        "%s has no value before the fault",
                        measure_row(expectation->measure)->name);
    if (take(words, "before"))
        return 0;
    (void)next_word(words, &next);
    return complain(words, &next, "", "expected \"before\" behind \"%s\"", word->text);
}

static int parse_of_acked(struct words *words, const struct word *word,
                          struct expectation *expectation)
{
    struct word next;
    expectation->scale = EXPECT_OF_ACKED;
    if (measure_row(expectation->measure)->unit != MEASURE_UNIT_COUNT)
        return complain(words, word, "only counts are a share of acked",
                        "%s is not a count", measure_row(expectation->measure)->name);
    if (take(words, "of") && take(words, "acked"))
        return 0;
    (void)next_word(words, &next);
    return complain(words, &next, "", "expected \"of acked\" behind \"%s\"",
                    word->text);
}

static int parse_quantity(struct words *words, bool scaled,
                          struct expectation *expectation, uint64_t *out)
{
    struct word word;
    if (!next_word(words, &word))
        return complain(words, &word, "", "a quantity is missing at the end");
    if (scaled && parse_ratio(word.text, 'x', PPM, out) == 0)
        return parse_of_before(words, &word, expectation);
    if (scaled && parse_ratio(word.text, '%', PPM / 100, out) == 0)
        return parse_of_acked(words, &word, expectation);
    return parse_own_unit(words, &word, expectation->measure, out);
}

static int parse_between(struct words *words, struct expectation *expectation)
{
    struct word word;
    int status = parse_quantity(words, false, expectation, &expectation->low);
    if (status)
        return status;
    if (!take(words, "and")) {
        (void)next_word(words, &word);
        return complain(words, &word, "between 1 and 5", "expected \"and\"");
    }
    struct words second = *words;
    status = parse_quantity(words, false, expectation, &expectation->high);
    if (status)
        return status;
    expectation->has_low = expectation->has_high = true;
    (void)next_word(&second, &word);
    if (expectation->low > expectation->high)
        return complain(words, &word, "", "the second bound is below the first");
    return 0;
}

static int parse_bound(struct words *words, struct expectation *expectation, bool low,
                       bool excluded)
{
    uint64_t bound = 0;
    int status = parse_quantity(words, true, expectation, &bound);
    if (status)
        return status;
    expectation->has_low = low;
    expectation->has_high = !low;
    *(low ? &expectation->low : &expectation->high) = bound;
    expectation->above = low && excluded;
    expectation->below = !low && excluded;
    return 0;
}

static int parse_exact(struct words *words, struct expectation *expectation)
{
    const struct measure_row *row = measure_row(expectation->measure);
    struct word word;
    struct words ahead = *words;
    uint64_t value = 0;
    (void)next_word(&ahead, &word);
    bool is_true = strcmp(word.text, "true") == 0 || strcmp(word.text, "valid") == 0;
    bool is_false =
        strcmp(word.text, "false") == 0 || strcmp(word.text, "invalid") == 0;
    if (row->unit == MEASURE_UNIT_BOOLEAN && (is_true || is_false))
        value = is_true;
    else if (row->unit != MEASURE_UNIT_BOOLEAN && strcmp(word.text, "none") == 0)
        value = 0;
    else if (row->unit == MEASURE_UNIT_DURATION && strcmp(word.text, "never") == 0)
        value = MEASURE_NEVER;
    else if (row->unit == MEASURE_UNIT_BOOLEAN ||
             (word.text[0] >= '0' && word.text[0] <= '9')) {
        int status = parse_own_unit(words, &word, expectation->measure, &value);
        if (status)
            return status;
    } else {
        return complain(words, &word, forms_hint, "\"%s\" is no expectation",
                        word.text);
    }
    *words = ahead;
    expectation->has_low = expectation->has_high = true;
    expectation->low = expectation->high = value;
    return 0;
}

static int parse_condition(struct words *words, struct expectation *expectation)
{
    static const struct {
        const char *first, *second;
        bool low, excluded;
    } relations[] = {
        {"at", "least", true, false},
        {"at", "most", false, false},
        {"more", "than", true, true},
        {"less", "than", false, true},
    };
    if (take(words, "between"))
        return parse_between(words, expectation);
    for (size_t i = 0; i < sizeof relations / sizeof *relations; i++) {
        struct words ahead = *words;
        if (!take(&ahead, relations[i].first) || !take(&ahead, relations[i].second))
            continue;
        *words = ahead;
        return parse_bound(words, expectation, relations[i].low, relations[i].excluded);
    }
    return parse_exact(words, expectation);
}

int expect_parse(enum measure measure, const char *text, struct expectation *out,
                 struct expect_error *why)
{
    struct words words = {.text = text, .at = text, .why = why};
    struct expectation expectation = {.measure = measure};
    struct word word;
    struct words ahead = words;
    if (!next_word(&ahead, &word))
        return complain(&words, &word, forms_hint, "an expectation is missing");
    int status = parse_condition(&words, &expectation);
    if (status)
        return status;
    if (next_word(&words, &word))
        return complain(&words, &word, "", "unexpected \"%s\"", word.text);
    (void)snprintf(expectation.text, sizeof expectation.text, "%s",
                   text + strspn(text, " \t"));
    *out = expectation;
    return 0;
}

/* The bound in the measure's own unit times PPM, so that nothing is rounded away. */
__extension__ typedef unsigned __int128 wide; /* a count times a ratio: up to 2^94 */

static bool within(const struct expectation *expectation, wide value, wide low,
                   wide high)
{
    if (expectation->has_low && (expectation->above ? value <= low : value < low))
        return false;
    return !expectation->has_high ||
           (expectation->below ? value < high : value <= high);
}

enum expect_result expect_evaluate(const struct expectation *expectation,
                                   const struct measures *measures)
{
    struct measure_value value = measures->values[expectation->measure];
    struct measure_value base = {.known = true, .value = 1};
    enum measure before;
    wide unit = 1;
    if (expectation->scale == EXPECT_OF_ACKED)
        base = measures->values[MEASURE_ACKED];
    else if (expectation->scale == EXPECT_OF_BEFORE)
        base = measure_before(expectation->measure, &before) == 0
                   ? measures->values[before]
                   : (struct measure_value){0};
    if (expectation->scale != EXPECT_ABSOLUTE)
        unit = PPM;
    if (!value.known || !base.known)
        return EXPECT_UNKNOWN;
    return within(expectation, value.value * unit, (wide)expectation->low * base.value,
                  (wide)expectation->high * base.value)
               ? EXPECT_MET
               : EXPECT_UNMET;
}

bool expect_demands_harm(const struct expectation *expectation)
{
    const struct measure_row *row = measure_row(expectation->measure);
    if (row->unit == MEASURE_UNIT_BOOLEAN)
        return row->harm && expectation->has_high && expectation->high == 0;
    return row->better == MEASURE_BETTER_LOW && expectation->has_low &&
           (expectation->low > 0 || expectation->above);
}

const char *expect_format(const struct expectation *expectation,
                          const struct measures *measures, char *text,
                          size_t text_bytes)
{
    char observed[64];
    (void)measure_format(expectation->measure, measures->values[expectation->measure],
                         observed, sizeof observed);
    bool known = measures->values[expectation->measure].known;
    (void)snprintf(text, text_bytes, "%s: %s, expected %s",
                   measure_row(expectation->measure)->name,
                   known ? observed : "not known", expectation->text);
    return text;
}

const char *expect_result_name(enum expect_result result)
{
    static const char *const names[] = {
        [EXPECT_MET] = "met",
        [EXPECT_UNMET] = "unmet",
        [EXPECT_UNKNOWN] = "unknown",
    };
    return names[result];
}

json_t *expect_to_json(const struct expectation *expectation,
                       const struct measures *measures)
{
    json_t *observed = measure_value_to_json(expectation->measure,
                                             measures->values[expectation->measure]);
    json_t *object = json_pack(
        "{s:s, s:s, s:o, s:s, s:b}", "measure", measure_row(expectation->measure)->name,
        "expected", expectation->text, "observed", observed, "result",
        expect_result_name(expect_evaluate(expectation, measures)), "control",
        expect_demands_harm(expectation));
    if (object)
        return object;
    fputs("netsplit: out of memory\n", stderr);
    abort();
}
