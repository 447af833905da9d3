// SPDX-License-Identifier: Apache-2.0
// As pairs.pml, for thread progress, the pool and the accounts: accesses of which one more or one less in the total
// order matters, each pair or group by itself. Weaker ones (-DWEAK=label) may be done in the other order, as by a
// processor that hoists loads or buffers stores; on x86 a read-modify-write can't be weakened.

#define progress_request 1
#define progress_read 2
#define progress_advance 3
#define progress_glance 4
#define progress_ask 5
#define progress_count_awake 6
#define progress_sleeper 7
#define progress_sleeper_look 8
#define mpsc_link 9
#define ready_seen 10
#define ready_lower 11
#define mpsc_next 12
#define submit_enter 13
#define submit_look 14
#define stop_close 15
#define stop_look 16
#define home_leaves 17
#define home_look 18
#define external_came 19
#define external_look 20
#define account_set_ticks 21
#define account_set_since 22
#define account_set_state 23
#define account_changed 24
#define account_look 25
#define account_get_ticks 26
#define account_get_since 27
#define account_get_state 28

#ifndef WEAK
#define WEAK 0
#endif
#if WEAK
#define OR(condition, steps) :: condition -> steps
#else
#define OR(condition, steps)
#endif

// ---- Two threads of which each writes a word and then looks at the other's: they must not both miss the other.

byte words[2], missed;

#define SIDE(name, mine, theirs, write, look) \
    proctype name() { \
        byte seen; \
        if \
        :: words[mine] = 1; seen = words[theirs] \
        OR(WEAK == write || WEAK == look, seen = words[theirs]; words[mine] = 1) \
        fi; \
        atomic { missed = missed + (seen == 0 -> 1 : 0); assert(missed < 2) } \
    }

// A request is put into its slot | the value is published: P4.
SIDE(requests, 0, 1, progress_request, progress_read)
SIDE(publishes, 1, 0, progress_advance, progress_glance)
// A request counts | a thread goes to sleep: P5.
SIDE(asks, 0, 1, progress_ask, progress_count_awake)
SIDE(lies_down, 1, 0, progress_sleeper, progress_sleeper_look)
// A job comes home, and its flag is up already | the flag is lowered, and the queue looked at.
SIDE(comes_home, 0, 1, mpsc_link, ready_seen)
SIDE(looks_home, 1, 0, ready_lower, mpsc_next)
// A thread is inside submit | the pool is closing.
SIDE(submits, 0, 1, submit_enter, submit_look)
SIDE(closes, 1, 0, stop_close, stop_look)
// An external submitter comes | the first scheduler leaves.
SIDE(comes, 0, 1, external_came, external_look)
SIDE(leaves, 1, 0, home_leaves, home_look)

// ---- An account: CHANGES of it, from state 0 to 1 and back, at times 1, 2, ...; and one reading.

#define CHANGES 3
byte sequence, since, state, ticks[2];

#define ODD sequence = 2 * at - 1
#define TICKS ticks[(at - 1) % 2] = at
#define SINCE since = at
#define STATE state = at % 2
#define EVEN sequence = 2 * at

// A relaxed store may come before what is written before it; a release store may not.
proctype changes()
{
    byte at = 1;
    do
    :: at <= CHANGES ->
        if
        :: ODD; TICKS; SINCE; STATE; EVEN
        OR(WEAK == account_set_ticks, TICKS; ODD; SINCE; STATE; EVEN)
        OR(WEAK == account_set_since, SINCE; ODD; TICKS; STATE; EVEN)
        OR(WEAK == account_set_state, STATE; ODD; TICKS; SINCE; EVEN)
        OR(WEAK == account_changed, ODD; EVEN; TICKS; SINCE; STATE)
        fi;
        at++
    :: else -> break
    od
}

// A relaxed load may come after what is read after it; an acquire load may not. The last one of all is relaxed.
proctype reads()
{
    byte first, last, when, what, spent[2];
#define LOOK first = sequence
#define GET_TICKS spent[0] = ticks[0]; spent[1] = ticks[1]
#define GET_SINCE when = since
#define GET_STATE what = state
#define AGAIN last = sequence
    if
    :: LOOK; GET_TICKS; GET_SINCE; GET_STATE; AGAIN
    OR(WEAK == account_look, GET_TICKS; GET_SINCE; GET_STATE; LOOK; AGAIN)
    OR(WEAK == account_get_ticks, LOOK; GET_SINCE; GET_STATE; AGAIN; GET_TICKS)
    OR(WEAK == account_get_since, LOOK; GET_TICKS; GET_STATE; AGAIN; GET_SINCE)
    OR(WEAK == account_get_state, LOOK; GET_TICKS; GET_SINCE; AGAIN; GET_STATE)
    fi;
    if
    :: first % 2 == 0 && first == last ->
        assert(what == when % 2);
        assert(when == 0 || spent[1 - what] == when);
        assert(when < 2 || spent[what] == when - 1)
    :: else
    fi
}

init {
    atomic {
        if
        :: run requests(); run publishes()
        :: run asks(); run lies_down()
        :: run comes_home(); run looks_home()
        :: run submits(); run closes()
        :: run comes(); run leaves()
        :: run changes(); run reads()
        fi
    }
}
