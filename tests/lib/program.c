/* SPDX-License-Identifier: MIT */
#include "tests/lib/program.h"
#include "proxy/base/memory.h"

#include <criterion/criterion.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

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
