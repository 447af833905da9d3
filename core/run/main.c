// SPDX-License-Identifier: Apache-2.0
// The program's entry, and its only exits.
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "core/run/commands.h"

int main(int argc, char **argv)
{
    // A limit on the size of files is an error of the write that meets it, which sets the files back.
    signal(SIGXFSZ, SIG_IGN);
    bool leave_at_once;
    int code = commands_main(argc, argv, &leave_at_once);
    if (fflush(stdout) != 0 || ferror(stdout)) {
        fprintf(stderr, "readyq: standard output can't be written: %s\n", strerror(errno));
        code = EXIT_REFUSED;
    }
    if (leave_at_once) {
        fflush(stderr);
        _exit(code);
    }
    return code;
}
