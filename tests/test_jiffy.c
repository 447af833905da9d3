// SPDX-License-Identifier: Apache-2.0
// Jiffy under schedules at the level of single accesses, with buffers as small as the number of producers allows, so
// that they are appended, folded and left all the time.
#include "tests/queue_schedules.h"

#include "queues/jiffy.c"

// So that a descriptor is freed, and taken again, as soon as nobody holds it.
static void look_soon(void *handle)
{
    struct reclaim_record *record = ((struct jiffy_handle *)handle)->record;
    if (record->kind != RECLAIM_LEAK)
        record->look_at = 0;
}

static int set_up(void **state)
{
    (void)state;
    schedule.before_call = look_soon;
    return 0;
}

static void test_by_hazard_pointers(void **state)
{
    (void)state;
    run_schedules(&jiffy_queue_ops, &(struct jiffy_config){.buffer = 1, .reclaim = RECLAIM_HAZARD}, 0, ROUNDS(10000));
}

static void test_by_epochs(void **state)
{
    (void)state;
    run_schedules(&jiffy_queue_ops, &(struct jiffy_config){.buffer = 1, .reclaim = RECLAIM_EPOCH}, 0, ROUNDS(10000));
}

static void test_larger_buffers(void **state)
{
    (void)state;
    run_schedules(&jiffy_queue_ops, &(struct jiffy_config){.buffer = 8, .reclaim = RECLAIM_LEAK}, 0, ROUNDS(10000));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_by_hazard_pointers),
        cmocka_unit_test(test_by_epochs),
        cmocka_unit_test(test_larger_buffers),
    };
    return cmocka_run_group_tests(tests, set_up, NULL);
}
