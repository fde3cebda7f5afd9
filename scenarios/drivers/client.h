/* SPDX-License-Identifier: MIT */
/* What a driver is made of, for the drivers themselves: the row, and the part of a
 * client that driver.c keeps. */
#ifndef NETSPLIT_SCENARIOS_DRIVERS_CLIENT_H
#define NETSPLIT_SCENARIOS_DRIVERS_CLIENT_H

#include "scenarios/drivers/driver.h"

enum driver_verb { DRIVER_OPERATION = 0, DRIVER_SETUP, DRIVER_TEARDOWN };

/* What a client is asked; stays until it is answered. */
struct driver_request {
    enum driver_verb verb;
    struct driver_operation operation; /* of DRIVER_OPERATION */
    uint64_t keys;                     /* of the other two: 0..keys-1 */
    uint64_t within_ns;                /* as it was invoked */
};

struct driver {
    const char *name;
    const char *help;    /* one sentence */
    const char *setting; /* what its setting is, a phrase */
    bool is_program;     /* as driver_is_program() */
    unsigned operations; /* a bit (1u << f) for each that it has */
    size_t client_bytes; /* of its client, which begins with struct driver_client */

    /* As driver_check(). */
    int (*check)(const char *setting, struct errmsg *err);

    /* Begins client->request: connects if there is no connection, sends, and later
     * calls driver_answer() or driver_broke() once; may do so from within, too. */
    void (*start)(struct driver_client *client);

    /* The deadline has passed: answers the request if the driver knows better than that
     * nothing came, and says whether it did. NULL = it never does. */
    bool (*late)(struct driver_client *client);

    /* Lets go of the connection, at once and whatever state it is in; may be called
     * twice. client->state says whether a request is open. Answers nothing. */
    void (*abandon)(struct driver_client *client);

    /* Frees what the driver's part of the client owns; the connection is gone. NULL =
     * nothing. */
    void (*finish)(struct driver_client *client);
};

enum driver_state {
    DRIVER_IDLE = 0, /* may be invoked */
    DRIVER_STARTING, /* within start() */
    DRIVER_BUSY,     /* a request is open */
    DRIVER_FAILED,   /* start() has answered; on_done is about to be told */
    DRIVER_ENDED,    /* its last outcome was not reusable */
    DRIVER_CLOSED,   /* driver_close() was called */
};

struct driver_client {
    const struct driver *driver; /* a row */
    uv_loop_t *loop;             /* borrowed until closed */
    struct driver_target target; /* its texts are owned */
    enum driver_state state;
    bool sent; /* the request may have left; set by the driver, cleared by driver.c */
    unsigned holds;   /* handles and others that still need the memory */
    uv_timer_t timer; /* the deadline; of DRIVER_FAILED: the next turn of the loop */
    struct driver_request request;
    driver_done_fn on_done;
    void *context;                 /* borrowed: on_done's */
    struct driver_outcome outcome; /* of DRIVER_FAILED */
    char text[256];                /* what outcome.text points to */
};

extern const struct driver driver_exec;
extern const struct driver driver_resp;
extern const struct driver driver_postgres;

/* The answer to the open request. Text is made one line. Calls on_done, unless within
 * start(); the client may be closed when this returns, but its memory is still there if
 * the driver holds it. An outcome that is not reusable has the connection abandoned. */
void driver_answer(struct driver_client *client, const struct driver_outcome *outcome);

/* The connection could not be made, or broke: an answer if a request is open (of a type
 * that follows from client->sent), else nothing. why is text for people. */
void driver_broke(struct driver_client *client, const char *why);

/* The same where the driver's own program is to blame. */
void driver_defect(struct driver_client *client, const char *why);

/* What the server said about the open request, an error: fail if it is definite or the
 * request reads, else info. The client can go on. */
void driver_refused(struct driver_client *client, enum driver_error error,
                    const char *text);

/* The memory stays until it is released as often as held. */
void driver_hold(struct driver_client *client);
void driver_release(struct driver_client *client);

/* Whether the open request only reads. */
bool driver_reads(const struct driver_client *client);

#endif
