/* SPDX-License-Identifier: MIT */
#include "tests/lib/proxy_process.h"
#include "proxy/base/control_client.h"
#include "proxy/base/memory.h"
#include "proxy/base/now.h"
#include "tests/lib/program.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define PATIENCE_NS (30 * NS_PER_S)

enum { WORDS = 24, SAID_BYTES = 1 << 20, POLL_MS = 5 };

void proxy_process_open(struct proxy_process *proxy)
{
    *proxy = (struct proxy_process){.pid = 0};
    (void)signal(SIGPIPE, SIG_IGN);
    cr_assert_eq(tempdir_make("abuse", proxy->directory, NULL), 0);
    (void)snprintf(proxy->rules, sizeof proxy->rules, "%s/r.yaml", proxy->directory);
    (void)snprintf(proxy->said, sizeof proxy->said, "%s/said", proxy->directory);
    (void)snprintf(proxy->control, sizeof proxy->control, "%s/c", proxy->directory);
}

void proxy_process_write_rules(struct proxy_process *proxy, const char *format, ...)
{
    char *beside = xasprintf("%s.new", proxy->rules);
    FILE *to = fopen(beside, "w");
    va_list args;
    cr_assert_not_null(to);
    va_start(args, format);
    cr_assert_gt(vfprintf(to, format, args), 0);
    va_end(args);
    cr_assert_eq(fclose(to), 0);
    cr_assert_eq(rename(beside, proxy->rules), 0);
    free(beside);
}

static void become(const struct proxy_process *proxy, const char *const *words,
                   pid_t parent)
{
    const char *argv[WORDS] = {getenv("NETSPLIT"), "proxy",     "-f",
                               proxy->rules,       "--control", proxy->control};
    size_t n = 6;
    for (; *words && n < WORDS - 1; words++)
        argv[n++] = *words;
    program_in_child(parent);
    int fd = open(proxy->said, O_WRONLY | O_CREAT | O_APPEND, 0600);
    if (dup2(fd, STDOUT_FILENO) < 0 || dup2(fd, STDERR_FILENO) < 0)
        _exit(127);
    (void)close(fd);
    (void)execv(argv[0], (char *const *)(uintptr_t)argv);
    _exit(127);
}

void proxy_process_start(struct proxy_process *proxy, const char *const *words)
{
    pid_t parent = getpid();
    cr_assert_not_null(getenv("NETSPLIT"), "make test sets it");
    (void)unlink(proxy->said); /* of one that ran before it */
    proxy->pid = fork();
    cr_assert_geq(proxy->pid, 0);
    if (proxy->pid == 0)
        become(proxy, words, parent);
    proxy_process_await(proxy, "\n");
    cr_assert_eq(proxy_process_count_said(proxy, "ready "), 1);
}

/* All that it has said. Borrowed until the next call. */
static const char *read_said(const struct proxy_process *proxy)
{
    static char text[SAID_BYTES];
    FILE *from = fopen(proxy->said, "r");
    size_t n = from ? fread(text, 1, sizeof text - 1, from) : 0;
    if (from)
        (void)fclose(from);
    text[n] = '\0';
    return text;
}

uint16_t proxy_process_port(struct proxy_process *proxy, const char *name)
{
    char *word = xasprintf(" %s=127.0.0.1:", name);
    const char *at = strstr(read_said(proxy), word);
    cr_assert_not_null(at, "no %s in: %s", name, read_said(proxy));
    uint16_t port = (uint16_t)atoi(at + strlen(word));
    free(word);
    return port;
}

size_t proxy_process_count_said(struct proxy_process *proxy, const char *text)
{
    size_t n = 0;
    for (const char *at = read_said(proxy); (at = strstr(at, text)); at++)
        n++;
    return n;
}

void proxy_process_await(struct proxy_process *proxy, const char *text)
{
    uint64_t since = now_ns();
    while (proxy_process_count_said(proxy, text) == 0) {
        (void)poll(NULL, 0, POLL_MS);
        cr_assert_lt(now_ns() - since, PATIENCE_NS, "it did not say \"%s\" but: %s",
                     text, read_said(proxy));
    }
}

/* The time that it has computed. */
static uint64_t cpu_ns(const struct proxy_process *proxy)
{
    clockid_t clock;
    struct timespec spent = {0};
    if (clock_getcpuclockid(proxy->pid, &clock) == 0)
        (void)clock_gettime(clock, &spent);
    return (uint64_t)spent.tv_sec * NS_PER_S + (uint64_t)spent.tv_nsec;
}

static void keep_slowest(uint64_t *slowest_ns, uint64_t ns)
{
    if (ns > *slowest_ns)
        *slowest_ns = ns;
}

int proxy_process_ask(struct proxy_process *proxy, const char *method,
                      const char *target, const char *text, json_t **body)
{
    struct errmsg err = {0};
    uint64_t since_ns = now_ns(), since_cpu_ns = cpu_ns(proxy);
    int status =
        control_call(proxy->control, method, target, text, PATIENCE_NS, body, &err);
    keep_slowest(&proxy->slowest_ns, now_ns() - since_ns);
    keep_slowest(&proxy->slowest_cpu_ns, cpu_ns(proxy) - since_cpu_ns);
    cr_assert_gt(status, 0, "%s %s: %s; it said: %s", method, target, err.text,
                 read_said(proxy));
    return status;
}

static uint64_t take_number(const json_t *object, const char *name)
{
    const json_t *value = json_object_get(object, name);
    cr_assert(json_is_integer(value), "no number %s", name);
    return (uint64_t)json_integer_value(value);
}

uint64_t proxy_process_total(struct proxy_process *proxy, const char *name)
{
    json_t *status = NULL;
    cr_assert_eq(proxy_process_ask(proxy, "GET", "/v1/status", NULL, &status), 200);
    uint64_t value = take_number(json_object_get(status, "totals"), name);
    json_decref(status);
    return value;
}

uint64_t proxy_process_budget(struct proxy_process *proxy, const char *budget,
                              const char *name)
{
    json_t *status = NULL, *row;
    size_t i;
    uint64_t value = UINT64_MAX;
    cr_assert_eq(proxy_process_ask(proxy, "GET", "/v1/status", NULL, &status), 200);
    json_array_foreach(json_object_get(status, "budgets"), i, row)
    {
        const char *own = json_string_value(json_object_get(row, "name"));
        if (own && strcmp(own, budget) == 0)
            value = take_number(row, name);
    }
    json_decref(status);
    cr_assert_neq(value, UINT64_MAX, "no budget %s", budget);
    return value;
}

int proxy_process_wait(struct proxy_process *proxy)
{
    int status = 0;
    uint64_t since = now_ns();
    pid_t ended;
    while ((ended = waitpid(proxy->pid, &status, WNOHANG)) == 0) {
        (void)poll(NULL, 0, POLL_MS);
        cr_assert_lt(now_ns() - since, PATIENCE_NS, "it does not end");
    }
    cr_assert_eq(ended, proxy->pid);
    cr_assert_null(strstr(read_said(proxy), "Sanitizer"), "%s", read_said(proxy));
    proxy->pid = 0;
    return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

int proxy_process_end(struct proxy_process *proxy, int signal)
{
    (void)kill(proxy->pid, signal);
    return proxy_process_wait(proxy);
}

void proxy_process_close(struct proxy_process *proxy)
{
    if (proxy->pid > 0) {
        (void)kill(proxy->pid, SIGKILL);
        (void)waitpid(proxy->pid, NULL, 0);
    }
    cr_assert_eq(tempdir_remove(proxy->directory), 0);
}
