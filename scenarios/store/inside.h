/* SPDX-License-Identifier: MIT */
/* The inside of a node, shared by the files that together are one: node.c (life, the
 * step), role.c (terms and roles), client.c and command.c (clients), follower.c (what a
 * replica is told), peer.c (what a primary tells), promote.c (PROMOTE), info.c.
 *
 * Between nodes travel commands too, in both directions of a connection that the
 * primary, or a node being promoted, opens:
 *
 *   opener                                    acceptor
 *   REPLHELLO name mode term             ->
 *                                        <-   REPLSTATE term last-index last-term
 *   REPLAPPEND term index index's-term committed records   ->   (records after index)
 *                                        <-   REPLACK term index   has all up to index
 *                                        <-   REPLNACK term index  try from there
 *   REPLPROMISE term                     ->
 *                                        <-   REPLSTATE: its log will not grow any more
 *   REPLFETCH index index's-term         ->
 *                                        <-   REPLRECORDS index records, or REPLNACK
 *
 * A message with a term that is too old is answered with REPLSTATE; a higher term,
 * heard anywhere, is obeyed. */
#ifndef NETSPLIT_STORE_INSIDE_H
#define NETSPLIT_STORE_INSIDE_H

#include "scenarios/store/channel.h"
#include "scenarios/store/defect.h"
#include "scenarios/store/meta.h"
#include "scenarios/store/node.h"
#include "scenarios/store/state.h"
#include "scenarios/store/wal.h"

#include <sys/queue.h>

/* Bytes of records in one message between nodes, unless one record is longer: small, so
 * that acknowledgements keep coming on a slow link. */
enum { STORE_CHUNK_BYTES = 16 * 1024 };

enum store_role {
    STORE_REPLICA = 0,
    STORE_CANDIDATE, /* a replica that PROMOTE is at work on */
    STORE_PRIMARY,
};

/* A connection that somebody opened to us. It outlives its socket until its last write
 * is answered, so that pending writes may point to it. */
struct store_client {
    struct store_channel channel; /* first: the events' pointers are cast */
    struct store_node *node;      /* borrowed */
    LIST_ENTRY(store_client) entry;
    TAILQ_ENTRY(store_client) touch; /* in node->touched while touched */
    size_t pending;                  /* writes that wait for acknowledgement */
    int peer;       /* rank of the node that said REPLHELLO; -1: client */
    bool touched;   /* has new answers: resume it in this step */
    bool promoting; /* waits for the answer to PROMOTE */
    bool owes_ack;  /* a replica's, after the next flush */
    bool gone;      /* its socket is closed */
};

/* A write of a client, in the log but not acknowledged. */
struct store_pending {
    STAILQ_ENTRY(store_pending) entry;
    uint64_t index;
    struct store_client *client; /* borrowed; counted in its pending */
};

enum store_peer_state {
    STORE_PEER_IDLE = 0,   /* no connection; the next attempt is due at retry_at_ns */
    STORE_PEER_CONNECTING, /* connect() and REPLHELLO are on their way */
    STORE_PEER_READY,      /* REPLSTATE came */
};

struct store_wire; /* the connection to a peer, peer.c */

struct store_peer {
    struct store_node *node; /* borrowed */
    size_t rank;
    char name[STORE_NAME_MAX_BYTES];
    struct sockaddr_storage address;
    enum store_peer_state state;
    struct store_wire *wire; /* owned until it is closed; NULL when idle */
    uint64_t retry_at_ns;    /* next attempt while idle */
    uint64_t backoff_ns;     /* the wait after the next failure */
    uint64_t heard_at_ns;    /* the last message, or when the attempt began */
    uint64_t sent_at_ns;     /* the last REPLAPPEND */
    uint64_t next_index;     /* of the next record to send */
    uint64_t acked_index;    /* it has our log up to here, durably */
    uint64_t announced;      /* the committed index it was told last */
    bool probing;            /* searching where the logs agree: one message at a time */
    bool probe_sent;         /* and that message is on its way */
    uint64_t said_term;      /* REPLSTATE, of this connection */
    uint64_t said_last_index;
    uint64_t said_last_term;
};

/* Who counted as a member from a record on; the latest entry is in force. */
struct store_members {
    uint64_t index;
    bool member[STORE_NODES_MAX]; /* by rank */
};

enum store_promotion_phase {
    STORE_PROMOTION_NONE = 0,
    STORE_PROMOTION_ASKING,    /* who answers? changes nothing anywhere */
    STORE_PROMOTION_PROMISING, /* a majority promises to obey no lower term */
    STORE_PROMOTION_FETCHING,  /* the longest log of those is taken over */
};

struct store_promotion {
    enum store_promotion_phase phase;
    bool without[STORE_NODES_MAX]; /* by rank: to be no member in the new term */
    uint64_t term;                 /* the one promised */
    uint64_t phase_since_ns;
    uint64_t deadline_ns;
    size_t source;              /* rank of the longest log, while fetching */
    uint64_t source_last_index; /* where that log ends */
};

struct store_node {
    struct store_config config; /* texts owned */
    uv_loop_t *loop;            /* borrowed */
    uv_tcp_t listener;
    uv_timer_t tick;  /* heartbeats, reconnects, deadlines */
    uv_check_t check; /* after each turn's input: the step */
    size_t handles;   /* of this node on the loop; freed at 0 */
    bool closing;

    size_t n;    /* nodes of the cluster, ranked by name */
    size_t self; /* our rank; peers[self] has a name only */
    struct store_peer peers[STORE_NODES_MAX];

    enum store_role role;
    struct store_meta meta; /* as on disk */
    struct store_wal wal;
    struct store_state *state; /* owned; what the log did up to applied */
    uint64_t start_index;      /* primary: the first record of its term */
    uint64_t committed;        /* primary: acknowledged up to here */
    uint64_t verified;         /* replica: our log is the primary's up to here */
    uint64_t heard_committed;  /* replica: what the primary said of this term */
    uint64_t applied;
    bool loading;                  /* reads are refused, see -LOADING */
    struct store_members *members; /* owned; a stack, the oldest is everybody at 0 */
    size_t n_members;

    LIST_HEAD(store_client_list, store_client) clients;
    TAILQ_HEAD(store_client_queue, store_client) touched;
    STAILQ_HEAD(store_pending_queue, store_pending) pending;
    size_t n_clients, n_pending;
    struct store_client *feeder; /* borrowed: the primary's connection to us, or NULL */
    struct store_promotion promotion;

    uint64_t started_at_ns, synced_at_ns;
    uint64_t discarded_writes;   /* removed from our log, since the start */
    uint64_t cut_bytes;          /* torn off the log at the start */
    uint64_t released_at_ns;     /* defect stale-reads: when data was last applied */
    uint64_t writes;             /* defect drop-writes */
    struct store_buffer held;    /* defect apply-out-of-order */
    struct store_buffer scratch; /* records being read, one user at a time */
};

/* node.c */
bool store_node_has(const struct store_node *node, enum store_defect defect);
void store_node_fail(struct store_node *node, int error, const char *doing);
void store_node_step(struct store_node *node);  /* never from within a step */
bool store_node_flush(struct store_node *node); /* false: failed, the node stops */
void store_node_forget_handle(struct store_node *node);

/* apply.c: from the log to the data. */
uint64_t store_apply_target(const struct store_node *node);
void store_apply(struct store_node *node, uint64_t target);
void store_apply_held(struct store_node *node);       /* defect apply-out-of-order */
void store_apply_last_again(struct store_node *node); /* defect apply-twice */
void store_apply_truncate(struct store_node *node, uint64_t kept);
/* Takes records that follow ours at *index, which becomes the last one's. Returns
 * -EBADMSG when they do not, or are damaged. */
int store_apply_records(struct store_node *node, struct store_slice records,
                        uint64_t *index);
/* Reads what is in the log at the start: members, and in async mode the data. */
void store_apply_restart(struct store_node *node);

/* role.c */
const char *store_role_primary_name(const struct store_node *node); /* "?" = unknown */
void store_role_hear(struct store_node *node, uint64_t term);
void store_role_lead(struct store_node *node, uint64_t term, const bool *without);
void store_role_set_term(struct store_node *node, uint64_t term, bool primary);
const bool *store_role_members(const struct store_node *node);
void store_role_exclude(struct store_node *node, const bool *without);
void store_role_advance(struct store_node *node); /* commits; readmits members */
/* The log got a record, or lost all behind kept: keeps the stack of members in step. */
void store_role_on_record(struct store_node *node, uint64_t index,
                          const struct store_command *command);
void store_role_on_truncate(struct store_node *node, uint64_t kept);

/* client.c */
void store_client_accept(struct store_node *node);
void store_client_touch(struct store_client *client);
void store_client_settle(struct store_node *node); /* resumes those touched */
void store_client_close_all(struct store_node *node);
void store_client_add_pending(struct store_client *client, uint64_t index);
/* Answers the first pending write; only when it waits for index. */
struct store_buffer *store_client_answer(struct store_node *node, uint64_t index);
void store_client_fail_pending(struct store_node *node, const char *error);

/* command.c */
enum store_verdict store_command_run(struct store_client *client,
                                     const struct store_command *command);

/* info.c */
void store_info_write(const struct store_node *node, struct store_buffer *text);
void store_info_role(const struct store_node *node, struct store_buffer *reply);

/* follower.c: commands of other nodes; CLOSE when they make no sense. */
enum store_verdict store_follower_hello(struct store_client *client,
                                        const struct store_command *command);
enum store_verdict store_follower_append(struct store_client *client,
                                         const struct store_command *command);
enum store_verdict store_follower_promise(struct store_client *client,
                                          const struct store_command *command);
enum store_verdict store_follower_fetch(struct store_client *client,
                                        const struct store_command *command);
void store_follower_acknowledge(struct store_node *node);

/* peer.c */
void store_peer_start(struct store_peer *peer); /* connect now, unless it is */
void store_peer_lead(struct store_peer *peer);  /* we are primary: stream to it */
void store_peer_stop(struct store_peer *peer);
void store_peer_tick(struct store_peer *peer);
void store_peer_pump(struct store_peer *peer);
void store_peer_send_promise(struct store_peer *peer, uint64_t term);
void store_peer_send_fetch(struct store_peer *peer, uint64_t index);

/* promote.c */
void store_promote_begin(struct store_node *node, const bool *without, bool force);
void store_promote_step(struct store_node *node);
void store_promote_abort(struct store_node *node, const char *error);
void store_promote_on_records(struct store_peer *peer, uint64_t prev_index,
                              struct store_slice records);
void store_promote_on_mismatch(struct store_peer *peer, uint64_t index);

#endif
