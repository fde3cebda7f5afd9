/* SPDX-License-Identifier: MIT */
/* GET /v1/events: the journal as JSON lines.
 *
 * A stream is a cursor into the journal's ring. The daemon asks for bytes whenever the
 * client's socket takes some; when there is nothing new the connection is suspended and
 * the stream waits as the journal's listener, which resumes it. A client that does not
 * read is not asked for bytes, so its cursor stays while the ring moves on: what it
 * loses is counted, not kept.
 *
 * The daemon does not look at a suspended connection, so it would not see its client
 * leave: each stream watches a duplicate of the descriptor for that. */
#include "proxy/api/api_internal.h"
#include "proxy/base/now.h"
#include "proxy/record/journal.h"
#include "proxy/proxy.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { BLOCK_BYTES = 16 * 1024 };

struct api_stream {
    struct api *api;                   /* borrowed */
    struct journal *journal;           /* borrowed */
    struct MHD_Connection *connection; /* borrowed from the daemon */
    struct journal_listener listener;
    struct api_stream *next, **link; /* in api->streams */
    uv_poll_t watch;                 /* of watch_fd: has the client left? */
    int watch_fd;
    uint64_t cursor;
    uint32_t types; /* one bit a journal_type */
    bool follow;
    bool suspended;
    bool client_left;
    size_t line_len, line_sent;
    char line[JOURNAL_LINE_BYTES + 64]; /* a "missed" line and the event behind it */
};

_Static_assert(JOURNAL_TYPES <= 32, "a bit for each type");

static void wake(struct api_stream *stream)
{
    if (!stream->suspended)
        return;
    stream->suspended = false;
    journal_stop_waiting(stream->journal, &stream->listener);
    MHD_resume_connection(stream->connection);
    api_turn_soon(stream->api);
}

static void on_added(void *arg)
{
    wake(arg);
}

static void on_client_event(uv_poll_t *watch, int status, int events)
{
    struct api_stream *stream = watch->data;
    (void)status;
    (void)events;
    (void)uv_poll_stop(watch);
    stream->client_left = true;
    wake(stream);
}

void api_end_streams(struct api *api)
{
    for (struct api_stream *stream = api->streams; stream; stream = stream->next)
        wake(stream); /* the reader sees that the API is closing */
}

/* The next line that the client wants. False when there is none now. */
static bool next_line(struct api_stream *stream)
{
    struct journal_event event;
    uint64_t missed, all_missed = 0;
    stream->line_len = stream->line_sent = 0;
    while (journal_read(stream->journal, &stream->cursor, &event, &missed)) {
        all_missed += missed;
        if (!(stream->types & UINT32_C(1) << event.type) && !all_missed)
            continue;
        if (all_missed)
            stream->line_len =
                (size_t)snprintf(stream->line, sizeof stream->line,
                                 "{\"missed\":%" PRIu64 "}\n", all_missed);
        if (stream->types & UINT32_C(1) << event.type)
            stream->line_len += journal_format(&event, stream->line + stream->line_len,
                                               sizeof stream->line - stream->line_len);
        return true;
    }
    return false;
}

static ssize_t nothing_to_send(struct api_stream *stream)
{
    if (stream->api->closing || !stream->follow)
        return MHD_CONTENT_READER_END_OF_STREAM;
    stream->suspended = true;
    MHD_suspend_connection(stream->connection);
    journal_wait(stream->journal, &stream->listener);
    return 0;
}

static ssize_t on_want_bytes(void *arg, uint64_t position, char *out, size_t room)
{
    struct api_stream *stream = arg;
    size_t len = 0;
    (void)position;
    if (stream->client_left)
        return MHD_CONTENT_READER_END_WITH_ERROR;
    while (len < room) {
        if (stream->line_sent == stream->line_len && !next_line(stream))
            break;
        size_t n = stream->line_len - stream->line_sent;
        if (n > room - len)
            n = room - len;
        memcpy(out + len, stream->line + stream->line_sent, n);
        stream->line_sent += n;
        len += n;
    }
    return len > 0 ? (ssize_t)len : nothing_to_send(stream);
}

static void on_watch_closed(uv_handle_t *handle)
{
    struct api_stream *stream = handle->data;
    (void)close(stream->watch_fd);
    free(stream);
}

/* The daemon has done with the response: the client has it all, or has left. */
static void on_response_freed(void *arg)
{
    struct api_stream *stream = arg;
    journal_stop_waiting(stream->journal, &stream->listener);
    *stream->link = stream->next;
    if (stream->next)
        stream->next->link = stream->link;
    stream->api->n_streams--;
    uv_close((uv_handle_t *)&stream->watch, on_watch_closed);
}

static int watch_client(struct api_stream *stream, uv_loop_t *loop)
{
    int fd =
        MHD_get_connection_info(stream->connection, MHD_CONNECTION_INFO_CONNECTION_FD)
            ->connect_fd;
    stream->watch_fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    if (stream->watch_fd < 0)
        return -errno;
    int status = uv_poll_init(loop, &stream->watch, stream->watch_fd);
    if (status < 0) {
        (void)close(stream->watch_fd);
        return status;
    }
    stream->watch.data = stream;
    (void)uv_poll_start(&stream->watch, UV_DISCONNECT, on_client_event);
    return 0;
}

/* A set of types from "NAME,NAME"; false at one that there is not. */
static bool parse_types(const char *names, uint32_t *out)
{
    uint32_t types = 0;
    while (*names) {
        char name[32];
        size_t len = strcspn(names, ",");
        if (len >= sizeof name)
            return false;
        memcpy(name, names, len);
        name[len] = 0;
        int type = journal_type_find(name);
        if (type < 0)
            return false;
        types |= UINT32_C(1) << type;
        names += len + (names[len] == ',');
    }
    *out = types;
    return true;
}

/* Fills stream from the query. False after a refusal was queued in *result. */
static bool parse_query(struct api_request *request, struct api_stream *stream,
                        enum MHD_Result *result)
{
    const char *since = api_parameter(request, "since");
    const char *follow = api_parameter(request, "follow");
    const char *types = api_parameter(request, "types");
    char *end = NULL;
    errno = 0;
    stream->cursor = since ? strtoull(since, &end, 10) : journal_next(stream->journal);
    if (stream->cursor == 0)
        stream->cursor = journal_oldest(stream->journal);
    if (stream->cursor > journal_next(stream->journal))
        stream->cursor = journal_next(stream->journal);
    stream->follow = !follow || strcmp(follow, "no") != 0;
    stream->types = UINT32_MAX;
    if (since && (errno || *since < '0' || *since > '9' || *end))
        *result =
            api_refuse(request, MHD_HTTP_BAD_REQUEST, "since= takes a sequence number");
    else if (follow && stream->follow && strcmp(follow, "yes") != 0)
        *result = api_refuse(request, MHD_HTTP_BAD_REQUEST, "follow= takes yes or no");
    else if (types && !parse_types(types, &stream->types))
        *result = api_refuse(request, MHD_HTTP_BAD_REQUEST,
                             "types= takes names of events, with commas between");
    else
        return true;
    return false;
}

/* Queues the response that reads from stream; from there on it owns it. */
static enum MHD_Result start(struct api_request *request, struct api_stream *stream)
{
    struct MHD_Response *response = MHD_create_response_from_callback(
        MHD_SIZE_UNKNOWN, BLOCK_BYTES, on_want_bytes, stream, on_response_freed);
    if (!response) {
        on_response_freed(stream);
        return MHD_NO;
    }
    (void)MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE,
                                  "application/x-ndjson");
    /* A stream may be silent for as long as nothing happens. */
    (void)MHD_set_connection_option(stream->connection, MHD_CONNECTION_OPTION_TIMEOUT,
                                    0u);
    enum MHD_Result result =
        MHD_queue_response(request->connection, MHD_HTTP_OK, response);
    MHD_destroy_response(response);
    return result;
}

enum MHD_Result api_get_events(struct api_request *request)
{
    struct api *api = request->api;
    enum MHD_Result result;
    proxy_freeze(api->proxy); /* what other threads have seen is in the journal then */
    proxy_thaw(api->proxy);
    if (api->n_streams >= API_STREAMS_MAX)
        return api_refuse(request, MHD_HTTP_SERVICE_UNAVAILABLE,
                          "there are %zu event streams already", api->n_streams);
    struct api_stream *stream = calloc(1, sizeof *stream);
    if (!stream)
        return api_answer(request, 0, NULL);
    stream->api = api;
    stream->connection = request->connection;
    stream->journal = proxy_journal(api->proxy);
    stream->listener = (struct journal_listener){.on_added = on_added, .arg = stream};
    if (!parse_query(request, stream, &result)) {
        free(stream);
        return result;
    }
    int status = watch_client(stream, proxy_loop(api->proxy));
    if (status < 0) {
        free(stream);
        return api_refuse(request, MHD_HTTP_SERVICE_UNAVAILABLE, "%s",
                          strerror(-status));
    }
    stream->line_len = (size_t)snprintf(
        stream->line, sizeof stream->line,
        "{\"now_ns\":%" PRIu64 ",\"next\":%" PRIu64 "}\n", now_ns(), stream->cursor);
    stream->next = api->streams;
    stream->link = &api->streams;
    if (stream->next)
        stream->next->link = &stream->next;
    api->streams = stream;
    api->n_streams++;
    return start(request, stream);
}
