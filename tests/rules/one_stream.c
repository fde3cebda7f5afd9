/* SPDX-License-Identifier: MIT */
#include "tests/rules/one_stream.h"

#include <criterion/criterion.h>

struct world world;
struct stream stream, second;

void one_stream_begin(void)
{
    world_init(&world, "a b c");
}

void one_stream_end(void)
{
    stream_close(&stream);
    stream_close(&second);
    world_close(&world);
}

void one_stream_renew(void)
{
    one_stream_end();
    one_stream_begin();
}

void one_stream_open_with(const char *what)
{
    world_inject(&world, "base", "rule", "a", "b", what);
    world_compile(&world, 0);
    stream_open(&stream, &world, TO_SERVER, 0);
}

void one_stream_expect(size_t first, const char *wanted)
{
    char text[4096];
    cr_expect_str_eq(stream_story(&stream, first, text, sizeof text), wanted,
                     "%s, not %s", text, wanted);
}
