/* SPDX-License-Identifier: MIT */
/* A proxy that runs already, and goes on when the drill has left: cluster file's
 * `control: PATH`. It is used by its control API as anybody would use it.
 *
 * Happy path: its base and its status are read; the cluster's names are found in them
 * (drill_theirs_paths.c); from then on each fault is an overlay with a name of the
 * drill's and a short lease, which is renewed while the drill lives and removed at
 * heal or at the end. So a drill that is killed leaves faults that end by themselves
 * and that `netsplit clean` removes before.
 *
 * Failures: a proxy that is not there, or halted, ends the drill before anything is
 * touched. One that goes away, or no longer takes what is renewed (somebody said `ctl
 * halt`), ends the steps: what is in force is no longer known. An overlay that cannot
 * be removed is told with its lease.
 *
 * Nothing else of it is touched: no other overlay, no base, no heal and no clear. */
#include "scenarios/drill/drill_inside.h"

#include "rules/language/parse.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define RENEW_NS  (5 * NS_PER_S)
#define ANSWER_NS (3 * NS_PER_S) /* while things are taken down */

static void request(struct drill_mode *mode, const char *method, const char *target,
                    const char *body, control_reply_fn on_reply)
{
    uint64_t within_ns = mode->state == MODE_DOWN ? ANSWER_NS : DRILL_CONTROL_NS;
    if (!control_request(mode->control, method, target, body, within_ns, on_reply,
                         mode))
        abort(); /* out of memory: as xcalloc */
}

static void on_rules(void *arg, int status, json_t *body, const struct errmsg *err)
{
    struct drill_mode *mode = arg;
    const json_t *base = json_object_get(body, "base");
    const char *text = json_string_value(json_object_get(base, "text"));
    struct diag diag;
    if (mode->state != MODE_UP)
        return;
    if (status != 200 || !text) {
        mode_fail(mode, "the proxy at %s does not say its rules: %s",
                  mode->control_path, err->text);
        return;
    }
    diag_init(&diag, NULL);
    int e = parse_file("base", text, strlen(text), NULL, &diag, &mode->theirs->rules);
    diag_close(&diag);
    if (e != 0)
        mode_fail(mode, "the rules of the proxy at %s cannot be read: %s",
                  mode->control_path, strerror(-e));
    else if (theirs_settle_paths(mode)) {
        proxy_follow(mode, "/v1/events");
        mode->theirs->up_then(mode);
    }
}

static void on_first_status(void *arg, int status, json_t *body,
                            const struct errmsg *err)
{
    struct drill_mode *mode = arg;
    struct theirs *theirs = mode->theirs;
    if (mode->state != MODE_UP)
        return;
    if (status != 200) {
        mode_fail(mode, "control: %s", err->text);
    } else if (json_is_true(json_object_get(body, "halted"))) {
        mode_fail(mode,
                  "the proxy at %s is halted and takes no faults; when that is over: "
                  "netsplit ctl --control %s resume",
                  mode->control_path, mode->control_path);
    } else {
        theirs->listeners = json_incref(json_object_get(body, "listeners"));
        theirs->links = json_incref(json_object_get(body, "links"));
        request(mode, "GET", "/v1/rules", NULL, on_rules);
    }
}

/* For clean. */
static void note(struct drill_mode *mode)
{
    (void)rundir_note(mode->drill->record, "overlays",
                      json_pack("{s:s, s:s}", "control", mode->control_path, "prefix",
                                mode->theirs->prefix));
}

/* Names are new in every mode and every repetition: the proxy goes on counting by them
 * after what they named was removed. */
void theirs_up(struct drill_mode *mode, drill_then_fn then)
{
    char whole[PATH_MAX];
    const char *path = mode->drill->cluster->control;
    if (realpath(path, whole))
        path = whole; /* commands run elsewhere */
    if (strlen(path) >= sizeof mode->control_path) {
        mode_fail(mode, "the path of the control socket is too long: %s", path);
        return;
    }
    (void)snprintf(mode->control_path, sizeof mode->control_path, "%s", path);
    mode->theirs = xcalloc(1, sizeof *mode->theirs);
    mode->theirs->up_then = then;
    (void)snprintf(mode->theirs->prefix, sizeof mode->theirs->prefix,
                   "drill-%d-%" PRIx64 "-", (int)getpid(), now_ns() / NS_PER_MS);
    note(mode);
    if (control_client_create(&mode->control, &mode->drill->loop, path) == 0)
        request(mode, "GET", "/v1/status", NULL, on_first_status);
}

void theirs_free(struct theirs *theirs)
{
    if (!theirs)
        return;
    rules_destroy(theirs->rules);
    json_decref(theirs->listeners);
    json_decref(theirs->links);
    free(theirs);
}

bool theirs_owes(const struct drill_mode *mode)
{
    for (size_t i = 0; i < mode->n_faults; i++)
        if (mode->faults[i].applied)
            return true;
    return false;
}

static void on_renewed(void *arg, int status, json_t *body, const struct errmsg *err)
{
    struct drill_mode *mode = arg;
    (void)body;
    if (mode->state != MODE_STEPS || status == 200 || !theirs_owes(mode))
        return;
    mode_abort(mode, RUN_DRIVER_ERROR,
               drill_print(mode->drill,
                           "the proxy at %s no longer keeps the drill's faults: %s",
                           mode->control_path, err->text));
}

void theirs_tick(struct drill_mode *mode, uint64_t now)
{
    struct theirs *theirs = mode->theirs;
    char target[160];
    if (!theirs || theirs->applying || theirs->withdraw_then ||
        mode->state != MODE_STEPS || now < theirs->renewed_ns + RENEW_NS)
        return;
    theirs->renewed_ns = now;
    for (size_t i = 0; i < mode->n_faults; i++) {
        if (!mode->faults[i].applied)
            continue;
        (void)snprintf(target, sizeof target,
                       "/v1/overlays/%s?for=%ds&file=playbook.yaml",
                       mode->faults[i].overlay, (int)CLUSTER_LEASE_S);
        request(mode, "PUT", target, mode->faults[i].text, on_renewed);
    }
}

static void withdraw_next(struct drill_mode *mode);

static void on_withdrawn(void *arg, int status, json_t *body, const struct errmsg *err)
{
    struct drill_mode *mode = arg;
    size_t i = mode->n_faults - 1;
    while (!mode->faults[i].applied)
        i--; /* it is the last that was */
    struct drill_fault *fault = &mode->faults[i];
    mode->theirs->withdrawing = fault->applied = false;
    if (status == 200) {
        fault_end(mode, fault, fault_committed_ns(body));
    } else if (status == 404 || status == -ECONNREFUSED || status == -ENOENT) {
        fault_end(mode, fault, now_ns()); /* somebody was faster, or all is gone */
    } else {
        const char *told = drill_print(
            mode->drill,
            "the overlay %s at %s is not removed (%s); it ends by itself "
            "within %d s",
            fault->overlay, mode->control_path, err->text, (int)CLUSTER_LEASE_S);
        (void)snprintf(mode->error, sizeof mode->error, "%s", told);
        mode_note_left(mode, told);
    }
    withdraw_next(mode);
}

/* The last first. */
static void withdraw_next(struct drill_mode *mode)
{
    struct theirs *theirs = mode->theirs;
    char target[160];
    if (theirs->withdrawing || theirs->applying)
        return; /* its answer calls again */
    for (size_t i = mode->n_faults; i-- > 0;) {
        if (!mode->faults[i].applied)
            continue;
        theirs->withdrawing = true;
        (void)snprintf(target, sizeof target, "/v1/overlays/%s",
                       mode->faults[i].overlay);
        request(mode, "DELETE", target, NULL, on_withdrawn);
        return;
    }
    drill_then_fn then = theirs->withdraw_then;
    theirs->withdraw_then = NULL;
    then(mode);
}

void theirs_applied(struct drill_mode *mode, int status)
{
    if (status > 0 && status != 200)
        mode->faults[mode->n_faults - 1].applied = false; /* it said no */
    mode->theirs->applying = false;
    mode->theirs->renewed_ns = now_ns();
    if (mode->theirs->withdraw_then)
        withdraw_next(mode);
}

void theirs_withdraw(struct drill_mode *mode, drill_then_fn then)
{
    if (!mode->theirs) {
        then(mode);
        return;
    }
    mode->theirs->withdraw_then = then;
    withdraw_next(mode);
}
