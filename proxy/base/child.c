/* SPDX-License-Identifier: MIT */
/* fork and exec of our own instead of uv_spawn, because three things are needed there:
 * PR_SET_PDEATHSIG after the fork, a process group of its own, and an error that names
 * the program when exec fails (its errno comes back through a close-on-exec pipe).
 *
 * Happy path: child_start -> output arrives at the pipe -> the pidfd becomes readable
 * -> the rest of the pipe is read, the group is killed (nobody may outlive its leader
 * and hold the pipe), waitpid, on_end -> child_close. What it is sent goes into a pipe
 * without waiting.
 *
 * A server that was started in the background needs a moment to leave the group, if it
 * leaves it at all: leaves_group spares it, unless its leader was told to end.
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
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { PIPE_READ = 0, PIPE_WRITE = 1, READ_PIECE = 8192 };

/* What a child writes to and we read. */
struct child_pipe {
    struct child *child; /* its own */
    int fd;              /* owned read end; -1 = there is none, or closed */
    uv_poll_t poll;
    bool has_poll;
};

struct child {
    pid_t pid;
    bool foreground;       /* it has no group of its own */
    bool leaves_group;     /* and was not told to end */
    int pidfd;             /* owned; -1 when closed */
    int input_fd;          /* owned write end; -1 = it reads /dev/null */
    uv_poll_t end_poll;    /* on pidfd */
    uv_timer_t kill_timer; /* armed between child_stop and the end */
    struct child_pipe output, error;
    bool running;
    bool closing;
    unsigned open_handles; /* frees at 0 */
    char *kept;            /* owned, output_limit + 1 bytes */
    size_t kept_bytes, output_limit;
    bool output_cut;
    child_output_fn on_output, on_error;
    child_end_fn on_end;
    void *data;
};

/* The ends that the child gets. */
struct child_ends {
    int input, output, error;
};

static void close_fd(int *fd)
{
    if (*fd >= 0)
        (void)close(*fd); /* nothing to do about an error of a pipe's close */
    *fd = -1;
}

static void keep_output(struct child *child, const char *bytes, size_t n)
{
    size_t room = child->output_limit - child->kept_bytes;
    size_t kept = n < room ? n : room;
    memcpy(child->kept + child->kept_bytes, bytes, kept);
    child->kept_bytes += kept;
    child->kept[child->kept_bytes] = '\0';
    child->output_cut |= kept < n;
}

static void take(struct child_pipe *pipe, const char *bytes, size_t n)
{
    struct child *child = pipe->child;
    bool is_error = pipe == &child->error;
    child_output_fn tell = is_error ? child->on_error : child->on_output;
    if (!is_error)
        keep_output(child, bytes, n);
    if (tell)
        tell(child->data, bytes, n);
}

/* Reads what is there now. Returns false at the end of the pipe. */
static bool read_pipe(struct child_pipe *pipe)
{
    char piece[READ_PIECE];
    while (!pipe->child->closing) {
        ssize_t n = read(pipe->fd, piece, sizeof piece);
        if (n > 0)
            take(pipe, piece, (size_t)n);
        else if (n == 0)
            return false;
        else if (errno != EINTR)
            return errno == EAGAIN;
    }
    return true;
}

static void stop_reading(struct child_pipe *pipe)
{
    if (pipe->fd < 0 || pipe->child->closing)
        return;
    (void)uv_poll_stop(&pipe->poll);
    close_fd(&pipe->fd);
}

static void on_readable(uv_poll_t *poll, int status, int events)
{
    struct child_pipe *pipe = poll->data;
    (void)events;
    if (status < 0 || !read_pipe(pipe))
        stop_reading(pipe);
}

static void read_rest(struct child_pipe *pipe)
{
    if (pipe->fd >= 0)
        (void)read_pipe(pipe);
    stop_reading(pipe);
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
    if (!child->foreground && !child->leaves_group)
        (void)kill(-child->pid, SIGKILL); /* before waitpid: the group is still ours */
    reap(child, &end);
    close_fd(&child->pidfd);
    read_rest(&child->error); /* first: it says why */
    read_rest(&child->output);
    end.output = child->kept;
    end.output_bytes = child->kept_bytes;
    end.output_cut = child->output_cut;
    if (child->on_end && !child->closing)
        child->on_end(child->data, &end);
}

static void on_grace_over(uv_timer_t *timer)
{
    child_signal(timer->data, SIGKILL);
}

/* Its place among processes, and what it reads and writes. 0, or -1 with errno. */
static int settle(const struct child_options *options, const struct child_ends *ends)
{
    if (options->foreground)
        return prctl(PR_SET_PDEATHSIG, SIGTERM);
    (void)setpgid(0, 0);
    int input = ends->input >= 0 ? ends->input : open("/dev/null", O_RDONLY);
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 || input < 0 ||
        dup2(input, STDIN_FILENO) < 0 || dup2(ends->error, STDERR_FILENO) < 0 ||
        dup2(ends->output, STDOUT_FILENO) < 0)
        return -1;
    return 0;
}

/* In the child, between fork and exec: async-signal-safe calls only. */
static void become(const struct child_options *options, const struct child_ends *ends,
                   int error_pipe, pid_t parent)
{
    sigset_t none;
    sigemptyset(&none);
    (void)sigprocmask(SIG_SETMASK, &none, NULL);
    (void)signal(SIGPIPE, SIG_DFL);
    (void)signal(SIGXFSZ, SIG_DFL);
    if (settle(options, ends) != 0 || getppid() != parent ||
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
                         const struct child_ends *ends)
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
        become(options, ends, error_pipe[PIPE_WRITE], parent);
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

static int watch_pipe(struct child_pipe *pipe, uv_loop_t *loop)
{
    if (pipe->fd < 0)
        return 0;
    int err = uv_poll_init(loop, &pipe->poll, pipe->fd);
    if (err)
        return err;
    pipe->child->open_handles++;
    pipe->has_poll = true;
    pipe->poll.data = pipe;
    return uv_poll_start(&pipe->poll, UV_READABLE, on_readable);
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
    err = watch_pipe(&child->output, loop);
    if (!err)
        err = watch_pipe(&child->error, loop);
    return err ? err : uv_poll_start(&child->end_poll, UV_READABLE, on_process_end);
}

static struct child *create(const struct child_options *options)
{
    struct child *child = calloc(1, sizeof *child);
    if (!child)
        return NULL;
    child->pidfd = child->input_fd = child->output.fd = child->error.fd = -1;
    child->output.child = child->error.child = child;
    child->foreground = options->foreground;
    child->leaves_group = options->leaves_group;
    child->on_output = options->on_output;
    child->on_error = options->on_error;
    child->on_end = options->on_end;
    child->data = options->data;
    child->output_limit = options->output_limit;
    child->kept = calloc(1, options->output_limit + 1);
    if (child->kept)
        return child;
    free(child);
    return NULL;
}

/* A pipe whose end that is ours does not block. 0 or a negative errno. */
static int open_pipe(int *ours, int *theirs, int our_end)
{
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0)
        return -errno;
    *ours = ends[our_end];
    *theirs = ends[1 - our_end];
    return fcntl(*ours, F_SETFL, O_NONBLOCK) < 0 ? -errno : 0;
}

/* What it reads and writes, if that is not given. The caller closes *made's ends. */
static int open_ends(struct child *child, const struct child_options *options,
                     struct child_ends *made)
{
    int err = 0;
    if (options->foreground)
        return 0;
    if (options->has_input)
        err = open_pipe(&child->input_fd, &made->input, PIPE_WRITE);
    if (!err && options->output_fd <= 0)
        err = open_pipe(&child->output.fd, &made->output, PIPE_READ);
    if (!err && options->on_error)
        err = open_pipe(&child->error.fd, &made->error, PIPE_READ);
    return err;
}

static int start(struct child *child, uv_loop_t *loop,
                 const struct child_options *options)
{
    struct child_ends made = {-1, -1, -1};
    int status = open_ends(child, options, &made);
    if (status == 0) {
        struct child_ends ends = made;
        if (ends.output < 0)
            ends.output = options->output_fd;
        if (ends.error < 0)
            ends.error = options->error_fd > 0 ? options->error_fd : ends.output;
        status = fork_and_exec(child, options, &ends);
    }
    close_fd(&made.input);
    close_fd(&made.output);
    close_fd(&made.error);
    return status == 0 ? watch(child, loop) : status;
}

struct child *child_start(uv_loop_t *loop, const struct child_options *options,
                          struct errmsg *err)
{
    struct child *child = create(options);
    int status = child ? start(child, loop, options) : -ENOMEM;
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

int child_send(struct child *child, const char *bytes, size_t n)
{
    ssize_t sent;
    do
        sent = write(child->input_fd, bytes, n);
    while (sent < 0 && errno == EINTR);
    if (sent < 0)
        return -errno;
    return (size_t)sent == n ? 0 : -EAGAIN;
}

/* Opened anew for this: an end that is kept open would hide that the process has closed
 * its own, and one that does not block would make that one not block, too. */
ssize_t child_take_back(struct child *child)
{
    char path[64], bytes[PIPE_BUF];
    (void)snprintf(path, sizeof path, "/proc/self/fd/%d", child->input_fd);
    int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    ssize_t n = read(fd, bytes, sizeof bytes);
    int why = errno;
    (void)close(fd); /* it was only read */
    return n >= 0 ? n : -why;
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
    child->leaves_group = false;
    child_signal(child, SIGTERM);
    (void)uv_timer_start(&child->kill_timer, on_grace_over, now_ns_to_ms_up(grace_ns),
                         0);
}

static void free_child(struct child *child)
{
    close_fd(&child->pidfd);
    close_fd(&child->input_fd);
    close_fd(&child->output.fd);
    close_fd(&child->error.fd);
    free(child->kept);
    free(child);
}

static void on_handle_closed(uv_handle_t *handle)
{
    struct child *child = handle->data;
    if (--child->open_handles == 0)
        free_child(child);
}

static void on_pipe_closed(uv_handle_t *handle)
{
    const struct child_pipe *pipe = handle->data;
    handle->data = pipe->child;
    on_handle_closed(handle);
}

static void close_pipe(struct child_pipe *pipe)
{
    if (pipe->has_poll)
        uv_close((uv_handle_t *)&pipe->poll, on_pipe_closed);
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
    close_pipe(&child->output);
    close_pipe(&child->error);
}
