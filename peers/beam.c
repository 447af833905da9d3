// SPDX-License-Identifier: Apache-2.0
// The async threads of Erlang's own runtime, ERTS, behind the pool contract: what every driver gets that calls
// driver_async. As seen from outside: what the pool promises, and how the program moves in with it.
//
// ERTS is no library: its pool is part of the emulator. So `enter` puts an emulator in the place of this process, which
// loads readyq_beam.so, a linked-in driver that holds this whole program, and hands it the command line, the standard
// streams and the allocator. There the program's main runs on a thread of its own, with the same clock and the same
// record; the schedulers of the workload are those of ERTS. How, peers/beam/ says, and what that costs.
//
// As users run it: the emulator's settings are its defaults, but for one scheduler, as many async threads as the
// workload says, and no interactive shell. Flags from the environment (ERL_FLAGS) are ignored, since no record says
// them. What is measured of the process, as its CPU time, is that of the whole emulator, which is what an Erlang
// system pays: its busy waiting (+sbwt), its thread that polls, its idle dirty schedulers.
//
// What it lacks: job and ready queues that could be exchanged, accounts, threads beside the schedulers that submit,
// a life without workers (+A 0 ended with OTP 23), and more than one scheduler. With two, ERTS may move a port, and
// with it a workload's life, from one thread to another between any two steps, while a life is bound to its thread.
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "core/pool.h"
#include "peers/beam/inside.h"

#define WORKERS_MAX 1024u // as ERTS limits +A
#define DRIVER "readyq_beam"

struct config {
    uint64_t busy_wait;
};

static const char *const busy_waits[] = {"default", "none", "very_short", "short", "medium", "long", "very_long", NULL};

const struct pool_ops *beam_inside;

static int beam_check(const struct pool_setup *setup, const void *config, struct fault *fault)
{
    (void)config;
    if (setup->schedulers != 1)
        return fault_set(fault, -ENOTSUP,
                         "pool beam has one scheduler, and %u are asked for: with more, ERTS moves ports from one "
                         "thread to another",
                         setup->schedulers);
    if (setup->workers > WORKERS_MAX)
        return fault_set(fault, -EINVAL, "pool beam can have 1 to %u workers (ERTS's +A), not %u", WORKERS_MAX,
                         setup->workers);
    return 0;
}

// The folder of this program, where the driver lies.
static int find_driver(char *folder, size_t size, struct fault *fault)
{
    const ssize_t length = readlink("/proc/self/exe", folder, size - 1);
    if (length < 0)
        return fault_set(fault, -errno, "the folder of this program can't be read: %s", strerror(errno));
    folder[length] = '\0';
    *strrchr(folder, '/') = '\0';
    const char *const files[] = {DRIVER ".so", DRIVER ".beam"};
    for (unsigned i = 0; i < 2; i++) {
        char path[PATH_MAX + 32];
        snprintf(path, sizeof path, "%s/%s", folder, files[i]);
        if (access(path, R_OK) != 0)
            return fault_set(fault, -errno, "pool beam needs %.400s beside the program, which can't be read: %s", path,
                             strerror(errno));
    }
    return 0;
}

// In a file without a name, whose descriptor the emulator inherits: a command line may hold any bytes.
static int leave_words(char *const *argv, struct fault *fault)
{
    const int file = memfd_create("command line", 0);
    int result = file < 0 ? -errno : 0;
    for (; result == 0 && *argv; argv++) {
        const size_t size = strlen(*argv) + 1;
        if (write(file, *argv, size) != (ssize_t)size)
            result = -EIO;
    }
    char number[16];
    snprintf(number, sizeof number, "%d", file);
    if (result == 0 && setenv(BEAM_WORDS, number, 1) != 0)
        result = -errno;
    if (result == 0)
        return 0;
    if (file >= 0)
        close(file);
    return fault_set(fault, result, "the command line can't be handed to ERTS: %s", strerror(-result));
}

static void clean_environment(void)
{
    static const char *const flags[] = {"ERL_FLAGS", "ERL_AFLAGS", "ERL_ZFLAGS", NULL};
    for (unsigned i = 0; flags[i]; i++)
        unsetenv(flags[i]);
    setenv("ERL_CRASH_DUMP_SECONDS", "0", 1); // none
}

// Ctrl-C ends the process (+Bd), and neither shell nor user process touches the standard streams.
static void start_emulator(const struct pool_setup *setup, const struct config *config, const char *folder)
{
    char workers[16], busy_wait[16] = "";
    snprintf(workers, sizeof workers, "%u", setup->workers);
    snprintf(busy_wait, sizeof busy_wait, "%s", busy_waits[config->busy_wait]);
    const char *words[32] = {"erl",      "+A",      workers, "+S",   "1:1", "+Bd",  "-boot", "no_dot_erlang",
                             "-noinput", "-nouser", "-pa",   folder, "-s",  DRIVER, "start"};
    if (config->busy_wait) {
        words[15] = "+sbwt";
        words[16] = busy_wait;
    }
    execvp(words[0], (char *const *)words);
}

static int beam_enter(const struct pool_setup *setup, const void *config, char *const *program_argv,
                      struct fault *fault)
{
    if (beam_inside)
        return 0;
    char folder[PATH_MAX];
    int result = find_driver(folder, sizeof folder, fault);
    if (result == 0)
        result = leave_words(program_argv, fault);
    if (result != 0)
        return result;
    clean_environment();
    start_emulator(setup, config, folder);
    result = -errno;
    return fault_set(fault, result, "pool beam can't start the program erl (package erlang-base): %s",
                     strerror(-result));
}

// What follows is only called inside, but for start.

static int beam_start(struct pool **pool, const struct pool_setup *setup, const void *config, struct fault *fault)
{
    if (!beam_inside)
        return fault_set(fault, -ENOTSUP, "pool beam runs inside ERTS only, and this process is not");
    return beam_inside->start(pool, setup, config, fault);
}

static void beam_host(struct pool *pool, unsigned thread, void (*life)(void *), void *argument)
{
    beam_inside->host(pool, thread, life, argument);
}

static int beam_attach(struct pool *pool, unsigned thread)
{
    return beam_inside->attach(pool, thread);
}

static long beam_submit(struct pool *pool, unsigned thread, unsigned *key, void (*invoke)(void *),
                        void (*ready)(void *), void *data)
{
    return beam_inside->submit(pool, thread, key, invoke, ready, data);
}

static enum pool_more beam_pass(struct pool *pool, unsigned scheduler)
{
    return beam_inside->pass(pool, scheduler);
}

static void beam_wait(struct pool *pool, unsigned scheduler)
{
    beam_inside->wait(pool, scheduler);
}

static void beam_detach(struct pool *pool, unsigned thread)
{
    beam_inside->detach(pool, thread);
}

static int beam_stop(struct pool *pool, struct pool_statistics *statistics, struct fault *fault)
{
    return beam_inside->stop(pool, statistics, fault);
}

static void beam_statistics(struct pool *pool, struct pool_statistics *statistics)
{
    beam_inside->statistics(pool, statistics);
}

static const struct param beam_params[] = {
    PARAM_CHOICE(struct config, busy_wait, "default", busy_waits,
                 "How long ERTS's scheduler spins before it sleeps (+sbwt); default: as ERTS has it"),
    PARAM_END,
};

const struct pool_ops beam_pool_ops = {
    .abi_version = POOL_ABI_VERSION,
    .name = "beam",
    .summary = "the async threads of the real ERTS, driver_async of a linked-in driver inside Erlang's emulator",
    .source = "Erlang/OTP, erts/emulator/beam/erl_async.c, as Debian builds it",
    .traits = {.keys = true,
               .fifo = true,
               .completes_on_submitter = true,
               .takes_queues = false,
               .synchronous = false,
               .externals = false,
               .job_capacity = 0},
    .params = beam_params,
    .config_size = sizeof(struct config),
    .check = beam_check,
    .enter = beam_enter,
    .host = beam_host,
    .start = beam_start,
    .attach = beam_attach,
    .submit = beam_submit,
    .pass = beam_pass,
    .wait = beam_wait,
    .detach = beam_detach,
    .stop = beam_stop,
    .statistics = beam_statistics,
};
