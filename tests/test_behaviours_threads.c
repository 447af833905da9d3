// SPDX-License-Identifier: Apache-2.0
// What can be seen of a pool's threads from outside: names, stacks, accounts. A number (b13) is that of the behaviour
// in tests/behaviours.md.
#include "core/machine/clock.h"
#include "core/measure/accounting.h"
#include "tests/pool_rig.h"

static struct rig rig;

static int set_up(void **state)
{
    (void)state;
    rig_init(&rig, 1, 1, "list", "list");
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    if (rig.pool)
        rig_stop(&rig);
    return 0;
}

static struct {
    char name[16];
    size_t stack_bytes;
    uint32_t state;
} seen;

static void look(void *data)
{
    pthread_attr_t attributes;
    void *stack;
    (void)data;
    pthread_getname_np(pthread_self(), seen.name, sizeof seen.name);
    pthread_getattr_np(pthread_self(), &attributes);
    pthread_attr_getstack(&attributes, &stack, &seen.stack_bytes);
    pthread_attr_destroy(&attributes);
    if (rig.pool->accounts)
        seen.state = atomic_load(&rig.pool->workers[0].account->state);
}

static uint32_t ready_state;

static void look_in_ready(void *data)
{
    (void)data;
    if (rig.pool->accounts)
        ready_state = atomic_load(&rig.scheduler->account->state);
}

static void await_completed(uint64_t count)
{
    while (atomic_load(&rig.scheduler->ready.completed) < count) {
        scheduler_wait(rig.scheduler);
        scheduler_pass(rig.scheduler);
    }
}

static void run_one(void)
{
    memset(&seen, 0, sizeof seen);
    rig_start(&rig);
    assert_int_equal(erts_pool_ops.attach(rig.pool, 0), 0);
    assert_true(erts_pool_ops.submit(rig.pool, 0, NULL, look, look_in_ready, NULL) > 0);
    await_completed(1);
}

static void b13_workers_bear_no_name_of_their_own_if_told_so(void **state)
{
    (void)state;
    char mine[16];
    pthread_getname_np(pthread_self(), mine, sizeof mine);
    rig.config.thread_names = 0;
    run_one();
    assert_string_equal(seen.name, mine);
}

static void b13_the_stack_is_as_large_as_told_in_kilowords(void **state)
{
    (void)state;
    static const uint64_t kilowords[] = {16, 64, 512};
    rig_forget_choices(&rig);
    for (unsigned i = 0; i < 3; i++) {
        rig_init(&rig, 1, 1, "list", "list");
        rig.config.stack_kilowords = kilowords[i];
        run_one();
        const uint64_t bytes = kilowords[i] * 1024 * sizeof(void *);
        assert_in_range(seen.stack_bytes, bytes, bytes + (i ? bytes / 2 : 1024 * 1024));
        erts_pool_ops.detach(rig.pool, 0);
        rig_stop(&rig);
        rig.pool = NULL;
    }
}

// The linker sends the workers' calls of these here, and everybody else's outside of core/sync/event.c.
bool __real_event_spin(struct event *event, uint64_t spin_ns);
bool __wrap_event_spin(struct event *event, uint64_t spin_ns);
void __real_event_wait(struct event *event, uint64_t spin_ns);
void __wrap_event_wait(struct event *event, uint64_t spin_ns);

static _Atomic uint64_t longest_spin_ns; // of the first worker
static _Atomic unsigned waits;           // of the same

static bool is_the_worker(void)
{
    char name[16] = "";
    pthread_getname_np(pthread_self(), name, sizeof name);
    return strcmp(name, "async_1") == 0;
}

static void note_spin(uint64_t spin_ns)
{
    if (is_the_worker() && spin_ns > atomic_load(&longest_spin_ns))
        atomic_store(&longest_spin_ns, spin_ns);
}

bool __wrap_event_spin(struct event *event, uint64_t spin_ns)
{
    note_spin(spin_ns);
    return __real_event_spin(event, spin_ns);
}

void __wrap_event_wait(struct event *event, uint64_t spin_ns)
{
    note_spin(spin_ns);
    if (is_the_worker())
        atomic_fetch_add(&waits, 1);
    __real_event_wait(event, spin_ns);
}

static void run_one_and_idle(void)
{
    atomic_store(&longest_spin_ns, 0);
    atomic_store(&waits, 0);
    run_one();
    SPIN_UNTIL(atomic_load(&rig.worker->event.state) == -1); // parked
    assert_true(atomic_load(&waits) > 0);
}

static void b43_waits_without_spinning_unless_told_to(void **state)
{
    (void)state;
    assert_int_equal(rig.config.worker_spin_ns, 0);
    run_one_and_idle();
    assert_int_equal(atomic_load(&longest_spin_ns), 0);
    erts_pool_ops.detach(rig.pool, 0);
    rig_stop(&rig);
    rig.pool = NULL;
    rig_init(&rig, 1, 1, "list", "list");
    rig.config.worker_spin_ns = 1234;
    run_one_and_idle(); // the check itself
    assert_int_equal(atomic_load(&longest_spin_ns), 1234);
}

#if READYQ_OBSERVE
static void b17_accounts_of_workers_are_numbered_in_the_order_of_arrival(void **state)
{
    (void)state;
    struct pool_account accounts[8];
    unsigned numbers = 0;
    rig_again(&rig, 1, 4, "list", "list");
    rig.config.accounting = 1;
    rig_start(&rig);
    SPIN_UNTIL(erts_pool_ops.accounts(rig.pool, accounts, 8) == 4); // opened after the check-in
    for (unsigned i = 0; i < 4; i++) {
        assert_string_equal(accounts[i].kind, "async");
        assert_in_range(accounts[i].number, 1, 4);
        numbers |= 1u << accounts[i].number;
    }
    assert_int_equal(numbers, 2 + 4 + 8 + 16); // each once
    assert_int_equal(erts_pool_ops.attach(rig.pool, 0), 0);
    assert_int_equal(erts_pool_ops.accounts(rig.pool, accounts, 8), 5);
    assert_string_equal(accounts[4].kind, "scheduler");
    assert_int_equal(accounts[4].number, 1);
}

// The first worker does not get ready before the second one has checked in.
static struct pool *first_block;

static void *alloc_late(struct allocator *self, size_t size, size_t align, int node)
{
    char name[16];
    void *memory = rig_alloc(self, size, align, node);
    if (!first_block)
        first_block = memory;
    pthread_getname_np(pthread_self(), name, sizeof name);
    if (strcmp(name, "async_1") == 0)
        SPIN_UNTIL(atomic_load(&first_block->checked_in) > 0);
    return memory;
}

static void b17_which_need_not_be_that_of_their_names(void **state)
{
    (void)state;
    struct pool_account accounts[2];
    rig_again(&rig, 1, 2, "list", "list");
    rig.config.accounting = 1;
    first_block = NULL;
    rig.memory.base.alloc = alloc_late;
    rig_start(&rig);
    assert_ptr_equal(first_block, rig.pool);
    SPIN_UNTIL(erts_pool_ops.accounts(rig.pool, accounts, 2) == 2);
    assert_int_equal(accounts[0].number, 2); // of async_1
    assert_int_equal(accounts[1].number, 1);
}

static uint32_t free_state, unload_state;

static void look_in_free(void *data)
{
    (void)data;
    free_state = atomic_load(&rig.scheduler->account->state);
}

static void look_in_unload(struct driver_handle *handle)
{
    (void)handle;
    unload_state = atomic_load(&rig.scheduler->account->state);
}

// The job has the last reference to the driver, and gives it back just after `free`.
static void b55_the_state_before_free_is_restored_just_after_it(void **state)
{
    (void)state;
    struct lock_node node;
    struct driver_handle handle;
    const struct driver brief = {.name = "brief", .handle = &handle};
    struct job_call call = {.invoke = look, .free = look_in_free};
    rig.config.accounting = 1;
    free_state = unload_state = UINT32_MAX;
    run_one();
    driver_handle_init(&handle, look_in_unload);
    assert_int_equal(port_open(&rig.pool->ports, &brief, NULL, NULL, &call.port), 0);
    driver_handle_release(&handle);
    struct port *port = port_acquire(&rig.pool->ports, call.port, &node);
    const long id = pool_async(&rig.scheduler->submitter, &call, NULL);
    port_close(&rig.pool->ports, port);
    port_release(port, &node);
    assert_true(id > 0);
    assert_int_equal(unload_state, UINT32_MAX);
    await_completed(2);
    assert_int_equal(free_state, ACCOUNT_PORT);
    assert_int_equal(unload_state, ACCOUNT_READY);
}

static void b45_b55_accounts_know_the_state_in_invoke_ready_and_free_and_asleep(void **state)
{
    (void)state;
    struct lock_node node;
    static const struct driver mute = {.name = "mute"};
    struct job_call call = {.invoke = look, .free = look_in_free};
    rig.config.accounting = 1;
    ready_state = free_state = UINT32_MAX;
    run_one();
    assert_int_equal(seen.state, ACCOUNT_PORT);
    assert_int_equal(ready_state, ACCOUNT_READY);
    assert_int_equal(port_open(&rig.pool->ports, &mute, NULL, NULL, &call.port), 0);
    struct port *port = port_acquire(&rig.pool->ports, call.port, &node);
    assert_true(pool_async(&rig.scheduler->submitter, &call, NULL) > 0);
    port_release(port, &node);
    await_completed(2);
    assert_int_equal(free_state, ACCOUNT_PORT);
    assert_int_equal(atomic_load(&rig.scheduler->account->state), ACCOUNT_OTHER); // restored
    SPIN_UNTIL(atomic_load(&rig.worker->event.state) == -1);
    assert_int_equal(atomic_load(&rig.worker->account->state), ACCOUNT_SLEEP);
}
#endif

static void no_account_is_kept_unless_told_so(void **state)
{
    (void)state;
    struct pool_account accounts[8];
    assert_int_equal(rig.config.accounting, 0);
    run_one();
    assert_int_equal(erts_pool_ops.accounts(rig.pool, accounts, 8), 0);
    assert_null(rig.worker->account);
    assert_null(rig.scheduler->account);
}

int main(void)
{
    clock_calibrate();
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(b13_workers_bear_no_name_of_their_own_if_told_so),
        TEST(b13_the_stack_is_as_large_as_told_in_kilowords),
        TEST(b43_waits_without_spinning_unless_told_to),
        TEST(no_account_is_kept_unless_told_so),
#if READYQ_OBSERVE
        TEST(b17_accounts_of_workers_are_numbered_in_the_order_of_arrival),
        TEST(b17_which_need_not_be_that_of_their_names),
        TEST(b55_the_state_before_free_is_restored_just_after_it),
        TEST(b45_b55_accounts_know_the_state_in_invoke_ready_and_free_and_asleep),
#endif
    };
    return cmocka_run_group_tests_name("behaviours threads", tests, NULL, NULL);
}
