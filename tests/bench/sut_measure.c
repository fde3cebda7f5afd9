/* SPDX-License-Identifier: MIT */
/* What the kernel knows of a system's processes, from /proc. nginx forks its workers,
 * which must be counted and pinned, too: so a system is a list of processes, made when it
 * has become ready. What has ended meanwhile counts nothing. */
#include "tests/bench/sut.h"

#include <dirent.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

void sut_find_processes(struct sut *sut, pid_t pid)
{
    size_t n = 0;
    sut->pids[n++] = pid;
    DIR *processes = opendir("/proc");
    for (struct dirent *each; processes && (each = readdir(processes));) {
        char path[300];
        int parent = 0;
        (void)snprintf(path, sizeof path, "/proc/%s/stat", each->d_name);
        FILE *file = fopen(path, "re");
        if (!file)
            continue;
        if (fscanf(file, "%*d (%*[^)]) %*c %d", &parent) == 1 && parent == pid &&
            n < SUT_PROCESSES_MAX)
            sut->pids[n++] = atoi(each->d_name);
        (void)fclose(file);
    }
    if (processes)
        (void)closedir(processes);
}

/* Calls take for each thread of a process. */
static void each_thread(pid_t pid, void (*take)(pid_t pid, pid_t thread, void *context),
                        void *context)
{
    char path[64];
    (void)snprintf(path, sizeof path, "/proc/%d/task", pid);
    DIR *tasks = opendir(path);
    for (struct dirent *task; tasks && (task = readdir(tasks));)
        if (task->d_name[0] != '.')
            take(pid, atoi(task->d_name), context);
    if (tasks)
        (void)closedir(tasks);
}

static void each_thread_of(const struct sut *sut,
                           void (*take)(pid_t pid, pid_t thread, void *context),
                           void *context)
{
    for (int i = 0; i < SUT_PROCESSES_MAX && sut->pids[i] > 0; i++)
        each_thread(sut->pids[i], take, context);
}

static void add_cpu(pid_t pid, pid_t thread, void *sum)
{
    char path[64];
    unsigned long long ns = 0;
    (void)snprintf(path, sizeof path, "/proc/%d/task/%d/schedstat", pid, thread);
    FILE *file = fopen(path, "re");
    if (file && fscanf(file, "%llu", &ns) == 1)
        *(uint64_t *)sum += ns;
    if (file)
        (void)fclose(file);
}

uint64_t sut_cpu_ns(const struct sut *sut)
{
    uint64_t sum = 0;
    each_thread_of(sut, add_cpu, &sum);
    return sum;
}

uint64_t sut_resident_bytes(const struct sut *sut)
{
    uint64_t sum = 0;
    for (int i = 0; i < SUT_PROCESSES_MAX && sut->pids[i] > 0; i++) {
        char path[64];
        unsigned long long pages = 0;
        (void)snprintf(path, sizeof path, "/proc/%d/statm", sut->pids[i]);
        FILE *file = fopen(path, "re");
        if (file && fscanf(file, "%*u %llu", &pages) == 1)
            sum += pages * (uint64_t)sysconf(_SC_PAGESIZE);
        if (file)
            (void)fclose(file);
    }
    return sum;
}

static void set_affinity(pid_t pid, pid_t thread, void *cpus)
{
    (void)pid;
    (void)sched_setaffinity(thread, sizeof(cpu_set_t), cpus); /* it may have ended */
}

void sut_pin(const struct sut *sut, bool on_one_cpu)
{
    cpu_set_t allowed, cpus;
    size_t first = 0;
    CPU_ZERO(&allowed);
    CPU_ZERO(&cpus);
    if (sched_getaffinity(0, sizeof allowed, &allowed) == 0)
        while (first < CPU_SETSIZE - 1 && !CPU_ISSET(first, &allowed))
            first++;
    for (size_t i = first; i <= (on_one_cpu ? first : CPU_SETSIZE - 1); i++)
        CPU_SET(i, &cpus);
    each_thread_of(sut, set_affinity, &cpus);
    each_thread(getpid(), set_affinity, &cpus);
}
