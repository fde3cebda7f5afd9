/* SPDX-License-Identifier: MIT */
/* rate: a token bucket in virtual time (the generic cell rate algorithm, ITU-T I.371).
 *
 * The bucket is one number: when the link has carried all that was let in. Bytes are
 * let in by the quantum, each takes its place behind what the link has to carry, and
 * passes at the time its last byte has crossed. With scope link the streams of a link
 * take their places in one bucket, a quantum each in turn, so that they share it. They
 * may be in several threads: a place is taken by compare and exchange.
 *
 * Times are computed, not waited for: a timer that fires late loses nothing, up to
 * 20 ms; what is later than that was a pause of the reader's, and is not made up for.
 */
#include "rules/faults/rows.h"

#include <stdatomic.h>

#define CHANGING  UINT64_MAX /* a bucket's rate, while its time is set */
#define SECOND_NS UINT64_C(1000000000)

__extension__ typedef unsigned __int128 wide;

enum {
    SEGMENT_BYTES = 1460,
    LATENESS_NS = 20000000,
};

struct rate_state {
    struct bucket own; /* used unless the link's is */
    uint64_t bytes;    /* let in, and on the way until due_ns; 0: none */
    uint64_t due_ns;
    uint64_t bytes_per_s; /* at which due_ns was computed */
};

static uint64_t later(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

/* How long the link needs for n bytes. */
static uint64_t crossing_ns(const struct rate_params *params, uint64_t n)
{
    wide ns = (wide)n * SECOND_NS / params->bytes_per_s;
    return ns < FAULT_LONGEST_NS ? (uint64_t)ns : FAULT_LONGEST_NS;
}

/* What is let in at once: 1 ms of the rate, or a segment where that is more, but then
 * no more than 5 ms of the rate, so that 10 ms never pass without a byte. */
static uint64_t quantum_bytes(const struct rate_params *params)
{
    uint64_t segment = params->bytes_per_s / 200;
    if (segment > SEGMENT_BYTES)
        segment = SEGMENT_BYTES;
    return later(1, later(segment, params->bytes_per_s / 1000));
}

/* A changed rate begins with an empty bucket: changing it is no way to a burst. False:
 * another thread is just at that. */
static bool notice_change(const struct rate_params *params, struct bucket *bucket,
                          uint64_t now_ns)
{
    uint64_t rate = bucket->bytes_per_s;
    if (rate == params->bytes_per_s)
        return true;
    if (rate == CHANGING ||
        !atomic_compare_exchange_strong(&bucket->bytes_per_s, &rate, CHANGING))
        return false;
    if (rate != 0)
        bucket->free_ns = now_ns + crossing_ns(params, params->burst_bytes);
    bucket->bytes_per_s = params->bytes_per_s;
    return true;
}

/* Takes a place of the length, no earlier than start_ns. Returns where it ends. */
static uint64_t take_place(struct bucket *bucket, uint64_t start_ns, uint64_t length_ns)
{
    uint64_t free_ns = bucket->free_ns, end_ns;
    do
        end_ns = later(free_ns, start_ns) + length_ns;
    while (!atomic_compare_exchange_weak(&bucket->free_ns, &free_ns, end_ns));
    return end_ns;
}

static void let_in(const struct rate_params *params, struct rate_state *state,
                   struct bucket *bucket, uint64_t now_ns, const struct chunk *chunk)
{
    uint64_t start_ns = chunk->arrival_ns;
    if (now_ns > LATENESS_NS)
        start_ns = later(start_ns, now_ns - LATENESS_NS);
    uint64_t n = quantum_bytes(params);
    state->bytes = n < chunk->length ? n : chunk->length;
    uint64_t end_ns = take_place(bucket, start_ns, crossing_ns(params, state->bytes));
    uint64_t burst_ns = crossing_ns(params, params->burst_bytes);
    uint64_t due_ns = end_ns > burst_ns ? end_ns - burst_ns : 0;
    state->due_ns = later(due_ns, chunk->arrival_ns);
    state->bytes_per_s = params->bytes_per_s;
}

static struct fault_answer rate_step(const struct fault_stream *stream, uint64_t now_ns,
                                     const struct chunk *chunk)
{
    const struct rate_params *params = stream->params;
    struct rate_state *state = stream->state;
    struct bucket *bucket = stream->bucket ? stream->bucket : &state->own;
    if (chunk->kind != CHUNK_DATA)
        return (struct fault_answer){FAULT_PASS, .at_ns = chunk->arrival_ns};
    if (!notice_change(params, bucket, now_ns))
        return (struct fault_answer){FAULT_HOLD, .at_ns = now_ns + 1};
    if (state->bytes == 0 || state->bytes_per_s != params->bytes_per_s)
        let_in(params, state, bucket, now_ns, chunk);
    if (state->due_ns > now_ns)
        return (struct fault_answer){FAULT_HOLD, .at_ns = state->due_ns};
    uint64_t n = state->bytes < chunk->length ? state->bytes : chunk->length;
    state->bytes = 0;
    return (struct fault_answer){FAULT_PASS, .bytes = n, .at_ns = state->due_ns};
}

static bool rate_shares(const void *params)
{
    return ((const struct rate_params *)params)->scope == RATE_SCOPE_LINK;
}

/* A slow link has a short queue: 50 ms of the rate, or 64 KiB. */
static uint64_t rate_hold(const void *params)
{
    return later(((const struct rate_params *)params)->bytes_per_s / 20,
                 FAULT_QUEUE_BYTES);
}

static const char *const scopes[] = {"connection", "link", NULL};

static const struct field rate_fields[] = {
    {.name = "rate",
     .kind = FIELD_RATE,
     .offset = offsetof(struct rate_params, bytes_per_s),
     .help = "bytes pass at most at this rate; the lowest of several wins"},
    {.name = "burst",
     .kind = FIELD_BYTES,
     .offset = offsetof(struct rate_params, burst_bytes),
     .standard = "0B",
     .help = "bytes that pass at once after a pause"},
    {.name = "scope",
     .kind = FIELD_WORD,
     .offset = offsetof(struct rate_params, scope),
     .words = scopes,
     .standard = "connection",
     .help = "whether each connection has the rate, or all of a link share it"},
    {0},
};

const struct fault fault_rate = {
    .name = "rate",
    .help = "bytes cross at a limited rate",
    .fidelity = "a token bucket with a quantum of 1 ms, exact on average; counts the "
                "bytes of the streams, without headers",
    .fields = rate_fields,
    .params_bytes = sizeof(struct rate_params),
    .state_bytes = sizeof(struct rate_state),
    .step = rate_step,
    .shares = rate_shares,
    .hold = rate_hold,
};
