/* SPDX-License-Identifier: MIT */
/* Waiting for a descriptor in a program that asks one question after the other: each
 * wait ends at its deadline at the latest, and at once when the process is asked to end
 * (SIGINT, SIGTERM, SIGHUP). The signals are held back meanwhile, so that what was
 * begun can be undone; they are delivered by patience_close(). */
#ifndef NETSPLIT_SCENARIOS_PREFLIGHT_PATIENCE_H
#define NETSPLIT_SCENARIOS_PREFLIGHT_PATIENCE_H

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>

struct driver_endpoint;

struct patience {
    int signal_fd;   /* owned; readable once a signal has come */
    sigset_t before; /* what was held back before */
};

/* 0 or a negative errno. For a process of one thread. */
int patience_open(struct patience *patience);

/* The signal that has come, or 0. */
int patience_signal(const struct patience *patience);

/* Waits for the events (of poll(2)) until the time (of now_ns()). 0, -ETIMEDOUT, or
 * -EINTR after a signal. */
int patience_wait(const struct patience *patience, int fd, short events,
                  uint64_t until_ns);

/* Connects to the endpoint: the socket, non-blocking and close-on-exec, which is the
 * caller's; or a negative errno, also those of patience_wait(). */
int patience_connect(const struct patience *patience,
                     const struct driver_endpoint *endpoint, uint64_t until_ns);

/* A signal that came is delivered, and as a rule ends the process. */
void patience_close(struct patience *patience);

#endif
