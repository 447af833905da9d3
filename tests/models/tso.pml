// SPDX-License-Identifier: Apache-2.0
// Memory as on x86: a store waits in its processor's buffer, first in first out, and only that processor sees it
// until it gets to memory, at any time later. What is locked (a read-modify-write, a seq_cst store) empties the buffer.
// To be included by models, which define before that
//
//     TSO_CELLS     words of shared memory
//     TSO_THREADS   processors, numbered from 0
//     TSO_DEPTH     places in a buffer; a store into a full one waits. 0: no buffers, each store is in memory at once
//
// and run one tso_flusher for each processor that stores unlocked. Of the orders of C11, relaxed and release stores are
// tso_store, all loads tso_load, seq_cst stores tso_store_sc; a read-modify-write of any order is a tso_drain and what
// it does to cell[], all within one atomic.
//
// Source: Sewell, Sarkar, Owens, Nardelli, Myreen: x86-TSO, CACM 53(7), 2010.
byte cell[TSO_CELLS];

#if TSO_DEPTH == 0

inline tso_drain(thread) { skip }
inline tso_store(thread, where, what) { cell[where] = what }
inline tso_store_sc(thread, where, what) { cell[where] = what }
inline tso_load(thread, where, result) { result = cell[where] }

#else

typedef store_buffer {
    byte at[TSO_DEPTH];
    byte value[TSO_DEPTH];
    byte used
};
store_buffer buffers[TSO_THREADS];

// Within a d_step: the oldest store gets to memory. Unused places hold 0, so that equal states look equal.
inline tso_flush_oldest(thread)
{
    cell[buffers[thread].at[0]] = buffers[thread].value[0];
    buffers[thread].used--;
    tso_place = 0;
    do
    :: tso_place < TSO_DEPTH - 1 ->
        buffers[thread].at[tso_place] = buffers[thread].at[tso_place + 1];
        buffers[thread].value[tso_place] = buffers[thread].value[tso_place + 1];
        tso_place++
    :: else -> break
    od;
    buffers[thread].at[TSO_DEPTH - 1] = 0;
    buffers[thread].value[TSO_DEPTH - 1] = 0;
    tso_place = 0
}
byte tso_place; // between steps always 0

inline tso_drain(thread)
{
    d_step {
        do
        :: buffers[thread].used > 0 -> tso_flush_oldest(thread)
        :: else -> break
        od
    }
}

inline tso_store(thread, where, what)
{
    atomic {
        buffers[thread].used < TSO_DEPTH;
        d_step {
            buffers[thread].at[buffers[thread].used] = where;
            buffers[thread].value[buffers[thread].used] = what;
            buffers[thread].used++
        }
    }
}

inline tso_store_sc(thread, where, what)
{
    atomic {
        tso_drain(thread);
        cell[where] = what
    }
}

// The newest of the thread's own stores there that still waits, else what is in memory.
inline tso_load(thread, where, result)
{
    d_step {
        result = cell[where];
        do
        :: tso_place < buffers[thread].used ->
            if
            :: buffers[thread].at[tso_place] == where -> result = buffers[thread].value[tso_place]
            :: else
            fi;
            tso_place++
        :: else -> break
        od;
        tso_place = 0
    }
}

proctype tso_flusher(byte thread)
{
end:
    do
    :: d_step { buffers[thread].used > 0 -> tso_flush_oldest(thread) }
    od
}

#endif
