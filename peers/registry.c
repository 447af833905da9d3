// SPDX-License-Identifier: Apache-2.0
// The pools that there are: our own, then those of list.def.
#include "core/pool.h"
#include "readyq_have.h"

extern const struct pool_ops erts_pool_ops;

#define BUILT_0(ops)
#define BUILT_1(ops) extern const struct pool_ops ops;
#define BUILT_(have, ops) BUILT_##have(ops)
#define BUILT(have, ops) BUILT_(have, ops)
#define POOL(name, file) extern const struct pool_ops name##_pool_ops;
#define POOL_IF(package, name, file) BUILT(READYQ_HAVE_##name, name##_pool_ops)
#include "peers/list.def"
#undef POOL
#undef POOL_IF

#define ADDRESS_0(ops) NULL
#define ADDRESS_1(ops) &ops
#define ADDRESS_(have, ops) ADDRESS_##have(ops)
#define ADDRESS(have, ops) ADDRESS_(have, ops)
#define POOL(name, file) {#name, NULL, &name##_pool_ops},
#define POOL_IF(package, name, file) {#name, package, ADDRESS(READYQ_HAVE_##name, name##_pool_ops)},

const struct pool_entry pool_list[] = {
    {"erts", NULL, &erts_pool_ops},
#include "peers/list.def"
    {NULL, NULL, NULL},
};
