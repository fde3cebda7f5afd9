/* SPDX-License-Identifier: MIT */
/* The part of preflight's row for PostgreSQL that logs in and out; the functions are
 * those of struct preflight_system. */
#ifndef NETSPLIT_SCENARIOS_DRIVERS_PREFLIGHT_POSTGRES_H
#define NETSPLIT_SCENARIOS_DRIVERS_PREFLIGHT_POSTGRES_H

#include <stddef.h>

struct driver_endpoint;
struct preflight;

/* A struct postgres_session. */
void *preflight_postgres_login(struct preflight *preflight, size_t node,
                               const struct driver_endpoint *endpoint);
void preflight_postgres_describe(void *session, char *text, size_t text_bytes);
void preflight_postgres_close(void *session);

#endif
