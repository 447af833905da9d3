// SPDX-License-Identifier: Apache-2.0
// The queues that are broken on purpose, beside all good ones: in place of queues/registry.c for programs that must
// tell the two apart.
#include "core/queue.h"
#include "readyq_have.h"

#define BUILT_0(ops)
#define BUILT_1(ops) extern const struct queue_ops ops;
#define BUILT_(have, ops) BUILT_##have(ops)
#define BUILT(have, ops) BUILT_(have, ops)
#define QUEUE(name, file) extern const struct queue_ops name##_queue_ops;
#define QUEUE_ALIAS(name, queue, params)
#define QUEUE_BROKEN(name, text)
#define QUEUE_IF(package, name, file) BUILT(READYQ_HAVE_##name, name##_queue_ops)
#include "queues/list.def"
#include "tests/broken/list.def"
#undef QUEUE
#undef QUEUE_ALIAS
#undef QUEUE_IF

#define ADDRESS_0(ops) NULL
#define ADDRESS_1(ops) &ops
#define ADDRESS_(have, ops) ADDRESS_##have(ops)
#define ADDRESS(have, ops) ADDRESS_(have, ops)
#define QUEUE(name_, file) {.name = #name_, .presets = "", .ops = &name_##_queue_ops},
#define QUEUE_ALIAS(name_, queue, params) \
    {.name = #name_, .presets = params, .alias_of = #queue, .ops = &queue##_queue_ops},
#define QUEUE_IF(package_, name_, file) \
    {.name = #name_,                    \
     .presets = "",                     \
     .package = package_,               \
     .version = READYQ_VERSION_##name_, \
     .broken = READYQ_BROKEN_##name_,   \
     .ops = ADDRESS(READYQ_HAVE_##name_, name_##_queue_ops)},

const struct queue_entry queue_list[] = {
#include "queues/list.def"
#include "tests/broken/list.def"
    {.name = NULL},
};
