/* SPDX-License-Identifier: MIT */
#include "scenarios/init/fill.h"

#include "rules/buffer.h"

#include <assert.h>
#include <string.h>

static const char *find(const char *name, size_t length, const struct fill_word *words,
                        size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (strlen(words[i].name) == length && memcmp(words[i].name, name, length) == 0)
            return words[i].value;
    return NULL;
}

/* The length of the name of the gap that begins at text, "@NAME@"; 0 = it is none. */
static size_t gap_length(const char *text)
{
    size_t n = strspn(text + 1, "ABCDEFGHIJKLMNOPQRSTUVWXYZ_");
    return text[n + 1] == '@' ? n : 0;
}

void fill(struct buffer *out, const char *text, const struct fill_word *words, size_t n)
{
    for (;;) {
        size_t before = strcspn(text, "@");
        buffer_add(out, text, before);
        text += before;
        if (!*text)
            return;
        size_t name = gap_length(text);
        const char *value = find(text + 1, name, words, n);
        assert(!name || value);
        if (value)
            buffer_add(out, value, strlen(value));
        else
            buffer_add(out, text, 1);
        text += value ? name + 2 : 1;
    }
}
