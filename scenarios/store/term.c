/* SPDX-License-Identifier: MIT */
#include "scenarios/store/term.h"

uint64_t store_term_promote(uint64_t known, size_t rank, size_t cluster_size)
{
    uint64_t promotion = known / STORE_TERM_SPAN + 1;
    while ((promotion - 1) % cluster_size != rank)
        promotion++;
    return promotion * STORE_TERM_SPAN;
}

uint64_t store_term_restart(uint64_t term)
{
    return (term + 1) % STORE_TERM_SPAN == 0 ? 0 : term + 1;
}

size_t store_term_owner(uint64_t term, size_t cluster_size)
{
    return (size_t)((term / STORE_TERM_SPAN - 1) % cluster_size);
}
