/* SPDX-License-Identifier: MIT */
/* Values with units, as users write them, to the integers netsplit computes with.
 * Decimal fractions are allowed ("1.5s"); a number without its unit is an error, as
 * are signs, and values that do not fit. */
#ifndef NETSPLIT_RULES_UNIT_H
#define NETSPLIT_RULES_UNIT_H

#include <stddef.h>
#include <stdint.h>

struct unit_error {
    char text[120]; /* "\"40\" needs a unit" */
    char hint[120]; /* "one of: us, ms, s, m or h"; may be empty */
};

/* Fills why, which may be NULL, with a formatted text and no hint. Returns -EINVAL. */
int unit_complain(struct unit_error *why, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* "40ms" "1.5s" "100us" "2m" "1h" -> nanoseconds. All return 0, or -EINVAL with why
 * filled (why may be NULL) and *out untouched. */
int unit_parse_duration(const char *text, uint64_t *out_ns, struct unit_error *why);

/* "8MiB" "64kB" "512B" -> bytes; kB, MB, GB are decimal, KiB, MiB, GiB binary. */
int unit_parse_bytes(const char *text, uint64_t *out_bytes, struct unit_error *why);

/* "10Mbit/s" "1.5MB/s" "64KiB/s" -> bytes per second, at least 1. */
int unit_parse_rate(const char *text, uint64_t *out_bytes_per_s,
                    struct unit_error *why);

/* "2%" "0.01%" -> parts per million, 0..1000000. */
int unit_parse_percent(const char *text, uint32_t *out_ppm, struct unit_error *why);

/* "400/s" "0.5/s" -> events in 1000 seconds, at least 1. */
int unit_parse_frequency(const char *text, uint64_t *out_per_1000_s,
                         struct unit_error *why);

/* The shortest exact-looking text for people: "40ms", "1.5s", "8MiB", "1.9MB",
 * "1.25MB/s", "2%". Writes at most text_bytes with the NUL; returns text. */
const char *unit_format_duration(uint64_t ns, char *text, size_t text_bytes);
const char *unit_format_bytes(uint64_t bytes, char *text, size_t text_bytes);
const char *unit_format_rate(uint64_t bytes_per_s, char *text, size_t text_bytes);
const char *unit_format_percent(uint32_t ppm, char *text, size_t text_bytes);

#endif
