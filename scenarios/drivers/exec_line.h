/* SPDX-License-Identifier: MIT */
/* The lines between netsplit and a driver that is a program: one JSON object asks, one
 * answers, each on a line of its own.
 *
 *     {"op":7,"process":3,"f":"cas","key":1,"value":[2,3],"node":"n1",
 *      "host":"127.0.0.1","port":4711,"schema":"netsplit_drill","writes":"write",
 *      "deadline_ms":1000}
 *     {"op":7,"type":"ok"}
 *
 * f is read, append, write, cas or add; value what it writes, null of a read. host and
 * port are where to reach the node from where the program runs, and stay the same for
 * the program's life. writes says how the keys are written, and so what a read returns:
 * append and add: a list, write: an integer. setup and teardown have "keys": N in place
 * of process, key and value; they are for the keys 0..N-1.
 *
 * The answer repeats op. type is ok, fail (it certainly did not happen) or info (nobody
 * knows; the default). An ok read has value: null (nothing is there), an integer or a
 * list of integers. Else error says why, and begins with a word if there is a known one:
 * read-only (the node is no primary), conflict (the cas found another value),
 * unreachable, timeout, connection-lost; fail with "unsupported" says that the program
 * does not have this f. node names the node that answered, if it was another. What else
 * there is (version) is passed over. */
#ifndef NETSPLIT_SCENARIOS_DRIVERS_EXEC_LINE_H
#define NETSPLIT_SCENARIOS_DRIVERS_EXEC_LINE_H

#include "scenarios/drivers/client.h"

#include <jansson.h>

/* The line that asks, with its newline; free() it. */
char *exec_line_write(uint64_t op, const struct driver_target *target,
                      const struct driver_request *request);

/* An answer; zeroed = none. Its texts and its list live until exec_answer_close(). */
struct exec_answer {
    struct driver_outcome outcome; /* reusable; its text is not NULL unless ok */
    bool is_unsupported;
    json_t *json;   /* owned */
    int64_t *items; /* owned */
};

/* Reads a line (without its newline) that answers the op. 0, or -EINVAL with err if it
 * is no answer to it; answer is to be closed in either case. */
int exec_line_read(const char *line, size_t length, uint64_t op,
                   const struct driver_target *target,
                   const struct driver_request *request, struct exec_answer *answer,
                   struct errmsg *err);
void exec_answer_close(struct exec_answer *answer);

/* The line, cut, as it may be shown anywhere: printable ASCII. Returns text. */
const char *exec_line_show(const char *line, size_t length, char *text,
                           size_t text_bytes);

#endif
