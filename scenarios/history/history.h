/* SPDX-License-Identifier: MIT */
/* The record of what the processes asked and were answered, as Jepsen keeps it: one
 * record when an operation is invoked, one when it completes; faults, steps and phases
 * are records of the process "nemesis". It lives in memory and, if asked, in a file
 * that grows with it: EDN, one map a line.
 *
 * Types. ok: it happened. fail: it certainly did not. info: nobody knows; it may still
 * take effect at any later time, so a process that ended in info is retired and its
 * place is taken by a process with a new number. What is never completed counts as
 * info.
 *
 * Times are nanoseconds since the test's start (:time in the file). */
#ifndef NETSPLIT_SCENARIOS_HISTORY_HISTORY_H
#define NETSPLIT_SCENARIOS_HISTORY_HISTORY_H

#include "proxy/base/errmsg.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { HISTORY_NEMESIS = -1, HISTORY_NO_NODE = -1 };
#define HISTORY_NEVER UINT64_MAX

enum history_type { HISTORY_INVOKE = 0, HISTORY_OK, HISTORY_FAIL, HISTORY_INFO };

enum history_f {
    HISTORY_READ = 0, /* nil -> an integer (register) or a list (append, set) */
    HISTORY_APPEND,   /* an integer, unique in its key, to the end of a list */
    HISTORY_WRITE,    /* an integer into a register */
    HISTORY_CAS,      /* a pair: from, to */
    HISTORY_ADD,      /* an integer into a set */
    HISTORY_EVENT,    /* of the nemesis only; its name is in event */
};

enum history_kind {
    HISTORY_NIL = 0, /* invoked reads: not known yet; ok reads: nothing was there */
    HISTORY_INTEGER,
    HISTORY_PAIR,
    HISTORY_LIST, /* an empty list and nil mean the same in an ok read */
    HISTORY_TEXT, /* of events */
};

struct history_value {
    enum history_kind kind;
    union {
        int64_t integer;
        struct {
            int64_t from, to;
        } pair;
        struct {
            const int64_t *items; /* in a recorded value: the history's arena */
            size_t n;
        } list;
        const char *text; /* likewise */
    };
};

/* One record. As an argument of history_record() everything is borrowed and copied. */
struct history_record {
    uint64_t time_ns; /* since the start; never less than that of the record before */
    int32_t process;  /* from 0; HISTORY_NEMESIS for events */
    enum history_type type;
    enum history_f f;
    bool final;   /* one of the reads of every key on every node, after the heal */
    bool probe;   /* a read that looks at a node from outside: convergence */
    int16_t node; /* that is asked (invoke) or answered; HISTORY_NO_NODE if unknown */
    int64_t key;  /* 0 in a history without keys */
    struct history_value value;
    const char
        *event; /* HISTORY_EVENT: "start-partition", letters, digits and dashes */
    const char *error; /* what the client was told; may be NULL */
};

/* The events that checkers understand. Any other name may be recorded too. */
#define HISTORY_EVENT_START "start"  /* the first record: base and nodes */
#define HISTORY_EVENT_FAULT "start-" /* + kind, "start-partition": it is in force */
#define HISTORY_EVENT_UNDO  "stop-"  /* + kind: that fault is out of force */
#define HISTORY_EVENT_HEAL  "heal"   /* everything is healed */
#define HISTORY_EVENT_PRIMARY                                                          \
    "primary" /* value "n2": it is held for primary from now */
#define HISTORY_EVENT_DETECT "detected" /* the fault was noticed */
#define HISTORY_EVENT_END    "end"      /* the processes were told to stop */

struct history;

struct history *history_create(void);
void history_destroy(struct history *history);

/* Writes everything recorded so far, and from now on each record as it is recorded, to
 * path (created, or cut to nothing). Lines are flushed whole: at every event, when
 * 100 ms of recorded time have passed, and by history_flush(). 0 or a negative errno.
 */
int history_write_to(struct history *history, const char *path, struct errmsg *err);

/* Hands what is buffered to the kernel. 0, or the first error that writing to the file
 * ever met (a full disk): the history in memory is complete even then. */
int history_flush(struct history *history, struct errmsg *err);

/* Records the start: base_ns is CLOCK_MONOTONIC at time 0, nodes the names of all
 * nodes; index i here is node i in records. Call it once, before any other record. */
void history_begin(struct history *history, uint64_t base_ns, const char *const *nodes,
                   size_t n);

/* The time of a record made at monotonic_ns: 0 if that is before the base. */
uint64_t history_time_ns(const struct history *history, uint64_t monotonic_ns);
uint64_t history_base_ns(const struct history *history); /* 0 if not known */

/* Records it; returns its index, from 0. A time before that of the last record is
 * raised to it, so that a history is always in order. */
size_t history_record(struct history *history, const struct history_record *record);

/* Records an event; text may be NULL. */
size_t history_record_event(struct history *history, uint64_t time_ns,
                            const char *event, const char *text);

size_t history_length(const struct history *history);
/* Stays where it is until the next history_record(). Its texts and lists stay for the
 * history's life. */
const struct history_record *history_get(const struct history *history, size_t index);

/* Whether operations name a key: [key value]. Written so, and so read. A history is
 * keyed unless history_set_keyed() says otherwise before the first record. */
bool history_keyed(const struct history *history);
void history_set_keyed(struct history *history, bool keyed);

size_t history_node_count(const struct history *history);
/* HISTORY_NO_NODE gives NULL. */
const char *history_node_name(const struct history *history, int node);
/* The index of a name, added if it is new; at most 32767 nodes. */
int history_node(struct history *history, const char *name);

const char *history_type_name(enum history_type type);
const char *history_f_name(enum history_f f); /* "read"; NULL for HISTORY_EVENT */

/* Reads a file, whole: EDN, or JSON if its first map begins with a string. Jepsen's own
 * files are accepted (see edn.h); keys that are not known are skipped, :index and :time
 * may be missing. Operations that are none of ours (:txn, transfers) are an error that
 * names them, as are values that are no integers.
 * NULL with err "FILE:LINE:COLUMN: what". The caller owns the history. */
struct history *history_read_file(const char *path, struct errmsg *err);
/* The same of a text in memory. file is the name in messages. */
struct history *history_read_text(const char *file, const char *text, size_t bytes,
                                  struct errmsg *err);

/* Writes the whole history. 0 or a negative errno. */
enum history_format { HISTORY_EDN = 0, HISTORY_JSON };
int history_write_file(const struct history *history, const char *path,
                       enum history_format format, struct errmsg *err);

/* An operation: its invocation and its completion made one. */
struct operation {
    uint64_t invoke_ns;
    uint64_t complete_ns;   /* info: when it was given up, or HISTORY_NEVER */
    size_t invoke_index;    /* in the history */
    size_t complete_index;  /* SIZE_MAX if it was never answered */
    int32_t process;        /* from 0 */
    enum history_f f;       /* never HISTORY_EVENT */
    enum history_type type; /* HISTORY_OK, HISTORY_FAIL, HISTORY_INFO */
    int16_t node;           /* that answered; else that was asked */
    bool final, probe;      /* as either of the two records says */
    int64_t key;
    struct history_value argument; /* of a write, append, add: integer; cas: pair */
    struct history_value result;   /* of an ok read; else HISTORY_NIL */
    const char *error;             /* borrowed from the history; may be NULL */
};

struct operations {
    struct operation *items; /* owned; in the order of their invocations */
    size_t n;
};

/* Pairs the records of a history, which must outlive *out. 0, or -EINVAL with the
 * record at fault in err: a completion without an invocation, or of another f or key;
 * a second invocation while one is open; an operation of a process of which a write
 * had ended in info. */
int history_pair(const struct history *history, struct operations *out,
                 struct errmsg *err);
void operations_free(struct operations *operations);

/* Whether it writes: append, write, cas, add. */
bool operation_writes(const struct operation *operation);
/* Whether it belongs to the workload: neither a final read nor a probe. */
bool operation_is_workload(const struct operation *operation);

#endif
