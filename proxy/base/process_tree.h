/* SPDX-License-Identifier: MIT */
/* A process with all that belongs to it: its group, and every descendant of either,
 * also those that made a session of their own, as PostgreSQL's do. */
#ifndef NETSPLIT_BASE_PROCESS_TREE_H
#define NETSPLIT_BASE_PROCESS_TREE_H

#include <sys/types.h>

/* Stops them all, lets them run on, or kills them all (they are stopped first, so that
 * nobody makes another meanwhile). A process that is gone is no error: nothing is
 * returned, the caller hears of ends by other means. */
void process_tree_stop(pid_t leader);
void process_tree_continue(pid_t leader);
void process_tree_kill(pid_t leader);

#endif
