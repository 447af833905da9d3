// SPDX-License-Identifier: Apache-2.0
// Safe memory reclamation of linked structures; see reclaim.h.
//
// Hazard pointers. An announcement (store, then the look whether the node is still linked) and a scan (unlinked, then
// the look who announces) are a Dekker pair, all seq_cst: either the scan sees the announcement, or the second look
// sees that the node is gone. A scan puts what is announced into a hash table of the scanning record's own, so that it
// allocates no more than once and takes time in proportion to records and retired nodes. It follows upon twice as
// many newly retired nodes as can be held back: O(1) for each, however many threads.
//
// Epochs. A thread that enters announces the epoch it found, and the epoch advances when all inside have announced the
// current one. Let E be the epoch when a thread's announcement takes place in the order of all seq_cst accesses (the
// epoch it found may be older, which only holds up more). A survey in epoch E may have passed its record before, so
// the epoch may still become E + 1; but who surveys in E + 1 finds the thread inside, with E at most, and stops. What
// the thread can reach was unlinked later, and is stamped with an epoch read after that: E at least. So what is
// stamped with e may be freed in epoch e + 2.
#include "core/reclaim.h"

#include <errno.h>
#include <string.h>

// Items between two looks, at least.
#define RECLAIM_PAUSE_LEAST 64u

const char *const reclaim_names[] = {"hazard", "epoch", "leak", NULL};
const char *const reclaim_traits[] = {"hazard pointers", "epochs", "none: leaks until it ends", NULL};

static size_t table_size(const struct reclaim *reclaim)
{
    return (size_t)1 << reclaim->table_bits;
}

static size_t table_bytes(const struct reclaim *reclaim)
{
    return table_size(reclaim) * sizeof(void *);
}

static void free_memory(struct reclaim *reclaim)
{
    const struct queue_env *env = reclaim->env;
    for (unsigned i = 0; i < reclaim->count; i++)
        if (reclaim->records[i].table)
            env->free(env->context, reclaim->records[i].table, table_bytes(reclaim), -1);
    env->free(env->context, reclaim->records, reclaim->count * sizeof(struct reclaim_record), -1);
}

int reclaim_init(struct reclaim *reclaim, enum reclaim_kind kind, const struct queue_env *env,
                 void (*give)(void *owner, struct reclaim_node *node), void *owner)
{
    *reclaim = (struct reclaim){
        .kind = kind, .count = env->producers_max + env->consumers_max, .env = env, .give = give, .owner = owner};
    at_init(&reclaim->epoch, 1);
    reclaim->records = env->alloc(env->context, reclaim->count * sizeof(struct reclaim_record), LINE_PAIR, -1);
    if (!reclaim->records)
        return -ENOMEM;
    reclaim->table_bits = 3;
    while (table_size(reclaim) < (size_t)2 * RECLAIM_HAZARDS * reclaim->count)
        reclaim->table_bits++;
    for (unsigned i = 0; i < reclaim->count; i++) {
        struct reclaim_record *record = &reclaim->records[i];
        record->end = &record->first;
        record->kind = kind;
        record->all = reclaim;
    }
    reclaim_expect(reclaim, 1);
    return 0;
}

void reclaim_expect(struct reclaim *reclaim, uint64_t items)
{
    const uint64_t twice = 2u * RECLAIM_HAZARDS * (uint64_t)reclaim->count;
    reclaim->pause = 1 + (twice > RECLAIM_PAUSE_LEAST ? twice : RECLAIM_PAUSE_LEAST) / items;
    for (unsigned i = 0; i < reclaim->count; i++)
        reclaim->records[i].look_at = reclaim->kind == RECLAIM_LEAK ? UINT64_MAX : reclaim->pause;
}

struct reclaim_record *reclaim_attach(struct reclaim *reclaim)
{
    for (unsigned i = 0; i < reclaim->count; i++) {
        uint32_t taken = 0;
        if (at_cas_acq(&reclaim->records[i].taken, &taken, 1, AT(reclaim_take, reclaim_put)))
            return &reclaim->records[i];
    }
    return NULL;
}

void reclaim_detach(struct reclaim_record *record)
{
    for (unsigned i = 0; i < RECLAIM_HAZARDS; i++)
        at_store_rel(&record->hazards[i], NULL, AT(reclaim_drop, reclaim_scan));
    at_store_rel(&record->taken, 0, AT(reclaim_put, reclaim_take));
}

static void give_first(struct reclaim_record *record, struct reclaim_node **at)
{
    struct reclaim_node *node = *at;
    *at = node->next;
    record->all->give(record->all->owner, node);
}

// Where `pointer` is in the table, or belongs.
static void **table_place(const struct reclaim *reclaim, void **table, void *pointer)
{
    const uint64_t hash = ((uint64_t)(uintptr_t)pointer >> 4) * UINT64_C(0x9e3779b97f4a7c15);
    size_t at = hash >> (64 - reclaim->table_bits);
    while (table[at] && table[at] != pointer)
        at = (at + 1) & (table_size(reclaim) - 1);
    return &table[at];
}

static uint64_t free_unannounced(struct reclaim_record *record)
{
    struct reclaim *all = record->all;
    // Made at the first look: of many handles only those that retire need one. Without memory, there will be another.
    if (!record->table)
        record->table = all->env->alloc(all->env->context, table_bytes(all), LINE_PAIR, -1);
    if (!record->table)
        return 0;
    void **table = record->table;
    memset((void *)table, 0, table_bytes(all));
    for (unsigned i = 0; i < all->count * RECLAIM_HAZARDS; i++) {
        void *pointer = at_load_sc(&all->records[i / RECLAIM_HAZARDS].hazards[i % RECLAIM_HAZARDS],
                                   AT(reclaim_scan, reclaim_announce, reclaim_announce_own, reclaim_drop));
        if (pointer)
            *table_place(all, table, pointer) = pointer;
    }
    uint64_t freed = 0;
    struct reclaim_node **at = &record->first;
    while (*at) {
        if (*table_place(all, table, *at)) {
            at = &(*at)->next;
        } else {
            give_first(record, at);
            freed++;
        }
    }
    record->end = at;
    return freed;
}

// The epoch, advanced if nobody inside is left from an earlier one.
static uint64_t advanced_epoch(struct reclaim *reclaim)
{
    uint64_t epoch = at_load_sc(&reclaim->epoch, AT(reclaim_current, reclaim_advance));
    for (unsigned i = 0; i < reclaim->count; i++) {
        const uint64_t announced =
            at_load_sc(&reclaim->records[i].announced, AT(reclaim_survey, reclaim_enter, reclaim_leave));
        if (announced && announced != (epoch << 1 | 1))
            return epoch;
    }
    if (at_cas_sc(&reclaim->epoch, &epoch, epoch + 1,
                  AT(reclaim_advance, reclaim_look, reclaim_current, reclaim_stamp, reclaim_advance)))
        epoch++;
    return epoch;
}

static uint64_t free_outlived(struct reclaim_record *record)
{
    const uint64_t epoch = advanced_epoch(record->all);
    uint64_t freed = 0;
    while (record->first && record->first->epoch + 2 <= epoch) {
        give_first(record, &record->first);
        freed++;
    }
    if (!record->first)
        record->end = &record->first;
    return freed;
}

void reclaim_retire(struct reclaim_record *record, struct reclaim_node *node)
{
    node->next = NULL;
    if (record->kind == RECLAIM_EPOCH)
        node->epoch = at_load_sc(&record->all->epoch, AT(reclaim_stamp, reclaim_advance));
    *record->end = node;
    record->end = &node->next;
    const uint64_t waiting = at_load_rlx(&record->waiting) + 1;
    at_store_rlx(&record->waiting, waiting);
    if (waiting < record->look_at)
        return;
    const uint64_t freed = record->kind == RECLAIM_HAZARD ? free_unannounced(record) : free_outlived(record);
    at_store_rlx(&record->waiting, waiting - freed);
    at_store_rlx(&record->freed, at_load_rlx(&record->freed) + freed);
    record->look_at = waiting - freed + record->all->pause;
}

void reclaim_count(struct reclaim *reclaim, uint64_t *freed, uint64_t *waiting)
{
    *freed = *waiting = 0;
    for (unsigned i = 0; i < reclaim->count; i++) {
        *freed += at_load_rlx(&reclaim->records[i].freed);
        *waiting += at_load_rlx(&reclaim->records[i].waiting);
    }
}

void reclaim_fini(struct reclaim *reclaim)
{
    for (unsigned i = 0; i < reclaim->count; i++)
        while (reclaim->records[i].first)
            give_first(&reclaim->records[i], &reclaim->records[i].first);
    free_memory(reclaim);
}
