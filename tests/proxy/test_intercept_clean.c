/* SPDX-License-Identifier: MIT */
/* What killed instances leave in the kernel, and what of it `clean` takes. */
#include "proxy/base/errmsg.h"
#include "proxy/kernel/intercept.h"
#include "proxy/kernel/intercept_clean.h"
#include "proxy/kernel/intercept_internal.h"
#include "proxy/kernel/nft.h"
#include "proxy/kernel/policy_route.h"
#include "tests/proxy/netlab.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

static struct netlab lab;
static char said[1024];

static void setup(void)
{
    netlab_open(&lab, 0);
}

static void teardown(void)
{
    netlab_close(&lab);
}

TestSuite(intercept_clean, .init = setup, .fini = teardown, .timeout = 60);

static void leave(int family, unsigned number)
{
    struct errmsg err = {0};
    cr_assert_eq(policy_route_add(family,
                                  intercept_mark(number, INTERCEPT_MARK_DIVERTED),
                                  INTERCEPT_MARK_MASK | INTERCEPT_MARK_DIVERTED,
                                  INTERCEPT_ROUTE_TABLE | number, &err),
                 0, "%s", err.text);
}

static void note(void *arg, const char *line)
{
    size_t length = strlen(said);
    (void)arg;
    (void)snprintf(said + length, sizeof said - length, "%s\n", line);
}

static int clean(void)
{
    struct errmsg err = {0};
    said[0] = '\0';
    return intercept_clean(note, NULL, &err);
}

Test(intercept_clean, removes_what_the_dead_left_and_says_so_once)
{
    leave(AF_INET, 3);
    leave(AF_INET6, 3);
    cr_expect_eq(clean(), 2);
    cr_expect_str_eq(said,
                     "removed the policy rule and route of mark 0x4e530302, IPv4\n"
                     "removed the policy rule and route of mark 0x4e530302, IPv6\n");
    netlab_run(&lab, 0,
               "! ip rule | grep -q 0x4e53; ! ip -6 rule | grep -q 0x4e53; "
               "test -z \"$(ip route show table 1314062339 2>&1 | grep local)\"; "
               "test -z \"$(ip -6 route show table 1314062339 2>&1 | grep local)\"");
    cr_expect_eq(clean(), 0);
    cr_expect_str_eq(said, "");
}

Test(intercept_clean, leaves_alone_what_is_of_the_living_and_of_others)
{
    struct errmsg err = {0};
    struct nft *nft;
    cr_assert_eq(nft_create(&nft, "netsplit_3", &err), 0, "%s", err.text);
    leave(AF_INET, 3);
    netlab_run(&lab, 0,
               "ip rule add fwmark 0x4e530302/0xff table 77; "
               "ip rule add fwmark 0x1 table 1314062340");
    cr_expect_eq(clean(), 0);
    cr_expect_str_eq(said, "");
    netlab_run(&lab, 0,
               "ip rule | grep -q 'lookup 77'; ip rule | grep -q 'lookup 1314062340'; "
               "ip rule | grep -q 'lookup 1314062339'");
    nft_destroy(nft);
    cr_expect_eq(clean(), 1);
}

Test(intercept_clean, a_leftover_does_not_keep_the_next_from_starting)
{
    leave(AF_INET, 0);
    leave(AF_INET, 0);
    static struct net net;
    net_init(&net);
    net_start(&net, "netsplit: 1\nintercept: tproxy\nports: [1]\n"
                    "nodes:\n  n1: 10.77.1.2\n");
    cr_expect_eq(clean(), 0);
    net_close(&net);
    cr_expect_eq(clean(), 0);
    netlab_run(&lab, 0, "! ip rule | grep -q 0x4e53");
}
