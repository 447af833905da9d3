// SPDX-License-Identifier: Apache-2.0
#include "core/pool/ready.h"

#include "core/machine/memory.h"
#include "core/pool/pool.h"
#include "core/pool/port.h"
#include "core/pool/worker.h"
#include "core/sync/thread.h"

int ready_open(struct ready_queue *ready, struct pool *pool, const struct queue_choice *choice,
               const struct queue_env *env, struct fault *fault)
{
    const int error = queue_open(&ready->queue, choice, env, fault);
    if (error)
        return error;
    ready->pool = pool;
    ready->limit = (unsigned)pool->config.ready_limit;
    lock_init_ranked(&ready->lock, (enum lock_kind)pool->config.ready_lock, LOCK_RANK_READY, 0);
    at_init(&ready->crowded, 0);
    at_init(&ready->completed, 0);
    return 0;
}

void ready_close(struct ready_queue *ready)
{
    if (!ready->pool)
        return;
    while (garbage_free(&ready->garbage, GARBAGE_STEP)) {}
    lock_fini(&ready->lock);
    queue_close(&ready->queue);
}

int ready_enqueue(struct ready_queue *ready, struct queue_client *client, void *element, struct job *job)
{
    struct lock_node node;
    lock_acquire(&ready->lock, &node);
    const int result = queue_enqueue_prepared(client, element, (uintptr_t)job);
    lock_release(&ready->lock, &node);
    if (result == QUEUE_OK)
        queue_notify(&ready->queue);
    return result;
}

void ready_await_room(struct ready_queue *ready, struct worker *worker)
{
    at_store_rlx(&worker->awaited, ready);
    at_xchg_sc(&ready->crowded, 1, AT(room_ask, room_look, room_answer));
}

static void announce_room(struct ready_queue *ready)
{
    if (!at_load_sc(&ready->crowded, AT(room_look, room_ask)))
        return;
    at_xchg_sc(&ready->crowded, 0, AT(room_answer, room_ask));
    struct pool *pool = ready->pool;
    for (unsigned i = 0; i < pool->worker_count; i++)
        if (at_load_rlx(&pool->workers[i].awaited) == ready)
            event_set(&pool->workers[i].room);
}

// The references go last, when the port has been let go: the port's death must not be the end of its lock or driver.
static void complete(struct pool *pool, struct job *job)
{
    struct lock_node node;
    struct port *port = port_acquire(&pool->ports, job->call.port, &node);
    const bool done = port && port_ready(&pool->ports, port, job);
    if (!done && job->call.free)
        job->call.free(job->call.data);
    if (port)
        port_release(port, &node);
    if (job->data_lock)
        port_data_lock_release(job->data_lock);
    if (job->driver)
        driver_handle_release(job->driver);
    pool_free_job(pool, job);
}

// The enqueuer may need this processor to get on.
static void back_off(struct ready_queue *ready, bool idle)
{
    if (idle)
        thread_spin_round(ready->retries);
    ready->retries = idle ? ready->retries + 1 : 0;
}

bool ready_check(struct ready_queue *ready)
{
    unsigned completed = 0;
    int result = QUEUE_OK;
    for (; completed < ready->limit; completed++) {
        uintptr_t item;
        result = queue_dequeue(&ready->consumer, &item);
        if (result != QUEUE_OK)
            break;
        struct job *job = (struct job *)item;
        garbage_append(&ready->garbage, &job->cargo.garbage);
        complete(ready->pool, job);
        pool_count(&ready->completed);
    }
    if (completed > 0)
        announce_room(ready);
    back_off(ready, completed == 0 && result == QUEUE_RETRY);
    garbage_free(&ready->garbage, GARBAGE_STEP);
    return result != QUEUE_EMPTY;
}

enum queue_clean_state ready_clean(struct ready_queue *ready, uint64_t *progress)
{
    const enum queue_clean_state state = queue_clean(&ready->consumer, progress);
    return garbage_free(&ready->garbage, GARBAGE_STEP) ? QUEUE_DIRTY : state;
}
