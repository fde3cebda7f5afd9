/* SPDX-License-Identifier: MIT */
/* The program as it was built, with its symbols, and beside it the one for images, if it
 * was built; the libraries that they load are not counted. */
#include "tests/bench/bench.h"

#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const struct figure_spec spec = {.part = "size",
                                        .name = "the program",
                                        .unit = "bytes",
                                        .subject = SUT_NETSPLIT,
                                        .low_is_good = true,
                                        .any_machine = true,
                                        .series = sut_names};

/* Built with PROXY_ONLY=1, which strips it. */
static const struct figure_spec small_spec = {.part = "size",
                                              .name = "the proxy alone",
                                              .unit = "bytes",
                                              .subject = SUT_NETSPLIT,
                                              .low_is_good = true,
                                              .any_machine = true,
                                              .series = sut_names};

static void keep_size(struct bench *bench, const struct figure_spec *what,
                      const char *path)
{
    struct stat program;
    if (stat(path, &program) != 0)
        err(1, "%s", path);
    figure_keep(bench_figure(bench, what), SUT_NETSPLIT, (double)program.st_size);
}

void part_size(struct bench *bench)
{
    const char *slash = strrchr(bench->netsplit, '/');
    char *small = NULL;
    keep_size(bench, &spec, bench->netsplit);
    if (asprintf(&small, "%.*sproxy-only/netsplit",
                 slash ? (int)(slash - bench->netsplit + 1) : 0, bench->netsplit) < 0)
        err(1, "out of memory");
    if (access(small, F_OK) == 0)
        keep_size(bench, &small_spec, small);
    free(small);
}
