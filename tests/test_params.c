// SPDX-License-Identifier: Apache-2.0
// Parameters: what may be typed, and what is refused with which sentence.
#include "tests/params_toy.h"

static void expect_number(enum param_type type, const char *text, uint64_t wanted)
{
    uint64_t value = 77;
    if (params_number(type, text, &value) != 0)
        fail_msg("'%s' is refused", text);
    if (value != wanted)
        fail_msg("'%s' is read as %llu", text, (unsigned long long)value);
}

static void expect_no_number(enum param_type type, const char *text)
{
    uint64_t value = 77;
    const int result = params_number(type, text, &value);
    if (result != -EINVAL)
        fail_msg("'%s' gives %d and %llu", text, result, (unsigned long long)value);
    assert_int_equal(value, 77);
}

static void test_counts(void **state)
{
    (void)state;
    expect_number(PARAM_TYPE_U64, "0", 0);
    expect_number(PARAM_TYPE_U64, "017", 17);
    expect_number(PARAM_TYPE_U64, "4k", 4000);
    expect_number(PARAM_TYPE_U64, "1.5k", 1500);
    expect_number(PARAM_TYPE_U64, "2M", 2000000);
    expect_number(PARAM_TYPE_U64, "3G", 3000000000);
    expect_number(PARAM_TYPE_U64, "18446744073709551615", UINT64_MAX);
    expect_number(PARAM_TYPE_U64, "18446744073.709551615G", UINT64_MAX);
    const char *const wrong[] = {"",
                                 " 1",
                                 "1 ",
                                 "-1",
                                 "+1",
                                 "k",
                                 ".5k",
                                 "1.",
                                 "1.5",
                                 "1.2345k",
                                 "1..5k",
                                 "0x10",
                                 "1K",
                                 "1kk",
                                 "1us",
                                 "4k7",
                                 "18446744073709551616",
                                 "18446744073709552k",
                                 "99999999999999999999999",
                                 "1e3",
                                 "nan"};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        expect_no_number(PARAM_TYPE_U64, wrong[i]);
}

static void test_times(void **state)
{
    (void)state;
    expect_number(PARAM_TYPE_NS, "0", 0);
    expect_number(PARAM_TYPE_NS, "250", 250);
    expect_number(PARAM_TYPE_NS, "250ns", 250);
    expect_number(PARAM_TYPE_NS, "1us", 1000);
    expect_number(PARAM_TYPE_NS, "0.5ms", 500000);
    expect_number(PARAM_TYPE_NS, "2s", 2000000000);
    expect_number(PARAM_TYPE_NS, "1.000000001s", 1000000001);
    expect_number(PARAM_TYPE_NS, "1.50us", 1500);
    const char *const wrong[] = {"",   "s",   "0.5", "0.5ns", "1.0000000001s", "1m",
                                 "1k", "1 s", "-1s", "1s ",   "1us2",          "18446744074s"};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        expect_no_number(PARAM_TYPE_NS, wrong[i]);
}

static void test_defaults(void **state)
{
    (void)state;
    struct config config = {.before = 11, .label = (const char *)1, .after = 22};
    get_defaults(&config);
    assert_int_equal(config.window, 64);
    assert_int_equal(config.service_ns, 1500);
    assert_int_equal(config.ordered, 1);
    assert_int_equal(config.lock, 1);
    assert_string_equal(config.label, "plain");
    assert_int_equal(config.before, 11);
    assert_int_equal(config.after, 22);
    params_free(table, &config);
    assert_null(config.label);
}

static void test_defaults_that_are_wrong(void **state)
{
    (void)state;
    static const struct param wrong[] = {
        PARAM_TEXT(struct config, label, "held", "a label"),
        PARAM_U64(struct config, window, "0", 1, 5, "jobs", "jobs in flight"),
        PARAM_END,
    };
    struct config config = {0};
    struct fault fault = {""};
    assert_int_equal(params_defaults(wrong, &config, &fault), -EINVAL);
    assert_string_equal(fault.text, "the default of window must be between 1 and 5 jobs, not 0");
    assert_null(config.label);
}

static void test_set(void **state)
{
    (void)state;
    struct config config = {0};
    get_defaults(&config);
    const char *const words[][2] = {{"no", "yes"}, {"false", "true"}, {"off", "on"}, {"0", "1"}};
    for (size_t i = 0; i < 4; i++) {
        for (unsigned value = 0; value < 2; value++) {
            config.ordered = !value;
            assert_int_equal(params_set(table, &config, "x", "ordered", words[i][value], NULL), 0);
            assert_int_equal(config.ordered, value);
        }
    }
    assert_int_equal(params_set(table, &config, "x", "window", "65536", NULL), 0);
    assert_int_equal(config.window, 65536);
    assert_int_equal(params_set(table, &config, "x", "service_ns", "2s", NULL), 0);
    assert_int_equal(config.service_ns, 2000000000);
    assert_int_equal(params_set(table, &config, "x", "lock", "none", NULL), 0);
    assert_int_equal(config.lock, 0);
    assert_int_equal(params_set(table, &config, "x", "label", "", NULL), 0);
    assert_string_equal(config.label, "");
    assert_int_equal(params_set(table, &config, "x", "label", "0,2-3,1", NULL), 0);
    assert_string_equal(config.label, "0,2-3,1");
    assert_int_equal(params_set(table, &config, "x", "any", "18446744073709551615", NULL), 0);
    assert_int_equal(config.any, UINT64_MAX);
    params_free(table, &config);
}

// One parameter that is refused, the sentence, and that nothing changed.
struct refusal {
    const char *name;
    const char *value;
    const char *sentence;
};

static void test_refusals(void **state)
{
    (void)state;
    static const struct refusal refusals[] = {
        {"window", "0", "workload w: window must be between 1 and 65536 jobs, not 0"},
        {"window", "65537", "workload w: window must be between 1 and 65536 jobs, not 65537"},
        {"window", "66k", "workload w: window must be between 1 and 65536 jobs, not 66k"},
        {"window", "-4", "workload w: window must be between 1 and 65536 jobs, not -4"},
        {"window", "99999999999999999999",
         "workload w: window must be between 1 and 65536 jobs, not 99999999999999999999"},
        {"window", "many", "workload w: window must be a whole number, such as 64, 4k, 2M or 1G, not 'many'"},
        {"window", "", "workload w: window must be a whole number, such as 64, 4k, 2M or 1G, not ''"},
        {"service_ns", "999", "workload w: service_ns must be between 1us and 2s, not 999"},
        {"service_ns", "2001ms", "workload w: service_ns must be between 1us and 2s, not 2001ms"},
        {"service_ns", "1h",
         "workload w: service_ns must be a time in whole nanoseconds, such as 250ns, 1.5us, 10ms "
         "or 2s, not '1h'"},
        {"ordered", "maybe", "workload w: ordered must be yes or no, not 'maybe'"},
        {"ordered", "2", "workload w: ordered must be yes or no, not '2'"},
        {"lock", "spin", "workload w: lock must be one of none, mutex, ticket, not 'spin'"},
        {"lock", "", "workload w: lock must be one of none, mutex, ticket, not ''"},
        {"label", "a;b", "workload w: label must be a text of printable ASCII characters without a semicolon"},
        {"label", "a\nb", "workload w: label must be a text of printable ASCII characters without a semicolon"},
        {"label", "caf\xc3\xa9", "workload w: label must be a text of printable ASCII characters without a semicolon"},
        {"any", "18446744073709551616",
         "workload w: any must be at least 0 and fit into 64 bits, not 18446744073709551616"},
        {"windows", "1",
         "workload w: there is no parameter 'windows'; known are window, service_ns, ordered, lock, "
         "label, any"},
        {"", "1", "workload w: there is no parameter ''; known are window, service_ns, ordered, lock, label, any"},
    };
    struct config config = {0};
    get_defaults(&config);
    char *before = params_text(table, &config);
    for (size_t i = 0; i < sizeof refusals / sizeof refusals[0]; i++) {
        struct fault fault = {""};
        assert_int_equal(params_set(table, &config, "workload w", refusals[i].name, refusals[i].value, &fault),
                         -EINVAL);
        assert_string_equal(fault.text, refusals[i].sentence);
    }
    char *after = params_text(table, &config);
    assert_string_equal(before, after);
    free(before);
    free(after);
    params_free(table, &config);
}

static void test_no_parameters(void **state)
{
    (void)state;
    static const struct param none[] = {PARAM_END};
    struct fault fault = {""};
    int unused = 0;
    assert_int_equal(params_set_all(none, &unused, "queue q", "", &fault), 0);
    assert_int_equal(params_set_all(none, &unused, "queue q", "a=1", &fault), -EINVAL);
    assert_string_equal(fault.text, "queue q: there is no parameter 'a'; it takes none");
    char *text = params_text(none, &unused);
    assert_string_equal(text, "");
    free(text);
}

static void test_set_all(void **state)
{
    (void)state;
    struct config config = {0};
    get_defaults(&config);
    struct fault fault = {""};
    assert_int_equal(params_set_all(table, &config, "q", "", &fault), 0);
    assert_int_equal(config.window, 64);
    assert_int_equal(params_set_all(table, &config, "q", "lock=ticket,window=4k,label=a=b", &fault), 0);
    assert_int_equal(config.lock, 2);
    assert_int_equal(config.window, 4000);
    assert_string_equal(config.label, "a=b");
    static const char *const refused[][2] = {
        {"window=1,window=2", "q: window is given twice"},
        {"window=1,lock=none,window=1", "q: window is given twice"},
        {"window", "q: 'window' is not a parameter as name=value"},
        {"=4", "q: '=4' is not a parameter as name=value"},
        {"window=4,", "q: '' is not a parameter as name=value"},
        {",window=4", "q: '' is not a parameter as name=value"},
        {"wind=4", "q: there is no parameter 'wind'; known are window, service_ns, ordered, lock, label, any"},
        {"window=4 ,lock=none", "q: window must be a whole number, such as 64, 4k, 2M or 1G, not '4 '"},
    };
    for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++) {
        fault.text[0] = '\0';
        assert_int_equal(params_set_all(table, &config, "q", refused[i][0], &fault), -EINVAL);
        assert_string_equal(fault.text, refused[i][1]);
    }
    params_free(table, &config);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_counts),        cmocka_unit_test(test_times),
        cmocka_unit_test(test_defaults),      cmocka_unit_test(test_defaults_that_are_wrong),
        cmocka_unit_test(test_set),           cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_no_parameters), cmocka_unit_test(test_set_all),
    };
    return cmocka_run_group_tests_name("params", tests, NULL, NULL);
}
