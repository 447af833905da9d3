// SPDX-License-Identifier: Apache-2.0
// For tests of the inside of erts_mpsc: the queue's source is compiled into the program with a hook in front of each
// labelled access. At a chosen one, a thread is taken to be interrupted there, and what another thread does
// meanwhile is called from the hook. Thread progress is the real one, and moves when told.
#ifndef READYQ_TESTS_ERTS_MPSC_STEPS_H
#define READYQ_TESTS_ERTS_MPSC_STEPS_H

#include <string.h>

#include "core/check/conformance/env.h"
#include "core/machine/clock.h"
#include "core/machine/memory.h"
#include "core/sync/atomic.h"
#include "tests/unit.h"

static inline void before(const char *label);

#undef at_load_acq
#undef at_load_sc
#undef at_store_sc
#undef at_add_sc
#undef at_sub_sc
#undef at_cas_sc
#define AT(label, ...) before(#label)
#define at_load_acq(p, at) ((at), atomic_load_explicit((p), memory_order_acquire))
#define at_load_sc(p, at) ((at), atomic_load(p))
#define at_store_sc(p, v, at) ((at), atomic_store((p), (v)))
#define at_add_sc(p, v, at) ((at), atomic_fetch_add((p), (v)))
#define at_sub_sc(p, v, at) ((at), atomic_fetch_sub((p), (v)))
#define at_cas_sc(p, expected, v, at) ((at), atomic_compare_exchange_strong((p), (expected), (v)))

#include "queues/erts_mpsc.c"

// What is to happen before accesses: each once, in whatever order the accesses come.
#define PLANS 4u
static struct {
    const char *label;
    void (*happens)(void);
} plans[PLANS];

static inline void interrupt(const char *label, void (*happens)(void))
{
    for (unsigned i = 0; i < PLANS; i++) {
        if (!plans[i].label) {
            plans[i].label = label;
            plans[i].happens = happens;
            return;
        }
    }
    fail_msg("too many plans");
}

static inline void before(const char *label)
{
    for (unsigned i = 0; i < PLANS; i++) {
        if (plans[i].label && strcmp(plans[i].label, label) == 0) {
            plans[i].label = NULL;
            plans[i].happens();
            return;
        }
    }
}

static inline void all_has_happened(void)
{
    for (unsigned i = 0; i < PLANS; i++)
        assert_null(plans[i].label);
}

// One queue, and everybody who uses it.
static struct check_env env;
static struct progress *domain;
static struct progress_thread *self;
static struct mpsc queue;
static struct mpsc_handle managed[2], unmanaged[3], consumer;
static uint64_t value;

static inline int open_queue(bool with_domain)
{
    memset(plans, 0, sizeof plans);
    check_env_init(&env, &erts_mpsc_queue_ops, with_domain ? domain : NULL);
    assert_int_equal(mpsc_init(&queue, &env.env, NULL), 0);
    for (unsigned i = 0; i < 2 && with_domain; i++)
        assert_int_equal(mpsc_attach(&queue, &managed[i], QUEUE_PRODUCER, QUEUE_MANAGED), 0);
    for (unsigned i = 0; i < 3; i++)
        assert_int_equal(mpsc_attach(&queue, &unmanaged[i], QUEUE_PRODUCER, QUEUE_UNMANAGED), 0);
    return mpsc_attach(&queue, &consumer, QUEUE_CONSUMER, QUEUE_UNMANAGED);
}

static inline int set_up(void **state)
{
    (void)state;
    return open_queue(true);
}

static inline int set_up_without_domain(void **state)
{
    (void)state;
    return open_queue(false);
}

static inline int tear_down(void **state)
{
    (void)state;
    struct fault fault = {""};
    for (unsigned i = 0; i < 2 && env.env.progress; i++)
        mpsc_detach(&queue, &managed[i]);
    for (unsigned i = 0; i < 3; i++)
        mpsc_detach(&queue, &unmanaged[i]);
    mpsc_detach(&queue, &consumer);
    mpsc_fini(&queue);
    if (check_env_fini(&env, &fault) != 0)
        print_error("%s\n", fault.text);
    return fault.text[0] ? -1 : 0;
}

static inline int make_domain(void **state)
{
    (void)state;
    const int error = progress_create(&domain, &memory_system, 1, 0);
    self = error ? NULL : progress_register_managed(domain, NULL, NULL);
    return error;
}

static inline int drop_domain(void **state)
{
    (void)state;
    progress_unregister(self);
    progress_destroy(domain);
    return 0;
}

static inline void let_progress_happen(void)
{
    for (unsigned i = 0; i < 4; i++)
        progress_update(self);
}

static inline void put(struct mpsc_handle *producer, uintptr_t item)
{
    assert_int_equal(mpsc_enqueue(&queue, producer, item), QUEUE_OK);
}

static inline void get(uintptr_t expected)
{
    uintptr_t item = 0;
    assert_int_equal(mpsc_dequeue(&queue, &consumer, &item), QUEUE_OK);
    assert_int_equal(item, expected);
}

static inline void get_nothing(void)
{
    uintptr_t item = 77;
    assert_int_equal(mpsc_dequeue(&queue, &consumer, &item), QUEUE_EMPTY);
    assert_int_equal(item, 77);
}

static inline enum queue_clean_state clean(void)
{
    return mpsc_clean(&queue, &consumer, &value);
}

static inline enum queue_clean_state inspect(void)
{
    return mpsc_inspect(&queue, &consumer, true, &value);
}

static inline uint64_t notified(void)
{
    return at_load_rlx(&env.notified);
}

static inline uint64_t given(void)
{
    return at_load_rlx(&env.given);
}

static inline uintptr_t item_at_last(void)
{
    return atomic_load(&queue.tail.last)->item;
}

static inline unsigned inside(unsigned index)
{
    return atomic_load(&queue.tail.gate.inside[index]);
}

// Thread progress and cleaning until all is free.
static inline void settle(void)
{
    for (unsigned i = 0; i < 100 && inspect() != QUEUE_CLEAN; i++) {
        let_progress_happen();
        clean();
    }
    assert_int_equal(inspect(), QUEUE_CLEAN);
}

#define STEP(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

#endif
