/* SPDX-License-Identifier: MIT */
/* Checkers: each judges a history from one side, fills the measures it can, and names
 * the operations that prove what it says. judge.h runs them. */
#ifndef NETSPLIT_SCENARIOS_CHECKERS_CHECKER_H
#define NETSPLIT_SCENARIOS_CHECKERS_CHECKER_H

#include "scenarios/checkers/view.h"
#include "scenarios/history/history.h"
#include "scenarios/checkers/measure.h"

/* Merged by the largest: invalid beats unknown beats valid. */
enum verdict { VERDICT_VALID = 0, VERDICT_UNKNOWN, VERDICT_INVALID };
const char *verdict_name(enum verdict verdict);

/* What became of an operation in the end. A figure paints each by it. */
enum fate {
    FATE_KEPT = 0,  /* a write that is there; a read that was fresh */
    FATE_FAILED,    /* it did not happen, and said so */
    FATE_LOST,      /* acknowledged, and in no node's final read */
    FATE_STALE,     /* a read that missed a write acknowledged before it began */
    FATE_UNKNOWN,   /* info: nobody was told; not seen in a final read */
    FATE_RECOVERED, /* info, and in a final read */
    FATE_GHOST,     /* fail, and yet in a read */
};
const char *fate_name(enum fate fate);

enum finding_kind {
    FINDING_LOST = 0,   /* operation: the write */
    FINDING_RECOVERED,  /* operation: the write; no harm, kept for the story */
    FINDING_GHOST,      /* operation: the write that failed; other: a read with it */
    FINDING_UNEXPECTED, /* operation: a read; element: nobody ever wrote it */
    FINDING_DUPLICATE,  /* operation: a read; element is in it count times */
    FINDING_ORDER,      /* operation, other: reads that order elements differently */
    FINDING_STALE,      /* operation: the read; other: the first write it missed */
    FINDING_READ_YOUR_WRITES,    /* operation: the read; other: the write it missed */
    FINDING_MONOTONIC_READS,     /* likewise */
    FINDING_MONOTONIC_WRITES,    /* likewise; or that it shows in the wrong order */
    FINDING_WRITES_FOLLOW_READS, /* likewise */
    FINDING_NOT_LINEARIZABLE,    /* operation: where no order can go on */
    FINDING_SPLIT_BRAIN,         /* at_ns + span_ns; node and other_node both accept */
    FINDING_NOT_CONVERGED,       /* operation: the last read that lacked element */
};
enum { FINDING_KINDS = FINDING_NOT_CONVERGED + 1 };
const char *finding_name(enum finding_kind kind); /* "lost", "stale-read" */

struct finding {
    enum finding_kind kind;
    size_t operation; /* index into the operations; SIZE_MAX = none */
    size_t other;     /* likewise */
    int64_t key, element;
    int16_t node, other_node; /* HISTORY_NO_NODE = none */
    uint64_t at_ns;           /* lost: acknowledged; else when it showed */
    uint64_t span_ns;         /* stale: by how long; split brain: how long */
    uint64_t count;           /* duplicate: appearances */
};

/* Findings in the order they were made. At most FINDING_LIMIT of a kind are kept;
 * total counts all. */
enum { FINDING_LIMIT = 1000 };
struct evidence {
    struct finding *items; /* owned */
    size_t n;
    uint64_t total[FINDING_KINDS];
    size_t kept[FINDING_KINDS];
};
void evidence_add(struct evidence *evidence, const struct finding *finding);
void evidence_free(struct evidence *evidence);

/* The node held for primary from a time on. */
struct check_primary {
    uint64_t from_ns;
    int node;
};

/* What checkers are given; all of it follows from the history (check_input_fill). */
struct check_input {
    const struct history *history;       /* borrowed */
    const struct operations *operations; /* borrowed */
    struct view *view;                   /* owned: the same, arranged by key */
    uint64_t fault_ns;  /* first fault in force; HISTORY_NEVER without one */
    uint64_t heal_ns;   /* last heal or undo; HISTORY_NEVER without one */
    uint64_t end_ns;    /* the processes were told to stop; else the last completion */
    uint64_t detect_ns; /* HISTORY_NEVER if nobody noticed */
    struct check_primary *primaries; /* owned: check_input_free() */
    size_t primary_count;
};
void check_input_fill(const struct history *history,
                      const struct operations *operations, struct check_input *out);
void check_input_free(struct check_input *input);
/* The primary when the first fault came, or HISTORY_NO_NODE. */
int check_old_primary(const struct check_input *input);
/* Before, during or after, by the time of the invocation. */
enum measure_window check_window(const struct check_input *input, uint64_t invoke_ns);

/* While a node accepts writes: from one acknowledged write to another one of the same
 * node as long as no two neighbours are further apart than CHECK_LANE_GAP_NS, nor the
 * node was made primary anew between them. */
#define CHECK_LANE_GAP_NS UINT64_C(500000000)
struct check_lane {
    int node;
    uint64_t from_ns, to_ns;
    uint64_t writes;
};
/* All lanes, in the order of their beginnings; *out is the caller's to free(). */
size_t check_lanes(const struct check_input *input, struct check_lane **out);

struct check_output {
    struct measures *measures; /* what this checker can tell */
    struct evidence *evidence;
    enum fate *fates; /* one an operation; those of checkers that ran before are set */
};

struct check_result {
    enum verdict verdict;
    char why[200]; /* one sentence; empty if valid and nothing needs saying */
};

struct checker {
    const char *name; /* "set" */
    const char *help; /* one sentence */
    /* Whether the history has what this judges; if not it is left out. */
    bool (*applies)(const struct check_input *input);
    struct check_result (*check)(const struct check_input *input,
                                 struct check_output *output);
};

/* All, in the order in which they run, from index 0; NULL behind the last. */
const struct checker *checker_at(size_t index);

#endif
