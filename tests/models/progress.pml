// SPDX-License-Identifier: Apache-2.0
// Thread progress (core/sync/progress.c): the aux thread, managed threads that come and go, one of which asks for
// wake-ups and sleeps until it gets them, and an unmanaged thread that asks too. Each access to shared memory is one
// step; accesses that nobody can tell apart are one.
//
// Safety: a value is reached only after each managed thread has let go of what it held when the value was taken, and
// none runs with a confirmation behind `current` (P1, P2). Nobody still waits for one value when the next is published.
// No wake-up is lost: in the end nobody waits for one (invalid end states), and all get theirs (ltl answered).
//
// Managed threads update as often as they like, but come and go a number of times, and `current` ends at LAST. Nobody
// asks for a later value, so that values need not wrap. Not here: registration, and the lock around a wake-up.
//
// Memory: all stores that matter here are seq_cst in the source, but that of `leader`, which another one follows with
// no load between them: it waits no longer than its thread might have. So buffers would hide nothing. Where an access
// is needed in the total order, a mutant has it too early or too late.

// NOBODY_SLEEPS: the managed thread that asks never comes.

#ifndef MANAGED
#define MANAGED 2 // besides the aux thread; the last of them asks for wake-ups
#endif
#ifndef LAST
#define LAST 4
#endif
#ifndef WAKES
#define WAKES 1 // times that a managed thread comes, if it does not ask
#endif
#ifndef ASKS
#define ASKS 1 // of each thread that asks
#endif

#define COUNTED (MANAGED + 1) // managed threads, with the aux thread, number 0
#define SLEEPER MANAGED       // the managed thread that asks
#define ASKER COUNTED         // the unmanaged thread that asks
#define THREADS (COUNTED + 1)
#define SLOTS 4
#define NOBODY 31
#define WAITING 31

#ifdef MUTANT_progress_later_plus_one
#define LATER_UNMANAGED 1
#else
#define LATER_UNMANAGED 2
#endif
#ifdef MUTANT_progress_later_plus_one_managed
#define LATER_MANAGED 1
#else
#define LATER_MANAGED 2
#endif

byte current, awake, pending, scanned;
byte leader = NOBODY;
byte confirmed[COUNTED] = WAITING;
byte slots[SLOTS] = NOBODY;
byte after[THREADS * SLOTS] = NOBODY; // requests[slot].next
bool queued[THREADS * SLOTS];
bool aux_event;
bool told[THREADS]; // wakeup was called: an event or a flag that only its owner lowers

// Ghosts, as sets of managed threads: who holds something, and, for each value taken, who has held it ever since.
byte holding;
byte since_asker, since_sleeper;


// The value that each of the two waits for, and whether its request has been made and it has not been woken yet.
byte later_asker, later_sleeper;
bool asking_asker, asking_sleeper;

#ifdef MUTANT_progress_waker_confirms_in_its_buffer
// What a waker confirms by a release store that waits in its store buffer, until a locked instruction or its next
// call; 0: nothing. It confirms nothing anew while it reads its own store there.
byte unseen[COUNTED];
#define CONFIRM_AWAKE(self, value) unseen[self] = value
#define CONFIRM(self, value) \
    if \
    :: unseen[self] == value \
    :: else -> unseen[self] = 0; confirmed[self] = value \
    fi
#define SETTLE(self) \
    if \
    :: unseen[self] != 0 -> confirmed[self] = unseen[self]; unseen[self] = 0 \
    :: else \
    fi
#define confirmed_of(self) (unseen[self] != 0 -> unseen[self] : confirmed[self])
#else
#define CONFIRM_AWAKE(self, value) confirmed[self] = value
#define CONFIRM(self, value) confirmed[self] = value
#define SETTLE(self) skip
#define confirmed_of(self) confirmed[self]
#endif

#define TAKE(self) \
    d_step { assert(confirmed_of(self) >= current); holding = holding | (1 << self) }
#define LET_GO(self) \
    holding = holding & ~(1 << self); \
    since_asker = since_asker & ~(1 << self); \
    since_sleeper = since_sleeper & ~(1 << self)

// progress_reached: no thread may hold what it held when the value was taken.
#define REACHED(value, since, got) \
    d_step { got = current >= value; assert(!got || since == 0) }

// progress_advance. By then all that asked for a value before this one have been told. (With LAST as the end, that
// somebody is told late, by who serves the same slot four values on, could not be seen otherwise.)
#define PUBLISH(value) \
    d_step { \
        assert(!asking_asker || told[ASKER] || later_asker >= value); \
        assert(!asking_sleeper || told[SLEEPER] || later_sleeper >= value); \
        current = value \
    }

inline serve_requests(value)
{
    if
    :: slots[value % SLOTS] == NOBODY // progress_glance
    :: else ->
        // progress_serve
        d_step { chain = slots[value % SLOTS]; slots[value % SLOTS] = NOBODY }
        do
        :: chain == NOBODY -> break
        :: else ->
            // progress_unqueue. Its owner writes `next` only once it is not queued any more.
            d_step {
                follower = after[chain * SLOTS + value % SLOTS];
                queued[chain * SLOTS + value % SLOTS] = false
            }
            d_step { assert(pending > 0); pending-- } // progress_served
            told[chain] = true;
            d_step { chain = follower; follower = 0 }
        od;
        chain = 0
    fi
}

inline lead(self)
{
    value = current + 1;
    do // progress_scan
    :: scanned < COUNTED && (confirmed[scanned] == value || confirmed[scanned] == WAITING) -> scanned++
    :: scanned < COUNTED && !(confirmed[scanned] == value || confirmed[scanned] == WAITING) -> break
    :: scanned == COUNTED ->
        d_step { scanned = 0; confirmed[self] = value + 1 } // progress_confirm_next
#ifdef MUTANT_progress_serves_before_it_publishes
        serve_requests(value);
        PUBLISH(value);
#else
        PUBLISH(value);
        serve_requests(value);
#endif
        break
    od;
    atomic { value = 0; TAKE(self) }
}

// A managed thread. What it holds is let go before, and it holds something new as soon as it may.
inline update(self)
{
    d_step { LET_GO(self); look = current } // progress_see
    // progress_confirm. The source does it only if it changes something; nobody can tell.
    d_step { CONFIRM(self, look + 1); look = 0 }
    if // progress_lead
    :: atomic { (leader == NOBODY || leader == self) && current < LAST -> leader = self; SETTLE(self) }
       lead(self)
    :: atomic { !((leader == NOBODY || leader == self) && current < LAST) -> TAKE(self) }
    fi
}

inline prepare_wait(self)
{
    d_step {
        LET_GO(self);
        if
        :: leader == self -> leader = NOBODY // progress_resign
        :: else
        fi
    }
    confirmed[self] = WAITING; // progress_wait
#ifdef MUTANT_progress_sleeper_looks_too_early
    look = pending;
#endif
    d_step { last = awake == 1; assert(awake > 0); awake-- } // progress_sleeper
    if
#ifdef MUTANT_progress_sleeper_looks_too_early
    :: atomic { last && look > 0 -> last = false; look = 0 }
       aux_event = true
    :: atomic { else -> last = false; look = 0 }
#elif defined(MUTANT_progress_last_sleeper_leaves_requests_behind)
    :: last = false
#else
    :: atomic { last && pending > 0 -> last = false } // progress_sleeper_look
       aux_event = true
    :: atomic { else -> last = false }
#endif
    fi
}

inline finalize_wait(self)
{
    awake++; // progress_waker
#ifndef MUTANT_progress_waker_only_updates
    look = current; // progress_wake_read
    do
    :: CONFIRM_AWAKE(self, look + 1); // progress_wake
       if
       :: look == current -> break // progress_wake_again
       :: look != current -> look = current
       fi
    od;
    look = 0;
#endif
    update(self)
}

inline request_wakeup(self, value, since)
{
#ifdef MUTANT_progress_request_looks_for_sleepers_too_early
    last = awake == 0;
#endif
    if
    :: d_step { !queued[self * SLOTS + value % SLOTS] -> queued[self * SLOTS + value % SLOTS] = true }
        // progress_queue
        pending++; // progress_ask
        d_step { // progress_request
            after[self * SLOTS + value % SLOTS] = slots[value % SLOTS];
            slots[value % SLOTS] = self
        }
    :: d_step { queued[self * SLOTS + value % SLOTS] -> skip }
    fi;
#ifdef MUTANT_progress_request_without_a_second_look
    got = false;
#else
    REACHED(value, since, got); // progress_read
#endif
    if
    :: got -> told[self] = true
    :: else ->
        if
#ifdef MUTANT_progress_request_looks_for_sleepers_too_early
        :: last -> aux_event = true
#elif defined(MUTANT_progress_request_while_all_sleep)
        :: false
#else
        :: awake == 0 -> aux_event = true // progress_count_awake
#endif
        :: else
        fi
    fi
}

active proctype aux()
{
    byte look, value, chain, follower;
    bool last;
end_asleep:
    do
    :: aux_event ->
        finalize_wait(0);
        do
        :: pending > 0 -> // progress_aux_look
            if
            :: awake == 1 -> update(0)
            :: else -> break
            fi
        :: pending == 0 -> break
        od;
#ifdef MUTANT_progress_aux_resets_after_it_lay_down
        prepare_wait(0);
        aux_event = false
#else
        aux_event = false;
        prepare_wait(0)
#endif
    od
}

#if WAKES > 0
// Managed; comes and goes for reasons of its own, and is gone when it has come WAKES times.
active [MANAGED - 1] proctype plain()
{
    byte look, value, chain, follower, wakes;
    bool last;
    byte self = _pid;
end_asleep:
    do
    :: d_step { wakes < WAKES -> wakes++ }
       finalize_wait(self);
       do
       :: SETTLE(self);
          update(self)
       :: break
       od;
       SETTLE(self);
       prepare_wait(self)
    od
}
#endif

#ifndef NOBODY_SLEEPS
// Managed; like a scheduler whose queue cannot be cleaned before some value is reached: at each pass it lowers its flag
// and looks, asks for a wake-up before it sleeps, and sleeps until its flag is up.
active proctype sleeper()
{
    byte look, value, chain, follower, asks;
    bool last, got;
woken:
    finalize_wait(SLEEPER);
    if
    :: later_sleeper > 0 -> goto look_again
    :: else
    fi;
pass:
    do
    :: SETTLE(SLEEPER);
       update(SLEEPER)
    :: atomic {
           asks < ASKS && confirmed[SLEEPER] + LATER_MANAGED <= LAST -> asks++;
           later_sleeper = confirmed[SLEEPER] + LATER_MANAGED;
           since_sleeper = holding
       }
       break
    :: goto leave
    od;
look_again:
    told[SLEEPER] = false;
    REACHED(later_sleeper, since_sleeper, got);
    if
    :: atomic { got -> later_sleeper = 0; got = false; since_sleeper = 0 }
       goto pass
    :: else
    fi;
    request_wakeup(SLEEPER, later_sleeper, since_sleeper);
    asking_sleeper = true;
    SETTLE(SLEEPER);
    prepare_wait(SLEEPER);
    atomic { told[SLEEPER] -> asking_sleeper = false }
    goto woken;
leave:
    told[SLEEPER] = false;
    SETTLE(SLEEPER);
    prepare_wait(SLEEPER)
}
#endif

// Unmanaged; like a worker whose queue cannot be cleaned before some value is reached.
active proctype asker()
{
    byte asks;
    bool got, last;
    do
    :: asks < ASKS ->
#ifdef MUTANT_progress_later_read_before_the_unlink
       later_asker = current + LATER_UNMANAGED;
       d_step { asks++; since_asker = holding }
#else
       d_step { asks++; later_asker = current + LATER_UNMANAGED; since_asker = holding } // progress_later_read
#endif
       if
       :: later_asker > LAST -> break
       :: else
       fi;
       do
       :: told[ASKER] = false;
          REACHED(later_asker, since_asker, got);
          if
          :: got -> break
          :: else
          fi;
          request_wakeup(ASKER, later_asker, since_asker);
          asking_asker = true;
          atomic { told[ASKER] -> asking_asker = false }
       od;
       atomic { later_asker = 0; got = false; since_asker = 0; told[ASKER] = false }
    :: asks == ASKS -> break
    od
}

#ifdef LIVENESS
ltl answered { [] (asking_asker -> <> !asking_asker) && [] (asking_sleeper -> <> !asking_sleeper) }
#endif
