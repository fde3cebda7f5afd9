/* SPDX-License-Identifier: MIT */
/* Reads and writes the lists that the systems under test keep as text. A text that is
 * not exactly such a list is refused as a whole: a history must not hold what a node
 * did not say. It knows nothing of order or of duplicates; those are the checkers'. */
#include "scenarios/drivers/elements.h"

#include "proxy/base/memory.h"

#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void elements_free(struct elements *elements)
{
    free(elements->items);
    *elements = (struct elements){0};
}

const char *elements_format(int64_t element, char *text, size_t text_bytes)
{
    (void)snprintf(text, text_bytes, "%" PRId64 ",", element);
    return text;
}

/* One decimal integer at text; *end is behind it. */
static bool parse_integer(const char *text, const char **end, int64_t *out)
{
    const char *digits = *text == '-' ? text + 1 : text;
    if (*digits < '0' || *digits > '9')
        return false; /* strtoll would skip blanks */
    errno = 0;
    char *behind;
    long long value = strtoll(text, &behind, 10);
    if (errno)
        return false;
    *end = behind;
    *out = value;
    return true;
}

int elements_parse(struct elements *elements, const char *text, size_t length,
                   struct history_value *out)
{
    const char *end = text + length;
    if (length == 0) {
        *out = (struct history_value){.kind = HISTORY_NIL};
        return 0;
    }
    int64_t integer;
    size_t n = 0;
    for (const char *at = text; at < end; at++) {
        if (!parse_integer(at, &at, &integer))
            return -EINVAL;
        if (at == end && n == 0) {
            *out = (struct history_value){.kind = HISTORY_INTEGER, .integer = integer};
            return 0;
        }
        if (at >= end || *at != ',')
            return -EINVAL;
        if (n == elements->room) {
            elements->room = elements->room ? elements->room * 2 : 64;
            elements->items =
                xreallocarray(elements->items, elements->room, sizeof *elements->items);
        }
        elements->items[n++] = integer;
    }
    *out = (struct history_value){
        .kind = HISTORY_LIST,
        .list = {.items = elements->items, .n = n},
    };
    return 0;
}
