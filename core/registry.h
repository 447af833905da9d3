// SPDX-License-Identifier: Apache-2.0
// Finds plug-ins by name and validates them. Every fault is one sentence.
#ifndef READYQ_REGISTRY_H
#define READYQ_REGISTRY_H

#include "core/fault.h"
#include "core/pool.h"
#include "core/queue.h"
#include "core/workload.h"

// The entry named `name`, for a queue also the one in a shared object at that path (core/run/plugin.h); NULL and a
// sentence ("... known names are ...", or which package is missing).
const struct queue_entry *registry_queue(const char *name, struct fault *fault);
const struct pool_entry *registry_pool(const char *name, struct fault *fault);
const struct workload_ops *registry_workload(const char *name, struct fault *fault);

// Holds one plug-in against its contract: version, required functions, functions that only come together,
// parameters whose default or range is wrong, traits that contradict each other.
// 0, or -EINVAL and one sentence that names the plug-in and the member.
int registry_check_queue(const struct queue_ops *ops, struct fault *fault);
int registry_check_pool(const struct pool_ops *ops, struct fault *fault);
int registry_check_workload(const struct workload_ops *ops, struct fault *fault);

// A table of parameters that fill a struct of `config_size` bytes; `owner` begins the sentence.
int registry_check_params(const char *owner, const struct param *params, size_t config_size, struct fault *fault);

// Every plug-in of a list, that no name comes twice, that each is listed under the name it gives itself, and that an
// alias names a queue before it and presets which this queue can read.
int registry_check_queues(const struct queue_entry *list, struct fault *fault);
int registry_check_pools(const struct pool_entry *list, struct fault *fault);
int registry_check_workloads(const struct workload_ops *const *list, struct fault *fault);

// The lists that this program was built with, and the settings of a run. Called at every start.
int registry_check_all(struct fault *fault);

#endif
