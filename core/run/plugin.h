// SPDX-License-Identifier: Apache-2.0
// Queues from shared objects, named by path where a queue is named otherwise: --queue ./my_queue.so
//
// The object exports `const struct queue_ops readyq_queue`, compiled against core/queue.h of the same ABI version. What
// core/sync/ and core/reclaim.h declare it finds in the program. It is called by its file's name in records and
// figures, whatever name it gives itself, so that two versions of one queue stay apart.
#ifndef READYQ_RUN_PLUGIN_H
#define READYQ_RUN_PLUGIN_H

#include <stdbool.h>

#include "core/fault.h"
#include "core/queue.h"

#define PLUGIN_SYMBOL "readyq_queue"

// Whether a queue's name is a path: it has a slash in it.
bool plugin_is_path(const char *name);

// Whether a queue came from a shared object.
bool plugin_is_from_file(const struct queue_entry *entry);

// The queue in the object at `path`, loaded and held against the contract; the same entry each time. It stays loaded
// as long as the process lives, for a thread may end in its code. NULL and a sentence. One thread at a time.
const struct queue_entry *plugin_queue(const char *path, struct fault *fault);

#endif
