// SPDX-License-Identifier: Apache-2.0
// Room in a bounded ready queue (core/pool/ready.c, core/pool/worker.c), with store buffers as on x86: WORKERS send
// JOBS each into a queue with CAPACITY places, from which a scheduler takes up to LIMIT at a time. Who finds it full
// asks for room, tries once more and parks. All jobs come home, and no worker is left parked.
//
// The queue is a count: it promises that all its enqueues and dequeues are in the total order, and that it answers
// FULL only if it is, which takes no more than a load. Left out is how the scheduler is told that something came home,
// and the lock of the workers, which orders nothing here. A batch is all of a worker's jobs, so `awaited` stays until
// the last of them is sent.

#ifndef WORKERS
#define WORKERS 2
#endif
#ifndef JOBS
#define JOBS 2
#endif
#ifndef CAPACITY
#define CAPACITY 1
#endif
#ifndef LIMIT
#define LIMIT 2
#endif

#define CROWDED 0
#define AWAITED 1 /* + worker */
#define ROOM (AWAITED + WORKERS) /* + worker: its event */

#define TSO_CELLS (ROOM + WORKERS)
#define TSO_THREADS (WORKERS + 1)
#define TSO_DEPTH 2
#include "tso.pml"

#define SCHEDULER WORKERS // its processor

#define OFF 0
#define ON 1

byte queued, taken;

ltl all_home { <> (taken == WORKERS * JOBS) }

#define TRY_TO_SEND \
    atomic { \
        if \
        :: queued < CAPACITY -> \
            tso_drain(me); \
            queued++; \
            sent++; \
            if \
            :: sent == JOBS -> goto home \
            :: else -> goto send \
            fi \
        :: else \
        fi \
    }

proctype worker(byte me)
{
    byte sent;
send:
    TRY_TO_SEND
#ifndef MUTANT_room_event_reset_after_asking
    atomic { tso_drain(me); cell[ROOM + me] = OFF } // event_off
#endif
    tso_store(me, AWAITED + me, true);
#ifdef MUTANT_room_asked_for_by_a_release_store
    tso_store(me, CROWDED, true);
#else
    atomic { tso_drain(me); cell[CROWDED] = true } // room_ask
#endif
#ifdef MUTANT_room_event_reset_after_asking
    atomic { tso_drain(me); cell[ROOM + me] = OFF }
#endif
#ifndef MUTANT_no_second_look_for_room
    TRY_TO_SEND
#endif
    cell[ROOM + me] == ON; // event_park, event_seen
    goto send;
home:
    tso_store(me, AWAITED + me, false)
}

inline answer()
{
    atomic { tso_drain(SCHEDULER); cell[CROWDED] = false } // room_answer
}

proctype scheduler()
{
    byte completed, asked, i;
    do
    :: queued > 0 ->
        do
        :: atomic { completed < LIMIT && queued > 0 -> tso_drain(SCHEDULER); queued--; taken++; completed++ }
        :: completed == LIMIT || completed > 0 && queued == 0 -> break
        od;
        atomic {
            completed = 0;
            tso_load(SCHEDULER, CROWDED, asked); // room_look
            if
            :: !asked -> goto next
            :: else
            fi
        }
#ifndef MUTANT_room_answered_after_the_events
        answer();
#endif
        do
        :: i < WORKERS ->
            tso_load(SCHEDULER, AWAITED + i, asked);
            if
            :: asked ->
                tso_load(SCHEDULER, ROOM + i, asked); // event_look
                if
                :: asked == OFF -> atomic { tso_drain(SCHEDULER); cell[ROOM + i] = ON } // event_on
                :: else
                fi
#ifdef MUTANT_room_announced_to_one
                ; i = 0; break
#endif
            :: else
            fi;
            i++
        :: else -> i = 0; break
        od;
#ifdef MUTANT_room_answered_after_the_events
        answer();
#endif
next:
        asked = 0
    :: taken == WORKERS * JOBS -> break
    od
}

init {
    byte i;
    atomic {
        do
        :: i < WORKERS -> run worker(i); i++
        :: else -> break
        od;
        run scheduler();
        i = 0;
        do
        :: i < TSO_THREADS -> run tso_flusher(i); i++
        :: else -> break
        od;
        i = 0
    }
}
