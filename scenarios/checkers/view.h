/* SPDX-License-Identifier: MIT */
/* A history arranged as checkers need it: by key, with what each read saw named by the
 * operations that wrote it. Built once, in time linear in the history. */
#ifndef NETSPLIT_SCENARIOS_CHECKERS_VIEW_H
#define NETSPLIT_SCENARIOS_CHECKERS_VIEW_H

#include "scenarios/history/history.h"
#include "scenarios/checkers/pair_map.h"

/* Operations are named by their index among the operations, in 32 bits. */
#define VIEW_NOBODY UINT32_MAX /* an element that nobody wrote */

struct view_list {
    uint32_t *items; /* owned by the view */
    size_t n;
};

struct view_key {
    int64_t key;
    bool is_list;            /* append and add; else a register */
    bool is_ordered;         /* append: the order of elements means something */
    struct view_list writes; /* in the order of their invocations */
    struct view_list reads;  /* ok reads, likewise; final reads and probes too */
};

/* What an ok read saw, in the order of its list; of a register at most one. */
struct view_seen {
    const uint32_t *writes; /* the view's; VIEW_NOBODY among them */
    size_t n;
};

struct view {
    struct view_key *keys; /* owned */
    size_t key_count;
    uint32_t *key_of;       /* owned; of each operation: index into keys */
    struct view_seen *seen; /* owned; of each operation; empty but for ok reads */
    uint32_t *seen_items;   /* owned; what seen points into */
    uint32_t *process_of; /* owned; of each operation: a dense number of its process */
    size_t process_count;
    uint32_t *completed; /* owned; operations that completed, in that order */
    size_t completed_count;
    size_t repeated; /* an operation that writes what its key was written before, or
                        SIZE_MAX: then nobody can say which write a read saw */
};

/* What a write writes: the integer, or what a cas puts. */
int64_t view_element(const struct operation *operation);

void view_build(const struct history *history, const struct operations *operations,
                struct view *out);
void view_free(struct view *view);

#endif
