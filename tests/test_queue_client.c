// SPDX-License-Identifier: Apache-2.0
// How queues are held: demands against traits, memory on failure, and what stands in for the optional functions.
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/queue_client.h"
#include "tests/unit.h"

// A toy of one place with nothing optional, which does as it is told.
struct toy {
    uintptr_t item;
};

static int init_error, attach_error, hidden; // what the toy answers; EMPTY answers that are to be RETRY
static unsigned inits, finis, attached, blocks, blocks_allowed;
static uintptr_t length;

static int toy_init(void *queue, const struct queue_env *env, const void *config)
{
    (void)env;
    (void)config;
    inits++;
    ((struct toy *)queue)->item = 0;
    return init_error;
}

static void toy_fini(void *queue)
{
    (void)queue;
    finis++;
}

static int toy_attach(void *queue, void *handle, enum queue_role role, enum queue_thread_kind kind)
{
    (void)queue;
    (void)role;
    (void)kind;
    assert_int_equal(*(char *)handle, 0);
    attached += !attach_error;
    return attach_error;
}

static void toy_detach(void *queue, void *handle)
{
    (void)queue;
    (void)handle;
    attached--;
}

static int toy_enqueue(void *queue, void *handle, uintptr_t item)
{
    (void)handle;
    ((struct toy *)queue)->item = item;
    return QUEUE_OK;
}

static int toy_dequeue(void *queue, void *handle, uintptr_t *item)
{
    (void)handle;
    struct toy *q = queue;
    if (hidden > 0 || q->item == 0)
        return hidden-- > 0 ? QUEUE_RETRY : QUEUE_EMPTY;
    *item = q->item;
    q->item = 0;
    return QUEUE_OK;
}

static const struct queue_ops toy_ops = {
    .name = "toy",
    .size = sizeof(struct toy),
    .align = _Alignof(struct toy),
    .handle_size = 24,
    .handle_align = 8,
    .init = toy_init,
    .fini = toy_fini,
    .attach = toy_attach,
    .detach = toy_detach,
    .enqueue = toy_enqueue,
    .dequeue = toy_dequeue,
};

static struct queue_entry entry = {.name = "toy", .ops = &toy_ops};
static struct queue_choice choice;

static void *count_alloc(void *context, size_t size, size_t align, int node)
{
    (void)context;
    (void)align;
    (void)node;
    if (blocks_allowed == 0)
        return NULL;
    blocks_allowed--;
    blocks++;
    return calloc(1, size);
}

static void count_free(void *context, void *memory, size_t size, int node)
{
    (void)context;
    (void)node;
    (void)size;
    blocks--;
    free(memory);
}

static void count_notify(void *argument)
{
    ++*(unsigned *)argument;
}

static unsigned notified;
static const struct queue_env env = {
    .alloc = count_alloc, .free = count_free, .notify = count_notify, .notify_argument = &notified, .node = -1};

static int set_up(void **state)
{
    (void)state;
    init_error = attach_error = hidden = 0;
    inits = finis = attached = blocks = notified = 0;
    blocks_allowed = 10;
    entry.ops = &toy_ops;
    choice = (struct queue_choice){.entry = &entry, .params = ""};
    choice.traits = (struct queue_traits){.producers = QUEUE_MANY, .consumers = QUEUE_ONE, .empty_exact = true};
    return 0;
}

static void assert_refused(const struct queue_demand *demand, const char *word)
{
    struct fault fault = {""};
    assert_int_equal(queue_demand_check(&choice, demand, &fault), -EINVAL);
    if (!strstr(fault.text, word) || !strstr(fault.text, "toy") || !strstr(fault.text, demand->what))
        fail_msg("'%s' does not say %s, toy and %s", fault.text, word, demand->what);
}

static void test_demands_beyond_the_traits_are_refused(void **state)
{
    (void)state;
    struct fault fault = {""};
    struct queue_demand demand = {.what = "ready queue", .producers = 2, .consumers = 1, .must_be_exact = true};
    assert_int_equal(queue_demand_check(&choice, &demand, &fault), 0);
    assert_string_equal(fault.text, "");
    demand.consumers = 2;
    assert_refused(&demand, "trait consumers");
    demand.consumers = 1;
    choice.traits.producers = QUEUE_ONE;
    assert_refused(&demand, "trait producers");
    demand.producers = 1;
    assert_int_equal(queue_demand_check(&choice, &demand, &fault), 0);
    choice.traits.empty_exact = false;
    assert_refused(&demand, "trait empty_exact");
    demand.must_be_exact = false;
    assert_int_equal(queue_demand_check(&choice, &demand, &fault), 0);
    choice.traits.empty_exact = true;
    choice.traits.baseline = true;
    assert_int_equal(queue_demand_check(&choice, &demand, &fault), 0);
    demand.must_be_exact = true;
    assert_refused(&demand, "trait baseline");
}

static void test_a_queue_that_is_known_to_be_broken_is_for_benchmarks_only(void **state)
{
    (void)state;
    struct fault fault = {""};
    struct queue_demand demand = {.what = "job queue", .producers = 2, .consumers = 1};
    entry.broken = "may answer EMPTY";
    assert_int_equal(queue_demand_check(&choice, &demand, &fault), 0);
    demand.must_be_exact = true;
    assert_refused(&demand, "is broken (may answer EMPTY)");
    entry.broken = NULL;
}

static void test_nothing_is_held_after_a_failure(void **state)
{
    (void)state;
    struct queue queue;
    struct queue_client client;
    struct fault fault = {""};
    blocks_allowed = 0;
    assert_int_equal(queue_open(&queue, &choice, &env, &fault), -ENOMEM);
    assert_non_null(strstr(fault.text, "toy"));
    queue_close(&queue);
    assert_int_equal(inits, 0);
    blocks_allowed = 10;
    init_error = -ENOMEM;
    fault = (struct fault){""};
    assert_int_equal(queue_open(&queue, &choice, &env, &fault), -ENOMEM);
    assert_string_equal(fault.text, "the queue toy with no parameters can't be made: Cannot allocate memory");
    choice.params = "capacity=7";
    fault = (struct fault){""};
    assert_int_equal(queue_open(&queue, &choice, &env, &fault), -ENOMEM);
    assert_string_equal(fault.text, "the queue toy with capacity=7 can't be made: Cannot allocate memory");
    choice.params = NULL;
    queue_close(&queue);
    assert_int_equal(blocks, 0);
    assert_int_equal(finis, 0);
    init_error = 0;
    assert_int_equal(queue_open(&queue, &choice, &env, NULL), 0);
    blocks_allowed = 0;
    assert_int_equal(queue_client_attach(&client, &queue, QUEUE_CONSUMER, QUEUE_MANAGED), -ENOMEM);
    queue_client_detach(&client, &queue);
    blocks_allowed = 10;
    attach_error = -EINVAL;
    assert_int_equal(queue_client_attach(&client, &queue, QUEUE_CONSUMER, QUEUE_MANAGED), -EINVAL);
    queue_client_detach(&client, &queue);
    assert_int_equal(attached, 0);
    assert_int_equal(blocks, 1);
    queue_close(&queue);
    assert_int_equal(finis, 1);
    assert_int_equal(blocks, 0);
}

static void test_what_a_queue_lacks_is_emulated(void **state)
{
    (void)state;
    struct queue queue;
    struct queue_client client;
    struct garbage_chain chain = {NULL, NULL};
    uint64_t progress;
    uintptr_t item = 0;
    void *element = &queue;
    assert_int_equal(queue_open(&queue, &choice, &env, NULL), 0);
    assert_int_equal(queue_client_attach(&client, &queue, QUEUE_CONSUMER, QUEUE_UNMANAGED), 0);
    assert_int_equal(queue_prepare(&queue, &element), 0);
    assert_null(element);
    queue_discard(&queue, element);
    assert_int_equal(queue_enqueue_prepared(&client, NULL, 5), QUEUE_OK);
    queue_notify(&queue);
    assert_int_equal(notified, 1);
    assert_int_equal(queue_clean(&client, &progress), QUEUE_CLEAN);
    assert_false(queue_take_garbage(&client, &chain));
    assert_int_equal(queue_length(&queue), QUEUE_UNCOUNTED);
    assert_int_equal(queue_inspect(&client, false, &progress), QUEUE_CLEAN);
    assert_int_equal(client.kept, 0);
    // Looking takes the item out and keeps it for the next dequeue, however often one looks.
    assert_int_equal(queue_inspect(&client, true, &progress), QUEUE_DIRTY);
    assert_int_equal(queue_inspect(&client, true, &progress), QUEUE_DIRTY);
    assert_int_equal(queue_enqueue(&client, 6), QUEUE_OK);
    assert_int_equal(queue_dequeue(&client, &item), QUEUE_OK);
    assert_int_equal(item, 5);
    assert_int_equal(queue_dequeue(&client, &item), QUEUE_OK);
    assert_int_equal(item, 6);
    assert_int_equal(queue_inspect(&client, true, &progress), QUEUE_CLEAN);
    hidden = 1;
    assert_int_equal(queue_inspect(&client, true, &progress), QUEUE_DIRTY); // RETRY is no reason to sleep
    assert_int_equal(queue_dequeue(&client, &item), QUEUE_EMPTY);
    queue_client_detach(&client, &queue);
    queue_client_detach(&client, &queue); // not attached: nothing happens
    assert_int_equal(attached, 0);
    queue_close(&queue);
    assert_int_equal(blocks, 0);
}

static uint64_t tell_length(void *queue)
{
    (void)queue;
    return length;
}

static void test_what_a_queue_has_is_used(void **state)
{
    (void)state;
    static struct queue_ops ops;
    struct queue queue;
    ops = toy_ops;
    ops.length = tell_length;
    ops.handle_size = 0;
    entry.ops = &ops;
    choice.traits.notifies = true;
    assert_int_equal(queue_open(&queue, &choice, &env, NULL), 0);
    length = 17;
    assert_int_equal(queue_length(&queue), 17);
    queue_notify(&queue);
    assert_int_equal(notified, 0); // it does so by itself
    queue_close(&queue);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_demands_beyond_the_traits_are_refused, set_up),
        cmocka_unit_test_setup(test_a_queue_that_is_known_to_be_broken_is_for_benchmarks_only, set_up),
        cmocka_unit_test_setup(test_nothing_is_held_after_a_failure, set_up),
        cmocka_unit_test_setup(test_what_a_queue_lacks_is_emulated, set_up),
        cmocka_unit_test_setup(test_what_a_queue_has_is_used, set_up),
    };
    return cmocka_run_group_tests_name("queue_client", tests, NULL, NULL);
}
