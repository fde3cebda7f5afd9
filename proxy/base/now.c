/* SPDX-License-Identifier: MIT */
/* clock_gettime(2), and what follows from its nanoseconds. */
#include "proxy/base/now.h"

#include <time.h>
#include <unistd.h>

static uint64_t read_clock(clockid_t id)
{
    struct timespec t;
    (void)clock_gettime(id, &t); /* cannot fail for these clocks */
    return (uint64_t)t.tv_sec * NS_PER_S + (uint64_t)t.tv_nsec;
}

uint64_t now_ns(void)
{
    return read_clock(CLOCK_MONOTONIC);
}

uint64_t now_wall_ns(void)
{
    return read_clock(CLOCK_REALTIME);
}

uint64_t now_wall_of_ticks(uint64_t ticks)
{
    uint64_t at = ticks * (NS_PER_S / (uint64_t)sysconf(_SC_CLK_TCK));
    return now_wall_ns() - (read_clock(CLOCK_BOOTTIME) - at);
}

uint64_t now_ns_to_ms_up(uint64_t span_ns)
{
    return span_ns / NS_PER_MS + (span_ns % NS_PER_MS != 0);
}

void now_format_utc(uint64_t wall_ns, char *text, size_t text_bytes)
{
    time_t seconds = (time_t)(wall_ns / NS_PER_S);
    struct tm utc;
    (void)gmtime_r(&seconds, &utc); /* fails only past the year 2^31 */
    if (strftime(text, text_bytes, "%Y-%m-%dT%H:%M:%SZ", &utc) == 0 && text_bytes > 0)
        text[0] = '\0';
}
