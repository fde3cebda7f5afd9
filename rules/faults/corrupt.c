/* SPDX-License-Identifier: MIT */
/* corrupt: each byte has one of its bits flipped with the given chance. What is drawn
 * for a byte depends on its offset in the stream alone, so that neither the way in
 * which bytes come in chunks nor the moment at which the rule begins changes it. */
#include "rules/faults/rows.h"

static uint64_t find_corrupted(struct rng_key key, uint32_t chance_ppm,
                               const struct chunk *chunk)
{
    uint64_t i = 0;
    while (i < chunk->length && !rng_chance(key, chunk->offset + i, chance_ppm))
        i++;
    return i;
}

static struct fault_answer corrupt_step(const struct fault_stream *stream,
                                        uint64_t now_ns, const struct chunk *chunk)
{
    (void)now_ns;
    const struct corrupt_params *params = stream->params;
    struct fault_answer answer = {FAULT_PASS, .bytes = chunk->length,
                                  .at_ns = chunk->arrival_ns};
    /* Other faults of the rule draw from the same key. */
    struct rng_key key = rng_mix_text(stream->key, "corrupt");
    uint64_t i = find_corrupted(key, params->per_byte_ppm, chunk);
    if (i == chunk->length)
        return answer;
    uint64_t bit = rng_below(rng_mix_text(key, "bit"), chunk->offset + i, 8);
    answer.bytes = i + 1;
    answer.flips = (uint8_t)(1u << bit);
    answer.drew = true;
    answer.draw_ordinal = chunk->offset + i;
    answer.draw_outcome = (int64_t)bit;
    return answer;
}

static const struct field corrupt_members[] = {
    {.name = "per_byte",
     .kind = FIELD_PERCENT,
     .offset = offsetof(struct corrupt_params, per_byte_ppm),
     .required = true,
     .help = "the chance of each byte"},
    {0},
};

static const struct field corrupt_fields[] = {
    {.name = "corrupt",
     .kind = FIELD_MAP,
     .members = corrupt_members,
     .help = "flips one bit of some bytes"},
    {0},
};

const struct fault fault_corrupt = {
    .name = "corrupt",
    .help = "flips one bit of some bytes; the journal names each offset",
    .fidelity =
        "what gets past the checksums of TCP, which the proxy computes anew: bad "
        "memory or a bad device on the way; real networks drop what they damage",
    .fields = corrupt_fields,
    .params_bytes = sizeof(struct corrupt_params),
    .draws = "bit",
    .step = corrupt_step,
    .changes = true,
};
