// SPDX-License-Identifier: Apache-2.0
#include "core/fault.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

int fault_set(struct fault *fault, int error, const char *format, ...)
{
    if (fault && fault->text[0] == '\0') {
        va_list arguments;
        va_start(arguments, format);
        vsnprintf(fault->text, sizeof fault->text, format, arguments);
        va_end(arguments);
    }
    return error;
}

const char *fault_no_thread(int error)
{
    if (error == -EAGAIN)
        return "the machine or a limit (ulimit -u or -v, pids.max of a control group) allows no more threads";
    return strerror(-error);
}
