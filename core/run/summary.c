// SPDX-License-Identifier: Apache-2.0
#include "core/run/summary.h"

#include <math.h>
#include <string.h>

#include "core/measure/accounting.h"
#include "core/run/table.h"

#define STAGE_COLUMNS 4
// By how much the last third of a window must differ from the first to be spoken of.
#define DRIFT_SAID 0.1

// With three digits and the unit that leaves them: "1.23 us".
static void write_time(double ns, char *buffer, size_t size)
{
    static const char *const units[] = {"ns", "us", "ms", "s"};
    unsigned unit = 0;
    for (; ns >= 999.5 && unit < 3; unit++)
        ns /= 1000;
    snprintf(buffer, size, "%.*f %s", ns < 9.995 ? 2 : ns < 99.95 ? 1 : 0, ns, units[unit]);
}

static void write_rate(double per_s, char *buffer, size_t size)
{
    static const char *const units[] = {"", " thousand", " million", " billion"};
    unsigned unit = 0;
    for (; per_s >= 999.5 && unit < 3; unit++)
        per_s /= 1000;
    snprintf(buffer, size, "%.*f%s", per_s < 9.995 ? 2 : per_s < 99.95 ? 1 : 0, per_s, units[unit]);
}

void summary_print_subject(const struct record *record, FILE *out)
{
    fprintf(out, "%s", record->workload);
    if (record->pool)
        fprintf(out, " on pool %s", record->pool);
    if (record->queue)
        fprintf(out, " on queue %s", record->queue);
    if (record->job_queue && record->ready_queue)
        fprintf(out, " with %s and %s", record->job_queue, record->ready_queue);
    fprintf(out, ": %s", record->verdict ? record->verdict : "undecided");
    if (record->verdict_detail && *record->verdict_detail)
        fprintf(out, " (%s)", record->verdict_detail);
    fputc('\n', out);
}

static void print_history(const struct record *record, FILE *out)
{
    if (record->history_operations == RECORD_ABSENT)
        return;
    char judged[32], cost[32], after[32];
    fprintf(out, "  history     %s", record->history_scope);
    if (record->history_cut_ns != RECORD_ABSENT) {
        write_time((double)record->history_cut_ns, after, sizeof after);
        fprintf(out, " (its memory was full after %s)", after);
    } else if (record->check_every != RECORD_ABSENT) {
        fprintf(out, " (1 in %llu)", (unsigned long long)record->check_every);
    }
    write_time(record->history_judged_ns, judged, sizeof judged);
    write_time(record->history_cost_ns, cost, sizeof cost);
    fprintf(out, ", %llu operations, %s (recorded at %s an operation, judged in %s)",
            (unsigned long long)record->history_operations, record->history_fault, cost, judged);
    if (record->history_rank_error_max != RECORD_ABSENT)
        fprintf(out, "; rank error at least %llu at most, %.2f in the mean",
                (unsigned long long)record->history_rank_error_max, record->history_rank_error_mean);
    fputc('\n', out);
}

static void print_throughput(const struct record *record, const char *operation, FILE *out)
{
    char rate[48];
    if (isnan(record->throughput_ops_per_s))
        return;
    write_rate(record->throughput_ops_per_s, rate, sizeof rate);
    fprintf(out, "  throughput  %s operations/s (operation: %s)\n", rate, operation);
    if (isfinite(record->offered_ops_per_s)) {
        write_rate(record->offered_ops_per_s, rate, sizeof rate);
        fprintf(out, "  offered     %s operations/s\n", rate);
    }
    if (isfinite(record->bytes_per_s)) {
        write_rate(record->bytes_per_s, rate, sizeof rate);
        fprintf(out, "  bytes       %s bytes/s\n", rate);
    }
}

// What one operation cost.
static void print_cost(const struct record *record, FILE *out)
{
    char cpu[32];
    if (!isfinite(record->cpu_ns_per_operation))
        return;
    write_time(record->cpu_ns_per_operation, cpu, sizeof cpu);
    fprintf(out, "  cost        %s of CPU", cpu);
    if (isfinite(record->wakes_per_operation))
        fprintf(out, ", %.3g wakes", record->wakes_per_operation);
    if (isfinite(record->allocations_per_operation))
        fprintf(out, ", %.3g allocations", record->allocations_per_operation);
    fputs(" an operation\n", out);
}

// Where one number for the window does not tell all.
static void print_course(const struct record *record, FILE *out)
{
    const bool drifts = isfinite(record->throughput_drift) && fabs(record->throughput_drift - 1) > DRIFT_SAID;
    const bool modes = record->throughput_modes != RECORD_ABSENT && record->throughput_modes > 1;
    if (!drifts && !modes)
        return;
    fputs("  over time   ", out);
    if (modes)
        fprintf(out, "the throughput has %llu modes%s", (unsigned long long)record->throughput_modes,
                drifts ? "; " : "");
    if (drifts)
        fprintf(out, "the last third of the window was %.2f times as fast as the first", record->throughput_drift);
    fputc('\n', out);
}

static void print_note(const struct record *record, FILE *out)
{
    if (record->note && *record->note)
        fprintf(out, "  note        %s\n", record->note);
}

static bool has_samples(const struct record_stage *stage)
{
    return stage->histogram && stage->histogram->count > 0;
}

static void add_headings(struct table *table)
{
    static const char *const names[STAGE_COLUMNS] = {"latency", "p50", "p99", "samples"};
    for (unsigned i = 0; i < STAGE_COLUMNS; i++)
        table_cell(table, "%s", names[i]);
}

static void add_stage(struct table *table, const struct record_stage *stage)
{
    char p50[32], p99[32];
    write_time((double)histogram_quantile(stage->histogram, 0.5), p50, sizeof p50);
    write_time((double)histogram_quantile(stage->histogram, 0.99), p99, sizeof p99);
    table_cell(table, "%s", stage->name);
    table_cell(table, "%s", p50);
    table_cell(table, "%s", p99);
    table_cell(table, "%llu", (unsigned long long)stage->histogram->count);
}

static void print_stages(const struct record *record, FILE *out)
{
    struct table table;
    table_init(&table, STAGE_COLUMNS);
    for (unsigned i = 0; i < RECORD_STAGES_MAX && record->stages[i].name; i++) {
        if (!has_samples(&record->stages[i]))
            continue;
        if (table.count == 0)
            add_headings(&table);
        add_stage(&table, &record->stages[i]);
    }
    table_print(&table, out, 2);
}

// All threads of one kind, put together.
struct account_sum {
    const char *kind;
    unsigned threads;
    uint64_t ns[ACCOUNT_STATES];
};

static void add_account(struct account_sum *sum, const struct record_account *account)
{
    const uint64_t ns[ACCOUNT_STATES] = {account->port_ns,  account->ready_ns, account->clean_ns,
                                         account->check_ns, account->other_ns, account->sleep_ns};
    sum->threads++;
    for (unsigned i = 0; i < ACCOUNT_STATES; i++)
        sum->ns[i] += ns[i];
}

static void add_account_row(struct table *table, const struct account_sum *sum)
{
    uint64_t all = 0;
    for (unsigned i = 0; i < ACCOUNT_STATES; i++)
        all += sum->ns[i];
    table_cell(table, "%s", sum->kind);
    table_cell(table, "%u", sum->threads);
    for (unsigned i = 0; i < ACCOUNT_STATES; i++)
        table_cell(table, "%.1f %%", all ? 100 * (double)sum->ns[i] / (double)all : 0);
}

// Whether the kind of account number `index` has had its row already.
static bool is_repeated(const struct record *record, size_t index)
{
    for (size_t i = 0; i < index; i++)
        if (strcmp(record->accounts[i].thread_kind, record->accounts[index].thread_kind) == 0)
            return true;
    return false;
}

static void print_accounts(const struct record *record, FILE *out)
{
    struct table table;
    table_init(&table, 2 + ACCOUNT_STATES);
    for (size_t i = 0; i < record->account_count; i++) {
        if (is_repeated(record, i))
            continue;
        struct account_sum sum = {.kind = record->accounts[i].thread_kind};
        for (size_t other = i; other < record->account_count; other++)
            if (strcmp(record->accounts[other].thread_kind, sum.kind) == 0)
                add_account(&sum, &record->accounts[other]);
        if (table.count == 0) {
            table_cell(&table, "time of");
            table_cell(&table, "threads");
            for (unsigned state = 0; state < ACCOUNT_STATES; state++)
                table_cell(&table, "%s", account_state_names[state]);
        }
        add_account_row(&table, &sum);
    }
    table_print(&table, out, 2);
}

static void add_length(struct table *table, const char *what, double mean, uint64_t max)
{
    if (max == RECORD_ABSENT)
        return;
    if (table->count == 0) {
        table_cell(table, "waiting in");
        table_cell(table, "mean");
        table_cell(table, "most");
    }
    table_cell(table, "%s", what);
    table_cell(table, "%.1f", mean);
    table_cell(table, "%llu", (unsigned long long)max);
}

static void print_lengths(const struct record *record, FILE *out)
{
    struct table table;
    table_init(&table, 3);
    add_length(&table, "job queues", record->job_queue_length_mean, record->job_queue_length_max);
    add_length(&table, "ready queues", record->ready_queue_length_mean, record->ready_queue_length_max);
    add_length(&table, "queue", record->queue_length_mean, record->queue_length_max);
    add_length(&table, "all elements held", record->elements_held_mean, record->elements_held_max);
    table_print(&table, out, 2);
}

static void print_environment(const struct record *record, FILE *out)
{
    if (record->environment_reasons && *record->environment_reasons)
        fprintf(out, "  environment %s: %s\n", record->environment_verdict, record->environment_reasons);
    if (record->counters && strcmp(record->counters, "yes") == 0 && record->hw_absent && *record->hw_absent)
        fprintf(out, "  counters    absent are %s\n", record->hw_absent);
}

void summary_print(const struct record *record, const char *operation, const char *csv, FILE *out)
{
    summary_print_subject(record, out);
    print_throughput(record, operation, out);
    print_cost(record, out);
    print_course(record, out);
    print_note(record, out);
    print_environment(record, out);
    print_history(record, out);
    print_stages(record, out);
    print_accounts(record, out);
    print_lengths(record, out);
    if (csv)
        fprintf(
            out,
            "  appended to %s: throughput.csv, latency.csv, histogram.csv, accounting.csv, timeline.csv, threads.csv\n",
            csv);
}
