/* SPDX-License-Identifier: MIT */
/* What the files of interception share: intercept.c keeps it in line with plans,
 * intercept_site.c acts in one namespace, intercept_door.c accepts, and each mode is a
 * row of functions in a file of its own. */
#ifndef NETSPLIT_KERNEL_INTERCEPT_INTERNAL_H
#define NETSPLIT_KERNEL_INTERCEPT_INTERNAL_H

#include "proxy/kernel/endpoints.h"
#include "proxy/kernel/intercept.h"
#include "proxy/kernel/packet_sets.h"
#include "proxy/kernel/qdisc_classes.h"
#include "proxy/wire/sockaddress.h"
#include "proxy/wire/timers.h"

#include <stdbool.h>

struct buffer;
struct dial_source;
struct intercept_door;
struct watch;

/* One mode. */
struct intercept_mode {
    const char *name;

    /* What the accept sockets are bound to. */
    void (*door_address)(int family, struct sockaddr_storage *out);
    bool transparent; /* the sockets' addresses are other hosts' */

    bool sees_clients; /* sockets of clients are in its namespaces */
    bool sees_passing; /* connections between others come through: its chains have
                          bypass_write_rules */

    /* Its chains, emptied if they are there, and their rules. */
    void (*write_chains)(const struct intercept_site *site, struct buffer *out);

    /* Fills in where an accepted socket's client was going, and whether it is from
     * here. 0 or a negative errno: it was going nowhere but here. */
    int (*find_server)(const struct intercept_door *door, int fd,
                       struct intercepted *out);

    /* What the socket to the server is bound to. */
    void (*fill_source)(const struct intercepted *intercepted, struct dial_source *out);

    /* What the table needs beside it, in the own namespace; NULL: nothing. */
    int (*begin)(struct intercept_site *site, struct errmsg *err);
    void (*end)(const struct intercept_site *site);
};

/* What is lacking where the kernel says -EPERM. */
void intercept_say_lacking(const char *mode, struct errmsg *err);

extern const struct intercept_mode intercept_tproxy, intercept_redirect,
    intercept_netns;

/* An accept socket. */
struct intercept_door {
    struct intercept_site *site; /* borrowed */
    struct intercept_door *next; /* in the site's list */
    int family;
    const char *opener; /* interned: the node of all who come here; NULL: by address */
    bool has_uid;       /* with an opener: */
    uint32_t uid;       /* theirs */
    const char *cgroup; /* interned: theirs; NULL: any */
    const char *cgroup_root; /* a literal: what comes before it below /sys/fs/cgroup */
    uint16_t port;
    struct watch *watch; /* owned */
    bool wanted;         /* scratch: of the plan that is coming */
};

/* What is done in one namespace. */
struct intercept_site {
    struct interceptor *interceptor; /* borrowed; NULL once it was given up */
    const struct intercept_mode *mode;
    struct intercept_site *next; /* in the interceptor's list */
    const char *node;            /* interned: whose it is; NULL: nobody's alone */
    struct netns *netns;         /* owned; NULL: our own */
    struct nft *nft;             /* owned; NULL: given up */
    unsigned number;             /* N */
    bool begun;                  /* the mode's begin has succeeded */
    char *text;                  /* owned: the transaction that holds; NULL: none yet */
    char *packet_text; /* owned: what packet_tables.c put there; NULL: nothing */
    struct packet_sets packet_sets; /* of it */
    struct qdisc_classes qdiscs;    /* qdisc.c's, on its devices */
    char *qdisc_text; /* owned: what gives them their packets; NULL: nothing */
    char *undo;       /* owned, scratch: the one before, of a change under way */
    struct intercept_door *doors; /* owned */
    struct endpoints own;         /* where its node is, as the namespace says */
    uint32_t n_connections;       /* that name it */
    bool is_new, wanted;          /* scratch: of a change under way */
    bool missed;                  /* said that its node is gone */
};

struct interceptor {
    struct proxy *proxy; /* borrowed */
    const struct intercept_mode *mode;
    struct intercept_site *sites; /* owned */
    struct endpoints endpoints;   /* of the plan that runs */
    struct timer look;            /* looks again at the nodes' namespaces */
    uint64_t search_ns;           /* when to look for nodes that are not there */
    bool looking;                 /* by that timer: who is missing was said before */
    bool stopping;
};

/* Makes the table and the sockets that every namespace has, and takes nothing yet;
 * netns is taken over in any case. 0, or as intercept_change says. */
int site_create(struct intercept_site **out, struct interceptor *interceptor,
                const char *node, struct netns *netns, struct errmsg *err);

/* Makes the doors of the plan that are not there. Those there that it does not want
 * stay until site_drop_doors. 0, or as above. */
int site_prepare_doors(struct intercept_site *site, const struct plan *plan,
                       struct errmsg *err);
void site_drop_doors(struct intercept_site *site);

/* Takes what the endpoints say (NULL: nothing) from now on. 0, or as above and nothing
 * changed. Then either site_keep or site_restore, which takes it back. */
int site_install(struct intercept_site *site, const struct endpoints *endpoints,
                 struct errmsg *err);
void site_keep(struct intercept_site *site);
void site_restore(struct intercept_site *site);

/* Does another instance take some of it? 0, or -EADDRINUSE and err names it. */
int site_check_others(const struct intercept_site *site,
                      const struct endpoints *endpoints, struct errmsg *err);

/* Learns where the node is from its namespace. 1: something changed; 0; or a negative
 * errno, and what was known stays. */
int site_learn(struct intercept_site *site);

/* Gives it up: it takes nothing any more, and goes with its last connection, until when
 * its table carries that on. */
void site_give_up(struct intercept_site *site);

/* Closes the doors and takes nothing more; connections go on. */
void site_stop(struct intercept_site *site);

/* Does without the family: closes its doors. */
void site_close_family(struct intercept_site *site, int family);

/* Watches the doors, or not. */
void site_watch(struct intercept_site *site, bool watched);

/* An accept socket that nobody is sent to yet. */
int door_create(struct intercept_door **out, struct intercept_site *site, int family,
                struct errmsg *err);
void door_destroy(struct intercept_door *door);

/* The door of all who are told by their address; NULL: the family is not there. */
const struct intercept_door *site_door(const struct intercept_site *site, int family);

#define INTERCEPT_TABLE_PREFIX "netsplit_"
#define INTERCEPT_ROUTE_TABLE  UINT32_C(0x4e530000)

/* "tcp flags ..." of a first packet: nothing else may be taken, or connections that
 * exist would be reset. */
#define INTERCEPT_SYN     "tcp flags & (fin|syn|rst|ack) == syn "
#define INTERCEPT_NOT_SYN "tcp flags & (fin|syn|rst|ack) != syn "

#endif
