/* SPDX-License-Identifier: MIT */
/* Collecting: each diagnostic is copied with its line of the source and kept in order
 * of source and place. Whatever users wrote is made harmless first: control characters,
 * which a terminal would obey, and bytes that are no UTF-8 become question marks. */
#include "rules/diag.h"

#include "rules/nearest.h"
#include "rules/utf8.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum {
    LINE_MOST = 160,  /* characters of a longer line that are shown */
    LINE_BEFORE = 60, /* of them before the place */
    WORDS_MOST = 14,  /* longer lists of known words are left out */
};

void diag_init(struct diag *diag, const struct allocator *allocator)
{
    *diag = (struct diag){.n = 0};
    arena_init(&diag->arena, allocator);
}

void diag_close(struct diag *diag)
{
    const struct allocator *allocator = diag->arena.allocator;
    arena_close(&diag->arena);
    diag_init(diag, allocator);
}

const char *diag_severity_name(enum diag_severity severity)
{
    return severity == DIAG_WARNING ? "warning" : "error";
}

int diag_status(const struct diag *diag)
{
    if (diag->out_of_memory)
        return -ENOMEM;
    if (diag->n_errors > 0)
        return -EINVAL;
    return diag->n_lacking > 0 ? -ENOTSUP : 0;
}

/* A copy in which nothing can move the cursor. It is never longer than the text. */
static char *copy_harmless(struct arena *arena, const char *text, size_t length)
{
    char *copy = arena_alloc(arena, length + 1, 1);
    if (!copy)
        return NULL;
    const char *end = text + length;
    char *to = copy;
    while (text < end) {
        const char *start = text;
        uint32_t character = utf8_next(&text, end);
        bool bad = (character < 0x20 && character != '\t') ||
                   (character >= 0x7F && character < 0xA0) || character == UTF8_BAD ||
                   utf8_is_break(character);
        if (bad)
            *to++ = character == '\n' ? ' ' : '?';
        else
            to = (char *)memcpy(to, start, (size_t)(text - start)) + (text - start);
    }
    return copy;
}

/* The line of the number, from 1, or the last one if there are fewer: its start, and
 * its end before the line break. Returns its number. */
static uint32_t find_line(const struct source *source, uint32_t number,
                          const char **start, const char **line_end)
{
    const char *at = source->text;
    const char *end = at + source->length;
    if (source->length >= 3 && memcmp(at, "\xEF\xBB\xBF", 3) == 0)
        at += 3; /* a byte order mark is no character of the line */
    for (uint32_t line = 1;; line++) {
        *start = at;
        *line_end = at;
        uint32_t character = 0;
        while (at < end && !utf8_is_break(character = utf8_next(&at, end)))
            *line_end = at;
        if (line == number || (at >= end && !utf8_is_break(character)))
            return line;
        if (character == '\r' && at < end && *at == '\n')
            at++;
    }
}

/* Moves over n characters, or to the end; returns how many there were. */
static uint32_t skip(const char **at, const char *end, uint32_t n)
{
    uint32_t i = 0;
    while (i < n && *at < end) {
        (void)utf8_next(at, end); /* only its length matters */
        i++;
    }
    return i;
}

static void add_excerpt(struct diag *diag, struct diag_item *item,
                        const struct mark *at)
{
    const char *start = NULL, *end = NULL;
    item->line = find_line(at->source, at->line, &start, &end);
    const char *scan = start;
    uint32_t length = skip(&scan, end, UINT32_MAX);
    if (item->line < at->line) /* libyaml's end is on a line behind the last */
        item->column = length + 1;
    if (at->end_line > at->line)
        item->end_column = length + 1;
    if (item->end_column <= item->column)
        item->end_column = item->column + 1;
    item->excerpt_column = item->column;
    const char *before = "", *behind = "";
    if (length > LINE_MOST && item->column > LINE_BEFORE + 1) {
        uint32_t left_out = skip(&start, end, item->column - 1 - LINE_BEFORE);
        item->excerpt_column = item->column - left_out + 3;
        before = "...";
    }
    scan = start;
    if (skip(&scan, end, LINE_MOST) == LINE_MOST && scan < end) {
        end = scan;
        behind = "...";
    }
    const char *shown = copy_harmless(&diag->arena, start, (size_t)(end - start));
    if (shown)
        item->excerpt = arena_print(&diag->arena, "%s%s%s", before, shown, behind);
    if (!item->excerpt)
        diag->out_of_memory = true;
}

/* Sources rank in the order in which they were first complained about. */
static uint32_t rank_of(const struct diag *diag, const char *file)
{
    uint32_t next = 0;
    for (size_t i = 0; i < diag->n; i++) {
        if (strcmp(diag->items[i]->file, file) == 0)
            return diag->items[i]->rank;
        if (diag->items[i]->rank >= next)
            next = diag->items[i]->rank + 1;
    }
    return next;
}

static bool is_before(const struct diag_item *a, const struct diag_item *b)
{
    if (a->rank != b->rank)
        return a->rank < b->rank;
    if (a->line != b->line)
        return a->line < b->line;
    return a->column < b->column;
}

/* Behind those of the same place: what is told first stands first. */
static void insert(struct diag *diag, struct diag_item *item)
{
    size_t i = diag->n++;
    for (; i > 0 && is_before(item, diag->items[i - 1]); i--)
        diag->items[i] = diag->items[i - 1];
    diag->items[i] = item;
    diag->last = item;
}

/* The formatted text, harmless, or NULL. */
__attribute__((format(printf, 2, 0))) static const char *
print_text(struct diag *diag, const char *format, va_list args)
{
    char text[1024];
    int length = vsnprintf(text, sizeof text, format, args);
    if (length < 0)
        return NULL;
    size_t kept = (size_t)length < sizeof text ? (size_t)length : sizeof text - 1;
    return copy_harmless(&diag->arena, text, kept);
}

__attribute__((format(printf, 4, 0))) static void add(struct diag *diag,
                                                      enum diag_severity severity,
                                                      const struct mark *at,
                                                      const char *format, va_list args)
{
    diag->n_errors += severity == DIAG_ERROR;
    diag->n_lacking += severity == DIAG_LACKING;
    diag->n_warnings += severity == DIAG_WARNING;
    diag->last = NULL;
    if (diag->n == DIAG_MOST) {
        diag->n_dropped++;
        return;
    }
    struct diag_item *item = arena_alloc(&diag->arena, 1, sizeof *item);
    const char *name = at->source->name;
    const char *file = copy_harmless(&diag->arena, name, strlen(name));
    const char *text = print_text(diag, format, args);
    if (!item || !file || !text) {
        diag->out_of_memory = true;
        return;
    }
    *item = (struct diag_item){.severity = severity,
                               .file = file,
                               .line = at->line,
                               .column = at->column,
                               .end_column = at->end_column,
                               .text = text,
                               .rank = rank_of(diag, file)};
    if (at->line > 0)
        add_excerpt(diag, item, at);
    insert(diag, item);
}

void diag_error(struct diag *diag, const struct mark *at, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    add(diag, DIAG_ERROR, at, format, args);
    va_end(args);
}

void diag_lacking(struct diag *diag, const struct mark *at, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    add(diag, DIAG_LACKING, at, format, args);
    va_end(args);
}

void diag_warning(struct diag *diag, const struct mark *at, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    add(diag, DIAG_WARNING, at, format, args);
    va_end(args);
}

void diag_hint(struct diag *diag, const char *format, ...)
{
    struct diag_item *item = diag->last;
    if (!item)
        return;
    va_list args;
    va_start(args, format);
    const char *text = print_text(diag, format, args);
    va_end(args);
    if (text && item->hint) {
        size_t length = strlen(item->hint);
        bool is_question = length > 0 && item->hint[length - 1] == '?';
        text = arena_print(&diag->arena, "%s%s %s", item->hint, is_question ? "" : ";",
                           text);
    }
    if (text)
        item->hint = text;
    else
        diag->out_of_memory = true;
}

void diag_suggest(struct diag *diag, const char *word, const char *const *words,
                  size_t n)
{
    if (!diag->last)
        return;
    char list[512] = "";
    size_t used = 0, known = 0;
    for (size_t i = 0; i < n && known <= WORDS_MOST; i++) {
        if (!words[i])
            continue;
        int added = snprintf(list + used, sizeof list - used, "%s%s",
                             known > 0 ? ", " : "", words[i]);
        known++;
        used += added > 0 ? (size_t)added : 0;
        if (used >= sizeof list)
            known = WORDS_MOST + 1; /* too long to be shown */
    }
    const char *near = nearest_word(word, words, n);
    const char *one_of = known > 1 ? "one of: " : "known: ";
    bool is_listed = known > 0 && known <= WORDS_MOST;
    if (near && is_listed && known > 1)
        diag_hint(diag, "did you mean \"%s\"? %s%s", near, one_of, list);
    else if (near)
        diag_hint(diag, "did you mean \"%s\"?", near);
    else if (is_listed)
        diag_hint(diag, "%s%s", one_of, list);
}
