/* SPDX-License-Identifier: MIT */
/* What an instance that was killed leaves in the kernel: policy rules and routes of
 * mode tproxy, which do nothing without packets marked for them. */
#ifndef NETSPLIT_KERNEL_INTERCEPT_CLEAN_H
#define NETSPLIT_KERNEL_INTERCEPT_CLEAN_H

struct errmsg;

/* Removes those of the network namespace we are in whose instance is dead: a live one
 * has its table. Calls on_removed for each ("removed ...", "left ...", borrowed).
 * Returns how many were removed, or a negative errno and err. Again is fine. */
typedef void (*intercept_clean_fn)(void *arg, const char *line);
int intercept_clean(intercept_clean_fn on_removed, void *arg, struct errmsg *err);

#endif
