// SPDX-License-Identifier: Apache-2.0
// Every way in which a queue, or a parameter of any plug-in, can be malformed is refused with a sentence that names it
// and the member.
#include "tests/registry_toy.h"

static int toy_prepare(void *queue, void **element)
{
    (void)queue, (void)element;
    return -ENOMEM;
}

static int toy_enqueue_prepared(void *queue, void *handle, void *element, uintptr_t item)
{
    (void)queue, (void)handle, (void)element, (void)item;
    return QUEUE_FULL;
}

static enum queue_clean_state toy_clean(void *queue, void *handle, uint64_t *progress)
{
    (void)queue, (void)handle, (void)progress;
    return QUEUE_CLEAN;
}

static enum queue_clean_state toy_inspect(void *queue, void *handle, bool ensure_empty, uint64_t *progress)
{
    (void)queue, (void)handle, (void)ensure_empty, (void)progress;
    return QUEUE_CLEAN;
}

static void toy_defer_garbage(void *queue, bool defer)
{
    (void)queue, (void)defer;
}

static bool toy_take_garbage(void *queue, void *handle, struct garbage_chain *chain)
{
    (void)queue, (void)handle, (void)chain;
    return false;
}

// With all that is optional.
static struct queue_ops good_queue(void)
{
    struct queue_ops ops = plain_queue();
    ops.prepare = toy_prepare;
    ops.enqueue_prepared = toy_enqueue_prepared;
    ops.discard = toy_detach;
    ops.clean = toy_clean;
    ops.inspect = toy_inspect;
    ops.defer_garbage = toy_defer_garbage;
    ops.take_garbage = toy_take_garbage;
    return ops;
}

static void toy_resolve_other_capacity(const void *config, struct queue_traits *traits)
{
    (void)config;
    traits->capacity = 128;
}

static void toy_resolve_relaxed(const void *config, struct queue_traits *traits)
{
    toy_resolve(config, traits);
    traits->order = QUEUE_ORDER_RELAXED;
}

static const struct queue_loops toy_loops; // lacks all

static void expect_queue(const struct queue_ops *ops, const char *sentence)
{
    struct fault fault = {""};
    expect(registry_check_queue(ops, &fault), &fault, sentence);
}

static void test_good_one_passes(void **state)
{
    (void)state;
    struct fault fault = {""};
    const struct queue_ops ops = good_queue();
    assert_int_equal(registry_check_queue(&ops, &fault), 0);
    assert_string_equal(fault.text, "");
}

static void test_queue_heads(void **state)
{
    (void)state;
    BROKEN(queue, abi_version = QUEUE_ABI_VERSION + 1,
           "queue toy: abi_version is 4, but this program speaks version 3");
    BROKEN(queue, name = NULL, "queue without a name: the required member name is missing");
    BROKEN(queue, name = "", "queue without a name: the required member name is missing");
    BROKEN(queue, name = "a:b", "queue a:b: a name is made of a-z, 0-9 and _, and begins with a letter");
    BROKEN(queue, name = "2nd", "queue 2nd: a name is made of a-z, 0-9 and _, and begins with a letter");
    BROKEN(queue, summary = NULL, "queue toy: the required member summary is missing");
    BROKEN(queue, source = "", "queue toy: the required member source is missing");
}

static void test_queue_functions(void **state)
{
    (void)state;
    BROKEN(queue, init = NULL, "queue toy: the required member init is missing");
    BROKEN(queue, fini = NULL, "queue toy: the required member fini is missing");
    BROKEN(queue, attach = NULL, "queue toy: the required member attach is missing");
    BROKEN(queue, detach = NULL, "queue toy: the required member detach is missing");
    BROKEN(queue, enqueue = NULL, "queue toy: the required member enqueue is missing");
    BROKEN(queue, dequeue = NULL, "queue toy: the required member dequeue is missing");
    BROKEN(queue, loops = &toy_loops, "queue toy: the required member loops->produce is missing");
    const char *const prepared = "queue toy: prepare, enqueue_prepared and discard only come together";
    BROKEN(queue, prepare = NULL, prepared);
    BROKEN(queue, enqueue_prepared = NULL, prepared);
    BROKEN(queue, discard = NULL, prepared);
    BROKEN(queue, clean = NULL, "queue toy: clean and inspect only come together");
    BROKEN(queue, inspect = NULL, "queue toy: clean and inspect only come together");
    BROKEN(queue, defer_garbage = NULL, "queue toy: defer_garbage and take_garbage only come together");
    BROKEN(queue, take_garbage = NULL, "queue toy: defer_garbage and take_garbage only come together");
}

static void test_queue_sizes(void **state)
{
    (void)state;
    BROKEN(queue, size = 0, "queue toy: size is 0");
    BROKEN(queue, align = 0, "queue toy: align is 0, which is not a power of two");
    BROKEN(queue, align = 48, "queue toy: align is 48, which is not a power of two");
    BROKEN(queue, handle_align = 12, "queue toy: handle_align is 12, which is not a power of two");
    BROKEN(queue, element_size = 8,
           "queue toy: element_size is 8, but an element whose freeing is deferred becomes a struct garbage_node of 16 "
           "bytes");
}

static void test_queue_traits(void **state)
{
    (void)state;
    BROKEN(queue, traits.producers = 2, "queue toy: a trait has a value that core/queue.h does not name");
    BROKEN(queue, traits.enqueue = 3, "queue toy: a trait has a value that core/queue.h does not name");
    const char *const relaxed = "queue toy: relaxation must be given with QUEUE_ORDER_RELAXED, and only with it";
    BROKEN(queue, traits.order = QUEUE_ORDER_RELAXED, relaxed);
    BROKEN(queue, traits.relaxation = 4, relaxed);
    BROKEN(queue, resolve = toy_resolve_relaxed, relaxed);
    BROKEN(queue, traits.reclamation = NULL, "queue toy: the trait reclamation is empty; say \"none needed\" if so");
    BROKEN(queue, traits.reserved_from = 1, "queue toy: reserved_from is 1, so that no item could be carried");
    BROKEN(queue, traits.embeds = true,
           "queue toy: embeds is set, but a node whose freeing is deferred is not free when dequeue returns");
    BROKEN(queue, resolve = toy_resolve_other_capacity,
           "queue toy: capacity is 64 in traits, but resolve makes it 128 with every default");
    struct queue_ops ops = good_queue();
    ops.resolve = NULL;
    ops.traits.capacity = 0;
    expect_queue(&ops, "queue toy: full_exact is set, but capacity is 0, so that it is never full");
}

// One parameter in place of the toy's own.
static void expect_param(struct param param, const char *sentence)
{
    const struct param params[] = {param, PARAM_END};
    struct queue_ops ops = good_queue();
    ops.resolve = NULL;
    ops.params = params;
    expect_queue(&ops, sentence);
}

#define CAPACITY(name_, initial_, min_, max_) \
    ((struct param){name_, PARAM_TYPE_U64, 0, initial_, min_, max_, NULL, "items", "help"})

static void test_params(void **state)
{
    (void)state;
    BROKEN(queue, params = NULL, "queue toy: the required member params is missing");
    BROKEN(queue, config_size = 8,
           "queue toy: parameter lock lies outside of config_size (8 bytes), or is not aligned");
    expect_param(CAPACITY("capacity", "0", 1, 9),
                 "queue toy: the default of capacity must be between 1 and 9 items, not 0");
    expect_param(CAPACITY("capacity", "10", 1, 9),
                 "queue toy: the default of capacity must be between 1 and 9 items, not 10");
    expect_param(CAPACITY("capacity", "x", 1, 9),
                 "queue toy: the default of capacity must be a whole number, such as 64, 4k, 2M or 1G, not 'x'");
    expect_param(CAPACITY("capacity", "5", 9, 1),
                 "queue toy: parameter capacity has a range whose min is above its max");
    expect_param(CAPACITY("Capacity", "5", 1, 9),
                 "queue toy: the parameter name 'Capacity' is not made of a-z, 0-9 and _");
    expect_param(CAPACITY("capacity_ns", "5", 1, 9),
                 "queue toy: parameter capacity_ns must end in _ns if, and only if, it is a time");
    expect_param(CAPACITY("capacity", NULL, 1, 9), "queue toy: parameter capacity lacks its default, unit or help");
    struct param param = CAPACITY("capacity", "5", 1, 9);
    param.help = "";
    expect_param(param, "queue toy: parameter capacity lacks its default, unit or help");
    param = CAPACITY("capacity", "5", 1, 9);
    param.offset = 4;
    expect_param(param, "queue toy: parameter capacity lies outside of config_size (24 bytes), or is not aligned");
    param.offset = 24;
    expect_param(param, "queue toy: parameter capacity lies outside of config_size (24 bytes), or is not aligned");
    param = CAPACITY("capacity", "5", 1, 9);
    param.type = PARAM_TYPE_TEXT + 1;
    expect_param(param, "queue toy: parameter capacity has an unknown type");
}

static void test_params_with_choices(void **state)
{
    (void)state;
    struct param param = {"lock", PARAM_TYPE_CHOICE, 0, "mutex", 0, 0, locks, "", "help"};
    param.choices = NULL;
    expect_param(param, "queue toy: parameter lock has no choices");
    param.choices = (const char *const[]){NULL};
    expect_param(param, "queue toy: parameter lock has no choices");
    param.choices = (const char *const[]){"mutex", "a,b", NULL};
    expect_param(param, "queue toy: parameter lock has the choice 'a,b', which can't be typed");
    param.choices = locks;
    param.initial = "spin";
    expect_param(param, "queue toy: the default of lock must be one of none, mutex, not 'spin'");
}

static void test_params_against_each_other(void **state)
{
    (void)state;
    struct param twice[] = {CAPACITY("capacity", "5", 1, 9), CAPACITY("capacity", "5", 1, 9), PARAM_END};
    twice[1].offset = 8;
    BROKEN(queue, params = twice, "queue toy: parameter capacity is declared twice");
    const struct param shared[] = {CAPACITY("one", "5", 1, 9), CAPACITY("two", "5", 1, 9), PARAM_END};
    BROKEN(queue, params = shared, "queue toy: parameters one and two share one member");
    struct param many[66] = {CAPACITY("p", "5", 1, 9)};
    char names[65][8];
    for (unsigned i = 0; i < 65; i++) {
        snprintf(names[i], sizeof names[i], "p%u", i);
        many[i] = CAPACITY(names[i], "5", 1, 9);
        many[i].offset = 8 * i;
    }
    many[65] = (struct param)PARAM_END;
    struct fault fault = {""};
    expect(registry_check_params("x", many, 8 * 65, &fault), &fault, "x: there are more than 64 parameters");
    many[64] = (struct param)PARAM_END;
    assert_int_equal(registry_check_params("x", many, 8 * 65, NULL), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good_one_passes),     cmocka_unit_test(test_queue_heads),
        cmocka_unit_test(test_queue_functions),     cmocka_unit_test(test_queue_sizes),
        cmocka_unit_test(test_queue_traits),        cmocka_unit_test(test_params),
        cmocka_unit_test(test_params_with_choices), cmocka_unit_test(test_params_against_each_other),
    };
    return cmocka_run_group_tests_name("registry_queue", tests, NULL, NULL);
}
