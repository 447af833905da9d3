// SPDX-License-Identifier: Apache-2.0
#include "core/run/transfers.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "core/machine/clock.h"
#include "core/run/sentinel.h"

// One pair's passes, in ns, from the shortest on.
struct cell {
    double passes[TRANSFERS_PASSES];
};

static int compare_doubles(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static struct cell *cell_of(struct cell *cells, unsigned count, unsigned row, unsigned column)
{
    return row > column ? &cells[row * count + column] : &cells[column * count + row];
}

static int measure(const struct topology *topology, struct cell *cells, struct fault *fault)
{
    for (unsigned pass = 0; pass < TRANSFERS_PASSES; pass++) {
        for (unsigned row = 1; row < topology->count; row++) {
            for (unsigned column = 0; column < row; column++) {
                // A line goes there and back in a round trip.
                const double one_way =
                    sentinel_between_ns(topology, topology->cpus[row].os, topology->cpus[column].os) / 2;
                if (isnan(one_way))
                    return fault_set(fault, -EAGAIN, "no two threads could be had on processors %u and %u",
                                     topology->cpus[row].os, topology->cpus[column].os);
                cell_of(cells, topology->count, row, column)->passes[pass] = one_way;
            }
        }
    }
    return 0;
}

// Over all pairs: shortest and longest pass against the pair's median.
static void print_spread(const struct cell *cells, unsigned count, FILE *out)
{
    double low = 1, high = 1;
    for (unsigned row = 1; row < count; row++) {
        for (unsigned column = 0; column < row; column++) {
            const double *passes = cells[row * count + column].passes;
            low = fmin(low, passes[0] / passes[TRANSFERS_PASSES / 2]);
            high = fmax(high, passes[TRANSFERS_PASSES - 1] / passes[TRANSFERS_PASSES / 2]);
        }
    }
    fprintf(out, "  medians of %u passes; single passes lie between %.2f and %.2f of their pair's\n", TRANSFERS_PASSES,
            low, high);
}

static void print_matrix(const struct topology *topology, struct cell *cells, FILE *out)
{
    const unsigned count = topology->count;
    fputs("\ntransfer of a cache line from one processor to another, in ns\n  cpu ", out);
    for (unsigned column = 0; column < count; column++)
        fprintf(out, " %6u", topology->cpus[column].os);
    for (unsigned row = 0; row < count; row++) {
        fprintf(out, "\n  %4u", topology->cpus[row].os);
        for (unsigned column = 0; column < count; column++) {
            if (row == column)
                fputs("      -", out);
            else
                fprintf(out, " %6.1f", cell_of(cells, count, row, column)->passes[TRANSFERS_PASSES / 2]);
        }
    }
    fputc('\n', out);
}

int transfers_print(const struct topology *topology, FILE *out, struct fault *fault)
{
    const unsigned count = topology->count;
    if (count < 2) {
        fputs("\ntransfers  there is one processor only, and so nothing to measure between two\n", out);
        return 0;
    }
    struct cell *cells = calloc((size_t)count * count, sizeof *cells);
    if (!cells)
        return fault_set(fault, -ENOMEM, "no memory for the transfers between %u processors", count);
    clock_calibrate();
    const int result = measure(topology, cells, fault);
    for (size_t i = 0; i < (size_t)count * count; i++)
        qsort(cells[i].passes, TRANSFERS_PASSES, sizeof(double), compare_doubles);
    if (result == 0) {
        print_matrix(topology, cells, out);
        print_spread(cells, count, out);
    }
    free(cells);
    return result;
}
