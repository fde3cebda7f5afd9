/* SPDX-License-Identifier: MIT */
/* A line is made in memory and handed to stderr in one call, whose lock keeps threads
 * apart. What is longer than a kilobyte is cut; what cannot be written is lost. */
#include "proxy/base/log.h"
#include "proxy/base/now.h"

#include <stdarg.h>
#include <stdio.h>

static enum log_level level_now = LOG_WARN; /* the process's, set by options */

void log_set_level(enum log_level level)
{
    level_now = level;
}

void log_line(enum log_level level, const char *format, ...)
{
    static const char *const names[] = {"error", "warn", "info", "debug"};
    if (level > level_now)
        return;
    char text[1024];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(text, sizeof text, format, args); /* cut on purpose */
    va_end(args);
    uint64_t now = now_ns();
    fprintf(stderr, "%llu.%03llu %s %s\n", (unsigned long long)(now / NS_PER_S),
            (unsigned long long)(now % NS_PER_S / NS_PER_MS), names[level], text);
}
