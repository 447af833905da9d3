// SPDX-License-Identifier: Apache-2.0
// A bounded ring of blocks: many producers, many consumers, who meet only where they are in the same block.
//
// Source: J. Wang, D. Behrens, M. Fu, L. Oberhauser, J. Oberhauser, J. Lei, G. Chen, H. Haertig, H. Chen, "BBQ: A
// Block-based Bounded Queue for Exchanging Data and Profiling", USENIX ATC 2022; the mode that keeps all items
// (retry-new), with items of one word. What differs: EMPTY is exact. The original also calls a queue empty if all
// that was committed in the block of the consumers is taken, though an enqueue that has not finished in there may be
// followed by finished ones in the next block; here that is QUEUE_RETRY.
//
// May run at once (-) or must be kept apart by the caller (X); init and fini exclude everything:
//
//                                                       enqueue   dequeue   others
//     enqueue                                              -         -         -
//     dequeue                                              -         -         -
//     attach, detach, statistics                           -         -         -
//
// Progress: no operation waits for another, but an enqueue that stops before it commits makes every dequeue in its
// block answer QUEUE_RETRY, and a dequeue that stops before it is done keeps its block from being filled again. So
// enqueue and dequeue count as blocking.
//
// Four cursors to a block, each a lap and a count of entries: `allocated` to enqueues, `committed` by them,
// `reserved` by dequeues, `consumed` by them. Count before count: consumed <= reserved <= committed <= allocated, where
// `allocated` overshoots the size of the block by at most one a producer. Block b, counted without end, uses slot
// b mod n in lap b / n. Enqueue takes its place by adding to `allocated`; dequeue by a compare-and-swap of `reserved`.
// The slot of the next block is opened to enqueues when all that was in it a lap ago is consumed, and to dequeues
// when it has been opened to enqueues. A cursor only grows, its lap being its upper part, so that who opens a block a
// second time changes nothing, and who comes late to an old block sees that from the lap.
//
// Commits are counted, not ordered: entries below `committed` are all there only if nobody is at work in the block,
// that is if `allocated`, read after it, is the same; or if the block is full.
//
// Why EMPTY is exact. In the block of the consumers, not all of which is reserved: `reserved`, then `committed`, then
// `allocated` were read and found equal (or the block not yet opened to enqueues); as they are in that order at any
// time, they were equal at the last look, and no block behind this one is opened before this one is full. When all of
// it is reserved: at the look at `committed` of the next block, that one was not open.
//
// Why FULL is not exact. It means that the next slot still holds items of a lap ago that nobody has begun to take:
// between n - 1 blocks and one item, and n blocks. A dequeue in flight there makes it QUEUE_RETRY.
//
// Why no wake is lost: what commits and what frees are seq_cst, and so are the looks at them.
#include <errno.h>

#include "core/queue.h"
#include "core/sync/atomic.h"

// A cursor: the lap, and in the lower bits the count. With the smallest queue that there is, of two items, laps last
// for two months at ten million items a second.
#define BBQ_COUNT_BITS 20u
#define BBQ_COUNT(cursor) ((cursor) & ((UINT64_C(1) << BBQ_COUNT_BITS) - 1))
#define BBQ_LAP(cursor) ((cursor) >> BBQ_COUNT_BITS)
#define BBQ_CURSOR(lap, count) ((lap) << BBQ_COUNT_BITS | (count))
#define BBQ_BLOCK_MOST (UINT64_C(1) << (BBQ_COUNT_BITS - 1))

struct bbq_config {
    uint64_t capacity;
    uint64_t blocks;
};

struct bbq_block {
    _Atomic uint64_t allocated ALIGNED_LINE;
    _Atomic uint64_t committed;
    _Atomic uint64_t reserved ALIGNED_LINE;
    _Atomic uint64_t consumed;
};

struct bbq {
    _Atomic uint64_t tail ALIGNED_LINE; // number of the block to enqueue in
    _Atomic uint64_t head ALIGNED_LINE; // number of the block to dequeue from
    struct bbq_block *blocks ALIGNED_LINE;
    uintptr_t *entries;   // of all blocks
    uint64_t size;        // of a block, a power of two
    unsigned blocks_log;  // of the number of blocks
    unsigned size_log;    //
    uint64_t blocks_mask; // number of blocks - 1
    const struct queue_env *env;
};

static unsigned bbq_log(uint64_t least)
{
    unsigned log = 0;
    while (UINT64_C(1) << log < least)
        log++;
    return log;
}

// Logarithms of the number of blocks and of the size of each.
static void bbq_shape(const struct bbq_config *config, unsigned *blocks_log, unsigned *size_log)
{
    const unsigned capacity_log = bbq_log(config->capacity < 2 ? 2 : config->capacity);
    *blocks_log = bbq_log(config->blocks);
    if (*blocks_log > capacity_log)
        *blocks_log = capacity_log;
    *size_log = capacity_log - *blocks_log;
    if (*size_log > BBQ_COUNT_BITS - 1) {
        *blocks_log += *size_log - (BBQ_COUNT_BITS - 1);
        *size_log = BBQ_COUNT_BITS - 1;
    }
}

static void bbq_resolve(const void *config, struct queue_traits *traits)
{
    unsigned blocks_log, size_log;
    bbq_shape(config, &blocks_log, &size_log);
    traits->capacity = UINT64_C(1) << (blocks_log + size_log);
    traits->full_exact = size_log == 0;
}

static size_t bbq_blocks_size(const struct bbq *q)
{
    return (q->blocks_mask + 1) * sizeof *q->blocks;
}

static size_t bbq_entries_size(const struct bbq *q)
{
    return (q->blocks_mask + 1) * q->size * sizeof *q->entries;
}

static void bbq_fini(void *queue)
{
    struct bbq *q = queue;
    if (q->blocks)
        q->env->free(q->env->context, q->blocks, bbq_blocks_size(q), q->env->node);
    if (q->entries)
        q->env->free(q->env->context, q->entries, bbq_entries_size(q), q->env->node);
}

// Blocks are numbered so that the first one is in lap 1; the others are as if used up in lap 0.
static int bbq_init(void *queue, const struct queue_env *env, const void *config)
{
    struct bbq *q = queue;
    bbq_shape(config, &q->blocks_log, &q->size_log);
    q->env = env;
    q->size = UINT64_C(1) << q->size_log;
    q->blocks_mask = (UINT64_C(1) << q->blocks_log) - 1;
    q->blocks = env->alloc(env->context, bbq_blocks_size(q), LINE_PAIR, env->node);
    q->entries = env->alloc(env->context, bbq_entries_size(q), LINE_PAIR, env->node);
    if (!q->blocks || !q->entries) {
        bbq_fini(q);
        return -ENOMEM;
    }
    for (uint64_t i = 0; i <= q->blocks_mask; i++) {
        const uint64_t cursor = i == 0 ? BBQ_CURSOR(UINT64_C(1), 0) : q->size;
        at_init(&q->blocks[i].allocated, cursor);
        at_init(&q->blocks[i].committed, cursor);
        at_init(&q->blocks[i].reserved, cursor);
        at_init(&q->blocks[i].consumed, cursor);
    }
    at_init(&q->tail, q->blocks_mask + 1);
    at_init(&q->head, q->blocks_mask + 1);
    return 0;
}

static int bbq_attach(void *queue, void *handle, enum queue_role role, enum queue_thread_kind kind)
{
    (void)queue;
    (void)handle;
    (void)role;
    (void)kind;
    return 0;
}

static void bbq_detach(void *queue, void *handle)
{
    (void)queue;
    (void)handle;
}

// Opens the block behind block `number`, which is all allocated. QUEUE_OK, FULL or RETRY.
static int bbq_open_tail(struct bbq *q, uint64_t number)
{
    const uint64_t next = number + 1, lap = next >> q->blocks_log, start = BBQ_CURSOR(lap, 0);
    struct bbq_block *block = &q->blocks[next & q->blocks_mask];
    const uint64_t consumed = at_load_sc(&block->consumed, AT(bbq_all_consumed, bbq_consume));
    if (consumed < BBQ_CURSOR(lap - 1, q->size)) {
        const uint64_t reserved = at_load_sc(&block->reserved, AT(bbq_any_reserved, bbq_reserve));
        return reserved == consumed ? QUEUE_FULL : QUEUE_RETRY;
    }
    uint64_t at = at_load_rlx(&block->committed);
    while (at < start && !at_cas_sc(&block->committed, &at, start, AT(bbq_open_committed, bbq_look, bbq_next_open))) {}
    at = at_load_rlx(&block->allocated);
    while (at < start && !at_cas_sc(&block->allocated, &at, start, AT(bbq_open_allocated, bbq_allocate, bbq_inside))) {}
    at = number;
    at_cas_ar(&q->tail, &at, next, AT(bbq_move_tail, bbq_tail));
    return QUEUE_OK;
}

static int bbq_enqueue(void *queue, void *handle, uintptr_t item)
{
    (void)handle;
    struct bbq *q = queue;
    for (;;) {
        const uint64_t number = at_load_acq(&q->tail, AT(bbq_tail, bbq_move_tail));
        const uint64_t slot = number & q->blocks_mask;
        struct bbq_block *block = &q->blocks[slot];
        if (BBQ_COUNT(at_load_rlx(&block->allocated)) < q->size) {
            const uint64_t entry =
                BBQ_COUNT(at_add_sc(&block->allocated, 1, AT(bbq_allocate, bbq_open_allocated, bbq_inside)));
            if (entry < q->size) {
                PLAIN(q->entries[slot << q->size_log | entry]) = item;
                at_add_sc(&block->committed, 1, AT(bbq_commit, bbq_look));
                return QUEUE_OK;
            }
        }
        const int opened = bbq_open_tail(q, number);
        if (opened != QUEUE_OK)
            return opened;
    }
}

// Goes to the block behind block `number`, which is all reserved. QUEUE_OK or EMPTY.
static int bbq_open_head(struct bbq *q, uint64_t number)
{
    const uint64_t next = number + 1, lap = next >> q->blocks_log, start = BBQ_CURSOR(lap, 0);
    struct bbq_block *block = &q->blocks[next & q->blocks_mask];
    if (at_load_sc(&block->committed, AT(bbq_next_open, bbq_open_committed)) < start)
        return QUEUE_EMPTY;
    uint64_t at = at_load_rlx(&block->consumed);
    while (at < start && !at_cas_sc(&block->consumed, &at, start, AT(bbq_open_consumed, bbq_consume))) {}
    at = at_load_rlx(&block->reserved);
    while (at < start && !at_cas_sc(&block->reserved, &at, start, AT(bbq_open_reserved, bbq_reserved))) {}
    at = number;
    at_cas_ar(&q->head, &at, next, AT(bbq_move_head, bbq_head));
    return QUEUE_OK;
}

static int bbq_dequeue(void *queue, void *handle, uintptr_t *item)
{
    (void)handle;
    struct bbq *q = queue;
    for (;;) {
        const uint64_t number = at_load_acq(&q->head, AT(bbq_head, bbq_move_head));
        const uint64_t slot = number & q->blocks_mask, lap = number >> q->blocks_log;
        struct bbq_block *block = &q->blocks[slot];
        uint64_t reserved = at_load_sc(&block->reserved, AT(bbq_reserved, bbq_reserve, bbq_open_reserved));
        if (BBQ_LAP(reserved) != lap)
            continue;
        if (BBQ_COUNT(reserved) == q->size) {
            if (bbq_open_head(q, number) == QUEUE_EMPTY)
                return QUEUE_EMPTY;
            continue;
        }
        const uint64_t committed = at_load_sc(&block->committed, AT(bbq_look, bbq_commit, bbq_open_committed));
        if (BBQ_LAP(committed) != lap)
            continue;
        if (BBQ_COUNT(committed) != q->size) {
            const bool quiet =
                at_load_sc(&block->allocated, AT(bbq_inside, bbq_allocate, bbq_open_allocated)) <= committed;
            if (!quiet || reserved == committed)
                return quiet ? QUEUE_EMPTY : QUEUE_RETRY;
        }
        if (at_cas_sc(&block->reserved, &reserved, reserved + 1, AT(bbq_reserve, bbq_reserved, bbq_any_reserved))) {
            *item = PLAIN(q->entries[slot << q->size_log | BBQ_COUNT(reserved)]);
            at_add_sc(&block->consumed, 1, AT(bbq_consume, bbq_all_consumed, bbq_open_consumed));
            return QUEUE_OK;
        }
    }
}

static void bbq_statistics(void *queue, struct queue_statistics *statistics)
{
    const struct bbq *q = queue;
    statistics->memory_bytes = bbq_blocks_size(q) + bbq_entries_size(q);
}

static const struct param bbq_params[] = {
    PARAM_U64(struct bbq_config, capacity, "1024", 1, UINT64_C(1) << 32, "items",
              "items that fit at most; rounded up to a power of two, at least 2"),
    PARAM_U64(struct bbq_config, blocks, "8", 2, UINT64_C(1) << 20, "blocks",
              "blocks that it is split into; rounded up to a power of two, at most one an item"),
    PARAM_END,
};

#define QUEUE_LOOPS_NAME bbq_loops
#define QUEUE_LOOPS_ENQUEUE bbq_enqueue
#define QUEUE_LOOPS_DEQUEUE bbq_dequeue
#include "core/queue_loops.h"

const struct queue_ops bbq_queue_ops = {
    .abi_version = QUEUE_ABI_VERSION,
    .name = "bbq",
    .summary = "a bounded ring of blocks, where producers and consumers meet only in the same block",
    .source = "Wang et al., BBQ, USENIX ATC 2022",
    .traits = {.producers = QUEUE_MANY,
               .consumers = QUEUE_MANY,
               .capacity = 1024,
               .order = QUEUE_ORDER_FIFO,
               .enqueue = QUEUE_BLOCKING,
               .dequeue = QUEUE_BLOCKING,
               .empty_exact = true,
               .reclamation = "none needed"},
    .params = bbq_params,
    .config_size = sizeof(struct bbq_config),
    .size = sizeof(struct bbq),
    .align = _Alignof(struct bbq),
    .handle_align = 1,
    .resolve = bbq_resolve,
    .init = bbq_init,
    .fini = bbq_fini,
    .attach = bbq_attach,
    .detach = bbq_detach,
    .enqueue = bbq_enqueue,
    .dequeue = bbq_dequeue,
    .statistics = bbq_statistics,
    .loops = &bbq_loops,
};
