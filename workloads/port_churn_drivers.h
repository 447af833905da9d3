// SPDX-License-Identifier: Apache-2.0
// How port_churn's owners load and unload drivers, and draw lots. For port_churn.c only.
#pragma once

#include "workloads/port_churn_calls.h"

// Without and with `ready`.
static const struct pool_driver_ops churn_driver_ops[2] = {
    {.name = "mute", .stop = churn_stop, .unload = churn_unload},
    {.name = "churn", .ready = churn_ready, .stop = churn_stop, .unload = churn_unload},
};

// A number below `limit`. The generator is splitmix64 (Steele, Lea, Flood: Fast splittable pseudorandom number
// generators, OOPSLA 2014).
static unsigned draw(struct churn_owner *owner, uint64_t limit)
{
    uint64_t z = owner->random += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return (unsigned)((z ^ z >> 31) % limit);
}

static void load_driver(struct churn_owner *owner, struct churn_driver *driver)
{
    const struct workload_run *run = owner->self->run;
    driver->has_ready = draw(owner, 4) > 0;
    driver->ports_to_come = 1 + draw(owner, 2 * owner->state->config->ports);
    driver->loads++;
    at_store_rlx(&driver->held, 1);
    driver->handle = run->pool_ops->ports->load(run->pool, &churn_driver_ops[driver->has_ready], driver);
    if (driver->handle) {
        owner->drivers_loaded++;
    } else {
        driver->loads--;
        owner->self->failed++;
    }
}

static void unload_driver(struct churn_owner *owner, struct churn_driver *driver)
{
    const struct workload_run *run = owner->self->run;
    struct pool_driver *handle = driver->handle;
    driver->handle = NULL;
    at_sub_rlx(&driver->held, 1);
    run->pool_ops->ports->unload(run->pool, handle);
}

// Loads what is missing, and now and then lets a driver go that has had its share of ports.
static void change_drivers(struct churn_owner *owner)
{
    unsigned loaded = 0;
    for (unsigned d = 0; d < owner->driver_count; d++) {
        struct churn_driver *driver = &owner->drivers[d];
        if (driver->handle && (owner->stopping || (driver->ports_to_come == 0 && draw(owner, 4) == 0)))
            unload_driver(owner, driver);
        loaded += driver->handle != NULL;
    }
    for (unsigned d = 0; d < owner->driver_count && loaded < owner->state->config->drivers && !owner->stopping; d++)
        if (!owner->drivers[d].handle && churn_is_unloaded(&owner->drivers[d])) {
            load_driver(owner, &owner->drivers[d]);
            loaded++;
        }
}

static struct churn_driver *choose_driver(struct churn_owner *owner)
{
    const unsigned from = draw(owner, owner->driver_count);
    for (unsigned i = 0; i < owner->driver_count; i++) {
        struct churn_driver *driver = &owner->drivers[(from + i) % owner->driver_count];
        if (driver->handle)
            return driver;
    }
    return NULL;
}
