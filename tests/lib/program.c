/* SPDX-License-Identifier: MIT */
#include "tests/lib/program.h"
#include "proxy/base/memory.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

enum { WORDS = 24, PATIENCE_MS = 20000 };

void program_in_child(pid_t parent)
{
    static const int numbers[] = {SIGINT, SIGTERM, SIGHUP, SIGPIPE};
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        (void)signal(numbers[i], SIG_DFL);
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent)
        _exit(127);
}

const char *program_lacks_namespaces(unsigned user)
{
    int status = 1;
    if (geteuid() != 0)
        return "needs root";
    if (user && getenv("NETSPLIT_TEST_TSAN"))
        return "TSan gives the program a second thread, and with one nobody may enter "
               "a "
               "user namespace";
    pid_t pid = fork();
    if (pid == 0)
        _exit((user && (setgid(user) != 0 || setuid(user) != 0 ||
                        unshare(CLONE_NEWUSER) != 0)) ||
              unshare(CLONE_NEWNET) != 0);
    cr_assert_eq(waitpid(pid, &status, 0), pid);
    if (status == 0)
        return NULL;
    return user ? "user namespaces are not allowed here"
                : "network namespaces are not allowed here";
}

struct program_run program_start(const char *const *words, void (*prepare)(void))
{
    const char *argv[WORDS] = {getenv("NETSPLIT")};
    int ends[2];
    cr_assert_not_null(argv[0], "make test sets it");
    for (size_t i = 0; words[i]; i++) {
        cr_assert_lt(i, WORDS - 2);
        argv[i + 1] = words[i];
    }
    cr_assert_eq(pipe2(ends, O_CLOEXEC), 0);
    pid_t parent = getpid();
    struct program_run run = {.output = ends[0], .pid = fork()};
    cr_assert_geq(run.pid, 0);
    if (run.pid == 0) {
        program_in_child(parent);
        if (prepare)
            prepare();
        if (dup2(ends[1], STDOUT_FILENO) >= 0 && dup2(ends[1], STDERR_FILENO) >= 0)
            (void)execv(argv[0], (char *const *)(uintptr_t)argv);
        _exit(127);
    }
    (void)close(ends[1]);
    return run;
}

void program_await(struct program_run *run, const char *text)
{
    while (!text || !strstr(run->text, text)) {
        struct pollfd fd = {.fd = run->output, .events = POLLIN};
        cr_assert_gt(poll(&fd, 1, PATIENCE_MS), 0, "it said only: %s", run->text);
        ssize_t n =
            read(run->output, run->text + run->n, sizeof run->text - 1 - run->n);
        if (n <= 0 && !text)
            return;
        cr_assert_gt(n, 0, "no \"%s\" in: %s", text, run->text);
        run->n += (size_t)n;
        run->text[run->n] = '\0';
    }
}

int program_end(struct program_run *run, int number)
{
    int status;
    if (number)
        cr_assert_eq(kill(run->pid, number), 0);
    program_await(run, NULL);
    (void)close(run->output);
    cr_assert_eq(waitpid(run->pid, &status, 0), run->pid);
    return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

int program_run(const char *directory, const char *arguments, char *said,
                size_t said_bytes)
{
    cr_assert_not_null(getenv("NETSPLIT"), "make test sets it");
    char *command =
        xasprintf("exec 2>&1; cd '%s' && exec \"$NETSPLIT\" %s", directory, arguments);
    FILE *from = popen(command, "r");
    cr_assert_not_null(from);
    said[fread(said, 1, said_bytes - 1, from)] = '\0';
    int status = pclose(from);
    free(command);
    cr_assert(WIFEXITED(status));
    return WEXITSTATUS(status);
}
