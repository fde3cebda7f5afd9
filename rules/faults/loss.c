/* SPDX-License-Identifier: MIT */
/* loss: what lost packets look like to those who use TCP: bytes that come late, and all
 * behind them too. The stream is cut into segments of 1,460 bytes, by offset. Each is
 * lost with the given chance, and then waits for a retransmission timeout: 200 ms, and
 * twice as long each time that it is lost again, up to 60 s (RFC 6298, with the least
 * timeout of Linux). Waits of segments on their way at the same time overlap. Linux
 * gives a connection up after 15 retransmissions; here the segment then waits until
 * the rule goes.
 *
 * What is drawn depends on the segment alone, not on chunks or time. FIN and RST are
 * not lost. */
#include "rules/faults/rows.h"

#define FIRST_TIMEOUT_NS   UINT64_C(200000000)
#define LONGEST_TIMEOUT_NS UINT64_C(60000000000)

enum {
    SEGMENT_BYTES = 1460,
    MOST_LOSSES = 16,
};

/* The segment that the head is in, or was last. */
struct loss_state {
    bool seen;
    uint64_t segment;
    uint64_t arrival_ns; /* of the first of its bytes */
};

/* How often the segment is lost: 0..MOST_LOSSES. */
static unsigned count_losses(const struct fault_stream *stream, uint64_t segment)
{
    const struct loss_params *params = stream->params;
    /* Other faults of the rule draw from the same key. */
    struct rng_key key = rng_mix(rng_mix_text(stream->key, "loss"), segment);
    unsigned n = 0;
    while (n < MOST_LOSSES && rng_chance(key, n, params->loss_ppm))
        n++;
    return n;
}

static uint64_t wait_ns(unsigned losses)
{
    uint64_t sum_ns = 0, timeout_ns = FIRST_TIMEOUT_NS;
    for (unsigned i = 0; i < losses; i++) {
        sum_ns += timeout_ns;
        timeout_ns *= 2;
        if (timeout_ns > LONGEST_TIMEOUT_NS)
            timeout_ns = LONGEST_TIMEOUT_NS;
    }
    return sum_ns;
}

static struct fault_answer loss_step(const struct fault_stream *stream, uint64_t now_ns,
                                     const struct chunk *chunk)
{
    struct loss_state *state = stream->state;
    struct fault_answer answer = {FAULT_PASS, .at_ns = chunk->arrival_ns};
    if (chunk->kind != CHUNK_DATA)
        return answer;
    uint64_t segment = chunk->offset / SEGMENT_BYTES;
    unsigned losses = count_losses(stream, segment);
    if (!state->seen || state->segment != segment) {
        *state = (struct loss_state){true, segment, chunk->arrival_ns};
        answer.drew = losses > 0;
        answer.draw_ordinal = segment;
        answer.draw_outcome = losses;
    }
    uint64_t due_ns =
        losses < MOST_LOSSES ? state->arrival_ns + wait_ns(losses) : FAULT_NEVER;
    if (due_ns > answer.at_ns)
        answer.at_ns = due_ns;
    if (answer.at_ns > now_ns) {
        answer.verb = FAULT_HOLD;
        return answer;
    }
    uint64_t left = SEGMENT_BYTES - chunk->offset % SEGMENT_BYTES;
    answer.bytes = chunk->length < left ? chunk->length : left;
    return answer;
}

static const struct field loss_fields[] = {
    {.name = "loss",
     .kind = FIELD_PERCENT,
     .offset = offsetof(struct loss_params, loss_ppm),
     .help = "the chance of each 1460 bytes; lost ones, and all behind, come late"},
    {0},
};

const struct fault fault_loss = {
    .name = "loss",
    .help = "lost bytes, and all behind them, wait for a retransmission",
    .fidelity =
        "a model: 200 ms, doubled each time up to 60 s, for 1460 bytes that are "
        "lost; right for request and response, too slow for busy streams, "
        "where TCP retransmits sooner",
    .fields = loss_fields,
    .params_bytes = sizeof(struct loss_params),
    .draws = "losses",
    .state_bytes = sizeof(struct loss_state),
    .step = loss_step,
    .keeps = true,
};
