/* SPDX-License-Identifier: MIT */
/* One proxy: the rules it runs on, its listeners and the connections through them, on
 * a libuv loop, or on several in threads of its own. Several proxies may live in one
 * process and on one loop; there are no globals. Everything here is called on that
 * loop's thread, and nothing waits for the network. */
#ifndef NETSPLIT_PROXY_PROXY_H
#define NETSPLIT_PROXY_PROXY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <uv.h>

struct counters;
struct diag;
struct errmsg;
struct journal;
struct plan;

struct proxy;

enum { PROXY_THREADS_MAX = 64 };

/* Zero in a number means the default that stands beside it. */
struct proxy_config {
    uv_loop_t *loop;             /* borrowed; outlives the proxy */
    struct counters *counters;   /* borrowed; outlives the proxy */
    struct journal *journal;     /* borrowed; outlives the proxy */
    bool has_seed;               /* the seed below beats `seed:` of the rules */
    uint64_t seed;               /* without either one is drawn at proxy_start */
    uint64_t connect_timeout_ns; /* of a dial, all addresses together; 10 s */
    uint64_t max_bytes;          /* held in all streams together; 1 GiB */
    uint64_t max_hold_bytes;     /* held in one stream unless a rule says; 8 MiB */
    uint32_t max_connections;    /* open at a time; 10000 */
    uint32_t threads; /* 1..64 loops, all but the first in threads of their own; 1 */

    /* Called once, from the loop, when proxy_stop has closed everything. May call
     * proxy_destroy. */
    void (*on_stopped)(void *context);
    void *context; /* borrowed */
};

/* A proxy that does nothing yet. 0, -ENOMEM, or what timerfd_create says. The config is
 * copied. */
int proxy_create(const struct proxy_config *config, struct proxy **out);

/* Frees it. Only before proxy_start succeeded, or after on_stopped. NULL is fine. */
void proxy_destroy(struct proxy *proxy);

/* Where rules come from: text, and the name that diagnostics show. */
struct proxy_source {
    const char *name; /* "wan.yaml"; copied */
    const char *text; /* borrowed until the call returns */
    size_t length;    /* bytes */
};

/* What a change did. */
struct proxy_commit {
    uint64_t at_ns;      /* CLOCK_MONOTONIC: from here on the new rules hold */
    uint64_t generation; /* 1 after proxy_start, one more with each change */
};

/* All calls that change the rules are all or nothing: they return 0 and fill *commit
 * (which may be NULL), or they change nothing and return
 *
 *   -EINVAL, -ENOTSUP  the text is wrong, or asks for what this version lacks: the
 *                      reasons are in diag (rules/diag.h)
 *   -ENOMEM            and err
 *   other              what the kernel said, with a sentence in err: -EADDRINUSE for a
 *                      port that is taken, -EACCES, -EADDRNOTAVAIL, ...
 *   -ENOENT            there is no overlay of that name
 *   -ESHUTDOWN         the proxy is not started, or stopping
 *
 * Warnings may be in diag with any result. A change is journalled. Live connections
 * are matched again before the call returns. */

/* Runs the base rules: opens all listeners, so that on 0 every path can be connected
 * to. Once in a proxy's life; after an error it may be called again. */
int proxy_start(struct proxy *proxy, const struct proxy_source *source,
                struct diag *diag, struct errmsg *err);

/* Replaces the base rules. Listeners are compared by (address, from, to): those to be
 * added are bound before anything changes, those gone stop listening while their
 * connections run on without faults. Overlays stay, and must still make sense with the
 * new base's nodes. */
int proxy_apply_base(struct proxy *proxy, const struct proxy_source *source,
                     struct proxy_commit *commit, struct diag *diag,
                     struct errmsg *err);

/* Reads a file and starts on it, or replaces the base with it. A file that cannot be
 * read is -EINVAL with the reason in diag. */
int proxy_start_file(struct proxy *proxy, const char *path, struct diag *diag,
                     struct errmsg *err);
int proxy_apply_base_file(struct proxy *proxy, const char *path,
                          struct proxy_commit *commit, struct diag *diag,
                          struct errmsg *err);

/* Installs or replaces the overlay of that name; it acts after the base and after the
 * overlays that were there before it. lease_ns: it goes by itself after so long;
 * UINT64_MAX = it stays. */
int proxy_apply_overlay(struct proxy *proxy, const char *name,
                        const struct proxy_source *source, uint64_t lease_ns,
                        struct proxy_commit *commit, struct diag *diag,
                        struct errmsg *err);

/* Removes one overlay. */
int proxy_remove_overlay(struct proxy *proxy, const char *name,
                         struct proxy_commit *commit);

/* Removes every overlay and switches the base's rules off until the next change of the
 * base. The paths stay. */
int proxy_clear(struct proxy *proxy, struct proxy_commit *commit);

/* Switches every link rule (partition, isolate, cut) off, in the base and in overlays,
 * until the next change of the text it came from. */
int proxy_heal(struct proxy *proxy, struct proxy_commit *commit);

/* Stops listening, lets connections end by themselves for up to drain_ns (0: at once;
 * UINT64_MAX: as long as they take), resets those that are left, then calls on_stopped.
 * Faults end at the first call. Calling it again with a shorter time shortens it.
 * A host name that is still being looked up may keep the loop alive past on_stopped. */
void proxy_stop(struct proxy *proxy, uint64_t drain_ns);

/* Runs the instance's loop as uv_run with UV_RUN_DEFAULT would, with less between an
 * event and its connection. Any uv_run does as well. */
void proxy_run(struct proxy *proxy);

/* What there is, for status pages. The texts and pointers of a view are borrowed until
 * the visitor returns; visitors change nothing.
 *
 * From proxy_freeze to proxy_thaw nothing moves in any thread, so that what is read
 * belongs together; what else is here does it for itself. May be nested; with one
 * thread it does nothing. */
void proxy_freeze(struct proxy *proxy);
void proxy_thaw(struct proxy *proxy);

struct proxy_status {
    uint64_t seed;
    uint64_t generation;
    uint64_t started_ns;      /* CLOCK_MONOTONIC; 0 = not yet */
    uint64_t held_bytes;      /* in all streams now */
    uint64_t max_bytes;       /* the budget of it */
    uint32_t connections;     /* open now, held attempts included */
    uint32_t max_connections; /* the budget of it */
    uint32_t threads;
    bool accepting; /* false while a budget or file descriptors ran out */
    bool stopping;
};
void proxy_status(const struct proxy *proxy, struct proxy_status *out);

struct proxy_listener_view {
    const char *name;    /* the listener's, or FROM>TO */
    const char *from;    /* a node, or "any" */
    const char *to;      /* a node */
    const char *address; /* "127.0.0.1:7101", "[::1]:7101": what to connect to */
    const struct sockaddr_storage *bound;
    bool refusing;        /* shut down on purpose: all it serves is refused */
    bool ignoring;        /* answers nobody: so do the rules for all it serves */
    uint32_t connections; /* open now */
};
typedef void (*proxy_listener_fn)(void *context,
                                  const struct proxy_listener_view *view);
/* In file order; those that a reload removed are not among them. */
void proxy_each_listener(const struct proxy *proxy, proxy_listener_fn visit,
                         void *context);

struct proxy_layer_view {
    const char *name; /* NULL for the base, which comes first */
    const char *file; /* the name its text had */
    const char *text; /* as it was applied, length bytes */
    size_t length;
    uint64_t committed_ns;
    uint64_t ends_ns; /* CLOCK_MONOTONIC; UINT64_MAX = stays */
    bool links_off;   /* proxy_heal switched its link rules off */
    bool rules_off;   /* proxy_clear switched all of its rules off */
};
typedef void (*proxy_layer_fn)(void *context, const struct proxy_layer_view *view);
/* The base, then the overlays in the order in which they act. */
void proxy_each_layer(const struct proxy *proxy, proxy_layer_fn visit, void *context);

enum proxy_rule_state {
    PROXY_RULE_WAITING = 0, /* its `after` has not passed yet */
    PROXY_RULE_ACTIVE,
    PROXY_RULE_INACTIVE, /* its `for` is over, or between two turns of `every` */
    PROXY_RULE_OFF,      /* switched off by proxy_heal or proxy_clear */
};

struct proxy_rule_view {
    const char *name;
    const char *origin; /* "base", or the overlay's name: as in counters.h */
    enum proxy_rule_state state;
    const char *how;      /* of a link rule, what is really done: "stall"; else NULL */
    const char *fallback; /* why it does its fallback instead; else NULL */
};
typedef void (*proxy_rule_fn)(void *context, const struct proxy_rule_view *view);
/* Those of the plan that runs, in its order. */
void proxy_each_rule(const struct proxy *proxy, proxy_rule_fn visit, void *context);

/* "waiting", "active", "inactive", "off". */
const char *proxy_rule_state_name(enum proxy_rule_state state);

/* How it gets at connections: "listen", "tproxy", "redirect", "netns". */
const char *proxy_intercept(const struct proxy *proxy);

/* What it has made in the kernel for that, as one line each: "table inet netsplit_0 in
 * /run/netns/r1". */
typedef void (*proxy_kernel_fn)(void *context, const char *text);
void proxy_each_kernel_object(const struct proxy *proxy, proxy_kernel_fn visit,
                              void *context);

/* Connections that would be intercepted if they were opened now, but were there before,
 * and so pass by. Of those that come through this host only the ones are known that
 * have sent something in the last minute. */
struct proxy_bypassing_view {
    const char *from, *to; /* nodes; from may be "any" */
    const char *client;    /* "10.77.1.2:4711" */
    const char *server;
};
typedef void (*proxy_bypassing_fn)(void *context,
                                   const struct proxy_bypassing_view *view);
/* Returns how many there are. visit may be NULL. */
size_t proxy_each_bypassing(const struct proxy *proxy, proxy_bypassing_fn visit,
                            void *context);

/* Ends those from one node to another (NULL: any), so that their clients connect again
 * and are intercepted. Each is journalled. 0 and *n, how many were ended; or, with *n
 * ended before it failed, -EOPNOTSUPP, -EPERM or what else the kernel says, with a
 * sentence in err; or -ESHUTDOWN. */
int proxy_adopt(struct proxy *proxy, const char *from, const char *to, size_t *n,
                struct errmsg *err);

/* Brings the counters up to date with what the kernel holds back and drops; else they
 * are up to a second late. Costs a few system calls for each connection under such
 * rules. */
void proxy_sample(struct proxy *proxy);

struct counters_connection;
typedef void (*proxy_connection_fn)(void *context,
                                    const struct counters_connection *connection);
/* Those that are open, the newest first. */
void proxy_each_connection(const struct proxy *proxy, proxy_connection_fn visit,
                           void *context);

/* One of its two TCP connections: client to proxy, proxy to server. */
struct proxy_leg_view {
    bool connected;       /* else the rest is zero */
    uint32_t rtt_us;      /* the kernel's smoothed round-trip time; 0 = none yet */
    uint32_t retransmits; /* segments that the proxy sent again, ever */
    char own[72];         /* the proxy's end: "127.0.0.1:51234" */
};

struct proxy_connection_view {
    struct proxy_leg_view client, server;
};

/* What the kernel knows of a connection, only within a visit to it. A few system calls.
 */
void proxy_view_connection(const struct counters_connection *connection,
                           struct proxy_connection_view *out);

/* The rules that are in force for it at that time, in their order; likewise. */
typedef void (*proxy_rule_of_fn)(void *context, const char *origin, const char *name);
void proxy_each_rule_of(const struct counters_connection *connection, uint64_t now_ns,
                        proxy_rule_of_fn visit, void *context);

/* What was counted: with one thread the counters of the config; with more, the sum of
 * all threads' at this moment, without the connections, good until the next call. NULL:
 * no memory for the sum. */
struct counters *proxy_counters(const struct proxy *proxy);

/* The journal and the loop are those of the config. */
struct journal *proxy_journal(const struct proxy *proxy);
uv_loop_t *proxy_loop(const struct proxy *proxy);

/* The plan that runs now: borrowed until control goes back to the loop, or the next
 * change. NULL before proxy_start. */
const struct plan *proxy_plan(const struct proxy *proxy);

#endif
