/* SPDX-License-Identifier: MIT */
/* Which bits are flipped, and that they are a matter of offsets alone. */
#include "tests/rules/one_stream.h"

#include <criterion/criterion.h>
#include <string.h>

TestSuite(corrupt, .init = one_stream_begin, .fini = one_stream_end);

enum { CORRUPTED = 100000 };

/* The stream of CORRUPTED bytes in chunks of the size, first the given number of bytes
 * without the rule. */
static void corrupt_in_chunks(const char *what, uint64_t size, uint64_t before)
{
    world.seed = 5;
    world_inject(&world, "base", "rule", "a", "b", before ? "delay=0s" : what);
    world_compile(&world, 0);
    stream_open(&stream, &world, TO_SERVER, 0);
    if (before) {
        stream_take(&stream, before);
        world_inject(&world, "base", "rule", "a", "b", what);
        world_compile(&world, 0);
        stream_update(&stream, &world);
    }
    while (stream.taken < CORRUPTED)
        stream_take(&stream,
                    CORRUPTED - stream.taken < size ? CORRUPTED - stream.taken : size);
    stream_run(&stream, 60 * SECOND);
    cr_expect_eq(stream.sent, CORRUPTED, "%zu", (size_t)stream.sent);
}

Test(corrupt, corrupt_flips_the_same_bits_whatever_the_chunks)
{
    static const struct {
        const char *what;
        uint64_t size, before;
    } rows[] = {
        {"corrupt.per_byte=0.2%", CORRUPTED, 0},
        {"corrupt.per_byte=0.2%", 1, 0},
        {"corrupt.per_byte=0.2%", 1460, 0},
        {"corrupt.per_byte=0.2% delay=3ms slice.size=7B", 4096, 0},
        {"corrupt.per_byte=0.2%", 333, 50000},
    };
    struct stream_flip first[512];
    size_t n = 0;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        corrupt_in_chunks(rows[i].what, rows[i].size, rows[i].before);
        if (i == 0) {
            n = stream.n_flips;
            memcpy(first, stream.flips, sizeof first);
            cr_assert(n > 140 && n < 260, "%zu of 200", n);
        }
        size_t skipped = 0;
        while (skipped < n && first[skipped].offset < rows[i].before)
            skipped++;
        cr_assert_eq(stream.n_flips, n - skipped, "row %zu", i);
        cr_expect_eq(stream.n_decisions, n - skipped, "each is in the journal");
        cr_expect_eq(stream.touch[0].changed_bytes, n - skipped);
        for (size_t j = 0; j < stream.n_flips; j++) {
            const struct stream_flip *flip = &stream.flips[j];
            cr_expect_eq(flip->offset, first[skipped + j].offset, "row %zu", i);
            cr_expect_eq(flip->bits, first[skipped + j].bits, "row %zu", i);
            cr_expect_eq(stream.decisions[j].ordinal, flip->offset);
            cr_expect_eq(1 << stream.decisions[j].outcome, flip->bits);
        }
        one_stream_renew();
    }
}

Test(corrupt, corrupt_flips_every_bit_of_a_byte_alike)
{
    size_t bits[8] = {0};
    for (uint64_t seed = 0; seed < 20; seed++) {
        world.seed = seed;
        one_stream_open_with("corrupt.per_byte=100%");
        stream_take(&stream, 400);
        cr_assert_eq(stream.n_flips, 400);
        for (size_t i = 0; i < stream.n_flips; i++) {
            unsigned byte = stream.flips[i].bits;
            cr_assert(byte && (byte & (byte - 1)) == 0, "one bit");
            bits[__builtin_ctz(byte)]++;
        }
        one_stream_renew();
    }
    for (int i = 0; i < 8; i++)
        cr_expect(bits[i] > 850 && bits[i] < 1150, "bit %d: %zu of 1000", i, bits[i]);
}
