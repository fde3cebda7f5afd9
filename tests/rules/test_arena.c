/* SPDX-License-Identifier: MIT */
/* Pieces of memory that must not touch. */
#include "rules/arena.h"

#include <criterion/criterion.h>
#include <stdalign.h>
#include <stdint.h>
#include <string.h>

Test(arena, pieces_are_aligned_stay_in_place_and_do_not_touch)
{
    enum { PIECES = 3000 };
    static const size_t sizes[] = {1, 0, 17, 4096, 200000};
    struct arena arena = {0};
    unsigned char *pieces[PIECES];
    for (size_t i = 0; i < PIECES; i++) {
        size_t bytes = sizes[i % (i % 500 == 4 ? 5 : 4)];
        pieces[i] = arena_alloc(&arena, 1, bytes);
        cr_assert_eq((uintptr_t)pieces[i] % alignof(max_align_t), 0);
        memset(pieces[i], (int)(i % 251), bytes);
    }
    for (size_t i = 0; i < PIECES; i++) {
        size_t bytes = sizes[i % (i % 500 == 4 ? 5 : 4)];
        for (size_t j = 0; j < bytes; j++)
            cr_assert_eq(pieces[i][j], i % 251);
    }
    arena_close(&arena);
}

Test(arena, a_reset_one_gives_the_same_block_again)
{
    struct arena arena = {0};
    void *first = arena_alloc(&arena, 1, 100);
    arena_reset(&arena);
    cr_expect_eq(arena_alloc(&arena, 50, 1), first);
    arena_close(&arena);
    arena_reset(&arena); /* an empty one, too */
    arena_close(&arena);
}

Test(arena, texts_are_copied_with_their_end)
{
    struct arena arena = {0};
    cr_expect_str_eq(arena_copy(&arena, "abcdef", 3), "abc");
    cr_expect_str_eq(arena_copy(&arena, "", 0), "");
    arena_close(&arena);
}
