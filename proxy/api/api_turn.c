/* SPDX-License-Identifier: MIT */
/* libmicrohttpd on our loop, without a thread: its epoll descriptor is one uv_poll of ours
 * and its timeout one uv_timer, and whenever either fires MHD_run does what there is to
 * do and returns.
 *
 * The daemon aborts the process if a connection is suspended when it is stopped, and
 * suspended is what an event stream without news is. So closing, which resumed them all,
 * lets them write their end for a moment, and stops the daemon from a timer, never from
 * within MHD_run. */
#include "proxy/api/api_internal.h"
#include "proxy/base/log.h"
#include "proxy/base/now.h"

#include <stdlib.h>

enum { LAST_WORDS_STEP_MS = 10, HANDLES = 2 };

static void on_handle_closed(uv_handle_t *handle)
{
    struct api *api = handle->data;
    if (--api->handles_open > 0)
        return;
    if (api->on_closed)
        api->on_closed(api->arg);
    free(api);
}

static void stop_daemon(struct api *api)
{
    uv_close((uv_handle_t *)&api->poll, on_handle_closed);
    uv_close((uv_handle_t *)&api->timer, on_handle_closed);
    MHD_stop_daemon(api->daemon); /* closes the socket and every connection */
}

static void on_timer(uv_timer_t *timer);

/* The daemon stops listening while it has as many clients as it may, or descriptors ran
 * out, and listens again in the turn after the one in which a client left: nobody else
 * would bring that turn about. */
static void note_clients(struct api *api)
{
    unsigned n = MHD_get_daemon_info(api->daemon, MHD_DAEMON_INFO_CURRENT_CONNECTIONS)
                     ->num_connections;
    api->turn_due |= n < api->n_clients;
    api->n_clients = n;
}

/* Asks to be called again when the daemon wants it. The daemon's own timeout does not
 * count connections that were resumed in its last turn. */
static void plan_next_turn(struct api *api)
{
    MHD_UNSIGNED_LONG_LONG timeout_ms = 0;
    if (api->turn_due || MHD_get_timeout(api->daemon, &timeout_ms) == MHD_YES)
        (void)uv_timer_start(&api->timer, on_timer, timeout_ms, 0);
    else
        (void)uv_timer_stop(&api->timer);
}

/* Does what the daemon has to do; and ends it when nothing is left to wait for. */
static void run_daemon(struct api *api)
{
    api->turn_due = false;
    if (MHD_run(api->daemon) != MHD_YES)
        log_line(LOG_ERROR, "control the HTTP server failed a turn");
    note_clients(api);
    if (api->closing && (api->n_streams == 0 || now_ns() >= api->stop_at_ns))
        stop_daemon(api);
    else if (api->closing)
        (void)uv_timer_start(&api->timer, on_timer, LAST_WORDS_STEP_MS, 0);
    else
        plan_next_turn(api);
}

static void on_timer(uv_timer_t *timer)
{
    run_daemon(timer->data);
}

void api_turn_soon(struct api *api)
{
    api->turn_due = true;
    (void)uv_timer_start(&api->timer, on_timer, 0, 0); /* not closing: cannot fail */
}

static void on_readable(uv_poll_t *poll, int status, int events)
{
    (void)status; /* an error shows in MHD_run */
    (void)events;
    run_daemon(poll->data);
}

int api_turn_open(struct api *api, uv_loop_t *loop)
{
    int fd = MHD_get_daemon_info(api->daemon, MHD_DAEMON_INFO_EPOLL_FD)->epoll_fd;
    int status = uv_poll_init(loop, &api->poll, fd);
    if (status < 0)
        return status;
    (void)uv_timer_init(loop, &api->timer); /* cannot fail */
    api->poll.data = api->timer.data = api;
    api->handles_open = HANDLES;
    return uv_poll_start(&api->poll, UV_READABLE, on_readable);
}
