/* SPDX-License-Identifier: MIT */
/* One recursive reader for both syntaxes: JSON is read as EDN whose separators are
 * strict and whose scalars are few. Items of open lists wait on one stack and are
 * copied to the arena when their list closes.
 *
 * The first error ends the reading: what follows a broken form has no safe meaning. */
#include "scenarios/history/edn.h"
#include "proxy/base/memory.h"
#include "rules/arena.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

enum { DEPTH_LIMIT = 64 };

struct edn_reader {
    const char *file; /* borrowed */
    const char *at, *end, *line_start;
    int line;
    enum edn_syntax syntax;
    bool started, ended;
    char whole;           /* the closing bracket of a whole-file list, or 0 */
    struct arena arena;   /* of the form read last */
    struct form *waiting; /* owned: items of lists that are still open */
    size_t waiting_n, waiting_size;
    struct errmsg *err; /* borrowed during one edn_next() */
};

static int parse(struct edn_reader *r, struct form *form, int depth);

static int complain_at(struct edn_reader *r, int line, int column, const char *format,
                       ...) __attribute__((format(printf, 4, 5)));

static int complain_at(struct edn_reader *r, int line, int column, const char *format,
                       ...)
{
    char text[300];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(text, sizeof text, format, args); /* longer text is cut */
    va_end(args);
    errmsg_set(r->err, "%s:%d:%d: %s", r->file, line, column, text);
    return -EINVAL;
}

static int column(const struct edn_reader *r)
{
    return (int)(r->at - r->line_start) + 1;
}

#define COMPLAIN(r, ...) complain_at((r), (r)->line, column(r), __VA_ARGS__)

static bool is_edn(const struct edn_reader *r)
{
    return r->syntax == EDN_SYNTAX_EDN;
}

static void step(struct edn_reader *r)
{
    if (*r->at++ == '\n') {
        r->line++;
        r->line_start = r->at;
    }
}

static void skip_blanks(struct edn_reader *r)
{
    while (r->at < r->end) {
        char c = *r->at;
        if (c == ' ' || c == '\t' || c == '\r' || c == '\n' || (c == ',' && is_edn(r)))
            step(r);
        else if (c == ';' && is_edn(r))
            while (r->at < r->end && *r->at != '\n')
                step(r);
        else
            return;
    }
}

static bool ends_token(char c)
{
    return strchr(" \t\r\n,;\"()[]{}", c) != NULL;
}

/* Blanks and discarded forms: 0, or the error of a form to be discarded. */
static int skip(struct edn_reader *r, int depth)
{
    for (;;) {
        skip_blanks(r);
        if (!is_edn(r) || r->end - r->at < 2 || r->at[0] != '#' || r->at[1] != '_')
            return 0;
        r->at += 2;
        struct form discarded;
        int status = parse(r, &discarded, depth + 1);
        if (status)
            return status;
    }
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

static int read_hex4(struct edn_reader *r, uint32_t *out)
{
    uint32_t code = 0;
    for (int i = 0; i < 4; i++, r->at++) {
        int digit = r->at < r->end ? hex_digit(*r->at) : -1;
        if (digit < 0)
            return COMPLAIN(r, "\\u needs four hexadecimal digits");
        code = code * 16 + (uint32_t)digit;
    }
    *out = code;
    return 0;
}

static char *put_utf8(char *to, uint32_t code)
{
    if (code < 0x80) {
        *to++ = (char)code;
        return to;
    }
    if (code < 0x800) {
        *to++ = (char)(0xc0 | code >> 6);
    } else {
        if (code < 0x10000) {
            *to++ = (char)(0xe0 | code >> 12);
        } else {
            *to++ = (char)(0xf0 | code >> 18);
            *to++ = (char)(0x80 | (code >> 12 & 0x3f));
        }
        *to++ = (char)(0x80 | (code >> 6 & 0x3f));
    }
    *to++ = (char)(0x80 | (code & 0x3f));
    return to;
}

/* Behind "\u". UTF-16 surrogates come in pairs. */
static int read_unicode(struct edn_reader *r, char **to)
{
    uint32_t code, low;
    int status = read_hex4(r, &code);
    if (status)
        return status;
    if (code >= 0xd800 && code < 0xdc00 && r->end - r->at >= 6 && r->at[0] == '\\' &&
        r->at[1] == 'u') {
        r->at += 2;
        if ((status = read_hex4(r, &low)))
            return status;
        code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
    }
    if (code == 0 || (code >= 0xd800 && code < 0xe000) || code > 0x10ffff)
        return COMPLAIN(r, "\\u names no character");
    *to = put_utf8(*to, code);
    return 0;
}

static int read_escape(struct edn_reader *r, char **to)
{
    static const char names[] = "ntrbf\"\\/", meant[] = "\n\t\r\b\f\"\\/";
    if (r->at >= r->end)
        return COMPLAIN(r, "the text ends in a string");
    char c = *r->at;
    if (c == 'u') {
        r->at++;
        return read_unicode(r, to);
    }
    const char *found = c ? strchr(names, c) : NULL;
    if (!found)
        return COMPLAIN(r, "unknown escape in a string");
    *(*to)++ = meant[found - names];
    r->at++;
    return 0;
}

static const char *end_of_string(const struct edn_reader *r)
{
    const char *end = r->at + 1;
    while (end < r->end && *end != '"')
        end += *end == '\\' ? 2 : 1;
    return end < r->end ? end : NULL;
}

static int read_string(struct edn_reader *r, struct form *form)
{
    const char *close = end_of_string(r);
    if (!close)
        return COMPLAIN(r, "this string does not end");
    char *text = arena_alloc(&r->arena, (size_t)(close - r->at) + 1, 1), *to = text;
    r->at++;
    while (*r->at != '"') {
        if (*r->at == '\0')
            return COMPLAIN(r, "a NUL byte in a string");
        if (*r->at != '\\') {
            *to++ = *r->at;
            step(r);
            continue;
        }
        r->at++;
        int status = read_escape(r, &to);
        if (status)
            return status;
    }
    r->at++;
    *to = '\0';
    form->kind = FORM_STRING;
    form->text = text;
    return 0;
}

static const char *take_token(struct edn_reader *r)
{
    const char *from = r->at;
    while (r->at < r->end && !ends_token(*r->at) &&
           (is_edn(r) || r->at == from || *r->at != ':'))
        r->at++;
    return arena_copy(&r->arena, from, (size_t)(r->at - from));
}

static int read_number(struct edn_reader *r, struct form *form)
{
    form->text = take_token(r);
    char *end = NULL;
    errno = 0;
    form->integer = strtoll(form->text, &end, 10);
    form->kind = FORM_INTEGER;
    bool exact = *end == 'N' && end[1] == '\0' && is_edn(r);
    if (errno == ERANGE)
        return complain_at(r, form->line, form->column, "%s does not fit 64 bits",
                           form->text);
    if (*end == '\0' || exact)
        return 0;
    (void)strtod(form->text, &end);
    if (*end != '\0' && !(*end == 'M' && end[1] == '\0' && is_edn(r)))
        return complain_at(r, form->line, form->column, "\"%s\" is no number",
                           form->text);
    form->kind = FORM_REAL;
    return 0;
}

static int read_word(struct edn_reader *r, struct form *form)
{
    const char *word = form->text = take_token(r);
    const char *nil = is_edn(r) ? "nil" : "null";
    form->kind = FORM_SYMBOL;
    if (strcmp(word, nil) == 0)
        form->kind = FORM_NIL;
    else if (strcmp(word, "true") == 0 || strcmp(word, "false") == 0)
        *form = (struct form){.kind = FORM_BOOLEAN,
                              .integer = *word == 't',
                              .line = form->line,
                              .column = form->column,
                              .text = word};
    else if (!is_edn(r) || *word == '\0' || *word == '\\')
        return complain_at(r, form->line, form->column, "\"%s\" is not %s", word,
                           is_edn(r) ? "known here" : "JSON");
    else if (*word == ':') {
        form->kind = FORM_KEYWORD;
        form->text++;
    }
    return 0;
}

static void push(struct edn_reader *r, const struct form *form)
{
    if (r->waiting_n == r->waiting_size) {
        r->waiting_size = r->waiting_size ? 2 * r->waiting_size : 64;
        r->waiting = xreallocarray(r->waiting, r->waiting_size, sizeof *r->waiting);
    }
    r->waiting[r->waiting_n++] = *form;
}

/* JSON's separators: a comma between items, a colon behind a key. */
static int skip_separator(struct edn_reader *r, size_t n, bool map, int depth)
{
    int status = skip(r, depth);
    if (status || is_edn(r) || n == 0)
        return status;
    char want = map && n % 2 == 1 ? ':' : ',';
    if (r->at < r->end && (*r->at == ']' || *r->at == '}') && want == ',')
        return 0;
    if (r->at >= r->end || *r->at != want)
        return COMPLAIN(r, "expected '%c'", want);
    r->at++;
    skip_blanks(r);
    if (r->at < r->end && (*r->at == ']' || *r->at == '}'))
        return COMPLAIN(r, "expected a value");
    return 0;
}

static int close_list(struct edn_reader *r, struct form *form, size_t first)
{
    form->n = r->waiting_n - first;
    if (form->kind == FORM_MAP && form->n % 2)
        return complain_at(r, form->line, form->column, "a key without a value");
    struct form *items = arena_alloc(&r->arena, form->n, sizeof *items);
    if (form->n)
        memcpy(items, r->waiting + first, form->n * sizeof *items);
    form->items = items;
    r->waiting_n = first;
    r->at++;
    return 0;
}

/* r->at is behind the opening bracket. */
static int read_items(struct edn_reader *r, struct form *form, char close, int depth)
{
    size_t first = r->waiting_n;
    form->kind = close == '}' && form->kind == FORM_MAP ? FORM_MAP : FORM_LIST;
    for (;;) {
        bool map = form->kind == FORM_MAP;
        int status = skip_separator(r, r->waiting_n - first, map, depth);
        if (status)
            return status;
        if (r->at >= r->end)
            return complain_at(r, form->line, form->column, "no '%c' closes this",
                               close);
        if (*r->at == close)
            return close_list(r, form, first);
        struct form item;
        if ((status = parse(r, &item, depth + 1)))
            return status;
        push(r, &item);
    }
}

static int read_tagged(struct edn_reader *r, struct form *form, int depth)
{
    if (r->at < r->end && *r->at == '{') {
        r->at++;
        return read_items(r, form, '}', depth);
    }
    if (r->at < r->end && *r->at == '#') { /* ##NaN, ##Inf */
        r->at++;
        form->text = take_token(r);
        form->kind = FORM_REAL;
        return 0;
    }
    if (*take_token(r) == '\0')
        return COMPLAIN(r, "'#' needs a tag");
    return parse(r, form, depth + 1);
}

static bool begins_number(const struct edn_reader *r)
{
    const char *at = r->at;
    if (*at == '-' || (*at == '+' && is_edn(r)))
        at++;
    return at < r->end && *at >= '0' && *at <= '9';
}

/* Reads one form; r->at is anywhere before it. */
static int parse(struct edn_reader *r, struct form *form, int depth)
{
    int status = skip(r, depth);
    if (status)
        return status;
    *form = (struct form){.line = r->line, .column = column(r)};
    if (depth > DEPTH_LIMIT)
        return COMPLAIN(r, "nested more than %d deep", DEPTH_LIMIT);
    if (r->at >= r->end)
        return COMPLAIN(r, "the text ends where a value is expected");
    char c = *r->at;
    if (c == '"')
        return read_string(r, form);
    if (c == '[' || c == '{' || (c == '(' && is_edn(r))) {
        r->at++;
        form->kind = c == '{' ? FORM_MAP : FORM_LIST;
        return read_items(r, form, c == '(' ? ')' : (char)(c + 2), depth);
    }
    if (c == ')' || c == ']' || c == '}')
        return COMPLAIN(r, "'%c' closes nothing", c);
    if (c == '#' && is_edn(r)) {
        r->at++;
        return read_tagged(r, form, depth);
    }
    return begins_number(r) ? read_number(r, form) : read_word(r, form);
}

struct edn_reader *edn_reader_create(const char *file, const char *text, size_t bytes,
                                     enum edn_syntax syntax)
{
    struct edn_reader *reader = xcalloc(1, sizeof *reader);
    arena_init(&reader->arena, &xallocator);
    reader->file = file;
    reader->at = reader->line_start = text;
    reader->end = text + bytes;
    reader->line = 1;
    reader->syntax = syntax;
    return reader;
}

void edn_reader_destroy(struct edn_reader *reader)
{
    if (!reader)
        return;
    arena_close(&reader->arena);
    free(reader->waiting);
    free(reader);
}

static void enter_whole_list(struct edn_reader *r)
{
    r->started = true;
    if (r->at >= r->end || (*r->at != '[' && *r->at != '('))
        return;
    r->whole = *r->at == '[' ? ']' : ')';
    r->at++;
}

/* Between two elements of a whole-file list. 1: another follows; 0: it is closed. */
static int next_of_whole(struct edn_reader *r, bool first)
{
    int status = skip_separator(r, first ? 0 : 2, false, 0);
    if (status)
        return status;
    if (r->at >= r->end)
        return COMPLAIN(r, "no '%c' closes the list", r->whole);
    if (*r->at != r->whole)
        return 1;
    r->at++;
    r->ended = true;
    status = skip(r, 0);
    if (status)
        return status;
    return r->at < r->end ? COMPLAIN(r, "text behind the end of the list") : 0;
}

int edn_next(struct edn_reader *reader, struct form *form, struct errmsg *err)
{
    if (reader->ended)
        return 0;
    reader->err = err;
    reader->waiting_n = 0;
    arena_reset(&reader->arena);
    bool first = !reader->started;
    int status = skip(reader, 0);
    if (status)
        return status;
    if (first)
        enter_whole_list(reader);
    if (reader->whole) {
        status = next_of_whole(reader, first);
        if (status != 1)
            return status;
    } else if (reader->at >= reader->end) {
        return 0;
    }
    status = parse(reader, form, 0);
    return status ? status : 1;
}

const struct form *form_get(const struct form *map, const char *key)
{
    for (size_t i = map->kind == FORM_MAP ? map->n : 0; i >= 2; i -= 2) {
        const struct form *name = &map->items[i - 2];
        if ((name->kind == FORM_KEYWORD || name->kind == FORM_STRING) &&
            strcmp(name->text, key) == 0)
            return &map->items[i - 1];
    }
    return NULL;
}
