/* SPDX-License-Identifier: MIT */
/* Drivers: how a process talks to the system under test. A driver is one row: a name,
 * what its setting means, and the functions that keep one client, which is one
 * connection to one node that does one operation at a time, all on one libuv loop.
 *
 * What every driver promises, because driver.c does it for all of them: each invoked
 * operation is answered exactly once, and at its deadline at the latest.
 *
 * The answer's type is the adapter contract of Maelstrom: ok: it happened. fail: it
 * certainly did not: nothing was sent (the connection could not be made), or the server
 * refused it with an error that the driver's table calls definite, or it was a read:
 * reads have no effect, so a read that was not answered has failed. info: anything else
 * that became of a write: no answer by the deadline, a connection lost after the
 * request may have left, an unknown error, an answer that says nothing. A client whose
 * operation was not answered by the server itself has ended: it is closed and never
 * used again, for the late answer would be taken for that of the next operation. */
#ifndef NETSPLIT_SCENARIOS_DRIVERS_DRIVER_H
#define NETSPLIT_SCENARIOS_DRIVERS_DRIVER_H

#include "proxy/base/errmsg.h"
#include "scenarios/history/history.h"

#include <uv.h>

struct driver;
struct driver_client;

/* Where a node listens. The zeroed endpoint is none. */
struct driver_endpoint {
    char address[64]; /* numeric, IPv4 or IPv6: a name would have to be resolved, which
                         blocks the loop; NUL at the end */
    uint16_t port;    /* 1..65535 */
    int netns_fd;     /* the network namespace to reach it from, an open descriptor
                         (borrowed while the client is open); 0 = ours */
};

/* How a driver that is a program runs. Zeroed: in our directory, and what it complains
 * of is not kept. */
struct driver_program {
    const char *directory; /* NULL = ours */
    int log_fd;            /* to append its errors to (borrowed while the client is
                              open); 0 = none */
};

/* What a client needs to know; copied by driver_open(). */
struct driver_target {
    const char *node;                /* its name; NULL = it has none */
    struct driver_endpoint endpoint; /* of the connection: a listener of the proxy, or
                                        the node itself for final reads and probes */
    struct driver_endpoint direct;   /* the node itself, past the proxy: an abandoned
                                        operation is cancelled here; none = it is not */
    enum history_f writes; /* what writes at the keys, append, write or add: it says how
                              they are kept, and so how they are read */
    const char *setting;   /* the cluster file's text for the driver; may be "" */
    const char *schema;    /* the only thing a workload touches: [a-z_][a-z0-9_]*, at
                              most 40 characters */
    struct driver_program program;
    const char *mark; /* of this drill, as claim_mark.h makes it; NULL = the system is
                           nobody else's, and is not marked */
    bool take_over;   /* a mark whose drill is said to be dead gives way */
    bool keeps_data;  /* a teardown only takes the mark off */
};

/* Why an operation was not ok, for counts and the progress line. */
enum driver_error {
    DRIVER_NO_ERROR = 0,
    DRIVER_UNREACHABLE, /* no connection could be made: fail */
    DRIVER_READ_ONLY,   /* the node is no primary: fail; the process looks elsewhere */
    DRIVER_REFUSED,     /* the server said no, for certain: fail */
    DRIVER_CONFLICT,    /* the cas found another value: fail */
    DRIVER_TIMEOUT,     /* no answer by the deadline: info, a read: fail */
    DRIVER_LOST,        /* the connection broke first: info, a read: fail */
    DRIVER_UNCLEAR,     /* the server's answer leaves it open: info, a read: fail */
    DRIVER_DEFECT,      /* the driver's own program ended, or answered nonsense: info; a
                           read, or what it was not sent: fail */
};
enum { DRIVER_ERRORS = DRIVER_DEFECT + 1 };

const char *driver_error_name(enum driver_error error); /* "read-only" */

struct driver_operation {
    enum history_f f;           /* not HISTORY_EVENT */
    int64_t key;                /* 0.. */
    int32_t process;            /* who asks, as in the history */
    struct history_value value; /* write, append, add: integer; cas: pair; read: nil */
};

struct driver_outcome {
    enum history_type type;     /* HISTORY_OK, HISTORY_FAIL, HISTORY_INFO */
    enum driver_error error;    /* DRIVER_NO_ERROR if and only if ok */
    struct history_value value; /* ok read: nil, integer or list; borrowed until the
                                   callback returns */
    const char *text; /* what the server or the system said, one line; NULL if ok, but
                         of a setup whom it was taken over from; borrowed until the
                         callback returns */
    const char *node; /* that answered, where the driver was told; NULL = the one
                         asked; borrowed likewise */
    bool reusable;    /* the client may be invoked again; else close it */
};

/* Called once for each invocation, never from within the call that invoked it. The
 * client may be invoked again or closed from here. */
typedef void (*driver_done_fn)(void *context, const struct driver_outcome *outcome);

/* The row of the name, or NULL with *near the nearest name or NULL. near may be NULL.
 */
const struct driver *driver_find(const char *name, const char **near);
/* The rows in order of their names; NULL beyond the last. */
const struct driver *driver_get(size_t i);

const char *driver_name(const struct driver *driver);    /* "resp" */
const char *driver_help(const struct driver *driver);    /* one sentence */
const char *driver_setting(const struct driver *driver); /* what its setting is */
/* Whether it is a program of the user's: its setting is a JSON list of the program and
 * its arguments. */
bool driver_is_program(const struct driver *driver);
/* Whether it has the operation. */
bool driver_can(const struct driver *driver, enum history_f f);
/* Checks a cluster file's setting: 0, or -EINVAL with err. */
int driver_check(const struct driver *driver, const char *setting, struct errmsg *err);
/* Checks a schema's name likewise. */
int driver_check_schema(const char *schema, struct errmsg *err);

/* A client of the node. It connects when it is first invoked. Aborts when memory runs
 * out. target's setting and schema must have passed the checks above, and the program
 * must ignore SIGPIPE, for hiredis writes to whatever it is connected to. */
struct driver_client *driver_open(const struct driver *driver, uv_loop_t *loop,
                                  const struct driver_target *target);

/* Starts the operation, connecting first if that was not done yet; within_ns counts
 * from now and includes it (rounded up to 1 ms). The driver must have the operation, no
 * other may be open, and the client's last outcome must have been reusable. */
void driver_invoke(struct driver_client *client,
                   const struct driver_operation *operation, uint64_t within_ns,
                   driver_done_fn on_done, void *context);

/* Makes the schema anew and empty, with keys 0..keys-1; removes it. Answered as an
 * operation is; both are for the primary. What exists under that name and was not made
 * by netsplit is refused, where the system can tell. With a mark, so is what has another
 * drill's (claim_mark.h): DRIVER_REFUSED, and nothing was touched. */
void driver_setup(struct driver_client *client, uint64_t keys, uint64_t within_ns,
                  driver_done_fn on_done, void *context);
void driver_teardown(struct driver_client *client, uint64_t keys, uint64_t within_ns,
                     driver_done_fn on_done, void *context);

/* Closes the connection and frees the client once the loop has run; NULL is fine. An
 * open operation is abandoned: its on_done is not called any more, and what became of
 * it is for the caller to write down (info, a read: fail). A driver may go on
 * cancelling it for up to DRIVER_CANCEL_NS on a connection of its own. */
void driver_close(struct driver_client *client);
#define DRIVER_CANCEL_NS UINT64_C(1000000000)

#endif
