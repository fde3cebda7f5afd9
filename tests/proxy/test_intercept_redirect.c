/* SPDX-License-Identifier: MIT */
/* intercept: redirect, for connections of this host and through it. */
#include "proxy/base/errmsg.h"
#include "proxy/base/now.h"
#include "tests/proxy/lab_fixture.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/fsuid.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

enum { PORT = 5432 };

static void setup(void)
{
    lab_fixture_open(2);
}

TestSuite(redirect, .init = setup, .fini = lab_fixture_close, .timeout = 60);

static struct net_pair join_at(int node, int family, const char *address, int listener)
{
    return lab_fixture_join(node, family, address, PORT, listener);
}

static void expect_opened(const char *from, const char *to)
{
    struct journal_event event;
    cr_assert(net_event(&net, &cursor, JOURNAL_CONNECTION_OPENED, &event));
    cr_expect_str_eq(event.from, from);
    cr_expect_str_eq(event.to, to);
}

static void expect_not_opened(void)
{
    struct journal_event event;
    cr_expect_not(net_event(&net, &cursor, JOURNAL_CONNECTION_OPENED, &event));
}

#define RULES                                                                          \
    "netsplit: 1\nintercept: redirect\nports: [5432]\nnodes:\n"                        \
    "  here: 10.77.1.1\n  n1: 10.77.1.2\n  n2: 10.77.2.2\n  six: \"fd77:2::2\"\n"

Test(redirect, takes_what_this_host_opens_and_goes_on_from_its_address)
{
    int listener = netlab_listen(&lab, 1, AF_INET, PORT);
    net_start(&net, RULES);
    struct net_pair pair = join_at(0, AF_INET, "10.77.1.2", listener);
    expect_opened("here", "n1");
    net_talk(&net, pair);
    cr_expect_str_eq(netlab_peer(pair.client), "10.77.1.2:5432");
    cr_expect(strncmp(netlab_peer(pair.server), "10.77.1.1:", 10) == 0);
    net_part(pair);
    close(listener);
    net_close(&net);
}

Test(redirect, takes_what_comes_through_this_host)
{
    /* As hosts that share addresses have it. */
    netlab_run(&lab, 0, "echo 1 > /proc/sys/net/ipv4/ip_nonlocal_bind");
    int listener = netlab_listen(&lab, 2, AF_INET, PORT);
    net_start(&net, RULES);
    struct net_pair pair = join_at(1, AF_INET, "10.77.2.2", listener);
    expect_opened("n1", "n2");
    net_talk(&net, pair);
    cr_expect(strncmp(netlab_peer(pair.server), "10.77.2.1:", 10) == 0, "%s",
              netlab_peer(pair.server));
    net_part(pair);
    close(listener);
    net_close(&net);
}

Test(redirect, takes_ipv6_of_both_kinds)
{
    int listener = netlab_listen(&lab, 2, AF_INET6, PORT);
    net_start(&net, RULES);
    struct net_pair own = join_at(0, AF_INET6, "fd77:2::2", listener);
    expect_opened("any", "six");
    net_talk(&net, own);
    struct net_pair passing = join_at(1, AF_INET6, "fd77:2::2", listener);
    expect_opened("any", "six");
    net_talk(&net, passing);
    net_part(own);
    net_part(passing);
    close(listener);
    net_close(&net);
}

Test(redirect, a_connection_that_exists_lives_on_across_start_reload_and_stop)
{
    int listener = netlab_listen(&lab, 2, AF_INET, PORT);
    struct net_pair own = join_at(0, AF_INET, "10.77.2.2", listener);
    struct net_pair passing = join_at(1, AF_INET, "10.77.2.2", listener);
    net_talk(&net, own);
    net_talk(&net, passing);
    net_start(&net, RULES);
    net_talk(&net, own);
    net_talk(&net, passing);
    cr_assert_eq(net_apply_base(&net, RULES "  n3: 10.77.2.3\n"), 0);
    net_talk(&net, own);
    net_talk(&net, passing);
    expect_not_opened();
    net_close(&net);
    lab_fixture_expect_alive(own);
    lab_fixture_expect_alive(passing);
    net_part(own);
    net_part(passing);
    close(listener);
}

/* A connection to 127.0.0.1 whose socket is the user's. */
static int connect_as(uid_t user, uint16_t port)
{
    (void)setfsuid(user); /* a socket's owner is the file system's user */
    int fd = netlab_connect(&lab, &net, 0, AF_INET, "127.0.0.1", port);
    (void)setfsuid(0);
    return fd;
}

Test(redirect, nodes_at_one_address_are_told_by_port_and_by_user)
{
    int first = netlab_listen(&lab, 0, AF_INET, 5432);
    int second = netlab_listen(&lab, 0, AF_INET, 5433);
    net_start(&net, "netsplit: 1\nintercept: redirect\nnodes:\n"
                    "  a: { address: 127.0.0.1, ports: [5432], uid: 4711 }\n"
                    "  b: { address: 127.0.0.1, ports: [5433], uid: 4712 }\n");
    int to_b = connect_as(4711, 5433);
    int at_b = net_accept(&net, second);
    expect_opened("a", "b");
    net_talk(&net, (struct net_pair){to_b, at_b});
    int to_a = connect_as(4712, 5432);
    int at_a = net_accept(&net, first);
    expect_opened("b", "a");
    int other = connect_as(0, 5432);
    int at_other = net_accept(&net, first);
    expect_opened("any", "a");
    net_talk(&net, (struct net_pair){other, at_other});
    net_part((struct net_pair){to_b, at_b});
    net_part((struct net_pair){to_a, at_a});
    net_part((struct net_pair){other, at_other});
    close(first);
    close(second);
    net_close(&net);
}

/* Makes a group for the test, or skips it. Its root: of cgroup2. */
static const char *make_cgroup(void)
{
    static const char *const roots[] = {"/sys/fs/cgroup", "/sys/fs/cgroup/unified"};
    for (size_t i = 0; i < sizeof roots / sizeof *roots; i++) {
        char path[128];
        struct statfs about;
        (void)snprintf(path, sizeof path, "%s/netsplit-test-%d", roots[i],
                       (int)getpid());
        if (statfs(roots[i], &about) == 0 && about.f_type == CGROUP2_SUPER_MAGIC &&
            mkdir(path, 0755) == 0)
            return roots[i];
    }
    cr_skip_test("cgroup2 is not mounted, or not ours");
    return NULL;
}

Test(redirect, nodes_at_one_address_are_told_by_control_group)
{
    const char *root = make_cgroup();
    int at = netlab_listen(&lab, 0, AF_INET, PORT);
    int me = (int)getpid();
    net_start(&net,
              "netsplit: 1\nintercept: redirect\nports: [5432]\nnodes:\n"
              "  s: 127.0.0.1\n  job: { cgroup: netsplit-test-%d }\n"
              "  user: { cgroup: netsplit-test-%d, uid: 4711 }\n",
              me, me);
    netlab_run(&lab, 0, "echo %d > %s/netsplit-test-%d/cgroup.procs", me, root, me);
    int inside = connect_as(0, PORT);
    int both = connect_as(4711, PORT);
    netlab_run(&lab, 0, "echo %d > %s/cgroup.procs", me, root);
    netlab_run(&lab, 0, "rmdir %s/netsplit-test-%d", root, me); /* not from within */
    int outside = connect_as(0, PORT);
    expect_opened("job", "s");
    expect_opened("user", "s");
    expect_opened("s", "s");
    for (int i = 0; i < 3; i++)
        close(net_accept(&net, at));
    close(inside);
    close(both);
    close(outside);
    close(at);
    net_close(&net);
}

Test(redirect, a_control_group_that_is_not_there_is_named)
{
    cr_assert_eq(proxy_create(&net.config, &net.proxy), 0);
    cr_expect_eq(net_apply_base(&net, "netsplit: 1\nintercept: redirect\nports: [1]\n"
                                      "nodes:\n  a: { cgroup: no/such/group }\n"),
                 -ENOENT);
    netlab_run(&lab, 0, "test -z \"$(nft list tables)\"");
    net_close(&net);
}

Test(redirect, an_unknown_user_is_named)
{
    cr_assert_eq(proxy_create(&net.config, &net.proxy), 0);
    cr_expect_eq(net_apply_base(&net, "netsplit: 1\nintercept: redirect\nports: [1]\n"
                                      "nodes:\n  a: { uid: no-such-user }\n"),
                 -EINVAL);
    netlab_run(&lab, 0, "test -z \"$(nft list tables)\"");
    net_close(&net);
}

Test(redirect, stopping_leaves_nothing_and_connections_flow_directly)
{
    int listener = netlab_listen(&lab, 1, AF_INET, PORT);
    net_start(&net, RULES);
    net_part(join_at(0, AF_INET, "10.77.1.2", listener));
    expect_opened("here", "n1");
    proxy_stop(net.proxy, 0);
    while (!net.stopped)
        net_turn(&net, 10);
    netlab_run(&lab, 0, "test -z \"$(nft list tables)\"");
    net_part(join_at(0, AF_INET, "10.77.1.2", listener));
    expect_not_opened();
    close(listener);
    net_close(&net);
}

Test(redirect, a_drain_carries_on_what_was_taken_and_takes_no_more)
{
    int listener = netlab_listen(&lab, 1, AF_INET, PORT);
    net_start(&net, RULES);
    struct net_pair pair = join_at(0, AF_INET, "10.77.1.2", listener);
    expect_opened("here", "n1");
    proxy_stop(net.proxy, UINT64_MAX);
    net_talk(&net, pair);
    struct net_pair direct = join_at(0, AF_INET, "10.77.1.2", listener);
    expect_not_opened();
    net_talk(&net, direct);
    net_talk(&net, pair);
    net_part(pair);
    net_part(direct);
    while (!net.stopped)
        net_turn(&net, 10);
    close(listener);
    net_close(&net);
}

Test(redirect, listeners_work_beside_it)
{
    int listener = netlab_listen(&lab, 1, AF_INET, PORT);
    net_start(&net, RULES
              "listen:\n"
              "  - { name: p, address: 127.0.0.1:0, from: n2, to: \"n1:5432\" }\n");
    int client = net_connect(&net, net_port(&net, "p"));
    int peer = net_accept(&net, listener);
    expect_opened("n2", "n1");
    expect_not_opened(); /* not intercepted again on its way out */
    net_talk(&net, (struct net_pair){client, peer});
    net_part((struct net_pair){client, peer});
    close(listener);
    net_close(&net);
}

Test(redirect, what_bypasses_here_and_comes_through_is_counted_and_adopted)
{
    int listener = netlab_listen(&lab, 2, AF_INET, PORT);
    struct net_pair own = join_at(0, AF_INET, "10.77.2.2", listener);
    struct net_pair passing = join_at(1, AF_INET, "10.77.2.2", listener);
    net_start(&net, RULES);
    net_talk(&net, passing);
    cr_expect_eq(proxy_each_bypassing(net.proxy, NULL, NULL), 2);
    struct net_pair taken_own = join_at(0, AF_INET, "10.77.2.2", listener);
    struct net_pair taken_passing = join_at(1, AF_INET, "10.77.2.2", listener);
    net_talk(&net, taken_own);
    net_talk(&net, taken_passing);
    cr_expect_eq(proxy_each_bypassing(net.proxy, NULL, NULL), 2);
    struct errmsg err = {0};
    size_t n = 99;
    cr_expect_eq(proxy_adopt(net.proxy, NULL, NULL, &n, &err), 0, "%s", err.text);
    cr_expect_eq(n, 2);
    net_hear_reset(&net, own.server);
    net_say(&net, passing.client, "on its way");
    net_hear_reset(&net, passing.client);
    net_talk(&net, taken_own);
    net_talk(&net, taken_passing);
    net_part(own);
    net_part(passing);
    net_part(taken_own);
    net_part(taken_passing);
    close(listener);
    net_close(&net);
}
