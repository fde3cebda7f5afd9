/* SPDX-License-Identifier: MIT */
/* Rows of text in aligned columns, for people. */
#ifndef NETSPLIT_BASE_TABLE_H
#define NETSPLIT_BASE_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

enum { TABLE_COLUMNS_MAX = 16 };

struct table {
    size_t columns;
    bool right[TABLE_COLUMNS_MAX]; /* numbers: aligned at their ends */
    char **cells;                  /* owned, row after row; the first row is the head */
    size_t n, capacity;
};

/* Heads of columns, up to a NULL. One that begins with ">" is a column of numbers. */
void table_init(struct table *table, const char *const *heads);

/* Adds one cell, from left to right, then in the next row. The text is copied, with
 * what would move the cursor (control characters) as "?". Aborts without memory. */
void table_add(struct table *table, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Prints the rows, indented by two blanks, and the head in bold if colour; nothing if
 * there is only a head. Frees the cells. */
void table_print(struct table *table, FILE *to, bool colour);

#endif
