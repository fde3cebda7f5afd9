/* SPDX-License-Identifier: MIT */
/* One request, GET /containers/NAME/json, which Docker and Podman answer alike; of the
 * answer State.Pid is read. The first engine that knows the container is believed. An
 * engine that is not there is passed over; what the last one said is the error. */
#include "proxy/kernel/container.h"
#include "proxy/base/control_client.h"
#include "proxy/base/errmsg.h"
#include "proxy/base/now.h"

#include <errno.h>
#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PATH_BYTES = 108, ENGINES = 4 };

struct engines {
    char paths[ENGINES][PATH_BYTES];
    size_t n;
};

static void add_engine(struct engines *engines, const char *directory, const char *rest)
{
    char *path = engines->paths[engines->n];
    int n = snprintf(path, PATH_BYTES, "%s%s", directory, rest);
    engines->n += n > 0 && n < PATH_BYTES;
}

/* 0, or -ENOTSUP: the environment names one that is not a Unix socket. */
static int list_engines(struct engines *engines, struct errmsg *err)
{
    static const char unix_scheme[] = "unix://";
    const char *host = getenv("DOCKER_HOST");
    if (!host || !*host)
        host = getenv("CONTAINER_HOST");
    if (host && *host) {
        if (strncmp(host, unix_scheme, sizeof unix_scheme - 1) != 0) {
            errmsg_set(err,
                       "the container engine at %s is not a Unix socket: give the "
                       "node as `pid: N`",
                       host);
            return -ENOTSUP;
        }
        add_engine(engines, "", host + sizeof unix_scheme - 1);
        return 0;
    }
    const char *session = getenv("XDG_RUNTIME_DIR");
    add_engine(engines, "/var/run", "/docker.sock");
    add_engine(engines, "/run", "/podman/podman.sock");
    if (session)
        add_engine(engines, session, "/podman/podman.sock");
    return 0;
}

static int read_pid(const char *name, const json_t *answer, uint32_t *pid,
                    struct errmsg *err)
{
    const json_t *number = json_object_get(json_object_get(answer, "State"), "Pid");
    json_int_t value = json_integer_value(number);
    if (!json_is_integer(number) || value < 0 || value > INT32_MAX) {
        errmsg_set(err, "container %s: the engine's answer has no State.Pid", name);
        return -EPROTO;
    }
    if (value == 0) {
        errmsg_set(err, "container %s does not run: start it first", name);
        return -ESRCH;
    }
    *pid = (uint32_t)value;
    return 0;
}

static int ask(const char *path, const char *name, uint32_t *pid, struct errmsg *err)
{
    char escaped[256], target[300];
    struct errmsg why = {0};
    json_t *answer = NULL;
    (void)snprintf(target, sizeof target, "/containers/%s/json",
                   control_escape(name, escaped, sizeof escaped));
    int status = control_call(path, "GET", target, NULL, 2 * NS_PER_S, &answer, &why);
    if (status == 200)
        status = read_pid(name, answer, pid, err);
    else if (status == 404)
        errmsg_set(err, "there is no container %s at %s", name, path);
    else
        errmsg_set(err, "container %s: asking %s: %s", name, path, why.text);
    json_decref(answer);
    if (status == -ENOENT)
        return -ECONNREFUSED; /* no socket: nobody is there either */
    return status == 404 ? -ENOENT : status > 0 ? -EPROTO : status;
}

int container_find(const char *name, uint32_t *pid, struct errmsg *err)
{
    struct engines engines = {0};
    int status = list_engines(&engines, err);
    if (status != 0)
        return status;
    int found = -ECONNREFUSED;
    for (size_t i = 0; i < engines.n && found != 0; i++) {
        struct errmsg why = {0};
        status = ask(engines.paths[i], name, pid, &why);
        if (status == -ECONNREFUSED)
            continue;
        found = status;
        errmsg_set(err, "%s", why.text);
    }
    if (found != -ECONNREFUSED)
        return found;
    errmsg_set(err,
               "container %s: no engine answers at Docker's or Podman's API socket: "
               "start it (systemctl start podman.socket), name another one in "
               "$DOCKER_HOST (unix:///PATH), or give the node as `pid: N`",
               name);
    return found;
}
