// SPDX-License-Identifier: Apache-2.0
// Many producers, one consumer, unbounded, one fetch-and-add an item: places in a chain of segments, where the word
// that producers add to names the segment and the place in it at once.
//
// Source: our own. That word is as in the LOO queue: O. Giersch and J. Nolte, "Fast and Portable Concurrent FIFO Queues
// With Deterministic Memory Reclamation", IEEE TPDS 33(3), 2022. What differs, since there is but one consumer: nothing
// counts who is inside a segment, because nobody is who could be harmed; a producer that comes too late for a segment
// does not touch it; and who appends one has its own item in it already.
//
// May run at once (-) or must be kept apart by the caller (X); init and fini exclude everything:
//
//                                             enqueue   dequeue   others
//     enqueue, enqueue_batch                     -         -         -
//     dequeue, dequeue_batch                     -         X         -
//     attach, detach, length, statistics         -         -         -
//
// Progress: enqueue is lock-free, one fetch-and-add and one store but for the end of a segment; length is wait-free.
// A dequeue returns after few steps, but answers RETRY while the producer whose turn it is stands still between its
// two, whatever others have enqueued behind it: blocking.
//
//     head.segment -> ... -> the segment in tail.word      slots 0 .. size - 1 each, in order
//
// Enqueue adds 1 to tail.word: high bits, a segment; low bits, the place in it that is now the caller's alone. It
// stores the item there (release). A place from `size` on means that the segment is full. Then somebody takes a new
// one, puts its own item into slot 0, and swings tail.word from (old, any place from `size` on) to (new, 1) by
// compare-and-swap; only who succeeded links old -> new. It falls to who got place `size`, and after a short spin to
// all who wait. A batch adds the number of its items at once, and has as many places, of which some may be behind the
// end. Nobody adds to a word that it saw to be full, so the place exceeds `size` by no more than a batch a thread.
//
// Why no segment is freed under a producer. The consumer leaves a segment when all its slots were written and read, and
// the link too; each was the last access to it by the one thread that had it to make. Who came too late does not look
// into the segment before it has won the compare-and-swap, and then it is the one that makes the link.
//
// Why it does no harm that a segment comes back. A compare-and-swap of tail.word may be meant for (s, k) of long ago:
// s was full, was left, reused, and is full again with the same k. It does the right thing all the same: nothing was
// kept of the past but s and k, and s, full and last, is what the new segment must be linked to.
//
// Why EMPTY is exact, and no wake is lost, although the store that publishes an item is but a release and may become
// visible after enqueue returned. EMPTY is said by tail.word alone: no place behind the last one read had been given
// out when the consumer looked. Fetch-and-add and that look are seq_cst: a consumer that says EMPTY after it cleared
// its flag looked before the add of any item it did not see, and who added then finds the flag cleared. A place given
// out but not written is RETRY, with which nobody sleeps. So there is no fence on either side.
//
// What bounds it is how often lines change hands. Whoever reads what is being written takes the line from under the
// producers, and a look at tail.word is worse. So a consumer that has just caught up lingers for a moment before it
// looks again; one that goes on finding nothing does not. A line is cleared for its next use when the consumer has read
// all of it, and asked for by a producer two lines before its turn. Both help most with
// few producers. With more threads than processors it is no faster than its scheduler lets it be: a producer that
// lost its processor between its two steps stops the consumer, as it does in every queue that links or writes after
// it reserves. Spreading neighbouring places over lines, as rings do against false sharing, made it slower.
#include <errno.h>

#include "core/queue.h"
#include "core/sync/atomic.h"
#include "queues/segment_store.h"

#define SEGMENT_SPINS 64u
#define SEGMENT_SLOTS_PER_LINE 8u
// Lines ahead that a producer asks for.
#define SEGMENT_AHEAD (2 * SEGMENT_SLOTS_PER_LINE)
// Pauses of a consumer that has caught up, for each item that it took before.
#define SEGMENT_PAUSES 4u
// Places that a batch takes at once.
#define SEGMENT_BATCH 64u

struct segment_config {
    uint64_t segment; // slots
    uint64_t linger;
};

struct segment_tail {
    _Atomic uint64_t word;
} ALIGNED_LINE;

struct segment_head {
    struct segment *segment;
    _Atomic uint64_t place;     // to be read next; written by the consumer only
    _Atomic uint64_t exhausted; // segments left behind, likewise
    uint64_t missed;            // items taken when nothing was found last
} ALIGNED_LINE;

struct segment_queue {
    struct segment_tail tail;
    struct segment_head head;
    struct segment_store store;
    _Atomic uint64_t appended;  // segments, without the first; once a segment
    uint64_t size ALIGNED_LINE; // slots of a segment; nothing from here on changes
    uint64_t line;              // slots that are cleared together, minus 1
    uint64_t linger;            // pauses of a consumer that has just caught up
};

struct segment_handle {
    bool wary; // looks before it adds: there was no memory for a segment
};

static int segment_init(void *queue, const struct queue_env *env, const void *config)
{
    struct segment_queue *q = queue;
    q->size = 2;
    while (q->size < ((const struct segment_config *)config)->segment)
        q->size *= 2;
    q->linger = ((const struct segment_config *)config)->linger;
    q->line = (q->size < SEGMENT_SLOTS_PER_LINE ? q->size : SEGMENT_SLOTS_PER_LINE) - 1;
    if (env->producers_max > (SEGMENT_PLACE_MASK - q->size) / SEGMENT_BATCH)
        return -EINVAL;
    segment_store_init(&q->store, env, q->size);
    at_init(&q->appended, 0);
    struct segment *first = segment_take(&q->store);
    if (!first)
        return -ENOMEM;
    q->head.segment = first;
    at_init(&q->head.place, 0);
    at_init(&q->head.exhausted, 0);
    q->head.missed = 0;
    at_init(&q->tail.word, segment_word(first, 0));
    return 0;
}

// The handle's last user may have added to a full word in vain.
static int segment_attach(void *queue, void *handle, enum queue_role role, enum queue_thread_kind kind)
{
    (void)queue;
    (void)role;
    (void)kind;
    ((struct segment_handle *)handle)->wary = true;
    return 0;
}

static void segment_detach(void *queue, void *handle)
{
    (void)queue;
    (void)handle;
}

// The first to write to a line asks for one that nobody writes to yet.
static void segment_put(struct segment_queue *q, struct segment *segment, uint64_t place, uintptr_t item)
{
    at_store_rel(&segment->slots[place], item, AT(segment_put, segment_get));
    if ((place & q->line) == 0 && place + SEGMENT_AHEAD < q->size)
        __builtin_prefetch((const void *)&segment->slots[place + SEGMENT_AHEAD], 1);
}

// Appends a segment that begins with `item`, or finds that it is not needed. `word` was full when it was read.
static int segment_append(struct segment_queue *q, uint64_t word, uintptr_t item)
{
    struct segment *old = segment_of(word), *made = segment_take(&q->store);
    if (!made)
        return -ENOMEM;
    at_store_rlx(&made->slots[0], item);
    while (segment_of(word) == old && segment_place(word) >= q->size) {
        if (!at_cas_sc(&q->tail.word, &word, segment_word(made, 1),
                       AT(segment_append, segment_reserve, segment_reserve_some, segment_look)))
            continue;
        at_add_rlx(&q->appended, 1);
        at_store_rel(&old->next, made, AT(segment_link, segment_follow));
        return QUEUE_OK;
    }
    segment_give(&q->store, made);
    return QUEUE_RETRY;
}

static bool segment_reserve(struct segment_queue *q, uintptr_t item, uint64_t *word)
{
    *word = at_add_sc(&q->tail.word, 1, AT(segment_reserve, segment_append, segment_look));
    if (__builtin_expect(segment_place(*word) >= q->size, 0))
        return false;
    segment_put(q, segment_of(*word), segment_place(*word), item);
    return true;
}

// `word` is full: waits for a moment, unless to append is the caller's part, and finds a place then.
__attribute__((noinline)) static int segment_overflow(struct segment_queue *q, struct segment_handle *h, uint64_t word,
                                                      uintptr_t item)
{
    int result = QUEUE_RETRY;
    while (result == QUEUE_RETRY) {
        struct segment *full = segment_of(word);
        for (unsigned i = segment_place(word) == q->size ? SEGMENT_SPINS : 0; i < SEGMENT_SPINS; i++) {
            if (segment_of(at_load_rlx(&q->tail.word)) != full)
                break;
            cpu_relax();
        }
        word = at_load_rlx(&q->tail.word);
        if (segment_place(word) >= q->size)
            result = segment_append(q, word, item);
        else if (segment_reserve(q, item, &word))
            result = QUEUE_OK;
    }
    h->wary = result != QUEUE_OK;
    return result;
}

static int segment_enqueue(void *queue, void *handle, uintptr_t item)
{
    struct segment_queue *q = queue;
    struct segment_handle *h = handle;
    uint64_t word;
    if (__builtin_expect(h->wary, 0))
        return segment_overflow(q, h, segment_word(NULL, q->size), item);
    if (segment_reserve(q, item, &word))
        return QUEUE_OK;
    return segment_overflow(q, h, word, item);
}

// Takes `count` places at once and fills those that the segment has. Returns how many these were; at fewer, *word is
// the end of the segment, and to append the next is the caller's part if place `size` was among its own.
static unsigned segment_reserve_some(struct segment_queue *q, const uintptr_t *items, unsigned count, uint64_t *word)
{
    *word = at_add_sc(&q->tail.word, count, AT(segment_reserve_some, segment_append, segment_look));
    struct segment *segment = segment_of(*word);
    const uint64_t place = segment_place(*word);
    const uint64_t room = place < q->size ? q->size - place : 0;
    const unsigned fits = room < count ? (unsigned)room : count;
    for (unsigned i = 0; i < fits; i++)
        segment_put(q, segment, place + i, items[i]);
    if (fits < count && place <= q->size)
        *word = segment_word(segment, q->size);
    return fits;
}

static unsigned segment_enqueue_batch(void *queue, void *handle, const uintptr_t *items, unsigned count, int *result)
{
    struct segment_queue *q = queue;
    struct segment_handle *h = handle;
    unsigned done = 0;
    *result = QUEUE_OK;
    while (done < count) {
        const unsigned left = count - done, most = left < SEGMENT_BATCH ? left : SEGMENT_BATCH;
        uint64_t word = segment_word(NULL, q->size);
        const unsigned fits = h->wary ? 0 : segment_reserve_some(q, items + done, most, &word);
        done += fits;
        if (fits == most)
            continue;
        *result = segment_overflow(q, h, word, items[done]);
        if (*result != QUEUE_OK)
            break;
        done++;
    }
    return done;
}

// The consumer found nothing at `place` of its segment. For the end of a segment, `place` is `size`: what was given out
// there is not in this segment.
static int segment_judge(struct segment_queue *q, uint64_t place)
{
    const uint64_t word =
        at_load_sc(&q->tail.word, AT(segment_look, segment_reserve, segment_reserve_some, segment_append));
    const bool last = segment_of(word) == q->head.segment;
    return last && (segment_place(word) <= place || place == q->size) ? QUEUE_EMPTY : QUEUE_RETRY;
}

// Goes on to the next segment. False: there is none.
static bool segment_follow(struct segment_queue *q)
{
    struct segment *old = q->head.segment, *next = at_load_acq(&old->next, AT(segment_follow, segment_link));
    if (!next)
        return false;
    q->head.segment = next;
    at_store_rlx(&q->head.place, 0);
    at_store_rlx(&q->head.exhausted, at_load_rlx(&q->head.exhausted) + 1);
    at_store_rlx(&old->next, NULL);
    segment_give(&q->store, old);
    return true;
}

// The slot at `place` had nothing. When the consumer has just caught up it lets the producers be for a moment, which is
// the shorter, the fewer items it has found since it last had to: a single one may be all there is.
static bool segment_appears(struct segment_queue *q, _Atomic uintptr_t *slot, uint64_t place)
{
    const uint64_t taken = at_load_rlx(&q->head.exhausted) * q->size + place;
    const uint64_t pauses = (taken - q->head.missed) * SEGMENT_PAUSES;
    q->head.missed = taken;
    for (uint64_t i = 0; i < pauses && i < q->linger; i++)
        cpu_relax();
    return pauses > 0 && at_load_rlx(slot) != 0;
}

static int segment_dequeue(void *queue, void *handle, uintptr_t *item)
{
    (void)handle;
    struct segment_queue *q = queue;
    uint64_t place = at_load_rlx(&q->head.place);
    if (__builtin_expect(place == q->size, 0)) {
        if (!segment_follow(q))
            return segment_judge(q, place);
        place = 0;
    }
    _Atomic uintptr_t *slot = &q->head.segment->slots[place];
    uintptr_t found;
    while (__builtin_expect(!(found = at_load_acq(slot, AT(segment_get, segment_put))), 0))
        if (!segment_appears(q, slot, place))
            return segment_judge(q, place);
    *item = found;
    at_store_rlx(&q->head.place, place + 1);
    if ((place & q->line) == q->line)
        for (uint64_t i = 0; i <= q->line; i++)
            at_store_rlx(slot - i, 0);
    return QUEUE_OK;
}

static unsigned segment_dequeue_batch(void *queue, void *handle, uintptr_t *items, unsigned count, int *result)
{
    unsigned done = 0;
    *result = QUEUE_OK;
    while (done < count && (*result = segment_dequeue(queue, handle, &items[done])) == QUEUE_OK)
        done++;
    return done;
}

static uint64_t segment_length(void *queue)
{
    struct segment_queue *q = queue;
    const uint64_t exhausted = at_load_rlx(&q->head.exhausted), out = at_load_rlx(&q->head.place);
    const uint64_t appended = at_load_rlx(&q->appended), in = segment_place(at_load_rlx(&q->tail.word));
    const uint64_t end = appended * q->size + (in < q->size ? in : q->size), begin = exhausted * q->size + out;
    return end > begin ? end - begin : 0;
}

static void segment_statistics(void *queue, struct queue_statistics *statistics)
{
    struct segment_queue *q = queue;
    statistics->reclaimed = at_load_rlx(&q->head.exhausted);
    statistics->memory_bytes = at_load_rlx(&q->store.held) * segment_bytes(&q->store);
}

static void segment_fini(void *queue)
{
    struct segment_queue *q = queue;
    for (struct segment *at = q->head.segment, *next; at; at = next) {
        next = at_load_rlx(&at->next);
        segment_free(&q->store, at);
    }
    segment_store_fini(&q->store);
}

static const struct param segment_params[] = {
    PARAM_U64(struct segment_config, segment, "1024", 2, 32768, "items",
              "slots of a segment, rounded up to a power of two"),
    PARAM_U64(struct segment_config, linger, "64", 0, 1000000, "pauses",
              "how long at most a consumer that has just caught up leaves the producers alone"),
    PARAM_END,
};

#define QUEUE_LOOPS_NAME segment_mpsc_loops
#define QUEUE_LOOPS_ENQUEUE segment_enqueue
#define QUEUE_LOOPS_DEQUEUE segment_dequeue
#include "core/queue_loops.h"

const struct queue_ops segment_mpsc_queue_ops = {
    .abi_version = QUEUE_ABI_VERSION,
    .name = "segment_mpsc",
    .summary = "many to one in segments: one fetch-and-add takes segment and place at once",
    .source = "our own, with the packed word of the LOO queue (Giersch and Nolte, TPDS 2022)",
    .traits = {.producers = QUEUE_MANY,
               .consumers = QUEUE_ONE,
               .order = QUEUE_ORDER_FIFO,
               .enqueue = QUEUE_LOCK_FREE,
               .dequeue = QUEUE_BLOCKING,
               .empty_exact = true,
               .reclamation = "none needed"},
    .params = segment_params,
    .config_size = sizeof(struct segment_config),
    .size = sizeof(struct segment_queue),
    .align = _Alignof(struct segment_queue),
    .handle_size = sizeof(struct segment_handle),
    .handle_align = _Alignof(struct segment_handle),
    .init = segment_init,
    .fini = segment_fini,
    .attach = segment_attach,
    .detach = segment_detach,
    .enqueue = segment_enqueue,
    .dequeue = segment_dequeue,
    .enqueue_batch = segment_enqueue_batch,
    .dequeue_batch = segment_dequeue_batch,
    .length = segment_length,
    .statistics = segment_statistics,
    .loops = &segment_mpsc_loops,
};
