/* SPDX-License-Identifier: MIT */
/* The client against servers that behave badly. Against the real API it is tested by
 * test_api.c. */
#include "proxy/base/control_client.h"
#include "proxy/base/now.h"
#include "proxy/base/tempdir.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

static char dir[TEMPDIR_PATH_MAX];
static char path[TEMPDIR_PATH_MAX + 16];
static int listener;
static uv_loop_t loop;
static struct control_client *client;

static void setup(void)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    cr_assert_eq(tempdir_make("client-test", dir, NULL), 0);
    (void)snprintf(path, sizeof path, "%s/control", dir);
    (void)snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
    listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    cr_assert_eq(bind(listener, (struct sockaddr *)&address, sizeof address), 0);
    cr_assert_eq(listen(listener, 8), 0);
    cr_assert_eq(uv_loop_init(&loop), 0);
    cr_assert_eq(control_client_create(&client, &loop, path), 0);
}

static void teardown(void)
{
    (void)close(listener);
    cr_assert_eq(uv_run(&loop, UV_RUN_DEFAULT), 0);
    cr_assert_eq(uv_loop_close(&loop), 0);
    cr_assert_eq(tempdir_remove(dir), 0);
}

TestSuite(control_client, .init = setup, .fini = teardown, .timeout = 30);

struct answer {
    int calls, status;
    struct errmsg err;
};

static void on_reply(void *arg, int status, json_t *body, const struct errmsg *err)
{
    struct answer *answer = arg;
    (void)body;
    answer->calls++;
    answer->status = status;
    answer->err = *err;
}

static void count_event(void *arg, json_t *event)
{
    (void)event;
    (void)arg;
}

/* A server that answers one connection with the text and closes it. */
static pid_t answer_once(const char *text)
{
    pid_t pid = fork();
    if (pid != 0)
        return pid;
    char request[4096];
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    int fd = accept(listener, NULL, NULL);
    if (read(fd, request, sizeof request) <= 0 ||
        write(fd, text, strlen(text)) != (ssize_t)strlen(text))
        _exit(1);
    _exit(0);
}

static int ask(const char *text, bool stream)
{
    struct answer answer = {0};
    pid_t pid = answer_once(text);
    if (stream)
        cr_assert_not_null(control_stream(client, "/v1/events", 10 * NS_PER_S,
                                          count_event, on_reply, &answer));
    else
        cr_assert_not_null(control_request(client, "GET", "/v1/status", NULL,
                                           10 * NS_PER_S, on_reply, &answer));
    while (answer.calls == 0)
        (void)uv_run(&loop, UV_RUN_ONCE);
    cr_assert_eq(waitpid(pid, NULL, 0), pid);
    cr_assert(answer.status == 200 || answer.err.text[0], "%d without words",
              answer.status);
    return answer.status;
}

Test(control_client, bad_answers_are_told_apart)
{
    cr_assert_eq(ask("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}", false), 200);
    cr_assert_eq(
        ask("HTTP/1.1 500 No\r\nContent-Length: 15\r\n\r\n{\"error\":\"why\"}", false),
        500);
    cr_assert_eq(ask("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n{", false), -EPROTO);
    cr_assert_eq(ask("220 mail.example.com ESMTP\r\n", false), -EPROTO);
    cr_assert_eq(ask("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{", false),
                 -ECONNRESET);
    cr_assert_eq(ask("HTTP/1.1 200 OK\r\n\r\n{\"a\":1}\nnonsense\n", true), -EPROTO);
    cr_assert_eq(ask("HTTP/1.1 200 OK\r\n\r\n{\"a\":1}\n{\"b\":2}\n", true), 200);
    control_client_close(client, NULL, NULL);
}

Test(control_client, a_server_that_says_nothing_meets_the_deadline)
{
    struct answer answer = {0};
    cr_assert_not_null(control_request(client, "GET", "/v1/status", NULL, NS_PER_MS,
                                       on_reply, &answer));
    while (answer.calls == 0)
        (void)uv_run(&loop, UV_RUN_ONCE);
    cr_assert_eq(answer.status, -ETIMEDOUT);
    cr_assert_not_null(strstr(answer.err.text, "did not answer within 1ms"), "%s",
                       answer.err.text);
    control_client_close(client, NULL, NULL);
}

static void note_closed(void *arg)
{
    *(bool *)arg = true;
}

Test(control_client, closing_cancels_all_and_calls_each_once)
{
    struct answer answers[3] = {0};
    bool closed = false;
    for (int i = 0; i < 3; i++)
        cr_assert_not_null(
            control_request(client, "GET", "/", NULL, 0, on_reply, &answers[i]));
    control_client_close(client, note_closed, &closed);
    cr_assert_eq(answers[0].calls, 0, "never from within");
    cr_assert_eq(uv_run(&loop, UV_RUN_DEFAULT), 0);
    for (int i = 0; i < 3; i++) {
        cr_assert_eq(answers[i].calls, 1);
        cr_assert_eq(answers[i].status, -ECANCELED);
    }
    cr_assert(closed);
}

Test(control_client, a_cancelled_request_is_called_back_with_that)
{
    struct answer answer = {0};
    struct control_request *request =
        control_request(client, "GET", "/", NULL, 0, on_reply, &answer);
    control_cancel(request);
    control_cancel(request);
    cr_assert_eq(answer.calls, 0);
    cr_assert_eq(uv_run(&loop, UV_RUN_DEFAULT), 0);
    cr_assert_eq(answer.calls, 1);
    cr_assert_eq(answer.status, -ECANCELED);
    control_client_close(client, NULL, NULL);
}

Test(control_client, nobody_there_is_said)
{
    struct errmsg err = {0};
    char missing[TEMPDIR_PATH_MAX + 16];
    (void)snprintf(missing, sizeof missing, "%s/missing", dir);
    cr_assert_eq(control_call(missing, "GET", "/", NULL, NS_PER_S, NULL, &err),
                 -ENOENT);
    cr_assert_not_null(strstr(err.text, "no proxy answers at "), "%s", err.text);
    (void)close(listener);
    cr_assert_eq(control_call(path, "GET", "/", NULL, NS_PER_S, NULL, &err),
                 -ECONNREFUSED);
    control_client_close(client, NULL, NULL);
}

Test(control_client, escapes_all_but_what_needs_none)
{
    char text[32];
    cr_assert_str_eq(control_escape("a-b_c.d~9", text, sizeof text), "a-b_c.d~9");
    cr_assert_str_eq(control_escape("a b/\xc3\xa9%", text, sizeof text),
                     "a%20b%2F%C3%A9%25");
    cr_assert_str_eq(control_escape("a b", text, 4), "a");
    control_client_close(client, NULL, NULL);
}
