/* SPDX-License-Identifier: MIT */
/* What a run owes: commands that must still be run, even if the run is killed, because
 * they undo what it has done to something that outlives it. They are noted in its record
 * before that is done, and `netsplit clean` runs those of the dead.
 *
 * A record is believed here more than elsewhere (rundir_clean.c), for a command cannot
 * be checked. That is no new power: the directory is the user's alone, which is looked
 * at each time, and who could write there could write to ~/.profile as well. */
#ifndef NETSPLIT_BASE_RUNDIR_OWED_H
#define NETSPLIT_BASE_RUNDIR_OWED_H

#include "proxy/base/rundir.h"

#include <stdbool.h>

struct rundir_debt {
    const char *what;   /* for people: "resuming r2, which line 12 paused" */
    const char *script; /* what people would run by hand; its first line is shown */
    /* The whole command, NULL-terminated; NULL = nothing can be run: people are told
     * `what`, once. */
    const char *const *argv;
    /* NULL-terminated NAME=VALUE. Of it only what differs from our own environment is
     * written down, so that a password which is only there stays there; whoever runs the
     * command adds an environment of their own. NULL = nothing. */
    const char *const *env;
    uint64_t within_ns; /* that it may take; 0 = 30 s */
};

/* Notes the debt (copied), with the current directory. 0 and *id, which is not 0; or a
 * negative errno (-EILSEQ: a word, a variable or the directory is no UTF-8, which a
 * record is): then nothing is owed, and what it would undo should not be done. */
int rundir_owe(struct rundir_record *record, const struct rundir_debt *debt,
               unsigned *id);

/* It was undone. An id of 0 is none. */
void rundir_settle(struct rundir_record *record, unsigned id);

/* Runs the command of a debt as it stands in a record, to its end. Whether it ended with
 * status 0; told is else how it ended. */
bool rundir_pay(const json_t *debt, char *told, size_t told_bytes);

#endif
