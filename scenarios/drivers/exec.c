/* SPDX-License-Identifier: MIT */
/* The driver that is a program of the user's, in any language: it reads one JSON line
 * for each operation and answers with one (exec_line.h says what they hold).
 *
 * A client is one child, started when it is first invoked, in the network namespace of
 * its endpoint, and kept between operations: a program sees one node only, and one
 * operation at a time. It is killed, with its process group, when the client is closed;
 * it must not need to say farewell.
 *
 * Happy path: start() starts the child if there is none and sends the line; on_output()
 * collects the answer; its newline ends the operation.
 *
 * Failures. A child that ends, answers what cannot be an answer to what was asked,
 * answers twice, or talks without end has a defect: the operation is info (a read:
 * fail), the child is killed, and the next client starts another. So a program may deal
 * with what it did not expect by dying. A late answer is never heard: at the deadline
 * the child is killed, too. What it writes to stderr goes to the log, up to a limit, and
 * the last line of it into the message when it ends.
 *
 * A line that was not read by the deadline is taken back: it has failed. Who has never
 * answered so far is then still starting, and is left to it for START_MOST_NS: if each
 * start were ended at a deadline that is shorter, there would be no end of starts.
 *
 * A program that has no "setup" is trusted with keys that hold nothing: they are read.
 * One that has no "teardown" leaves something behind, which is an error. It keeps no
 * mark of who drills: of drills from another machine it knows nothing. */
#include "proxy/base/child.h"
#include "proxy/base/memory.h"
#include "proxy/base/now.h"
#include "scenarios/drivers/client.h"
#include "scenarios/drivers/exec_line.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    ANSWER_LONGEST = 16 << 20, /* a list of two million elements */
    LOG_MOST_BYTES = 1 << 20,  /* of one client */
    ERROR_LINE_BYTES = 1000,
    ERROR_SHOWN_BYTES = 160,
};
#define START_MOST_NS (30 * NS_PER_S)

struct exec_client {
    struct driver_client base;
    struct child *child; /* owned; NULL = none */
    uint64_t started_ns;
    bool has_answered;
    uint64_t op;       /* of the last line that was sent */
    size_t line_bytes; /* of that line */
    char *answer;      /* owned: what has come of its answer */
    size_t answer_bytes, answer_room;
    bool is_looking; /* a setup that looks whether the keys hold nothing */
    int64_t looks_at;
    char error_line[ERROR_LINE_BYTES]; /* of its stderr, not ended yet */
    size_t error_bytes;
    char last_error[ERROR_SHOWN_BYTES]; /* the last line that was not empty */
    size_t logged_bytes;
};

static void log_line(struct exec_client *client, const char *line, size_t length)
{
    const struct driver_target *target = &client->base.target;
    if (target->program.log_fd <= 0 || client->logged_bytes >= LOG_MOST_BYTES)
        return;
    client->logged_bytes += length + 1;
    const char *more = client->logged_bytes < LOG_MOST_BYTES
                           ? ""
                           : "no more is kept of what this one writes to stderr\n";
    (void)dprintf(target->program.log_fd, "%s: %.*s\n%s",
                  target->node ? target->node : "program", (int)length, line,
                  more); /* a log that is short is no loss */
}

static void end_error_line(struct exec_client *client)
{
    size_t length = client->error_bytes;
    client->error_bytes = 0;
    if (length == 0)
        return;
    (void)exec_line_show(client->error_line, length, client->last_error,
                         sizeof client->last_error);
    log_line(client, client->error_line, length);
}

static void on_error(void *data, const char *bytes, size_t n)
{
    struct exec_client *client = data;
    for (size_t i = 0; i < n; i++) {
        if (bytes[i] == '\n' || client->error_bytes == sizeof client->error_line)
            end_error_line(client);
        if (bytes[i] != '\n')
            client->error_line[client->error_bytes++] = bytes[i];
    }
}

static void exec_abandon(struct driver_client *base)
{
    struct exec_client *client = (struct exec_client *)base;
    end_error_line(client);
    child_close(client->child);
    client->child = NULL;
    client->answer_bytes = 0;
}

static void exec_finish(struct driver_client *base)
{
    free(((struct exec_client *)base)->answer);
}

/* What is wrong with the program: for the one who is waiting, and for the log. */
static void break_off(struct exec_client *client, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
static void break_off(struct exec_client *client, const char *format, ...)
{
    char text[256];
    va_list args;
    va_start(args, format);
    int n = vsnprintf(text, sizeof text, format, args);
    va_end(args);
    size_t length = n < (int)sizeof text ? (size_t)n : sizeof text - 1;
    end_error_line(client);
    log_line(client, text, length);
    exec_abandon(&client->base);
    driver_defect(&client->base, text);
}

static void on_end(void *data, const struct child_end *end)
{
    struct exec_client *client = data;
    end_error_line(client);
    const char *colon = client->last_error[0] ? ": " : "";
    if (end->signal)
        break_off(client, "the driver's program was ended by SIG%s%s%s",
                  sigabbrev_np(end->signal), colon, client->last_error);
    else
        break_off(client, "the driver's program ended with status %d%s%s", end->status,
                  colon, client->last_error);
}

static void on_output(void *data, const char *bytes, size_t n);

/* The words of the setting, which was checked; the caller lets go of *json. */
static const char **read_words(const char *setting, json_t **json)
{
    *json = json_loads(setting, 0, NULL);
    size_t n = json_array_size(*json);
    const char **words = xcalloc(n + 1, sizeof *words);
    for (size_t i = 0; i < n; i++)
        words[i] = json_string_value(json_array_get(*json, i));
    return words;
}

/* False after driver_defect(). */
static bool start_child(struct exec_client *client)
{
    const struct driver_target *target = &client->base.target;
    struct errmsg err = {""};
    json_t *json = NULL;
    const char **words = read_words(target->setting, &json);
    const struct child_options options = {.argv = words,
                                          .directory = target->program.directory,
                                          .netns_fd = target->endpoint.netns_fd,
                                          .has_input = true,
                                          .on_output = on_output,
                                          .on_error = on_error,
                                          .on_end = on_end,
                                          .data = client};
    client->last_error[0] = '\0';
    client->has_answered = false;
    client->started_ns = now_ns();
    client->child = child_start(client->base.loop, &options, &err);
    free(words);
    json_decref(json);
    if (!client->child)
        break_off(client, "the driver's program cannot be started: %s", err.text);
    return client->child;
}

static void ask(struct exec_client *client, const struct driver_request *request)
{
    char *line = exec_line_write(++client->op, &client->base.target, request);
    client->line_bytes = strlen(line);
    int e = child_send(client->child, line, client->line_bytes);
    free(line);
    if (e == 0)
        client->base.sent = true;
    else
        break_off(client, "the driver's program does not read what it is asked: %s",
                  strerror(-e));
}

/* Asks for the next key, or is done. */
static void look_on(struct exec_client *client)
{
    const struct driver_request read = {
        .verb = DRIVER_OPERATION,
        .operation = {.f = HISTORY_READ, .key = client->looks_at},
        .within_ns = client->base.request.within_ns,
    };
    if ((uint64_t)client->looks_at < client->base.request.keys)
        ask(client, &read);
    else
        driver_answer(&client->base,
                      &(struct driver_outcome){.type = HISTORY_OK, .reusable = true});
}

static void take_look(struct exec_client *client, const struct exec_answer *answer)
{
    const struct driver_outcome *outcome = &answer->outcome;
    const struct history_value *value = &outcome->value;
    char text[256];
    bool is_empty = value->kind == HISTORY_NIL ||
                    (value->kind == HISTORY_LIST && value->list.n == 0);
    if (outcome->type == HISTORY_OK && is_empty) {
        client->looks_at++;
        look_on(client);
        return;
    }
    if (outcome->type == HISTORY_OK)
        (void)snprintf(text, sizeof text,
                       "key %" PRId64 " holds something already, and the driver's "
                       "program has no \"setup\" to empty it",
                       client->looks_at);
    else
        (void)snprintf(text, sizeof text,
                       "the driver's program has no \"setup\", and reading key %" PRId64
                       " failed: %s",
                       client->looks_at, outcome->text);
    driver_refused(&client->base, DRIVER_REFUSED, text);
}

static void take_answer(struct exec_client *client, const struct exec_answer *answer)
{
    enum driver_verb verb = client->base.request.verb;
    if (client->is_looking) {
        take_look(client, answer);
    } else if (verb == DRIVER_SETUP && answer->is_unsupported) {
        client->is_looking = true;
        client->looks_at = 0;
        look_on(client);
    } else if (verb == DRIVER_TEARDOWN && answer->is_unsupported) {
        driver_refused(&client->base, DRIVER_REFUSED,
                       "the driver's program has no \"teardown\"; if it may stay, the "
                       "cluster file says data: { after: keep }");
    } else {
        driver_answer(&client->base, &answer->outcome);
    }
}

/* The whole line is there. */
static void read_answer(struct exec_client *client)
{
    static const struct driver_request look = {.verb = DRIVER_OPERATION,
                                               .operation = {.f = HISTORY_READ}};
    struct exec_answer answer = {0};
    struct errmsg err = {""};
    size_t length = client->answer_bytes - 1;
    client->has_answered = true;
    client->answer_bytes = 0; /* before the next operation begins */
    int e = exec_line_read(client->answer, length, client->op, &client->base.target,
                           client->is_looking ? &look : &client->base.request, &answer,
                           &err);
    if (e == 0)
        take_answer(client, &answer);
    else
        break_off(client, "the driver's program misbehaves: %s", err.text);
    exec_answer_close(&answer);
}

static void keep_answer(struct exec_client *client, const char *bytes, size_t n)
{
    while (client->answer_room < client->answer_bytes + n) {
        client->answer_room = client->answer_room ? client->answer_room * 2 : 16384;
        client->answer = xreallocarray(client->answer, client->answer_room, 1);
    }
    memcpy(client->answer + client->answer_bytes, bytes, n);
    client->answer_bytes += n;
}

static void on_output(void *data, const char *bytes, size_t n)
{
    struct exec_client *client = data;
    const char *newline = memchr(bytes, '\n', n);
    if (client->base.state != DRIVER_BUSY) {
        break_off(client, "the driver's program talks without being asked");
        return;
    }
    keep_answer(client, bytes, n);
    if (client->answer_bytes > ANSWER_LONGEST)
        break_off(client, "the driver's program does not end its answer");
    else if (newline && newline < bytes + n - 1)
        break_off(client, "the driver's program answers more than it was asked");
    else if (newline)
        read_answer(client);
}

static void exec_start(struct driver_client *base)
{
    struct exec_client *client = (struct exec_client *)base;
    bool stays = base->request.verb == DRIVER_TEARDOWN && base->target.keeps_data;
    client->is_looking = false;
    if (stays)
        driver_answer(base,
                      &(struct driver_outcome){.type = HISTORY_OK, .reusable = true});
    else if (client->child || start_child(client))
        ask(client, &base->request);
}

static bool exec_late(struct driver_client *base)
{
    struct exec_client *client = (struct exec_client *)base;
    if (!client->child || child_take_back(client->child) != (ssize_t)client->line_bytes)
        return false; /* it has read it, or a part of it */
    bool is_starting =
        !client->has_answered && now_ns() - client->started_ns < START_MOST_NS;
    driver_answer(base, &(struct driver_outcome){
                            .type = HISTORY_FAIL,
                            .error = is_starting ? DRIVER_UNREACHABLE : DRIVER_DEFECT,
                            .text = is_starting
                                        ? "the driver's program was still starting at "
                                          "the deadline"
                                        : "the driver's program hangs: it has not read "
                                          "what it was asked by the deadline",
                            .reusable = is_starting,
                        });
    return true;
}

static int exec_check(const char *setting, struct errmsg *err)
{
    json_t *list = json_loads(setting, 0, NULL);
    size_t n = json_array_size(list); /* 0 of what is no list */
    bool good = n > 0 && json_string_length(json_array_get(list, 0)) > 0;
    for (size_t i = 0; i < n; i++)
        good = good && json_is_string(json_array_get(list, i));
    json_decref(list);
    if (good)
        return 0;
    errmsg_set(err, "the setting of exec is a program and its arguments, a list: "
                    "[python3, driver.py]");
    return -EINVAL;
}

const struct driver driver_exec = {
    .name = "exec",
    .help = "a program of your own, in any language: one JSON line in, one out",
    .setting = "a program and its arguments, [python3, driver.py], run where the "
               "cluster file is",
    .is_program = true,
    .operations = 1u << HISTORY_READ | 1u << HISTORY_APPEND | 1u << HISTORY_WRITE |
                  1u << HISTORY_CAS | 1u << HISTORY_ADD,
    .client_bytes = sizeof(struct exec_client),
    .check = exec_check,
    .start = exec_start,
    .late = exec_late,
    .abandon = exec_abandon,
    .finish = exec_finish,
};
