/* SPDX-License-Identifier: MIT */
/* The requests that change what the proxy does: each is one call of proxy.h, which is
 * all or nothing, and one answer made from what it returned. */
#include "proxy/api/api_internal.h"
#include "proxy/base/now.h"
#include "proxy/diag_json.h"
#include "proxy/proxy.h"
#include "rules/buffer.h"
#include "rules/diag.h"
#include "rules/unit.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A change under way: what the proxy fills in, and what the answer names. */
struct change {
    struct api_request *request;
    struct proxy_commit commit;
    struct diag diag;
    struct errmsg err;
    const char *file;    /* what diagnostics call the text */
    const char *overlay; /* NULL: the base */
    uint64_t lease_ns;   /* UINT64_MAX: for ever */
};

static void begin(struct change *change, struct api_request *request)
{
    *change = (struct change){.request = request, .lease_ns = UINT64_MAX};
    diag_init(&change->diag, NULL);
}

struct name_list {
    const char *origin;
    json_t *names;
};

static void add_name(void *context, const struct proxy_rule_view *view)
{
    struct name_list *list = context;
    if (strcmp(view->origin, list->origin) == 0)
        (void)json_array_append_new(list->names, json_string(view->name));
}

json_t *api_rule_names(const struct proxy *proxy, const char *origin)
{
    struct name_list list = {.origin = origin, .names = json_array()};
    proxy_each_rule(proxy, add_name, &list);
    return list.names;
}

static void add_other_cut(void *context, const struct proxy_rule_view *view)
{
    struct name_list *list = context;
    if (view->how && view->state != PROXY_RULE_OFF &&
        strcmp(view->origin, list->origin) != 0)
        (void)json_array_append_new(list->names, json_string(view->name));
}

/* The link rules of other files that are in force: who cuts twice learns that both
 * hold. */
static json_t *list_other_cuts(const struct proxy *proxy, const char *origin)
{
    struct name_list list = {.origin = origin, .names = json_array()};
    proxy_each_rule(proxy, add_other_cut, &list);
    return list.names;
}

static json_t *lease_of(uint64_t lease_ns)
{
    if (lease_ns == UINT64_MAX)
        return json_null();
    return json_integer((json_int_t)(lease_ns / NS_PER_MS));
}

static enum MHD_Result answer_committed(const struct change *change)
{
    const struct proxy *proxy = change->request->api->proxy;
    const char *origin = change->overlay ? change->overlay : "base";
    return api_answer(change->request, MHD_HTTP_OK,
                      json_pack("{s:I, s:s?, s:o, s:o, s:o, s:o}", "committed_ns",
                                (json_int_t)change->commit.at_ns, "overlay",
                                change->overlay, "rules", api_rule_names(proxy, origin),
                                "other_cuts", list_other_cuts(proxy, origin),
                                "lease_ms", lease_of(change->lease_ns), "diagnostics",
                                diag_to_json(&change->diag)));
}

static unsigned http_status_of(int status)
{
    switch (status) {
    case -EINVAL:
    case -ENOTSUP:
        return MHD_HTTP_UNPROCESSABLE_CONTENT;
    case -ENOENT:
        return MHD_HTTP_NOT_FOUND;
    case -ENOMEM:
    case -ESHUTDOWN:
        return MHD_HTTP_SERVICE_UNAVAILABLE;
    default:
        return MHD_HTTP_INTERNAL_SERVER_ERROR;
    }
}

/* What went wrong in one sentence; the diagnostics have the rest. */
static void explain(struct change *change, int status)
{
    size_t n = change->diag.n_errors + change->diag.n_lacking;
    if (change->err.text[0])
        return;
    if (status == -ENOENT)
        errmsg_set(&change->err, "there is no overlay \"%s\"", change->overlay);
    else if (status == -ESHUTDOWN)
        errmsg_set(&change->err, "the proxy is stopping");
    else if (n > 0)
        errmsg_set(&change->err, "%s: %zu %s, nothing was changed", change->file, n,
                   n == 1 ? "error" : "errors");
    else
        errmsg_set(&change->err, "%s", strerror(-status));
}

/* Answers with what the proxy returned, and frees what the change holds. */
static enum MHD_Result finish(struct change *change, int status)
{
    enum MHD_Result result;
    if (status == 0) {
        result = answer_committed(change);
    } else {
        explain(change, status);
        result = api_answer(change->request, http_status_of(status),
                            json_pack("{s:s, s:o}", "error", change->err.text,
                                      "diagnostics", diag_to_json(&change->diag)));
    }
    diag_close(&change->diag);
    return result;
}

static enum MHD_Result refuse_halted(struct api_request *request)
{
    return api_refuse(request, MHD_HTTP_CONFLICT,
                      "the proxy is halted and refuses faults until it is resumed");
}

enum MHD_Result api_put_rules(struct api_request *request)
{
    struct change change;
    if (request->api->halted)
        return refuse_halted(request);
    begin(&change, request);
    const char *file = api_parameter(request, "file");
    change.file = file ? file : "rules";
    struct proxy_source source = {change.file, request->body ? request->body : "",
                                  request->body_len};
    return finish(&change, proxy_apply_base(request->api->proxy, &source,
                                            &change.commit, &change.diag, &change.err));
}

static bool name_is_valid(const char *name)
{
    static const char allowed[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
                                  "0123456789._-";
    size_t len = strlen(name);
    return len >= 1 && len <= API_NAME_MAX && name[strspn(name, allowed)] == 0 &&
           strcmp(name, "base") != 0;
}

static enum MHD_Result refuse_name(struct api_request *request)
{
    return api_refuse(request, MHD_HTTP_BAD_REQUEST,
                      "an overlay's name has 1 to %d of A-Z a-z 0-9 . _ - and is not "
                      "\"base\"",
                      (int)API_NAME_MAX);
}

/* for=30s or for=ever; without it what is applied by hand ends after ten minutes. */
static bool parse_lease(struct api_request *request, uint64_t *out_ns,
                        enum MHD_Result *result)
{
    const char *text = api_parameter(request, "for");
    struct unit_error why = {0};
    if (!text)
        *out_ns = API_DEFAULT_LEASE_S * NS_PER_S;
    else if (strcmp(text, "ever") == 0)
        *out_ns = UINT64_MAX;
    else if (unit_parse_duration(text, out_ns, &why) < 0) {
        *result = api_refuse(request, MHD_HTTP_BAD_REQUEST, "for=: %s%s%s", why.text,
                             why.hint[0] ? "; " : "", why.hint);
        return false;
    }
    return true;
}

static enum MHD_Result apply_overlay(struct change *change, const char *text,
                                     size_t len)
{
    struct proxy_source source = {change->file, text, len};
    return finish(change,
                  proxy_apply_overlay(change->request->api->proxy, change->overlay,
                                      &source, change->lease_ns, &change->commit,
                                      &change->diag, &change->err));
}

enum MHD_Result api_put_overlay(struct api_request *request)
{
    struct change change;
    enum MHD_Result result;
    uint64_t lease_ns;
    if (request->api->halted)
        return refuse_halted(request);
    if (!name_is_valid(request->name))
        return refuse_name(request);
    if (!parse_lease(request, &lease_ns, &result))
        return result;
    begin(&change, request);
    const char *file = api_parameter(request, "file");
    change.file = file ? file : request->name;
    change.overlay = request->name;
    change.lease_ns = lease_ns;
    return apply_overlay(&change, request->body ? request->body : "",
                         request->body_len);
}

enum MHD_Result api_delete_overlay(struct api_request *request)
{
    struct change change;
    begin(&change, request);
    change.overlay = request->name;
    return finish(&change, proxy_remove_overlay(request->api->proxy, request->name,
                                                &change.commit));
}

enum MHD_Result api_delete_overlays(struct api_request *request)
{
    struct change change;
    begin(&change, request);
    return finish(&change, proxy_clear(request->api->proxy, &change.commit));
}

enum MHD_Result api_post_heal(struct api_request *request)
{
    struct change change;
    begin(&change, request);
    return finish(&change, proxy_heal(request->api->proxy, &change.commit));
}

enum MHD_Result api_post_adopt(struct api_request *request)
{
    struct change change;
    size_t n = 0;
    begin(&change, request);
    int status = proxy_adopt(request->api->proxy, api_parameter(request, "from"),
                             api_parameter(request, "to"), &n, &change.err);
    if (status != 0)
        return finish(&change, status);
    diag_close(&change.diag);
    return api_answer(request, MHD_HTTP_OK,
                      json_pack("{s:I}", "adopted", (json_int_t)n));
}

enum MHD_Result api_post_halt(struct api_request *request)
{
    request->api->halted = true;
    return api_delete_overlays(request);
}

enum MHD_Result api_post_resume(struct api_request *request)
{
    struct change change;
    begin(&change, request);
    request->api->halted = false;
    change.commit.at_ns = now_ns();
    return finish(&change, 0);
}

struct name_search {
    const char *name;
    bool found;
};

static void compare_name(void *context, const struct proxy_layer_view *view)
{
    struct name_search *search = context;
    if (view->name && strcmp(view->name, search->name) == 0)
        search->found = true;
}

/* partition-N with the lowest N that is free: overlays are few. */
static void choose_name(const struct proxy *proxy, char *name, size_t name_bytes)
{
    struct name_search search = {.name = name, .found = true};
    for (unsigned n = 1; search.found; n++) {
        (void)snprintf(name, name_bytes, "partition-%u", n);
        search.found = false;
        proxy_each_layer(proxy, compare_name, &search);
    }
}

/* Appends the value as YAML, quoted: a JSON string or a list of them is YAML too, if
 * characters stay as they are. */
static bool add_value(struct buffer *yaml, const json_t *value)
{
    char *text = json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT);
    if (text)
        buffer_print(yaml, "%s", text);
    free(text);
    return text != NULL && !yaml->out_of_memory;
}

/* The parts must be lists of strings: anything else would be YAML of the client's. */
static bool parts_are_lists_of_names(const json_t *parts)
{
    for (size_t i = 0; i < json_array_size(parts); i++) {
        const json_t *part = json_array_get(parts, i);
        if (json_array_size(part) == 0)
            return false;
        for (size_t k = 0; k < json_array_size(part); k++)
            if (!json_is_string(json_array_get(part, k)))
                return false;
    }
    return json_array_size(parts) > 0;
}

/* One overlay of one rule, as a user would write it. */
static bool write_partition(struct buffer *yaml, const char *name, const json_t *parts,
                            const json_t *how)
{
    buffer_print(yaml, "netsplit: 1\nrules:\n  - name: \"%s\"\n    partition: ", name);
    if (!add_value(yaml, parts))
        return false;
    if (how) {
        buffer_print(yaml, "\n    how: ");
        if (!add_value(yaml, how))
            return false;
    }
    buffer_print(yaml, "\n");
    return !yaml->out_of_memory;
}

static enum MHD_Result apply_partition(struct api_request *request, const json_t *body,
                                       const char *name, uint64_t lease_ns)
{
    struct change change;
    struct buffer yaml = {0};
    enum MHD_Result result;
    if (write_partition(&yaml, name, json_object_get(body, "parts"),
                        json_object_get(body, "how"))) {
        begin(&change, request);
        change.file = change.overlay = name;
        change.lease_ns = lease_ns;
        result = apply_overlay(&change, buffer_text(&yaml), yaml.length);
    } else {
        result = api_answer(request, 0, NULL);
    }
    buffer_close(&yaml);
    return result;
}

enum MHD_Result api_post_partition(struct api_request *request)
{
    char chosen[32];
    enum MHD_Result result;
    uint64_t lease_ns;
    const char *name = api_parameter(request, "as");
    if (request->api->halted)
        return refuse_halted(request);
    if (name && !name_is_valid(name))
        return refuse_name(request);
    if (!parse_lease(request, &lease_ns, &result))
        return result;
    json_t *body =
        json_loadb(request->body ? request->body : "", request->body_len, 0, NULL);
    const json_t *how = json_object_get(body, "how");
    if (!parts_are_lists_of_names(json_object_get(body, "parts")) ||
        (how && !json_is_string(how))) {
        result = api_refuse(request, MHD_HTTP_BAD_REQUEST,
                            "the body must be {\"parts\": [[\"n1\"], [\"n2\"]]}, with "
                            "\"how\": \"stall\" if wanted");
    } else {
        choose_name(request->api->proxy, chosen, sizeof chosen);
        result = apply_partition(request, body, name ? name : chosen, lease_ns);
    }
    json_decref(body);
    return result;
}
