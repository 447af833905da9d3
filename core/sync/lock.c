// SPDX-License-Identifier: Apache-2.0
// Sources: ticket and MCS locks from J. Mellor-Crummey and M. Scott, "Algorithms for Scalable Synchronization on
// Shared-Memory Multiprocessors", ACM TOCS 9(1), 1991, sections 2.2 and 2.4. Both hand over in order of arrival,
// so a waiter that was preempted holds up all behind it; waiters therefore yield after a short spin.
#include "core/sync/lock.h"

#include <stddef.h>

#include "core/sync/thread.h"

static void none_init(struct lock *lock)
{
    (void)lock;
}

static void none_acquire(struct lock *lock, struct lock_node *node)
{
    (void)lock;
    (void)node;
}

static const struct lock_ops none_ops = {
    .name = "none",
    .init = none_init,
    .fini = none_init,
    .acquire = none_acquire,
    .release = none_acquire,
};

static void mutex_init(struct lock *lock)
{
    pthread_mutex_init(&lock->u.mutex, NULL);
}

static void mutex_fini(struct lock *lock)
{
    pthread_mutex_destroy(&lock->u.mutex);
}

static void mutex_acquire(struct lock *lock, struct lock_node *node)
{
    (void)node;
    pthread_mutex_lock(&lock->u.mutex);
}

static void mutex_release(struct lock *lock, struct lock_node *node)
{
    (void)node;
    pthread_mutex_unlock(&lock->u.mutex);
}

static const struct lock_ops mutex_ops = {
    .name = "mutex",
    .init = mutex_init,
    .fini = mutex_fini,
    .acquire = mutex_acquire,
    .release = mutex_release,
};

static void ticket_init(struct lock *lock)
{
    at_init(&lock->u.ticket.next, 0);
    at_init(&lock->u.ticket.serving, 0);
}

static void ticket_fini(struct lock *lock)
{
    (void)lock;
}

static void ticket_acquire(struct lock *lock, struct lock_node *node)
{
    (void)node;
    const uint32_t mine = at_add_rlx(&lock->u.ticket.next, 1);
    SPIN_UNTIL(at_load_acq(&lock->u.ticket.serving, AT(ticket_served, ticket_serve)) == mine);
}

static void ticket_release(struct lock *lock, struct lock_node *node)
{
    (void)node;
    const uint32_t mine = at_load_rlx(&lock->u.ticket.serving);
    at_store_rel(&lock->u.ticket.serving, mine + 1, AT(ticket_serve, ticket_served));
}

static const struct lock_ops ticket_ops = {
    .name = "ticket",
    .init = ticket_init,
    .fini = ticket_fini,
    .acquire = ticket_acquire,
    .release = ticket_release,
};

static void mcs_init(struct lock *lock)
{
    at_init(&lock->u.mcs.tail, NULL);
}

static void mcs_fini(struct lock *lock)
{
    (void)lock;
}

static void mcs_acquire(struct lock *lock, struct lock_node *node)
{
    at_store_rlx(&node->next, NULL);
    at_store_rlx(&node->waiting, 1);
    struct lock_node *before = at_xchg_ar(&lock->u.mcs.tail, node, AT(mcs_join, mcs_join, mcs_leave));
    if (!before)
        return;
    at_store_rel(&before->next, node, AT(mcs_link, mcs_follow, mcs_await_link));
    SPIN_UNTIL(at_load_acq(&node->waiting, AT(mcs_await, mcs_hand_over)) == 0);
}

static void mcs_release(struct lock *lock, struct lock_node *node)
{
    struct lock_node *next = at_load_acq(&node->next, AT(mcs_follow, mcs_link));
    if (!next) {
        struct lock_node *expected = node;
        if (at_cas_rel(&lock->u.mcs.tail, &expected, NULL, AT(mcs_leave, mcs_join)))
            return;
        // Somebody has joined and is about to link itself.
        SPIN_UNTIL((next = at_load_acq(&node->next, AT(mcs_await_link, mcs_link))) != NULL);
    }
    at_store_rel(&next->waiting, 0, AT(mcs_hand_over, mcs_await));
}

static const struct lock_ops mcs_ops = {
    .name = "mcs",
    .init = mcs_init,
    .fini = mcs_fini,
    .acquire = mcs_acquire,
    .release = mcs_release,
};

static const struct lock_ops *const lock_table[LOCK_KINDS] = {
    [LOCK_NONE] = &none_ops,
    [LOCK_MUTEX] = &mutex_ops,
    [LOCK_TICKET] = &ticket_ops,
    [LOCK_MCS] = &mcs_ops,
};

const char *const lock_names[] = {"none", "mutex", "ticket", "mcs", NULL};

void lock_init_ranked(struct lock *lock, enum lock_kind kind, enum lock_rank rank, unsigned number)
{
    lock->ops = lock_table[kind];
    lock->rank = rank;
    lock->number = number;
    lock->ops->init(lock);
}

void lock_init(struct lock *lock, enum lock_kind kind)
{
    lock_init_ranked(lock, kind, LOCK_RANK_QUEUE, 0);
}
