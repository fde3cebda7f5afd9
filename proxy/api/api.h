/* SPDX-License-Identifier: MIT */
/* The control API: HTTP over a Unix socket of mode 0600, on the instance's own loop.
 *
 * It serves netsplit ctl, drills, and anything else that speaks HTTP:
 * curl --unix-socket PATH http://netsplit/v1/status. No request blocks the loop; a
 * client that hangs, or leaves in the middle of a request, costs one descriptor until
 * it has been silent for 10 s (event streams excepted). At most 256 clients at once.
 *
 * Every answer to a request that is HTTP is a JSON object with Content-Type:
 * application/json (event streams: application/x-ndjson). All *_ns that are moments are
 * CLOCK_MONOTONIC. Unknown keys must be ignored by readers: more will come.
 *
 * Errors: { "error": "a sentence", "diagnostics": [ ... ] }. The list is there only
 * where a rule file was wrong, in the order of the text (rules/diag.h has the fields):
 *
 *   { "severity": "error"|"lacking"|"warning", "file": "x.yaml", "line": 14,
 *     "column": 15, "length": 6, "text": "unknown distribution \"normall\"",
 *     "hint": "did you mean \"normal\"?" | null, "excerpt_column": 15,
 *     "excerpt": "the line, or a part of a long one" | null }
 *
 *   400  a malformed request
 *   404  no such path, or no such overlay
 *   405  wrong method (Allow says which)
 *   409  refused in this state: halted
 *   413  a body over 1 MiB
 *   422  the rules are wrong, or ask for what is lacking here
 *   500  a commit failed for another reason: a port in use
 *   503  out of memory, stopping, too many event streams
 *
 * GET /v1/status
 *   { "pid": 4711, "version": "0.1", "seed": 42, "generation": 3, "now_ns": N,
 *     "started_ns": N, "halted": false, "accepting": true, "stopping": false,
 *     "intercept": "listen" | "tproxy" | ..., "threads": 1,
 *     "bypassing": N,                        (connections that were there before)
 *     "base": { "file": "rules.yaml", "committed_ns": N, "off": OFF },
 *     "overlays": [ { "name": "cut", "file": "cut.yaml", "committed_ns": N,
 *                     "remaining_ms": 29000 | null,   (null: for ever)
 *                     "off": OFF } ],                 (in the order they act)
 *     "listeners": [ { "name": "wal", "address": "127.0.0.1:7101", "from": "n1",
 *                      "to": "n2", "refusing": false, "ignoring": false,
 *                      "connections_open": N } ],
 *     "rules": [ RULE, ... ], "links": [ LINK, ... ],
 *     "totals": { "connections": N, "connections_open": N, "passed_bytes": N,
 *                 "held_bytes": N, "discarded_bytes": N, "attempts": N,
 *                 "attempts_held_now": N, "attempts_failed": N,
 *                 "attempts_unresolved": N },
 *     "budgets": [ { "name": "held_bytes", "limit": N, "used": N, "peak": N,
 *                    "reached": N } ] }
 *   OFF: "nothing", "links" (healed), or "all" (cleared)
 *   RULE: { "name": "split", "origin": "base" | overlay,
 *     "state": "waiting"|"active"|"inactive"|"off"|"removed",
 *     "how": "stall" | ... | null   (of a link rule: what is really done),
 *     "fallback": "needs CAP_NET_ADMIN" | null   (why it does its fallback instead),
 *     "touched": true,              (did anything at all: felt)
 *     "touched_bytes", "held_bytes" (now), "released_bytes", "discarded_bytes",
 *     "connections", "connections_reset", "attempts_held", "attempts_held_now",
 *     "attempts_refused", "attempts_reset", "packets_dropped": N,
 *     "first_touched_ns": N | null, "last_touched_ns": N | null,
 *     "links": [ { "from": "n1", "to": "n2", "touched_bytes": N, "attempts": N,
 *                  "packets_dropped": N } ] }
 *     Rules of the plan in its order, then those that are gone but touched something.
 *     Counts are of (origin, name), over reloads; give each fault an overlay name of
 *     its own, or take differences.
 *   LINK: { "from", "to", "passed_bytes", "spliced_bytes" (read without being
 *     copied), "held_bytes" (now), "discarded_bytes", "connections",
 *     "connections_open", "attempts", "attempts_held_now", "attempts_failed",
 *     "attempts_unresolved" (of those: no address for the name) }
 *
 * GET /v1/connections
 *   { "now_ns": N, "connections": [ { "number": 17, "ordinal": 0, "listener": "wal",
 *     "from": "n1", "to": "n2", "client": "127.0.0.1:51234",
 *     "server": "127.0.0.1:5432" | null, "state": "open", "opened_ns": N,
 *     "passed_bytes_to_server": N, "passed_bytes_to_client": N,
 *     "held_bytes_to_server": N, "held_bytes_to_client": N,
 *     "rules": [ { "name": "slow", "origin": "base" } ],      (in force for it now)
 *     "to_client": LEG, "to_server": LEG | null } ],          (newest first)
 *     "bypassing": [ { "from": "n1", "to": "n2", "client": "10.77.1.2:4711",
 *                      "server": "10.77.2.2:5432" } ] }
 *   LEG, of the kernel's (TCP_INFO): { "rtt_us": N (0: none yet), "retransmits": N (of
 *     the proxy's segments, ever), "proxy": "127.0.0.1:7101" (its end: to_server's is
 *     whom the server sees) }
 *     Those that bypass were there before they could be intercepted. Of those that
 *     come through this host only the ones that sent something in the last minute are
 *     known.
 *
 * GET /v1/rules
 *   { "base": ..., "overlays": [ ... ] } as in status, each with its "text" as it was
 *   applied
 *
 * GET /v1/events[?since=SEQUENCE][&follow=no][&types=NAME,NAME...]
 *   JSON lines as journal.h says (journal_format). since: from that sequence number on
 *   (0: all that is kept); without it only what happens from now on. follow=no ends the
 *   answer where the journal ends. types picks event types; default all. The stream
 *   begins with {"now_ns": N, "next": SEQUENCE}: its reader has missed nothing from
 *   there on. A reader that is too slow loses events and gets {"missed": N} in their
 *   place. The stream ends when the proxy does.
 *
 * Changes answer, with 200, when they are committed: live connections are matched
 * already. CHANGE: { "committed_ns": N, "overlay": "cut" | null (the base),
 *   "rules": ["cut-1", ...]  (names of the rules now in that file),
 *   "other_cuts": [ link rules of other files in force ],
 *   "lease_ms": 600000 | null, "diagnostics": [ warnings ] }
 *
 * PUT /v1/rules[?file=NAME]
 *   Replaces the base by the body, a rule file. file: what diagnostics call it.
 *
 * PUT /v1/overlays/NAME[?file=NAME][&for=30s|ever]
 *   Installs or replaces an overlay: `netsplit: 1` and `rules:`. for: the lease, 10m
 *   unless said. NAME: 1 to 100 of A-Z a-z 0-9 . _ - and not "base".
 *
 * DELETE /v1/overlays/NAME
 *   Removes one.
 *
 * DELETE /v1/overlays
 *   Clear: removes all overlays, and switches the base's rules off until it is applied
 *   again.
 *
 * POST /v1/heal
 *   Switches link rules off, everywhere, until the next change of their file.
 *
 * POST /v1/partition[?for=30s|ever][&as=NAME]
 *   An overlay of one rule, from {"parts": [["n1"], ["n2", "n3"]], "how": "stall"}; how
 *   may be missing. Without `as` it is called partition-1, or the next free number; the
 *   answer's "overlay" says which.
 *
 * POST /v1/adopt[?from=NODE][&to=NODE]
 *   Ends connections that bypass, so that they come back and are intercepted:
 *   {"adopted": N}. Those that come through this host are reset when an end next sends.
 *
 * POST /v1/halt
 *   Clear, and refuse all changes but heal, clear and resume (409) until POST
 *   /v1/resume.
 */
#ifndef NETSPLIT_PROXY_API_API_H
#define NETSPLIT_PROXY_API_API_H

#include "proxy/base/errmsg.h"

struct api;
struct proxy;

enum { API_BODY_LIMIT_BYTES = 1 << 20, API_CLIENTS_MAX = 256, API_STREAMS_MAX = 32 };

/* Binds path (replacing a dead socket) and serves proxy from its loop. The proxy must
 * outlive the api. Errors: -EADDRINUSE a proxy answers there already; else what binding
 * said. */
int api_start(struct api **out, struct proxy *proxy, const char *path,
              struct errmsg *err);

/* Ends event streams, removes the socket, and calls on_closed (may be NULL) from the
 * loop once nothing is left; the api is freed then. The proxy, its overlays and their
 * leases run on. */
typedef void (*api_closed_fn)(void *arg);
void api_close(struct api *api, api_closed_fn on_closed, void *arg);

#endif
