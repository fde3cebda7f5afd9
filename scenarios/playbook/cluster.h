/* SPDX-License-Identifier: MIT */
/* Cluster files: the system under test, its nodes, the commands that run it, and the
 * replication modes it can be in. Read whole and checked before anything is started.
 *
 *     cluster: 1
 *     name: store
 *     needs: { programs: [redis-cli], secrets: [LICENCE] }
 *                          secrets are variables, of env or of ours, whose values are
 *                          shown nowhere; those called PASSWORD, TOKEN, ... are known
 *     driver: { resp: "" }
 *     data: { schema: netsplit_drill }
 *     nodes: [n1, n2, n3]
 *     lab: true            a network namespace for each node; or { bridge: true }
 *     intercept: tproxy    how the drill's proxy sits on the paths; the default is
 *                          listen, in a lab tproxy, in one with a bridge netns
 *     env: { LOG: debug }
 *     role: CMD            prints primary or standby; run per node
 *     commands:
 *       prepare: CMD       once per node before it starts; NODE_DIR is empty
 *       start: CMD         stays in the foreground; stopped by pid
 *       ready: CMD         polled until status 0
 *       stop: CMD          in place of TERM; bounded by 10 s
 *       kill: CMD          in place of KILL, for the fault `kill`
 *       pause, resume: CMD in place of STOP and CONT, for the fault `pause`
 *       promote: CMD       makes NODE the primary
 *       rejoin: CMD        turns an old primary, which is stopped meanwhile, into a
 *                          standby of PRIMARY
 *       version: CMD       for the report, run per node and mode: prints the version in
 *                          its first line, then a line for each setting that matters
 *     modes:
 *       sync: { env: {...}, enter: CMD, check: CMD, driver: { resp: "redis://?wait=1" } }
 *
 * A driver of one's own is a program, { exec: [python3, driver.py] }, or in one text,
 * { exec: python3 driver.py }, which is split at blanks: no shell is asked. It runs in
 * the directory of the cluster file, so that paths in it, the program's and those among
 * its arguments, count from there; a program that is a mere name is looked up in PATH.
 *
 * A system that netsplit did not start names where its nodes are; its first mode, and
 * the only one unless the file has others, is as-is, in which it is taken as it is.
 * Nothing is done to a node that has no command:
 *
 *     nodes:
 *       pg1: { address: 10.0.0.1, ports: [5432], exec: ssh -oBatchMode=yes pg1 }
 *       pg2: { address: 10.0.0.2, ports: [5432], container: pg2 }  for intercept: netns
 *     intercept: netns     listen: the proxy is on the clients' paths only; in the
 *                          others also between the nodes
 *     control: PATH        of a proxy that runs: then the drill starts none
 *     data: { schema: netsplit_drill, after: drop }
 *     commands:            all of them optional, each ends by itself
 *       ready: CMD         polled until status 0 before the drill begins
 *       kill, start: CMD   for the fault `kill`: start brings the node back
 *       pause, resume: CMD for the fault `pause`
 *       promote: CMD
 *       rejoin: CMD        does all that makes an old primary a standby
 *     modes:
 *       sync: { enter: CMD, check: CMD, leave: CMD }   leave undoes what enter did
 *
 * The first node is the primary at first, or, of a system that runs already, the one
 * that says so; nodes are started in order, each when the one before it is ready. */
#ifndef NETSPLIT_SCENARIOS_PLAYBOOK_CLUSTER_H
#define NETSPLIT_SCENARIOS_PLAYBOOK_CLUSTER_H

#include "rules/arena.h"
#include "rules/diag.h"
#include "rules/language/rule.h"

struct driver;

enum {
    CLUSTER_NODES_MAX = 9,
    CLUSTER_LEASE_S = 20, /* of a drill's fault at a proxy that is not its own */
};

struct cluster_variable {
    const char *name, *value; /* of an environment */
};

struct cluster_variables {
    const struct cluster_variable *items;
    size_t n;
};

/* Shell texts; NULL = the file has none. */
struct cluster_commands {
    const char *prepare, *start, *ready, *stop, *promote, *rejoin;
    const char *kill, *pause, *resume; /* pause and resume: both or none */
    const char *version;
};

#define CLUSTER_AS_IS "as-is"

struct cluster_mode {
    const char *name;
    struct cluster_variables env;
    const char *setting; /* of the driver, in this mode */
    const char *program; /* that is the driver, as it can be run from our directory;
                            NULL = it is none */
    const char *enter;   /* once, with the primary as NODE; or NULL */
    const char *leave;   /* undoes it on that node, where nodes stay; or NULL */
    const char *
        check; /* NULL in as-is; status 0 proves that the mode is on; prints the real setting */
};

/* Where a node is that netsplit did not start. */
struct cluster_place {
    const char *address; /* numeric */
    uint16_t port;
    const char
        *exec; /* the command that runs a shell there, which reads its script from
                         the standard input: "ssh -T n1"; NULL = here */
    struct place netns; /* where the proxy works, with intercept: netns */
};

enum cluster_environment { CLUSTER_LAB = 0, CLUSTER_STAGING, CLUSTER_PRODUCTION };

/* Owns all of it in one arena. */
struct cluster {
    struct arena arena;
    struct source source;  /* the file's name and its whole text */
    const char *directory; /* that the file is in */
    const char *name;
    const struct driver *driver;
    const char *setting; /* of the driver */
    const char *program; /* as a mode's */
    const char *schema;
    const char *const *nodes;           /* names */
    size_t n_nodes;                     /* 1..CLUSTER_NODES_MAX */
    const struct cluster_place *places; /* n_nodes; NULL = the drill starts the nodes */
    enum cluster_environment environment;
    bool keeps_data; /* where the drill does not start them: the schema stays */
    bool has_lab;    /* each node in a network namespace of its own */
    bool has_bridge; /* of the lab; else a router */
    enum rule_intercept intercept;
    const char *control; /* of the proxy that is used; NULL = the drill starts one */
    struct cluster_variables env;
    const char *const *programs; /* that must be on PATH */
    size_t n_programs;
    const char *const *secrets; /* variables that must be set, and are not shown */
    size_t n_secrets;
    const char *role;
    struct cluster_commands commands;
    const struct cluster_mode *modes; /* in the file's order; at least one */
    size_t n_modes;
};

/* Reads and checks the file. NULL when it cannot be read or is wrong: diag says why,
 * all mistakes at once. The caller destroys what it returns. */
struct cluster *cluster_load(const char *path, struct diag *diag);
/* The same of a text in memory. */
struct cluster *cluster_parse(const char *name, const char *text, size_t length,
                              struct diag *diag);
void cluster_destroy(struct cluster *cluster);

/* The mode of the name, or NULL. */
const struct cluster_mode *cluster_find_mode(const struct cluster *cluster,
                                             const char *name);
/* The index of the node, or -1. */
int cluster_find_node(const struct cluster *cluster, const char *name);

/* The first of its secrets that is set neither here nor in the file, or NULL. */
const char *cluster_lacks_secret(const struct cluster *cluster);

/* The first of the programs it needs, for its commands and as its driver, that cannot be
 * run: a name that is not on PATH, a path where there is none. NULL = none. */
const char *cluster_lacks(const struct cluster *cluster);

#endif
