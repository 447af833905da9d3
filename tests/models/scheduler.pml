// SPDX-License-Identifier: Apache-2.0
// A scheduler with its workers: jobs go out through job queues and come home through the ready queue; the scheduler's
// word of flags, its event, the limit of a check, progress that its clean waits for, room in a bounded ready queue,
// and, with STOP, the order to end. elsewhere.pml has completions on workers, room.pml the waiting for room alone.
//
// Safety: each job is invoked once and completed once, after that; none is left when the scheduler has left. Nobody
// sleeps for good with something to do (invalid end states). Liveness: all come home and are cleaned up after (ltl
// home), under weak fairness.
//
// The queues are first in, first out, each operation one step; queue.pml is about how they do that. Thread progress
// is one value, awaited or reached; progress.pml is about how.
//
// Memory: what matters here is a read-modify-write or seq_cst in the source, so that buffers of stores would hide
// nothing. In two mutants a load is done before the store of a read-modify-write that it follows is seen, which x86
// does not do. The read-modify-write is then a load, that look, and a store that fails if anybody wrote in between.

#ifndef WORKERS
#define WORKERS 2
#endif
#ifndef JOBS
#define JOBS 2
#endif
#ifndef LIMIT
#define LIMIT 1 // completions a check
#endif
#ifndef ROOM
#define ROOM JOBS // of the ready queue
#endif

#define READY 1
#define PROGRESS 2
#define SLEEPING 4
#define ALL ((1 << JOBS) - 1)

chan jobs[WORKERS] = [JOBS] of { byte };
bool worker_event[WORKERS], worker_room[WORKERS], awaits_room[WORKERS], draining[WORKERS];
byte alive = WORKERS;
bool workers_ended;

chan ready = [ROOM] of { byte };
bool crowded;

byte flags;
bool reserved; // nobody has written the flags since the scheduler last loaded them to change them
bool event;

bool progress_asked, progress_is_reached;

bool stopping; // pool_stop has begun, with all submitted: the scheduler leaves when all came home

// Ghosts: a set of jobs, and that nothing is left to do.
byte invoked;
bool finished;

#define OR_FLAG(flag) flags = flags | flag; reserved = false

// event.c. It leaves a set event alone, which nobody can tell.
inline event_set(which) { which = true }

// ---- Telling the scheduler, by worker or whoever

// An early load of the flags: before what is told of is there.
#ifdef MUTANT_ready_flag_seen_before_the_enqueue
#define EARLY_LOOK before = flags
#define NOTIFY_LOOK skip
#else
#define EARLY_LOOK skip
#define NOTIFY_LOOK before = flags
#endif

inline raise_ready()
{
    d_step { before = flags; OR_FLAG(READY) } // ready_raise
    if
    :: !(before & READY) && (before & SLEEPING) -> event_set(event)
    :: else
    fi;
    before = 0
}

inline scheduler_notify()
{
    NOTIFY_LOOK; // ready_seen
    if
    :: before & READY -> before = 0
    :: else -> raise_ready()
    fi
}

// ---- The scheduler

inline announce_room()
{
    if
    :: crowded -> // room_look
        crowded = false; // room_answer
        count = 0;
        do
        :: count < WORKERS && awaits_room[count] ->
            event_set(worker_room[count]);
            count++
        :: count < WORKERS && !awaits_room[count] -> count++
        :: count == WORKERS -> break
        od;
        count = 0
    :: else
    fi
}

// Up to LIMIT completions. `empty_seen`: a look before the flag was lowered, which saw nothing.
inline check()
{
    clean_blocked = false;
    do
    :: count < LIMIT && !empty_seen ->
        if
        :: atomic {
               ready ? taken;
               assert((invoked & (1 << taken)) && !(completed & (1 << taken)));
               completed = completed | (1 << taken);
               taken = 0; dirty = true; count++
           }
        :: atomic { empty(ready) -> empty_seen = true }
        fi
    :: atomic { count == LIMIT || empty_seen -> clean_due = empty_seen; empty_seen = count > 0; count = 0 }
       break
    od;
    if
    :: atomic { empty_seen -> empty_seen = false }
#if ROOM < JOBS
       announce_room()
#endif
    :: else
    fi;
    if
    :: clean_due
#ifdef MUTANT_rest_of_a_check_forgotten
    :: !clean_due
#else
    :: !clean_due -> d_step { OR_FLAG(READY) } // ready_keep
#endif
    fi
}

inline clean()
{
    if
    :: clean_blocked && !progress_is_reached
    :: else ->
        if
        :: dirty && !progress_is_reached -> clean_blocked = true
        :: else -> d_step { clean_blocked = false; clean_due = false; dirty = false }
        fi
    fi
}

#define HAS_WORK ((flags & (READY | PROGRESS)) || (clean_due && (!clean_blocked || progress_is_reached)))

// With completions on workers, the caller looks after the pass for what they left. The look may come early.
inline pass()
{
    if
    :: flags == 0
    :: else ->
#ifdef MUTANT_aux_flag_cleared_without_barrier
        d_step { seen = flags; reserved = true }
        if
        :: empty(ready) -> empty_seen = true
        :: skip
        fi;
        if
        :: d_step { reserved -> flags = 0; reserved = false }
        :: d_step { !reserved -> seen = flags; flags = 0; empty_seen = false }
        fi;
#elif defined(MUTANT_aux_flag_cleared_after_the_look)
        seen = flags;
#else
        d_step { seen = flags; flags = 0 } // ready_lower
#endif
        if
        :: seen & READY -> check()
        :: else
        fi;
        empty_seen = false;
#ifdef MUTANT_aux_flag_cleared_after_the_look
        flags = (clean_due -> 0 : READY);
#endif
        seen = 0
    fi;
    if
    :: clean_due -> clean()
    :: else
    fi;
    more = HAS_WORK
}

inline sleep_until_told()
{
#ifdef MUTANT_sleep_announced_after_the_look
    more = HAS_WORK;
    event = false;
    d_step { OR_FLAG(SLEEPING) }
#elif defined(MUTANT_scheduler_resets_after_it_looked)
    d_step { OR_FLAG(SLEEPING) }
    more = HAS_WORK;
    event = false;
#else
    event = false;
    d_step { OR_FLAG(SLEEPING) } // sleep_announce
    more = HAS_WORK;
#endif
    if
    :: more
    :: else -> event
    fi;
    d_step { flags = flags & (READY | PROGRESS); reserved = false; more = false }
}

inline scheduler_wait()
{
    if
    :: clean_blocked ->
        d_step {
            if
            :: progress_is_reached -> OR_FLAG(PROGRESS)
            :: else -> progress_asked = true
            fi
        }
    :: else
    fi;
    sleep_until_told()
}

active proctype scheduler()
{
    byte before, sent, seen, taken, count, completed;
    bool more, last, rests, empty_seen, clean_due, clean_blocked, dirty;
    do
    :: sent < JOBS ->
        rests = false;
        jobs[sent % WORKERS] ! sent;
        event_set(worker_event[sent % WORKERS]);
#ifdef STOP
        atomic {
            sent++;
            if
            :: sent == JOBS -> stopping = true
            :: true
            fi
        }
#else
        sent++
#endif
    :: sent > 0 && !rests -> // one pass, perhaps, between two jobs
        pass();
        if
        :: completed == ALL && (stopping || !clean_due) -> break
        :: else
        fi;
#ifdef STOP
        if
        :: stopping && last && !more -> break
        :: else
        fi;
#endif
        if
        :: sent < JOBS -> rests = true
        :: more && sent == JOBS
        :: !more && sent == JOBS ->
#ifdef STOP
            last = stopping && workers_ended; // workers_seen
            if
            :: last -> scheduler_notify()
            :: else -> scheduler_wait()
            fi
#else
            scheduler_wait()
#endif
        fi
    od;
    assert(completed == ALL);
    finished = true
}

// ---- Workers

// True in `ok`: it went home.
inline send(job)
{
    EARLY_LOOK;
    if
    :: atomic { nfull(ready) -> ready ! job; ok = true }
#if ROOM < JOBS
    :: full(ready)
#endif
    fi
}

inline reply(job)
{
    do
    :: send(job);
       if
       :: ok -> break
#if ROOM < JOBS
       :: else
#endif
       fi;
#if ROOM < JOBS
       worker_room[self] = false;
       awaits_room[self] = true;
       crowded = true; // room_ask
       send(job);
       if
       :: ok -> break
       :: else
       fi;
       worker_room[self]
#endif
    od;
    ok = false;
    scheduler_notify()
#if ROOM < JOBS
    ; awaits_room[self] = false
#endif
}

#ifdef STOP
#define DRAIN_LOOK stops = draining[self]
#else
#define DRAIN_LOOK skip
#endif

active [WORKERS] proctype worker()
{
    byte job, before;
    bool ok, stops, finds;
    byte self = _pid - 1;
    do
    :: atomic {
           jobs[self] ? job;
           assert(!(invoked & (1 << job)));
           invoked = invoked | (1 << job)
       }
       reply(job);
       job = 0
    :: empty(jobs[self]) ->
#ifdef MUTANT_worker_resets_after_it_looked
       finds = nempty(jobs[self]);
       worker_event[self] = false; // event_reset
       DRAIN_LOOK;
#elif defined(MUTANT_order_to_end_seen_after_the_look)
       worker_event[self] = false;
       finds = nempty(jobs[self]);
       DRAIN_LOOK;
#else
       worker_event[self] = false;
       DRAIN_LOOK; // drain_look
       finds = nempty(jobs[self]);
#endif
#ifdef MUTANT_lock_slow_path_resets_the_threads_event
       // The lock of its wake-up, when it asks for progress that its queue needs.
       worker_event[self] = false;
#endif
       if
       :: atomic { finds -> finds = false; stops = false }
#ifdef STOP
       :: atomic { !finds && stops -> stops = false }
          break
#endif
       :: !finds && !stops ->
end_waiting:
          worker_event[self]
       fi
    od;
#ifdef STOP
    atomic { alive--; ok = alive == 0 } // worker_departs
    if
    :: ok ->
        workers_ended = true; // workers_end
        scheduler_notify()
    :: else
    fi
#endif
}

// ---- The others

// Who leads thread progress, when asked.
active proctype leader()
{
    byte before;
end_never_asked:
    progress_asked;
    progress_is_reached = true;
    d_step { before = flags; OR_FLAG(PROGRESS) } // progress_raise
    if
    :: before & SLEEPING -> event_set(event)
    :: else
    fi
}

#ifdef STOP
active proctype stopper()
{
    byte number;
    stopping || finished;
    do
    :: number < WORKERS ->
        draining[number] = true; // drain_order
        event_set(worker_event[number]);
        number++
    :: number == WORKERS -> break
    od
}

#endif

#ifdef LIVENESS
#ifdef STOP
ltl home { <> (finished && workers_ended) }
#else
ltl home { <> finished }
#endif
#endif
