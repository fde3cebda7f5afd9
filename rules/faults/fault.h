/* SPDX-License-Identifier: MIT */
/* The fault catalogue: one row a fault, in the order in which a chunk passes them, and
 * what a fault may do to a connection attempt and to a stream.
 *
 * A fault is pure: what it answers is a function of its params, its state (of one
 * stream), the time and keyed draws. It sees the number of bytes, never the bytes, so
 * that these may stay in a buffer or a pipe that only the data path knows; where it
 * changes one it says which bits. */
#ifndef NETSPLIT_RULES_FAULTS_FAULT_H
#define NETSPLIT_RULES_FAULTS_FAULT_H

#include "rules/field.h"
#include "rules/rng.h"

#define FAULT_NEVER      UINT64_MAX               /* a time that does not come */
#define FAULT_LONGEST_NS UINT64_C(86400000000000) /* a day: limit of durations */

/* The two streams of a connection. */
enum direction {
    TO_SERVER = 0,
    TO_CLIENT,
};

enum chunk_kind {
    CHUNK_DATA = 0,
    CHUNK_FIN, /* the sender will send no more; length 0, behind all its data */
    CHUNK_RST, /* the sender has reset its connection; length 0 */
};

enum {
    FAULT_STATE_BYTES = 48,
    FAULT_QUEUE_BYTES = 64 * 1024,
};

/* What lies at the head of a stage. */
struct chunk {
    enum chunk_kind kind;
    uint64_t offset;     /* of its first byte in the stream */
    uint64_t length;     /* bytes; at least 1 for data */
    uint64_t arrival_ns; /* when it reached this stage */
};

enum fault_verb {
    FAULT_PASS = 0, /* `bytes` of the head left for the next stage at `at_ns` */
    FAULT_HOLD,     /* the head waits until `at_ns`, or FAULT_NEVER: until a change */
    FAULT_DISCARD,  /* `bytes` of the head are thrown away */
};

/* A step's answer. at_ns of a pass may lie before now: a timer that fires late makes
 * no delay longer, and what a stage takes late reaches the next one in time. */
struct fault_answer {
    enum fault_verb verb;
    uint64_t bytes; /* 1..length for data, or 0 if `ends`; 0 for fin and rst */
    uint64_t at_ns; /* pass: arrival..now */
    bool alone;     /* pass: goes out as one write, not joined with what follows */
    uint8_t flips;  /* pass: these bits of the last of these bytes are inverted */
    bool ends;      /* pass: the connection ends behind these bytes, as fault->ends */
    bool drew;      /* a draw was made for this answer; for the journal: */
    uint64_t draw_ordinal;
    int64_t draw_outcome; /* in the unit of the fault, see its row's `draws` */
};

struct bucket;

/* What a fault may know of the stream that it sits on. */
struct fault_stream {
    const void *params;    /* the rule's; borrowed from the plan */
    void *state;           /* fault->state_bytes, zeroes at first; of this stream */
    struct bucket *bucket; /* of the link, if fault->shares(params); else NULL */
    struct rng_key key;    /* seed, rule, opener, server, connection, direction */
    uint64_t opened_ns;    /* when the connection was opened */
    uint64_t since_ns;     /* when the rule last became active */
};

enum fault_ends {
    FAULT_ENDS_NOTHING = 0,
    FAULT_ENDS_BY_RESET, /* RST to both sides */
    FAULT_ENDS_BY_CLOSE, /* FIN to both sides */
};

/* What becomes of a connection attempt; the strongest of several rules holds. */
enum admit_verb {
    ADMIT_ACCEPT = 0,
    ADMIT_HOLD,   /* accepted by the kernel; the server is not dialled for now */
    ADMIT_IGNORE, /* not answered; one that was accepted already is held */
    ADMIT_RESET,  /* accepted, then RST */
    ADMIT_REFUSE, /* ECONNREFUSED */
};

/* One row. All functions may be NULL: the fault has nothing to say there. */
struct fault {
    const char *name;           /* "delay" */
    const char *help;           /* one sentence, no full stop */
    const struct field *fields; /* its keys of inject, stored into its params; the first
                                   one switches it on, the others need it */
    size_t params_bytes;        /* size of its params */
    const char *(*check)(const void *params); /* what is wrong between the fields, or
                                                 NULL; the function may be NULL */
    const char *fidelity; /* how near it is to the real thing; one sentence, likewise */
    const char *draws;  /* the unit of its draws' outcomes: "ns"; NULL: draws nothing */
    size_t state_bytes; /* of one stream; 0: needs none */
    enum fault_ends ends; /* what the end is that `due` and `step` speak of */

    /* What becomes of an attempt made at attempted_ns; ADMIT_HOLD and ADMIT_IGNORE with
     * *until_ns. */
    enum admit_verb (*admit)(const void *params, uint64_t attempted_ns, uint64_t now_ns,
                             uint64_t *until_ns);

    /* Asked for the head of the stage whenever something may have changed: a new head,
     * the time of a hold, another plan. May be asked any number of times about one
     * head; only the last answer counts. */
    struct fault_answer (*step)(const struct fault_stream *stream, uint64_t now_ns,
                                const struct chunk *chunk);

    /* When the connection ends by this fault, whatever its streams do; or FAULT_NEVER.
     */
    uint64_t (*due)(const struct fault_stream *stream);

    /* Taken off a live stream: true if the connection must be reset for it, because
     * bytes are missing. What the stage holds goes on to the next one at once. */
    bool (*leave)(const struct fault_stream *stream);

    /* One side of the connection vanishes, while a rule with it is in force for either
     * link: the receiver of that stream. */
    enum direction (*gone)(const void *params);

    /* True if all streams of a link share one bucket. */
    bool (*shares)(const void *params);

    /* How many bytes may wait in front of it where the rule does not say (`hold`), but
     * no more than the proxy's default for a stream. NULL: that default if it keeps,
     * else FAULT_QUEUE_BYTES. */
    uint64_t (*hold)(const void *params);
    bool in_kernel; /* done to packets by the kernel; all functions above are NULL */

    /* Of those in the kernel: the fault of streams that stands for it where the kernel
     * cannot, and how to make the one's params of the other's. */
    const char *model;
    void (*to_model)(const void *params, void *model_params);

    bool changes; /* it changes bytes, which must then lie in memory */
    bool keeps;   /* it is there to keep bytes waiting: the path is long, or cut */
};

/* The rows, ended by NULL, in the order of one inject; those of attempts first, those
 * that end connections last of those that streams pass, those in the kernel behind. The
 * key `hold` is not among them: it is the stream's budget and belongs to the rule
 * (rule_hold_field). */
const struct fault *const *fault_catalogue(void);

/* The row of the name, or NULL. */
const struct fault *fault_find(const char *name);

/* What several streams of a link share, whichever thread they are in; zeroes at first.
 */
struct bucket {
    _Atomic uint64_t free_ns; /* when the link has carried all that was let in so far */
    _Atomic uint64_t bytes_per_s; /* the rate that free_ns was computed with; 0: unused;
                                     UINT64_MAX: is being changed */
};

/* The params of each row. */

enum distribution {
    DISTRIBUTION_UNIFORM = 0,
    DISTRIBUTION_NORMAL,
    DISTRIBUTION_PARETO,
    DISTRIBUTION_PARETONORMAL,
};

enum rate_scope {
    RATE_SCOPE_CONNECTION = 0,
    RATE_SCOPE_LINK,
};

struct accept_delay_params {
    uint64_t delay_ns;
};

struct corrupt_params {
    uint32_t per_byte_ppm; /* 0..1e6 */
};

struct slice_params {
    uint64_t size_bytes; /* 1.. */
    uint64_t gap_ns;
};

struct delay_params {
    uint64_t delay_ns;
    uint64_t jitter_ns; /* 0 = none */
    enum distribution distribution;
    uint32_t correlation_ppm; /* 0..1e6 */
};

struct loss_params {
    uint32_t loss_ppm; /* 0..1e6 */
};

/* Of packets, in the kernel: the chain does nothing for them. */
struct packet_loss_params {
    uint32_t loss_ppm; /* 0..1e6 */
};

struct packet_rate_params {
    uint64_t bytes_per_s; /* 1.. */
    uint64_t burst_bytes; /* 0: of 10 ms, at least one packet of 64 KiB */
};

struct packet_delay_params {
    uint64_t delay_ns;
    uint64_t jitter_ns; /* 0 = none */
};

struct rate_params {
    uint64_t bytes_per_s; /* 1.. */
    uint64_t burst_bytes; /* 1.. */
    enum rate_scope scope;
};

/* stall, discard, refuse, unanswered. */
struct switch_params {
    bool on;
};

struct half_open_params {
    enum direction gone;
};

/* reset, close. */
struct end_params {
    struct field_after after;
};

#endif
