/* SPDX-License-Identifier: MIT */
/* What the files of the chain share: chain.c, chain_queue.c, chain_report.c, chain_run.c
 * and chain_update.c. Nobody else needs it. */
#ifndef NETSPLIT_RULES_CHAIN_CHAIN_STAGE_H
#define NETSPLIT_RULES_CHAIN_CHAIN_STAGE_H

#include "rules/chain/chain.h"

#include <stdalign.h>

enum mark_kind {
    MARK_DATA = 0,
    MARK_DEAD, /* data that was discarded: passes all stages at once, so that it leaves
                  the FIFO in its turn */
    MARK_FIN,
    MARK_RST,
};

/* One fault on one stream. May be moved in memory. */
struct chain_stage {
    const struct plan_rule *rule; /* borrowed from chain->plan */
    const struct fault *fault;
    const void *params;    /* likewise */
    struct bucket *bucket; /* shared; the paths', or NULL */
    struct rng_key key;
    uint64_t since_ns;        /* when the rule became active */
    uint64_t floor_ns;        /* nothing passes as if before: keeps the order */
    uint64_t counted_bytes;   /* offset below which all were counted as held; of the
                                 rule's first stage */
    bool touched;             /* the connection, since the stage is there */
    bool sealed;              /* lets nothing more through: the connection ends */
    struct chain_queue queue; /* what waits in front of it */
    alignas(8) unsigned char state[FAULT_STATE_BYTES];
};

/* What its functions get to see. */
struct fault_stream chain_stage_view(const struct chain *chain,
                                     struct chain_stage *stage);

/* Moves all that is due at now_ns from stage to stage. Returns when to come back. */
uint64_t chain_run_stages(struct chain *chain, uint64_t now_ns);

/* The mark at the head; the queue is not empty. */
struct chain_mark *chain_queue_head(struct chain_queue *queue);

/* Puts a mark at the end, joined with the last one where they cannot be told apart. If
 * there is no memory for it, the chain is broken. */
void chain_queue_push(struct chain *chain, struct chain_queue *queue,
                      struct chain_mark mark);

/* Takes n bytes of the head mark off, or the whole of it if it is an event. */
void chain_queue_pop(struct chain_queue *queue, uint64_t n);

void chain_queue_close(struct chain *chain, struct chain_queue *queue);

/* chain_report.c: tells the hooks what the rule did. *touched: the chain's note that it did before. */
void chain_report(struct chain *chain, const struct plan_rule *rule, bool *touched,
                  struct chain_touch touch);
void chain_report_decision(struct chain *chain, const struct chain_decision *decision);

#endif
