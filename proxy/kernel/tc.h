/* SPDX-License-Identifier: MIT */
/* Queueing disciplines (tc(8)) as qdisc.c wants them: on a device a root of ours, which
 * lets everything pass but what was given the number of a class; in a class a token
 * bucket, or a delay, or both.
 *
 * All of it is done in the network namespace that the calling thread is in. Functions
 * return 0 or a negative errno. */
#ifndef NETSPLIT_KERNEL_TC_H
#define NETSPLIT_KERNEL_TC_H

#include <stdbool.h>
#include <stdint.h>

struct address;
struct nl_sock;

/* Ours have this handle, and classes are TC_MAJOR:minor, 1..TC_LAST_MINOR. */
#define TC_MAJOR      UINT32_C(0x4e53)
#define TC_LAST_MINOR UINT32_C(0x1fff)

enum { TC_KIND_BYTES = 32 };

int tc_open(struct nl_sock **out);
void tc_close(struct nl_sock *socket);

/* Does this kernel know the kind ("netem")? It may load a module for it. No device is
 * changed: the kernel is asked for one without the parameters that it needs. 1 or 0. */
int tc_knows(struct nl_sock *socket, const char *kind);

/* What is at the root of a device. */
struct tc_root {
    int device; /* its index */
    char kind[TC_KIND_BYTES];
    bool is_default; /* the kernel's own choice */
    bool is_ours;    /* of some instance: */
    unsigned number; /* its N */
};
typedef void (*tc_root_fn)(void *context, const struct tc_root *root);
int tc_each_root(struct nl_sock *socket, tc_root_fn visit, void *context);

/* The device by which packets leave for the address (of a network: for its first), by
 * the main routing tables: its index; 0: there is no route. */
int tc_find_device(struct nl_sock *socket, const struct address *address);

/* Takes the place of the device's default root, for instance N; -EEXIST: there is
 * another one. When it is removed the default comes back. */
int tc_add_root(struct nl_sock *socket, int device, unsigned number);

/* Removes the one of instance N; whatever else is there stays. */
int tc_remove_root(struct nl_sock *socket, int device, unsigned number);

/* What a class does to its packets. */
struct tc_shape {
    uint64_t bytes_per_s; /* 0: any rate */
    uint64_t burst_bytes; /* with a rate: 1..UINT32_MAX; at least one packet passes */
    uint64_t queue_bytes; /* with a rate: what waits beyond it is dropped; likewise */
    uint64_t delay_ns;    /* 0 and no jitter: none */
    uint64_t jitter_ns;
};

/* If it fails nothing of the class stays. */
int tc_add_class(struct nl_sock *socket, int device, uint32_t minor,
                 const struct tc_shape *shape);
int tc_remove_class(struct nl_sock *socket, int device, uint32_t minor);

/* What classes of ours did since they were made, all devices. */
struct tc_count {
    int device;
    uint32_t minor;
    uint64_t bytes;   /* that left */
    uint64_t dropped; /* packets that found the queue full */
};
typedef void (*tc_count_fn)(void *context, const struct tc_count *count);
int tc_each_count(struct nl_sock *socket, tc_count_fn visit, void *context);

#endif
