// SPDX-License-Identifier: Apache-2.0
// When a node that was unlinked from a lock-free structure may be freed. The scheme is a parameter, so that the same
// algorithm can be measured under each:
//
//   hazard  a thread announces each node before it touches it, and a node is freed when nobody announces it. Bounded:
//           a thread that stands still holds back RECLAIM_HAZARDS nodes. So does one that is idle: it goes on
//           announcing what it touched last, so that who finds the same node again (a long segment) has nothing to
//           announce.
//   epoch   a thread announces that it is inside, and a node is freed when all who were inside when it was unlinked
//           have left. Cheaper for long walks; one thread that stands still inside holds everything back.
//   leak    nothing is freed before the queue is. What a published number without reclamation would have been.
//
// Use, in every operation: reclaim_enter; RECLAIM_PROTECT whenever a shared pointer is followed; reclaim_retire what
// was unlinked; reclaim_leave. An operation must not keep a pointer beyond reclaim_leave.
//
// Sources: M. Michael, "Hazard Pointers: Safe Memory Reclamation for Lock-Free Objects", IEEE TPDS 15(6), 2004,
// section 3; K. Fraser, "Practical lock-freedom", PhD thesis, Cambridge 2004, section 5.2.3 (epochs).
#ifndef READYQ_RECLAIM_H
#define READYQ_RECLAIM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/queue.h"
#include "core/sync/atomic.h"

// Pointers that one thread may hold at once.
#define RECLAIM_HAZARDS 3u

enum reclaim_kind { RECLAIM_HAZARD, RECLAIM_EPOCH, RECLAIM_LEAK };

// In the order of enum reclaim_kind, NULL-terminated: names, fit for PARAM_CHOICE, and what the trait says of each.
extern const char *const reclaim_names[];
extern const char *const reclaim_traits[];

// What a node begins with, unused until the node is retired. It is room of its own: the rest of a retired node may
// still be read, or be the target of a compare-and-swap that must fail, by others who protect it.
struct reclaim_node {
    struct reclaim_node *next;
    uint64_t epoch;
};

// One handle's part. Memory of the struct reclaim, lent from attach to detach.
struct reclaim_record {
    _Atomic(void *) hazards[RECLAIM_HAZARDS];
    _Atomic uint64_t announced; // epoch found on entering, shifted left by one, plus one while inside; 0: outside
    void **table;               // hazard: of 1 << table_bits places, for its holder's looks; NULL before the first
    struct reclaim_node *first; // retired by this record's holders, oldest first
    struct reclaim_node **end;
    uint64_t look_at;         // `waiting` at which there is a look for what can be freed
    _Atomic uint64_t waiting; // retired and not freed
    _Atomic uint64_t freed;   // so far
    _Atomic uint32_t taken;   // 1: lent
    enum reclaim_kind kind;
    struct reclaim *all;
} ALIGNED_LINE;

struct reclaim {
    _Atomic uint64_t epoch ALIGNED_LINE;
    enum reclaim_kind kind ALIGNED_LINE;
    unsigned count; // of records: as many as there may be handles
    struct reclaim_record *records;
    unsigned table_bits; // of a record's table
    uint64_t pause;      // nodes that a record retires between two looks
    const struct queue_env *env;
    void (*give)(void *owner, struct reclaim_node *node);
    void *owner;
};

// Room for as many handles as `env` announces. `give(owner, node)` frees a node: called by any thread that retires, and
// in fini. 0 or -ENOMEM.
int reclaim_init(struct reclaim *reclaim, enum reclaim_kind kind, const struct queue_env *env,
                 void (*give)(void *owner, struct reclaim_node *node), void *owner);

// Says, before the first attach, that a node stands for `items` items, as a segment does; 1 otherwise. So there is a
// look after fewer nodes, and less memory waits; it costs O(1) for each item still.
void reclaim_expect(struct reclaim *reclaim, uint64_t items);

// Frees all that was retired. Nobody is attached.
void reclaim_fini(struct reclaim *reclaim);

// A record for the calling thread's handle; NULL: more handles than announced. Any thread.
struct reclaim_record *reclaim_attach(struct reclaim *reclaim);
// What it retired stays, and is freed by whoever takes the record next, or in fini.
void reclaim_detach(struct reclaim_record *record);

// Frees `node` when nobody can hold it any more. It was unlinked (seq_cst): who starts now can't reach it. In an
// operation of the record's holder.
void reclaim_retire(struct reclaim_record *record, struct reclaim_node *node);

// Nodes that were freed, and that wait to be; exact when no thread is in any operation.
void reclaim_count(struct reclaim *reclaim, uint64_t *freed, uint64_t *waiting);

static inline void reclaim_enter(struct reclaim_record *record)
{
    if (record->kind == RECLAIM_EPOCH)
        at_store_sc(&record->announced, at_load_sc(&record->all->epoch, AT(reclaim_look, reclaim_advance)) << 1 | 1,
                    AT(reclaim_enter, reclaim_survey));
}

static inline void reclaim_leave(struct reclaim_record *record)
{
    if (record->kind == RECLAIM_EPOCH)
        at_store_rel(&record->announced, 0, AT(reclaim_leave, reclaim_survey));
}

// Announces `pointer` in place `slot`. True: the caller must read the shared pointer again, seq_cst, and may use it if
// it is the same still. False: nothing needs to be read again.
static inline bool reclaim_announce(struct reclaim_record *record, unsigned slot, void *pointer)
{
    if (record->kind != RECLAIM_HAZARD || !pointer || at_load_rlx(&record->hazards[slot]) == pointer)
        return false;
    at_store_sc(&record->hazards[slot], pointer, AT(reclaim_announce, reclaim_scan));
    return true;
}

// Announces, in place `slot`, a node that the caller is about to link and nobody else knows. No store-load pair and so
// cheaper: who unlinks it has read the link, which this precedes.
static inline void reclaim_announce_own(struct reclaim_record *record, unsigned slot, void *pointer)
{
    if (record->kind == RECLAIM_HAZARD)
        at_store_rel(&record->hazards[slot], pointer, AT(reclaim_announce_own, reclaim_scan));
}

// The value of the expression `load` (of pointer type; a seq_cst load of the place where the node is linked), protected
// in place `slot` until it is used for another or reclaim_leave. `load` is evaluated more than once.
#define RECLAIM_PROTECT(record, slot, load)                                  \
    ({                                                                       \
        __auto_type reclaim_found_ = (load);                                 \
        while (reclaim_announce((record), (slot), (void *)reclaim_found_)) { \
            __auto_type reclaim_again_ = (load);                             \
            if (reclaim_again_ == reclaim_found_)                            \
                break;                                                       \
            reclaim_found_ = reclaim_again_;                                 \
        }                                                                    \
        reclaim_found_;                                                      \
    })

#endif
