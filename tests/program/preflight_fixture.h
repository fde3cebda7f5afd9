/* SPDX-License-Identifier: MIT */
/* `netsplit preflight` in the directory of a struct drill_fixture, and what it told. */
#ifndef NETSPLIT_TESTS_PREFLIGHT_FIXTURE_H
#define NETSPLIT_TESTS_PREFLIGHT_FIXTURE_H

#include "drill_fixture.h"

/* Runs it on ./cluster.yaml to its end; its status. */
int preflight_fly(struct drill_fixture *fixture);

/* Whether one line has the level ("ok", "note", "MISSING"), the check and the text. */
bool preflight_told(const struct drill_fixture *fixture, const char *level,
                    const char *check, const char *text);

/* Runs it again until it tells that; what was changed in a server may take a moment to
 * hold. */
void preflight_fly_until(struct drill_fixture *fixture, const char *level,
                         const char *check, const char *text);

/* What stands behind the first "mend: " after the text; the next call replaces it. */
const char *preflight_mend_of(const struct drill_fixture *fixture, const char *text);

/* Runs that, as it stands, by a shell; user: PGUSER there, or NULL. */
void preflight_run_mend(const struct drill_fixture *fixture, const char *text,
                        const char *user);

#endif
