/* SPDX-License-Identifier: MIT */
/* netsplit run: a proxy for the life of a command, such as somebody's test suite.
 *
 * The happy path: start `netsplit proxy` (this very program) as a child, wait until it
 * is ready, ask it for its listeners, start the command with their addresses in its
 * environment, in our process group and on our terminal. When the command has ended ask
 * the proxy what its rules did, end it, say it, and pass the command's status on.
 *
 * A rule that touched nothing fails a run that succeeded. A proxy that does not start
 * has said why, and its status is ours. One that ends too soon is status 3, and the
 * command is ended. Signals that somebody sends us go to the command, whose business
 * they are; those that the terminal sends it has already. One that it does not heed is
 * sent again; the third one kills it. A command that died of a signal is told by dying
 * of it, after everything was undone. If we are killed, the kernel ends both children.
 *
 * Not done here: processes that the command leaves behind are its own business. */
#include "proxy/base/child.h"
#include "proxy/base/control_client.h"
#include "proxy/base/exits.h"
#include "proxy/base/memory.h"
#include "proxy/base/now.h"
#include "proxy/base/option.h"
#include "proxy/base/rundir.h"
#include "proxy/felt.h"
#include "proxy/listener_env.h"
#include "rules/buffer.h"
#include "rules/plan/plan.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <unistd.h>

int cmd_run(int argc, char **argv); /* seen by main.c, which has the table */

enum {
    NOT_FOUND = 127, /* as shells say it */
    NOT_EXECUTABLE = 126,
    LAST_WARNING = 2, /* the signal after this one kills the command */
};

static const uint64_t answer_within_ns = 10 * NS_PER_S;
static const uint64_t end_within_ns = 5 * NS_PER_S;

struct running {
    const char *rules_path;
    const char *control;    /* --control; NULL: one of our own */
    const char *junit_path; /* NULL: none */
    uint64_t seed;
    char **words; /* argv's: the command */

    uv_loop_t loop;
    uv_poll_t signals; /* on signal_fd */
    int signal_fd;     /* owned */
    sigset_t watched;  /* the signals that it gets */
    FILE *junit;       /* owned; NULL: none */
    char control_path[RUNDIR_PATH_BYTES];

    struct child *proxy;   /* owned; NULL: it has ended, and that was seen */
    struct child *command; /* owned; NULL: not started, or ended */
    bool started;          /* the command was */
    bool stopping;         /* the proxy is on its way out, because we said so */
    unsigned interrupts;   /* signals to end that came so far */
    uint64_t began_ns, took_ns;

    struct plan *plan; /* owned: of the rule file; NULL: not known */
    struct felt felt;
    char trouble[256]; /* why the run failed before its rules count; "": it did not */
    int status;        /* ours */
    int ended_by;      /* the signal that the command died of, or that we got before it
                          was started; 0: none */
};

static void say(const char *format, ...) __attribute__((format(printf, 1, 2)));

static void say(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fputs("netsplit run: ", stderr);
    (void)vfprintf(stderr, format, args); /* nobody may be reading */
    fputc('\n', stderr);
    va_end(args);
}

static void set_trouble(struct running *run, int status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* The first trouble is the one that counts. */
static void set_trouble(struct running *run, int status, const char *format, ...)
{
    va_list args;
    if (run->trouble[0])
        return;
    va_start(args, format);
    (void)vsnprintf(run->trouble, sizeof run->trouble, format, args);
    va_end(args);
    run->status = status;
}

static void end_if_all_ended(struct running *run)
{
    if (!run->proxy && !run->command && !uv_is_closing((uv_handle_t *)&run->signals))
        uv_close((uv_handle_t *)&run->signals, NULL);
}

static void stop_proxy(struct running *run)
{
    run->stopping = true;
    if (run->proxy)
        child_stop(run->proxy, end_within_ns);
    end_if_all_ended(run);
}

/* Asks the proxy; NULL after saying why there is no answer. */
static json_t *ask(struct running *run, const char *target)
{
    struct errmsg err = {0};
    json_t *body = NULL;
    int code = control_call(run->control_path, "GET", target, NULL, answer_within_ns,
                            &body, &err);
    if (code == 200 && body)
        return body;
    json_decref(body);
    set_trouble(run, EXIT_ENVIRONMENT, "asking the proxy: %s", err.text);
    say("%s", run->trouble);
    return NULL;
}

static void judge(struct running *run)
{
    json_t *status = run->proxy && run->plan ? ask(run, "/v1/status") : NULL;
    if (status)
        felt_judge(run->plan, status, run->took_ns, &run->felt);
    json_decref(status);
}

static void on_command_end(void *data, const struct child_end *end)
{
    struct running *run = data;
    run->took_ns = now_ns() - run->began_ns;
    if (end->signal != 0)
        set_trouble(run, end->status, "the command was ended by SIG%s",
                    sigabbrev_np(end->signal));
    else if (end->status != 0)
        set_trouble(run, end->status, "the command ended with status %d", end->status);
    run->ended_by = end->signal;
    child_close(run->command);
    run->command = NULL;
    judge(run);
    stop_proxy(run);
}

static void start_command(struct running *run, char **env)
{
    struct child_options options = {.argv = (const char *const *)run->words,
                                    .env = (const char *const *)env,
                                    .foreground = true,
                                    .on_end = on_command_end,
                                    .data = run};
    struct errmsg err = {0};
    run->began_ns = now_ns();
    run->command = child_start(&run->loop, &options, &err);
    if (run->command) {
        run->started = true;
        return;
    }
    int why = errno;
    set_trouble(run, why == ENOENT ? NOT_FOUND : NOT_EXECUTABLE, "%s", err.text);
    say("%s", run->trouble);
    stop_proxy(run);
}

/* The rules as the proxy has read them: a file might be another one by now, and a pipe
 * can be read only once. */
static bool get_plan(struct running *run, uint64_t seed)
{
    json_t *rules = ask(run, "/v1/rules");
    const char *text =
        json_string_value(json_object_get(json_object_get(rules, "base"), "text"));
    run->plan = text ? felt_plan(run->rules_path, text, seed) : NULL;
    if (text && !run->plan) {
        set_trouble(run, EXIT_ENVIRONMENT, "out of memory");
        say("%s", run->trouble);
    }
    json_decref(rules);
    return run->plan != NULL;
}

static char **make_env(struct running *run, const json_t *status)
{
    struct errmsg err = {0};
    char **env = listener_env_make(status, run->control_path, &err);
    if (!env) {
        set_trouble(run, EXIT_USAGE, "%s", err.text);
        say("%s: %s", run->rules_path, run->trouble);
    }
    return env;
}

static void on_ready(struct running *run)
{
    json_t *status = ask(run, "/v1/status");
    uint64_t seed = (uint64_t)json_integer_value(json_object_get(status, "seed"));
    char **env = status && get_plan(run, seed) ? make_env(run, status) : NULL;
    if (env && run->plan->n_rules > 0)
        say("seed %" PRIu64, seed);
    if (env)
        start_command(run, env);
    else
        stop_proxy(run);
    listener_env_free(env);
    json_decref(status);
}

/* Its stdout is the line `ready`, and nothing else. */
static void on_proxy_output(void *data, const char *bytes, size_t n)
{
    struct running *run = data;
    if (!run->started && !run->stopping && memchr(bytes, '\n', n))
        on_ready(run);
}

static void on_proxy_end(void *data, const struct child_end *end)
{
    struct running *run = data;
    child_close(run->proxy);
    run->proxy = NULL;
    if (!run->stopping && !run->started) {
        bool said = end->status == EXIT_USAGE || end->status == EXIT_ENVIRONMENT;
        set_trouble(run, said ? end->status : EXIT_ENVIRONMENT,
                    "the proxy ended with status %d before it was ready", end->status);
        if (!said)
            say("%s", run->trouble);
    } else if (!run->stopping) {
        set_trouble(run, EXIT_ENVIRONMENT,
                    "the proxy ended by itself with status %d while the command ran",
                    end->status);
        say("%s, which is ended too", run->trouble);
        run->stopping = true;
        child_stop(run->command, end_within_ns);
    }
    end_if_all_ended(run);
}

static void start_proxy(struct running *run)
{
    char exe[PATH_MAX], seed[24];
    ssize_t length = readlink("/proc/self/exe", exe, sizeof exe - 1);
    exe[length > 0 ? length : 0] = '\0';
    (void)snprintf(seed, sizeof seed, "%" PRIu64, run->seed);
    bool has_seed = run->seed != OPTION_NO_SEED;
    const char *const argv[] = {exe,
                                "proxy",
                                "-f",
                                run->rules_path,
                                "--control",
                                run->control_path,
                                has_seed ? "--seed" : NULL,
                                seed,
                                NULL};
    struct child_options options = {.argv = argv,
                                    .error_fd = STDERR_FILENO,
                                    .on_output = on_proxy_output,
                                    .on_end = on_proxy_end,
                                    .data = run};
    struct errmsg err = {0};
    run->proxy = child_start(&run->loop, &options, &err);
    if (run->proxy)
        return;
    set_trouble(run, EXIT_ENVIRONMENT, "starting the proxy: %s", err.text);
    say("%s", run->trouble);
    end_if_all_ended(run);
}

static bool asks_to_end(int signal)
{
    return signal == SIGINT || signal == SIGTERM || signal == SIGHUP ||
           signal == SIGQUIT;
}

static void interrupt_command(struct running *run)
{
    if (run->interrupts == LAST_WARNING)
        say("waiting for %s (pid %d) to end; one more signal kills it", run->words[0],
            (int)child_pid(run->command));
    if (run->interrupts > LAST_WARNING)
        child_signal(run->command, SIGKILL);
}

/* Before the command, or after it. Who asks again means now. */
static void interrupt_proxy(struct running *run, int signal)
{
    if (run->stopping && run->proxy)
        child_signal(run->proxy, SIGKILL);
    if (run->stopping)
        return;
    run->ended_by = signal;
    set_trouble(run, 128 + signal, "ended by SIG%s before the command was started",
                sigabbrev_np(signal));
    stop_proxy(run);
}

/* The kernel sends the terminal's signals to the whole group, the command in it. */
static void pass_on(struct running *run, const struct signalfd_siginfo *info)
{
    int signal = (int)info->ssi_signo;
    run->interrupts += asks_to_end(signal);
    if (run->command) {
        if (info->ssi_code != SI_KERNEL)
            child_signal(run->command, signal);
        interrupt_command(run);
    } else if (asks_to_end(signal)) {
        interrupt_proxy(run, signal);
    }
}

static void on_signals(uv_poll_t *poll, int status, int events)
{
    struct running *run = poll->data;
    struct signalfd_siginfo info;
    (void)status;
    (void)events;
    while (read(run->signal_fd, &info, sizeof info) == (ssize_t)sizeof info)
        pass_on(run, &info);
}

/* Those that we were started to ignore (nohup) the command is to ignore, too: they are
 * left alone. A descriptor, because a handler is not told who sent what. */
static int watch_signals(struct running *run)
{
    static const int numbers[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2};
    (void)sigemptyset(&run->watched); /* these four cannot fail with such numbers */
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        struct sigaction action;
        if (sigaction(numbers[i], NULL, &action) == 0 && action.sa_handler != SIG_IGN)
            (void)sigaddset(&run->watched, numbers[i]);
    }
    (void)sigprocmask(SIG_BLOCK, &run->watched, NULL);
    run->signal_fd = signalfd(-1, &run->watched, SFD_CLOEXEC | SFD_NONBLOCK);
    if (run->signal_fd < 0 ||
        uv_poll_init(&run->loop, &run->signals, run->signal_fd) != 0)
        return -errno;
    run->signals.data = run;
    return uv_poll_start(&run->signals, UV_READABLE, on_signals);
}

/* Where the proxy is asked: a socket of this run's own, so that several do not meet. */
static int choose_control(struct running *run)
{
    struct errmsg err = {0};
    char directory[RUNDIR_PATH_BYTES], own[RUNDIR_PATH_BYTES + 32];
    int status = run->control ? 0 : rundir_find(directory, &err);
    if (status == 0 && !run->control)
        (void)snprintf(own, sizeof own, "%s/of-run-%d", directory, (int)getpid());
    if (status == 0)
        status = rundir_control_path(run->control ? run->control : own,
                                     run->control_path, &err);
    if (status == 0)
        return EXIT_DONE;
    say("%s", err.text);
    return EXIT_ENVIRONMENT;
}

/* Before anything runs: not to be able to write it afterwards would be late. */
static int open_junit(struct running *run)
{
    if (!run->junit_path)
        return EXIT_DONE;
    run->junit = fopen(run->junit_path, "we");
    if (run->junit)
        return EXIT_DONE;
    say("%s: %s", run->junit_path, strerror(errno));
    return EXIT_ENVIRONMENT;
}

static void close_junit(struct running *run)
{
    if (!run->junit)
        return;
    struct buffer words = {0};
    for (char **word = run->words; *word; word++)
        buffer_print(&words, "%s%s", word == run->words ? "" : " ", *word);
    const struct felt_command command = {.suite = run->rules_path,
                                         .words = buffer_text(&words),
                                         .trouble =
                                             run->trouble[0] ? run->trouble : NULL,
                                         .took_ns = run->took_ns};
    int failed = felt_write_junit(&run->felt, &command, run->junit);
    buffer_close(&words);
    if ((fclose(run->junit) != 0) | (failed != 0)) {
        say("%s: it could not be written", run->junit_path);
        run->status = run->status == EXIT_DONE ? EXIT_ENVIRONMENT : run->status;
    }
}

static void report(struct running *run)
{
    for (size_t i = 0; i < run->felt.n; i++)
        say("%s: %s", run->felt.rules[i].name, run->felt.rules[i].sentence);
    if (!run->trouble[0] && run->felt.n_silent > 0)
        run->status = EXIT_FAILED;
    if (run->trouble[0] && run->felt.n_silent > 0)
        say("%s: that rules touched nothing may come of it", run->trouble);
}

/* As the command did, so that who waits for us sees what it would have seen. No core:
 * that would be ours. */
static void die_of(const struct running *run)
{
    const struct rlimit none = {0, 0};
    (void)fflush(NULL); /* nothing is left to be done about it */
    (void)setrlimit(RLIMIT_CORE, &none);
    (void)signal(run->ended_by, SIG_DFL);
    (void)sigprocmask(SIG_UNBLOCK, &run->watched, NULL);
    (void)raise(run->ended_by);
}

static int run_command(struct running *run)
{
    if (uv_loop_init(&run->loop) != 0 || watch_signals(run) != 0) {
        say("out of memory or descriptors");
        return EXIT_ENVIRONMENT;
    }
    start_proxy(run);
    (void)uv_run(&run->loop, UV_RUN_DEFAULT); /* until all have ended */
    (void)uv_loop_close(&run->loop);
    (void)close(run->signal_fd);
    report(run);
    close_junit(run);
    felt_close(&run->felt);
    plan_put(run->plan);
    if (run->ended_by != 0 && run->status != EXIT_ENVIRONMENT)
        die_of(run);
    return run->status;
}

int cmd_run(int argc, char **argv)
{
    struct running run = {.seed = OPTION_NO_SEED};
    const struct option_row rows[] = {
        option_row_rules(&run.rules_path),
        {"control", 0, OPTION_TEXT, &run.control, "PATH",
         "the proxy's control socket (default: one of this run's own)", 0, 0},
        {"junit", 0, OPTION_TEXT, &run.junit_path, "F",
         "write there what happened, for CI: a test case a rule", 0, 0},
        option_row_seed(&run.seed),
        {0},
    };
    const struct option_command command = {
        .name = "run",
        .usage = "-f RULES [OPTIONS] -- COMMAND...",
        .help =
            "Runs COMMAND with a proxy beside it for as long as it lives. The command\n"
            "finds each listener's address in NETSPLIT_NAME (in upper case, _ for\n"
            "what is no letter and no digit), and the proxy's socket, for netsplit\n"
            "ctl, in NETSPLIT_CONTROL. Its status is passed on; if that is 0, but a\n"
            "rule of the file touched nothing, the status is 1. Signals are passed\n"
            "on; the third one kills the command.",
        .rows = rows,
    };
    int rest, ends = option_begin(&command, argc, argv, true, &rest);
    if (ends != OPTION_GOES_ON)
        return ends;
    if (!run.rules_path)
        return option_complain(&command, "no rule file: -f RULES");
    if (rest == argc)
        return option_complain(&command, "no command: -f %s -- COMMAND",
                               run.rules_path);
    run.words = argv + rest;
    int status = choose_control(&run);
    if (status == EXIT_DONE)
        status = open_junit(&run);
    return status == EXIT_DONE ? run_command(&run) : status;
}
