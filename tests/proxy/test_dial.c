/* SPDX-License-Identifier: MIT */
/* A dial that meets itself has found no server. */
#include "proxy/wire/dial.h"
#include "proxy/wire/watch.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum { PORT = 40000, SKIPPED = 77 };

static bool put(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    bool ok = fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);
    if (fd >= 0)
        close(fd);
    return ok;
}

/* A network of our own in which each connection comes from PORT; false where namespaces
 * are not allowed. */
static bool enter_tiny_network(void)
{
    char map[32];
    (void)snprintf(map, sizeof map, "0 %u 1", (unsigned)geteuid());
    if (unshare(CLONE_NEWUSER | CLONE_NEWNET) != 0 || !put("/proc/self/uid_map", map))
        return false;
    struct ifreq lo = {.ifr_name = "lo", .ifr_flags = IFF_UP | IFF_RUNNING};
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    bool up = ioctl(fd, SIOCSIFFLAGS, &lo) == 0;
    close(fd);
    return up && put("/proc/sys/net/ipv4/ip_local_port_range", "40000 40000");
}

static void on_done(void *context, const struct dial_result *result)
{
    *(int *)context = result->status;
    watch_close(result->watch);
}

/* What became of a dial to ourselves. */
static int dial_in_tiny_network(void)
{
    uv_loop_t loop;
    if (!enter_tiny_network())
        return SKIPPED;
    if (uv_loop_init(&loop) != 0)
        return 1;
    struct watch_group *group = NULL;
    cr_assert_eq(watch_group_create(&group, &loop), 0);
    const struct address server = {.kind = ADDRESS_IPV4, .bytes = {127, 0, 0, 1}};
    struct dial *dial;
    int status = 1;
    if (dial_start(&dial, group, &server, PORT, NULL, on_done, &status) != 0)
        return 1;
    uv_run(&loop, UV_RUN_DEFAULT);
    watch_group_destroy(group);
    uv_run(&loop, UV_RUN_DEFAULT); /* what it has closed */
    return uv_loop_close(&loop) == 0 ? -status : 1;
}

Test(dial, one_that_meets_itself_was_refused, .timeout = 30)
{
    pid_t child = fork(); /* only a process of one thread may enter a namespace */
    if (child == 0)
        _exit(dial_in_tiny_network());
    int how = 0;
    cr_assert_eq(waitpid(child, &how, 0), child);
    cr_assert(WIFEXITED(how));
    if (WEXITSTATUS(how) == SKIPPED)
        cr_skip_test("no namespaces here");
    cr_assert_eq(WEXITSTATUS(how), ECONNREFUSED);
}
