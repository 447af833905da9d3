// SPDX-License-Identifier: Apache-2.0
#include "core/run/plan_texts.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/machine/memory.h"
#include "core/run/params.h"
#include "core/run/plugin.h"
#include "readyq_build.h"

_Static_assert(PLAN_TEXTS <= sizeof((struct run_plan *)0)->texts / sizeof(char *), "a plan has room for its texts");

static uint64_t fnv1a(const char *text)
{
    uint64_t hash = 0xcbf29ce484222325u;
    for (; *text; text++)
        hash = (hash ^ (unsigned char)*text) * 0x100000001b3u;
    return hash;
}

static void print_optional(FILE *out, const char *prefix, const struct queue_ops *ops)
{
    const struct {
        const char *name;
        bool native;
    } operations[] = {
        {"prepare", ops->prepare},
        {"clean", ops->clean},
        {"garbage", ops->take_garbage},
        {"enqueue_batch", ops->enqueue_batch},
        {"dequeue_batch", ops->dequeue_batch},
    };
    for (size_t i = 0; i < sizeof operations / sizeof *operations; i++)
        fprintf(out, "%s%s%s=%s", i ? ";" : "", prefix, operations[i].name,
                operations[i].native ? "native" : "emulated");
}

static void write_optional(const struct run_plan *plan, FILE *out)
{
    const struct run_options *options = plan->options;
    if (options->workload->subject == WORKLOAD_ON_QUEUE) {
        print_optional(out, "", options->queue.entry->ops);
    } else if (plan->pool_traits.takes_queues) {
        print_optional(out, "job_", options->job_queue.entry->ops);
        fputc(';', out);
        print_optional(out, "ready_", options->ready_queue.entry->ops);
    }
}

// A list is written out, so that "0-1" and "0,1" are the same.
static void write_pin(const struct run_plan *plan, FILE *out)
{
    if (plan->placement.policy != PLACEMENT_LIST) {
        fputs(placement_names[plan->placement.policy], out);
        return;
    }
    for (unsigned i = 0; i < plan->placement.count; i++)
        fprintf(out, "%s%u", i ? "," : "", plan->placement.list[i]);
}

static void write_cpus(const struct run_plan *plan, FILE *out)
{
    for (unsigned i = 0; plan->placement.policy != PLACEMENT_NONE && i < plan->threads + plan->demand.workers; i++)
        fprintf(out, "%s%d", i ? " " : "", plan->cpus[i]);
}

static void write_started(const struct run_plan *plan, FILE *out)
{
    (void)plan;
    const time_t now = time(NULL);
    struct tm utc;
    char text[32];
    strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&now, &utc));
    fputs(text, out);
}

static void write_run_id(const struct run_plan *plan, FILE *out)
{
    if (plan->options->run_id) {
        fputs(plan->options->run_id, out);
        return;
    }
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    fprintf(out, "%016" PRIx64, (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec);
}

// Text made by `write`, allocated; NULL: no memory.
static char *text_by(const struct run_plan *plan, void (*write)(const struct run_plan *plan, FILE *out))
{
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    if (!out)
        return NULL;
    write(plan, out);
    if (fclose(out) != 0) {
        free(text);
        return NULL;
    }
    return text;
}

static void print_choice(FILE *out, const char *what, const struct queue_choice *choice)
{
    const struct queue_entry *entry = choice->entry;
    if (entry)
        fprintf(out, "%s=%s\n%s_params=%s\n", what, entry->name, what, choice->params);
    if (entry && plugin_is_from_file(entry)) // two files may have one name
        fprintf(out, "%s_file=%s\n", what, entry->version);
}

static void write_origin(const struct queue_choice *choice, FILE *out)
{
    const struct queue_entry *entry = choice->entry;
    if (entry && entry->package)
        fprintf(out, "%s%s=%s %s", ftell(out) > 0 ? ";" : "", entry->name, entry->package, entry->version);
}

static void write_origins(const struct run_plan *plan, FILE *out)
{
    const struct run_options *options = plan->options;
    if (options->workload->subject == WORKLOAD_ON_QUEUE) {
        write_origin(&options->queue, out);
    } else if (plan->pool_traits.takes_queues) {
        write_origin(&options->job_queue, out);
        if (options->ready_queue.entry != options->job_queue.entry)
            write_origin(&options->ready_queue, out);
    }
}

// What the workload checks, and what the history is held against.
static void write_queue_checks(const struct queue_traits *traits, bool whole, FILE *out)
{
    const bool relaxed = traits->order == QUEUE_ORDER_RELAXED;
    fprintf(out, "by delivery%s%s",
            relaxed               ? ""
            : traits->empty_exact ? ", order"
                                  : " and order",
            traits->empty_exact ? " and EMPTY" : "");
    if (relaxed || traits->capacity > 0)
        fprintf(out, ", and by %s%s%s as far as that can be refuted", relaxed ? "its relaxed order" : "",
                relaxed && traits->capacity > 0 ? ", " : "",
                traits->capacity == 0         ? ""
                : traits->full_exact && whole ? "FULL and capacity"
                                              : "capacity");
}

static void write_pool_checks(const struct pool_traits *traits, FILE *out)
{
    fprintf(out, "by invocation and completion of each job%s%s", traits->keys ? ", order of each key" : "",
            traits->completes_on_submitter ? ", thread of each completion" : "");
}

// Said before the run, and true of it however it ends: a history that was cut, or of a run that is stuck, is judged in
// part or not at all.
static void write_checks(const struct run_plan *plan, FILE *out)
{
    const struct run_settings *settings = &plan->options->settings;
    const bool on_queue = plan->options->workload->subject == WORKLOAD_ON_QUEUE;
    fputs(plan->options->workload->checks, out);
    if (settings->check == HISTORY_SCOPE_NONE)
        return;
    if (settings->check == HISTORY_SCOPE_FULL)
        fprintf(out, "; history of the %s", on_queue ? "queue" : "jobs");
    else
        fprintf(out, "; history of one %s in %" PRIu64 "%s", on_queue ? "item" : "job", settings->check_every,
                on_queue ? " and of every EMPTY" : "");
    fputs(", as far as history_scope says, ", out);
    if (on_queue)
        write_queue_checks(&plan->options->queue.traits, settings->check == HISTORY_SCOPE_FULL, out);
    else
        write_pool_checks(&plan->pool_traits, out);
}

// Settings that change nothing as the others stand are left out, so that a cell without a check is the one that it was
// before there were any. The seed is left out: it tells repeats apart; the placement stands there in its own form.
static bool is_of_identity(const char *name, const struct run_settings *settings)
{
    if (strcmp(name, "check") == 0 || strcmp(name, "check_memory_mib") == 0)
        return settings->check != HISTORY_SCOPE_NONE;
    if (strcmp(name, "check_every") == 0)
        return settings->check == HISTORY_SCOPE_SAMPLED;
    if (strcmp(name, "keep_awake") == 0)
        return settings->keep_awake;
    if (strcmp(name, "counters") == 0) // each context switch pays for them
        return settings->counters != RUN_COUNTERS_AUTO;
    return strcmp(name, "seed") != 0 && strcmp(name, "pin") != 0 && strcmp(name, "require_valid") != 0 &&
           strcmp(name, "timeline") != 0;
}

// Everything that the user chose and that a result depends on.
static void write_identity(const struct run_plan *plan, FILE *out)
{
    const struct run_options *options = plan->options;
    fprintf(out, "workload=%s\nworkload_params=%s\n", options->workload->name, plan->texts[PLAN_WORKLOAD_PARAMS]);
    if (options->workload->subject == WORKLOAD_ON_QUEUE) {
        print_choice(out, "queue", &options->queue);
    } else {
        fprintf(out, "pool=%s\npool_params=%s\n", options->pool->name, plan->texts[PLAN_POOL_PARAMS]);
        if (plan->pool_traits.takes_queues) {
            print_choice(out, "job_queue", &options->job_queue);
            print_choice(out, "ready_queue", &options->ready_queue);
        }
    }
    for (const struct param *param = run_params; param->name; param++) {
        char value[64];
        if (is_of_identity(param->name, &options->settings))
            fprintf(out, "%s=%s\n", param->name, params_value(param, &options->settings, value, sizeof value));
    }
    fprintf(out, "pin=%s\nallocator=%s\n", plan->texts[PLAN_PIN], memory_allocator_name());
}

static int write_cell_id(struct run_plan *plan)
{
    char *identity = text_by(plan, write_identity);
    if (!identity)
        return -ENOMEM;
    snprintf(plan->cell_id, sizeof plan->cell_id, "%016" PRIx64, fnv1a(identity));
    free(identity);
    return 0;
}

int plan_write_texts(struct run_plan *plan)
{
    const struct run_options *options = plan->options;
    const bool on_pool = options->workload->subject == WORKLOAD_ON_POOL;
    plan->texts[PLAN_WORKLOAD_PARAMS] = params_text(options->workload->params, options->workload_config);
    plan->texts[PLAN_POOL_PARAMS] =
        on_pool ? params_text(options->pool->ops->params, options->pool_config) : strdup("");
    plan->texts[PLAN_OPTIONAL_OPS] = text_by(plan, write_optional);
    plan->texts[PLAN_PIN] = text_by(plan, write_pin);
    plan->texts[PLAN_CPUS] = text_by(plan, write_cpus);
    plan->texts[PLAN_STARTED] = text_by(plan, write_started);
    plan->texts[PLAN_ORIGINS] = text_by(plan, write_origins);
    plan->texts[PLAN_RUN_ID] = text_by(plan, write_run_id);
    plan->texts[PLAN_CHECKS] = text_by(plan, write_checks);
    for (unsigned i = 0; i < PLAN_TEXTS; i++)
        if (!plan->texts[i])
            return -ENOMEM;
    return write_cell_id(plan);
}

// "" is absent.
static const char *present(const char *text)
{
    return text && text[0] ? text : NULL;
}

static void describe_choice(const struct queue_choice *choice, const char **name, const char **params)
{
    *name = choice->entry->name;
    *params = present(choice->params);
}

static void describe_subject(const struct run_plan *plan, struct record *record)
{
    const struct run_options *options = plan->options;
    record->dispatch = options->settings.dispatch == RUN_DISPATCH_DIRECT ? "direct" : "vtable";
    if (options->workload->subject == WORKLOAD_ON_QUEUE) {
        describe_choice(&options->queue, &record->queue, &record->queue_params);
        record->producers = plan_producers(plan);
        record->consumers = plan_consumers(plan);
        return;
    }
    record->pool = options->pool->name;
    record->pool_params = present(plan->texts[PLAN_POOL_PARAMS]);
    record->schedulers = plan->schedulers;
    record->workers = plan->demand.workers;
    if (plan->pool_traits.takes_queues) {
        describe_choice(&options->job_queue, &record->job_queue, &record->job_queue_params);
        describe_choice(&options->ready_queue, &record->ready_queue, &record->ready_queue_params);
    } else {
        record->dispatch = NULL;
    }
}

static void describe_check(const struct run_settings *settings, struct record *record)
{
    record->check = history_scope_name((enum history_scope)settings->check);
    if (settings->check != HISTORY_SCOPE_NONE)
        record->check_memory_mib = settings->check_memory_mib;
    if (settings->check == HISTORY_SCOPE_SAMPLED)
        record->check_every = settings->check_every;
}

void run_plan_describe(const struct run_plan *plan, const struct environment *environment, struct record *record)
{
    const struct run_options *options = plan->options;
    record_clear(record);
    record->plan_hash = options->plan_hash;
    record->cell_id = plan->cell_id;
    record->run_id = plan->texts[PLAN_RUN_ID];
    record->block = options->block;
    record->order = options->order;
    record->attempt = options->attempt;
    record->arm = options->arm;
    record->checks = plan->texts[PLAN_CHECKS];
    record->machine = environment->machine;
    record->commit = READYQ_COMMIT;
    record->build = READYQ_BUILD;
    record->compiler = READYQ_COMPILER;
    record->started = plan->texts[PLAN_STARTED];
    record->queue_origins = present(plan->texts[PLAN_ORIGINS]);
    record->workload = options->workload->name;
    record->workload_params = present(plan->texts[PLAN_WORKLOAD_PARAMS]);
    record->optional_ops = present(plan->texts[PLAN_OPTIONAL_OPS]);
    record->allocator = memory_allocator_name();
    record->pin = plan->texts[PLAN_PIN];
    record->cpus = present(plan->texts[PLAN_CPUS]);
    record->cpus_allowed = plan->topology->count;
    record->threads = plan->threads + plan->demand.workers;
    record->oversubscribed = record->threads > record->cpus_allowed;
    record->seed = options->settings.seed;
    record->warmup_ns = options->settings.warmup_ns;
    record->duration_ns = options->settings.duration_ns;
    record->keep_awake = options->settings.keep_awake;
    record->counters = run_counters_names[options->settings.counters];
    record->environment = environment;
    describe_check(&options->settings, record);
    describe_subject(plan, record);
}
