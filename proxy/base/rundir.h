/* SPDX-License-Identifier: MIT */
/* The user's runtime directory: where control sockets and the records of runs live.
 *
 * It is netsplit/ under $XDG_RUNTIME_DIR, or netsplit-UID under /tmp, of mode 0700 and
 * the user's own: anything else there (a symlink, another owner, a wider mode) is
 * refused, never repaired. Each process that makes something outside itself keeps a
 * record there, a file named run-PID-START. It says what would be left over if the
 * process were killed, is written (atomically) before or just as each thing is made,
 * and goes when the process leaves in good order. `netsplit clean` reads the records of
 * the dead. */
#ifndef NETSPLIT_BASE_RUNDIR_H
#define NETSPLIT_BASE_RUNDIR_H

#include "proxy/base/errmsg.h"

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum { RUNDIR_PATH_BYTES = 108 }; /* sun_path: longer paths cannot be sockets */

/* The directory's path, which is made if it is not there. -EPERM: it is not safe to
 * use. */
int rundir_find(char path[static RUNDIR_PATH_BYTES], struct errmsg *err);

/* Where the control socket is: option if not NULL, else $NETSPLIT_CONTROL, else
 * "control" in the runtime directory. -ENAMETOOLONG. */
int rundir_control_path(const char *option, char path[static RUNDIR_PATH_BYTES],
                        struct errmsg *err);

/* A listening, non-blocking, close-on-exec Unix socket of mode 0600 at path. A socket
 * there that answers is -EADDRINUSE ("a proxy answers there already: pid 4711,
 * since ..."); a dead
 * one is replaced; anything that is not a socket is -EEXIST. Two that start at the same
 * moment do not overwrite each other. */
int rundir_bind_control(const char *path, int *out_fd, struct errmsg *err);

/* Whether somebody answers at path: 0 with the pid (0 = not known), -ECONNREFUSED for a
 * dead socket, -ENOENT, or what else connecting said. path is shorter than
 * RUNDIR_PATH_BYTES. */
int rundir_probe_control(const char *path, pid_t *out_pid);

/* When a process started, in clock ticks since boot (field 22 of /proc/PID/stat): tells
 * a reused pid from the process that had it. -ESRCH when it is gone or a zombie. */
int rundir_start_time(pid_t pid, uint64_t *out_ticks);

struct rundir_record;

/* Begins this process's record; what is a word for people ("proxy", "drill"). All
 * functions below accept NULL for record and then do nothing, so that a run without a
 * record needs no special case. */
int rundir_record_open(struct rundir_record **out, const char *what,
                       struct errmsg *err);

/* Notes a path (a control socket, a temporary directory) or a child process (with its
 * group, if it leads one) that clean must remove if this process cannot. Paths are
 * copied and made absolute. 0 or a negative errno: then nothing is noted. */
int rundir_add_path(struct rundir_record *record, const char *path);
int rundir_add_child(struct rundir_record *record, pid_t pid);

/* Notes something in the kernel, for who reads the record: "table inet netsplit_0". 0 or
 * a negative errno. */
int rundir_add_kernel(struct rundir_record *record, const char *text);

/* It is gone again. */
void rundir_drop_path(struct rundir_record *record, const char *path);
void rundir_drop_child(struct rundir_record *record, pid_t pid);

/* Adds a value (taken over, also on failure) under a key of its own, for those who look
 * for such runs by rundir_each(). */
int rundir_note(struct rundir_record *record, const char *key, json_t *value);

/* Removes the record: everything was undone. What is owed keeps it for `clean`. */
void rundir_record_close(struct rundir_record *record);

/* Calls on_run with the record (borrowed) of each run that is alive, in no order. 0 or a
 * negative errno. */
typedef void (*rundir_run_fn)(void *arg, pid_t pid, const json_t *record);
int rundir_each(rundir_run_fn on_run, void *arg, struct errmsg *err);

/* The same of those that are dead and were not cleaned. */
int rundir_each_dead(rundir_run_fn on_run, void *arg, struct errmsg *err);

/* Keeps others who call it out until the descriptor is closed (in all processes that
 * have it); waits a second for them at most. A descriptor, or a negative errno. */
int rundir_lock(struct errmsg *err);

/* Removes what dead runs left: kills children whose pid and start time match, removes
 * sockets nobody answers at, directories directly below /tmp or $TMPDIR named
 * netsplit-* that are the user's, names of network namespaces, overlays at proxies that
 * live (a note "overlays": { control, prefix of their names }), and the records. Calls
 * on_removed for each ("removed directory /tmp/netsplit-x", borrowed) or for what it
 * must leave alone ("left ...").
 * Returns how many things were removed, or a negative errno. Live runs are not touched.
 *
 * First it runs what they owe (rundir_owed.h), the last first. What fails stays in the
 * record, to be tried again, and all else is removed; then -EAGAIN, and err says how to
 * go on. rundir_forget() gives up what is owed instead, and says what that was. */
typedef void (*rundir_removed_fn)(void *arg, const char *line);
int rundir_clean(rundir_removed_fn on_removed, void *arg, struct errmsg *err);

int rundir_forget(rundir_removed_fn on_removed, void *arg, struct errmsg *err);

/* The same for one run: a child's that has just died. */
int rundir_clean_run(pid_t pid, rundir_removed_fn on_removed, void *arg,
                     struct errmsg *err);

#endif
