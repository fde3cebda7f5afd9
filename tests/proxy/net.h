/* SPDX-License-Identifier: MIT */
/* A proxy on a loop of its own, and clients and servers beside it in the same thread:
 * every call that waits turns the loop meanwhile, and fails the test after
 * NET_PATIENCE_NS. */
#ifndef NETSPLIT_TESTS_NET_H
#define NETSPLIT_TESTS_NET_H

#include "proxy/record/counters.h"
#include "proxy/record/journal.h"
#include "proxy/proxy.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define NET_PATIENCE_NS (UINT64_C(10) * 1000 * 1000 * 1000)

struct net {
    uv_loop_t loop;
    struct counters counters;
    struct journal *journal;
    struct proxy *proxy;
    struct proxy_config config; /* may be changed between net_init and net_start */
    bool stopped;
};

void net_init(struct net *net);

/* Starts the proxy on formatted rules; they must compile. */
void net_start(struct net *net, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Applies an overlay of formatted rules (what stands below `rules:`), or removes it. */
void net_apply(struct net *net, const char *name, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void net_remove(struct net *net, const char *name);

/* Applies a formatted base. Returns what proxy_apply_base does. */
int net_apply_base(struct net *net, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Stops the proxy, frees all, and checks that nothing is left on the loop. */
void net_close(struct net *net);

/* The port of the proxy's listener of that name. */
uint16_t net_port(struct net *net, const char *listener);

/* One turn of the loop, at most so many ms. */
void net_turn(struct net *net, int timeout_ms);

/* Turns the loop until the fd has one of the poll events. */
void net_wait(struct net *net, int fd, short events);

/* Turns the loop until check is true. */
void net_until(struct net *net, bool (*check)(void *context), void *context);

/* Turns the loop for a span, for what must not happen. */
void net_idle(struct net *net, uint64_t span_ns);

/* Sockets are non-blocking. family is AF_INET or AF_INET6, on the loopback. */
int net_listen(int family, uint16_t *port);
int net_dial(int family, uint16_t port);         /* begins */
int net_connect(struct net *net, uint16_t port); /* and waits; IPv4 */
int net_accept(struct net *net, int listener);
void net_connect_and_hear_reset(struct net *net, uint16_t port);
int net_connect_error(struct net *net, uint16_t port); /* errno of a failed connect */

/* All n bytes. */
void net_send(struct net *net, int fd, const void *bytes, size_t n);
void net_receive(struct net *net, int fd, void *bytes, size_t n);

/* The same with the bytes of a string. */
void net_say(struct net *net, int fd, const char *text);
void net_hear(struct net *net, int fd, const char *text);

/* Sends zeroes until nothing more is taken; returns how many bytes that were. */
size_t net_fill(struct net *net, int fd);

/* Receives n bytes, whatever they are. */
void net_skim(struct net *net, int fd, size_t n);

/* The next thing read is the FIN, or the RST. */
void net_hear_fin(struct net *net, int fd);
void net_hear_reset(struct net *net, int fd);

/* Nothing can be read for the span. */
void net_hear_nothing(struct net *net, int fd, uint64_t span_ns);

/* Closes with RST. */
void net_reset(int fd);

/* A server on IPv4, a path named p to it from node c to node s, and one connection. */
struct net_pair {
    int client, server;
};
#define NET_ONE_PATH                                                                   \
    "netsplit: 1\n"                                                                    \
    "nodes:\n"                                                                         \
    "  c: 192.0.2.1\n"                                                                 \
    "  s: { address: 127.0.0.1, ports: [%u] }\n"                                       \
    "listen:\n"                                                                        \
    "  - { name: p, address: \"127.0.0.1:0\", from: c, to: s }\n"
struct net_pair net_join(struct net *net, int listener);
void net_part(struct net_pair pair);

/* Something goes there, and something comes back. */
void net_talk(struct net *net, struct net_pair pair);

/* Reads the journal to the next event of the type; false: there is none (yet). */
bool net_event(struct net *net, uint64_t *cursor, enum journal_type type,
               struct journal_event *event);

/* The journal tells why a connection was closed: turns until it does. */
void net_closed_because(struct net *net, uint64_t *cursor, const char *why);

#endif
