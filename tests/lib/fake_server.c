/* SPDX-License-Identifier: MIT */
/* The scripted server: one libuv listener, a list of connections, and an index into the
 * script. What cannot be set up is an abort: it is the test's machine that is broken.
 */
#include "tests/lib/fake_server.h"

#include "proxy/base/memory.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

struct fake_connection {
    uv_tcp_t tcp;
    struct fake_server *server;
    struct fake_connection *next;
    char buffer[2048];
};

static void check(int result, const char *what)
{
    if (result >= 0)
        return;
    fprintf(stderr, "fake server: %s: %s\n", what, uv_strerror(result));
    abort();
}

static void on_closed(uv_handle_t *handle)
{
    free(handle->data);
}

static void end_connection(struct fake_connection *connection, enum fake_action how)
{
    struct fake_connection **at = &connection->server->connections;
    while (*at != connection)
        at = &(*at)->next;
    *at = connection->next;
    if (how == FAKE_RESET)
        check(uv_tcp_close_reset(&connection->tcp, on_closed), "reset");
    else
        uv_close((uv_handle_t *)&connection->tcp, on_closed);
}

static void take_step(struct fake_connection *connection, const char *request,
                      size_t bytes)
{
    struct fake_server *server = connection->server;
    size_t i = server->taken;
    if (i >= server->n_steps || i >= FAKE_STEPS)
        return; /* hangs */
    if (server->farewell && request[0] == server->farewell)
        return;
    server->taken++;
    memcpy(server->requests[i], request, bytes);
    server->request_bytes[i] = bytes;
    const struct fake_step *step = &server->steps[i];
    if (step->action != FAKE_HANG && step->text) {
        size_t length = step->bytes ? step->bytes : strlen(step->text);
        uv_buf_t out = uv_buf_init((char *)step->text, (unsigned)length);
        check(uv_try_write((uv_stream_t *)&connection->tcp, &out, 1), "write");
    }
    if (step->action == FAKE_RESET || step->action == FAKE_CLOSE)
        end_connection(connection, step->action);
}

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
    struct fake_connection *connection = handle->data;
    (void)suggested;
    *buf = uv_buf_init(connection->buffer, sizeof connection->buffer - 1);
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
    struct fake_connection *connection = stream->data;
    if (n < 0)
        end_connection(connection, FAKE_CLOSE);
    else if (n > 0)
        take_step(connection, buf->base, (size_t)n);
}

static void on_connection(uv_stream_t *listener, int status)
{
    struct fake_server *server = listener->data;
    check(status, "accept");
    struct fake_connection *connection = xcalloc(1, sizeof *connection);
    connection->server = server;
    connection->next = server->connections;
    server->connections = connection;
    server->accepted++;
    check(uv_tcp_init(server->loop, &connection->tcp), "init");
    connection->tcp.data = connection;
    check(uv_accept(listener, (uv_stream_t *)&connection->tcp), "accept");
    check(uv_read_start((uv_stream_t *)&connection->tcp, on_alloc, on_read), "read");
}

void fake_server_init(struct fake_server *server, uv_loop_t *loop,
                      const struct fake_step *steps, size_t n_steps)
{
    struct sockaddr_in address;
    int length = sizeof address;
    *server = (struct fake_server){.loop = loop, .steps = steps, .n_steps = n_steps};
    check(uv_tcp_init(loop, &server->listener), "init");
    server->listener.data = server;
    check(uv_ip4_addr("127.0.0.1", 0, &address), "address");
    check(uv_tcp_bind(&server->listener, (struct sockaddr *)&address, 0), "bind");
    check(uv_listen((uv_stream_t *)&server->listener, 16, on_connection), "listen");
    check(uv_tcp_getsockname(&server->listener, (struct sockaddr *)&address, &length),
          "name");
    server->port = ntohs(address.sin_port);
}

void fake_server_say(struct fake_server *server, const char *text)
{
    uv_buf_t out = uv_buf_init((char *)text, (unsigned)strlen(text));
    check(uv_try_write((uv_stream_t *)&server->connections->tcp, &out, 1), "write");
}

void fake_server_close(struct fake_server *server)
{
    uv_close((uv_handle_t *)&server->listener, NULL);
    while (server->connections)
        end_connection(server->connections, FAKE_CLOSE);
}

uint16_t fake_refusing_port(int *fd)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof address;
    int bound = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    check(bound, "socket");
    check(bind(bound, (struct sockaddr *)&address, sizeof address), "bind");
    check(getsockname(bound, (struct sockaddr *)&address, &length), "name");
    *fd = bound; /* bound and never listening: refused, and nobody else gets it */
    return ntohs(address.sin_port);
}
