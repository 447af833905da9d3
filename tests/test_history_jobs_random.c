// SPDX-License-Identifier: Apache-2.0
// The judge of a pool's history on random ones, right ones and such that were spoilt in a place or two, against a judge
// that only knows the definitions and tries every pair.
#include "tests/pool_verdicts.h"

struct tried_event {
    const struct history_event *event;
    uint32_t thread;
};

#define TRIED_MOST (MADE_THREADS * MADE_EVENTS)

static struct tried_event tried[TRIED_MOST];
static unsigned tried_count;

static void try_all(void)
{
    tried_count = 0;
    for (uint32_t t = 0; t < made.history.thread_count; t++)
        for (uint64_t i = 0; i < made.threads[t].count; i++)
            if (history_kind(&made.events[t][i]) != HISTORY_KEY)
                tried[tried_count++] = (struct tried_event){&made.events[t][i], t};
}

// The nth event, by time, of a kind for a job; READY stands for FREE too.
static const struct tried_event *nth(uint64_t job, enum history_kind kind, unsigned n)
{
    const struct tried_event *found[TRIED_MOST];
    unsigned count = 0;
    for (unsigned i = 0; i < tried_count; i++) {
        enum history_kind is = history_kind(tried[i].event);
        is = is == HISTORY_FREE ? HISTORY_READY : is;
        if (tried[i].event->item != job || is != kind)
            continue;
        unsigned at = count++;
        for (; at > 0 && found[at - 1]->event->start > tried[i].event->start; at--)
            found[at] = found[at - 1];
        found[at] = &tried[i];
    }
    return n < count ? found[n] : NULL;
}

static bool surely_before(uint64_t ticks, uint64_t other)
{
    return ticks + made.history.skew_ticks < other;
}

static bool try_submits(uint64_t job, enum history_fault fault)
{
    const struct tried_event *submit = nth(job, HISTORY_SUBMIT, 0);
    if (fault == HISTORY_DUPLICATED)
        return nth(job, HISTORY_SUBMIT, 1) != NULL;
    for (unsigned i = 0; i < tried_count; i++) {
        if (tried[i].event->item != job || history_kind(tried[i].event) == HISTORY_SUBMIT)
            continue;
        const struct tried_event *first =
            nth(job, history_kind(tried[i].event) == HISTORY_INVOKE ? HISTORY_INVOKE : HISTORY_READY, 0);
        if (surely_before(first->event->start, submit ? submit->event->start : made.history.cut_ticks))
            return true;
    }
    return false;
}

static const struct history_thread *home_thread(const struct tried_event *submit)
{
    const struct history_thread *thread = &made.threads[submit->thread];
    return strcmp(thread->name, "scheduler") == 0 ? thread : &made.threads[0];
}

static bool try_job(uint64_t job, enum history_fault fault, bool drained)
{
    const struct tried_event *submit = nth(job, HISTORY_SUBMIT, 0), *invoke = nth(job, HISTORY_INVOKE, 0),
                             *end = nth(job, HISTORY_READY, 0);
    const bool whole = made.history.cut_ticks == HISTORY_NEVER;
    switch (fault) {
    case HISTORY_NOT_INVOKED:
        return whole && !invoke && (drained || end);
    case HISTORY_INVOKED_TWICE:
        return nth(job, HISTORY_INVOKE, 1);
    case HISTORY_NOT_COMPLETED:
        return whole && drained && !end;
    case HISTORY_COMPLETED_TWICE:
        return nth(job, HISTORY_READY, 1);
    case HISTORY_READY_BEFORE_INVOKED:
        if (!end || !invoke)
            return end && surely_before(end->event->start, made.history.cut_ticks);
        return surely_before(end->event->start, history_end(invoke->event)) ||
               (end->thread == invoke->thread && end->event < invoke->event);
    case HISTORY_STRAYED:
        return (invoke && strcmp(made.threads[invoke->thread].name, "worker") != 0) ||
               (submit && end && &made.threads[end->thread] != home_thread(submit));
    default:
        return try_submits(job, fault);
    }
}

static const struct history_event *key_before(const struct tried_event *submit)
{
    const struct history_event *event = submit->event;
    while (event-- > made.events[submit->thread] && history_kind(event) != HISTORY_SUBMIT)
        if (history_kind(event) == HISTORY_KEY)
            return event;
    return NULL;
}

static bool try_pair(const struct tried_event *a, const struct tried_event *b)
{
    const struct history_event *key_a = key_before(a), *key_b = key_before(b);
    if (!key_a || !key_b || key_a->item != key_b->item)
        return false;
    const bool one_thread = a->thread == b->thread;
    if (one_thread
            ? a->event >= b->event || history_end(a->event) > b->event->start
            : made.history.promise.order != QUEUE_ORDER_FIFO || !surely_before(history_end(a->event), b->event->start))
        return false;
    const struct tried_event *first = nth(a->event->item, HISTORY_INVOKE, 0);
    const struct tried_event *second = nth(b->event->item, HISTORY_INVOKE, 0);
    if (!second)
        return false;
    if (!first)
        return surely_before(second->event->start, made.history.cut_ticks);
    return surely_before(second->event->start, history_end(first->event)) ||
           (first->thread == second->thread && second->event < first->event);
}

static bool try_pairs(void)
{
    for (unsigned a = 0; a < tried_count; a++)
        for (unsigned b = 0; b < tried_count; b++)
            if (history_kind(tried[a].event) == HISTORY_SUBMIT && history_kind(tried[b].event) == HISTORY_SUBMIT &&
                try_pair(&tried[a], &tried[b]))
                return true;
    return false;
}

static enum history_fault try_everything(bool drained)
{
    static const enum history_fault order[] = {
        HISTORY_INVENTED,      HISTORY_DUPLICATED,      HISTORY_NOT_INVOKED,          HISTORY_INVOKED_TWICE,
        HISTORY_NOT_COMPLETED, HISTORY_COMPLETED_TWICE, HISTORY_READY_BEFORE_INVOKED, HISTORY_KEY_REORDERED,
        HISTORY_STRAYED};
    try_all();
    for (size_t f = 0; f < sizeof order / sizeof order[0]; f++) {
        if (order[f] == HISTORY_KEY_REORDERED && try_pairs())
            return order[f];
        for (unsigned i = 0; i < tried_count && order[f] != HISTORY_KEY_REORDERED; i++)
            if (try_job(tried[i].event->item, order[f], drained))
                return order[f];
    }
    return HISTORY_OK;
}

// ------------------------------------------------------------------------------------------------ random histories

static uint64_t lottery;

// Any event that is not a key; its thread in *thread and its place there in *at.
static struct history_event *draw_event(uint32_t *thread, uint64_t *at)
{
    for (;;) {
        *thread = (uint32_t)made_draw(&lottery, made.history.thread_count);
        if (made.threads[*thread].count == 0)
            continue;
        *at = made_draw(&lottery, made.threads[*thread].count);
        if (history_kind(&made.events[*thread][*at]) != HISTORY_KEY)
            return &made.events[*thread][*at];
    }
}

static void take_out(uint32_t thread, uint64_t at)
{
    const bool keyed = at > 0 && history_kind(&made.events[thread][at - 1]) == HISTORY_KEY;
    made_drop(&made, thread, at);
    if (keyed)
        made_drop(&made, thread, at - 1);
}

enum spoil { SPOIL_DROP, SPOIL_DOUBLE, SPOIL_SWAP, SPOIL_MOVE, SPOIL_DELAY, SPOILS };

static void swap_items(struct history_event *event)
{
    for (;;) {
        uint32_t thread;
        uint64_t at;
        struct history_event *other = draw_event(&thread, &at);
        if (history_kind(other) != history_kind(event))
            continue;
        const uint64_t item = event->item;
        event->item = other->item;
        other->item = item;
        return;
    }
}

// Changes one event; of which kind it was.
static enum history_kind spoil(enum spoil how)
{
    uint32_t thread;
    uint64_t at;
    struct history_event *event = draw_event(&thread, &at);
    struct history_event copy = *event;
    switch (how) {
    case SPOIL_DROP:
        take_out(thread, at);
        break;
    case SPOIL_DOUBLE:
        copy.start += made_draw(&lottery, 50);
        made_insert(&made, (uint32_t)made_draw(&lottery, made.history.thread_count), copy);
        break;
    case SPOIL_SWAP:
        swap_items(event);
        break;
    case SPOIL_MOVE:
        take_out(thread, at);
        made_insert(&made, (uint32_t)made_draw(&lottery, made.history.thread_count), copy);
        break;
    default:
        take_out(thread, at);
        copy.start = made_draw(&lottery, 2) ? copy.start + made_draw(&lottery, 50)
                                            : copy.start - made_draw(&lottery, copy.start + 1);
        made_insert(&made, thread, copy);
    }
    return history_kind(&copy);
}

static void expect_agreement(uint64_t seed, bool drained)
{
    const struct history_verdict verdict = judged(drained);
    const enum history_fault right = try_everything(drained);
    if (verdict.fault != right)
        fail_msg("seed %llu: '%s' (%s), not '%s'", (unsigned long long)seed, history_fault_name(verdict.fault),
                 verdict.sentence, history_fault_name(right));
}

static void test_right_ones(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= ROUNDS(10000); seed++) {
        sim_run(&made, seed);
        const struct history_verdict verdict = judged(true);
        if (verdict.fault != HISTORY_OK)
            fail_msg("seed %llu: %s: %s", (unsigned long long)seed, history_fault_name(verdict.fault),
                     verdict.sentence);
    }
}

static void test_spoilt_ones(void **state)
{
    (void)state;
    static unsigned found[HISTORY_FAULTS];
    for (uint64_t seed = 1; seed <= ROUNDS(10000); seed++) {
        lottery = seed ^ 0x5eed;
        sim_run(&made, seed);
        if (made_draw(&lottery, 4) == 0)
            made.history.promise.order = QUEUE_ORDER_PER_PRODUCER;
        if (made_draw(&lottery, 4) == 0)
            made.history.cut_ticks = made_draw(&lottery, 300);
        for (unsigned times = 1 + (unsigned)made_draw(&lottery, 2); times > 0; times--)
            spoil((enum spoil)made_draw(&lottery, SPOILS));
        expect_agreement(seed, made_draw(&lottery, 2));
        found[judged(true).fault]++;
    }
    // Each is found often, and so is nothing.
    for (enum history_fault fault = HISTORY_OK; fault < HISTORY_FAULTS; fault++) {
        const bool of_queue = fault >= HISTORY_LOST && fault <= HISTORY_OVERFULL;
        if (of_queue ? found[fault] > 0 : found[fault] < ROUNDS(50))
            fail_msg("%s: %u times", history_fault_name(fault), found[fault]);
    }
}

// One event less or more has one name.
static void test_names_of_single_faults(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= ROUNDS(5000); seed++) {
        lottery = seed;
        sim_run(&made, seed);
        made.history.promise.completes_on_submitter = false;
        const bool drops = made_draw(&lottery, 2);
        const enum history_kind kind = spoil(drops ? SPOIL_DROP : SPOIL_DOUBLE);
        if (kind == HISTORY_SUBMIT)
            expect(drops ? HISTORY_INVENTED : HISTORY_DUPLICATED);
        else if (kind == HISTORY_INVOKE)
            expect(drops ? HISTORY_NOT_INVOKED : HISTORY_INVOKED_TWICE);
        else
            expect(drops ? HISTORY_NOT_COMPLETED : HISTORY_COMPLETED_TWICE);
    }
}

// Each thread stops recording where it likes, no event begins earlier than the cut and is missing.
static void test_cut_anywhere(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= ROUNDS(10000); seed++) {
        lottery = seed;
        sim_run(&made, seed);
        for (uint32_t t = 0; t < made.history.thread_count; t++) {
            struct history_thread *thread = &made.threads[t];
            const uint64_t kept = made_draw(&lottery, thread->count + 1);
            for (uint64_t at = kept; at < thread->count; at++)
                if (history_kind(&thread->events[at]) != HISTORY_KEY &&
                    thread->events[at].start < made.history.cut_ticks)
                    made.history.cut_ticks = thread->events[at].start;
            thread->count = kept;
        }
        expect(HISTORY_OK);
        expect_agreement(seed, true);
    }
}

// Jobs left out whole leave the others as right or wrong as they were.
static void test_sampled(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= ROUNDS(10000); seed++) {
        lottery = seed;
        sim_run(&made, seed);
        if (made_draw(&lottery, 2))
            spoil((enum spoil)made_draw(&lottery, SPOILS));
        made.history.sampled = 2;
        for (uint32_t t = 0; t < made.history.thread_count; t++)
            for (uint64_t at = made.threads[t].count; at-- > 0;)
                if (history_kind(&made.events[t][at]) != HISTORY_KEY &&
                    !history_is_sampled(made.events[t][at].item, 2)) {
                    take_out(t, at);
                    at -= at > 0 && at > made.threads[t].count;
                }
        expect_agreement(seed, true);
        assert_int_equal(judged(true).scope, HISTORY_SCOPE_SAMPLED);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_right_ones),
        cmocka_unit_test(test_spoilt_ones),
        cmocka_unit_test(test_names_of_single_faults),
        cmocka_unit_test(test_cut_anywhere),
        cmocka_unit_test(test_sampled),
    };
    return cmocka_run_group_tests_name("random histories of a pool", tests, NULL, NULL);
}
