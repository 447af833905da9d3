// SPDX-License-Identifier: Apache-2.0
#include "core/workload_service.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/workload_random.h"

#define PARETO_SHAPE 1.1
#define PARETO_SPAN 10000.0
// The longest job of a random shape: a run must not seem stuck for one job.
#define LONGEST_NS 1e9

const char *const workload_service_shapes[] = {
    [SERVICE_CONSTANT] = "constant",
    [SERVICE_EXPONENTIAL] = "exponential",
    [SERVICE_BIMODAL] = "bimodal",
    [SERVICE_PARETO] = "pareto",
    NULL,
};

// The integral of the quantile function from 0 to `p` of an exponential distribution of mean 1.
static double exponential_below(double p)
{
    return p >= 1 ? 1 : p + (1 - p) * log1p(-p);
}

// Likewise of a bounded Pareto distribution, but for a factor.
static double pareto_below(double p)
{
    return 1 - pow(1 - p * (1 - pow(PARETO_SPAN, -PARETO_SHAPE)), 1 - 1 / PARETO_SHAPE);
}

static double fast_of_mean(const struct workload_service_config *config)
{
    const double slow = (double)config->slow_per_mille / 1000;
    return 1 / (1 - slow + slow * (double)config->slow_factor);
}

// The mean of the slice from `low` to `high`, as a multiple of the mean.
static double slice_mean(enum service_shape shape, double low, double high)
{
    if (shape == SERVICE_EXPONENTIAL)
        return (exponential_below(high) - exponential_below(low)) / (high - low);
    return (pareto_below(high) - pareto_below(low)) / pareto_below(1) / (high - low);
}

static double longest_of_mean(const struct workload_service_config *config)
{
    const double slice = 1.0 / SERVICE_SLICES;
    if (config->shape == SERVICE_CONSTANT)
        return 1;
    if (config->shape == SERVICE_BIMODAL)
        return fast_of_mean(config) * (double)config->slow_factor;
    return slice_mean((enum service_shape)config->shape, 1 - slice * slice, 1);
}

int workload_service_check(const struct workload_service_config *config, struct fault *fault)
{
    const double longest = longest_of_mean(config);
    const double ns = (double)config->service_ns * longest;
    if (config->shape == SERVICE_CONSTANT || ns <= LONGEST_NS)
        return 0;
    return fault_set(fault, -EINVAL,
                     "with service_shape=%s and a mean of %llu ns the longest jobs would take %.3g s, and the most is "
                     "1 s: service_ns must be at most %.0f ns",
                     workload_service_shapes[config->shape], (unsigned long long)config->service_ns, ns / 1e9,
                     floor(LONGEST_NS / longest));
}

static uint64_t ticks_of(const struct workload_service_config *config, double of_mean)
{
    return clock_ticks_in((double)config->service_ns * of_mean + clock_facts.ns_per_tick / 2);
}

static int cut_slices(struct workload_service *service, const struct workload_service_config *config)
{
    const double slice = 1.0 / SERVICE_SLICES;
    service->slices = malloc(2 * SERVICE_SLICES * sizeof *service->slices);
    if (!service->slices)
        return -ENOMEM;
    for (unsigned i = 0; i < SERVICE_SLICES; i++) {
        const double low = i * slice, last = 1 - slice + i * slice * slice;
        service->slices[i] = ticks_of(config, slice_mean(service->shape, low, low + slice));
        service->slices[SERVICE_SLICES + i] = ticks_of(config, slice_mean(service->shape, last, last + slice * slice));
    }
    return 0;
}

int workload_service_init(struct workload_service *service, const struct workload_service_config *config, uint64_t seed)
{
    *service = (struct workload_service){
        .shape = config->service_ns ? (enum service_shape)config->shape : SERVICE_CONSTANT,
        .mean_ticks = clock_ticks_in((double)config->service_ns),
        .seed = workload_random_mix(seed + WORKLOAD_RANDOM_GOLDEN),
        .slow_below = UINT64_MAX / 1000 * config->slow_per_mille,
        .fast_ticks = ticks_of(config, fast_of_mean(config)),
        .slow_ticks = ticks_of(config, fast_of_mean(config) * (double)config->slow_factor),
    };
    if (service->shape == SERVICE_CONSTANT || service->shape == SERVICE_BIMODAL)
        return 0;
    return cut_slices(service, config);
}

void workload_service_fini(struct workload_service *service)
{
    free(service->slices);
    service->slices = NULL;
}

uint64_t workload_service_draw(const struct workload_service *service, uint64_t owner, uint64_t sequence)
{
    const uint64_t word =
        workload_random_mix(workload_random_mix(service->seed + owner) + sequence * WORKLOAD_RANDOM_GOLDEN);
    if (service->shape == SERVICE_BIMODAL)
        return word < service->slow_below ? service->slow_ticks : service->fast_ticks;
    const unsigned slice = (unsigned)(word % SERVICE_SLICES);
    if (slice < SERVICE_SLICES - 1)
        return service->slices[slice];
    return service->slices[SERVICE_SLICES + (word / SERVICE_SLICES) % SERVICE_SLICES];
}
