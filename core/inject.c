// SPDX-License-Identifier: Apache-2.0
#include "core/inject.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "core/machine/clock.h"
#include "core/sync/atomic.h"

static struct {
    _Atomic uint64_t value;
} ALIGNED_LINE line;

void inject_contend(void)
{
    at_add_rlx(&line.value, 1);
}

void inject_wait(uint64_t ns)
{
    clock_spin(clock_ticks_in((double)ns));
}

// A whole number up to `most` at *text, which moves behind it.
static bool take_number(const char **text, uint64_t most, uint64_t *number)
{
    const char *digit = *text;
    uint64_t value = 0;
    for (; *digit >= '0' && *digit <= '9' && value <= most; digit++)
        value = value * 10 + (uint64_t)(*digit - '0');
    const bool good = digit != *text && value <= most;
    *text = digit;
    *number = value;
    return good;
}

static bool take_word(const char **text, const char *word)
{
    const size_t length = strlen(word);
    if (strncmp(*text, word, length) != 0)
        return false;
    *text += length;
    return true;
}

static bool take_part(const char **text, struct inject_asked *asked)
{
    if (take_word(text, "spin="))
        return take_number(text, INJECT_MOST, &asked->spin);
    if (take_word(text, "contend="))
        return take_number(text, INJECT_MOST, &asked->contend);
    return take_word(text, "tail=") && take_number(text, INJECT_TAIL_UNIT, &asked->tail) && take_word(text, ",") &&
           take_number(text, INJECT_TAIL_NS, &asked->tail_ns);
}

int inject_parse(struct inject_asked *asked, const char *text, struct fault *fault)
{
    *asked = (struct inject_asked){0};
    if (!text || !*text)
        return 0;
    const char *rest = text;
    while (take_part(&rest, asked)) {
        if (!*rest)
            return 0;
        if (!take_word(&rest, ";"))
            break;
    }
    *asked = (struct inject_asked){0};
    return fault_set(
        fault, -EINVAL,
        "READYQ_INJECT is '%.100s', but must be made of spin=N, contend=N (N up to %u) and tail=P,NS (P up "
        "to %u, NS up to %u), with ; between them",
        text, INJECT_MOST, INJECT_TAIL_UNIT, INJECT_TAIL_NS);
}

#if READYQ_INJECT

struct inject_asked inject_asked;
__thread struct inject_own inject_own;

int inject_start(struct fault *fault)
{
    return inject_parse(&inject_asked, getenv("READYQ_INJECT"), fault);
}

#endif
