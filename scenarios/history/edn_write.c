/* SPDX-License-Identifier: MIT */
/* Strings as EDN and JSON both read them. Texts come from servers under faults, so they
 * may hold anything: what is no UTF-8 would make a file that no reader takes. */
#include "scenarios/history/edn.h"

/* The length of the UTF-8 sequence at text, 0 if it is none (RFC 3629). */
static int utf8_length(const unsigned char *text)
{
    int n = text[0] < 0x80                       ? 1
            : text[0] >= 0xc2 && text[0] <= 0xdf ? 2
            : text[0] >= 0xe0 && text[0] <= 0xef ? 3
            : text[0] >= 0xf0 && text[0] <= 0xf4 ? 4
                                                 : 0;
    for (int i = 1; i < n; i++)
        if ((text[i] & 0xc0) != 0x80)
            return 0;
    bool overlong =
        (text[0] == 0xe0 && text[1] < 0xa0) || (text[0] == 0xf0 && text[1] < 0x90);
    bool surrogate = text[0] == 0xed && text[1] >= 0xa0;
    bool beyond = text[0] == 0xf4 && text[1] >= 0x90;
    return overlong || surrogate || beyond ? 0 : n;
}

void edn_write_string(FILE *to, const char *text)
{
    (void)putc('"', to); /* errors stick to the stream; its owner asks ferror() */
    for (const unsigned char *at = (const unsigned char *)text; *at;) {
        int n = utf8_length(at);
        if (*at == '"' || *at == '\\')
            (void)fprintf(to, "\\%c", *at);
        else if (*at == '\n')
            (void)fputs("\\n", to);
        else if (*at < 0x20)
            (void)fprintf(to, "\\u%04x", *at);
        else if (n == 0)
            (void)putc('?', to);
        else
            (void)fwrite(at, 1, (size_t)n, to);
        at += n ? n : 1;
    }
    (void)putc('"', to);
}
