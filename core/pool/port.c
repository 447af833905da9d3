// SPDX-License-Identifier: Apache-2.0
#include "core/pool/port.h"

#include <errno.h>
#include <stddef.h>

#include "core/machine/memory.h"

_Thread_local char port_thread;

// The port that the calling thread acquired last, and holds.
static _Thread_local struct port *innermost;

void driver_handle_init(struct driver_handle *handle, void (*unload)(struct driver_handle *handle))
{
    at_init(&handle->references, 1);
    handle->unload = unload;
}

void driver_handle_retain(struct driver_handle *handle)
{
    at_add_rlx(&handle->references, 1);
}

void driver_handle_release(struct driver_handle *handle)
{
    if (at_sub_ar(&handle->references, 1, AT(driver_released, driver_released)) == 1)
        handle->unload(handle);
}

struct port_data_lock *port_data_lock_create(struct allocator *allocator)
{
    struct port_data_lock *data_lock = allocator->alloc(allocator, sizeof *data_lock, LINE_PAIR, -1);
    if (!data_lock)
        return NULL;
    lock_init_ranked(&data_lock->lock, LOCK_MUTEX, LOCK_RANK_PORT_DATA, 0);
    at_init(&data_lock->references, 1);
    data_lock->allocator = allocator;
    return data_lock;
}

void port_data_lock_retain(struct port_data_lock *data_lock)
{
    at_add_rlx(&data_lock->references, 1);
}

void port_data_lock_release(struct port_data_lock *data_lock)
{
    if (at_sub_ar(&data_lock->references, 1, AT(data_lock_released, data_lock_released)) != 1)
        return;
    lock_fini(&data_lock->lock);
    data_lock->allocator->free(data_lock->allocator, data_lock, sizeof *data_lock, -1);
}

int port_table_init(struct port_table *table, struct allocator *allocator, unsigned capacity, unsigned kept)
{
    table->allocator = allocator;
    table->capacity = table->unused_count = capacity;
    table->kept = kept;
    table->unused = NULL;
    table->ports = allocator->alloc(allocator, capacity * sizeof *table->ports, LINE_PAIR, -1);
    if (!table->ports)
        return -ENOMEM;
    at_init(&table->references, 0);
    lock_init_ranked(&table->lock, LOCK_MUTEX, LOCK_RANK_PORT_TABLE, 0);
    for (unsigned i = capacity; i-- > 0;) {
        struct port *port = &table->ports[i];
        lock_init_ranked(&port->lock, LOCK_MUTEX, LOCK_RANK_PORT, i);
        at_init(&port->holder, NULL);
        at_init(&port->id, PORT_NONE);
        port->next_unused = table->unused;
        table->unused = port;
    }
    return 0;
}

static void hold(struct port *port, struct lock_node *node)
{
    lock_acquire(&port->lock, node);
    at_store_rlx(&port->holder, thread_token());
    port->outer = innermost;
    innermost = port;
}

void port_release(struct port *port, struct lock_node *node)
{
    struct port **at = &innermost;
    while (*at != port) // not always the last one acquired
        at = &(*at)->outer;
    *at = port->outer;
    at_store_rlx(&port->holder, NULL);
    lock_release(&port->lock, node);
}

// Number in the low half, from 1, so that no id is PORT_NONE; generation in the high half.
static struct port *slot(struct port_table *table, uint64_t id)
{
    const uint32_t number = (uint32_t)id;
    return number >= 1 && number <= table->capacity ? &table->ports[number - 1] : NULL;
}

static struct port *take_slot(struct port_table *table, bool has_places)
{
    struct lock_node node;
    struct port *port = NULL;
    lock_acquire(&table->lock, &node);
    if (table->unused_count > (has_places ? 0 : table->kept)) {
        port = table->unused;
        table->unused = port->next_unused;
        table->unused_count--;
        table->kept -= has_places && table->kept > 0;
    }
    lock_release(&table->lock, &node);
    return port;
}

static void give_slot(struct port_table *table, struct port *port, bool has_places)
{
    struct lock_node node;
    lock_acquire(&table->lock, &node);
    port->next_unused = table->unused;
    table->unused = port;
    table->unused_count++;
    table->kept += has_places;
    lock_release(&table->lock, &node);
}

int port_open(struct port_table *table, const struct driver *driver, void *driver_data,
              struct port_data_lock *data_lock, uint64_t *id)
{
    struct lock_node node;
    struct port *port = take_slot(table, driver->has_places);
    if (!port)
        return -ENFILE;

    hold(port, &node);
    port->state = PORT_OPEN;
    port->output_bytes = 0;
    port->callbacks = 0;
    port->driver = driver;
    port->driver_data = driver_data;
    port->data_lock = data_lock;
    if (driver->handle) {
        driver_handle_retain(driver->handle);
        port_table_reference(table);
    }
    if (data_lock) {
        port_data_lock_retain(data_lock);
        port_table_reference(table);
    }
    port->generation++;
    *id = port_id(table, port);
    at_store_rlx(&port->id, *id);
    port_release(port, &node);
    return 0;
}

uint64_t port_id(const struct port_table *table, const struct port *port)
{
    return (uint64_t)port->generation << 32 | (uint64_t)(port - table->ports + 1);
}

struct port *port_acquire(struct port_table *table, uint64_t id, struct lock_node *node)
{
    struct port *port = slot(table, id);
    if (!port)
        return NULL;
    hold(port, node);
    if (at_load_rlx(&port->id) == id)
        return port;
    port_release(port, node);
    return NULL;
}

int port_held(struct port_table *table, uint64_t id, struct port **port)
{
    *port = slot(table, id);
    if (!*port || at_load_rlx(&(*port)->id) != id)
        return -EINVAL;
    return at_load_rlx(&(*port)->holder) == thread_token() ? 0 : -EPERM;
}

bool port_holds_any(const struct port_table *table)
{
    return innermost >= table->ports && innermost < table->ports + table->capacity;
}

int port_turn_to(struct port_table *table, uint64_t id, struct lock_node *node, struct port **port, bool *inner)
{
    *port = slot(table, id);
    if (!*port)
        return -EINVAL;
    *inner = at_load_rlx(&(*port)->holder) == thread_token();
    if (!*inner) {
        if (port_holds_any(table) && *port < innermost)
            return -EDEADLK;
        hold(*port, node);
    }
    if (at_load_rlx(&(*port)->id) == id)
        return 0;
    if (!*inner)
        port_release(*port, node);
    return -EINVAL;
}

static void terminate(struct port_table *table, struct port *port)
{
    const bool has_places = port->driver->has_places; // read before the driver may be gone
    at_store_rlx(&port->id, PORT_NONE);
    port->state = PORT_DEAD;
    if (port->driver->stop)
        port->driver->stop(port);
    if (port->data_lock) {
        port_data_lock_release(port->data_lock);
        port_table_unreference(table);
    }
    if (port->driver->handle) {
        driver_handle_release(port->driver->handle);
        port_table_unreference(table);
    }
    port->data_lock = NULL;
    port->driver = NULL;
    give_slot(table, port, has_places);
}

void port_close(struct port_table *table, struct port *port)
{
    if (port->state == PORT_DEAD)
        return;
    port->state = PORT_CLOSING;
    if (port->output_bytes == 0 && port->callbacks == 0)
        terminate(table, port);
}

void port_end(struct port_table *table, struct port *port)
{
    if (port->output_bytes == 0)
        terminate(table, port);
}

bool port_ready(struct port_table *table, struct port *port, const struct job *job)
{
    const bool called = port->driver->ready_async != NULL;
    port_enter(port);
    if (called)
        port->driver->ready_async(port, job);
    port_leave(table, port);
    return called;
}

void port_table_fini(struct port_table *table)
{
    for (unsigned i = 0; i < table->capacity; i++) {
        struct lock_node node;
        struct port *port = &table->ports[i];
        hold(port, &node);
        if (port->state != PORT_DEAD)
            terminate(table, port);
        port_release(port, &node);
        lock_fini(&port->lock);
    }
    lock_fini(&table->lock);
    table->allocator->free(table->allocator, table->ports, table->capacity * sizeof *table->ports, -1);
}
