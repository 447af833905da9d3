// SPDX-License-Identifier: Apache-2.0
// Threads of lcrq that are interrupted where it hurts; see rings_steps.h.
#define RINGS_SOURCE "queues/lcrq.c"
#define RINGS_OPS lcrq_queue_ops
#define RINGS_PUT "lcrq_guess"
#define RINGS_TAKE "lcrq_now"
#include "tests/rings_steps.h"

int main(void)
{
    const struct CMUnitTest tests[] = {RINGS_STEPS};
    return cmocka_run_group_tests_name("lcrq", tests, NULL, NULL);
}
