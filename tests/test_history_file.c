// SPDX-License-Identifier: Apache-2.0
// A history comes back from its file as it was, and no file that was touched does.
#include "tests/unit.h"

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

static char folder[128], path[160], other_path[160];

// ------------------------------------------------------------------------------------------------ samples

#define EVENT(kind_, start_, ticks_, item_)                                                           \
    (struct history_event)                                                                            \
    {                                                                                                 \
        .start = (start_), .span = (uint64_t)(ticks_) << HISTORY_KIND_BITS | (kind_), .item = (item_) \
    }

static struct history_event producer_events[] = {EVENT(HISTORY_ENQUEUE, 10, 5, 1), EVENT(HISTORY_ENQUEUE, 20, 0, 2),
                                                 EVENT(HISTORY_ENQUEUE, 20, 0, 3),
                                                 EVENT(HISTORY_FULL, 30, 7, UINT64_MAX)};
static struct history_event consumer_events[] = {EVENT(HISTORY_DEQUEUE, 12, 5, 1), EVENT(HISTORY_EMPTY, 40, 3, 0)};
static struct history_event scheduler_events[] = {EVENT(HISTORY_KEY, 0, 0, 0), EVENT(HISTORY_SUBMIT, 5, 1, 1),
                                                  EVENT(HISTORY_READY, 9, 10, 1), EVENT(HISTORY_SUBMIT, 11, 1, 2),
                                                  EVENT(HISTORY_FREE, 30, 1, 2)};
static struct history_event worker_events[] = {EVENT(HISTORY_INVOKE, 7, 1, 1), EVENT(HISTORY_INVOKE, 14, 1, 2)};

static struct history_thread queue_threads[] = {
    {"producer", 0, 4, producer_events}, {"both", 0, 0, NULL}, {"consumer", 3, 2, consumer_events}};
static struct history_thread pool_threads[] = {{"scheduler", 0, 5, scheduler_events}, {"worker", 1, 2, worker_events}};

static struct history of_queue(void)
{
    return (struct history){.subject = HISTORY_OF_QUEUE,
                            .name = "some:capacity=8",
                            .promise = {.order = QUEUE_ORDER_RELAXED,
                                        .relaxation = 4,
                                        .capacity = UINT64_C(1) << 40,
                                        .empty_exact = true,
                                        .full_exact = true},
                            .ns_per_tick = 0.4761904761904762,
                            .origin_ticks = UINT64_C(0x123456789abcdef0),
                            .skew_ticks = 17,
                            .cut_ticks = HISTORY_NEVER,
                            .drained = true,
                            .thread_count = 3,
                            .threads = queue_threads};
}

static struct history of_pool(void)
{
    return (struct history){.subject = HISTORY_OF_POOL,
                            .name = "some:workers=2",
                            .promise = {.keys = true, .completes_on_submitter = true},
                            .ns_per_tick = 1,
                            .sampled = 100,
                            .cut_ticks = 12345,
                            .schedulers = 1,
                            .workers = 3,
                            .unrun = UINT32_MAX,
                            .thread_count = 2,
                            .threads = pool_threads};
}

static void assert_same(const struct history *a, const struct history *b)
{
    assert_int_equal(a->subject, b->subject);
    assert_string_equal(a->name, b->name);
    assert_int_equal(a->promise.order, b->promise.order);
    assert_int_equal(a->promise.relaxation, b->promise.relaxation);
    assert_int_equal(a->promise.capacity, b->promise.capacity);
    assert_int_equal(a->promise.empty_exact, b->promise.empty_exact);
    assert_int_equal(a->promise.full_exact, b->promise.full_exact);
    assert_int_equal(a->promise.keys, b->promise.keys);
    assert_int_equal(a->promise.completes_on_submitter, b->promise.completes_on_submitter);
    assert_true(a->ns_per_tick == b->ns_per_tick);
    assert_int_equal(a->origin_ticks, b->origin_ticks);
    assert_int_equal(a->skew_ticks, b->skew_ticks);
    assert_int_equal(a->sampled, b->sampled);
    assert_int_equal(a->cut_ticks, b->cut_ticks);
    assert_int_equal(a->drained, b->drained);
    assert_int_equal(a->schedulers, b->schedulers);
    assert_int_equal(a->workers, b->workers);
    assert_int_equal(a->unrun, b->unrun);
    assert_int_equal(a->thread_count, b->thread_count);
    for (uint32_t i = 0; i < a->thread_count; i++) {
        assert_string_equal(a->threads[i].name, b->threads[i].name);
        assert_int_equal(a->threads[i].rank, b->threads[i].rank);
        assert_int_equal(a->threads[i].count, b->threads[i].count);
        if (a->threads[i].count)
            assert_memory_equal(a->threads[i].events, b->threads[i].events,
                                a->threads[i].count * sizeof *a->threads[i].events);
    }
}

// ------------------------------------------------------------------------------------------------ files as bytes

struct bytes {
    unsigned char at[4096];
    size_t size;
};

static struct bytes written(const struct history *history)
{
    struct bytes bytes;
    assert_int_equal(history_write(history, path, NULL), 0);
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    bytes.size = fread(bytes.at, 1, sizeof bytes.at, file);
    assert_true(bytes.size < sizeof bytes.at);
    fclose(file);
    return bytes;
}

static void put(const struct bytes *bytes, size_t size)
{
    unlink(other_path); // some file systems wait for the disk when a file with content is cut
    FILE *file = fopen(other_path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes->at, 1, size, file), size);
    assert_int_equal(fclose(file), 0);
}

// The sentence with which the first `size` bytes are refused.
static const char *refusal(const struct bytes *bytes, size_t size)
{
    static struct fault fault;
    struct history *history = (struct history *)&fault;
    fault.text[0] = '\0';
    put(bytes, size);
    const int result = history_read(&history, other_path, &fault);
    assert_null(history);
    assert_int_equal(result, -EBADMSG);
    if (!strstr(fault.text, other_path))
        fail_msg("'%s' names no file", fault.text);
    return fault.text;
}

static void assert_refused(const struct bytes *bytes, size_t position, const char *words)
{
    char wanted[64];
    const char *sentence = refusal(bytes, bytes->size);
    snprintf(wanted, sizeof wanted, "byte %zu", position);
    const char *found = strstr(sentence, wanted);
    if (!found || (found[strlen(wanted)] >= '0' && found[strlen(wanted)] <= '9') || !strstr(sentence, words))
        fail_msg("'%s' does not say '%s' at %s", sentence, words, wanted);
}

// Where the `index`th block begins.
static size_t block_at(const struct bytes *bytes, unsigned index)
{
    size_t at = sizeof(struct history_file_header);
    for (; index > 0; index--) {
        struct history_file_block block;
        memcpy(&block, bytes->at + at, sizeof block);
        at += sizeof block + (block.tag == HISTORY_FILE_EVENTS ? block.count * sizeof(struct history_event) : 0);
    }
    assert_true(at + sizeof(struct history_file_block) <= bytes->size);
    return at;
}

// Makes the checksums fit what is there, as one would who wants to deceive.
static void forge(struct bytes *bytes)
{
    struct history_file_header header;
    memcpy(&header, bytes->at, sizeof header);
    header.crc = (uint32_t)crc32(0, bytes->at, offsetof(struct history_file_header, crc));
    memcpy(bytes->at, &header, sizeof header);
    size_t at = sizeof header;
    while (at + sizeof(struct history_file_block) <= bytes->size) {
        struct history_file_block block;
        memcpy(&block, bytes->at + at, sizeof block);
        size_t body = block.tag == HISTORY_FILE_EVENTS ? block.count * sizeof(struct history_event) : 0;
        if (body > bytes->size - at - sizeof block)
            body = bytes->size - at - sizeof block;
        uLong crc = crc32(0, bytes->at + at, offsetof(struct history_file_block, crc));
        block.crc = (uint32_t)crc32(crc, bytes->at + at + sizeof block, (uInt)body);
        memcpy(bytes->at + at, &block, sizeof block);
        at += sizeof block + body;
    }
}

#define SET(bytes, offset, type, value)                                \
    do {                                                               \
        const type set_value_ = (value);                               \
        memcpy((bytes).at + (offset), &set_value_, sizeof set_value_); \
        forge(&(bytes));                                               \
    } while (0)
#define SET_HEADER(bytes, field, type, value) SET(bytes, offsetof(struct history_file_header, field), type, value)

// ------------------------------------------------------------------------------------------------ tests

static void assert_comes_back(const struct history *history)
{
    struct history *read;
    struct fault fault = {""};
    assert_int_equal(history_write(history, path, &fault), 0);
    assert_int_equal(history_read(&read, path, &fault), 0);
    assert_string_equal(fault.text, "");
    assert_same(history, read);
    history_free(read);
}

static void test_it_comes_back(void **state)
{
    (void)state;
    struct history history = of_queue();
    assert_comes_back(&history);
    history.drained = false;
    history.promise = (struct history_promise){.full_exact = true};
    assert_comes_back(&history);
    history = of_pool();
    assert_comes_back(&history);
    history.promise.keys = false;
    assert_comes_back(&history);
    history.thread_count = 0;
    assert_comes_back(&history);
    history_free(NULL);
}

// In several blocks, of which the last is full, or has one event, or all but one.
static void test_many_events_come_back(void **state)
{
    (void)state;
    const uint64_t most = 2 * HISTORY_BLOCK_EVENTS + 1;
    struct history_event *events = malloc(most * sizeof *events);
    assert_non_null(events);
    for (uint64_t i = 0; i < most; i++)
        events[i] = EVENT(HISTORY_ENQUEUE, 7 * i, 5, i + 1);
    struct history_thread threads[] = {{"producer", 0, 0, events}, {"producer", 1, 3, events + 1}};
    struct history history = of_queue();
    history.threads = threads;
    history.thread_count = 2;
    for (uint64_t count = 2 * HISTORY_BLOCK_EVENTS - 1; count <= most; count++) {
        threads[0].count = count;
        assert_comes_back(&history);
    }
    free(events);
}

static void test_every_byte_counts(void **state)
{
    (void)state;
    const struct history histories[] = {of_queue(), of_pool()};
    for (unsigned h = 0; h < 2; h++) {
        struct bytes bytes = written(&histories[h]);
        for (size_t i = 0; i < bytes.size; i++) {
            static const unsigned char flips[] = {0x01, 0x80, 0xff};
            for (unsigned f = 0; f < sizeof flips; f++) {
                bytes.at[i] ^= flips[f];
                const char *sentence = refusal(&bytes, bytes.size);
                if (!strstr(sentence, "byte "))
                    fail_msg("byte %zu changed: '%s' has no position", i, sentence);
                bytes.at[i] ^= flips[f];
            }
        }
    }
}

static void test_every_length_counts(void **state)
{
    (void)state;
    const struct history history = of_queue();
    struct bytes bytes = written(&history);
    for (size_t size = 0; size < bytes.size; size++) {
        char wanted[64];
        const char *sentence = refusal(&bytes, size);
        snprintf(wanted, sizeof wanted, "cut short at byte %zu", size);
        if (!strstr(sentence, wanted))
            fail_msg("cut at %zu: '%s'", size, sentence);
    }
    bytes.size++;
    bytes.at[bytes.size - 1] = 0;
    assert_refused(&bytes, bytes.size - 1, "something follows the end");
}

static void test_what_is_no_history(void **state)
{
    (void)state;
    const struct history history = of_queue();
    struct bytes bytes = written(&history);
    memcpy(bytes.at, "PK\3\4abcd", 8);
    assert_refused(&bytes, 0, "is no history");
    bytes = written(&history);
    SET_HEADER(bytes, version, uint32_t, 2);
    assert_refused(&bytes, 8, "version 2");
    SET_HEADER(bytes, version, uint32_t, __builtin_bswap32(HISTORY_FILE_VERSION));
    assert_refused(&bytes, 8, "other byte order");
}

#define FIELD(field) offsetof(struct history_file_header, field)

static void test_headers_that_cannot_be(void **state)
{
    (void)state;
    const struct history history = of_queue();
    const struct bytes good = written(&history);
    struct bytes bytes = good;
    SET_HEADER(bytes, subject, uint32_t, 2);
    assert_refused(&bytes, FIELD(subject), "neither of a queue nor of a pool");
    bytes = good;
    memset(bytes.at + FIELD(name), 'x', HISTORY_NAME_MOST);
    forge(&bytes);
    assert_refused(&bytes, FIELD(name), "no text");
    bytes = good;
    SET_HEADER(bytes, name, char, '\n');
    assert_refused(&bytes, FIELD(name), "no text");
    const double rates[] = {0, -1, 0.9e-3, 1.1e9, 1e300, -1e300, (double)__builtin_nan(""), (double)__builtin_inf()};
    for (unsigned i = 0; i < sizeof rates / sizeof rates[0]; i++) {
        bytes = good;
        SET_HEADER(bytes, ns_per_tick, double, rates[i]);
        assert_refused(&bytes, FIELD(ns_per_tick), "clock");
    }
    bytes = good;
    SET_HEADER(bytes, order, uint32_t, 3);
    assert_refused(&bytes, FIELD(order), "order");
    bytes = good;
    SET_HEADER(bytes, flags, uint32_t, 32);
    assert_refused(&bytes, FIELD(flags), "flags");
    bytes = good;
    SET_HEADER(bytes, thread_count, uint32_t, HISTORY_THREADS_MOST);
    assert_refused(&bytes, FIELD(thread_count), "it has not the 4096 threads");
    bytes = good;
    SET_HEADER(bytes, thread_count, uint32_t, 2);
    assert_refused(&bytes, block_at(&good, 3), "there should be the end block");
    SET_HEADER(bytes, thread_count, uint32_t, 4);
    assert_refused(&bytes, block_at(&good, 5), "there should be the name of a thread");
}

// However large the file: a hole costs nothing.
static void test_too_many_threads(void **state)
{
    (void)state;
    struct history history = of_queue();
    struct fault fault;
    const uint32_t counts[] = {HISTORY_THREADS_MOST + 1, UINT32_MAX};
    for (unsigned i = 0; i < 2; i++) {
        struct bytes bytes = written(&history);
        struct history *read;
        fault.text[0] = '\0';
        SET_HEADER(bytes, thread_count, uint32_t, counts[i]);
        assert_refused(&bytes, FIELD(thread_count), "more threads than a history may have");
        if (truncate(other_path, (off_t)1 << 38) != 0)
            continue; // not on this file system
        assert_int_equal(history_read(&read, other_path, &fault), -EBADMSG);
        assert_non_null(strstr(fault.text, "more threads than a history may have"));
    }
    history.thread_count = HISTORY_THREADS_MOST + 1;
    fault.text[0] = '\0';
    assert_int_equal(history_write(&history, path, &fault), -EINVAL);
    assert_non_null(strstr(fault.text, "it has 4097 threads"));
}

static void test_the_most_that_can_be(void **state)
{
    (void)state;
    static struct history_thread threads[HISTORY_THREADS_MOST];
    static struct history_event zero[] = {EVENT(HISTORY_DEQUEUE, 12, 5, 0)}; // of a broken queue, for the judge
    struct history history = of_queue();
    history.threads = threads;
    history.thread_count = HISTORY_THREADS_MOST;
    history.ns_per_tick = 1e9;
    assert_comes_back(&history);
    history.thread_count = 1;
    history.ns_per_tick = 1e-3;
    threads[0] = (struct history_thread){"consumer", 0, 1, zero};
    assert_comes_back(&history);
}

#define BLOCK_FIELD(field) offsetof(struct history_file_block, field)

// Blocks of the sample: 0 producer, 1 its events, 2 both, 3 consumer, 4 its events, 5 end.
static void test_blocks_that_cannot_be(void **state)
{
    (void)state;
    const struct history history = of_queue();
    const struct bytes good = written(&history);
    const size_t thread = block_at(&good, 0), events = block_at(&good, 1), end = block_at(&good, 5);
    struct bytes bytes = good;
    SET(bytes, thread + BLOCK_FIELD(name) + 15, char, 'x');
    SET(bytes, thread + BLOCK_FIELD(name) + 8, uint64_t, UINT64_C(0x6161616161616161));
    assert_refused(&bytes, thread + BLOCK_FIELD(name), "no text");
    const uint64_t counts[] = {UINT64_MAX, UINT64_C(1) << 60, good.size / sizeof(struct history_event)};
    for (unsigned i = 0; i < 3; i++) {
        bytes = good;
        SET(bytes, thread + BLOCK_FIELD(count), uint64_t, counts[i]);
        assert_refused(&bytes, thread + BLOCK_FIELD(count), "it has not the");
    }
    bytes = good;
    SET(bytes, thread + BLOCK_FIELD(count), uint64_t, 5);
    assert_refused(&bytes, block_at(&good, 2), "there should be a block of events");
    SET(bytes, thread + BLOCK_FIELD(count), uint64_t, 3);
    assert_refused(&bytes, events, "there should be a block of events");
    bytes = good;
    SET(bytes, thread + BLOCK_FIELD(thread), uint32_t, 1);
    assert_refused(&bytes, thread, "there should be the name of a thread");
    bytes = good;
    SET(bytes, events + BLOCK_FIELD(thread), uint32_t, 1);
    assert_refused(&bytes, events, "there should be a block of events");
    bytes = good;
    SET(bytes, events + BLOCK_FIELD(count), uint64_t, 0);
    assert_refused(&bytes, events, "there should be a block of events");
    bytes = good;
    SET(bytes, end + BLOCK_FIELD(count), uint64_t, 7);
    assert_refused(&bytes, end + BLOCK_FIELD(count), "counts other events");
}

static void assert_event_refused(const struct history *history, unsigned block, unsigned index,
                                 struct history_event event, const char *words)
{
    struct bytes bytes = written(history);
    const size_t at =
        block_at(&bytes, block) + sizeof(struct history_file_block) + index * sizeof(struct history_event);
    SET(bytes, at, struct history_event, event);
    assert_refused(&bytes, at, words);
}

static void test_events_that_cannot_be(void **state)
{
    (void)state;
    const struct history queue = of_queue(), pool = of_pool();
    assert_event_refused(&queue, 1, 1, EVENT(HISTORY_KINDS, 20, 1, 2), "no such kind");
    assert_event_refused(&queue, 1, 1, EVENT(15, 20, 1, 2), "no such kind");
    assert_event_refused(&queue, 1, 1, EVENT(HISTORY_SUBMIT, 20, 1, 2), "of a pool in the history of a queue");
    assert_event_refused(&queue, 4, 1, EVENT(HISTORY_KEY, 0, 0, 2), "of a pool in the history of a queue");
    assert_event_refused(&pool, 1, 1, EVENT(HISTORY_FULL, 5, 1, 2), "of a queue in the history of a pool");
    assert_event_refused(&pool, 3, 0, EVENT(HISTORY_ENQUEUE, 7, 1, 1), "of a queue in the history of a pool");
    assert_event_refused(&queue, 1, 1, EVENT(HISTORY_ENQUEUE, 9, 1, 2), "before the one that it follows");
    assert_event_refused(&queue, 4, 1, EVENT(HISTORY_EMPTY, 11, 1, 0), "before the one that it follows");
    assert_event_refused(&pool, 1, 3, EVENT(HISTORY_SUBMIT, 8, 1, 2), "before the one that it follows");
    assert_event_refused(&queue, 1, 3, EVENT(HISTORY_ENQUEUE, UINT64_MAX - 2, 3, 2), "overflows");
    assert_event_refused(&queue, 1, 1, EVENT(HISTORY_ENQUEUE, 20, 1, 0), "without an item");
    assert_event_refused(&queue, 4, 1, EVENT(HISTORY_EMPTY, 40, 1, 4), "an item in an EMPTY");
    assert_event_refused(&pool, 1, 1, EVENT(HISTORY_SUBMIT, 5, 1, 0), "without an item");
    assert_event_refused(&pool, 1, 0, EVENT(HISTORY_KEY, 1, 0, 0), "a key has no time");
    assert_event_refused(&pool, 1, 0, EVENT(HISTORY_KEY, 0, 1, 0), "a key has no time");
}

static void assert_unreadable(const char *name, int error, const char *words)
{
    struct fault fault = {""};
    struct history *history;
    assert_int_equal(history_read(&history, name, &fault), error);
    assert_null(history);
    if (!strstr(fault.text, name) || !strstr(fault.text, words))
        fail_msg("'%s' does not say '%s'", fault.text, words);
}

static void test_what_is_no_file(void **state)
{
    (void)state;
    assert_unreadable("/no/such/file", -ENOENT, "No such file");
    assert_unreadable(folder, -EINVAL, "no file that could be a history");
    assert_unreadable("/dev/zero", -EINVAL, "no file that could be a history");
    unlink(other_path);
    assert_int_equal(mkfifo(other_path, 0600), 0);
    assert_unreadable(other_path, -EINVAL, "no file that could be a history");
    unlink(other_path);
}

static unsigned files_in_folder(void)
{
    char command[160];
    snprintf(command, sizeof command, "ls %s | wc -l", folder);
    FILE *lines = popen(command, "r");
    unsigned count = 0;
    assert_int_equal(fscanf(lines, "%u", &count), 1);
    pclose(lines);
    return count;
}

// What was there stays, and nothing else is left.
static void test_what_cannot_be_written(void **state)
{
    (void)state;
    struct history history = of_queue();
    struct fault fault = {""};
    assert_int_equal(history_write(&history, "/no/such/folder/file", &fault), -ENOENT);
    assert_non_null(strstr(fault.text, "/no/such/folder/file can't be written"));
    unlink(path);
    assert_int_equal(mkdir(path, 0700), 0);
    const unsigned files = files_in_folder();
    fault.text[0] = '\0';
    assert_true(history_write(&history, path, &fault) < 0);
    assert_non_null(strstr(fault.text, "can't be written"));
    assert_int_equal(files_in_folder(), files);
    rmdir(path);
    assert_comes_back(&history);
    assert_int_equal(files_in_folder(), files);
    history.name[0] = 'S';
    assert_comes_back(&history); // over the one that is there
}

static int make_folder(void **state)
{
    (void)state;
    const char *temporary = getenv("TMPDIR");
    snprintf(folder, sizeof folder, "%s/readyq-history-XXXXXX", temporary ? temporary : P_tmpdir);
    if (!mkdtemp(folder))
        return -1;
    snprintf(path, sizeof path, "%s/a.history", folder);
    snprintf(other_path, sizeof other_path, "%s/b.history", folder);
    return 0;
}

static int remove_folder(void **state)
{
    (void)state;
    unlink(path);
    unlink(other_path);
    return rmdir(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_it_comes_back),         cmocka_unit_test(test_many_events_come_back),
        cmocka_unit_test(test_every_byte_counts),     cmocka_unit_test(test_every_length_counts),
        cmocka_unit_test(test_what_is_no_history),    cmocka_unit_test(test_headers_that_cannot_be),
        cmocka_unit_test(test_too_many_threads),      cmocka_unit_test(test_the_most_that_can_be),
        cmocka_unit_test(test_blocks_that_cannot_be), cmocka_unit_test(test_events_that_cannot_be),
        cmocka_unit_test(test_what_is_no_file),       cmocka_unit_test(test_what_cannot_be_written),
    };
    return cmocka_run_group_tests_name("history_file", tests, make_folder, remove_folder);
}
