/* SPDX-License-Identifier: MIT */
/* One record as one line of a file. */
#ifndef NETSPLIT_SCENARIOS_HISTORY_HISTORY_WRITE_H
#define NETSPLIT_SCENARIOS_HISTORY_HISTORY_WRITE_H

#include "scenarios/history/history.h"

#include <stdio.h>

/* Writes record index with its newline. Errors stick to the stream. */
void history_write_record(const struct history *history, size_t index,
                          enum history_format format, FILE *to);

#endif
