/* SPDX-License-Identifier: MIT */
/* Steps: the executable blocks of a playbook. A verb is one row: its name, the
 * languages it is written in, what its block and its info string may hold, and a
 * sentence of help; the reader, its errors and `netsplit steps` come from the row. */
#ifndef NETSPLIT_SCENARIOS_PLAYBOOK_STEP_H
#define NETSPLIT_SCENARIOS_PLAYBOOK_STEP_H

#include "rules/diag.h"
#include "rules/field.h"
#include "rules/language/rule.h"
#include "scenarios/playbook/cluster.h"
#include "scenarios/playbook/expect.h"
#include "scenarios/playbook/threshold.h"
#include "scenarios/workloads/workload.h"

#include <stdio.h>

enum step_kind {
    STEP_WORKLOAD = 0,
    STEP_RUN,
    STEP_FAULT,
    STEP_HEAL,
    STEP_SHELL, /* the verb `step` */
    STEP_WAIT,
    STEP_PROMOTE,
    STEP_CLIENTS,
    STEP_PROBE,
    STEP_MANUAL,
    STEP_EXPECT,
};

enum step_language { STEP_YAML = 1, STEP_SH = 2, STEP_TEXT = 4 }; /* a set of them */

struct step_verb {
    const char *name;
    enum step_kind kind;
    unsigned languages;          /* of enum step_language */
    const struct field *options; /* of the info string, into struct step */
    const struct field *fields;  /* of a YAML block, into struct step; or NULL */
    const char *help;            /* one sentence */
};

extern const struct step_verb step_verbs[]; /* ends with a row without a name */
const struct step_verb *step_find_verb(const char *name);

enum step_until {
    STEP_UNTIL_COMMAND = 0, /* the shell text ends with status 0 */
    STEP_UNTIL_READY,       /* every node's ready command does */
    STEP_UNTIL_CONVERGED,   /* every node was read to hold the same */
    STEP_UNTIL_WRITABLE, /* a write that was invoked after the step was acknowledged */
    STEP_UNTIL_ACKED,    /* `acked N`: that many more writes */
    STEP_UNTIL_ROLE,     /* `role NODE primary|standby` */
};

/* How a fault step breaks things. */
enum step_by {
    STEP_BY_RULES = 0, /* at the proxy */
    STEP_BY_KILL,      /* a node ends at once */
    STEP_BY_PAUSE,     /* a node stands still */
    STEP_BY_RUN,       /* a command does it, and another one undoes it */
};

struct step_expectation {
    const char *mode; /* NULL = all */
    struct expectation expectation;
    uint32_t line;
};

/* One step as it was written. Texts belong to the playbook's arena. */
struct step {
    const struct step_verb *verb;
    struct mark at;      /* the fence's line in the playbook */
    const char *heading; /* that it stands below; "" before the first */
    uint32_t heading_line;
    const char *text; /* of the block, without the `# netsplit:` line */

    const char *on;     /* shell: the node; NULL = the first */
    uint64_t within_ns; /* as the row says; 0 for verbs that have none */
    unsigned on_fail;   /* 0 stop, 1 continue */
    unsigned detects;   /* 1: its good end is the moment of detection */
    const char *name;   /* probe: what charts call it; NULL = its heading */
    uint64_t every_ns;  /* probe */
    const char *alarm_text, *abort_text; /* probe: as written */
    struct threshold alarm, abort_at;    /* read out of them */

    struct workload_plan workload; /* STEP_WORKLOAD */
    uint64_t for_ns;               /* STEP_RUN */
    enum step_by by;               /* STEP_FAULT */
    struct rules *rules;           /* by rules; owned by the playbook */
    const char *const *targets;    /* kill, pause: nodes, primary, standbys */
    size_t n_targets;
    const char *run, *undo, *felt; /* by a command; felt may be NULL */
    enum step_until until;         /* STEP_WAIT */
    uint64_t until_acked;
    const char *until_role; /* "primary" or "standby" */
    const char *node;       /* of promote, role and move: as written */
    const char *of;         /* clients: NULL = all, else "clients" or "clients.NODE" */
    struct step_expectation *expectations; /* STEP_EXPECT */
    size_t n_expectations;
    /* Used while reading only. */
    const struct yaml_node *until_value, *move_value, *kill_value, *pause_value;
};

const char *step_name_languages(unsigned languages); /* "yaml, sh" */
const char *step_by_name(enum step_by by);           /* "kill" */

/* Prints the verbs with their languages, parameters and help: `netsplit steps`. */
void step_print_verbs(FILE *to);

#endif
