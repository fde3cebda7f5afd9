/* SPDX-License-Identifier: MIT */
/* The process that keeps a lab.
 *
 * Happy path: a user namespace if one is needed -> the lab -> its record -> its names ->
 * told -> the byte comes -> it lets go of its parent, and closes the socket -> asleep
 * until SIGTERM or until the lab's time is over -> what runs inside is ended, names and
 * record go, and with this process the namespaces.
 *
 * Failures: whatever fails before the byte is undone in the same way. If our parent dies
 * first the kernel kills us; what is left then are names, for `netsplit clean`. */
#include "scenarios/lab/lab_holder.h"

#include "proxy/base/namespace.h"
#include "proxy/base/now.h"
#include "proxy/base/rundir.h"
#include "scenarios/lab/lab_user.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { SOCKET = 3, END_TRIES = 200, END_PAUSE_NS = 10000000 };

struct holder {
    struct lab_home home;
    struct rundir_record *record; /* owned */
};

static bool is_inside(const struct lab *lab, dev_t device, ino_t inode)
{
    struct stat info;
    for (size_t i = 0; i < lab->n; i++)
        if (fstat(lab->nodes[i].netns_fd, &info) == 0 && info.st_dev == device &&
            info.st_ino == inode)
            return true;
    return fstat(lab->middle_fd, &info) == 0 && info.st_dev == device &&
           info.st_ino == inode;
}

/* Sends the signal to all processes whose network is one of the lab's; how many. */
static size_t signal_inside(const struct lab *lab, int number)
{
    const struct dirent *entry;
    size_t n = 0;
    DIR *processes = opendir("/proc");
    while (processes && (entry = readdir(processes))) {
        char path[300];
        struct stat info;
        pid_t pid = (pid_t)strtol(entry->d_name, NULL, 10);
        (void)snprintf(path, sizeof path, "/proc/%s/ns/net", entry->d_name);
        if (pid <= 1 || pid == getpid() || stat(path, &info) != 0 ||
            !is_inside(lab, info.st_dev, info.st_ino))
            continue;
        n += kill(pid, number) == 0;
    }
    if (processes)
        (void)closedir(processes); /* it was only read */
    return n;
}

static void end_processes(const struct lab *lab)
{
    const struct timespec pause = {.tv_nsec = END_PAUSE_NS};
    size_t n = signal_inside(lab, SIGTERM);
    for (int i = 0; n > 0 && i < END_TRIES; i++) {
        (void)nanosleep(&pause, NULL);
        n = signal_inside(lab, 0);
    }
    if (n > 0)
        (void)signal_inside(lab, SIGKILL);
}

typedef void (*each_fn)(struct holder *holder, const char *path, int fd);

static void each_place(struct holder *holder, each_fn fn)
{
    const struct lab *lab = &holder->home.lab;
    char path[LAB_HOME_PATH_BYTES];
    for (size_t i = 0; i <= lab->n; i++) {
        const char *name = i < lab->n ? lab->nodes[i].name : lab_middle_name(lab);
        int fd = i < lab->n ? lab->nodes[i].netns_fd : lab->middle_fd;
        lab_home_path(&holder->home, name, fd, path);
        fn(holder, path, fd);
    }
}

static void remove_name(struct holder *holder, const char *path, int fd)
{
    (void)fd;
    if (namespace_remove_name(path) == 0)
        rundir_drop_path(holder->record, path);
}

static void end(struct holder *holder)
{
    end_processes(&holder->home.lab);
    if (!holder->home.is_rootless && holder->record)
        each_place(holder, remove_name);
    rundir_record_close(holder->record);
    lab_close(&holder->home.lab);
}

static int describe(struct holder *holder)
{
    const struct lab *lab = &holder->home.lab;
    json_t *nodes = json_array();
    for (size_t i = 0; i < lab->n; i++) {
        const struct lab_node *node = &lab->nodes[i];
        (void)json_array_append_new(/* a failure shows below: nodes are missing */
                                    nodes,
                                    json_pack("{s:s, s:s, s:s, s:s, s:i}", "name",
                                              node->name, "address", node->address,
                                              "gateway", node->gateway, "address6",
                                              node->address6, "fd", node->netns_fd));
    }
    if (json_array_size(nodes) != lab->n) {
        json_decref(nodes);
        return -ENOMEM;
    }
    return rundir_note(holder->record, "lab",
                       json_pack("{s:s, s:b, s:b, s:i, s:o}", "name", holder->home.name,
                                 "bridge", lab->has_bridge, "rootless",
                                 holder->home.is_rootless, "middle", lab->middle_fd,
                                 "nodes", nodes));
}

static void note_name(struct holder *holder, const char *path, int fd)
{
    (void)fd;
    (void)rundir_add_path(holder->record, path); /* for clean */
}

/* A convenience: without it the lab is as good. */
static void add_name(struct holder *holder, const char *path, int fd)
{
    int status = namespace_add_name(fd, path);
    if (status < 0) {
        rundir_drop_path(holder->record, path);
        fprintf(stderr, "netsplit lab: no name for ip netns: %s: %s\n", path,
                strerror(-status));
    }
}

/* Dies with the parent; asked for again after every change of credentials. */
static void die_with(pid_t parent)
{
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent)
        _exit(1);
}

static int begin(struct holder *holder, const struct lab_home_options *options,
                 pid_t parent, struct errmsg *err)
{
    holder->home.is_rootless = !lab_user_is_privileged();
    int status = holder->home.is_rootless ? lab_user_enter(err) : 0;
    die_with(parent);
    if (status == 0)
        status = lab_make(&holder->home.lab, options->nodes, options->n_nodes,
                          options->has_bridge, err);
    if (status == 0)
        status = rundir_record_open(&holder->record, "lab", err);
    if (status < 0)
        return status;
    status = describe(holder);
    if (status < 0)
        errmsg_set(err, "writing the lab's record: %s", strerror(-status));
    if (status == 0 && !holder->home.is_rootless) {
        each_place(holder, note_name);
        each_place(holder, add_name);
    }
    return status;
}

/* Nothing of whoever started us is kept open, least of all a pipe that is read to its
 * end. */
static void leave_terminal(void)
{
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    for (int fd = 0; null >= 0 && fd <= STDERR_FILENO; fd++)
        (void)dup2(null, fd); /* what is not replaced is the terminal's still */
    if (null > STDERR_FILENO)
        (void)close(null); /* nothing was written */
    (void)!chdir("/");     /* only so that no file system is kept busy */
    (void)prctl(PR_SET_PDEATHSIG, 0);
    (void)close(SOCKET); /* only now may our parent end */
}

static void sleep_until(uint64_t for_ns, const sigset_t *ends)
{
    const uint64_t until = for_ns == UINT64_MAX ? for_ns : now_ns() + for_ns;
    for (;;) {
        uint64_t now = now_ns(), left = until > now ? until - now : 0;
        struct timespec wait = {.tv_sec = (time_t)(left / NS_PER_S),
                                .tv_nsec = (long)(left % NS_PER_S)};
        int got = for_ns == UINT64_MAX ? sigwaitinfo(ends, NULL)
                                       : sigtimedwait(ends, NULL, &wait);
        if (got > 0 || (got < 0 && errno == EAGAIN))
            return;
    }
}

void lab_holder_run(const struct lab_home_options *options, int socket, pid_t parent)
{
    static struct holder holder; /* as large as many nodes */
    struct lab_holder_news news = {0};
    sigset_t ends;
    char byte;
    die_with(parent);
    if (dup2(socket, SOCKET) < 0)
        _exit(1);
    (void)close_range(SOCKET + 1, ~0U, 0); /* the lock, and what we were born with */
    (void)setsid();
    (void)sigemptyset(&ends);
    (void)sigaddset(&ends, SIGTERM);
    (void)sigprocmask(SIG_BLOCK, &ends, NULL);
    (void)snprintf(holder.home.name, sizeof holder.home.name, "%s", options->name);
    holder.home.holder = getpid();
    news.status = begin(&holder, options, parent, &news.err);
    bool wanted = write(SOCKET, &news, sizeof news) == (ssize_t)sizeof news &&
                  read(SOCKET, &byte, 1) == 1;
    if (news.status == 0 && wanted) {
        leave_terminal();
        sleep_until(options->for_ns, &ends);
    }
    end(&holder);
    _exit(0);
}
