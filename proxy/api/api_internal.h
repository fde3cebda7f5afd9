/* SPDX-License-Identifier: MIT */
/* What the files of the API share: api.c serves HTTP in turns that api_turn.c gives it,
 * api_change.c changes the rules, api_view.c shows what there is, api_events.c streams
 * the journal, and all of them answer through api_answer.c. */
#ifndef NETSPLIT_PROXY_API_API_INTERNAL_H
#define NETSPLIT_PROXY_API_API_INTERNAL_H

#include "proxy/api/api.h"
#include "proxy/base/rundir.h"

#include <jansson.h>
#include <microhttpd.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

struct api_stream;

struct api {
    struct proxy *proxy; /* borrowed */
    struct MHD_Daemon *daemon;
    uv_poll_t poll;   /* of the daemon's epoll descriptor */
    uv_timer_t timer; /* the daemon's next timeout */
    int handles_open;
    bool halted;
    bool closing;
    bool turn_due;              /* the daemon has more to do at once */
    unsigned n_clients;         /* after the daemon's last turn */
    uint64_t stop_at_ns;        /* closing: event streams have until then to end */
    struct api_stream *streams; /* those that are open */
    size_t n_streams;
    api_closed_fn on_closed;
    void *arg; /* borrowed, of on_closed */
    char path[RUNDIR_PATH_BYTES];
};

struct api_route;

/* One request, from its head to its answer. */
struct api_request {
    struct api *api;                   /* borrowed */
    struct MHD_Connection *connection; /* borrowed from the daemon */
    const struct api_route *route;
    char *name; /* owned: the part of the path behind the route's; NULL without one */
    char *body; /* owned; NULL while empty */
    size_t body_len, body_capacity;
};

enum api_limits {
    API_NAME_MAX = 100,       /* of an overlay */
    API_DEFAULT_LEASE_S = 600 /* of what is applied by hand */
};

/* Answers with the object, which is taken over; NULL is answered with 503 (it could not
 * be made). */
enum MHD_Result api_answer(struct api_request *request, unsigned status,
                           json_t *object);

/* Answers {"error": "..."}. */
enum MHD_Result api_refuse(struct api_request *request, unsigned status,
                           const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Answers that the path takes the methods allowed ("GET, PUT"), and not this one. */
enum MHD_Result api_refuse_method(struct api_request *request, const char *allowed);

/* A parameter of the query, or NULL. Borrowed for the request. */
const char *api_parameter(struct api_request *request, const char *name);

/* The routes' functions: each queues one answer. */
enum MHD_Result api_get_status(struct api_request *request);
enum MHD_Result api_get_rules(struct api_request *request);
enum MHD_Result api_get_connections(struct api_request *request);
enum MHD_Result api_get_events(struct api_request *request);
enum MHD_Result api_put_rules(struct api_request *request);
enum MHD_Result api_put_overlay(struct api_request *request);
enum MHD_Result api_delete_overlay(struct api_request *request);
enum MHD_Result api_delete_overlays(struct api_request *request);
enum MHD_Result api_post_heal(struct api_request *request);
enum MHD_Result api_post_partition(struct api_request *request);
enum MHD_Result api_post_adopt(struct api_request *request);
enum MHD_Result api_post_halt(struct api_request *request);
enum MHD_Result api_post_resume(struct api_request *request);

/* Makes every event stream end where it stands. None is suspended afterwards, which the
 * daemon must be given a turn to notice. */
void api_end_streams(struct api *api);

/* Connects the daemon to the loop. 0, or a negative errno. */
int api_turn_open(struct api *api, uv_loop_t *loop);

/* Gives the daemon a turn from the loop: after a connection was resumed, which in this
 * mode tells nobody. */
void api_turn_soon(struct api *api);

/* The names of the rules that run and came from origin, as an array. */
json_t *api_rule_names(const struct proxy *proxy, const char *origin);

#endif
