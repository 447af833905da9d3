// SPDX-License-Identifier: Apache-2.0
// The pairs of accesses that only one total order keeps apart (Dekker): each of two threads writes a word and then
// looks at the other's, and they must not both miss the other. Each pair is taken by itself, with the least that C11
// promises: a write and the look that follows it, at another word, are seen in that order only if both are seq_cst. If
// one of the two is weaker (-DWEAK=label), the look may be done first, as by a processor that hoists loads or buffers
// stores. So this sees what x86 can't show of a weakened read-modify-write, which is locked there whatever its order.
//
// Only these two accesses move, and only past each other: what a weakened release or acquire would let through
// otherwise is not here.

// The accesses, by their labels in the source.
#define mpsc_link 1
#define mpsc_next 2
#define mpsc_look 3
#define event_look 4
#define event_off 5
#define grace_enter 6
#define grace_check 7
#define grace_turn 8
#define grace_drained 9
#define grace_leave 10
#define room_ask 11
#define room_look 12
#define drain_order 13
#define drain_look 14

#ifndef WEAK
#define WEAK 0
#endif
#define SC(label) (WEAK != label)
#if WEAK
#define OR(condition, steps) :: condition -> steps
#else
#define OR(condition, steps)
#endif

// Does one, then the other; or, if they are not both in the total order, the other way round.
#define DEKKER(write, look, one, other) \
    if \
    :: one; other \
    OR(!(SC(write) && SC(look)), other; one) \
    fi

// ---- Telling somebody who may be asleep. `thing` is what there is to see: a link, a drained count, an order.

#define ON 1
#define OFF 0
byte event = ON; // set, from an earlier time: the case in which who tells need not write
byte thing, done;

// WRITE it, then notify: event_set looks at the event, and leaves if that is on.
#define TELLER(name, write) \
    proctype name() { \
        byte state; \
        DEKKER(write, event_look, thing = 1, state = event); \
        if \
        :: state == ON \
        :: else -> event = ON \
        fi \
    }

// event_reset, then a look; asleep if that finds nothing. It is a loop: there is one thing, so one more round finds it.
#define SLEEPER(name, look) \
    proctype name() { \
        byte seen; \
        do \
        :: DEKKER(event_off, look, event = OFF, seen = thing); \
            if \
            :: seen -> done = 1; break \
            :: else -> event == ON \
            fi \
        od \
    }

// An element linked, and a worker that inspects; and a consumer that dequeues until it is told that there is nothing.
TELLER(linker, mpsc_link)
SLEEPER(inspector, mpsc_look)
SLEEPER(dequeuer, mpsc_next)
// A producer that leaves, and a consumer that waits for the count.
TELLER(leaver, grace_leave)
SLEEPER(reclaimer, grace_drained)
// The order to stop when drained.
TELLER(stopper, drain_order)
SLEEPER(drainer, drain_look)

// ---- Room in a bounded queue. The dequeue that makes it and the second try to enqueue are the queue's; that they are
// in the total order is asked of a bounded queue.

byte no_room = 1, crowded;

proctype worker()
{
    byte was_full;
    DEKKER(room_ask, room_ask, crowded = 1, was_full = no_room);
    if
    :: was_full -> event == ON
    :: else
    fi;
    done = 1
}

proctype scheduler()
{
    byte asked;
    DEKKER(room_look, room_look, no_room = 0, asked = crowded);
    if
    :: asked -> crowded = 0; event = ON // room_answer
    :: else
    fi
}

// ---- The two counts of a grace period. Elements are numbered in the order of the list; `last` is the number of the
// last one. The owner frees what stands before what was the last at the beginning of the period.

#define PERIODS 3
byte last = 1, freed_before, index, inside[2];

proctype owner()
{
    byte period, candidate, draining = 1;
    do
    :: period < PERIODS ->
        last++; // by a producer that is not looked at here
        candidate = last;
        if
        :: index = draining; inside[1 - draining] == 0
        OR(!(SC(grace_turn) && SC(grace_drained)), inside[1 - draining] == 0; index = draining)
        fi;
        draining = 1 - draining;
        freed_before = candidate;
        period++
    :: else -> break
    od;
    done = 1
}

// If the count is not in the total order, all that the producer reads later may be read before it is seen.
proctype producer()
{
    byte mine, now, at;
    do
    :: mine = index;
        if
        :: inside[mine]++; now = index; at = last
        OR(!SC(grace_enter), now = index; at = last; inside[mine]++)
        OR(!SC(grace_check), now = index; inside[mine]++; at = last)
        fi;
        if
        :: now == mine -> break
        :: else -> inside[mine]-- // grace_back_out
        fi
    od;
    assert(at >= freed_before);
    inside[mine]--
}

init {
    atomic {
        if
        :: run linker(); run inspector()
        :: run linker(); run dequeuer()
        :: run leaver(); run reclaimer()
        :: run stopper(); run drainer()
        :: event = OFF; run worker(); run scheduler()
        :: run owner(); run producer()
        fi
    }
    done
}
