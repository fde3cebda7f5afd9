/* SPDX-License-Identifier: MIT */
/* The data: keys and their values, changed only by applying the log's commands in
 * order. Pure, so every node that applies the same log holds the same data and would
 * have answered the same. */
#ifndef NETSPLIT_STORE_STATE_H
#define NETSPLIT_STORE_STATE_H

#include "scenarios/store/resp.h"

#include <stddef.h>

enum { STORE_VALUE_MAX_BYTES = 64 << 20 };

struct store_state;

struct store_state *store_state_create(void);
void store_state_destroy(struct store_state *state); /* NULL is fine */

/* Applies a write and appends its reply to reply (NULL: not wanted). A write that is
 * not possible (INCR of a text, a value too large) changes nothing and answers an
 * error; a command that is no write of ours does nothing and answers nothing.
 *
 *     SET key value       +OK
 *     CAS key old new     :1, or :0 when the value is not old or there is no key
 *     INCR key            the new number; a missing key counts as 0
 *     APPEND key bytes    the new length; a missing key counts as empty
 *     DEL key...          how many there were */
void store_state_apply(struct store_state *state, const struct store_command *command,
                       struct store_buffer *reply);

/* Looks a value up: true and *value, which is valid until the next apply. */
bool store_state_get(const struct store_state *state, struct store_slice key,
                     struct store_slice *value);

size_t store_state_keys(const struct store_state *state);

#endif
