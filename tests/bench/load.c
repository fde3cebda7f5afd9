/* SPDX-License-Identifier: MIT */
/* Throughput, round trips, connections: each for a fixed time, whatever the system
 * makes of it. CPU is read at the same moments as what it was spent on. */
#include "tests/bench/load.h"
#include "proxy/base/now.h"
#include "tests/bench/client.h"
#include "tests/bench/server.h"
#include "tests/bench/sut.h"

#include <err.h>
#include <stdlib.h>
#include <unistd.h>

#define GIB 1073741824.0

enum { SAMPLES_MAX = 200000, CLIENTS_MAX = 64 };

static const uint64_t bulk_span_ns = 600 * NS_PER_MS, latency_span_ns = 250 * NS_PER_MS,
                      churn_span_ns = 400 * NS_PER_MS;

struct load_bulk load_bulk(const struct sut *sut, unsigned connections,
                           uint64_t warmup_ns)
{
    struct sender *senders = calloc(connections, sizeof *senders);
    if (!senders)
        errx(1, "out of memory");
    for (unsigned i = 0; i < connections; i++)
        sender_start(&senders[i], sut->port, SERVER_SINKS, 0);
    client_pause_ns(warmup_ns);
    uint64_t cpu_ns = sut_cpu_ns(sut), from_ns = now_ns();
    uint64_t bytes = server_sunk_bytes();
    client_pause_ns(bulk_span_ns);
    struct load_bulk bulk = {.bytes = server_sunk_bytes() - bytes,
                             .span_ns = now_ns() - from_ns,
                             .cpu_ns = sut_cpu_ns(sut) - cpu_ns};
    for (unsigned i = 0; i < connections; i++)
        sender_stop(&senders[i]);
    free(senders);
    server_await_quiet();
    return bulk;
}

double load_bulk_cpu_s_per_gib(const struct load_bulk *bulk)
{
    return (double)bulk->cpu_ns / (double)NS_PER_S * GIB / (double)bulk->bytes;
}

struct quantiles load_latency(const struct sut *sut)
{
    double *samples = calloc(SAMPLES_MAX, sizeof *samples);
    if (!samples)
        errx(1, "out of memory");
    size_t n = 0;
    int fd = client_connect(sut->port, SERVER_ECHOES);
    uint64_t start = now_ns(), before = start;
    while (n < SAMPLES_MAX && before - start < latency_span_ns) {
        if (!client_ping(fd))
            errx(1, "%s ended an echo's connection", sut->name);
        uint64_t after = now_ns();
        samples[n++] = (double)(after - before) / (double)NS_PER_US;
        before = after;
    }
    (void)close(fd);
    struct quantiles trip = sample_quantiles(samples, n);
    free(samples);
    return trip;
}

struct churner {
    pthread_t thread;
    const struct sut *sut;
    uint64_t until_ns;
    unsigned done;
};

static void *churn(void *argument)
{
    struct churner *churner = argument;
    while (now_ns() < churner->until_ns) {
        int fd = client_connect(churner->sut->port, SERVER_ECHOES);
        churner->done += client_ping(fd);
        (void)close(fd);
    }
    return NULL;
}

struct load_churn load_churn(const struct sut *sut, unsigned clients)
{
    struct churner churners[CLIENTS_MAX];
    uint64_t start_ns = now_ns(), cpu_ns = sut_cpu_ns(sut);
    unsigned done = 0;
    for (unsigned i = 0; i < clients; i++) {
        churners[i] =
            (struct churner){.sut = sut, .until_ns = start_ns + churn_span_ns};
        if (pthread_create(&churners[i].thread, NULL, churn, &churners[i]) != 0)
            errx(1, "a client's thread");
    }
    for (unsigned i = 0; i < clients; i++) {
        (void)pthread_join(churners[i].thread, NULL);
        done += churners[i].done;
    }
    uint64_t span_ns = now_ns() - start_ns;
    cpu_ns = sut_cpu_ns(sut) - cpu_ns;
    return (struct load_churn){
        .per_s = (double)done * (double)NS_PER_S / (double)span_ns,
        .cpu_us = done ? (double)cpu_ns / (double)NS_PER_US / done : 0};
}
