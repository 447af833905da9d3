// SPDX-License-Identifier: Apache-2.0
// The queue of queues/erts_mpsc.c with its grace periods (core/sync/grace.h), and a consumer that sleeps on an event
// (core/sync/event.c) as a worker does (core/pool/worker.c) or, with -DSCHEDULER, as a scheduler does.
//
// PRODUCERS enqueue ITEMS each, of ELEMENTS elements in all: who finds none free waits until the consumer has freed
// one, so that each address is used again soon, and reclamation that gets stuck shows as a state in which all wait.
// The first MANAGED of them are managed. With -DALONE there is no domain of thread progress. With -DBUFFERS=n there
// are store buffers as on x86.
//
// Each atomic below is one access to shared memory, with what the thread does by itself around it. Two are more: the
// sweep, and the look at a grace period; their comments say why. Comments name the labels of the source.
//
// Left out: `defer` and the chain of garbage (what is buried counts as freed at once), the tallies, the element cache,
// and that prepare may fail. Thread progress is what its contract says: a value is reached when each managed producer
// that was inside at progress_later has left since, or at any time after that. The original's numbers 100, 50 and 3
// are AT_HEAD_MAX, CLEAN_STEP and DEQUEUE_STEP. The event is on or off; its waiter's way into the kernel is in
// event.pml. A scheduler is told by its event, where in the source there is a word of flags too, and has no limit.

#ifndef PRODUCERS
#define PRODUCERS 2
#endif
#ifndef ITEMS
#define ITEMS 2
#endif
#ifndef ELEMENTS
#define ELEMENTS 2
#endif
#ifndef MANAGED
#define MANAGED 0
#endif
#ifndef AT_HEAD_MAX
#define AT_HEAD_MAX 2
#endif
#ifndef DEQUEUE_STEP
#define DEQUEUE_STEP 1
#endif
#ifndef CLEAN_STEP
#define CLEAN_STEP 2
#endif
#ifndef BUFFERS
#define BUFFERS 0
#endif

#ifndef FIRST_ITEMS
#define FIRST_ITEMS ITEMS /* of the first producer */
#endif

#define TOTAL (FIRST_ITEMS + (PRODUCERS - 1) * ITEMS)
#define QUOTA(me) (me == 0 -> FIRST_ITEMS : ITEMS)

// Elements are numbered; the marker is the queue's own.
#define NONE 0
#define MARKER 1
#define LOWEST 2
#define HIGHEST (ELEMENTS + 1)

// Shared words.
#define EVENT 0
#define LAST 1
#define INDEX 2
#define INSIDE 3
#define NEXT 4 /* + element, from 1 */
#define ITEM (NEXT + ELEMENTS) /* + element, from 2 */

#define TSO_CELLS (ITEM + ELEMENTS + 2)
#define TSO_THREADS (PRODUCERS + 1)
#define TSO_DEPTH BUFFERS
#include "tso.pml"

#define CONSUMER PRODUCERS // its processor

// The event. What is not 0 at the start is set by init.
#define OFF 0
#define ON 1

// ---- What is watched. No thread reads it to decide anything.

bool dead[HIGHEST + 1]; // not in the queue's hands: whoever touches it uses freed memory
byte in_use;
byte ticket[HIGHEST + 1]; // the place in the order of links
byte linked, dequeued;
#ifdef NAMED
byte next_of[PRODUCERS]; // the number of the item to come from each
#endif
byte producers_done;
byte begun[2]; // producers of each kind that have begun
byte head = MARKER; // the consumer's, but for a mutant that looks at it

#define TOUCH(e) assert(!dead[e])
#define all_done (dequeued == TOTAL && in_use == 0 && producers_done == PRODUCERS)

ltl delivered { <> (dequeued == TOTAL && in_use == 0) }

// ---- Thread progress, by its contract.

byte inside; // managed producers inside an operation, by bits
byte awaited; // those that the present value waits for
bool reached_now = true, asked, called;

// ---- Events

inline event_set(me)
{
    do
    :: atomic {
        tso_load(me, EVENT, seen); // event_look
        if
        :: seen == ON -> seen = 0; break
        :: else -> seen = 0
        fi
       }
       atomic { tso_drain(me); cell[EVENT] = ON; break } // event_on
    od
}

inline event_reset()
{
#ifdef MUTANT_event_reset_by_a_plain_store
    tso_store(CONSUMER, EVENT, OFF)
#else
    atomic { tso_drain(CONSUMER); cell[EVENT] = OFF } // event_off
#endif
}

// ---- The queue: mpsc_append. `moved`: by this call.

inline append(me, e, moved)
{
    atomic {
        tso_store(me, NEXT + e, NONE);
        tso_load(me, LAST, last); // mpsc_last
        at = last
    }
    do
    :: atomic { // mpsc_link
        tso_drain(me);
        TOUCH(at);
        if
        :: cell[NEXT + at] == NONE ->
            cell[NEXT + at] = e;
            at = NONE;
            linked = linked + (e != MARKER);
            ticket[e] = (e != MARKER -> linked : 0);
            break
        :: else -> at = cell[NEXT + at]
        fi
       }
    od;
    do
    ::
#ifndef MUTANT_move_last_without_a_look_for_a_successor
       atomic {
        TOUCH(e);
        tso_load(me, NEXT + e, at);
        if
        :: at != NONE -> at = NONE; last = NONE; moved = false; break
        :: else
        fi
       }
#endif
       atomic { // mpsc_move
        tso_drain(me);
        if
        :: cell[LAST] == last -> cell[LAST] = e; last = NONE; moved = true; break
        :: else -> last = cell[LAST]
        fi
       }
    od
}

inline grace_enter_()
{
    do
    :: tso_load(me, INDEX, index);
       atomic { tso_drain(me); cell[INSIDE + index]++ } // grace_enter
       atomic {
        tso_load(me, INDEX, seen); // grace_check
        if
#ifdef MUTANT_no_look_at_the_index_after_counting
        :: true -> seen = 0; break
#else
        :: seen == index -> seen = 0; break
        :: else -> seen = 0
#endif
        fi
       }
       atomic { tso_drain(me); cell[INSIDE + index]--; index = 0 } // grace_back_out
    od
}

inline grace_leave_()
{
    atomic { // grace_leave
        tso_drain(me);
        cell[INSIDE + index]--;
        if
#ifdef MUTANT_no_notify_when_the_count_drains
        :: true
#else
        :: cell[INSIDE + index] == 0 -> notify = true
        :: else
#endif
        fi;
        index = 0
    }
}

inline producer_notify()
{
    if
    :: notify -> notify = false; event_set(me)
    :: else
    fi
}

// Items with names tell their producer and their number. Without, states that differ only in whose item stands where
// are one; the order of each producer's is that of the links then, and that is checked in any case.
#ifdef NAMED
#define NAME (me * (TOTAL + 1) + sent)
#else
#define NAME 1
#endif

// As producers of a kind are alike, they begin in the order of their numbers.
proctype producer(byte me; bool managed)
{
    byte element, last, at, index, seen, sent;
    bool notify;
#ifdef MUTANT_notify_only_into_an_empty_queue
    bool seen_empty;
#endif
    do
    :: atomic {
        sent < QUOTA(me) && in_use < ELEMENTS && (sent > 0 || begun[managed] == me - (managed -> 0 : MANAGED));
        if
        :: sent == 0 -> begun[managed]++
        :: else
        fi;
        element = LOWEST;
        do
        :: !dead[element] -> element++
        :: else -> break
        od;
        dead[element] = false;
        in_use++;
        sent++;
        tso_store(me, ITEM + element, NAME);
        if
        :: managed -> inside = inside | (1 << me)
        :: else
        fi
       }
       if
       :: !managed -> grace_enter_()
       :: else
       fi;
#ifdef MUTANT_notify_only_into_an_empty_queue
       atomic { tso_load(me, LAST, at); seen_empty = (at == head); at = NONE }
#endif
       append(me, element, notify);
#ifdef MUTANT_notify_only_into_an_empty_queue
       atomic { notify = notify && seen_empty; seen_empty = false }
#endif
#ifdef MUTANT_notify_before_leaving
       producer_notify();
#endif
       if
       :: !managed -> grace_leave_()
       :: else
       fi;
#ifdef MUTANT_notify_before_leaving
       notify = false;
#endif
       producer_notify();
       atomic {
        element = NONE;
        if
        :: managed ->
            tso_drain(me);
            inside = inside & ~(1 << me);
            awaited = awaited & ~(1 << me)
        :: else
        fi
       }
    :: sent == QUOTA(me) -> break
    od;
    producers_done++
}

#ifndef ALONE

active proctype progress()
{
    byte seen;
end:
    do
    :: atomic {
        !reached_now && awaited == 0;
        reached_now = true;
        if
        :: asked -> asked = false
        :: else -> goto end
        fi
       }
#ifdef SCHEDULER
       called = true
#else
       event_set(PRODUCERS)
#endif
    od
}

#endif

// ---- The consumer's side

// What a look says of the state of reclamation.
#define CLEAN 0
#define DIRTY 1
#define NEED_PROGRESS 2

// What the reclamation is part of.
#define DEQUEUE 0
#define CLEANING 1
#define INSPECTION 2

inline take()
{
    head = element;
    TOUCH(element);
    dequeued++;
    assert(ticket[element] == dequeued);
    ticket[element] = 0;
    tso_load(CONSUMER, ITEM + element, seen);
    assert(seen > 0);
#ifdef NAMED
    assert(seen % (TOTAL + 1) == next_of[seen / (TOTAL + 1)] + 1);
    next_of[seen / (TOTAL + 1)]++;
#endif
    cell[ITEM + element] = 0;
    seen = 0;
    element = NONE;
    phase = DEQUEUE;
    steps = DEQUEUE_STEP;
    goto reclaim
}

inline bury(e)
{
    if
    :: e == MARKER -> marker_used = false
    :: else -> assert(ticket[e] == 0); in_use--
    fi;
    dead[e] = true;
    cell[NEXT + e] = NONE
}

// All at once: who takes what was freed can do so after the last as well.
inline sweep()
{
    do
    :: steps == 0 -> goto look_ahead
    :: steps > 0 && first == head ->
        at_head = (at_head + 1) % AT_HEAD_MAX;
        steps = 0;
        if
        :: at_head == 0 -> goto look_ahead
        :: else -> goto look_for_marker
        fi
#ifdef MUTANT_free_through_the_unreferenced_end
    :: steps > 0 && first != head ->
#else
    :: steps > 0 && first != head && first == free_end -> steps = 0; goto look_ahead
    :: steps > 0 && first != head && first != free_end ->
#endif
        TOUCH(first);
        tso_load(CONSUMER, NEXT + first, next);
        assert(next != NONE);
        bury(first);
        first = next;
        next = NONE;
        steps--
    od
}

// Two looks, the first only while the value has not been seen to be reached. At once, as what was reached stays so.
inline grace_over_()
{
#ifndef ALONE
    if
    :: !reached -> reached = reached_now
    :: else
    fi;
#endif
    if
#if defined(MUTANT_period_over_without_the_count)
    :: true -> over = reached
#elif defined(MUTANT_period_over_without_progress)
    :: true -> tso_load(CONSUMER, INSIDE + draining, seen); over = (seen == 0)
#else
    :: reached -> tso_load(CONSUMER, INSIDE + draining, seen); over = (seen == 0) // grace_drained
    :: else -> over = false
#endif
    fi;
    seen = 0
}

inline marker_goes_in()
{
    marker_used = true;
    dead[MARKER] = false;
    goto insert_marker
}

#define MARKER_MISSING (next == NONE && first == head && !marker_used)

proctype consumer()
{
    byte first = MARKER, free_end = MARKER, candidate = MARKER;
    byte element, next, last, at, seen, steps, at_head, phase, state, draining = 1;
    bool marker_used = true, reached = true, moved, over, advancing;
#ifdef SCHEDULER
    bool due, blocked;

pass:
    atomic {
        called = false;
        tso_drain(CONSUMER);
        if
        :: cell[EVENT] == ON -> cell[EVENT] = OFF; blocked = false
        :: else -> goto clean
        fi
    }
#endif

dequeue:
    atomic {
        TOUCH(head);
        tso_load(CONSUMER, NEXT + head, element); // mpsc_next
        if
        :: element == NONE -> assert(linked == dequeued); goto nothing
        :: element == MARKER -> head = MARKER; element = NONE
        :: else -> take()
        fi
    }
#ifdef MUTANT_dequeue_stops_at_the_marker
    atomic { assert(linked == dequeued); goto nothing }
#endif
    atomic {
        tso_load(CONSUMER, NEXT + MARKER, element); // mpsc_behind_marker
        if
        :: element == NONE -> assert(linked == dequeued); goto nothing
        :: else -> take()
        fi
    }

nothing:
#ifdef SCHEDULER
    due = true;

clean:
    if
    :: due && (!blocked || reached_now)
    :: else -> goto has_work
    fi;
#endif
    atomic { phase = CLEANING; steps = CLEAN_STEP }

reclaim:
    atomic { sweep() }

look_ahead:
    atomic {
        tso_load(CONSUMER, LAST, last); // mpsc_end
        if
        :: first == last && last == MARKER -> last = NONE; state = CLEAN; goto reclaimed
        :: else
        fi
    }
    atomic {
        grace_over_();
        if
        :: !over -> last = NONE; goto look_for_marker
        :: else -> over = false
        fi;
        at_head = 0;
#ifdef MUTANT_free_what_was_linked_during_the_period
        free_end = last;
#else
        free_end = candidate;
#endif
        if
        :: !marker_used && free_end == last -> advancing = true; marker_goes_in()
        :: free_end != last -> candidate = last; last = NONE; goto begin
        :: else -> last = NONE; goto look_for_marker
        fi
    }

new_end:
    atomic {
        tso_load(CONSUMER, LAST, last); // mpsc_new_end
        if
        :: free_end != last -> candidate = last; last = NONE
        :: else -> last = NONE; goto look_for_marker
        fi
    }

begin:
#ifndef ALONE
    atomic { awaited = inside; reached_now = false; reached = false }
#endif
#ifdef MUTANT_index_turned_by_a_release_store
    tso_store(CONSUMER, INDEX, draining);
#else
    tso_store_sc(CONSUMER, INDEX, draining); // grace_turn
#endif
    draining = 1 - draining;

look_for_marker:
    atomic {
        if
        :: marker_used -> goto judge
        :: else
        fi;
        TOUCH(head);
        tso_load(CONSUMER, NEXT + head, next);
        if
        :: next != NONE -> next = NONE; goto judge
        :: else -> marker_goes_in()
        fi
    }

insert_marker:
    append(CONSUMER, MARKER, moved);
    atomic {
        TOUCH(head);
        tso_load(CONSUMER, NEXT + head, next);
        if
        :: next == MARKER -> head = MARKER; moved = false
        :: else
        fi;
        next = NONE
#ifdef MUTANT_no_self_notify_after_marker
        ; moved = false
#endif
    }
    if
    :: moved -> moved = false; event_set(CONSUMER)
    :: else
    fi;
    if
    :: advancing -> advancing = false; goto new_end
    :: else
    fi;

judge:
    atomic {
        if
        :: first == head -> state = CLEAN
        :: first != head && first != free_end -> state = DIRTY
        :: first != head && first == free_end ->
            grace_over_();
            if
            :: over && phase == DEQUEUE -> over = false; goto self_notify
            :: over && phase != DEQUEUE -> over = false; state = DIRTY
#ifdef ALONE
            :: else -> state = CLEAN
#else
            :: else -> state = NEED_PROGRESS
#endif
            fi
        fi;
        goto reclaimed
    }

self_notify:
    event_set(CONSUMER);

reclaimed:
    if
    :: phase == DEQUEUE -> state = CLEAN; goto dequeue
    :: else
    fi;
#ifdef SCHEDULER
    atomic { blocked = (state == NEED_PROGRESS); due = (state != CLEAN); state = CLEAN }

has_work:
    if
    :: cell[EVENT] == ON || called || due && (!blocked || reached_now) -> goto pass
    :: else
    fi;
    atomic {
        if
        :: blocked && reached_now -> goto pass // the wake-up is called at once
        :: blocked && !reached_now -> asked = true
        :: else
        fi
    }
    do
    :: cell[EVENT] == ON || called -> goto pass
    :: all_done && !due -> break
    od
#else
    if
    :: phase == INSPECTION -> goto judged
    :: state == DIRTY -> state = CLEAN; goto dequeue
    :: else
    fi;
#ifndef MUTANT_worker_resets_after_it_looked
    event_reset();
#endif
    phase = INSPECTION;

look:
    atomic {
        TOUCH(head);
        tso_load(CONSUMER, NEXT + head, next); // mpsc_look
        if
        :: next == MARKER -> head = MARKER; next = NONE; goto look
        :: MARKER_MISSING -> goto dequeue
        :: next == NONE && !MARKER_MISSING -> goto judge
#ifdef MUTANT_inspect_blind_to_items
        :: next > MARKER -> next = NONE; goto judge
#else
        :: next > MARKER -> next = NONE; goto dequeue
#endif
        fi
    }

judged:
#ifdef MUTANT_worker_resets_after_it_looked
    event_reset();
#endif
    atomic {
        if
        :: state == DIRTY || state == NEED_PROGRESS && reached_now -> state = CLEAN; goto dequeue // woken at once
        :: state == NEED_PROGRESS && !reached_now -> asked = true
        :: else
        fi;
        state = CLEAN
    }
    do
    :: cell[EVENT] == ON -> goto dequeue // event_park, event_seen
    :: all_done -> break
    od
#endif
}

init {
    byte i;
    atomic {
        cell[LAST] = MARKER;
        i = LOWEST;
        do
        :: i <= HIGHEST -> dead[i] = true; i++
        :: else -> break
        od;
        i = 0;
        do
        :: i < PRODUCERS -> run producer(i, i < MANAGED); i++
        :: else -> break
        od;
        run consumer();
#if BUFFERS > 0
        i = 0;
        do
        :: i < TSO_THREADS -> run tso_flusher(i); i++
        :: else -> break
        od;
#endif
        i = 0
    }
}
