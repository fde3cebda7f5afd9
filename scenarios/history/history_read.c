/* SPDX-License-Identifier: MIT */
/* Forms to records. Whether the history is keyed is seen from its first invocation,
 * and holds for the whole: [3 4] alone could be key 3 and value 4, or a list of two.
 *
 * What an invocation says (its f, its key) may be left out of its completion, as in
 * files of others: a map from a process to its open invocation fills it in. */
#include "proxy/base/memory.h"
#include "scenarios/history/edn.h"
#include "scenarios/history/history.h"
#include "scenarios/checkers/pair_map.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

struct reading {
    const char *file; /* borrowed */
    struct history *history;
    struct pair_map open; /* process -> index of its last invocation */
    bool keyed_known;
    int64_t *items; /* owned: elements of the list read last */
    size_t items_size;
    struct errmsg *err;
};

static int complain(const struct reading *reading, const struct form *at,
                    const char *format, ...) __attribute__((format(printf, 3, 4)));

static int complain(const struct reading *reading, const struct form *at,
                    const char *format, ...)
{
    char text[300];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(text, sizeof text, format, args); /* longer text is cut */
    va_end(args);
    errmsg_set(reading->err, "%s:%d:%d: %s", reading->file, at->line, at->column, text);
    return -EINVAL;
}

static bool is_word(const struct form *form)
{
    return form && (form->kind == FORM_KEYWORD || form->kind == FORM_STRING ||
                    form->kind == FORM_SYMBOL);
}

static bool is_nil(const struct form *form)
{
    return !form || form->kind == FORM_NIL;
}

static bool is_true(const struct form *form)
{
    return form && form->kind == FORM_BOOLEAN && form->integer == 1;
}

/* Any form as text, for events and errors: strings bare, the rest much as written. */
static void render(FILE *to, const struct form *form)
{
    const char *brackets = form->kind == FORM_MAP ? "{}" : "[]";
    switch (form->kind) {
    case FORM_NIL:
        (void)fputs("nil", to);
        return;
    case FORM_INTEGER:
        (void)fprintf(to, "%" PRId64, form->integer);
        return;
    case FORM_BOOLEAN:
    case FORM_REAL:
    case FORM_STRING:
    case FORM_KEYWORD:
    case FORM_SYMBOL:
        (void)fputs(form->text, to);
        return;
    case FORM_LIST:
    case FORM_MAP:
        (void)putc(brackets[0], to);
        for (size_t i = 0; i < form->n; i++) {
            if (i)
                (void)putc(' ', to);
            render(to, &form->items[i]);
        }
        (void)putc(brackets[1], to);
        return;
    }
}

/* Owned by the caller; NULL for nil. */
static char *render_text(const struct form *form)
{
    if (is_nil(form))
        return NULL;
    char *text = NULL;
    size_t bytes = 0;
    FILE *to = open_memstream(&text, &bytes);
    if (!to)
        return NULL;
    render(to, form);
    (void)fclose(to); /* memory only: text is NULL if it failed */
    return text;
}

static int read_integers(struct reading *reading, const struct form *list,
                         struct history_value *out)
{
    if (list->n > reading->items_size) {
        reading->items_size = 2 * list->n;
        reading->items =
            xreallocarray(reading->items, reading->items_size, sizeof *reading->items);
    }
    for (size_t i = 0; i < list->n; i++) {
        if (list->items[i].kind != FORM_INTEGER)
            return complain(reading, &list->items[i], "values must be integers");
        reading->items[i] = list->items[i].integer;
    }
    *out =
        (struct history_value){.kind = HISTORY_LIST, .list = {reading->items, list->n}};
    return 0;
}

static int read_pair(struct reading *reading, const struct form *form,
                     struct history_value *out)
{
    if (form->n != 2 || form->items[0].kind != FORM_INTEGER ||
        form->items[1].kind != FORM_INTEGER)
        return complain(reading, form, "a cas takes two integers, [from to]");
    *out = (struct history_value){
        .kind = HISTORY_PAIR, .pair = {form->items[0].integer, form->items[1].integer}};
    return 0;
}

/* The value without its key. */
static int read_value(struct reading *reading, const struct form *form,
                      enum history_f f, struct history_value *out)
{
    *out = (struct history_value){0};
    if (is_nil(form))
        return 0;
    if (f == HISTORY_CAS && form->kind == FORM_LIST)
        return read_pair(reading, form, out);
    if (f == HISTORY_READ && form->kind == FORM_LIST)
        return read_integers(reading, form, out);
    if (form->kind != FORM_INTEGER || f == HISTORY_CAS)
        return complain(reading, form, "the value of a %s must be %s",
                        history_f_name(f),
                        f == HISTORY_READ  ? "an integer, a list of integers or nil"
                        : f == HISTORY_CAS ? "[from to]"
                                           : "an integer");
    *out = (struct history_value){.kind = HISTORY_INTEGER, .integer = form->integer};
    return 0;
}

/* Of an invocation: does its value hold a key? */
static bool looks_keyed(const struct form *value, enum history_f f)
{
    if (is_nil(value) || value->kind != FORM_LIST || value->n != 2)
        return false;
    return f != HISTORY_CAS || value->items[1].kind == FORM_LIST;
}

static int read_keyed_value(struct reading *reading, const struct form *form,
                            const struct form *map, struct history_record *record)
{
    bool invoke = record->type == HISTORY_INVOKE;
    if (!reading->keyed_known && invoke) {
        history_set_keyed(reading->history, looks_keyed(form, record->f));
        reading->keyed_known = true;
    }
    if (!history_keyed(reading->history))
        return read_value(reading, form, record->f, &record->value);
    if (is_nil(form) && !invoke)
        return 0; /* the key of its invocation stands */
    if (is_nil(form) || form->kind != FORM_LIST || form->n != 2)
        return complain(reading, form ? form : map,
                        "the value must be [key value], as in the first operation");
    if (form->items[0].kind != FORM_INTEGER)
        return complain(reading, &form->items[0], "keys must be integers");
    record->key = form->items[0].integer;
    return read_value(reading, &form->items[1], record->f, &record->value);
}

static int read_type(struct reading *reading, const struct form *map,
                     enum history_type *out)
{
    const struct form *type = form_get(map, "type");
    for (int i = HISTORY_INVOKE; is_word(type) && i <= HISTORY_INFO; i++) {
        if (strcmp(type->text, history_type_name((enum history_type)i)) == 0) {
            *out = (enum history_type)i;
            return 0;
        }
    }
    return complain(reading, type ? type : map,
                    "an operation needs :type invoke, ok, fail or info");
}

static int read_f(struct reading *reading, const struct form *map, enum history_f *out)
{
    const struct form *f = form_get(map, "f");
    if (!is_word(f))
        return complain(reading, f ? f : map, "an operation needs :f");
    for (int i = HISTORY_READ; i < HISTORY_EVENT; i++) {
        if (strcmp(f->text, history_f_name((enum history_f)i)) == 0) {
            *out = (enum history_f)i;
            return 0;
        }
    }
    return complain(reading, f,
                    "operation \"%s\" is not known; known: read, append, write, cas, "
                    "add",
                    f->text);
}

static int read_time(struct reading *reading, const struct form *map,
                     struct history_record *record)
{
    size_t n = history_length(reading->history);
    const struct form *time = form_get(map, "time");
    record->time_ns = n;
    if (is_nil(time))
        return 0;
    if (time->kind != FORM_INTEGER || time->integer < 0)
        return complain(reading, time, ":time must be nanoseconds, not negative");
    record->time_ns = (uint64_t)time->integer;
    if (n && record->time_ns < history_get(reading->history, n - 1)->time_ns)
        return complain(reading, time, "time goes back, from %" PRIu64 " to %" PRIu64,
                        history_get(reading->history, n - 1)->time_ns, record->time_ns);
    return 0;
}

/* Returns whether the event says which nodes there are and when time began. */
static bool begin(struct reading *reading, const struct form *map, const char *event)
{
    const struct form *nodes = form_get(map, "nodes");
    const struct form *base = form_get(map, "base-ns");
    if (strcmp(event, HISTORY_EVENT_START) != 0 || is_nil(nodes) || is_nil(base) ||
        history_length(reading->history) > 0)
        return false;
    const char **names = xcalloc(nodes->n, sizeof *names);
    size_t n = 0;
    for (size_t i = 0; i < nodes->n; i++)
        if (is_word(&nodes->items[i]))
            names[n++] = nodes->items[i].text;
    history_begin(reading->history, (uint64_t)base->integer, names, n);
    free(names);
    return true;
}

static int read_event(struct reading *reading, const struct form *map,
                      struct history_record *record)
{
    const struct form *f = form_get(map, "f");
    if (!is_word(f))
        return complain(reading, f ? f : map, "an operation needs :f");
    if (begin(reading, map, f->text))
        return 0;
    record->process = HISTORY_NEMESIS;
    record->f = HISTORY_EVENT;
    record->event = f->text;
    char *text = render_text(form_get(map, "value"));
    if (text)
        record->value = (struct history_value){.kind = HISTORY_TEXT, .text = text};
    (void)history_record(reading->history, record);
    free(text);
    return 0;
}

static int read_process(struct reading *reading, const struct form *map,
                        struct history_record *record)
{
    const struct form *process = form_get(map, "process");
    if (is_word(process) && strcmp(process->text, "nemesis") == 0)
        return 1;
    if (is_nil(process) || process->kind != FORM_INTEGER || process->integer < 0 ||
        process->integer > INT32_MAX)
        return complain(reading, process ? process : map,
                        "an operation needs :process, a number from 0 or nemesis");
    record->process = (int32_t)process->integer;
    return 0;
}

static int read_client(struct reading *reading, const struct form *map,
                       struct history_record *record)
{
    size_t *open = pair_map_at(&reading->open, record->process, 0);
    if (record->type == HISTORY_INVOKE)
        *open = history_length(reading->history);
    else if (*open == PAIR_MAP_NONE)
        return complain(reading, map,
                        "process %" PRId32 " completes what it never invoked",
                        record->process);
    else
        record->key = history_get(reading->history, *open)->key;
    int status = read_keyed_value(reading, form_get(map, "value"), map, record);
    if (status)
        return status;
    char *error = render_text(form_get(map, "error"));
    record->error = error;
    (void)history_record(reading->history, record);
    free(error);
    return 0;
}

static int read_operation(struct reading *reading, const struct form *map)
{
    struct history_record record = {.node = HISTORY_NO_NODE};
    if (map->kind != FORM_MAP)
        return complain(reading, map, "an operation must be a map");
    int nemesis = read_process(reading, map, &record);
    int status = nemesis < 0 ? nemesis : read_type(reading, map, &record.type);
    if (status || (status = read_time(reading, map, &record)))
        return status;
    const struct form *node = form_get(map, "node");
    if (is_word(node))
        record.node = (int16_t)history_node(reading->history, node->text);
    if (nemesis)
        return read_event(reading, map, &record);
    if ((status = read_f(reading, map, &record.f)))
        return status;
    record.final = is_true(form_get(map, "final"));
    record.probe = is_true(form_get(map, "probe"));
    return read_client(reading, map, &record);
}

static enum edn_syntax guess_syntax(const char *text, size_t bytes)
{
    const char *at = text, *end = text + bytes;
    while (at < end && strchr(" \t\r\n[", *at))
        at++;
    if (at == end || *at++ != '{')
        return EDN_SYNTAX_EDN;
    while (at < end && strchr(" \t\r\n", *at))
        at++;
    return at < end && *at == '"' ? EDN_SYNTAX_JSON : EDN_SYNTAX_EDN;
}

struct history *history_read_text(const char *file, const char *text, size_t bytes,
                                  struct errmsg *err)
{
    struct edn_reader *reader =
        edn_reader_create(file, text, bytes, guess_syntax(text, bytes));
    struct reading reading = {.file = file, .history = history_create(), .err = err};
    struct form form;
    int status;
    while ((status = edn_next(reader, &form, err)) == 1)
        if ((status = read_operation(&reading, &form)))
            break;
    edn_reader_destroy(reader);
    pair_map_free(&reading.open);
    free(reading.items);
    if (status == 0)
        return reading.history;
    history_destroy(reading.history);
    return NULL;
}

static char *read_whole_file(FILE *from, size_t *out_bytes)
{
    char *text = NULL;
    size_t n = 0, size = 0, got;
    do {
        size = size ? 2 * size : 64 * 1024;
        text = xreallocarray(text, size, 1);
        got = fread(text + n, 1, size - n, from);
        n += got;
    } while (n == size);
    *out_bytes = n;
    return text;
}

struct history *history_read_file(const char *path, struct errmsg *err)
{
    FILE *from = fopen(path, "re");
    if (!from) {
        errmsg_set(err, "%s: %s", path, strerror(errno));
        return NULL;
    }
    size_t bytes = 0;
    errno = 0;
    char *text = read_whole_file(from, &bytes);
    struct history *history = NULL;
    if (ferror(from))
        errmsg_set(err, "%s: %s", path, strerror(errno ? errno : EIO));
    else
        history = history_read_text(path, text, bytes, err);
    free(text);
    (void)fclose(from); /* only read from */
    return history;
}
