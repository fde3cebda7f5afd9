/* SPDX-License-Identifier: MIT */
/* Secrets that are known by their form. */
#ifndef NETSPLIT_SCENARIOS_REDACT_REDACT_FORM_H
#define NETSPLIT_SCENARIOS_REDACT_REDACT_FORM_H

#include <stdbool.h>
#include <stddef.h>

struct redact;

/* Whether a variable of the name holds a secret. */
bool redact_is_secret_name(const char *name, size_t length);

/* The length of the secret that begins at text[at], as what stands before it says, which
 * may be a name that is listed; 0 = none does. */
size_t redact_form_at(const struct redact *redact, const char *text, size_t at);

#endif
