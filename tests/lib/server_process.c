/* SPDX-License-Identifier: MIT */
/* Starting is fork and exec, so that the child dies with us even when it runs as
 * another user; being ready is found out by asking until there is an answer. */
#include "tests/lib/server_process.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <grp.h>
#include <libpq-fe.h>
#include <poll.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum { TRIES = 1500, TRY_MS = 20 };

static void fail(const char *what)
{
    fprintf(stderr, "server process: %s: %s\n", what, strerror(errno));
    abort();
}

/* In the child: becomes nobody if it is root, and the program. */
static void become(const char *directory, const char *const *argv, bool unprivileged)
{
    const struct passwd *nobody = getpwnam("nobody");
    if (unprivileged && geteuid() == 0 &&
        (!nobody || setgroups(0, NULL) < 0 || setgid(nobody->pw_gid) < 0 ||
         setuid(nobody->pw_uid) < 0))
        _exit(126);
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL); /* setuid() has cleared it */
    int null = open("/dev/null", O_RDWR);
    if (null < 0 || chdir(directory) < 0)
        _exit(126);
    (void)dup2(null, STDIN_FILENO);
    (void)dup2(null, STDOUT_FILENO);
    (void)dup2(null, STDERR_FILENO);
    (void)setpgid(0, 0);
    execvp(argv[0], (char *const *)argv); /* it only reads them */
    _exit(127);
}

pid_t server_process_run(const char *directory, const char *const *argv,
                         bool unprivileged)
{
    pid_t pid = fork();
    if (pid < 0)
        fail("fork");
    if (pid == 0)
        become(directory, argv, unprivileged);
    return pid;
}

void server_process_reserve(struct server_process *server, const char *word)
{
    *server = (struct server_process){.end_signal = SIGKILL};
    if (tempdir_make(word, server->directory, NULL) < 0)
        fail("temporary directory");
    /* Bound without listening and with SO_REUSEADDR, as the server binds it, too. */
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof address;
    int one = 1;
    server->reserved = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (server->reserved < 0 ||
        setsockopt(server->reserved, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one) < 0 ||
        bind(server->reserved, (struct sockaddr *)&address, sizeof address) < 0 ||
        getsockname(server->reserved, (struct sockaddr *)&address, &length) < 0)
        fail("port");
    server->port = ntohs(address.sin_port);
}

static void await(const struct server_process *server,
                  bool (*is_ready)(const struct server_process *))
{
    for (int i = 0; i < TRIES; i++) {
        if (is_ready(server))
            return;
        int status;
        if (waitpid(server->pid, &status, WNOHANG) == server->pid)
            fail("it ended before it was ready");
        (void)poll(NULL, 0, TRY_MS);
    }
    fail("it is not ready in time");
}

static bool installed(const char *program)
{
    char command[300];
    (void)snprintf(command, sizeof command, "command -v %s >/dev/null", program);
    return system(command) == 0;
}

static bool redis_is_ready(const struct server_process *server)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons(server->port),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    char answer[8] = "";
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool ready = connect(fd, (struct sockaddr *)&address, sizeof address) == 0 &&
                 send(fd, "PING\r\n", 6, MSG_NOSIGNAL) == 6 &&
                 recv(fd, answer, 5, MSG_WAITALL) == 5 && !memcmp(answer, "+PONG", 5);
    close(fd);
    return ready;
}

bool server_process_redis(struct server_process *server)
{
    if (!installed("redis-server"))
        return false;
    server_process_reserve(server, "redis");
    char port[8];
    (void)snprintf(port, sizeof port, "%u", (unsigned)server->port);
    const char *const argv[] = {"redis-server", "--port", port, "--bind",
                                "127.0.0.1",    "--save", "",   "--appendonly",
                                "no",           NULL};
    server->pid = server_process_run(server->directory, argv, false);
    await(server, redis_is_ready);
    return true;
}

/* Debian keeps them out of PATH. */
bool server_process_find_postgres(char *path, size_t path_bytes)
{
    glob_t found;
    if (glob("/usr/lib/postgresql/*/bin/initdb", 0, NULL, &found) != 0)
        return false;
    const char *last = found.gl_pathv[found.gl_pathc - 1];
    (void)snprintf(path, path_bytes, "%.*s", (int)(strrchr(last, '/') - last), last);
    globfree(&found);
    return true;
}

static bool postgres_is_ready(const struct server_process *server)
{
    char conninfo[100];
    (void)snprintf(conninfo, sizeof conninfo,
                   "hostaddr=127.0.0.1 port=%u user=drill dbname=postgres",
                   (unsigned)server->port);
    return PQping(conninfo) == PQPING_OK;
}

static void make_cluster(struct server_process *server, const char *programs)
{
    const struct passwd *nobody = getpwnam("nobody");
    if (geteuid() == 0 &&
        (!nobody || chown(server->directory, nobody->pw_uid, nobody->pw_gid) < 0))
        fail("chown");
    char initdb[300], data[TEMPDIR_PATH_MAX + 8];
    (void)snprintf(initdb, sizeof initdb, "%s/initdb", programs);
    (void)snprintf(data, sizeof data, "%s/data", server->directory);
    const char *const argv[] = {initdb, "-D",    data, "-U",         "drill",
                                "-A",   "trust", "-N", "--locale=C", NULL};
    int status;
    pid_t pid = server_process_run(server->directory, argv, true);
    if (waitpid(pid, &status, 0) != pid || status != 0)
        fail("initdb");
}

void server_process_start_postgres(struct server_process *server, const char *programs)
{
    char postgres[300], data[TEMPDIR_PATH_MAX + 8], port[8];
    (void)snprintf(postgres, sizeof postgres, "%s/postgres", programs);
    (void)snprintf(data, sizeof data, "%s/data", server->directory);
    (void)snprintf(port, sizeof port, "%u", (unsigned)server->port);
    const char *const argv[] = {
        postgres, "-D", data,        "-h", "127.0.0.1",          "-p", port, "-k",
        "",       "-c", "fsync=off", "-c", "shared_buffers=8MB", NULL};
    server->end_signal =
        SIGQUIT; /* ends its children, which have sessions of their own */
    server->pid = server_process_run(server->directory, argv, true);
    await(server, postgres_is_ready);
}

bool server_process_postgres(struct server_process *server)
{
    char programs[256];
    if (!server_process_find_postgres(programs, sizeof programs))
        return false;
    server_process_reserve(server, "postgres");
    make_cluster(server, programs);
    server_process_start_postgres(server, programs);
    return true;
}

void server_process_kill(struct server_process *server)
{
    if (server->pid <= 0)
        return;
    (void)kill(server->pid, server->end_signal);
    while (waitpid(server->pid, NULL, 0) < 0 && errno == EINTR)
        ;
    server->pid = 0;
}

void server_process_close(struct server_process *server)
{
    server_process_kill(server);
    close(server->reserved);
    (void)tempdir_remove(server->directory);
}
