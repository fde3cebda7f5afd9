/* SPDX-License-Identifier: MIT */
/* What the rules of a file did to those who used the proxy: for each whether it was
 * felt, and a sentence that says so, or why not. A suite whose faults touched nothing
 * has tested nothing, however green it is. */
#ifndef NETSPLIT_PROXY_FELT_H
#define NETSPLIT_PROXY_FELT_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

struct plan;

struct felt_rule {
    const char *name;   /* the plan's */
    bool touched;       /* it did anything at all */
    bool uncounted;     /* it may have, where nothing counts it; touched is false */
    char sentence[384]; /* "0 bytes in 41 connections: this suite tests nothing" */
};

struct felt {
    struct felt_rule *rules; /* owned: one a rule, in file order */
    size_t n;
    size_t n_silent; /* those that touched nothing, which is known */
};

/* Compiles the text of a rule file for felt_judge: as the proxy with that seed did, for
 * a kernel that can do everything. NULL if it is none, or without memory. */
struct plan *felt_plan(const char *name, const char *text, uint64_t seed);

/* Judges the rules of the plan (which must outlive *out) by the answer to GET /v1/status
 * after so long. Aborts without memory. */
void felt_judge(const struct plan *plan, const json_t *status, uint64_t took_ns,
                struct felt *out);

/* Frees what it owns. */
void felt_close(struct felt *felt);

/* What was run, for the report. */
struct felt_command {
    const char *suite; /* the rule file */
    const char *words; /* the command line */
    const char
        *trouble; /* why the run counts as failed by itself; NULL: it went well */
    uint64_t took_ns;
};

/* Writes JUnit's XML: one test case for the command, one a rule. A rule that was not
 * felt is a failure; after a command that failed it is skipped, since that may be why, as
 * is one of which it is not known. 0 or -EIO. */
int felt_write_junit(const struct felt *felt, const struct felt_command *command,
                     FILE *to);

#endif
