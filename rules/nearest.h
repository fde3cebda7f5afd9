/* SPDX-License-Identifier: MIT */
/* "Did you mean": the known word nearest to one that was misspelt. */
#ifndef NETSPLIT_RULES_NEAREST_H
#define NETSPLIT_RULES_NEAREST_H

#include <stddef.h>

/* The word of words[0..n-1] with the smallest optimal string alignment distance
 * (insert, delete, replace, swap of neighbours) to word, if that is at most a third of
 * word's length, rounded up, and something of the word is left; the first of equals.
 * NULL if none is near. Borrowed from words; its entries may be NULL and are then
 * passed over. */
const char *nearest_word(const char *word, const char *const *words, size_t n);

#endif
