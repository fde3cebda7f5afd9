/* SPDX-License-Identifier: MIT */
/* Labs as they are made: what is in a namespace, and what reaches what. */
#include "proxy/base/namespace.h"
#include "scenarios/lab/lab.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <dirent.h>
#include <errno.h>
#include <sched.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static const char *const names[] = {"n1", "n2", "n3"};
enum { NODES = sizeof names / sizeof *names };

static struct lab lab; /* large */

static void make(bool has_bridge)
{
    struct errmsg err = {""};
    int status = lab_make(&lab, names, NODES, has_bridge, &err);
    if (status == -EPERM)
        cr_skip_test("%s", err.text);
    cr_assert_eq(status, 0, "%s", err.text);
}

static struct sockaddr_in at(const char *address, in_port_t port)
{
    struct sockaddr_in name = {.sin_family = AF_INET, .sin_port = htons(port)};
    cr_assert_eq(inet_pton(AF_INET, address, &name.sin_addr), 1);
    return name;
}

static int socket_in(const struct lab_node *node)
{
    int home = namespace_visit(node->netns_fd);
    cr_assert_gt(home, 0);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    cr_assert_geq(fd, 0);
    namespace_return(home);
    return fd;
}

/* The client's connection arrives at the server from the client's own address. */
static void expect_reaches(const struct lab_node *client, const struct lab_node *server)
{
    int listener = socket_in(server), from = socket_in(client);
    struct sockaddr_in name = at(server->address, 0), peer;
    socklen_t bytes = sizeof name;
    char text[INET_ADDRSTRLEN];
    cr_assert_eq(bind(listener, (struct sockaddr *)&name, bytes), 0);
    cr_assert_eq(listen(listener, 1), 0);
    cr_assert_eq(getsockname(listener, (struct sockaddr *)&name, &bytes), 0);
    cr_assert_eq(connect(from, (struct sockaddr *)&name, bytes), 0, "%s to %s: %s",
                 client->name, server->name, strerror(errno));
    int to = accept(listener, (struct sockaddr *)&peer, &bytes);
    cr_assert_geq(to, 0);
    cr_expect_str_eq(inet_ntop(AF_INET, &peer.sin_addr, text, sizeof text),
                     client->address);
    (void)close(to); /* all three: nothing was written */
    (void)close(from);
    (void)close(listener);
}

static void expect_all_reach_all(void)
{
    for (size_t i = 0; i < lab.n; i++)
        for (size_t k = 0; k < lab.n; k++)
            if (i != k)
                expect_reaches(&lab.nodes[i], &lab.nodes[k]);
}

static size_t count_descriptors(void)
{
    size_t n = 0;
    DIR *entries = opendir("/proc/self/fd");
    cr_assert_not_null(entries);
    while (readdir(entries))
        n++;
    (void)closedir(entries); /* it was only read */
    return n;
}

Test(lab, all_reach_all_through_a_router, .timeout = 30)
{
    size_t before = count_descriptors();
    make(false);
    cr_expect_str_eq(lab_middle_name(&lab), "router");
    cr_expect_str_eq(lab_find(&lab, "n3")->address, "10.77.3.2");
    cr_expect_null(lab_find(&lab, "n4"));
    expect_all_reach_all();
    lab_close(&lab);
    lab_close(&lab); /* again does no harm */
    cr_expect_eq(count_descriptors(), before, "nothing is kept open");
}

Test(lab, all_reach_all_over_a_bridge, .timeout = 30)
{
    size_t before = count_descriptors();
    make(true);
    cr_expect_str_eq(lab_middle_name(&lab), "bridge");
    cr_expect_str_eq(lab_find(&lab, "n3")->address, "10.77.0.3");
    cr_expect_str_eq(lab_find(&lab, "n3")->gateway, "");
    expect_all_reach_all();
    lab_close(&lab);
    cr_expect_eq(count_descriptors(), before, "nothing is kept open");
}

Test(lab, two_do_not_see_each_other)
{
    static struct lab other;
    struct errmsg err = {""};
    make(false);
    cr_assert_eq(lab_make(&other, names, NODES, false, &err), 0, "%s", err.text);
    int listener = socket_in(&lab.nodes[0]), from = socket_in(&other.nodes[1]);
    struct sockaddr_in name = at(lab.nodes[0].address, 7000);
    cr_assert_eq(bind(listener, (struct sockaddr *)&name, sizeof name), 0);
    cr_assert_eq(listen(listener, 1), 0);
    cr_expect_eq(connect(from, (struct sockaddr *)&name, sizeof name), -1);
    cr_expect_eq(errno, ECONNREFUSED, "the address is another node's there");
    (void)close(from); /* nothing was written */
    (void)close(listener);
    lab_close(&other);
    lab_close(&lab);
}

Test(lab, without_privilege_it_says_so_and_keeps_nothing)
{
    struct errmsg err = {""};
    cr_assert_eq(setuid(65534), 0);
    size_t before = count_descriptors();
    cr_expect_eq(lab_make(&lab, names, NODES, false, &err), -EPERM);
    cr_expect(strstr(err.text, "making a network namespace"), "%s", err.text);
    cr_expect_eq(count_descriptors(), before);
}
