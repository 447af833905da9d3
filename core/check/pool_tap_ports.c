// SPDX-License-Identifier: Apache-2.0
// The tap on ports. A driver's `ready` is told the port's data and the job's, so both are the tap's own on their way
// through the pool. Records of drivers and ports are used again, but stay what they are until the tap is destroyed: a
// pool that calls for one that is gone reaches some driver, which can then say so, and not freed memory.
#include <errno.h>

#include "core/check/pool_tap_job.h"
#include "core/machine/memory.h"

struct tapped_driver {
    struct pool_tap *tap;
    struct pool_driver_ops ops; // what the pool knows
    const struct pool_driver_ops *original;
    void *data;
    struct pool_driver *inner; // the pool's
    bool loaded;
    struct tapped_driver *next, *next_unused;
};

struct tapped_port {
    const struct tapped_driver *driver;
    void *data;
    bool open;
    struct tapped_port *next, *next_unused;
};

static struct tapped_driver *take_driver(struct pool_tap *tap)
{
    struct lock_node node;
    lock_acquire(&tap->lock, &node);
    struct tapped_driver *driver = tap->unused_drivers;
    if (driver) {
        tap->unused_drivers = driver->next_unused;
    } else if ((driver = memory_system.alloc(&memory_system, sizeof *driver, 0, -1)) != NULL) {
        driver->next = tap->drivers;
        tap->drivers = driver;
    }
    if (driver)
        driver->loaded = true;
    lock_release(&tap->lock, &node);
    return driver;
}

// Once, however often the pool says so.
static void give_driver(struct tapped_driver *driver)
{
    struct pool_tap *tap = driver->tap;
    struct lock_node node;
    lock_acquire(&tap->lock, &node);
    if (driver->loaded) {
        driver->loaded = false;
        driver->next_unused = tap->unused_drivers;
        tap->unused_drivers = driver;
    }
    lock_release(&tap->lock, &node);
}

static struct tapped_port *take_port(struct pool_tap *tap)
{
    struct lock_node node;
    lock_acquire(&tap->lock, &node);
    struct tapped_port *port = tap->unused_ports;
    if (port) {
        tap->unused_ports = port->next_unused;
    } else if ((port = memory_system.alloc(&memory_system, sizeof *port, 0, -1)) != NULL) {
        port->next = tap->ports;
        tap->ports = port;
    }
    if (port)
        port->open = true;
    lock_release(&tap->lock, &node);
    return port;
}

static void give_port(struct pool_tap *tap, struct tapped_port *port)
{
    struct lock_node node;
    lock_acquire(&tap->lock, &node);
    if (port->open) {
        port->open = false;
        port->next_unused = tap->unused_ports;
        tap->unused_ports = port;
    }
    lock_release(&tap->lock, &node);
}

static void run_ready(uint64_t id, void *port_data, void *job_data)
{
    const struct tapped_port *port = port_data;
    const struct tapped_driver *driver = port->driver;
    if (!tap_owns(driver->tap, job_data)) {
        driver->original->ready(id, port->data, job_data);
        return;
    }
    const struct tapped_job *job = job_data;
    const struct tapped_event event = tap_begin(driver->tap, HISTORY_READY, job->number);
    driver->original->ready(id, port->data, job->data);
    tap_end(event);
}

static void run_stop(uint64_t id, void *port_data)
{
    struct tapped_port *port = port_data;
    const struct tapped_driver *driver = port->driver;
    if (driver->original->stop)
        driver->original->stop(id, port->data);
    give_port(driver->tap, port);
}

static void run_unload(void *driver_data)
{
    struct tapped_driver *driver = driver_data;
    if (driver->original->unload)
        driver->original->unload(driver->data);
    give_driver(driver);
}

static struct pool_driver *ports_load(struct pool *pool, const struct pool_driver_ops *ops, void *driver_data)
{
    struct pool_tap *tap = tap_of(pool);
    struct tapped_driver *driver = take_driver(tap);
    if (!driver)
        return NULL;
    driver->tap = tap;
    driver->original = ops;
    driver->data = driver_data;
    driver->ops = (struct pool_driver_ops){
        .name = ops->name, .ready = ops->ready ? run_ready : NULL, .stop = run_stop, .unload = run_unload};
    driver->inner = tap->original->ports->load(tap->inner, &driver->ops, driver);
    if (driver->inner)
        return (struct pool_driver *)(void *)driver;
    give_driver(driver);
    return NULL;
}

static void ports_unload(struct pool *pool, struct pool_driver *handle)
{
    const struct tapped_driver *driver = (const struct tapped_driver *)(void *)handle;
    tap_of(pool)->original->ports->unload(tap_of(pool)->inner, driver->inner);
}

static int ports_open(struct pool *pool, struct pool_driver *handle, void *port_data, bool data_lock, uint64_t *id)
{
    struct pool_tap *tap = tap_of(pool);
    const struct tapped_driver *driver = (const struct tapped_driver *)(void *)handle;
    struct tapped_port *port = take_port(tap);
    if (!port)
        return -ENOMEM;
    port->driver = driver;
    port->data = port_data;
    const int error = tap->original->ports->open(tap->inner, driver->inner, port, data_lock, id);
    if (error)
        give_port(tap, port);
    return error;
}

static int ports_close(struct pool *pool, uint64_t id, bool output_left)
{
    return tap_of(pool)->original->ports->close(tap_of(pool)->inner, id, output_left);
}

static long ports_submit(struct pool *pool, unsigned thread, const struct pool_port_job *job, unsigned *key)
{
    struct pool_tap *tap = tap_of(pool);
    struct tap_submission submission;
    const struct tapped_job given = {.invoke = job->invoke, .end = job->free, .data = job->data};
    if (!tap_open_submission(tap, &submission, &given, key))
        return tap->original->ports->submit(tap->inner, thread, job, key);
    const struct pool_port_job tapped = {
        .port = job->port, .invoke = tap_run_invoke, .free = tap_run_free, .data = submission.job};
    const long id = tap->original->ports->submit(tap->inner, thread, &tapped, key);
    tap_close_submission(&submission, id);
    return id;
}

static int ports_cancel(struct pool *pool, long id, struct fault *fault)
{
    return tap_of(pool)->original->ports->cancel(tap_of(pool)->inner, id, fault);
}

static uint64_t ports_references(struct pool *pool)
{
    return tap_of(pool)->original->ports->references(tap_of(pool)->inner);
}

void tap_wrap_ports(struct pool_tap *tap)
{
    tap->port_ops = *tap->original->ports;
    tap->port_ops.load = ports_load;
    tap->port_ops.unload = ports_unload;
    tap->port_ops.open = ports_open;
    tap->port_ops.close = ports_close;
    tap->port_ops.submit = ports_submit;
    tap->port_ops.cancel = ports_cancel;
    tap->port_ops.references = ports_references;
}

void tap_free_ports(struct pool_tap *tap)
{
    while (tap->drivers) {
        struct tapped_driver *driver = tap->drivers;
        tap->drivers = driver->next;
        memory_system.free(&memory_system, driver, sizeof *driver, -1);
    }
    while (tap->ports) {
        struct tapped_port *port = tap->ports;
        tap->ports = port->next;
        memory_system.free(&memory_system, port, sizeof *port, -1);
    }
}
