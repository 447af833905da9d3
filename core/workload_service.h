// SPDX-License-Identifier: Apache-2.0
// How long jobs keep their worker busy: always alike, or drawn from a distribution with the same mean, so that runs
// compare. Included by core/workload.h.
//
// A job's service time is a pure function of the seed, its owner and its number: nothing of it is carried through the
// pool, a run with the same seed repeats it, and whoever runs the job finds the same. What was achieved is the stage
// "service", from the first reading of the clock that busies the worker to the last; a job can't take less than these
// two. To draw a random service time belongs to what is before it.
//
//   constant      every job alike
//   exponential   as of a memoryless server; its squared coefficient of variation (scv) is 1
//   bimodal       a share of slow jobs among fast ones, all slow ones alike
// pareto        bounded Pareto of shape 1.1, the longest 10000 times the shortest; a few long jobs make most of the
// work
//                 (M. Harchol-Balter, M. Crovella, C. Murta, "On Choosing a Task Assignment Policy for a Distributed
//                 Server System", JPDC 1999)
#ifndef READYQ_WORKLOAD_SERVICE_H
#define READYQ_WORKLOAD_SERVICE_H

#include <stdbool.h>
#include <stdint.h>

#include "core/fault.h"
#include "core/machine/clock.h"
#include "core/param.h"

// A distribution is cut into slices of equal probability, each of which gives its mean, and the last of them once more.
#define SERVICE_SLICES 1024u

enum service_shape { SERVICE_CONSTANT, SERVICE_EXPONENTIAL, SERVICE_BIMODAL, SERVICE_PARETO };

// Part of a workload's configuration, filled by WORKLOAD_SERVICE_PARAMS.
struct workload_service_config {
    uint64_t service_ns; // the mean
    uint64_t shape;      // enum service_shape
    uint64_t slow_per_mille, slow_factor;
};

struct workload_service {
    enum service_shape shape;
    uint64_t mean_ticks;
    uint64_t seed;
    uint64_t slow_below; // bimodal: a job whose random word is below it is slow
    uint64_t fast_ticks, slow_ticks;
    uint64_t *slices; // exponential and pareto: SERVICE_SLICES, then as many of the last of them
};

extern const char *const workload_service_shapes[];

// By resolve. 0, or -EINVAL and a sentence.
int workload_service_check(const struct workload_service_config *config, struct fault *fault);

// By setup. 0 or -ENOMEM with nothing held.
int workload_service_init(struct workload_service *service, const struct workload_service_config *config,
                          uint64_t seed);

// By teardown; also on zeroed memory.
void workload_service_fini(struct workload_service *service);

// Of a job of a random shape: that of number `sequence` among those of thread `owner`.
uint64_t workload_service_draw(const struct workload_service *service, uint64_t owner, uint64_t sequence);

// How long that job keeps its worker busy, whatever the shape. Any thread; pure.
static inline uint64_t workload_service_ticks(const struct workload_service *service, uint64_t owner, uint64_t sequence)
{
    if (__builtin_expect(service->shape == SERVICE_CONSTANT, 1))
        return service->mean_ticks;
    return workload_service_draw(service, owner, sequence);
}

// The parameters, as lines of a workload's table. `member_` is the struct workload_service_config in its configuration.
#define WORKLOAD_SERVICE_PARAMS(type_, member_, initial_, most_, help_)                                                \
    PARAM_ROW("service_ns", PARAM_TYPE_NS, offsetof(type_, member_.service_ns), initial_, 0, most_, NULL, "ns",        \
              help_),                                                                                                  \
        PARAM_ROW("service_shape", PARAM_TYPE_CHOICE, offsetof(type_, member_.shape), "constant", 0, 0,                \
                  workload_service_shapes, "",                                                                         \
                  "Distribution of that time, which then is its mean; pareto: bounded, of shape 1.1, the longest job " \
                  "10000 times the shortest"),                                                                         \
        PARAM_ROW("service_slow_per_mille", PARAM_TYPE_U64, offsetof(type_, member_.slow_per_mille), "5", 1, 999,      \
                  NULL, "jobs", "Of a bimodal shape: slow jobs in a thousand"),                                        \
        PARAM_ROW("service_slow_factor", PARAM_TYPE_U64, offsetof(type_, member_.slow_factor), "100", 2, 100000, NULL, \
                  "", "Of a bimodal shape: a slow job takes so many times as long as a fast one")

#endif
