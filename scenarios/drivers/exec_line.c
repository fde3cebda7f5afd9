/* SPDX-License-Identifier: MIT */
/* Writes what a program is asked, and reads what it answers, with jansson.
 *
 * A line that is no JSON object, answers another operation, has an unknown type or a
 * value that cannot be one is refused as a whole: what the program meant would be a
 * guess, and a history must not hold guesses. A word of error that is not known changes
 * nothing: the type has said what matters. */
#include "scenarios/drivers/exec_line.h"

#include "proxy/base/memory.h"
#include "proxy/base/now.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static json_t *write_value(const struct history_value *value)
{
    switch (value->kind) {
    case HISTORY_INTEGER:
        return json_integer(value->integer);
    case HISTORY_PAIR:
        return json_pack("[I, I]", (json_int_t)value->pair.from,
                         (json_int_t)value->pair.to);
    case HISTORY_NIL:
    case HISTORY_LIST:
    case HISTORY_TEXT: /* nobody asks with these two */
        break;
    }
    return json_null();
}

static json_t *write_request(const struct driver_request *request)
{
    const struct driver_operation *operation = &request->operation;
    if (request->verb != DRIVER_OPERATION)
        return json_pack("{s:s, s:I}", "f",
                         request->verb == DRIVER_SETUP ? "setup" : "teardown", "keys",
                         (json_int_t)request->keys);
    return json_pack("{s:I, s:s, s:I, s:o}", "process", (json_int_t)operation->process,
                     "f", history_f_name(operation->f), "key",
                     (json_int_t)operation->key, "value",
                     write_value(&operation->value));
}

/* Rounded up: at 0 there would be no time at all. */
static json_int_t deadline_ms(const struct driver_request *request)
{
    return (json_int_t)now_ns_to_ms_up(request->within_ns);
}

char *exec_line_write(uint64_t op, const struct driver_target *target,
                      const struct driver_request *request)
{
    bool is_known = target->writes != HISTORY_READ; /* zeroed where nobody says */
    json_t *line = json_pack("{s:I}", "op", (json_int_t)op);
    json_t *asked = write_request(request);
    json_t *where = json_pack(
        "{s:s?, s:s, s:i, s:s, s:s?, s:I}", "node", target->node, "host",
        target->endpoint.address, "port", (int)target->endpoint.port, "schema",
        target->schema, "writes", is_known ? history_f_name(target->writes) : NULL,
        "deadline_ms", deadline_ms(request));
    (void)json_object_update(line, asked); /* without memory the dump fails */
    (void)json_object_update(line, where);
    char *dump = json_dumps(line, JSON_COMPACT);
    char *text = xasprintf("%s\n", dump ? dump : "");
    free(dump);
    json_decref(asked);
    json_decref(where);
    json_decref(line);
    return text;
}

const char *exec_line_show(const char *line, size_t length, char *text,
                           size_t text_bytes)
{
    size_t n = length < text_bytes - 1 ? length : text_bytes - 1;
    for (size_t i = 0; i < n; i++)
        text[i] = line[i] < ' ' || line[i] > '~' ? '?' : line[i];
    text[n] = '\0';
    return text;
}

static int refuse(struct errmsg *err, const char *what)
{
    errmsg_set(err, "%s", what);
    return -EINVAL;
}

/* Whether the text begins with the word. */
static bool begins_with(const char *text, const char *word)
{
    size_t length = strlen(word);
    return strncmp(text, word, length) == 0 && strchr(" :;,", text[length]);
}

/* What the error says beyond the type. */
static enum driver_error find_error(enum history_type type, const char *text,
                                    enum driver_error otherwise)
{
    static const struct {
        enum history_type type;
        enum driver_error error;
    } known[] = {
        {HISTORY_FAIL, DRIVER_READ_ONLY},   {HISTORY_FAIL, DRIVER_CONFLICT},
        {HISTORY_FAIL, DRIVER_UNREACHABLE}, {HISTORY_FAIL, DRIVER_REFUSED},
        {HISTORY_INFO, DRIVER_TIMEOUT},     {HISTORY_INFO, DRIVER_LOST},
    };
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (known[i].type == type &&
            begins_with(text, driver_error_name(known[i].error)))
            return known[i].error;
    return otherwise;
}

static bool is_operation(const struct driver_request *request, enum history_f f)
{
    return request->verb == DRIVER_OPERATION && request->operation.f == f;
}

/* Of an answer that is not ok. A read has no effect, so it has failed. */
static void read_error(const struct driver_request *request, enum history_type type,
                       struct exec_answer *answer)
{
    bool is_cas = is_operation(request, HISTORY_CAS);
    const char *text = json_string_value(json_object_get(answer->json, "error"));
    enum driver_error otherwise = type == HISTORY_INFO ? DRIVER_UNCLEAR
                                  : is_cas && !text    ? DRIVER_CONFLICT
                                                       : DRIVER_REFUSED;
    bool is_read = is_operation(request, HISTORY_READ);
    answer->outcome.type = is_read ? HISTORY_FAIL : type;
    answer->outcome.error = find_error(type, text ? text : "", otherwise);
    answer->outcome.text = text ? text : "the program gave no reason";
    answer->is_unsupported =
        type == HISTORY_FAIL && text && begins_with(text, "unsupported");
}

static int read_list(const json_t *list, struct exec_answer *answer, struct errmsg *err)
{
    size_t n = json_array_size(list);
    answer->items = xcalloc(n + 1, sizeof *answer->items);
    for (size_t i = 0; i < n; i++) {
        const json_t *item = json_array_get(list, i);
        if (!json_is_integer(item))
            return refuse(err, "the list that was read holds something else than "
                               "integers");
        answer->items[i] = json_integer_value(item);
    }
    answer->outcome.value = (struct history_value){
        .kind = HISTORY_LIST, .list = {.items = answer->items, .n = n}};
    return 0;
}

static int read_value(enum history_f writes, struct exec_answer *answer,
                      struct errmsg *err)
{
    const json_t *value = json_object_get(answer->json, "value");
    bool takes_list = writes != HISTORY_WRITE;
    bool takes_integer = writes != HISTORY_APPEND && writes != HISTORY_ADD;
    if (!value)
        return refuse(err, "an ok read needs a \"value\": null if nothing is there");
    if (json_is_null(value))
        return 0;
    if (json_is_array(value) && takes_list)
        return read_list(value, answer, err);
    if (!json_is_integer(value) || !takes_integer)
        return refuse(err, takes_list ? "the value read is no list of integers"
                                      : "the value read is no integer");
    answer->outcome.value = (struct history_value){
        .kind = HISTORY_INTEGER, .integer = json_integer_value(value)};
    return 0;
}

static int read_type(const json_t *json, enum history_type *out, struct errmsg *err)
{
    static const enum history_type types[] = {HISTORY_OK, HISTORY_FAIL, HISTORY_INFO};
    const json_t *type = json_object_get(json, "type");
    const char *word = type ? json_string_value(type) : "info";
    for (size_t i = 0; word && i < sizeof types / sizeof *types; i++)
        if (strcmp(word, history_type_name(types[i])) == 0) {
            *out = types[i];
            return 0;
        }
    return refuse(err, "its \"type\" is none of ok, fail and info");
}

/* That it is an object which answers the operation. */
static int read_object(const char *line, size_t length, uint64_t op,
                       struct exec_answer *answer, struct errmsg *err)
{
    json_error_t where;
    answer->json = json_loadb(line, length, JSON_REJECT_DUPLICATES, &where);
    const json_t *number = json_object_get(answer->json, "op");
    if (!json_is_object(answer->json)) {
        char shown[64];
        errmsg_set(err, "it answered no JSON object but \"%s\"",
                   exec_line_show(line, length, shown, sizeof shown));
        return -EINVAL;
    }
    if (json_is_integer(number) && json_integer_value(number) == (json_int_t)op)
        return 0;
    errmsg_set(err, "its answer has not the \"op\" that was asked, %" PRIu64, op);
    return -EINVAL;
}

int exec_line_read(const char *line, size_t length, uint64_t op,
                   const struct driver_target *target,
                   const struct driver_request *request, struct exec_answer *answer,
                   struct errmsg *err)
{
    enum history_type type = HISTORY_INFO;
    *answer = (struct exec_answer){.outcome = {.reusable = true}};
    int e = read_object(line, length, op, answer, err);
    if (e == 0)
        e = read_type(answer->json, &type, err);
    if (e != 0)
        return e;
    answer->outcome.node = json_string_value(json_object_get(answer->json, "node"));
    if (type != HISTORY_OK) {
        read_error(request, type, answer);
        return 0;
    }
    answer->outcome.type = HISTORY_OK;
    return is_operation(request, HISTORY_READ) ? read_value(target->writes, answer, err)
                                               : 0;
}

void exec_answer_close(struct exec_answer *answer)
{
    json_decref(answer->json);
    free(answer->items);
    *answer = (struct exec_answer){0};
}
