/* SPDX-License-Identifier: MIT */
/* unshare(2) and setns(2) around one thing at a time. A socket belongs for its life to
 * the namespace that it was made in, so a visit is all that is needed.
 *
 * Failures: without CAP_SYS_ADMIN, over the namespace's owner and over our own user
 * namespace, both calls say EPERM. Not done here: user namespaces. */
#include "proxy/base/namespace.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

int namespace_here(void)
{
    int fd = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
    return fd < 0 ? -errno : fd;
}

int namespace_enter(int fd)
{
    return setns(fd, CLONE_NEWNET) < 0 ? -errno : 0;
}

int namespace_make(void)
{
    int home = namespace_here();
    if (home < 0)
        return home;
    if (unshare(CLONE_NEWNET) < 0) {
        int status = -errno;
        (void)close(home); /* we have not left it */
        return status;
    }
    int made = namespace_here();
    namespace_return(home);
    return made;
}

int namespace_visit(int fd)
{
    if (fd == 0)
        return 0;
    int home = namespace_here();
    if (home < 0)
        return home;
    int status = namespace_enter(fd);
    if (status == 0)
        return home;
    (void)close(home); /* it was only looked up */
    return status;
}

void namespace_return(int home)
{
    if (home == 0)
        return;
    if (namespace_enter(home) != 0)
        abort();
    (void)close(home); /* it was only looked up */
}

/* A mount point of its own that is shared, so that a name that is removed is gone in
 * every mount namespace; already so where ip-netns(8) was used before. */
static int prepare_names(void)
{
    if (mkdir(NAMESPACE_NAMES, 0755) < 0 && errno != EEXIST)
        return -errno;
    if (mount("", NAMESPACE_NAMES, "none", MS_SHARED | MS_REC, NULL) == 0)
        return 0;
    if (errno != EINVAL ||
        mount(NAMESPACE_NAMES, NAMESPACE_NAMES, "none", MS_BIND | MS_REC, NULL) < 0 ||
        mount("", NAMESPACE_NAMES, "none", MS_SHARED | MS_REC, NULL) < 0)
        return -errno;
    return 0;
}

int namespace_add_name(int fd, const char *path)
{
    char from[64];
    int status = prepare_names();
    if (status < 0)
        return status;
    int file = open(path, O_RDONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0);
    if (file < 0)
        return -errno;
    (void)close(file); /* it is only a place to mount on */
    (void)snprintf(from, sizeof from, "/proc/thread-self/fd/%d", fd);
    if (mount(from, path, "none", MS_BIND, NULL) == 0)
        return 0;
    status = -errno;
    (void)unlink(path);
    return status;
}

bool namespace_is_name(const char *path)
{
    static const char ours[] = NAMESPACE_NAMES "/netsplit-";
    size_t n = sizeof ours - 1;
    return strncmp(path, ours, n) == 0 && !strchr(path + n, '/');
}

int namespace_remove_name(const char *path)
{
    if (umount2(path, MNT_DETACH) < 0 && errno != EINVAL && errno != ENOENT)
        return -errno; /* EINVAL: nothing is mounted there */
    return unlink(path) < 0 && errno != ENOENT ? -errno : 0;
}
