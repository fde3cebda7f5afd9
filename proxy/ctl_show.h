/* SPDX-License-Identifier: MIT */
/* Answers of the control API as netsplit ctl shows them to people. Each takes the JSON
 * that proxy/api/api.h describes and prints to stdout; colours only where wanted. Keys that
 * an older or newer proxy does not have read as 0 or "-". */
#ifndef NETSPLIT_PROXY_CTL_SHOW_H
#define NETSPLIT_PROXY_CTL_SHOW_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

void ctl_show_status(const json_t *status, bool colour);
void ctl_show_rules(const json_t *rules, bool colour);
void ctl_show_connections(const json_t *connections, bool colour);

/* What was done ("healed"), what it is called, its rules and when it ends. */
void ctl_show_change(const json_t *change, const char *done, bool colour);

/* One event as a line; at 0 s is zero_ns. */
void ctl_show_event(const json_t *event, uint64_t zero_ns, bool colour);

/* The diagnostics of a refusal, or the warnings of a change, on stderr as a compiler
 * shows them. Returns how many were errors of the text itself. */
size_t ctl_show_diagnostics(const json_t *answer, bool colour);

#endif
