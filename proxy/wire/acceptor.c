/* SPDX-License-Identifier: MIT */
/* What a connection needs is taken from the budgets before it is accepted, so that who
 * is accepted can be served. Where it is not to be had, or the system has no descriptor
 * after all, all listeners of the instance pause; they resume when a connection goes,
 * or try again by themselves. A client that has left is passed over; any other failure
 * ends the turn. */
#include "proxy/wire/acceptor.h"
#include "proxy/wire/budget.h"
#include "proxy/instance.h"
#include "proxy/wire/listener.h"

#include <errno.h>

enum { ACCEPTS_A_TURN = 16 };

static bool is_exhaustion(int error)
{
    return error == EMFILE || error == ENFILE || error == ENOBUFS || error == ENOMEM;
}

/* There was nobody, or nothing left to take one with. True: there may be another. */
static bool note_failure(struct proxy *proxy, int error)
{
    budget_release_connection(proxy);
    if (is_exhaustion(error)) {
        budget_note_exhausted(proxy);
        listener_pause_all(proxy, BUDGET_DESCRIPTORS);
    }
    return error == ECONNABORTED || error == EINTR;
}

void acceptor_run(struct proxy *proxy, struct watch *watch, acceptor_take_fn take,
                  void *context)
{
    for (int i = 0; i < ACCEPTS_A_TURN; i++) {
        enum counters_budget_kind lacking;
        if (!budget_take_connection(proxy, &lacking)) {
            listener_pause_all(proxy, lacking);
            return;
        }
        struct sockaddr_storage client;
        socklen_t length = sizeof client;
        int fd = accept4(watch_fd(watch), (struct sockaddr *)&client, &length,
                         SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0 && !note_failure(proxy, errno))
            return;
        if (fd >= 0 && !take(context, fd, &client))
            budget_release_connection(proxy);
    }
}
