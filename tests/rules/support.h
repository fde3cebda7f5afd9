/* SPDX-License-Identifier: MIT */
/* What the tests of rules/ share: reading texts, rendering what is wrong with them, and
 * an allocator that fails when told. */
#ifndef NETSPLIT_TESTS_RULES_SUPPORT_H
#define NETSPLIT_TESTS_RULES_SUPPORT_H

#include "rules/arena.h"
#include "rules/buffer.h"
#include "rules/diag.h"
#include "rules/language/parse.h"

/* The whole file, ended by a NUL; to be freed. Fails the test if it cannot be read. */
char *read_whole_file(const char *path, size_t *length);

/* All diagnostics of the text as a rule file called "t.yaml"; to be freed. "" if there
 * are none. */
char *diagnose(const char *text);

/* The text as a rule file, which must be right; to be destroyed. */
struct rules *parse_good(const char *text);

/* Asserts that the rule file's diagnostics hold the excerpt. */
#define expect_told(text, excerpt) expect_excerpt(diagnose(text), excerpt, __LINE__)
void expect_excerpt(char *told, const char *excerpt, int line);

/* Fails the nth allocation and all that follow; counts what is not released. */
struct failing_allocator {
    struct allocator allocator;
    size_t until_failure; /* allocations that still succeed */
    size_t n_live;        /* taken, not given back */
    size_t n_taken;
};
void failing_allocator_init(struct failing_allocator *failing, size_t until_failure);

/* A generator for tests whose seed is printed: xorshift64*. */
uint64_t draw(uint64_t *state);

#endif
