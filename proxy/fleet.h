/* SPDX-License-Identifier: MIT */
/* The threads of one proxy. Each runs a loop with a shard: an instance of its own, with
 * its own listening sockets and connections, that shares nothing on the data path. The
 * first shard, the front, runs on the caller's loop; it has the rules, and whoever asks
 * or changes anything asks the front, which freezes the others meanwhile.
 *
 * A proxy with one thread has no fleet: what takes one takes NULL for that. */
#ifndef NETSPLIT_PROXY_FLEET_H
#define NETSPLIT_PROXY_FLEET_H

#include <stddef.h>

struct counters;
struct fleet;
struct journal;
struct proxy;
struct proxy_config;

/* What the threads do with a shard. */
struct fleet_work {
    /* One beside the front, for another loop. As proxy_create. */
    int (*create)(const struct proxy_config *config, struct proxy *front,
                  struct proxy **out);
    void (*run)(struct proxy *shard); /* until it is destroyed */
    void (*destroy)(struct proxy *shard);
};

/* Makes the other shards of a front that has just been made, as many as its config
 * says, and starts their threads. The front's journal becomes a branch, and its
 * on_stopped is called when all shards have stopped. work is borrowed for the fleet's
 * life. 0; or -ENOMEM, or what the system
 * says (-EAGAIN, -EMFILE), and then nothing is left. */
int fleet_create(struct fleet **out, struct proxy *front,
                 const struct fleet_work *work);

/* Ends the threads and frees the other shards, as proxy_destroy would. NULL is fine. A
 * host name that is still being looked up is waited for. */
void fleet_destroy(struct fleet *fleet);

/* The shards of a front: [0] is the front itself. */
size_t fleet_size(const struct proxy *front);
struct proxy *fleet_shard(const struct proxy *front, size_t i);

/* Called by the front's thread. From freeze to thaw every other thread stands between
 * two turns of its loop: all shards may be read and changed as if they were on this
 * loop. May be nested. */
void fleet_freeze(struct fleet *fleet);
void fleet_thaw(struct fleet *fleet);

/* The one that the config named. */
struct journal *fleet_journal(const struct fleet *fleet);

/* What all shards have counted by now, but for the connections: good until the next
 * call. NULL: no memory. */
struct counters *fleet_counters(struct fleet *fleet);

#endif
