// SPDX-License-Identifier: Apache-2.0
// Who may leave a pool, and when: external submitters that attach, submit, and detach; the first scheduler, to which
// their jobs come home, and which leaves when none of them is there and nothing is on its way; and pool_stop, which
// waits for who is inside submit before it ends the workers, and for all to have left before the pool is freed.
//
// Safety: no job comes home to a scheduler that has left, or goes to workers that have been told to end; nobody touches
// a pool that has been freed. All get away in the end (invalid end states).
//
// Memory: stores that the source has relaxed or release wait in buffers as on x86 (tso.pml).
//
// The scheduler's flags and its sleep are one flag here, and the workers one: scheduler.pml has them. A thread that
// attaches has begun to before pool_stop returns, as the contract asks of it.

#ifndef EXTERNALS
#define EXTERNALS 1
#endif
#ifndef VISITS
#define VISITS 1 // of each external submitter
#endif

#define home_left 0
#define externals_attached 1
#define closing 2
#define attached 3
#define leaving 4
#define inside_at 5
#define submitted_at (5 + EXTERNALS)
#define inside (inside_at + number)
#define submitted (submitted_at + number)

#define SCHEDULER EXTERNALS
#define STOPPER (EXTERNALS + 1)

#define TSO_CELLS (5 + 2 * EXTERNALS)
#define TSO_THREADS (EXTERNALS + 2)
#define TSO_DEPTH 2
#include "tso.pml"

byte jobs, home;    // in the workers' queues, in the ready queue
bool notified;      // the scheduler's flag
bool pool_event;
bool workers_told;  // to end
bool scheduler_gone, freed;

#define RMW(thread, change) atomic { tso_drain(thread); assert(!freed); change }
#define LOAD(thread, where, result) \
    atomic { assert(!freed); tso_load(thread, where, result) }

#ifdef MUTANT_submit_enter_released
#define SUBMIT_ENTER(thread) tso_store(thread, inside, 1)
#else
#define SUBMIT_ENTER(thread) tso_store_sc(thread, inside, 1)
#endif
#ifdef MUTANT_stop_close_released
#define STOP_CLOSE tso_store(STOPPER, closing, 1)
#else
#define STOP_CLOSE tso_store_sc(STOPPER, closing, 1)
#endif
#ifdef MUTANT_home_leaves_released
#define HOME_LEAVES tso_store(SCHEDULER, home_left, 1)
#else
#define HOME_LEAVES tso_store_sc(SCHEDULER, home_left, 1)
#endif

inline pool_leave(thread)
{
    RMW(thread, cell[attached]--); // pool_left
#ifdef MUTANT_leaver_touches_the_pool_last
    RMW(thread, cell[leaving]--);
    RMW(thread, pool_event = true);
#else
    RMW(thread, pool_event = true);
    RMW(thread, cell[leaving]--); // pool_last_touch
#endif
}

proctype external(byte number)
{
    byte seen, visits;
    do
    :: visits == VISITS -> break
    :: atomic { visits < VISITS && !freed -> visits++; tso_drain(number); cell[leaving]++ }
       RMW(number, cell[attached]++); // pool_entered
       LOAD(number, closing, seen);   // pool_enter_look
       if
       :: seen
       :: else ->
#ifdef MUTANT_external_looks_before_it_came
            LOAD(number, home_left, seen);
            RMW(number, cell[externals_attached]++);
#else
            RMW(number, cell[externals_attached]++); // external_came
            LOAD(number, home_left, seen);           // external_look
#endif
            if
            :: seen
            :: else ->
                // submit_inside
                SUBMIT_ENTER(number); // submit_enter
#ifdef MUTANT_job_after_the_stop_began
                seen = 0;
#else
                LOAD(number, closing, seen); // submit_look
#endif
                if
                :: seen
                :: else ->
                    RMW(number, jobs++; assert(!workers_told); assert(!scheduler_gone));
                    // pool_count
                    tso_load(number, submitted, seen);
                    tso_store(number, submitted, seen + 1)
                fi;
                tso_store(number, inside, 0) // submit_leave
            fi;
            RMW(number, cell[externals_attached]--); // external_left
            RMW(number, notified = true)
       fi;
       seen = 0;
       pool_leave(number)
    :: visits < VISITS && freed -> break
    od
}

active proctype worker()
{
end:
    do
    :: atomic { jobs > 0 -> jobs--; assert(!scheduler_gone); home++ }
       notified = true
    od
}

// scheduler_detach, of the first scheduler.
proctype scheduler()
{
    byte completed, expected, counted, seen, number;
    do
    :: notified = false; // ready_lower
       atomic { completed = completed + home; home = 0 }
       // all_came_home
       counted = completed;
       expected = 0;
#ifdef MUTANT_home_looks_before_it_leaves
       LOAD(SCHEDULER, externals_attached, seen);
       HOME_LEAVES;
#else
       HOME_LEAVES;                               // home_leaves
       LOAD(SCHEDULER, externals_attached, seen); // home_look
#endif
       if
       :: seen > 0
       :: else ->
            do
            :: number < EXTERNALS ->
                LOAD(SCHEDULER, submitted, seen);
                atomic { expected = expected + seen; number++ }
            :: number == EXTERNALS -> break
            od;
            atomic { number = 0; seen = 0 }
            if
            :: counted == expected -> break
            :: else
            fi
       fi;
       seen = 0;
       tso_store(SCHEDULER, home_left, 0);
       notified
    od;
    assert(jobs == 0 && home == 0);
    scheduler_gone = true;
    pool_leave(SCHEDULER)
}

proctype stopper()
{
    byte number, seen;
    STOP_CLOSE; // stop_close
    do
    :: number < EXTERNALS ->
#ifdef MUTANT_submitter_inside_not_waited_for
        number++
#else
        LOAD(STOPPER, inside, seen); // stop_look
        if
        :: seen
        :: else -> number++
        fi
#endif
    :: number == EXTERNALS -> break
    od;
    notified = true;
    workers_told = true;
    do
    :: pool_event = false;
       LOAD(STOPPER, attached, seen); // stop_attached
       if
       :: seen == 0 -> break
       :: else -> pool_event
       fi
    od;
    atomic { cell[leaving] == 0 -> freed = true } // stop_left
}

init {
    byte number;
    atomic {
        cell[attached] = 1; // the scheduler
        cell[leaving] = 1;
        do
        :: number < EXTERNALS -> run external(number); run tso_flusher(number); number++
        :: number == EXTERNALS -> break
        od;
        run scheduler();
        run tso_flusher(SCHEDULER);
        run stopper();
        run tso_flusher(STOPPER)
    }
}
