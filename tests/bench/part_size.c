/* SPDX-License-Identifier: MIT */
/* The program as it was built, with its symbols; its libraries are not counted. */
#include "tests/bench/bench.h"

#include <err.h>
#include <sys/stat.h>

static const struct figure_spec spec = {.part = "size",
                                        .name = "the program",
                                        .unit = "bytes",
                                        .subject = SUT_NETSPLIT,
                                        .low_is_good = true,
                                        .any_machine = true,
                                        .series = sut_names};

void part_size(struct bench *bench)
{
    struct stat program;
    if (stat(bench->netsplit, &program) != 0)
        err(1, "%s", bench->netsplit);
    figure_keep(bench_figure(bench, &spec), SUT_NETSPLIT, (double)program.st_size);
}
