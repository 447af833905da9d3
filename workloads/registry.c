// SPDX-License-Identifier: Apache-2.0
// The workloads that there are: list.def, as a table.
#include "core/workload.h"

#define WORKLOAD(name, file) extern const struct workload_ops name##_workload_ops;
#include "workloads/list.def"
#undef WORKLOAD

#define WORKLOAD(name, file) &name##_workload_ops,

const struct workload_ops *const workload_list[] = {
#include "workloads/list.def"
    NULL,
};
