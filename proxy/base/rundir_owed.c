/* SPDX-License-Identifier: MIT */
/* Pays one debt: starts the command in the directory and with the variables that were
 * noted, on a loop of its own, and waits until it has ended. One that takes too long is
 * stopped, and counts as failed. Nothing is tried twice. */
#include "proxy/base/rundir_owed.h"

#include "proxy/base/child.h"
#include "proxy/base/now.h"
#include "proxy/base/term.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

extern char **environ;

enum { OUTPUT_BYTES = 4096 };
#define GRACE_NS (3 * NS_PER_S)

struct payment {
    struct child *child; /* owned; NULL when it has ended */
    uv_timer_t deadline;
    bool late, ok;
    char *told;
    size_t told_bytes;
};

static void on_late(uv_timer_t *timer)
{
    struct payment *payment = timer->data;
    payment->late = true;
    child_stop(payment->child, GRACE_NS);
}

static void on_end(void *data, const struct child_end *end)
{
    struct payment *payment = data;
    const char *line = end->output + strspn(end->output, " \t\r\n");
    payment->ok = end->status == 0 && !payment->late;
    if (payment->late)
        (void)snprintf(payment->told, payment->told_bytes, "not done in time");
    else
        (void)snprintf(payment->told, payment->told_bytes, "status %d%s%.*s",
                       end->status, *line ? ": " : "", (int)strcspn(line, "\r\n"),
                       line);
    term_disarm(payment->told);
    child_close(payment->child);
    payment->child = NULL;
    uv_close((uv_handle_t *)&payment->deadline, NULL);
}

/* The texts of a JSON list, NULL-terminated and borrowed; NULL without memory. */
static const char **read_words(const json_t *list)
{
    size_t n = json_array_size(list);
    const char **words = calloc(n + 1, sizeof *words);
    for (size_t i = 0, to = 0; words && i < n; i++) {
        words[to] = json_string_value(json_array_get(list, i));
        to += words[to] != NULL;
    }
    return words;
}

static bool has_name(const char *const *env, const char *item)
{
    size_t length = strcspn(item, "=") + 1;
    for (; *env; env++)
        if (strncmp(*env, item, length) == 0)
            return true;
    return false;
}

/* Ours, but for what was noted. Borrowed texts; NULL without memory. */
static const char **merge_env(const char *const *noted)
{
    size_t n = 0;
    for (char **at = environ; *at; at++)
        n++;
    for (const char *const *at = noted; *at; at++)
        n++;
    const char **env = calloc(n + 1, sizeof *env);
    size_t to = 0;
    for (char **at = environ; env && *at; at++)
        if (!has_name(noted, *at))
            env[to++] = *at;
    for (; env && *noted; noted++)
        env[to++] = *noted;
    return env;
}

static void run(struct payment *payment, const struct child_options *options,
                uint64_t within_ns)
{
    uv_loop_t loop;
    struct errmsg err = {""};
    (void)uv_loop_init(&loop); /* fails without descriptors only: then all does */
    (void)uv_timer_init(&loop, &payment->deadline);
    payment->deadline.data = payment;
    payment->child = child_start(&loop, options, &err);
    if (payment->child) {
        (void)uv_timer_start(&payment->deadline, on_late, now_ns_to_ms_up(within_ns),
                             0);
    } else {
        (void)snprintf(payment->told, payment->told_bytes, "%s", err.text);
        uv_close((uv_handle_t *)&payment->deadline, NULL);
    }
    (void)uv_run(&loop, UV_RUN_DEFAULT);
    (void)uv_loop_close(&loop); /* nothing is open any more */
}

bool rundir_pay(const json_t *debt, char *told, size_t told_bytes)
{
    const char **argv = read_words(json_object_get(debt, "argv"));
    const char **noted = read_words(json_object_get(debt, "env"));
    const char **env = noted ? merge_env(noted) : NULL;
    json_int_t ms = json_integer_value(json_object_get(debt, "within_ms"));
    struct payment payment = {.told = told, .told_bytes = told_bytes};
    struct child_options options = {
        .argv = argv,
        .env = env,
        .directory = json_string_value(json_object_get(debt, "directory")),
        .output_limit = OUTPUT_BYTES,
        .leaves_group = true, /* it may start a server */
        .on_end = on_end,
        .data = &payment,
    };
    (void)snprintf(told, told_bytes, "it cannot be read");
    if (argv && argv[0] && env)
        run(&payment, &options, ms > 0 ? (uint64_t)ms * NS_PER_MS : 30 * NS_PER_S);
    free(argv);
    free(noted);
    free(env);
    return payment.ok;
}
