/* SPDX-License-Identifier: MIT */
/* Where the runtime directory is, that nobody else can have put it there, and how a
 * control socket is bound in it. Records of runs are in rundir_record.c, what removes
 * the leftovers in rundir_clean.c.
 *
 * /tmp belongs to everyone, so a directory found there is trusted only if it is a real
 * directory, ours, and closed to others; since /tmp is sticky nobody can swap it after
 * that. It is never repaired: whoever made it wrong has to see it. */
#include "proxy/base/rundir.h"
#include "proxy/base/now.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

enum { BACKLOG = 64, LOCK_TRIES = 200 };

static int copy_path(const char *from, char path[static RUNDIR_PATH_BYTES],
                     struct errmsg *err)
{
    size_t len = strlen(from);
    if (len == 0 || len >= RUNDIR_PATH_BYTES) {
        errmsg_set(err, "a control socket's path has 1 to %d bytes, not %zu",
                   RUNDIR_PATH_BYTES - 1, len);
        return -ENAMETOOLONG;
    }
    memcpy(path, from, len + 1);
    return 0;
}

/* The session's directory, if there is one and it is ours (under sudo it may be
 * another user's). */
static bool session_directory_is_ours(const char *directory)
{
    struct stat info;
    return directory && *directory == '/' && stat(directory, &info) == 0 &&
           S_ISDIR(info.st_mode) && info.st_uid == geteuid();
}

static int check_directory(const char *path, struct errmsg *err)
{
    struct stat info;
    const char *wrong = NULL;
    if (lstat(path, &info) < 0) {
        int status = -errno;
        errmsg_set(err, "%s: %s", path, strerror(-status));
        return status;
    }
    if (!S_ISDIR(info.st_mode))
        wrong = "is not a directory";
    else if (info.st_uid != geteuid())
        wrong = "belongs to another user";
    else if (info.st_mode & 077)
        wrong = "is open to other users (its mode must be 0700)";
    if (!wrong)
        return 0;
    errmsg_set(err, "%s %s; remove it, or say --control PATH", path, wrong);
    return -EPERM;
}

int rundir_find(char path[static RUNDIR_PATH_BYTES], struct errmsg *err)
{
    char found[RUNDIR_PATH_BYTES + 32];
    const char *session = getenv("XDG_RUNTIME_DIR");
    if (session_directory_is_ours(session))
        (void)snprintf(found, sizeof found, "%s/netsplit", session);
    else
        (void)snprintf(found, sizeof found, "/tmp/netsplit-%u", (unsigned)geteuid());
    if (mkdir(found, 0700) < 0 && errno != EEXIST) {
        int status = -errno;
        errmsg_set(err, "making the runtime directory %s: %s", found,
                   strerror(-status));
        return status;
    }
    int status = check_directory(found, err);
    return status < 0 ? status : copy_path(found, path, err);
}

int rundir_control_path(const char *option, char path[static RUNDIR_PATH_BYTES],
                        struct errmsg *err)
{
    const char *from_env = getenv("NETSPLIT_CONTROL");
    if (option)
        return copy_path(option, path, err);
    if (from_env && *from_env)
        return copy_path(from_env, path, err);
    char directory[RUNDIR_PATH_BYTES], joined[RUNDIR_PATH_BYTES + 16];
    int status = rundir_find(directory, err);
    if (status < 0)
        return status;
    (void)snprintf(joined, sizeof joined, "%s/control", directory);
    return copy_path(joined, path, err);
}

static struct sockaddr_un address_of(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    memcpy(address.sun_path, path, strlen(path) + 1);
    return address;
}

int rundir_probe_control(const char *path, pid_t *out_pid)
{
    struct sockaddr_un address = address_of(path);
    struct ucred peer;
    socklen_t len = sizeof peer;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -errno;
    int status = 0;
    *out_pid = 0;
    if (connect(fd, (struct sockaddr *)&address, sizeof address) < 0)
        status = errno == EAGAIN ? 0 : -errno; /* EAGAIN: its backlog is full */
    else if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) == 0)
        *out_pid = peer.pid;
    (void)close(fd); /* nothing was sent */
    return status;
}

/* Makes room at path: a socket that nobody answers at is removed. */
static int remove_dead(const char *path, struct errmsg *err)
{
    struct stat info;
    pid_t pid = 0;
    if (lstat(path, &info) < 0)
        return errno == ENOENT ? 0 : -errno;
    if (!S_ISSOCK(info.st_mode)) {
        errmsg_set(err, "%s is there already and is not a socket", path);
        return -EEXIST;
    }
    int status = rundir_probe_control(path, &pid);
    if (status == -ECONNREFUSED && unlink(path) == 0)
        return 0;
    char since[32];
    now_format_utc((uint64_t)info.st_mtim.tv_sec * NS_PER_S, since, sizeof since);
    if (status == 0 && pid > 0)
        errmsg_set(err, "a proxy answers at %s already: pid %d, since %s", path,
                   (int)pid, since);
    else if (status == 0)
        errmsg_set(err, "a proxy answers at %s already, since %s", path, since);
    else
        errmsg_set(err, "%s: %s", path, strerror(-status));
    return status == 0 ? -EADDRINUSE : status;
}

/* Locks a directory. Waits a second at most: anyone may lock /tmp. */
static int lock_directory(const char *directory, int *out_fd, struct errmsg *err)
{
    int fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) {
        int status = -errno;
        errmsg_set(err, "%s: %s", directory, strerror(-status));
        return status;
    }
    for (int i = 0; flock(fd, LOCK_EX | LOCK_NB) < 0; i++) {
        if (i == LOCK_TRIES || errno != EWOULDBLOCK) {
            errmsg_set(err, "%s is locked by another process", directory);
            (void)close(fd);
            return -EBUSY;
        }
        (void)nanosleep(&(struct timespec){.tv_nsec = 5000000}, NULL);
    }
    *out_fd = fd;
    return 0;
}

int rundir_lock(struct errmsg *err)
{
    char directory[RUNDIR_PATH_BYTES];
    int fd = -1, status = rundir_find(directory, err);
    if (status == 0)
        status = lock_directory(directory, &fd, err);
    return status < 0 ? status : fd;
}

/* Locks the directory that path lies in, so that of two processes that find the same
 * dead socket one does not remove what the other has just bound. */
static int lock_parent(const char *path, int *out_fd, struct errmsg *err)
{
    char parent[RUNDIR_PATH_BYTES];
    const char *slash = strrchr(path, '/');
    size_t len = slash ? (size_t)(slash - path) : 0;
    (void)snprintf(parent, sizeof parent, "%.*s", slash ? (int)len : 1,
                   slash ? path : ".");
    return lock_directory(slash == path ? "/" : parent, out_fd, err);
}

/* The mode comes from the umask: between bind and a chmod anyone could connect. */
static int bind_private(int fd, const char *path)
{
    struct sockaddr_un address = address_of(path);
    mode_t before = umask(0177);
    int status = bind(fd, (struct sockaddr *)&address, sizeof address) < 0 ? -errno : 0;
    (void)umask(before); /* cannot fail */
    if (status == 0 && listen(fd, BACKLOG) < 0) {
        status = -errno;
        (void)unlink(path);
    }
    return status;
}

int rundir_bind_control(const char *path, int *out_fd, struct errmsg *err)
{
    int lock = -1;
    int status = lock_parent(path, &lock, err);
    if (status < 0)
        return status;
    int fd = -1;
    status = remove_dead(path, err);
    if (status == 0) {
        fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        status = fd < 0 ? -errno : bind_private(fd, path);
        if (status < 0)
            errmsg_set(err, "binding %s: %s", path, strerror(-status));
    }
    (void)close(lock); /* unlocks */
    if (status < 0 && fd >= 0)
        (void)close(fd);
    if (status == 0)
        *out_fd = fd;
    return status;
}

int rundir_start_time(pid_t pid, uint64_t *out_ticks)
{
    char path[32], text[1024];
    (void)snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return -ESRCH;
    ssize_t len = read(fd, text, sizeof text - 1);
    (void)close(fd);
    if (len <= 0)
        return -ESRCH;
    text[len] = 0;
    /* "PID (NAME) STATE PPID ...": the name may hold anything, so start at its end.
     * State is field 3, the start time field 22. */
    char *at = strrchr(text, ')');
    if (!at || at[1] != ' ' || at[2] == 'Z' || at[2] == 'X')
        return -ESRCH;
    for (int field = 2; field < 22 && at; field++)
        at = strchr(at + 1, ' ');
    if (!at)
        return -ESRCH;
    *out_ticks = strtoull(at, NULL, 10);
    return 0;
}
