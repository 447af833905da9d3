// SPDX-License-Identifier: Apache-2.0
// Parameters written out, so that they can be typed again, and whole plug-ins chosen by "name:param=value,...".
#include "tests/params_toy.h"

static void test_text_can_be_typed_again(void **state)
{
    (void)state;
    struct config config = {0};
    get_defaults(&config);
    assert_int_equal(params_set_all(table, &config, "q", "window=1k,service_ns=2ms,ordered=off,lock=none", NULL), 0);
    char *text = params_text(table, &config);
    assert_string_equal(text, "window=1000;service_ns=2000000;ordered=no;lock=none;label=plain;any=0");
    for (char *at = strchr(text, ';'); at; at = strchr(at, ';'))
        *at = ',';
    struct config again = {0};
    get_defaults(&again);
    assert_int_equal(params_set_all(table, &again, "q", text, NULL), 0);
    assert_int_equal(again.window, config.window);
    assert_int_equal(again.service_ns, config.service_ns);
    assert_int_equal(again.ordered, config.ordered);
    assert_int_equal(again.lock, config.lock);
    assert_string_equal(again.label, config.label);
    free(text);
    params_free(table, &config);
    params_free(table, &again);
}

static void test_value(void **state)
{
    (void)state;
    struct config config = {0};
    get_defaults(&config);
    const char *const wanted[] = {"64", "1500", "yes", "mutex", "plain", "0"};
    for (unsigned i = 0; table[i].name; i++) {
        char value[16];
        assert_string_equal(params_value(&table[i], &config, value, sizeof value), wanted[i]);
    }
    char small[4];
    assert_string_equal(params_value(&table[4], &config, small, sizeof small), "pla");
    params_free(table, &config);
}

static void test_quantity_and_range(void **state)
{
    (void)state;
    char text[64];
    assert_string_equal(params_quantity(PARAM_TYPE_NS, 0, text, sizeof text), "0");
    assert_string_equal(params_quantity(PARAM_TYPE_NS, 1500, text, sizeof text), "1500ns");
    assert_string_equal(params_quantity(PARAM_TYPE_NS, 2000000, text, sizeof text), "2ms");
    assert_string_equal(params_quantity(PARAM_TYPE_NS, 7200000000000, text, sizeof text), "7200s");
    assert_string_equal(params_quantity(PARAM_TYPE_U64, 4000, text, sizeof text), "4000");
    const char *const wanted[] = {"1 to 65536", "1us to 2s", "yes or no", "none | mutex | ticket", "text", "0 or more"};
    for (unsigned i = 0; table[i].name; i++)
        assert_string_equal(params_range(&table[i], text, sizeof text), wanted[i]);
}

static void test_print(void **state)
{
    (void)state;
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    params_print(table, NULL, out);
    fclose(out);
    for (const struct param *param = table; param->name; param++) {
        assert_non_null(strstr(text, param->name));
        assert_non_null(strstr(text, param->initial));
        assert_non_null(strstr(text, param->help));
    }
    assert_non_null(strstr(text, "none | mutex | ticket"));
    for (const char *line = text; *line; line = strchr(line, '\n') + 1)
        assert_true(strcspn(line, "\n") <= 120);
    free(text);
}

// In place of its default, each parameter that a name presets shows what it is fixed at, and no other does.
static void test_print_presets(void **state)
{
    (void)state;
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    params_print(table, "window=77,lock=ticket", out);
    fclose(out);
    assert_non_null(strstr(text, "77, fixed"));
    assert_non_null(strstr(text, "ticket, fixed"));
    unsigned fixed = 0;
    for (const char *at = text; (at = strstr(at, ", fixed")) != NULL; at++)
        fixed++;
    assert_int_equal(fixed, 2);
    free(text);
}

static void test_new(void **state)
{
    (void)state;
    struct fault fault = {""};
    void *made = NULL;
    assert_int_equal(params_new(table, sizeof(struct config), "q", "lock=ticket", "window=2", &made, &fault), 0);
    const struct config *config = made;
    assert_int_equal(config->lock, 2);
    assert_int_equal(config->window, 2);
    assert_int_equal(config->service_ns, 1500);
    params_delete(table, made);

    made = &fault;
    assert_int_equal(params_new(table, sizeof(struct config), "q", "lock=ticket", "label=x,lock=none", &made, &fault),
                     -EINVAL);
    assert_string_equal(fault.text, "q: this name stands for lock=ticket, which can't be set again");
    assert_ptr_equal(made, &fault);
    params_delete(table, NULL);
}

static void test_split(void **state)
{
    (void)state;
    struct fault fault = {""};
    char *name;
    const char *params;
    assert_int_equal(params_split("list", &name, &params, &fault), 0);
    assert_string_equal(name, "list");
    assert_string_equal(params, "");
    free(name);
    assert_int_equal(params_split("list:lock=a,text=b:c", &name, &params, &fault), 0);
    assert_string_equal(name, "list");
    assert_string_equal(params, "lock=a,text=b:c");
    free(name);
    assert_int_equal(params_split(":lock=a", &name, &params, &fault), -EINVAL);
    assert_string_equal(fault.text, "':lock=a' names nothing; write NAME or NAME:parameter=value,...");
    fault.text[0] = '\0';
    assert_int_equal(params_split("", &name, &params, &fault), -EINVAL);
    assert_string_equal(fault.text, "'' names nothing; write NAME or NAME:parameter=value,...");
    fault.text[0] = '\0';
    assert_int_equal(params_split("list:", &name, &params, &fault), -EINVAL);
    assert_string_equal(fault.text, "'list:' has no parameter after its colon; write NAME or NAME:parameter=value,...");
}

static void test_choice_of_every_listed_queue(void **state)
{
    (void)state;
    unsigned aliases = 0;
    for (const struct queue_entry *entry = queue_list; entry->name; entry++) {
        struct fault fault = {""};
        struct queue_choice choice;
        if (!entry->ops) {
            assert_int_equal(queue_choice_parse(&choice, entry->name, &fault), -EINVAL);
            assert_non_null(strstr(fault.text, entry->package));
            continue;
        }
        assert_int_equal(queue_choice_parse(&choice, entry->name, &fault), 0);
        assert_ptr_equal(choice.entry, entry);
        assert_string_equal(choice.traits.reclamation, entry->ops->traits.reclamation);
        if (entry->alias_of) {
            aliases++;
            assert_non_null(strstr(choice.params, entry->presets));
            char spec[128];
            snprintf(spec, sizeof spec, "%s:%s", entry->name, entry->presets);
            struct queue_choice again;
            assert_int_equal(queue_choice_parse(&again, spec, &fault), -EINVAL);
            assert_non_null(strstr(fault.text, "can't be set again"));
            assert_null(again.config);
        }
        queue_choice_fini(&choice);
        assert_null(choice.config);
    }
    assert_true(aliases > 0);
}

static void test_choice_refused(void **state)
{
    (void)state;
    struct queue_choice choice;
    struct fault fault = {""};
    assert_int_equal(queue_choice_parse(&choice, "no_such_queue:a=1", &fault), -EINVAL);
    assert_non_null(strstr(fault.text, "there is no queue 'no_such_queue'; known are "));
    assert_non_null(strstr(fault.text, queue_list[0].name));
    char spec[128];
    snprintf(spec, sizeof spec, "%s:no_such_parameter=1", queue_list[0].name);
    fault.text[0] = '\0';
    assert_int_equal(queue_choice_parse(&choice, spec, &fault), -EINVAL);
    assert_non_null(strstr(fault.text, "there is no parameter 'no_such_parameter'"));
    queue_choice_fini(&choice); // harmless after a failure
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_text_can_be_typed_again),
        cmocka_unit_test(test_value),
        cmocka_unit_test(test_quantity_and_range),
        cmocka_unit_test(test_print),
        cmocka_unit_test(test_print_presets),
        cmocka_unit_test(test_new),
        cmocka_unit_test(test_split),
        cmocka_unit_test(test_choice_of_every_listed_queue),
        cmocka_unit_test(test_choice_refused),
    };
    return cmocka_run_group_tests_name("params_show", tests, NULL, NULL);
}
