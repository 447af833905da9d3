// SPDX-License-Identifier: Apache-2.0
// A clock that is behind by less than a message takes can't be told from one that is not: the token leaves before it
// comes by either. Nor can it do harm. If `a` ended before `b` started by such clocks, and in truth they overlapped, it
// was by less than a message takes; nothing of `b` can then have reached `a`, or anybody who saw `a` not done, in time to
// have gone before it. So only what is seen to be impossible counts.
#include "core/history/skew.h"

#include <errno.h>
#include <sched.h>
#include <stdbool.h>

#include "core/machine/clock.h"
#include "core/sync/thread.h"

#define CPUS_MOST 17u
#define TURNS 400u
#define PAIR_NS 1e6 // after so long a pair is left alone: others keep its processors busy

// A token that two threads, each on its own processor, take in turns. Who has the turn owns the rest.
struct token {
    _Atomic uint32_t turn ALIGNED_LINE;
    uint64_t first_ticks; // when both were there
    uint64_t left_ticks;
    uint64_t lag_ticks; // the most by which it came before it left
    bool last;          // whoever gets it next stops
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
    sched_setaffinity(0, sizeof set, &set); // where it is refused the pair finds nothing, as it would on one processor
}

static bool take_turn(struct token *token, uint32_t turn)
{
    SPIN_UNTIL(at_load_acq(&token->turn, AT(skew_come, skew_leave)) == turn);
    const uint64_t came = clock_ticks();
    if (turn > 0 && came < token->left_ticks && token->left_ticks - came > token->lag_ticks)
        token->lag_ticks = token->left_ticks - came;
    if (turn < 2)
        token->first_ticks = came;
    const bool over = token->last;
    token->last |= turn + 2 >= TURNS || (int64_t)(came - token->first_ticks) > (int64_t)clock_ticks_in(PAIR_NS);
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
static int measure_pair(unsigned cpu, unsigned other_cpu, uint64_t *lag_ticks)
{
    struct token token = {.last = false};
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
    *lag_ticks = token.lag_ticks;
    return error;
}

uint64_t skew_of(const uint64_t *lags, unsigned count)
{
    uint64_t most = 0, second = 0;
    for (unsigned i = 0; i < count; i++) {
        if (lags[i] > most) {
            second = most;
            most = lags[i];
        } else if (lags[i] > second) {
            second = lags[i];
        }
    }
    return most + second;
}

static unsigned list_cpus(unsigned *cpus, unsigned most)
{
    cpu_set_t set;
    unsigned count = 0;
    if (sched_getaffinity(0, sizeof set, &set) != 0)
        return 0;
    for (unsigned cpu = 0; cpu < CPU_SETSIZE && count < most; cpu++) {
        if (CPU_ISSET(cpu, &set))
            cpus[count++] = cpu;
    }
    return count;
}

int skew_measure(uint64_t *ticks, struct fault *fault)
{
    unsigned cpus[CPUS_MOST];
    uint64_t lags[CPUS_MOST] = {0};
    const unsigned count = clock_facts.counter ? list_cpus(cpus, CPUS_MOST) : 0;
    for (unsigned i = 1; i < count; i++) {
        const int error = measure_pair(cpus[0], cpus[i], &lags[i]);
        if (error)
            return fault_set(fault, error, "the clocks of the processors can't be compared: %s",
                             fault_no_thread(error));
    }
    *ticks = skew_of(lags, CPUS_MOST);
    return 0;
}
