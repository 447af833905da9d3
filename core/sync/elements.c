// SPDX-License-Identifier: Apache-2.0
// Each element has a head in front of it that names the cache it came from. The owner keeps its free elements in a
// private list; others push returned ones onto a stack, which the owner only ever takes whole, so that a pop
// can not meet a re-used element (no ABA).
#include "core/sync/elements.h"

#include <errno.h>
#include <stddef.h>

#include "core/machine/memory.h"
#include "core/sync/atomic.h"
#include "core/sync/lock.h"

struct element_cache;

struct element_head {
    struct element_cache *owner; // NULL: straight from the allocator
    struct element_head *next;   // while free
};

// The head of what a cache got from the allocator in one piece. Kept until the domain ends.
struct element_slab {
    struct element_slab *next;
    size_t bytes;
    int node;
};

// One thread's cache. Outlives the thread: its elements may come back later, and the next thread takes it over.
struct element_cache {
    struct elements *domain;
    struct element_head *free;     // owner only
    _Atomic uint64_t taken, given; // the owner writes, anybody reads
    struct element_slab *slabs;    // owner only
    unsigned slab_count;           // elements in each; 0: its elements come from the allocator one by one
    int slab_node;                 //
    bool attached;                 // under the domain's lock
    _Atomic(struct element_head *) returned ALIGNED_LINE;
};

struct elements {
    struct allocator *allocator;
    size_t stride; // of one element with its head
    unsigned caches_max;
    struct element_cache *caches;
    struct lock lock;
    _Atomic uint64_t taken_elsewhere, given_elsewhere; // by threads without a cache
};

static _Thread_local struct element_cache *self_cache;

// A line each, so that a producer filling one element does not disturb the consumer of its neighbour.
#define ELEMENT_LINE 64u

// Room for a slab's own head in front of its elements.
#define SLAB_HEAD 64u
_Static_assert(sizeof(struct element_slab) <= SLAB_HEAD, "the head of a slab fits in front of its elements");

int elements_create(struct elements **elements, struct allocator *allocator, size_t element_size, unsigned threads_max)
{
    struct elements *domain = allocator->alloc(allocator, sizeof *domain, LINE_PAIR, -1);
    if (!domain)
        return -ENOMEM;
    const size_t bytes = (size_t)(threads_max ? threads_max : 1) * sizeof *domain->caches;
    domain->caches = allocator->alloc(allocator, bytes, LINE_PAIR, -1);
    if (!domain->caches) {
        allocator->free(allocator, domain, sizeof *domain, -1);
        return -ENOMEM;
    }
    domain->allocator = allocator;
    domain->stride = (sizeof(struct element_head) + element_size + ELEMENT_LINE - 1) / ELEMENT_LINE * ELEMENT_LINE;
    domain->caches_max = threads_max;
    lock_init_ranked(&domain->lock, LOCK_MUTEX, LOCK_RANK_ELEMENTS, 0);
    at_init(&domain->taken_elsewhere, 0);
    at_init(&domain->given_elsewhere, 0);
    *elements = domain;
    return 0;
}

// The gifts first, so that elements which come and go meanwhile make the sum too large rather than negative.
static int64_t sum_outstanding(struct elements *elements)
{
    uint64_t given = at_load_rlx(&elements->given_elsewhere);
    for (unsigned i = 0; i < elements->caches_max; i++)
        given += at_load_rlx(&elements->caches[i].given);
    uint64_t taken = at_load_rlx(&elements->taken_elsewhere);
    for (unsigned i = 0; i < elements->caches_max; i++)
        taken += at_load_rlx(&elements->caches[i].taken);
    return (int64_t)(taken - given);
}

uint64_t elements_outstanding(struct elements *elements)
{
    const int64_t outstanding = sum_outstanding(elements);
    return outstanding > 0 ? (uint64_t)outstanding : 0;
}

uint64_t elements_destroy(struct elements *elements)
{
    struct allocator *allocator = elements->allocator;
    const uint64_t outstanding = (uint64_t)sum_outstanding(elements);
    for (unsigned i = 0; i < elements->caches_max; i++) {
        for (struct element_slab *slab = elements->caches[i].slabs, *next; slab; slab = next) {
            next = slab->next;
            allocator->free(allocator, slab, slab->bytes, slab->node);
        }
    }
    lock_fini(&elements->lock);
    const size_t bytes = (size_t)(elements->caches_max ? elements->caches_max : 1) * sizeof *elements->caches;
    allocator->free(allocator, elements->caches, bytes, -1);
    allocator->free(allocator, elements, sizeof *elements, -1);
    return outstanding;
}

static struct element_cache *claim_cache(struct elements *elements)
{
    struct lock_node node;
    struct element_cache *found = NULL;
    lock_acquire(&elements->lock, &node);
    for (unsigned i = 0; i < elements->caches_max && !found; i++)
        if (!elements->caches[i].attached)
            found = &elements->caches[i];
    if (found)
        found->attached = true;
    lock_release(&elements->lock, &node);
    return found;
}

static void release_cache(struct element_cache *cache)
{
    struct lock_node node;
    lock_acquire(&cache->domain->lock, &node);
    cache->attached = false;
    lock_release(&cache->domain->lock, &node);
}

static int grow_cache(struct element_cache *cache)
{
    struct elements *domain = cache->domain;
    const size_t bytes = SLAB_HEAD + (size_t)cache->slab_count * domain->stride;
    struct element_slab *slab = domain->allocator->alloc(domain->allocator, bytes, LINE_PAIR, cache->slab_node);
    if (!slab)
        return -ENOMEM;
    *slab = (struct element_slab){cache->slabs, bytes, cache->slab_node};
    cache->slabs = slab;
    for (unsigned i = cache->slab_count; i-- > 0;) {
        struct element_head *head = (struct element_head *)((char *)slab + SLAB_HEAD + (size_t)i * domain->stride);
        head->owner = cache;
        head->next = cache->free;
        cache->free = head;
    }
    return 0;
}

int elements_attach(struct elements *elements, unsigned count, int node)
{
    if (self_cache)
        return -EBUSY;
    struct element_cache *cache = claim_cache(elements);
    if (!cache)
        return -EAGAIN;
    cache->domain = elements;
    cache->slab_count = count;
    cache->slab_node = node;
    if (count > 0 && !cache->slabs && grow_cache(cache) != 0) {
        release_cache(cache);
        return -ENOMEM;
    }
    self_cache = cache;
    return 0;
}

void elements_detach(struct elements *elements)
{
    if (!self_cache || self_cache->domain != elements)
        return;
    release_cache(self_cache);
    self_cache = NULL;
}

static struct element_head *take_cached(struct element_cache *cache)
{
    if (!cache->free)
        cache->free = at_xchg_acq(&cache->returned, NULL, AT(element_collect, element_return));
    if (!cache->free && grow_cache(cache) != 0)
        return NULL;
    struct element_head *head = cache->free;
    cache->free = head->next;
    return head;
}

static struct element_head *take_allocated(struct elements *elements)
{
    struct element_head *head = elements->allocator->alloc(elements->allocator, elements->stride, ELEMENT_LINE, -1);
    if (head)
        head->owner = NULL;
    return head;
}

// Of a counter that one thread alone writes.
static void count_one(_Atomic uint64_t *counter)
{
    at_store_rlx(counter, at_load_rlx(counter) + 1);
}

void *elements_take(struct elements *elements)
{
    struct element_cache *cache = self_cache && self_cache->domain == elements ? self_cache : NULL;
    const bool cached = cache && cache->slab_count > 0;
    struct element_head *head = cached ? take_cached(cache) : take_allocated(elements);
    if (!head)
        return NULL;
    if (cache)
        count_one(&cache->taken);
    else
        at_add_rlx(&elements->taken_elsewhere, 1);
    return head + 1;
}

static void return_to(struct element_cache *owner, struct element_head *head)
{
    struct element_head *top = at_load_rlx(&owner->returned);
    do
        head->next = top;
    while (!at_cas_rel(&owner->returned, &top, head, AT(element_return, element_collect)));
}

void elements_give(struct elements *elements, void *element)
{
    struct element_head *head = (struct element_head *)element - 1;
    struct element_cache *cache = self_cache && self_cache->domain == elements ? self_cache : NULL;
    if (cache)
        count_one(&cache->given);
    else
        at_add_rlx(&elements->given_elsewhere, 1);
    if (!head->owner) {
        elements->allocator->free(elements->allocator, head, elements->stride, -1);
    } else if (head->owner == cache) {
        head->next = cache->free;
        cache->free = head;
    } else {
        return_to(head->owner, head);
    }
}
