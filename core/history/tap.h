// SPDX-License-Identifier: Apache-2.0
// A tap on a queue: the same queue behind the same contract, recorded. It wraps a queue_choice, so whatever uses queues
// through the vtable can be recorded without knowing. Enqueue, dequeue, their prepared and batch forms are events;
// everything else is passed on. A thread attaches to the recording when it first attaches to the queue.
//
// RETRY and -ENOMEM are no events: nothing happened. EMPTY is one always, FULL only where nothing is sampled.
#ifndef READYQ_HISTORY_TAP_H
#define READYQ_HISTORY_TAP_H

#include "core/history/recorder.h"
#include "core/queue_client.h"

struct tap {
    struct queue_choice choice; // what to open in place of the original; as long as the tap lives
    struct queue_entry entry;
    struct queue_ops ops;
    const struct queue_choice *original;
    struct recording *recording; // NULL: passes everything on and records nothing
};

// Wraps `original`, which outlives the tap. The ops have no `loops`, so that everything goes through the vtable.
void tap_init(struct tap *tap, const struct queue_choice *original, struct recording *recording);

// The role under which the calling thread's events stand in the history from its next attach on: "producer" or
// "consumer" unless said otherwise.
void tap_name_thread(const char *role, int rank);

#endif
