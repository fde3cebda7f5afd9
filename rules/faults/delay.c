/* SPDX-License-Identifier: MIT */
/* delay: what arrives leaves `delay` later, give or take `jitter`.
 *
 * Jitter is drawn once for each 10 ms of the stream's time, not for each chunk: with
 * the order kept, independent draws a chunk would become a running maximum. Bytes wait
 * for those ahead only when a draw is lower than the one before; the chain sees to it.
 * A negative sum is no delay.
 *
 * The distributions are those of netem (iproute2 netem/{normal,pareto,paretonormal}.c):
 * what is added is jitter times
 *     uniform       an even draw from -1..1
 *     normal        a standard normal one
 *     pareto        4/3 (p^(-1/3) - 3/2), p even in 0..1: a long tail to late
 *     paretonormal  a quarter of the normal and three of the pareto, of one p
 * none beyond 4 either way, as there. Correlation, other than netem's, leaves the
 * distribution as it is: it joins each draw to the one before in normal space. */
#include "rules/faults/rows.h"

#include <math.h>

#define WINDOW_NS UINT64_C(10000000)

struct delay_state {
    bool drawn;
    uint64_t window; /* number of 10 ms since the connection was opened */
    double z;        /* its draw, standard normal */
};

static double pareto(double z)
{
    return (pow(rng_normal_share(-z), -1.0 / 3) - 1.5) * (4.0 / 3);
}

/* How many jitters a draw of z adds; rounded, see rules/rng.c. */
static double deviation(enum distribution distribution, double z)
{
    double x = 0;
    switch (distribution) {
    case DISTRIBUTION_UNIFORM:
        x = 2 * rng_normal_share(z) - 1;
        break;
    case DISTRIBUTION_NORMAL:
        x = z;
        break;
    case DISTRIBUTION_PARETO:
        x = pareto(z);
        break;
    case DISTRIBUTION_PARETONORMAL:
        x = z / 4 + pareto(z) * 3 / 4;
        break;
    }
    x = fmax(-4, fmin(4, x));
    return round(x * 0x1p20) * 0x1p-20;
}

static void draw_window(const struct fault_stream *stream, uint64_t window)
{
    const struct delay_params *params = stream->params;
    struct delay_state *state = stream->state;
    double z = rng_normal(stream->key, window);
    double rho = params->correlation_ppm / 1e6;
    if (state->drawn && rho > 0)
        z = rho * state->z + sqrt(1 - rho * rho) * z;
    *state = (struct delay_state){.drawn = true, .window = window, .z = z};
}

static uint64_t window_of(const struct fault_stream *stream, uint64_t arrival_ns)
{
    if (arrival_ns < stream->opened_ns)
        return 0;
    return (arrival_ns - stream->opened_ns) / WINDOW_NS;
}

static struct fault_answer delay_step(const struct fault_stream *stream,
                                      uint64_t now_ns, const struct chunk *chunk)
{
    const struct delay_params *params = stream->params;
    struct delay_state *state = stream->state;
    struct fault_answer answer = {.bytes = chunk->length};
    double wait_ns = (double)params->delay_ns;
    if (params->jitter_ns) {
        uint64_t window = window_of(stream, chunk->arrival_ns);
        answer.drew = !state->drawn || state->window != window;
        if (answer.drew)
            draw_window(stream, window);
        double jitter_ns =
            deviation(params->distribution, state->z) * (double)params->jitter_ns;
        answer.draw_ordinal = window;
        answer.draw_outcome = (int64_t)llround(jitter_ns);
        wait_ns = fmax(0, wait_ns + (double)answer.draw_outcome);
    }
    answer.at_ns = chunk->arrival_ns + (uint64_t)wait_ns;
    answer.verb = answer.at_ns > now_ns ? FAULT_HOLD : FAULT_PASS;
    return answer;
}

static const char *const distributions[] = {"uniform", "normal", "pareto",
                                            "paretonormal", NULL};
static const char *const needs_jitter[] = {"jitter", NULL};

static const struct field delay_fields[] = {
    {.name = "delay",
     .kind = FIELD_DURATION,
     .offset = offsetof(struct delay_params, delay_ns),
     .max = FAULT_LONGEST_NS,
     .help = "each chunk is released this long after its arrival"},
    {.name = "jitter",
     .kind = FIELD_DURATION,
     .offset = offsetof(struct delay_params, jitter_ns),
     .max = FAULT_LONGEST_NS,
     .standard = "0s",
     .help = "how far the delay varies, drawn anew every 10 ms"},
    {.name = "distribution",
     .kind = FIELD_WORD,
     .offset = offsetof(struct delay_params, distribution),
     .words = distributions,
     .standard = "uniform",
     .needs = needs_jitter,
     .help = "how the jitter is distributed, as in tc-netem(8)"},
    {.name = "correlation",
     .kind = FIELD_PERCENT,
     .offset = offsetof(struct delay_params, correlation_ppm),
     .standard = "0%",
     .needs = needs_jitter,
     .help = "how much a draw resembles the one before"},
    {0},
};

const struct fault fault_delay = {
    .name = "delay",
    .help = "bytes arrive later, in order; several delays add up",
    .fidelity = "each byte leaves at its arrival plus the delay, to about 0.1 ms; the "
                "handshake is not delayed, and the sender's round trip is the proxy's",
    .fields = delay_fields,
    .params_bytes = sizeof(struct delay_params),
    .draws = "ns",
    .state_bytes = sizeof(struct delay_state),
    .step = delay_step,
    .keeps = true,
};
