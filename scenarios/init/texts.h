/* SPDX-License-Identifier: MIT */
/* From what was learned of a system to the files that describe it. */
#ifndef NETSPLIT_SCENARIOS_INIT_TEXTS_H
#define NETSPLIT_SCENARIOS_INIT_TEXTS_H

#include "rules/buffer.h"
#include "scenarios/init/survey.h"

struct diag;

enum text { TEXT_CLUSTER = 0, TEXT_RULES, TEXT_PLAYBOOK, TEXT_COUNT };

struct texts_options {
    const struct survey *survey;
    const char *name;      /* of the cluster: letters, digits, '.', '-', '_' */
    const char *directory; /* where the files will be */
    const char *exec;      /* runs a shell on a node, with %h and %n; or NULL */
    const char *command;   /* that the user gave; no line end in it */
    const char *time;      /* "2026-11-25T02:31:07Z" */
};

struct texts {
    struct buffer of[TEXT_COUNT]; /* close with texts_close() */
};

/* "cluster.yaml" */
const char *texts_name(enum text text);

/* Whether exec has no % but %h, %n and %%. */
bool texts_exec_is_good(const char *exec);

/* Makes all of them. */
void texts_make(const struct texts_options *options, struct texts *out);
void texts_close(struct texts *texts);

/* Reads them as `netsplit check` would; what it would say is in diag. */
void texts_check(const struct texts *texts, struct diag *diag);

/* Servers that are nodes of the cluster file; the others are comments in it. */
size_t texts_count_nodes(const struct survey *survey);

#endif
