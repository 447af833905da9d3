// SPDX-License-Identifier: Apache-2.0
// The optional part of the pool contract: pools whose jobs belong to ports of drivers, as those of Erlang's runtime.
// Included by core/pool.h; a workload that needs ports is refused on a pool whose ops have none.
//
// A job is submitted for a port. It ends in exactly one of the driver's `ready` and the job's own `free`: the
// latter where the port has died meanwhile, or the driver has no `ready`.
#ifndef READYQ_POOL_PORTS_H
#define READYQ_POOL_PORTS_H

#include <stdbool.h>
#include <stdint.h>

#include "core/fault.h"

#ifdef __cplusplus
extern "C" {
#endif

struct pool;
struct pool_driver; // each pool's own

// What a driver does; outlives the driver. All but `name` may be NULL.
struct pool_driver_ops {
    const char *name;
    void (*ready)(uint64_t port, void *port_data, void *job_data); // a job came home; the port's lock is held
    void (*stop)(uint64_t port, void *port_data);                  // the port dies; its lock is held
    // The last port and the last job have let go; by whoever was last, perhaps with a dying port's lock held.
    void (*unload)(void *driver_data);
};

// What a job for a port is made of.
struct pool_port_job {
    uint64_t port;
    void (*invoke)(void *data);
    void (*free)(void *data); // NULL: nothing to free
    void *data;
};

// All functions may be called from any thread, except where a thread number says whose call it is. A callback holds its
// port's lock: it may submit for this port and close it; opening another, or turning to one where two threads could
// come to wait for each other, is refused with -EDEADLK. That goes for pool_ops.submit too.
struct pool_port_ops {
    // A loaded driver with one reference, the caller's; NULL: no memory.
    struct pool_driver *(*load)(struct pool *pool, const struct pool_driver_ops *ops, void *driver_data);
    // Gives the caller's reference back.
    void (*unload)(struct pool *pool, struct pool_driver *driver);

    // A new port, with a port-data lock of its own if `data_lock`. 0, -ENFILE (pool_setup.ports are open) or -ENOMEM.
    int (*open)(struct pool *pool, struct pool_driver *driver, void *port_data, bool data_lock, uint64_t *port);
    // The port dies: at once, or with `output_left` when it is closed once more without. Also from its own callbacks.
    // 0, or -EINVAL: there is no such port.
    int (*close)(struct pool *pool, uint64_t port, bool output_left);

    // As pool_ops.submit, for a port that stays locked meanwhile. Also -EINVAL (no such port).
    long (*submit)(struct pool *pool, unsigned thread, const struct pool_port_job *job, unsigned *key);

    // A key that spreads ports over the workers; 0 for no port.
    unsigned (*key)(uint64_t port);

    // Jobs can't be cancelled once submitted: always refuses, and says why. The originals' 2013 version had the call.
    int (*cancel)(struct pool *pool, long id, struct fault *fault);

    // References that ports and jobs hold at this moment to all drivers and port-data locks together.
    uint64_t (*references)(struct pool *pool);
};

#ifdef __cplusplus
}
#endif

#endif
