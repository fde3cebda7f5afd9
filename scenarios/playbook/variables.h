/* SPDX-License-Identifier: MIT */
/* Variables of playbooks: the front matter's `vars: { RATE: 400/s }` names each with the
 * value that holds unless `--set RATE=...` gives another. They stand for their values
 * as $RATE or ${RATE} in all values of YAML blocks and of step headers, and in the
 * environment of every command, where the shell reads them the same way. */
#ifndef NETSPLIT_SCENARIOS_PLAYBOOK_VARIABLES_H
#define NETSPLIT_SCENARIOS_PLAYBOOK_VARIABLES_H

#include "scenarios/playbook/cluster.h"

struct yaml_node;

/* What a playbook's names stand for, out of its map (NULL: it has none) and of what was
 * set. Names that cannot be, and settings of variables that it does not have, are told.
 * at: where a setting is complained about. The texts are borrowed. */
struct cluster_variables variables_read(struct arena *arena,
                                        const struct yaml_node *map,
                                        const struct cluster_variables *sets,
                                        const struct mark *at, struct diag *diag);

/* The text with the values in place of the names; the text itself where it has none.
 * A name that is none of the variables is told at `at`. */
const char *variables_expand(const struct cluster_variables *variables,
                             struct arena *arena, const char *text,
                             const struct mark *at, struct diag *diag);

/* The tree with the values in place of the names in all its values, but for those of
 * the keys run, undo and felt, which are a shell's to read. The tree that was given is
 * left as it is. */
const struct yaml_node *variables_expand_tree(const struct cluster_variables *variables,
                                              struct arena *arena,
                                              const struct yaml_node *node,
                                              struct diag *diag);

#endif
