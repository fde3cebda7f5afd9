/* SPDX-License-Identifier: MIT */
/* fork and exec of our own instead of uv_spawn, because three things are needed there:
 * PR_SET_PDEATHSIG after the fork, a process group of its own, and an error that names
 * the program when exec fails (its errno comes back through a close-on-exec pipe).
 *
 * Happy path: child_start -> output arrives at the pipe -> the pidfd becomes readable
 * -> the rest of the pipe is read, the group is killed (nobody may outlive its leader
 * and hold the pipe), waitpid, on_end -> child_close.
 *
 * Failures: a process that ignores TERM is killed when its grace has passed. A
 * grandchild that left the group and holds the pipe is not waited for.
 *
 * Not done here: SIGCHLD (the pidfd is enough, and libuv's handler stays unused). */
#include "proxy/base/child.h"
#include "proxy/base/errmsg.h"
#include "proxy/base/namespace.h"
#include "proxy/base/now.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { PIPE_READ = 0, PIPE_WRITE = 1, READ_PIECE = 8192 };

struct child {
    pid_t pid;
    bool foreground;       /* it has no group of its own */
    int pidfd;             /* owned; -1 when closed */
    int output_fd;         /* owned read end; -1 = not captured or closed */
    uv_poll_t end_poll;    /* on pidfd */
    uv_poll_t output_poll; /* on output_fd, if it was captured */
    uv_timer_t kill_timer; /* armed between child_stop and the end */
    bool captured;
    bool running;
    bool closing;
    unsigned open_handles; /* frees at 0 */
    char *output;          /* owned, output_limit + 1 bytes */
    size_t output_bytes, output_limit;
    bool output_cut;
    child_output_fn on_output;
    child_end_fn on_end;
    void *data;
};

static void close_fd(int *fd)
{
    if (*fd >= 0)
        (void)close(*fd); /* nothing to do about an error of a pipe's close */
    *fd = -1;
}

static void keep_output(struct child *child, const char *bytes, size_t n)
{
    size_t room = child->output_limit - child->output_bytes;
    size_t kept = n < room ? n : room;
    if (child->output && kept > 0)
        memcpy(child->output + child->output_bytes, bytes, kept);
    child->output_bytes += kept;
    child->output_cut |= kept < n;
    if (child->output)
        child->output[child->output_bytes] = '\0';
    if (child->on_output)
        child->on_output(child->data, bytes, n);
}

/* Reads what is there now. Returns false at the end of the pipe. */
static bool read_output(struct child *child)
{
    char piece[READ_PIECE];
    for (;;) {
        ssize_t n = read(child->output_fd, piece, sizeof piece);
        if (n > 0)
            keep_output(child, piece, (size_t)n);
        else if (n == 0)
            return false;
        else if (errno != EINTR)
            return errno == EAGAIN;
    }
}

static void stop_reading(struct child *child)
{
    if (child->output_fd < 0)
        return;
    (void)uv_poll_stop(&child->output_poll);
    close_fd(&child->output_fd);
}

static void on_output_ready(uv_poll_t *poll, int status, int events)
{
    struct child *child = poll->data;
    (void)events;
    if (status < 0 || !read_output(child))
        stop_reading(child);
}

static void reap(struct child *child, struct child_end *end)
{
    int status = 0;
    while (waitpid(child->pid, &status, 0) < 0 && errno == EINTR)
        ;
    child->running = false;
    end->signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
    end->status = end->signal ? 128 + end->signal : WEXITSTATUS(status);
}

static void on_process_end(uv_poll_t *poll, int status, int events)
{
    struct child *child = poll->data;
    struct child_end end = {0};
    (void)status;
    (void)events;
    (void)uv_poll_stop(&child->end_poll);
    (void)uv_timer_stop(&child->kill_timer);
    if (!child->foreground)
        (void)kill(-child->pid, SIGKILL); /* before waitpid: the group is still ours */
    reap(child, &end);
    close_fd(&child->pidfd);
    if (child->output_fd >= 0)
        (void)read_output(child);
    stop_reading(child);
    end.output = child->output ? child->output : "";
    end.output_bytes = child->output_bytes;
    end.output_cut = child->output_cut;
    if (child->on_end && !child->closing)
        child->on_end(child->data, &end);
}

static void on_grace_over(uv_timer_t *timer)
{
    child_signal(timer->data, SIGKILL);
}

/* Its place among processes, and what it reads and writes. 0, or -1 with errno. */
static int settle(const struct child_options *options, int output)
{
    if (options->foreground)
        return prctl(PR_SET_PDEATHSIG, SIGTERM);
    (void)setpgid(0, 0);
    int null = open("/dev/null", O_RDONLY);
    int error = options->error_fd > 0 ? options->error_fd : output;
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 || null < 0 ||
        dup2(null, STDIN_FILENO) < 0 || dup2(error, STDERR_FILENO) < 0 ||
        dup2(output, STDOUT_FILENO) < 0)
        return -1;
    return 0;
}

/* In the child, between fork and exec: async-signal-safe calls only. */
static void become(const struct child_options *options, int output, int error_pipe,
                   pid_t parent)
{
    sigset_t none;
    sigemptyset(&none);
    (void)sigprocmask(SIG_SETMASK, &none, NULL);
    (void)signal(SIGPIPE, SIG_DFL);
    (void)signal(SIGXFSZ, SIG_DFL);
    if (settle(options, output) != 0 || getppid() != parent ||
        (options->directory && chdir(options->directory) != 0) ||
        (options->netns_fd > 0 && namespace_enter(options->netns_fd) != 0))
        goto fail;
    if (options->env)
        execvpe(options->argv[0], (char *const *)options->argv,
                (char *const *)options->env);
    else
        execvp(options->argv[0], (char *const *)options->argv);
fail:;
    int why = errno;
    (void)!write(error_pipe, &why, sizeof why); /* nobody left to tell */
    _exit(127);
}

/* The errno of a failed exec, or 0 when the pipe closed because exec succeeded. */
static int await_exec(int error_pipe)
{
    int why = 0;
    ssize_t n;
    do
        n = read(error_pipe, &why, sizeof why);
    while (n < 0 && errno == EINTR);
    return n == (ssize_t)sizeof why ? why : 0;
}

static int fork_and_exec(struct child *child, const struct child_options *options,
                         int output)
{
    int error_pipe[2];
    if (pipe2(error_pipe, O_CLOEXEC) != 0)
        return -errno;
    pid_t parent = getpid();
    child->pid = fork();
    if (child->pid < 0) {
        int why = errno;
        (void)close(error_pipe[PIPE_READ]);
        (void)close(error_pipe[PIPE_WRITE]);
        return -why;
    }
    if (child->pid == 0)
        become(options, output, error_pipe[PIPE_WRITE], parent);
    if (!options->foreground)
        (void)setpgid(child->pid, child->pid); /* both sides: neither may be late */
    (void)close(error_pipe[PIPE_WRITE]);
    int why = await_exec(error_pipe[PIPE_READ]);
    (void)close(error_pipe[PIPE_READ]);
    if (why) {
        (void)waitpid(child->pid, NULL, 0);
        return -why;
    }
    child->running = true;
    return 0;
}

static int watch(struct child *child, uv_loop_t *loop)
{
    child->pidfd = (int)syscall(SYS_pidfd_open, child->pid, 0);
    if (child->pidfd < 0)
        return -errno;
    int err = uv_poll_init(loop, &child->end_poll, child->pidfd);
    if (err)
        return err;
    child->open_handles++;
    (void)uv_timer_init(loop, &child->kill_timer); /* cannot fail */
    child->open_handles++;
    child->end_poll.data = child->kill_timer.data = child;
    if (child->captured) {
        err = uv_poll_init(loop, &child->output_poll, child->output_fd);
        if (err)
            return err;
        child->open_handles++;
        child->output_poll.data = child;
        err = uv_poll_start(&child->output_poll, UV_READABLE, on_output_ready);
        if (err)
            return err;
    }
    return uv_poll_start(&child->end_poll, UV_READABLE, on_process_end);
}

static struct child *create(const struct child_options *options)
{
    struct child *child = calloc(1, sizeof *child);
    if (!child)
        return NULL;
    child->pidfd = child->output_fd = -1;
    child->foreground = options->foreground;
    child->captured = options->output_fd <= 0 && !options->foreground;
    child->on_output = options->on_output;
    child->on_end = options->on_end;
    child->data = options->data;
    child->output_limit = options->output_limit;
    child->output = calloc(1, options->output_limit + 1);
    if (child->output)
        return child;
    free(child);
    return NULL;
}

struct child *child_start(uv_loop_t *loop, const struct child_options *options,
                          struct errmsg *err)
{
    int output[2] = {-1, options->output_fd};
    struct child *child = create(options);
    int status = child ? 0 : -ENOMEM;
    if (status == 0 && child->captured && pipe2(output, O_CLOEXEC | O_NONBLOCK) != 0)
        status = -errno;
    if (status == 0) {
        child->output_fd = output[PIPE_READ];
        int blocking = child->captured ? fcntl(output[PIPE_WRITE], F_SETFL, 0) : 0;
        status =
            blocking < 0 ? -errno : fork_and_exec(child, options, output[PIPE_WRITE]);
    }
    if (child && child->captured)
        close_fd(&output[PIPE_WRITE]);
    if (status == 0)
        status = watch(child, loop);
    if (status == 0)
        return child;
    errmsg_set(err, "%s: %s", options->argv[0], strerror(-status));
    child_close(child);
    errno = -status;
    return NULL;
}

pid_t child_pid(const struct child *child)
{
    return child->pid;
}

bool child_running(const struct child *child)
{
    return child->running;
}

void child_signal(struct child *child, int signal)
{
    if (child->running)
        /* Not yet reaped, so the id is still ours. */
        (void)kill(child->foreground ? child->pid : -child->pid, signal);
}

void child_stop(struct child *child, uint64_t grace_ns)
{
    if (!child->running)
        return;
    child_signal(child, SIGTERM);
    (void)uv_timer_start(&child->kill_timer, on_grace_over, now_ns_to_ms_up(grace_ns),
                         0);
}

static void free_child(struct child *child)
{
    close_fd(&child->pidfd);
    close_fd(&child->output_fd);
    free(child->output);
    free(child);
}

static void on_handle_closed(uv_handle_t *handle)
{
    struct child *child = handle->data;
    if (--child->open_handles == 0)
        free_child(child);
}

void child_close(struct child *child)
{
    if (!child || child->closing)
        return;
    child->closing = true;
    if (child->running) {
        struct child_end end;
        child_signal(child, SIGKILL);
        reap(child, &end);
    }
    unsigned n = child->open_handles;
    if (n == 0) {
        free_child(child);
        return;
    }
    uv_close((uv_handle_t *)&child->end_poll, on_handle_closed);
    if (n > 1)
        uv_close((uv_handle_t *)&child->kill_timer, on_handle_closed);
    if (n > 2)
        uv_close((uv_handle_t *)&child->output_poll, on_handle_closed);
}
