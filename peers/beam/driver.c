// SPDX-License-Identifier: Apache-2.0
// The linked-in driver: its port, the process that owns the port, and the thread on which the program runs.
//
// readyq_beam.erl opens one port, and calls its `control` again and again for as long as that says so, giving way to
// all that ERTS has to do in between; otherwise it sleeps until it gets a message.
#include <erl_driver.h>
#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/sync/thread.h"
#include "peers/beam/inside.h"

// The program's own (core/run/main.c), of which this object has a copy.
int main(int argc, char **argv);

#define EXIT_REFUSED 2

static struct {
    ErlDrvPort port;
    ErlDrvTermData port_term, process, call;
    unsigned async_threads;
    char *version;
    struct thread program;
    bool begun;
} driver;

void beam_call(void)
{
    ErlDrvTermData message[] = {ERL_DRV_ATOM, driver.call};
    erl_drv_send_term(driver.port_term, driver.process, message, 2);
}

long beam_async(unsigned *key, struct beam_job *job)
{
    return driver_async(driver.port, key, beam_invoke, job, NULL);
}

unsigned beam_async_threads(void)
{
    return driver.async_threads;
}

// Its memory is never given back: argv lives as long as the process. NULL: `errno` says why.
static char *read_words(size_t *size)
{
    const char *number = getenv(BEAM_WORDS);
    const int file = number ? atoi(number) : -1;
    unsetenv(BEAM_WORDS);
    struct stat facts;
    if (fstat(file, &facts) != 0)
        return NULL;
    *size = (size_t)facts.st_size;
    char *words = malloc(*size + 1);
    if (words && pread(file, words, *size, 0) != (ssize_t)*size) {
        free(words);
        words = NULL;
    }
    close(file);
    return words;
}

static char **split_words(char *words, size_t size, int *count)
{
    *count = 0;
    for (size_t i = 0; i < size; i++)
        *count += words[i] == '\0';
    char **argv = calloc((size_t)*count + 1, sizeof *argv);
    for (int i = 0; argv && i < *count; i++) {
        argv[i] = words;
        words += strlen(words) + 1;
    }
    return argv;
}

// As in a program of its own: the emulator handles some, and blocks some in the thread that this one came from.
static void restore_signals(void)
{
    static const int handled[] = {SIGTERM, SIGQUIT, SIGUSR1, SIGPIPE, 0};
    for (unsigned i = 0; handled[i]; i++)
        signal(handled[i], SIG_DFL);
    sigset_t none;
    sigemptyset(&none);
    pthread_sigmask(SIG_SETMASK, &none, NULL);
}

// Records name the version for which the driver was built.
static void require_version(void)
{
    if (strcmp(driver.version, READYQ_ERTS_VERSION) == 0)
        return;
    fprintf(stderr, "readyq: pool beam was built for ERTS " READYQ_ERTS_VERSION ", and the program erl is version %s\n",
            driver.version);
    _exit(EXIT_REFUSED);
}

// The process ends here, with the emulator and all its threads as they are.
static void run_program(void *unused)
{
    (void)unused;
    restore_signals();
    require_version();
    size_t size = 0;
    int count = 0;
    char *words = read_words(&size);
    char **argv = words ? split_words(words, size, &count) : NULL;
    if (!argv) {
        fprintf(stderr, "readyq: the command line did not reach ERTS: %s\n", strerror(errno));
        _exit(EXIT_REFUSED);
    }
    int code = main(count, argv);
    if (fflush(stdout) != 0 || ferror(stdout)) {
        if (code != EXIT_REFUSED)
            fprintf(stderr, "readyq: standard output can't be written: %s\n", strerror(errno));
        code = EXIT_REFUSED;
    }
    fflush(stderr);
    _exit(code);
}

static void begin_program(void)
{
    driver.process = driver_caller(driver.port);
    driver.begun = true;
    beam_inside = &beam_inside_ops;
    const struct thread_options options = {.name = "readyq", .cpu = -1};
    const int error = thread_start(&driver.program, &options, run_program, NULL);
    if (error == 0)
        return;
    fprintf(stderr, "readyq: the program's thread can't be started inside ERTS: %s\n", fault_no_thread(error));
    _exit(EXIT_REFUSED);
}

static ErlDrvData start_port(ErlDrvPort port, char *command)
{
    (void)command;
    ErlDrvSysInfo facts;
    driver_system_info(&facts, sizeof facts);
    driver.async_threads = (unsigned)facts.async_threads;
    driver.version = facts.erts_version;
    driver.port = port;
    driver.port_term = driver_mk_port(port);
    driver.call = driver_mk_atom("call");
    return (ErlDrvData)&driver;
}

// Answers one byte where there is to be another turn.
static ErlDrvSSizeT control(ErlDrvData data, unsigned command, char *words, ErlDrvSizeT size, char **answer,
                            ErlDrvSizeT room)
{
    (void)data, (void)command, (void)words, (void)size, (void)room;
    **answer = 0;
    if (!driver.begun) {
        begin_program();
        return 0;
    }
    return beam_turn() ? 1 : 0;
}

static void ready_async(ErlDrvData data, ErlDrvThreadData job)
{
    (void)data;
    beam_ready(job);
}

static ErlDrvEntry entry = {
    .start = start_port,
    .ready_async = ready_async,
    .driver_name = "readyq_beam",
    .control = control,
    .extended_marker = (int)ERL_DRV_EXTENDED_MARKER,
    .major_version = ERL_DRV_EXTENDED_MAJOR_VERSION,
    .minor_version = ERL_DRV_EXTENDED_MINOR_VERSION,
    .driver_flags = ERL_DRV_FLAG_USE_PORT_LOCKING,
};

DRIVER_INIT(readyq_beam)
{
    return &entry;
}
