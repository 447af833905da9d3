// SPDX-License-Identifier: Apache-2.0
#include "core/pool/sleepers.h"

static uint64_t bit_of(unsigned number)
{
    return UINT64_C(1) << (number % SLEEPERS_A_WORD);
}

void sleepers_join(struct sleepers *sleepers, unsigned number)
{
    _Atomic uint64_t *word = &sleepers->words[number / SLEEPERS_A_WORD];
    at_or_sc(word, bit_of(number), AT(sleepers_come, sleepers_look, sleepers_take));
}

// Nobody else puts the bit back, so that once it is gone there is nothing to change. What its picker published before
// is seen after either access.
bool sleepers_leave(struct sleepers *sleepers, unsigned number)
{
    _Atomic uint64_t *word = &sleepers->words[number / SLEEPERS_A_WORD];
    const uint64_t bit = bit_of(number);
    if (!(at_load_acq(word, AT(sleepers_gone, sleepers_take)) & bit))
        return false;
    return at_and_sc(word, ~bit, AT(sleepers_go, sleepers_take)) & bit;
}

// The lowest first, so that few jobs keep few workers and their caches warm.
static bool pick_of(_Atomic uint64_t *word, unsigned first, unsigned *number)
{
    uint64_t left = at_load_sc(word, AT(sleepers_look, sleepers_come));
    while (left) {
        const uint64_t bit = left & -left;
        left = at_and_sc(word, ~bit, AT(sleepers_take, sleepers_come, sleepers_gone, sleepers_go));
        if (left & bit) {
            *number = first + (unsigned)__builtin_ctzll(bit);
            return true;
        }
    }
    return false;
}

bool sleepers_pick(struct sleepers *sleepers, unsigned count, unsigned *number)
{
    bool picked = false;
    for (unsigned first = 0; first < count && !picked; first += SLEEPERS_A_WORD)
        picked = pick_of(&sleepers->words[first / SLEEPERS_A_WORD], first, number);
    return picked;
}
