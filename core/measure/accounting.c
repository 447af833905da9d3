// SPDX-License-Identifier: Apache-2.0
// Accounts behind a sequence lock with one writer. There are no fences: what is written is released, so that who reads
// any of a change reads the odd number before it too, and tries again.
#include "core/measure/accounting.h"

#include "core/sync/thread.h"

const char *const account_state_names[] = {"port", "ready", "clean", "check", "other", "sleep", NULL};

void account_open(struct account *account, const char *kind, unsigned number)
{
    if (!READYQ_OBSERVE)
        return;
    account->kind = kind;
    account->number = number;
    at_store_rlx(&account->state, ACCOUNT_OTHER);
    at_store_rlx(&account->since_ticks, clock_ticks());
    at_store_rel(&account->open, 1, AT(account_opened, account_see_open));
}

void account_close(struct account *account)
{
    at_store_rlx(&account->open, 0);
}

enum account_state account_change(struct account *account, enum account_state state)
{
    const enum account_state before = (enum account_state)at_load_rlx(&account->state);
    if (before == state)
        return before;
    const uint64_t now = clock_ticks();
    const uint64_t spent = at_load_rlx(&account->ticks[before]) + now - at_load_rlx(&account->since_ticks);
    const uint32_t sequence = at_load_rlx(&account->sequence);
    at_store_rlx(&account->sequence, sequence + 1);
    at_store_rel(&account->ticks[before], spent, AT(account_set_ticks, account_get_ticks));
    at_store_rel(&account->since_ticks, now, AT(account_set_since, account_get_since));
    at_store_rel(&account->state, state, AT(account_set_state, account_get_state));
    at_store_rel(&account->sequence, sequence + 2, AT(account_changed, account_look));
    return before;
}

// False: the thread changed its account meanwhile.
static bool try_read(struct account *account, struct account_reading *reading)
{
    const uint32_t sequence = at_load_acq(&account->sequence, AT(account_look, account_changed));
    for (unsigned i = 0; i < ACCOUNT_STATES; i++)
        reading->ticks[i] = at_load_acq(&account->ticks[i], AT(account_get_ticks, account_set_ticks));
    const uint64_t since = at_load_acq(&account->since_ticks, AT(account_get_since, account_set_since));
    const uint32_t state = at_load_acq(&account->state, AT(account_get_state, account_set_state));
    const uint64_t now = clock_ticks();
    if (sequence % 2 || at_load_rlx(&account->sequence) != sequence)
        return false;
    // Counters of two processors may be apart by less than the time between two changes, but not by nothing.
    reading->at_ticks = (int64_t)(now - since) < 0 ? since : now;
    reading->ticks[state] += reading->at_ticks - since;
    return true;
}

bool account_read(struct account *account, struct account_reading *reading)
{
    if (!at_load_acq(&account->open, AT(account_see_open, account_opened)))
        return false;
    SPIN_UNTIL(try_read(account, reading));
    return true;
}
