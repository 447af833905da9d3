// SPDX-License-Identifier: Apache-2.0
// Reading histories. Nothing that a file says is believed before it is checked, memory for what it claims to hold
// included; and whatever is wrong is told with the byte where it is.
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include "core/history/file.h"
#include "core/history/file_format.h"

// What a tick of a clock may last. Times that are multiples of it stay finite numbers.
#define NS_PER_TICK_LEAST 1e-3
#define NS_PER_TICK_MOST 1e9

struct reader {
    const char *path;
    int descriptor;
    uint64_t size;     // of the file
    uint64_t position; // of the next byte
    struct history *history;
    struct fault *fault;
};

// ------------------------------------------------------------------------------------------------ what is wrong

static int damaged(const struct reader *reader, uint64_t position, const char *what)
{
    return fault_set(reader->fault, -EBADMSG, "%.300s is damaged at byte %llu: %s", reader->path,
                     (unsigned long long)position, what);
}

static int cut_short(const struct reader *reader, const char *what)
{
    return fault_set(reader->fault, -EBADMSG, "%.300s is cut short at byte %llu, in %s", reader->path,
                     (unsigned long long)reader->size, what);
}

// Where a checksum vouches for what was announced, it is the file that is too short.
static int shorter_than_announced(const struct reader *reader, uint64_t position, uint64_t count, const char *what)
{
    return fault_set(reader->fault, -EBADMSG, "%.300s is cut short at byte %llu: it has not the %llu %s of byte %llu",
                     reader->path, (unsigned long long)reader->size, (unsigned long long)count, what,
                     (unsigned long long)position);
}

static int unreadable(const struct reader *reader, int error)
{
    return fault_set(reader->fault, -error, "%.300s can't be read: %s", reader->path, strerror(error));
}

// `what` is what is to come, for the sentence.
static int take(struct reader *reader, void *memory, uint64_t bytes, const char *what)
{
    if (reader->size - reader->position < bytes)
        return cut_short(reader, what);
    for (uint64_t done = 0; done < bytes;) {
        const ssize_t got = pread(reader->descriptor, (char *)memory + done, bytes - done, (off_t)reader->position);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return unreadable(reader, errno);
        if (got == 0) {
            reader->size = reader->position; // it shrank
            return cut_short(reader, what);
        }
        done += (uint64_t)got;
        reader->position += (uint64_t)got;
    }
    return 0;
}

// ------------------------------------------------------------------------------------------------ the header

static int check_first_words(const struct reader *reader, const struct history_file_header *header)
{
    if (memcmp(header->magic, HISTORY_FILE_MAGIC, sizeof header->magic) != 0)
        return fault_set(reader->fault, -EBADMSG, "%.300s is no history: its first bytes, from byte 0, are not '%s'",
                         reader->path, HISTORY_FILE_MAGIC);
    if (header->version == __builtin_bswap32(HISTORY_FILE_VERSION))
        return damaged(reader, offsetof(struct history_file_header, version),
                       "it was written on a machine of the other byte order");
    if (header->version != HISTORY_FILE_VERSION)
        return fault_set(reader->fault, -EBADMSG, "%.300s is a history of version %u (byte %zu), and only %u is known",
                         reader->path, header->version, offsetof(struct history_file_header, version),
                         HISTORY_FILE_VERSION);
    return 0;
}

static bool is_text(const char *text, size_t size)
{
    if (!memchr(text, '\0', size))
        return false;
    for (; *text; text++) {
        if (*text < ' ' || *text > '~')
            return false;
    }
    return true;
}

#define HEADER_FAULT(field, what) damaged(reader, offsetof(struct history_file_header, field), what)

static int check_header(const struct reader *reader, const struct history_file_header *header)
{
    if (header->crc != (uint32_t)crc32_z(0, (const Bytef *)header, offsetof(struct history_file_header, crc)))
        return damaged(reader, 0, "the header does not match its checksum");
    if (header->subject != HISTORY_OF_QUEUE && header->subject != HISTORY_OF_POOL)
        return HEADER_FAULT(subject, "it is neither of a queue nor of a pool");
    if (!is_text(header->name, sizeof header->name))
        return HEADER_FAULT(name, "the name is no text");
    if (!(header->ns_per_tick >= NS_PER_TICK_LEAST && header->ns_per_tick <= NS_PER_TICK_MOST)) // or is no number
        return HEADER_FAULT(ns_per_tick, "no clock ticks like that");
    if (header->order > QUEUE_ORDER_RELAXED)
        return HEADER_FAULT(order, "there is no such order");
    if (header->flags > HISTORY_FILE_FLAGS)
        return HEADER_FAULT(flags, "there are no such flags");
    if (header->thread_count > HISTORY_THREADS_MOST)
        return HEADER_FAULT(thread_count, "it has more threads than a history may have");
    if (header->thread_count > (reader->size - reader->position) / sizeof(struct history_file_block))
        return shorter_than_announced(reader, offsetof(struct history_file_header, thread_count), header->thread_count,
                                      "threads");
    return 0;
}

static void fill_history(struct history *history, const struct history_file_header *header)
{
    history->subject = (enum history_subject)header->subject;
    memcpy(history->name, header->name, sizeof history->name);
    history->promise = (struct history_promise){
        .order = (enum queue_order)header->order,
        .relaxation = header->relaxation,
        .capacity = header->capacity,
        .empty_exact = header->flags & HISTORY_FILE_EMPTY_EXACT,
        .full_exact = header->flags & HISTORY_FILE_FULL_EXACT,
        .keys = header->flags & HISTORY_FILE_KEYS,
        .completes_on_submitter = header->flags & HISTORY_FILE_COMPLETES_ON_SUBMITTER,
    };
    history->drained = header->flags & HISTORY_FILE_DRAINED;
    history->ns_per_tick = header->ns_per_tick;
    history->origin_ticks = header->origin_ticks;
    history->skew_ticks = header->skew_ticks;
    history->sampled = header->sampled;
    history->cut_ticks = header->cut_ticks;
    history->schedulers = header->schedulers;
    history->workers = header->workers;
    history->unrun = header->unrun;
}

static int read_header(struct reader *reader)
{
    struct history_file_header header;
    const uint64_t present = reader->size < sizeof header ? reader->size : sizeof header;
    memset(&header, 0, sizeof header);
    int error = take(reader, &header, present, "the header");
    if (!error && present < offsetof(struct history_file_header, subject))
        error = cut_short(reader, "the header");
    if (!error)
        error = check_first_words(reader, &header);
    if (!error && present < sizeof header)
        error = cut_short(reader, "the header");
    if (!error)
        error = check_header(reader, &header);
    if (error)
        return error;
    fill_history(reader->history, &header);
    reader->history->threads = calloc((size_t)header.thread_count + 1, sizeof *reader->history->threads);
    if (!reader->history->threads)
        return fault_set(reader->fault, -ENOMEM, "no memory for a history of %u threads", header.thread_count);
    reader->history->thread_count = header.thread_count;
    return 0;
}

// ------------------------------------------------------------------------------------------------ events

// Why an event can't be; NULL if it can.
static const char *fault_of(const struct history_event *event, enum history_subject subject)
{
    const enum history_kind kind = history_kind(event);
    const bool of_queue = kind <= HISTORY_FULL;
    if (kind >= HISTORY_KINDS)
        return "there is no such kind of event";
    if (of_queue != (subject == HISTORY_OF_QUEUE))
        return of_queue ? "an event of a queue in the history of a pool"
                        : "an event of a pool in the history of a queue";
    if (history_end(event) < event->start)
        return "the end of the event overflows";
    if (kind == HISTORY_KEY)
        return event->start || event->span >> HISTORY_KIND_BITS ? "a key has no time" : NULL;
    if (kind == HISTORY_EMPTY)
        return event->item ? "an item in an EMPTY answer" : NULL;
    // A broken queue may deliver 0, which the judge is to see.
    return event->item || kind == HISTORY_DEQUEUE ? NULL : "an event without an item";
}

// `last` is the start of the latest event of the thread so far.
static int check_events(const struct reader *reader, const struct history_event *events, uint64_t count,
                        uint64_t position, uint64_t *last)
{
    for (uint64_t i = 0; i < count; i++) {
        const struct history_event *event = &events[i];
        const char *what = fault_of(event, reader->history->subject);
        const bool timed = history_kind(event) != HISTORY_KEY;
        if (!what && timed && event->start < *last)
            what = "the event starts before the one that it follows";
        if (what)
            return damaged(reader, position + i * sizeof *events, what);
        if (timed)
            *last = event->start;
    }
    return 0;
}

static int read_events(struct reader *reader, struct history_thread *thread, uint32_t number, uint64_t *last)
{
    struct history_file_block block;
    const uint64_t position = reader->position;
    int error = take(reader, &block, sizeof block, "a block of events");
    if (error)
        return error;
    const uint64_t left = reader->history->threads[number].count - thread->count;
    if (block.tag != HISTORY_FILE_EVENTS || block.thread != number || block.count == 0 ||
        block.count > HISTORY_BLOCK_EVENTS || block.count > left)
        return damaged(reader, position, "there should be a block of events of the thread named before");
    struct history_event *events = thread->events + thread->count;
    error = take(reader, events, block.count * sizeof *events, "a block of events");
    if (error)
        return error;
    uLong crc = crc32_z(0, (const Bytef *)&block, offsetof(struct history_file_block, crc));
    crc = crc32_z(crc, (const Bytef *)events, block.count * sizeof *events);
    if (block.crc != (uint32_t)crc)
        return damaged(reader, position, "the block of events there does not match its checksum");
    thread->count += block.count;
    return check_events(reader, events, block.count, position + sizeof block, last);
}

// ------------------------------------------------------------------------------------------------ threads

// A block without events, with its checksum.
static int read_block(struct reader *reader, struct history_file_block *block, enum history_file_tag tag,
                      uint32_t thread, const char *what)
{
    const uint64_t position = reader->position;
    const int error = take(reader, block, sizeof *block, what);
    if (error)
        return error;
    if (block->crc != (uint32_t)crc32_z(0, (const Bytef *)block, offsetof(struct history_file_block, crc)))
        return damaged(reader, position, "the block there does not match its checksum");
    if (block->tag != tag || block->thread != thread)
        return fault_set(reader->fault, -EBADMSG, "%.300s is damaged at byte %llu: there should be %s", reader->path,
                         (unsigned long long)position, what);
    return 0;
}

static int read_thread(struct reader *reader, uint32_t number)
{
    struct history_file_block block;
    const uint64_t position = reader->position;
    int error = read_block(reader, &block, HISTORY_FILE_THREAD, number, "the name of a thread");
    if (error)
        return error;
    if (!is_text(block.name, sizeof block.name))
        return damaged(reader, position + offsetof(struct history_file_block, name), "the name is no text");
    if (block.count > (reader->size - reader->position) / sizeof(struct history_event))
        return shorter_than_announced(reader, position + offsetof(struct history_file_block, count), block.count,
                                      "events");
    struct history_thread *thread = &reader->history->threads[number];
    memcpy(thread->name, block.name, sizeof thread->name);
    thread->rank = block.rank;
    thread->count = block.count;
    thread->events = malloc((block.count + 1) * sizeof *thread->events);
    if (!thread->events)
        return fault_set(reader->fault, -ENOMEM, "no memory for %llu events", (unsigned long long)block.count);
    struct history_thread read = {.events = thread->events};
    uint64_t last = 0;
    while (!error && read.count < thread->count)
        error = read_events(reader, &read, number, &last);
    return error;
}

static int read_end(struct reader *reader)
{
    struct history_file_block block;
    const struct history *history = reader->history;
    const uint64_t position = reader->position;
    const int error = read_block(reader, &block, HISTORY_FILE_END, history->thread_count, "the end block");
    if (error)
        return error;
    if (block.count != history_events(history))
        return damaged(reader, position + offsetof(struct history_file_block, count),
                       "the end block counts other events than there are");
    if (reader->position != reader->size)
        return damaged(reader, reader->position, "something follows the end");
    return 0;
}

// ------------------------------------------------------------------------------------------------ the whole

static int read_all(struct reader *reader)
{
    struct stat facts;
    if (fstat(reader->descriptor, &facts) != 0)
        return unreadable(reader, errno);
    if (!S_ISREG(facts.st_mode))
        return fault_set(reader->fault, -EINVAL, "%.300s is no file that could be a history", reader->path);
    if (facts.st_size == 0)
        return fault_set(reader->fault, -EBADMSG, "%.300s is empty: cut short at byte 0", reader->path);
    reader->size = (uint64_t)facts.st_size;
    reader->history = calloc(1, sizeof *reader->history);
    if (!reader->history)
        return fault_set(reader->fault, -ENOMEM, "no memory for a history");
    int error = read_header(reader);
    for (uint32_t i = 0; !error && i < reader->history->thread_count; i++)
        error = read_thread(reader, i);
    return error ? error : read_end(reader);
}

int history_read(struct history **history, const char *path, struct fault *fault)
{
    *history = NULL;
    struct reader reader = {.path = path, .fault = fault};
    // Not to wait for a writer, where the path is a pipe's.
    reader.descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (reader.descriptor < 0)
        return unreadable(&reader, errno);
    const int error = read_all(&reader);
    close(reader.descriptor);
    if (error)
        history_free(reader.history);
    else
        *history = reader.history;
    return error;
}
