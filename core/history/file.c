// SPDX-License-Identifier: Apache-2.0
// Writing histories. Reading, where every byte is distrusted, is in file_read.c.
#include "core/history/file.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

#include "core/history/file_format.h"

static uint32_t flags_of(const struct history *history)
{
    const struct history_promise *promise = &history->promise;
    return (promise->empty_exact ? HISTORY_FILE_EMPTY_EXACT : 0) | (promise->full_exact ? HISTORY_FILE_FULL_EXACT : 0) |
           (promise->keys ? HISTORY_FILE_KEYS : 0) |
           (promise->completes_on_submitter ? HISTORY_FILE_COMPLETES_ON_SUBMITTER : 0) |
           (history->drained ? HISTORY_FILE_DRAINED : 0);
}

// An error of a stream stays with it, so only the last of these is asked.
static void write_header(const struct history *history, FILE *out)
{
    struct history_file_header header = {
        .magic = HISTORY_FILE_MAGIC,
        .version = HISTORY_FILE_VERSION,
        .subject = history->subject,
        .capacity = history->promise.capacity,
        .ns_per_tick = history->ns_per_tick,
        .origin_ticks = history->origin_ticks,
        .skew_ticks = history->skew_ticks,
        .sampled = history->sampled,
        .cut_ticks = history->cut_ticks,
        .order = history->promise.order,
        .relaxation = history->promise.relaxation,
        .flags = flags_of(history),
        .schedulers = history->schedulers,
        .workers = history->workers,
        .unrun = history->unrun,
        .thread_count = history->thread_count,
    };
    snprintf(header.name, sizeof header.name, "%s", history->name);
    header.crc = (uint32_t)crc32_z(0, (const Bytef *)&header, offsetof(struct history_file_header, crc));
    fwrite(&header, sizeof header, 1, out);
}

static void write_block(struct history_file_block block, const struct history_event *events, FILE *out)
{
    const size_t bytes = events ? block.count * sizeof *events : 0;
    uLong crc = crc32_z(0, (const Bytef *)&block, offsetof(struct history_file_block, crc));
    if (bytes > 0)
        crc = crc32_z(crc, (const Bytef *)events, bytes);
    block.crc = (uint32_t)crc;
    fwrite(&block, sizeof block, 1, out);
    if (bytes > 0)
        fwrite(events, bytes, 1, out);
}

static void write_thread(const struct history_thread *thread, uint32_t number, FILE *out)
{
    struct history_file_block block = {
        .tag = HISTORY_FILE_THREAD, .thread = number, .count = thread->count, .rank = thread->rank};
    snprintf(block.name, sizeof block.name, "%s", thread->name);
    write_block(block, NULL, out);
    for (uint64_t done = 0; done < thread->count; done += HISTORY_BLOCK_EVENTS) {
        const uint64_t left = thread->count - done;
        block = (struct history_file_block){.tag = HISTORY_FILE_EVENTS,
                                            .thread = number,
                                            .count = left < HISTORY_BLOCK_EVENTS ? left : HISTORY_BLOCK_EVENTS};
        write_block(block, thread->events + done, out);
    }
}

static int write_all(const struct history *history, FILE *out)
{
    write_header(history, out);
    for (uint32_t i = 0; i < history->thread_count; i++)
        write_thread(&history->threads[i], i, out);
    const struct history_file_block end = {
        .tag = HISTORY_FILE_END, .thread = history->thread_count, .count = history_events(history)};
    write_block(end, NULL, out);
    return fflush(out) != 0 || ferror(out) ? -EIO : 0;
}

// Gives a file without a name the name `beside`, in place of what an earlier process of our number left there.
static int give_name(int descriptor, const char *beside)
{
    char self[sizeof "/proc/self/fd/" + 3 * sizeof descriptor];
    snprintf(self, sizeof self, "/proc/self/fd/%d", descriptor);
    if (unlink(beside) != 0 && errno != ENOENT)
        return -errno;
    return linkat(AT_FDCWD, self, AT_FDCWD, beside, AT_SYMLINK_FOLLOW) == 0 ? 0 : -errno;
}

// A file that vanishes with the process, if it is ended while it writes, where the file system and /proc can do that.
// Negative: they can't.
static int open_nameless(const char *beside)
{
    char *copy = access("/proc/self/fd", X_OK) == 0 ? strdup(beside) : NULL;
    const int descriptor = copy ? open(dirname(copy), O_TMPFILE | O_WRONLY | O_CLOEXEC, 0666) : -1;
    free(copy);
    return descriptor;
}

// errno is still that of the write that failed, as nothing else was called on the stream.
static int write_beside(const struct history *history, const char *beside)
{
    int descriptor = open_nameless(beside);
    const bool nameless = descriptor >= 0;
    if (!nameless)
        descriptor = open(beside, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (descriptor < 0)
        return -errno;
    FILE *out = fdopen(descriptor, "w");
    if (!out) {
        const int error = errno;
        close(descriptor);
        return -error;
    }
    errno = 0;
    int error = write_all(history, out);
    if (error && errno)
        error = -errno;
    if (nameless && !error)
        error = give_name(descriptor, beside);
    if (fclose(out) != 0 && !error)
        error = -errno;
    return error;
}

int history_write(const struct history *history, const char *path, struct fault *fault)
{
    char *beside;
    if (history->thread_count > HISTORY_THREADS_MOST)
        return fault_set(fault, -EINVAL,
                         "the history %.300s can't be written: it has %u threads, and at most %u may be", path,
                         history->thread_count, HISTORY_THREADS_MOST);
    if (asprintf(&beside, "%s.part%ld", path, (long)getpid()) < 0)
        return fault_set(fault, -ENOMEM, "no memory to write the history %s", path);
    int error = write_beside(history, beside);
    if (!error && rename(beside, path) != 0)
        error = -errno;
    if (error)
        unlink(beside);
    free(beside);
    return error ? fault_set(fault, error, "the history %.300s can't be written: %s", path, strerror(-error)) : 0;
}

void history_free(struct history *history)
{
    if (!history)
        return;
    for (uint32_t i = 0; i < history->thread_count; i++)
        free(history->threads[i].events);
    free(history->threads);
    free(history);
}
