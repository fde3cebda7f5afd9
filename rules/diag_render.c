/* SPDX-License-Identifier: MIT */
/* Showing: the line, and under it a caret and tildes. What stands before the caret is
 * copied as blanks of the same width, tabs as tabs, so that it stands right on every
 * terminal. */
#include "rules/diag.h"

#include "rules/buffer.h"
#include "rules/utf8.h"

#include <string.h>

struct palette {
    const char *place, *error, *warning, *caret, *off;
};

static const struct palette plain = {"", "", "", "", ""};
static const struct palette coloured = {"\033[1m", "\033[1;31m", "\033[1;35m",
                                        "\033[1;32m", "\033[0m"};

static void render_head(const struct diag_item *item, const struct palette *colours,
                        struct buffer *out)
{
    const char *colour =
        item->severity == DIAG_WARNING ? colours->warning : colours->error;
    buffer_print(out, "%s%s:", colours->place, item->file);
    if (item->line > 0)
        buffer_print(out, "%u:%u:", item->line, item->column);
    buffer_print(out, "%s %s%s:%s %s\n", colours->off, colour,
                 diag_severity_name(item->severity), colours->off, item->text);
}

/* Blanks up to the place. Returns where in the excerpt that is. */
static const char *render_blanks(const struct diag_item *item, struct buffer *out)
{
    const char *at = item->excerpt;
    const char *end = at + strlen(at);
    uint32_t column = 1;
    for (; column < item->excerpt_column && at < end; column++) {
        uint32_t character = utf8_next(&at, end);
        buffer_fill(out, character == '\t' ? '\t' : ' ', utf8_width(character));
    }
    buffer_fill(out, ' ', item->excerpt_column - column);
    return at;
}

static void render_caret(const struct diag_item *item, const struct palette *colours,
                         struct buffer *out)
{
    buffer_print(out, "      | ");
    const char *at = render_blanks(item, out);
    const char *end = at + strlen(at);
    size_t width = 0;
    for (uint32_t i = item->column; i < item->end_column && at < end; i++)
        width += utf8_width(utf8_next(&at, end));
    buffer_print(out, "%s^", colours->caret);
    buffer_fill(out, '~', width > 1 ? width - 1 : 0);
    buffer_print(out, "%s", colours->off);
    if (item->hint)
        buffer_print(out, " %s", item->hint);
    buffer_print(out, "\n");
}

static void render_item(const struct diag_item *item, const struct palette *colours,
                        struct buffer *out)
{
    render_head(item, colours, out);
    if (item->excerpt) {
        buffer_print(out, "%5u | %s\n", item->line, item->excerpt);
        render_caret(item, colours, out);
    } else if (item->hint) {
        buffer_print(out, "      | %s\n", item->hint);
    }
}

void diag_render(const struct diag *diag, bool colour, struct buffer *out)
{
    for (size_t i = 0; i < diag->n; i++)
        render_item(diag->items[i], colour ? &coloured : &plain, out);
    if (diag->n_dropped > 0)
        buffer_print(out, "and %zu more\n", diag->n_dropped);
    if (diag->out_of_memory)
        buffer_print(out, "out of memory: there may be more\n");
}
