// SPDX-License-Identifier: Apache-2.0
// The verdict on random deliveries to several consumers, against a model that counts every delivery one by one.
#include <stdlib.h>

#include "tests/item_sample.h"
#include "tests/unit.h"

#define PRODUCERS 3u
#define CONSUMERS 4u

static uint64_t next_random(uint64_t *state)
{
    *state ^= *state >> 12;
    *state ^= *state << 25;
    *state ^= *state >> 27;
    return *state * UINT64_C(2685821657736338717);
}

// The model: one counter an item and consumer, and the whole past of each consumer.
struct model {
    uint64_t items;                        // places in the array below, a consumer and producer
    uint32_t *deliveries;                  // [consumer][producer][item]
    uint64_t latest[CONSUMERS][PRODUCERS]; // highest received, plus one
    uint64_t received[CONSUMERS][PRODUCERS];
    uint64_t duplicates[CONSUMERS][PRODUCERS];
    uint64_t reordered;
    uint64_t foreign;
};

static uint32_t *times(const struct model *model, unsigned consumer, unsigned producer, uint64_t sequence)
{
    return &model->deliveries[(consumer * PRODUCERS + producer) * model->items + sequence];
}

static void deliver(struct model *model, struct item_log *logs, unsigned consumer, unsigned producer, uint64_t sequence)
{
    item_log_add(&logs[consumer], item_of(producer, sequence));
    if (producer >= PRODUCERS) {
        model->foreign++;
        return;
    }
    uint64_t *latest = &model->latest[consumer][producer];
    if ((*times(model, consumer, producer, sequence))++ > 0)
        model->duplicates[consumer][producer]++;
    model->received[consumer][producer]++;
    if (sequence + 1 < *latest)
        model->reordered++;
    if (sequence + 1 > *latest)
        *latest = sequence + 1;
}

static struct item_verdict model_verdict(const struct model *model, const uint64_t *enqueued)
{
    struct item_verdict verdict = {.reordered = model->reordered, .invented = model->foreign};
    for (unsigned producer = 0; producer < PRODUCERS; producer++) {
        for (uint64_t sequence = 0; sequence < model->items; sequence++) {
            uint32_t sum = 0;
            for (unsigned consumer = 0; consumer < CONSUMERS; consumer++)
                sum += *times(model, consumer, producer, sequence);
            if (sum > 0 && sequence < enqueued[producer])
                verdict.received++;
            else if (sum > 0)
                verdict.invented++;
            else if (sequence < enqueued[producer])
                verdict.lost++;
            if (sum > 1)
                verdict.duplicated += sum - 1;
        }
    }
    return verdict;
}

// How a random delivery goes wrong, in chances out of 10000 an item.
struct trouble {
    unsigned switches; // the next items go to another consumer
    unsigned drops;
    unsigned duplicates;
    unsigned swaps;
    unsigned inventions;
};

static bool happens(uint64_t *seed, unsigned chance)
{
    return next_random(seed) % 10000 < chance;
}

static void deliver_all(struct model *model, struct item_log *logs, const uint64_t *enqueued,
                        const struct trouble *trouble, uint64_t *seed)
{
    unsigned consumer = 0;
    uint64_t next[PRODUCERS] = {0};
    for (uint64_t left = enqueued[0] + enqueued[1] + enqueued[2]; left > 0;) {
        const unsigned producer = next_random(seed) % PRODUCERS;
        if (next[producer] == enqueued[producer])
            continue;
        const uint64_t sequence = next[producer]++;
        left--;
        if (happens(seed, trouble->switches))
            consumer = next_random(seed) % CONSUMERS;
        if (happens(seed, trouble->swaps) && next[producer] < enqueued[producer]) {
            deliver(model, logs, consumer, producer, next[producer]++);
            left--;
        }
        if (!happens(seed, trouble->drops))
            deliver(model, logs, consumer, producer, sequence);
        if (happens(seed, trouble->duplicates))
            deliver(model, logs, next_random(seed) % CONSUMERS, producer, next_random(seed) % (sequence + 1));
        if (happens(seed, trouble->inventions)) {
            deliver(model, logs, consumer, PRODUCERS + next_random(seed) % 2, 3);
            deliver(model, logs, consumer, producer, enqueued[producer] + next_random(seed) % 1000);
        }
    }
}

static struct item_verdict check_random(uint64_t items, const struct trouble *trouble, uint64_t seed)
{
    const uint64_t enqueued[PRODUCERS] = {items, items / 3 + 1, next_random(&seed) % (items + 1)};
    struct model model = {.items = items + 1001};
    model.deliveries = calloc(CONSUMERS * PRODUCERS * model.items, sizeof *model.deliveries);
    assert_non_null(model.deliveries);
    struct item_log logs[CONSUMERS], *pointers[CONSUMERS];
    for (unsigned consumer = 0; consumer < CONSUMERS; consumer++) {
        assert_int_equal(item_log_init(&logs[consumer], PRODUCERS), 0);
        pointers[consumer] = &logs[consumer];
    }
    deliver_all(&model, logs, enqueued, trouble, &seed);
    for (unsigned consumer = 0; consumer < CONSUMERS; consumer++) {
        for (unsigned producer = 0; producer < PRODUCERS; producer++)
            assert_int_equal(item_log_received(&logs[consumer], producer), model.received[consumer][producer]);
    }
    const struct item_verdict want = model_verdict(&model, enqueued);
    struct item_verdict got;
    assert_int_equal(item_log_judge(pointers, CONSUMERS, enqueued, PRODUCERS, &got), 0);
    check_verdict(&got, &want);
    for (unsigned consumer = 0; consumer < CONSUMERS; consumer++) {
        for (unsigned producer = 0; producer < PRODUCERS; producer++)
            assert_int_equal(logs[consumer].streams[producer].duplicates, model.duplicates[consumer][producer]);
        item_log_fini(&logs[consumer]);
    }
    free(model.deliveries);
    return got;
}

static void random_deliveries_agree_with_the_model(void **state)
{
    (void)state;
    const struct trouble troubles[] = {
        {0},
        {.switches = 10},
        {.switches = 10000},
        {.switches = 100, .drops = 10},
        {.switches = 100, .duplicates = 10},
        {.switches = 100, .swaps = 10},
        {.switches = 100, .inventions = 10},
        {.drops = 5, .duplicates = 5, .swaps = 5, .inventions = 5},
        {.switches = 3000, .drops = 1000, .duplicates = 1000, .swaps = 1000, .inventions = 1000},
    };
    struct item_verdict sum = {0};
    for (size_t i = 0; i < sizeof troubles / sizeof *troubles; i++) {
        // Long ones cross the bitmap's chunks, short ones have their faults at the very edges.
        for (uint64_t seed = 1; seed <= 3; seed++)
            check_random(200000, &troubles[i], seed * 1000 + i);
        for (uint64_t seed = 1; seed <= 200; seed++) {
            const struct item_verdict got = check_random(seed % 140, &troubles[i], seed * 100000 + i);
            sum.lost += got.lost;
            sum.duplicated += got.duplicated;
            sum.reordered += got.reordered;
            sum.invented += got.invented;
        }
    }
    assert_true(sum.lost > 100 && sum.duplicated > 100 && sum.reordered > 100 && sum.invented > 100);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_deliveries_agree_with_the_model),
    };
    return cmocka_run_group_tests_name("item_log_random", tests, NULL, NULL);
}
