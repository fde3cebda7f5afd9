/* SPDX-License-Identifier: MIT */
/* What an instance that was killed leaves on devices: a queueing discipline that lets
 * everything pass, since nothing puts packets into its classes any more. */
#ifndef NETSPLIT_KERNEL_QDISC_CLEAN_H
#define NETSPLIT_KERNEL_QDISC_CLEAN_H

struct errmsg;

/* Removes those whose instance is dead: a live one has its table. It looks in the
 * network namespace we are in, and in those that have a name (ip-netns(8)), as far as
 * they may be entered. Calls on_removed for each ("removed ...", "left ...", borrowed).
 * Returns how many were removed, or a negative errno and err. Again is fine. */
typedef void (*qdisc_clean_fn)(void *arg, const char *line);
int qdisc_clean(qdisc_clean_fn on_removed, void *arg, struct errmsg *err);

#endif
