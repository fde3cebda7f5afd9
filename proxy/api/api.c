/* SPDX-License-Identifier: MIT */
/* The HTTP server of the control API, on the proxy's own loop.
 *
 * libmicrohttpd runs without a thread, in turns (api_turn.c). A request is gathered in a
 * struct api_request and handed to its route's function once it is complete; that
 * function answers at once, since nothing it calls waits for the network.
 *
 * Not done here: anything about rules (api_change.c) or JSON shapes (api_view.c). What
 * is no HTTP at all libmicrohttpd answers by itself, or drops. */
#include "proxy/api/api.h"
#include "proxy/api/api_internal.h"
#include "proxy/base/log.h"
#include "proxy/base/now.h"
#include "proxy/proxy.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    IDLE_TIMEOUT_S = 10,
    MEMORY_A_CLIENT = 32 * 1024, /* the daemon's: request head and buffers */
    LAST_WORDS_MS = 200,         /* for event streams to write their end */
};

struct api_route {
    const char *method;
    const char *path; /* one that ends in "/" is followed by a name */
    enum MHD_Result (*serve)(struct api_request *request);
};

static const struct api_route routes[] = {
    {"GET", "/v1/status", api_get_status},
    {"GET", "/v1/rules", api_get_rules},
    {"PUT", "/v1/rules", api_put_rules},
    {"GET", "/v1/connections", api_get_connections},
    {"GET", "/v1/events", api_get_events},
    {"PUT", "/v1/overlays/", api_put_overlay},
    {"DELETE", "/v1/overlays/", api_delete_overlay},
    {"DELETE", "/v1/overlays", api_delete_overlays},
    {"POST", "/v1/heal", api_post_heal},
    {"POST", "/v1/partition", api_post_partition},
    {"POST", "/v1/adopt", api_post_adopt},
    {"POST", "/v1/halt", api_post_halt},
    {"POST", "/v1/resume", api_post_resume},
};

enum { ROUTES = sizeof routes / sizeof *routes };

/* Whether url is the route's path; *name is what follows one that ends in "/". */
static bool path_matches(const struct api_route *route, const char *url,
                         const char **name)
{
    size_t len = strlen(route->path);
    *name = NULL;
    if (route->path[len - 1] != '/')
        return strcmp(url, route->path) == 0;
    if (strncmp(url, route->path, len) != 0 || url[len] == 0)
        return false;
    *name = url + len;
    return true;
}

static enum MHD_Result refuse_unrouted(struct api_request *request, const char *url)
{
    char allowed[64] = "";
    const char *name;
    for (size_t i = 0; i < ROUTES; i++)
        if (path_matches(&routes[i], url, &name))
            (void)snprintf(allowed + strlen(allowed), sizeof allowed - strlen(allowed),
                           "%s%s", *allowed ? ", " : "", routes[i].method);
    if (!*allowed)
        return api_refuse(request, MHD_HTTP_NOT_FOUND, "there is no %.200s", url);
    return api_refuse_method(request, allowed);
}

static bool body_is_too_large(struct MHD_Connection *connection)
{
    const char *length = MHD_lookup_connection_value(connection, MHD_HEADER_KIND,
                                                     MHD_HTTP_HEADER_CONTENT_LENGTH);
    return length && strtoull(length, NULL, 10) > API_BODY_LIMIT_BYTES;
}

/* The head of a request is here. Answering now, before the body, makes the daemon close
 * the connection behind the answer. */
static enum MHD_Result begin(struct api *api, struct MHD_Connection *connection,
                             const char *url, const char *method, void **slot)
{
    struct api_request *request = calloc(1, sizeof *request);
    if (!request)
        return MHD_NO;
    *slot = request;
    request->api = api;
    request->connection = connection;
    const char *name = NULL;
    for (size_t i = 0; i < ROUTES && !request->route; i++)
        if (strcmp(routes[i].method, method) == 0 &&
            path_matches(&routes[i], url, &name))
            request->route = &routes[i];
    if (!request->route)
        return refuse_unrouted(request, url);
    if (name && !(request->name = strdup(name)))
        return MHD_NO;
    if (api->closing)
        return api_refuse(request, MHD_HTTP_SERVICE_UNAVAILABLE,
                          "the proxy is stopping");
    if (body_is_too_large(connection))
        return api_refuse(request, MHD_HTTP_CONTENT_TOO_LARGE,
                          "a body has at most %d bytes", API_BODY_LIMIT_BYTES);
    return MHD_YES;
}

/* A chunked body that grows over the limit is cut off with its connection: the daemon
 * allows no answer in the middle of one. */
static enum MHD_Result gather(struct api_request *request, const char *bytes, size_t n)
{
    size_t needed = request->body_len + n;
    if (needed > API_BODY_LIMIT_BYTES)
        return MHD_NO;
    if (needed > request->body_capacity) {
        size_t capacity = request->body_capacity ? request->body_capacity : 1024;
        while (capacity < needed)
            capacity *= 2;
        char *larger = realloc(request->body, capacity);
        if (!larger)
            return MHD_NO;
        request->body = larger;
        request->body_capacity = capacity;
    }
    memcpy(request->body + request->body_len, bytes, n);
    request->body_len = needed;
    return MHD_YES;
}

/* Called by the daemon when the head has come, for each piece of the body, and at the
 * end of it. */
static enum MHD_Result on_request(void *arg, struct MHD_Connection *connection,
                                  const char *url, const char *method,
                                  const char *version, const char *bytes,
                                  size_t *n_bytes, void **slot)
{
    (void)version;
    struct api_request *request = *slot;
    if (!request)
        return begin(arg, connection, url, method, slot);
    if (*n_bytes == 0)
        return request->route->serve(request);
    size_t n = *n_bytes;
    *n_bytes = 0;
    return gather(request, bytes, n);
}

static void on_completed(void *arg, struct MHD_Connection *connection, void **slot,
                         enum MHD_RequestTerminationCode code)
{
    (void)arg;
    (void)connection;
    (void)code;
    struct api_request *request = *slot;
    if (!request)
        return;
    free(request->name);
    free(request->body);
    free(request);
    *slot = NULL;
}

static void on_daemon_log(void *arg, const char *format, va_list args)
    __attribute__((format(printf, 2, 0)));

static void on_daemon_log(void *arg, const char *format, va_list args)
{
    char line[256];
    (void)arg;
    (void)vsnprintf(line, sizeof line, format, args);
    line[strcspn(line, "\n")] = 0;
    log_line(LOG_DEBUG, "control %s", line);
}

static struct MHD_Daemon *start_daemon(struct api *api, int fd)
{
    return MHD_start_daemon(
        MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ERROR_LOG, 0, NULL, NULL,
        on_request, api, MHD_OPTION_EXTERNAL_LOGGER, on_daemon_log, NULL,
        MHD_OPTION_LISTEN_SOCKET, fd, MHD_OPTION_NOTIFY_COMPLETED, on_completed, NULL,
        MHD_OPTION_CONNECTION_LIMIT, (unsigned)API_CLIENTS_MAX,
        MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)IDLE_TIMEOUT_S,
        MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)MEMORY_A_CLIENT,
        MHD_OPTION_SIGPIPE_HANDLED_BY_APP, 1, MHD_OPTION_END);
}

int api_start(struct api **out, struct proxy *proxy, const char *path,
              struct errmsg *err)
{
    struct api *api = calloc(1, sizeof *api);
    if (!api)
        return -ENOMEM;
    int fd = -1;
    int status = strlen(path) < sizeof api->path ? rundir_bind_control(path, &fd, err)
                                                 : -ENAMETOOLONG;
    if (status < 0) {
        free(api);
        return status;
    }
    api->proxy = proxy;
    memcpy(api->path, path, strlen(path) + 1);
    api->daemon = start_daemon(api, fd);
    status = api->daemon ? api_turn_open(api, proxy_loop(proxy)) : -ENOMEM;
    if (status < 0) {
        errmsg_set(err, "starting the control API: %s", strerror(-status));
        (void)unlink(path);
        if (api->daemon)
            MHD_stop_daemon(api->daemon); /* closes fd */
        else
            (void)close(fd);
        free(api);
        return status;
    }
    *out = api;
    return 0;
}

/* The path goes first, while the socket still answers: from here on a new proxy may
 * have it, and must not find its own socket unlinked by us. */
void api_close(struct api *api, api_closed_fn on_closed, void *arg)
{
    if (api->closing)
        return;
    api->closing = true;
    api->on_closed = on_closed;
    api->arg = arg;
    (void)unlink(api->path);
    api->stop_at_ns = now_ns() + LAST_WORDS_MS * NS_PER_MS;
    api_end_streams(api);
    api_turn_soon(api);
}
