/* SPDX-License-Identifier: MIT */
/* Cuts the front matter off (cmark would read it as a heading), lets cmark find the
 * rest, and looks at the source itself where cmark does not say: whether a block is
 * fenced, and whether its fence was closed. */
#include "scenarios/playbook/playbook_block.h"

#include "proxy/base/memory.h"

#include <cmark.h>
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct walk {
    struct arena *arena;
    const struct source *source;
    struct diag *diag;
    struct playbook_blocks *out;
    uint32_t lines_before; /* of the front matter, its fences included */
    const char *heading;
    uint32_t heading_line;
};

static char *keep(struct walk *walk, const char *text, size_t length)
{
    return arena_copy(walk->arena, text, length);
}

/* Where the line begins; the end of the text if there are not so many. */
static const char *find_line(const struct source *source, uint32_t line)
{
    const char *at = source->text;
    for (uint32_t i = 1; i < line; i++) {
        const char *feed = strchr(at, '\n');
        if (!feed)
            return source->text + source->length;
        at = feed + 1;
    }
    return at;
}

static bool is_dashes(const char *line, size_t length)
{
    while (length > 0 && isspace((unsigned char)line[length - 1]))
        length--;
    return length == 3 && (memcmp(line, "---", 3) == 0 || memcmp(line, "...", 3) == 0);
}

/* Returns what is left for cmark. */
static const char *cut_front(struct walk *walk)
{
    const char *text = walk->source->text;
    if (!is_dashes(text, strcspn(text, "\n")) || text[0] != '-' || !strchr(text, '\n'))
        return text;
    const char *start = strchr(text, '\n') + 1;
    uint32_t line = 2;
    for (const char *at = start; *at; line++) {
        size_t length = strcspn(at, "\n");
        if (is_dashes(at, length)) {
            walk->out->front = keep(walk, start, (size_t)(at - start));
            walk->out->front_bytes = (size_t)(at - start);
            walk->lines_before = line;
            return at + length + (at[length] == '\n');
        }
        at += length + (at[length] == '\n');
    }
    struct mark at = {walk->source, 1, 1, 1, 4};
    diag_error(walk->diag, &at, "the front matter is never closed");
    diag_hint(walk->diag, "it ends with a line of three dashes");
    return text;
}

static void add_text(cmark_node *node, char *text, size_t bytes)
{
    for (cmark_node *at = cmark_node_first_child(node); at; at = cmark_node_next(at)) {
        const char *literal = cmark_node_get_literal(at);
        size_t used = strlen(text);
        if (literal)
            (void)snprintf(text + used, bytes - used, "%s", literal);
        add_text(at, text, bytes);
    }
}

static void on_heading(struct walk *walk, cmark_node *node)
{
    char text[512] = "";
    add_text(node, text, sizeof text);
    walk->heading = keep(walk, text, strlen(text));
    walk->heading_line = (uint32_t)cmark_node_get_start_line(node) + walk->lines_before;
    if (!walk->out->title[0])
        walk->out->title = walk->heading;
}

/* Skips blanks and the marks of quotes and lists before a fence that closes. */
static bool closes(const char *line, char mark, size_t at_least)
{
    while (*line == ' ' || *line == '>' || *line == '\t')
        line++;
    size_t n = 0;
    while (line[n] == mark)
        n++;
    line += n;
    while (*line == ' ' || *line == '\t' || *line == '\r')
        line++;
    return n >= at_least && (*line == '\n' || *line == '\0');
}

static bool check_closed(struct walk *walk, cmark_node *node, uint32_t line,
                         const char *fence)
{
    uint32_t last = (uint32_t)cmark_node_get_end_line(node) + walk->lines_before;
    size_t length = strspn(fence, fence[0] == '`' ? "`" : "~");
    if (last > line && closes(find_line(walk->source, last), fence[0], length))
        return true;
    uint32_t column = (uint32_t)(fence - find_line(walk->source, line)) + 1;
    struct mark at = {walk->source, line, column, line, column + (uint32_t)length};
    diag_error(walk->diag, &at, "this block is never closed");
    diag_hint(walk->diag,
              "a line of %.*s ends it; all that follows was read as its text",
              (int)length, fence);
    return false;
}

/* Where a verb stands in both places it is the same one, and the options stand in the
 * first line: what is passed over here would not be done. */
static void check_said_once(struct walk *walk, const struct playbook_block *block,
                            const char *info, size_t length)
{
    size_t verb = strcspn(block->header, " \t");
    if (length == verb && memcmp(info, block->header, verb) == 0)
        return;
    struct mark at = {walk->source, block->header_line, block->header_column,
                      block->header_line,
                      block->header_column + (uint32_t)strlen(block->header)};
    diag_error(walk->diag, &at,
               "this line and what follows the language say different things");
    diag_hint(walk->diag,
              "\"%.*s\" stands there: name the verb in both, or here only, "
              "and its options here",
              (int)length, info);
}

static void take_info(struct walk *walk, struct playbook_block *block, const char *info,
                      size_t length)
{
    block->header = keep(walk, info, length);
    block->header_line = block->line;
    block->header_column = (uint32_t)(info - find_line(walk->source, block->line)) + 1;
}

static void take_first_line(struct walk *walk, struct playbook_block *block,
                            const char *literal, size_t lead)
{
    size_t skip = lead + strspn(literal + lead, " \t");
    size_t end = strcspn(literal, "\n");
    skip = skip < end ? skip : end;
    block->header = keep(walk, literal + skip, end - skip);
    block->header_line = block->line + 1;
    block->header_column = block->indent + (uint32_t)skip + 1;
    block->text = literal + end + (literal[end] == '\n');
    block->text_line = block->line + 2;
}

/* The header off the block's first line, or else out of the info string. */
static void find_header(struct walk *walk, struct playbook_block *block,
                        const char *fence, const char *literal)
{
    static const char lead[] = "# netsplit:";
    const char *info = fence + strspn(fence, fence[0] == '`' ? "`" : "~");
    info += strspn(info, " \t");
    size_t language = strcspn(info, " \t\r\n");
    block->language = keep(walk, info, language);
    const char *rest = info + language;
    rest += strspn(rest, " \t");
    size_t length = strcspn(rest, "\r\n");
    while (length > 0 && isspace((unsigned char)rest[length - 1]))
        length--;
    block->text = literal;
    block->text_line = block->line + 1;
    if (strncmp(literal, lead, sizeof lead - 1) == 0) {
        take_first_line(walk, block, literal, sizeof lead - 1);
        if (length > 0)
            check_said_once(walk, block, rest, length);
    } else if (length > 0) {
        take_info(walk, block, rest, length);
    }
}

static void on_block(struct walk *walk, cmark_node *node)
{
    uint32_t line = (uint32_t)cmark_node_get_start_line(node) + walk->lines_before;
    uint32_t column = (uint32_t)cmark_node_get_start_column(node);
    const char *fence = find_line(walk->source, line) + column - 1;
    fence += strspn(fence, " ");
    if (strncmp(fence, "```", 3) != 0 && strncmp(fence, "~~~", 3) != 0)
        return; /* indented code is prose */
    if (!check_closed(walk, node, line, fence))
        return; /* whatever it holds was not meant */
    const char *literal = cmark_node_get_literal(node);
    literal = keep(walk, literal ? literal : "", literal ? strlen(literal) : 0);
    struct playbook_blocks *out = walk->out;
    struct playbook_block *block = &out->items[out->n++];
    *block = (struct playbook_block){
        .line = line,
        .indent = (uint32_t)(fence - find_line(walk->source, line)),
        .heading = walk->heading,
        .heading_line = walk->heading_line,
    };
    find_header(walk, block, fence, literal);
}

static size_t count_blocks(cmark_node *document)
{
    size_t n = 0;
    cmark_iter *iter = cmark_iter_new(document);
    while (cmark_iter_next(iter) != CMARK_EVENT_DONE)
        n += cmark_node_get_type(cmark_iter_get_node(iter)) == CMARK_NODE_CODE_BLOCK;
    cmark_iter_free(iter);
    return n;
}

void playbook_read_blocks(struct arena *arena, const struct source *source,
                          struct playbook_blocks *out, struct diag *diag)
{
    struct walk walk = {.arena = arena, .source = source, .diag = diag, .out = out};
    *out = (struct playbook_blocks){.title = ""};
    walk.heading = "";
    const char *rest = cut_front(&walk);
    cmark_node *document = cmark_parse_document(rest, strlen(rest), CMARK_OPT_DEFAULT);
    out->items = arena_alloc(arena, count_blocks(document) + 1, sizeof *out->items);
    cmark_iter *iter = cmark_iter_new(document);
    for (cmark_event_type event = cmark_iter_next(iter); event != CMARK_EVENT_DONE;
         event = cmark_iter_next(iter)) {
        cmark_node *node = cmark_iter_get_node(iter);
        if (event != CMARK_EVENT_ENTER)
            continue;
        if (cmark_node_get_type(node) == CMARK_NODE_HEADING)
            on_heading(&walk, node);
        else if (cmark_node_get_type(node) == CMARK_NODE_CODE_BLOCK)
            on_block(&walk, node);
    }
    cmark_iter_free(iter);
    cmark_node_free(document);
}
