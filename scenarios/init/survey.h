/* SPDX-License-Identifier: MIT */
/* What can be learned of a system that runs: which servers it has, who is the primary,
 * where each is, by asking them. Nothing is changed anywhere. */
#ifndef NETSPLIT_SCENARIOS_INIT_SURVEY_H
#define NETSPLIT_SCENARIOS_INIT_SURVEY_H

#include "proxy/base/errmsg.h"
#include "rules/arena.h"
#include "scenarios/init/reach.h"

#include <stdbool.h>

enum {
    SURVEY_SERVERS_MAX = 16, /* further replicas are only told of */
    SURVEY_NOTES_MAX = 16,   /* likewise */
    SURVEY_HOPS_MAX = 4,     /* from standby to standby, up to the primary */
};

/* A server as another one names it. */
struct survey_peer {
    const char *host;  /* as it says; NULL = it does not; "" = beside itself */
    uint16_t port;     /* 0 = it does not say */
    const char *name;  /* what it calls itself there, or NULL */
    const char *state; /* "synchronous"; or NULL */
};

/* What one server answers. All texts are the survey's, printable ASCII. */
struct survey_answer {
    bool is_primary;
    const char *identity; /* the same in all servers of a system; NULL = not told */
    const char *name;     /* what it calls itself, or NULL */
    const char *version;  /* "15.14" */
    const char *setting;  /* what a write waits for, as a user would set it */
    const char *unfit;    /* why no drill can use it, or NULL */
    struct survey_peer source;                       /* of a standby */
    struct survey_peer replicas[SURVEY_SERVERS_MAX]; /* of a primary */
    size_t n_replicas;
};

struct survey_server {
    char name[32];       /* as a node of a cluster file */
    const char *title;   /* what its own system calls it, or NULL */
    const char *host;    /* the name it was found by, or NULL */
    const char *address; /* numeric */
    uint16_t port;       /* 0 = not known */
    const char *state;   /* "synchronous"; or NULL */
    const char *unfit;   /* why it can be no node yet; NULL = it can */
};

struct survey_row;

struct survey {
    struct arena arena;
    const struct survey_row *row;
    const char *user, *database; /* asked for; then those that were logged in with */
    bool needs_tls;
    const char *version, *setting;                    /* the primary's */
    struct survey_server servers[SURVEY_SERVERS_MAX]; /* the primary first */
    size_t n;
    const char *notes[SURVEY_NOTES_MAX]; /* a sentence each, without full stop */
    size_t n_notes;
    int asked; /* where "asking ADDRESS" is written; a descriptor, or -1 */
};

/* A kind of system: what differs between them. */
struct survey_row {
    const char *name;               /* "postgres" */
    const char *title;              /* "PostgreSQL" */
    const char *help;               /* how to log in, for messages */
    const char *replica, *replicas; /* what it calls them */
    uint16_t port;                  /* where it listens unless told otherwise */
    bool takes_user;                /* --user and --database mean something */
    const char *program; /* that the commands of its cluster file run: "[psql]" */
    /* The text of its cluster file, see fill.h. */
    const char *cluster;
    /* Asks the server, which is of this kind; *out is zero. 0; -EACCES: it answers, but
     * not to us; -EINVAL: it is none that holds data; another negative errno: it does
     * not answer. */
    int (*ask)(struct survey *survey, const struct reach_place *place,
               struct survey_answer *out, struct errmsg *err);
    /* Whether what listens there is of this kind, whoever may log in. It takes a
     * message of the protocol to find out, and no more. */
    bool (*is_it)(const struct reach_place *place);
};

extern const struct survey_row survey_postgres, survey_redis;

/* The row of the index, or NULL behind the last. */
const struct survey_row *survey_row(size_t i);

/* Asks the servers at the n addresses ("HOST", "HOST:PORT"), the first of which leads
 * to the primary, and those that they name. survey->row, user, database and asked are
 * set, all else is zero; close it in any case. 0; -EINVAL: an address is none, or of
 * another system; -EACCES: a server answers, but not to us; another negative errno: it
 * cannot be reached. */
int survey_run(struct survey *survey, const char *const *addresses, size_t n,
               struct errmsg *err);
void survey_close(struct survey *survey);

/* survey_keep.c: a sentence for the user; control characters and what is not ASCII become "?". */
void survey_note(struct survey *survey, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* A copy that lives as long as the survey, printable ASCII; NULL for NULL and "". */
const char *survey_keep(struct survey *survey, const char *text);

#endif
