/* SPDX-License-Identifier: MIT */
/* Each kind is a row: which program, and how it is started. netsplit says on which port
 * it listens; the peers are told a free one and asked until they answer.
 *
 * Anything that cannot be started though it is installed ends the benchmark: a table
 * with a hole would be taken for the whole. */
#include "tests/bench/sut.h"
#include "proxy/base/now.h"
#include "tests/bench/client.h"
#include "tests/bench/process.h"

#include <err.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { READY_TRIES = 500, PATH_BYTES = 4096, TEXT_BYTES = 1536 };

static const uint64_t ready_pause_ns = 10 * NS_PER_MS;

/* Enough for the connections of every part; more descriptors than RLIMIT_NOFILE has are
 * not asked for. */
#define CONNECTIONS "4600"

#define HAPROXY_DEFAULTS                                                               \
    "defaults\n  mode tcp\n  timeout connect 5s\n  timeout client 60s\n"               \
    "  timeout server 60s\n"
#define HAPROXY_LISTEN "listen bench\n  bind 127.0.0.1:%u\n  server s 127.0.0.1:%u\n"

static const char haproxy_text[] =
    "global\n  maxconn " CONNECTIONS "\n" HAPROXY_DEFAULTS HAPROXY_LISTEN;

static const char haproxy_splice_text[] =
    "global\n  maxconn " CONNECTIONS "\n  tune.pipesize 1048576\n" HAPROXY_DEFAULTS
    "  option splice-request\n  option splice-response\n" HAPROXY_LISTEN;

static const char nginx_text[] =
    "%sworker_processes 2;\npid nginx.pid;\nerror_log stderr crit;\n"
    "events { worker_connections 9400; }\n"
    "stream { server { listen 127.0.0.1:%u; tcp_nodelay on;\n"
    "  proxy_pass 127.0.0.1:%u; proxy_timeout 60s; } }\n";

const char *const sut_names[SUT_COUNT] = {
    [SUT_DIRECT] = "direct",   [SUT_NETSPLIT] = "netsplit",
    [SUT_HAPROXY] = "haproxy", [SUT_HAPROXY_SPLICE] = "haproxy, splice",
    [SUT_NGINX] = "nginx",
};

static void write_text(const char *path, const char *text)
{
    FILE *file = fopen(path, "we");
    if (!file || fputs(text, file) < 0 || fclose(file) != 0)
        err(1, "%s", path);
}

/* A directory of its own in `directory`, into path (PATH_BYTES). */
static void make_directory(const char *directory, char *path)
{
    (void)snprintf(path, PATH_BYTES, "%s/sut-XXXXXX", directory);
    if (!mkdtemp(path))
        err(1, "%s", path);
}

/* The first 127.0.0.1:PORT of the line that netsplit prints when it is ready. */
static struct sut start_netsplit(const char *const *argv)
{
    char line[1024];
    int output[2];
    struct sut sut = {.kind = SUT_NETSPLIT, .name = "netsplit", .present = true};
    if (pipe2(output, O_CLOEXEC) != 0)
        err(1, "pipe");
    sut.pids[0] = process_start(argv, output[1], -1);
    (void)close(output[1]);
    FILE *from = fdopen(output[0], "r");
    const char *address =
        from && fgets(line, sizeof line, from) ? strstr(line, "127.0.0.1:") : NULL;
    if (!address)
        errx(1, "netsplit did not get ready");
    sut.port = (uint16_t)atoi(address + strlen("127.0.0.1:"));
    (void)fclose(from);
    return sut;
}

struct sut sut_start_rules(const char *netsplit, const char *directory,
                           const char *rules)
{
    char own[PATH_BYTES], file[PATH_BYTES + 16], control[PATH_BYTES + 16];
    make_directory(directory, own);
    (void)snprintf(file, sizeof file, "%s/rules.yaml", own);
    (void)snprintf(control, sizeof control, "%s/control", own);
    write_text(file, rules);
    const char *argv[] = {netsplit, "proxy", "-f", file, "--control", control, NULL};
    return start_netsplit(argv);
}

struct sut sut_start_fault(const char *netsplit, const char *directory,
                           uint16_t server_port, const char *inject)
{
    char rules[TEXT_BYTES];
    (void)snprintf(rules, sizeof rules,
                   "netsplit: 1\n"
                   "nodes: { server: { address: 127.0.0.1, ports: [%u] } }\n"
                   "listen: [{ name: path, address: \"127.0.0.1:0\", to: server }]\n"
                   "rules: [{ name: fault, match: { to: server }, inject: { %s } }]\n",
                   server_port, inject);
    return sut_start_rules(netsplit, directory, rules);
}

static struct sut start_plain(const char *netsplit, const char *directory,
                              uint16_t server_port)
{
    char own[PATH_BYTES], control[PATH_BYTES + 16], path[64];
    make_directory(directory, own);
    (void)snprintf(control, sizeof control, "%s/control", own);
    (void)snprintf(path, sizeof path, "127.0.0.1:0:127.0.0.1:%u", server_port);
    const char *argv[] = {netsplit, "proxy", path, "--control", control, NULL};
    return start_netsplit(argv);
}

static struct sut await_peer(enum sut_kind kind, const char *const *argv, uint16_t port)
{
    struct sut sut = {.kind = kind, .name = sut_names[kind], .port = port};
    pid_t pid = process_start(argv, -1, -1);
    for (int i = 0; i < READY_TRIES && !sut.present; i++) {
        client_pause_ns(ready_pause_ns);
        sut.present = client_finds(port);
    }
    if (!sut.present)
        errx(1, "%s did not get ready", sut.name);
    sut_find_processes(&sut, pid);
    return sut;
}

static struct sut start_haproxy(enum sut_kind kind, const char *directory,
                                uint16_t server_port)
{
    char own[PATH_BYTES], file[PATH_BYTES + 16], text[TEXT_BYTES];
    uint16_t port = client_free_port();
    make_directory(directory, own);
    (void)snprintf(file, sizeof file, "%s/haproxy.cfg", own);
    if (kind == SUT_HAPROXY)
        (void)snprintf(text, sizeof text, haproxy_text, port, server_port);
    else
        (void)snprintf(text, sizeof text, haproxy_splice_text, port, server_port);
    write_text(file, text);
    const char *argv[] = {"haproxy", "-q", "-db", "-f", file, NULL};
    return await_peer(kind, argv, port);
}

/* Debian has the module apart from the program. */
static const char *nginx_module(void)
{
    static const char module[] = "/usr/lib/nginx/modules/ngx_stream_module.so";
    return access(module, R_OK) == 0
               ? "load_module /usr/lib/nginx/modules/ngx_stream_module.so;\n"
               : "";
}

static struct sut start_nginx(const char *directory, uint16_t server_port)
{
    char own[PATH_BYTES], file[PATH_BYTES + 16], text[TEXT_BYTES];
    uint16_t port = client_free_port();
    make_directory(directory, own);
    (void)snprintf(file, sizeof file, "%s/nginx.conf", own);
    (void)snprintf(text, sizeof text, nginx_text, nginx_module(), port, server_port);
    write_text(file, text);
    const char *argv[] = {"nginx", "-p",     own,  "-c",          file,
                          "-e",    "stderr", "-g", "daemon off;", NULL};
    return await_peer(SUT_NGINX, argv, port);
}

bool sut_is_installed(enum sut_kind kind)
{
    switch (kind) {
    case SUT_HAPROXY:
    case SUT_HAPROXY_SPLICE:
        return process_finds("haproxy");
    case SUT_NGINX:
        return process_finds("nginx");
    case SUT_DIRECT:
    case SUT_NETSPLIT:
    case SUT_COUNT:
        break;
    }
    return true;
}

static struct sut start(enum sut_kind kind, const char *netsplit, const char *directory,
                        uint16_t server_port)
{
    switch (kind) {
    case SUT_NETSPLIT:
        return start_plain(netsplit, directory, server_port);
    case SUT_HAPROXY:
    case SUT_HAPROXY_SPLICE:
        return start_haproxy(kind, directory, server_port);
    case SUT_NGINX:
        return start_nginx(directory, server_port);
    case SUT_DIRECT:
    case SUT_COUNT:
        break;
    }
    return (struct sut){
        .name = sut_names[SUT_DIRECT], .present = true, .port = server_port};
}

void sut_start_all(struct sut *suts, unsigned kinds, const char *netsplit,
                   const char *directory, uint16_t server_port)
{
    for (unsigned i = 0; i < SUT_COUNT; i++) {
        enum sut_kind kind = (enum sut_kind)i;
        suts[i] = (struct sut){.kind = kind, .name = sut_names[i]};
        if (kinds & 1u << i && sut_is_installed(kind))
            suts[i] = start(kind, netsplit, directory, server_port);
    }
}

void sut_stop(struct sut *sut)
{
    if (sut->pids[0] > 0)
        process_stop(sut->pids[0]);
    sut->pids[0] = 0;
}

void sut_stop_all(struct sut *suts)
{
    for (int i = 0; i < SUT_COUNT; i++)
        sut_stop(&suts[i]);
}
