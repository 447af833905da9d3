// SPDX-License-Identifier: Apache-2.0
#include "core/run/summary.h"

#include <math.h>

#include "core/run/table.h"

#define STAGE_COLUMNS 4

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

static void print_subject(const struct record *record, FILE *out)
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

void summary_print(const struct record *record, const char *operation, const char *csv, FILE *out)
{
    print_subject(record, out);
    if (!isnan(record->throughput_ops_per_s)) {
        char rate[48];
        write_rate(record->throughput_ops_per_s, rate, sizeof rate);
        fprintf(out, "  throughput  %s operations/s (operation: %s)\n", rate, operation);
    }
    print_stages(record, out);
    if (csv)
        fprintf(out, "  appended to %s/throughput.csv, latency.csv and histogram.csv\n", csv);
}
