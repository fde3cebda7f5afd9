/* SPDX-License-Identifier: MIT */
#include "tests/bench/sut.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum { READY_TRIES = 500, READY_PAUSE_US = 10000 };

static const char congestion[] = "/proc/sys/net/ipv4/tcp_congestion_control";

static bool raise_loopback(void)
{
    struct ifreq request = {.ifr_name = "lo"};
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return false;
    request.ifr_flags = IFF_UP | IFF_RUNNING;
    bool up = ioctl(fd, SIOCSIFFLAGS, &request) == 0;
    (void)close(fd);
    return up;
}

static bool write_text(const char *path, const char *text)
{
    FILE *file = fopen(path, "w");
    if (!file)
        return false;
    bool written = fputs(text, file) >= 0;
    return fclose(file) == 0 && written;
}

bool sut_enter_namespace(char *algorithm)
{
    bool own = unshare(CLONE_NEWNET) == 0 && raise_loopback();
    if (own && access(congestion, W_OK) == 0)
        (void)write_text(congestion, "reno"); /* what is in force is read back below */
    FILE *file = fopen(congestion, "r");
    if (!file || fscanf(file, "%31s", algorithm) != 1)
        (void)snprintf(algorithm, 32, "unknown");
    if (file)
        (void)fclose(file);
    return own && strcmp(algorithm, "bbr") != 0;
}

static pid_t spawn(const char *const *argv, int output)
{
    pid_t parent = getpid(), pid = fork();
    if (pid != 0)
        return pid;
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent)
        _exit(127);
    if (output >= 0)
        (void)dup2(output, STDOUT_FILENO);
    execvp(argv[0], (char *const *)argv);
    _exit(127);
}

/* The first 127.0.0.1:PORT of the line that netsplit prints when it is ready. */
static struct sut start_netsplit(const char *const *argv)
{
    char line[1024];
    int output[2];
    struct sut sut = {.name = "netsplit", .present = true};
    if (pipe2(output, O_CLOEXEC) != 0)
        err(1, "pipe");
    sut.pid = spawn(argv, output[1]);
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
    char file[4096], control[4096];
    (void)snprintf(file, sizeof file, "%s/rules.yaml", directory);
    (void)snprintf(control, sizeof control, "%s/control-rules", directory);
    if (!write_text(file, rules))
        err(1, "%s", file);
    const char *argv[] = {netsplit, "proxy", "-f", file, "--control", control, NULL};
    return start_netsplit(argv);
}

static uint16_t free_port(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || bind(fd, (struct sockaddr *)&address, length) != 0 ||
        getsockname(fd, (struct sockaddr *)&address, &length) != 0)
        err(1, "a free port");
    (void)close(fd);
    return ntohs(address.sin_port);
}

static bool connects(uint16_t port)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons(port),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool open =
        fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof address) == 0;
    if (fd >= 0)
        (void)close(fd);
    return open;
}

/* HAProxy with its defaults: two threads here, no splicing. */
static struct sut start_haproxy(const char *directory, uint16_t server_port)
{
    struct sut sut = {.name = "haproxy"};
    char file[4096], text[1024];
    if (system("command -v haproxy >/dev/null 2>&1") != 0)
        return sut;
    sut.port = free_port();
    (void)snprintf(file, sizeof file, "%s/haproxy.cfg", directory);
    (void)snprintf(text, sizeof text,
                   "global\n  maxconn 4000\ndefaults\n  mode tcp\n"
                   "  timeout connect 5s\n  timeout client 60s\n  timeout server 60s\n"
                   "listen bench\n  bind 127.0.0.1:%u\n  server s 127.0.0.1:%u\n",
                   sut.port, server_port);
    if (!write_text(file, text))
        err(1, "%s", file);
    const char *argv[] = {"haproxy", "-q", "-db", "-f", file, NULL};
    sut.pid = spawn(argv, -1);
    for (int i = 0; i < READY_TRIES && !sut.present; i++) {
        sut.present = connects(sut.port);
        (void)usleep(READY_PAUSE_US);
    }
    return sut;
}

void sut_start_all(struct sut *suts, const char *netsplit, const char *directory,
                   uint16_t server_port)
{
    char path[64], control[4096];
    (void)snprintf(path, sizeof path, "127.0.0.1:0:127.0.0.1:%u", server_port);
    (void)snprintf(control, sizeof control, "%s/control", directory);
    const char *argv[] = {netsplit, "proxy", path, "--control", control, NULL};
    suts[SUT_DIRECT] =
        (struct sut){.name = "direct", .present = true, .port = server_port};
    suts[SUT_NETSPLIT] = start_netsplit(argv);
    suts[SUT_HAPROXY] = start_haproxy(directory, server_port);
}

void sut_stop(struct sut *sut)
{
    if (sut->pid <= 0)
        return;
    (void)kill(sut->pid, SIGTERM);
    (void)waitpid(sut->pid, NULL, 0);
    sut->pid = 0;
}

uint64_t sut_cpu_ns(pid_t pid)
{
    char path[512];
    uint64_t sum = 0;
    (void)snprintf(path, sizeof path, "/proc/%d/task", pid);
    DIR *tasks = pid > 0 ? opendir(path) : NULL;
    for (struct dirent *task; tasks && (task = readdir(tasks));) {
        unsigned long long ns = 0;
        (void)snprintf(path, sizeof path, "/proc/%d/task/%s/schedstat", pid,
                       task->d_name);
        FILE *file = task->d_name[0] == '.' ? NULL : fopen(path, "r");
        if (file && fscanf(file, "%llu", &ns) == 1)
            sum += ns;
        if (file)
            (void)fclose(file);
    }
    if (tasks)
        (void)closedir(tasks);
    return sum;
}
