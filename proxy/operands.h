/* SPDX-License-Identifier: MIT */
/* [NAME=]LISTEN:UPSTREAM words of a command line as a rule file, so that there is one
 * way in which an instance gets its paths. */
#ifndef NETSPLIT_PROXY_OPERANDS_H
#define NETSPLIT_PROXY_OPERANDS_H

#include <stddef.h>

struct buffer;
struct errmsg;

/* Appends a rule file with a listener for each word, from the node `client` to a node
 * for the server. Both are called NAME, or without one by the first label of UPSTREAM's
 * host name ("db" for db.internal) if nothing else is; else path1 and server1, path2 and
 * server2, ... by the place of the word. LISTEN is PORT, ADDR:PORT or [ADDR]:PORT
 * (127.0.0.1 unless said), UPSTREAM is HOST:PORT or [ADDR]:PORT. 0; or -EINVAL with the
 * word and what it should be in err, or -ENOMEM. */
int operands_to_rules(const char *const *words, size_t n, struct buffer *out,
                      struct errmsg *err);

#endif
