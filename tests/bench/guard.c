/* SPDX-License-Identifier: MIT */
/* The child leads a process group, and what it starts stays in it, or dies with its
 * parent (PR_SET_PDEATHSIG); what daemons fork and forget is inherited by us, because we
 * are a subreaper. So when the child is gone its group is killed, and once there are no
 * children left nobody writes into the directory any more.
 *
 * Only kill -9 of this very process leaves something: the directory. */
#include "tests/bench/guard.h"
#include "proxy/base/errmsg.h"
#include "proxy/base/tempdir.h"

#include <err.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static const int signals[] = {SIGINT, SIGTERM, SIGHUP};

static volatile sig_atomic_t taken;    /* the signal that ends us, or 0 */
static volatile sig_atomic_t ward = 0; /* the child; 0 = not started yet */

static void on_signal(int number)
{
    taken = number;
    if (ward > 0)
        (void)kill(ward, SIGKILL);
}

static void handle_signals(void (*handler)(int number))
{
    struct sigaction action = {.sa_handler = handler};
    for (size_t i = 0; i < sizeof signals / sizeof *signals; i++)
        (void)sigaction(signals[i], &action, NULL);
}

static void become_ward(int (*body)(void *context, const char *directory),
                        void *context, const char *directory, pid_t parent)
{
    handle_signals(SIG_DFL);
    (void)setpgid(0, 0);
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    (void)setenv("TMPDIR", directory, 1);
    if (getppid() != parent)
        _exit(1);
    exit(body(context, directory));
}

/* Returns the child's status when it, and all that it started, is gone. */
static int await_all(pid_t pid)
{
    siginfo_t info = {0};
    int status = 0, result = 1;
    /* Not reaped yet, so that its number names no other group. */
    while (waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT) < 0 && errno == EINTR)
        ;
    (void)kill(-pid, SIGKILL);
    for (;;) {
        pid_t ended = waitpid(-1, &status, 0);
        if (ended < 0 && errno != EINTR)
            break;
        if (ended != pid)
            continue;
        result = WIFEXITED(status) ? WEXITSTATUS(status) : 1;
        if (WIFSIGNALED(status) && !taken)
            warnx("ended by signal %d (%s)", WTERMSIG(status),
                  strsignal(WTERMSIG(status)));
    }
    return result;
}

int guard_run(int (*body)(void *context, const char *directory), void *context)
{
    char directory[TEMPDIR_PATH_MAX];
    struct errmsg failure = {0};
    if (tempdir_make("bench", directory, &failure) != 0)
        errx(1, "%s", failure.text);
    (void)chmod(directory, 0711); /* PostgreSQL runs as another user */
    handle_signals(on_signal);
    (void)prctl(PR_SET_CHILD_SUBREAPER, 1);
    pid_t parent = getpid(), pid = fork();
    if (pid < 0)
        err(1, "fork");
    if (pid == 0)
        become_ward(body, context, directory, parent);
    ward = pid;
    if (taken)
        (void)kill(pid, SIGKILL);
    int status = await_all(pid);
    (void)tempdir_remove(directory);
    if (taken) {
        handle_signals(SIG_DFL);
        (void)raise(taken);
    }
    return status;
}
