/* SPDX-License-Identifier: MIT */
/* Rules from files. Reading one blocks the loop, which is why only calls that are local
 * and rare (start, SIGHUP) come here; the control API sends text. */
#include "proxy/base/text_file.h"
#include "proxy/proxy.h"
#include "rules/diag.h"

#include <stdlib.h>

/* The file's text, to be freed, and the source that it is; NULL, told. */
static char *read_source(const char *path, struct proxy_source *out, struct diag *diag)
{
    *out = (struct proxy_source){.name = path};
    char *text = text_file_read(path, &out->length, diag);
    out->text = text;
    return text;
}

int proxy_start_file(struct proxy *proxy, const char *path, struct diag *diag,
                     struct errmsg *err)
{
    struct proxy_source source;
    char *text = read_source(path, &source, diag);
    if (!text)
        return diag_status(diag);
    int status = proxy_start(proxy, &source, diag, err);
    free(text);
    return status;
}

int proxy_apply_base_file(struct proxy *proxy, const char *path,
                          struct proxy_commit *commit, struct diag *diag,
                          struct errmsg *err)
{
    struct proxy_source source;
    char *text = read_source(path, &source, diag);
    if (!text)
        return diag_status(diag);
    int status = proxy_apply_base(proxy, &source, commit, diag, err);
    free(text);
    return status;
}
