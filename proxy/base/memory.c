/* SPDX-License-Identifier: MIT */
/* The C library's calls, each looked at. Nothing of no size is asked for, because for
 * that NULL would be a good answer. */
#include "proxy/base/memory.h"
#include "rules/arena.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void *or_abort(void *memory)
{
    if (memory)
        return memory;
    fputs("netsplit: out of memory\n", stderr);
    abort();
}

void *xcalloc(size_t n, size_t size)
{
    return or_abort(calloc(n ? n : 1, size ? size : 1));
}

void *xreallocarray(void *old, size_t n, size_t size)
{
    return or_abort(reallocarray(old, n ? n : 1, size ? size : 1));
}

char *xstrdup(const char *text)
{
    return or_abort(strdup(text));
}

char *xasprintf(const char *format, ...)
{
    char *text = NULL;
    va_list args;
    va_start(args, format);
    int n = vasprintf(&text, format, args);
    va_end(args);
    return or_abort(n < 0 ? NULL : text);
}

static void *allocate(void *context, size_t bytes)
{
    (void)context;
    return or_abort(malloc(bytes ? bytes : 1));
}

static void release(void *context, void *block)
{
    (void)context;
    free(block);
}

const struct allocator xallocator = {allocate, release, NULL};
