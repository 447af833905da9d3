// SPDX-License-Identifier: Apache-2.0
// One thread with several handles on a queue, beside a model of what must be inside. So at each step it is known what
// the queue must answer.
#ifndef READYQ_CHECK_CONFORMANCE_HANDS_H
#define READYQ_CHECK_CONFORMANCE_HANDS_H

#include "core/check/conformance/parts.h"

#define MODEL_MOST 4096u
#define HANDS_MOST 3u

// What the queue must hold, oldest first.
struct model {
    uintptr_t items[MODEL_MOST];
    unsigned count;
    unsigned empties; // EMPTY answers in a row that were not true
};

struct hands {
    struct suite *suite;
    struct queue_client producers[HANDS_MOST], consumers[HANDS_MOST];
    unsigned producer_count, consumer_count;
    uint64_t sequence[HANDS_MOST];
    struct progress_thread *place;
    enum queue_thread_kind kind;
    struct model model;
};

// Attaches up to `most` handles a side, as the traits allow, with an empty model. 0, or -EINVAL and a sentence.
int hands_attach(struct hands *hands, struct suite *suite, enum queue_thread_kind kind, unsigned most);
void hands_detach(struct hands *hands);

// One operation, held against the model. 0, or -EINVAL and a sentence. put may find the queue full.
int hands_put(struct hands *hands, unsigned producer, bool prepared);
int hands_get(struct hands *hands, unsigned consumer);

// Takes all out, and then looks for EMPTY.
int hands_drain(struct hands *hands);

// Holds the answers to operations done elsewhere against the model.
int hands_judge_enqueue(struct hands *hands, int result, uintptr_t item);
int hands_judge_dequeue(struct hands *hands, int result, uintptr_t item);

// Between operations: passes a quiescent point, and tells the watchdog.
void hands_rest(struct hands *hands);

// Opens the queue and attaches; closes it and detaches. The error that went before, if any, is kept.
int hands_open(struct hands *hands, struct suite *suite, enum queue_thread_kind kind, unsigned most);
int hands_close(struct hands *hands, int error);

#endif
