/* SPDX-License-Identifier: MIT */
/* What depends on when bytes arrive: the server notes it, on the clock of this process.
 * Messages that never arrive end the benchmark, after a while. */
#include "proxy/base/now.h"
#include "tests/bench/client.h"
#include "tests/bench/load.h"
#include "tests/bench/server.h"
#include "tests/bench/sut.h"

#include <err.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    MESSAGES = 200,
    ARRIVAL_TRIES = 10000, /* of 1 ms */
    RATE_WARMUP_MS = 300,
    RATE_SPAN_MS = 1000,
    WINDOW_MS = 10,
};

static const uint64_t message_gap_ns = 2 * NS_PER_MS;

static void send_messages(int fd, uint64_t *sent_ns)
{
    for (uint32_t i = 0; i < MESSAGES; i++) {
        char message[MESSAGE_BYTES] = {0};
        memcpy(message, &i, sizeof i);
        sent_ns[i] = now_ns();
        if (send(fd, message, sizeof message, MSG_NOSIGNAL) != sizeof message)
            err(1, "a timed message");
        client_pause_ns(message_gap_ns);
    }
}

struct quantiles load_delay(const struct sut *sut, uint64_t delay_ns)
{
    uint64_t sent_ns[MESSAGES];
    double errors[MESSAGES];
    int fd = client_connect(sut->port, SERVER_TIMES);
    client_pause_ns(delay_ns + 50 * NS_PER_MS); /* the first byte is through by then */
    server_forget_arrivals();
    send_messages(fd, sent_ns);
    for (int i = 0; server_arrived() < MESSAGES; i++) {
        if (i == ARRIVAL_TRIES)
            errx(1, "delayed messages did not arrive");
        client_pause_ns(NS_PER_MS);
    }
    for (uint32_t i = 0; i < MESSAGES; i++)
        errors[i] =
            ((double)(int64_t)(server_arrival_ns(i) - sent_ns[i]) - (double)delay_ns) /
            (double)NS_PER_US;
    (void)close(fd);
    return sample_quantiles(errors, MESSAGES);
}

struct load_rate load_rate(const struct sut *sut)
{
    struct sender sender = {0};
    struct load_rate rate = {0};
    server_meter_begin();
    sender_start(&sender, sut->port, SERVER_METERS, 0);
    client_pause_ns((RATE_WARMUP_MS + RATE_SPAN_MS + WINDOW_MS) * NS_PER_MS);
    sender_stop(&sender);
    uint64_t sum = 0, window = 0;
    for (size_t i = 0; i < RATE_SPAN_MS; i++) {
        window += server_slot(RATE_WARMUP_MS + i);
        if (i % WINDOW_MS < WINDOW_MS - 1)
            continue;
        rate.empty += window == 0;
        sum += window;
        window = 0;
    }
    rate.bytes_per_s = (double)sum * 1000 / RATE_SPAN_MS;
    server_await_quiet();
    return rate;
}
