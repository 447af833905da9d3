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

// One thread's cache. Outlives the thread: its elements may come back later, and the next thread takes it over.
struct element_cache {
    struct elements *domain;
    struct element_head *free; // owner only
    uint64_t taken, given;     // owner only
    char *slab;                //
    size_t slab_bytes;         //
    int slab_node;             //
    bool attached;             // under the domain's lock
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
    lock_init(&domain->lock, LOCK_MUTEX);
    at_init(&domain->taken_elsewhere, 0);
    at_init(&domain->given_elsewhere, 0);
    *elements = domain;
    return 0;
}

uint64_t elements_outstanding(struct elements *elements)
{
    uint64_t taken = at_load_rlx(&elements->taken_elsewhere);
    uint64_t given = at_load_rlx(&elements->given_elsewhere);
    for (unsigned i = 0; i < elements->caches_max; i++) {
        taken += elements->caches[i].taken;
        given += elements->caches[i].given;
    }
    return taken - given;
}

uint64_t elements_destroy(struct elements *elements)
{
    struct allocator *allocator = elements->allocator;
    const uint64_t outstanding = elements_outstanding(elements);
    for (unsigned i = 0; i < elements->caches_max; i++) {
        struct element_cache *cache = &elements->caches[i];
        if (cache->slab)
            allocator->free(allocator, cache->slab, cache->slab_bytes, cache->slab_node);
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

static int fill_cache(struct element_cache *cache, unsigned count, int node)
{
    struct elements *domain = cache->domain;
    cache->slab_bytes = (size_t)count * domain->stride;
    cache->slab_node = node;
    cache->slab = domain->allocator->alloc(domain->allocator, cache->slab_bytes, LINE_PAIR, node);
    if (!cache->slab)
        return -ENOMEM;
    for (unsigned i = count; i-- > 0;) {
        struct element_head *head = (struct element_head *)(cache->slab + (size_t)i * domain->stride);
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
    if (count > 0 && !cache->slab && fill_cache(cache, count, node) != 0) {
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
    struct element_head *head = cache->free;
    if (head)
        cache->free = head->next;
    return head;
}

void *elements_take(struct elements *elements)
{
    struct element_cache *cache = self_cache && self_cache->domain == elements ? self_cache : NULL;
    struct element_head *head = cache ? take_cached(cache) : NULL;
    if (!head) {
        head = elements->allocator->alloc(elements->allocator, elements->stride, ELEMENT_LINE, -1);
        if (!head)
            return NULL;
        head->owner = NULL;
    }
    if (cache)
        cache->taken++;
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
        cache->given++;
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
