/* SPDX-License-Identifier: MIT */
/* Each spelling replaces some characters by others, but for base64, in which three bytes
 * are four characters: where the value is followed by more, a newline of echo(1)'s, only
 * its whole threes are the same. What is before it would shift all, so that the header of
 * basic authentication is not found. */
#include "scenarios/redact/redact_spell.h"

#include "proxy/base/memory.h"
#include "rules/buffer.h"

#include <ctype.h>
#include <openssl/evp.h>
#include <string.h>

static char *keep(struct buffer *text)
{
    char *kept = xstrdup(buffer_text(text));
    buffer_close(text);
    return kept;
}

/* With each of the characters written as `into` says. */
static char *replace(const char *value, const char *characters, const char *const *into)
{
    struct buffer text = {0};
    for (; *value; value++) {
        const char *found = strchr(characters, *value);
        if (found)
            buffer_print(&text, "%s", into[found - characters]);
        else
            buffer_add(&text, value, 1);
    }
    return keep(&text);
}

/* RFC 3986 2.3. */
static char *escape_url(const char *value)
{
    struct buffer text = {0};
    for (; *value; value++)
        if (isalnum((unsigned char)*value) || strchr("-._~", *value))
            buffer_add(&text, value, 1);
        else
            buffer_print(&text, "%%%02X", (unsigned)(unsigned char)*value);
    return keep(&text);
}

/* RFC 4648 4, without padding. */
static char *encode_base64(const char *value, size_t length)
{
    char *text = xcalloc(1, length / 3 * 4 + 5);
    (void)EVP_EncodeBlock((unsigned char *)text, (const unsigned char *)value,
                          (int)length); /* it tells the length */
    text[strcspn(text, "=")] = '\0';
    return text;
}

void redact_spell(const char *value, char *out[static REDACT_SPELLINGS])
{
    static const char *const json[] = {"\\\"", "\\\\", "\\n", "\\t"};
    static const char *const xml[] = {"&amp;", "&lt;", "&gt;", "&quot;"};
    static const char *const shell[] = {"'\\''"};
    static const char *const doubled[] = {"''"};
    static const char *const escaped[] = {"\\'", "\\\\"};
    size_t length = strlen(value);
    out[0] = xstrdup(value);
    out[1] = replace(value, "\"\\\n\t", json);
    out[2] = replace(value, "&<>\"", xml);
    out[3] = replace(value, "'", shell);
    out[4] = replace(value, "'", doubled);
    out[5] = replace(value, "'\\", escaped);
    out[6] = escape_url(value);
    out[7] = encode_base64(value, length - length % 3);
    out[8] = encode_base64(value, length);
}
