/* SPDX-License-Identifier: MIT */
/* Drills: one execution of a playbook on a cluster, once in each mode, everything that
 * was started or broken undone on every way out. */
#ifndef NETSPLIT_SCENARIOS_DRILL_DRILL_H
#define NETSPLIT_SCENARIOS_DRILL_DRILL_H

#include "proxy/base/errmsg.h"
#include "scenarios/playbook/playbook.h"
#include "scenarios/redact/redact.h"
#include "scenarios/report/run.h"

/* Everything is borrowed until drill_run() returns. */
struct drill_options {
    const struct playbook *playbook;
    const struct cluster *cluster;
    const char *cluster_word; /* as the user wrote it; NULL = the playbook's own */
    const char *const *modes; /* to run; none = the playbook's */
    size_t n_modes;
    uint64_t seed;
    bool unattended;              /* nobody is asked: manual steps are skipped */
    const struct redact *secrets; /* shown and kept nowhere; may be NULL */
    bool take_over;               /* from a drill elsewhere that is said to be dead */
    const char *out; /* directory for its files; NULL = netsplit-runs/PLAYBOOK/TIME */
};

/* Runs it. 0 and *out, which the caller destroys; *signal is the one that ended it, or
 * 0: then all is undone and the caller should die of it. Negative errno with err when
 * nothing could be started at all (no directory for the results). */
int drill_run(const struct drill_options *options, struct run **out, int *signal,
              struct errmsg *err);

#endif
