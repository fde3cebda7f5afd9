/* SPDX-License-Identifier: MIT */
/* Reading limits, and numbers out of what commands print. Pure. */
#include "scenarios/playbook/threshold.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>

int threshold_parse(const char *text, struct threshold *out)
{
    struct threshold read = {.text = text, .is_strict = true};
    const char *at = text;
    if (*at == '>' || *at == '<') {
        read.is_below = *at++ == '<';
        read.is_strict = *at != '=';
        at += *at == '=';
    } else {
        read.is_strict = false;
    }
    char *end = NULL;
    read.value = strtod(at, &end);
    if (end == at || *end != '\0' || isspace((unsigned char)*at) ||
        !isfinite(read.value))
        return -EINVAL;
    *out = read;
    return 0;
}

bool threshold_is_crossed(const struct threshold *threshold, double value)
{
    if (!threshold->text)
        return false;
    double over =
        threshold->is_below ? threshold->value - value : value - threshold->value;
    return threshold->is_strict ? over > 0 : over >= 0;
}

static bool is_of_a_word(char c)
{
    return isalnum((unsigned char)c) || c == '_' || c == '.';
}

/* "-5", "5" or ".5"; not "inf", which strtod would take. */
static bool begins_a_number(const char *at)
{
    at += *at == '-' || *at == '+';
    at += *at == '.';
    return isdigit((unsigned char)*at);
}

bool threshold_last_number(const char *text, double *out)
{
    bool found = false;
    for (const char *at = text; *at;) {
        char *end = NULL;
        double value = 0;
        if ((at == text || !is_of_a_word(at[-1])) && begins_a_number(at))
            value = strtod(at, &end);
        if (!end) {
            at++;
            continue;
        }
        *out = value;
        found = true;
        at = end;
    }
    return found;
}
