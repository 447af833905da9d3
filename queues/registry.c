// SPDX-License-Identifier: Apache-2.0
// The queues that there are: list.def, as a table.
#include "core/queue.h"
#include "readyq_have.h"

#define BUILT_0(ops)
#define BUILT_1(ops) extern const struct queue_ops ops;
#define BUILT_(have, ops) BUILT_##have(ops)
#define BUILT(have, ops) BUILT_(have, ops)
#define QUEUE(name, file) extern const struct queue_ops name##_queue_ops;
#define QUEUE_ALIAS(name, queue, params)
#define QUEUE_IF(package, name, file) BUILT(READYQ_HAVE_##name, name##_queue_ops)
#include "queues/list.def"
#undef QUEUE
#undef QUEUE_ALIAS
#undef QUEUE_IF

#define ADDRESS_0(ops) NULL
#define ADDRESS_1(ops) &ops
#define ADDRESS_(have, ops) ADDRESS_##have(ops)
#define ADDRESS(have, ops) ADDRESS_(have, ops)
#define QUEUE(name, file) {#name, "", NULL, NULL, &name##_queue_ops},
#define QUEUE_ALIAS(name, queue, params) {#name, params, #queue, NULL, &queue##_queue_ops},
#define QUEUE_IF(package, name, file) {#name, "", NULL, package, ADDRESS(READYQ_HAVE_##name, name##_queue_ops)},

const struct queue_entry queue_list[] = {
#include "queues/list.def"
    {NULL, NULL, NULL, NULL, NULL},
};
