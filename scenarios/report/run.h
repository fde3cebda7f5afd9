/* SPDX-License-Identifier: MIT */
/* The result of a drill: everything that reports say, and nothing else. The drill fills
 * it; report.h renders it.
 *
 * All times are CLOCK_MONOTONIC nanoseconds, as in the history's base and the proxy's
 * events; a mode's base_ns is where its figures begin. 0 means "did not happen". All
 * memory is the run's. */
#ifndef NETSPLIT_SCENARIOS_REPORT_RUN_H
#define NETSPLIT_SCENARIOS_REPORT_RUN_H

#include "rules/arena.h"
#include "scenarios/checkers/judge.h"
#include "scenarios/playbook/expect.h"
#include "scenarios/history/history.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* In the order in which one beats another: a run's verdict is the worst of its modes'
 * (see run_merge). */
enum run_verdict {
    RUN_PASS = 0,     /* every mode showed what is expected of it */
    RUN_INCONCLUSIVE, /* the drill says nothing; reason says why */
    RUN_FAIL,         /* an expectation unmet, or a step or wait that failed */
    RUN_ABORTED,      /* a stop condition or a signal ended it */
};

/* The reason word of a verdict that is not a pass. */
enum run_reason {
    RUN_NO_REASON = 0,
    RUN_NOT_FELT,            /* inconclusive: the fault touched nothing */
    RUN_CONTROL_SILENT,      /* inconclusive: an expectation that demands harm unmet */
    RUN_TOO_FEW_OPERATIONS,  /* inconclusive: nothing was tried under the fault */
    RUN_UNSTABLE_BASELINE,   /* inconclusive: no acknowledged write before the fault */
    RUN_DRIVER_ERROR,        /* inconclusive: the history or its judge broke */
    RUN_EXPECTATION_UNMET,   /* fail */
    RUN_STEP_FAILED_REASON,  /* fail: the runbook's own step, or a wait */
    RUN_HISTORY_INVALID,     /* fail: what the workload itself promises was broken */
    RUN_STOP_CONDITION,      /* aborted: no_ok_write or duration */
    RUN_INTERRUPTED,         /* aborted: a signal */
    RUN_CLUSTER_NOT_STARTED, /* inconclusive, and status 3: what lacked is named */
};

enum run_step_status {
    RUN_STEP_NOT_REACHED = 0,
    RUN_STEP_DONE,
    RUN_STEP_FAILED,    /* non-zero status, a deadline that passed, a refused fault */
    RUN_STEP_CONTINUED, /* failed, and on-fail=continue was written */
    RUN_STEP_SKIPPED,   /* a manual one, with --unattended */
};

/* One heading of the playbook with the steps below it. */
struct run_phase {
    const char *heading;
    uint32_t line; /* of the heading in the playbook; 0 = before the first */
    uint64_t start_ns, end_ns; /* of its first and last step */
};

struct run_step {
    const char *verb;      /* "fault" */
    uint32_t line;         /* in the playbook: of the block's first fence */
    const char *heading;   /* that it stands below */
    size_t phase;          /* index into phases */
    const char *summary;   /* "partition n1, clients.n1 / n2, n3", one line */
    const char *node;      /* that it ran on or was about; may be NULL */
    uint64_t allowance_ns; /* `within`, or `for` of a run; 0 = none */
    uint64_t start_ns, end_ns;
    enum run_step_status status;
    int exit_status;    /* of a shell step; else 0 */
    const char *why;    /* one sentence when it failed; else NULL */
    const char *output; /* stdout and stderr of a command, at most 64 KiB; or NULL */
    bool output_cut;
};

/* A time in which a fault was in force. */
struct run_window {
    const char *name;    /* the rule's */
    const char *kind;    /* "partition", "inject", "kill", ... */
    const char *how;     /* "stall", "reset", "refuse"; "" where it does not apply */
    const char *summary; /* as in the step, with roles resolved */
    uint64_t from_ns;    /* the commit, as the proxy said it */
    uint64_t to_ns;      /* the heal's commit, likewise */
    uint64_t bytes, connections; /* that it touched */
    uint64_t attempts;           /* connection attempts that it held or refused */
    uint64_t packets;            /* that it dropped */
    uint64_t acts;               /* nodes killed or paused; 1 for a command that was
                                    felt, or that nobody asks */
    bool is_between;      /* it is about what nodes that were there before say to each
                             other, which may pass the proxy by; and */
    bool is_felt_between; /* whether some of that was touched */
};

/* What a probe said. A gap is a sample that is not known. */
struct run_sample {
    uint64_t at_ns;
    bool known;
    double value;
};

struct run_probe {
    const char *name;
    uint32_t line;              /* in the playbook */
    const char *alarm, *abort;  /* limits as written: ">10"; NULL = none */
    uint64_t alarm_ns;          /* first beyond the alarm under a fault; 0 = never */
    struct run_sample *samples; /* owned */
    size_t n_samples;
};

/* A node that acknowledged writes from..to, without a gap beyond 500 ms: read off the
 * history, so that it shows what the clients saw. */
struct run_role {
    int node; /* index into nodes */
    uint64_t from_ns, to_ns;
};

/* A node held for primary from a time on: resolved by the cluster's role command, or
 * promoted. */
struct run_primary {
    int node;
    uint64_t from_ns;
};

enum run_period { RUN_BEFORE = 0, RUN_DURING, RUN_AFTER };
enum { RUN_PERIODS = RUN_AFTER + 1 };

/* What travelled from a node to another, before the first fault, until the last heal,
 * and after it. Ends of links are nodes and "clients.NODE". */
struct run_link {
    const char *from, *to;
    struct {
        uint64_t passed_bytes;
        uint64_t held_bytes; /* the most that waited, in sockets or the proxy */
        uint64_t discarded_bytes;
    } period[RUN_PERIODS];
};

struct run_felt {
    uint64_t bytes;       /* that waited, were thrown away or changed */
    uint64_t connections; /* live ones that a fault touched, attempts included */
    uint64_t links;       /* that carried any of them */
    uint64_t packets;     /* that the kernel dropped */
    uint64_t bypassing;   /* connections that pass the proxy by, the most at a time: of
                             what goes through them nothing is known */
};

struct run_expectation {
    struct expectation expectation;
    enum expect_result result;
    bool control;         /* demands harm: a positive control */
    uint32_t line;        /* in the playbook */
    const char *sentence; /* "lost_writes: 939, expected at least 1" */
};

/* What a node said of itself in a mode, to the cluster's `version`. */
struct run_system {
    const char *version;  /* its first line; NULL = it did not say, and why is set */
    const char *settings; /* the other lines; "" = none */
    const char *why;      /* one sentence; NULL = it said */
};

struct run_mode {
    const char *name;    /* "sync" */
    const char *setting; /* what its check printed: "sync · ack by 3 of 3"; or NULL */
    struct run_system *systems; /* one a node; NULL = nobody was asked */
    const char *found; /* of a running cluster, roles that the file does not say;
                            or NULL */
    const char *moved; /* likewise, roles that are not those at the beginning: nothing
                            moves them back; or NULL */
    enum run_verdict verdict;
    enum run_reason reason;
    const char *why; /* one sentence; NULL for a pass */
    const char
        *how; /* of the faults: "stall"; several joined by ", "; "" without one */
    struct run_felt felt;

    uint64_t base_ns;         /* time 0 of the history */
    uint64_t base_wall_ns;    /* the same instant, ns since 1970 */
    uint64_t end_ns;          /* the processes were told to stop */
    uint64_t fault_ns;        /* the first fault's commit */
    uint64_t heal_ns;         /* the last heal's commit */
    uint64_t end_of_reads_ns; /* final reads done, cluster about to be stopped */

    struct history *history;    /* NULL when the cluster did not start */
    struct judgement judgement; /* findings, fates, measures: see judged */
    bool judged;

    struct run_expectation *expectations;
    size_t n_expectations;
    struct run_phase *phases;
    size_t n_phases;
    struct run_step *steps; /* all of the playbook, those not reached included */
    size_t n_steps;
    struct run_window *windows;
    size_t n_windows;
    struct run_role *roles;
    size_t n_roles;
    struct run_primary *primaries;
    size_t n_primaries;
    struct run_link *links;
    size_t n_links;
    struct run_probe *probes;
    size_t n_probes;

    const char *history_path; /* relative to the run's directory: "async/history.edn" */
    const char *events_path;  /* "async/events.jsonl"; NULL if there was no proxy */
};

struct run {
    struct arena arena; /* of all texts, and of arrays that do not grow */
    const char *playbook_path;
    const char *title; /* front matter's `playbook`, else the first heading */
    const char *text;  /* the playbook, whole, as run */
    const char *owner; /* "" if it says none */
    const char *cluster_name;
    const char *cluster_path;
    const char *cluster_text; /* the cluster file, whole, as run */
    const char *driver;       /* "resp" */
    const char *workload;     /* its first block, in one line */
    const char *variables;    /* "RATE=400/s HOLD=5s"; "" without one */
    const char *version;      /* of netsplit; static */
    uint64_t seed;
    const char *command; /* that repeats it, quoted for a shell, with its seed */
    const char *working_directory; /* where the command's paths begin */
    const char *const *nodes;      /* names; index i is node i in histories */
    size_t n_nodes;
    uint64_t started_wall_ns;
    uint64_t started_ns, ended_ns;
    enum run_verdict verdict;
    enum run_reason reason;
    const char *why; /* one sentence, beginning with the mode it is about; or NULL */
    const char *directory; /* where its files are */
    const char *left;      /* what could not be undone; NULL = all is undone */
    struct run_mode *modes;
    size_t n_modes;
};

const char *run_verdict_name(enum run_verdict verdict); /* "pass", "inconclusive" */
const char *run_reason_name(enum run_reason reason);    /* "not-felt"; "" for none */
const char *run_step_status_name(enum run_step_status status); /* "not reached" */

/* Fills the run's verdict, reason and why from its modes'. */
void run_merge(struct run *run);

/* The exit status of it (proxy/base/exits.h). */
int run_exit_status(const struct run *run);

/* Frees everything, *run included. NULL is fine. */
void run_destroy(struct run *run);

#endif
