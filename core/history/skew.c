// SPDX-License-Identifier: Apache-2.0
// A way that a token goes from one processor to another seems as long as it is plus what the clock of the second is
// ahead, and back as long as it is less that. No way takes less than nothing. So the shortest one there that was ever
// seen bounds by how much the second is ahead, and the shortest one back by how much it is behind; where one is
// negative, and so tells that there is a difference at all, the other still bounds it. Where the clocks agree the
// bound is what a message takes: by how much less they may differ nobody can tell.
#include "core/history/skew.h"

#include <errno.h>
#include <stdbool.h>

#include "core/machine/clock.h"
#include "core/sync/thread.h"

#define CPUS_MOST 17u // the others are taken to be like those between which they lie
#define TURNS 400u
#define GOOD_NS 2000.0 // a bound that nobody who shared the processor with others would have found
#define PAIR_NS 5e7    // after so long a pair is left alone: others keep its processors busy
#define PATIENCE 4096u // rounds of waiting, before others may have the processor

// A token that two threads, each on its own processor, take in turns. Who has the turn owns the rest.
struct token {
    _Atomic uint32_t turn ALIGNED_LINE;
    uint64_t first_ticks; // when both were there
    uint64_t left_ticks;
    int64_t way_ticks[2]; // the shortest way to each of the two, by their clocks
    bool last;            // whoever gets it next stops
};

struct player {
    struct token *token;
    unsigned cpu;
    uint32_t turn; // its first
};

static void pin_self(unsigned cpu)
{
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(cpu, &set);
    sched_setaffinity(0, sizeof set, &set); // where it is refused the pair compares those that it has
}

uint64_t skew_bound(const int64_t *way_ticks)
{
    return (uint64_t)(way_ticks[0] > way_ticks[1] ? way_ticks[0] : way_ticks[1]);
}

static bool take_turn(struct token *token, uint32_t turn)
{
    for (unsigned round = 1; at_load_acq(&token->turn, AT(skew_come, skew_leave)) != turn; round++)
        thread_spin_round(round % PATIENCE == 0 ? PATIENCE : 0);
    const uint64_t came = clock_ticks();
    const int64_t way = (int64_t)(came - token->left_ticks);
    if (turn > 0 && way < token->way_ticks[turn % 2])
        token->way_ticks[turn % 2] = way;
    if (turn < 2)
        token->first_ticks = came;
    const bool over = token->last;
    token->last |= (turn + 2 >= TURNS && skew_bound(token->way_ticks) < clock_ticks_in(GOOD_NS)) ||
                   (int64_t)(came - token->first_ticks) > (int64_t)clock_ticks_in(PAIR_NS);
    token->left_ticks = clock_ticks();
    at_store_rel(&token->turn, turn + 1, AT(skew_leave, skew_come));
    return !over;
}

static void play(void *argument)
{
    const struct player *player = argument;
    pin_self(player->cpu);
    uint32_t turn = player->turn;
    while (take_turn(player->token, turn))
        turn += 2;
}

// One of the two threads may be there before the other has started; where that one can't, it has to be let go.
static int measure_pair(unsigned cpu, unsigned other_cpu, uint64_t *bound_ticks)
{
    struct token token = {.way_ticks = {INT64_MAX, INT64_MAX}};
    struct player players[2] = {{&token, cpu, 0}, {&token, other_cpu, 1}};
    struct thread threads[2];
    const struct thread_options options = {.name = "skew", .cpu = -1};
    int error = thread_start(&threads[1], &options, play, &players[1]);
    if (error)
        return error;
    error = thread_start(&threads[0], &options, play, &players[0]);
    if (error) {
        token.last = true;
        take_turn(&token, 0);
    } else {
        thread_join(&threads[0]);
    }
    thread_join(&threads[1]);
    *bound_ticks = skew_bound(token.way_ticks);
    return error;
}

uint64_t skew_of(const uint64_t *bounds, unsigned count)
{
    uint64_t most = 0, second = 0;
    for (unsigned i = 0; i < count; i++) {
        if (bounds[i] > most) {
            second = most;
            most = bounds[i];
        } else if (bounds[i] > second) {
            second = bounds[i];
        }
    }
    return most + second;
}

unsigned skew_spread(const cpu_set_t *set, unsigned *cpus, unsigned most)
{
    const unsigned all = (unsigned)CPU_COUNT(set), count = all < most ? all : most;
    unsigned seen = 0, taken = 0;
    for (unsigned cpu = 0; cpu < CPU_SETSIZE && taken < count; cpu++) {
        if (!CPU_ISSET(cpu, set))
            continue;
        if (count == 1 || seen == taken * (all - 1) / (count - 1))
            cpus[taken++] = cpu;
        seen++;
    }
    return count;
}

static unsigned list_cpus(unsigned *cpus, unsigned most)
{
    cpu_set_t set;
    return sched_getaffinity(0, sizeof set, &set) == 0 ? skew_spread(&set, cpus, most) : 0;
}

int skew_measure(uint64_t *ticks, struct fault *fault)
{
    unsigned cpus[CPUS_MOST];
    uint64_t bounds[CPUS_MOST] = {0};
    const unsigned count = clock_facts.counter ? list_cpus(cpus, CPUS_MOST) : 0;
    for (unsigned i = 1; i < count; i++) {
        const int error = measure_pair(cpus[0], cpus[i], &bounds[i]);
        if (error)
            return fault_set(fault, error, "the clocks of the processors can't be compared: %s",
                             fault_no_thread(error));
    }
    *ticks = skew_of(bounds, CPUS_MOST);
    return 0;
}
