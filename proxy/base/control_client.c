/* SPDX-License-Identifier: MIT */
/* Requests to the control API.
 *
 * Happy path: connect, write the request, feed what comes to the HTTP parser; when the
 * response is complete its body is parsed as JSON, the handles are closed, and the last
 * of them to close calls on_reply and frees the request. A stream hands each line on as
 * it is completed.
 *
 * Whatever fails (no socket, the deadline, nonsense, a cancel) goes the same way out:
 * `end` stores the first result and closes the handles. So there is one call of
 * on_reply, always from the loop, and no handle left behind it. */
#include "proxy/base/control_client.h"
#include "proxy/base/http_reply.h"
#include "proxy/base/now.h"
#include "rules/unit.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    PATH_LIMIT = 108, /* sun_path */
    READ_BYTES = 16384,
    BODY_LIMIT = 64 << 20,
    LINE_LIMIT = 1 << 20,
    HANDLES = 2,
};

struct control_client {
    uv_loop_t *loop;                  /* borrowed */
    struct control_request *requests; /* those under way */
    control_closed_fn on_closed;
    void *arg;
    bool closing;
    char path[PATH_LIMIT];
};

/* Bytes gathered: a body, or the line of a stream that is not complete yet. */
struct gathered {
    char *bytes; /* owned */
    size_t len, capacity;
};

struct control_request {
    struct control_client *client; /* borrowed: it waits for its requests */
    struct control_request *next;
    uv_pipe_t pipe;
    uv_timer_t timer;
    uv_connect_t connect;
    uv_write_t write;
    char *text; /* owned: head and body as they are sent */
    struct http_reply reply;
    struct gathered in;
    json_t *body;              /* owned */
    control_event_fn on_event; /* NULL: not a stream */
    control_reply_fn on_reply;
    void *arg; /* borrowed, of both */
    uint64_t deadline_ns;
    int result; /* 0 = none yet; see control_reply_fn */
    int handles_open;
    struct errmsg err;
    char buffer[READ_BYTES];
};

int control_client_create(struct control_client **out, uv_loop_t *loop,
                          const char *path)
{
    if (strlen(path) >= PATH_LIMIT)
        return -ENAMETOOLONG;
    struct control_client *client = calloc(1, sizeof *client);
    if (!client)
        return -ENOMEM;
    client->loop = loop;
    memcpy(client->path, path, strlen(path) + 1);
    *out = client;
    return 0;
}

static void free_client(struct control_client *client)
{
    if (client->on_closed)
        client->on_closed(client->arg);
    free(client);
}

void control_client_close(struct control_client *client, control_closed_fn on_closed,
                          void *arg)
{
    client->closing = true;
    client->on_closed = on_closed;
    client->arg = arg;
    struct control_request *next;
    for (struct control_request *request = client->requests; request; request = next) {
        next = request->next;
        control_cancel(request);
    }
    if (!client->requests)
        free_client(client);
}

/* The sentence for a result that has none yet. */
static void explain(struct control_request *request)
{
    const char *path = request->client->path;
    char span[32];
    switch (request->result) {
    case -ENOENT:
    case -ECONNREFUSED:
        errmsg_set(&request->err, "no proxy answers at %s", path);
        break;
    case -ETIMEDOUT:
        errmsg_set(&request->err, "the proxy at %s did not answer within %s", path,
                   unit_format_duration(request->deadline_ns, span, sizeof span));
        break;
    case -EPROTO:
        errmsg_set(&request->err, "what answers at %s does not speak the control API",
                   path);
        break;
    case -ECONNRESET:
    case -EPIPE:
        errmsg_set(&request->err, "the proxy at %s ended before it answered", path);
        break;
    default:
        errmsg_set(&request->err, "%s: %s", path, strerror(-request->result));
    }
}

static void unlink_request(struct control_request *request)
{
    struct control_request **at = &request->client->requests;
    while (*at != request)
        at = &(*at)->next;
    *at = request->next;
}

static void on_handle_closed(uv_handle_t *handle)
{
    struct control_request *request = handle->data;
    struct control_client *client = request->client;
    if (--request->handles_open > 0)
        return;
    if (request->result < 0 && request->err.text[0] == 0)
        explain(request);
    request->on_reply(request->arg, request->result, request->body, &request->err);
    unlink_request(request);
    json_decref(request->body);
    free(request->in.bytes);
    free(request->text);
    free(request);
    if (client->closing && !client->requests)
        free_client(client);
}

static void end(struct control_request *request, int result)
{
    if (request->result != 0)
        return;
    request->result = result;
    uv_close((uv_handle_t *)&request->pipe, on_handle_closed);
    uv_close((uv_handle_t *)&request->timer, on_handle_closed);
}

void control_cancel(struct control_request *request)
{
    end(request, -ECANCELED);
}

static int gather(struct gathered *in, const char *bytes, size_t n, size_t limit)
{
    if (n > limit - in->len)
        return -EMSGSIZE;
    if (in->len + n > in->capacity) {
        size_t capacity = in->capacity ? in->capacity : 4096;
        while (capacity < in->len + n)
            capacity *= 2;
        char *larger = realloc(in->bytes, capacity);
        if (!larger)
            return -ENOMEM;
        in->bytes = larger;
        in->capacity = capacity;
    }
    memcpy(in->bytes + in->len, bytes, n);
    in->len += n;
    return 0;
}

/* Hands a complete line on. False when the request has ended with it. */
static bool take_line(struct control_request *request)
{
    json_t *event = json_loadb(request->in.bytes, request->in.len, 0, NULL);
    request->in.len = 0;
    if (!json_is_object(event)) {
        json_decref(event);
        end(request, -EPROTO);
        return false;
    }
    request->on_event(request->arg, event);
    json_decref(event);
    return request->result == 0;
}

static bool take_stream(struct control_request *request, const char *bytes, size_t n)
{
    (void)uv_timer_stop(&request->timer); /* the answer has begun */
    for (const char *stop = bytes + n; bytes < stop;) {
        const char *feed = memchr(bytes, '\n', (size_t)(stop - bytes));
        size_t len = (size_t)((feed ? feed : stop) - bytes);
        int status = gather(&request->in, bytes, len, LINE_LIMIT);
        if (status < 0) {
            end(request, status);
            return false;
        }
        bytes += len + (feed != NULL);
        if (feed && request->in.len > 0 && !take_line(request))
            return false;
    }
    return true;
}

static bool on_body(void *arg, const char *bytes, size_t n)
{
    struct control_request *request = arg;
    if (request->on_event && request->reply.status == 200)
        return take_stream(request, bytes, n);
    int status = gather(&request->in, bytes, n, BODY_LIMIT);
    if (status < 0)
        end(request, status);
    return status == 0;
}

static void complete(struct control_request *request)
{
    int status = request->reply.status;
    if (request->in.len > 0 && !(request->on_event && status == 200)) {
        request->body = json_loadb(request->in.bytes, request->in.len, 0, NULL);
        if (!request->body) {
            end(request, -EPROTO);
            return;
        }
    }
    if (status != 200) {
        const char *why = json_string_value(json_object_get(request->body, "error"));
        errmsg_set(&request->err, "%s", why ? why : "the proxy answered with an error");
    }
    end(request, status);
}

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
    struct control_request *request = handle->data;
    (void)suggested;
    *buf = uv_buf_init(request->buffer, sizeof request->buffer);
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
    struct control_request *request = stream->data;
    int status;
    if (n == 0 || request->result != 0)
        return;
    if (n > 0)
        status =
            http_reply_feed(&request->reply, buf->base, (size_t)n, on_body, request);
    else if (n == UV_EOF)
        status = http_reply_end(&request->reply);
    else
        status = (int)n;
    if (status == 1)
        complete(request);
    else if (status < 0)
        end(request, status);
}

/* A refused request may be answered before it was read whole, so a failed write waits
 * for what there is to read. */
static void on_written(uv_write_t *write, int status)
{
    (void)write;
    (void)status;
}

static void on_connect(uv_connect_t *connect, int status)
{
    struct control_request *request = connect->data;
    if (request->result != 0)
        return;
    uv_stream_t *stream = (uv_stream_t *)&request->pipe;
    uv_buf_t buf = uv_buf_init(request->text, (unsigned)strlen(request->text));
    if (status == 0)
        status = uv_read_start(stream, on_alloc, on_read);
    if (status == 0)
        status = uv_write(&request->write, stream, &buf, 1, on_written);
    if (status < 0)
        end(request, status);
}

static void on_deadline(uv_timer_t *timer)
{
    end(timer->data, -ETIMEDOUT);
}

static char *compose(const char *method, const char *target, const char *body)
{
    char *text;
    int n = asprintf(&text,
                     "%s %s HTTP/1.1\r\nHost: netsplit\r\nConnection: close\r\n"
                     "Content-Length: %zu\r\n\r\n%s",
                     method, target, body ? strlen(body) : 0, body ? body : "");
    return n < 0 ? NULL : text;
}

static struct control_request *start(struct control_client *client, char *text,
                                     uint64_t deadline_ns)
{
    struct control_request *request = text ? calloc(1, sizeof *request) : NULL;
    if (!request) {
        free(text);
        return NULL;
    }
    request->client = client;
    request->text = text;
    request->deadline_ns = deadline_ns;
    (void)uv_pipe_init(client->loop, &request->pipe, 0); /* neither can fail */
    (void)uv_timer_init(client->loop, &request->timer);
    request->pipe.data = request->timer.data = request->connect.data = request;
    request->handles_open = HANDLES;
    request->next = client->requests;
    client->requests = request;
    if (deadline_ns)
        (void)uv_timer_start(&request->timer, on_deadline, now_ns_to_ms_up(deadline_ns),
                             0);
    uv_pipe_connect(&request->connect, &request->pipe, client->path, on_connect);
    return request;
}

struct control_request *control_request(struct control_client *client,
                                        const char *method, const char *target,
                                        const char *body, uint64_t deadline_ns,
                                        control_reply_fn on_reply, void *arg)
{
    struct control_request *request =
        start(client, compose(method, target, body), deadline_ns);
    if (request) {
        request->on_reply = on_reply;
        request->arg = arg;
    }
    return request;
}

struct control_request *control_stream(struct control_client *client,
                                       const char *target, uint64_t deadline_ns,
                                       control_event_fn on_event,
                                       control_reply_fn on_reply, void *arg)
{
    struct control_request *request =
        control_request(client, "GET", target, NULL, deadline_ns, on_reply, arg);
    if (request)
        request->on_event = on_event;
    return request;
}

struct call {
    int status;
    json_t **body;
    struct errmsg *err;
};

static void on_call_reply(void *arg, int status, json_t *body, const struct errmsg *err)
{
    struct call *call = arg;
    call->status = status;
    if (call->body)
        *call->body = json_incref(body);
    if (status != 200)
        errmsg_set(call->err, "%s", err->text);
}

int control_call(const char *path, const char *method, const char *target,
                 const char *body_text, uint64_t deadline_ns, json_t **body,
                 struct errmsg *err)
{
    struct call call = {.status = -ENOMEM, .body = body, .err = err};
    struct control_client *client;
    uv_loop_t loop;
    if (body)
        *body = NULL;
    int status = uv_loop_init(&loop);
    if (status < 0) {
        errmsg_set(err, "making an event loop: %s", strerror(-status));
        return status;
    }
    status = control_client_create(&client, &loop, path);
    if (status == 0) {
        if (!control_request(client, method, target, body_text, deadline_ns,
                             on_call_reply, &call))
            errmsg_set(err, "out of memory");
        (void)uv_run(&loop, UV_RUN_DEFAULT);
        control_client_close(client, NULL, NULL);
        status = call.status;
    } else {
        errmsg_set(err, "%s: %s", path, strerror(-status));
    }
    (void)uv_loop_close(&loop); /* every handle was closed */
    return status;
}

const char *control_escape(const char *raw, char *text, size_t text_bytes)
{
    static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
                                "0123456789-._~";
    size_t len = 0;
    for (; *raw; raw++) {
        bool is_plain = strchr(plain, *raw) != NULL;
        if (len + (is_plain ? 1 : 3) >= text_bytes)
            break;
        if (is_plain)
            text[len++] = *raw;
        else
            len += (size_t)snprintf(text + len, 4, "%%%02X", (unsigned char)*raw);
    }
    text[len] = 0;
    return text;
}
