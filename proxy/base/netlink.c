/* SPDX-License-Identifier: MIT */
/* A code that somebody acts on, or that means something to a user, has a row; all
 * others are one. */
#include "proxy/base/netlink.h"

#include <errno.h>
#include <netlink/errno.h>
#include <netlink/netlink.h>
#include <stddef.h>

int netlink_errno(int code)
{
    static const struct {
        int code, error;
    } rows[] = {
        {NLE_EXIST, EEXIST},
        {NLE_PERM, EPERM},
        {NLE_NOACCESS, EPERM},
        {NLE_NOMEM, ENOMEM},
        {NLE_AF_NOSUPPORT, EAFNOSUPPORT},
        {NLE_OPNOTSUPP, EOPNOTSUPP},
        {NLE_OBJ_NOTFOUND, ENOENT},
        {NLE_NODEV, ENODEV},
        {NLE_BUSY, EBUSY},
        {NLE_AGAIN, EAGAIN},
        {NLE_INVAL, EINVAL},
    };
    for (size_t i = 0; code < 0 && i < sizeof rows / sizeof *rows; i++)
        if (rows[i].code == -code)
            return -rows[i].error;
    return code < 0 ? -EIO : 0;
}

int netlink_open(struct nl_sock **out)
{
    struct nl_sock *socket = nl_socket_alloc();
    if (!socket)
        return -ENOMEM;
    int status = netlink_errno(nl_connect(socket, NETLINK_ROUTE));
    if (status != 0) {
        nl_socket_free(socket);
        return status;
    }
    *out = socket;
    return 0;
}
