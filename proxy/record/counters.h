/* SPDX-License-Identifier: MIT */
/* Counters: what passed, what waits and what was harmed, per rule, link and connection.
 *
 * Looked up by name when a connection is matched, then incremented through the pointer:
 * an increment is an addition, no lookup. Rules are keyed by (origin, name) and links
 * by (from, to), so counts survive reloads; entries are never freed before the whole,
 * and neither are their names, which the journal may therefore borrow (destroy the
 * journal first). Fields named _now go up and down; all others only up.
 *
 * A rule has *touched* what it made wait, changed, threw away, refused or reset: bytes
 * that waited in the kernel behind it (FIONREAD) count when they are first seen. */
#ifndef NETSPLIT_PROXY_RECORD_COUNTERS_H
#define NETSPLIT_PROXY_RECORD_COUNTERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct counters_rule {
    const char *name;           /* as in the rule file */
    const char *origin;         /* "base", or the overlay's name */
    uint64_t touched_bytes;     /* delayed, held, changed or discarded */
    uint64_t held_bytes_now;    /* in user space or seen waiting in the kernel */
    uint64_t released_bytes;    /* were held and went on */
    uint64_t discarded_bytes;   /* read and thrown away */
    uint64_t connections;       /* distinct connections it touched */
    uint64_t connections_reset; /* by it; also those it closed or half opened */
    uint64_t attempts_held;     /* ever; also accept_delay and unanswered */
    uint64_t attempts_held_now;
    uint64_t attempts_refused;
    uint64_t attempts_reset;
    uint64_t packets_dropped;
    uint64_t first_touched_ns; /* CLOCK_MONOTONIC; 0 = never */
    uint64_t last_touched_ns;
    struct counters_rule *next; /* in order of first use */
};

struct counters_link {
    const char *from, *to;
    uint64_t passed_bytes;  /* written to the receiver's socket */
    uint64_t spliced_bytes; /* read without being copied; most of them passed so too */
    uint64_t held_bytes_now;
    uint64_t discarded_bytes;
    uint64_t connections_open_now; /* opened by from, to to */
    uint64_t connections;          /* ever */
    uint64_t attempts; /* ever, by from; those that became connections too */
    uint64_t attempts_held_now;
    uint64_t attempts_failed;     /* refused, reset, timed out, left */
    uint64_t attempts_unresolved; /* of those: the server's name was not found */
    struct counters_link *next;
};

/* One rule on one link: what a match finds and a stream increments through. */
struct counters_touch {
    struct counters_rule *rule; /* shared, same life */
    struct counters_link *link; /* shared, same life */
    uint64_t bytes;             /* of rule->touched_bytes, those on this link */
    uint64_t attempts;          /* held, refused or reset */
    uint64_t packets_dropped;
    uint64_t first_ns;           /* 0 = not touched yet */
    struct counters_touch *next; /* in order of first use */
};

/* Embedded in the proxy's connection, which keeps it current while it is listed. Texts
 * are borrowed until counters_connection_remove. */
struct counters_connection {
    uint64_t number;      /* the instance's number for it, from 1 */
    uint64_t ordinal;     /* its place, from 0, between opener and server */
    const char *listener; /* the listener's name */
    const char *client;   /* "127.0.0.1:51234" */
    const char *server;   /* "127.0.0.1:5432"; NULL before the dial */
    const char *state;    /* a literal: "held" "connecting" "open" "closing" ... */
    uint64_t opened_ns;   /* when accepted */
    uint64_t passed_bytes_to_server, passed_bytes_to_client;
    uint64_t held_bytes_to_server_now, held_bytes_to_client_now;
    struct counters_link *to_server; /* opener -> server */
    struct counters_link *to_client; /* server -> opener */
    struct counters_connection *next, *prev;
};

enum counters_budget_kind {
    BUDGET_HELD_BYTES = 0, /* all streams together */
    BUDGET_CONNECTIONS,
    BUDGET_DESCRIPTORS,
    BUDGET_STREAM_BYTES, /* of one stream: its default; nothing is summed up, peak is
                            the most that one held when it was full */
    BUDGET_KINDS,
};

/* The threads of a proxy share their budgets: everything else here belongs to one. */
struct counters_budget {
    const char *name; /* "held_bytes" "connections" "descriptors" "hold" */
    uint64_t limit;   /* 0 = not set */
    _Atomic uint64_t used_now;
    _Atomic uint64_t peak;
    _Atomic uint64_t reached; /* how often something waited or was refused for it */
};

struct counters {
    struct counters_rule *rules; /* lists in order of first use; read freely */
    struct counters_link *links;
    struct counters_touch *touches;
    struct counters_connection *connections; /* newest first */
    struct counters_budget budgets[BUDGET_KINDS];
    struct counters_index *index; /* private */
};

/* 0 or -ENOMEM. close frees all but the connections, which their owners removed. */
int counters_init(struct counters *counters);
void counters_close(struct counters *counters);

/* Find or make; NULL when out of memory. The same arguments give the same pointer. */
struct counters_rule *counters_rule(struct counters *counters, const char *origin,
                                    const char *name);
struct counters_link *counters_link(struct counters *counters, const char *from,
                                    const char *to);
struct counters_touch *counters_touch(struct counters *counters,
                                      struct counters_rule *rule,
                                      struct counters_link *link);

/* Lists a connection and counts it on its to_server link, open and in all; its fields
 * must be set. remove takes it off again, twice does no harm. */
void counters_connection_add(struct counters *counters,
                             struct counters_connection *connection);
void counters_connection_remove(struct counters *counters,
                                struct counters_connection *connection);

/* The rule touched, on the link: so many bytes; one more connection (once for each
 * connection and rule: the caller remembers); one attempt, which also goes into the
 * rule's field of that outcome; so many packets, which vanished. True the first time it
 * touched anything there: then journal it. */
enum counters_attempt {
    ATTEMPT_HELD = 0, /* attempts_held; attempts_held_now is the caller's */
    ATTEMPT_REFUSED,
    ATTEMPT_RESET,
};
bool counters_touch_bytes(struct counters_touch *touch, uint64_t bytes,
                          uint64_t now_ns);
bool counters_touch_connection(struct counters_touch *touch, uint64_t now_ns);
bool counters_touch_attempt(struct counters_touch *touch, enum counters_attempt outcome,
                            uint64_t now_ns);
bool counters_touch_packets(struct counters_touch *touch, uint64_t packets,
                            uint64_t now_ns);

/* Takes amount from the budget if it fits: true. Else false, and `reached` counts; a
 * limit of 0 always fits. hold takes it in any case, release gives back; both return
 * what is used then. */
bool counters_budget_take(struct counters_budget *budget, uint64_t amount);
uint64_t counters_budget_hold(struct counters_budget *budget, uint64_t amount);
uint64_t counters_budget_release(struct counters_budget *budget, uint64_t amount);

/* Adds what the other ones counted: rules, links and touches of the same names, and
 * budgets; not the list of connections. 0 or -ENOMEM, and then only a part is added. */
int counters_add(struct counters *counters, const struct counters *other);

/* Whether it did anything at all: what makes a fault felt. */
bool counters_rule_was_touched(const struct counters_rule *rule);

#endif
