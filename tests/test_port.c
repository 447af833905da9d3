// SPDX-License-Identifier: Apache-2.0
// Ports, drivers and port-data locks, without a pool around them.
#include <errno.h>
#include <string.h>

#include "core/machine/memory.h"
#include "core/pool/port.h"
#include "core/sync/thread.h"
#include "tests/unit.h"

static struct port_table table;
static struct lock_node node;

static int set_up(void **state)
{
    (void)state;
    return port_table_init(&table, &memory_system, 2, 0);
}

static int tear_down(void **state)
{
    (void)state;
    port_table_fini(&table);
    return 0;
}

static char trail[64];

static void note(char letter)
{
    trail[strlen(trail)] = letter;
}

static void note_ready(struct port *port, const struct job *job)
{
    (void)port;
    (void)job;
    note('r');
}

static void note_stop(struct port *port)
{
    (void)port;
    note('s');
}

static void note_unload(struct driver_handle *handle)
{
    (void)handle;
    note('u');
}

static struct driver driver = {.name = "test", .ready_async = note_ready, .stop = note_stop};

static uint64_t open_port(void)
{
    uint64_t id;
    memset(trail, 0, sizeof trail);
    assert_int_equal(port_open(&table, &driver, NULL, NULL, &id), 0);
    return id;
}

static void close_port(uint64_t id)
{
    struct port *port = port_acquire(&table, id, &node);
    assert_non_null(port);
    port_close(&table, port);
    port_release(port, &node);
}

static void an_id_names_one_port_for_ever(void **state)
{
    (void)state;
    const uint64_t first = open_port();
    assert_true(first != PORT_NONE);
    struct port *port = port_acquire(&table, first, &node);
    assert_int_equal(atomic_load(&port->id), first);
    port_release(port, &node);
    close_port(first);
    assert_null(port_acquire(&table, first, &node));

    const uint64_t second = open_port();
    assert_true(second != first);
    port = port_acquire(&table, second, &node);
    assert_ptr_equal(port, &table.ports[0]); // the same slot
    port_release(port, &node);
    assert_null(port_acquire(&table, first, &node));
}

static void ids_that_never_were_are_not_found(void **state)
{
    (void)state;
    assert_null(port_acquire(&table, PORT_NONE, &node));
    assert_null(port_acquire(&table, 1, &node));
    assert_null(port_acquire(&table, UINT64_C(1) << 32 | 1, &node));
    assert_null(port_acquire(&table, 3, &node));
    assert_null(port_acquire(&table, UINT64_MAX, &node));
}

static void a_full_table_refuses(void **state)
{
    (void)state;
    const uint64_t first = open_port(), second = open_port();
    uint64_t id;
    assert_int_equal(port_open(&table, &driver, NULL, NULL, &id), -ENFILE);
    close_port(first);
    assert_int_equal(port_open(&table, &driver, NULL, NULL, &id), 0);
    close_port(id);
    close_port(second);
}

struct question {
    uint64_t id;
    int answer;
};

static void ask_elsewhere(void *argument)
{
    struct question *question = argument;
    struct port *port;
    question->answer = port_held(&table, question->id, &port);
}

static void b20_b21_submitting_needs_a_port_that_is_alive_and_held(void **state)
{
    (void)state;
    struct port *port;
    assert_int_equal(port_held(&table, PORT_NONE, &port), -EINVAL);
    assert_int_equal(port_held(&table, 77, &port), -EINVAL);
    const uint64_t id = open_port();
    assert_int_equal(port_held(&table, id, &port), -EPERM);

    struct port *mine = port_acquire(&table, id, &node);
    assert_int_equal(port_held(&table, id, &port), 0);
    assert_ptr_equal(port, mine);
    struct question other = {.id = id};
    struct thread thread;
    const struct thread_options options = {.cpu = -1};
    assert_int_equal(thread_start(&thread, &options, ask_elsewhere, &other), 0);
    thread_join(&thread);
    assert_int_equal(other.answer, -EPERM);

    port_release(mine, &node);
    assert_int_equal(port_held(&table, id, &port), -EPERM);
    close_port(id);
    assert_int_equal(port_held(&table, id, &port), -EINVAL);
}

static void closing_without_output_is_death(void **state)
{
    (void)state;
    const uint64_t id = open_port();
    close_port(id);
    assert_string_equal(trail, "s");
    assert_null(port_acquire(&table, id, &node));
}

static void b53_a_closing_port_dies_after_a_callback_that_left_no_output(void **state)
{
    (void)state;
    const struct job job = {0};
    const uint64_t id = open_port();
    struct port *port = port_acquire(&table, id, &node);
    port->output_bytes = 10;
    port_close(&table, port);
    assert_int_equal(port->state, PORT_CLOSING);
    assert_true(port_ready(&table, port, &job));
    assert_int_equal(port->state, PORT_CLOSING);
    port_release(port, &node);

    port = port_acquire(&table, id, &node); // jobs still reach it
    assert_non_null(port);
    port->output_bytes = 0;
    assert_true(port_ready(&table, port, &job));
    assert_int_equal(port->state, PORT_DEAD);
    port_release(port, &node);
    assert_string_equal(trail, "rrs");
    assert_null(port_acquire(&table, id, &node));
}

static void b52_without_a_callback_the_answer_is_no(void **state)
{
    (void)state;
    const struct job job = {0};
    static const struct driver mute = {.name = "mute"};
    uint64_t id;
    assert_int_equal(port_open(&table, &mute, NULL, NULL, &id), 0);
    struct port *port = port_acquire(&table, id, &node);
    assert_false(port_ready(&table, port, &job));
    assert_int_equal(port->state, PORT_OPEN);
    port_release(port, &node);
}

static void close_in_callback(struct port *port, const struct job *job)
{
    (void)job;
    note('r');
    port_close(&table, port);
}

static void a_callback_may_close_its_own_port(void **state)
{
    (void)state;
    const struct job job = {0};
    static const struct driver brief = {.name = "brief", .ready_async = close_in_callback, .stop = note_stop};
    memset(trail, 0, sizeof trail);
    uint64_t id;
    assert_int_equal(port_open(&table, &brief, NULL, NULL, &id), 0);
    struct port *port = port_acquire(&table, id, &node);
    assert_true(port_ready(&table, port, &job));
    port_release(port, &node);
    assert_string_equal(trail, "rs");
    assert_null(port_acquire(&table, id, &node));
}

static void a_port_holds_its_driver_and_its_data_lock(void **state)
{
    (void)state;
    struct driver_handle handle;
    driver_handle_init(&handle, note_unload);
    const struct driver loaded = {.name = "loaded", .stop = note_stop, .handle = &handle};
    struct port_data_lock *data_lock = port_data_lock_create(&memory_system);
    memset(trail, 0, sizeof trail);
    uint64_t id;
    assert_int_equal(port_open(&table, &loaded, NULL, data_lock, &id), 0);
    driver_handle_release(&handle);
    assert_int_equal(atomic_load(&data_lock->references), 2);
    assert_string_equal(trail, "");
    close_port(id);
    assert_string_equal(trail, "su");
    assert_int_equal(atomic_load(&data_lock->references), 1);
    port_data_lock_release(data_lock);
}

static void the_table_terminates_what_is_left(void **state)
{
    (void)state;
    struct port_table other;
    struct driver_handle handle;
    driver_handle_init(&handle, note_unload);
    const struct driver loaded = {.name = "loaded", .stop = note_stop, .handle = &handle};
    memset(trail, 0, sizeof trail);
    assert_int_equal(port_table_init(&other, &memory_system, 3, 0), 0);
    uint64_t id;
    assert_int_equal(port_open(&other, &loaded, NULL, NULL, &id), 0);
    port_table_fini(&other);
    assert_string_equal(trail, "s");
    driver_handle_release(&handle);
    assert_string_equal(trail, "su");
}

// Ports that come and go in one slot, under the eyes of threads that look up whatever they last heard of.
#define LOOKERS 2u

static _Atomic uint64_t latest;
static _Atomic uint32_t over, wrong;

static void look_up(void *argument)
{
    _Atomic unsigned *found = argument;
    while (!atomic_load(&over)) {
        struct lock_node mine;
        const uint64_t id = atomic_load(&latest);
        struct port *port = port_acquire(&table, id, &mine);
        if (port) {
            if (atomic_load(&port->id) != id || port->state != PORT_OPEN || port->output_bytes != 0)
                atomic_fetch_add(&wrong, 1);
            port->output_bytes = id; // nobody else may see this
            port->output_bytes = 0;
            atomic_fetch_add(found, 1);
            port_release(port, &mine);
        }
        thread_yield(); // or the other side might hardly ever get the lock
    }
}

static void look_ups_beside_opening_and_closing(void **state)
{
    (void)state;
    struct thread threads[LOOKERS];
    static _Atomic unsigned found[LOOKERS];
    const struct thread_options options = {.cpu = -1};
    atomic_store(&latest, open_port());
    for (unsigned i = 0; i < LOOKERS; i++)
        assert_int_equal(thread_start(&threads[i], &options, look_up, &found[i]), 0);
    while (atomic_load(&found[0]) < ROUNDS(2000) || atomic_load(&found[1]) < ROUNDS(2000)) {
        close_port(atomic_load(&latest));
        atomic_store(&latest, open_port());
        thread_yield();
    }
    atomic_store(&over, 1);
    for (unsigned i = 0; i < LOOKERS; i++)
        thread_join(&threads[i]);
    assert_int_equal(atomic_load(&wrong), 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(an_id_names_one_port_for_ever),
        TEST(ids_that_never_were_are_not_found),
        TEST(a_full_table_refuses),
        TEST(b20_b21_submitting_needs_a_port_that_is_alive_and_held),
        TEST(closing_without_output_is_death),
        TEST(b53_a_closing_port_dies_after_a_callback_that_left_no_output),
        TEST(b52_without_a_callback_the_answer_is_no),
        TEST(a_callback_may_close_its_own_port),
        TEST(a_port_holds_its_driver_and_its_data_lock),
        TEST(the_table_terminates_what_is_left),
        TEST(look_ups_beside_opening_and_closing),
    };
    return cmocka_run_group_tests_name("port", tests, NULL, NULL);
}
