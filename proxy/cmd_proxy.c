/* SPDX-License-Identifier: MIT */
/* netsplit proxy: one instance for the life of the process, with its control socket.
 *
 * The happy path: options, rules, listeners, control socket, then the line `ready` on
 * stdout and in --ready-file; SIGHUP, or with --watch a change of their file, reads the
 * rules again; SIGINT, SIGTERM or --for end it: stop listening, let connections end for
 * --drain, reset the rest, remove what was made, and die of the signal, so that whoever
 * sent it sees that it worked. So does the SIGHUP of a terminal that is closed.
 *
 * Whatever fails before `ready` is said on stderr and leaves nothing behind. A reload
 * that fails changes nothing and is said likewise. */
#include "proxy/api/api.h"
#include "proxy/base/errmsg.h"
#include "proxy/base/exits.h"
#include "proxy/base/log.h"
#include "proxy/base/now.h"
#include "proxy/base/option.h"
#include "proxy/base/rundir.h"
#include "proxy/base/term.h"
#include "proxy/record/counters.h"
#include "proxy/file_watch.h"
#include "proxy/record/journal.h"
#include "proxy/operands.h"
#include "proxy/proxy.h"
#include "rules/buffer.h"
#include "rules/diag.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#define FOR_EVER UINT64_MAX

int cmd_proxy(int argc, char **argv); /* seen by main.c, which has the table */

enum { SIGNALS = 3, LEAST_DESCRIPTORS = 64 };

struct run {
    const char *rules_path;   /* NULL: the rules are made from operands */
    const char *control;      /* NULL: the default */
    const char *ready_path;   /* NULL: none */
    const char *journal_path; /* NULL: none */
    uint64_t seed;            /* OPTION_NO_SEED: not given */
    uint64_t for_ns, drain_ns, connect_timeout_ns;
    uint64_t max_bytes, max_hold_bytes, max_connections, max_descriptors;
    uint64_t threads;
    bool wants_watch; /* --watch */

    uv_loop_t loop;
    uv_signal_t signals[SIGNALS];
    uv_timer_t life; /* --for */
    struct counters counters;
    struct journal *journal;
    struct journal_file *journal_file;
    struct proxy *proxy;
    struct api *api;
    struct rundir_record *record;
    struct file_watch *watch; /* owned; NULL: none */
    char control_path[RUNDIR_PATH_BYTES];
    int ended_by;      /* a signal; 0 = --for */
    bool ready;        /* the ready file was written */
    bool has_terminal; /* which ends it when it is closed */
};

static void print_diagnostics(const struct diag *diag)
{
    struct buffer text = {0};
    diag_render(diag, term_wants_colour(stderr), &text);
    fputs(buffer_text(&text), stderr);
    buffer_close(&text);
}

/* Says why, and returns the exit status for it. */
static int complain(int status, const struct diag *diag, const struct errmsg *err)
{
    print_diagnostics(diag);
    if (err->text[0])
        fprintf(stderr, "netsplit proxy: %s\n", err->text);
    switch (-status) {
    case EINVAL:
    case ENOENT:
    case EISDIR:
    case EFBIG:
        return EXIT_USAGE;
    default:
        return EXIT_ENVIRONMENT;
    }
}

static void add_listener(void *context, const struct proxy_listener_view *view)
{
    buffer_print(context, " %s=%s", view->name, view->address);
}

/* Written beside and renamed, so that who waits for the file finds all of it. */
static int write_ready_file(struct run *run, const char *line)
{
    char beside[4096];
    int n = snprintf(beside, sizeof beside, "%s.new", run->ready_path);
    FILE *file = n > 0 && (size_t)n < sizeof beside ? fopen(beside, "we") : NULL;
    bool ok = file && fputs(line, file) >= 0;
    if (file && fclose(file) != 0)
        ok = false;
    if (ok && rename(beside, run->ready_path) == 0) {
        run->ready = true;
        return 0;
    }
    int status = -errno;
    fprintf(stderr, "netsplit proxy: writing %s: %s\n", run->ready_path,
            strerror(-status));
    return status;
}

static int say_ready(struct run *run)
{
    struct buffer line = {0};
    struct proxy_status status;
    proxy_status(run->proxy, &status);
    buffer_print(&line, "ready");
    proxy_each_listener(run->proxy, add_listener, &line);
    if (strcmp(proxy_intercept(run->proxy), "listen") != 0)
        buffer_print(&line, " intercept=%s bypassing=%zu", proxy_intercept(run->proxy),
                     proxy_each_bypassing(run->proxy, NULL, NULL));
    buffer_print(&line, " control=%s seed=%llu", run->control_path,
                 (unsigned long long)status.seed);
    if (status.threads > 1)
        buffer_print(&line, " threads=%u", status.threads);
    buffer_print(&line, "\n");
    int result = run->ready_path ? write_ready_file(run, buffer_text(&line)) : 0;
    if (result == 0) {
        fputs(buffer_text(&line), stdout);
        (void)fflush(stdout); /* nobody may be reading */
    }
    buffer_close(&line);
    return result;
}

static void reload(struct run *run)
{
    struct diag diag;
    struct errmsg err = {0};
    if (!run->rules_path) {
        log_line(LOG_WARN, "proxy reload: there is no rule file to read again");
        return;
    }
    diag_init(&diag, NULL);
    int status = proxy_apply_base_file(run->proxy, run->rules_path, NULL, &diag, &err);
    if (status != 0 && status != -ESHUTDOWN) {
        (void)complain(status, &diag, &err);
        log_line(LOG_ERROR, "proxy reload of %s failed: nothing has changed",
                 run->rules_path);
    } else {
        print_diagnostics(&diag); /* warnings */
    }
    diag_close(&diag);
}

static void close_handle(void *handle)
{
    if (!uv_is_closing(handle))
        uv_close(handle, NULL);
}

static void on_api_closed(void *context)
{
    struct run *run = context;
    rundir_record_close(run->record); /* while signals are still ours */
    run->record = NULL;
    for (int i = 0; i < SIGNALS; i++)
        close_handle(&run->signals[i]);
    close_handle(&run->life);
    file_watch_close(run->watch);
    run->watch = NULL;
}

/* The proxy is gone: the control socket goes last, so that it can be asked until then.
 */
static void on_stopped(void *context)
{
    struct run *run = context;
    if (run->api)
        api_close(run->api, on_api_closed, run);
    else
        on_api_closed(run);
}

static void stop(struct run *run)
{
    proxy_stop(run->proxy, run->drain_ns);
    run->drain_ns = 0; /* who asks twice means now */
}

/* SIGHUP is also what a terminal sends when it is closed. Then nobody is left who would
 * end the faults, unless the program was started by nohup. */
static bool has_lost_terminal(const struct run *run)
{
    return run->has_terminal && !term_is_attached();
}

static void on_signal(uv_signal_t *handle, int number)
{
    struct run *run = handle->data;
    if (number == SIGHUP && !has_lost_terminal(run)) {
        reload(run);
        return;
    }
    run->ended_by = number;
    stop(run);
}

static void on_life_over(uv_timer_t *handle)
{
    stop(handle->data);
}

static void watch_signals(struct run *run)
{
    static const int numbers[SIGNALS] = {SIGHUP, SIGINT, SIGTERM};
    struct sigaction before;
    run->has_terminal = sigaction(SIGHUP, NULL, &before) == 0 &&
                        before.sa_handler != SIG_IGN && term_is_attached();
    for (int i = 0; i < SIGNALS; i++) {
        (void)uv_signal_init(&run->loop, &run->signals[i]); /* cannot fail again: the */
        run->signals[i].data = run;                         /* loop has its pipe */
        (void)uv_signal_start(&run->signals[i], on_signal, numbers[i]);
    }
    (void)uv_timer_init(&run->loop, &run->life); /* never fails */
    run->life.data = run;
    if (run->for_ns != FOR_EVER)
        (void)uv_timer_start(&run->life, on_life_over, now_ns_to_ms_up(run->for_ns), 0);
}

/* Each connection takes two descriptors, and the soft limit is often 1024. */
static void set_descriptor_limit(uint64_t most)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return;
    limit.rlim_cur = most < limit.rlim_max ? most : limit.rlim_max;
    (void)setrlimit(RLIMIT_NOFILE, &limit); /* what we have will do otherwise */
}

static int start_rules(struct run *run, char **operands, size_t n)
{
    struct diag diag;
    struct errmsg err = {0};
    int status;
    diag_init(&diag, NULL);
    if (run->rules_path) {
        status = proxy_start_file(run->proxy, run->rules_path, &diag, &err);
    } else {
        struct buffer text = {0};
        status = operands_to_rules((const char *const *)operands, n, &text, &err);
        struct proxy_source source = {"operands", buffer_text(&text), text.length};
        if (status == 0)
            status = proxy_start(run->proxy, &source, &diag, &err);
        buffer_close(&text);
    }
    int result = EXIT_DONE;
    if (status != 0)
        result = complain(status, &diag, &err);
    else
        print_diagnostics(&diag); /* warnings */
    diag_close(&diag);
    return result;
}

static void on_rules_changed(void *arg)
{
    reload(arg);
}

/* From before the file is read on, so that no change of it is missed. */
static int start_watching(struct run *run)
{
    struct errmsg err = {0};
    if (!run->wants_watch || file_watch_start(&run->watch, &run->loop, run->rules_path,
                                              on_rules_changed, run, &err) == 0)
        return EXIT_DONE;
    fprintf(stderr, "netsplit proxy: %s\n", err.text);
    return EXIT_ENVIRONMENT;
}

static void note_kernel_object(void *context, const char *text)
{
    const struct run *run = context;
    (void)rundir_add_kernel(run->record, text); /* it goes with us in any case */
}

static int start_control(struct run *run)
{
    struct errmsg err = {0};
    if (rundir_control_path(run->control, run->control_path, &err) == 0 &&
        rundir_record_open(&run->record, "proxy", &err) == 0 &&
        rundir_add_path(run->record, run->control_path) == 0 &&
        api_start(&run->api, run->proxy, run->control_path, &err) == 0) {
        proxy_each_kernel_object(run->proxy, note_kernel_object, run);
        return EXIT_DONE;
    }
    fprintf(stderr, "netsplit proxy: %s\n", err.text[0] ? err.text : "out of memory");
    return EXIT_ENVIRONMENT;
}

static int create(struct run *run)
{
    const struct proxy_config config = {
        .loop = &run->loop,
        .counters = &run->counters,
        .journal = run->journal,
        .has_seed = run->seed != OPTION_NO_SEED,
        .seed = run->seed,
        .connect_timeout_ns = run->connect_timeout_ns,
        .max_bytes = run->max_bytes,
        .max_hold_bytes = run->max_hold_bytes,
        .max_connections = (uint32_t)run->max_connections,
        .threads = (uint32_t)run->threads,
        .on_stopped = on_stopped,
        .context = run,
    };
    int status = proxy_create(&config, &run->proxy);
    if (status == 0)
        return EXIT_DONE;
    fprintf(stderr, "netsplit proxy: %s\n", strerror(-status));
    return EXIT_ENVIRONMENT;
}

static int open_journal(struct run *run)
{
    struct errmsg err = {0};
    if (!run->journal_path ||
        journal_file_open(&run->journal_file, run->journal, &run->loop,
                          run->journal_path, &err) == 0)
        return EXIT_DONE;
    fprintf(stderr, "netsplit proxy: %s\n", err.text[0] ? err.text : "out of memory");
    return EXIT_ENVIRONMENT;
}

/* From the loop to its end. */
static int run_instance(struct run *run, char **operands, size_t n)
{
    int result = create(run);
    if (result != EXIT_DONE)
        return result;
    watch_signals(run); /* before anything is made that a signal would leave behind */
    result = open_journal(run);
    if (result == EXIT_DONE)
        result = start_watching(run);
    if (result == EXIT_DONE)
        result = start_rules(run, operands, n);
    if (result == EXIT_DONE)
        result = start_control(run);
    if (result == EXIT_DONE && say_ready(run) != 0)
        result = EXIT_ENVIRONMENT;
    if (result != EXIT_DONE)
        proxy_stop(run->proxy, 0);
    proxy_run(run->proxy);
    proxy_destroy(run->proxy);
    journal_file_close(run->journal_file);
    (void)uv_run(&run->loop, UV_RUN_DEFAULT); /* what these two have closed */
    return result;
}

static int run_proxy(struct run *run, char **operands, size_t n)
{
    set_descriptor_limit(run->max_descriptors);
    run->journal = journal_create(0);
    bool made = run->journal && counters_init(&run->counters) == 0 &&
                uv_loop_init(&run->loop) == 0;
    if (!made) {
        fprintf(stderr, "netsplit proxy: out of memory or descriptors\n");
        return EXIT_ENVIRONMENT;
    }
    int result = run_instance(run, operands, n);
    if (run->ready)
        (void)unlink(run->ready_path); /* somebody may have removed it */
    rundir_record_close(run->record);
    journal_destroy(run->journal);
    counters_close(&run->counters);
    (void)uv_loop_close(&run->loop);
    if (run->ended_by != 0 && result == EXIT_DONE) {
        (void)signal(run->ended_by, SIG_DFL);
        (void)raise(run->ended_by);
    }
    return result;
}

/* --help says these. */
static const struct run defaults = {.seed = OPTION_NO_SEED,
                                    .for_ns = FOR_EVER,
                                    .connect_timeout_ns = 10 * NS_PER_S,
                                    .max_bytes = UINT64_C(1) << 30,
                                    .max_hold_bytes = UINT64_C(8) << 20,
                                    .max_connections = 10000,
                                    .threads = 1,
                                    .max_descriptors = UINT64_MAX};

int cmd_proxy(int argc, char **argv)
{
    struct run run = defaults;
    const struct option_row rows[] = {
        option_row_rules(&run.rules_path),
        {"control", 0, OPTION_TEXT, &run.control, "PATH",
         "the control socket (default: in the runtime directory)", 0, 0},
        option_row_seed(&run.seed),
        {"watch", 0, OPTION_FLAG, &run.wants_watch, NULL,
         "read the rule file again whenever it changes, as SIGHUP does", 0, 0},
        {"for", 0, OPTION_DURATION, &run.for_ns, "DURATION", "stop after so long", 0,
         0},
        {"drain", 0, OPTION_DURATION, &run.drain_ns, "DURATION",
         "let connections end by themselves for so long when stopping", 0, 0},
        {"ready-file", 0, OPTION_TEXT, &run.ready_path, "F",
         "also write the line `ready` there", 0, 0},
        {"journal", 0, OPTION_TEXT, &run.journal_path, "FILE",
         "also write every event as a JSON line to FILE", 0, 0},
        {"connect-timeout", 0, OPTION_DURATION, &run.connect_timeout_ns, "DURATION",
         "how long a server may take to answer (default 10s)", 0, 0},
        {"max-bytes", 0, OPTION_BYTES, &run.max_bytes, "BYTES",
         "held in all streams together (default 1GiB)", 0, 0},
        {"max-hold", 0, OPTION_BYTES, &run.max_hold_bytes, "BYTES",
         "held in one stream, unless a rule says (default 8MiB)", 0, 0},
        {"max-connections", 0, OPTION_NUMBER, &run.max_connections, "N",
         "open at a time (default 10000)", 1, UINT32_MAX},
        {"max-descriptors", 0, OPTION_NUMBER, &run.max_descriptors, "N",
         "files and sockets, two a connection (default: the hard limit)",
         LEAST_DESCRIPTORS, INT32_MAX},
        {"threads", 0, OPTION_NUMBER, &run.threads, "N",
         "loops, each in a thread of its own (default 1); the first one intercepts", 1,
         PROXY_THREADS_MAX},
        {0},
    };
    const struct option_command command = {
        .name = "proxy",
        .usage = "-f RULES | [NAME=]LISTEN:UPSTREAM...",
        .help =
            "Sits on TCP paths and injects the faults that rules say. Prints one\n"
            "line, `ready NAME=ADDR:PORT ... control=PATH seed=N`, when every\n"
            "listener is open; with `intercept:` in the rules also intercept=MODE\n"
            "bypassing=N, the connections that were there before. LISTEN is PORT or\n"
            "ADDR:PORT, UPSTREAM is HOST:PORT; port 0 is the kernel's choice; NAME is\n"
            "what the path and its server are called. SIGHUP reads the rules again.",
        .rows = rows,
    };
    int rest, ends = option_begin(&command, argc, argv, false, &rest);
    if (ends != OPTION_GOES_ON)
        return ends;
    if (!run.rules_path == (rest == argc))
        return option_complain(&command,
                               "give either -f RULES or [NAME=]LISTEN:UPSTREAM");
    if (run.wants_watch && !run.rules_path)
        return option_complain(&command, "--watch needs a file: -f RULES");
    return run_proxy(&run, argv + rest, (size_t)(argc - rest));
}
