/* SPDX-License-Identifier: MIT */
/* Nodes that are host names: looked up at each dial, in a file of the test's own. */
#include "tests/lib/own_names.h"
#include "tests/lib/proxy_process.h"
#include "tests/program/traffic.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static struct proxy_process proxy;
static struct traffic traffic; /* its server listens at 127.0.0.1 only */
static int reserved;           /* a socket bound to the port below at 127.0.0.1 */
static uint16_t port;          /* where nobody listens yet */

static void reserve_port(void)
{
    struct sockaddr_in at = {.sin_family = AF_INET,
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof at;
    reserved = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    cr_assert_eq(bind(reserved, (struct sockaddr *)&at, sizeof at), 0);
    cr_assert_eq(getsockname(reserved, (struct sockaddr *)&at, &length), 0);
    port = ntohs(at.sin_port);
}

static void setup(void)
{
    proxy_process_open(&proxy);
    const char *lacking = own_names_enter(proxy.directory);
    if (lacking)
        cr_skip_test("%s", lacking);
    traffic_init(&traffic);
    reserve_port();
    proxy_process_write_rules(
        &proxy,
        "netsplit: 1\n"
        "nodes:\n"
        "  app:\n"
        "  db: { address: db.test, ports: [%u, %u] }\n"
        "listen:\n"
        "  - { name: db, address: 127.0.0.1:0, from: app, to: \"db:%u\" }\n"
        "  - { name: other, address: 127.0.0.1:0, from: app, to: \"db:%u\" }\n",
        traffic.port, port, traffic.port, port);
    proxy_process_start(&proxy, (const char *const[]){"--connect-timeout", "8s", NULL});
}

static void teardown(void)
{
    proxy_process_close(&proxy);
}

TestSuite(names, .init = setup, .fini = teardown, .timeout = 60);

/* A listener at another address. */
static int listen_at(int family, const char *address, uint16_t at_port)
{
    struct sockaddr_in6 six = {.sin6_family = AF_INET6, .sin6_port = htons(at_port)};
    struct sockaddr_in four = {.sin_family = AF_INET, .sin_port = htons(at_port)};
    bool is_six = family == AF_INET6;
    int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    cr_assert_eq(inet_pton(family, address,
                           is_six ? (void *)&six.sin6_addr : (void *)&four.sin_addr),
                 1);
    cr_assert_eq(bind(fd, is_six ? (struct sockaddr *)&six : (struct sockaddr *)&four,
                      is_six ? sizeof six : sizeof four),
                 0);
    cr_assert_eq(listen(fd, 16), 0);
    return fd;
}

/* Connects, and waits until the proxy has reached or failed to reach the server. */
static int connect_through(void)
{
    char byte;
    int fd = traffic_connect(proxy_process_port(&proxy, "db"));
    cr_assert_geq(fd, 0);
    (void)send(fd, "x", 1, MSG_NOSIGNAL); /* it may have been reset already */
    if (recv(fd, &byte, 1, 0) == 1)
        return fd;
    (void)close(fd);
    return -1;
}

/* Where the newest connection goes. */
static void expect_server(const char *address, uint16_t at_port)
{
    char wanted[64] = "", found[64] = "";
    json_t *body = NULL;
    (void)snprintf(wanted, sizeof wanted, "%s:%u", address, at_port);
    while (found[0] == '\0') {
        cr_assert_eq(proxy_process_ask(&proxy, "GET", "/v1/connections", NULL, &body),
                     200);
        const json_t *row = json_array_get(json_object_get(body, "connections"), 0);
        const char *server = json_string_value(json_object_get(row, "server"));
        (void)snprintf(found, sizeof found, "%s", server ? server : "");
        json_decref(body);
        body = NULL;
    }
    cr_expect_str_eq(found, wanted);
}

Test(names, one_that_moves_takes_new_connections_and_leaves_the_others)
{
    own_names_set(proxy.directory, "127.0.0.1 db.test\n");
    traffic_add(&traffic, proxy_process_port(&proxy, "db"), 2);
    traffic_wait(&traffic, 2);
    expect_server("127.0.0.1", traffic.port);
    int elsewhere = listen_at(AF_INET, "127.0.0.2", traffic.port);
    own_names_set(proxy.directory, "127.0.0.2 db.test\n");
    int fd = traffic_connect(proxy_process_port(&proxy, "db"));
    while (proxy_process_total(&proxy, "connections") < 3)
        ; /* it waits in the kernel; each answer lets the proxy accept it */
    expect_server("127.0.0.2", traffic.port);
    traffic_wait(&traffic, 2);
    (void)close(fd);
    (void)close(elsewhere);
    (void)traffic_stop(&traffic);
}

Test(names, one_that_cannot_be_looked_up_fails_that_connection_only)
{
    own_names_set(proxy.directory, "127.0.0.1 db.test\n");
    traffic_add(&traffic, proxy_process_port(&proxy, "db"), 2);
    traffic_wait(&traffic, 2);
    cr_expect_eq(proxy_process_total(&proxy, "attempts_unresolved"), 0);
    own_names_set(proxy.directory, "");
    cr_expect_eq(connect_through(), -1);
    cr_expect_eq(proxy_process_total(&proxy, "attempts_unresolved"), 1);
    cr_expect_eq(proxy_process_total(&proxy, "attempts_failed"), 1);
    traffic_wait(&traffic, 2);
    own_names_set(proxy.directory, "127.0.0.1 db.test\n");
    int fd = connect_through();
    cr_expect_geq(fd, 0);
    (void)close(fd);
    (void)traffic_stop(&traffic);
}

/* The resolver puts 127.0.0.1 in front: our own end has the same address (RFC 6724, 5,
 * rule 9). */
static void expect_second_address(void)
{
    int good = listen_at(AF_INET, "127.0.0.2", port);
    own_names_set(proxy.directory, "127.0.0.1 db.test\n127.0.0.2 db.test\n");
    int fd = traffic_connect(proxy_process_port(&proxy, "other"));
    cr_assert_geq(fd, 0);
    expect_server("127.0.0.2", port);
    (void)close(fd);
    (void)close(good);
}

Test(names, an_address_that_refuses_makes_way_for_the_next)
{
    expect_second_address();
}

/* A queue of no length that is full: the kernel answers no SYN. */
Test(names, an_address_that_is_silent_makes_way_for_the_next)
{
    struct sockaddr_in silent = {.sin_family = AF_INET,
                                 .sin_port = htons(port),
                                 .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int filler = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    cr_assert_eq(listen(reserved, 0), 0);
    cr_assert_eq(connect(filler, (struct sockaddr *)&silent, sizeof silent), 0);
    expect_second_address();
    (void)close(filler);
}

Test(names, an_ipv6_address_is_as_good)
{
    int six = listen_at(AF_INET6, "::1", traffic.port);
    own_names_set(proxy.directory, "::1 db.test\n");
    int fd = traffic_connect(proxy_process_port(&proxy, "db"));
    expect_server("[::1]", traffic.port);
    (void)close(fd);
    (void)close(six);
}
