// SPDX-License-Identifier: Apache-2.0
// Keeping and judging which items arrived. What a stream received is the set [0, prefix) united with the bits
// set in its chunks and the run being received; a run is added to that set when the next item does not
// continue it. An undisturbed stream is one prefix and costs no memory, however long it is.
#include "core/item_log.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define CHUNK_BITS ((uint64_t)1 << 16)
#define CHUNK_WORDS (CHUNK_BITS / 64)

// Streams of different consumers must not share a cache line, nor the pair that is prefetched together.
#define STREAMS_ALIGN 128u

int item_log_init(struct item_log *log, unsigned producers)
{
    *log = (struct item_log){.producers = producers};
    if (producers == 0)
        return 0;
    size_t size = producers * sizeof *log->streams;
    size = (size + STREAMS_ALIGN - 1) / STREAMS_ALIGN * STREAMS_ALIGN;
    log->streams = aligned_alloc(STREAMS_ALIGN, size);
    if (!log->streams) {
        log->producers = 0;
        return -ENOMEM;
    }
    memset(log->streams, 0, size);
    return 0;
}

void item_log_fini(struct item_log *log)
{
    for (unsigned producer = 0; producer < log->producers; producer++) {
        struct item_stream *stream = &log->streams[producer];
        for (size_t chunk = 0; chunk < stream->chunk_count; chunk++)
            free(stream->chunks[chunk]);
        free(stream->chunks);
    }
    free(log->streams);
    *log = (struct item_log){0};
}

// Makes room for chunk number `chunk`. Not realloc: the new part must be zero without being touched, for one
// invented item may name a place far out.
static int grow_chunks(struct item_stream *stream, size_t chunk)
{
    size_t count = stream->chunk_count ? stream->chunk_count : 8;
    while (count <= chunk)
        count *= 2;
    uint64_t **chunks = calloc(count, sizeof *chunks);
    if (!chunks)
        return -ENOMEM;
    if (stream->chunk_count)
        memcpy(chunks, stream->chunks, stream->chunk_count * sizeof *chunks);
    free(stream->chunks);
    stream->chunks = chunks;
    stream->chunk_count = count;
    return 0;
}

// The bits of chunk number `chunk`, or NULL when memory ran out.
static uint64_t *chunk_for_marking(struct item_stream *stream, size_t chunk)
{
    if (chunk >= stream->chunk_count && grow_chunks(stream, chunk))
        return NULL;
    if (!stream->chunks[chunk])
        stream->chunks[chunk] = calloc(CHUNK_WORDS, sizeof(uint64_t));
    return stream->chunks[chunk];
}

static const uint64_t *chunk_for_reading(const struct item_stream *stream, size_t chunk)
{
    return chunk < stream->chunk_count ? stream->chunks[chunk] : NULL;
}

// The bits first .. end - 1 within the word that holds `first`; both are counted from the same origin.
static uint64_t word_mask(uint64_t first, uint64_t end)
{
    const unsigned low = first % 64;
    const uint64_t length = end - first;
    const uint64_t ones = length >= 64 ? ~(uint64_t)0 : ((uint64_t)1 << length) - 1;
    return ones << low;
}

static uint64_t least(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

// Sets the bits of items first .. end - 1 and returns how many were set before. 0 or -ENOMEM in *error.
static uint64_t mark_items(struct item_stream *stream, uint64_t first, uint64_t end, int *error)
{
    uint64_t before = 0;
    while (first < end) {
        uint64_t *words = chunk_for_marking(stream, first / CHUNK_BITS);
        if (!words) {
            *error = -ENOMEM;
            return before;
        }
        const uint64_t chunk_end = least(end, (first / CHUNK_BITS + 1) * CHUNK_BITS);
        for (; first < chunk_end; first = (first / 64 + 1) * 64) {
            uint64_t *word = &words[first % CHUNK_BITS / 64];
            const uint64_t mask = word_mask(first, chunk_end);
            if (__builtin_expect((*word & mask) != 0, 0))
                before += (uint64_t)__builtin_popcountll(*word & mask);
            *word |= mask;
        }
    }
    return before;
}

// How many bits of items first .. end - 1 are set.
static uint64_t count_items(const struct item_stream *stream, uint64_t first, uint64_t end)
{
    uint64_t set = 0;
    end = least(end, stream->chunk_count * CHUNK_BITS);
    while (first < end) {
        const uint64_t *words = stream->chunks[first / CHUNK_BITS];
        const uint64_t chunk_end = least(end, (first / CHUNK_BITS + 1) * CHUNK_BITS);
        for (; words && first < chunk_end; first = (first / 64 + 1) * 64)
            set += (uint64_t)__builtin_popcountll(words[first % CHUNK_BITS / 64] & word_mask(first, chunk_end));
        first = chunk_end;
    }
    return set;
}

// Adds the run being received to the set of items received, and leaves an empty run.
static void finish_run(struct item_log *log, struct item_stream *stream)
{
    uint64_t first = stream->run_first;
    const uint64_t end = stream->next;
    if (first == end)
        return;
    stream->run_first = end;
    stream->finished += end - first;
    // A run ascends, so what counts as overtaken in it is what lies below the highest item from before.
    if (stream->end > first + 1)
        stream->reordered += least(end, stream->end - 1) - first;
    if (stream->end < end)
        stream->end = end;
    if (first < stream->prefix) {
        const uint64_t known_end = least(end, stream->prefix);
        stream->duplicates += known_end - first;
        first = known_end;
    }
    if (first == end)
        return;
    if (first == stream->prefix) {
        stream->duplicates += count_items(stream, first, end);
        stream->prefix = end;
    } else {
        stream->duplicates += mark_items(stream, first, end, &log->error);
    }
}

void item_log_jump(struct item_log *log, uintptr_t producer, uint64_t sequence)
{
    if (producer >= log->producers || sequence >= ITEM_LOG_SEQUENCES) {
        log->foreign++;
        return;
    }
    struct item_stream *stream = &log->streams[producer];
    finish_run(log, stream);
    stream->run_first = sequence;
    stream->next = sequence + 1;
}

// What a log received of one producer: nothing, of one that it does not know.
static const struct item_stream *stream_of(const struct item_log *log, unsigned producer)
{
    static const struct item_stream nothing;
    return producer < log->producers ? &log->streams[producer] : &nothing;
}

uint64_t item_log_received(const struct item_log *log, unsigned producer)
{
    const struct item_stream *stream = stream_of(log, producer);
    return stream->finished + (stream->next - stream->run_first);
}

// The items of word number `word` that the stream received, as a bitmap.
static uint64_t stream_word(const struct item_stream *stream, uint64_t word)
{
    const uint64_t *words = chunk_for_reading(stream, word / CHUNK_WORDS);
    uint64_t bits = words ? words[word % CHUNK_WORDS] : 0;
    if (word * 64 < stream->prefix)
        bits |= word_mask(word * 64, stream->prefix);
    return bits;
}

// Distinct items that any of the logs received of one producer, told apart by whether they were enqueued.
struct item_union {
    uint64_t enqueued;
    uint64_t invented;
};

static void unite_chunk(struct item_log *const *logs, size_t count, unsigned producer, uint64_t chunk,
                        uint64_t enqueued, struct item_union *all)
{
    for (uint64_t word = chunk * CHUNK_WORDS; word < (chunk + 1) * CHUNK_WORDS; word++) {
        uint64_t bits = 0;
        for (size_t log = 0; log < count; log++)
            bits |= stream_word(stream_of(logs[log], producer), word);
        const uint64_t valid = word * 64 < enqueued ? word_mask(word * 64, enqueued) : 0;
        all->enqueued += (uint64_t)__builtin_popcountll(bits & valid);
        all->invented += (uint64_t)__builtin_popcountll(bits & ~valid);
    }
}

// Whether any log received an item of this chunk.
static bool chunk_is_touched(struct item_log *const *logs, size_t count, unsigned producer, uint64_t chunk)
{
    for (size_t log = 0; log < count; log++) {
        const struct item_stream *stream = stream_of(logs[log], producer);
        if (chunk * CHUNK_BITS < stream->prefix || chunk_for_reading(stream, chunk))
            return true;
    }
    return false;
}

static struct item_union unite(struct item_log *const *logs, size_t count, unsigned producer, uint64_t enqueued)
{
    struct item_union all = {0, 0};
    uint64_t prefix = 0, end = 0;
    for (size_t log = 0; log < count; log++) {
        const struct item_stream *stream = stream_of(logs[log], producer);
        prefix = stream->prefix > prefix ? stream->prefix : prefix;
        end = stream->end > end ? stream->end : end;
    }
    // Whole chunks below the longest prefix hold nothing that it does not.
    uint64_t chunk = prefix / CHUNK_BITS;
    const uint64_t whole = chunk * CHUNK_BITS;
    all.enqueued = least(whole, enqueued);
    all.invented = whole - all.enqueued;
    for (; chunk * CHUNK_BITS < end; chunk++) {
        if (chunk_is_touched(logs, count, producer, chunk))
            unite_chunk(logs, count, producer, chunk, enqueued, &all);
    }
    return all;
}

int item_log_judge(struct item_log *const *logs, size_t count, const uint64_t *enqueued, unsigned producers,
                   struct item_verdict *verdict)
{
    *verdict = (struct item_verdict){0};
    for (size_t log = 0; log < count; log++) {
        for (unsigned producer = 0; producer < logs[log]->producers; producer++)
            finish_run(logs[log], &logs[log]->streams[producer]);
        if (logs[log]->error)
            return logs[log]->error;
        verdict->invented += logs[log]->foreign;
    }
    for (unsigned producer = 0; producer < producers; producer++) {
        if (enqueued[producer] > ITEM_LOG_SEQUENCES)
            return -ERANGE;
        const struct item_union all = unite(logs, count, producer, enqueued[producer]);
        uint64_t delivered = 0;
        for (size_t log = 0; log < count; log++) {
            delivered += stream_of(logs[log], producer)->finished;
            verdict->reordered += stream_of(logs[log], producer)->reordered;
        }
        verdict->received += all.enqueued;
        verdict->lost += enqueued[producer] - all.enqueued;
        verdict->invented += all.invented;
        verdict->duplicated += delivered - all.enqueued - all.invented;
    }
    return 0;
}
