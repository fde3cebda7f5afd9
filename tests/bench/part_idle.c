/* SPDX-License-Identifier: MIT */
/* What a connection that does nothing costs: the growth of the proxy's resident memory
 * over thousands of them, each of which has carried a request. A few go first, so that
 * what is made once is not counted. Each value is of a proxy started for it, because
 * memory that was taken once is kept. */
#include "tests/bench/bench.h"
#include "tests/bench/client.h"
#include "tests/bench/server.h"

#include <err.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

enum { WANTED = 4000, FIRST = 100, SPARE_DESCRIPTORS = 500, ROUNDS_MAX = 3 };

static const struct figure_spec spec = {
    .part = "idle",
    .name = "memory of an idle connection",
    .unit = "KiB",
    .subject = SUT_NETSPLIT,
    .low_is_good = true,
    .any_machine = true,
    .gates = {[SUT_NETSPLIT] = GATE(2.0), [SUT_HAPROXY] = GATE(1.0)},
    .series = sut_names,
};

/* Both ends of a connection are here, and so are both ends of the proxy there. */
static unsigned how_many(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur < 2 * SPARE_DESCRIPTORS)
        return SPARE_DESCRIPTORS / 2;
    rlim_t most = (limit.rlim_cur - SPARE_DESCRIPTORS) / 2;
    return most < WANTED ? (unsigned)most : WANTED;
}

static void open_idle(const struct sut *sut, int *fds, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        fds[i] = client_connect(sut->port, SERVER_ECHOES);
        if (!client_ping(fds[i]))
            errx(1, "%s ended an idle connection", sut->name);
    }
}

static void measure(struct figure *figure, const struct sut *sut)
{
    unsigned n = how_many();
    int *fds = calloc(FIRST + n, sizeof *fds);
    if (!fds)
        errx(1, "out of memory");
    open_idle(sut, fds, FIRST);
    uint64_t bytes = sut_resident_bytes(sut);
    open_idle(sut, fds + FIRST, n);
    double growth = (double)sut_resident_bytes(sut) - (double)bytes;
    figure_keep(figure, sut->kind, growth / 1024 / n);
    for (unsigned i = 0; i < FIRST + n; i++)
        (void)close(fds[i]);
    free(fds);
}

void part_idle(struct bench *bench)
{
    static const enum sut_kind kinds[] = {SUT_NETSPLIT, SUT_HAPROXY, SUT_NGINX};
    struct figure *figure = bench_figure(bench, &spec);
    unsigned rounds = bench->repeats < ROUNDS_MAX ? bench->repeats : ROUNDS_MAX;
    for (unsigned i = 0; i < rounds; i++)
        for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++) {
            struct sut suts[SUT_COUNT];
            sut_start_all(suts, 1u << kinds[k], bench->netsplit, bench->directory,
                          bench->server_port);
            if (suts[kinds[k]].present)
                measure(figure, &suts[kinds[k]]);
            sut_stop_all(suts);
        }
}
