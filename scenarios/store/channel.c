/* SPDX-License-Identifier: MIT */
/* Happy path: on_read appends to in and processes; the owner's answers gather in out
 * and leave with one uv_write a turn, while the next ones gather.
 *
 * Whether we read is computed in one place (update_reading): not while a command waits,
 * while more than QUEUE_MAX_BYTES are unsent, after the end, or when finishing. in is
 * bounded by the parser, which refuses a command above max_command_bytes.
 *
 * Failures: a failed read or write closes the channel and is told by on_failed; nothing
 * else here can fail. */
#include "scenarios/store/channel.h"

#include <string.h>

enum { READ_BYTES = 64 * 1024, QUEUE_MAX_BYTES = 1 << 20 };

void store_channel_init(struct store_channel *channel, uv_loop_t *loop,
                        const struct store_channel_events *events,
                        size_t max_command_bytes)
{
    *channel = (struct store_channel){.events = events,
                                      .max_command_bytes = max_command_bytes};
    (void)uv_tcp_init(loop, &channel->tcp); /* without flags it cannot fail */
}

static void on_close(uv_handle_t *handle)
{
    struct store_channel *channel = (struct store_channel *)handle;
    store_buffer_free(&channel->in);
    store_buffer_free(&channel->out);
    store_buffer_free(&channel->sending);
    channel->events->on_closed(channel);
}

void store_channel_close(struct store_channel *channel, bool reset)
{
    if (channel->closing)
        return;
    channel->closing = true;
    if (!reset || !channel->started || uv_tcp_close_reset(&channel->tcp, on_close) != 0)
        uv_close((uv_handle_t *)&channel->tcp, on_close);
}

size_t store_channel_queued(const struct store_channel *channel)
{
    return channel->out.len + channel->sending.len;
}

static void fail(struct store_channel *channel, int error)
{
    if (channel->closing)
        return;
    channel->ended = true;
    store_channel_close(channel, false);
    channel->events->on_failed(channel, error);
}

static void process(struct store_channel *channel);

static void on_write(uv_write_t *request, int status)
{
    struct store_channel *channel = request->data;
    channel->writing = false;
    store_buffer_consume(&channel->sending, channel->sending.len);
    if (status < 0)
        fail(channel, status);
    else
        process(channel);
}

void store_channel_flush(struct store_channel *channel)
{
    if (channel->closing || !channel->started || channel->writing)
        return;
    if (channel->out.len == 0) {
        if (channel->finishing)
            store_channel_close(channel, false);
        return;
    }
    store_buffer_swap(&channel->out, &channel->sending);
    uv_buf_t bytes = uv_buf_init(channel->sending.data, (unsigned)channel->sending.len);
    channel->write.data = channel;
    channel->writing = true;
    int e =
        uv_write(&channel->write, (uv_stream_t *)&channel->tcp, &bytes, 1, on_write);
    if (e == 0)
        return;
    channel->writing = false;
    fail(channel, e);
}

static bool can_process(const struct store_channel *channel)
{
    return channel->started && !channel->closing && !channel->finishing &&
           store_channel_queued(channel) <= QUEUE_MAX_BYTES;
}

/* Hands over one command at the start of data; false when there is none now. */
static bool hand_over(struct store_channel *channel, const char *data, size_t len,
                      size_t *used)
{
    struct store_command command;
    const char *why;
    enum store_verdict verdict = STORE_NEXT;
    switch (
        store_resp_parse(data, len, channel->max_command_bytes, &command, used, &why)) {
    case STORE_RESP_PARTIAL:
        return false;
    case STORE_RESP_BAD:
        verdict = channel->events->on_garbage(channel, why);
        break;
    case STORE_RESP_COMPLETE:
        if (command.n > 0)
            verdict = channel->events->on_command(channel, &command);
        break;
    }
    channel->waiting = verdict == STORE_WAIT;
    channel->finishing |= verdict == STORE_CLOSE;
    return verdict != STORE_WAIT;
}

static void on_allocate(uv_handle_t *handle, size_t suggested, uv_buf_t *room)
{
    struct store_channel *channel = (struct store_channel *)handle;
    (void)suggested;
    *room = uv_buf_init(store_buffer_reserve(&channel->in, READ_BYTES), READ_BYTES);
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *room)
{
    struct store_channel *channel = (struct store_channel *)stream;
    (void)room;
    if (n > 0)
        channel->in.len += (size_t)n;
    if (n < 0 && n != UV_EOF) {
        fail(channel, (int)n);
        return;
    }
    if (n == UV_EOF)
        channel->ended = true;
    process(channel);
}

static void update_reading(struct store_channel *channel)
{
    bool wanted = can_process(channel) && !channel->waiting && !channel->ended;
    if (channel->closing || wanted == channel->reading)
        return;
    channel->reading = wanted;
    if (!wanted) {
        (void)uv_read_stop((uv_stream_t *)&channel->tcp); /* always 0 */
        return;
    }
    int e = uv_read_start((uv_stream_t *)&channel->tcp, on_allocate, on_read);
    if (e)
        fail(channel, e);
}

static void process(struct store_channel *channel)
{
    size_t at = 0;
    channel->waiting = false;
    while (can_process(channel) && at < channel->in.len) {
        size_t used = 0;
        if (!hand_over(channel, channel->in.data + at, channel->in.len - at, &used))
            break;
        at += used;
    }
    store_buffer_consume(&channel->in, at);
    if (channel->ended && !channel->waiting && can_process(channel))
        channel->events->on_end(channel);
    store_channel_flush(channel);
    update_reading(channel);
}

void store_channel_start(struct store_channel *channel)
{
    channel->started = true;
    (void)uv_tcp_nodelay(&channel->tcp, 1); /* only slower without it */
    process(channel);
}

void store_channel_resume(struct store_channel *channel)
{
    process(channel);
}

void store_channel_finish(struct store_channel *channel)
{
    channel->finishing = true;
    store_channel_flush(channel);
}
