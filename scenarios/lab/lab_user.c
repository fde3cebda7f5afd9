/* SPDX-License-Identifier: MIT */
/* User namespaces (user_namespaces(7)) for a lab without privilege.
 *
 * Happy path: unshare(CLONE_NEWUSER), then our id and group are mapped to themselves,
 * which the kernel lets anybody do who gives up setgroups(2); then a network namespace
 * to come back to from others, for the one that we were in is not ours to enter again.
 *
 * Failures: kernels and distributions forbid it in several ways, each with the same
 * EPERM; the switch that is off is looked for and named, with what turns it on. AppArmor
 * lets the user namespace be made and takes the capabilities in it: the second step
 * meets that. */
#include "scenarios/lab/lab_user.h"
#include "proxy/base/errmsg.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

struct capabilities {
    struct __user_cap_header_struct head;
    struct __user_cap_data_struct sets[_LINUX_CAPABILITY_U32S_3];
};

static bool get_capabilities(struct capabilities *ours)
{
    *ours = (struct capabilities){.head = {.version = _LINUX_CAPABILITY_VERSION_3}};
    return syscall(SYS_capget, &ours->head, ours->sets) == 0;
}

bool lab_user_is_privileged(void)
{
    const uint32_t needed = 1U << CAP_SYS_ADMIN | 1U << CAP_NET_ADMIN;
    struct capabilities ours;
    return get_capabilities(&ours) && (ours.sets[0].effective & needed) == needed;
}

/* The number in a file of /proc/sys; -1 where there is none. */
static long read_switch(const char *path)
{
    char text[32] = "";
    FILE *from = fopen(path, "re");
    if (!from)
        return -1;
    bool got = fgets(text, sizeof text, from) != NULL;
    (void)fclose(from); /* it was only read */
    return got ? strtol(text, NULL, 10) : -1;
}

static int explain(int error, struct errmsg *err)
{
    static const struct {
        const char *name, *path;
        long when; /* forbidden at this value */
        const char *mend;
    } rows[] = {
        {"kernel.unprivileged_userns_clone",
         "/proc/sys/kernel/unprivileged_userns_clone", 0, "1"},
        {"kernel.apparmor_restrict_unprivileged_userns",
         "/proc/sys/kernel/apparmor_restrict_unprivileged_userns", 1, "0"},
        {"user.max_user_namespaces", "/proc/sys/user/max_user_namespaces", 0, "1000"},
        {"user.max_net_namespaces", "/proc/sys/user/max_net_namespaces", 0, "1000"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (read_switch(rows[i].path) == rows[i].when) {
            errmsg_set(err,
                       "user namespaces are not allowed here: %s is %ld; run as root, "
                       "or: sysctl -w %s=%s",
                       rows[i].name, rows[i].when, rows[i].name, rows[i].mend);
            return error;
        }
    errmsg_set(err, "user namespaces are not allowed here: %s; run as root%s",
               strerror(-error),
               error == -ENOSPC   ? ", or raise user.max_user_namespaces"
               : error == -EINVAL ? " (the kernel was built without CONFIG_USER_NS)"
                                  : " (a container, a chroot or seccomp forbids them)");
    return error;
}

static int write_map(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    ssize_t n = write(fd, text, strlen(text));
    int status = n < 0 ? -errno : 0;
    (void)close(fd); /* the write has told */
    return status;
}

static int map_ourselves(uid_t uid, gid_t gid)
{
    char text[64];
    int status = write_map("/proc/self/setgroups", "deny");
    if (status == 0) {
        (void)snprintf(text, sizeof text, "%u %u 1", (unsigned)uid, (unsigned)uid);
        status = write_map("/proc/self/uid_map", text);
    }
    if (status == 0) {
        (void)snprintf(text, sizeof text, "%u %u 1", (unsigned)gid, (unsigned)gid);
        status = write_map("/proc/self/gid_map", text);
    }
    return status;
}

int lab_user_enter(struct errmsg *err)
{
    uid_t uid = geteuid();
    gid_t gid = getegid();
    if (unshare(CLONE_NEWUSER) < 0)
        return explain(-errno, err);
    (void)prctl(PR_SET_DUMPABLE, 1); /* else /proc/self is not ours to write */
    int status = map_ourselves(uid, gid);
    if (status == 0 && unshare(CLONE_NEWNET) < 0)
        status = -errno;
    return status < 0 ? explain(status, err) : 0;
}

void lab_user_hand_on(void)
{
    struct capabilities ours;
    if (!get_capabilities(&ours))
        return;
    for (size_t i = 0; i < _LINUX_CAPABILITY_U32S_3; i++)
        ours.sets[i].inheritable = ours.sets[i].permitted;
    if (syscall(SYS_capset, &ours.head, ours.sets) != 0)
        return; /* what needs them says so */
    for (unsigned long i = 0; i <= CAP_LAST_CAP; i++)
        (void)prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, i, 0, 0); /* likewise */
}
