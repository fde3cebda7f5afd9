/* SPDX-License-Identifier: MIT */
/* What is kept of a drill lies in its run's arena, and lives as long as the run does.
 * Texts are kept without secrets: whatever a report, a record or the terminal may show
 * of a drill has passed through here. It cannot fail but for memory, and then all ends,
 * as with xcalloc. */
#include "scenarios/drill/drill_inside.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

void *drill_take(struct drill *drill, size_t n, size_t bytes)
{
    return arena_alloc(&drill->run->arena, n, bytes);
}

char *drill_keep(struct drill *drill, const char *text)
{
    char *clean = redact_copy(drill->options->secrets, text);
    char *kept = arena_copy(&drill->run->arena, clean, strlen(clean));
    free(clean);
    return kept;
}

char *drill_print(struct drill *drill, const char *format, ...)
{
    char *text = NULL;
    va_list args;
    va_start(args, format);
    int n = vasprintf(&text, format, args);
    va_end(args);
    if (n < 0)
        abort(); /* out of memory: as xcalloc */
    char *kept = drill_keep(drill, text);
    free(text);
    return kept;
}
