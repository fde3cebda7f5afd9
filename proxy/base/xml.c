/* SPDX-License-Identifier: MIT */
/* UTF-8 goes through as it is, character by character: what commands and servers said may
 * hold anything. Errors of writing stay in the stream, for who closes it. */
#include "proxy/base/xml.h"

#include "rules/utf8.h"

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

/* U+FFFE and U+FFFF are characters, but none of XML's. */
static bool is_of_xml(uint32_t c, ptrdiff_t bytes)
{
    bool is_control = c < ' ' && c != '\n' && c != '\t';
    bool is_bad = c == UTF8_BAD && bytes == 1;
    return !is_control && !is_bad && c != 0xFFFE && c != 0xFFFF;
}

void xml_put_escaped(FILE *to, const char *text)
{
    const char *at = text ? text : "";
    for (const char *end = at + strlen(at), *from = at; from < end; from = at) {
        uint32_t c = utf8_next(&at, end);
        if (c == '<')
            fputs("&lt;", to);
        else if (c == '&')
            fputs("&amp;", to);
        else if (c == '"')
            fputs("&quot;", to);
        else if (!is_of_xml(c, at - from))
            fputc('?', to); /* XML 1.0 has no way to write it */
        else
            fwrite(from, 1, (size_t)(at - from), to);
    }
}
