/* SPDX-License-Identifier: MIT */
/* The ways in which programs write a secret. */
#ifndef NETSPLIT_SCENARIOS_REDACT_REDACT_SPELL_H
#define NETSPLIT_SCENARIOS_REDACT_REDACT_SPELL_H

enum { REDACT_SPELLINGS = 9 };

/* Fills out with the value as it is, as JSON, XML, a shell's quotes, YAML's and SQL's
 * quotes, a backslash before a quote, and URLs write it, and in base64: as far as the
 * value alone decides, and in full without its padding. Some may be alike. The caller
 * frees each. */
void redact_spell(const char *value, char *out[static REDACT_SPELLINGS]);

#endif
