/* SPDX-License-Identifier: MIT */
#include "proxy/base/child.h"
#include "proxy/base/errmsg.h"
#include "proxy/base/namespace.h"
#include "proxy/base/now.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

struct outcome {
    struct child *child; /* of those that need it in callbacks */
    unsigned ends;
    int status, signal;
    bool cut;
    char output[4096];
    char errors[4096];
    size_t streamed;
};

static void on_end(void *data, const struct child_end *end)
{
    struct outcome *outcome = data;
    outcome->ends++;
    outcome->status = end->status;
    outcome->signal = end->signal;
    outcome->cut = end->output_cut;
    (void)snprintf(outcome->output, sizeof outcome->output, "%s", end->output);
}

static void on_output(void *data, const char *bytes, size_t n)
{
    struct outcome *outcome = data;
    (void)bytes;
    outcome->streamed += n;
}

static struct child *start(uv_loop_t *loop, const char *script, size_t limit,
                           struct outcome *outcome)
{
    const char *argv[] = {"sh", "-euc", script, NULL};
    struct child_options options = {.argv = argv,
                                    .output_limit = limit,
                                    .on_output = on_output,
                                    .on_end = on_end,
                                    .data = outcome};
    struct errmsg err = {""};
    struct child *child = child_start(loop, &options, &err);
    cr_assert(child, "%s", err.text);
    return child;
}

static void finish(uv_loop_t *loop, struct child *child)
{
    child_close(child);
    cr_assert_eq(uv_run(loop, UV_RUN_DEFAULT), 0);
    cr_assert_eq(uv_loop_close(loop), 0);
}

static struct outcome run(const char *script, size_t limit)
{
    struct outcome outcome = {0};
    uv_loop_t loop;
    cr_assert_eq(uv_loop_init(&loop), 0);
    struct child *child = start(&loop, script, limit, &outcome);
    while (outcome.ends == 0)
        (void)uv_run(&loop, UV_RUN_ONCE);
    cr_assert_not(child_running(child));
    finish(&loop, child);
    cr_assert_eq(outcome.ends, 1);
    return outcome;
}

Test(child, reports_status_and_both_outputs)
{
    struct outcome outcome = run("echo one; echo two >&2; exit 7", 100);
    cr_assert_eq(outcome.status, 7);
    cr_assert_eq(outcome.signal, 0);
    cr_assert_str_eq(outcome.output, "one\ntwo\n");
    cr_assert_eq(outcome.streamed, 8);
    cr_assert_not(outcome.cut);
}

/* Runs what starts a server in the background, which answers who asks it after the end
 * of its starter. False: nobody is there to answer. */
static bool server_survives(bool leaves_group)
{
    int question[2], answer[2];
    char script[128], letter = 'q';
    struct outcome outcome = {0};
    struct errmsg err = {""};
    const char *argv[] = {"sh", "-euc", script, NULL};
    struct child_options options = {
        .argv = argv, .leaves_group = leaves_group, .on_end = on_end, .data = &outcome};
    uv_loop_t loop;
    cr_assert(pipe(question) == 0 && pipe(answer) == 0);
    (void)snprintf(script, sizeof script,
                   "head -c 1 </proc/self/fd/%d >/proc/self/fd/%d &", question[0],
                   answer[1]);
    cr_assert_eq(uv_loop_init(&loop), 0);
    struct child *child = child_start(&loop, &options, &err);
    cr_assert(child, "%s", err.text);
    while (outcome.ends == 0)
        (void)uv_run(&loop, UV_RUN_ONCE);
    finish(&loop, child);
    (void)close(answer[1]); /* so that its end is the last */
    cr_assert_eq(write(question[1], &letter, 1), 1);
    bool answered = read(answer[0], &letter, 1) == 1;
    (void)close(question[0]);
    (void)close(question[1]);
    (void)close(answer[0]);
    return answered;
}

Test(child, leaves_its_group_only_if_that_is_asked, .timeout = 20)
{
    cr_expect_not(server_survives(false));
    cr_expect(server_survives(true));
}

Test(child, keeps_output_up_to_the_limit_and_says_that_it_was_cut)
{
    struct outcome outcome = run("head -c 100000 /dev/zero | tr '\\0' x", 10);
    cr_assert_str_eq(outcome.output, "xxxxxxxxxx");
    cr_assert(outcome.cut);
    cr_assert_eq(outcome.streamed, 100000);
}

Test(child, reads_an_empty_standard_input)
{
    cr_assert_str_eq(run("cat; echo end", 100).output, "end\n");
}

static void on_error(void *data, const char *bytes, size_t n)
{
    struct outcome *outcome = data;
    size_t length = strlen(outcome->errors);
    (void)snprintf(outcome->errors + length, sizeof outcome->errors - length, "%.*s",
                   (int)n, bytes);
}

/* One that is talked to; on_bytes takes its output. */
static struct child *start_talking(uv_loop_t *loop, const char *script,
                                   child_output_fn on_bytes, struct outcome *outcome)
{
    const char *argv[] = {"sh", "-euc", script, NULL};
    struct child_options options = {.argv = argv,
                                    .has_input = true,
                                    .output_limit = 100,
                                    .on_output = on_bytes,
                                    .on_error = on_error,
                                    .on_end = on_end,
                                    .data = outcome};
    struct errmsg err = {""};
    (void)signal(SIGPIPE, SIG_IGN); /* as main() does */
    cr_assert_eq(uv_loop_init(loop), 0);
    outcome->child = child_start(loop, &options, &err);
    cr_assert(outcome->child, "%s", err.text);
    return outcome->child;
}

Test(child, reads_what_it_is_sent_and_its_errors_come_apart)
{
    struct outcome outcome = {0};
    uv_loop_t loop;
    struct child *child = start_talking(
        &loop, "read line; echo \"got $line\"; echo oops >&2", on_output, &outcome);
    cr_expect_eq(child_send(child, "seven\n", 6), 0);
    while (outcome.ends == 0)
        (void)uv_run(&loop, UV_RUN_ONCE);
    cr_expect_str_eq(outcome.output, "got seven\n");
    cr_expect_str_eq(outcome.errors, "oops\n");
    cr_expect_eq(child_send(child, "more\n", 5), -EPIPE);
    finish(&loop, child);
}

Test(child, what_it_does_not_take_is_not_waited_for)
{
    static char much[1 << 20];
    struct outcome outcome = {0};
    uv_loop_t loop;
    struct child *child = start_talking(&loop, "sleep 60", on_output, &outcome);
    cr_expect_eq(child_send(child, much, sizeof much), -EAGAIN);
    cr_expect_eq(child_send(child, "x", 1), -EAGAIN);
    finish(&loop, child);
}

Test(child, what_was_sent_may_be_taken_back_until_it_is_read)
{
    struct outcome outcome = {0};
    uv_loop_t loop;
    struct child *child =
        start_talking(&loop, "kill -STOP $$; read line; echo \"got $line\"; read line",
                      on_output, &outcome);
    cr_assert_eq(waitid(P_PID, (id_t)child_pid(child), &(siginfo_t){0}, WSTOPPED), 0);
    cr_expect_eq(child_send(child, "seven\n", 6), 0);
    cr_expect_eq(child_take_back(child), 6);
    cr_expect_eq(child_take_back(child), -EAGAIN);
    cr_expect_eq(child_send(child, "eight\n", 6), 0);
    child_signal(child, SIGCONT);
    while (outcome.streamed == 0)
        (void)uv_run(&loop, UV_RUN_ONCE);
    cr_expect_eq(outcome.streamed, 10, "got eight");
    cr_expect_eq(child_take_back(child), -EAGAIN);
    finish(&loop, child);
}

static void close_it(void *data, const char *bytes, size_t n)
{
    struct outcome *outcome = data;
    on_output(data, bytes, n);
    child_close(outcome->child);
}

Test(child, may_be_closed_by_who_hears_its_output)
{
    /* While it runs; and at its end, when the rest is read. */
    static const char *const scripts[] = {
        "head -c 100000 /dev/zero; sleep 60",
        "read line; head -c 20000 /dev/zero",
    };
    for (size_t i = 0; i < 2; i++) {
        struct outcome outcome = {0};
        uv_loop_t loop;
        struct child *child = start_talking(&loop, scripts[i], close_it, &outcome);
        if (i == 1) {
            (void)child_send(child, "go\n", 3); /* it has just begun */
            cr_assert_eq(waitid(P_PID, (id_t)child_pid(child), &(siginfo_t){0},
                                WEXITED | WNOWAIT),
                         0);
        }
        cr_assert_eq(uv_run(&loop, UV_RUN_DEFAULT), 0);
        cr_expect_gt(outcome.streamed, 0);
        cr_expect_leq(outcome.streamed, 8192, "one piece, and no more");
        cr_expect_eq(outcome.ends, 0);
        cr_expect_eq(uv_loop_close(&loop), 0);
    }
}

Test(child, a_signal_is_told_as_a_shell_tells_it)
{
    struct outcome outcome = run("kill -TERM $$", 100);
    cr_assert_eq(outcome.signal, SIGTERM);
    cr_assert_eq(outcome.status, 128 + SIGTERM);
}

Test(child, is_not_waited_for_when_a_grandchild_holds_the_pipe, .timeout = 20)
{
    struct outcome outcome = run("setsid sleep 60 & echo $!", 100);
    int pid = 0;
    cr_assert_eq(sscanf(outcome.output, "%d", &pid), 1);
    (void)kill(pid, SIGKILL); /* it left the group, so it may live still */
}

Test(child, names_a_program_that_is_missing)
{
    const char *argv[] = {"netsplit-no-such-program", NULL};
    struct child_options options = {.argv = argv};
    struct errmsg err = {""};
    uv_loop_t loop;
    cr_assert_eq(uv_loop_init(&loop), 0);
    cr_assert_null(child_start(&loop, &options, &err));
    cr_assert_eq(errno, ENOENT);
    cr_assert_str_eq(err.text, "netsplit-no-such-program: No such file or directory");
    cr_assert_eq(uv_loop_close(&loop), 0);
}

Test(child, stop_kills_what_ignores_the_request)
{
    struct outcome outcome = {0};
    uv_loop_t loop;
    cr_assert_eq(uv_loop_init(&loop), 0);
    struct child *child = start(
        &loop, "trap '' TERM; echo ready; while :; do sleep 60; done", 100, &outcome);
    while (outcome.streamed == 0)
        (void)uv_run(&loop, UV_RUN_ONCE);
    child_stop(child, NS_PER_MS);
    while (outcome.ends == 0)
        (void)uv_run(&loop, UV_RUN_ONCE);
    cr_assert_eq(outcome.signal, SIGKILL);
    finish(&loop, child);
}

/* Blocks until the process has ended; the test's time limit is the failure. */
static void await_end_of(int pid)
{
    int pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
    if (pidfd < 0)
        return; /* gone and reaped */
    struct pollfd ended = {.fd = pidfd, .events = POLLIN};
    cr_assert_eq(poll(&ended, 1, -1), 1);
    (void)close(pidfd);
}

Test(child, the_whole_group_ends_with_its_leader, .timeout = 20)
{
    struct outcome outcome = run("sleep 60 & echo $!", 100);
    int pid = 0;
    cr_assert_eq(sscanf(outcome.output, "%d", &pid), 1);
    await_end_of(pid);
}

Test(child, close_ends_a_running_process_without_a_callback)
{
    struct outcome outcome = {0};
    uv_loop_t loop;
    cr_assert_eq(uv_loop_init(&loop), 0);
    struct child *child = start(&loop, "sleep 60", 100, &outcome);
    pid_t pid = child_pid(child);
    finish(&loop, child);
    cr_assert_eq(outcome.ends, 0);
    cr_assert_eq(kill(pid, 0), -1);
}

Test(child, runs_in_the_network_namespace_that_it_is_given)
{
    const char *argv[] = {"sh", "-euc", "readlink /proc/self/ns/net", NULL};
    struct outcome outcome = {0};
    struct errmsg err = {""};
    struct stat info;
    char wanted[64];
    uv_loop_t loop;
    int fd = namespace_make();
    if (fd == -EPERM)
        cr_skip_test("needs CAP_SYS_ADMIN");
    cr_assert_gt(fd, 0);
    struct child_options options = {.argv = argv,
                                    .netns_fd = fd,
                                    .output_limit = 4000,
                                    .on_end = on_end,
                                    .data = &outcome};
    cr_assert_eq(uv_loop_init(&loop), 0);
    struct child *child = child_start(&loop, &options, &err);
    cr_assert(child, "%s", err.text);
    cr_assert_eq(uv_run(&loop, UV_RUN_DEFAULT), 0);
    cr_expect_eq(outcome.status, 0);
    cr_assert_eq(fstat(fd, &info), 0);
    (void)snprintf(wanted, sizeof wanted, "net:[%ju]\n", (uintmax_t)info.st_ino);
    cr_expect_str_eq(outcome.output, wanted);
    finish(&loop, child);
    (void)close(fd); /* nothing was written */
}

Test(child, one_in_the_foreground_stays_in_our_group_with_our_streams)
{
    char script[128];
    const char *argv[] = {"sh", "-euc", script, NULL};
    struct outcome outcome = {0};
    struct errmsg err = {""};
    uv_loop_t loop;
    (void)snprintf(script, sizeof script,
                   "echo; test \"$(cut -d' ' -f5 /proc/$$/stat)\" = %d",
                   (int)getpgrp());
    struct child_options options = {
        .argv = argv, .foreground = true, .on_end = on_end, .data = &outcome};
    cr_assert_eq(uv_loop_init(&loop), 0);
    struct child *child = child_start(&loop, &options, &err);
    cr_assert(child, "%s", err.text);
    cr_assert_eq(uv_run(&loop, UV_RUN_DEFAULT), 0);
    cr_expect_eq(outcome.status, 0);
    cr_expect_str_eq(outcome.output, "", "nothing is captured");
    finish(&loop, child);
}
