/* SPDX-License-Identifier: MIT */
/* Characters in bytes: places are counted in characters, and shown in columns. */
#ifndef NETSPLIT_RULES_UTF8_H
#define NETSPLIT_RULES_UTF8_H

#include <stddef.h>
#include <stdint.h>

enum { UTF8_BAD = 0xFFFD }; /* what a byte that is no UTF-8 reads as */

/* The character at *at, which moves behind it; at least one byte, never beyond end.
 * Overlong forms, surrogates and what is above U+10FFFF are bad. *at < end. */
uint32_t utf8_next(const char **at, const char *end);

/* The byte at which valid UTF-8 ends: length if all of it is. */
size_t utf8_valid(const char *text, size_t length);

/* The columns a terminal gives a character: 0 for combining marks, 2 for East Asian
 * wide forms and emoji (Unicode 15, UAX 11, by block), else 1. */
unsigned utf8_width(uint32_t character);

/* Whether a line ends before the character: LF, CR, NEL, LS or PS, as in YAML 1.1. */
int utf8_is_break(uint32_t character);

#endif
