/* SPDX-License-Identifier: MIT */
/* Text that does not fit is cut at its end, so that what a caller puts in front of it
 * is kept; if that alone is too long the text stays as it was. */
#include "proxy/base/errmsg.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void errmsg_set(struct errmsg *err, const char *format, ...)
{
    if (!err)
        return;
    va_list args;
    va_start(args, format);
    (void)vsnprintf(err->text, sizeof err->text, format, args); /* cut on purpose */
    va_end(args);
}

void errmsg_wrap(struct errmsg *err, const char *format, ...)
{
    if (!err)
        return;
    char wrapped[sizeof err->text];
    va_list args;
    va_start(args, format);
    int n = vsnprintf(wrapped, sizeof wrapped, format, args);
    va_end(args);
    if (n < 0 || (size_t)n >= sizeof wrapped)
        return;
    (void)snprintf(wrapped + n, sizeof wrapped - (size_t)n, ": %s", err->text);
    memcpy(err->text, wrapped, sizeof wrapped);
}
