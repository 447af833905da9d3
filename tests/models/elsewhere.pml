// SPDX-License-Identifier: Apache-2.0
// Completions on workers: `ready` runs there, leaves something for the scheduler to find, and the worker counts the
// completion and raises the scheduler's flag (scheduler_count_elsewhere). The scheduler passes, looks for what was
// left, and sleeps if there is nothing (scheduler_wait); in the end it leaves by the count (scheduler_detach).
//
// What `ready` leaves is nobody's business but the user's: relaxed stores and loads. So the look for it may be done
// before the store by which the flags were lowered is seen, as processors do on which locked instructions consist of a
// load and a store. That store fails if anybody wrote the flags in between. Reading them does not make it fail,
// which is why a worker has to write them even if the flag is up.
//
// Not here: the queues. The names are those of scheduler.pml.

#ifndef WORKERS
#define WORKERS 2 // each completes ROUNDS jobs
#endif
#ifndef ROUNDS
#define ROUNDS 1
#endif
#define JOBS (WORKERS * ROUNDS)

#define READY 1
#define SLEEPING 4

byte flags;
bool reserved; // nobody has written the flags since the scheduler loaded them to change them
bool event;
byte completed_elsewhere, left_behind;

#define OR_FLAG(flag) flags = flags | flag; reserved = false

active [WORKERS] proctype worker()
{
    byte round, before;
    do
    :: round < ROUNDS ->
        left_behind++;
#ifdef MUTANT_elsewhere_counted_after_the_notice
        skip;
#else
        completed_elsewhere++; // elsewhere_completed
#endif
#ifdef MUTANT_elsewhere_told_as_by_a_queue
        // scheduler_notify: it leaves when it sees the flag up.
        if
        :: flags & READY -> before = READY
        :: else -> d_step { before = flags; OR_FLAG(READY) }
        fi;
#else
        d_step { before = flags; OR_FLAG(READY) } // ready_raise
#endif
        if
        :: !(before & READY) && (before & SLEEPING) -> event = true
        :: else
        fi;
#ifdef MUTANT_elsewhere_counted_after_the_notice
        completed_elsewhere++;
#endif
        atomic { before = 0; round++ }
    :: round == ROUNDS -> break
    od
}

active proctype scheduler()
{
    byte found, counted;
    bool leaves, early;
    do
    :: // scheduler_pass: ready_lower, and the look, in this order or with the look between load and store.
        if
        :: flags == 0
        :: flags != 0 -> d_step { flags = 0; reserved = false }
        :: d_step { flags != 0 -> reserved = true }
           atomic { found = left_behind; early = true }
           if
           :: d_step { reserved -> flags = 0; reserved = false }
           :: d_step { !reserved -> flags = 0 }
              early = false
           fi
        fi;
        if
        :: early
        :: !early -> found = left_behind
        fi;
        early = false;
        if
        :: found == JOBS -> leaves = true
        :: else
        fi;
        if
        :: leaves ->
            counted = completed_elsewhere; // elsewhere_look
            if
            :: counted == JOBS -> break
            :: else
            fi
        :: else
        fi;
        // scheduler_wait
        event = false;
        d_step { OR_FLAG(SLEEPING) } // sleep_announce
        if
        :: flags & READY
        :: else -> event
        fi;
        d_step { flags = flags & READY; reserved = false }
    od
}

