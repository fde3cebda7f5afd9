/* SPDX-License-Identifier: MIT */
/* Decoding after the Unicode Standard, table 3-7, "Well-Formed UTF-8 Byte Sequences".
 */
#include "rules/utf8.h"

#include <stdbool.h>

static bool is_valid(uint32_t character, size_t bytes)
{
    static const uint32_t smallest[] = {0, 0, 0x80, 0x800, 0x10000};
    return character >= smallest[bytes] && character <= 0x10FFFF &&
           (character < 0xD800 || character > 0xDFFF);
}

/* The bytes of the sequence that begins with lead, 0 if none does. */
static size_t sequence_bytes(unsigned char lead)
{
    if (lead < 0x80)
        return 1;
    if (lead < 0xC0)
        return 0;
    return lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : lead < 0xF8 ? 4 : 0;
}

/* Decodes into *character; returns its bytes, or 0 for bad UTF-8. */
static size_t decode(const char *at, const char *end, uint32_t *character)
{
    unsigned char lead = (unsigned char)*at;
    size_t bytes = sequence_bytes(lead);
    if (bytes == 0 || (size_t)(end - at) < bytes)
        return 0;
    static const uint32_t lead_bits[] = {0, 0x7F, 0x1F, 0x0F, 0x07};
    uint32_t value = lead & lead_bits[bytes];
    for (size_t i = 1; i < bytes; i++) {
        if (((unsigned char)at[i] & 0xC0) != 0x80)
            return 0;
        value = value << 6 | ((unsigned char)at[i] & 0x3F);
    }
    *character = value;
    return is_valid(value, bytes) ? bytes : 0;
}

uint32_t utf8_next(const char **at, const char *end)
{
    uint32_t character = UTF8_BAD;
    size_t bytes = decode(*at, end, &character);
    *at += bytes > 0 ? bytes : 1;
    return bytes > 0 ? character : UTF8_BAD;
}

size_t utf8_valid(const char *text, size_t length)
{
    const char *end = text + length;
    const char *at = text;
    while (at < end) {
        uint32_t character = 0;
        size_t bytes = decode(at, end, &character);
        if (bytes == 0)
            break;
        at += bytes;
    }
    return (size_t)(at - text);
}

struct range {
    uint32_t first, last;
};

static bool is_in(uint32_t character, const struct range *ranges, size_t n)
{
    for (size_t i = 0; i < n; i++) /* a dozen rows */
        if (character >= ranges[i].first && character <= ranges[i].last)
            return true;
    return false;
}

unsigned utf8_width(uint32_t character)
{
    static const struct range none[] = {
        {0x0300, 0x036F}, {0x1AB0, 0x1AFF}, {0x1DC0, 0x1DFF}, {0x200B, 0x200F},
        {0x20D0, 0x20FF}, {0xFE00, 0xFE0F}, {0xFE20, 0xFE2F}, {0xFEFF, 0xFEFF}};
    static const struct range two[] = {
        {0x1100, 0x115F},   {0x2E80, 0x303E},   {0x3041, 0x33FF},   {0x3400, 0x4DBF},
        {0x4E00, 0x9FFF},   {0xA000, 0xA4CF},   {0xAC00, 0xD7A3},   {0xF900, 0xFAFF},
        {0xFE30, 0xFE6F},   {0xFF00, 0xFF60},   {0xFFE0, 0xFFE6},   {0x1F300, 0x1F64F},
        {0x1F680, 0x1F6FF}, {0x1F900, 0x1F9FF}, {0x20000, 0x3FFFD},
    };
    if (is_in(character, none, sizeof none / sizeof *none))
        return 0;
    return is_in(character, two, sizeof two / sizeof *two) ? 2 : 1;
}

int utf8_is_break(uint32_t character)
{
    return character == '\n' || character == '\r' || character == 0x85 ||
           character == 0x2028 || character == 0x2029;
}
