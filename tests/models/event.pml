// SPDX-License-Identifier: Apache-2.0
// The event of core/sync/event.c with the futex below it, and store buffers as on x86: one waiter, and SETTERS threads
// that each make something visible and then set the event, SETS times. No wake is lost: the waiter gets to see all of
// it. With -DEARLY the futex wakes it once without a reason.
//
// The spin before the wait is left out: it looks as the loop around the futex does. So is the count of wakes.

#ifndef SETTERS
#define SETTERS 2
#endif
#ifndef SETS
#define SETS 1
#endif
#ifndef EARLY
#define EARLY 0
#endif

#define STATE 0
#define THING 1 /* + setter */

#define TSO_CELLS (THING + SETTERS)
#define TSO_THREADS (SETTERS + 1)
#define TSO_DEPTH 2
#include "tso.pml"

#define WAITER SETTERS // its processor

#define ON 0
#define OFF 1
#define PARKED 2

bool in_kernel, early = EARLY;
byte seen; // by the waiter

ltl all_seen { <> (seen == SETTERS * SETS) }

proctype setter(byte me)
{
    byte state, count;
    do
    :: count < SETS ->
        count++;
#ifdef MUTANT_thing_shown_by_a_release_store
        tso_store(me, THING + me, count);
#else
        tso_store_sc(me, THING + me, count);
#endif
        atomic {
            tso_load(me, STATE, state); // event_look
            if
#ifdef MUTANT_event_set_leaves_a_parked_waiter
            :: state != OFF -> state = 0; goto set
#else
            :: state == ON -> state = 0; goto set
#endif
            :: else -> state = 0
            fi
        }
#ifdef MUTANT_event_set_by_a_load_and_a_store
        tso_load(me, STATE, state);
        tso_store_sc(me, STATE, ON);
#else
        atomic { // event_on
            tso_drain(me);
            state = cell[STATE];
            cell[STATE] = ON
        }
#endif
        atomic { // FUTEX_WAKE
            if
            :: state == PARKED -> in_kernel = false
            :: else
            fi;
            state = 0
        }
set:
        skip
    :: else -> break
    od
}

proctype waiter()
{
    byte state, other, thing, found[SETTERS];
again:
#ifdef MUTANT_event_reset_by_a_plain_store
    tso_store(WAITER, STATE, OFF);
#else
    atomic { tso_drain(WAITER); cell[STATE] = OFF } // event_off
#endif
    other = 0;
    do
    :: other < SETTERS ->
        atomic {
            tso_load(WAITER, THING + other, thing);
            seen = seen + thing - found[other];
            found[other] = thing;
            thing = 0;
            other++
        }
    :: else -> break
    od;
    if
    :: seen == SETTERS * SETS -> goto all
    :: else
    fi;
    atomic { // event_park
        tso_drain(WAITER);
#ifdef MUTANT_event_parks_without_a_look
        cell[STATE] = PARKED
#else
        if
        :: cell[STATE] == OFF -> cell[STATE] = PARKED
        :: else -> goto again
        fi
#endif
    }
    do
    :: atomic {
        tso_load(WAITER, STATE, state); // event_seen
        if
        :: state == ON -> state = 0; goto again
        :: else -> state = 0
        fi
       }
       atomic { // FUTEX_WAIT
        if
#ifdef MUTANT_futex_waits_whatever_is_there
        :: true -> in_kernel = true
#else
        :: cell[STATE] == PARKED -> in_kernel = true
        :: else
#endif
        fi
       }
       if
       :: !in_kernel
       :: atomic { early && in_kernel -> early = false; in_kernel = false }
       fi
    od;
all:
    skip
}

init {
    byte i;
    atomic {
        cell[STATE] = OFF;
        do
        :: i < SETTERS -> run setter(i); i++
        :: else -> break
        od;
        run waiter();
        i = 0;
        do
        :: i < TSO_THREADS -> run tso_flusher(i); i++
        :: else -> break
        od;
        i = 0
    }
}
