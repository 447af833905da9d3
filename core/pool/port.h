// SPDX-License-Identifier: Apache-2.0
// Ports: what jobs belong to. A job names its port by id, and the id is looked up again when the job has come
// home, since the port may have died meanwhile. A port is used under its lock. A worker never touches one, except
// where completions run on workers.
//
// Ports live in the slots of a table, which stay where they are, so that a look-up, by a thread of any kind, locks the
// slot first and then sees whether the port is still the one meant. (The originals free a port's memory, so that
// their look-up on an async thread must hold thread progress back meanwhile; here there is nothing to hold back.)
// An id is used once: a slot's next port has another.
#ifndef READYQ_POOL_PORT_H
#define READYQ_POOL_PORT_H

#include <stdbool.h>
#include <stdint.h>

#include "core/pool/job.h"
#include "core/sync/atomic.h"
#include "core/sync/lock.h"

struct allocator;
struct port;

// What keeps a driver loaded: its ports and its jobs hold references.
struct driver_handle {
    _Atomic uint64_t references;
    void (*unload)(struct driver_handle *handle); // when the last one is given back
};

struct driver {
    const char *name;
    // Runs under the port's lock when a job has come home, on the thread that completes it; NULL: the
    // job's `free` runs in its place. Both may submit to this port again.
    void (*ready_async)(struct port *port, const struct job *job);
    void (*stop)(struct port *port); // the port dies; its lock is held; may be NULL
    struct driver_handle *handle;    // NULL: linked into the program, never unloaded
    bool has_places;                 // its ports have the places that the table was told to keep
};

// With one reference, the caller's.
void driver_handle_init(struct driver_handle *handle, void (*unload)(struct driver_handle *handle));
void driver_handle_retain(struct driver_handle *handle);
void driver_handle_release(struct driver_handle *handle);

// A lock for data that a port shares with its running jobs, which may outlive the port.
struct port_data_lock {
    struct lock lock; // the users', through lock_acquire and lock_release
    _Atomic uint64_t references;
    struct allocator *allocator;
};

// With one reference, the caller's; NULL: no memory.
struct port_data_lock *port_data_lock_create(struct allocator *allocator);
void port_data_lock_retain(struct port_data_lock *data_lock);
void port_data_lock_release(struct port_data_lock *data_lock);

enum port_state {
    PORT_DEAD,    // an empty slot
    PORT_OPEN,    //
    PORT_CLOSING, // closed by its owner, but with output left; jobs still reach it
};

struct port {
    struct lock lock;
    _Atomic(const void *) holder; // thread_token of who holds the lock
    _Atomic uint64_t id;          // PORT_NONE while dead
    // The rest is used under the lock.
    enum port_state state;
    uint32_t generation;
    unsigned callbacks;    // under way; the port does not die inside them
    uint64_t output_bytes; // not yet written; the driver's to set
    const struct driver *driver;
    void *driver_data;                // the driver's
    struct port_data_lock *data_lock; // a reference, or NULL
    struct port *next_unused;         // under the table's lock
    struct port *outer;               // that its holder held before, or NULL
};

struct port_table {
    struct allocator *allocator;
    struct port *ports;
    unsigned capacity;
    struct lock lock;
    struct port *unused;
    unsigned unused_count, kept; // slots without a port; of those, for drivers that have places
    _Atomic uint64_t references; // of its ports and their jobs, to drivers and data locks
};

// Tells threads apart.
extern _Thread_local char port_thread;
static inline const void *thread_token(void)
{
    return &port_thread;
}

// With `kept` slots for drivers that have places, among `capacity` in all. 0 or -ENOMEM.
int port_table_init(struct port_table *table, struct allocator *allocator, unsigned capacity, unsigned kept);
void port_table_fini(struct port_table *table); // terminates what is left; nobody uses it any more

// A new port; takes references of its own to the driver and the data lock (may be NULL). 0, or -ENFILE when every
// slot is taken. Any thread.
int port_open(struct port_table *table, const struct driver *driver, void *driver_data,
              struct port_data_lock *data_lock, uint64_t *id);

// Looks a port up and locks it; NULL if it is dead. `node` lives until port_release. Any thread.
struct port *port_acquire(struct port_table *table, uint64_t id, struct lock_node *node);
void port_release(struct port *port, struct lock_node *node);

// The port, if the calling thread holds it. 0, -EINVAL (no such port) or -EPERM (not held).
int port_held(struct port_table *table, uint64_t id, struct port **port);

// As port_acquire, from where the calling thread may be in a callback. 0 with *port, which is the callback's own if
// *node is not needed (*inner), or -EINVAL (no such port, be it that it died in the caller's hands), or -EDEADLK: the
// thread holds one that does not come before, so that two threads could wait for each other.
int port_turn_to(struct port_table *table, uint64_t id, struct lock_node *node, struct port **port, bool *inner);

// Whether the calling thread holds any port of the table.
bool port_holds_any(const struct port_table *table);

// The id of a port that is or was just alive.
uint64_t port_id(const struct port_table *table, const struct port *port);

// Count a reference to a driver or a data lock that a job holds. Any thread.
static inline void port_table_reference(struct port_table *table)
{
    at_add_rlx(&table->references, 1);
}
static inline void port_table_unreference(struct port_table *table)
{
    at_sub_rlx(&table->references, 1);
}

// Out of line part of port_leave.
void port_end(struct port_table *table, struct port *port);

// Held. Callbacks for the port run between these two, which may be nested; a port closed meanwhile dies at the last.
static inline void port_enter(struct port *port)
{
    port->callbacks++;
}
static inline void port_leave(struct port_table *table, struct port *port)
{
    if (--port->callbacks == 0 && port->state == PORT_CLOSING)
        port_end(table, port);
}

// Held. The port dies at once, or, closed by a callback or with output left, when it has none after a callback.
void port_close(struct port_table *table, struct port *port);

// Held. Runs the driver's callback for a job that came home, then lets a closing port without output die.
// False: the driver has no callback.
bool port_ready(struct port_table *table, struct port *port, const struct job *job);

#endif
