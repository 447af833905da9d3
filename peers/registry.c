// SPDX-License-Identifier: Apache-2.0
// The pools that there are: our own, then those of list.def.
#include "core/pool.h"
#include "readyq_have.h"

extern const struct pool_ops erts_pool_ops;

#define BUILT_0(ops)
#define BUILT_1(ops) extern const struct pool_ops ops;
#define BUILT_(have, ops) BUILT_##have(ops)
#define BUILT(have, ops) BUILT_(have, ops)
#define POOL_ALIAS(alias, pool, params, jobs, home)
#define POOL_IF(package, name, file) BUILT(READYQ_HAVE_##name, name##_pool_ops)
#include "peers/list.def"
#undef POOL_ALIAS
#undef POOL_IF

#define ADDRESS_0(ops) NULL
#define ADDRESS_1(ops) &ops
#define ADDRESS_(have, ops) ADDRESS_##have(ops)
#define ADDRESS(have, ops) ADDRESS_(have, ops)
#define POOL_ALIAS(alias, pool, params, jobs, home) \
    {.name = #alias,                                \
     .ops = &pool##_pool_ops,                       \
     .alias_of = #pool,                             \
     .presets = params,                             \
     .job_queue = jobs,                             \
     .ready_queue = home},
#define POOL_IF(library, peer, file)                      \
    {.name = #peer,                                       \
     .package = library,                                  \
     .ops = ADDRESS(READYQ_HAVE_##peer, peer##_pool_ops), \
     .version = READYQ_VERSION_##peer},

const struct pool_entry pool_list[] = {
    {.name = "erts", .ops = &erts_pool_ops},
#include "peers/list.def"
    {.name = NULL},
};
