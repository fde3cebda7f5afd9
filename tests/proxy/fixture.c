/* SPDX-License-Identifier: MIT */
#include "tests/proxy/fixture.h"

#include <sys/socket.h>
#include <unistd.h>

struct net net;
int listener;
uint16_t server;
uint64_t cursor;

void fixture_open(void)
{
    net_init(&net);
    listener = net_listen(AF_INET, &server);
}

void fixture_close(void)
{
    net_close(&net);
    close(listener);
}
