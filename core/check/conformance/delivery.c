// SPDX-License-Identifier: Apache-2.0
// Conformance by many threads: which crowds a queue has to stand.
#include "core/check/conformance/crowd.h"

// Items of a run, of all producers together.
#define DELIVERY_ITEMS 12000u
#define CROWDS_ITEMS 12000u
#define STALLS_ITEMS 12000u

static int run_one(struct suite *suite, struct crowd_plan *plan, unsigned items)
{
    if (plan->producers > suite_producers(suite, SIDE_MOST) || plan->consumers > suite_consumers(suite, SIDE_MOST))
        return 0;
    plan->items = crowd_items(suite, plan, items);
    return crowd_run(suite, plan);
}

int check_delivery(struct suite *suite)
{
    static const unsigned sides[] = {1, 2, 4};
    int error = 0;
    for (unsigned p = 0; p < 3 && !error; p++)
        for (unsigned c = 0; c < 3 && !error; c++)
            for (unsigned kinds = 0; kinds < 4 && !error; kinds++) {
                struct crowd_plan plan = {.producers = sides[p], .consumers = sides[c]};
                crowd_set_kinds(&plan, kinds);
                plan.watched = sides[c] == 1 && ((kinds ^ kinds >> 1) + sides[p] / 2) % 2 == 0;
                if (sides[c] == 1 || kinds % 3 == 0)
                    error = run_one(suite, &plan, DELIVERY_ITEMS);
            }
    return error;
}

// Eight a side, and four threads for each processor, as many of them on each side as may be.
int check_crowds(struct suite *suite)
{
    const unsigned processors = suite_processors(),
                   many = processors * 4 < 2 * SIDE_MOST ? processors * 4 : 2 * SIDE_MOST;
    const unsigned half = many / 2 > 1 ? many / 2 : 2;
    const unsigned producers = suite_producers(suite, suite_consumers(suite, 2) == 1 ? many - 1 : half);
    const unsigned consumers = suite_consumers(suite, producers == 1 ? many - 1 : half);
    int error = 0;
    for (unsigned tempo = 0; tempo < CROWD_TEMPOS && !error; tempo++) {
        struct crowd_plan plan = {.producers = suite_producers(suite, 8), .consumers = suite_consumers(suite, 8)};
        crowd_set_kinds(&plan, tempo);
        plan.tempo = tempo;
        plan.watched = plan.consumers == 1 && tempo == CROWD_SLOW_CONSUMERS;
        error = run_one(suite, &plan, CROWDS_ITEMS);
        plan.producers = producers < SIDE_MOST ? producers : SIDE_MOST;
        plan.consumers = consumers < SIDE_MOST ? consumers : SIDE_MOST;
        if (!error)
            error = run_one(suite, &plan, CROWDS_ITEMS);
    }
    return error;
}

// With threads that come and go.
int check_churn(struct suite *suite)
{
    int error = 0;
    for (unsigned kinds = 0; kinds < 4 && !error; kinds++) {
        struct crowd_plan plan = {.producers = suite_producers(suite, 3), .consumers = suite_consumers(suite, 2)};
        crowd_set_kinds(&plan, kinds);
        plan.attach_every = 37;
        plan.watched = plan.consumers == 1 && kinds % 2 == 0;
        error = run_one(suite, &plan, DELIVERY_ITEMS);
    }
    return error;
}

// With threads that are stopped in the middle of operations; some of them come and go as well.
int check_stalls(struct suite *suite)
{
    static const unsigned sides[] = {1, 2, 4};
    int error = 0;
    suite->stalls = true;
    for (unsigned side = 0; side < 3 && !error; side++)
        for (unsigned tempo = 0; tempo < CROWD_TEMPOS && !error; tempo++) {
            struct crowd_plan plan = {.producers = suite_producers(suite, sides[side]),
                                      .consumers = suite_consumers(suite, sides[side])};
            crowd_set_kinds(&plan, tempo + side);
            plan.tempo = tempo;
            plan.attach_every = tempo == CROWD_EVEN ? 53 : 0;
            plan.watched = plan.consumers == 1 && (tempo + side) % 2 == 0;
            error = run_one(suite, &plan, STALLS_ITEMS);
        }
    suite->stalls = false;
    return error;
}
