/* SPDX-License-Identifier: MIT */
/* Random choices without a state: every draw is a function of a key, and a key says
 * what is chosen (seed, rule, path, connection, direction). So whatever is added,
 * removed or asked twice changes no other draw, on any machine.
 *
 * Keys are mixed with the finaliser of SplitMix64 (Steele, Lea and Flood 2014; its
 * constants are Stafford's Mix13). Not for cryptography. */
#ifndef NETSPLIT_RULES_RNG_H
#define NETSPLIT_RULES_RNG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct rng_key {
    uint64_t hash;
};

/* The root of all draws of a seed, and keys below a key. Mixing is ordered: a then b
 * is another key than b then a. Texts and bytes are mixed with their length. */
struct rng_key rng_seed(uint64_t seed);
struct rng_key rng_mix(struct rng_key key, uint64_t value);
struct rng_key rng_mix_text(struct rng_key key, const char *text);
struct rng_key rng_mix_bytes(struct rng_key key, const void *bytes, size_t n);

/* 64 even bits: draw number ordinal of the key. */
uint64_t rng_draw(struct rng_key key, uint64_t ordinal);

/* True for probability_ppm of a million keys; 1000000 and more is always true. */
bool rng_chance(struct rng_key key, uint64_t ordinal, uint32_t probability_ppm);

/* Even in 0..bound-1; bound is at least 1. */
uint64_t rng_below(struct rng_key key, uint64_t ordinal, uint64_t bound);

/* In (0, 1): never an end, so that it may be put into a quantile function. */
double rng_uniform(struct rng_key key, uint64_t ordinal);

/* Mean 0, deviation 1; below 8.3 on either side. The quantile function of Wichura (AS
 * 241, 1988), exact to about 1e-15. */
double rng_normal(struct rng_key key, uint64_t ordinal);

/* The share of a normal distribution that lies below z, in (0, 1). */
double rng_normal_share(double z);

#endif
