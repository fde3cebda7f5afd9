/* SPDX-License-Identifier: MIT */
#include "tests/proxy/lab_fixture.h"

#include "rules/buffer.h"

#include <criterion/criterion.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>

struct netlab lab;

void lab_fixture_open(int nodes)
{
    netlab_open(&lab, nodes);
    net_init(&net);
}

void lab_fixture_close(void)
{
    netlab_close(&lab);
}

void lab_fixture_start(const char *mode, uint16_t port)
{
    struct buffer nodes = {0};
    for (int i = 1; i <= lab.n; i++) {
        if (strcmp(mode, "netns") == 0)
            buffer_print(&nodes, "  n%d: { netns: /proc/self/fd/%d }\n", i,
                         lab.nodes[i]);
        else
            buffer_print(&nodes, "  n%d: 10.77.%d.2\n", i, i);
    }
    net_start(&net, "netsplit: 1\nintercept: %s\nports: [%u]\nnodes:\n%s", mode, port,
              buffer_text(&nodes));
    buffer_close(&nodes);
}

struct net_pair lab_fixture_join(int opener, int family, const char *address,
                                 uint16_t port, int listener)
{
    struct net_pair pair;
    pair.client = netlab_connect(&lab, &net, opener, family, address, port);
    pair.server = net_accept(&net, listener);
    return pair;
}

void lab_fixture_expect_alive(struct net_pair pair)
{
    struct pollfd server = {.fd = pair.server, .events = POLLIN};
    char byte;
    cr_expect_eq(send(pair.client, "x", 1, 0), 1);
    cr_expect_eq(poll(&server, 1, 5000), 1);
    cr_expect_eq(recv(pair.server, &byte, 1, 0), 1);
}
