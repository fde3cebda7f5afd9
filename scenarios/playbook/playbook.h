/* SPDX-License-Identifier: MIT */
/* Playbooks: Markdown documents for people, whose marked blocks are the steps of a
 * drill. The whole file is read and checked before the first step runs, against the
 * cluster it is to run on; what it should hold by the rules of the craft (an owner,
 * assumptions, a risk, stop conditions, something expected, a positive control) and
 * does not is said as a warning. */
#ifndef NETSPLIT_SCENARIOS_PLAYBOOK_PLAYBOOK_H
#define NETSPLIT_SCENARIOS_PLAYBOOK_PLAYBOOK_H

#include "scenarios/playbook/step.h"

/* Owns all of it in one arena. */
struct playbook {
    struct arena arena;
    struct source source;     /* the file's name and its whole text */
    const char *title;        /* front matter's `playbook`, else the first heading */
    const char *owner;        /* NULL = it says none */
    const char *cluster_word; /* front matter's `cluster`: a name or path; or NULL */
    const char *const *modes; /* front matter's; none = all of the cluster's */
    size_t n_modes;
    uint64_t no_ok_write_ns;            /* stop conditions; 0 = none */
    uint64_t duration_ns;               /* of one mode */
    struct cluster_variables variables; /* with what was set */
    const char *no_control; /* `control: none because ...`: the reason; or NULL */
    struct step *steps;     /* in document order */
    size_t n_steps;
};

/* Reads and checks the playbook, a path or the name of one that comes with netsplit
 * (shipped.h), on its cluster, which is *used (see playbook_load_cluster;
 * owned by the caller; NULL if it could not be loaded). NULL when one of the two is
 * wrong; diag says why, with the mistakes of both. sets: values of variables that beat
 * the playbook's own; borrowed while the playbook lives; NULL = none. */
struct playbook *playbook_load(const char *word, const char *cluster_word,
                               const struct cluster_variables *sets,
                               struct cluster **used, struct diag *diag);

/* The cluster that the text is for: cluster_word, else what its front matter says (a path
 * is looked for beside the playbook called name, then from here), else the store. NULL
 * when it cannot be loaded: diag says why. Owned by the caller. */
struct cluster *playbook_load_cluster(const char *name, const char *text, size_t length,
                                      const char *cluster_word, struct diag *diag);

/* The same of a text in memory, on a cluster (borrowed); without one (NULL) names of
 * nodes are not checked. */
struct playbook *playbook_parse(const char *name, const char *text, size_t length,
                                const struct cluster *cluster,
                                const struct cluster_variables *sets,
                                struct diag *diag);
/* The node that it promotes first, if that is the primary at its end, so that a second
 * pass would begin with a promotion of the primary; else NULL. */
const char *playbook_promotes_again(const struct playbook *playbook);

void playbook_destroy(struct playbook *playbook);

#endif
