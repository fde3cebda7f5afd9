/* SPDX-License-Identifier: MIT */
/* Preflight: what a drill on a cluster will meet, asked before it begins. A check is
 * one row: its name, what it looks at, a function that adds findings. No check stops
 * another one, each question has its time limit, and nothing is written to the system:
 * rights are proved by asking for them.
 *
 * A finding is ok, a note (a drill can start, but somebody should know) or missing (a
 * drill cannot start, or would mislead), and says what mends it. */
#ifndef NETSPLIT_SCENARIOS_PREFLIGHT_PREFLIGHT_H
#define NETSPLIT_SCENARIOS_PREFLIGHT_PREFLIGHT_H

#include "scenarios/playbook/cluster.h"
#include "scenarios/drivers/driver.h"
#include "scenarios/preflight/patience.h"
#include "scenarios/redact/redact.h"

#include <jansson.h>
#include <stdio.h>

struct playbook;
struct preflight;
struct rundir_record;

/* One row of the table. */
struct preflight_check {
    const char *name; /* "reach" */
    const char *help; /* what it looks at, a phrase */
    void (*run)(struct preflight *preflight);
};

/* What is known of a clock against ours: it is ahead by this much, at least and at
 * most. */
struct preflight_clock {
    bool known;
    int64_t least_ns, most_ns;
};

enum preflight_level { PREFLIGHT_OK = 0, PREFLIGHT_NOTE, PREFLIGHT_MISSING };

enum preflight_role { PREFLIGHT_UNKNOWN = 0, PREFLIGHT_PRIMARY, PREFLIGHT_STANDBY };

/* What later checks need to know of a node from earlier ones. */
struct preflight_node {
    bool runs_commands; /* its exec works */
    bool reached;       /* its address takes connections */
    enum preflight_role role;
    void *session;    /* owned by the system's row; NULL = not logged in */
    char seen_as[64]; /* who the server takes us for; "" = not known */
    struct preflight_clock clocks[2]; /* of the host, of the server */
};

/* How to ask a kind of system: a row for the driver of the name. The functions add
 * findings for one node; all but login are called only for those that have a session.
 */
struct preflight_system {
    const char *driver;
    /* Logs in as a drill's client would, at the endpoint: NULL after a finding. */
    void *(*login)(struct preflight *preflight, size_t node,
                   const struct driver_endpoint *endpoint);
    /* As whom it logged in, and at what version. */
    void (*describe)(void *session, char *text, size_t text_bytes);
    void (*close)(void *session);
    /* What the server thinks the session's client is; "" if it cannot be asked. */
    void (*ask_seen_as)(void *session, char *text, size_t text_bytes);
    /* What the server itself says that it is. */
    enum preflight_role (*ask_role)(void *session);
    void (*rights)(struct preflight *preflight, size_t node);
    void (*tls)(struct preflight *preflight, size_t node);
    void (*sockets)(struct preflight *preflight, size_t node);
    void (*replication)(struct preflight *preflight, size_t node);
    void (*connections)(struct preflight *preflight, size_t node);
    /* Its clock, in ns since 1970; 0 = it does not say. */
    uint64_t (*ask_clock)(struct preflight *preflight, size_t node);
};

extern const struct preflight_system preflight_postgres;
extern const struct preflight_system preflight_resp;

struct preflight {
    const struct cluster *cluster;   /* borrowed */
    const struct redact *secrets;    /* shown nowhere; borrowed; NULL = none known */
    const struct playbook *playbook; /* borrowed; NULL = none, or it is wrong */
    const char *playbook_word;       /* as it was asked for; NULL = none */
    size_t wrong;                    /* things in it, which were told already */
    uint64_t within_ns;              /* for each question */
    struct patience patience;
    struct rundir_record *record; /* owned; of what `clean` is to end; NULL = none */
    const struct preflight_system *system; /* NULL = the driver has none */
    struct preflight_node nodes[CLUSTER_NODES_MAX];
    const struct preflight_check *check; /* that is running */
    FILE *to;                            /* borrowed; NULL = findings are not printed */
    bool colour;
    json_t *findings; /* owned; objects: check, node, level, text, mend */
    json_t *last;     /* of them, not printed yet; borrowed */
    enum preflight_level last_level;
    size_t missing, notes;
    json_t *proxy; /* owned; the status of the one at `control:`; NULL = none */
};

/* The rows in the order in which they run; NULL beyond the last. */
const struct preflight_check *preflight_get(size_t i);

/* Runs all checks; preflight is zeroed but for cluster, the playbook's, within_ns, to
 * and colour. The signal that ended it early is left in *ended_by, else 0. 0, or a negative
 * errno with err. preflight_close() it in any case, which delivers that signal. */
int preflight_run(struct preflight *preflight, int *ended_by, struct errmsg *err);
void preflight_close(struct preflight *preflight);

#define PREFLIGHT_HERE SIZE_MAX /* in place of a node: this machine, or the cluster */

/* For the checks. Adds a finding of the one that is running; then perhaps what mends it, a command as
 * far as there is one. Texts are made one line. */
void preflight_add(struct preflight *preflight, enum preflight_level level, size_t node,
                   const char *format, ...) __attribute__((format(printf, 4, 5)));
void preflight_mend(struct preflight *preflight, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* The same of a template that may hold one "%s", which becomes the word. */
void preflight_mend_with(struct preflight *preflight, const char *template,
                         const char *word);

/* The time by which what is asked now must be answered. */
uint64_t preflight_until(const struct preflight *preflight);
/* The node itself. */
struct driver_endpoint preflight_endpoint(const struct preflight *preflight,
                                          size_t node);
/* Asked to end: a check returns when it sees this. */
bool preflight_is_over(const struct preflight *preflight);
/* The node of the address and port, or -1. */
int preflight_find_place(const struct preflight *preflight, const char *address,
                         unsigned port);

/* How many connections the playbook's processes have; the default without one. */
long preflight_processes(const struct playbook *playbook);

/* preflight_system.c, for all systems. The node replicates from there. */
void preflight_judge_upstream(struct preflight *preflight, size_t node,
                              const char *address, unsigned port);
/* Another drill's mark in the data (claim_mark.h): true after a finding that a drill
 * fails on. */
bool preflight_judge_mark(struct preflight *preflight, size_t node, const char *mark);
/* So many others are connected to it. */
void preflight_judge_connections(struct preflight *preflight, size_t node, long n);

/* preflight_control.c, of the proxy at `control:`: where a client reaches the node by
 * it; whether it listens at the address. */
bool preflight_find_listener(const struct preflight *preflight, const char *node,
                             struct driver_endpoint *out);
bool preflight_is_listener(const struct preflight *preflight, const char *address,
                           unsigned port);

/* The answer of a shell command on a node. */
struct preflight_answer {
    bool late;       /* it was ended at the time limit */
    int status;      /* exit status, as a shell says it */
    char text[2048]; /* what it said, or how much of it fits */
    char first_word[32];
    uint64_t asked_wall_ns, answered_wall_ns; /* by our clock; its last words */
    uint64_t took_ns;
};

/* preflight_command.c: runs it as a drill would, within the limit. */
void preflight_command(struct preflight *preflight, size_t node, const char *script,
                       struct preflight_answer *out);

/* The checks, by file. */
void preflight_playbook(struct preflight *preflight); /* preflight_here.c */
void preflight_claim(struct preflight *preflight);
void preflight_programs(struct preflight *preflight);
void preflight_space(struct preflight *preflight);
void preflight_descriptors(struct preflight *preflight);
void preflight_privilege(struct preflight *preflight);
void preflight_control(struct preflight *preflight); /* preflight_control.c */
void preflight_exec(struct preflight *preflight);    /* preflight_nodes.c */
void preflight_reach(struct preflight *preflight);
void preflight_roles(struct preflight *preflight);
void preflight_clocks(struct preflight *preflight);  /* preflight_clocks.c */
void preflight_through(struct preflight *preflight); /* preflight_through.c */

/* What is known of a clock that said `said` (0: nothing) between two moments of ours;
 * granular_ns is what it counts in. */
struct preflight_clock preflight_compare_clock(uint64_t said_ns, uint64_t granular_ns,
                                               uint64_t asked_ns, uint64_t answered_ns);

#endif
