/* SPDX-License-Identifier: MIT */
/* What the data path asks of its instance. */
#include "proxy/instance.h"

const struct match *instance_match(struct proxy *proxy, struct path *path)
{
    if (path)
        return path_match(path, proxy->plan);
    proxy->unruled = (struct match){.plan = proxy->plan, .serial = proxy->plan->serial};
    return &proxy->unruled;
}
