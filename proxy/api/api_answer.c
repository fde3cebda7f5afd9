/* SPDX-License-Identifier: MIT */
/* Answers: JSON objects, and errors as JSON objects. What there is no memory for is
 * answered with 503, in a text that needs none. */
#include "proxy/api/api_internal.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Answers with the object, which is taken over, and an Allow header if allowed is not
 * NULL. */
static enum MHD_Result answer(struct api_request *request, unsigned status,
                              json_t *object, const char *allowed)
{
    static char out_of_memory[] = "{\"error\":\"out of memory\"}";
    char *text = object ? json_dumps(object, JSON_COMPACT) : NULL;
    json_decref(object);
    if (!text)
        status = MHD_HTTP_SERVICE_UNAVAILABLE;
    struct MHD_Response *response = MHD_create_response_from_buffer(
        text ? strlen(text) : sizeof out_of_memory - 1, text ? text : out_of_memory,
        text ? MHD_RESPMEM_MUST_FREE : MHD_RESPMEM_PERSISTENT);
    if (!response) {
        free(text);
        return MHD_NO; /* the daemon closes the connection */
    }
    /* Adding a header fails without memory only; the answer is good without it. */
    (void)MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE,
                                  "application/json");
    if (allowed)
        (void)MHD_add_response_header(response, MHD_HTTP_HEADER_ALLOW, allowed);
    enum MHD_Result result = MHD_queue_response(request->connection, status, response);
    MHD_destroy_response(response);
    return result;
}

enum MHD_Result api_answer(struct api_request *request, unsigned status, json_t *object)
{
    return answer(request, status, object, NULL);
}

/* {"error": text}; what is not UTF-8 came from the client and is not repeated. */
static json_t *error_object(const char *text)
{
    json_t *sentence = json_string(text);
    return json_pack("{s:o}", "error",
                     sentence ? sentence : json_string("the request is not UTF-8"));
}

enum MHD_Result api_refuse(struct api_request *request, unsigned status,
                           const char *format, ...)
{
    struct errmsg why;
    va_list args;
    va_start(args, format);
    (void)vsnprintf(why.text, sizeof why.text, format, args);
    va_end(args);
    return api_answer(request, status, error_object(why.text));
}

enum MHD_Result api_refuse_method(struct api_request *request, const char *allowed)
{
    return answer(request, MHD_HTTP_METHOD_NOT_ALLOWED,
                  error_object("this path does not take that method"), allowed);
}

const char *api_parameter(struct api_request *request, const char *name)
{
    return MHD_lookup_connection_value(request->connection, MHD_GET_ARGUMENT_KIND,
                                       name);
}
