/* SPDX-License-Identifier: MIT */
/* Blocks of bytes; each byte is a function of its place, so that none can be another. */
#include "proxy/wire/ring.h"

#include <criterion/criterion.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* The byte at an offset of a stream that has no period a block could hide behind. */
static unsigned char byte_at(uint64_t offset)
{
    uint64_t x = offset * UINT64_C(0x9E3779B97F4A7C15);
    return (unsigned char)(x >> 56);
}

static void append(struct ring *ring, uint64_t offset, size_t length)
{
    unsigned char *bytes = malloc(length + 1);
    for (size_t i = 0; i < length; i++)
        bytes[i] = byte_at(offset + i);
    cr_assert_eq(ring_append(ring, bytes, length), 0);
    free(bytes);
}

/* The first length bytes held from place on are those of the stream from offset on. */
static void expect_bytes(const struct ring *ring, size_t place, uint64_t offset,
                         size_t length)
{
    struct iovec pieces[4];
    while (length > 0) {
        int n = ring_peek(ring, place, length, pieces, 4);
        cr_assert_gt(n, 0, "nothing at %zu of %zu", place, ring->length);
        for (int i = 0; i < n; i++) {
            const unsigned char *bytes = pieces[i].iov_base;
            for (size_t k = 0; k < pieces[i].iov_len; k++)
                cr_assert_eq(bytes[k], byte_at(offset + k), "at offset %llu",
                             (unsigned long long)(offset + k));
            offset += pieces[i].iov_len;
            place += pieces[i].iov_len;
            length -= pieces[i].iov_len;
        }
    }
}

Test(ring, an_empty_ring_owns_nothing)
{
    struct ring ring = {0};
    append(&ring, 0, 10);
    cr_assert_eq(ring.length, 10);
    ring_drop(&ring, 10);
    cr_assert_null(ring.first);
    cr_assert_null(ring.last);
}

Test(ring, bytes_come_out_as_they_went_in_whatever_the_pieces)
{
    unsigned seed = (unsigned)time(NULL);
    fprintf(stderr, "seed %u\n", seed);
    struct ring ring = {0};
    uint64_t in = 0, out = 0;
    for (int i = 0; i < 3000; i++) {
        size_t add = (size_t)rand_r(&seed) % (i % 50 == 0 ? 600000 : 5000);
        append(&ring, in, add);
        in += add;
        size_t take = ring.length ? (size_t)rand_r(&seed) % (ring.length + 1) : 0;
        if (i % 7 != 0 && take > 20000)
            take = 20000;
        expect_bytes(&ring, 0, out, take);
        ring_drop(&ring, take);
        out += take;
        cr_assert_eq(ring.length, in - out);
    }
    expect_bytes(&ring, 0, out, ring.length);
    ring_clear(&ring);
    cr_assert_null(ring.first);
}

Test(ring, room_is_in_one_piece_and_holds_nothing_until_committed)
{
    struct ring ring = {0};
    size_t room = 0;
    unsigned char *to = ring_reserve(&ring, 65536, &room);
    cr_assert_not_null(to);
    cr_assert_eq(room, 65536, "the first block is as large as what is asked for");
    cr_assert_eq(ring.length, 0);
    for (size_t i = 0; i < 100; i++)
        to[i] = byte_at(i);
    ring_commit(&ring, 100);
    cr_assert_eq(ring.length, 100);
    cr_assert_not_null(ring_reserve(&ring, 1 << 20, &room));
    cr_assert_eq(room, 65536 - 100, "what is left in the block comes first");
    ring_commit(&ring, 0);
    append(&ring, 100, 70000);
    expect_bytes(&ring, 0, 0, 70100);
    expect_bytes(&ring, 65000, 65000, 5100);
    ring_clear(&ring);
}

Test(ring, a_read_that_brought_nothing_leaves_nothing)
{
    struct ring ring = {0};
    size_t room = 0;
    cr_assert_not_null(ring_reserve(&ring, 1000, &room));
    ring_commit(&ring, 0);
    cr_assert_null(ring.first);
    append(&ring, 0, 4096); /* fills the first block to its end */
    cr_assert_not_null(ring_reserve(&ring, 1000, &room));
    ring_commit(&ring, 0);
    cr_assert_eq(ring.first, ring.last);
    expect_bytes(&ring, 0, 0, 4096);
    ring_drop(&ring, 4096);
    cr_assert_null(ring.first);
}

Test(ring, peek_stops_at_the_pieces_and_the_length_it_was_given)
{
    struct ring ring = {0};
    size_t total = 0;
    while (total < 1000000) {
        append(&ring, total, 10000);
        total += 10000;
    }
    struct iovec pieces[2];
    cr_assert_eq(ring_peek(&ring, 0, SIZE_MAX, pieces, 2), 2);
    cr_assert_eq(ring_peek(&ring, 0, 1, pieces, 2), 1);
    cr_assert_eq(pieces[0].iov_len, 1);
    cr_assert_eq(ring_peek(&ring, total, 1, pieces, 2), 0, "nothing behind the end");
    ring_clear(&ring);
}
