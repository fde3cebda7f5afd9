/* SPDX-License-Identifier: MIT */
/* Draws as functions of keys. A key is 64 bits in which everything that was mixed in
 * has left its mark; a draw mixes its ordinal in and is then the key's hash. Nothing is
 * remembered, nothing can fail. What is computed in floating point uses only basic
 * operations and sqrt, log and erfc; callers round the outcome, so that the last bits,
 * in which math libraries differ, do not matter. */
#include "rules/rng.h"

#include <math.h>
#include <string.h>

#define GOLDEN UINT64_C(0x9e3779b97f4a7c15) /* 2^64 / the golden ratio, odd */

__extension__ typedef unsigned __int128 wide;

static uint64_t finalise(uint64_t z)
{
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

struct rng_key rng_seed(uint64_t seed)
{
    return (struct rng_key){finalise(seed + GOLDEN)};
}

struct rng_key rng_mix(struct rng_key key, uint64_t value)
{
    return (struct rng_key){finalise(key.hash * 3 + finalise(value + GOLDEN))};
}

/* FNV-1a, then mixed: what is hashed is short, and the finaliser does the spreading. */
struct rng_key rng_mix_bytes(struct rng_key key, const void *bytes, size_t n)
{
    const unsigned char *byte = bytes;
    uint64_t hash = UINT64_C(0xcbf29ce484222325);
    for (size_t i = 0; i < n; i++)
        hash = (hash ^ byte[i]) * UINT64_C(0x100000001b3);
    return rng_mix(rng_mix(key, hash), n);
}

struct rng_key rng_mix_text(struct rng_key key, const char *text)
{
    return rng_mix_bytes(key, text, strlen(text));
}

uint64_t rng_draw(struct rng_key key, uint64_t ordinal)
{
    return rng_mix(key, ordinal).hash;
}

uint64_t rng_below(struct rng_key key, uint64_t ordinal, uint64_t bound)
{
    return (uint64_t)(((wide)rng_draw(key, ordinal) * bound) >> 64);
}

bool rng_chance(struct rng_key key, uint64_t ordinal, uint32_t probability_ppm)
{
    return rng_below(key, ordinal, 1000000) < probability_ppm;
}

/* The middles of 2^53 equal parts of (0, 1). */
double rng_uniform(struct rng_key key, uint64_t ordinal)
{
    return ((double)(rng_draw(key, ordinal) >> 12) + 0.5) * 0x1p-52;
}

/* (c[0] + c[1] x + ... + c[7] x^7) / (d[0] + ... + d[7] x^7) */
static double ratio(const double c[8], const double d[8], double x)
{
    double above = c[7], below = d[7];
    for (int i = 6; i >= 0; i--) {
        above = above * x + c[i];
        below = below * x + d[i];
    }
    return above / below;
}

/* M. J. Wichura, Algorithm AS 241: the percentage points of the normal distribution,
 * Applied Statistics 37 (1988), routine PPND16. 0 < p < 1. */
static double normal_quantile(double p)
{
    static const double middle[8] = {
        3.3871328727963666080e0,  1.3314166789178437745e+2, 1.9715909503065514427e+3,
        1.3731693765509461125e+4, 4.5921953931549871457e+4, 6.7265770927008700853e+4,
        3.3430575583588128105e+4, 2.5090809287301226727e+3,
    };
    static const double middle_below[8] = {
        1.0,
        4.2313330701600911252e+1,
        6.8718700749205790830e+2,
        5.3941960214247511077e+3,
        2.1213794301586595867e+4,
        3.9307895800092710610e+4,
        2.8729085735721942674e+4,
        5.2264952788528545610e+3,
    };
    static const double tail[8] = {
        1.42343711074968357734e0,  4.63033784615654529590e0,  5.76949722146069140550e0,
        3.64784832476320460504e0,  1.27045825245236838258e0,  2.41780725177450611770e-1,
        2.27238449892691845833e-2, 7.74545014278341407640e-4,
    };
    static const double tail_below[8] = {
        1.0,
        2.05319162663775882187e0,
        1.67638483018380384940e0,
        6.89767334985100004550e-1,
        1.48103976427480074590e-1,
        1.51986665636164571966e-2,
        5.47593808499534494600e-4,
        1.05075007164441684324e-9,
    };
    static const double far_tail[8] = {
        6.65790464350110377720e0,  5.46378491116411436990e0,  1.78482653991729133580e0,
        2.96560571828504891230e-1, 2.65321895265761230930e-2, 1.24266094738807843860e-3,
        2.71155556874348757815e-5, 2.01033439929228813265e-7,
    };
    static const double far_tail_below[8] = {
        1.0,
        5.99832206555887937690e-1,
        1.36929880922735805310e-1,
        1.48753612908506148525e-2,
        7.86869131145613259100e-4,
        1.84631831751005468180e-5,
        1.42151175831644588870e-7,
        2.04426310338993978564e-15,
    };
    double q = p - 0.5;
    if (fabs(q) <= 0.425)
        return q * ratio(middle, middle_below, 0.180625 - q * q);
    double r = sqrt(-log(q < 0 ? p : 1 - p));
    double z = r <= 5 ? ratio(tail, tail_below, r - 1.6)
                      : ratio(far_tail, far_tail_below, r - 5);
    return q < 0 ? -z : z;
}

double rng_normal(struct rng_key key, uint64_t ordinal)
{
    return normal_quantile(rng_uniform(key, ordinal));
}

double rng_normal_share(double z)
{
    return 0.5 * erfc(-z / sqrt(2));
}
