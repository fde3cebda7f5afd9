/* SPDX-License-Identifier: MIT */
/* UTF-8 goes through as it is: what we write comes from texts that were checked. Errors
 * of writing stay in the stream, for who closes it. */
#include "proxy/base/xml.h"

void xml_put_escaped(FILE *to, const char *text)
{
    for (const char *at = text ? text : ""; *at; at++) {
        unsigned char c = (unsigned char)*at;
        if (c == '<')
            fputs("&lt;", to);
        else if (c == '&')
            fputs("&amp;", to);
        else if (c == '"')
            fputs("&quot;", to);
        else if (c < ' ' && c != '\n' && c != '\t')
            fputc('?', to); /* XML 1.0 has no way to write it */
        else
            fputc(c, to);
    }
}
