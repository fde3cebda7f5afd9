/* SPDX-License-Identifier: MIT */
/* README.md as far as it shows things that can be tried: its code, by the rules of
 * CommonMark that it uses (blocks are indented by four spaces, spans stand between
 * single backticks and may go over the end of a line). */
#ifndef NETSPLIT_TESTS_README_H
#define NETSPLIT_TESTS_README_H

#include <stdbool.h>
#include <stddef.h>

enum readme_kind { README_BLOCK = 0, README_SPAN };

struct readme_code {
    enum readme_kind kind;
    char *text; /* owned: a block's lines without the indent, or the span as one line */
    unsigned line; /* of the file, where it begins; from 1 */
};

struct readme {
    struct readme_code *items; /* owned, in the file's order */
    size_t n, capacity;
};

/* Reads README.md of the working directory; the test fails if it cannot. */
void readme_load(struct readme *readme);
void readme_close(struct readme *readme);

enum { README_WORDS = 32 };

/* A call of the program that is shown: what stands behind `netsplit`, up to the end of
 * the command. Quotes stay. */
struct readme_command {
    char *words[README_WORDS]; /* owned */
    size_t n;
    unsigned line;
};

typedef void (*readme_command_fn)(const struct readme_command *command);

/* Calls it for each call of the program in blocks and spans, and returns how many. */
size_t readme_each_command(const struct readme *readme, readme_command_fn found);

#endif
