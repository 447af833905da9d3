// SPDX-License-Identifier: Apache-2.0
// Sources: ticket and MCS locks from J. Mellor-Crummey and M. Scott, "Algorithms for Scalable Synchronization on
// Shared-Memory Multiprocessors", ACM TOCS 9(1), 1991, sections 2.2 and 2.4. Both hand over in order of arrival,
// so a waiter that was preempted holds up all behind it; waiters therefore yield after a short spin.
//
// CLH lock, likewise in order of arrival: T. Craig, "Building FIFO and Priority-Queuing Spin Locks from Atomic Swap",
// University of Washington TR 93-02-02, 1993; P. Magnusson, A. Landin, E. Hagersten, "Queue Locks on Cache Coherent
// Multiprocessors", IPPS 1994. There a thread that acquires takes its predecessor's node over, and leaves its own.
// Here the nodes are on the stacks of those who acquire and can't change owner; so who releases to a successor waits
// until that one has let go of the node. The successor holds the lock by then: the hand-over takes no longer, but who
// releases is held up where the successor has no processor. D. Dice and A. Kogan, "Hemlock: Compact and Scalable
// Mutual Exclusion", SPAA 2021, wait in release for the same reason.
//
// Futex mutex: U. Drepper, "Futexes Are Tricky", the second of its mutexes. It does not spin before it sleeps, as the
// default pthread mutex does not either: what it gains on that one is what the library's generality costs.
//
// Test-and-test-and-set: L. Rudolph and Z. Segall, "Dynamic Decentralized Cache Schemes for MIMD Parallel Processors",
// ISCA 1984; with exponential backoff, which T. Anderson, "The Performance of Spin Lock Alternatives for Shared-Memory
// Multiprocessors", IEEE TPDS 1(1), 1990, found to help. Backoff ends in giving the processor up (thread_spin_round).
#include "core/sync/lock.h"

#include <linux/futex.h>
#include <stddef.h>
#include <sys/syscall.h>
#include <unistd.h>

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

enum futex_state { FUTEX_FREE = 0, FUTEX_HELD = 1, FUTEX_AWAITED = 2 };

static void futex_init(struct lock *lock)
{
    at_init(&lock->u.futex.state, FUTEX_FREE);
}

static void futex_fini(struct lock *lock)
{
    (void)lock;
}

// Who has waited takes the lock as AWAITED, since it can't know whether it was the last to wait. At worst one call to
// the kernel is made for nobody.
static void futex_acquire(struct lock *lock, struct lock_node *node)
{
    (void)node;
    _Atomic uint32_t *state = &lock->u.futex.state;
    uint32_t expected = FUTEX_FREE;
    if (at_cas_acq(state, &expected, FUTEX_HELD, AT(futex_take, futex_give)))
        return;
    while (at_xchg_acq(state, FUTEX_AWAITED, AT(futex_take_late, futex_give)) != FUTEX_FREE)
        syscall(SYS_futex, state, FUTEX_WAIT_PRIVATE, FUTEX_AWAITED, NULL, NULL, 0);
}

static void futex_release(struct lock *lock, struct lock_node *node)
{
    (void)node;
    _Atomic uint32_t *state = &lock->u.futex.state;
    if (at_xchg_rel(state, FUTEX_FREE, AT(futex_give, futex_take, futex_take_late)) == FUTEX_AWAITED)
        syscall(SYS_futex, state, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}

static const struct lock_ops futex_ops = {
    .name = "futex",
    .init = futex_init,
    .fini = futex_fini,
    .acquire = futex_acquire,
    .release = futex_release,
};

static void clh_init(struct lock *lock)
{
    at_init(&lock->u.clh.tail, NULL);
}

static void clh_fini(struct lock *lock)
{
    (void)lock;
}

// In a node, `waiting` is what its successor waits for, and `next` becomes the successor when that has let go.
static void clh_acquire(struct lock *lock, struct lock_node *node)
{
    at_store_rlx(&node->next, NULL);
    at_store_rlx(&node->waiting, 1);
    struct lock_node *before = at_xchg_ar(&lock->u.clh.tail, node, AT(clh_join, clh_join, clh_leave));
    if (!before)
        return;
    SPIN_UNTIL(at_load_acq(&before->waiting, AT(clh_await, clh_hand_over)) == 0);
    at_store_rel(&before->next, node, AT(clh_let_go, clh_await_let_go));
}

static void clh_release(struct lock *lock, struct lock_node *node)
{
    struct lock_node *expected = node;
    if (at_load_rlx(&lock->u.clh.tail) == node &&
        at_cas_rel(&lock->u.clh.tail, &expected, NULL, AT(clh_leave, clh_join)))
        return;
    at_store_rel(&node->waiting, 0, AT(clh_hand_over, clh_await));
    SPIN_UNTIL(at_load_acq(&node->next, AT(clh_await_let_go, clh_let_go)) != NULL);
}

static const struct lock_ops clh_ops = {
    .name = "clh",
    .init = clh_init,
    .fini = clh_fini,
    .acquire = clh_acquire,
    .release = clh_release,
};

static void ttas_init(struct lock *lock)
{
    at_init(&lock->u.ttas.held, 0);
}

static void ttas_fini(struct lock *lock)
{
    (void)lock;
}

// The wait between two looks doubles also across lost races, which is what keeps many waiters apart.
static void ttas_acquire(struct lock *lock, struct lock_node *node)
{
    (void)node;
    unsigned round = 0;
    while (at_xchg_acq(&lock->u.ttas.held, 1, AT(ttas_take, ttas_give)) != 0) {
        do {
            thread_spin_round(round++);
        } while (at_load_rlx(&lock->u.ttas.held) != 0);
    }
}

static void ttas_release(struct lock *lock, struct lock_node *node)
{
    (void)node;
    at_store_rel(&lock->u.ttas.held, 0, AT(ttas_give, ttas_take));
}

static const struct lock_ops ttas_ops = {
    .name = "ttas",
    .init = ttas_init,
    .fini = ttas_fini,
    .acquire = ttas_acquire,
    .release = ttas_release,
};

static const struct lock_ops *const lock_table[LOCK_KINDS] = {
    [LOCK_NONE] = &none_ops,   [LOCK_MUTEX] = &mutex_ops, [LOCK_TICKET] = &ticket_ops, [LOCK_MCS] = &mcs_ops,
    [LOCK_FUTEX] = &futex_ops, [LOCK_CLH] = &clh_ops,     [LOCK_TTAS] = &ttas_ops,
};

const char *const lock_names[] = {"none", "mutex", "ticket", "mcs", "futex", "clh", "ttas", NULL};

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
