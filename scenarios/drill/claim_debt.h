/* SPDX-License-Identifier: MIT */
/* What dead drills owe nodes that are about to be claimed. */
#ifndef NETSPLIT_SCENARIOS_DRILL_CLAIM_DEBT_H
#define NETSPLIT_SCENARIOS_DRILL_CLAIM_DEBT_H

#include "proxy/base/errmsg.h"

#include <jansson.h>

/* Whether a drill of this user's that is dead owes one of the claims' nodes something that
 * `netsplit clean` would undo: -EUCLEAN, with err; 0 if not. */
int claim_debt_check(const json_t *claims, struct errmsg *err);

#endif
