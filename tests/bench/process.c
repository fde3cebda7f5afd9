/* SPDX-License-Identifier: MIT */
/* fork and exec, with the kernel asked to end the child when we end. */
#include "tests/bench/process.h"

#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

bool process_finds(const char *program)
{
    char command[300];
    (void)snprintf(command, sizeof command, "command -v %s >/dev/null 2>&1", program);
    return system(command) == 0;
}

pid_t process_start(const char *const *argv, int output, int errors)
{
    pid_t parent = getpid(), pid = fork();
    if (pid < 0)
        err(1, "starting %s", argv[0]);
    if (pid > 0)
        return pid;
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent)
        _exit(127);
    if (output >= 0)
        (void)dup2(output, STDOUT_FILENO);
    if (errors >= 0)
        (void)dup2(errors, STDERR_FILENO);
    execvp(argv[0], (char *const *)argv); /* it only reads them */
    _exit(127);
}

bool process_capture(const char *const *argv, char *text, size_t text_bytes)
{
    int output[2], status = -1;
    size_t length = 0;
    char rest[512];
    if (pipe2(output, O_CLOEXEC) != 0)
        err(1, "pipe");
    pid_t pid = process_start(argv, output[1], output[1]);
    (void)close(output[1]);
    for (;;) {
        bool full = length + 1 >= text_bytes;
        ssize_t n = full ? read(output[0], rest, sizeof rest)
                         : read(output[0], text + length, text_bytes - 1 - length);
        if (n <= 0)
            break;
        length += full ? 0 : (size_t)n;
    }
    text[length] = '\0';
    (void)close(output[0]);
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

void process_stop(pid_t pid)
{
    (void)kill(pid, SIGTERM);
    while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
        ;
}
