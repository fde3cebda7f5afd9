/* SPDX-License-Identifier: MIT */
/* A client of the control API (the shapes are in proxy/api/api.h): HTTP/1.1 over a Unix
 * socket on a libuv loop, one connection a request.
 *
 * Every request ends in exactly one call of its callback, never from within the
 * function that started it; after control_cancel or control_client_close that call
 * comes with -ECANCELED. What a callback is given is borrowed for the call. */
#ifndef NETSPLIT_BASE_CONTROL_CLIENT_H
#define NETSPLIT_BASE_CONTROL_CLIENT_H

#include "proxy/base/errmsg.h"

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

struct control_client;
struct control_request;

/* status: the HTTP status (200..599) with the body's JSON (NULL if it had none), or a
 * negative errno with body NULL: -ECONNREFUSED or -ENOENT no proxy is there,
 * -ETIMEDOUT, -EPROTO an answer that is not HTTP and JSON, -ECONNRESET it ended midway,
 * -ECANCELED. err has a sentence whenever status is not 200: for HTTP statuses the
 * answer's "error". */
typedef void (*control_reply_fn)(void *arg, int status, json_t *body,
                                 const struct errmsg *err);

/* One line of an event stream: an object. */
typedef void (*control_event_fn)(void *arg, json_t *event);

/* A client of the socket at path (copied), at most 107 bytes long. Opens nothing yet.
 * The loop must outlive it. 0, -ENAMETOOLONG or -ENOMEM. */
int control_client_create(struct control_client **out, uv_loop_t *loop,
                          const char *path);

/* Cancels all that is under way. Handles are closed asynchronously: the loop must run
 * on until it is empty, or until on_closed (may be NULL), after which the client is
 * gone. With nothing under way on_closed is called at once. */
typedef void (*control_closed_fn)(void *arg);
void control_client_close(struct control_client *client, control_closed_fn on_closed,
                          void *arg);

/* method "GET", target "/v1/status" with its query (already escaped), body (copied;
 * NULL for none). deadline_ns is a span from now, over all of it; 0 = none. Answers
 * over 64 MiB are -EMSGSIZE. The handle, for control_cancel, is valid until the
 * callback; NULL when out of memory (no callback then). */
struct control_request *control_request(struct control_client *client,
                                        const char *method, const char *target,
                                        const char *body, uint64_t deadline_ns,
                                        control_reply_fn on_reply, void *arg);

/* Subscribes: GET target ("/v1/events?since=0"), on_event for each line, in order,
 * then on_reply once: status 200 (body NULL) when the proxy ended the stream, else as
 * above. deadline_ns is for the answer to begin. */
struct control_request *control_stream(struct control_client *client,
                                       const char *target, uint64_t deadline_ns,
                                       control_event_fn on_event,
                                       control_reply_fn on_reply, void *arg);

/* Ends it early; its callback comes later, with -ECANCELED. */
void control_cancel(struct control_request *request);

/* One request on a loop of its own; blocks at most deadline_ns. Returns the status as
 * above; *body (owned by the caller; may be NULL) and *err as above. */
int control_call(const char *path, const char *method, const char *target,
                 const char *body_text, uint64_t deadline_ns, json_t **body,
                 struct errmsg *err);

/* Percent-encodes raw as one path segment or query value; NUL-terminated, and cut
 * between two bytes of raw if text_bytes is too small. Returns text. */
const char *control_escape(const char *raw, char *text, size_t text_bytes);

#endif
