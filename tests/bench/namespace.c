/* SPDX-License-Identifier: MIT */
/* bbr paces loopback, so that everything would measure the pacer; reno is the one
 * algorithm that every kernel lets a namespace have. The range of ports is widened
 * because thousands of connections a second wait out their TIME_WAIT in it.
 *
 * Where a namespace is refused everything goes on where it is, and what is in force
 * there is read back. */
#include "tests/bench/namespace.h"

#include <net/if.h>
#include <sched.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

static const char congestion[] = "/proc/sys/net/ipv4/tcp_congestion_control";
static const char ports[] = "/proc/sys/net/ipv4/ip_local_port_range";

static bool write_text(const char *path, const char *text)
{
    FILE *file = fopen(path, "we");
    if (!file)
        return false;
    bool written = fputs(text, file) >= 0;
    return fclose(file) == 0 && written;
}

static bool raise_loopback(void)
{
    struct ifreq request = {.ifr_name = "lo"};
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return false;
    request.ifr_flags = IFF_UP | IFF_RUNNING;
    bool up = ioctl(fd, SIOCSIFFLAGS, &request) == 0;
    (void)close(fd);
    return up;
}

/* Each id is mapped to itself: PostgreSQL refuses to run as root. */
static bool enter_as_user(void)
{
    char user[32], group[32];
    (void)snprintf(user, sizeof user, "%u %u 1", geteuid(), geteuid());
    (void)snprintf(group, sizeof group, "%u %u 1", getegid(), getegid());
    return unshare(CLONE_NEWUSER | CLONE_NEWNET) == 0 &&
           write_text("/proc/self/setgroups", "deny") &&
           write_text("/proc/self/uid_map", user) &&
           write_text("/proc/self/gid_map", group);
}

bool namespace_enter(char *algorithm)
{
    bool own = (unshare(CLONE_NEWNET) == 0 || enter_as_user()) && raise_loopback();
    if (own) { /* what is in force is read back below */
        (void)write_text(congestion, "reno");
        (void)write_text(ports, "1024 65535");
    }
    FILE *file = fopen(congestion, "re");
    if (!file || fscanf(file, "%31s", algorithm) != 1)
        (void)snprintf(algorithm, NAMESPACE_ALGORITHM_BYTES, "unknown");
    if (file)
        (void)fclose(file);
    return own;
}
