/* SPDX-License-Identifier: MIT */
/* The kinds of text that `netsplit check` judges: one row of a table in cmd_check.c and
 * one function each. */
#ifndef NETSPLIT_SCENARIOS_CHECK_H
#define NETSPLIT_SCENARIOS_CHECK_H

#include <stddef.h>

struct diag;

/* Tells all that is wrong with the text in diag. If nothing is, fills summary with what
 * it holds ("3 nodes, 2 paths, 4 rules"), at most summary_bytes with the NUL. */
typedef void (*check_fn)(const char *name, const char *text, size_t length,
                         struct diag *diag, char *summary, size_t summary_bytes);

#endif
