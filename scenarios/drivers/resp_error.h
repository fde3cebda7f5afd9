/* SPDX-License-Identifier: MIT */
/* What an error reply says about a write. */
#ifndef NETSPLIT_SCENARIOS_DRIVERS_RESP_ERROR_H
#define NETSPLIT_SCENARIOS_DRIVERS_RESP_ERROR_H

#include "scenarios/drivers/driver.h"

/* By how it begins; DRIVER_UNCLEAR where that is not known. */
enum driver_error resp_error_of(const char *text);

#endif
