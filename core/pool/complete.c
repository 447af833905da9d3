// SPDX-License-Identifier: Apache-2.0
#include "core/pool/complete.h"

#include "core/measure/accounting.h"
#include "core/pool/pool.h"
#include "core/pool/port.h"
#include "core/pool/submit.h"

static void drop_references(struct pool *pool, struct job *job)
{
    if (job->data_lock) {
        port_data_lock_release(job->data_lock);
        port_table_unreference(&pool->ports);
    }
    if (job->driver) {
        driver_handle_release(job->driver);
        port_table_unreference(&pool->ports);
    }
}

void job_drop(struct pool *pool, struct job *job)
{
    drop_references(pool, job);
    pool_free_job(pool, job);
}

// The references go last, when the port has been let go: the port's death must not be the end of its lock or driver.
static void complete_in_port(struct pool *pool, struct job *job, struct account *account)
{
    struct lock_node node;
    struct port *port = port_acquire(&pool->ports, job->call.port, &node);
    if (port)
        port_enter(port);
    const bool done = port && port_ready(&pool->ports, port, job);
    if (!done && job->call.free) {
        account_enter(account, ACCOUNT_PORT);
        job->call.free(job->call.data);
        account_enter(account, ACCOUNT_READY);
    }
    if (port) {
        port_leave(&pool->ports, port);
        port_release(port, &node);
    }
    drop_references(pool, job);
}

void job_complete(struct pool *pool, struct job *job, struct submitter *home, struct account *account)
{
    const enum account_state before = account_enter(account, ACCOUNT_READY);
    if (job->call.port == PORT_BARE)
        job->call.ready(job->call.data);
    else
        complete_in_port(pool, job, account);
    if (home)
        submitter_recycle(home, job);
    else
        pool_free_job(pool, job);
    account_enter(account, before);
}
