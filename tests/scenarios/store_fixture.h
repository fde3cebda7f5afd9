/* SPDX-License-Identifier: MIT */
/* A cluster of store nodes in one process, on one loop and real sockets. Each node
 * reaches each other one through a relay of its own, which can be stalled, as the proxy
 * does it. Whatever waits gives up after ten seconds and fails the test. */
#ifndef NETSPLIT_TESTS_STORE_FIXTURE_H
#define NETSPLIT_TESTS_STORE_FIXTURE_H

#include "proxy/base/tempdir.h"
#include "scenarios/store/node.h"

#include <sys/queue.h>

enum { STORE_CLUSTER_MAX = 5 };

struct store_relay_pair;

struct store_relay {
    struct store_cluster *cluster; /* borrowed */
    size_t to;                     /* the node it leads to */
    uv_tcp_t listener;
    uint16_t port;
    bool stalled;
    LIST_HEAD(, store_relay_pair) pairs;
};

struct store_cluster {
    uv_loop_t loop;
    uv_timer_t pulse; /* ends a turn of the loop also when every node is down */
    size_t n;
    char dir[TEMPDIR_PATH_MAX];
    struct store_config config; /* of all nodes, but for names, dirs and addresses */
    struct store_node *nodes[STORE_CLUSTER_MAX]; /* NULL while down */
    int reserved[STORE_CLUSTER_MAX];             /* sockets that hold the ports */
    uint16_t ports[STORE_CLUSTER_MAX];
    struct store_relay relays[STORE_CLUSTER_MAX][STORE_CLUSTER_MAX]; /* [from][to] */
    struct store_session *sessions[STORE_CLUSTER_MAX];               /* of store_ask */
};

/* Starts n1 (primary), n2, ... in the mode, all with the defect (NULL for none), and
 * waits until n1 streams to all. */
void store_cluster_open(struct store_cluster *cluster, size_t n, const char *mode,
                        const char *defect);

/* Closes everything and asserts that the loop has nothing left. */
void store_cluster_close(struct store_cluster *cluster);

/* Ends a node, without goodbye to anybody; its directory stays. */
void store_cluster_kill(struct store_cluster *cluster, size_t node);
void store_cluster_start(struct store_cluster *cluster, size_t node);
const char *store_cluster_dir(struct store_cluster *cluster, size_t node);

/* Stalls all relays to and from the node: what is sent is held, connections are
 * accepted and not passed on. heal delivers all that. */
void store_cluster_isolate(struct store_cluster *cluster, size_t node);
void store_cluster_heal(struct store_cluster *cluster);

/* Resets all relayed connections of the node; new ones are passed on. */
void store_cluster_reset(struct store_cluster *cluster, size_t node);

/* Runs the loop once, or for a while. */
void store_cluster_turn(struct store_cluster *cluster);
void store_cluster_run_ms(struct store_cluster *cluster, uint64_t ms);

/* A client's connection, past the relays. */
struct store_session;
struct store_session *store_session_open(struct store_cluster *cluster, size_t node);
void store_session_close(struct store_session *session);
void store_session_send(struct store_session *session, const char *bytes, size_t n);
void store_session_tell(struct store_session *session, const char *line);
/* The next answer as text: "+OK", ":3", "$text", "$-1", "-ERR ...", "[$a,:1]", or
 * "closed". Valid until the next call. */
const char *store_session_hear(struct store_session *session);
/* Whether an answer is there already. */
bool store_session_has_answer(struct store_session *session);

/* Sends an inline command to the node and returns its answer. */
const char *store_ask(struct store_cluster *cluster, size_t node, const char *line);

/* Asks again and again until the answer begins so. */
void store_await(struct store_cluster *cluster, size_t node, const char *line,
                 const char *answer);

/* A number that INFO gives. */
uint64_t store_info(struct store_cluster *cluster, size_t node, const char *key);
void store_await_info(struct store_cluster *cluster, size_t node, const char *key,
                      uint64_t value);
/* Waits until INFO has this line. */
void store_await_line(struct store_cluster *cluster, size_t node, const char *line);

#endif
