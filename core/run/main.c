// SPDX-License-Identifier: Apache-2.0
// The program's entry, and its only exits.
#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/run/commands.h"

static bool refused; // a sentence says so already

// What was printed may be lost up to the last moment.
static void require_output(void)
{
    if (fflush(stdout) == 0 && !ferror(stdout))
        return;
    if (!refused)
        fprintf(stderr, "readyq: standard output can't be written: %s\n", strerror(errno));
    _exit(EXIT_REFUSED);
}

int main(int argc, char **argv)
{
    // A limit on the size of files is an error of the write that meets it, which sets the files back.
    signal(SIGXFSZ, SIG_IGN);
    // At every exit: argp leaves by its own after --help and --version.
    atexit(require_output);
    bool leave_at_once;
    const int code = commands_main(argc, argv, &leave_at_once);
    refused = code == EXIT_REFUSED;
    if (leave_at_once) {
        require_output();
        fflush(stderr);
        _exit(code);
    }
    return code;
}
