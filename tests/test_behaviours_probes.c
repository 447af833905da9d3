// SPDX-License-Identifier: Apache-2.0
// Which probes fire for a job, in which order, and what they are told. This program brings the listener: the linker
// sends here what core/measure/probes.c would tell tracers. A number (b62) is that of the behaviour of the original
// in its specification.
#include <errno.h>

#include "core/machine/clock.h"
#include "core/measure/probes.h"
#include "core/pool/complete.h"
#include "tests/pool_rig.h"

#ifdef READYQ_USDT

static struct rig rig;
static struct trace trace;

#define TOLD_MAX 64u
static struct told {
    char probe; // a add, g get, p reply, r ready
    uint64_t port;
    long id;
    const struct queue *queue;
} told[TOLD_MAX];
static _Atomic unsigned told_count;

static void tell(char probe, uint64_t port, long id, const struct queue *queue)
{
    const unsigned place = atomic_fetch_add(&told_count, 1);
    if (place < TOLD_MAX)
        told[place] = (struct told){probe, port, id, queue};
}

void __wrap_probe_tell_add(uint64_t port, long id, struct queue *jobs);
void __wrap_probe_tell_add(uint64_t port, long id, struct queue *jobs)
{
    tell('a', port, id, jobs);
}

void __wrap_probe_tell_get(uint64_t port, long id, struct queue *jobs);
void __wrap_probe_tell_get(uint64_t port, long id, struct queue *jobs)
{
    tell('g', port, id, jobs);
}

void __wrap_probe_tell_reply(uint64_t port, long id, struct queue *ready);
void __wrap_probe_tell_reply(uint64_t port, long id, struct queue *ready)
{
    tell('p', port, id, ready);
}

void __wrap_probe_tell_ready(uint64_t port, long id, struct queue *ready);
void __wrap_probe_tell_ready(uint64_t port, long id, struct queue *ready)
{
    tell('r', port, id, ready);
}

static int set_up(void **state)
{
    (void)state;
    memset(&trace, 0, sizeof trace);
    memset(told, 0, sizeof told);
    atomic_store(&told_count, 0);
    at_store_rlx(&readyq_aio_pool_add_semaphore, 1);
    at_store_rlx(&readyq_aio_pool_get_semaphore, 1);
    at_store_rlx(&readyq_aio_pool_reply_semaphore, 1);
    at_store_rlx(&readyq_aio_pool_ready_semaphore, 1);
    rig_init(&rig, 1, 1, "scripted", "scripted");
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    if (rig.pool)
        rig_stop(&rig);
    return 0;
}

static void was_told(unsigned place, char probe, uint64_t port, long id, const struct queue *queue)
{
    assert_int_equal(told[place].probe, probe);
    assert_int_equal(told[place].port, port);
    assert_int_equal(told[place].id, id);
    assert_ptr_equal(told[place].queue, queue);
}

static void b62_each_stage_fires_its_probe_with_port_id_and_queue(void **state)
{
    (void)state;
    rig_man(&rig);
    const uint64_t port = rig.scheduler->submitter.port;
    for (long id = 1; id <= 2; id++) {
        atomic_store(&told_count, 0);
        assert_int_equal(rig_submit(&rig, 0, NULL, &trace), id);
        assert_int_equal(atomic_load(&told_count), 1);
        rig_work(&rig, 0);
        assert_int_equal(atomic_load(&told_count), 3);
        scheduler_pass(rig.scheduler);
        assert_int_equal(atomic_load(&told_count), 4);
        was_told(0, 'a', port, id, &rig.worker->jobs);
        was_told(1, 'g', port, id, &rig.worker->jobs);
        was_told(2, 'p', port, id, &rig.scheduler->ready.queue);
        was_told(3, 'r', port, id, &rig.scheduler->ready.queue);
    }
}

static void b62_a_refused_job_fires_none(void **state)
{
    (void)state;
    rig.job_script.refusal = -ENOMEM;
    rig.job_script.refusals = 1;
    rig_man(&rig);
    assert_true(rig_submit(&rig, 0, NULL, &trace) < 0);
    assert_int_equal(atomic_load(&told_count), 0);
}

static void without_a_ready_queue_there_is_no_reply(void **state)
{
    (void)state;
    rig.config.completion = POOL_COMPLETION_WORKER;
    rig_man(&rig);
    assert_int_equal(rig_submit(&rig, 0, NULL, &trace), 1);
    rig_work(&rig, 0);
    assert_int_equal(atomic_load(&told_count), 3);
    was_told(1, 'g', rig.scheduler->submitter.port, 1, &rig.worker->jobs);
    was_told(2, 'r', rig.scheduler->submitter.port, 1, NULL);
}

// Records that are scribbled over when they are freed, and can be read all the same.
#define RECORDS_MAX 8u
static struct job records[RECORDS_MAX];
static unsigned records_used;

static void *lend_record(struct allocator *self, size_t size, size_t align, int number)
{
    if (size != sizeof(struct job))
        return rig_alloc(self, size, align, number);
    atomic_fetch_add(&rig.memory.allocations, 1);
    assert_true(records_used < RECORDS_MAX);
    memset(&records[records_used], 0, sizeof *records);
    return &records[records_used++];
}

static void scribble(struct allocator *self, void *memory, size_t size, int number)
{
    if (size != sizeof(struct job)) {
        rig_free(self, memory, size, number);
        return;
    }
    atomic_fetch_add(&rig.memory.frees, 1);
    memset(memory, 0xee, size);
}

static void man_scribbling(void)
{
    records_used = 0;
    rig.memory.base = (struct allocator){lend_record, scribble};
    rig.config.elements = POOL_ELEMENTS_WORKER;
    rig_man(&rig);
}

// Whoever takes the job may be done with it before the one who handed it on goes on.
static void take_and_free(struct queue_client *consumer)
{
    uintptr_t item;
    assert_int_equal(queue_dequeue(consumer, &item), QUEUE_OK);
    job_drop(rig.pool, (struct job *)item);
    pool_count(&rig.scheduler->ready.completed);
}

static int enqueue_and_take_job(void *queue, void *client, uintptr_t item)
{
    const int result = scripted_enqueue(queue, client, item);
    take_and_free(&rig.worker->consumer);
    pool_count(&rig.worker->invoked);
    return result;
}

static void b64_the_add_probe_reads_no_job_that_was_handed_on(void **state)
{
    (void)state;
    static struct queue_ops ops;
    ops = scripted_queue_ops;
    ops.enqueue = enqueue_and_take_job;
    man_scribbling();
    rig.scheduler->submitter.jobs[0].ops = &ops;
    assert_int_equal(rig_submit(&rig, 0, NULL, &trace), 1);
    assert_int_equal(atomic_load(&told_count), 1);
    was_told(0, 'a', rig.scheduler->submitter.port, 1, &rig.worker->jobs);
}

static int enqueue_and_take(void *queue, void *client, uintptr_t item)
{
    const int result = scripted_enqueue(queue, client, item);
    take_and_free(&rig.scheduler->ready.consumer);
    return result;
}

static void b64_nor_does_the_reply_probe(void **state)
{
    (void)state;
    static struct queue_ops ops;
    ops = scripted_queue_ops;
    ops.enqueue = enqueue_and_take;
    man_scribbling();
    rig.worker->ready[0].ops = &ops;
    assert_int_equal(rig_submit(&rig, 0, NULL, &trace), 1);
    assert_int_equal(worker_step(rig.worker), WORKER_RAN);
    assert_int_equal(atomic_load(&told_count), 3);
    was_told(2, 'p', rig.scheduler->submitter.port, 1, &rig.scheduler->ready.queue);
}

// Of no port, which the original prints as [].
static void b58_the_poison_fires_add_and_get(void **state)
{
    (void)state;
    rig_again(&rig, 1, 3, "list", "list");
    rig.config.stop = POOL_STOP_POISON;
    rig_start(&rig);
    rig_stop(&rig);
    rig.pool = NULL;
    assert_int_equal(atomic_load(&told_count), 6);
    unsigned adds = 0;
    for (unsigned i = 0; i < 6; i++) {
        adds += told[i].probe == 'a';
        assert_true(told[i].probe == 'a' || told[i].probe == 'g');
        assert_int_equal(told[i].port, PORT_NONE);
        assert_int_equal(told[i].id, 0);
    }
    assert_int_equal(adds, 3);
}

#endif

int main(void)
{
    clock_calibrate();
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
#ifdef READYQ_USDT
        TEST(b62_each_stage_fires_its_probe_with_port_id_and_queue),
        TEST(b62_a_refused_job_fires_none),
        TEST(without_a_ready_queue_there_is_no_reply),
        TEST(b64_the_add_probe_reads_no_job_that_was_handed_on),
        TEST(b64_nor_does_the_reply_probe),
        TEST(b58_the_poison_fires_add_and_get),
#endif
    };
    return cmocka_run_group_tests_name("behaviours probes", tests, NULL, NULL);
}
