/* SPDX-License-Identifier: MIT */
/* The rows that rules/faults/fault.c puts in order; each is defined in the file of its name.
 */
#ifndef NETSPLIT_RULES_FAULTS_ROWS_H
#define NETSPLIT_RULES_FAULTS_ROWS_H

#include "rules/faults/fault.h"

extern const struct fault fault_refuse;
extern const struct fault fault_unanswered;
extern const struct fault fault_accept_delay;
extern const struct fault fault_corrupt;
extern const struct fault fault_slice;
extern const struct fault fault_delay;
extern const struct fault fault_loss;
extern const struct fault fault_rate;
extern const struct fault fault_stall;
extern const struct fault fault_discard;
extern const struct fault fault_reset;
extern const struct fault fault_close;
extern const struct fault fault_half_open;
extern const struct fault fault_packet_loss;
extern const struct fault fault_packet_rate;
extern const struct fault fault_packet_delay;

#endif
