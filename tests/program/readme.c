/* SPDX-License-Identifier: MIT */
/* The file is gone through line by line: a line that is indented belongs to a block, which
 * goes on over empty lines; of the others the spans are taken. A paragraph's lines are
 * joined first, because spans may go over the end of one. */
#include "readme.h"
#include "proxy/base/memory.h"
#include "rules/buffer.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { INDENT = 4 };

struct reading {
    struct readme *readme;
    struct buffer block, paragraph;
    unsigned block_line, paragraph_line;
    size_t gap; /* empty lines since the block's last */
};

static void add(struct readme *readme, enum readme_kind kind, const char *text,
                size_t length, unsigned line)
{
    if (readme->n == readme->capacity) {
        readme->capacity = readme->capacity ? 2 * readme->capacity : 64;
        readme->items =
            xreallocarray(readme->items, readme->capacity, sizeof *readme->items);
    }
    readme->items[readme->n++] = (struct readme_code){
        .kind = kind, .text = xasprintf("%.*s", (int)length, text), .line = line};
}

/* How many line ends lie before there. */
static unsigned lines_before(const char *text, const char *there)
{
    unsigned n = 0;
    for (; text < there; text++)
        n += *text == '\n';
    return n;
}

static void add_span(struct reading *reading, const char *text, const char *end)
{
    struct readme *readme = reading->readme;
    const char *paragraph = buffer_text(&reading->paragraph);
    add(readme, README_SPAN, text, (size_t)(end - text),
        reading->paragraph_line + lines_before(paragraph, text));
    for (char *at = readme->items[readme->n - 1].text; *at; at++)
        if (*at == '\n')
            *at = ' ';
}

/* A run of n backticks ends at the next run of as many. */
static const char *find_close(const char *at, size_t n)
{
    while ((at = strchr(at, '`'))) {
        size_t run = strspn(at, "`");
        if (run == n)
            return at;
        at += run;
    }
    return NULL;
}

static void end_paragraph(struct reading *reading)
{
    const char *at = buffer_text(&reading->paragraph);
    while ((at = strchr(at, '`'))) {
        size_t n = strspn(at, "`");
        const char *close = find_close(at + n, n);
        if (close && n == 1)
            add_span(reading, at + n, close);
        at = close ? close + n : at + n;
    }
    buffer_cut(&reading->paragraph, 0);
}

static void end_block(struct reading *reading)
{
    if (reading->block.length > 0)
        add(reading->readme, README_BLOCK, reading->block.text, reading->block.length,
            reading->block_line);
    buffer_cut(&reading->block, 0);
    reading->gap = 0;
}

static void take_code(struct reading *reading, const char *line, unsigned number)
{
    if (reading->block.length == 0)
        reading->block_line = number;
    buffer_fill(&reading->block, '\n', reading->gap);
    reading->gap = 0;
    buffer_print(&reading->block, "%s\n", line);
}

static void take_line(struct reading *reading, const char *line, unsigned number)
{
    bool is_empty = line[strspn(line, " ")] == '\0';
    bool is_code = strspn(line, " ") >= INDENT && reading->paragraph.length == 0;
    if (is_empty) {
        end_paragraph(reading);
        reading->gap += reading->block.length > 0;
    } else if (is_code) {
        take_code(reading, line + INDENT, number);
    } else {
        end_block(reading);
        if (reading->paragraph.length == 0)
            reading->paragraph_line = number;
        buffer_print(&reading->paragraph, "%s\n", line);
    }
}

void readme_load(struct readme *readme)
{
    struct reading reading = {.readme = readme};
    char *line = NULL;
    size_t capacity = 0;
    FILE *from = fopen("README.md", "r");
    cr_assert_not_null(from, "README.md is not here");
    *readme = (struct readme){0};
    for (unsigned number = 1; getline(&line, &capacity, from) > 0; number++) {
        line[strcspn(line, "\n")] = '\0';
        take_line(&reading, line, number);
    }
    end_paragraph(&reading);
    end_block(&reading);
    free(line);
    (void)fclose(from);
    buffer_close(&reading.paragraph);
    buffer_close(&reading.block);
}

void readme_close(struct readme *readme)
{
    for (size_t i = 0; i < readme->n; i++)
        free(readme->items[i].text);
    free(readme->items);
    *readme = (struct readme){0};
}

/* The next word of a line, with what is quoted in it; NULL at its end, which is also
 * where a comment begins. *at is behind the word then. */
static char *next_word(const char **at)
{
    const char *from = *at + strspn(*at, " ");
    const char *end = from;
    char quote = '\0';
    if (*from == '\0' || *from == '#')
        return NULL;
    for (; *end && (quote || *end != ' '); end++) {
        if (quote)
            quote = *end == quote ? '\0' : quote;
        else if (*end == '\'' || *end == '"')
            quote = *end;
    }
    *at = end;
    return xasprintf("%.*s", (int)(end - from), from);
}

static bool is_one_of(const char *word, const char *const *words)
{
    for (; *words; words++)
        if (strcmp(word, *words) == 0)
            return true;
    return false;
}

/* Is it called here, and not only named? before: the word before it, or NULL. */
static bool is_call(const char *word, const char *before)
{
    static const char *const names[] = {"netsplit", "build/netsplit", NULL};
    static const char *const openers[] = {"$",    "sudo",     "--", "&&",
                                          "run:", "netsplit", NULL};
    return is_one_of(word, names) && (!before || is_one_of(before, openers));
}

/* The name alone is no call. How many it was: 0 or 1. */
static size_t close_command(struct readme_command *command, readme_command_fn found)
{
    size_t called = command->n > 0;
    if (called)
        found(command);
    for (size_t i = 0; i < command->n; i++)
        free(command->words[i]);
    *command = (struct readme_command){.line = command->line};
    return called;
}

static size_t read_line(const char *line, unsigned number, readme_command_fn found)
{
    static const char *const ends[] = {"--", "&&", "|", NULL};
    struct readme_command command = {.line = number};
    char *before = NULL;
    bool inside = false;
    size_t n = 0;
    for (char *word; (word = next_word(&line));) {
        if (is_call(word, before)) {
            n += close_command(&command, found);
            inside = true;
        } else if (is_one_of(word, ends)) {
            inside = false;
        } else if (inside && command.n < README_WORDS) {
            command.words[command.n++] = xstrdup(word);
        }
        free(before);
        before = word;
    }
    n += close_command(&command, found);
    free(before);
    return n;
}

size_t readme_each_command(const struct readme *readme, readme_command_fn found)
{
    size_t n = 0;
    for (size_t i = 0; i < readme->n; i++) {
        unsigned number = readme->items[i].line;
        char *rest = readme->items[i].text;
        for (char *line; (line = strsep(&rest, "\n")); number++) {
            n += read_line(line, number, found);
            if (rest)
                rest[-1] = '\n';
        }
    }
    return n;
}
