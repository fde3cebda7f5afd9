/* SPDX-License-Identifier: MIT */
/* What the redact*.c files share; nothing else includes this. */
#ifndef NETSPLIT_SCENARIOS_REDACT_REDACT_INSIDE_H
#define NETSPLIT_SCENARIOS_REDACT_REDACT_INSIDE_H

#include "scenarios/redact/redact.h"

/* The length of the secret known by its name that the text begins with; 0 = none. */
size_t redact_known_at(const struct redact *redact, const char *text);

/* Whether a cluster file lists the name. */
bool redact_is_listed(const struct redact *redact, const char *name, size_t length);

/* Whether none is known by its name. */
bool redact_is_empty(const struct redact *redact);

#endif
