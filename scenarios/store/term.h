/* SPDX-License-Identifier: MIT */
/* Terms: numbers that only grow, one primary each. A node obeys the highest it has
 * heard of, which fences an old primary.
 *
 * Operators promote, and an asynchronous promotion asks nobody, so two nodes might
 * choose at the same time: terms are therefore unique by construction. The thousands
 * count promotions, and promotion k belongs to the node whose rank is (k - 1) modulo
 * the size of the cluster (rank: place of its name in the sorted list). The last three
 * digits count restarts of that primary within its promotion, so that a primary which
 * lost the end of its log in a power failure never writes a second record with an
 * (index, term) that replicas already hold.
 *
 * In a cluster of three n1 leads in 1000, restarted 1001; n2 is promoted to 2000; n1
 * again to 4000. */
#ifndef NETSPLIT_STORE_TERM_H
#define NETSPLIT_STORE_TERM_H

#include <stddef.h>
#include <stdint.h>

enum { STORE_TERM_SPAN = 1000 };

/* The lowest term above known that a node of the rank may take by promotion. */
uint64_t store_term_promote(uint64_t known, size_t rank, size_t cluster_size);

/* The term a primary takes when it restarts; 0 when none is left in its promotion. */
uint64_t store_term_restart(uint64_t term);

/* The rank of the node a term belongs to. term > 0. */
size_t store_term_owner(uint64_t term, size_t cluster_size);

#endif
