/* SPDX-License-Identifier: MIT */
/* An instance on port 0 with an API on a loop, and a client that asks it: what the
 * suites of the API start from. For TestSuite(x, .init = api_fixture_open, .fini =
 * api_fixture_close); whatever fails here fails the test. */
#ifndef NETSPLIT_TESTS_API_FIXTURE_H
#define NETSPLIT_TESTS_API_FIXTURE_H

#include "proxy/api/api.h"
#include "proxy/base/control_client.h"
#include "proxy/base/now.h"
#include "proxy/base/tempdir.h"
#include "proxy/record/counters.h"
#include "proxy/record/journal.h"
#include "proxy/proxy.h"

#include <jansson.h>

#define API_FIXTURE_PATIENCE_NS (20 * NS_PER_S)

/* Of the one test that runs in this process. */
struct api_fixture {
    uv_loop_t loop;
    struct counters counters;
    struct journal *journal;
    struct proxy *proxy;
    struct api *api; /* NULL once it is closed */
    struct control_client *client;
    char directory[TEMPDIR_PATH_MAX];
    char path[TEMPDIR_PATH_MAX + 8]; /* of the socket */
    json_t *answered;                /* the body of the last answer; see ask() */
};
extern struct api_fixture fixture;

/* The base, with the rules slow and split, and an overlay for it, with the rule slower.
 */
extern const char base_text[], overlay_text[];

void api_fixture_open(void);

/* Everything ends, nothing is left on the loop, and the socket is gone. */
void api_fixture_close(void);

/* Closes the API alone, before the end. */
void api_fixture_close_api(void);

struct answer {
    int status; /* 0 = none yet */
    json_t *body;
    char error[512];
};

/* For control_request(); arg is a struct answer. */
void on_answer(void *arg, int status, json_t *body, const struct errmsg *err);
void wait_for_answer(const struct answer *answer);

/* Asks, and waits. Returns the status; the body is fixture.answered until the next
 * call, or the end of the test's process. */
int ask(const char *method, const char *target, const char *body);

/* "" and 0 where there is no such key. */
const char *text_at(const json_t *object, const char *key);
json_int_t number_at(const json_t *object, const char *key);

/* The row of a list in the last answer whose key has the value, or NULL. */
json_t *row_of(const char *list, const char *key, const char *value);

/* The same of a status that is asked for now. */
json_t *status_row(const char *list, const char *key, const char *value);

/* What a stream of events brought. */
struct seen {
    struct answer end;
    json_t *events; /* array; the caller's to let go of */
};
void watch_events(struct seen *seen, const char *target);
void run_until_seen(const struct seen *seen, size_t n);

/* So many events enter the journal. */
void add_events(uint64_t n);

#endif
