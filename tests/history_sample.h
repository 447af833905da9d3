// SPDX-License-Identifier: Apache-2.0
// Small histories written down by hand or made by chance, for the tests of their judges.
#ifndef READYQ_TESTS_HISTORY_SAMPLE_H
#define READYQ_TESTS_HISTORY_SAMPLE_H

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/history/check.h"
#include "tests/unit.h"

#define SAMPLE_THREADS 4u
#define SAMPLE_EVENTS 256u

struct sample {
    struct history history;
    struct history_thread threads[SAMPLE_THREADS];
    struct history_event events[SAMPLE_THREADS][SAMPLE_EVENTS];
};

// Whole, of a queue that promises order and exact EMPTY answers. Threads 0 and 1 are producers, 2 and 3 consumers.
static inline void sample_init(struct sample *sample, enum queue_order order)
{
    memset(sample, 0, sizeof *sample);
    sample->history = (struct history){
        .subject = HISTORY_OF_QUEUE,
        .name = "sample",
        .promise = {.order = order, .empty_exact = true},
        .ns_per_tick = 1,
        .cut_ticks = HISTORY_NEVER,
        .thread_count = SAMPLE_THREADS,
        .threads = sample->threads,
    };
    for (unsigned thread = 0; thread < SAMPLE_THREADS; thread++) {
        strcpy(sample->threads[thread].name, thread < 2 ? "producer" : "consumer");
        sample->threads[thread].rank = thread % 2;
        sample->threads[thread].events = sample->events[thread];
    }
}

static inline void sample_add(struct sample *sample, unsigned thread, enum history_kind kind, uint64_t start,
                              uint64_t end, uint64_t item)
{
    struct history_thread *events = &sample->threads[thread];
    assert_true(events->count < SAMPLE_EVENTS);
    events->events[events->count++] =
        (struct history_event){.start = start, .span = (end - start) << HISTORY_KIND_BITS | kind, .item = item};
}

static inline struct history_verdict sample_judge(const struct sample *sample, struct history_question question)
{
    struct history_verdict verdict;
    struct fault fault = {""};
    if (history_check(&sample->history, &question, &verdict, &fault) != 0)
        fail_msg("%s", fault.text);
    assert_true((verdict.fault == HISTORY_OK) == (verdict.sentence[0] == '\0'));
    assert_true((verdict.fault == HISTORY_OK) == (verdict.witness_count == 0));
    return verdict;
}

// The witness as a history, without the item `left_out` (0: with all of it) or without the `empty`th EMPTY.
static inline void sample_of_witness(const struct sample *sample, const struct history_verdict *verdict,
                                     uint64_t left_out, unsigned empty, struct sample *witness)
{
    *witness = *sample;
    // Items left out make room for others: there is no point in holding an EMPTY that is false to a capacity.
    if (verdict->fault != HISTORY_OVERFULL)
        witness->history.promise.capacity = 0;
    witness->history.threads = witness->threads;
    for (unsigned thread = 0; thread < SAMPLE_THREADS; thread++) {
        witness->threads[thread].events = witness->events[thread];
        witness->threads[thread].count = 0;
    }
    for (unsigned step = 0; step < verdict->witness_count; step++) {
        const struct history_event *event = &verdict->witness[step].event;
        struct history_thread *thread = &witness->threads[verdict->witness[step].thread];
        if (history_kind(event) == HISTORY_EMPTY ? step != empty : left_out == 0 || event->item != left_out)
            thread->events[thread->count++] = *event;
    }
}

// A witness shows the same fault by itself, and nothing is wrong any more if one item or EMPTY is taken out of it. (Of
// a FULL that is false it can't show what is not there. An EMPTY beside what is lost tells more, and would be false by
// itself.)
static inline void sample_check_witness(const struct sample *sample, struct history_question question,
                                        const struct history_verdict *verdict)
{
    struct sample witness;
    if (verdict->fault == HISTORY_FALSE_FULL || verdict->witness_whole > verdict->witness_count)
        return;
    question.drained = verdict->fault == HISTORY_LOST;
    sample_of_witness(sample, verdict, 0, UINT_MAX, &witness);
    assert_int_equal(sample_judge(&witness, question).fault, verdict->fault);
    if (verdict->fault == HISTORY_LOST && verdict->witness_count > 1)
        assert_int_equal(sample_judge(&witness, (struct history_question){0}).fault, HISTORY_FALSE_EMPTY);
    for (unsigned step = 0; step < verdict->witness_count; step++) {
        const struct history_event *event = &verdict->witness[step].event;
        if (verdict->fault == HISTORY_LOST && history_kind(event) == HISTORY_EMPTY)
            continue;
        sample_of_witness(sample, verdict, event->item, step, &witness);
        assert_string_equal(sample_judge(&witness, question).sentence, "");
    }
}

// The threads of a sample, and items by readyq's own rule: 0:161 and 1:7; C is of no such kind.
enum { P0, P1, C0, C1 };
#define A UINT64_C(0x10000000000a1)
#define B UINT64_C(0x2000000000007)
#define C UINT64_C(0xc0ffee)

static inline void sample_in(struct sample *sample, unsigned thread, uint64_t item, uint64_t start, uint64_t end)
{
    sample_add(sample, thread, HISTORY_ENQUEUE, start, end, item);
}

static inline void sample_out(struct sample *sample, unsigned thread, uint64_t item, uint64_t start, uint64_t end)
{
    sample_add(sample, thread, HISTORY_DEQUEUE, start, end, item);
}

static inline void sample_empty(struct sample *sample, unsigned thread, uint64_t start, uint64_t end)
{
    sample_add(sample, thread, HISTORY_EMPTY, start, end, 0);
}

// Judges, expects a fault that so many operations show, and checks the witness.
static inline void sample_expect(const struct sample *sample, bool drained, enum history_fault fault,
                                 unsigned operations)
{
    const struct history_question question = {.drained = drained};
    const struct history_verdict verdict = sample_judge(sample, question);
    if (verdict.fault != fault)
        fail_msg("%s where %s was to be found: %s", history_fault_name(verdict.fault), history_fault_name(fault),
                 verdict.sentence);
    assert_int_equal(verdict.witness_count, operations);
    assert_int_equal(verdict.witness_whole, operations);
    assert_int_equal(verdict.operations, history_events(&sample->history));
    if (fault != HISTORY_OK)
        sample_check_witness(sample, question, &verdict);
}

static inline uint64_t sample_random(uint64_t *state)
{
    *state ^= *state >> 12;
    *state ^= *state << 25;
    *state ^= *state >> 27;
    return *state * UINT64_C(2685821657736338717);
}

// 0 to below - 1.
static inline unsigned sample_below(uint64_t *state, unsigned below)
{
    return (unsigned)(sample_random(state) >> 33) % below;
}

#endif
