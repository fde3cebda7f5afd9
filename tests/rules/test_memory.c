/* SPDX-License-Identifier: MIT */
/* Out of memory: every allocation fails once, and whatever happens, nothing leaks and
 * nothing is called good that is not. */
#include "support.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <glob.h>
#include <stdlib.h>
#include <string.h>

/* One parse with n allocations granted. Returns whether all were. */
static bool parse_with(size_t n, const char *text, size_t length, int want)
{
    struct failing_allocator failing;
    failing_allocator_init(&failing, n);
    struct parse_context context = {.allocator = &failing.allocator};
    struct diag diag;
    struct rules *rules = NULL;
    struct buffer out = {.allocator = &failing.allocator};
    diag_init(&diag, &failing.allocator);
    int err = parse_file("t.yaml", text, length, &context, &diag, &rules);
    diag_render(&diag, false, &out);
    bool whole = failing.until_failure > 0;
    if (whole) {
        cr_expect_eq(err, want);
    } else {
        cr_expect(err == -ENOMEM || err == want, "%zu: %d", n, err);
        cr_expect(err == -ENOMEM || out.out_of_memory || !diag.out_of_memory);
    }
    cr_expect_eq(rules != NULL, err == 0);
    rules_destroy(rules);
    diag_close(&diag);
    buffer_close(&out);
    cr_expect_eq(failing.n_live, 0, "%zu: %zu blocks leak", n, failing.n_live);
    return whole;
}

Test(memory, running_out_at_any_moment_leaks_nothing)
{
    glob_t found;
    cr_assert_eq(glob("tests/golden/rules/*.yaml", 0, NULL, &found), 0);
    for (size_t i = 0; i < found.gl_pathc; i++) {
        size_t length = 0, n = 0;
        char *text = read_whole_file(found.gl_pathv[i], &length);
        struct diag diag = {.n = 0};
        struct rules *rules = NULL;
        int want = parse_file("t.yaml", text, length, NULL, &diag, &rules);
        rules_destroy(rules);
        diag_close(&diag);
        while (!parse_with(n, text, length, want))
            cr_assert_lt(++n, 10000);
        cr_expect_gt(n, 0);
        free(text);
    }
    globfree(&found);
}

Test(memory, an_arena_gives_zeroed_aligned_memory_of_any_size)
{
    struct failing_allocator failing;
    failing_allocator_init(&failing, 1000);
    struct arena arena;
    arena_init(&arena, &failing.allocator);
    for (size_t bytes = 0; bytes < 70000; bytes = bytes * 3 + 1) {
        char *memory = arena_alloc(&arena, bytes, 1);
        cr_assert_not_null(memory);
        cr_expect_eq((uintptr_t)memory % 16, 0);
        for (size_t i = 0; i < bytes; i++)
            cr_assert_eq(memory[i], 0);
        memset(memory, 0xAA, bytes);
    }
    cr_expect_null(arena_alloc(&arena, SIZE_MAX, 2));
    cr_expect_null(arena_alloc(&arena, SIZE_MAX, 1));
    arena_close(&arena);
    cr_expect_eq(failing.n_live, 0);
}

Test(memory, a_buffer_without_memory_keeps_what_it_has)
{
    struct failing_allocator failing;
    failing_allocator_init(&failing, 1);
    struct buffer buffer = {.allocator = &failing.allocator};
    buffer_print(&buffer, "%d", 42);
    buffer_fill(&buffer, 'x', 100000);
    cr_expect(buffer.out_of_memory);
    cr_expect_str_eq(buffer_text(&buffer), "42");
    buffer_close(&buffer);
    cr_expect_eq(failing.n_live, 0);
}
