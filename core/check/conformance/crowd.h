// SPDX-License-Identifier: Apache-2.0
// Many threads on one queue: each item is to be delivered once, in order, and EMPTY and FULL to be true where promised.
#ifndef READYQ_CHECK_CONFORMANCE_CROWD_H
#define READYQ_CHECK_CONFORMANCE_CROWD_H

#include "core/check/conformance/parts.h"

// Who is slower: with slow producers the queue is nearly empty all the time, with slow consumers full, or long.
enum crowd_tempo { CROWD_EVEN, CROWD_SLOW_PRODUCERS, CROWD_SLOW_CONSUMERS, CROWD_TEMPOS };

// Watched or not: who watches what the other side has done is ordered after it, by the watching and not by the
// queue. So runs that nobody watches show, under ThreadSanitizer, what the queue itself does not order.
struct crowd_plan {
    unsigned producers, consumers; // up to SIDE_MOST
    enum queue_thread_kind producer_kind, consumer_kind;
    uint64_t items;        // each producer
    unsigned attach_every; // operations until a thread detaches and attaches again; 0: never
    bool watched;          // see above; needs a single consumer
    enum crowd_tempo tempo;
    bool unjudged; // what was received is judged elsewhere
};

// Opens the suite's queue, lets the crowd loose on it, judges what it received, and closes it. 0, or a negative errno
// and a sentence.
int crowd_run(struct suite *suite, const struct crowd_plan *plan);

// How many items each producer of `plan` may enqueue, for about so many of all together; fewer where the queue is so
// short that each costs a change of threads.
uint64_t crowd_items(const struct suite *suite, const struct crowd_plan *plan, unsigned items);

// The kinds of threads by a number from 0 to 3.
void crowd_set_kinds(struct crowd_plan *plan, unsigned kinds);

#endif
