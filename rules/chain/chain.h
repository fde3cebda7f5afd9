/* SPDX-License-Identifier: MIT */
/* The faults on one stream, as a fold: what went in at the sender's side comes out at
 * the other as instructions to the data path.
 *
 * The bytes lie in one FIFO of the data path's; the chain only counts them. Each fault
 * is a stage with a queue of marks (so many bytes, arrived here then), and a stage is
 * asked about its head only: so a changed or removed fault acts at once on all that
 * waits, and nothing is drawn twice. A byte reaches the next stage at the very time
 * the stage before let it go, even if a timer fired late: stages add exactly.
 *
 *     socket -> chain_room, recv, chain_data -> chain_next -> send n of the FIFO's
 *     front -> chain_sent -> chain_next ... until CHAIN_IDLE: arm a timer for wake_ns
 *
 * Partitions (how: stall) are no stage but a gate at both ends: nothing is read, and
 * nothing leaves, whatever the stages do meanwhile. */
#ifndef NETSPLIT_RULES_CHAIN_CHAIN_H
#define NETSPLIT_RULES_CHAIN_CHAIN_H

#include "rules/plan/match.h"

struct chain;

/* What a rule did to a stream since the last call. */
struct chain_touch {
    uint64_t held_bytes;      /* that have to wait, each counted once a rule */
    uint64_t passed_bytes;    /* that waited and were let go by the rule's last fault */
    uint64_t discarded_bytes; /* thrown away */
    uint64_t sliced_bytes;    /* cut off from what they arrived with */
    uint64_t changed_bytes;   /* that have other bits now */
    bool first;               /* first touch of this connection since the rule became
                                 active; a fin that has to wait is one, without bytes */
    bool ended;               /* the rule ended the connection */
};

enum chain_decision_kind {
    DECISION_APPLIES = 0, /* the chance was drawn: outcome 1 or 0; only for rules with a
                             probability, once a connection */
    DECISION_DRAW,        /* a fault drew: outcome in the unit of fault->draws */
};

/* A decision for the journal: a function of seed, rule, connection and ordinal. */
struct chain_decision {
    enum chain_decision_kind kind;
    const struct plan_rule *rule;
    const struct fault *fault; /* NULL for DECISION_APPLIES */
    uint64_t ordinal;
    int64_t outcome;
};

/* Where a chain reports to; all may be NULL. Called from within the chain functions,
 * which they must not call. */
struct chain_hooks {
    void (*on_touch)(void *context, enum direction direction,
                     const struct plan_rule *rule, const struct chain_touch *touch);
    void (*on_decision)(void *context, enum direction direction,
                        const struct chain_decision *decision);

    /* The byte that lies so far behind the FIFO's front has these bits inverted, at
     * once. */
    void (*on_flip)(void *context, enum direction direction, uint64_t place,
                    uint8_t bits);
};

struct chain_config {
    struct match_connection connection;
    enum direction direction;
    uint64_t hold_bytes;               /* the proxy's default for a stream: 8 MiB */
    const struct chain_hooks *hooks;   /* borrowed for the chain's life; NULL = none */
    void *context;                     /* of the hooks */
    const struct chain *other;         /* the connection's other chain, or NULL */
    const struct allocator *allocator; /* NULL = malloc */
};

/* So many bytes, or an event, that came to a queue at that time. Private. */
struct chain_mark {
    uint64_t bytes; /* 0 for fin and rst */
    uint64_t arrival_ns;
    uint8_t kind; /* enum mark_kind */
    bool alone;   /* a write of its own: not to be joined with others */
};

enum { CHAIN_INLINE_MARKS = 3 };

/* Marks in the order of the stream, a ring. Private. */
struct chain_queue {
    struct chain_mark *marks; /* owned; NULL: `few` is used */
    uint32_t capacity;        /* of marks; 0 while `few` is used */
    uint32_t head, n;
    uint64_t bytes; /* sum of the marks' */
    struct chain_mark few[CHAIN_INLINE_MARKS];
};

struct chain_stage; /* private */

/* To be embedded; fields are private. */
struct chain {
    struct chain_config config;
    struct plan *plan;          /* a reference; NULL: no faults yet */
    struct chain_stage *stages; /* owned: n_stages of them, in order */
    size_t n_stages;
    struct chain_queue ready;        /* behind the last stage: may go out */
    const struct plan_rule *gate;    /* a partition that stalls; NULL: open */
    const struct plan_rule *cut;     /* a partition that resets; NULL: none */
    struct plan *left_plan;          /* a reference, for left_by */
    const struct plan_rule *left_by; /* a rule that went and left a hole; NULL: none */
    uint64_t taken_bytes;            /* that came in: the offset of the next byte */
    uint64_t fifo_bytes;             /* of them still in the FIFO */
    uint64_t updated_ns;
    uint64_t hold_bytes;
    uint64_t unread_bytes; /* waiting in the sender's socket, as far as told */
    uint64_t gated_bytes;  /* counted as held by the gate */
    bool gate_touched;
    bool is_broken; /* memory for a mark ran out */
    bool end_told;  /* the end was reported as a touch */
};

/* A chain without faults. It holds nothing until chain_update. Never fails. */
void chain_init(struct chain *chain, const struct chain_config *config);

/* Frees what it holds; counts nothing more. A closed chain may be closed again. */
void chain_close(struct chain *chain);

/* Puts the faults on the stream that are in force at now_ns: after chain_init, after
 * each change of plan, and at each edge of a window (plan_next_edge). A fault whose
 * rule goes on keeps its state, also if only its params changed; what a fault that
 * went was holding is at once at the next one that stays; a new fault acts on what
 * reaches its place from then on. match NULL: no faults. Call chain_next afterwards.
 * Returns 0, or -ENOMEM and then the faults are as they were. */
int chain_update(struct chain *chain, const struct match *match, uint64_t now_ns);

/* How many bytes may be read from the sender now: 0 while a partition stalls or the
 * stream holds all it may; SIZE_MAX if there is no fault, and then the data path's own
 * limit holds. What a stream holds are its bytes in the FIFO and 24 bytes for each mark
 * beyond a few, so that a flood of tiny chunks costs no more memory than its budget. */
size_t chain_room(const struct chain *chain);

/* A fault that is there to keep bytes waiting keeps all that it may: the sender feels
 * it. Not so under a partition, and where a rate's short queue is full. */
bool chain_is_full(const struct chain *chain);

/* What came from the sender, in order; n bytes (at least 1) were put into the FIFO. n
 * beyond chain_room is allowed. They cannot fail: when memory for a mark runs out,
 * chain_next answers CHAIN_RESET without a rule. At most one fin and one rst, and
 * nothing after an rst. */
void chain_data(struct chain *chain, size_t n, uint64_t now_ns);
void chain_fin(struct chain *chain, uint64_t now_ns);
void chain_rst(struct chain *chain, uint64_t now_ns);

/* n bytes went past the chain, which must be transparent: it only counts them. */
void chain_bypass(struct chain *chain, size_t n);

/* So many bytes wait unread in the sender's socket (FIONREAD): while a partition
 * stalls the stream they count as held by it, each once. Otherwise nothing happens. */
void chain_unread(struct chain *chain, size_t bytes);

enum chain_verb {
    CHAIN_IDLE = 0, /* nothing to do before wake_ns */
    CHAIN_SEND,     /* write `bytes` of the FIFO's front, then chain_sent with what the
                       socket took; a write of its own, not joined with the next */
    CHAIN_DISCARD,  /* throw `bytes` of the FIFO's front away, then chain_sent */
    CHAIN_FIN,      /* pass the FIN on, then chain_sent with 0 */
    CHAIN_RST,      /* pass the RST on, then chain_sent with 0 */
    CHAIN_RESET,    /* `rule` ends the connection: RST to both sides */
    CHAIN_CLOSE,    /* `rule` ends the connection: FIN to both sides */
};

struct chain_action {
    enum chain_verb verb;
    uint64_t bytes;   /* of CHAIN_SEND and CHAIN_DISCARD; at least 1 */
    uint64_t wake_ns; /* with every verb: call chain_next again then, even if the
                         action could not be carried out; FAULT_NEVER: no need */
    const struct plan_rule *rule; /* of CHAIN_RESET and CHAIN_CLOSE; NULL: no memory */
};

/* Moves all that is due at now_ns through the stages, and says what to do at the far
 * end. Asking again without chain_sent gives the same action, or one for more bytes.
 * now_ns must not run backwards. */
struct chain_action chain_next(struct chain *chain, uint64_t now_ns);

/* The action of chain_next was carried out: for n of its bytes (0..bytes), or, with 0,
 * the FIN or RST was passed on. */
void chain_sent(struct chain *chain, enum chain_verb verb, size_t n);

/* No fault on it and nothing in it: the data path may go past it (chain_bypass). */
bool chain_is_transparent(const struct chain *chain);

/* A fault on it changes bytes: what comes in had better lie in memory. */
bool chain_changes_bytes(const struct chain *chain);

/* Neither bytes nor fin nor rst wait in it. */
bool chain_is_empty(const struct chain *chain);

/* The rule that keeps bytes from being read or sent at all, or NULL. */
const struct plan_rule *chain_gate(const struct chain *chain);

const char *direction_name(enum direction direction); /* "to_server", "to_client" */

#endif
