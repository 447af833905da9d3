// SPDX-License-Identifier: Apache-2.0
// Judges the history of a pool: each job submitted is invoked once and completed once (`ready` or `free`), completes
// after it was invoked, jobs of one key and one submitter are invoked in the order in which they were submitted, and
// complete on the thread that submitted (an external's: on scheduler 0), if the pool promises so.
#ifndef READYQ_HISTORY_JOBS_H
#define READYQ_HISTORY_JOBS_H

#include "core/history/check.h"

// As history_check, also in that what is no history of a pool is refused (-EINVAL, or -EOVERFLOW: longer than can be
// counted). An event of a job that was not submitted is HISTORY_INVENTED, a second submit HISTORY_DUPLICATED. Jobs of
// one key must be invoked one after the other: neither in the other order, nor at once. `drained` of the question:
// all jobs were to be invoked when the recording ended, and all but history.unrun of them completed; otherwise those
// that were not are no fault. Where there are workers jobs are invoked on these, and nowhere else, and do not
// complete inside submit; what breaks that is HISTORY_STRAYED too. Submissions by one thread are ordered by their
// events; two submissions by different threads of one key only where the one precedes the other and promise.order is
// QUEUE_ORDER_FIFO (of the job queue; where it is RELAXED, keys are not judged).
int history_check_jobs(const struct history *history, const struct history_question *question,
                       struct history_verdict *verdict, struct fault *fault);

#endif
