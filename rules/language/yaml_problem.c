/* SPDX-License-Identifier: MIT */
/* libyaml names its own state ("did not find expected key"); a user wants to know what
 * to change. The sentences are those of libyaml 0.2; one that is not in the table is
 * shown as it is. */
#include "rules/language/yaml_problem.h"

#include "rules/utf8.h"

#include <string.h>

struct problem_row {
    const char *problem; /* how libyaml's sentence begins */
    const char *context; /* how its context begins; NULL = any */
    bool at_context;     /* the place to show is where the context began */
    const char *text;
    const char *hint; /* NULL = none */
};

static const struct problem_row rows[] = {
    {"did not find expected ',' or ']'", NULL, true,
     "this \"[\" is not closed properly",
     "items are separated by commas; text that begins with \"[\" has to be quoted"},
    {"did not find expected ',' or '}'", NULL, true,
     "this \"{\" is not closed properly",
     "pairs are separated by commas; text that begins with \"{\" or \"::\" has to be "
     "quoted"},
    {"did not find expected key", NULL, false, "a key was expected here",
     "keys of one map begin in the same column"},
    {"did not find expected '-' indicator", NULL, false,
     "a list item was expected here",
     "items of one list begin with \"- \" in the same column"},
    {"did not find expected node content", NULL, false, "a value was expected here",
     "an IPv6 address has to be quoted here: \"::1\", \"[::1]:5432\""},
    {"could not find expected ':'", NULL, true, "a \":\" is missing behind this key",
     "\"key: value\", with a space behind the \":\""},
    {"found unexpected ':'", NULL, false, "a \":\" without a space behind it",
     "\"key: value\"; an address with \":\" has to be quoted here"},
    {"found unexpected end of stream", "while scanning a quoted scalar", true,
     "this quote is never closed", NULL},
    {"found unknown escape character", NULL, false, "unknown escape in quoted text",
     "in single quotes a backslash is just a backslash"},
    {"found a tab character", NULL, false, "a tab in the indentation",
     "indent with spaces"},
    {"block sequence entries are not allowed", NULL, false,
     "a list item cannot begin here", "put the \"- \" on a line of its own"},
    {"did not find expected comment or line break", "while scanning a block scalar",
     false, "text that begins with \">\" or \"|\" has to be quoted", NULL},
    {"did not find expected alphabetic or numeric character", "while scanning an alias",
     true, "text that begins with \"*\" has to be quoted", NULL},
    {"did not find expected alphabetic or numeric character",
     "while scanning an anchor", true, "text that begins with \"&\" has to be quoted",
     NULL},
    {"did not find expected <document start>", NULL, false,
     "the document is over, but the text goes on", NULL},
};

static bool begins_with(const char *text, const char *start)
{
    return text && strncmp(text, start, strlen(start)) == 0;
}

static const struct problem_row *find_row(const yaml_parser_t *parser)
{
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (begins_with(parser->problem, rows[i].problem) &&
            (!rows[i].context || begins_with(parser->context, rows[i].context)))
            return &rows[i];
    return NULL;
}

static struct mark mark_at(const struct yaml_input *input, size_t line, size_t column)
{
    uint32_t shown_line = (uint32_t)line + input->first_line;
    uint32_t shown_column = (uint32_t)column + 1 + input->indent;
    return (struct mark){.source = input->source,
                         .line = shown_line,
                         .column = shown_column,
                         .end_line = shown_line,
                         .end_column = shown_column + 1};
}

/* The character at libyaml's place, or 0 at the end. index counts characters. */
static uint32_t character_at(const struct yaml_input *input, size_t index)
{
    const char *at = input->text;
    const char *end = at + input->length;
    uint32_t character = 0;
    for (size_t i = 0; at < end; i++) {
        character = utf8_next(&at, end);
        if (i == index)
            return character;
    }
    return 0;
}

/* No token begins so: "%50", "@name", "`x`", or a tab. */
static bool report_odd_start(const yaml_parser_t *parser,
                             const struct yaml_input *input, struct diag *diag)
{
    if (!begins_with(parser->problem, "found character that cannot start"))
        return false;
    yaml_mark_t at = parser->problem_mark;
    struct mark mark = mark_at(input, at.line, at.column);
    uint32_t character = character_at(input, at.index);
    if (character == '\t') {
        diag_error(diag, &mark, "a tab in the indentation");
        diag_hint(diag, "indent with spaces");
    } else {
        diag_error(diag, &mark, "text that begins with \"%c\" has to be quoted",
                   (int)(character < 0x7F ? character : '?'));
    }
    return true;
}

/* A ":" where none can be: a second one in its line; a line that was indented so that
 * it goes on with the value above; or a line above that lacks the blank behind its ":".
 */
static bool report_colon(const yaml_parser_t *parser, const struct yaml_input *input,
                         struct diag *diag)
{
    if (!begins_with(parser->problem, "mapping values are not allowed"))
        return false;
    yaml_mark_t at = parser->problem_mark;
    bool is_second = false;
    size_t first = at.column; /* of the line's first character that is no blank */
    for (size_t i = 0; i < at.column; i++) {
        uint32_t character = character_at(input, at.index - at.column + i);
        if (character != ' ' && first == at.column)
            first = i;
        if (character == ':')
            is_second = true;
    }
    struct mark mark = mark_at(input, at.line, is_second ? at.column : first);
    mark.end_column = mark.column + (uint32_t)(is_second ? 1 : at.column - first);
    if (is_second) {
        diag_error(diag, &mark, "a second \":\" in one line");
        diag_hint(diag, "quote a value that holds \": \"");
    } else if (first > 0) {
        diag_error(diag, &mark, "this line is indented too far");
        diag_hint(diag, "keys of one map begin in the same column");
    } else {
        diag_error(diag, &mark, "the line before this one is no \"key: value\"");
        diag_hint(diag, "a space stands behind the \":\"");
    }
    return true;
}

/* The text ended between brackets. */
static bool report_end(const yaml_parser_t *parser, const struct yaml_input *input,
                       const struct mark *flow, struct diag *diag)
{
    if (!flow || character_at(input, parser->problem_mark.index) != 0)
        return false;
    struct mark mark = *flow;
    mark.end_line = mark.line;
    mark.end_column = mark.column + 1;
    diag_error(diag, &mark, "this bracket is never closed");
    return true;
}

void yaml_problem_report(const yaml_parser_t *parser, const struct yaml_input *input,
                         const struct mark *flow, struct diag *diag)
{
    if (report_end(parser, input, flow, diag))
        return;
    if (report_odd_start(parser, input, diag) || report_colon(parser, input, diag))
        return;
    const struct problem_row *row = find_row(parser);
    yaml_mark_t at =
        row && row->at_context ? parser->context_mark : parser->problem_mark;
    struct mark mark = mark_at(input, at.line, at.column);
    if (!row) {
        diag_error(diag, &mark, "%s%s%s",
                   parser->problem ? parser->problem : "bad syntax",
                   parser->context ? " " : "", parser->context ? parser->context : "");
        return;
    }
    diag_error(diag, &mark, "%s", row->text);
    if (row->hint)
        diag_hint(diag, "%s", row->hint);
}

/* YAML 1.1, 5.1: what may stand in a text. */
static bool is_printable(uint32_t character)
{
    return character == '\t' || character == '\n' || character == '\r' ||
           character == 0x85 || (character >= 0x20 && character < 0x7F) ||
           (character >= 0xA0 && character < 0xFEFF) || character > 0xFEFF;
}

/* The first byte that cannot be, or the length. *line and *column are where it is,
 * from 0; *line_start is the byte at which its line begins. */
static size_t find_bad(const char *text, size_t length, size_t *line, size_t *column,
                       size_t *line_start)
{
    const char *at = text;
    const char *end = text + length;
    size_t valid = utf8_valid(text, length);
    *line = *column = *line_start = 0;
    while (at < end) {
        size_t offset = (size_t)(at - text);
        uint32_t character = utf8_next(&at, end);
        if (offset == valid || !is_printable(character))
            return offset;
        ++*column;
        if (!utf8_is_break(character))
            continue;
        if (character == '\r' && at < end && *at == '\n')
            at++;
        ++*line;
        *column = 0;
        *line_start = (size_t)(at - text);
    }
    return length;
}

bool yaml_problem_truncate(struct yaml_input *input, struct diag *diag)
{
    if (input->length >= 3 && memcmp(input->text, "\xEF\xBB\xBF", 3) == 0) {
        input->text += 3;
        input->length -= 3;
    }
    if (input->length > YAML_LONGEST) {
        struct mark whole = {.source = input->source};
        diag_error(diag, &whole, "the text is longer than %d MiB",
                   YAML_LONGEST / (1024 * 1024));
        input->length = 0;
        return true;
    }
    size_t line = 0, column = 0, line_start = 0;
    size_t bad = find_bad(input->text, input->length, &line, &column, &line_start);
    if (bad == input->length)
        return false;
    struct mark mark = mark_at(input, line, column);
    unsigned byte = (unsigned char)input->text[bad];
    if (byte >= 0x80)
        diag_error(diag, &mark, "byte 0x%02x is not UTF-8 text", byte);
    else
        diag_error(diag, &mark, "control character 0x%02x", byte);
    input->length = line_start;
    return true;
}
