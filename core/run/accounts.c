// SPDX-License-Identifier: Apache-2.0
#include "core/run/accounts.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/machine/clock.h"
#include "core/measure/accounting.h"

// The reader may lose its processor in the middle, and what it read is then of no one moment. It reads once more, and
// keeps what took the shortest.
#define READ_TRIES 8u
#define READ_ENOUGH_NS 50000u
#define FIRST_ROOM 32u // for threads

_Static_assert((unsigned)ACCOUNT_STATES == POOL_ACCOUNT_STATES, "a pool tells of every state of an account");

static void read_once(struct accounts *accounts, unsigned room, const struct pool_ops *ops, struct pool *pool)
{
    accounts->before_ns = clock_system_ns();
    const unsigned found = ops->accounts(pool, accounts->threads, room);
    accounts->after_ns = clock_system_ns();
    accounts->count = found < room ? found : room;
}

static uint64_t length_ns(const struct accounts *accounts)
{
    return accounts->after_ns - accounts->before_ns;
}

static int read_well(struct accounts *accounts, unsigned room, const struct pool_ops *ops, struct pool *pool)
{
    struct accounts again = {.threads = calloc(room, sizeof *again.threads)};
    accounts->threads = calloc(room, sizeof *accounts->threads);
    const int error = accounts->threads && again.threads ? 0 : -ENOMEM;
    if (!error)
        read_once(accounts, room, ops, pool);
    for (unsigned try = 1; !error && try < READ_TRIES && length_ns(accounts) > READ_ENOUGH_NS; try++) {
        read_once(&again, room, ops, pool);
        if (length_ns(&again) < length_ns(accounts)) {
            const struct accounts worse = *accounts;
            *accounts = again;
            again = worse;
        }
    }
    accounts_free(&again);
    return error;
}

int accounts_read(struct accounts *accounts, const struct pool_ops *ops, struct pool *pool)
{
    struct pool_account any;
    if (!ops->accounts || ops->accounts(pool, &any, 1) == 0)
        return 0;
    for (unsigned room = FIRST_ROOM;; room *= 2) {
        const int error = read_well(accounts, room, ops, pool);
        if (error || accounts->count < room)
            return error;
        accounts_free(accounts); // there may be more of them
    }
}

void accounts_free(struct accounts *accounts)
{
    free(accounts->threads);
    *accounts = (struct accounts){0};
}

static const struct pool_account *find(const struct accounts *accounts, const struct pool_account *thread)
{
    for (unsigned i = 0; i < accounts->count; i++) {
        const struct pool_account *found = &accounts->threads[i];
        if (found->number == thread->number && strcmp(found->kind, thread->kind) == 0)
            return found;
    }
    return NULL;
}

static uint64_t moment_ns(const struct accounts *accounts)
{
    return accounts->before_ns + length_ns(accounts) / 2;
}

// Counters of two processors may disagree by a few ns, and so may two readings of a state in which no time passed.
static uint64_t spent(const struct pool_account *start, const struct pool_account *end, enum account_state state)
{
    return end->ns[state] > start->ns[state] ? end->ns[state] - start->ns[state] : 0;
}

static struct record_account row_of(const struct pool_account *start, const struct pool_account *end, uint64_t wall_ns)
{
    return (struct record_account){
        .thread_kind = end->kind,
        .thread_number = end->number,
        .wall_ns = wall_ns,
        .port_ns = spent(start, end, ACCOUNT_PORT),
        .ready_ns = spent(start, end, ACCOUNT_READY),
        .clean_ns = spent(start, end, ACCOUNT_CLEAN),
        .check_ns = spent(start, end, ACCOUNT_CHECK),
        .other_ns = spent(start, end, ACCOUNT_OTHER),
        .sleep_ns = spent(start, end, ACCOUNT_SLEEP),
    };
}

// Within 1 %, and what is not known better of the two moments.
static void check_row(const struct record_account *row, uint64_t unknown_ns, struct fault *violation)
{
    const uint64_t sum = row->port_ns + row->ready_ns + row->clean_ns + row->check_ns + row->other_ns + row->sleep_ns;
    const uint64_t apart = sum > row->wall_ns ? sum - row->wall_ns : row->wall_ns - sum;
    if (apart > row->wall_ns / 100 + unknown_ns)
        fault_set(violation, -EIO, "the account of %s thread %llu adds up to %.6g s, and %.6g s have passed",
                  row->thread_kind, (unsigned long long)row->thread_number, (double)sum * 1e-9,
                  (double)row->wall_ns * 1e-9);
}

int accounts_between(const struct accounts *opened, const struct accounts *closing, struct record_account **rows,
                     size_t *count, struct fault *violation)
{
    *count = 0;
    *rows = calloc(closing->count ? closing->count : 1, sizeof **rows);
    if (!*rows)
        return -ENOMEM;
    const uint64_t wall_ns = moment_ns(closing) - moment_ns(opened);
    const uint64_t unknown_ns = (length_ns(opened) + length_ns(closing)) / 2;
    for (unsigned i = 0; i < closing->count; i++) {
        const struct pool_account *start = find(opened, &closing->threads[i]);
        if (!start)
            continue;
        struct record_account *row = &(*rows)[(*count)++];
        *row = row_of(start, &closing->threads[i], wall_ns);
        check_row(row, unknown_ns, violation);
    }
    return 0;
}
