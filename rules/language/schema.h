/* SPDX-License-Identifier: MIT */
/* The JSON Schema of rule files, printed from the tables they are read by: what an
 * editor needs to complete and check them while they are written. */
#ifndef NETSPLIT_RULES_LANGUAGE_SCHEMA_H
#define NETSPLIT_RULES_LANGUAGE_SCHEMA_H

struct buffer;

/* Appends the schema (draft 07) as JSON text. It says less than a parse checks: names,
 * and what fits together, are not in it. */
void schema_write(struct buffer *out);

#endif
