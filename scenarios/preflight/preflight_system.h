/* SPDX-License-Identifier: MIT */
/* The checks that ask the servers themselves, each by the row of the cluster's kind of
 * system. */
#ifndef NETSPLIT_SCENARIOS_PREFLIGHT_PREFLIGHT_SYSTEM_H
#define NETSPLIT_SCENARIOS_PREFLIGHT_PREFLIGHT_SYSTEM_H

struct driver;
struct preflight;
struct preflight_system;

/* The row for the driver; NULL if there is none. */
const struct preflight_system *preflight_find_system(const struct driver *driver);

void preflight_login(struct preflight *preflight);
void preflight_rights(struct preflight *preflight);
void preflight_tls(struct preflight *preflight);
void preflight_sockets(struct preflight *preflight);
void preflight_replication(struct preflight *preflight);
void preflight_connections(struct preflight *preflight);

/* Closes all sessions. */
void preflight_log_out(struct preflight *preflight);

#endif
