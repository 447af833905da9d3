// SPDX-License-Identifier: Apache-2.0
#include "core/run/judging.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/history/check.h"
#include "core/history/file.h"
#include "core/history/jobs.h"
#include "core/run/plan_texts.h"
#include "core/run/progress_line.h"

// Columns of a terminal.
#define WITNESS_WIDTH 100u
// A pool may run callbacks on threads that the run does not count: on main, and on the one that stops it.
#define POOL_EXTRA_THREADS 2u

int judging_check_file(const char *path, struct fault *fault)
{
    char copy[PATH_MAX];
    struct stat facts;
    if (!*path || strlen(path) >= sizeof copy)
        return fault_set(fault, -EINVAL, "--history needs the name of a file");
    if (stat(path, &facts) == 0 && !S_ISREG(facts.st_mode))
        return fault_set(fault, -EINVAL, "the history can't be written to '%s', which is no plain file", path);
    const size_t length = strlen(path);
    if (path[length - 1] == '/')
        return fault_set(fault, -EINVAL, "the history can't be written to '%s', which names a folder", path);
    // It is written beside the name that it gets.
    memcpy(copy, path, length + 1);
    const char *folder_name = dirname(copy);
    const char *last = strrchr(path, '/') ? strrchr(path, '/') + 1 : path;
    const long name_most = pathconf(folder_name, _PC_NAME_MAX);
    if (length + HISTORY_BESIDE_MOST >= PATH_MAX ||
        (name_most > 0 && strlen(last) + HISTORY_BESIDE_MOST > (size_t)name_most))
        return fault_set(fault, -ENAMETOOLONG, "the history can't be written to '%.100s...': its name is too long",
                         path);
    const int folder = open(folder_name, O_PATH | O_DIRECTORY | O_CLOEXEC);
    const int error = folder < 0 || faccessat(folder, ".", W_OK | X_OK, AT_EACCESS) ? -errno : 0;
    if (folder >= 0)
        close(folder);
    return error
               ? fault_set(fault, error, "the history can't be written to '%s': its folder: %s", path, strerror(-error))
               : 0;
}

static bool on_queue(const struct run_plan *plan)
{
    return plan->options->workload->subject == WORKLOAD_ON_QUEUE;
}

// Between submitters, jobs of a key keep the order that the job queue keeps.
static struct history_promise promise_of_pool(const struct run_plan *plan)
{
    const struct pool_traits *traits = &plan->pool_traits;
    const bool queued = traits->takes_queues && plan->demand.workers > 0;
    return (struct history_promise){.keys = traits->keys,
                                    .completes_on_submitter = traits->completes_on_submitter,
                                    .order = queued ? plan->options->job_queue.traits.order : QUEUE_ORDER_FIFO};
}

static int start_recording(struct judging *judging, const struct run_plan *plan, struct fault *fault)
{
    const struct run_options *options = plan->options;
    const struct run_settings *settings = &options->settings;
    const bool queue = on_queue(plan);
    const char *name = queue ? options->queue.entry->name : options->pool->name;
    const char *params = queue ? options->queue.params : plan->texts[PLAN_POOL_PARAMS];
    char full[HISTORY_NAME_MOST];
    if (snprintf(full, sizeof full, "%s%s%s", name, *params ? ":" : "", params) >= (int)sizeof full)
        strcpy(full + sizeof full - sizeof "...", "...");
    const struct recording_plan recording = {
        .subject = queue ? HISTORY_OF_QUEUE : HISTORY_OF_POOL,
        .name = full,
        .promise = queue ? history_promise_of(&options->queue.traits) : promise_of_pool(plan),
        .sampled = settings->check == HISTORY_SCOPE_SAMPLED ? settings->check_every : 0,
        .memory_bytes = settings->check_memory_mib << 20,
        .threads = queue ? plan->threads : plan->threads + plan->demand.workers + POOL_EXTRA_THREADS,
        .schedulers = plan->schedulers,
        .workers = queue ? 0 : plan->demand.workers,
    };
    return recording_create(&judging->recording, &recording, fault);
}

int judging_open(struct judging *judging, const struct run_plan *plan, const struct queue_choice **queue,
                 const struct pool_ops **pool, struct fault *fault)
{
    const struct run_options *options = plan->options;
    *judging = (struct judging){.plan = plan};
    *queue = on_queue(plan) ? &options->queue : NULL;
    *pool = on_queue(plan) ? NULL : options->pool->ops;
    if (options->settings.check == HISTORY_SCOPE_NONE)
        return 0;
    int error = start_recording(judging, plan, fault);
    if (error)
        return error;
    judging->cost_ns = recorder_cost_ns();
    if (*queue) {
        tap_init(&judging->tap, *queue, judging->recording);
        *queue = &judging->tap.choice;
        return 0;
    }
    error = pool_tap_create(&judging->pool_tap, options->pool->ops, judging->recording, pool, fault);
    if (error)
        judging_close(judging);
    return error;
}

void judging_close(struct judging *judging)
{
    if (judging->pool_tap)
        pool_tap_destroy(judging->pool_tap);
    if (judging->recording)
        recording_destroy(judging->recording);
    *judging = (struct judging){0};
}

void judging_name_thread(const struct judging *judging, const struct workload_thread *self)
{
    if (judging->recording)
        tap_name_thread(self->role->name, (int)self->rank);
}

static void record_history(const struct judging *judging, const struct history *history,
                           const struct history_verdict *verdict, struct record *record)
{
    record->history_scope = history_scope_name(verdict->scope);
    record->history_fault = history_fault_name(verdict->fault);
    record->history_operations = verdict->operations;
    record->history_cost_ns = judging->cost_ns;
    if (on_queue(judging->plan))
        record->history_empties = verdict->empties;
    if (history->cut_ticks != HISTORY_NEVER)
        record->history_cut_ns = (uint64_t)((double)history->cut_ticks * history->ns_per_tick);
    if (verdict->measured) {
        record->history_rank_error_max = verdict->rank.max;
        record->history_rank_error_mean = verdict->rank.mean;
    }
}

// What shows the fault, as text. NULL: no memory for it.
static char *draw_witness(const struct history *history, const struct history_verdict *verdict)
{
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    if (!out)
        return NULL;
    history_timeline(history, verdict, WITNESS_WIDTH, out);
    if (fclose(out) == 0)
        return text;
    free(text);
    return NULL;
}

// Main can't draw while it judges, so it says beforehand what it will be busy with.
static void announce(const struct judging *judging, const struct history *history, struct progress_line *line)
{
    char text[64];
    progress_line_init(line, judging->plan->options->show_progress ? stderr : NULL);
    snprintf(text, sizeof text, "judging %llu operations", (unsigned long long)history_events(history));
    progress_line_say(line, text);
}

static int check_history(const struct judging *judging, const struct history *history, struct history_verdict *verdict,
                         struct fault *fault)
{
    const struct history_question question = {.drained = history->drained,
                                              .measure_rank = history->promise.order != QUEUE_ORDER_FIFO};
    return (on_queue(judging->plan) ? history_check : history_check_jobs)(history, &question, verdict, fault);
}

int judging_judge(struct judging *judging, bool drained, uint64_t unrun, struct record *record,
                  struct run_result *result, struct fault *violation, struct fault *fault)
{
    if (!judging->recording)
        return 0;
    struct history *history;
    int error = recording_history(judging->recording, &history);
    if (error)
        return fault_set(fault, error, "no memory to judge the history");
    history->drained = drained;
    history->unrun = unrun < UINT32_MAX ? (uint32_t)unrun : UINT32_MAX; // more than can be judged
    const char *path = judging->plan->options->history;
    struct progress_line line;
    announce(judging, history, &line);
    if (path)
        result->unwritten = history_write(history, path, &result->reason);
    const uint64_t start_ns = clock_system_ns();
    struct history_verdict verdict;
    error = check_history(judging, history, &verdict, fault);
    record->history_judged_ns = (double)(clock_system_ns() - start_ns);
    progress_line_clear(&line);
    if (!error)
        record_history(judging, history, &verdict, record);
    if (!error && verdict.fault != HISTORY_OK) {
        fault_set(violation, -EIO, "history: %s: %s", history_fault_name(verdict.fault), verdict.sentence);
        result->witness = draw_witness(history, &verdict);
    }
    recording_history_free(history);
    return error;
}
