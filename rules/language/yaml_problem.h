/* SPDX-License-Identifier: MIT */
/* What libyaml says about bad syntax, in words that help. Used by yaml.c only. */
#ifndef NETSPLIT_RULES_LANGUAGE_YAML_PROBLEM_H
#define NETSPLIT_RULES_LANGUAGE_YAML_PROBLEM_H

#include "rules/language/yaml.h"

#include <yaml.h>

/* Before parsing: finds what is no YAML text at all (bytes that are no UTF-8, control
 * characters, too much of it), says so, and shortens the input to the lines before it.
 * A byte order mark is passed over. Returns whether the input was shortened. */
bool yaml_problem_truncate(struct yaml_input *input, struct diag *diag);

/* Tells the syntax error at which the parser stopped. flow: where the bracket that was
 * opened last stands; NULL = none. */
void yaml_problem_report(const yaml_parser_t *parser, const struct yaml_input *input,
                         const struct mark *flow, struct diag *diag);

#endif
