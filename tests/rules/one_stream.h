/* SPDX-License-Identifier: MIT */
/* What tests of chains and faults start from: nodes a, b and c, and a stream from a to
 * b that a rule may be put on. For TestSuite(x, .init = one_stream_begin, .fini =
 * one_stream_end). */
#ifndef NETSPLIT_TESTS_RULES_ONE_STREAM_H
#define NETSPLIT_TESTS_RULES_ONE_STREAM_H

#include "tests/rules/world.h"

/* Of the one test that runs in this process. Streams are opened by the test, and closed
 * with the world. */
extern struct world world;
extern struct stream stream, second;

void one_stream_begin(void);
void one_stream_end(void);

/* All as at the beginning: for tests that go through a table. */
void one_stream_renew(void);

/* The base's rule "rule" from a to b (`what` as in world_inject), the plan, and a
 * stream to the server that is opened at 0. */
void one_stream_open_with(const char *what);

/* What the stream let out, from log entry `first` on: "10ms:100 15ms:fin". */
void one_stream_expect(size_t first, const char *wanted);

#endif
