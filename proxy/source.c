/* SPDX-License-Identifier: MIT */
/* Rules from files. Reading one blocks the loop, which is why only calls that are local
 * and rare (start, SIGHUP) come here; the control API sends text. */
#include "proxy/base/text_file.h"
#include "proxy/proxy.h"
#include "rules/diag.h"

#include <stdlib.h>

int proxy_start_file(struct proxy *proxy, const char *path, struct diag *diag,
                     struct errmsg *err)
{
    struct proxy_source source = {.name = path};
    char *text = text_file_read(path, &source.length, diag);
    if (!text)
        return diag_status(diag);
    source.text = text;
    int status = proxy_start(proxy, &source, diag, err);
    free(text);
    return status;
}

int proxy_apply_base_file(struct proxy *proxy, const char *path,
                          struct proxy_commit *commit, struct diag *diag,
                          struct errmsg *err)
{
    struct proxy_source source = {.name = path};
    char *text = text_file_read(path, &source.length, diag);
    if (!text)
        return diag_status(diag);
    source.text = text;
    int status = proxy_apply_base(proxy, &source, commit, diag, err);
    free(text);
    return status;
}
