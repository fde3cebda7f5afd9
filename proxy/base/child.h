/* SPDX-License-Identifier: MIT */
/* Child processes on a libuv loop: each is the leader of a process group of its own,
 * reads /dev/null or what it is sent, is killed by the kernel when we die, and reports
 * its end once. One in the foreground is instead as a shell's: in our group, on our
 * terminal. */
#ifndef NETSPLIT_BASE_CHILD_H
#define NETSPLIT_BASE_CHILD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <uv.h>

struct errmsg;
struct child;

struct child_end {
    int status;         /* exit status, or 128 + signal, as a shell says it */
    int signal;         /* 0 = it exited by itself */
    const char *output; /* borrowed till the callback returns; NUL-terminated */
    size_t output_bytes;
    bool output_cut; /* there was more than output_limit */
};

/* Called once, from the loop, when the process has ended and its output was read. */
typedef void (*child_end_fn)(void *data, const struct child_end *end);

/* Called with output as it comes, in the pieces in which it comes. */
typedef void (*child_output_fn)(void *data, const char *bytes, size_t n);

struct child_options {
    const char *const *argv; /* NULL-terminated; argv[0] is looked up in PATH */
    const char *const *env;  /* NULL-terminated NAME=VALUE, all of it; NULL = ours */
    const char *directory;   /* to start in; NULL = ours */
    int netns_fd;            /* a network namespace (borrowed); 0 = ours */
    size_t output_limit;     /* bytes of stdout and stderr kept for child_end */
    int output_fd;           /* > 0: both go there instead (borrowed); 0: captured */
    int error_fd;            /* > 0: stderr goes there (borrowed); 0: with stdout */
    bool has_input;          /* it reads what child_send() sends; else /dev/null */
    bool foreground;         /* our group, our stdin, stdout and stderr; TERM instead
                                  of KILL when we die; signals go to it alone */
    bool leaves_group;       /* who is in its group when it ends by itself lives on: it
                                  may have started a server that is to stay */
    child_output_fn on_output; /* may be NULL */
    child_output_fn on_error;  /* takes stderr, which is then not with stdout; NULL =
                                  as error_fd says */
    child_end_fn on_end;       /* may be NULL */
    void *data;                /* of all callbacks */
};

/* Starts a process. NULL with err filled and the reason in errno when it cannot be
 * (ENOENT: there is no such program, ...). The
 * options are read during the call only. What it returns is owned by the caller, who
 * ends it with child_close, also after on_end. */
struct child *child_start(uv_loop_t *loop, const struct child_options *options,
                          struct errmsg *err);

/* The process id, which is its group's too unless it is in the foreground. */
pid_t child_pid(const struct child *child);

/* Still running, as far as the loop has heard. */
bool child_running(const struct child *child);

/* Writes to the input of one that has it, without waiting. 0; -EAGAIN when the pipe
 * does not take it whole (nothing was written if n is at most PIPE_BUF); -EPIPE when
 * nobody reads it any more. SIGPIPE must be ignored. */
int child_send(struct child *child, const char *bytes, size_t n);

/* Takes back what was sent and has not been read yet, at most PIPE_BUF bytes. The number
 * of bytes, which the process will not read any more, or a negative errno: -EAGAIN when
 * it has read everything. */
ssize_t child_take_back(struct child *child);

/* Sends the signal to the whole group, or to what is in the foreground; nothing if it
 * has ended. */
void child_signal(struct child *child, int signal);

/* TERM now, KILL to the group when it still runs after grace_ns. Calling it again with
 * a shorter grace shortens it. on_end tells when it is done. */
void child_stop(struct child *child, uint64_t grace_ns);

/* Kills what still runs, reaps it, forgets the callbacks and frees, after the loop has
 * closed the handles. NULL is fine; so is a call from a callback. */
void child_close(struct child *child);

#endif
