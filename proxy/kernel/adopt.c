/* SPDX-License-Identifier: MIT */
/* The connections that bypass an instance: shown, counted, and ended on demand, so that
 * they come back through it. Nothing is ended by itself: starting is harmless. */
#include "proxy/base/errmsg.h"
#include "proxy/kernel/bypass.h"
#include "proxy/instance.h"
#include "proxy/kernel/intercept.h"
#include "proxy/record/journal.h"
#include "proxy/wire/sockaddress.h"

#include <errno.h>
#include <string.h>

const char *proxy_intercept(const struct proxy *proxy)
{
    const char *name = intercept_mode_name(proxy->interceptor);
    return name ? name : "listen";
}

size_t proxy_each_bypassing(const struct proxy *proxy, proxy_bypassing_fn visit,
                            void *context)
{
    struct bypass_list list = {0};
    bypass_list(proxy->interceptor, &list);
    for (size_t i = 0; visit && i < list.n; i++) {
        char client[SOCKADDRESS_TEXT_BYTES], server[SOCKADDRESS_TEXT_BYTES];
        sockaddress_format(&list.items[i].client, client);
        sockaddress_format(&list.items[i].server, server);
        const struct proxy_bypassing_view view = {list.items[i].from, list.items[i].to,
                                                  client, server};
        visit(context, &view);
    }
    size_t n = list.n;
    bypass_list_close(&list);
    return n;
}

static void journal_adopted(struct proxy *proxy, const struct bypass *bypass)
{
    struct journal *journal = proxy->config.journal;
    char client[SOCKADDRESS_TEXT_BYTES];
    sockaddress_format(&bypass->client, client);
    struct journal_event event = {
        .type = JOURNAL_ADOPTED,
        .from = bypass->from,
        .to = bypass->to,
        .text = journal_text(journal, client),
    };
    (void)journal_add(journal, &event);
}

static bool is_meant(const char *word, const char *node)
{
    return !word || strcmp(word, node) == 0;
}

int proxy_adopt(struct proxy *proxy, const char *from, const char *to, size_t *n,
                struct errmsg *err)
{
    struct bypass_list list = {0};
    int status = 0;
    if (proxy->started_ns == 0 || proxy->stopping)
        return -ESHUTDOWN;
    *n = 0;
    bypass_list(proxy->interceptor, &list);
    for (size_t i = 0; i < list.n && status == 0; i++) {
        const struct bypass *bypass = &list.items[i];
        if (!is_meant(from, bypass->from) || !is_meant(to, bypass->to))
            continue;
        status = bypass_end(bypass, err);
        if (status == 0) {
            journal_adopted(proxy, bypass);
            *n += 1;
        } else if (status == -ENOENT) {
            status = 0; /* it has ended by itself */
        }
    }
    bypass_list_close(&list);
    return status;
}
