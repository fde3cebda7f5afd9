/* SPDX-License-Identifier: MIT */
/* Reads a whole file that a user wrote. */
#ifndef NETSPLIT_BASE_TEXT_FILE_H
#define NETSPLIT_BASE_TEXT_FILE_H

#include "rules/diag.h"

/* The file's text with a NUL behind it, owned by the caller; *length is without it.
 * NULL when it cannot be read, is longer than 16 MiB or holds a NUL byte: diag says
 * which. */
char *text_file_read(const char *path, size_t *length, struct diag *diag);

#endif
