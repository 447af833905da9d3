// SPDX-License-Identifier: Apache-2.0
// The optional part of the pool contract (core/pool_ports.h) on top of ports and drivers.
#include <errno.h>

#include "core/machine/memory.h"
#include "core/pool/pool.h"
#include "core/pool/port.h"
#include "core/pool/submit.h"
#include "core/pool_ports.h"

// Freed by whoever gives the last reference back.
struct pool_driver {
    struct driver driver; // first: a port knows this one
    struct driver_handle handle;
    const struct pool_driver_ops *ops;
    void *data;
    struct pool *pool;
};

static struct pool_driver *driver_of(const struct port *port)
{
    return (struct pool_driver *)(uintptr_t)port->driver;
}

static void run_ready(struct port *port, const struct job *job)
{
    driver_of(port)->ops->ready(job->call.port, port->driver_data, job->call.data);
}

static void run_stop(struct port *port)
{
    const struct pool_driver *driver = driver_of(port);
    driver->ops->stop(port_id(&driver->pool->ports, port), port->driver_data);
}

static void run_unload(struct driver_handle *handle)
{
    struct pool_driver *driver = (struct pool_driver *)((char *)handle - offsetof(struct pool_driver, handle));
    struct allocator *allocator = driver->pool->allocator;
    if (driver->ops->unload)
        driver->ops->unload(driver->data);
    allocator->free(allocator, driver, sizeof *driver, -1);
}

static struct pool_driver *ports_load(struct pool *pool, const struct pool_driver_ops *ops, void *driver_data)
{
    struct allocator *allocator = pool->allocator;
    struct pool_driver *driver = allocator->alloc(allocator, sizeof *driver, _Alignof(struct pool_driver), -1);
    if (!driver)
        return NULL;
    driver->driver = (struct driver){
        .name = ops->name,
        .ready_async = ops->ready ? run_ready : NULL,
        .stop = ops->stop ? run_stop : NULL,
        .handle = &driver->handle,
    };
    driver->ops = ops;
    driver->data = driver_data;
    driver->pool = pool;
    driver_handle_init(&driver->handle, run_unload);
    return driver;
}

static void ports_unload(struct pool *pool, struct pool_driver *driver)
{
    (void)pool;
    driver_handle_release(&driver->handle);
}

static int ports_open(struct pool *pool, struct pool_driver *driver, void *port_data, bool with_lock, uint64_t *port)
{
    struct port_data_lock *data_lock = NULL;
    if (port_holds_any(&pool->ports))
        return -EDEADLK;
    if (with_lock) {
        data_lock = port_data_lock_create(pool->allocator);
        if (!data_lock)
            return -ENOMEM;
    }
    const int error = port_open(&pool->ports, &driver->driver, port_data, data_lock, port);
    if (data_lock)
        port_data_lock_release(data_lock);
    return error;
}

static int ports_close(struct pool *pool, uint64_t id, bool output_left)
{
    struct lock_node node;
    struct port *port;
    bool inner;
    const int error = port_turn_to(&pool->ports, id, &node, &port, &inner);
    if (error)
        return error;
    port->output_bytes = output_left ? 1 : 0;
    port_close(&pool->ports, port);
    if (!inner)
        port_release(port, &node);
    return 0;
}

static long ports_submit(struct pool *pool, unsigned thread, const struct pool_port_job *job, unsigned *key)
{
    const struct job_call call = {.port = job->port, .invoke = job->invoke, .free = job->free, .data = job->data};
    struct submitter *submitter;
    const int error = submitter_here(pool, thread, &submitter);
    return error ? error : pool_async_locking(submitter, &call, key);
}

static uint64_t ports_references(struct pool *pool)
{
    return at_load_rlx(&pool->ports.references);
}

const struct pool_port_ops erts_port_ops = {
    .load = ports_load,
    .unload = ports_unload,
    .open = ports_open,
    .close = ports_close,
    .submit = ports_submit,
    .key = pool_port_key,
    .cancel = pool_cancel,
    .references = ports_references,
};
