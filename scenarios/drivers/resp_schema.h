/* SPDX-License-Identifier: MIT */
/* The RESP driver's setup and teardown. */
#ifndef NETSPLIT_SCENARIOS_DRIVERS_RESP_SCHEMA_H
#define NETSPLIT_SCENARIOS_DRIVERS_RESP_SCHEMA_H

#include "scenarios/drivers/resp_link.h"

/* Sends what the client's request, which is one of the two, begins with; the client has
 * a link. The last answer is the request's. */
void resp_schema_send(struct resp_client *client);

#endif
