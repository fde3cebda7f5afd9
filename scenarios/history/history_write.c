/* SPDX-License-Identifier: MIT */
/* EDN and JSON differ in how a member and a word are written, and in nothing else:
 * one writer with two spellings. Jepsen's keys come first and in Jepsen's order. */
#include "scenarios/history/history_write.h"
#include "scenarios/history/edn.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

struct line {
    FILE *to;
    bool json;
    bool begun; /* a member was written */
};

static void write_key(struct line *line, const char *key)
{
    if (line->begun)
        (void)fputs(line->json ? "," : ", ", line->to);
    (void)fprintf(line->to, line->json ? "\"%s\":" : ":%s ", key);
    line->begun = true;
}

/* A word of ours: a keyword in EDN, a string in JSON. */
static void write_word(struct line *line, const char *word)
{
    if (line->json)
        edn_write_string(line->to, word);
    else
        (void)fprintf(line->to, ":%s", word);
}

static void write_nil(struct line *line)
{
    (void)fputs(line->json ? "null" : "nil", line->to);
}

static void write_list(struct line *line, const int64_t *items, size_t n)
{
    (void)putc('[', line->to);
    for (size_t i = 0; i < n; i++)
        (void)fprintf(line->to, "%s%" PRId64,
                      i == 0       ? ""
                      : line->json ? ","
                                   : " ",
                      items[i]);
    (void)putc(']', line->to);
}

static void write_plain_value(struct line *line, const struct history_value *value)
{
    switch (value->kind) {
    case HISTORY_NIL:
        write_nil(line);
        return;
    case HISTORY_INTEGER:
        (void)fprintf(line->to, "%" PRId64, value->integer);
        return;
    case HISTORY_PAIR:
        write_list(line, (int64_t[]){value->pair.from, value->pair.to}, 2);
        return;
    case HISTORY_LIST:
        write_list(line, value->list.items, value->list.n);
        return;
    case HISTORY_TEXT:
        edn_write_string(line->to, value->text);
        return;
    }
}

static void write_value(struct line *line, const struct history *history,
                        const struct history_record *record)
{
    write_key(line, "value");
    if (record->f == HISTORY_EVENT || !history_keyed(history)) {
        write_plain_value(line, &record->value);
        return;
    }
    (void)fprintf(line->to, line->json ? "[%" PRId64 "," : "[%" PRId64 " ",
                  record->key);
    write_plain_value(line, &record->value);
    (void)putc(']', line->to);
}

static void write_start(struct line *line, const struct history *history)
{
    write_key(line, "nodes");
    (void)putc('[', line->to);
    for (size_t i = 0; i < history_node_count(history); i++) {
        if (i)
            (void)putc(line->json ? ',' : ' ', line->to);
        edn_write_string(line->to, history_node_name(history, (int)i));
    }
    (void)putc(']', line->to);
    write_key(line, "base-ns");
    (void)fprintf(line->to, "%" PRIu64, history_base_ns(history));
}

static void write_extras(struct line *line, const struct history *history,
                         const struct history_record *record)
{
    const char *node = history_node_name(history, record->node);
    if (node) {
        write_key(line, "node");
        edn_write_string(line->to, node);
    }
    if (record->final) {
        write_key(line, "final");
        (void)fputs("true", line->to);
    }
    if (record->probe) {
        write_key(line, "probe");
        (void)fputs("true", line->to);
    }
    if (record->error) {
        write_key(line, "error");
        edn_write_string(line->to, record->error);
    }
    if (record->f == HISTORY_EVENT && strcmp(record->event, HISTORY_EVENT_START) == 0)
        write_start(line, history);
}

void history_write_record(const struct history *history, size_t index,
                          enum history_format format, FILE *to)
{
    const struct history_record *record = history_get(history, index);
    struct line line = {.to = to, .json = format == HISTORY_JSON};
    (void)putc('{', to); /* errors stick to the stream; the caller asks ferror() */
    write_key(&line, "index");
    (void)fprintf(to, "%zu", index);
    write_key(&line, "time");
    (void)fprintf(to, "%" PRIu64, record->time_ns);
    write_key(&line, "process");
    if (record->f == HISTORY_EVENT)
        write_word(&line, "nemesis");
    else
        (void)fprintf(to, "%" PRId32, record->process);
    write_key(&line, "type");
    write_word(&line, history_type_name(record->type));
    write_key(&line, "f");
    write_word(&line,
               record->f == HISTORY_EVENT ? record->event : history_f_name(record->f));
    write_value(&line, history, record);
    write_extras(&line, history, record);
    (void)fputs("}\n", to);
}

int history_write_file(const struct history *history, const char *path,
                       enum history_format format, struct errmsg *err)
{
    FILE *to = fopen(path, "we");
    int status = to ? 0 : -errno;
    for (size_t i = 0; to && i < history_length(history); i++)
        history_write_record(history, i, format, to);
    errno = 0;
    if (to && (ferror(to) | fclose(to)))
        status = errno ? -errno : -EIO;
    if (status)
        errmsg_set(err, "writing %s: %s", path, strerror(-status));
    return status;
}
