/* SPDX-License-Identifier: MIT */
/* The one place that reads clocks. Everything inside netsplit is monotonic
 * nanoseconds; wall time is for people and file names only. */
#ifndef NETSPLIT_BASE_NOW_H
#define NETSPLIT_BASE_NOW_H

#include <stddef.h>
#include <stdint.h>

#define NS_PER_S  UINT64_C(1000000000)
#define NS_PER_MS UINT64_C(1000000)
#define NS_PER_US UINT64_C(1000)

/* CLOCK_MONOTONIC, ns. Comparable between all processes of one machine. */
uint64_t now_ns(void);

/* CLOCK_REALTIME, ns since 1970. */
uint64_t now_wall_ns(void);

/* The wall time, ns since 1970, of a moment in clock ticks since boot, as /proc/PID/stat
 * tells when a process started. Right even if the clock was set since then. */
uint64_t now_wall_of_ticks(uint64_t ticks);

/* libuv's milliseconds for a span, rounded up so that a timer is never early. */
uint64_t now_ns_to_ms_up(uint64_t span_ns);

/* Writes wall_ns as "2026-11-21T02:31:07Z" (21 bytes with its NUL) to text. */
void now_format_utc(uint64_t wall_ns, char *text, size_t text_bytes);

#endif
