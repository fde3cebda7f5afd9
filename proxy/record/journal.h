/* SPDX-License-Identifier: MIT */
/* The journal: what an instance decided and what it saw, as typed events in a bounded
 * ring, read by any number of readers at their own pace.
 *
 * Adding an event copies one struct: no formatting, no allocation, no system call but
 * the clock. A reader is a cursor into the ring; one that falls behind by more than the
 * ring holds loses the oldest events and learns how many. So a slow reader costs
 * nothing and memory is bounded whatever readers do.
 *
 * The journal belongs to one loop's thread, as everything in proxy/ does. Where a proxy
 * has several, each writes to a branch of its own. */
#ifndef NETSPLIT_PROXY_RECORD_JOURNAL_H
#define NETSPLIT_PROXY_RECORD_JOURNAL_H

#include "proxy/base/errmsg.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Decisions depend on the seed, the rules and the bytes alone: with one seed, and
 * connections opened in the same order between each two nodes, they are the same in
 * every run. All other types are observations. journal.c has the table of names and of
 * the fields each type carries. */
enum journal_type {
    JOURNAL_DECISION = 0,      /* rule origin link draw ordinal outcome, direction */
    JOURNAL_LISTENER_OPENED,   /* link text (name=address:port) */
    JOURNAL_LISTENER_CLOSED,   /* link text */
    JOURNAL_CONNECTION_OPENED, /* connection link text (the client's address) */
    JOURNAL_CONNECTION_CLOSED, /* connection link text (why) bytes (passed, both) */
    JOURNAL_COMMITTED,         /* origin text (what was done) count (rules) */
    JOURNAL_RULE_ACTIVE,       /* rule origin text ("how" of a link rule, or NULL) */
    JOURNAL_RULE_INACTIVE,     /* rule origin text (why: time, removed, off) */
    JOURNAL_PARTITIONED,       /* rule origin text (how) count (links cut) */
    JOURNAL_DRAWN,             /* rule origin text (the parts of its shape) */
    JOURNAL_HEALED,            /* rule origin text (why) count (links) */
    JOURNAL_TOUCHED,           /* rule origin link: the first touch of it there */
    JOURNAL_BUDGET_REACHED,    /* text (the budget's name) count (its limit; of
                                  "hold" that of the stream) */
    JOURNAL_ADOPTED,           /* link text (the client's address): ended, so that it
                                  comes back through the proxy */
    JOURNAL_MISSED,            /* count (events a thread had, and no room to pass on) */
    JOURNAL_NODE_GONE,         /* from text (where it was): its namespace went away */
    JOURNAL_NODE_FOUND,        /* from text (where it is): after the start */
    JOURNAL_TYPES,             /* how many types there are; no event has it */
};

enum journal_direction {
    JOURNAL_NO_DIRECTION = 0, /* of the whole connection */
    JOURNAL_TO_SERVER,
    JOURNAL_TO_CLIENT,
};

/* Fields a type does not use are 0 or NULL. Each string is borrowed for the life of the
 * journal: a literal, or what journal_intern() or counters.h returned. A decision names
 * opener and server as from and to, whatever its direction. */
struct journal_event {
    uint64_t sequence; /* set by journal_add: 1, 2, 3, ... */
    uint64_t at_ns;    /* CLOCK_MONOTONIC; journal_add fills it in if 0 */
    enum journal_type type;
    enum journal_direction direction;
    uint64_t connection;         /* the instance's number for it, from 1; 0 = none */
    uint64_t connection_ordinal; /* decisions: its place, from 0, between the two */
    const char *rule;
    const char *origin; /* "base", or the overlay's name */
    const char *from, *to;
    const char *text;
    const char *draw; /* decisions: what was drawn: "probability" "jitter" "slice" */
    uint64_t ordinal; /* decisions: byte offset for corrupt and slice, else a count */
    int64_t outcome;  /* decisions: the draw's value; 0 or 1, ns, or bytes */
    uint64_t bytes;
    uint64_t count;
};

struct journal;

/* A journal of the given number of events (rounded up to a power of two; 0 =
 * JOURNAL_DEFAULT_EVENTS). NULL when out of memory. */
enum { JOURNAL_DEFAULT_EVENTS = 16384 };
struct journal *journal_create(size_t events);

/* A branch keeps no events: journal_add passes them to the queue, which is borrowed,
 * and calls on_added; somebody else takes them to the journal. All that is written
 * works alike, except that journal_add returns 0; nothing can be read from it. Names
 * interned in a branch live as long as the branch. NULL when out of memory. */
typedef void (*journal_added_fn)(void *arg);
struct event_queue;
struct journal *journal_create_branch(struct event_queue *queue,
                                      journal_added_fn on_added, void *arg);

/* Frees it, its names included; listeners are dropped without a call. */
void journal_destroy(struct journal *journal);

/* The one copy of text that lives as long as the journal; NULL for NULL, "?" when out
 * of memory. Names are few (nodes, rules, overlays) and are kept to the end; texts that
 * never repeat (addresses) go through journal_text instead. */
const char *journal_intern(struct journal *journal, const char *text);

/* A copy of text that lives as long as the event being added next can be read: it is
 * kept beside the ring in slots of JOURNAL_TEXT_BYTES and cut to fit. */
enum { JOURNAL_TEXT_BYTES = 80 };
const char *journal_text(struct journal *journal, const char *text);

/* Adds a copy of the event. Never fails. Returns its sequence number. */
uint64_t journal_add(struct journal *journal, const struct journal_event *event);

/* The number of the oldest event that is kept; journal_next() if none is. */
uint64_t journal_oldest(const struct journal *journal);

/* The number that the next event will get: a reader that wants only news starts there;
 * one that wants all that is kept starts at 0. */
uint64_t journal_next(const struct journal *journal);

/* Copies the first event with sequence >= *cursor to *event and moves *cursor behind
 * it. Events that had already left the ring are counted in *missed (else 0). False, and
 * nothing but *missed written, when there is none. */
bool journal_read(const struct journal *journal, uint64_t *cursor,
                  struct journal_event *event, uint64_t *missed);

/* Told once that something was added; it must ask again to be told again. Embedded in
 * the reader. The callback must only take note (wake something): it runs inside
 * journal_add, on the data path. */
struct journal_listener {
    journal_added_fn on_added;
    void *arg;                     /* borrowed */
    struct journal_listener *next; /* the journal's list of those waiting */
};
void journal_wait(struct journal *journal, struct journal_listener *listener);
void journal_stop_waiting(struct journal *journal, struct journal_listener *listener);

/* Writes the event as one JSON object and a newline to text:
 * {"sequence":7,"at_ns":81273645,"event":"touched","rule":"split","origin":"base",
 *  "from":"n1","to":"n2"}
 * Keys in this order; absent where the type has no such field: sequence at_ns event
 * connection connection_ordinal direction rule origin from to draw ordinal outcome text
 * bytes count. Returns the length (never more than text_bytes - 1; names that are too
 * long are cut) without the NUL. JOURNAL_LINE_BYTES are enough for any names of up to
 * 100 bytes. */
enum { JOURNAL_LINE_BYTES = 1024 };
size_t journal_format(const struct journal_event *event, char *text, size_t text_bytes);

/* The name of a type ("connection-opened"), and back (-1 for none). */
const char *journal_type_name(enum journal_type type);
int journal_type_find(const char *name);

/* Also writes every event from now on as a line to the file at path, which is created
 * (0600) or continued. Lines are written in the background, in order; a disk that
 * cannot keep up leaves {"missed":N} lines, one that fails ends the file with a line on
 * the log. Closing writes the rest and frees it, asynchronously: run the loop until it
 * is empty before journal_destroy. */
struct uv_loop_s;
struct journal_file;
int journal_file_open(struct journal_file **out, struct journal *journal,
                      struct uv_loop_s *loop, const char *path, struct errmsg *err);
void journal_file_close(struct journal_file *file); /* NULL is fine */

#endif
