// SPDX-License-Identifier: Apache-2.0
// The probe points: unheard they ask for nothing; heard they tell once, whatever queue there is.
#include "core/measure/probes.h"

#include "tests/scripted_queue.h"
#include "tests/unit.h"

#define PORT UINT64_C(7)
#define ID 42L

static unsigned asked; // for the queue's length

static uint64_t counting_length(void *queue)
{
    asked++;
    const struct scripted *q = queue;
    return q->in - q->out;
}

static void *its_memory(void *context, size_t size, size_t align, int node)
{
    (void)size;
    (void)align;
    (void)node;
    return context; // the one queue's, in the test's frame
}

static void not_freed(void *context, void *memory, size_t size, int node)
{
    (void)context;
    (void)memory;
    (void)size;
    (void)node;
}

// A scripted queue that can be asked for its length, in memory of the test's own.
struct rig {
    struct script script, *at;
    struct queue_ops ops;
    struct queue_entry entry;
    struct queue_choice choice;
    struct scripted memory;
    struct queue queue;
};

static void rig_open(struct rig *rig, uint64_t (*length)(void *queue))
{
    memset(rig, 0, sizeof *rig);
    rig->at = &rig->script;
    rig->ops = scripted_queue_ops;
    rig->ops.length = length;
    rig->entry = scripted_entry;
    rig->entry.ops = &rig->ops;
    rig->choice = scripted_choice(&rig->at);
    rig->choice.entry = &rig->entry;
    const struct queue_env env = {.context = &rig->memory, .alloc = its_memory, .free = not_freed};
    struct fault fault = {0};
    assert_int_equal(queue_open(&rig->queue, &rig->choice, &env, &fault), 0);
    asked = 0;
}

static void (*const points[])(uint64_t port, long id, struct queue *queue) = {probe_add, probe_get, probe_reply,
                                                                              probe_ready};

enum { POINTS = sizeof points / sizeof points[0] };

static void all_points(struct queue *queue)
{
    for (unsigned i = 0; i < POINTS; i++)
        points[i](PORT, ID, queue);
}

static void unheard_points_ask_for_nothing(void **state)
{
    (void)state;
    struct rig rig;
    rig_open(&rig, counting_length);
    all_points(&rig.queue);
    all_points(NULL);
    assert_int_equal(asked, 0);
    assert_string_equal(rig.script.log, "");
    queue_close(&rig.queue);
}

#ifdef READYQ_USDT
static _Atomic uint16_t *const semaphores[POINTS] = {&readyq_aio_pool_add_semaphore, &readyq_aio_pool_get_semaphore,
                                                     &readyq_aio_pool_reply_semaphore,
                                                     &readyq_aio_pool_ready_semaphore};

static void semaphores_begin_at_0(void **state)
{
    (void)state;
    for (unsigned i = 0; i < POINTS; i++)
        assert_int_equal(at_load_rlx(semaphores[i]), 0);
}

static void a_heard_point_asks_once_and_the_others_do_not(void **state)
{
    (void)state;
    struct rig rig;
    rig_open(&rig, counting_length);
    for (unsigned heard = 0; heard < POINTS; heard++) {
        at_store_rlx(semaphores[heard], 1);
        for (unsigned i = 0; i < POINTS; i++) {
            asked = 0;
            points[i](PORT, ID, &rig.queue);
            assert_int_equal(asked, i == heard);
        }
        at_store_rlx(semaphores[heard], 0);
        asked = 0;
        points[heard](PORT, ID, &rig.queue);
        assert_int_equal(asked, 0);
    }
    assert_string_equal(rig.script.log, ""); // it was looked at and not used
    queue_close(&rig.queue);
}

static uint64_t uncounted_length(void *queue)
{
    (void)queue;
    asked++;
    return QUEUE_UNCOUNTED;
}

static void a_heard_point_takes_any_queue(void **state)
{
    (void)state;
    uint64_t (*const lengths[])(void *) = {NULL, uncounted_length, counting_length};
    for (unsigned i = 0; i < POINTS; i++)
        at_store_rlx(semaphores[i], 2); // two listen
    for (unsigned i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
        struct rig rig;
        rig_open(&rig, lengths[i]);
        all_points(&rig.queue);
        assert_int_equal(asked, lengths[i] ? POINTS : 0);
        queue_close(&rig.queue);
    }
    all_points(NULL);
    for (unsigned i = 0; i < POINTS; i++) {
        assert_int_equal(at_load_rlx(semaphores[i]), 2);
        at_store_rlx(semaphores[i], 0);
    }
}
#endif

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(unheard_points_ask_for_nothing),
#ifdef READYQ_USDT
        cmocka_unit_test(semaphores_begin_at_0),
        cmocka_unit_test(a_heard_point_asks_once_and_the_others_do_not),
        cmocka_unit_test(a_heard_point_takes_any_queue),
#endif
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
