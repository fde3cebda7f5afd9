/* SPDX-License-Identifier: MIT */
/* Labs that stay, seen from the command that makes, enters or ends one.
 *
 * Happy path of up: lock the runtime directory -> no lab of that name -> fork the
 * holder -> it has made the lab -> no signal came -> it may stay.
 * Failures: the holder undoes what it made and says why; a signal is held back until
 * then. A holder that does not end when asked is killed; `netsplit clean` finds its
 * names. */
#include "scenarios/lab/lab_home.h"
#include "proxy/base/rundir.h"
#include "scenarios/lab/lab_holder.h"
#include "scenarios/lab/lab_user.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { DOWN_MS = 10000 }; /* the holder's own patience is 2 s */

static int complain_taken(const char *name, struct errmsg *err)
{
    struct lab_home *homes = NULL;
    size_t n = 0;
    int status = lab_home_list(&homes, &n, err);
    for (size_t i = 0; i < n && status == 0; i++)
        if (strcmp(homes[i].name, name) == 0) {
            errmsg_set(err,
                       "there is a lab \"%s\" already; netsplit lab down %s ends it",
                       name, name);
            status = -EEXIST;
        }
    free(homes);
    return status;
}

/* Whether one of the signals waits to be delivered. */
static bool is_interrupted(const sigset_t *held)
{
    sigset_t pending;
    (void)sigpending(&pending); /* cannot fail */
    for (int number = 1; number < NSIG; number++)
        if (sigismember(held, number) == 1 && sigismember(&pending, number) == 1)
            return true;
    return false;
}

/* What the holder says; it stays if there is no error and nobody has interrupted us. */
static int await_holder(int socket, pid_t pid, const sigset_t *held, struct errmsg *err)
{
    struct lab_holder_news news = {.status = -EIO, .err = {"the lab's holder died"}};
    ssize_t n;
    do
        n = recv(socket, &news, sizeof news, MSG_WAITALL);
    while (n < 0 && errno == EINTR);
    if (news.status == 0 && is_interrupted(held)) {
        news.status = -EINTR;
        errmsg_set(&news.err, "interrupted");
    }
    if (news.status == 0 && send(socket, "", 1, MSG_NOSIGNAL) == 1) {
        char end; /* the kernel kills it with us until it has closed its side */
        (void)!recv(socket, &end, 1, 0);
        (void)close(socket); /* all is said */
        return 0;
    }
    (void)close(socket); /* it undoes what it made */
    (void)waitpid(pid, NULL, 0);
    errmsg_set(err, "%s", news.err.text);
    return news.status < 0 ? news.status : -EIO;
}

static int start_holder(const struct lab_home_options *options, const sigset_t *held,
                        struct errmsg *err)
{
    int sockets[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets) < 0) {
        errmsg_set(err, "making a socket pair: %s", strerror(errno));
        return -errno;
    }
    pid_t parent = getpid(), pid = fork();
    if (pid == 0)
        lab_holder_run(options, sockets[1], parent);
    (void)close(sockets[1]); /* the holder's */
    if (pid > 0)
        return await_holder(sockets[0], pid, held, err);
    errmsg_set(err, "starting the lab's holder: %s", strerror(errno));
    (void)close(sockets[0]);
    return -EAGAIN;
}

int lab_home_up(const struct lab_home_options *options, struct errmsg *err)
{
    sigset_t held, before;
    (void)sigemptyset(&held);
    (void)sigaddset(&held, SIGINT);
    (void)sigaddset(&held, SIGTERM);
    (void)sigaddset(&held, SIGHUP);
    int lock = rundir_lock(err);
    if (lock < 0)
        return lock;
    (void)sigprocmask(SIG_BLOCK, &held, &before);
    int status = complain_taken(options->name, err);
    if (status == 0)
        status = start_holder(options, &held, err);
    (void)close(lock);
    (void)sigprocmask(SIG_SETMASK, &before, NULL); /* here we die, if we must */
    return status;
}

static bool is_our_user_namespace(int fd)
{
    struct stat ours, theirs;
    return stat("/proc/self/ns/user", &ours) == 0 && fstat(fd, &theirs) == 0 &&
           ours.st_dev == theirs.st_dev && ours.st_ino == theirs.st_ino;
}

static int enter(const char *path, int kind)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    bool is_there = kind == CLONE_NEWUSER && is_our_user_namespace(fd);
    int status = !is_there && setns(fd, kind) < 0 ? -errno : 0;
    (void)close(fd); /* it was only looked up */
    return status;
}

int lab_home_enter(const struct lab_home *home, int fd, struct errmsg *err)
{
    char user[LAB_HOME_PATH_BYTES], net[LAB_HOME_PATH_BYTES];
    (void)snprintf(user, sizeof user, "/proc/%d/ns/user", (int)home->holder);
    (void)snprintf(net, sizeof net, "/proc/%d/fd/%d", (int)home->holder, fd);
    int status = home->is_rootless ? enter(user, CLONE_NEWUSER) : 0;
    if (status == 0)
        status = enter(net, CLONE_NEWNET);
    if (status < 0)
        errmsg_set(err, "entering lab \"%s\": %s", home->name, strerror(-status));
    else if (home->is_rootless)
        lab_user_hand_on();
    return status;
}

int lab_home_down(const struct lab_home *home, struct errmsg *err)
{
    int fd = (int)syscall(SYS_pidfd_open, home->holder, 0);
    if (fd < 0)
        return errno == ESRCH ? 0 : -errno;
    struct pollfd end = {.fd = fd, .events = POLLIN};
    int status = kill(home->holder, SIGTERM) < 0 ? -errno : 0;
    if (status == 0 && poll(&end, 1, DOWN_MS) == 0)
        status = kill(home->holder, SIGKILL) < 0 ? -errno : 0;
    (void)close(fd); /* nothing was written */
    if (status == 0 || status == -ESRCH)
        return 0;
    errmsg_set(err, "ending process %d, which keeps lab \"%s\": %s", (int)home->holder,
               home->name, strerror(-status));
    return status;
}
