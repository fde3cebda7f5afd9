/* SPDX-License-Identifier: MIT */
/* What the drill_*.c files know of a drill: the drill itself, the mode that is running,
 * and in it the nodes, the faults and the one command that is under way. What is done
 * with it, and by which file, is in drill_inside.h, with which it is included. */
#ifndef NETSPLIT_SCENARIOS_DRILL_DRILL_STATE_H
#define NETSPLIT_SCENARIOS_DRILL_DRILL_STATE_H

#include "proxy/base/child.h"
#include "proxy/base/control_client.h"
#include "proxy/base/memory.h"
#include "proxy/base/now.h"
#include "proxy/base/rundir.h"
#include "proxy/base/tempdir.h"
#include "proxy/base/term.h"
#include "scenarios/drill/drill.h"
#include "scenarios/lab/lab.h"
#include "scenarios/workloads/processes.h"

#include <limits.h>
#include <stdio.h>
#include <uv.h>

enum {
    DRILL_OUTPUT_BYTES = 64 * 1024, /* kept of a step's output */
    DRILL_TICK_MS = 200,            /* progress, stop conditions */
    DRILL_SIGNALS = 5,              /* that are heard */
};
#define DRILL_START_NS   (30 * NS_PER_S) /* for a node to be ready, a command to end */
#define DRILL_FIND_NS    (6 * NS_PER_S)  /* for one that runs already to be ready */
#define DRILL_CONTROL_NS (10 * NS_PER_S) /* for an answer of the proxy */
#define DRILL_READS_NS   (10 * NS_PER_S) /* for the final reads of a node */
#define DRILL_STOP_NS    (10 * NS_PER_S) /* for a cluster's stop command */
#define DRILL_GRACE_NS   (3 * NS_PER_S)  /* between TERM and KILL */

enum mode_state { MODE_UP = 0, MODE_STEPS, MODE_ENDING, MODE_DOWN };

struct drill;
struct drill_mode;
typedef void (*drill_then_fn)(struct drill_mode *mode);

/* One shell command, perhaps run again until it says what is wanted. */
struct job {
    struct child *child; /* owned; NULL between attempts */
    uv_timer_t timer;    /* its deadline, or the pause before the next attempt */
    const char *script;  /* borrowed */
    size_t node;
    bool polls;        /* again until status 0 (and `wants`) */
    bool leaves_group; /* see child_options */
    const char *wants; /* first word of its output; NULL = any */
    uint64_t within_ns, until_ns;
    bool late;
    drill_then_fn then; /* NULL = no job is under way */
    /* Of the last attempt, when `then` is called. */
    bool ok;
    int status;
    char *output; /* owned */
    bool output_cut;
};

struct drill_node {
    struct child *child; /* owned; NULL = not started */
    int port_fd;         /* keeps the port ours; -1 = none */
    int log_fd;          /* its output; -1 = none */
    uint16_t port;
    char dir[PATH_MAX];
    struct drill_mode *mode;
    bool expected_end;     /* we asked for it */
    bool killed;           /* by a fault; it may be ending still */
    bool paused;           /* by a fault */
    struct child *stopper; /* owned; the stop command, while it runs */
    uint64_t stop_since_ns;
};

/* A fault step that is, or was, in force. */
struct drill_fault {
    size_t step;
    char overlay[48]; /* by rules: its name at the proxy */
    bool applied;     /* by rules: it may be at a proxy that is not ours */
    char *text;       /* owned; what is put there again before its lease ends */
    size_t first_window, n_windows;
    bool in_force;
    bool owed;                         /* by command: begun, and not undone yet */
    unsigned debts[CLUSTER_NODES_MAX]; /* noted for `clean`; 0 = none */
    bool nodes[CLUSTER_NODES_MAX];     /* kill, pause: whom it is about */
};

/* The fault by command that is being made or undone. */
struct drill_act {
    size_t fault;       /* index; undoing: one more than it, and 0 at the end */
    size_t node;        /* that it is at */
    uint64_t since_ns;  /* when it began */
    drill_then_fn then; /* undoing: what comes after the last; NULL = not undoing */
};

/* A script that is sampled; its figures are in the run_probe of the same index. */
struct drill_probe {
    struct drill_mode *mode;
    size_t step;
    struct child *child; /* owned; NULL between samples */
    uint64_t next_ns, until_ns;
};

struct drill_mode {
    struct drill *drill;
    const struct cluster_mode *mode;
    struct run_mode *out;
    enum mode_state state;
    char dir[TEMPDIR_PATH_MAX]; /* temporary; "" = not made */
    char out_dir[PATH_MAX];     /* of its results */
    char error[512];            /* why the part that ended did not succeed */

    struct lab lab; /* zeroed without one */
    struct drill_node nodes[CLUSTER_NODES_MAX];
    size_t primary; /* as last resolved or promoted */
    struct job job;

    struct child *proxy;
    char control_path[RUNDIR_PATH_BYTES];
    struct control_client *control;
    char ready_line[8192];
    size_t ready_bytes;
    bool proxy_ready;
    struct driver_endpoint node_paths[CLUSTER_NODES_MAX][CLUSTER_NODES_MAX];
    struct driver_endpoint client_paths[CLUSTER_NODES_MAX * CLUSTER_NODES_MAX];
    FILE *events; /* owned */
    drill_then_fn proxy_then;
    struct theirs *theirs;  /* owned; the proxy that runs already, or NULL */
    bool sampling;          /* a status request is under way */
    enum run_period period; /* that is being measured */
    drill_then_fn sample_then;

    struct driver_client *setup; /* while the schema is being made */
    struct processes *processes; /* NULL before the workload */
    bool probing;
    struct drill_fault *faults; /* owned */
    size_t n_faults;
    struct drill_act act;
    uint64_t healed_ns; /* what was undone last, while healing; 0 = nothing */

    size_t chain;                    /* the node that a chain over all nodes is at */
    drill_then_fn chain_then;        /* after its last */
    drill_then_fn begun_then;        /* when a node that we did not start is ready */
    bool has_schema;                 /* it was made; where nodes stay, it is to go */
    unsigned schema_debt, mode_debt; /* noted for `clean`; 0 = none */
    size_t torn_down;                /* nodes that need not be looked at any more */
    int resolved;      /* the primary of a role chain; -1 none, -2 several */
    int unanswered;    /* the first node that said no role; -1 none */
    char answers[512]; /* "n1: primary, n2: standby" */
    bool says_primary[CLUSTER_NODES_MAX];
    bool entered; /* the mode's command has run, or begun to, on this node */
    size_t entered_at;
    bool leaving, asked_last; /* see drill_found.c */
    size_t step;              /* index of the step under way */
    uv_timer_t step_timer;
    uint64_t step_start_ns;
    uint64_t acked_before;
    size_t history_before; /* records when the wait began */
    unsigned ticks;
    struct drill_probe *probes; /* of the run's arena; NULL = none */
    size_t n_probes;
    const char *unwritten; /* which of its results, and why; NULL = none */
    int driver_log_fd;     /* where the driver is a program; 0 = none */
    bool driver_told;      /* of what is wrong with it */
    bool asking;           /* a manual step waits for its answer */
    bool control_closing, closing;
    unsigned open_timers; /* while closing */
};

struct drill {
    uv_loop_t loop;
    const struct drill_options *options;
    const struct playbook *playbook;
    const struct cluster *cluster;
    struct run *run;
    struct rundir_record *record;
    const char *mark; /* in the data of a cluster that is somebody's; else NULL */
    char exe[PATH_MAX];
    char out[PATH_MAX];
    uv_signal_t signals[DRILL_SIGNALS];
    int signal; /* that ends the drill; 0 = none */
    bool hurry; /* the second signal: no grace for anybody */
    uv_timer_t tick;
    struct term_progress progress;
    struct drill_mode mode; /* that is running */
    size_t n_done;          /* modes */
    uint64_t ok_before;     /* operations at the last tick, for the rate */
    uint64_t tick_ns;
    double rate;
};

static inline const char *mode_node_name(const struct drill_mode *mode, size_t node)
{
    return mode->drill->cluster->nodes[node];
}

/* The step under way. */
static inline const struct step *mode_step(const struct drill_mode *mode)
{
    return &mode->drill->playbook->steps[mode->step];
}

#endif
